/* SPDX-License-Identifier: BSD-3-Clause */

/* Calls change the model; the data plane follows, and a reload keeps what they made. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_ctl_events.h"
#include "cv_ctl_keep.h"
#include "cv_ctl_know.h"

#include "ctl_world.h"

#include "cv_base.h"
#include "cv_model_change.h"

#define BARE "vpce-0000000000000ba4e"

static struct cv_model_by by_of(uint64_t n)
{
	return (struct cv_model_by){.account = CV_MODEL_NONE, .now = 7, .random = {n, n}};
}

/* Rejects and accepts the first endpoint, so that it ends as it began, or rejected. */
static int decide(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	const struct cv_model_by by = by_of(1);
	const struct cv_model_endpoint *ep = &model->endpoints[0];
	const char *service = model->services[ep->service].id;
	struct cv_model_errs errs = {0};
	int ret;

	(void)ctl;
	ret = *(bool *)arg ? cv_model_accept_by(model, &by, service, ep->id, &errs)
			   : cv_model_reject_by(model, &by, service, ep->id, &errs);
	cv_model_errs_fini(&errs);
	return ret;
}

/* Makes a load balancer, or removes it again. */
static int make_lb(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	struct cv_model_by by = by_of(2);
	struct cv_model_place_req place = {
		.subnet = model->subnets[model->lbs[0].nodes[0].subnet].id};
	struct cv_model_lb_req req = {.name = "made",
				      .vpc = model->vpcs[model->lbs[0].vpc].id,
				      .places = &place,
				      .n_places = 1,
				      .by = &by};
	struct cv_model_errs errs = {0};
	int ret;

	(void)ctl;
	ret = *(bool *)arg ? cv_model_lb_add(model, &req, &errs)
			   : cv_model_remove(model, &by, CV_MODEL_LB,
					     model->lbs[model->n_lbs - 1].arn, &errs);
	cv_model_errs_fini(&errs);
	return ret;
}

/* Makes an endpoint without interfaces. */
static int make_bare(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	struct cv_model_by by = by_of(3);
	struct cv_model_endpoint_req req = {.id = BARE,
					    .vpc = model->vpcs[model->endpoints[0].vpc].id,
					    .service = model->endpoints[0].service_name,
					    .by = &by};
	struct cv_model_errs errs = {0};
	int ret;

	(void)ctl;
	(void)arg;
	by.now = (uint64_t)time(NULL); /* requests expire */
	ret = cv_model_endpoint_add(model, &req, &errs);
	cv_model_errs_fini(&errs);
	return ret;
}

/* Gives it one, beside that of the first endpoint. */
static int give_subnet(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	struct cv_model_by by = by_of(4);
	struct cv_model_place_req place = {
		.subnet = model->subnets[model->endpoints[0].enis[0].subnet].id};
	struct cv_model_endpoint_change req = {.endpoint = BARE,
					       .add_places = &place,
					       .n_add_places = 1,
					       .private_dns = CV_MODEL_KEEP};
	struct cv_model_errs errs = {0};
	int ret;

	(void)ctl;
	(void)arg;
	ret = cv_model_endpoint_change(model, &by, &req, &errs);
	cv_model_errs_fini(&errs);
	return ret;
}

static int refuse(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	(void)ctl;
	(void)model;
	(void)arg;
	return -EPERM;
}

static char *shown(struct world *w, const char *what, const char *path)
{
	static char text[128];
	json_t *root = world_show_all(w, what);
	const char *got = json_string_value(at(root, path));

	snprintf(text, sizeof(text), "%s", got != NULL ? got : "");
	json_decref(root);
	return text;
}

static json_int_t generation(struct world *w)
{
	json_t *root = world_show_all(w, "config");
	json_int_t gen = json_integer_value(at(root, "generation"));

	json_decref(root);
	return gen;
}

static size_t n_lbs(struct world *w)
{
	json_t *root = world_show_all(w, "load-balancers");
	size_t n = json_array_size(at(root, "load_balancers"));

	json_decref(root);
	return n;
}

static void the_data_plane_follows_quick_calls_at_once(void **state)
{
	struct world *w = world_run(NULL);
	json_int_t gen = generation(w), turns;
	uint64_t began_ms = cv_clock_ms();
	bool yes = true, no = false;

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(cv_ctl_call(world_ctl(w), true, decide, i % 2 == 0 ? &no : &yes),
				 0);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, decide, &no), 0);
	world_until(strcmp(shown(w, "endpoints", "endpoints.0.verdict"), "endpoint_rejected") == 0);
	/* One view for all of them, or a few on a slow machine: one each 30 ms. */
	gen = generation(w) - gen;
	turns = (json_int_t)(cv_clock_ms() - began_ms) / 30;
	assert_in_range(gen, 1, turns + 1);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, decide, &yes), 0);
	world_until(strcmp(shown(w, "endpoints", "endpoints.0.state"), "available") == 0);
	assert_string_equal(shown(w, "endpoints", "endpoints.0.verdict"), "forward");
	world_destroy(w);
}

static void a_call_that_changes_nothing_serves_nothing_anew(void **state)
{
	struct world *w = world_run(NULL);
	json_int_t gen = generation(w);

	(void)state;
	assert_int_equal(cv_ctl_call(world_ctl(w), true, refuse, NULL), -EPERM);
	usleep(150000);
	assert_int_equal(generation(w), gen);
	world_destroy(w);
}

static void a_reload_keeps_what_calls_made(void **state)
{
	struct world *w = world_run(NULL);
	size_t n = n_lbs(w);
	bool yes = true, no = false;
	json_int_t gen;

	(void)state;
	assert_int_equal(cv_ctl_call(world_ctl(w), true, decide, &no), 0);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, make_lb, &yes), 0);
	world_until(n_lbs(w) == n + 1);
	gen = generation(w);
	world_reload(w);
	assert_int_equal(generation(w), gen + 1);
	assert_int_equal(n_lbs(w), n + 1);
	assert_string_equal(shown(w, "endpoints", "endpoints.0.state"), "rejected");
	assert_int_equal(cv_ctl_call(world_ctl(w), true, make_lb, &no), 0);
	world_until(n_lbs(w) == n);
	world_destroy(w);
}

static size_t n_enis(struct world *w, const char *endpoint)
{
	json_t *root = world_show_all(w, "endpoints"), *row;
	size_t i, n = SIZE_MAX;

	json_array_foreach(at(root, "endpoints"), i, row)
	{
		if (strcmp(json_string_value(at(row, "id")), endpoint) == 0)
			n = json_array_size(at(row, "enis"));
	}
	json_decref(root);
	return n;
}

static void an_endpoint_without_interfaces_is_there_until_it_is_deleted(void **state)
{
	struct world *w = world_run(NULL);
	bool no = false;
	json_int_t gen;

	(void)state;
	assert_int_equal(cv_ctl_call(world_ctl(w), true, make_bare, &no), 0);
	world_until(n_enis(w, BARE) == 0);
	gen = generation(w);
	world_reload(w);
	assert_int_equal(generation(w), gen + 1);
	assert_int_equal(n_enis(w, BARE), 0);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, give_subnet, &no), 0);
	world_until(n_enis(w, BARE) == 1);
	world_destroy(w);
}

static void state_that_is_elsewhere(json_t *conf)
{
	json_object_set_new(json_object_get(conf, "control"), "state",
			    json_string("/proc/culvert-test/state.db"));
}

static int kept_count(void *arg, const char *key, const char *value, size_t len)
{
	(void)key;
	(void)value;
	(void)len;
	(*(int *)arg)++;
	return 0;
}

static int read_kept(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	(void)model;
	return cv_ctl_kept(ctl, kept_count, arg);
}

/* It is not taken for nothing. */
static void what_is_kept_is_not_known_while_it_cannot_be_read(void **state)
{
	struct world *w = world_run(state_that_is_elsewhere);
	int n = 0;

	(void)state;
	assert_int_equal(cv_ctl_call(world_ctl(w), false, read_kept, &n), -EAGAIN);
	world_destroy(w);
	w = world_run(NULL);
	assert_int_equal(cv_ctl_call(world_ctl(w), false, read_kept, &n), 0);
	assert_int_equal(n, 0);
	world_destroy(w);
}

/* As after a start that failed: who waits for control is let go, before it has ever run. */
static void nobody_waits_for_control_that_refuses(void **state)
{
	struct world *w = world_create(NULL);
	const struct cv_ctl_events_query query = {.wait = 20};
	uint64_t began_ms = cv_clock_ms();
	struct cv_ctl_reply reply = {0};

	(void)state;
	cv_ctl_refuse(world_ctl(w));
	cv_ctl_refuse(world_ctl(w));
	assert_int_equal(cv_ctl_call(world_ctl(w), false, refuse, NULL), -ECANCELED);
	assert_int_equal(cv_ctl_events(world_ctl(w), &query, &reply), 0);
	free(reply.text);
	assert_true(cv_clock_ms() - began_ms < 10000);
	world_destroy(w);
}

static void changes_that_cannot_be_kept_are_not_made(void **state)
{
	struct world *w = world_run(state_that_is_elsewhere);
	bool yes = true, no = false;
	char why[256] = "";

	(void)state;
	assert_int_equal(cv_ctl_call(world_ctl(w), true, decide, &no), -EROFS);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, make_lb, &yes), -EROFS);
	assert_int_equal(cv_ctl_call(world_ctl(w), false, refuse, NULL), -EPERM);
	assert_string_equal(shown(w, "endpoints", "endpoints.0.verdict"), "forward");
	/* Why, also once it was tried again: a reload does. */
	for (json_int_t gen = generation(w), end = gen + 2; gen < end; gen++) {
		cv_ctl_keep_why(world_ctl(w), why, sizeof(why));
		assert_non_null(strstr(why, "/proc/culvert-test"));
		world_reload(w);
		assert_true(generation(w) > gen);
	}
	world_destroy(w);
}

/* ---- places of what is removed ---- */

static void four_listeners(json_t *conf)
{
	json_object_set_new(json_object_get(conf, "limits"), "listeners", json_integer(4));
}

static int room_get(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	(void)model;
	*(uint32_t *)arg = cv_ctl_listeners_room(ctl);
	return 0;
}

static uint32_t room(struct world *w)
{
	uint32_t n = UINT32_MAX;

	assert_int_equal(cv_ctl_call(world_ctl(w), false, room_get, &n), 0);
	return n;
}

/* Makes the last load balancer's listener anew as long as there is room, before the data plane follows. */
static int remake(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	uint64_t *n = arg;
	uint32_t lb = model->n_lbs - 1;
	int ret = 0;

	for (; ret == 0 && cv_ctl_listeners_room(ctl) > 0; (*n)++) {
		const struct cv_model_by by = by_of(100 + *n);
		const struct cv_model_listener_req req = {
			.port = 80,
			.idle_seconds = 350,
			.by = &by,
			.target_group = model->tgs[model->n_tgs - 1].arn,
		};
		struct cv_model_errs errs = {0};

		ret = cv_model_remove(model, &by, CV_MODEL_LISTENER,
				      model->lbs[lb].listeners[0].arn, &errs);
		if (ret == 0)
			ret = cv_model_listener_add(model, lb, &req, &errs);
		cv_model_errs_fini(&errs);
	}
	return ret;
}

/* One too many, and nobody's changes would be served any more. */
static void listeners_are_made_as_long_as_they_can_be_served(void **state)
{
	struct world *w = world_run(four_listeners);
	uint64_t n = 0;
	bool no = false;

	(void)state;
	assert_int_equal(room(w), 2);
	world_namesakes(w);
	assert_int_equal(room(w), 1);
	for (uint64_t k = 1; k <= 3; k++) {
		assert_int_equal(cv_ctl_call(world_ctl(w), true, remake, &n), 0);
		assert_int_equal(n, k);
		/* The one that is gone gives its place back. */
		world_until(room(w) == 1);
	}
	assert_int_equal(cv_ctl_call(world_ctl(w), true, decide, &no), 0);
	world_until(strcmp(shown(w, "endpoints", "endpoints.0.verdict"), "endpoint_rejected") == 0);
	world_destroy(w);
}

/* Puts another target in the place of the last group's; tells how many take room beside the model's. */
static int replace_target(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	const struct cv_model_by by = by_of(9);
	struct cv_model_target_group *tg = &model->tgs[model->n_tgs - 1];
	struct cv_model_target_req old = {.ip = tg->targets[0].ip, .port = tg->targets[0].port},
				   new = {.port = 81, .ip = old.ip};
	const struct cv_model_targets_change take = {.tg = tg->arn, .remove = &old, .n_remove = 1},
					     give = {.tg = tg->arn, .add = &new, .n_add = 1};
	struct cv_model_errs errs = {0};
	int ret = cv_model_targets_change(model, &by, &take, &errs);

	if (ret == 0)
		ret = cv_model_targets_change(model, &by, &give, &errs);
	*(uint32_t *)arg = cv_ctl_targets_gone(ctl);
	cv_model_errs_fini(&errs);
	return ret;
}

static void replaced_target_takes_room_before_the_data_plane_knows(void **state)
{
	struct world *w = world_run(NULL);
	uint32_t n_gone = 0;

	(void)state;
	world_namesakes(w);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, replace_target, &n_gone), 0);
	assert_int_equal(n_gone, 1);
	world_destroy(w);
}

/* ---- what was left out ---- */

static char state_dir[] = "/tmp/culvert-test-left-XXXXXX";

static void durable(json_t *conf)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/in/state.db", state_dir);
	json_object_set_new(json_object_get(conf, "control"), "state", json_string(path));
}

/* Another VPC of the provider's. */
static void durable_with_spare(json_t *conf)
{
	durable(conf);
	json_array_append_new(at(conf, "vpcs"),
			      json_pack("{s:s, s:s, s:[s], s:{s:s, s:i}}", "name", "spare", "owner",
					"provider", "cidrs", "10.9.0.0/16", "attachment", "port",
					"c4", "vlan", 9));
}

/* Makes the target group `twin` in the provider's VPC that is called so. */
static int make_twin(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	const char *name = arg;
	struct cv_model_by by = by_of((uint64_t)(unsigned char)name[0]);
	struct cv_model_tg_req req;
	struct cv_model_errs errs = {0};
	int ret;

	(void)ctl;
	cv_model_tg_req_init(&req);
	req.name = "twin";
	req.vpc = model->vpcs[cv_model_find(model, CV_MODEL_VPC, CV_MODEL_NONE, name)].id;
	req.port = 80;
	req.by = &by;
	ret = cv_model_tg_add(model, &req, &errs);
	cv_model_errs_fini(&errs);
	return ret;
}

/* Copies the name of the VPC that the twin is in. */
static int twin_find(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	char *text = arg;

	(void)ctl;
	text[0] = '\0';
	for (uint32_t i = 0; i < model->n_tgs; i++) {
		if (!model->tgs[i].meta.gone && strcmp(model->tgs[i].name, "twin") == 0)
			snprintf(text, 32, "%s", model->vpcs[model->tgs[i].vpc].name);
	}
	return 0;
}

static const char *twin(struct world *w)
{
	static char text[32];

	assert_int_equal(cv_ctl_call(world_ctl(w), false, twin_find, text), 0);
	return text;
}

static void reload_with(struct world *w, void (*edit)(json_t *conf))
{
	json_t *conf = world_conf(w);

	while (json_array_size(at(conf, "vpcs")) > 5)
		json_array_remove(at(conf, "vpcs"), 5);
	edit(conf);
	world_write(w, NULL);
	world_reload(w);
}

/* The state file cannot be reached: of two directories neither is made. */
static void state_hide(bool hide)
{
	char away[64];

	snprintf(away, sizeof(away), "%s.away", state_dir);
	assert_int_equal(rename(hide ? state_dir : away, hide ? away : state_dir), 0);
}

/* What came back with the file would throw out what was made in its place, with all its connections. */
static void what_was_left_out_does_not_throw_out_what_serves(void **state)
{
	struct world *w;
	char cmd[64], spare[] = "spare", provider[] = "provider";

	(void)state;
	assert_non_null(mkdtemp(state_dir));
	w = world_run(durable_with_spare);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, make_twin, spare), 0);
	assert_string_equal(twin(w), "spare");
	reload_with(w, durable);
	assert_string_equal(twin(w), "");
	assert_int_equal(cv_ctl_call(world_ctl(w), true, make_twin, provider), 0);
	reload_with(w, durable_with_spare);
	assert_string_equal(twin(w), "provider");
	reload_with(w, durable);
	assert_string_equal(twin(w), "provider");
	world_destroy(w);
	/* The file was edited while nobody ran. */
	for (int i = 0; i < 2; i++) {
		w = world_run(durable_with_spare);
		assert_string_equal(twin(w), "provider");
		world_destroy(w);
	}
	/* Its file cannot be read at the start; the third finds the marks as the second left them. */
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			state_hide(true);
		w = world_run(durable_with_spare);
		if (i == 0) {
			assert_string_equal(twin(w), "");
			state_hide(false);
			world_until(twin(w)[0] != '\0');
		}
		assert_string_equal(twin(w), "provider");
		world_destroy(w);
	}
	snprintf(cmd, sizeof(cmd), "rm -rf %s", state_dir);
	assert_int_equal(system(cmd), 0);
}

/* Whatever keeps it from being written first, it is in the file before another takes the place. */
static void left_out_is_written_later(bool broken)
{
	struct world *w;
	char cmd[64], spare[] = "spare", provider[] = "provider";

	assert_non_null(mkdtemp(strcpy(state_dir, "/tmp/culvert-test-left-XXXXXX")));
	w = world_run(durable_with_spare);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, make_twin, spare), 0);
	state_hide(true);
	/* The call finds that nothing can be written, or else the reload does. */
	if (broken)
		assert_int_equal(cv_ctl_call(world_ctl(w), true, make_lb, &broken), -EROFS);
	reload_with(w, durable);
	assert_string_equal(twin(w), "");
	state_hide(false);
	world_until(cv_ctl_call(world_ctl(w), true, make_twin, provider) == 0);
	world_destroy(w);
	w = world_run(durable_with_spare);
	assert_string_equal(twin(w), "provider");
	world_destroy(w);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", state_dir);
	assert_int_equal(system(cmd), 0);
}

static void what_was_left_out_is_known_though_it_could_not_be_written(void **state)
{
	(void)state;
	left_out_is_written_later(true);
	left_out_is_written_later(false);
}

static _Atomic int n_sent;

static void sent_count(void *arg)
{
	(void)arg;
	n_sent++;
}

/* One directory would be made; two are not. */
static void durable_later(json_t *conf)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/a/b/state.db", state_dir);
	json_object_set_new(json_object_get(conf, "control"), "state", json_string(path));
}

/* What waits in a file that could not be read at the start is delivered without another event. */
static void a_state_file_that_is_there_later_is_told(void **state)
{
	struct world *w;
	char cmd[64];
	int n = 0;

	(void)state;
	assert_non_null(mkdtemp(strcpy(state_dir, "/tmp/culvert-test-left-XXXXXX")));
	w = world_create(durable_later);
	cv_ctl_on_connection(world_ctl(w), &(struct cv_ctl_tell){.sent = sent_count});
	world_start(w);
	assert_int_equal(cv_ctl_call(world_ctl(w), false, read_kept, &n), -EAGAIN);
	assert_int_equal(n_sent, 0);
	snprintf(cmd, sizeof(cmd), "mkdir %s/a", state_dir);
	assert_int_equal(system(cmd), 0);
	world_until(n_sent > 0);
	assert_int_equal(cv_ctl_call(world_ctl(w), false, read_kept, &n), 0);
	world_destroy(w);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", state_dir);
	assert_int_equal(system(cmd), 0);
}

static int keep_two(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	(void)model;
	(void)arg;
	assert_int_equal(cv_ctl_keep(ctl, "a", "this is the first", 17), 0);
	return cv_ctl_keep(ctl, "b", "and the second", 14);
}

static void byte_change(const char *path, const char *word)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "r+e");
	size_t n;
	char *found;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text), f);
	found = memmem(text, n, word, strlen(word));
	assert_non_null(found);
	assert_int_equal(fseek(f, found - text, SEEK_SET), 0);
	assert_int_equal(fputc('X', f), 'X');
	assert_int_equal(fclose(f), 0);
}

/* Notifications' topics are kept there, too: one that is damaged must not be the end of all. */
static void what_is_damaged_does_not_hide_what_else_is_kept(void **state)
{
	struct world *w;
	char text[64];
	int n = 0;

	(void)state;
	assert_non_null(mkdtemp(strcpy(state_dir, "/tmp/culvert-test-left-XXXXXX")));
	w = world_run(durable);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, keep_two, NULL), 0);
	world_destroy(w);
	snprintf(text, sizeof(text), "%s/in/state.db", state_dir);
	byte_change(text, "this is the first");
	w = world_run(durable);
	assert_int_equal(cv_ctl_call(world_ctl(w), false, read_kept, &n), 0);
	assert_int_equal(n, 1);
	world_destroy(w);
	snprintf(text, sizeof(text), "rm -rf %s", state_dir);
	assert_int_equal(system(text), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_data_plane_follows_quick_calls_at_once),
		cmocka_unit_test(a_call_that_changes_nothing_serves_nothing_anew),
		cmocka_unit_test(a_reload_keeps_what_calls_made),
		cmocka_unit_test(an_endpoint_without_interfaces_is_there_until_it_is_deleted),
		cmocka_unit_test(changes_that_cannot_be_kept_are_not_made),
		cmocka_unit_test(what_is_kept_is_not_known_while_it_cannot_be_read),
		cmocka_unit_test(nobody_waits_for_control_that_refuses),
		cmocka_unit_test(listeners_are_made_as_long_as_they_can_be_served),
		cmocka_unit_test(replaced_target_takes_room_before_the_data_plane_knows),
		cmocka_unit_test(what_was_left_out_does_not_throw_out_what_serves),
		cmocka_unit_test(what_was_left_out_is_known_though_it_could_not_be_written),
		cmocka_unit_test(a_state_file_that_is_there_later_is_told),
		cmocka_unit_test(what_is_damaged_does_not_hide_what_else_is_kept),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}

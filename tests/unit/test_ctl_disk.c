/* SPDX-License-Identifier: BSD-3-Clause */

/* A disk that does not answer: control goes on with all that needs none. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_ctl_keep.h"

#include "ctl_world.h"

#include "cv_base.h"
#include "cv_model_change.h"

/* ---- the disk ---- */

static _Atomic bool hangs;
static _Atomic int n_hanging;

static int sync_wait(void)
{
	n_hanging++;
	while (hangs)
		usleep(1000);
	n_hanging--;
	return 0;
}

/* In place of the C library's, for SQLite's, too. */
int fsync(int fd)
{
	(void)fd;
	return sync_wait();
}

int fdatasync(int fd)
{
	(void)fd;
	return sync_wait();
}

static char dir[64];

static int dir_make(void **state)
{
	(void)state;
	hangs = false;
	assert_non_null(mkdtemp(strcpy(dir, "/tmp/culvert-test-disk-XXXXXX")));
	return 0;
}

static int dir_remove(void **state)
{
	char cmd[2 * sizeof(dir) + 16];

	(void)state;
	hangs = false;
	snprintf(cmd, sizeof(cmd), "rm -rf %s %s.away", dir, dir);
	return system(cmd);
}

static void state_at(json_t *conf, const char *place)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, place);
	json_object_set_new(json_object_get(conf, "control"), "state", json_string(path));
}

static void durable(json_t *conf)
{
	state_at(conf, "in/state.db");
}

/* One directory would be made; two are not. */
static void durable_later(json_t *conf)
{
	state_at(conf, "a/b/state.db");
}

/* ---- what is asked meanwhile ---- */

/* Makes a target group. */
static int make_group(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	const char *name = arg;
	struct cv_model_by by = {.account = CV_MODEL_NONE,
				 .now = 7,
				 .random = {(unsigned char)name[0], (unsigned char)name[0]}};
	struct cv_model_errs errs = {0};
	struct cv_model_tg_req req;
	int ret;

	(void)ctl;
	cv_model_tg_req_init(&req);
	req.name = name;
	req.vpc = model->vpcs[0].id;
	req.port = 80;
	req.by = &by;
	ret = cv_model_tg_add(model, &req, &errs);
	cv_model_errs_fini(&errs);
	return ret;
}

static int kept_none(void *arg, const char *key, const char *value, size_t len)
{
	(void)arg;
	(void)key;
	(void)value;
	(void)len;
	return 0;
}

static int read_kept(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	(void)model;
	return cv_ctl_kept(ctl, kept_none, arg);
}

static json_int_t generation(struct world *w)
{
	json_t *root = world_show_all(w, "config");
	json_int_t gen = number_at(root, "generation");

	json_decref(root);
	return gen;
}

/* Fails the test after some seconds if control waits. */
static void control_answers(struct world *w)
{
	assert_true(hangs);
	for (int i = 0; i < 3; i++)
		json_decref(world_show_all(w, "ports"));
	assert_true(n_hanging > 0);
}

/* A call on a thread of its own. */
struct caller {
	pthread_t thread;
	struct world *w;
	char name[8];
	int ret;
	_Atomic bool done;
};

static void *call(void *arg)
{
	struct caller *caller = arg;

	caller->ret = cv_ctl_call(world_ctl(caller->w), true, make_group, caller->name);
	caller->done = true;
	return NULL;
}

static void call_begin(struct caller *caller, struct world *w, const char *name)
{
	*caller = (struct caller){.w = w};
	snprintf(caller->name, sizeof(caller->name), "%s", name);
	assert_int_equal(pthread_create(&caller->thread, NULL, call, caller), 0);
}

static int call_end(struct caller *caller)
{
	assert_int_equal(pthread_join(caller->thread, NULL), 0);
	return caller->ret;
}

/* ---- tests ---- */

static void what_is_broken_is_tried_beside_control(void **state)
{
	struct world *w = world_run(durable);
	char away[80], first[] = "a", second[] = "b";
	json_int_t gen;

	(void)state;
	snprintf(away, sizeof(away), "%s.away", dir);
	assert_int_equal(rename(dir, away), 0);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, make_group, first), -EROFS);
	hangs = true;
	assert_int_equal(rename(away, dir), 0);
	world_until(n_hanging > 0);
	control_answers(w);
	/* What is kept is not read meanwhile, either, and nothing is changed. */
	assert_int_equal(cv_ctl_call(world_ctl(w), false, read_kept, NULL), -EAGAIN);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, make_group, first), -EROFS);
	/* A reload waits, nobody else does. */
	gen = generation(w);
	kill(getpid(), SIGHUP);
	control_answers(w);
	assert_int_equal(generation(w), gen);
	hangs = false;
	world_until(generation(w) > gen);
	world_until(cv_ctl_call(world_ctl(w), true, make_group, second) == 0);
	assert_int_equal(cv_ctl_call(world_ctl(w), false, read_kept, NULL), 0);
	world_destroy(w);
}

static void a_file_is_opened_beside_control(void **state)
{
	struct world *w = world_run(durable_later);
	char cmd[80], name[] = "a";

	(void)state;
	hangs = true;
	snprintf(cmd, sizeof(cmd), "mkdir %s/a", dir);
	assert_int_equal(system(cmd), 0);
	world_until(n_hanging > 0);
	control_answers(w);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, make_group, name), -EROFS);
	hangs = false;
	world_until(cv_ctl_call(world_ctl(w), true, make_group, name) == 0);
	world_destroy(w);
}

/* What is being opened when control ends is closed, too. */
static void the_end_comes_while_a_file_is_opened(void **state)
{
	struct world *w = world_run(durable_later);
	char cmd[80];

	(void)state;
	hangs = true;
	snprintf(cmd, sizeof(cmd), "mkdir %s/a", dir);
	assert_int_equal(system(cmd), 0);
	world_until(n_hanging > 0);
	cv_ctl_stop(world_ctl(w));
	world_until(cv_ctl_call(world_ctl(w), false, read_kept, NULL) == -ECANCELED);
	hangs = false;
	world_destroy(w);
	/* Nobody has it locked. */
	w = world_run(durable_later);
	assert_int_equal(cv_ctl_call(world_ctl(w), false, read_kept, NULL), 0);
	world_destroy(w);
}

static void a_reload_waits_for_what_is_written(void **state)
{
	struct world *w = world_run(durable);
	struct caller first, second;
	json_int_t gen;

	(void)state;
	hangs = true;
	call_begin(&first, w, "a");
	world_until(n_hanging > 0);
	control_answers(w);
	/* The data plane does not wait for the first call: let it have followed. */
	world_until(*lookup(w, "targets", "target_groups", "name", "a", "name") != '\0');
	gen = generation(w);
	kill(getpid(), SIGHUP);
	control_answers(w);
	/* It would be written, too: it comes after the reload. */
	call_begin(&second, w, "b");
	control_answers(w);
	assert_int_equal(generation(w), gen);
	assert_false(first.done);
	assert_false(second.done);
	hangs = false;
	assert_int_equal(call_end(&first), 0);
	assert_int_equal(call_end(&second), 0);
	world_until(generation(w) > gen);
	for (const char *name = "ab"; *name != '\0'; name++) {
		const char one[] = {*name, '\0'};

		world_until(*lookup(w, "targets", "target_groups", "name", one, "name") != '\0');
	}
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_broken_is_tried_beside_control, dir_make,
						dir_remove),
		cmocka_unit_test_setup_teardown(a_file_is_opened_beside_control, dir_make,
						dir_remove),
		cmocka_unit_test_setup_teardown(the_end_comes_while_a_file_is_opened, dir_make,
						dir_remove),
		cmocka_unit_test_setup_teardown(a_reload_waits_for_what_is_written, dir_make,
						dir_remove),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}

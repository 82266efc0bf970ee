/* SPDX-License-Identifier: BSD-3-Clause */

/* What an operator does by hand: it takes effect, or is refused with a reason and changes nothing. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_world.h"

#include "cv_base.h"

static char said[256];

/* @return what cv_ctl_act() does; said holds its text */
static int order(struct world *w, const struct cv_ctl_order *what)
{
	struct cv_ctl_reply reply = {0};
	int ret = cv_ctl_act(world_ctl(w), what, &reply);

	snprintf(said, sizeof(said), "%s", reply.text != NULL ? reply.text : "");
	free(reply.text);
	return ret;
}

static int decide(struct world *w, const char *verb, const char *endpoint)
{
	return order(w, &(struct cv_ctl_order){.verb = verb, .endpoint = endpoint});
}

static int drain(struct world *w, const char *group, const char *target)
{
	return order(w, &(struct cv_ctl_order){.verb = "drain", .group = group, .target = target});
}

static int shift(struct world *w, const char *verb, const char *lb, const char *zone)
{
	return order(w, &(struct cv_ctl_order){.verb = verb, .load_balancer = lb, .zone = zone});
}

static const char *state_of(struct world *w, const char *name)
{
	static char text[64];
	json_t *root = world_show_all(w, "endpoints"), *row;
	size_t i;

	text[0] = '\0';
	json_array_foreach(json_object_get(root, "endpoints"), i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
			snprintf(text, sizeof(text), "%s",
				 json_string_value(json_object_get(row, "state")));
	}
	json_decref(root);
	return text;
}

static void connections_are_accepted_and_rejected(void **state)
{
	struct world *w = world_run(NULL);

	(void)state;
	assert_string_equal(state_of(w, "consumer-4"), "pendingAcceptance");
	assert_int_equal(decide(w, "accept", "consumer-4"), 0);
	assert_non_null(strstr(said, "\"done\":"));
	assert_non_null(strstr(said, " is accepted"));
	world_until(strcmp(state_of(w, "consumer-4"), "available") == 0);
	assert_int_equal(decide(w, "reject", "consumer-4"), 0);
	assert_non_null(strstr(said, " is rejected"));
	world_until(strcmp(state_of(w, "consumer-4"), "rejected") == 0);
	assert_int_equal(decide(w, "accept", "nobody"), -ENOENT);
	assert_string_equal(said, "there is no endpoint 'nobody'");
	world_destroy(w);
}

static bool has_target(struct world *w, const char *target)
{
	json_t *root = world_show_all(w, "targets");
	char *text = json_dumps(root, 0);
	bool has = strstr(text, target) != NULL;

	free(text);
	json_decref(root);
	return has;
}

static void targets_are_drained(void **state)
{
	struct world *w = world_run(NULL);

	(void)state;
	assert_int_equal(drain(w, "nothing", "10.0.1.21:80"), -ENOENT);
	assert_string_equal(said, "there is no target group 'nothing'");
	assert_int_equal(drain(w, "web", "10.0.9.9"), -ENOENT);
	assert_string_equal(said, "target group 'web' has no target 10.0.9.9");
	assert_int_equal(drain(w, "web", "10.0.1.21:81"), -ENOENT);
	assert_int_equal(drain(w, "web", "10.0.1.21:"), -EINVAL);
	assert_int_equal(drain(w, "web", "10.0.1.21:65536"), -EINVAL);
	assert_int_equal(drain(w, "web", "10.0.1"), -EINVAL);
	assert_true(has_target(w, "10.0.1.21"));
	assert_int_equal(drain(w, "web", "10.0.1.21:80"), 0);
	assert_non_null(strstr(said, "10.0.1.21:80 of 'web' is deregistered"));
	assert_int_equal(drain(w, "web", "10.0.1.21"), -ENOENT);
	world_destroy(w);
}

static void let_shift(json_t *conf)
{
	json_t *lb = json_array_get(json_object_get(conf, "load_balancers"), 0);

	json_object_set_new(lb, "attributes", json_pack("{s:b}", "zonal_shift.config.enabled", 1));
}

/* ARN of the thing `web` of an account; "" if it has none. Good until the next call. */
static const char *lookup_arn(struct world *w, const char *what, const char *list,
			      const char *account)
{
	static char found[160];
	json_t *root = world_show_all(w, what), *item;
	size_t i;

	found[0] = '\0';
	json_array_foreach(at(root, list), i, item)
	{
		if (strcmp(text_at(item, "name"), "web") == 0 &&
		    strcmp(text_at(item, "account"), account) == 0)
			snprintf(found, sizeof(found), "%s", text_at(item, "arn"));
	}
	json_decref(root);
	return found;
}

/* The file's go by another name. */
static void without_web(json_t *conf)
{
	json_string_set(at(conf, "target_groups.0.name"), "own");
	json_string_set(at(conf, "load_balancers.0.name"), "own");
	json_string_set(at(conf, "load_balancers.0.listeners.0.target_group"), "own");
	json_string_set(at(conf, "endpoint_services.0.load_balancers.0"), "own");
}

static void names_of_several_accounts_are_told_apart(void **state)
{
	struct world *w = world_run(let_shift);
	char *theirs = strdup(lookup_arn(w, "targets", "target_groups", "222222222222"));
	char *ours = strdup(lookup_arn(w, "targets", "target_groups", "111111111111"));

	(void)state;
	assert_string_equal(theirs, "");
	assert_int_equal(drain(w, "222222222222/web", "172.16.1.99"), -ENOENT);
	assert_string_equal(said, "there is no target group '222222222222/web'");
	world_namesakes(w);
	free(theirs);
	theirs = strdup(lookup_arn(w, "targets", "target_groups", "222222222222"));
	assert_int_equal(drain(w, "web", "172.16.1.99"), -EINVAL);
	assert_non_null(strstr(said, "several target groups 'web'"));
	assert_non_null(strstr(said, ours));
	assert_non_null(strstr(said, theirs));
	assert_true(has_target(w, "172.16.1.99"));
	assert_int_equal(drain(w, "111111111111/web", "172.16.1.99"), -ENOENT);
	assert_string_equal(said, "target group 'web' has no target 172.16.1.99");
	assert_int_equal(drain(w, "22222222222/web", "172.16.1.99"), -ENOENT);
	assert_int_equal(drain(w, "222222222222/we", "172.16.1.99"), -ENOENT);
	assert_int_equal(drain(w, ours, "172.16.1.99"), -ENOENT);
	assert_int_equal(drain(w, "222222222222/web", "172.16.1.99"), 0);
	assert_int_equal(drain(w, theirs, "172.16.1.99"), -ENOENT);
	assert_string_equal(said, "target group 'web' has no target 172.16.1.99");
	/* By the account's name in the file, too. */
	assert_int_equal(drain(w, "provider/web", "10.0.1.21"), 0);
	assert_int_equal(shift(w, "shift", "web", "use1-az1"), -EINVAL);
	assert_non_null(strstr(said, "several load balancers 'web'"));
	assert_int_equal(shift(w, "shift", "consumer-1/web", "use1-az1"), 0);
	assert_int_equal(shift(w, "unshift", "provider/web", NULL), -EINVAL);
	assert_int_equal(shift(w, "unshift", "222222222222/web", NULL), 0);
	free(theirs);
	free(ours);
	world_destroy(w);
}

/* What is made by calls goes by a name that no other has. */
static void names_of_calls_are_known(void **state)
{
	struct world *w = world_run(without_web);

	(void)state;
	world_namesakes(w);
	assert_int_equal(drain(w, "web", "172.16.1.99:80"), 0);
	assert_int_equal(shift(w, "shift", "web", "use1-az1"), 0);
	assert_int_equal(shift(w, "unshift", "web", NULL), 0);
	world_destroy(w);
}

static json_int_t generation(struct world *w)
{
	json_t *root = world_show_all(w, "config");
	json_int_t n = json_integer_value(json_object_get(root, "generation"));

	json_decref(root);
	return n;
}

/* Targets that a shift takes out, by the metric; -1: it is not told. */
static int shifted_hosts(struct world *w)
{
	struct cv_ctl_reply reply = {0};
	const char *at;
	int n = -1;

	assert_int_equal(cv_ctl_metrics(world_ctl(w), &reply), 0);
	at = strstr(reply.text, "culvert_nlb_target_group_active_zonal_shift_host_count{");
	if (at != NULL)
		assert_int_equal(sscanf(strstr(at, "} "), "} %d", &n), 1);
	free(reply.text);
	return n;
}

static void zones_are_shifted_and_back(void **state)
{
	struct world *w = world_run(let_shift);
	json_int_t gen = generation(w);

	(void)state;
	assert_int_equal(shift(w, "unshift", "web", NULL), -EINVAL);
	assert_string_equal(said, "load balancer 'web' is not shifted");
	assert_int_equal(shift(w, "shift", "web", "use1-az9"), -ENOENT);
	assert_non_null(strstr(said, "has no node in 'use1-az9'"));
	assert_int_equal(shift(w, "shift", "none", "use1-az1"), -ENOENT);
	assert_int_equal(generation(w), gen);
	assert_int_equal(shifted_hosts(w), 0);
	assert_int_equal(shift(w, "shift", "web", "use1-az1"), 0);
	assert_non_null(strstr(said, "'web' is shifted away from use1-az1"));
	world_until(generation(w) > gen);
	assert_int_equal(shifted_hosts(w), 1);
	assert_int_equal(shift(w, "shift", "web", "use1-az2"), -EINVAL);
	assert_non_null(strstr(said, "shifted away from use1-az1 already"));
	gen = generation(w);
	assert_int_equal(shift(w, "unshift", "web", NULL), 0);
	world_until(generation(w) > gen);
	assert_int_equal(shifted_hosts(w), 0);
	world_destroy(w);
}

static void shift_has_to_be_allowed(void **state)
{
	struct world *w = world_run(NULL);

	(void)state;
	assert_int_equal(shift(w, "shift", "web", "use1-az1"), -EINVAL);
	assert_non_null(strstr(said, "zonal_shift.config.enabled"));
	world_destroy(w);
}

static void orders_have_their_form(void **state)
{
	const struct cv_ctl_order surplus = {.verb = "accept", .endpoint = "a", .zone = "b"};
	struct world *w = world_run(NULL);

	(void)state;
	assert_int_equal(decide(w, "frobnicate", "a"), -ENOENT);
	assert_string_equal(said, "frobnicate: nothing to do has that name");
	assert_int_equal(decide(w, "accept", NULL), -EINVAL);
	assert_string_equal(said, "accept: endpoint is missing");
	assert_int_equal(order(w, &surplus), -EINVAL);
	assert_string_equal(said, "accept: takes no zone");
	assert_int_equal(drain(w, "web", NULL), -EINVAL);
	assert_int_equal(drain(w, NULL, "10.0.1.21"), -EINVAL);
	assert_int_equal(shift(w, "shift", "web", NULL), -EINVAL);
	assert_int_equal(shift(w, "unshift", NULL, NULL), -EINVAL);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_are_accepted_and_rejected),
		cmocka_unit_test(targets_are_drained),
		cmocka_unit_test(names_of_several_accounts_are_told_apart),
		cmocka_unit_test(names_of_calls_are_known),
		cmocka_unit_test(zones_are_shifted_and_back),
		cmocka_unit_test(shift_has_to_be_allowed),
		cmocka_unit_test(orders_have_their_form),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* Which group and target a SYN leads to. */

#include "talk.h"

enum { N = 800 };

/* What a SYN of a client became: the target, and whether its group begins with a header. */
struct led {
	cv_be32_t target;
	bool proxy;
};

static struct led syn(struct world *w, cv_be32_t client, uint16_t cport, unsigned int worker)
{
	struct talk t = talk(w, cport, L_PLAIN);
	struct seg s;

	t.client = client;
	s = client_seg(&t, F_SYN, "");
	send_by(w, worker, 0, &s);
	assert_int_equal(w->n_out, 1);
	s = seg_parse(&w->out[0]);
	assert_true(s.seq == ISN || s.seq == ISN - H);
	return (struct led){.target = s.dst, .proxy = s.seq == ISN - H};
}

static cv_be32_t client(uint32_t i)
{
	return IP4(10, 1, 2, 0) + cv_be32(i);
}

/* A quarter of the port's flows goes to a group with header, the rest to one without. */
static struct world *weighted_world(const struct world_cfg *cfg)
{
	struct world *w = world_create(cfg);

	w->forwards[0] = (struct cv_view_forward){.group = 0, .last = UINT32_MAX / 4};
	w->forwards[1] = (struct cv_view_forward){.group = 1, .last = UINT32_MAX};
	w->listeners[1].n_forwards = 2;
	world_publish(w);
	return w;
}

static void weights_divide_flows_and_groups_keep_their_ways(void **state)
{
	struct world *w = weighted_world(&(struct world_cfg){.cross_zone = true});
	uint32_t n_proxy = 0, n_first = 0, n_both = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		struct led led = syn(w, CLIENT_IP, (uint16_t)(40000 + i), 0);

		n_proxy += led.proxy;
		n_first += led.target == TARGET_0;
		n_both += led.proxy && led.target == TARGET_0;
	}
	/* Six sigma: sqrt(800 / 4 * 3 / 4) is 12, sqrt(800 / 4) 14. The seed is fixed. */
	assert_in_range(n_proxy, N / 4 - 74, N / 4 + 74);
	assert_in_range(n_first, N / 2 - 85, N / 2 + 85);
	assert_in_range(n_both, N / 8 - 57, N / 8 + 57);
	world_destroy(w);
}

/* The flows of a group without a target for the node are dropped, and only these: no other takes them. */
static void the_share_of_a_group_without_targets_is_dropped(void **state)
{
	struct world *all = weighted_world(&(struct world_cfg){0});
	struct world *some = weighted_world(&(struct world_cfg){0});
	uint32_t n_dropped = 0;

	(void)state;
	some->forwards[0].zone_first = 2;
	world_publish(some);
	for (uint32_t i = 0; i < N; i++) {
		struct talk t = talk(some, (uint16_t)(40000 + i), L_PLAIN);
		struct seg s = client_seg(&t, F_SYN, "");

		if (syn(all, CLIENT_IP, t.cport, 0).proxy) {
			none(some, 0, &s, CV_DROP_NO_TARGET);
			n_dropped++;
		} else {
			assert_int_equal(one(some, 0, &s).dst, TARGET_0);
		}
	}
	assert_in_range(n_dropped, N / 4 - 74, N / 4 + 74);
	assert_int_equal(world_drops(some, CV_DROP_NO_TARGET), n_dropped);
	world_destroy(all);
	world_destroy(some);
}

static void a_sticky_choice_of_group_is_by_client(void **state)
{
	struct world *w = weighted_world(&(struct world_cfg){.n_workers = 3});
	uint32_t n_proxy = 0;

	(void)state;
	w->listeners[1].sticky_group = true;
	world_publish(w);
	for (uint32_t i = 0; i < 100; i++) {
		struct led first = syn(w, client(i), 40000, 0);

		n_proxy += first.proxy;
		for (uint16_t k = 1; k < 4; k++)
			assert_int_equal(syn(w, client(i), (uint16_t)(40000 + k), k % 3).proxy,
					 first.proxy);
	}
	assert_in_range(n_proxy, 10, 45);
	world_destroy(w);
}

/* Whatever worker sees it, and through whichever ENI it comes. */
static void a_sticky_client_has_one_target(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 3, .cross_zone = true});
	uint32_t n_first = 0;

	(void)state;
	w->sticky = true;
	world_publish(w);
	for (uint32_t i = 0; i < 100; i++) {
		struct led first = syn(w, client(i), 40000, 0);

		n_first += first.target == TARGET_0;
		for (uint16_t k = 1; k < 5; k++)
			assert_int_equal(syn(w, client(i), (uint16_t)(40000 + k), k % 3).target,
					 first.target);
	}
	assert_in_range(n_first, 25, 75);
	world_destroy(w);
}

static void without_stickiness_a_client_has_both_targets(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.cross_zone = true});
	uint32_t n_first = 0;

	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		n_first += syn(w, CLIENT_IP, (uint16_t)(40000 + i), 0).target == TARGET_0;
	assert_in_range(n_first, 10, 54);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_divide_flows_and_groups_keep_their_ways),
		cmocka_unit_test(the_share_of_a_group_without_targets_is_dropped),
		cmocka_unit_test(a_sticky_choice_of_group_is_by_client),
		cmocka_unit_test(a_sticky_client_has_one_target),
		cmocka_unit_test(without_stickiness_a_client_has_both_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* The connection limit: exact, however many workers there are and wherever packets arrive. */

#include "talk.h"

static uint32_t random_next(uint32_t *x)
{
	*x = *x * 1664525 + 1013904223;
	return *x >> 8;
}

/* A client's SYN by any worker. Tells whether it was served. */
static bool dial_any(struct world *w, struct talk *t, uint32_t *x)
{
	struct seg s = client_seg(t, F_SYN, "");

	send_by(w, random_next(x) % w->n_workers, 0, &s);
	if (w->n_out == 0)
		return false;
	assert_int_equal(w->n_out, 1);
	s = seg_parse(&w->out[0]);
	assert_int_equal(s.port, 1);
	t->nport = s.sport;
	t->node = s.src;
	t->cseq++;
	return true;
}

/* The target refuses: the flow is over. */
static void refuse(struct world *w, struct talk *t, uint32_t *x)
{
	struct seg s = target_seg(t, ISN + 1, CV_TCP_RST | F_ACK, "");

	s.seq = 0;
	send_by(w, random_next(x) % w->n_workers, 1, &s);
	assert_int_equal(w->n_out, 1);
}

static uint64_t pool_errors(const struct world *w)
{
	uint64_t errors = 0;

	for (uint32_t i = 0; i < cv_snat_registry_n(w->registry); i++) {
		struct cv_snat_counts counts;

		cv_snat_counts(cv_snat_registry_at(w->registry, i), w->now_ms, &counts);
		errors += counts.errors;
	}
	return errors;
}

#define CHURN_PORTS 40
#define CHURN_STEP_MS 3000
#define CHURN_REST_MS 9000

/* Flows come and go by chance; each SYN is served if and only if a port is neither used nor resting. */
static void churn(unsigned int n_workers)
{
	struct world *w = world_create(&(struct world_cfg){
		.n_workers = n_workers, .n_ports = CHURN_PORTS, .rest_ms = CHURN_REST_MS});
	unsigned int n_live = 0, n_resting[CHURN_REST_MS / CHURN_STEP_MS] = {0};
	uint64_t refused = 0, served = 0;
	struct talk live[CHURN_PORTS];
	uint16_t cport = 1024;
	uint32_t x = n_workers;

	w->settings.syn_ms = 3600 * 1000;
	world_publish(w);
	for (unsigned int step = 0; step < 120; step++) {
		const unsigned int age = step % CV_ARRAY_LEN(n_resting);
		unsigned int n_busy = n_live;

		n_resting[age] = 0;
		for (size_t i = 0; i < CV_ARRAY_LEN(n_resting); i++)
			n_busy += n_resting[i];
		for (unsigned int n = random_next(&x) % 30; n > 0; n--) {
			struct talk t = talk(w, cport++, L_PLAIN);
			bool is_served = dial_any(w, &t, &x);

			assert_int_equal(is_served, n_busy < CHURN_PORTS);
			refused += !is_served;
			served += is_served;
			n_busy += is_served;
			if (is_served)
				live[n_live++] = t;
		}
		for (unsigned int n = random_next(&x) % (n_live + 1); n > 0; n--) {
			unsigned int i = random_next(&x) % n_live;

			refuse(w, &live[i], &x);
			live[i] = live[--n_live];
			n_resting[age]++;
		}
		world_wait(w, CHURN_STEP_MS);
	}
	assert_true(served > 5 * CHURN_PORTS && refused > 100);
	assert_int_equal(world_drops(w, CV_DROP_PORT_ALLOCATION), refused);
	assert_int_equal(world_events(w, CV_EV_PORT_ALLOC_ERR), refused);
	assert_int_equal(world_endpoint_drops(w, EP_A, CV_DROP_PORT_ALLOCATION), refused);
	assert_int_equal(cv_stats_obj_sum(cv_dp_stats(w->dp), n_workers, CV_STATS_TARGET, 0).drops,
			 refused);
	assert_int_equal(
		cv_stats_obj_sum(cv_dp_stats(w->dp), n_workers, CV_STATS_LISTENER, 1).drops,
		refused);
	assert_int_equal(pool_errors(w), refused);
	world_destroy(w);
}

static void churn_is_served_exactly(void **state)
{
	(void)state;
	churn(1);
	churn(2);
	churn(4);
}

/* Fewer ports than workers: some worker has none of its own. */
static void fewer_ports_than_workers_are_all_used(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 4, .n_ports = 4});
	unsigned int served = 0;
	uint32_t x = 3;

	(void)state;
	for (uint16_t i = 0; i < 40; i++) {
		struct talk t = talk(w, (uint16_t)(2000 + i * 11), L_PLAIN);

		served += dial_any(w, &t, &x);
	}
	assert_int_equal(served, 4);
	world_destroy(w);
}

/* Connections that are over at once: as many per rest time as there are ports. */
static void rate_is_ports_per_rest(void **state)
{
	struct world *w =
		world_create(&(struct world_cfg){.n_workers = 2, .n_ports = 60, .rest_ms = 6000});
	unsigned int served = 0;
	uint16_t cport = 1024;
	uint32_t x = 1;

	(void)state;
	for (unsigned int ms = 0; ms < 60000; ms += 100) {
		for (int i = 0; i < 5; i++) {
			struct talk t = talk(w, cport++, L_PLAIN);

			if (!dial_any(w, &t, &x))
				break;
			refuse(w, &t, &x);
			served++;
		}
		world_wait(w, 100);
	}
	/* The full minute, the first ports at once; an ended flow is found within a second or so. */
	assert_in_range(served, 60 * 8, 60 * 11);
	world_destroy(w);
}

/* AWS's number, full but for some: all are found, and not one more. */
static void nearly_full_is_exact(void **state)
{
	struct world *w = world_create(&(struct world_cfg){
		.n_workers = 2, .n_ports = CV_SNAT_PORTS_DEFAULT, .n_flows = 65536});
	struct talk kept[8];
	unsigned int served = 0;
	uint32_t x = 1;

	(void)state;
	w->settings.syn_ms = 3600 * 1000;
	world_publish(w);
	for (uint32_t i = 0; i < CV_SNAT_PORTS_DEFAULT + 100u; i++) {
		struct talk t = talk(w, (uint16_t)(1024 + i), L_PLAIN);
		bool is_served = dial_any(w, &t, &x);

		assert_int_equal(is_served, i < CV_SNAT_PORTS_DEFAULT);
		served += is_served;
		if (i % 7000 == 0)
			kept[i / 7000] = t;
	}
	assert_int_equal(world_flows(w), CV_SNAT_PORTS_DEFAULT);
	for (int i = 0; i < 5; i++)
		refuse(w, &kept[i], &x);
	world_wait(w, 61000);
	served = 0;
	for (uint16_t i = 0; i < 50; i++) {
		struct talk t = talk(w, (uint16_t)(100 + i), L_PLAIN);

		served += dial_any(w, &t, &x);
	}
	assert_int_equal(served, 5);
	world_destroy(w);
}

/* Two groups that hold one server share its ports. */
static void one_server_in_two_groups_has_one_limit(void **state)
{
	struct world *w = world_create(
		&(struct world_cfg){.n_workers = 2, .n_ports = 50, .cross_zone = true});
	unsigned int served = 0;
	uint32_t x = 1;

	(void)state;
	w->targets[1] = w->targets[0];
	world_publish(w);
	for (uint16_t i = 0; i < 120; i++) {
		struct talk t = talk(w, (uint16_t)(1024 + i), i % 2 == 0 ? L_PLAIN : L_PROXY);

		served += dial_any(w, &t, &x);
	}
	assert_int_equal(served, 50);
	assert_int_equal(world_drops(w, CV_DROP_PORT_ALLOCATION), 70);
	world_destroy(w);
}

/* Another address of the node, another target: each is as good as a limit more, at once. */
static void cures_work_at_once(void **state)
{
	for (int cure = 0; cure < 2; cure++) {
		struct world *w = world_create(&(struct world_cfg){.n_workers = 2, .n_ports = 50});
		unsigned int served = 0, refused = 0;
		uint16_t cport = 1024;
		uint32_t x = 1;

		(void)state;
		while (refused < 20) {
			struct talk t = talk(w, cport++, L_PLAIN);

			if (dial_any(w, &t, &x))
				served++;
			else
				refused++;
		}
		assert_int_equal(served, 50);
		if (cure == 0)
			w->nodes[0].n_ips = 2;
		else
			w->cross_zone = true;
		world_publish(w);
		for (int i = 0; i < 400; i++) {
			struct talk t = talk(w, cport++, L_PLAIN);

			if (dial_any(w, &t, &x))
				served++;
			else
				refused++;
		}
		assert_int_equal(served, 100);
		/* Once for each SYN, though two addresses were tried for some. */
		assert_int_equal(world_drops(w, CV_DROP_PORT_ALLOCATION), refused);
		assert_int_equal(pool_errors(w), refused);
		world_destroy(w);
	}
}

/*
 * A power of two for each ring, two of the longest in sum as long as none is shorter than 1024; and eight
 * bursts that each worker has taken out.
 */
static void packets_between_workers_are_bounded(void **state)
{
	static const struct {
		unsigned int workers;
		uint32_t max;
	} rows[] = {{1, 0},
		    {2, 4096 + 2 * 512},
		    {3, 8192 + 3 * 512},
		    {4, 3 * 2048 + 4 * 512},
		    {8, 7 * 1024 + 8 * 512},
		    {64, 63 * 1024 + 64 * 512}};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++)
		assert_int_equal(cv_dp_apart_max(rows[i].workers), rows[i].max);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(churn_is_served_exactly),
		cmocka_unit_test(fewer_ports_than_workers_are_all_used),
		cmocka_unit_test(rate_is_ports_per_rest),
		cmocka_unit_test(nearly_full_is_exact),
		cmocka_unit_test(one_server_in_two_groups_has_one_limit),
		cmocka_unit_test(cures_work_at_once),
		cmocka_unit_test(packets_between_workers_are_bounded),
	};

	return cmocka_run_group_tests_name("dp_limit", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* Ports whose RSS is known: packets arrive where a NIC would bring them, and are at home there. */

#include "far.h"

#include <rte_thash.h>

#define N_CLASSES 64
#define N_TALKS 400

/* The two ports' RSS: keys and tables differ, as those of two NICs may. */
struct nics {
	struct cv_rss rss[2];
	unsigned int n_workers;
};

static struct nics nics_make(unsigned int n_workers)
{
	struct nics nics = {.n_workers = n_workers};

	for (unsigned int port = 0; port < 2; port++) {
		struct cv_rss *rss = &nics.rss[port];

		rss->on = true;
		rss->n = (uint16_t)(N_CLASSES << port);
		cv_rss_key_build(77 + port, rss->key);
		for (unsigned int i = 0; i < rss->n; i++)
			rss->worker[i] = (uint8_t)((i + port) % n_workers);
	}
	return nics;
}

/* What the NIC does, by DPDK's own hash. */
static uint32_t nic_hash(const struct nics *nics, uint16_t port, const struct seg *s)
{
	uint32_t tuple[3] = {cv_be32_host(s->src), cv_be32_host(s->dst),
			     (uint32_t)s->sport << 16 | s->dport};
	uint32_t key[CV_RSS_KEY_LEN / 4];

	memcpy(key, nics->rss[port].key, sizeof(key));
	return rte_softrss(tuple, 3, (const uint8_t *)key);
}

static unsigned int nic_worker(const struct nics *nics, uint16_t port, const struct seg *s)
{
	const struct cv_rss *rss = &nics->rss[port];

	return rss->worker[nic_hash(nics, port, s) % rss->n];
}

/* How a packet gets to a worker. */
enum way {
	BY_RSS,   /* where the NIC brings it, which says its hash */
	NO_FLAG,  /* there, but it says nothing */
	BAD_HASH, /* there, but it says something else */
	ASTRAY,   /* to the next worker */
};

/* Sends one segment in, returns the one that comes out. */
static struct seg pass(struct world *w, const struct nics *nics, uint16_t port, const struct seg *s,
		       enum way way)
{
	unsigned int worker = nic_worker(nics, port, s);
	uint8_t frame[WORLD_FRAME_MAX];
	struct rte_mbuf *m;

	m = world_mbuf(w, port, frame, seg_build(s, frame));
	if (way != NO_FLAG) {
		m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
		m->hash.rss = nic_hash(nics, port, s) + (way == BAD_HASH);
	}
	if (way == ASTRAY)
		worker = (worker + 1) % nics->n_workers;
	w->n_out = 0;
	world_burst(w, worker, &m, 1);
	assert_int_equal(w->n_out, 1);
	return seg_parse(&w->out[0]);
}

/* The next segment of a conversation, both ways in turn; its step says which. */
static void step(struct talk *t, const struct nics *nics, int n, enum way way)
{
	struct seg s;

	if (n == 0)
		*t = (struct talk){.w = t->w,
				   .vpc = VPC_A,
				   .client = t->client,
				   .eni = t->eni,
				   .cport = t->cport,
				   .dport = L_PLAIN,
				   .cseq = ISN,
				   .tseq = TISN};
	if (n % 2 == 0)
		s = client_seg(t, n == 0 ? F_SYN : F_PSH, n == 0 ? "" : "abc");
	else
		s = target_seg(t, t->cseq, n == 1 ? F_SYN | F_ACK : F_PSH, n == 1 ? "" : "xyz");
	s = pass(t->w, nics, n % 2, &s, way);
	if (n == 0) {
		t->nport = s.sport;
		t->node = s.src;
	}
	if (n % 2 == 0) {
		assert_int_equal(s.port, 1);
		assert_int_equal(s.sport, t->nport);
		t->cseq += n == 0 ? 1 : 3;
	} else {
		assert_int_equal(s.port, 0);
		assert_int_equal(s.dport, t->cport);
		assert_int_equal(s.dst, t->client);
		t->tseq += n == 1 ? 1 : 3;
		t->cack = t->tseq;
	}
}

static struct talk *talks_make(struct world *w)
{
	struct talk *t = calloc(N_TALKS, sizeof(*t));

	assert_non_null(t);
	for (uint16_t i = 0; i < N_TALKS; i++) {
		t[i] = talk(w, (uint16_t)(30000 + i * 13), L_PLAIN);
		t[i].client = IP4(10, 1, 0, 50 + i % 150);
		t[i].eni = i % 2 == 0 ? ENI_A : ENI_A2;
	}
	return t;
}

/* Hundreds of conversations, each packet by the way that is asked for; with what comes of it. */
static struct world *converse(const struct nics *nics, const struct world_cfg *cfg,
			      enum way (*way_of)(int talk, int step))
{
	struct world *w = world_create(cfg);
	struct talk *t = talks_make(w);

	for (int n = 0; n < 6; n++)
		for (int i = 0; i < N_TALKS; i++)
			step(&t[i], nics, n, way_of(i, n));
	assert_int_equal(world_flows(w), N_TALKS);
	free(t);
	return w;
}

static enum way always_by_rss(int i, int n)
{
	(void)i;
	(void)n;
	return BY_RSS;
}

static enum way flag_or_not(int i, int n)
{
	return (enum way)((i + n) % 3);
}

static enum way always_astray(int i, int n)
{
	(void)i;
	(void)n;
	return ASTRAY;
}

static enum way by_chance(int i, int n)
{
	return (enum way)((i * 7 + n * 5 + i / 9) % 4);
}

static void nothing_is_handed_over(void **state)
{
	(void)state;
	for (unsigned int n = 2; n <= 4; n++) {
		struct nics nics = nics_make(n);
		const struct world_cfg cfg = {.n_workers = n, .rss = nics.rss};
		struct world *w = converse(&nics, &cfg, always_by_rss);

		assert_int_equal(world_events(w, CV_EV_HANDOFF_OUT), 0);
		/* And the work is shared. */
		for (unsigned int i = 0; i < n; i++)
			assert_true(cv_ctr_get(&cv_dp_stats(w->dp)[i]->flows) >
				    N_TALKS / n * 2 / 3);
		world_destroy(w);
	}
}

/* Not even a NIC that says a wrong hash, or now and then none, does harm. */
static void what_the_nic_says_is_not_asked(void **state)
{
	struct nics nics = nics_make(3);
	const struct world_cfg cfg = {.n_workers = 3, .rss = nics.rss};
	struct world *w = converse(&nics, &cfg, flag_or_not);

	(void)state;
	assert_int_equal(world_events(w, CV_EV_HANDOFF_OUT), 0);
	world_destroy(w);
}

static void wrong_queues_work(void **state)
{
	(void)state;
	for (unsigned int n = 2; n <= 3; n++) {
		struct nics nics = nics_make(n);
		const struct world_cfg cfg = {.n_workers = n, .rss = nics.rss};
		struct world *w = converse(&nics, &cfg, always_astray);

		assert_int_equal(world_events(w, CV_EV_HANDOFF_OUT), 6 * N_TALKS);
		assert_int_equal(world_events(w, CV_EV_HANDOFF_IN), 6 * N_TALKS);
		world_destroy(w);
		w = converse(&nics, &cfg, by_chance);
		assert_in_range(world_events(w, CV_EV_HANDOFF_OUT), N_TALKS, 2 * N_TALKS);
		world_destroy(w);
	}
}

/* A NIC that does not do what was asked of it: it spreads by another key. */
static void wrong_key_works(void **state)
{
	struct nics nics = nics_make(3), real = nics;
	const struct world_cfg cfg = {.n_workers = 3, .rss = nics.rss};
	struct world *w;

	(void)state;
	cv_rss_key_build(1, real.rss[0].key);
	cv_rss_key_build(2, real.rss[1].key);
	w = converse(&real, &cfg, always_by_rss);
	assert_in_range(world_events(w, CV_EV_HANDOFF_OUT), 3 * N_TALKS, 5 * N_TALKS);
	world_destroy(w);
}

/* One of the two ports has no RSS that is known: only its packets may be handed over. */
static void one_port_alone_is_steered(void **state)
{
	struct nics nics = nics_make(3);

	(void)state;
	for (unsigned int off = 0; off < 2; off++) {
		struct cv_rss rss[2] = {nics.rss[0], nics.rss[1]};
		const struct world_cfg cfg = {.n_workers = 3, .rss = rss};
		struct world *w;

		rss[off] = (struct cv_rss){0};
		w = converse(&nics, &cfg, always_by_rss);
		assert_in_range(world_events(w, CV_EV_HANDOFF_OUT), N_TALKS, 3 * N_TALKS);
		world_destroy(w);
	}
}

static void exhaustion_is_exact(void **state)
{
	(void)state;
	for (unsigned int n = 2; n <= 3; n++) {
		struct nics nics = nics_make(n);
		struct world *w = world_create(
			&(struct world_cfg){.n_workers = n, .rss = nics.rss, .n_ports = 100});
		bool taken[100] = {false};
		unsigned int served = 0;

		for (uint16_t i = 0; i < 150; i++) {
			struct talk t = talk(w, (uint16_t)(30000 + i * 7), L_PLAIN);
			struct seg s = client_seg(&t, F_SYN, "");

			send_by(w, nic_worker(&nics, 0, &s), 0, &s);
			served += w->n_out;
			if (w->n_out == 0)
				continue;
			t.nport = seg_parse(&w->out[0]).sport;
			assert_in_range(t.nport, 20000, 20099);
			assert_false(taken[t.nport - 20000]);
			taken[t.nport - 20000] = true;
		}
		assert_int_equal(served, 100);
		assert_int_equal(world_drops(w, CV_DROP_PORT_ALLOCATION), 50);
		assert_int_equal(world_events(w, CV_EV_HANDOFF_OUT), 0);
		world_destroy(w);
	}
}

/* Packets of no flow end at the worker that owns them, once, for the reason that they have there. */
static void strays_are_judged_by_their_owner(void **state)
{
	struct nics nics = nics_make(3);
	struct world *w = world_create(&(struct world_cfg){.n_workers = 3, .rss = nics.rss});

	(void)state;
	for (uint16_t i = 0; i < 60; i++) {
		struct talk t = talk(w, (uint16_t)(30000 + i), 9999);
		struct seg s = client_seg(&t, F_SYN, "");
		unsigned int worker = nic_worker(&nics, 0, &s);
		const struct cv_stats *stats = cv_dp_stats(w->dp)[worker];
		uint64_t before = cv_ctr_get(&stats->drop[CV_DROP_NO_LISTENER]);

		send_by(w, (worker + i) % 3, 0, &s);
		assert_int_equal(cv_ctr_get(&stats->drop[CV_DROP_NO_LISTENER]), before + 1);
	}
	assert_int_equal(world_events(w, CV_EV_HANDOFF_OUT), 40);
	world_destroy(w);
}

/* A target that dials from the very port it serves on looks like a reply until no flow has its port. */
static void targets_may_dial_from_any_queue(void **state)
{
	struct nics nics = nics_make(3);
	struct world *w = world_create(&(struct world_cfg){.n_workers = 3, .rss = nics.rss});

	(void)state;
	for (unsigned int i = 0; i < 12; i++) {
		struct talk t = talk(w, TARGET_PORT, (uint16_t)(L_PROXY + i % 3));
		struct seg s;
		unsigned int worker;
		uint64_t before;

		t.vpc = VPC_P;
		t.client = i < 6 ? TARGET_0 : TARGET_1;
		t.eni = i / 3 % 2 == 0 ? NODE_0 : NODE_1;
		s = client_seg(&t, F_SYN, "");
		worker = nic_worker(&nics, 1, &s);
		before = cv_ctr_get(&cv_dp_stats(w->dp)[worker]->flows);
		send_by(w, i % 3, 1, &s);
		assert_int_equal(w->n_out, 1);
		assert_int_equal(cv_ctr_get(&cv_dp_stats(w->dp)[worker]->flows), before + 1);
	}
	world_destroy(w);
}

/* A NIC hashes what is outside: flows inside are owned as where nothing is known of it. */
static void rss_says_nothing_of_what_is_in_vxlan(void **state)
{
	struct nics nics = nics_make(3);
	struct world *with =
		world_create(&(struct world_cfg){.n_workers = 3, .rss = nics.rss, .vxlan = true});
	struct world *without = world_create(&(struct world_cfg){.n_workers = 3, .vxlan = true});

	(void)state;
	for (unsigned int i = 0; i < 60; i++) {
		struct world *const worlds[] = {with, without};

		for (unsigned int k = 0; k < 2; k++) {
			struct far_talk f = far_talk(worlds[k], L_PLAIN);

			f.t.cport = (uint16_t)(30000 + i);
			f.worker = i % 3;
			(void)far_c2t(&f, F_SYN, "");
			(void)far_t2c(&f, ISN + 1, F_SYN | F_ACK, "");
			(void)far_c2t(&f, F_PSH, "x");
		}
		for (unsigned int k = 0; k < 3; k++)
			assert_int_equal(cv_ctr_get(&cv_dp_stats(with->dp)[k]->flows),
					 cv_ctr_get(&cv_dp_stats(without->dp)[k]->flows));
	}
	assert_int_equal(world_events(with, CV_EV_HANDOFF_OUT),
			 world_events(without, CV_EV_HANDOFF_OUT));
	world_destroy(with);
	world_destroy(without);
}

static void workers_that_are_not_are_refused(void **state)
{
	struct nics nics = nics_make(3);
	struct cv_dp_cfg cfg = {
		.n_workers = 2, .n_flows = 10, .n_ports = 2, .tsc_hz = 1000000, .rss = nics.rss};
	struct cv_dp *dp;

	(void)state;
	assert_int_equal(cv_dp_create(&cfg, &dp), -EINVAL);
	nics.rss[0].on = false;
	assert_int_equal(cv_dp_create(&cfg, &dp), -EINVAL);
	nics.rss[1].on = false;
	assert_int_equal(cv_dp_create(&cfg, &dp), 0);
	cv_dp_destroy(dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_handed_over),
		cmocka_unit_test(what_the_nic_says_is_not_asked),
		cmocka_unit_test(wrong_queues_work),
		cmocka_unit_test(wrong_key_works),
		cmocka_unit_test(one_port_alone_is_steered),
		cmocka_unit_test(exhaustion_is_exact),
		cmocka_unit_test(strays_are_judged_by_their_owner),
		cmocka_unit_test(targets_may_dial_from_any_queue),
		cmocka_unit_test(rss_says_nothing_of_what_is_in_vxlan),
		cmocka_unit_test(workers_that_are_not_are_refused),
	};

	return cmocka_run_group_tests_name("dp_rss", tests, NULL, NULL);
}

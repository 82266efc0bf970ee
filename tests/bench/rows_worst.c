/* SPDX-License-Identifier: BSD-3-Clause */

/* Rows of what is unkind to a load balancer. */

#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "cv_flow_hot.h"
#include "cv_tcp.h"

#define FLOWS 50000

/* Frames of one burst after the other that a worker takes, whatever comes of them. */
struct hostile {
	struct rig *r;
	uint8_t (*frames)[64];
	uint32_t n;
	enum rig_dir dir;
};

static uint64_t rng_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint8_t (*frames_alloc(uint32_t n))[64]
{
	uint8_t(*f)[64] = aligned_alloc(64, (size_t)n * 64);

	if (f == NULL)
		rig_die("allocation");
	return f;
}

/* Cycles per packet, receive and transmit included: median over bursts. */
static double hostile_run(const struct hostile *h, double seconds)
{
	struct cv_dp_worker *w = cv_dp_worker_get(h->r->dp, 0);
	const struct cv_view *view = cv_view_pub_current(h->r->pub);
	uint64_t start = rte_rdtsc();
	uint64_t until = start + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	static double v[1u << 18];
	size_t n = 0;

	for (uint32_t at = 0; start < until && n < CV_ARRAY_LEN(v);
	     at = at + 2 * RIG_BURST <= h->n ? at + RIG_BURST : 0) {
		struct rte_mbuf *pkts[RIG_BURST];
		uint64_t end;

		rig_rx(h->r, (struct rig_src){h->frames[at], 64, 60, (uint16_t)h->dir}, pkts,
		       RIG_BURST);
		cv_dp_burst(w, view, pkts, RIG_BURST, h->r->now_ms);
		cv_dp_worker_poll(w, view, h->r->now_ms);
		cv_dp_worker_flush(w);
		end = rte_rdtsc();
		v[n++] = (double)(end - start) / RIG_BURST;
		if (n % 64 == 0)
			h->r->now_ms = cv_dp_now_ms(h->r->dp);
		start = rte_rdtsc();
	}
	return rig_median(v, n);
}

static double mpps_of(double cycles)
{
	return (double)rte_get_tsc_hz() / cycles / 1e6;
}

static struct rig *rig_established(uint32_t n_table, uint32_t n, uint32_t n_targets)
{
	const struct rig_cfg cfg = {.n_flows = n_table, .n_targets = n_targets, .proxy = true};
	struct rig *r = rig_create(&cfg);

	rig_open(r, n);
	return r;
}

/* ---- every packet a miss ---- */

static void worst_misses(double seconds)
{
	struct hostile h = {.r = rig_established(2 * FLOWS, FLOWS, 32), .n = 65536};
	double c2t, t2c, no_listener;
	uint64_t state = 88172645463325252;

	h.frames = frames_alloc(h.n);
	/* Of no flow, to a listener: each is answered with RST. */
	for (uint32_t i = 0; i < h.n; i++)
		rig_client_frame(h.r, FLOWS + (uint32_t)(rng_next(&state) % 100000000),
				 (struct rig_seg){1, 1, CV_TCP_ACK, 0}, h.frames[i]);
	c2t = hostile_run(&h, seconds);
	for (uint32_t i = 0; i < h.n; i++)
		((struct rte_tcp_hdr *)(void *)(h.frames[i] + 34))->dst_port = cv_be16(81);
	no_listener = hostile_run(&h, seconds);
	h.dir = RIG_T2C;
	for (uint32_t i = 0; i < h.n; i++) {
		rig_target_frame(h.r, i % FLOWS, (struct rig_seg){1, 1, CV_TCP_ACK, 0},
				 h.frames[i]);
		((struct rte_tcp_hdr *)(void *)(h.frames[i] + 34))->dst_port = cv_be16((uint16_t)i);
		((struct rte_tcp_hdr *)(void *)(h.frames[i] + 34))->src_port = cv_be16(8081);
	}
	t2c = hostile_run(&h, seconds);
	printf("  {\"name\": \"misses\", \"to_listener_mpps\": %.2f, \"no_listener_mpps\": %.2f, "
	       "\"from_nobody_mpps\": %.2f, \"to_listener_cycles\": %.0f},\n",
	       mpps_of(c2t), mpps_of(no_listener), mpps_of(t2c), c2t);
	free(h.frames);
	rig_destroy(h.r);
}

/* ---- one target, its ports nearly used up ---- */

/* Cycles of opening a flow and ending it by RST, which gives its port back. */
static double churn(struct rig *r, double seconds)
{
	uint64_t until = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	/* Few enough that the other flows do not reach their idle timeout. */
	static double v[150];
	uint32_t flow = r->n_open;
	size_t n = 0;

	while (rte_rdtsc() < until && n < CV_ARRAY_LEN(v)) {
		uint8_t f[RIG_BURST][64];
		const unsigned int k = 50;

		r->fed_cycles = 0;
		if (rig_syn(r, flow, k) != k)
			rig_die("opening flows in a nearly full pool");
		for (unsigned int i = 0; i < k; i++)
			rig_client_frame(r, flow + i, (struct rig_seg){1, 0, CV_TCP_RST, 0}, f[i]);
		rig_feed(r, flow, k, f, RIG_C2T);
		rig_done(r);
		v[n++] = (double)r->fed_cycles / k;
		flow += k;
		/* Two seconds, in which ageing finds them, and their ports have rested. */
		for (int i = 0; i < 2000; i++) {
			r->now_ms += 1;
			cv_dp_worker_poll(cv_dp_worker_get(r->dp, 0), cv_view_pub_current(r->pub),
					  r->now_ms);
		}
	}
	return rig_median(v, n);
}

/* As many flows, so that caches are as warm, over more or fewer targets. */
static double churn_over(uint32_t n_targets, double seconds)
{
	const struct rig_cfg cfg = {.n_flows = 65536,
				    .n_targets = n_targets,
				    .linger_ms = 1,
				    .rest_ms = 1,
				    .proxy = true};
	struct rig *r = rig_create(&cfg);
	double cycles;

	rig_open(r, 54945);
	cycles = churn(r, seconds);
	rig_destroy(r);
	return cycles;
}

static void worst_full_ports(double seconds)
{
	/* Of 55,000 ports each: 2 % of 50 targets, and 99.9 % of one. */
	double low = churn_over(50, seconds), high = churn_over(1, seconds);
	const struct rig_cfg cfg = {.n_flows = 65536, .n_targets = 1, .proxy = true};
	struct rig *r = rig_create(&cfg);
	struct rig_frames f;
	struct rig_times t;

	rig_open(r, 54945);
	f = rig_frames_get(r, 54945, 3, -1, 60);
	t = rig_replay(r, &f, seconds);
	rig_frames_put(&f);
	/* Exactly the rest is served, then none. */
	if (rig_syn(r, r->n_open, 55) != 55 || rig_syn(r, r->n_open + 55, 5) != 0)
		rig_die("serving exactly 55,000 flows");
	rig_destroy(r);
	printf("  {\"name\": \"full_ports\", \"open_close_cycles_at_2_percent\": %.0f, "
	       "\"open_close_cycles_at_99_9_percent\": %.0f, \"ratio\": %.2f, "
	       "\"established_mpps_at_99_9_percent\": %.2f},\n",
	       low, high, high / low, t.mpps);
}

/* ---- tuples chosen to collide, without the key ---- */

#define HASH_FLOWS 65536

/* How an attacker may choose tuples. */
enum choice { RANDOM, PORTS_OF_ONE, CLIENTS_IN_TURN, HIGH_BITS, OTHER_KEY, N_CHOICES };

static const char *const choice_names[] = {"random", "ports_of_one_client", "clients_in_turn",
					   "clients_in_high_bits", "one_bucket_under_another_key"};

static struct cv_flow_key key_choose(enum choice how, uint32_t i, uint64_t *state)
{
	struct cv_flow_key key = {.dialled_ip = cv_be32(0x0a010014), .dialled_port = cv_be16(80)};
	uint64_t x = rng_next(state);

	key.client_ip = cv_be32(0x0a800000);
	key.client_port = cv_be16((uint16_t)i);
	if (how == RANDOM || how == OTHER_KEY) {
		key.client_ip = (cv_be32_t)x;
		key.client_port = (cv_be16_t)(x >> 32);
	} else if (how == CLIENTS_IN_TURN) {
		key.client_ip = cv_be32(0x0a800000 + i);
		key.client_port = cv_be16(1024);
	} else if (how == HIGH_BITS) {
		key.client_ip = cv_be32(i << 16);
		key.client_port = cv_be16(1024);
	}
	return key;
}

/* Fills a table with chosen tuples. @return most flows of any first bucket; n_refused is added to */
static uint32_t fill(enum choice how, const struct cv_flow_table *guess, uint32_t *ret_refused)
{
	struct cv_flow_table *table;
	uint64_t state = 88172645463325252;
	uint32_t *load, most = 0;

	if (cv_flow_table_create(HASH_FLOWS, 1, &table) != 0)
		rig_die("allocation");
	load = calloc(table->mask + 1, sizeof(*load));
	if (load == NULL)
		rig_die("allocation");
	*ret_refused = 0;
	for (uint32_t i = 0, n = 0; n < HASH_FLOWS; i++) {
		struct cv_flow_key key = key_choose(how, i, &state);
		uint64_t hash = cv_flow_hash(table, &key);
		uint32_t b;

		/* Under the key that the attacker guessed, all of these are in 16 buckets. */
		if (how == OTHER_KEY &&
		    (cv_flow_bucket_first(guess, cv_flow_hash(guess, &key)) - guess->buckets) >= 16)
			continue;
		n++;
		b = (uint32_t)(cv_flow_bucket_first(table, hash) - table->buckets);
		load[b]++;
		most = load[b] > most ? load[b] : most;
		if (cv_flow_open(table, &key, hash) == CV_FLOW_NONE)
			++*ret_refused;
		else
			table->flows[cv_flow_find(table, &key, hash)].node_port = 1;
	}
	free(load);
	cv_flow_table_destroy(table);
	return most;
}

static void worst_hash(void)
{
	struct cv_flow_table *guess;

	if (cv_flow_table_create(HASH_FLOWS, 2, &guess) != 0)
		rig_die("allocation");
	printf("  {\"name\": \"chosen_hashes\", \"flows\": %d, \"bucket_places\": 8", HASH_FLOWS);
	for (enum choice how = 0; how < N_CHOICES; how++) {
		uint32_t refused;
		uint32_t most = fill(how, guess, &refused);

		printf(", \"%s_fullest\": %u, \"%s_refused\": %u", choice_names[how], most,
		       choice_names[how], refused);
	}
	printf("},\n");
	cv_flow_table_destroy(guess);
}

/* ---- sizes ---- */

static void worst_sizes(double seconds)
{
	static const uint16_t sizes[] = {60, 590, 1514};
	struct rig *r = rig_established(FLOWS, FLOWS, 32);

	for (size_t i = 0; i < CV_ARRAY_LEN(sizes); i++) {
		struct rig_frames f = rig_frames_get(r, FLOWS, 3, -1, sizes[i]);
		struct rig_times t = rig_replay(r, &f, seconds);

		rig_frames_put(&f);
		printf("  {\"name\": \"frames_%u\", \"mpps\": %.2f, \"gbit_per_s\": %.1f, "
		       "\"core_cycles\": %.1f}%s\n",
		       sizes[i], t.mpps, t.mpps * sizes[i] * 8 / 1000, t.core_cycles,
		       i + 1 < CV_ARRAY_LEN(sizes) ? "," : "");
	}
	rig_destroy(r);
}

void row_worst(const struct row_opts *opts)
{
	printf("{\"row\": \"worst\", \"cases\": [\n");
	worst_misses(opts->seconds);
	worst_full_ports(opts->seconds);
	worst_hash();
	worst_sizes(opts->seconds);
	printf("]}\n");
}

/* ---- established flows beside a flood ---- */

/* Descriptors of the receive queue that both share, and the rate of the smallest frames on 10 GbE. */
#define QUEUE 1024
#define LINE_PPS 14880952.0
#define TICKS_MAX 16384

/* What arrives: two streams at constant rates, in one queue. */
struct arrivals {
	double est_pps, flood_pps;
	uint64_t t0;
	double taken;                /* packets taken from the queue or lost so far */
	double est_part;             /* established packets due, fraction carried on */
	uint64_t est, flood;         /* taken */
	double est_lost, flood_lost; /* not taken in time */
	/* Share of established packets that was taken, by millisecond; those before the limit was met. */
	double *kept;
	size_t n_kept, n_opening;
	uint64_t tick_est;
	double tick_lost;
};

static void syn_random(struct rig *r, uint64_t *state, uint8_t *f)
{
	rig_client_frame(r, (uint32_t)(rng_next(state) % 400000000),
			 (struct rig_seg){0, 0, CV_TCP_SYN, 0}, f);
}

/* One poll: what of the next burst is established. @return packets in the queue, at most a burst */
static uint16_t arrive(struct arrivals *a, uint64_t now, uint16_t *ret_n_est)
{
	double pps = a->est_pps + a->flood_pps;
	double waiting = (double)(now - a->t0) / (double)rte_get_tsc_hz() * pps - a->taken;
	uint16_t n;

	if (waiting > QUEUE) {
		double lost = waiting - QUEUE;

		a->est_lost += lost * a->est_pps / pps;
		a->flood_lost += lost * a->flood_pps / pps;
		a->taken += lost;
		waiting = QUEUE;
	}
	n = waiting < RIG_BURST ? (uint16_t)waiting : RIG_BURST;
	a->taken += n;
	a->est_part += n * a->est_pps / pps;
	*ret_n_est = (uint16_t)a->est_part;
	a->est_part -= *ret_n_est;
	a->est += *ret_n_est;
	a->flood += n - *ret_n_est;
	return n;
}

/* A millisecond is over. */
static void arrivals_note(struct arrivals *a, const struct rig *r)
{
	double est = (double)(a->est - a->tick_est), lost = a->est_lost - a->tick_lost;

	if (a->n_kept == TICKS_MAX)
		return;
	a->kept[a->n_kept++] = est + lost > 0 ? est / (est + lost) : 0;
	a->tick_est = a->est;
	a->tick_lost = a->est_lost;
	if (rig_drops(r, CV_DROP_SYN_FLOOD) == 0)
		a->n_opening = a->n_kept;
}

/* Free a->kept. */
static struct arrivals flood_run(struct rig *r, const struct rig_frames *f, double est_pps,
				 double flood_pps, double seconds)
{
	struct cv_dp_worker *w = cv_dp_worker_get(r->dp, 0);
	const struct cv_view *view = cv_view_pub_current(r->pub);
	struct arrivals a = {.est_pps = est_pps, .flood_pps = flood_pps, .t0 = rte_rdtsc()};
	uint64_t until = a.t0 + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	uint64_t now = a.t0, state = 88172645463325252;
	static uint8_t syns[65536][64];
	uint32_t at = 0, syn_at = 0;

	for (uint32_t i = 0; i < CV_ARRAY_LEN(syns); i++)
		syn_random(r, &state, syns[i]);
	a.kept = malloc(TICKS_MAX * sizeof(*a.kept));
	if (a.kept == NULL)
		rig_die("allocation");
	a.t0 = now = rte_rdtsc();
	for (; now < until; now = rte_rdtsc()) {
		struct rte_mbuf *pkts[RIG_BURST];
		uint16_t n_est, n = arrive(&a, now, &n_est);

		if (cv_dp_now_ms(r->dp) != r->now_ms)
			arrivals_note(&a, r);
		r->now_ms = cv_dp_now_ms(r->dp);
		if (n_est > 0)
			rig_rx(r,
			       (struct rig_src){f->mem + (size_t)at * f->stride, f->stride, f->len,
						RIG_C2T},
			       pkts, n_est);
		at = at + 2 * RIG_BURST < f->n ? at + n_est : 0;
		if (n > n_est)
			rig_rx(r, (struct rig_src){syns[syn_at], 64, 60, RIG_C2T}, pkts + n_est,
			       n - n_est);
		/* The same frames come round with other sources, so that no SYN is seen twice. */
		for (uint16_t i = n_est; i < n; i++) {
			struct rte_ipv4_hdr *ip =
				rte_pktmbuf_mtod_offset(pkts[i], struct rte_ipv4_hdr *, 14);
			uint32_t x = (uint32_t)rng_next(&state);

			ip->hdr_checksum =
				cv_csum_apply(ip->hdr_checksum,
					      (uint32_t)(uint16_t) ~(uint16_t)ip->src_addr +
						      (uint16_t) ~(uint16_t)(ip->src_addr >> 16) +
						      (x & 0xffff) + (x >> 16));
			ip->src_addr = x;
		}
		syn_at = syn_at + 2 * RIG_BURST < CV_ARRAY_LEN(syns) ? syn_at + n - n_est : 0;
		cv_dp_burst(w, view, pkts, n, r->now_ms);
		cv_dp_worker_poll(w, view, r->now_ms);
		cv_dp_worker_flush(w);
	}
	return a;
}

static double percent(double of, double rest)
{
	return of / (of + rest) * 100;
}

/* Medians by millisecond, which leave out those that the machine took; and the whole, which does not. */
static void flood_print(struct arrivals *alone, struct arrivals *beside)
{
	size_t n = beside->n_opening;

	if (n == 0 || n >= beside->n_kept)
		rig_die("flooding: half-open flows never came to their limit, so it");
	printf("{\"row\": \"flood\", \"established_kept_percent\": %.2f, \"opening_ms\": %zu, "
	       "\"opening_kept_percent\": %.2f, \"whole_kept_percent\": %.2f, "
	       "\"alone_kept_percent\": %.2f, \"alone_whole_kept_percent\": %.2f, "
	       "\"flood_offered_mpps\": %.2f, \"flood_taken_percent\": %.1f, ",
	       rig_median(beside->kept + n, beside->n_kept - n) * 100, n,
	       rig_median(beside->kept, n) * 100, percent((double)beside->est, beside->est_lost),
	       rig_median(alone->kept, alone->n_kept) * 100,
	       percent((double)alone->est, alone->est_lost), LINE_PPS / 1e6,
	       percent((double)beside->flood, beside->flood_lost));
}

void row_flood(const struct row_opts *opts)
{
	const struct rig_cfg cfg = {.n_flows = 1000000, .n_targets = 64, .proxy = true};
	struct rig *r = rig_create(&cfg);
	struct rig_frames f;
	struct rig_times full;
	struct arrivals alone, beside;
	uint64_t memory, sent;

	rig_open(r, FLOWS);
	f = rig_frames_get(r, FLOWS, 1, -1, 60);
	full = rig_replay(r, &f, opts->seconds);
	/* Half of what the worker can do, as for latency. */
	alone = flood_run(r, &f, full.mpps * 0.5e6, 0, opts->seconds);
	memory = rig_resident();
	sent = r->sent[0].pkts[RIG_T2C];
	beside = flood_run(r, &f, full.mpps * 0.5e6, LINE_PPS, opts->seconds * 2);
	memory = rig_resident() - memory;
	sent = r->sent[0].pkts[RIG_T2C] - sent - beside.est;
	flood_print(&alone, &beside);
	printf("\"established_offered_mpps\": %.2f, \"memory_grown_mb\": %.1f, "
	       "\"syns_forwarded\": %llu, \"queue\": %d}\n",
	       full.mpps / 2, (double)memory / 1e6, (unsigned long long)sent, QUEUE);
	free(alone.kept);
	free(beside.kept);
	rig_frames_put(&f);
	rig_destroy(r);
}

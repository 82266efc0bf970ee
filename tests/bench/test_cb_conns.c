/* SPDX-License-Identifier: BSD-3-Clause */

/* Connections of the generator, and PROXY headers in front of them. */

#include "wire.h"

static void connections_of(const char *options, mangle_fn *mangle, uint32_t pkts_up)
{
	const struct cb_counts *c, *s;

	wire_open("cps", options);
	wire->mangle = mangle;
	wire_connections(10000, 0.05, 0.1);
	c = &wire->c.s.counts;
	s = &wire->s.s.counts;
	assert_in_range(c->started, 499, 501);
	assert_int_equal(c->finished, c->started);
	assert_int_equal(c->opened, c->started);
	assert_int_equal(c->ready, c->started);
	assert_int_equal(c->failed, 0);
	assert_int_equal(c->tx_pkts, pkts_up * c->started);
	assert_int_equal(s->started, c->started);
	assert_int_equal(s->finished + s->resets, c->started);
	assert_int_equal(s->data_in, c->started * (uint64_t)wire->opts.request);
	assert_int_equal(c->data_in, c->started * (uint64_t)wire->opts.response);
	assert_int_equal(wire->s.table.n, 0);
	assert_int_equal(wire->c.n_active, 0);
	assert_int_equal(wire_n_bad(), 0);
	assert_int_equal(c->syn_again + c->data_again + s->data_again, 0);
	wire_close();
}

static void connections_open_and_close(void **state)
{
	(void)state;
	/* SYN, ACK with the request, FIN, ACK */
	connections_of("--plain --verify", NULL, 4);
	connections_of("--plain --verify --bare-ack", NULL, 5);
	/* SYN, ACK with the request, ACK and FIN for the server's FIN */
	connections_of("--plain --verify --close server", NULL, 3);
	connections_of("--plain --verify --close reset", NULL, 3);
	/* SYN, ACK with FIN, ACK */
	connections_of("--plain --verify --request 0 --response 0", NULL, 3);
	/* Eight segments of request; the response comes in one burst, and the FIN acknowledges it. */
	connections_of("--plain --verify --request 2000 --response 4000 --mss 268", NULL, 11);
}

static void connections_through_a_nat_with_headers(void **state)
{
	(void)state;
	connections_of("--verify --proxy require --vpce vpce-0123456789abcdef0", wire_nat, 4);
	connections_of("--verify --proxy auto --close server", wire_nat, 3);
	connections_of("--verify --proxy require --bare-ack --close reset", wire_nat, 4);
}

static void lost_segments_come_again(void **state)
{
	static const char *const options[] = {
		"--plain --verify --rto 8 --request 3000 --response 3000 --mss 500",
		"--plain --verify --rto 8 --close server",
		"--plain --verify --rto 8 --bare-ack --request 0 --response 0",
		"--plain --verify --rto 8 --request 20000 --response 100 --window 4000",
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(options); i++) {
		for (uint32_t every = 3; every < 40; every = every * 2 + 1) {
			const struct cb_counts *c, *s;

			wire_open("cps", options[i]);
			wire->mangle = wire_lose;
			wire->every = every;
			wire_connections(1000, 0.1, 20);
			c = &wire->c.s.counts;
			s = &wire->s.s.counts;
			assert_int_equal(c->started, c->finished + c->failed);
			assert_true(c->finished * 10 > c->started * 9);
			assert_true(c->syn_again > 0);
			assert_true(c->data_again + s->data_again > 0);
			assert_int_equal(wire->c.n_active, 0);
			assert_int_equal(wire->s.table.n, 0);
			assert_int_equal(wire_n_bad(), 0);
			wire_close();
		}
	}
}

static void repeated_segments_do_no_harm(void **state)
{
	const struct cb_counts *c;

	(void)state;
	wire_open("cps", "--plain --verify --request 1000 --response 1000 --mss 300");
	wire->mangle = wire_duplicate;
	wire_connections(1000, 0.05, 1);
	c = &wire->c.s.counts;
	assert_int_equal(c->finished, c->started);
	assert_true(c->old > 0 && wire->s.s.counts.old > 0);
	assert_int_equal(wire->s.s.counts.data_in, c->started * 1000);
	assert_int_equal(wire->s.table.n, 0);
	assert_int_equal(wire_n_bad(), 0);
	wire_close();
}

static void spoiled_payload_is_noticed(void **state)
{
	(void)state;
	wire_open("cps", "--plain --request 100 --response 100");
	wire->mangle = wire_spoil_payload;
	wire->every = 7;
	wire_connections(1000, 0.05, 1);
	assert_true(wire->c.s.counts.payload_bad > 0);
	assert_true(wire->s.s.counts.payload_bad > 0);
	assert_true(wire->c.s.n_notes > 0 && strstr(wire->c.s.notes[0], "of the response") != NULL);
	wire_close();
}

static void wrong_checksums_are_noticed_if_asked(void **state)
{
	(void)state;
	wire_open("cps", "--plain --verify --rto 8");
	wire->mangle = wire_spoil_checksum;
	wire->every = 7;
	wire_connections(1000, 0.05, 1);
	assert_true(wire->c.s.counts.checksum_bad > 0);
	assert_true(wire->s.s.counts.checksum_bad > 0);
	wire_close();
}

static void refused_connections_count_as_failed(void **state)
{
	struct cb_cmd cmd = {.phase = CB_RUN, .connect = true, .conn_rate = 1000};
	const struct cb_counts *c;

	(void)state;
	wire_open("cps", "--plain --rto 8");
	wire->device_full = true;
	wire_order(&cmd);
	wire_run(0.01);
	assert_true(wire->c.s.counts.started > 0 && wire->c.s.n_out > 0);
	/* Nothing gets out: all time out in the end. */
	cmd.phase = CB_DRAIN;
	wire_order(&cmd);
	wire_run(5);
	c = &wire->c.s.counts;
	assert_int_equal(c->failed, c->started);
	assert_int_equal(wire->c.n_active, 0);
	wire_close();
}

/* ---- PROXY headers ---- */

static void header_case(const char *options, size_t count_ofs, const char *note,
			void (*spoil)(void))
{
	const uint64_t *count;
	uint32_t i;

	wire_open("cps", options);
	wire->mangle = wire_nat;
	spoil();
	wire_connections(1000, 0.02, 0.5);
	count = (const uint64_t *)(const void *)((const char *)&wire->s.s.counts + count_ofs);
	assert_in_range(*count, 19, 21);
	for (i = 0; i < wire->s.s.n_notes && strstr(wire->s.s.notes[i], note) == NULL; i++)
		;
	if (i == wire->s.s.n_notes)
		fail_msg("'%s' is not in '%s' ..", note, wire->s.s.notes[0]);
	wire_close();
}

static void spoil_nothing(void)
{
}

static void spoil_crc(void)
{
	wire->spoil_header = true;
}

static void spoil_client(void)
{
	wire->wrong_src = cv_be32(1);
}

static void spoil_foreign_client(void)
{
	wire->wrong_src = cv_be32(1u << 31);
}

static void spoil_dial(void)
{
	wire->wrong_dst = cv_be32(4);
}

static void spoil_all(void)
{
	wire->no_header = true;
}

#define COUNT(name) offsetof(struct cb_counts, name)

static void wrong_headers_are_noticed(void **state)
{
	(void)state;
	header_case("--proxy require", COUNT(headers_malformed), "wrong CRC", spoil_crc);
	header_case("--proxy require", COUNT(headers_client), "names flow", spoil_client);
	header_case("--proxy require", COUNT(headers_client), "none of ours", spoil_foreign_client);
	header_case("--proxy require", COUNT(headers_dial), "with destination", spoil_dial);
	header_case("--proxy require", COUNT(headers_missing), "without a PROXY header", spoil_all);
	header_case("--proxy require --request 0 --response 0", COUNT(headers_missing),
		    "without a byte", spoil_all);
	header_case("--proxy require --vpce vpce-1", COUNT(headers_vpce),
		    "endpoint id 'vpce-0123456789abcdef0', not 'vpce-1'", spoil_nothing);
}

static void text_headers_are_skipped_but_not_enough_if_one_is_wanted(void **state)
{
	(void)state;
	wire_open("cps", "--verify");
	wire->mangle = wire_nat;
	wire->text_header = true;
	wire_connections(1000, 0.02, 0.5);
	assert_int_equal(wire->c.s.counts.finished, wire->c.s.counts.started);
	assert_int_equal(wire->s.s.counts.headers_checked + wire_n_bad(), 0);
	wire_close();
	wire_open("cps", "--proxy require");
	wire->mangle = wire_nat;
	wire->text_header = true;
	wire_connections(1000, 0.02, 0.5);
	assert_in_range(wire->s.s.counts.headers_missing, 19, 21);
	wire_close();
}

static void an_unwanted_header_is_noticed(void **state)
{
	(void)state;
	wire_open("cps", "--proxy none");
	wire->mangle = wire_nat;
	wire_connections(1000, 0.02, 0.5);
	assert_in_range(wire->s.s.counts.headers_unwanted, 19, 21);
	wire_close();
}

/* ---- odd things ---- */

/* Loses all payload of servers, and their resets. */
static bool silence(struct wire *w, struct rte_mbuf *m, int dir)
{
	struct cb_pkt p;

	(void)w;
	return dir == UP || !wire_parse(m, &p) || (p.len == 0 && (p.flags & CV_TCP_RST) == 0);
}

/* Loses what clients say after their request was answered. */
static bool leave(struct wire *w, struct rte_mbuf *m, int dir)
{
	struct cb_pkt p;

	(void)w;
	return dir == DOWN || !wire_parse(m, &p) || (p.flags & (CV_TCP_FIN | CV_TCP_RST)) == 0;
}

static void connections_that_stand_still_are_given_up(void **state)
{
	const struct cb_counts *c, *s;

	(void)state;
	wire_open("cps", "--plain --rto 8");
	wire->mangle = silence;
	wire_connections(1000, 0.02, 10);
	c = &wire->c.s.counts;
	assert_in_range(c->started, 19, 21);
	assert_int_equal(c->failed, c->started);
	assert_int_equal(wire->c.n_active + wire->s.table.n, 0);
	wire_close();

	wire_open("cps", "--plain --rto 8");
	wire->mangle = leave;
	wire_connections(1000, 0.02, 10);
	c = &wire->c.s.counts;
	s = &wire->s.s.counts;
	assert_int_equal(c->ready, c->started);
	assert_int_equal(c->failed, c->started);
	assert_int_equal(s->failed, s->started);
	assert_int_equal(wire->c.n_active + wire->s.table.n, 0);
	wire_close();
}

static void addresses_are_used_again_in_turn(void **state)
{
	(void)state;
	wire_open("cps", "--plain --verify --clients 172.16.0.4/32 --client-ports 1000-1009");
	wire_connections(1000, 0.5, 0.1);
	assert_in_range(wire->c.s.counts.started, 499, 501);
	assert_int_equal(wire->c.s.counts.finished, wire->c.s.counts.started);
	assert_int_equal(wire_n_bad() + wire->s.s.counts.reused, 0);
	wire_close();
}

static void no_connection_takes_the_place_of_an_open_one(void **state)
{
	(void)state;
	wire_open("cps", "--plain --rto 5000 --clients 172.16.0.4/32 --client-ports 1000-1009");
	wire->mangle = silence;
	wire_connections(1000, 0.1, 0.1);
	assert_int_equal(wire->c.s.counts.started, 10);
	assert_int_equal(wire->c.n_active, 10);
	assert_in_range(wire->c.s.counts.blocked, 89, 91);
	wire_close();
}

/* Writes a small MSS into every SYN, and sees that no segment is longer. */
static bool small_mss(struct wire *w, struct rte_mbuf *m, int dir)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	struct cb_pkt p;

	(void)w;
	(void)dir;
	if (!wire_parse(m, &p))
		return true;
	assert_true(p.len <= 300);
	if ((p.flags & CV_TCP_SYN) != 0) {
		f[14 + 42] = 300 >> 8;
		f[14 + 43] = 300 & 255;
		wire_rewrite(m, &p.e, p.seq, p.ack);
	}
	return true;
}

static void segments_keep_to_the_mss_of_the_peer(void **state)
{
	(void)state;
	wire_open("cps", "--plain --verify --request 2000 --response 2000");
	wire->mangle = small_mss;
	wire_connections(1000, 0.02, 0.1);
	assert_int_equal(wire->c.s.counts.finished, wire->c.s.counts.started);
	assert_int_equal(wire->c.s.mss, 300);
	assert_int_equal(wire->s.s.mss, 300);
	wire_close();
}

static void a_syn_that_comes_late_again_does_no_harm(void **state)
{
	const struct cb_plan *plan;
	struct cb_sflow *f;
	struct cb_ends ends;
	uint32_t isn;

	(void)state;
	wire_open("established", "--plain --flows 1");
	plan = &wire->world.plan;
	wire_open_all(1, 0.1);
	ends = cb_client_ends(&wire->c, 0, cb_plan_dial(plan, 0));
	isn = wire->c.flows[0].t.iss;
	f = &wire->s.table.flows[0];
	assert_int_equal(f->t.state, CB_OPEN);
	wire_inject(UP, &ends, isn, 0, CV_TCP_SYN);
	wire_run(0.001);
	assert_int_equal(wire->s.table.n, 1);
	assert_int_equal(f->t.state, CB_OPEN);
	assert_int_equal(wire->s.s.counts.reused, 0);
	/* A SYN with another number is of a new connection: the old one is gone. */
	wire_inject(UP, &ends, isn + 100000, 0, CV_TCP_SYN);
	wire_run(0.001);
	assert_int_equal(wire->s.table.n, 0);
	assert_int_equal(wire->s.s.counts.reused, 1);
	wire_close();
}

static void an_acknowledgement_without_a_handshake_makes_no_flow(void **state)
{
	struct cb_cmd cmd = {.phase = CB_WAIT};
	struct cb_ends ends;

	(void)state;
	wire_open("cps", "--plain");
	wire_order(&cmd);
	ends = cb_client_ends(&wire->c, 0, 0);
	wire_inject(UP, &ends, 1000, 2000, CV_TCP_ACK);
	wire_inject(UP, &ends, 1000, 2000, CV_TCP_ACK | CV_TCP_PSH);
	wire_inject(UP, &ends, 1000, 2000, CV_TCP_RST | CV_TCP_ACK);
	wire_run(0.001);
	assert_int_equal(wire->s.table.n, 0);
	assert_int_equal(wire->s.s.counts.rx_stray, 3);
	assert_int_equal(wire->s.s.counts.tx_pkts, 0);
	/* A FIN is acknowledged: the peer may only have lost our last word. */
	wire_inject(UP, &ends, 1000, 2000, CV_TCP_FIN | CV_TCP_ACK);
	wire_run(0.001);
	assert_int_equal(wire->s.s.counts.tx_pkts, 1);
	wire_close();
}

/* Puts a reset behind every segment with payload. */
static bool cut_off(struct wire *w, struct rte_mbuf *m, int dir)
{
	struct cb_pkt p;

	if (wire_parse(m, &p) && p.len > 0 && dir == (int)w->every) {
		w->queue[dir][w->n[dir]++] = m;
		rte_pktmbuf_refcnt_update(m, 1);
		wire_inject(dir, &p.e, p.seq + p.len, p.ack, CV_TCP_RST | CV_TCP_ACK);
		return false;
	}
	return true;
}

static void a_reset_behind_data_ends_the_flow_at_once(void **state)
{
	(void)state;
	for (int dir = 0; dir < 2; dir++) {
		wire_open("cps", "--plain --rto 8");
		wire->mangle = cut_off;
		wire->every = (uint32_t)dir;
		wire_connections(10000, 0.02, 5);
		/* Clients that hear nothing send their request again, which opens anew. */
		if (dir == UP)
			assert_int_equal(wire->s.s.counts.resets, wire->s.s.counts.started);
		else
			assert_int_equal(wire->c.s.counts.resets, wire->c.s.counts.started);
		assert_in_range(wire->c.s.counts.started, 199, 201);
		assert_int_equal(wire->c.s.counts.finished, 0);
		assert_int_equal(wire->c.s.counts.failed, wire->c.s.counts.started);
		assert_int_equal(wire->c.n_active + wire->s.table.n, 0);
		wire_close();
	}
}

/* Puts a reset behind every segment but SYNs. */
static bool cut_off_all(struct wire *w, struct rte_mbuf *m, int dir)
{
	struct cb_pkt p;

	if (wire_parse(m, &p) && (p.flags & CV_TCP_SYN) == 0 && dir == (int)w->every) {
		w->queue[dir][w->n[dir]++] = m;
		rte_pktmbuf_refcnt_update(m, 1);
		wire_inject(dir, &p.e, p.seq + p.len + ((p.flags & CV_TCP_FIN) != 0), p.ack,
			    CV_TCP_RST | CV_TCP_ACK);
		return false;
	}
	return true;
}

static void what_ended_within_a_burst_ended_once(void **state)
{
	(void)state;
	/* The answer to our FIN, and a reset behind it. */
	wire_open("cps", "--plain --rto 8 --request 0 --response 0");
	wire->mangle = cut_off_all;
	wire->every = DOWN;
	wire_connections(10000, 0.02, 5);
	assert_int_equal(wire->c.s.counts.resets, wire->c.s.counts.started);
	assert_int_equal(wire->c.s.counts.finished, 0);
	assert_int_equal(wire->c.n_active, 0);
	wire_close();
	/* The end of the handshake, and a reset behind it: nobody to answer any more. */
	wire_open("cps", "--plain --rto 8 --request 0 --response 16");
	wire->mangle = cut_off_all;
	wire->every = UP;
	wire_connections(10000, 0.02, 0.1);
	assert_int_equal(wire->s.s.counts.resets, wire->s.s.counts.started);
	assert_in_range(wire->s.s.counts.started, 199, 201);
	assert_int_equal(wire->s.s.counts.ready, 0);
	wire_close();
}

static void a_device_that_stays_full_loses_the_newest_answers(void **state)
{
	struct cb_cmd cmd = {.phase = CB_WAIT};
	struct cb_ends ends;

	(void)state;
	wire_open("cps", "--plain");
	wire_order(&cmd);
	wire->device_full = true;
	ends = cb_client_ends(&wire->c, 0, 0);
	for (uint32_t i = 0; i < 3000; i++)
		wire_inject(UP, &ends, i, 0, CV_TCP_SYN);
	wire_run(0.001);
	assert_true(wire->s.s.counts.tx_full > 1500);
	assert_true(wire->s.s.n_out <= CB_OUT_LEN);
	wire->device_full = false;
	wire_run(0.001);
	assert_int_equal(wire->s.s.n_out, 0);
	assert_int_equal(wire->s.s.counts.tx_pkts + wire->s.s.counts.tx_full, 3000);
	wire_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_open_and_close),
		cmocka_unit_test(connections_through_a_nat_with_headers),
		cmocka_unit_test(lost_segments_come_again),
		cmocka_unit_test(repeated_segments_do_no_harm),
		cmocka_unit_test(spoiled_payload_is_noticed),
		cmocka_unit_test(wrong_checksums_are_noticed_if_asked),
		cmocka_unit_test(refused_connections_count_as_failed),
		cmocka_unit_test(wrong_headers_are_noticed),
		cmocka_unit_test(text_headers_are_skipped_but_not_enough_if_one_is_wanted),
		cmocka_unit_test(an_unwanted_header_is_noticed),
		cmocka_unit_test(connections_that_stand_still_are_given_up),
		cmocka_unit_test(addresses_are_used_again_in_turn),
		cmocka_unit_test(no_connection_takes_the_place_of_an_open_one),
		cmocka_unit_test(segments_keep_to_the_mss_of_the_peer),
		cmocka_unit_test(a_syn_that_comes_late_again_does_no_harm),
		cmocka_unit_test(an_acknowledgement_without_a_handshake_makes_no_flow),
		cmocka_unit_test(a_reset_behind_data_ends_the_flow_at_once),
		cmocka_unit_test(what_ended_within_a_burst_ended_once),
		cmocka_unit_test(a_device_that_stays_full_loses_the_newest_answers),
	};

	return cmocka_run_group_tests(tests, wire_start, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* Flows of the generator that stay open: probes, streams, signs of life, floods; and ARP. */

#include "wire.h"

static void probes_arrive_and_are_of_their_flows(void **state)
{
	const struct cb_counts *c, *s;

	(void)state;
	for (int random = 0; random < 2; random++) {
		wire_open("established",
			  random != 0 ? "--verify --proxy require --flows 300 --size 200 "
					"--order random"
				      : "--verify --proxy require --flows 300");
		wire->mangle = wire_nat;
		wire_open_all(300, 0.1);
		c = &wire->c.s.counts;
		s = &wire->s.s.counts;
		wire_probes(100000, 0.1);
		assert_in_range(c->probes_out, 9990, 10001);
		assert_int_equal(s->probes_in, c->probes_out);
		assert_int_equal(c->probes_in, s->probes_out);
		assert_int_equal(s->payload_checked, c->probes_out);
		assert_int_equal(s->headers_checked, 300);
		assert_int_equal(wire_n_bad(), 0);
		/* As fast as possible, with a window. */
		wire_probes(0, 0.1);
		assert_true(c->probes_out > 50000);
		assert_int_equal(s->probes_in, c->probes_out);
		assert_int_equal(c->probes_in, s->probes_out);
		wire_close();
	}
}

static void lost_probes_are_counted_and_do_not_stop_the_rest(void **state)
{
	const struct cb_counts *c, *s;
	uint64_t lost;

	(void)state;
	wire_open("established", "--plain --flows 100 --inflight 64");
	wire_open_all(100, 0.1);
	wire->mangle = wire_lose;
	wire->every = 10;
	wire_probes(0, 1);
	c = &wire->c.s.counts;
	s = &wire->s.s.counts;
	lost = c->probes_out - s->probes_in;
	assert_true(c->probes_out > 5000);
	assert_in_range(lost * 10, c->probes_out * 9 / 10, c->probes_out * 11 / 10);
	assert_int_equal(wire_n_bad(), 0);
	wire_close();
}

static void misdelivered_probes_are_noticed(void **state)
{
	(void)state;
	wire_open("established", "--plain --verify --flows 100");
	wire_open_all(100, 0.1);
	wire->mangle = wire_misdeliver;
	wire->every = 10;
	wire_probes(10000, 0.1);
	assert_in_range(wire->c.s.counts.probes_bad, 98, 102);
	assert_in_range(wire->s.s.counts.probes_bad, 98, 102);
	assert_non_null(strstr(wire->c.s.notes[0], "came to flow"));
	wire_close();
}

static void spoiled_probes_are_noticed(void **state)
{
	(void)state;
	wire_open("established", "--plain --verify --flows 100 --size 100");
	wire_open_all(100, 0.1);
	wire->mangle = wire_spoil_payload;
	wire->every = 10;
	wire_probes(10000, 0.1);
	assert_in_range(wire->c.s.counts.payload_bad, 98, 102);
	assert_in_range(wire->s.s.counts.payload_bad, 98, 102);
	wire->mangle = wire_spoil_checksum;
	wire_probes(10000, 0.1);
	assert_in_range(wire->c.s.counts.checksum_bad, 98, 102);
	wire_close();
}

static void a_full_device_is_not_loss_of_the_other(void **state)
{
	const struct cb_counts *c;

	(void)state;
	wire_open("established", "--plain --flows 100");
	wire_open_all(100, 0.1);
	wire->device_full = true;
	wire_probes(100000, 0.1);
	c = &wire->c.s.counts;
	assert_true(c->probes_unsent > 5000);
	assert_in_range(c->probes_out + c->probes_unsent, 9990, 10001);
	assert_true(c->probes_out <= CB_OUT_SOFT + CB_BURST);
	wire->device_full = false;
	wire_run(0.01);
	assert_int_equal(wire->s.s.counts.probes_in, c->probes_out);
	wire_close();
}

static void streams_flow_both_ways_also_with_loss(void **state)
{
	(void)state;
	for (int lossy = 0; lossy < 2; lossy++) {
		struct cb_cmd cmd = {.phase = CB_RUN};
		const struct cb_counts *c, *s;

		wire_open("throughput", "--verify --flows 8 --rto 8 --proxy require");
		wire->mangle = lossy != 0 ? wire_nat_and_lose : wire_nat;
		wire->every = 1000;
		wire_open_all(8, 0.5);
		wire_order(&cmd);
		wire_run(1);
		c = &wire->c.s.counts;
		s = &wire->s.s.counts;
		assert_true(s->data_in > 20000000 && c->data_in > 20000000);
		assert_true(c->payload_checked > 1000 && s->payload_checked > 1000);
		assert_int_equal(c->data_again + s->data_again > 0, lossy != 0);
		assert_int_equal(wire_n_bad(), 0);
		/* Streams are longer than the pattern, and than 16 bits count. */
		assert_true(s->data_in / 8 > 10 * 65536);
		wire_close();
	}
}

static void held_flows_show_signs_of_life(void **state)
{
	struct cb_cmd cmd = {.phase = CB_RUN};
	const struct cb_counts *c;

	(void)state;
	wire_open("concurrent", "--plain --flows 200 --keepalive 1 --rto 20");
	wire_open_all(200, 0.1);
	wire_order(&cmd);
	wire_run(5);
	c = &wire->c.s.counts;
	assert_in_range(c->keepalives, 3 * 200, 5 * 200);
	assert_in_range(c->alive, c->keepalives - 200, c->keepalives);
	assert_int_equal(wire->c.n_active, 200);
	/* Nobody there any more: all are given up. */
	wire->mangle = wire_lose;
	wire->every = 1;
	wire_run(10);
	assert_int_equal(c->failed, 200);
	assert_int_equal(wire->c.n_active, 0);
	wire_close();
}

static void closing_resets_every_flow(void **state)
{
	struct cb_cmd cmd = {.phase = CB_CLOSE};

	(void)state;
	wire_open("established", "--proxy require --flows 300");
	wire->mangle = wire_nat;
	wire_open_all(300, 0.1);
	wire_order(&cmd);
	wire_run(0.1);
	assert_int_equal(wire->c.n_active, 0);
	assert_int_equal(wire->s.s.counts.resets, 300);
	assert_int_equal(wire->s.table.n, 0);
	wire_close();
}

static void only_so_many_flows_are_opening_at_once(void **state)
{
	struct cb_cmd cmd = {.phase = CB_OPEN_FLOWS};

	(void)state;
	wire_open("established", "--plain --flows 5000");
	wire->mangle = wire_lose;
	wire->every = 1;
	wire_order(&cmd);
	wire_run(0.1);
	assert_int_equal(wire->c.n_begun, 512);
	assert_int_equal(wire->c.n_active, 512);
	wire_close();
}

static void a_flood_takes_no_room(void **state)
{
	struct cb_cmd cmd = {.phase = CB_RUN,
			     .probe = {true, true},
			     .probe_rate = {1000, 1000},
			     .flood = true,
			     .flood_rate = 100000};
	const struct cb_counts *c;

	(void)state;
	wire_open("flood", "--plain --flows 100");
	wire_open_all(100, 0.1);
	wire_order(&cmd);
	wire_run(0.5);
	cmd.phase = CB_DRAIN;
	wire_order(&cmd);
	wire_run(0.05);
	c = &wire->c.s.counts;
	assert_in_range(c->flood_out, 49900, 50001);
	assert_int_equal(c->flood_in, c->flood_out);
	assert_int_equal(wire->s.table.n, 100);
	assert_int_equal(wire->s.s.counts.probes_in, c->probes_out);
	assert_int_equal(wire_n_bad(), 0);
	wire_close();
}

/* Turns a bit in the check of every n-th probe. */
static bool spoil_check(struct wire *w, struct rte_mbuf *m, int dir)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	struct cb_pkt p;

	if (w->n_seen[dir] % w->every == 0 && wire_parse(m, &p) && p.len >= 6)
		f[p.data - f + 5] ^= 1;
	return true;
}

/* Shifts the sequence number of every n-th probe. */
static bool shift(struct wire *w, struct rte_mbuf *m, int dir)
{
	struct cb_pkt p;

	if (w->n_seen[dir] % w->every == 0 && wire_parse(m, &p) && p.len >= 6)
		wire_rewrite(m, &p.e, p.seq + 100, p.ack);
	return true;
}

static void probes_that_say_or_count_wrong_are_noticed(void **state)
{
	(void)state;
	wire_open("established", "--plain --flows 100");
	wire_open_all(100, 0.1);
	wire->mangle = spoil_check;
	wire->every = 10;
	wire_probes(10000, 0.1);
	assert_in_range(wire->c.s.counts.probes_bad, 98, 102);
	assert_in_range(wire->s.s.counts.probes_bad, 98, 102);
	wire_close();

	wire_open("established", "--plain --flows 100 --verify");
	wire_open_all(100, 0.1);
	wire->mangle = shift;
	wire->every = 10;
	wire_probes(10000, 0.1);
	assert_in_range(wire->c.s.counts.probes_bad, 98, 102);
	assert_in_range(wire->s.s.counts.probes_bad, 98, 102);
	assert_non_null(strstr(wire->c.s.notes[0], "not seq"));
	wire_close();
}

static void time_that_passes_without_us_is_told(void **state)
{
	struct cb_cmd cmd = {.phase = CB_RUN, .probe = {true, true}, .probe_rate = {10000, 10000}};

	(void)state;
	wire_open("established", "--plain --flows 100");
	wire_open_all(100, 0.1);
	wire_order(&cmd);
	for (int i = 0; i < 5; i++) {
		wire_run(0.01);
		wire->now += HZ / 100;
	}
	/* 100 in each gap, of which 10 are made up for. */
	assert_in_range(wire->c.s.counts.probes_late, 4 * 90 - 4, 5 * 90);
	assert_in_range(wire->c.s.counts.probes_out, 490, 560);
	wire_close();
}

static void streams_go_on_when_their_offset_wraps(void **state)
{
	struct cb_cmd cmd = {.phase = CB_RUN};

	(void)state;
	wire_open("throughput", "--plain --verify --flows 2 --rto 8 --mss 1024");
	wire_open_all(2, 0.1);
	/* As if almost four gigabytes had been sent: whole periods of pattern and counters more. */
	for (uint32_t i = 0; i < 2; i++) {
		struct cb_tcb *ends[2] = {&wire->c.flows[i].t, &wire->s.table.flows[i].t};

		for (uint32_t k = 0; k < 2; k++)
			ends[k]->iss = ends[k]->snd_nxt - 1 -
				       (0xfff80000u + (cb_tcb_off(ends[k]) & 0xffff));
	}
	wire_order(&cmd);
	wire_run(0.3);
	assert_true(wire->s.s.counts.data_in > 4 * 0x100000);
	assert_true(wire->c.s.counts.data_in > 4 * 0x100000);
	assert_int_equal(wire_n_bad(), 0);
	wire_close();
}

/* ---- ARP ---- */

static struct rte_mbuf *arp_frame(const uint8_t *mac, const uint8_t *to, uint32_t sender,
				  uint32_t target)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(wire_pool);

	assert_non_null(m);
	cb_arp_write((uint8_t *)rte_pktmbuf_append(m, 60), 0, mac, to, cv_be32(sender),
		     cv_be32(target));
	return m;
}

/* What a side answers to an ARP request for an address; 0: nothing. */
static uint32_t answers(int side, uint32_t target)
{
	static const uint8_t mac[6] = {2, 9, 9, 9, 9, 9};
	struct rte_mbuf *m = arp_frame(mac, NULL, 0x01010101, target);
	struct cb_arp arp = {0};

	wire->queue[side == UP ? DOWN : UP][0] = m;
	wire->n[side == UP ? DOWN : UP] = 1;
	wire->n[side] = 0;
	wire_run(1.0 / 20000);
	if (wire->n[side] == 0)
		return 0;
	m = wire->queue[side][0];
	assert_true(cb_arp_read(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, 0, &arp));
	assert_int_equal(arp.op, 2);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), mac, 6);
	assert_int_equal(arp.mac[5], side + 1);
	rte_pktmbuf_free_bulk(wire->queue[side], wire->n[side]);
	wire->n[side] = 0;
	return cv_be32_host(arp.sender);
}

static void arp_is_answered_for_all_addresses_and_no_other(void **state)
{
	struct cb_cmd cmd = {.phase = CB_WAIT};

	(void)state;
	wire_open("cps", "--plain");
	wire_order(&cmd);
	assert_int_equal(answers(UP, 0xac100000), 0xac100000);
	assert_int_equal(answers(UP, 0xac1000ff), 0xac1000ff);
	assert_int_equal(answers(UP, 0xac100100), 0);
	assert_int_equal(answers(UP, 0x0a000001), 0);
	assert_int_equal(answers(DOWN, 0x0a000004), 0x0a000004);
	assert_int_equal(answers(DOWN, 0x0a000005), 0);
	assert_int_equal(answers(DOWN, 0xac100000), 0);
	wire_close();
}

static void clients_ask_until_every_dial_is_known(void **state)
{
	static const uint8_t mac[2][6] = {{2, 9, 9, 9, 9, 1}, {2, 9, 9, 9, 9, 2}};
	struct cb_cmd cmd = {.phase = CB_WAIT};

	(void)state;
	wire_open("cps", "");
	wire->opts.via_mac.set = false;
	wire->c.resolved = wire->c.known[0] = wire->c.known[1] = false;
	wire_order(&cmd);
	wire_run(0.05);
	assert_true(wire->s.s.counts.rx_arp >= 2);
	assert_false(wire->c.resolved);
	for (uint32_t i = 0; i < 2; i++) {
		assert_false(wire->c.resolved);
		wire->queue[DOWN][wire->n[DOWN]++] =
			arp_frame(mac[i], wire->c.s.mac, 0x0a090001 + i, 0xac100000);
		wire_run(0.001);
	}
	assert_true(wire->c.resolved);
	assert_memory_equal(wire->c.tmpls[0].bytes, mac[0], 6);
	assert_memory_equal(wire->c.tmpls[1].bytes, mac[1], 6);
	wire_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes_arrive_and_are_of_their_flows),
		cmocka_unit_test(lost_probes_are_counted_and_do_not_stop_the_rest),
		cmocka_unit_test(misdelivered_probes_are_noticed),
		cmocka_unit_test(spoiled_probes_are_noticed),
		cmocka_unit_test(a_full_device_is_not_loss_of_the_other),
		cmocka_unit_test(streams_flow_both_ways_also_with_loss),
		cmocka_unit_test(held_flows_show_signs_of_life),
		cmocka_unit_test(closing_resets_every_flow),
		cmocka_unit_test(only_so_many_flows_are_opening_at_once),
		cmocka_unit_test(a_flood_takes_no_room),
		cmocka_unit_test(probes_that_say_or_count_wrong_are_noticed),
		cmocka_unit_test(time_that_passes_without_us_is_told),
		cmocka_unit_test(streams_go_on_when_their_offset_wraps),
		cmocka_unit_test(arp_is_answered_for_all_addresses_and_no_other),
		cmocka_unit_test(clients_ask_until_every_dial_is_known),
	};

	return cmocka_run_group_tests(tests, wire_start, NULL);
}

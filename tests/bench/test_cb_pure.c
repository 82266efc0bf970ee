/* SPDX-License-Identifier: BSD-3-Clause */

/* The generator's pure parts: plan, pattern, pace, histogram, search, table, frames, command line. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_base.h"

#include "frame.h"
#include "measure.h"
#include "opts.h"
#include "plan.h"
#include "table.h"

static struct cb_opts base_opts(const char *clients, uint16_t lo, uint16_t hi, uint32_t n_dials)
{
	struct cb_opts o = {.client_ports = {lo, hi}, .seed = 7};

	assert_int_equal(cv_prefix_parse(clients, &o.clients), 0);
	for (o.dial.n = 0; o.dial.n < n_dials; o.dial.n++)
		o.dial.at[o.dial.n] = (struct cb_addr){cv_be32(0x0a000001 + o.dial.n), cv_be16(80)};
	return o;
}

/* ---- plan ---- */

static void every_id_is_found_by_its_address(void **state)
{
	struct cb_opts o = base_opts("172.16.4.0/28", 1000, 1009, 3);
	struct cb_plan p;
	uint32_t id, got;

	(void)state;
	cb_plan_init(&p, &o);
	assert_int_equal(p.n_tuples, 160);
	for (id = 0; id < p.n_tuples; id++) {
		assert_true(cv_prefix_has(&o.clients, cb_plan_ip(&p, id)));
		assert_in_range(cv_be16_host(cb_plan_port(&p, id)), 1000, 1009);
		assert_true(cb_plan_find(&p, cb_plan_ip(&p, id), cb_plan_port(&p, id), &got));
		assert_int_equal(got, id);
	}
	assert_false(cb_plan_find(&p, cb_plan_ip(&p, 0), cv_be16(999), &got));
	assert_false(cb_plan_find(&p, cb_plan_ip(&p, 0), cv_be16(1010), &got));
	assert_false(cb_plan_find(&p, cv_be32(0xac100410), cv_be16(1000), &got));
	assert_false(cb_plan_find(&p, cv_be32(0xac1003ff), cv_be16(1000), &got));
	assert_false(cb_plan_has_ip(&p, cv_be32(0xac100410)));
	assert_true(cb_plan_has_ip(&p, cv_be32(0xac10040f)));
}

static void a_single_client_and_a_large_network_work(void **state)
{
	struct cb_opts one = base_opts("10.1.1.1/32", 5000, 5001, 1);
	struct cb_opts large = base_opts("10.0.0.0/8", 1, 65535, 1);
	struct cb_plan p;
	uint32_t id;

	(void)state;
	cb_plan_init(&p, &one);
	assert_int_equal(p.n_tuples, 2);
	assert_int_equal(cb_plan_ip(&p, 1), cv_be32(0x0a010101));
	assert_int_equal(cb_plan_port(&p, 1), cv_be16(5001));
	cb_plan_init(&p, &large);
	assert_int_equal(p.n_tuples, 255u << 24);
	id = p.n_tuples - 1;
	assert_true(cb_plan_find(&p, cb_plan_ip(&p, id), cb_plan_port(&p, id), &id));
	assert_int_equal(id, p.n_tuples - 1);
}

static void dials_get_even_shares(void **state)
{
	struct cb_opts o = base_opts("172.16.0.0/16", 1024, 65535, 7);
	uint32_t n[7] = {0};
	struct cb_plan p;

	(void)state;
	cb_plan_init(&p, &o);
	for (uint32_t id = 0; id < 7000; id++)
		n[cb_plan_dial(&p, id)]++;
	for (uint32_t i = 0; i < 7; i++)
		assert_in_range(n[i], 980, 1020);
}

static void an_ident_is_of_this_run_only(void **state)
{
	struct cb_opts o = base_opts("172.16.0.0/16", 1024, 65535, 1);
	uint8_t buf[CB_IDENT_LEN];
	struct cb_plan p, other;
	uint32_t id;

	(void)state;
	cb_plan_init(&p, &o);
	o.seed = 8;
	cb_plan_init(&other, &o);
	cb_ident_write(&p, 12345, buf);
	assert_true(cb_ident_read(&p, buf, &id));
	assert_int_equal(id, 12345);
	assert_false(cb_ident_read(&other, buf, &id));
	for (uint32_t i = 0; i < sizeof(buf) * 8; i++) {
		buf[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_false(cb_ident_read(&p, buf, &id));
		buf[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_not_equal(cb_plan_check(&p, 1, CB_CLIENT), cb_plan_check(&p, 1, CB_SERVER));
	assert_int_not_equal(cb_plan_check(&p, 1, CB_CLIENT), cb_plan_check(&p, 2, CB_CLIENT));
	assert_int_not_equal(cb_plan_start(&p, 1, CB_CLIENT), cb_plan_start(&p, 1, CB_SERVER));
}

static void pattern_repeats_and_sums_are_those_of_its_bytes(void **state)
{
	static struct cb_pattern pattern;
	static const uint32_t offs[] = {0, 1, 2, 63, 4095, 16382, 16383};
	static const uint32_t lens[] = {0, 1, 2, 3, 6, 1459, 1460, 9215, 9216};

	(void)state;
	cb_pattern_init(&pattern, 99);
	for (size_t i = 0; i < CV_ARRAY_LEN(offs); i++) {
		for (size_t k = 0; k < CV_ARRAY_LEN(lens); k++) {
			const uint8_t *at = cb_pattern_at(&pattern, offs[i], 0);
			uint16_t sum = cv_csum_fold(cb_pattern_sum(&pattern, at, lens[k]));

			assert_int_equal(sum, cv_csum_fold(cv_csum_add(at, lens[k], 0)));
		}
	}
	/* A stream goes on where the last piece ended, beyond the period too. */
	assert_ptr_equal(cb_pattern_at(&pattern, 16000, 500), cb_pattern_at(&pattern, 116, 0));
	assert_memory_equal(cb_pattern_at(&pattern, 16383, 0) + 1, cb_pattern_at(&pattern, 0, 0),
			    9000);
}

/* ---- pace ---- */

static void pace_keeps_its_rate(void **state)
{
	struct cb_pace p;
	uint64_t n = 0;

	(void)state;
	cb_pace_init(&p, 1e6, 1000000000, 5000, 1000000);
	for (uint64_t now = 5000; now < 5000 + 1000000000ull; now += 1234)
		n += cb_pace_take(&p, now, 64);
	assert_in_range(n, 999990, 1000001);
	assert_int_equal(p.skipped, 0);
}

static void pace_gives_up_what_is_too_late(void **state)
{
	struct cb_pace p;

	(void)state;
	cb_pace_init(&p, 1e6, 1000000000, 0, 100000); /* may catch up with 100 */
	assert_int_equal(cb_pace_take(&p, 0, 64), 1);
	assert_int_equal(cb_pace_take(&p, 999, 64), 0);
	assert_int_equal(cb_pace_take(&p, 1000, 64), 1);
	assert_int_equal(cb_pace_take(&p, 1000000, 1000), 101);
	assert_int_equal(p.skipped, 898);
	assert_int_equal(cb_pace_take(&p, 1000000, 1000), 0);
}

static void pace_without_rate_takes_all(void **state)
{
	struct cb_pace p;

	(void)state;
	cb_pace_init(&p, 0, 1000000000, 0, 0);
	assert_int_equal(cb_pace_take(&p, 0, 64), 64);
	assert_int_equal(cb_pace_take(&p, 0, 64), 64);
}

static void pace_takes_one_a_second(void **state)
{
	struct cb_pace p;
	uint64_t n = 0;

	(void)state;
	cb_pace_init(&p, 1, 3000000000, 0, 1000000);
	for (uint64_t now = 0; now < 3000000000ull * 10; now += 1000000)
		n += cb_pace_take(&p, now, 64);
	assert_int_equal(n, 10);
}

/* ---- histogram, median ---- */

static void histogram_buckets_cover_all_values_in_order(void **state)
{
	uint32_t last = 0;

	(void)state;
	for (uint64_t v = 1; v < 1ull << 41; v += v / 100 + 1) {
		uint32_t b = cb_hist_bucket(v);

		assert_true(b >= last && b < CB_HIST_LEN);
		assert_true(cb_hist_top(b) >= v);
		assert_true(cb_hist_top(b) - v <= v / 64);
		assert_true(b == 0 || cb_hist_top(b - 1) < v);
		last = b;
	}
	assert_int_equal(cb_hist_bucket(UINT64_MAX), CB_HIST_LEN - 1);
}

static void quantiles_are_those_of_the_values(void **state)
{
	struct cb_hist *h = calloc(1, sizeof(*h));

	(void)state;
	assert_int_equal(cb_hist_quantile(h, 0.5), 0);
	for (uint64_t v = 1; v <= 1000; v++)
		cb_hist_add(h, v * 1000);
	assert_int_equal(h->n, 1000);
	assert_int_equal(h->min, 1000);
	assert_int_equal(h->max, 1000000);
	assert_int_equal(h->sum, 500500000);
	assert_in_range(cb_hist_quantile(h, 0.5), 500000, 500000 * 65 / 64);
	assert_in_range(cb_hist_quantile(h, 0.99), 990000, 1000000);
	assert_int_equal(cb_hist_quantile(h, 1), 1000000);
	assert_in_range(cb_hist_quantile(h, 0), 1000, 1000 * 65 / 64);
	free(h);
}

static void one_slow_value_in_a_thousand_shows_beyond_p99_9(void **state)
{
	struct cb_hist *h = calloc(1, sizeof(*h));

	(void)state;
	for (uint32_t i = 0; i < 9991; i++)
		cb_hist_add(h, 10);
	for (uint32_t i = 0; i < 9; i++)
		cb_hist_add(h, 5000);
	assert_int_equal(cb_hist_quantile(h, 0.999), 10);
	assert_int_equal(cb_hist_quantile(h, 0.9999), 5000);
	free(h);
}

static void median_of_odd_and_even(void **state)
{
	double odd[] = {5, 1, 9}, even[] = {4, 1, 9, 6};

	(void)state;
	assert_true(cb_median(odd, 3) == 5);
	assert_true(cb_median(even, 4) == 5);
	assert_true(cb_median(NULL, 0) == 0);
}

/* ---- search ---- */

static double search_for(double limit, double start, uint32_t *ret_n)
{
	struct cb_search s;
	double rate;

	cb_search_init(&s, start, 0.01, 40);
	while (cb_search_next(&s, &rate))
		cb_search_note(&s, rate, rate <= limit);
	*ret_n = s.n;
	return s.lo;
}

static void search_finds_the_limit(void **state)
{
	uint32_t n;

	(void)state;
	assert_in_range(search_for(3e6, 10e6, &n), 2970000, 3000000);
	assert_in_range(n, 6, 10);
	assert_in_range(search_for(10e6, 10e6, &n), 9900000, 10000000);
	assert_true(search_for(-1, 10e6, &n) == 0);
	assert_int_equal(n, 40);
}

/* ---- table ---- */

#define N_ADDRS 3000

/* Many flows come and go; a plain array knows better. Few hash bits, so that they collide. */
static void table_finds_what_is_in_it_and_nothing_else(void **state)
{
	static struct cb_sflow *want[N_ADDRS];
	struct cb_table t;
	uint32_t n = 0, rng = 1;

	(void)state;
	assert_int_equal(cb_table_init(&t, 2000, 3), 0);
	for (uint32_t step = 0; step < 200000; step++) {
		uint32_t i, hash;

		rng = rng * 1664525 + 1013904223;
		i = (rng >> 8) % N_ADDRS;
		hash = cb_table_hash(&t, i / 100, (cv_be16_t)i, (uint8_t)(i % 3));
		assert_ptr_equal(cb_table_find(&t, hash, i / 100, (cv_be16_t)i, (uint8_t)(i % 3)),
				 want[i]);
		if (want[i] != NULL) {
			cb_table_del(&t, want[i]);
			want[i] = NULL;
			n--;
		} else {
			want[i] = cb_table_add(&t, hash, i / 100, (cv_be16_t)i, (uint8_t)(i % 3));
			assert_int_equal(want[i] == NULL, n == 2000);
			n += want[i] != NULL;
		}
		assert_int_equal(t.n, n);
	}
	for (uint32_t i = 0; i < N_ADDRS; i++) {
		uint32_t hash = cb_table_hash(&t, i / 100, (cv_be16_t)i, (uint8_t)(i % 3));

		assert_ptr_equal(cb_table_find(&t, hash, i / 100, (cv_be16_t)i, (uint8_t)(i % 3)),
				 want[i]);
		assert_null(cb_table_find(&t, hash, i / 100, (cv_be16_t)i, 7));
	}
	cb_table_fini(&t);
}

static void deleting_keeps_those_that_collided_reachable(void **state)
{
	struct cb_sflow *f[40];
	struct cb_table t;

	(void)state;
	assert_int_equal(cb_table_init(&t, 100, 0), 0);
	/* One hash for all, at the end of the index, so that places wrap. */
	for (uint32_t i = 0; i < 40; i++)
		f[i] = cb_table_add(&t, cb_table_hash(&t, i, 1, 0), i, 1, 0);
	for (uint32_t i = 0; i < 40; i += 2)
		cb_table_del(&t, f[i]);
	for (uint32_t i = 0; i < 40; i++) {
		struct cb_sflow *got = cb_table_find(&t, cb_table_hash(&t, i, 1, 0), i, 1, 0);

		assert_ptr_equal(got, i % 2 == 0 ? NULL : f[i]);
	}
	cb_table_fini(&t);
}

/* ---- frames ---- */

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa}, mac_b[6] = {2, 0, 0, 0, 0, 0xb};

static void frame_round_trip(uint16_t vlan, uint16_t mss, uint16_t len)
{
	uint8_t f[256], data[64];
	struct cb_ends ends = {cv_be32(0x0a0000ff), cv_be32(0xac10fffe), cv_be16(65535),
			       cv_be16(80)};
	struct cb_hdr hdr = {.seq = 0xfffffffe,
			     .ack = 0x80000001,
			     .len = len,
			     .mss = mss,
			     .flags = CV_TCP_ACK | CV_TCP_PSH};
	struct cb_tmpl tmpl;
	struct cb_pkt p;
	uint32_t n;

	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(0xf0 + i);
	hdr.sum = cv_csum_fold(cv_csum_add(data, len, 0));
	cb_tmpl_init(&tmpl, mac_b, mac_a, vlan);
	memset(f, 0xee, sizeof(f));
	n = cb_frame_put(f, &tmpl, cb_l2_len(vlan), &ends, &hdr);
	memcpy(f + n, data, len);
	assert_int_equal(cb_frame_parse(f, n + len, vlan, &p), CB_TCP);
	assert_memory_equal(&p.e, &ends, sizeof(ends));
	assert_int_equal(p.seq, hdr.seq);
	assert_int_equal(p.ack, hdr.ack);
	assert_int_equal(p.len, len);
	assert_int_equal(p.flags, hdr.flags);
	assert_memory_equal(p.data, data, len);
	assert_true(cb_frame_csum_ok(&p));
	/* Cut, or with another tag, it is nothing. */
	assert_int_equal(cb_frame_parse(f, n + len - 1, vlan, &p), CB_OTHER);
	assert_int_equal(cb_frame_parse(f, n + len, vlan == 0 ? 5 : (uint16_t)(vlan + 1), &p),
			 CB_OTHER);
	/* Every bit of headers and payload is under a checksum. */
	for (uint32_t i = cb_l2_len(vlan); i < n + len; i++) {
		f[i] ^= 0x10;
		if (cb_frame_parse(f, n + len, vlan, &p) == CB_TCP)
			assert_false(cb_frame_csum_ok(&p));
		f[i] ^= 0x10;
	}
}

static void frames_read_back_as_written(void **state)
{
	(void)state;
	for (uint16_t vlan = 0; vlan < 200; vlan = (uint16_t)(vlan + 100)) {
		for (uint16_t len = 0; len < 20; len++) {
			frame_round_trip(vlan, 0, len);
			frame_round_trip(vlan, 1460, len);
		}
	}
}

static void other_frames_are_not_tcp(void **state)
{
	uint8_t f[128] = {0};
	struct cb_ends ends = {1, 2, 3, 4};
	struct cb_hdr hdr = {.flags = CV_TCP_ACK};
	struct cb_tmpl tmpl;
	struct cb_pkt p;
	uint32_t n;

	(void)state;
	cb_tmpl_init(&tmpl, mac_b, mac_a, 0);
	n = cb_frame_put(f, &tmpl, 14, &ends, &hdr);
	assert_int_equal(cb_frame_parse(f, n, 0, &p), CB_TCP);
	f[14 + 9] = 17;
	assert_int_equal(cb_frame_parse(f, n, 0, &p), CB_OTHER);
	f[14 + 9] = 6;
	f[14 + 6] = 0x20; /* more fragments */
	assert_int_equal(cb_frame_parse(f, n, 0, &p), CB_OTHER);
	f[14 + 6] = 0x40;
	f[14] = 0x44; /* header of 16 bytes */
	assert_int_equal(cb_frame_parse(f, n, 0, &p), CB_OTHER);
	f[14] = 0x45;
	f[14 + 20 + 12] = 0x40; /* TCP header of 16 bytes */
	assert_int_equal(cb_frame_parse(f, n, 0, &p), CB_OTHER);
	f[14 + 20 + 12] = 0x60; /* longer than the packet */
	assert_int_equal(cb_frame_parse(f, n, 0, &p), CB_OTHER);
	assert_int_equal(cb_frame_parse(f, 20, 0, &p), CB_OTHER);
}

static void arp_reads_back_as_written(void **state)
{
	uint8_t f[64];
	struct cb_pkt p;
	struct cb_arp arp;

	(void)state;
	for (uint16_t vlan = 0; vlan < 200; vlan = (uint16_t)(vlan + 100)) {
		cb_arp_write(f, vlan, mac_a, NULL, cv_be32(1), cv_be32(2));
		assert_int_equal(cb_frame_parse(f, cb_arp_len(vlan), vlan, &p), CB_ARP);
		assert_true(cb_arp_read(f, cb_arp_len(vlan), vlan, &arp));
		assert_int_equal(arp.op, 1);
		assert_int_equal(f[0], 0xff);
		assert_int_equal(arp.sender, cv_be32(1));
		assert_int_equal(arp.target, cv_be32(2));
		cb_arp_write(f, vlan, mac_a, mac_b, cv_be32(3), cv_be32(4));
		assert_true(cb_arp_read(f, cb_arp_len(vlan), vlan, &arp));
		assert_int_equal(arp.op, 2);
		assert_memory_equal(f, mac_b, 6);
		assert_memory_equal(arp.mac, mac_a, 6);
		assert_int_equal(arp.target, cv_be32(4));
		assert_false(cb_arp_read(f, cb_l2_len(vlan) + 27, vlan, &arp));
		f[cb_l2_len(vlan) + 6] = 1;
		assert_false(cb_arp_read(f, cb_arp_len(vlan), vlan, &arp));
		f[cb_l2_len(vlan) + 6] = 0;
		f[cb_l2_len(vlan) + 1] = 6;
		assert_false(cb_arp_read(f, cb_arp_len(vlan), vlan, &arp));
	}
}

/* ---- command line ---- */

static int parse(struct cb_opts *o, char *text, const char *line)
{
	static char copy[1024];
	static char *argv[64];
	char *save = NULL, *word;
	int argc = 0;

	snprintf(copy, sizeof(copy), "culvert-bench %s", line);
	for (word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return cb_opts_parse(argc, argv, o, text);
}

#define BOTH " --client c --server s --clients 10.0.0.0/24 --dial 10.1.0.1:80 --servers 10.2.0.1:80"

static void options_are_read(void **state)
{
	char text[CB_TEXT_LEN];
	struct cb_opts o;

	(void)state;
	assert_int_equal(
		parse(&o, text,
		      "established" BOTH
		      " --flows 1M --rate=2.5k --order random --dial 10.1.0.5-10.1.0.7:81,"
		      "10.1.0.9:82 --client-mac 02:00:00:00:00:0f --client-ports 2000-3000 "
		      "--cores 0,1 --verify --size 128 -- -l 3"),
		0);
	assert_int_equal(o.mode, CB_ESTABLISHED);
	assert_true(o.flows == 1e6 && o.rate == 2500 && o.size == 128);
	assert_int_equal(o.order, CB_RANDOM);
	assert_int_equal(o.dial.n, 5);
	assert_int_equal(o.dial.at[0].ip, cv_be32(0x0a010001));
	assert_int_equal(o.dial.at[3].ip, cv_be32(0x0a010007));
	assert_int_equal(o.dial.at[3].port, cv_be16(81));
	assert_int_equal(o.dial.at[4].port, cv_be16(82));
	assert_int_equal(o.mac[CB_CLIENT].addr[5], 15);
	assert_true(o.mac[CB_CLIENT].set && !o.mac[CB_SERVER].set && o.verify);
	assert_int_equal(o.client_ports.hi, 3000);
	assert_int_equal(o.cores.n, 2);
	assert_int_equal(o.n_eal_args, 2);
	assert_string_equal(o.eal_args[1], "3");
}

static void defaults_depend_on_the_mode(void **state)
{
	char text[CB_TEXT_LEN];
	struct cb_opts o;

	(void)state;
	assert_int_equal(parse(&o, text, "throughput" BOTH), 0);
	assert_true(o.mss == 1460 && o.flows == 32 && o.rate == 0);
	assert_int_equal(parse(&o, text, "latency --rate 1k" BOTH), 0);
	assert_true(o.size == 68);
	assert_int_equal(parse(&o, text, "cps --rate max" BOTH), 0);
	assert_true(o.size == 60 && o.flows == 512 && o.request == 16);
	assert_int_equal(parse(&o, text, "cps --rate 1k" BOTH), 0);
	assert_true(o.flows == 65536);
	assert_int_equal(parse(&o, text, "serve --server s --servers 1.1.1.1:80"), 0);
}

static void what_is_wrong_is_said(void **state)
{
	static const char *const wrong[][2] = {
		{"", "the first argument must be a mode"},
		{"fly" BOTH, "--mode: 'fly' is none of"},
		{"cps --flows x" BOTH, "--flows: 'x' is not a number"},
		{"cps --flows 1z" BOTH, "--flows: '1z' is not a number"},
		{"cps --mtu 100" BOTH, "--mtu: 100 is outside 576..9000"},
		{"cps --rate 0" BOTH, "--rate: must be above 0"},
		{"cps --dial 10.0.0.1" BOTH, "--dial: '10.0.0.1' is not IP:PORT"},
		{"cps --dial 10.0.0.1:0" BOTH, "is not IP:PORT"},
		{"cps --dial 10.0.0.9-10.0.0.1:80" BOTH, "is not IP:PORT"},
		{"cps --dial 10.0.0.1-10.0.1.1:80" BOTH, "more than 256 addresses"},
		{"cps --clients 10.0.0.1/24" BOTH, "--clients: '10.0.0.1/24' is not a network"},
		{"cps --clients 0.0.0.0/4" BOTH, "at most a /8"},
		{"cps --client-ports 9-1" BOTH, "is not LOWEST-HIGHEST"},
		{"cps --client-mac 01:00:00:00:00:00" BOTH, "is not a unicast MAC"},
		{"cps --close now" BOTH, "--close: 'now' is none of client, server, reset"},
		{"cps --cores 1,2,3" BOTH, "is not one CPU number"},
		{"cps --via 1.2.3" BOTH, "is not an IPv4 address"},
		{"cps --verify=1" BOTH, "--verify takes no value"},
		{"cps" BOTH " --flows", "--flows needs a value: N"},
		{"cps --nope 1" BOTH, "there is no option '--nope'"},
		{"cps --request 5" BOTH, "--request must be 0 or at least 16"},
		{"established --request 0" BOTH, "--request 0 is for cps only"},
		{"established --flows 0" BOTH, "--flows must be above 0"},
		{"latency" BOTH, "latency needs --rate"},
		{"latency --rate 1k --size 60" BOTH, "at least 68 bytes"},
		{"established --size 1600" BOTH, "--size is larger than the MTU"},
		{"cps --mss 1461" BOTH, "--mss is larger than the MTU"},
		{"established --blind" BOTH, "--blind needs --via-mac"},
		{"cps --blind" BOTH, "--blind is for established only"},
		{"cps --get /x" BOTH, "--get is for cps without --server"},
		{"cps --vpce x" BOTH, "--vpce needs --proxy require"},
		{"serve" BOTH, "mode serve has no --client"},
		{"cps --server s --servers 1.1.1.1:80", "--client is missing"},
		{"established --client c --clients 10.0.0.0/24 --dial 1.1.1.1:80",
		 "this mode needs both"},
		{"cps --client c --dial 1.1.1.1:80", "--clients is missing"},
		{"cps --client c --clients 10.0.0.0/24", "--dial is missing"},
		{"serve --server s", "--servers is missing"},
		{"serve --server s --servers 1.1.1.1:80 --cores 0,1", "two --cores"},
	};
	char text[CB_TEXT_LEN];
	struct cb_opts o;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(wrong); i++) {
		assert_int_equal(parse(&o, text, wrong[i][0]), -1);
		if (strstr(text, wrong[i][1]) == NULL)
			fail_msg("'%s' says '%s'", wrong[i][0], text);
	}
}

static void count_option(void *arg, const char *name, const char *value)
{
	if (strcmp(name, "dial") == 0)
		assert_string_equal(value, "10.1.0.1:80");
	if (strcmp(name, "rate") == 0)
		assert_string_equal(value, "max");
	if (strcmp(name, "clients") == 0)
		assert_string_equal(value, "10.0.0.0/24");
	if (strcmp(name, "close") == 0)
		assert_string_equal(value, "client");
	if (strcmp(name, "flows") == 0)
		assert_string_equal(value, "1000");
	++*(int *)arg;
}

static void options_are_reported(void **state)
{
	char text[CB_TEXT_LEN];
	struct cb_opts o;
	int n = 0;

	(void)state;
	assert_int_equal(parse(&o, text, "established" BOTH), 0);
	cb_opts_each(&o, count_option, &n);
	assert_true(n > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_id_is_found_by_its_address),
		cmocka_unit_test(a_single_client_and_a_large_network_work),
		cmocka_unit_test(dials_get_even_shares),
		cmocka_unit_test(an_ident_is_of_this_run_only),
		cmocka_unit_test(pattern_repeats_and_sums_are_those_of_its_bytes),
		cmocka_unit_test(pace_keeps_its_rate),
		cmocka_unit_test(pace_gives_up_what_is_too_late),
		cmocka_unit_test(pace_without_rate_takes_all),
		cmocka_unit_test(pace_takes_one_a_second),
		cmocka_unit_test(histogram_buckets_cover_all_values_in_order),
		cmocka_unit_test(quantiles_are_those_of_the_values),
		cmocka_unit_test(one_slow_value_in_a_thousand_shows_beyond_p99_9),
		cmocka_unit_test(median_of_odd_and_even),
		cmocka_unit_test(search_finds_the_limit),
		cmocka_unit_test(table_finds_what_is_in_it_and_nothing_else),
		cmocka_unit_test(deleting_keeps_those_that_collided_reachable),
		cmocka_unit_test(frames_read_back_as_written),
		cmocka_unit_test(other_frames_are_not_tcp),
		cmocka_unit_test(arp_reads_back_as_written),
		cmocka_unit_test(options_are_read),
		cmocka_unit_test(defaults_depend_on_the_mode),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(options_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

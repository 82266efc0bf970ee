/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_net.h"

static uint64_t rng_state = 88172645463325252;

static uint32_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state >> 32);
}

static void byte_order_is_the_packet_s(void **state)
{
	cv_be32_t a = cv_be32(0x01020304);
	cv_be16_t p = cv_be16(0x0102);

	(void)state;
	assert_memory_equal(&a, "\x01\x02\x03\x04", 4);
	assert_memory_equal(&p, "\x01\x02", 2);
	assert_int_equal(cv_be32_host(a), 0x01020304);
	assert_int_equal(cv_be16_host(p), 0x0102);
}

static void addresses_parse_and_render(void **state)
{
	static const struct {
		const char *text;
		uint32_t host;
	} cases[] = {
		{"0.0.0.0", 0},
		{"255.255.255.255", UINT32_MAX},
		{"10.0.0.1", 0x0a000001},
		{"1.2.3.4", 0x01020304},
		{"192.168.100.209", 0xc0a864d1},
		{"100.64.0.9", 0x64400009},
	};
	char buf[CV_NET_STR_LEN];

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		cv_be32_t addr = 1;

		assert_true(cv_ip4_parse(cases[i].text, &addr));
		assert_int_equal(cv_be32_host(addr), cases[i].host);
		assert_ptr_equal(cv_ip4_str(addr, buf), buf);
		assert_string_equal(buf, cases[i].text);
	}
	/* Every value of every octet. */
	for (uint32_t i = 0; i < 1024; i++) {
		cv_be32_t addr = cv_be32((i % 256) << (i / 256 * 8)), again = 0;

		assert_true(cv_ip4_parse(cv_ip4_str(addr, buf), &again));
		assert_int_equal(again, addr);
	}
}

static const char *const no_address[] = {
	"",           "1",        "1.2",        "1.2.3",     "1.2.3.",     "1.2.3.4.",
	"1.2.3.4.5",  ".1.2.3.4", "1..2.3",     "1.2.3.256", "1.2.3.1000", "256.0.0.0",
	"1.2.3.4 ",   " 1.2.3.4", "1.2.3.4\n",  "1.2.3.-4",  "1.2.3.+4",   "1.2.3.04",
	"01.2.3.4",   "1.2.3.00", "1.2.3.4/32", "0x1.2.3.4", "1.2.3.4a",   "a.b.c.d",
	"1,2,3,4",    "::1",      "localhost",  "16909060",  "1.2.3.4:80", "1.2.3.99999999999",
	"1.2.3.\xb2", "1. 2.3.4", "1.2.3.0004", "1.2.3.4\t", "...",        "999.1.1.1",
};

static void nothing_else_is_an_address(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(no_address); i++) {
		cv_be32_t addr = 0x5a5a5a5a;

		assert_false(cv_ip4_parse(no_address[i], &addr));
		assert_int_equal(addr, 0x5a5a5a5a);
	}
}

static void prefixes_parse_and_render(void **state)
{
	char buf[CV_NET_STR_LEN];

	(void)state;
	for (uint8_t len = 0; len <= 32; len++) {
		uint32_t mask = 0;
		struct cv_prefix prefix = {.addr = 0, .len = len}, again;

		for (uint8_t i = 0; i < len; i++)
			mask |= 0x80000000U >> i;
		assert_int_equal(cv_be32_host(cv_prefix_mask(len)), mask);
		prefix.addr = cv_be32(mask & 0xdeadbeef);
		assert_ptr_equal(cv_prefix_str(&prefix, buf), buf);
		assert_int_equal(cv_prefix_parse(buf, &again), 0);
		assert_int_equal(again.addr, prefix.addr);
		assert_int_equal(again.len, len);
		/* Any bit below the length is refused, and only that. */
		for (uint8_t bit = 0; bit < 32; bit++) {
			cv_be32_t addr = cv_be32(0x80000000U >> bit);
			char text[CV_NET_STR_LEN + 4];

			memset(&again, 0x5a, sizeof(again));
			cv_ip4_str(addr, text);
			snprintf(text + strlen(text), 4, "/%u", len);
			assert_int_equal(cv_prefix_parse(text, &again), bit < len ? 0 : -EDOM);
			assert_int_equal(again.len, bit < len ? len : 0x5a);
		}
	}
	assert_string_equal(cv_prefix_str(&(struct cv_prefix){cv_be32(UINT32_MAX), 32}, buf),
			    "255.255.255.255/32");
}

static void nothing_else_is_a_prefix(void **state)
{
	static const char *const no[] = {
		"10.0.0.0",      "10.0.0.0/",    "10.0.0.0/33",        "10.0.0.0/-1",
		"10.0.0.0/08",   "10.0.0.0/8 ",  "10.0.0.0 /8",        "10.0.0.0//8",
		"10.0.0/8",      "/8",           "10.0.0.0/8/8",       "10.0.0.0/256",
		"10.0.0.0/1000", "10.0.0.0/0x8", "10.0.0.0/255.0.0.0", "10.0.0.0/00",
		"10.0.0.0/ 8",   "10.0.0.0\\8",  "10.0.0.0/8a",        "::/0",
	};
	struct cv_prefix prefix = {.addr = 1, .len = 77};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(no); i++)
		assert_int_equal(cv_prefix_parse(no[i], &prefix), -EINVAL);
	for (size_t i = 0; i < CV_ARRAY_LEN(no_address); i++) {
		if (strcmp(no_address[i], "1.2.3.4/32") != 0)
			assert_int_equal(cv_prefix_parse(no_address[i], &prefix), -EINVAL);
	}
	assert_int_equal(prefix.addr, 1);
	assert_int_equal(prefix.len, 77);
}

static struct cv_prefix prefix_of(const char *text)
{
	struct cv_prefix prefix = {0};

	assert_int_equal(cv_prefix_parse(text, &prefix), 0);
	return prefix;
}

static cv_be32_t ip(const char *text)
{
	cv_be32_t addr = 0;

	assert_true(cv_ip4_parse(text, &addr));
	return addr;
}

static void a_prefix_has_its_addresses(void **state)
{
	struct cv_prefix p16 = prefix_of("172.31.0.0/16"), all = prefix_of("0.0.0.0/0");
	struct cv_prefix one = prefix_of("10.0.0.1/32"), half = prefix_of("128.0.0.0/1");

	(void)state;
	assert_true(cv_prefix_has(&p16, ip("172.31.0.0")));
	assert_true(cv_prefix_has(&p16, ip("172.31.255.255")));
	assert_false(cv_prefix_has(&p16, ip("172.30.255.255")));
	assert_false(cv_prefix_has(&p16, ip("172.32.0.0")));
	assert_true(cv_prefix_has(&all, ip("0.0.0.0")));
	assert_true(cv_prefix_has(&all, ip("255.255.255.255")));
	assert_true(cv_prefix_has(&one, ip("10.0.0.1")));
	assert_false(cv_prefix_has(&one, ip("10.0.0.0")));
	assert_false(cv_prefix_has(&one, ip("10.0.0.2")));
	assert_true(cv_prefix_has(&half, ip("200.0.0.1")));
	assert_false(cv_prefix_has(&half, ip("127.255.255.255")));
}

static void prefixes_overlap_when_one_holds_the_other(void **state)
{
	static const struct {
		const char *a, *b;
		bool want;
	} cases[] = {
		{"10.0.0.0/8", "10.0.0.0/8", true},     {"10.0.0.0/8", "10.255.255.255/32", true},
		{"10.0.0.0/8", "11.0.0.0/8", false},    {"10.0.0.0/8", "8.0.0.0/7", false},
		{"10.0.0.0/8", "10.0.0.0/7", true},     {"0.0.0.0/0", "255.255.255.255/32", true},
		{"0.0.0.0/0", "0.0.0.0/0", true},       {"10.0.0.0/25", "10.0.0.128/25", false},
		{"10.0.0.0/24", "10.0.0.128/25", true}, {"1.1.1.1/32", "1.1.1.1/32", true},
		{"1.1.1.1/32", "1.1.1.0/32", false},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct cv_prefix a = prefix_of(cases[i].a), b = prefix_of(cases[i].b);

		assert_int_equal(cv_prefix_overlaps(&a, &b), cases[i].want);
		assert_int_equal(cv_prefix_overlaps(&b, &a), cases[i].want);
	}
}

static void macs_are_local_unicast_and_hold_the_address(void **state)
{
	char buf[CV_NET_STR_LEN];
	uint8_t mac[6];
	uint32_t n_equal = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		char id[32], next[32];
		uint16_t prefix, node;

		snprintf(id, sizeof(id), "vpc-%017x", i);
		snprintf(next, sizeof(next), "vpc-%017x", i + 1);
		prefix = cv_mac_prefix(id);
		n_equal += prefix == cv_mac_prefix(next);
		cv_mac_of_ip(prefix, ip("10.1.2.3"), mac);
		assert_int_equal(mac[0] & 3, 2);
		assert_int_equal(mac[1] & 1, 0);
		assert_memory_equal(mac, &prefix, 2);
		assert_memory_equal(mac + 2, "\x0a\x01\x02\x03", 4);
		node = prefix | CV_MAC_NODE;
		cv_mac_of_ip(node, ip("10.1.2.3"), mac);
		assert_int_equal(mac[0] & 3, 2);
		assert_int_equal(mac[1] & 1, 1);
		assert_int_equal(cv_mac_prefix(id), prefix);
	}
	/* 13 bits are left: about one in 8192 meets its neighbour. */
	assert_in_range(n_equal, 0, 4);
	assert_ptr_equal(cv_mac_str((const uint8_t *)"\x02\x00\x0a\xff\x10\x09", buf), buf);
	assert_string_equal(buf, "02:00:0a:ff:10:09");
}

/* ---- checksums ---- */

/* By definition: 16-bit words in network order, end-around carry after each addition. */
static uint16_t sum_slowly(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2) {
		sum += (uint32_t)p[i] << 8 | (i + 1 < len ? p[i + 1] : 0);
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)sum;
}

static void sums_equal_the_definition(void **state)
{
	uint8_t room[256 + 8];

	(void)state;
	for (size_t len = 0; len <= 256; len++) {
		for (size_t ofs = 0; ofs < 8; ofs++) {
			uint8_t *p = room + ofs;

			for (size_t i = 0; i < len; i++)
				p[i] = (uint8_t)(len % 3 == 0 ? 0xff : rng());
			assert_int_equal(cv_be16_host(cv_csum_fold(cv_csum_add(p, len, 0))),
					 sum_slowly(p, len));
			/* In two parts, the first of even length. */
			assert_int_equal(
				cv_csum_fold(cv_csum_add(p + len / 4 * 2, len - len / 4 * 2,
							 cv_csum_add(p, len / 4 * 2, 0))),
				cv_csum_fold(cv_csum_add(p, len, 0)));
		}
	}
	/* The example of RFC 1071, section 3. */
	assert_int_equal(
		cv_be16_host(cv_csum_fold(cv_csum_add("\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8, 0))),
		0xddf2);
}

static uint16_t fold_slowly(uint64_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void folding_loses_no_carry(void **state)
{
	static const uint64_t words[] = {0, 1, 2, 0x7fff, 0x8000, 0xfffd, 0xfffe, 0xffff};

	(void)state;
	for (uint32_t i = 0; i < 8 * 8 * 8 * 8; i++) {
		uint64_t sum = words[i & 7] | words[i >> 3 & 7] << 16 | words[i >> 6 & 7] << 32 |
			       words[i >> 9 & 7] << 48;

		assert_int_equal(cv_csum_fold(sum), fold_slowly(sum));
	}
	for (uint32_t sum = 0; sum < 0x40000; sum++)
		assert_int_equal(cv_csum_fold(sum), fold_slowly(sum));
	for (int i = 0; i < 100000; i++) {
		uint64_t sum = (uint64_t)rng() << 32 | rng();

		assert_int_equal(cv_csum_fold(sum), fold_slowly(sum));
	}
}

static uint16_t csum_of(const void *words, size_t len)
{
	return (uint16_t)~cv_csum_fold(cv_csum_add(words, len, 0));
}

static const uint16_t edges[] = {0,      1,      2,      0x00ff, 0x0100, 0x1234, 0x7ffe, 0x7fff,
				 0x8000, 0x8001, 0xabcd, 0xff00, 0xff7f, 0xfffd, 0xfffe, 0xffff};

/* Three words, the last never zero, whose checksum is `csum`; false if there are none such. */
static bool header_with(uint16_t csum, uint16_t word, uint16_t *words)
{
	words[0] = word;
	words[2] = 0x4500;
	words[1] = cv_csum_fold((uint64_t)(uint16_t)~csum + (uint16_t)~word + (uint16_t)~words[2]);
	return csum_of(words, 6) == csum;
}

/* Every checksum there is, and every pair of words at the edges, against full recomputation. */
static void incremental_update_equals_recomputation(void **state)
{
	uint32_t n_impossible = 0;

	(void)state;
	for (uint32_t csum = 0; csum <= UINT16_MAX; csum++) {
		for (size_t f = 0; f < CV_ARRAY_LEN(edges); f++) {
			uint16_t words[3];

			if (!header_with((uint16_t)csum, edges[f], words)) {
				n_impossible++;
				continue;
			}
			for (size_t t = 0; t < CV_ARRAY_LEN(edges); t++) {
				uint16_t got = cv_csum_apply((uint16_t)csum,
							     cv_csum_diff16(edges[f], edges[t]));

				words[0] = edges[t];
				assert_int_equal(got, csum_of(words, 6));
				assert_int_not_equal(got, 0xffff);
			}
		}
	}
	/* Only 0xffff is no checksum of a header that has a word other than zero. */
	assert_int_equal(n_impossible, CV_ARRAY_LEN(edges));
}

/* Several fields at once, as NAT changes them, and back again. */
static void many_differences_can_be_applied_at_once(void **state)
{
	(void)state;
	for (int round = 0; round < 200000; round++) {
		uint32_t words[10], before[10];
		uint32_t there = 0, back = 0;
		uint16_t csum, got;

		for (int i = 0; i < 10; i++) {
			uint32_t r = rng();

			words[i] = r % 5 == 0 ? UINT32_MAX : r % 7 == 0 ? 0 : rng();
		}
		words[9] |= 1;
		memcpy(before, words, sizeof(words));
		csum = csum_of(words, sizeof(words));
		for (int i = 0; i < 9; i++) {
			uint32_t r = rng();
			uint32_t to = r % 5 == 0 ? UINT32_MAX : r % 7 == 0 ? 0 : rng();

			there += cv_csum_diff32(words[i], to);
			back += cv_csum_diff32(to, words[i]);
			words[i] = to;
		}
		got = cv_csum_apply(csum, there);
		assert_int_equal(got, csum_of(words, sizeof(words)));
		assert_int_equal(cv_csum_apply(got, back), csum);
		/* A difference may be folded first, as a flow stores it. */
		assert_int_equal(cv_csum_apply(csum, cv_csum_fold(there)), got);
	}
}

static void the_largest_difference_keeps_its_carries(void **state)
{
	(void)state;
	for (uint32_t csum = 0; csum <= UINT16_MAX; csum++) {
		static const uint32_t diffs[] = {0xfffe0000, 0xfffdffff, 0xffff,     0x10000,
						 0x1fffe,    0x1ffff,    0xffff0000, UINT32_MAX};

		for (size_t i = 0; i < CV_ARRAY_LEN(diffs); i++)
			assert_int_equal(
				cv_csum_apply((uint16_t)csum, diffs[i]),
				(uint16_t)~fold_slowly((uint64_t)(uint16_t)~csum + diffs[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(byte_order_is_the_packet_s),
		cmocka_unit_test(addresses_parse_and_render),
		cmocka_unit_test(nothing_else_is_an_address),
		cmocka_unit_test(prefixes_parse_and_render),
		cmocka_unit_test(nothing_else_is_a_prefix),
		cmocka_unit_test(a_prefix_has_its_addresses),
		cmocka_unit_test(prefixes_overlap_when_one_holds_the_other),
		cmocka_unit_test(macs_are_local_unicast_and_hold_the_address),
		cmocka_unit_test(sums_equal_the_definition),
		cmocka_unit_test(folding_loses_no_carry),
		cmocka_unit_test(incremental_update_equals_recomputation),
		cmocka_unit_test(many_differences_can_be_applied_at_once),
		cmocka_unit_test(the_largest_difference_keeps_its_carries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

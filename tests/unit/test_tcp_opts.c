/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "cv_base.h"
#include "cv_net.h"
#include "cv_tcp_opts.h"

static void options_are_found_where_they_are(void **state)
{
	static const uint8_t bytes[] = {
		2,  4, 0x05, 0xb4, 4, 2,  8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7,
		34, 4, 9,    9,    5, 10, 0, 0,  0, 1, 0, 0, 0, 9, 0, 2, 4, 0, 1, 0,
	};
	static const uint8_t experiment[] = {1, 254, 6, 0xf9, 0x89, 1, 2, 1};
	static const uint8_t request[] = {1, 1, 254, 4, 0xf9, 0x89};
	static const uint8_t other[] = {254, 4, 0xf9, 0x88, 253, 4, 0xf9, 0x89};
	struct cv_tcp_opts found;

	(void)state;
	assert_int_equal(cv_tcp_opts_parse(bytes, sizeof(bytes), &found), 0);
	assert_int_equal(found.len, 40);
	assert_int_equal(found.mss_off, 0);
	assert_int_equal(found.mss, 1460);
	assert_int_equal(found.sack_ok_off, 4);
	assert_int_equal(found.ts_off, 6);
	assert_int_equal(found.ts_val, 0x01020304);
	assert_int_equal(found.ts_ecr, 0x05060708);
	assert_int_equal(found.wscale_off, 17);
	assert_int_equal(found.wscale, 7);
	assert_int_equal(found.tfo_off, 20);
	assert_int_equal(found.sack_off, 24);
	assert_int_equal(found.n_sack, 1);
	assert_int_equal(cv_tcp_opts_parse(experiment, sizeof(experiment), &found), 0);
	assert_int_equal(found.tfo_off, 1);
	assert_int_equal(cv_tcp_opts_parse(request, sizeof(request), &found), 0);
	assert_int_equal(found.tfo_off, 2);
	assert_int_equal(cv_tcp_opts_parse(other, sizeof(other), &found), 0);
	assert_int_equal(found.tfo_off, CV_TCP_OPT_NONE);
	assert_int_equal(cv_tcp_opts_parse(NULL, 0, &found), 0);
	assert_int_equal(found.mss_off, CV_TCP_OPT_NONE);
	assert_int_equal(found.sack_off, CV_TCP_OPT_NONE);
	assert_int_equal(found.mss, 0);
}

static void options_of_wrong_length_count_as_absent(void **state)
{
	static const uint8_t kinds[] = {2, 3, 4, 5, 8};

	(void)state;
	for (size_t k = 0; k < CV_ARRAY_LEN(kinds); k++) {
		for (uint8_t len = 2; len <= 38; len++) {
			uint8_t bytes[CV_TCP_OPTS_LEN_MAX] = {kinds[k], len};
			bool right = (kinds[k] == 2 && len == 4) || (kinds[k] == 3 && len == 3) ||
				     (kinds[k] == 4 && len == 2) || (kinds[k] == 8 && len == 10) ||
				     (kinds[k] == 5 && len > 2 && len % 8 == 2);
			struct cv_tcp_opts found;

			assert_int_equal(cv_tcp_opts_parse(bytes, sizeof(bytes), &found), 0);
			assert_int_equal((found.mss_off & found.wscale_off & found.sack_ok_off &
					  found.sack_off & found.ts_off) == 0,
					 right);
			assert_int_equal(found.n_sack, right && kinds[k] == 5 ? len / 8 : 0);
		}
	}
}

static void malformed_options_are_refused(void **state)
{
	static const uint8_t zero[] = {1, 8, 0, 1};
	static const uint8_t one[] = {1, 8, 1, 1};
	static const uint8_t past_end[] = {1, 3, 4, 1};
	static const uint8_t cut[] = {1, 1, 1, 8};
	static const uint8_t after_end[] = {1, 0, 8, 0};
	uint8_t nops[CV_TCP_OPTS_LEN_MAX + 1];
	struct cv_tcp_opts found = {.mss = 7};

	(void)state;
	memset(nops, 1, sizeof(nops));
	assert_int_equal(cv_tcp_opts_parse(zero, sizeof(zero), &found), -EINVAL);
	assert_int_equal(cv_tcp_opts_parse(one, sizeof(one), &found), -EINVAL);
	assert_int_equal(cv_tcp_opts_parse(past_end, sizeof(past_end), &found), -EINVAL);
	assert_int_equal(cv_tcp_opts_parse(cut, sizeof(cut), &found), -EINVAL);
	assert_int_equal(cv_tcp_opts_parse(nops, sizeof(nops), &found), -EINVAL);
	assert_int_equal(found.mss, 7);
	assert_int_equal(cv_tcp_opts_parse(nops, sizeof(nops) - 1, &found), 0);
	assert_int_equal(cv_tcp_opts_parse(after_end, sizeof(after_end), &found), 0);
}

static void first_of_two_equal_options_counts(void **state)
{
	static const uint8_t bytes[] = {2, 4, 0, 100, 2, 4, 0, 200, 3, 3, 1, 3, 3, 2, 34, 2, 34, 2};
	struct cv_tcp_opts found;

	(void)state;
	assert_int_equal(cv_tcp_opts_parse(bytes, sizeof(bytes), &found), 0);
	assert_int_equal(found.mss, 100);
	assert_int_equal(found.wscale, 1);
	assert_int_equal(found.tfo_off, 14);
}

static uint16_t sum_of(const uint8_t *bytes, size_t len)
{
	return cv_csum_fold(cv_csum_add(bytes, len, 0x1234));
}

/* Each edit on an option at each offset, in bytes of noise: field and difference must agree. */
static void every_edit_keeps_the_checksum_at_every_offset(void **state)
{
	static const uint8_t blocks[] = {5, 18, 0, 0, 1, 0, 0, 0, 1, 9, 0, 0, 1, 20, 0, 0, 1, 99};
	static const uint8_t tfo[] = {34, 7, 1, 2, 3, 4, 5};
	static const uint8_t mss[] = {2, 4, 0x23, 0x45};
	const struct {
		const uint8_t *bytes;
		size_t len;
	} options[] = {{mss, sizeof(mss)}, {blocks, sizeof(blocks)}, {tfo, sizeof(tfo)}};

	(void)state;
	for (size_t o = 0; o < CV_ARRAY_LEN(options); o++) {
		for (size_t off = 0; off + options[o].len <= CV_TCP_OPTS_LEN_MAX; off++) {
			uint8_t area[CV_TCP_OPTS_LEN_MAX];
			uint8_t was[CV_TCP_OPTS_LEN_MAX];
			struct cv_tcp_opts found;
			uint16_t csum;
			uint32_t diff;

			memset(area, 1, sizeof(area));
			memcpy(area + off, options[o].bytes, options[o].len);
			memcpy(was, area, sizeof(area));
			csum = (uint16_t)~sum_of(area, sizeof(area));
			assert_int_equal(cv_tcp_opts_parse(area, sizeof(area), &found), 0);
			diff = cv_tcp_mss_clamp(area, &found, 0x0514);
			diff += cv_tcp_sack_raise(area, &found, 0x105);
			diff += cv_tcp_tfo_strip(area, &found);
			assert_memory_not_equal(area, was, sizeof(area));
			assert_int_equal(cv_csum_apply(csum, diff),
					 (uint16_t)~sum_of(area, sizeof(area)));
			for (size_t i = 0; i < sizeof(area); i++) {
				if (i < off || i >= off + options[o].len)
					assert_int_equal(area[i], was[i]);
			}
			/* Again: nothing left to do. */
			assert_int_equal(found.tfo_off, CV_TCP_OPT_NONE);
			assert_int_equal(cv_tcp_mss_clamp(area, &found, 0x0514), 0);
			assert_int_equal(cv_tcp_sack_raise(area, &found, 0x105), 0);
			assert_int_equal(cv_tcp_tfo_strip(area, &found), 0);
			assert_int_equal(cv_tcp_opts_parse(area, sizeof(area), &found), 0);
			assert_int_equal(found.tfo_off, CV_TCP_OPT_NONE);
		}
	}
}

static void mss_is_only_lowered(void **state)
{
	uint8_t bytes[] = {2, 4, 0x05, 0xb4};
	struct cv_tcp_opts found;

	(void)state;
	assert_int_equal(cv_tcp_opts_parse(bytes, sizeof(bytes), &found), 0);
	assert_int_equal(cv_tcp_mss_clamp(bytes, &found, 1461), 0);
	assert_int_equal(cv_tcp_mss_clamp(bytes, &found, 1460), 0);
	assert_int_not_equal(cv_tcp_mss_clamp(bytes, &found, 1459), 0);
	assert_int_equal(found.mss, 1459);
	assert_memory_equal(bytes, ((uint8_t[]){2, 4, 0x05, 0xb3}), 4);
}

static void put_block(uint8_t *p, uint32_t left, uint32_t right)
{
	cv_be32_t be[2] = {cv_be32(left), cv_be32(right)};

	memcpy(p, be, sizeof(be));
}

static void sack_edges_are_raised_and_empty_blocks_removed(void **state)
{
	uint8_t bytes[36] = {1, 5, 34};
	uint8_t want[36];
	struct cv_tcp_opts found;

	(void)state;
	put_block(bytes + 3, UINT32_MAX - 9, 0);   /* below */
	put_block(bytes + 11, UINT32_MAX - 20, 5); /* across */
	put_block(bytes + 19, UINT32_MAX - 3, 1);  /* ends at it */
	put_block(bytes + 27, 1, 0x7fffff00);      /* starts at it */
	bytes[35] = 0;
	memset(want, 1, sizeof(want));
	want[1] = 5;
	want[2] = 18;
	put_block(want + 3, 1, 5);
	put_block(want + 11, 1, 0x7fffff00);
	want[35] = 0;
	assert_int_equal(cv_tcp_opts_parse(bytes, sizeof(bytes), &found), 0);
	assert_int_equal(found.n_sack, 4);
	assert_int_not_equal(cv_tcp_sack_raise(bytes, &found, 1), 0);
	assert_memory_equal(bytes, want, sizeof(want));
	assert_int_equal(found.n_sack, 2);
	assert_int_equal(found.sack_off, 1);
	/* All of it. */
	assert_int_not_equal(cv_tcp_sack_raise(bytes, &found, 0x7fffff00), 0);
	memset(want, 1, sizeof(want) - 1);
	assert_memory_equal(bytes, want, sizeof(want));
	assert_int_equal(found.sack_off, CV_TCP_OPT_NONE);
	assert_int_equal(cv_tcp_sack_raise(bytes, &found, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_found_where_they_are),
		cmocka_unit_test(options_of_wrong_length_count_as_absent),
		cmocka_unit_test(malformed_options_are_refused),
		cmocka_unit_test(first_of_two_equal_options_counts),
		cmocka_unit_test(every_edit_keeps_the_checksum_at_every_offset),
		cmocka_unit_test(mss_is_only_lowered),
		cmocka_unit_test(sack_edges_are_raised_and_empty_blocks_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

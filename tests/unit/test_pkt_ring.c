/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>
#include <sched.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_pkt_ring.h"

#define N_BYTES (128u << 10)

static struct cv_pkt_rec rec_of(const void *bytes, uint16_t len, uint32_t n)
{
	return (struct cv_pkt_rec){.ip = bytes,
				   .len = len,
				   .vpc = (uint16_t)(n * 7),
				   .mac = n * 0x100000001ULL,
				   .vtep = n + 5,
				   .vtep_mac = n * 0x300000001ULL};
}

static void packets_come_out_as_they_went_in(void **state)
{
	struct cv_pkt_ring *ring = cv_pkt_ring_create(N_BYTES);
	static uint8_t bytes[65535];
	struct cv_pkt_rec in, out;

	(void)state;
	assert_non_null(ring);
	assert_false(cv_pkt_ring_peek(ring, &out));
	/* Every length once, several times round the ring. */
	for (uint32_t n = 1; n <= 65535; n = n < 3000 ? n + 1 : n + 997) {
		memset(bytes, (int)(n & 0xff), n);
		bytes[n - 1] = (uint8_t)(n >> 8);
		in = rec_of(bytes, (uint16_t)n, n);
		assert_true(cv_pkt_ring_put(ring, &in));
		assert_true(cv_pkt_ring_peek(ring, &out));
		assert_int_equal(out.len, n);
		assert_int_equal(out.vpc, in.vpc);
		assert_int_equal(out.mac, in.mac);
		assert_int_equal(out.vtep, in.vtep);
		assert_int_equal(out.vtep_mac, in.vtep_mac);
		assert_memory_equal(out.ip, bytes, n);
		assert_ptr_not_equal(out.ip, bytes);
		cv_pkt_ring_pop(ring);
		assert_false(cv_pkt_ring_peek(ring, &out));
	}
	cv_pkt_ring_destroy(ring);
	cv_pkt_ring_destroy(NULL);
}

static void full_ring_takes_no_more_and_loses_nothing(void **state)
{
	struct cv_pkt_ring *ring = cv_pkt_ring_create(N_BYTES);
	uint8_t bytes[1000];
	uint32_t n_in = 0, n_out = 0, round;
	struct cv_pkt_rec rec;

	(void)state;
	memset(bytes, 1, sizeof(bytes));
	for (round = 0; round < 50; round++) {
		for (;; n_in++) {
			rec = rec_of(bytes, (uint16_t)(100 + n_in % 900), n_in);
			if (!cv_pkt_ring_put(ring, &rec))
				break;
		}
		/* A packet of n bytes takes less than n + 64: so many must have fitted. */
		assert_true((n_in - n_out) * (1000 + 64) > N_BYTES - 2048);
		for (uint32_t i = 0; i < 20 + round; i++, n_out++) {
			assert_true(cv_pkt_ring_peek(ring, &rec));
			assert_int_equal(rec.len, 100 + n_out % 900);
			assert_int_equal(rec.mac, n_out * 0x100000001ULL);
			cv_pkt_ring_pop(ring);
		}
	}
	while (cv_pkt_ring_peek(ring, &rec)) {
		assert_int_equal(rec.mac, n_out * 0x100000001ULL);
		cv_pkt_ring_pop(ring);
		n_out++;
	}
	assert_int_equal(n_in, n_out);
	cv_pkt_ring_destroy(ring);
}

#define N_THREADED 200000

static void *putter(void *arg)
{
	uint8_t bytes[600];

	for (uint32_t n = 0; n < N_THREADED;) {
		struct cv_pkt_rec rec = rec_of(bytes, (uint16_t)(1 + n % 600), n);

		memset(bytes, (int)(n & 0xff), rec.len);
		if (cv_pkt_ring_put(arg, &rec))
			n++;
		else
			sched_yield();
	}
	return NULL;
}

static void two_threads_see_the_same(void **state)
{
	struct cv_pkt_ring *ring = cv_pkt_ring_create(N_BYTES);
	struct cv_pkt_rec rec;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, putter, ring), 0);
	for (uint32_t n = 0; n < N_THREADED;) {
		if (!cv_pkt_ring_peek(ring, &rec)) {
			sched_yield();
			continue;
		}
		assert_int_equal(rec.mac, n * 0x100000001ULL);
		assert_int_equal(rec.len, 1 + n % 600);
		assert_int_equal(*(const uint8_t *)rec.ip, n & 0xff);
		assert_int_equal(((const uint8_t *)rec.ip)[rec.len - 1], n & 0xff);
		cv_pkt_ring_pop(ring);
		n++;
	}
	pthread_join(thread, NULL);
	cv_pkt_ring_destroy(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_come_out_as_they_went_in),
		cmocka_unit_test(full_ring_takes_no_more_and_loses_nothing),
		cmocka_unit_test(two_threads_see_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

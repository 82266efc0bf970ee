/* SPDX-License-Identifier: BSD-3-Clause */

/* Control has the workers count what each stage of their work costs. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_world.h"

#include "cv_base.h"

static atomic_bool dial_enough;

/* Dial until it is enough. */
static void *dial_on(void *arg)
{
	atomic_store(&dial_enough, false);
	while (!atomic_load(&dial_enough)) {
		dial(arg, C4, "consumer-4", "172.16.1.10", 10);
		usleep(5000);
	}
	return NULL;
}

/* Packets came meanwhile, and the counters, read while they grow, do not cut one in half. */
static bool has_costs(json_t *root)
{
	double busy = real_at(root, "workers.0.busy");
	json_t *stage;
	size_t i;

	json_array_foreach(at(root, "workers.0.stages"), i, stage)
	{
		if (real_at(stage, "cycles_per_packet") <= 0)
			return false;
	}
	return number_at(root, "workers.0.packets") > 0 && busy > 0 && busy < 1;
}

static void stages_cost_what_they_cost(void **state)
{
	const struct cv_ctl_query query = {.what = "workers", .stages = true};
	struct world *w = world_run(two_workers);
	pthread_t dialler;
	double sum = 0, shares = 0, took = 0;
	json_t *root = NULL, *stage;
	uint64_t began_ms;
	size_t i;

	(void)state;
	wait_known(w);
	assert_int_equal(pthread_create(&dialler, NULL, dial_on, w), 0);
	world_until((json_decref(root), began_ms = cv_clock_ms(), root = world_show(w, &query),
		     took = (double)(cv_clock_ms() - began_ms) / 1000, has_costs(root)));
	atomic_store(&dial_enough, true);
	pthread_join(dialler, NULL);
	assert_true(real_at(root, "seconds") >= 1 && real_at(root, "seconds") <= took);
	assert_true(number_at(root, "tsc_hz") > 0);
	assert_int_equal(json_array_size(at(root, "workers")), 2);
	assert_int_equal(json_array_size(at(root, "workers.0.stages")), CV_STAGE_N);
	json_array_foreach(at(root, "workers.0.stages"), i, stage)
	{
		assert_string_equal(text_at(stage, "stage"), cv_stage_name((enum cv_stage)i));
		assert_string_equal(text_at(stage, "help"), cv_stage_help((enum cv_stage)i));
		sum += real_at(stage, "cycles_per_packet");
		shares += real_at(stage, "share");
	}
	assert_true(fabs(sum / real_at(root, "workers.0.cycles_per_packet") - 1) < 1e-9);
	assert_true(fabs(shares - 1) < 1e-9);
	json_decref(root);
	world_destroy(w);
}

static bool has_note(json_t *root, const char *text)
{
	json_t *note;
	size_t i;

	json_array_foreach(at(root, "notes"), i, note)
	{
		if (strcmp(json_string_value(note), text) == 0)
			return true;
	}
	return false;
}

static void stages_without_packets_have_no_cost(void **state)
{
	const struct cv_ctl_query query = {.what = "workers", .stages = true, .seconds = 2};
	struct world *w = world_run(two_workers);
	char note[64];
	json_t *root;

	(void)state;
	wait_known(w);
	/* Silence, once all announcements are through. */
	for (int i = 0;; i++) {
		root = world_show(w, &query);
		if (number_at(root, "workers.1.packets") == 0 || i == 9)
			break;
		json_decref(root);
	}
	assert_int_equal(number_at(root, "workers.1.packets"), 0);
	assert_true(json_is_null(at(root, "workers.1.cycles_per_packet")));
	assert_true(json_is_null(at(root, "workers.1.instructions_per_packet")));
	assert_int_equal(json_array_size(at(root, "workers.1.stages")), 0);
	assert_true(real_at(root, "seconds") >= 2);
	snprintf(note, sizeof(note), "worker 1: no packets within %.1f s",
		 real_at(root, "seconds"));
	assert_true(has_note(root, note));
	json_decref(root);
	world_destroy(w);
}

/* What the kernel says to perf_event_open(): an error, or 0 for counters that stand here. */
static atomic_int perf_errno;
static atomic_int perf_n_opened;

/* Stands before libc's. A counter is a file here, whose words are read one after the other. */
long syscall(long number, ...)
{
	static const uint64_t words[] = {1000, 1001000};
	int fd;

	if (number != SYS_perf_event_open) {
		long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
		long args[6];
		va_list ap;

		va_start(ap, number);
		for (size_t i = 0; i < CV_ARRAY_LEN(args); i++)
			args[i] = va_arg(ap, long);
		va_end(ap);
		return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
	}
	if (atomic_load(&perf_errno) != 0) {
		errno = atomic_load(&perf_errno);
		return -1;
	}
	fd = memfd_create("counter", 0);
	cv_assert(write(fd, words, sizeof(words)) == sizeof(words) && lseek(fd, 0, SEEK_SET) == 0);
	atomic_fetch_add(&perf_n_opened, 1);
	return fd;
}

static int fds_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void instructions_are_counted_or_it_is_said_why_not(void **state)
{
	static const struct {
		int err;
		const char *note;
	} cases[] = {
		{ENOENT, "instructions: this machine has no hardware counters"},
		{EACCES, "instructions: the kernel does not let culvertd count them"},
		{ESRCH, "instructions: they cannot be counted: No such process"},
		{0, NULL},
	};
	const struct cv_ctl_query query = {.what = "workers", .stages = true};
	struct world *w = world_run(NULL);
	int n_fds, n_opened = atomic_load(&perf_n_opened), n_asked = 0;
	pthread_t dialler;

	(void)state;
	wait_known(w);
	n_fds = fds_open();
	assert_int_equal(pthread_create(&dialler, NULL, dial_on, w), 0);
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		const struct cv_stats *stats = cv_dp_stats(world_dp(w))[0];
		uint64_t n_before = cv_ctr_get(&stats->stage_pkts);
		json_t *root, *instr;

		atomic_store(&perf_errno, cases[i].err);
		root = NULL;
		/* Costs of no packet are none. */
		world_until((json_decref(root), root = world_show(w, &query), n_asked++,
			     number_at(root, "workers.0.packets") > 0));
		n_opened += cases[i].err == 0 ? n_asked : 0;
		n_asked = 0;
		assert_true((uint64_t)number_at(root, "workers.0.packets") <=
			    cv_ctr_get(&stats->stage_pkts) - n_before);
		instr = at(root, "workers.0.instructions_per_packet");
		if (cases[i].err != 0) {
			assert_true(json_is_null(instr));
			assert_true(has_note(root, cases[i].note));
		} else {
			double n = real_at(root, "workers.0.instructions_per_packet") *
				   (double)number_at(root, "workers.0.packets");

			assert_true(fabs(n / 1000000 - 1) < 1e-9);
			assert_int_equal(json_array_size(at(root, "notes")), 0);
		}
		json_decref(root);
	}
	assert_int_equal(atomic_load(&perf_n_opened), n_opened);
	atomic_store(&perf_errno, ENOENT);
	atomic_store(&dial_enough, true);
	pthread_join(dialler, NULL);
	world_until(fds_open() == n_fds);
	world_destroy(w);
}

/* What the second asker asks for. */
#define AGAIN_SECONDS 6

static atomic_int n_answered;

static void *ask_stages(void *arg)
{
	const struct cv_ctl_query query = {.what = "workers", .stages = true};
	json_t *root = world_show(arg, &query);

	/* Not those of the other. */
	cv_assert(real_at(root, "seconds") >= 1 && real_at(root, "seconds") < AGAIN_SECONDS);
	json_decref(root);
	atomic_fetch_add(&n_answered, 1);
	return NULL;
}

static void *ask_stages_again(void *arg)
{
	const struct cv_ctl_query query = {
		.what = "workers", .stages = true, .seconds = AGAIN_SECONDS};
	json_t *root = world_show(arg, &query);

	cv_assert(real_at(root, "seconds") >= AGAIN_SECONDS);
	json_decref(root);
	atomic_fetch_add(&n_answered, 1);
	return NULL;
}

/* Tells whether worker 0 counts by stage. */
static bool is_counting(struct world *w)
{
	const struct cv_stats *stats = cv_dp_stats(world_dp(w))[0];
	uint64_t before = cv_ctr_get(&stats->stage_pkts), busy = cv_ctr_get(&stats->busy_pkts);

	dial(w, C4, "consumer-4", "172.16.1.10", 1);
	world_until(cv_ctr_get(&stats->busy_pkts) > busy);
	return cv_ctr_get(&stats->stage_pkts) > before;
}

static void stages_are_off_but_while_somebody_asks(void **state)
{
	struct world *w = world_run(NULL);
	pthread_t first, second;

	(void)state;
	wait_known(w);
	assert_false(is_counting(w));
	/* The second asks while the first waits, if the machine is not too slow to see them at it. */
	atomic_store(&n_answered, 0);
	pthread_create(&first, NULL, ask_stages, w);
	world_until(is_counting(w) || atomic_load(&n_answered) == 1);
	pthread_create(&second, NULL, ask_stages_again, w);
	pthread_join(first, NULL);
	world_until(is_counting(w) || atomic_load(&n_answered) == 2);
	pthread_join(second, NULL);
	world_until(!is_counting(w));
	world_destroy(w);
}

static void *ask_stages_for_long(void *arg)
{
	const struct cv_ctl_query query = {.what = "workers", .stages = true, .seconds = 10};
	struct cv_ctl_reply reply = {0};
	intptr_t ret = cv_ctl_show(world_ctl(arg), &query, &reply);

	cv_assert((reply.text == NULL) == (ret != 0));
	free(reply.text);
	atomic_fetch_add(&n_answered, 1);
	return (void *)ret;
}

static void stages_end_with_control(void **state)
{
	struct world *w = world_run(NULL);
	uint64_t begin = cv_clock_ms();
	pthread_t asker;
	bool is_slow;
	void *ret;
	int n;

	(void)state;
	atomic_store(&n_answered, 0);
	pthread_create(&asker, NULL, ask_stages_for_long, w);
	world_until(is_counting(w) || atomic_load(&n_answered) == 1);
	/* Control answers others meanwhile. */
	json_decref(world_show_all(w, "config"));
	n = atomic_load(&n_answered);
	is_slow = cv_clock_ms() - begin >= 9000;
	assert_true(is_slow || n == 0);
	cv_ctl_stop(world_ctl(w));
	pthread_join(asker, &ret);
	is_slow = is_slow || cv_clock_ms() - begin >= 9000;
	assert_true(is_slow || (intptr_t)ret == -ECANCELED);
	world_destroy(w);
}

static void stages_wait_for_room_in_the_workers_rings(void **state)
{
	struct world *w = world_create(NULL);
	pthread_t asker;

	(void)state;
	while (cv_dp_stages_set(world_dp(w), false) == 0)
		;
	assert_int_equal(cv_dp_stages_set(world_dp(w), true), -EAGAIN);
	atomic_store(&n_answered, 0);
	pthread_create(&asker, NULL, ask_stages, w);
	world_start(w);
	world_until(is_counting(w) || atomic_load(&n_answered) == 1);
	pthread_join(asker, NULL);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages_cost_what_they_cost),
		cmocka_unit_test(stages_without_packets_have_no_cost),
		cmocka_unit_test(instructions_are_counted_or_it_is_said_why_not),
		cmocka_unit_test(stages_are_off_but_while_somebody_asks),
		cmocka_unit_test(stages_end_with_control),
		cmocka_unit_test(stages_wait_for_room_in_the_workers_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* A TXT record is looked for: what resolvers may answer, and that they may not. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_dns_lookup.h"

#define FIRST "_abc.example.com"
#define SECOND "example.com"
#define TEXT "vpce:secret"
#define NXDOMAIN 3
#define SERVFAIL 2
#define TC 0x0200
#define WAIT_MS 20000

/* Two resolvers of ours, each on a port of its own over UDP and TCP. */
static int udp[2], tcp[2];
static struct cv_dns_forwarder forwarders[2];
static struct cv_dns_lookup *lookup;
static uint64_t now_ms;

static uint8_t query[600], answer[4096];
static size_t query_len, answer_len;
static struct sockaddr_in client;

static int bound(int type, uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, type, 0);

	assert_true(fd >= 0);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	return ntohs(addr.sin_port);
}

static int setup(void **state)
{
	(void)state;
	now_ms = 1000;
	for (int i = 0; i < 2; i++) {
		do {
			udp[i] = bound(SOCK_DGRAM, 0);
			tcp[i] = bound(SOCK_STREAM, port_of(udp[i]));
			if (tcp[i] < 0)
				close(udp[i]);
		} while (tcp[i] < 0);
		assert_int_equal(listen(tcp[i], 4), 0);
		forwarders[i] = (struct cv_dns_forwarder){htonl(INADDR_LOOPBACK), port_of(udp[i])};
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cv_dns_lookup_destroy(lookup);
	lookup = NULL;
	for (int i = 0; i < 2; i++) {
		close(udp[i]);
		close(tcp[i]);
	}
	return 0;
}

static void begin(uint32_t n_forwarders)
{
	const struct cv_dns_lookup_req req = {
		.names = {FIRST, SECOND},
		.text = TEXT,
		.forwarders = forwarders,
		.n_forwarders = n_forwarders,
	};

	cv_dns_lookup_destroy(lookup);
	assert_int_equal(cv_dns_lookup_create(&req, &lookup), 0);
}

static int step(void)
{
	return cv_dns_lookup_step(lookup, now_ms);
}

static void readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
}

/* Takes a query for a name, which has RD set and one question for TXT. */
static void check_query(const char *name)
{
	const uint8_t *at = query + 12;

	assert_memory_equal(query + 2, ((const uint8_t[]){1, 0, 0, 1, 0, 0, 0, 0, 0, 0}), 10);
	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		assert_int_equal(*at, n);
		assert_memory_equal(at + 1, name, n);
		at += n + 1;
		name += n + (name[n] == '.');
	}
	assert_memory_equal(at, ((const uint8_t[]){0, 0, 16, 0, 1}), 5);
	assert_int_equal(query_len, at + 5 - query);
}

static void asked(int i, const char *name)
{
	socklen_t len = sizeof(client);
	ssize_t n;

	assert_int_equal(step(), -EAGAIN);
	readable(udp[i]);
	n = recvfrom(udp[i], query, sizeof(query), 0, (struct sockaddr *)&client, &len);
	assert_true(n > 12);
	query_len = (size_t)n;
	check_query(name);
}

/* Begins an answer to the query: flags, RCODE; records follow. */
static void reply(uint16_t flags)
{
	answer_len = query_len;
	memcpy(answer, query, query_len);
	answer[2] |= (uint8_t)(0x80 | flags >> 8);
	answer[3] = (uint8_t)(0x80 | (flags & 0xf));
}

/* Adds a record of the question's name; strings are the bytes of its TXT data. */
static void record(uint16_t type, const void *strings, size_t len)
{
	const uint8_t head[] = {0xc0, 12, (uint8_t)(type >> 8), (uint8_t)type, 0, 1, 0, 0,
				0,    60, (uint8_t)(len >> 8),  (uint8_t)len};

	answer[7]++;
	memcpy(answer + answer_len, head, sizeof(head));
	memcpy(answer + answer_len + sizeof(head), strings, len);
	answer_len += sizeof(head) + len;
}

static void give(int i)
{
	assert_int_equal(sendto(udp[i], answer, answer_len, 0, (const struct sockaddr *)&client,
				sizeof(client)),
			 answer_len);
}

/* The lookup's end. Loopback delivers at once, but that is nobody's promise. */
static int end_of(void)
{
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;
	int ret = step();

	while (ret == -EAGAIN) {
		assert_true(cv_clock_ms() < end_ms);
		usleep(1000);
		ret = step();
	}
	return ret;
}

/* The next query must come without time passing. */
static void asked_next(int i, const char *name)
{
	struct pollfd p = {.fd = udp[i], .events = POLLIN};
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;

	while (poll(&p, 1, 1) == 0) {
		assert_true(cv_clock_ms() < end_ms);
		assert_int_equal(step(), -EAGAIN);
	}
	asked(i, name);
}

static void record_of_either_name_is_found(void **state)
{
	(void)state;
	begin(1);
	asked(0, FIRST);
	reply(0);
	record(16, "\005other", 6);
	record(1, "\1\2\3\4", 4);
	record(16, "\013" TEXT, 12);
	give(0);
	assert_int_equal(end_of(), 1);
	begin(1);
	asked(0, FIRST);
	reply(NXDOMAIN);
	give(0);
	asked_next(0, SECOND);
	reply(0);
	record(16, "\004vpce\0\007:secret", 14);
	give(0);
	assert_int_equal(end_of(), 1);
}

static void other_records_are_none(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		uint16_t type;
	} rows[] = {
		{"\012vpce:secre", 11, 16},
		{"\014vpce:secrets", 13, 16},
		{"\0", 1, 16},
		{"\013VPCE:secret", 12, 16},
		{"\013" TEXT, 12, 99},
		{"\013" TEXT "\001x", 14, 16},
	};

	(void)state;
	begin(2);
	asked(0, FIRST);
	reply(0);
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++)
		record(rows[i].type, rows[i].bytes, rows[i].len);
	give(0);
	/* That is an answer: the second resolver is not asked for the first name. */
	asked_next(0, SECOND);
	reply(0);
	give(0);
	assert_int_equal(end_of(), 0);
}

static void failing_and_silent_resolvers_are_passed_over(void **state)
{
	(void)state;
	begin(2);
	asked(0, FIRST);
	reply(SERVFAIL);
	record(16, "\013" TEXT, 12); /* of a failure nothing counts */
	give(0);
	asked_next(1, FIRST);
	now_ms += CV_DNS_LOOKUP_MS - 1;
	assert_int_equal(step(), -EAGAIN);
	now_ms++;
	asked(0, FIRST); /* second round */
	now_ms += CV_DNS_LOOKUP_MS;
	asked(1, FIRST);
	now_ms += CV_DNS_LOOKUP_MS;
	asked(0, SECOND);
	reply(0);
	give(0);
	/* Of the first name nobody said anything. */
	assert_int_equal(end_of(), -ETIMEDOUT);
}

static void what_is_no_answer_is_not_believed(void **state)
{
	(void)state;
	begin(1);
	asked(0, FIRST);
	for (int i = 0; i < 5; i++) {
		reply(0);
		record(16, "\013" TEXT, 12);
		if (i == 0)
			answer[0] ^= 1; /* id */
		if (i == 1)
			answer[2] &= 0x7f; /* a query */
		if (i == 2)
			answer[14] ^= 1; /* another question */
		if (i == 3)
			answer_len = 20;
		if (i == 4)
			answer_len = 1;
		give(0);
	}
	for (int i = 0; i < 20; i++)
		assert_int_equal(step(), -EAGAIN);
	reply(0);
	record(16, "\013" TEXT, 12);
	give(0);
	assert_int_equal(end_of(), 1);
}

static void damaged_answers_say_nothing(void **state)
{
	(void)state;
	begin(1);
	asked(0, FIRST);
	reply(0);
	record(16, "\077" TEXT, 12); /* a string longer than its record */
	give(0);
	asked_next(0, FIRST);
	reply(0);
	record(16, "\013" TEXT, 12);
	answer_len -= 5;
	give(0);
	asked_next(0, SECOND);
	reply(0);
	give(0);
	assert_int_equal(end_of(), -ETIMEDOUT);
}

/* Steps until a descriptor can be read. */
static void step_until_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;

	while (poll(&p, 1, 10) == 0) {
		assert_true(cv_clock_ms() < end_ms);
		assert_int_equal(step(), -EAGAIN);
	}
}

/* Takes the query over TCP. @return the connection */
static int tcp_asked(const char *name)
{
	uint8_t head[2];
	int fd;

	step_until_readable(tcp[0]);
	fd = accept(tcp[0], NULL, NULL);
	assert_true(fd >= 0);
	step_until_readable(fd);
	assert_int_equal(recv(fd, head, 2, MSG_WAITALL), 2);
	query_len = (size_t)(head[0] << 8 | head[1]);
	assert_int_equal(recv(fd, query, query_len, MSG_WAITALL), query_len);
	check_query(name);
	return fd;
}

static void cut_answer_is_asked_for_over_tcp(void **state)
{
	uint8_t head[2];
	int fd;

	(void)state;
	begin(1);
	asked(0, FIRST);
	reply(TC);
	give(0);
	fd = tcp_asked(FIRST);
	reply(0);
	record(16, "\013" TEXT, 12);
	head[0] = (uint8_t)(answer_len >> 8);
	head[1] = (uint8_t)answer_len;
	/* Byte by byte. */
	assert_int_equal(send(fd, head, 1, 0), 1);
	assert_int_equal(step(), -EAGAIN);
	assert_int_equal(send(fd, head + 1, 1, 0), 1);
	for (size_t i = 0; i < answer_len; i++) {
		assert_int_equal(step(), -EAGAIN);
		assert_int_equal(send(fd, answer + i, 1, 0), 1);
	}
	assert_int_equal(end_of(), 1);
	close(fd);
}

static void tcp_that_ends_is_no_answer(void **state)
{
	(void)state;
	begin(1);
	for (int i = 0; i < 2; i++) {
		asked_next(0, FIRST);
		reply(TC);
		give(0);
		close(tcp_asked(FIRST));
	}
	asked_next(0, SECOND);
	reply(0);
	give(0);
	assert_int_equal(end_of(), -ETIMEDOUT);
}

/* Without descriptors nobody can be asked: nothing is known of the record then. */
static void what_cannot_be_asked_proves_nothing(void **state)
{
	struct rlimit before, few;

	(void)state;
	begin(2);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(step(), -EIO);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	/* A resolver that can be asked, and says that there is none, is believed. */
	forwarders[1] = forwarders[0];
	forwarders[0].ip = htonl(INADDR_BROADCAST); /* connect() refuses */
	begin(2);
	asked(0, FIRST);
	reply(0);
	give(0);
	asked_next(0, SECOND);
	reply(0);
	give(0);
	assert_int_equal(end_of(), 0);
	/* So is one that can be asked and knows nothing: else a name would be looked for without end. */
	begin(2);
	for (int i = 0; i < 2; i++) {
		asked_next(0, FIRST);
		reply(SERVFAIL);
		give(0);
	}
	asked_next(0, SECOND);
	reply(0);
	give(0);
	assert_int_equal(end_of(), -ETIMEDOUT);
}

static void senseless_questions_are_refused(void **state)
{
	char text[300];
	struct cv_dns_lookup_req req = {
		.names = {"a..b"}, .text = TEXT, .forwarders = forwarders, .n_forwarders = 1};

	(void)state;
	assert_int_equal(cv_dns_lookup_create(&req, &lookup), -EINVAL);
	memset(text, 'x', sizeof(text));
	text[256] = '\0';
	req.names[0] = "a.b";
	req.text = text;
	assert_int_equal(cv_dns_lookup_create(&req, &lookup), -EINVAL);
	text[255] = '\0';
	req.n_forwarders = 0;
	assert_int_equal(cv_dns_lookup_create(&req, &lookup), -ENOENT);
	assert_null(lookup);
	req.n_forwarders = 1;
	assert_int_equal(cv_dns_lookup_create(&req, &lookup), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(record_of_either_name_is_found),
		CASE(other_records_are_none),
		CASE(failing_and_silent_resolvers_are_passed_over),
		CASE(what_is_no_answer_is_not_believed),
		CASE(damaged_answers_say_nothing),
		CASE(cut_answer_is_asked_for_over_tcp),
		CASE(tcp_that_ends_is_no_answer),
		CASE(what_cannot_be_asked_proves_nothing),
		CASE(senseless_questions_are_refused),
	};

	return cmocka_run_group_tests_name("dns_lookup", tests, NULL, NULL);
}

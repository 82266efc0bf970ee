/* SPDX-License-Identifier: BSD-3-Clause */

/* The server on the loopback: each VPC is an address of 127.0.0.0/8. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_dns_server.h"
#include "dns_server_priv.h"

#define WAIT_MS 15000
#define APEX "r.vpce.amazonaws.com"
#define OURS "a." APEX
#define THEIRS "example.org"
#define QUERY_LEN(name) (12 + sizeof(name) + 1 + 4)

static struct cv_dns_server *server;
static _Atomic int open_err; /* what opening a socket fails with; 0: it does not */
static uint16_t port;
static uint8_t msg[70000];

static int on_open(void *arg, uint16_t vpc, int type)
{
	int err = atomic_load(&open_err);

	(void)arg;
	(void)vpc;
	return err != 0 ? -err : socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static struct sockaddr_in addr_of(unsigned int last, uint16_t to)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(to),
				    .sin_addr.s_addr = htonl(0x7f000000 + last)};
}

/* A port that is free now, for UDP and TCP. */
static uint16_t port_find(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in addr = addr_of(1, 0);
	socklen_t len = sizeof(addr);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	close(fd);
	return ntohs(addr.sin_port);
}

static struct cv_dns_data *data_make(unsigned int n_vpcs, uint32_t last_byte)
{
	struct cv_dns_data *data = cv_dns_data_create();
	const struct cv_dns_addr addr = {htonl(0x0a000000 + last_byte), 0, true};
	const struct cv_dns_name name = {
		.vpc = CV_DNS_EVERYWHERE, .name = OURS, .addrs = &addr, .n_addrs = 1};

	assert_non_null(data);
	assert_int_equal(cv_dns_data_zone_add(data, APEX), 0);
	assert_int_equal(cv_dns_data_name_add(data, &name), 0);
	for (unsigned int i = 1; i <= n_vpcs; i++) {
		const struct cv_dns_vpc vpc = {(uint16_t)(10 - i), "v", htonl(0x7f000000 + i)};

		assert_int_equal(cv_dns_data_vpc_add(data, &vpc), 0);
	}
	return data;
}

static void forwarder_add(struct cv_dns_data *data, unsigned int last, uint16_t to)
{
	const struct cv_dns_forwarder f = {htonl(0x7f000000 + last), to};

	assert_int_equal(cv_dns_data_forwarder_add(data, &f), 0);
}

/* As data_make() has it. */
static int state_of(uint16_t vpc)
{
	return cv_dns_server_state(server, vpc, htonl(0x7f00000a - vpc));
}

static void state_wait(uint16_t vpc, int want)
{
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;

	while (state_of(vpc) != want) {
		assert_true(cv_clock_ms() < end_ms);
		usleep(2000);
	}
}

static struct cv_dns_stats stats(void)
{
	struct cv_dns_stats s;

	cv_dns_server_stats(server, &s);
	return s;
}

static int setup(void **state)
{
	const struct cv_dns_server_cfg cfg = {.open = on_open, .port = port = port_find()};

	(void)state;
	atomic_store(&open_err, 0);
	return cv_dns_server_create(&cfg, &server);
}

static int teardown(void **state)
{
	(void)state;
	cv_dns_server_destroy(server);
	server = NULL;
	return 0;
}

static void without_descriptors_there_is_none(void **state)
{
	const struct cv_dns_server_cfg cfg = {.open = on_open, .port = 53};
	struct cv_dns_server *none = NULL;
	struct rlimit old, tight;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(cv_dns_server_create(&cfg, &none), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_null(none);
}

/* ---- a client ---- */

static size_t query_make(uint8_t *buf, const char *name, uint16_t id)
{
	static const uint8_t head[12] = {0, 0, 1, 0, 0, 1};
	size_t len = sizeof(head);

	memcpy(buf, head, len);
	buf[0] = (uint8_t)(id >> 8);
	buf[1] = (uint8_t)id;
	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		buf[len++] = (uint8_t)n;
		memcpy(buf + len, name, n);
		len += n;
		name += n + (name[n] == '.');
	}
	memcpy(buf + len, "\0\0\1\0\1", 5);
	return len + 5;
}

static int client_open(unsigned int last, int type)
{
	struct sockaddr_in addr = addr_of(last, port);
	const struct timeval wait = {.tv_sec = WAIT_MS / 1000};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void udp_ask(int fd, const char *name, uint16_t id)
{
	uint8_t query[300];
	size_t len = query_make(query, name, id);

	assert_int_equal(send(fd, query, len, 0), len);
}

/* The next answer, in msg. @return its length */
static size_t udp_get(int fd, uint16_t id)
{
	ssize_t n = recv(fd, msg, sizeof(msg), 0);

	assert_true(n >= 12);
	assert_int_equal(msg[0] << 8 | msg[1], id);
	assert_true((msg[2] & 0x80) != 0);
	return (size_t)n;
}

static void read_all(int fd, uint8_t *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = recv(fd, buf, len, 0);

		assert_true(n > 0);
		buf += n;
		len -= (size_t)n;
	}
}

static size_t tcp_get(int fd, uint16_t id)
{
	uint8_t head[2];
	size_t len;

	read_all(fd, head, 2);
	len = (size_t)(head[0] << 8 | head[1]);
	read_all(fd, msg, len);
	assert_int_equal(msg[0] << 8 | msg[1], id);
	return len;
}

static size_t tcp_query_make(uint8_t *buf, const char *name, uint16_t id)
{
	size_t len = query_make(buf + 2, name, id);

	buf[0] = (uint8_t)(len >> 8);
	buf[1] = (uint8_t)len;
	return len + 2;
}

/* ---- a forwarder ---- */

static int upstream_open(unsigned int last, int type, uint16_t at)
{
	struct sockaddr_in addr = addr_of(last, at);
	const struct timeval wait = {.tv_sec = WAIT_MS / 1000};
	const int one = 1;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* Takes a query and gives it back as an answer with a code, changed by flip at a byte (0: not). */
static void upstream_answer(int fd, uint8_t rcode, size_t flip)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	uint8_t buf[512];
	ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len);

	assert_true(n > 12);
	buf[2] |= 0x80;
	buf[3] = (uint8_t)(0x80 | rcode);
	if (flip > 0) {
		buf[flip - 1] ^= 1; /* somebody guesses */
		assert_int_equal(sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, from_len),
				 n);
		buf[flip - 1] ^= 1;
	}
	assert_int_equal(sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, from_len), n);
}

/* ---- cases ---- */

static void answers_over_udp_in_each_vpc(void **state)
{
	(void)state;
	assert_int_equal(state_of(9), -ENOENT);
	cv_dns_server_publish(server, data_make(3, 7));
	for (unsigned int i = 1; i <= 3; i++) {
		int fd;

		state_wait((uint16_t)(10 - i), 0);
		fd = client_open(i, SOCK_DGRAM);
		udp_ask(fd, OURS, (uint16_t)(100 + i));
		assert_int_equal(udp_get(fd, (uint16_t)(100 + i)), QUERY_LEN(OURS) + 16);
		assert_int_equal(msg[QUERY_LEN(OURS) + 15], 7);
		close(fd);
	}
	assert_int_equal(stats().queries_udp, 3);
	assert_int_equal(stats().answers[0], 3);
}

static void newest_data_is_served(void **state)
{
	int fd;

	(void)state;
	cv_dns_server_publish(server, data_make(2, 1));
	state_wait(9, 0);
	state_wait(8, 0);
	fd = client_open(1, SOCK_DGRAM);
	for (uint8_t i = 2; i < 50; i++) {
		uint64_t end_ms = cv_clock_ms() + WAIT_MS;

		cv_dns_server_publish(server, data_make(i % 2 + 1, i));
		do {
			udp_ask(fd, OURS, i);
			udp_get(fd, i);
			assert_true(cv_clock_ms() < end_ms);
		} while (msg[QUERY_LEN(OURS) + 15] != i);
	}
	state_wait(8, 0);
	cv_dns_server_publish(server, data_make(1, 1));
	state_wait(8, -ENOENT);
	assert_int_equal(state_of(9), 0);
	close(fd);
}

static void answers_over_tcp(void **state)
{
	uint8_t queries[40 * 64];
	size_t len = 0;
	int fd;

	(void)state;
	cv_dns_server_publish(server, data_make(1, 7));
	state_wait(9, 0);
	fd = client_open(1, SOCK_STREAM);
	/* Byte by byte. */
	len = tcp_query_make(queries, OURS, 5);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(send(fd, queries + i, 1, 0), 1);
	assert_int_equal(tcp_get(fd, 5), QUERY_LEN(OURS) + 16);
	/* Many at once. */
	len = 0;
	for (uint16_t i = 0; i < 40; i++)
		len += tcp_query_make(queries + len, OURS, i);
	assert_int_equal(send(fd, queries, len, 0), len);
	for (uint16_t i = 0; i < 40; i++)
		tcp_get(fd, i);
	assert_int_equal(stats().queries_tcp, 41);
	close(fd);
}

/* The server closes: recv() ends with nothing, or the connection was reset. */
static void assert_closed(int fd)
{
	ssize_t n = recv(fd, msg, sizeof(msg), 0);

	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
	close(fd);
}

static void tcp_is_bounded(void **state)
{
	static const uint8_t too_long[] = {0xff, 0xff, 0, 0};
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;
	int fds[65], fd;

	(void)state;
	cv_dns_server_publish(server, data_make(1, 7));
	state_wait(9, 0);
	fd = client_open(1, SOCK_STREAM);
	assert_int_equal(send(fd, too_long, sizeof(too_long), 0), sizeof(too_long));
	assert_closed(fd);
	assert_int_equal(stats().tcp_cut, 1);
	/* The 65th connection of a VPC is closed. */
	for (int i = 0; i < 65; i++)
		fds[i] = client_open(1, SOCK_STREAM);
	assert_closed(fds[64]);
	assert_int_equal(stats().tcp_refused, 1);
	for (int i = 0; i < 64; i++)
		close(fds[i]);
	/* Then there is room again. */
	for (bool served = false; !served;) {
		uint8_t query[300];
		size_t len = tcp_query_make(query, OURS, 1);

		assert_true(cv_clock_ms() < end_ms);
		fd = client_open(1, SOCK_STREAM);
		served = send(fd, query, len, MSG_NOSIGNAL) == (ssize_t)len &&
			 recv(fd, msg, 2, 0) == 2;
		close(fd);
	}
}

/* Eight VPCs take all connections there may be; one that has none gets one all the same. */
static void idle_connections_make_room_for_others(void **state)
{
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;
	static int fds[8][64];
	uint8_t query[300] = {0, 0}; /* a message without bytes comes first, and is passed over */
	size_t len = 2 + tcp_query_make(query + 2, OURS, 3);
	int fd;

	(void)state;
	cv_dns_server_publish(server, data_make(9, 7));
	for (uint16_t i = 1; i <= 9; i++)
		state_wait((uint16_t)(10 - i), 0);
	for (unsigned int i = 0; i < 8; i++)
		for (unsigned int k = 0; k < 64; k++)
			fds[i][k] = client_open(i + 1, SOCK_STREAM);
	fd = client_open(9, SOCK_STREAM);
	assert_int_equal(send(fd, query, len, 0), len);
	assert_int_equal(tcp_get(fd, 3), QUERY_LEN(OURS) + 16);
	while (stats().tcp_cut != 1) {
		assert_true(cv_clock_ms() < end_ms);
		usleep(2000);
	}
	assert_int_equal(stats().tcp_refused, 0);
	close(fd);
	for (unsigned int i = 0; i < 8; i++)
		for (unsigned int k = 0; k < 64; k++)
			close(fds[i][k]);
}

static void others_are_asked(void **state)
{
	struct cv_dns_data *data = data_make(1, 7);
	uint16_t at = port_find();
	int up = upstream_open(1, SOCK_DGRAM, at), fd;

	(void)state;
	forwarder_add(data, 1, at);
	cv_dns_server_publish(server, data);
	state_wait(9, 0);
	fd = client_open(1, SOCK_DGRAM);
	udp_ask(fd, THEIRS, 77);
	upstream_answer(up, 3, 0);
	assert_int_equal(udp_get(fd, 77), QUERY_LEN(THEIRS));
	assert_int_equal(msg[3] & 0xf, 3);
	/* What does not answer the question is not believed: another id, another name. */
	udp_ask(fd, THEIRS, 78);
	upstream_answer(up, 0, 1);
	udp_get(fd, 78);
	udp_ask(fd, THEIRS, 79);
	upstream_answer(up, 0, 14);
	udp_get(fd, 79);
	assert_memory_equal(msg + 12, "\7example\3org", 13);
	assert_int_equal(stats().forwarded, 3);
	assert_int_equal(stats().forward_answers, 3);
	close(fd);
	close(up);
}

static void next_one_is_asked_then_failure_is_told(void **state)
{
	struct cv_dns_data *data = data_make(1, 7);
	uint16_t at = port_find();
	int mute = upstream_open(2, SOCK_DGRAM, at), up = upstream_open(3, SOCK_DGRAM, at), fd;

	(void)state;
	forwarder_add(data, 2, at);
	forwarder_add(data, 3, at);
	cv_dns_server_publish(server, data);
	state_wait(9, 0);
	fd = client_open(1, SOCK_DGRAM);
	udp_ask(fd, THEIRS, 1);
	upstream_answer(up, 0, 0);
	udp_get(fd, 1);
	assert_int_equal(stats().forward_timeouts, 1);
	/* Nobody is there at all: told at once, by ICMP. */
	close(mute);
	close(up);
	udp_ask(fd, THEIRS, 2);
	assert_int_equal(udp_get(fd, 2), QUERY_LEN(THEIRS));
	assert_int_equal(msg[3] & 0xf, 2);
	assert_int_equal(stats().answers[2], 1);
	close(fd);
}

static void waiting_queries_are_bounded(void **state)
{
	struct cv_dns_data *data = data_make(1, 7);
	uint16_t at = port_find();
	int mute = upstream_open(2, SOCK_DGRAM, at), fd;

	(void)state;
	forwarder_add(data, 2, at);
	cv_dns_server_publish(server, data);
	state_wait(9, 0);
	fd = client_open(1, SOCK_DGRAM);
	for (uint16_t i = 0; i < 128; i++) {
		udp_ask(fd, THEIRS, i);
		if (i % 32 == 31)
			usleep(2000); /* within its receive buffer */
	}
	udp_ask(fd, THEIRS, 999);
	assert_true(recv(fd, msg, sizeof(msg), 0) >= 12);
	assert_int_equal(msg[3] & 0xf, 2);
	/* Our own names are answered meanwhile. */
	udp_ask(fd, OURS, 1000);
	while (recv(fd, msg, sizeof(msg), 0) >= 12 && (msg[0] << 8 | msg[1]) != 1000)
		assert_int_equal(msg[3] & 0xf, 2);
	assert_int_equal(msg[3] & 0xf, 0);
	assert_true(stats().forward_full > 0);
	close(fd);
	close(mute);
}

static void others_are_asked_over_tcp(void **state)
{
	struct cv_dns_data *data = data_make(1, 7);
	uint16_t at = port_find();
	int up = upstream_open(1, SOCK_STREAM, at), fd, from;
	uint8_t query[600];
	size_t len, size = 60000;

	(void)state;
	forwarder_add(data, 1, at);
	cv_dns_server_publish(server, data);
	state_wait(9, 0);
	fd = client_open(1, SOCK_STREAM);
	/* Two at once: the second waits for the first. */
	len = tcp_query_make(query, THEIRS, 1);
	len += tcp_query_make(query + len, OURS, 2);
	assert_int_equal(send(fd, query, len, 0), len);
	from = accept(up, NULL, NULL);
	assert_true(from >= 0);
	len = QUERY_LEN(THEIRS);
	read_all(from, msg, len + 2);
	assert_int_equal(msg[0] << 8 | msg[1], len);
	msg[4] |= 0x80;
	msg[0] = (uint8_t)(size >> 8);
	msg[1] = (uint8_t)size;
	memset(msg + 2 + len, 0xaa, size - len);
	for (size_t sent = 0; sent < size + 2;) {
		ssize_t n = send(from, msg + sent, size + 2 - sent, 0);

		assert_true(n > 0);
		sent += (size_t)n;
	}
	assert_int_equal(tcp_get(fd, 1), size);
	assert_int_equal(msg[size - 1], 0xaa);
	assert_int_equal(tcp_get(fd, 2), QUERY_LEN(OURS) + 16);
	close(from);
	/* The forwarder hangs up: failure. */
	len = tcp_query_make(query, THEIRS, 3);
	assert_int_equal(send(fd, query, len, 0), len);
	close(accept(up, NULL, NULL));
	tcp_get(fd, 3);
	assert_int_equal(msg[3] & 0xf, 2);
	/* The client hangs up while it waits, with all that is left. */
	len = tcp_query_make(query, THEIRS, 4);
	assert_int_equal(send(fd, query, len, 0), len);
	from = accept(up, NULL, NULL);
	close(fd);
	close(from);
	close(up);
}

static void sockets_come_when_they_can(void **state)
{
	(void)state;
	atomic_store(&open_err, EAGAIN);
	cv_dns_server_publish(server, data_make(1, 7));
	state_wait(9, -EAGAIN);
	atomic_store(&open_err, EPERM);
	state_wait(9, -EPERM);
	atomic_store(&open_err, 0);
	state_wait(9, 0);
}

static void what_is_no_query_has_no_answer(void **state)
{
	uint8_t query[300];
	size_t len = query_make(query, OURS, 1);
	int fd;

	(void)state;
	cv_dns_server_publish(server, data_make(1, 7));
	state_wait(9, 0);
	fd = client_open(1, SOCK_DGRAM);
	query[2] |= 0x80;
	assert_int_equal(send(fd, query, len, 0), len);
	assert_int_equal(send(fd, query, 3, 0), 3);
	udp_ask(fd, OURS, 2);
	udp_get(fd, 2);
	assert_int_equal(stats().drop_no_query, 2);
	close(fd);
}

/* One client's burst is cut; others, in its VPC and elsewhere, and the next second are not. */
static void each_client_may_ask_so_often(void **state)
{
	struct dns_rate *rate = calloc(1, sizeof(*rate));

	(void)state;
	assert_non_null(rate);
	for (uint32_t second = 7; second < 10; second++) {
		for (uint32_t i = 0; i < 20; i++) {
			assert_int_equal(cv_dns_rate_take(rate, 1, 11, second, 10), i < 10);
			assert_int_equal(cv_dns_rate_take(rate, 2, 11, second, 15), i < 15);
		}
		assert_true(cv_dns_rate_take(rate, 1, 12, second, 10));
	}
	/* As many as there is no room for are let in, and whoever asks most is remembered best. */
	for (uint32_t i = 0; i < 5; i++)
		assert_true(cv_dns_rate_take(rate, 1, 13, 11, 5));
	for (uint32_t i = 1000; i < 101000; i++)
		assert_true(cv_dns_rate_take(rate, 1, i, 11, 5));
	assert_false(cv_dns_rate_take(rate, 1, 13, 11, 5));
	assert_true(cv_dns_rate_take(rate, 1, 13, 12, 5));
	/* The same address in other VPCs is other clients', also where they share a place. */
	for (uint16_t vpc = 100; vpc < 3000; vpc++)
		assert_true(cv_dns_rate_take(rate, vpc, 14, 13, 1));
	free(rate);
}

static void who_asks_too_often_is_not_answered(void **state)
{
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;
	struct cv_dns_data *data = data_make(1, 7);
	struct cv_dns_stats s;
	int fd;

	(void)state;
	cv_dns_data_rate_set(data, 1);
	cv_dns_server_publish(server, data);
	state_wait(9, 0);
	fd = client_open(1, SOCK_DGRAM);
	/* Two within a second of the clock's, sooner or later. */
	do {
		udp_ask(fd, OURS, 1);
		udp_ask(fd, OURS, 2);
		assert_true(cv_clock_ms() < end_ms);
		usleep(1000);
		s = stats();
	} while (s.drop_rate == 0);
	/* Counters go on while they are read: what was answered or dropped then was asked by now. */
	assert_true(s.answers[0] + s.drop_rate <= stats().queries_udp);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_descriptors_there_is_none),
		TEST(answers_over_udp_in_each_vpc),
		TEST(newest_data_is_served),
		TEST(answers_over_tcp),
		TEST(tcp_is_bounded),
		TEST(idle_connections_make_room_for_others),
		TEST(others_are_asked),
		TEST(next_one_is_asked_then_failure_is_told),
		TEST(waiting_queries_are_bounded),
		TEST(others_are_asked_over_tcp),
		TEST(sockets_come_when_they_can),
		TEST(what_is_no_query_has_no_answer),
		cmocka_unit_test(each_client_may_ask_so_often),
		TEST(who_asks_too_often_is_not_answered),
	};

	return cmocka_run_group_tests_name("dns server", tests, NULL, NULL);
}

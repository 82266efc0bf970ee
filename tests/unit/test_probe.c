/* SPDX-License-Identifier: BSD-3-Clause */

/* Probes against servers of all kinds, each a thread or process of this test. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_ppv2.h"
#include "cv_probe.h"

#define PATIENCE_MS 60000
/* The time of a probe that has to end by itself. */
#define NEVER_MS 600000

/* What a server does with a connection. */
enum manner {
	SILENT, /**< reads, says nothing, closes with the client */
	ANSWER, /**< reads a request, sends text */
	BANNER, /**< sends text at once, reads, closes with the client */
	RESET,  /**< reads a request and resets */
	LEAVE,  /**< reads a PROXY header and something behind it, says nothing, closes */
};

struct server {
	int fd;
	uint16_t port;
	enum manner manner;
	const char *text;
	pthread_t thread;
	/* Of the last connection, once it is over. */
	char got[4096];
	size_t n_got;
	int error; /**< how it ended: 0 with FIN, or errno */
	_Atomic unsigned int n_done;
};

static void reset(int fd)
{
	const struct linger linger = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void serve_one(struct server *s, int fd)
{
	bool said = false;
	ssize_t n;

	s->n_got = 0;
	s->error = 0;
	if (s->manner == BANNER)
		assert_int_equal(send(fd, s->text, strlen(s->text), MSG_NOSIGNAL), strlen(s->text));
	while ((n = recv(fd, s->got + s->n_got, sizeof(s->got) - 1 - s->n_got, 0)) > 0) {
		s->n_got += (size_t)n;
		s->got[s->n_got] = '\0';
		if (s->manner == LEAVE && s->n_got > CV_PPV2_LOCAL_LEN)
			break;
		if (said || s->n_got < 4 || memcmp(s->got + s->n_got - 4, "\r\n\r\n", 4) != 0)
			continue;
		if (s->manner == RESET) {
			reset(fd);
			break;
		}
		if (s->manner == ANSWER)
			(void)send(fd, s->text, strlen(s->text), MSG_NOSIGNAL);
		said = true;
	}
	if (n < 0)
		s->error = errno;
	if (s->manner == BANNER) { /* what comes after the client's FIN must not be reset */
		(void)send(fd, s->text, strlen(s->text), MSG_NOSIGNAL);
		usleep(50000);
		if (send(fd, s->text, strlen(s->text), MSG_NOSIGNAL) < 0)
			s->error = errno;
	}
	close(fd);
	s->n_done++;
}

static void *serve(void *arg)
{
	struct server *s = arg;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0)
		serve_one(s, fd);
	return NULL;
}

/* A socket whose port refuses connections while it is open, and is nobody else's. */
static int bound_to_loopback(uint16_t *ret_port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*ret_port = ntohs(addr.sin_port);
	return fd;
}

static int listen_on_loopback(uint16_t *ret_port, int backlog)
{
	int fd = bound_to_loopback(ret_port);

	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void server_start(struct server *s, enum manner manner, const char *text)
{
	memset(s, 0, sizeof(*s));
	s->manner = manner;
	s->text = text;
	s->fd = listen_on_loopback(&s->port, 1000);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

/* A listener whose queue is full drops SYNs: nobody answers. */
struct hole {
	int fd, fillers[8];
	uint16_t port;
};

static void hole_start(struct hole *hole)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	hole->fd = listen_on_loopback(&hole->port, 0);
	addr.sin_port = htons(hole->port);
	for (size_t i = 0; i < CV_ARRAY_LEN(hole->fillers); i++) {
		hole->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(hole->fillers[i], (struct sockaddr *)&addr, sizeof(addr));
		usleep(5000);
	}
}

static void hole_stop(struct hole *hole)
{
	for (size_t i = 0; i < CV_ARRAY_LEN(hole->fillers); i++)
		close(hole->fillers[i]);
	close(hole->fd);
}

/* ---- the probes ---- */

static struct cv_probe *probe;

static int setup(void **state)
{
	const struct cv_probe_cfg cfg = {0};

	(void)state;
	return cv_probe_create(&cfg, &probe);
}

static int teardown(void **state)
{
	(void)state;
	cv_probe_destroy(probe);
	probe = NULL;
	return 0;
}

static struct cv_probe_req request(enum cv_probe_protocol protocol, uint16_t port)
{
	return (struct cv_probe_req){
		.key = 7,
		.turn = 8,
		.protocol = protocol,
		.from = htonl(INADDR_LOOPBACK),
		.ip = htonl(INADDR_LOOPBACK),
		.port = port,
		.host_port = 8443,
		.timeout_ms = NEVER_MS,
		.path = protocol == CV_PROBE_TCP ? NULL : "/health?a=b",
	};
}

static struct cv_probe_result next_result(void)
{
	uint64_t end = cv_clock_ms() + PATIENCE_MS;
	struct cv_probe_result result;

	while (cv_probe_results(probe, &result, 1) == 0) {
		struct pollfd fd = {.fd = cv_probe_fd(probe), .events = POLLIN};

		poll(&fd, 1, 100);
		if (cv_clock_ms() > end)
			fail_msg("no result");
	}
	return result;
}

static struct cv_probe_result ask(const struct cv_probe_req *req)
{
	struct cv_probe_result result;

	assert_int_equal(cv_probe_begin(probe, req), 0);
	result = next_result();
	assert_int_equal(result.key, req->key);
	assert_int_equal(result.turn, req->turn);
	return result;
}

static void wait_done(struct server *s, unsigned int n)
{
	uint64_t end = cv_clock_ms() + PATIENCE_MS;

	while (s->n_done < n) {
		usleep(1000);
		if (cv_clock_ms() > end)
			fail_msg("the connection does not end");
	}
}

static void a_connection_is_enough_for_tcp(void **state)
{
	struct cv_probe_req req;
	struct server s;

	(void)state;
	server_start(&s, SILENT, NULL);
	req = request(CV_PROBE_TCP, s.port);
	assert_int_equal(ask(&req).outcome, CV_PROBE_CONNECTED);
	wait_done(&s, 1);
	assert_int_equal(s.n_got, 0);
	assert_int_equal(s.error, 0);
	server_stop(&s);
}

/* A server that speaks first sees FIN and may go on: no RST. */
static void a_connection_ends_with_fin(void **state)
{
	struct cv_probe_req req;
	struct server s;

	(void)state;
	server_start(&s, BANNER, "220 hello\r\n");
	req = request(CV_PROBE_TCP, s.port);
	for (unsigned int i = 1; i <= 3; i++) {
		assert_int_equal(ask(&req).outcome, CV_PROBE_CONNECTED);
		wait_done(&s, i);
		assert_int_equal(s.error, 0);
	}
	server_stop(&s);
}

static void a_closed_port_refuses(void **state)
{
	struct cv_probe_result result;
	struct cv_probe_req req;
	uint16_t port;
	int fd = bound_to_loopback(&port);

	(void)state;
	for (int protocol = CV_PROBE_TCP; protocol <= CV_PROBE_HTTPS; protocol++) {
		req = request((enum cv_probe_protocol)protocol, port);
		result = ask(&req);
		assert_int_equal(result.outcome, CV_PROBE_FAILED);
		assert_string_equal(result.text, "Connection refused");
	}
	close(fd);
}

static void nobody_there_is_a_timeout(void **state)
{
	struct cv_probe_req req;
	struct hole hole;
	uint64_t begin;

	(void)state;
	hole_start(&hole);
	req = request(CV_PROBE_TCP, hole.port);
	req.timeout_ms = 300;
	begin = cv_clock_ms();
	assert_int_equal(ask(&req).outcome, CV_PROBE_TIMEOUT);
	assert_true(cv_clock_ms() - begin >= 300);
	hole_stop(&hole);
}

static void the_http_code_is_told(void **state)
{
	static const struct {
		const char *text;
		uint16_t code;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200},
		{"HTTP/1.0 404 Not Found\r\n\r\n", 404},
		{"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\n\r\n", 301},
		{"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n", 503},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204},
		{"HTTP/1.1 200\r\n\r\n", 200},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct cv_probe_result result;
		struct cv_probe_req req;
		struct server s;

		server_start(&s, ANSWER, cases[i].text);
		req = request(CV_PROBE_HTTP, s.port);
		result = ask(&req);
		assert_int_equal(result.outcome, CV_PROBE_ANSWERED);
		assert_int_equal(result.code, cases[i].code);
		wait_done(&s, 1);
		assert_int_equal(s.error, 0); /* FIN */
		server_stop(&s);
	}
}

static void the_request_is_a_load_balancers(void **state)
{
	struct cv_probe_req req;
	struct server s;

	(void)state;
	server_start(&s, ANSWER, "HTTP/1.1 200 OK\r\n\r\n");
	req = request(CV_PROBE_HTTP, s.port);
	assert_int_equal(ask(&req).outcome, CV_PROBE_ANSWERED);
	wait_done(&s, 1);
	assert_memory_equal(s.got, "GET /health?a=b HTTP/1.1\r\n", 26);
	assert_non_null(strstr(s.got, "\r\nHost: 127.0.0.1:8443\r\n"));
	assert_non_null(strstr(s.got, "\r\nUser-Agent: ELB-HealthChecker/2.0\r\n"));
	assert_non_null(strstr(s.got, "\r\nConnection: close\r\n"));
	server_stop(&s);
}

static void what_is_no_http_fails(void **state)
{
	static const char *const texts[] = {"hello\r\n\r\n", "SSH-2.0-x\r\n",
					    "HTTP/1.1 2x0 OK\r\n\r\n"};
	struct cv_probe_req req;
	struct server s;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(texts); i++) {
		server_start(&s, ANSWER, texts[i]);
		req = request(CV_PROBE_HTTP, s.port);
		assert_int_equal(ask(&req).outcome, CV_PROBE_FAILED);
		server_stop(&s);
	}
	server_start(&s, RESET, NULL);
	req = request(CV_PROBE_HTTP, s.port);
	assert_int_equal(ask(&req).outcome, CV_PROBE_FAILED);
	server_stop(&s);
}

static void no_answer_is_a_timeout(void **state)
{
	static const char *const texts[] = {"", "HTTP/1.1 200 OK\r\nA: b\r\n"};
	struct cv_probe_req req;
	struct server s;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(texts); i++) {
		for (int protocol = CV_PROBE_HTTP; protocol <= CV_PROBE_HTTPS; protocol++) {
			server_start(&s, protocol == CV_PROBE_HTTP ? ANSWER : SILENT, texts[i]);
			req = request((enum cv_probe_protocol)protocol, s.port);
			req.timeout_ms = 300;
			assert_int_equal(ask(&req).outcome, CV_PROBE_TIMEOUT);
			wait_done(&s, 1);
			server_stop(&s);
		}
	}
}

/* ---- the PROXY header ---- */

static void a_header_without_client_comes_first(void **state)
{
	struct cv_ppv2_info info;
	struct cv_probe_req req;
	struct server s;
	size_t len = 0;

	(void)state;
	server_start(&s, ANSWER, "HTTP/1.1 200 OK\r\n\r\n");
	for (int protocol = CV_PROBE_TCP; protocol <= CV_PROBE_HTTPS; protocol++) {
		req = request((enum cv_probe_protocol)protocol, s.port);
		req.ppv2 = true;
		/* It would wait for the rest of a handshake. */
		if (protocol == CV_PROBE_HTTPS)
			s.manner = LEAVE;
		ask(&req);
		wait_done(&s, (unsigned int)protocol + 1);
		assert_int_equal(cv_ppv2_decode((const uint8_t *)s.got, s.n_got, &info, &len), 0);
		assert_int_equal(len, CV_PPV2_LOCAL_LEN);
		assert_int_equal(info.command, CV_PPV2_LOCAL);
		assert_int_equal(info.family, CV_PPV2_UNSPEC);
		assert_true(info.has_crc);
		assert_null(info.vpce_id);
		if (protocol == CV_PROBE_TCP)
			assert_int_equal(s.n_got, len);
		else if (protocol == CV_PROBE_HTTP)
			assert_memory_equal(s.got + len, "GET /", 5);
		else
			assert_int_equal(s.got[len], 0x16); /* a TLS handshake */
	}
	server_stop(&s);
}

/* ---- TLS ---- */

/* Runs a command to its end. */
static void run(const char *const *argv)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		(void)!freopen("/dev/null", "w", stderr);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static pid_t tls_server(const char *dir, uint16_t port, const char *version)
{
	char accept_text[16], cert[128], key[128];
	pid_t pid;

	snprintf(accept_text, sizeof(accept_text), "%u", port);
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	pid = fork();
	if (pid == 0) {
		(void)!freopen("/dev/null", "w", stdout);
		(void)!freopen("/dev/null", "w", stderr);
		execlp("openssl", "openssl", "s_server", "-accept", accept_text, "-cert", cert,
		       "-key", key, "-www", version, "-cipher", "DEFAULT@SECLEVEL=0", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static bool is_listening(uint16_t port)
{
	struct cv_probe_req req = request(CV_PROBE_TCP, port);

	return ask(&req).outcome == CV_PROBE_CONNECTED;
}

static enum cv_probe_outcome ask_tls(const char *dir, const char *version, uint16_t *ret_code)
{
	struct cv_probe_result result;
	struct cv_probe_req req;
	uint64_t end = cv_clock_ms() + PATIENCE_MS;
	uint16_t port;
	pid_t pid;

	close(listen_on_loopback(&port, 1));
	pid = tls_server(dir, port, version);
	while (!is_listening(port) && cv_clock_ms() < end)
		usleep(10000);
	req = request(CV_PROBE_HTTPS, port);
	req.path = "/";
	result = ask(&req);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	*ret_code = result.code;
	return result.outcome;
}

/* Nobody vouches for the certificate, and its key is short. TLS 1.3 alone is too new, as for AWS. */
static void any_certificate_will_do_but_not_tls_1_3(void **state)
{
	char dir[] = "/tmp/cv_test_probe.XXXXXX", cert[64], key[64];
	uint16_t code = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	run((const char *const[]){"openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes",
				  "-subj", "/CN=elsewhere", "-days", "1", "-keyout", key, "-out",
				  cert, NULL});
	assert_int_equal(ask_tls(dir, "-tls1_2", &code), CV_PROBE_ANSWERED);
	assert_int_equal(code, 200);
	assert_int_equal(ask_tls(dir, "-tls1_3", &code), CV_PROBE_FAILED);
	unlink(cert);
	unlink(key);
	rmdir(dir);
}

/* ---- many ---- */

/* Targets of all kinds. */
struct mix {
	struct server http, slow;
	struct hole hole;
	int shut; /* a socket that is bound and does not listen: its port refuses */
	uint16_t shut_port;
};

enum { DEAD, GOOD, SLOW, SHUT };

/* @param dead_ms  time of those that get no answer */
static void mix_begin(const struct mix *mix, unsigned int n, uint32_t dead_ms)
{
	static const unsigned int kinds[] = {DEAD, DEAD, DEAD, GOOD, SLOW,
					     SHUT, DEAD, DEAD, DEAD, DEAD};

	for (unsigned int i = 0; i < n; i++) {
		unsigned int kind = kinds[i % CV_ARRAY_LEN(kinds)];
		struct cv_probe_req req = request(CV_PROBE_TCP, mix->hole.port);

		if (kind == GOOD)
			req = request(CV_PROBE_HTTP, mix->http.port);
		else if (kind == SLOW)
			req = request(CV_PROBE_HTTP, mix->slow.port);
		else if (kind == SHUT)
			req.port = mix->shut_port;
		req.key = kind;
		req.timeout_ms = kind == DEAD || kind == SLOW ? dead_ms : NEVER_MS;
		assert_int_equal(cv_probe_begin(probe, &req), 0);
	}
}

/* Dead, slow and good ones mixed: the good ones do not wait for the others. */
static void thousands_do_not_delay_each_other(void **state)
{
	static const enum cv_probe_outcome outcomes[] = {
		[DEAD] = CV_PROBE_TIMEOUT,
		[GOOD] = CV_PROBE_ANSWERED,
		[SLOW] = CV_PROBE_TIMEOUT,
		[SHUT] = CV_PROBE_FAILED,
	};
	enum { N = 5000 };
	unsigned int n[CV_ARRAY_LEN(outcomes)] = {0};
	struct mix mix;

	(void)state;
	hole_start(&mix.hole);
	server_start(&mix.http, ANSWER, "HTTP/1.1 200 OK\r\n\r\n");
	server_start(&mix.slow, SILENT, NULL);
	mix.shut = bound_to_loopback(&mix.shut_port);
	/* While none of the dead is given up, the good ones come. */
	mix_begin(&mix, N, NEVER_MS);
	for (unsigned int i = 0; i < 2 * N / 10; i++) {
		struct cv_probe_result result = next_result();

		assert_int_equal(result.outcome, outcomes[result.key]);
		n[result.key]++;
	}
	assert_int_equal(n[GOOD], N / 10);
	assert_int_equal(n[SHUT], N / 10);
	/* In their time they are given up, all of them: others, as many. */
	teardown(NULL);
	assert_int_equal(setup(NULL), 0);
	mix_begin(&mix, N, 1000);
	for (unsigned int i = 0; i < N; i++) {
		struct cv_probe_result result = next_result();

		assert_int_equal(result.outcome, outcomes[result.key]);
		n[result.key]++;
	}
	assert_int_equal(n[GOOD], 2 * N / 10);
	assert_int_equal(n[SHUT], 2 * N / 10);
	assert_int_equal(n[SLOW], N / 10);
	assert_int_equal(n[DEAD], 7 * N / 10);
	hole_stop(&mix.hole);
	close(mix.shut);
	server_stop(&mix.http);
	server_stop(&mix.slow);
}

/* With few sockets the rest wait their turn, and their time begins with it. */
static void sockets_are_bounded(void **state)
{
	const struct cv_probe_cfg cfg = {.n_sockets = 10};
	struct cv_probe_req req;
	struct hole hole;
	uint64_t begin = cv_clock_ms();

	(void)state;
	teardown(NULL);
	assert_int_equal(cv_probe_create(&cfg, &probe), 0);
	hole_start(&hole);
	req = request(CV_PROBE_TCP, hole.port);
	req.timeout_ms = 100;
	for (int i = 0; i < 50; i++)
		assert_int_equal(cv_probe_begin(probe, &req), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(next_result().outcome, CV_PROBE_TIMEOUT);
	assert_true(cv_clock_ms() - begin >= 500);
	hole_stop(&hole);
}

/* In a process of its own: what is taken away does not come back. */
static void no_descriptor_is_an_error(void **state)
{
	struct rlimit limit;
	int status = 0;
	pid_t pid;

	(void)state;
	teardown(NULL);
	pid = fork();
	if (pid == 0) {
		const struct cv_probe_cfg cfg = {0};

		limit.rlim_cur = limit.rlim_max = (rlim_t)dup(0) + 1;
		_exit(setrlimit(RLIMIT_NOFILE, &limit) == 0 &&
				      cv_probe_create(&cfg, &probe) == -EMFILE
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A child keeps the socket that is closed here: its events name nobody any more. */
static void a_child_that_holds_a_socket_is_no_trouble(void **state)
{
	struct cv_probe_req req;
	uint16_t port;
	int fd = listen_on_loopback(&port, 4), peer;
	pid_t pid;

	(void)state;
	req = request(CV_PROBE_TCP, port);
	assert_int_equal(ask(&req).outcome, CV_PROBE_CONNECTED);
	peer = accept(fd, NULL, NULL);
	assert_true(peer >= 0);
	pid = fork();
	if (pid == 0) {
		alarm(30); /* also when the test has crashed */
		close(peer);
		pause();
		_exit(0);
	}
	close(peer);
	for (int i = 0; i < 4; i++) {
		usleep(20000);
		assert_int_equal(ask(&req).outcome, CV_PROBE_CONNECTED);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
}

/* ---- sockets from elsewhere ---- */

struct opener {
	_Atomic unsigned int n_asked;
	unsigned int n_not_yet;
	int err;
};

static int opener_open(void *arg, uint16_t vpc)
{
	struct opener *opener = arg;

	assert_int_equal(vpc, 3);
	if (opener->n_asked++ < opener->n_not_yet)
		return -EAGAIN;
	return opener->err != 0 ? opener->err : socket(AF_INET, SOCK_STREAM, 0);
}

static void a_namespace_that_is_being_made_is_waited_for(void **state)
{
	struct opener opener = {.n_not_yet = 5};
	const struct cv_probe_cfg cfg = {.open = opener_open, .open_arg = &opener};
	struct cv_probe_result result;
	struct cv_probe_req req;
	struct server s;

	(void)state;
	teardown(NULL);
	assert_int_equal(cv_probe_create(&cfg, &probe), 0);
	server_start(&s, SILENT, NULL);
	req = request(CV_PROBE_TCP, s.port);
	req.vpc = 3;
	assert_int_equal(ask(&req).outcome, CV_PROBE_CONNECTED);
	assert_int_equal(opener.n_asked, 6);
	opener.n_not_yet = UINT32_MAX;
	req.timeout_ms = 200;
	result = ask(&req);
	assert_int_equal(result.outcome, CV_PROBE_INTERNAL);
	opener.n_not_yet = 0;
	opener.err = -EPERM;
	result = ask(&req);
	assert_int_equal(result.outcome, CV_PROBE_INTERNAL);
	assert_string_equal(result.text, "Operation not permitted");
	server_stop(&s);
}

static void an_address_that_is_not_ours_is_our_fault(void **state)
{
	struct cv_probe_req req;
	struct server s;

	(void)state;
	server_start(&s, SILENT, NULL);
	req = request(CV_PROBE_TCP, s.port);
	req.from = htonl(0x0a636363);
	assert_int_equal(ask(&req).outcome, CV_PROBE_INTERNAL);
	server_stop(&s);
}

static void probes_under_way_are_dropped_at_the_end(void **state)
{
	struct cv_probe_req req;
	struct server s, silent;
	struct hole hole;

	(void)state;
	hole_start(&hole);
	server_start(&s, ANSWER, "");
	server_start(&silent, BANNER, "x");
	for (int i = 0; i < 20; i++) {
		req = request(CV_PROBE_TCP, hole.port);
		assert_int_equal(cv_probe_begin(probe, &req), 0);
		req = request(CV_PROBE_HTTP, s.port);
		assert_int_equal(cv_probe_begin(probe, &req), 0);
		req = request(CV_PROBE_TCP, silent.port);
		assert_int_equal(cv_probe_begin(probe, &req), 0);
	}
	next_result();
	teardown(NULL);
	hole_stop(&hole);
	server_stop(&s);
	server_stop(&silent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_connection_is_enough_for_tcp),
		T(a_connection_ends_with_fin),
		T(a_closed_port_refuses),
		T(nobody_there_is_a_timeout),
		T(the_http_code_is_told),
		T(the_request_is_a_load_balancers),
		T(what_is_no_http_fails),
		T(no_answer_is_a_timeout),
		T(a_header_without_client_comes_first),
		T(any_certificate_will_do_but_not_tls_1_3),
		T(thousands_do_not_delay_each_other),
		T(sockets_are_bounded),
		T(a_child_that_holds_a_socket_is_no_trouble),
		T(no_descriptor_is_an_error),
		T(a_namespace_that_is_being_made_is_waited_for),
		T(an_address_that_is_not_ours_is_our_fault),
		T(probes_under_way_are_dropped_at_the_end),
#undef T
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

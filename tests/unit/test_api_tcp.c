/* SPDX-License-Identifier: BSD-3-Clause */

/* The TCP server of the AWS APIs: where it listens, and what keeps it from starting. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_api_tcp.h"

static const char *const any_port[] = {"127.0.0.1:0"};

static struct cv_api_tcp_cfg cfg_get(const char *const *listen, uint32_t n)
{
	return (struct cv_api_tcp_cfg){
		.listen = listen,
		.n_listen = n,
		.version = "1",
		.body_bytes = 1024,
		.connections = 4,
		.connections_per_client = 4,
		.request_seconds = 1,
		.idle_seconds = 1,
	};
}

/* It does not start: for this reason, which is told. */
static void refused(const struct cv_api_tcp_cfg *cfg, int err, const char *path)
{
	struct cv_errs errs = {0};
	struct cv_api_tcp *tcp = NULL;

	assert_int_equal(cv_api_tcp_create(cfg, &errs, &tcp), err);
	assert_null(tcp);
	assert_int_equal(errs.n, 1);
	assert_string_equal(errs.items[0].path, path);
	cv_errs_fini(&errs);
}

static void addresses_are_checked(void **state)
{
	static const char *const wrong[] = {
		"",       "127.0.0.1",    "127.0.0.1:",      "127.0.0.1:x",
		"::1:80", "localhost:80", "127.0.0.1:65536", "127.0.0.1:-1"};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(wrong); i++) {
		const struct cv_api_tcp_cfg cfg = cfg_get(&wrong[i], 1);

		refused(&cfg, -EINVAL, "api.listen");
	}
}

static void foreign_address_is_told(void **state)
{
	static const char *const foreign[] = {"192.0.2.1:0"};
	const struct cv_api_tcp_cfg cfg = cfg_get(foreign, 1);

	(void)state;
	refused(&cfg, -EADDRNOTAVAIL, "api.listen");
}

/* The second of two is taken: the first is given back. */
static void taken_port_is_told(void **state)
{
	struct stat here, own;
	int netns;
	struct cv_api_tcp_cfg cfg = cfg_get(any_port, 1);
	struct cv_errs errs = {0};
	struct cv_api_tcp *tcp = NULL;
	char taken[32];
	const char *two[] = {any_port[0], taken};

	(void)state;
	assert_int_equal(cv_api_tcp_create(&cfg, &errs, &tcp), 0);
	assert_int_not_equal(cv_api_tcp_port(tcp, 0), 0);
	netns = cv_api_tcp_netns(tcp);
	/* Who may not ask, may not enter it either. */
	if (netns < 0) {
		assert_int_equal(netns, -EPERM);
	} else {
		assert_int_equal(fstat(netns, &here) | stat("/proc/self/ns/net", &own), 0);
		assert_int_equal(here.st_ino, own.st_ino);
		close(netns);
	}
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", cv_api_tcp_port(tcp, 0));
	cfg = cfg_get(two, 2);
	refused(&cfg, -EADDRINUSE, "api.listen");
	cv_api_tcp_destroy(tcp);
	cv_api_tcp_destroy(NULL);
}

/* As systemd passes it: descriptor 3, for the process that LISTEN_PID names. */
static void passed_socket_is_taken(void **state)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int kept = fcntl(3, F_DUPFD_CLOEXEC, 10), fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(addr);
	char text[32];
	const char *const listen_on[] = {text};
	const struct cv_api_tcp_cfg cfg = cfg_get(listen_on, 1);
	struct cv_errs errs = {0};
	struct cv_api_tcp *tcp = NULL;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(addr.sin_port));
	assert_int_equal(dup2(fd, 3), 3);
	if (fd != 3)
		close(fd);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", "1", 1);
	refused(&cfg, -EADDRINUSE, "api.listen");
	snprintf(text, sizeof(text), "%ld", (long)getpid());
	setenv("LISTEN_PID", text, 1);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(addr.sin_port));
	assert_int_equal(cv_api_tcp_create(&cfg, &errs, &tcp), 0);
	assert_int_equal(cv_api_tcp_port(tcp, 0), ntohs(addr.sin_port));
	cv_api_tcp_destroy(tcp);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	if (kept >= 0) {
		dup2(kept, 3);
		close(kept);
	}
}

static void tls_files_are_checked(void **state)
{
	struct cv_api_tcp_cfg cfg = cfg_get(any_port, 1);
	char file[] = "/tmp/culvert-test-tls-XXXXXX";
	int fd = mkstemp(file);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "no key\n", 7), 7);
	close(fd);
	cfg.tls_cert = cfg.tls_key = "/nowhere/at/all";
	refused(&cfg, -ENOENT, "api.tls.key");
	cfg.tls_cert = cfg.tls_key = file;
	refused(&cfg, -EINVAL, "api.tls");
	assert_int_equal(chmod(file, 0644), 0);
	refused(&cfg, -EINVAL, "api.tls.key");
	assert_int_equal(chmod(file, 0600), 0);
	cfg.tls_cert = "/tmp";
	refused(&cfg, -EINVAL, "api.tls.cert");
	/* One that is right for another user, perhaps. */
	assert_int_equal(chmod(file, 0), 0);
	if (getuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	refused(&cfg, -EACCES, "api.tls.key");
	assert_int_equal(seteuid(getuid()), 0);
	unlink(file);
}

static void without_tls_there_is_nothing_to_renew(void **state)
{
	const struct cv_api_tcp_cfg cfg = cfg_get(any_port, 1);
	struct cv_errs errs = {0};
	struct cv_api_tcp *tcp;
	time_t until = 0;

	(void)state;
	assert_int_equal(cv_api_tcp_create(&cfg, &errs, &tcp), 0);
	assert_int_equal(cv_api_tcp_renew(tcp, &errs, &until), -ENOTSUP);
	assert_int_equal(errs.n, 0);
	cv_api_tcp_destroy(tcp);
}

/* A client that says nothing is let go, long before MHD or the test would end. */
static void silent_client_is_let_go(void **state)
{
	const struct cv_api_tcp_cfg cfg = cfg_get(any_port, 1);
	struct sockaddr_in addr = {.sin_family = AF_INET};
	struct cv_errs errs = {0};
	struct cv_api_tcp *tcp;
	char byte;
	int fd;

	(void)state;
	assert_int_equal(cv_api_tcp_create(&cfg, &errs, &tcp), 0);
	addr.sin_port = htons(cv_api_tcp_port(tcp, 0));
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	cv_api_tcp_destroy(tcp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_checked),
		cmocka_unit_test(foreign_address_is_told),
		cmocka_unit_test(taken_port_is_told),
		cmocka_unit_test(passed_socket_is_taken),
		cmocka_unit_test(tls_files_are_checked),
		cmocka_unit_test(without_tls_there_is_nothing_to_renew),
		cmocka_unit_test(silent_client_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

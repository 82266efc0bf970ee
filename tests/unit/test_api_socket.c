/* SPDX-License-Identifier: BSD-3-Clause */

/* The operators' HTTP server: its socket, and what keeps it from starting. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "api_world.h"

static void socket_is_for_its_owner_only(void **state)
{
	struct state *s = *state;
	char dir[128];
	struct stat st;

	assert_int_equal(lstat(s->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(dir, sizeof(dir), "%s/run", s->dir);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	cv_api_destroy(s->api);
	s->api = NULL;
	assert_int_equal(lstat(s->path, &st), -1);
	assert_int_equal(errno, ENOENT);
}

static void a_foreign_file_survives_the_end(void **state)
{
	struct state *s = *state;
	struct stat st;
	int fd;

	assert_int_equal(unlink(s->path), 0);
	fd = open(s->path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	cv_api_destroy(s->api);
	s->api = NULL;
	assert_int_equal(lstat(s->path, &st), 0);
}

static void living_socket_is_refused(void **state)
{
	struct state *s = *state;
	struct cv_api_cfg cfg = cfg_get(s);
	struct cv_errs errs = {0};
	struct cv_api *other = NULL;
	char answer[ANSWER_LEN];

	assert_int_equal(cv_api_create(&cfg, &errs, &other), -EADDRINUSE);
	assert_null(other);
	assert_int_equal(errs.n, 1);
	assert_non_null(strstr(errs.items[0].text, "is culvertd running already?"));
	cv_errs_fini(&errs);
	assert_int_equal(get(s, "/v1/config", answer), 200);
}

static void dead_socket_is_replaced(void **state)
{
	struct state *s = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct cv_api_cfg cfg = cfg_get(s);
	struct cv_errs errs = {0};
	char answer[ANSWER_LEN];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	*strrchr(s->path, '/') = '\0';
	assert_int_equal(mkdir(s->path, 0755), 0);
	s->path[strlen(s->path)] = '/';
	memcpy(addr.sun_path, s->path, strlen(s->path));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	assert_int_equal(cv_api_create(&cfg, &errs, &s->api), 0);
	assert_int_equal(get(s, "/v1/config", answer), 200);
}

/* Expect one error with a text. */
static void create_fails(struct state *s, int want, const char *text)
{
	struct cv_api_cfg cfg = cfg_get(s);
	struct cv_errs errs = {0};
	struct cv_api *api = NULL;

	assert_int_equal(cv_api_create(&cfg, &errs, &api), want);
	assert_null(api);
	assert_int_equal(errs.n, 1);
	assert_string_equal(errs.items[0].path, "control.socket");
	assert_non_null(strstr(errs.items[0].text, text));
	cv_errs_fini(&errs);
}

static void bad_paths_are_explained(void **state)
{
	struct state *s = *state;
	struct stat st;
	int fd;

	snprintf(s->path, sizeof(s->path), "%s/a/b/culvert.sock", s->dir);
	create_fails(s, -ENOENT, "cannot make directory");
	memset(s->path, 'x', 120);
	s->path[0] = '/';
	s->path[120] = '\0';
	create_fails(s, -ENAMETOOLONG, "longer than the 107 bytes");
	snprintf(s->path, sizeof(s->path), "%s/file", s->dir);
	fd = open(s->path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	create_fails(s, -ENOTSOCK, "is not a socket");
	assert_int_equal(lstat(s->path, &st), 0);
	snprintf(s->path, sizeof(s->path), "%s/file/culvert.sock", s->dir);
	create_fails(s, -ENOTDIR, "Not a directory");
	snprintf(s->path, sizeof(s->path), "/proc/culvert.sock");
	create_fails(s, -ENOENT, "cannot bind");
}

static void no_permission_is_explained(void **state)
{
	struct state *s = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		struct cv_api_cfg cfg = cfg_get(s);
		struct cv_errs errs = {0};
		struct cv_api *api = NULL;

		if (setuid(65534) < 0)
			_exit(3);
		if (cv_api_create(&cfg, &errs, &api) != -EACCES || errs.n != 1)
			_exit(1);
		_exit(strstr(errs.items[0].text, "Permission denied") != NULL ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void server_without_descriptors_does_not_start(void **state)
{
	struct state *s = *state;
	int status;
	pid_t pid = fork();

	/* In a child, since it uses up the descriptors: all but the one that the socket takes. */
	if (pid == 0) {
		struct cv_api_cfg cfg = cfg_get(s);
		struct cv_errs errs = {0};
		struct cv_api *api = NULL;
		struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};
		int fd;

		setrlimit(RLIMIT_NOFILE, &limit);
		while ((fd = dup(0)) >= 0)
			status = fd;
		close(status);
		_exit(cv_api_create(&cfg, &errs, &api) == -EIO && errs.n == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void destroy_takes_null(void **state)
{
	(void)state;
	cv_api_destroy(NULL);
}

#define PLAIN(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUNNING(socket_is_for_its_owner_only),
		RUNNING(a_foreign_file_survives_the_end),
		RUNNING(living_socket_is_refused),
		PLAIN(dead_socket_is_replaced),
		PLAIN(bad_paths_are_explained),
		PLAIN(no_permission_is_explained),
		PLAIN(server_without_descriptors_does_not_start),
		cmocka_unit_test(destroy_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

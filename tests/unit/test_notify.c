/* SPDX-License-Identifier: BSD-3-Clause */

/* Deliveries to receivers on this host that behave as they like: answers, order, who may be reached. */

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_store.h"

#include "notify_priv.h"

#define HEARD_MAX 16384

/* A receiver: a thread that takes one connection after the other. */
struct receiver {
	int fd;
	uint16_t port;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic(const char *) answer;  /* NULL: none, until the end */
	_Atomic unsigned int ok_after; /* all right to all after so many requests; 0: never */
	_Atomic unsigned int n_long;   /* bytes of body behind the answer */
	pthread_mutex_t lock;
	char heard[HEARD_MAX]; /* bodies, each with a bar behind it */
	char last[4096];       /* the last request */
	unsigned int n;
};

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define GONE "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define AWAY "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/\r\nContent-Length: 0\r\n\r\n"
#define LONG "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

static bool request_read(int fd, char *text, size_t cap)
{
	size_t n = 0, want = SIZE_MAX;

	while (n < want && n + 1 < cap) {
		ssize_t got = recv(fd, text + n, cap - 1 - n, 0);
		const char *end, *len;

		if (got <= 0)
			return false;
		n += (size_t)got;
		text[n] = '\0';
		end = strstr(text, "\r\n\r\n");
		len = strcasestr(text, "content-length: ");
		if (end != NULL && len != NULL)
			want = (size_t)(end - text) + 4 + strtoul(len + 16, NULL, 10);
	}
	return true;
}

static void answer(struct receiver *r, int fd)
{
	static const char filler[1024] = "x";
	char text[4096] = "";
	const char *say, *body;
	bool is_ok;

	if (!request_read(fd, text, sizeof(text)))
		return;
	body = strstr(text, "\r\n\r\n") + 4;
	pthread_mutex_lock(&r->lock);
	is_ok = r->ok_after > 0 && r->n >= r->ok_after;
	r->n++;
	snprintf(r->heard + strlen(r->heard), HEARD_MAX - strlen(r->heard), "%s|", body);
	memcpy(r->last, text, sizeof(text));
	pthread_mutex_unlock(&r->lock);
	while ((say = atomic_load(&r->answer)) == NULL && !atomic_load(&r->stop))
		usleep(5000);
	if (say == NULL)
		return;
	if (is_ok)
		say = OK;
	(void)send(fd, say, strlen(say), MSG_NOSIGNAL);
	for (unsigned int i = 0; i < atomic_load(&r->n_long); i += sizeof(filler)) {
		if (send(fd, filler, sizeof(filler), MSG_NOSIGNAL) < 0)
			break;
	}
}

static void *serve(void *arg)
{
	struct receiver *r = arg;

	while (!atomic_load(&r->stop)) {
		struct pollfd poll_fd = {.fd = r->fd, .events = POLLIN};
		int fd;

		if (poll(&poll_fd, 1, 20) <= 0)
			continue;
		fd = accept(r->fd, NULL, NULL);
		if (fd < 0)
			continue;
		answer(r, fd);
		close(fd);
	}
	return NULL;
}

static struct receiver *receiver_start(const char *say)
{
	struct receiver *r = calloc(1, sizeof(*r));
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pthread_mutex_init(&r->lock, NULL);
	atomic_store(&r->answer, say);
	r->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(r->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(r->fd, 64), 0);
	assert_int_equal(getsockname(r->fd, (struct sockaddr *)&addr, &len), 0);
	r->port = ntohs(addr.sin_port);
	assert_int_equal(pthread_create(&r->thread, NULL, serve, r), 0);
	return r;
}

static void receiver_end(struct receiver *r)
{
	atomic_store(&r->stop, true);
	pthread_join(r->thread, NULL);
	close(r->fd);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static bool has_heard(struct receiver *r, const char *bodies)
{
	bool same;

	pthread_mutex_lock(&r->lock);
	same = strcmp(r->heard, bodies) == 0;
	pthread_mutex_unlock(&r->lock);
	return same;
}

static unsigned int n_heard(struct receiver *r)
{
	unsigned int n;

	pthread_mutex_lock(&r->lock);
	n = r->n;
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* ---- the sender ---- */

#define until(cond)                                                     \
	do {                                                            \
		int tries_ = 0;                                         \
		while (!(cond)) {                                       \
			if (++tries_ > 3000)                            \
				fail_msg("not within 30 s: %s", #cond); \
			usleep(10000);                                  \
		}                                                       \
	} while (0)

static struct cv_notify_key *key;
static struct cv_store *store;
static struct cv_notify *notify;
static char events[4096], urls[4096];
static pthread_mutex_t events_lock = PTHREAD_MUTEX_INITIALIZER;

static void happened(void *arg, const struct cv_notify_event *event)
{
	size_t len;

	(void)arg;
	pthread_mutex_lock(&events_lock);
	len = strlen(events);
	snprintf(events + len, sizeof(events) - len, "%s %s,", event->result,
		 event->why != NULL ? event->why : "-");
	len = strlen(urls);
	snprintf(urls + len, sizeof(urls) - len, "%s,", event->url != NULL ? event->url : "-");
	pthread_mutex_unlock(&events_lock);
}

static bool has_event(const char *text)
{
	bool has;

	pthread_mutex_lock(&events_lock);
	has = strstr(events, text) != NULL;
	pthread_mutex_unlock(&events_lock);
	return has;
}

static struct cv_notify_cfg cfg_get(void)
{
	return (struct cv_notify_cfg){
		.key = key,
		.nets = {.loopback = true},
		.n_tries = 5,
		.messages_max = 1000,
		.happened = happened,
	};
}

static void sender_start(const struct cv_notify_cfg *cfg)
{
	assert_int_equal(cv_notify_create(cfg, &notify), 0);
	cv_notify_store(notify, store);
	cv_notify_wake(notify);
}

/* Puts a message of an account's subscription into the outbox, to be delivered as it is. */
static void put_as(const struct cv_notify_policy *policy, const char *account, unsigned int sub,
		   const struct receiver *to, const char *body)
{
	char queue[96], url[64];
	struct cv_notify_message message = {
		.type = "Notification",
		.id = "id",
		.topic = "arn:aws:sns:us-east-1:111111111111:t",
		.message = body,
		.time = "2026-11-21T21:30:11.000Z",
		.base = "http://127.0.0.1:1",
		.subscription = "arn:aws:sns:us-east-1:111111111111:t:s",
		.version = 1,
	};
	struct cv_store_op op = {.what = CV_STORE_SEND, .key = queue};
	struct cv_errs errs = {0};
	char *order;

	snprintf(queue, sizeof(queue), "arn:aws:sns:us-east-1:%s:t:%u", account, sub);
	snprintf(url, sizeof(url), "http://me:secret@127.0.0.1:%u/", to->port);
	order = cv_notify_order(url, true, policy, &message);
	op.value = order;
	op.len = strlen(order);
	assert_int_equal(
		cv_store_commit(store, &(struct cv_store_txn){&op, 1, CV_STORE_ANY}, NULL, &errs),
		0);
	free(order);
}

static void put(const char *account, unsigned int sub, const struct receiver *to, const char *body)
{
	put_as(NULL, account, sub, to, body);
}

static struct cv_notify_counts counts(void)
{
	struct cv_notify_counts now;

	cv_notify_counts(notify, &now);
	return now;
}

static uint64_t waiting(void)
{
	uint64_t n = 0, dropped;
	struct cv_errs errs = {0};

	assert_int_equal(cv_store_outbox_trim(store, UINT64_MAX, &n, &dropped, &errs), 0);
	return n;
}

static int setup(void **state)
{
	char *key_pem, *cert_pem;
	struct cv_errs errs = {0};

	(void)state;
	if (key == NULL) {
		assert_int_equal(cv_notify_key_make(time(NULL), &key_pem, &cert_pem), 0);
		assert_int_equal(cv_notify_key_open(key_pem, cert_pem, &key), 0);
		free(key_pem);
		free(cert_pem);
	}
	events[0] = '\0';
	assert_int_equal(cv_store_open(NULL, &errs, &store), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cv_notify_destroy(notify);
	notify = NULL;
	cv_store_close(store);
	return 0;
}

/* ---- what becomes of messages ---- */

static void messages_come_in_order_over_failures(void **state)
{
	struct receiver *r = receiver_start(BUSY);
	struct cv_notify_cfg cfg = cfg_get();

	(void)state;
	r->ok_after = 1;
	put("111111111111", 1, r, "a");
	put("111111111111", 1, r, "b");
	put("111111111111", 1, r, "c");
	sender_start(&cfg);
	until(counts().delivered == 3);
	assert_true(has_heard(r, "a|a|b|c|"));
	assert_true(has_event("failing HTTP status 503"));
	assert_true(has_event("delivered again -"));
	assert_non_null(strstr(urls, "http://me:****@127.0.0.1:"));
	assert_null(strstr(urls, "secret"));
	assert_int_equal(counts().retried, 1);
	until(waiting() == 0);
	assert_non_null(strstr(r->last, "x-amz-sns-rawdelivery: true\r\n"));
	assert_non_null(
		strstr(r->last, "User-Agent: Amazon Simple Notification Service Agent\r\n"));
	assert_non_null(strstr(r->last, "Content-Type: text/plain; charset=UTF-8\r\n"));
	assert_null(strstr(r->last, "Expect"));
	receiver_end(r);
}

static void what_the_receiver_refuses_is_final(void **state)
{
	struct receiver *gone = receiver_start(GONE), *trap = receiver_start(OK), *away;
	struct cv_notify_cfg cfg = cfg_get();
	char say[200];

	(void)state;
	snprintf(say, sizeof(say), AWAY, trap->port);
	away = receiver_start(say);
	put("111111111111", 1, gone, "a");
	put("111111111111", 2, away, "b");
	sender_start(&cfg);
	until(counts().given_up == 2);
	until(has_event("given up HTTP status 404"));
	until(has_event("given up HTTP status 302"));
	until(waiting() == 0);
	/* Nobody is led elsewhere. */
	assert_int_equal(n_heard(trap), 0);
	receiver_end(gone);
	receiver_end(away);
	receiver_end(trap);
}

static void tries_end(void **state)
{
	struct receiver *r = receiver_start(BUSY);
	struct cv_notify_cfg cfg = cfg_get();

	(void)state;
	cfg.n_tries = 2;
	r->ok_after = 3;
	put("111111111111", 1, r, "a");
	put("111111111111", 1, r, "b");
	sender_start(&cfg);
	until(counts().given_up == 1);
	until(has_event("given up HTTP status 503"));
	until(counts().delivered == 1);
	assert_int_equal(counts().given_up, 1);
	receiver_end(r);
}

/* ---- delivery policies ---- */

static void a_message_is_tried_as_often_as_it_says(void **state)
{
	const struct cv_notify_retry retry = {
		.n = 3, .n_no_delay = 3, .min_s = 3600, .max_s = 3600};
	const struct cv_notify_policy policy = {.retry = &retry, .type = "application/json"};
	struct receiver *r = receiver_start(BUSY);
	struct cv_notify_cfg cfg = cfg_get();

	(void)state;
	cfg.n_tries = 1000;
	put_as(&policy, "111111111111", 1, r, "a");
	put("111111111111", 1, r, "b");
	sender_start(&cfg);
	until(counts().given_up == 1);
	until(n_heard(r) > 4);
	pthread_mutex_lock(&r->lock);
	assert_memory_equal(r->heard, "a|a|a|a|b|", 10);
	pthread_mutex_unlock(&r->lock);
	atomic_store(&r->answer, OK);
	until(counts().delivered == 1);
	assert_non_null(strstr(r->last, "Content-Type: text/plain; charset=UTF-8\r\n"));
	put_as(&policy, "111111111111", 1, r, "c");
	cv_notify_wake(notify);
	until(counts().delivered == 2);
	assert_non_null(strstr(r->last, "Content-Type: application/json\r\n"));
	receiver_end(r);
}

static void how_often_outlives_the_sender(void **state)
{
	const struct cv_notify_retry retry = {
		.n = 3, .n_no_delay = 1, .n_min_delay = 1, .min_s = 1, .max_s = 2};
	const struct cv_notify_policy policy = {.retry = &retry};
	struct receiver *r = receiver_start(BUSY);
	struct cv_notify_cfg cfg = cfg_get();

	(void)state;
	cfg.n_tries = 1000;
	put_as(&policy, "111111111111", 1, r, "a");
	sender_start(&cfg);
	until(counts().retried > 0);
	cv_notify_destroy(notify);
	sender_start(&cfg);
	until(counts().given_up == 1);
	until(waiting() == 0);
	/* One more, if the answer came while the sender went. */
	assert_in_range(n_heard(r), 4, 5);
	receiver_end(r);
}

static void delays_are_scaled(void **state)
{
	const struct cv_notify_retry retry = {.n = 1, .min_s = 3600, .max_s = 3600};
	const struct cv_notify_policy policy = {.retry = &retry};
	struct receiver *r = receiver_start(BUSY);
	struct cv_notify_cfg cfg = cfg_get();

	(void)state;
	r->ok_after = 1;
	assert_int_equal(cv_notify_create(&cfg, &notify), 0);
	cv_notify_time_scale(notify, 3600);
	put_as(&policy, "111111111111", 1, r, "a");
	cv_notify_store(notify, store);
	until(counts().delivered == 1);
	assert_int_equal(counts().retried, 1);
	assert_true(has_heard(r, "a|a|"));
	receiver_end(r);
}

static void no_more_go_in_a_second_than_may(void **state)
{
	const struct cv_notify_policy policy = {.per_second = 2};
	struct receiver *r = receiver_start(OK);
	struct cv_notify_cfg cfg = cfg_get();
	uint64_t begin_ms = cv_clock_ms();

	(void)state;
	put_as(&policy, "111111111111", 1, r, "a");
	put_as(&policy, "111111111111", 1, r, "b");
	put_as(&policy, "111111111111", 1, r, "c");
	put_as(&policy, "111111111111", 1, r, "d");
	for (unsigned int i = 0; i < 4; i++)
		put("111111111111", 2, r, "-");
	sender_start(&cfg);
	/* Others do not wait for it. */
	until(counts().delivered == 8);
	assert_true(cv_clock_ms() - begin_ms >= 1500);
	pthread_mutex_lock(&r->lock);
	assert_non_null(strstr(r->heard, "d|"));
	assert_true(strchr(r->heard, 'a') < strchr(r->heard, 'b') &&
		    strchr(r->heard, 'b') < strchr(r->heard, 'c') &&
		    strchr(r->heard, 'c') < strchr(r->heard, 'd'));
	pthread_mutex_unlock(&r->lock);
	receiver_end(r);
}

static void waits(const struct cv_notify_retry *retry, const char *want)
{
	char text[512] = "";

	for (uint32_t i = 0; i < retry->n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u ",
			 cv_notify_retry_wait(retry, i));
	assert_string_equal(text, want);
}

static void delays_grow_as_they_should(void **state)
{
	struct cv_notify_retry retry = {.n = 10, .min_s = 5, .max_s = 260};

	(void)state;
	waits(&retry, "5 33 62 90 118 147 175 203 232 260 ");
	retry.backoff = CV_NOTIFY_ARITHMETIC;
	waits(&retry, "5 8 18 33 55 84 118 159 206 260 ");
	retry.backoff = CV_NOTIFY_GEOMETRIC;
	waits(&retry, "5 8 12 19 29 45 70 108 168 260 ");
	retry.backoff = CV_NOTIFY_EXPONENTIAL;
	waits(&retry, "5 5 6 8 12 20 36 68 132 260 ");
	assert_int_equal(cv_notify_retry_sum(&retry), 552);
	retry = (struct cv_notify_retry){.n = 7,
					 .n_no_delay = 2,
					 .n_min_delay = 1,
					 .n_max_delay = 3,
					 .min_s = 2,
					 .max_s = 9};
	waits(&retry, "0 0 2 2 9 9 9 ");
	retry.n_max_delay = 4;
	waits(&retry, "0 0 2 9 9 9 9 ");
	for (enum cv_notify_backoff f = CV_NOTIFY_LINEAR; f < CV_NOTIFY_BACKOFF_N; f++) {
		retry = (struct cv_notify_retry){.n = 2, .min_s = 7, .max_s = 7, .backoff = f};
		waits(&retry, "7 7 ");
		retry.max_s = 8;
		waits(&retry, "7 8 ");
		retry.n = 100;
		retry.max_s = 3600;
		assert_int_equal(cv_notify_retry_wait(&retry, 99), 3600);
		for (uint32_t i = 1; i < 100; i++)
			assert_true(cv_notify_retry_wait(&retry, i) >=
				    cv_notify_retry_wait(&retry, i - 1));
	}
}

static void who_says_nothing_is_tried_for_a_day(void **state)
{
	struct cv_notify_retry retry;

	(void)state;
	cv_notify_retry_first(1440, &retry);
	assert_int_equal(retry.n, 1439);
	for (uint32_t i = 0; i < 6; i++)
		assert_in_range(cv_notify_retry_wait(&retry, i), (1U << i) - (i / 2), 1U << i);
	assert_int_equal(cv_notify_retry_wait(&retry, 6), CV_NOTIFY_WAIT_MAX);
	assert_int_equal(cv_notify_retry_wait(&retry, 1438), CV_NOTIFY_WAIT_MAX);
	cv_notify_retry_first(5, &retry);
	waits(&retry, "1 2 4 8 ");
	cv_notify_retry_first(2, &retry);
	waits(&retry, "1 ");
	cv_notify_retry_first(1, &retry);
	waits(&retry, "");
}

static void long_answers_are_cut(void **state)
{
	struct receiver *r = receiver_start(LONG);
	struct cv_notify_cfg cfg = cfg_get();

	(void)state;
	atomic_store(&r->n_long, CV_NOTIFY_ANSWER_MAX);
	put("111111111111", 1, r, "a");
	sender_start(&cfg);
	until(counts().delivered == 1);
	atomic_store(&r->n_long, 100 * CV_NOTIFY_ANSWER_MAX);
	cfg.n_tries = 1;
	cv_notify_destroy(notify);
	put("111111111111", 1, r, "b");
	sender_start(&cfg);
	until(counts().delivered == 1);
	assert_true(has_heard(r, "a|b|"));
	until(waiting() == 0);
	receiver_end(r);
}

static void slow_receivers_keep_only_their_own_waiting(void **state)
{
	struct receiver *slow = receiver_start(NULL), *quick = receiver_start(OK);
	struct cv_notify_cfg cfg = cfg_get();

	(void)state;
	/* However many subscriptions that account has. */
	cfg.messages_max = 10000;
	for (unsigned int i = 0; i < 2100; i++)
		put("111111111111", i, slow, "slow");
	put("222222222222", 1, quick, "quick");
	sender_start(&cfg);
	until(counts().delivered == 1);
	assert_true(has_heard(quick, "quick|"));
	receiver_end(slow);
	receiver_end(quick);
}

/* A full disk: what is delivered is not sent again because that cannot be written down. */
static void what_cannot_be_noted_is_not_sent_again(void **state)
{
	char dir[] = "/tmp/cvl-notify-XXXXXX", path[64], cmd[64];
	struct receiver *r = receiver_start(OK);
	struct cv_notify_cfg cfg = cfg_get();
	struct rlimit was, none;
	struct cv_errs errs = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/state.db", dir);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	cv_store_close(store);
	assert_int_equal(cv_store_open(path, &errs, &store), 0);
	put("111111111111", 1, r, "a");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_IGN);
	none = (struct rlimit){.rlim_cur = 1, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	sender_start(&cfg);
	until(counts().delivered == 1);
	usleep(300000);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	until(waiting() == 0);
	assert_true(has_heard(r, "a|"));
	assert_int_equal(counts().delivered, 1);
	receiver_end(r);
	assert_int_equal(system(cmd), 0);
}

static void too_many_are_dropped_from_the_oldest_on(void **state)
{
	struct receiver *r = receiver_start(OK);
	struct cv_notify_cfg cfg = cfg_get();
	char body[8];

	(void)state;
	cfg.messages_max = 2;
	for (unsigned int i = 0; i < 5; i++) {
		snprintf(body, sizeof(body), "%u", i);
		put("111111111111", 1, r, body);
	}
	sender_start(&cfg);
	until(counts().delivered == 2);
	assert_true(has_heard(r, "3|4|"));
	assert_int_equal(counts().dropped, 3);
	assert_true(has_event("dropped too many wait"));
	until(counts().waiting == 0);
	receiver_end(r);
}

static void barred_receivers_are_not_connected_to(void **state)
{
	struct receiver *r = receiver_start(OK);
	struct cv_notify_cfg cfg = cfg_get();

	(void)state;
	cfg.nets.loopback = false;
	put("111111111111", 1, r, "a");
	sender_start(&cfg);
	until(has_event("failing no receiver may be there"));
	assert_int_equal(n_heard(r), 0);
	cv_notify_destroy(notify);
	/* It waits, and goes once it may. */
	cfg.nets =
		(struct cv_notify_nets){.nets = {{0x7f000001, 0xffffffff}}, .n = 1, .given = true};
	sender_start(&cfg);
	until(counts().delivered == 1);
	receiver_end(r);
}

/* ---- where receivers may be ---- */

static bool may4(const struct cv_notify_nets *nets, const char *ip)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};

	assert_int_equal(inet_pton(AF_INET, ip, &addr.sin_addr), 1);
	return cv_notify_may_reach(nets, (struct sockaddr *)&addr);
}

static bool may6(const struct cv_notify_nets *nets, const char *ip)
{
	struct sockaddr_in6 addr = {.sin6_family = AF_INET6};

	assert_int_equal(inet_pton(AF_INET6, ip, &addr.sin6_addr), 1);
	return cv_notify_may_reach(nets, (struct sockaddr *)&addr);
}

static void receivers_are_where_they_may_be(void **state)
{
	static const char *const never[] = {"0.0.0.0",        "0.1.2.3",   "169.254.169.254",
					    "169.254.0.1",    "224.0.0.1", "239.1.1.1",
					    "255.255.255.255"};
	static const char *const never6[] = {"::",
					     "fe80::1",
					     "ff02::1",
					     "::ffff:169.254.169.254",
					     "64:ff9b::a9fe:a9fe",
					     "fd00:ec2::254"};
	const struct cv_notify_nets any = {.loopback = true}, far = {0};
	const struct cv_notify_nets one = {
		.nets = {{0x0a010000, 0xffff0000}}, .n = 1, .given = true, .loopback = true};
	const struct cv_notify_nets all = {.nets = {{0, 0}}, .n = 1, .given = true};
	const struct cv_notify_nets none = {.given = true};
	struct sockaddr other = {.sa_family = AF_UNIX};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(never); i++)
		assert_false(may4(&any, never[i]));
	for (size_t i = 0; i < CV_ARRAY_LEN(never6); i++)
		assert_false(may6(&any, never6[i]));
	assert_true(may4(&any, "127.0.0.1") && may6(&any, "::1") && may6(&any, "::ffff:127.0.0.1"));
	assert_false(may4(&far, "127.0.0.1") || may6(&far, "::1") ||
		     may6(&far, "::ffff:127.8.0.1"));
	assert_true(may4(&far, "10.1.2.3") && may4(&far, "169.253.0.1") &&
		    may6(&far, "2001:db8::1"));
	assert_true(may4(&far, "1.0.0.0") && may4(&far, "223.255.255.255") &&
		    may4(&far, "128.0.0.1"));
	assert_true(may4(&one, "10.1.255.255") && may6(&one, "::ffff:10.1.0.1"));
	assert_false(may4(&one, "10.2.0.1") || may4(&one, "127.0.0.1") ||
		     may6(&one, "2001:db8::1"));
	assert_true(may4(&all, "169.254.169.254"));
	assert_false(may4(&none, "10.1.2.3"));
	assert_false(cv_notify_may_reach(&all, &other));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static void secrets_of_endpoints_are_not_shown(void **state)
{
	static const struct {
		const char *url, *answer, *shown;
	} rows[] = {
		{"https://h/p", "https://h/p", "https://h/p"},
		{"https://h", "https://h", "https://h"},
		{"https://u:p@h/p?t=1", "https://u:****@h/p?t=1", "https://u:****@h/p?****"},
		{"https://u@h:8/p", "https://u@h:8/p", "https://u@h:8/p"},
		{"http://u:p@q:r@h", "http://u:****@h", "http://u:****@h"},
		{"http://h/a:b@c?d", "http://h/a:b@c?d", "http://h/a:b@c?****"},
		{"http://h?u:p@x", "http://h?u:p@x", "http://h?****"},
		{"http://:p@h?", "http://:****@h?", "http://:****@h?****"},
		{"nonsense", "nonsense", "nonsense"},
		{"", "", ""},
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		cv_notify_url_mask(rows[i].url, false, buf, sizeof(buf));
		assert_string_equal(buf, rows[i].answer);
		cv_notify_url_mask(rows[i].url, true, buf, sizeof(buf));
		assert_string_equal(buf, rows[i].shown);
		for (size_t size = 1; size < 24; size++) {
			cv_notify_url_mask(rows[i].url, true, buf, size);
			assert_int_equal(strncmp(buf, rows[i].shown, size - 1), 0);
			assert_true(strlen(buf) < size);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_of_endpoints_are_not_shown),
		CASE(messages_come_in_order_over_failures),
		CASE(what_the_receiver_refuses_is_final),
		CASE(tries_end),
		CASE(a_message_is_tried_as_often_as_it_says),
		CASE(how_often_outlives_the_sender),
		CASE(delays_are_scaled),
		CASE(no_more_go_in_a_second_than_may),
		cmocka_unit_test(delays_grow_as_they_should),
		cmocka_unit_test(who_says_nothing_is_tried_for_a_day),
		CASE(long_answers_are_cut),
		CASE(slow_receivers_keep_only_their_own_waiting),
		CASE(what_cannot_be_noted_is_not_sent_again),
		CASE(too_many_are_dropped_from_the_oldest_on),
		CASE(barred_receivers_are_not_connected_to),
		cmocka_unit_test(receivers_are_where_they_may_be),
	};
	int ret = cmocka_run_group_tests(tests, NULL, NULL);

	cv_notify_key_close(key);
	return ret;
}

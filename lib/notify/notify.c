/* SPDX-License-Identifier: BSD-3-Clause */

/* Delivery: the first message of each subscription, when it is due, some at once. */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "cv_base.h"
#include "cv_store.h"

#include "notify_priv.h"

/* How often the outbox is looked at, if nobody says that there is something. */
#define LOOK_MS 1000
#define ACCOUNT_LEN 16

/* A request under way; id 0: none. */
struct delivery {
	uint64_t id;
	int64_t sum;
	uint32_t n_tries;
	uint64_t queue; /* a hash of its name */
	bool owed;      /* it is over, but the store does not know yet: no request */
	bool done;      /* what it is to know: delivered or given up, or to be tried again */
	struct cv_notify_retry retry;
	char account[ACCOUNT_LEN];
	bool barred;   /* no address of the receiver's may be reached */
	size_t n_body; /* bytes of the answer */
	const struct cv_notify_nets *nets;
	CURL *easy;
	struct curl_slist *headers;
	char *body, *url;
	char shown[128]; /* the URL without secrets */
};

/* A subscription that has had its share for now. */
struct hold {
	uint64_t queue, until_ms;
};

struct cv_notify {
	struct cv_notify_cfg cfg;
	struct cv_notify_retry first; /* of messages that say nothing */
	struct hold *holds;           /* shape [n_holds] */
	uint32_t n_holds, cap_holds;
	uint64_t held_ms; /* until then a message is held back that is due; 0: none is */
	_Atomic(struct cv_store *) store;
	_Atomic uint32_t time_scale;
	_Atomic int netns; /* to be entered; -1: none */
	CURLM *multi;
	pthread_t thread;
	_Atomic bool stop;
	struct delivery deliveries[CV_NOTIFY_AT_ONCE];
	uint64_t trim_ms; /* when the outbox is counted */
	_Atomic uint64_t delivered, retried, given_up, dropped, waiting;
};

/* ---- one request ---- */

static void happened(const struct cv_notify *notify, const char *result, const char *url,
		     const char *why, uint64_t count)
{
	const struct cv_notify_event event = {result, url, why, count};

	if (notify->cfg.happened != NULL)
		notify->cfg.happened(notify->cfg.arg, &event);
}

/* Answers are of no interest, and too long ones are not waited for. */
static size_t body_drop(char *data, size_t size, size_t n, void *arg)
{
	struct delivery *delivery = arg;

	(void)data;
	delivery->n_body += size * n;
	return delivery->n_body <= CV_NOTIFY_ANSWER_MAX ? size * n : 0;
}

/* The name has been looked up: what it leads to must be a receiver's. */
static curl_socket_t socket_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct delivery *delivery = arg;

	(void)purpose;
	if (!cv_notify_may_reach(delivery->nets, &addr->addr)) {
		delivery->barred = true;
		return CURL_SOCKET_BAD;
	}
	return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

static bool header_add(struct delivery *delivery, const char *name, const char *value)
{
	struct curl_slist *list = NULL;
	char *line;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return false;
	list = curl_slist_append(delivery->headers, line);
	free(line);
	if (list == NULL)
		return false;
	delivery->headers = list;
	return true;
}

static bool headers_make(struct delivery *delivery, const struct notify_order *order)
{
	const struct cv_notify_message *message = &order->message;
	bool notification = strcmp(message->type, "Notification") == 0;

	return header_add(delivery, "Content-Type",
			  notification && order->type != NULL ? order->type : CV_NOTIFY_TYPE) &&
	       header_add(delivery, "Expect", "") &&
	       header_add(delivery, "x-amz-sns-message-type", message->type) &&
	       header_add(delivery, "x-amz-sns-message-id", message->id) &&
	       header_add(delivery, "x-amz-sns-topic-arn", message->topic) &&
	       (!notification ||
		header_add(delivery, "x-amz-sns-subscription-arn", message->subscription)) &&
	       (!order->raw || header_add(delivery, "x-amz-sns-rawdelivery", "true"));
}

/* Callers choose the URL: it leads to a receiver by HTTP, to no other place, and not for long. */
static bool easy_guard(CURL *easy, struct delivery *delivery)
{
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)CV_NOTIFY_SECONDS) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
		       CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, socket_open) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, delivery) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_drop) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, delivery) == CURLE_OK;
}

/* At the end, a name server that does not answer is not waited for. */
static bool easy_leaves(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075700
	return curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
#else
	return easy != NULL;
#endif
}

static bool easy_make(struct delivery *delivery)
{
	CURL *easy = curl_easy_init();

	delivery->easy = easy;
	return easy != NULL && easy_guard(easy, delivery) &&
	       curl_easy_setopt(easy, CURLOPT_URL, delivery->url) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
				(curl_off_t)strlen(delivery->body)) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_POSTFIELDS, delivery->body) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTPHEADER, delivery->headers) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_USERAGENT,
				"Amazon Simple Notification Service Agent") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK && easy_leaves(easy) &&
	       curl_easy_setopt(easy, CURLOPT_PRIVATE, delivery) == CURLE_OK;
}

static void delivery_fini(struct delivery *delivery)
{
	curl_easy_cleanup(delivery->easy);
	curl_slist_free_all(delivery->headers);
	free(delivery->body);
	free(delivery->url);
	*delivery = (struct delivery){0};
}

/* ---- so many in a second ---- */

static uint64_t queue_hash(const char *queue)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *queue != '\0'; queue++)
		hash = (hash ^ (uint8_t)*queue) * 0x100000001b3;
	return hash;
}

/* Those that are over make room. */
static void holds_trim(struct cv_notify *notify)
{
	uint64_t now_ms = cv_clock_ms();
	uint32_t n = 0;

	for (uint32_t i = 0; i < notify->n_holds; i++) {
		if (notify->holds[i].until_ms > now_ms)
			notify->holds[n++] = notify->holds[i];
	}
	notify->n_holds = n;
}

/* Without memory it goes sooner: better than never. */
static void hold_add(struct cv_notify *notify, uint64_t queue, uint32_t per_second)
{
	uint32_t cap = notify->cap_holds > 0 ? 2 * notify->cap_holds : 64;
	struct hold *holds = notify->holds;

	if (notify->n_holds == notify->cap_holds) {
		holds = realloc(holds, cap * sizeof(*holds));
		if (holds == NULL)
			return;
		notify->holds = holds;
		notify->cap_holds = cap;
	}
	holds[notify->n_holds++] = (struct hold){
		.queue = queue,
		.until_ms = cv_clock_ms() + (1000 + (uint64_t)per_second - 1) / per_second,
	};
}

/* @return 0, -EINVAL (nobody can deliver that) or -ENOMEM */
static int delivery_make(struct cv_notify *notify, const char *text, struct delivery *delivery)
{
	struct notify_order order;
	int ret = cv_notify_order_read(text, &order);

	if (ret < 0)
		return ret;
	delivery->url = strdup(order.url);
	cv_notify_url_mask(order.url, true, delivery->shown, sizeof(delivery->shown));
	delivery->body = order.raw ? strdup(order.message.message)
				   : cv_notify_envelope(notify->cfg.key, &order.message);
	delivery->nets = &notify->cfg.nets;
	if (order.has_retry)
		delivery->retry = order.retry;
	if (order.per_second > 0)
		hold_add(notify, delivery->queue, order.per_second);
	if (delivery->url == NULL || delivery->body == NULL || !headers_make(delivery, &order) ||
	    !easy_make(delivery))
		ret = -ENOMEM;
	json_decref(order.json);
	return ret;
}

/* ---- the outbox ---- */

/* A message that is due, copied out of the store. */
struct due {
	uint64_t id, queue;
	int64_t sum;
	uint32_t n_tries;
	char account[ACCOUNT_LEN];
	char *text;
};

struct look {
	struct cv_notify *notify;
	struct due items[CV_NOTIFY_AT_ONCE];
	uint32_t n, cap;
};

/* Queues are named by ARNs of subscriptions: arn:aws:sns:REGION:ACCOUNT:... */
static void account_get(const char *queue, char *account)
{
	const char *at = queue;
	size_t len;

	for (int i = 0; i < 4 && at != NULL; i++) {
		at = strchr(at, ':');
		at = at != NULL ? at + 1 : NULL;
	}
	len = at != NULL ? strcspn(at, ":") : 0;
	snprintf(account, ACCOUNT_LEN, "%.*s", len < ACCOUNT_LEN ? (int)len : 0,
		 at != NULL ? at : "");
}

static bool has_share(const struct look *look, const char *account)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < CV_NOTIFY_AT_ONCE; i++) {
		const struct delivery *delivery = &look->notify->deliveries[i];

		n += delivery->id != 0 && strcmp(delivery->account, account) == 0;
	}
	for (uint32_t i = 0; i < look->n; i++)
		n += strcmp(look->items[i].account, account) == 0;
	return n < CV_NOTIFY_AT_ONCE_OWN;
}

/* Has it had its share? Then there is a time at which to look again. */
static bool is_held(struct look *look, uint64_t queue)
{
	struct cv_notify *notify = look->notify;

	for (uint32_t i = 0; i < notify->n_holds; i++) {
		const struct hold *hold = &notify->holds[i];

		if (hold->queue != queue)
			continue;
		if (notify->held_ms == 0 || hold->until_ms < notify->held_ms)
			notify->held_ms = hold->until_ms;
		return true;
	}
	return false;
}

static int due_take(void *arg, const struct cv_store_message *message)
{
	struct look *look = arg;
	struct due *due = &look->items[look->n];
	uint64_t queue = queue_hash(message->queue);
	char account[ACCOUNT_LEN];

	for (uint32_t i = 0; i < CV_NOTIFY_AT_ONCE; i++) {
		if (look->notify->deliveries[i].id == message->id)
			return 0;
	}
	if (is_held(look, queue))
		return 0;
	account_get(message->queue, account);
	/* Receivers that keep us waiting keep those of their own account waiting. */
	if (look->n == look->cap || !has_share(look, account))
		return 0;
	*due = (struct due){.id = message->id,
			    .queue = queue,
			    .sum = message->sum,
			    .n_tries = message->n_tries,
			    .text = strdup(message->text)};
	memcpy(due->account, account, sizeof(account));
	look->n += due->text != NULL;
	return 0;
}

static void log_errs(struct cv_errs *errs)
{
	if (errs->n > 0)
		cv_log(CV_LOG_WARNING, "outbox: %s", errs->items[0].text);
	cv_errs_fini(errs);
}

/* Done with, or again later. @return whether the store knows it */
static bool settle(struct cv_notify *notify, const struct delivery *delivery)
{
	const struct cv_store_message message = {.id = delivery->id, .sum = delivery->sum};
	struct cv_store *store = atomic_load(&notify->store);
	uint32_t wait_s = cv_notify_retry_wait(&delivery->retry, delivery->n_tries);
	uint32_t scale = atomic_load(&notify->time_scale);
	uint64_t next = (uint64_t)time(NULL) + (wait_s + scale - 1) / scale;
	struct cv_errs errs = {0};
	int ret = delivery->done ? cv_store_outbox_done(store, &message, &errs)
				 : cv_store_outbox_later(store, &message, next, &errs);

	log_errs(&errs);
	return ret == 0;
}

/*
 * The end of a request. While the store cannot be told, as on a full disk, its place stays taken: else the
 * message would be sent again at once, and again.
 */
static void delivery_settle(struct cv_notify *notify, struct delivery *delivery, bool done)
{
	struct delivery owed = {.id = delivery->id,
				.sum = delivery->sum,
				.n_tries = delivery->n_tries,
				.retry = delivery->retry,
				.owed = true,
				.done = done};

	memcpy(owed.account, delivery->account, sizeof(owed.account));
	delivery_fini(delivery);
	if (!settle(notify, &owed))
		*delivery = owed;
}

/* Once a second. */
static void owed_settle(struct cv_notify *notify)
{
	for (uint32_t i = 0; i < CV_NOTIFY_AT_ONCE; i++) {
		struct delivery *delivery = &notify->deliveries[i];

		/* One that fails stands for all of them. */
		if (delivery->owed && !settle(notify, delivery))
			return;
		if (delivery->owed)
			*delivery = (struct delivery){0};
	}
}

static void delivery_begin(struct cv_notify *notify, const struct due *due)
{
	struct delivery *delivery = notify->deliveries;
	int ret;

	while (delivery->id != 0)
		delivery++;
	delivery->id = due->id;
	delivery->queue = due->queue;
	delivery->retry = notify->first;
	delivery->sum = due->sum;
	delivery->n_tries = due->n_tries;
	memcpy(delivery->account, due->account, sizeof(due->account));
	ret = delivery_make(notify, due->text, delivery);
	if (ret == 0 && curl_multi_add_handle(notify->multi, delivery->easy) != CURLM_OK)
		ret = -ENOMEM;
	if (ret == 0)
		return;
	delivery_settle(notify, delivery, ret == -EINVAL);
	if (ret == -EINVAL)
		atomic_fetch_add(&notify->given_up, 1);
}

/* How many wait, and no more than may. The oldest of an account go: of those who are away the longest. */
static void outbox_trim(struct cv_notify *notify)
{
	struct cv_store *store = atomic_load(&notify->store);
	uint64_t now_ms = cv_clock_ms(), waiting = 0, dropped = 0;
	struct cv_errs errs = {0};

	if (store == NULL || now_ms < notify->trim_ms)
		return;
	notify->trim_ms = now_ms + LOOK_MS;
	owed_settle(notify);
	if (cv_store_outbox_trim(store, notify->cfg.messages_max, &waiting, &dropped, &errs) == 0)
		atomic_store(&notify->waiting, waiting);
	log_errs(&errs);
	if (dropped == 0)
		return;
	atomic_fetch_add(&notify->dropped, dropped);
	cv_log(CV_LOG_WARNING,
	       "more than %llu notifications wait for receivers: the oldest %llu are dropped "
	       "(api.notifications.messages)",
	       (unsigned long long)notify->cfg.messages_max, (unsigned long long)dropped);
	happened(notify, "dropped", NULL, "too many wait", dropped);
}

/* Only this thread, and those that look up names for it. */
static void netns_enter(struct cv_notify *notify)
{
	int fd = atomic_exchange(&notify->netns, -1);
	struct stat own, other;
	bool same;

	if (fd < 0)
		return;
	/* To stay where one is takes the same right as to leave. */
	same = stat("/proc/thread-self/ns/net", &own) == 0 && fstat(fd, &other) == 0 &&
	       own.st_ino == other.st_ino && own.st_dev == other.st_dev;
	if (!same && setns(fd, CLONE_NEWNET) < 0)
		cv_log(CV_LOG_WARNING,
		       "notifications are not sent from the network namespace of the APIs: %s",
		       strerror(errno));
	close(fd);
}

static void outbox_look(struct cv_notify *notify)
{
	struct cv_store *store = atomic_load(&notify->store);
	struct look look = {.notify = notify};
	struct cv_errs errs = {0};

	notify->held_ms = 0;
	for (uint32_t i = 0; i < CV_NOTIFY_AT_ONCE; i++)
		look.cap += notify->deliveries[i].id == 0;
	if (store == NULL || look.cap == 0)
		return;
	/* After the store is there: whoever gives it has said the namespace before. */
	netns_enter(notify);
	holds_trim(notify);
	/* All queues that are due: others may stand behind those of one account, however many. */
	(void)cv_store_outbox_peek(store, (uint64_t)time(NULL), UINT32_MAX, due_take, &look, &errs);
	log_errs(&errs);
	for (uint32_t i = 0; i < look.n; i++) {
		delivery_begin(notify, &look.items[i]);
		free(look.items[i].text);
	}
}

/* ---- answers ---- */

/* As SNS: what the receiver refuses is not sent again. */
static bool may_retry(CURLcode code, long status)
{
	return (code != CURLE_OK && status < 200) || status >= 500 || status == 429 ||
	       status == 408;
}

/* What is wrong, for people; number is room for a status. @return NULL: nothing */
static const char *fault_get(const struct delivery *delivery, CURLcode code, long status,
			     char *number, size_t cap)
{
	if (delivery->barred && code != CURLE_OK)
		return "no receiver may be there (api.notifications.receivers)";
	/* Who has said that it has the message must not get it again, however the rest comes. */
	if (status >= 200 && status < 300)
		return NULL;
	if (code != CURLE_OK && delivery->n_body <= CV_NOTIFY_ANSWER_MAX)
		return curl_easy_strerror(code);
	snprintf(number, cap, "HTTP status %d", (int)(status % 1000));
	return number;
}

static void result_tell(struct cv_notify *notify, const struct delivery *delivery,
			const char *fault, bool later)
{
	if (fault == NULL) {
		if (delivery->n_tries > 0)
			happened(notify, "delivered again", delivery->shown, NULL, 1);
		return;
	}
	if (later && delivery->n_tries > 0)
		return;
	cv_log(CV_LOG_WARNING, "notification to %s: %s, %s", delivery->shown, fault,
	       later ? "will be tried again" : "given up");
	happened(notify, later ? "failing" : "given up", delivery->shown, fault, 1);
}

static void delivery_end(struct cv_notify *notify, struct delivery *delivery, CURLcode code)
{
	char number[24];
	const char *fault;
	long status = 0;
	bool later;

	curl_easy_getinfo(delivery->easy, CURLINFO_RESPONSE_CODE, &status);
	fault = fault_get(delivery, code, status, number, sizeof(number));
	later = fault != NULL && may_retry(code, status) && delivery->n_tries < delivery->retry.n;
	if (fault == NULL)
		atomic_fetch_add(&notify->delivered, 1);
	else
		atomic_fetch_add(later ? &notify->retried : &notify->given_up, 1);
	result_tell(notify, delivery, fault, later);
	curl_multi_remove_handle(notify->multi, delivery->easy);
	delivery_settle(notify, delivery, !later);
}

/* @return whether there was one */
static bool answers_take(struct cv_notify *notify)
{
	CURLMsg *msg;
	bool any = false;
	int left;

	while ((msg = curl_multi_info_read(notify->multi, &left)) != NULL) {
		CURLcode code = msg->data.result;
		char *delivery = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &delivery);
		delivery_end(notify, (struct delivery *)(void *)delivery, code);
		any = true;
	}
	return any;
}

/* Until the outbox is looked at again, if nothing happens. */
static int pause_ms(const struct cv_notify *notify)
{
	uint64_t now_ms = cv_clock_ms();

	if (notify->held_ms == 0 || notify->held_ms >= now_ms + LOOK_MS)
		return LOOK_MS;
	return notify->held_ms > now_ms ? (int)(notify->held_ms - now_ms) : 1;
}

static void *run(void *arg)
{
	struct cv_notify *notify = arg;
	int n_running;

	while (!atomic_load(&notify->stop)) {
		if (notify->cfg.tick != NULL)
			notify->cfg.tick(notify->cfg.arg);
		outbox_trim(notify);
		outbox_look(notify);
		curl_multi_perform(notify->multi, &n_running);
		if (!answers_take(notify))
			curl_multi_poll(notify->multi, NULL, 0, pause_ms(notify), NULL);
	}
	return NULL;
}

/* ---- life ---- */

int cv_notify_create(const struct cv_notify_cfg *cfg, struct cv_notify **ret_notify)
{
	struct cv_notify *notify = calloc(1, sizeof(*notify));

	if (notify == NULL)
		return -ENOMEM;
	notify->cfg = *cfg;
	cv_notify_retry_first(cfg->n_tries, &notify->first);
	atomic_store(&notify->netns, -1);
	atomic_store(&notify->time_scale, 1);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		notify->multi = curl_multi_init();
	if (notify->multi == NULL) {
		free(notify);
		return -ENOMEM;
	}
	if (pthread_create(&notify->thread, NULL, run, notify) != 0) {
		curl_multi_cleanup(notify->multi);
		free(notify);
		return -ENOMEM;
	}
	*ret_notify = notify;
	return 0;
}

void cv_notify_destroy(struct cv_notify *notify)
{
	if (notify == NULL)
		return;
	atomic_store(&notify->stop, true);
	cv_notify_wake(notify);
	pthread_join(notify->thread, NULL);
	for (uint32_t i = 0; i < CV_NOTIFY_AT_ONCE; i++) {
		if (notify->deliveries[i].easy == NULL)
			continue;
		curl_multi_remove_handle(notify->multi, notify->deliveries[i].easy);
		delivery_fini(&notify->deliveries[i]);
	}
	curl_multi_cleanup(notify->multi);
	if (atomic_load(&notify->netns) >= 0)
		close(atomic_load(&notify->netns));
	free(notify->holds);
	free(notify);
}

void cv_notify_netns(struct cv_notify *notify, int netns)
{
	atomic_store(&notify->netns, netns);
}

void cv_notify_store(struct cv_notify *notify, struct cv_store *store)
{
	atomic_store(&notify->store, store);
}

void cv_notify_time_scale(struct cv_notify *notify, uint32_t time_scale)
{
	atomic_store(&notify->time_scale, time_scale > 1 ? time_scale : 1);
}

void cv_notify_wake(struct cv_notify *notify)
{
	curl_multi_wakeup(notify->multi);
}

void cv_notify_counts(struct cv_notify *notify, struct cv_notify_counts *ret_counts)
{
	ret_counts->delivered = atomic_load(&notify->delivered);
	ret_counts->retried = atomic_load(&notify->retried);
	ret_counts->given_up = atomic_load(&notify->given_up);
	ret_counts->dropped = atomic_load(&notify->dropped);
	ret_counts->waiting = atomic_load(&notify->waiting);
}

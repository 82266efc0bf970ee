/* SPDX-License-Identifier: BSD-3-Clause */

/* HTTP and HTTPS over connections that are made already. */

#include "probe_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "cv_base.h"

/* What AWS's load balancers call themselves. */
#define USER_AGENT "ELB-HealthChecker/2.0"

/* ---- libcurl's callbacks ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct cv_probe *probe = arg;
	struct probe_item *item = NULL;
	struct epoll_event event = {0};

	(void)socket_arg;
	if (what == CURL_POLL_REMOVE) {
		/* The socket may be closed already. */
		(void)epoll_ctl(probe->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &item);
	event.data.ptr = item;
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (epoll_ctl(probe->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0 &&
	    epoll_ctl(probe->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -1;
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct cv_probe *probe = arg;

	(void)multi;
	probe->curl_ms = timeout_ms < 0 ? UINT64_MAX : cv_clock_ms() + (uint64_t)timeout_ms;
	return 0;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct probe_item *item = arg;

	(void)purpose;
	(void)address;
	/* libcurl may ask again, for a second try: there is none. */
	if (item->fd_returned)
		return CURL_SOCKET_BAD;
	return item->fd;
}

static int on_sockopt(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	(void)arg;
	(void)fd;
	(void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

/* The connection is ended our way. */
static int on_close(void *arg, curl_socket_t fd)
{
	struct probe_item *item = arg;

	cv_assert(fd == item->fd);
	item->fd_returned = true;
	return 0;
}

/* The answer is complete with its headers: what follows is not asked for. */
static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct probe_item *item = arg;
	long code = 0;

	(void)size;
	if (n == 0 || (line[0] != '\r' && line[0] != '\n'))
		return n;
	curl_easy_getinfo(item->easy, CURLINFO_RESPONSE_CODE, &code);
	if (code < 200)
		return n; /* an interim answer */
	item->code = code;
	return 0;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	(void)bytes;
	(void)size;
	(void)arg;
	return n;
}

/* ---- life ---- */

int cv_probe_http_init(struct cv_probe *probe)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return -ENOMEM;
	probe->multi = curl_multi_init();
	if (probe->multi == NULL) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	curl_multi_setopt(probe->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(probe->multi, CURLMOPT_SOCKETDATA, probe);
	curl_multi_setopt(probe->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(probe->multi, CURLMOPT_TIMERDATA, probe);
	return 0;
}

void cv_probe_http_fini(struct cv_probe *probe)
{
	if (probe->multi == NULL)
		return;
	curl_multi_cleanup(probe->multi);
	curl_global_cleanup();
}

/* Whatever the target's certificate says; TLS 1.2 at most, as AWS. */
static void tls_set(CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION,
			 (long)(CURL_SSLVERSION_TLSv1 | CURL_SSLVERSION_MAX_TLSv1_2));
	/* Old targets have short keys; nothing secret is said. */
	curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0");
}

static void socket_set(CURL *easy, struct probe_item *item)
{
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, item);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_sockopt);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, item);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
}

static int request_set(CURL *easy, struct probe_item *item)
{
	char url[64], host[64], ip[CV_NET_STR_LEN];
	struct curl_slist *more;

	snprintf(url, sizeof(url), "%s://%s:%u/",
		 item->req.protocol == CV_PROBE_HTTPS ? "https" : "http",
		 cv_ip4_str(item->req.ip, ip), item->req.port);
	snprintf(host, sizeof(host), "Host: %s:%u", cv_ip4_str(item->req.from, ip),
		 item->req.host_port);
	item->headers = curl_slist_append(NULL, host);
	more = item->headers != NULL ? curl_slist_append(item->headers, "Connection: close") : NULL;
	if (more == NULL)
		return -ENOMEM;
	if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, item->req.path) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT) != CURLE_OK)
		return -ENOMEM;
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, item->headers);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, item);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, item);
	return 0;
}

/* Frees what libcurl has of an item; it gives the socket back. */
static void item_release(struct probe_item *item)
{
	if (item->easy != NULL)
		curl_easy_cleanup(item->easy);
	curl_slist_free_all(item->headers);
	item->easy = NULL;
	item->headers = NULL;
}

int cv_probe_http_begin(struct cv_probe *probe, struct probe_item *item)
{
	item->easy = curl_easy_init();
	if (item->easy == NULL)
		return -ENOMEM;
	socket_set(item->easy, item);
	if (item->req.protocol == CV_PROBE_HTTPS)
		tls_set(item->easy);
	if (request_set(item->easy, item) < 0 ||
	    curl_multi_add_handle(probe->multi, item->easy) != CURLM_OK) {
		item_release(item);
		return -ENOMEM;
	}
	return 0;
}

void cv_probe_http_end(struct cv_probe *probe, struct probe_item *item)
{
	curl_multi_remove_handle(probe->multi, item->easy);
	item_release(item);
}

/* ---- ends ---- */

static void item_done(struct cv_probe *probe, struct probe_item *item, CURLcode why)
{
	cv_probe_http_end(probe, item);
	if (item->code != 0)
		cv_probe_answer(probe, item, CV_PROBE_ANSWERED, (uint16_t)item->code, "");
	else if (why == CURLE_OUT_OF_MEMORY)
		cv_probe_answer(probe, item, CV_PROBE_INTERNAL, 0, curl_easy_strerror(why));
	else
		cv_probe_answer(probe, item, CV_PROBE_FAILED, 0,
				why != CURLE_OK ? curl_easy_strerror(why) : "no HTTP answer");
	cv_probe_close(probe, item);
}

static void done_take(struct cv_probe *probe)
{
	CURLMsg *msg;
	int n_left;

	while ((msg = curl_multi_info_read(probe->multi, &n_left)) != NULL) {
		struct probe_item *item = NULL;
		CURLcode why = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &item);
		item_done(probe, item, why);
	}
}

void cv_probe_http_event(struct cv_probe *probe, struct probe_item *item, uint32_t events)
{
	int what = 0, n_running;

	if (events & (EPOLLIN | EPOLLRDHUP))
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		what |= CURL_CSELECT_ERR;
	curl_multi_socket_action(probe->multi, item->fd, what, &n_running);
	done_take(probe);
}

void cv_probe_http_tick(struct cv_probe *probe, uint64_t now_ms)
{
	int n_running;

	if (now_ms < probe->curl_ms)
		return;
	probe->curl_ms = UINT64_MAX;
	curl_multi_socket_action(probe->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
	done_take(probe);
}

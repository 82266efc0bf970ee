/* SPDX-License-Identifier: BSD-3-Clause */

/* The AWS APIs over HTTP. */

#include "cv_api_tcp.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cv_aws.h"

#include "serve_priv.h"

/* Bytes of request line and headers at most: a session token alone may have 2 KB. */
#define HEAD_LEN_MAX (48 * 1024)
#define STACK_LEN (512 * 1024)
/* SIOCGSKNS of linux/sockios.h: the network namespace of a socket. */
#define NETNS_GET 0x894C
/* As AWS: TLS 1.2 and later, in GnuTLS's words. */
#define TLS_PRIORITIES "NORMAL:-VERS-TLS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct cv_api_tcp {
	struct cv_aws *aws;
	char *server; /* Server header */
	uint32_t body_bytes, request_seconds, idle_seconds;
	struct tcp_guard guard;
	struct tcp_tls tls;
	struct MHD_Daemon *daemons[CV_API_LISTEN_MAX];
	uint16_t ports[CV_API_LISTEN_MAX];
	uint32_t n_daemons;
};

/* A request on its way in. */
struct request {
	char *path;  /* of the request line; the query is cut off */
	char *query; /* in path's memory */
	char *body;
	size_t len, cap;
	bool begun, too_long, no_memory;
};

static struct tcp_conn *conn_get(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

static void conn_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
			enum MHD_ConnectionNotificationCode code)
{
	struct cv_api_tcp *tcp = cls;
	const union MHD_ConnectionInfo *info;
	struct tcp_conn *conn = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		conn = cv_api_guard_add(&tcp->guard, info->connect_fd, tcp->request_seconds);
		info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
		if (conn != NULL && info != NULL && info->tls_session != NULL)
			conn->creds = cv_api_tls_hold(&tcp->tls, info->tls_session);
		*socket_context = conn;
	} else {
		if (conn != NULL)
			cv_api_tls_let(&tcp->tls, conn->creds);
		cv_api_guard_remove(&tcp->guard, conn);
		*socket_context = NULL;
	}
}

/* Sees the request line before anything in it is decoded: it is what was signed. */
static void *request_begin(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct cv_api_tcp *tcp = cls;
	struct request *request = calloc(1, sizeof(*request));
	char *mark;

	cv_api_guard_extend(&tcp->guard, conn_get(mhd), tcp->request_seconds);
	if (request == NULL)
		return NULL;
	request->path = strdup(uri);
	if (request->path == NULL) {
		free(request);
		return NULL;
	}
	mark = strchr(request->path, '?');
	request->query = mark != NULL ? mark + 1 : request->path + strlen(request->path);
	if (mark != NULL)
		*mark = '\0';
	return request;
}

static void request_end(void *cls, struct MHD_Connection *mhd, void **req_cls,
			enum MHD_RequestTerminationCode code)
{
	struct cv_api_tcp *tcp = cls;
	struct request *request = *req_cls;

	(void)code;
	cv_api_guard_extend(&tcp->guard, conn_get(mhd), tcp->idle_seconds);
	if (request == NULL)
		return;
	free(request->body);
	free(request->path);
	free(request);
	*req_cls = NULL;
}

/* What is too long is read to its end, so that the client sees why, unless there is far too much. */
static enum MHD_Result body_add(const struct cv_api_tcp *tcp, struct request *request,
				const char *part, size_t len)
{
	if (request->too_long || request->len + len > tcp->body_bytes) {
		request->too_long = true;
		request->len += len;
		return request->len <= 8 * (size_t)tcp->body_bytes ? MHD_YES : MHD_NO;
	}
	if (request->len + len > request->cap) {
		size_t cap = request->cap == 0 ? 4096 : request->cap;
		char *body;

		while (cap < request->len + len)
			cap *= 2;
		body = realloc(request->body, cap);
		if (body == NULL) {
			request->no_memory = true;
			return MHD_NO;
		}
		request->body = body;
		request->cap = cap;
	}
	memcpy(request->body + request->len, part, len);
	request->len += len;
	return MHD_YES;
}

struct headers {
	struct cv_sigv4_header items[CV_SIGV4_HEADERS_MAX];
	uint32_t n;
	bool too_many;
};

static enum MHD_Result header_add(void *cls, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	struct headers *headers = cls;

	(void)kind;
	if (headers->n == CV_SIGV4_HEADERS_MAX) {
		headers->too_many = true;
		return MHD_NO;
	}
	headers->items[headers->n++] = (struct cv_sigv4_header){name, value != NULL ? value : ""};
	return MHD_YES;
}

static enum MHD_Result answer_send(const struct cv_api_tcp *tcp, struct MHD_Connection *mhd,
				   struct cv_aws_answer *answer)
{
	struct MHD_Response *response;
	enum MHD_Result ret;

	if (answer->text == NULL)
		return MHD_NO;
	response =
		MHD_create_response_from_buffer(answer->len, answer->text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		free(answer->text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache, no-store");
	MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, tcp->server);
	MHD_add_response_header(response, "x-amzn-RequestId", answer->request_id);
	if (answer->protocol != NULL)
		MHD_add_response_header(response, "smithy-protocol", answer->protocol);
	if (answer->query_error[0] != '\0')
		MHD_add_response_header(response, "x-amzn-query-error", answer->query_error);
	if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "POST, GET");
	ret = MHD_queue_response(mhd, answer->status, response);
	MHD_destroy_response(response);
	return ret;
}

static enum MHD_Result answer(const struct cv_api_tcp *tcp, struct MHD_Connection *mhd,
			      const char *method, const struct request *in)
{
	struct headers headers = {.n = 0};
	struct cv_aws_answer out;
	struct cv_sigv4_request request = {
		.method = method,
		.path = in->path,
		.query = in->query,
		.headers = headers.items,
		.body = in->body != NULL ? in->body : "",
		.body_len = in->len,
	};

	MHD_get_connection_values(mhd, MHD_HEADER_KIND, header_add, &headers);
	request.n_headers = headers.n;
	if (headers.too_many)
		cv_aws_refuse(&request, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "InvalidRequest",
			      "There are more than 64 headers", &out);
	else if (in->too_long)
		cv_aws_refuse(&request, MHD_HTTP_CONTENT_TOO_LARGE, "RequestEntityTooLarge",
			      "The body of the request is too long", &out);
	else
		cv_aws_handle(tcp->aws, &request, &out);
	return answer_send(tcp, mhd, &out);
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *mhd, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_len, void **req_cls)
{
	const struct cv_api_tcp *tcp = cls;
	struct request *request = *req_cls;

	(void)url;
	(void)version;
	if (request == NULL)
		return MHD_NO;
	if (!request->begun) {
		request->begun = true;
		return MHD_YES;
	}
	if (*upload_len > 0) {
		enum MHD_Result ret = body_add(tcp, request, upload, *upload_len);

		*upload_len = 0;
		return ret;
	}
	return answer(tcp, mhd, method, request);
}

static void CV_PRINTF(2, 0) log_mhd(void *cls, const char *fmt, va_list ap)
{
	char line[256];

	(void)cls;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	cv_log(CV_LOG_DEBUG, "http: %s", line);
}

/* ---- life ---- */

static struct MHD_Daemon *daemon_start(struct cv_api_tcp *tcp, const struct cv_api_tcp_cfg *cfg,
				       int fd, const struct tcp_pems *pems)
{
	const unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
				   MHD_USE_POLL | MHD_USE_ERROR_LOG | MHD_USE_ITC |
				   (pems->key != NULL ? MHD_USE_TLS : 0U);
	const struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, pems->cert},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, pems->key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
		{MHD_OPTION_END, 0, NULL},
	};

	return MHD_start_daemon(
		flags, 0, NULL, NULL, handle, tcp, MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, cfg->connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, cfg->connections_per_client,
		MHD_OPTION_CONNECTION_TIMEOUT, cfg->idle_seconds,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_LEN_MAX,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_LEN, MHD_OPTION_URI_LOG_CALLBACK,
		request_begin, tcp, MHD_OPTION_NOTIFY_COMPLETED, request_end, tcp,
		MHD_OPTION_NOTIFY_CONNECTION, conn_notify, tcp, MHD_OPTION_ARRAY,
		pems->key != NULL ? tls : tls + CV_ARRAY_LEN(tls) - 1, MHD_OPTION_END);
}

static int listen_start(struct cv_api_tcp *tcp, const struct cv_api_tcp_cfg *cfg,
			const struct tcp_pems *pems, struct cv_errs *errs)
{
	uint32_t i = tcp->n_daemons;
	int fd = cv_api_socket_open(cfg->listen[i], errs, &tcp->ports[i]);

	if (fd < 0)
		return fd;
	tcp->daemons[i] = daemon_start(tcp, cfg, fd, pems);
	if (tcp->daemons[i] == NULL) {
		close(fd);
		cv_errs_add(errs, "api", 0, "the server does not start on %.64s", cfg->listen[i]);
		return -EIO;
	}
	tcp->n_daemons++;
	return 0;
}

static int start(struct cv_api_tcp *tcp, const struct cv_api_tcp_cfg *cfg, struct cv_errs *errs)
{
	struct tcp_pems pems = {0};
	int ret = 0;

	if (cfg->tls_key != NULL)
		ret = cv_api_tls_init(&tcp->tls, cfg->tls_cert, cfg->tls_key);
	if (ret == 0 && cfg->tls_key != NULL)
		ret = cv_api_tls_load(&tcp->tls, errs, &pems);
	while (ret == 0 && tcp->n_daemons < cfg->n_listen)
		ret = listen_start(tcp, cfg, &pems, errs);
	cv_api_pems_fini(&pems);
	return ret;
}

int cv_api_tcp_create(const struct cv_api_tcp_cfg *cfg, struct cv_errs *errs,
		      struct cv_api_tcp **ret_tcp)
{
	struct cv_api_tcp *tcp = calloc(1, sizeof(*tcp));
	int ret;

	if (tcp == NULL)
		return -ENOMEM;
	tcp->tls.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	tcp->aws = cfg->aws;
	tcp->body_bytes = cfg->body_bytes;
	tcp->request_seconds = cfg->request_seconds;
	tcp->idle_seconds = cfg->idle_seconds;
	ret = cv_api_guard_init(&tcp->guard);
	if (asprintf(&tcp->server, "culvertd/%s", cfg->version) < 0) {
		tcp->server = NULL;
		ret = -ENOMEM;
	}
	if (ret == 0)
		ret = start(tcp, cfg, errs);
	if (ret < 0) {
		cv_api_tcp_destroy(tcp);
		return ret;
	}
	*ret_tcp = tcp;
	return 0;
}

int cv_api_tcp_renew(struct cv_api_tcp *tcp, struct cv_errs *errs, time_t *ret_until)
{
	struct tcp_pems pems = {0};
	int ret;

	if (tcp->tls.key_file == NULL)
		return -ENOTSUP;
	ret = cv_api_tls_load(&tcp->tls, errs, &pems);
	cv_api_pems_fini(&pems);
	if (ret == 0)
		*ret_until = tcp->tls.until;
	return ret;
}

int cv_api_tcp_netns(const struct cv_api_tcp *tcp)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(tcp->daemons[0], MHD_DAEMON_INFO_LISTEN_FD);
	int fd = info != NULL ? ioctl(info->listen_fd, NETNS_GET) : -1;

	return fd >= 0 ? fd : -(info != NULL ? errno : EBADF);
}

uint16_t cv_api_tcp_port(const struct cv_api_tcp *tcp, uint32_t i)
{
	return tcp->ports[i];
}

void cv_api_tcp_destroy(struct cv_api_tcp *tcp)
{
	if (tcp == NULL)
		return;
	for (uint32_t i = 0; i < tcp->n_daemons; i++)
		MHD_stop_daemon(tcp->daemons[i]);
	cv_api_guard_fini(&tcp->guard);
	cv_api_tls_fini(&tcp->tls);
	free(tcp->server);
	free(tcp);
}

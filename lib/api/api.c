/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_api.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api_priv.h"

/* Answers wait for control, and the library's stack use is small. */
#define STACK_LEN (256 * 1024)
/* Bytes of a body that are read and thrown away so that the client sees the answer. */
#define BODY_LEN_MAX 65536
#define IDLE_SECONDS_DEFAULT 30

struct cv_api {
	struct cv_api_ops ops;
	struct api_listen listen;
	struct MHD_Daemon *daemon;
	char *socket;
	char *server; /* Server header */
};

/* Reads the query; MHD has undone the escapes. A NUL inside would cut a text short: refused as "". */
static enum MHD_Result param_add(void *cls, enum MHD_ValueKind kind, const char *key,
				 size_t key_size, const char *value, size_t value_size)
{
	struct api_request *request = cls;
	bool whole = strlen(key) == key_size && (value == NULL || strlen(value) == value_size);

	(void)kind;
	if (request->n_params == API_PARAMS_MAX) {
		request->too_many_params = true;
		return MHD_NO;
	}
	request->params[request->n_params].name = whole ? key : "";
	request->params[request->n_params].value = value;
	request->n_params++;
	return MHD_YES;
}

static enum MHD_Result answer_send(const struct cv_api *api, struct MHD_Connection *conn,
				   struct api_answer *answer)
{
	static const char no_memory[] =
		"{\"error\": {\"status\": 500, \"message\": \"out of memory\"}}";
	struct MHD_Response *response;
	enum MHD_Result ret;

	if (answer->text == NULL) {
		answer->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		response = MHD_create_response_from_buffer(
			strlen(no_memory), (void *)(uintptr_t)no_memory, MHD_RESPMEM_PERSISTENT);
	} else {
		response = MHD_create_response_from_buffer(answer->len, answer->text,
							   MHD_RESPMEM_MUST_FREE);
	}
	if (response == NULL) {
		free(answer->text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, api->server);
	if (answer->allow != NULL)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
	ret = MHD_queue_response(conn, answer->status, response);
	MHD_destroy_response(response);
	return ret;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *conn, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_len, void **req_cls)
{
	const struct cv_api *api = cls;
	struct api_request request = {.method = method, .path = url};
	struct api_answer answer;
	size_t *n_body = *req_cls;

	(void)version;
	(void)upload;
	if (n_body == NULL) {
		*req_cls = calloc(1, sizeof(*n_body));
		return *req_cls != NULL ? MHD_YES : MHD_NO;
	}
	if (*upload_len > 0) {
		*n_body += *upload_len;
		*upload_len = 0;
		return *n_body <= BODY_LEN_MAX ? MHD_YES : MHD_NO;
	}
	MHD_get_connection_values_n(conn, MHD_GET_ARGUMENT_KIND, param_add, &request);
	cv_api_route(&api->ops, &request, &answer);
	return answer_send(api, conn, &answer);
}

static void request_end(void *cls, struct MHD_Connection *conn, void **req_cls,
			enum MHD_RequestTerminationCode code)
{
	(void)cls;
	(void)conn;
	(void)code;
	free(*req_cls);
	*req_cls = NULL;
}

static void CV_PRINTF(2, 0) log_mhd(void *cls, const char *fmt, va_list ap)
{
	char line[256];

	(void)cls;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	cv_log(CV_LOG_DEBUG, "http: %s", line);
}

static struct MHD_Daemon *daemon_start(struct cv_api *api, unsigned int idle_seconds)
{
	const unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
				   MHD_USE_POLL | MHD_USE_ERROR_LOG | MHD_USE_ITC;

	/* A thread per connection: a question that waits for control delays nobody else's. */
	return MHD_start_daemon(flags, 0, NULL, NULL, handle, api, MHD_OPTION_EXTERNAL_LOGGER,
				log_mhd, NULL, MHD_OPTION_LISTEN_SOCKET, api->listen.fd,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CV_API_CONNECTIONS_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CV_API_REQUEST_LEN_MAX,
				MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_LEN,
				MHD_OPTION_NOTIFY_COMPLETED, request_end, NULL, MHD_OPTION_END);
}

int cv_api_create(const struct cv_api_cfg *cfg, struct cv_errs *errs, struct cv_api **ret_api)
{
	struct cv_api *api = calloc(1, sizeof(*api));
	int ret = -ENOMEM;

	if (api == NULL)
		return -ENOMEM;
	api->ops = cfg->ops;
	api->listen.fd = -1;
	api->socket = strdup(cfg->socket);
	if (asprintf(&api->server, "culvertd/%s", cfg->version) < 0)
		api->server = NULL;
	if (api->socket == NULL || api->server == NULL)
		goto fail;
	ret = cv_api_listen_open(api->socket, errs, &api->listen);
	if (ret < 0)
		goto fail;
	api->daemon =
		daemon_start(api, cfg->idle_seconds > 0 ? cfg->idle_seconds : IDLE_SECONDS_DEFAULT);
	if (api->daemon == NULL) {
		cv_errs_add(errs, "control.socket", 0, "the HTTP server does not start on %s",
			    api->socket);
		ret = -EIO;
		goto fail_listen;
	}
	*ret_api = api;
	return 0;

fail_listen:
	cv_api_listen_unlink(&api->listen);
	close(api->listen.fd);
fail:
	free(api->server);
	free(api->socket);
	free(api);
	return ret;
}

void cv_api_destroy(struct cv_api *api)
{
	if (api == NULL)
		return;
	/* First the name, so that nobody new comes; the daemon closes the descriptor. */
	cv_api_listen_unlink(&api->listen);
	MHD_stop_daemon(api->daemon);
	free(api->server);
	free(api->socket);
	free(api);
}

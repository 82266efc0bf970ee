/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What is not ours, to a resolver and back: each query from a port of its own with an id of its own, so
 * that nobody who does not see it can answer it.
 */

#include "dns_server_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

static void forward_end(struct cv_dns_server *server, struct dns_forward *f)
{
	if (f->prev != NULL)
		f->prev->next = f->next;
	else
		server->forwards = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	server->n_forwards--;
	f->site->n_forwards--;
	free(f->in);
	f->in = NULL;
	cv_dns_watch_end(server, &f->watch);
}

void cv_dns_forwards_end(struct cv_dns_server *server, const struct dns_site *site,
			 const struct dns_conn *conn)
{
	struct dns_forward *next;

	for (struct dns_forward *f = server->forwards; f != NULL; f = next) {
		next = f->next;
		if ((site == NULL || f->site == site) && (conn == NULL || f->conn == conn))
			forward_end(server, f);
	}
}

/* Gives the client its answer, shape [len], behind DNS_TCP_HEAD bytes of room. */
static void give(struct cv_dns_server *server, struct dns_forward *f, uint8_t *bytes, size_t len)
{
	struct dns_conn *conn = f->conn;

	if (conn != NULL) {
		f->conn = NULL; /* the end of the connection is not that of this query */
		cv_dns_conn_send(server, conn, bytes, len);
		if (conn->watch.fd >= 0)
			cv_dns_conn_run(server, conn, EPOLLIN);
	} else if (sendto(f->site->udp.fd, bytes, len, MSG_DONTWAIT,
			  (const struct sockaddr *)&f->client, sizeof(f->client)) < 0) {
		DNS_COUNT(server, drop_send);
	}
}

/* Nobody answers. */
static void give_up(struct cv_dns_server *server, struct dns_forward *f)
{
	const struct cv_dns_query query = {
		.bytes = f->query,
		.len = f->len,
		.tcp = f->conn != NULL,
		.can_forward = true,
	};
	size_t len = cv_dns_fail(&query, server->out + DNS_TCP_HEAD);

	DNS_COUNT(server, answers[2]);
	if (len > 0)
		give(server, f, server->out + DNS_TCP_HEAD, len);
	forward_end(server, f);
}

/* Sends the query with its own id. Over TCP it fits the socket's buffer. */
static int query_send(const struct dns_forward *f)
{
	uint8_t bytes[DNS_TCP_HEAD + DNS_QUERY_MAX];
	bool tcp = f->watch.kind == DNS_FORWARD_TCP;
	size_t head = tcp ? DNS_TCP_HEAD : 0, len = f->len + head;

	bytes[0] = (uint8_t)(f->len >> 8);
	bytes[1] = (uint8_t)f->len;
	memcpy(bytes + head, f->query, f->len);
	bytes[head] = (uint8_t)(f->id >> 8);
	bytes[head + 1] = (uint8_t)f->id;
	return send(f->watch.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len ? 0 : -1;
}

/* @return 0, or -1: the next one is to be asked */
static int ask(struct cv_dns_server *server, struct dns_forward *f,
	       const struct cv_dns_forwarder *forwarder)
{
	const struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = cv_be16(forwarder->port),
		.sin_addr.s_addr = forwarder->ip,
	};
	bool tcp = f->watch.kind == DNS_FORWARD_TCP;

	if (getrandom(&f->id, sizeof(f->id), GRND_NONBLOCK) < 0)
		return -1;
	f->in_len = 0;
	f->until_ms = cv_clock_ms() + DNS_FORWARD_MS;
	f->watch.fd =
		socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->watch.fd < 0)
		return -1;
	if ((connect(f->watch.fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 &&
	     errno != EINPROGRESS) ||
	    (!tcp && query_send(f) < 0) ||
	    cv_dns_watch(server, &f->watch, EPOLL_CTL_ADD, tcp ? EPOLLOUT : EPOLLIN) < 0) {
		close(f->watch.fd);
		f->watch.fd = -1;
		return -1;
	}
	return 0;
}

/* Asks the next forwarder. @return false: there is none */
static bool ask_next(struct cv_dns_server *server, struct dns_forward *f)
{
	if (f->watch.fd >= 0)
		close(f->watch.fd);
	f->watch.fd = -1;
	while (f->turn < server->data->n_forwarders)
		if (ask(server, f, &server->data->forwarders[f->turn++]) == 0)
			return true;
	return false;
}

bool cv_dns_forward(struct cv_dns_server *server, struct dns_site *site, struct dns_conn *conn,
		    const struct sockaddr_in *client, const uint8_t *bytes, size_t len)
{
	struct dns_forward *f;

	if (server->n_forwards >= DNS_FORWARDS_MAX || site->n_forwards >= DNS_FORWARDS_OF_SITE) {
		DNS_COUNT(server, forward_full);
		return false;
	}
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return false;
	f->watch = (struct dns_watch){
		.kind = conn != NULL ? DNS_FORWARD_TCP : DNS_FORWARD_UDP,
		.fd = -1,
		.owner = f,
	};
	f->site = site;
	f->conn = conn;
	if (client != NULL)
		f->client = *client;
	f->len = (uint32_t)len;
	memcpy(f->query, bytes, len);
	if (conn != NULL)
		f->in = malloc(DNS_TCP_HEAD + CV_DNS_LEN_MAX);
	if ((conn != NULL && f->in == NULL) || !ask_next(server, f)) {
		free(f->in);
		free(f);
		return false;
	}
	f->next = server->forwards;
	if (f->next != NULL)
		f->next->prev = f;
	server->forwards = f;
	server->n_forwards++;
	site->n_forwards++;
	if (conn != NULL)
		conn->waits = true;
	DNS_COUNT(server, forwarded);
	return true;
}

/* What the forwarder said, shape [len], with room before it. Tells whether it is the answer. */
static bool answer_take(struct cv_dns_server *server, struct dns_forward *f, uint8_t *bytes,
			size_t len)
{
	if (!cv_dns_is_answer(f->query, f->len, bytes, len, f->id))
		return false;
	memcpy(bytes, f->query, 2); /* the client's id */
	DNS_COUNT(server, forward_answers);
	give(server, f, bytes, len);
	forward_end(server, f);
	return true;
}

/* @return false: nothing will come of it */
static bool udp_read(struct cv_dns_server *server, struct dns_forward *f)
{
	for (;;) {
		ssize_t n =
			recv(f->watch.fd, server->out + DNS_TCP_HEAD, CV_DNS_LEN_MAX, MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (answer_take(server, f, server->out + DNS_TCP_HEAD, (size_t)n))
			return true;
	}
}

/* Likewise. */
static bool tcp_read(struct cv_dns_server *server, struct dns_forward *f)
{
	ssize_t n = recv(f->watch.fd, f->in + f->in_len, DNS_TCP_HEAD + CV_DNS_LEN_MAX - f->in_len,
			 MSG_DONTWAIT);
	uint32_t len;

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	f->in_len += (uint32_t)n;
	len = (uint32_t)f->in[0] << 8 | f->in[1];
	if (f->in_len < DNS_TCP_HEAD || f->in_len - DNS_TCP_HEAD < len)
		return true;
	return answer_take(server, f, f->in + DNS_TCP_HEAD, len);
}

void cv_dns_forward_run(struct cv_dns_server *server, struct dns_forward *f, uint32_t events)
{
	bool go_on;

	if (f->watch.kind == DNS_FORWARD_UDP)
		go_on = udp_read(server, f);
	else if ((events & EPOLLOUT) != 0)
		go_on = (events & (EPOLLERR | EPOLLHUP)) == 0 && query_send(f) == 0 &&
			cv_dns_watch(server, &f->watch, EPOLL_CTL_MOD, EPOLLIN) == 0;
	else
		go_on = tcp_read(server, f);
	if (!go_on && !ask_next(server, f))
		give_up(server, f);
}

void cv_dns_forwards_tick(struct cv_dns_server *server, uint64_t now_ms)
{
	struct dns_forward *next;

	for (struct dns_forward *f = server->forwards; f != NULL; f = next) {
		next = f->next;
		if (f->until_ms > now_ms)
			continue;
		DNS_COUNT(server, forward_timeouts);
		if (!ask_next(server, f))
			give_up(server, f);
	}
}

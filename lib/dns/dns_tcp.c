/* SPDX-License-Identifier: BSD-3-Clause */

/* Queries over TCP: one after another on each connection. */

#include "dns_server_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void conn_create(struct cv_dns_server *server, struct dns_site *site, int fd,
			cv_be32_t client)
{
	struct dns_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		close(fd);
		return;
	}
	conn->watch = (struct dns_watch){.kind = DNS_CONN, .fd = fd, .owner = conn};
	if (cv_dns_watch(server, &conn->watch, EPOLL_CTL_ADD, EPOLLIN) < 0) {
		close(fd);
		free(conn);
		return;
	}
	conn->site = site;
	conn->client = client;
	conn->until_ms = cv_clock_ms() + DNS_CONN_IDLE_MS;
	conn->next = server->conns;
	if (conn->next != NULL)
		conn->next->prev = conn;
	server->conns = conn;
	server->n_conns++;
	site->n_conns++;
}

void cv_dns_conn_end(struct cv_dns_server *server, struct dns_conn *conn)
{
	cv_dns_forwards_end(server, NULL, conn);
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		server->conns = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	server->n_conns--;
	conn->site->n_conns--;
	free(conn->out);
	conn->out = NULL;
	cv_dns_watch_end(server, &conn->watch);
}

/*
 * Makes room for a connection of a site: among those that wait for nothing of ours, the oldest of the site
 * with the most goes, if that has more. So nobody's idle connections keep others away.
 */
static bool room_make(struct cv_dns_server *server, const struct dns_site *site)
{
	struct dns_conn *spare = NULL;

	if (server->n_conns < DNS_CONNS_MAX)
		return true;
	for (struct dns_conn *conn = server->conns; conn != NULL; conn = conn->next) {
		uint32_t n = conn->site->n_conns;

		if (conn->waits || conn->out != NULL)
			continue;
		if (spare == NULL || n > spare->site->n_conns ||
		    (n == spare->site->n_conns && conn->until_ms < spare->until_ms))
			spare = conn;
	}
	if (spare == NULL || spare->site->n_conns <= site->n_conns)
		return false;
	DNS_COUNT(server, tcp_cut);
	cv_dns_conn_end(server, spare);
	return true;
}

void cv_dns_accept(struct cv_dns_server *server, struct dns_site *site)
{
	struct sockaddr_in client = {0};
	socklen_t len = sizeof(client);
	int fd = accept4(site->listen.fd, (struct sockaddr *)&client, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (site->n_conns >= DNS_CONNS_OF_SITE || !room_make(server, site)) {
		DNS_COUNT(server, tcp_refused);
		close(fd);
		return;
	}
	conn_create(server, site, fd, client.sin_addr.s_addr);
}

/* Reads only if there is nothing to wait for. @return false: the connection has ended */
static bool conn_watch(struct cv_dns_server *server, struct dns_conn *conn)
{
	uint32_t events = conn->out != NULL ? EPOLLOUT : conn->waits ? 0 : EPOLLIN;

	if (cv_dns_watch(server, &conn->watch, EPOLL_CTL_MOD, events) == 0)
		return true;
	cv_dns_conn_end(server, conn);
	return false;
}

/* Tells whether there is a whole query at the front. */
static bool is_whole(const struct dns_conn *conn)
{
	return conn->in_len >= DNS_TCP_HEAD &&
	       conn->in_len - DNS_TCP_HEAD >= ((uint32_t)conn->in[0] << 8 | conn->in[1]);
}

/* Answers what has come, as far as nothing must be waited for. */
static void conn_answer(struct cv_dns_server *server, struct dns_conn *conn)
{
	while (conn->watch.fd >= 0 && !conn->waits && conn->out == NULL && is_whole(conn)) {
		uint32_t len = (uint32_t)conn->in[0] << 8 | conn->in[1];
		size_t n;

		n = cv_dns_query_take(server, conn->site, conn, NULL, conn->in + DNS_TCP_HEAD, len);
		conn->in_len -= DNS_TCP_HEAD + len;
		memmove(conn->in, conn->in + DNS_TCP_HEAD + len, conn->in_len);
		if (n > 0)
			cv_dns_conn_send(server, conn, server->out + DNS_TCP_HEAD, n);
	}
}

void cv_dns_conn_send(struct cv_dns_server *server, struct dns_conn *conn, uint8_t *bytes,
		      size_t len)
{
	uint8_t *head = bytes - DNS_TCP_HEAD;
	ssize_t n;

	head[0] = (uint8_t)(len >> 8);
	head[1] = (uint8_t)len;
	len += DNS_TCP_HEAD;
	n = send(conn->watch.fd, head, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		n = 0;
	conn->waits = false;
	conn->until_ms = cv_clock_ms() + DNS_CONN_IDLE_MS;
	if (n >= 0 && (size_t)n < len) {
		conn->out = malloc(len - (size_t)n);
		conn->out_len = (uint32_t)(len - (size_t)n);
		conn->out_pos = 0;
		if (conn->out != NULL)
			memcpy(conn->out, head + n, conn->out_len);
		else
			n = -1;
	}
	if (n < 0) {
		DNS_COUNT(server, drop_send);
		cv_dns_conn_end(server, conn);
	}
}

/* @return false: the connection has ended */
static bool conn_flush(struct cv_dns_server *server, struct dns_conn *conn)
{
	ssize_t n = send(conn->watch.fd, conn->out + conn->out_pos, conn->out_len - conn->out_pos,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN) {
		DNS_COUNT(server, drop_send);
		cv_dns_conn_end(server, conn);
		return false;
	}
	conn->out_pos += n > 0 ? (uint32_t)n : 0;
	if (conn->out_pos == conn->out_len) {
		free(conn->out);
		conn->out = NULL;
	}
	return true;
}

/* @return false: the connection has ended */
static bool conn_read(struct cv_dns_server *server, struct dns_conn *conn)
{
	ssize_t n;

	if (is_whole(conn))
		return true; /* there may be no room for more */
	n = recv(conn->watch.fd, conn->in + conn->in_len, sizeof(conn->in) - conn->in_len,
		 MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n > 0) {
		conn->in_len += (uint32_t)n;
		if (conn->in_len < DNS_TCP_HEAD ||
		    ((uint32_t)conn->in[0] << 8 | conn->in[1]) <= DNS_QUERY_MAX)
			return true;
		DNS_COUNT(server, tcp_cut); /* no query is that long */
	}
	cv_dns_conn_end(server, conn);
	return false;
}

void cv_dns_conn_run(struct cv_dns_server *server, struct dns_conn *conn, uint32_t events)
{
	if (conn->waits && (events & (EPOLLHUP | EPOLLERR)) != 0) {
		cv_dns_conn_end(server, conn);
		return;
	}
	if (conn->out != NULL && !conn_flush(server, conn))
		return;
	if (conn->out == NULL && !conn->waits && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 &&
	    !conn_read(server, conn))
		return;
	conn_answer(server, conn);
	if (conn->watch.fd >= 0)
		(void)conn_watch(server, conn);
}

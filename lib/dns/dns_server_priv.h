/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside the server: what its thread works on. What has ended is freed at the end of a turn, because
 * events of the turn may still name it.
 */

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "cv_dns_server.h"
#include "dns_priv.h"

/** Longest query that is looked at, in bytes. */
#define DNS_QUERY_MAX 4096
/** Queries passed on at a time, of all VPCs and of one address in one. */
#define DNS_FORWARDS_MAX 1024
#define DNS_FORWARDS_OF_SITE 128
/** A forwarder answers within this time, or the next one is asked. */
#define DNS_FORWARD_MS 2000
/** TCP connections at a time, of all VPCs and of one address in one; an idle one is ended. */
#define DNS_CONNS_MAX 512
#define DNS_CONNS_OF_SITE 64
#define DNS_CONN_IDLE_MS 10000
/** Length before each message over TCP. */
#define DNS_TCP_HEAD 2

/** Clients that are counted at a time: sets, each of so many. */
#define DNS_RATE_SETS 1024
#define DNS_RATE_WAYS 4

/** What a client of a VPC has asked in a second. */
struct dns_asked {
	cv_be32_t client;
	uint16_t vpc;
	uint32_t second;
	uint32_t n; /**< 0: nobody */
};

/** All clients. */
struct dns_rate {
	uint64_t secret[2]; /**< nobody can find out who shares a set */
	struct dns_asked sets[DNS_RATE_SETS][DNS_RATE_WAYS];
};

/** Count a query. @param second  of any clock @param limit  at least 1 @return false: it is one too many */
bool cv_dns_rate_take(struct dns_rate *rate, uint16_t vpc, cv_be32_t client, uint32_t second,
		      uint32_t limit);

enum dns_kind { DNS_EVENT, DNS_UDP, DNS_LISTEN, DNS_CONN, DNS_FORWARD_UDP, DNS_FORWARD_TCP };

/** What an event of epoll names. */
struct dns_watch {
	enum dns_kind kind;
	int fd; /**< -1: it has ended */
	struct dns_watch *dead;
	void *owner;
};

/** Where the server listens. */
struct dns_site {
	struct dns_watch udp, listen;
	uint16_t vpc;
	cv_be32_t ip;
	int err; /**< 0: listens; under the lock */
	uint32_t n_conns, n_forwards;
};

/** A TCP connection of a client. */
struct dns_conn {
	struct dns_watch watch;
	struct dns_conn *prev, *next;
	struct dns_site *site;
	cv_be32_t client;
	uint64_t until_ms;
	bool waits; /**< for a forwarder: nothing is read meanwhile */
	uint32_t in_len, out_len, out_pos;
	uint8_t *out; /**< shape [out_len]: what could not be sent yet; NULL for nothing */
	uint8_t in[DNS_TCP_HEAD + DNS_QUERY_MAX];
};

/** A query passed on. */
struct dns_forward {
	struct dns_watch watch;
	struct dns_forward *prev, *next;
	struct dns_site *site;
	struct dns_conn *conn;     /**< NULL: came over UDP */
	struct sockaddr_in client; /**< over UDP */
	uint64_t until_ms;
	uint32_t turn; /**< forwarder that is asked */
	uint16_t id;
	uint32_t len;
	uint8_t *in; /**< over TCP: shape [DNS_TCP_HEAD + CV_DNS_LEN_MAX] */
	uint32_t in_len;
	uint8_t query[DNS_QUERY_MAX]; /**< as the client sent it */
};

struct cv_dns_server {
	struct cv_dns_server_cfg cfg;
	pthread_t thread;
	int epoll_fd;
	struct dns_watch event;
	_Atomic bool stop;
	_Atomic(struct cv_dns_data *) next; /**< published, not taken yet */
	pthread_mutex_t lock;               /**< sites, for those who look */
	struct dns_site **sites;            /**< shape [n_sites] */
	uint32_t n_sites;

	/* The thread's own. */
	struct cv_dns_data *data; /**< NULL until published */
	bool opening;             /**< some site does not listen yet */
	struct dns_watch *dead;
	struct dns_conn *conns;
	uint32_t n_conns;
	struct dns_forward *forwards;
	uint32_t n_forwards;
	uint64_t random;
	struct dns_rate rate;
	uint8_t in[DNS_QUERY_MAX];
	uint8_t out[DNS_TCP_HEAD + CV_DNS_LEN_MAX];

	/* Written by the thread, read by any; in the order of struct cv_dns_stats. */
	_Atomic uint64_t counters[sizeof(struct cv_dns_stats) / sizeof(uint64_t)];
};

/** Count one more of a member of struct cv_dns_stats. */
#define DNS_COUNT(server, member) \
	cv_dns_count(server, offsetof(struct cv_dns_stats, member) / sizeof(uint64_t))
void cv_dns_count(struct cv_dns_server *server, size_t idx);

/** Watch a descriptor. @return 0 or -errno */
int cv_dns_watch(struct cv_dns_server *server, struct dns_watch *watch, int op, uint32_t events);

/** Close a descriptor and free its owner at the end of the turn. */
void cv_dns_watch_end(struct cv_dns_server *server, struct dns_watch *watch);

/**
 * Handle one query.
 *
 * @param site    where it came in
 * @param conn    over TCP; NULL: UDP, from client
 * @param bytes   shape [len], len <= DNS_QUERY_MAX
 * @return bytes of an answer in server->out + DNS_TCP_HEAD; 0: none now
 */
size_t cv_dns_query_take(struct cv_dns_server *server, struct dns_site *site, struct dns_conn *conn,
			 const struct sockaddr_in *client, const uint8_t *bytes, size_t len);

/* ---- dns_tcp.c ---- */

/** Take connections of clients. */
void cv_dns_accept(struct cv_dns_server *server, struct dns_site *site);

/** Go on with a connection. */
void cv_dns_conn_run(struct cv_dns_server *server, struct dns_conn *conn, uint32_t events);

/** Send an answer, shape [len], that stands behind DNS_TCP_HEAD bytes of room. */
void cv_dns_conn_send(struct cv_dns_server *server, struct dns_conn *conn, uint8_t *bytes,
		      size_t len);

/** End a connection. */
void cv_dns_conn_end(struct cv_dns_server *server, struct dns_conn *conn);

/* ---- dns_forward.c ---- */

/** Pass a query on. @return false: too many wait, or no forwarder can be asked */
bool cv_dns_forward(struct cv_dns_server *server, struct dns_site *site, struct dns_conn *conn,
		    const struct sockaddr_in *client, const uint8_t *bytes, size_t len);

/** Go on with a query that was passed on. */
void cv_dns_forward_run(struct cv_dns_server *server, struct dns_forward *f, uint32_t events);

/** Ask the next forwarder where one has not answered in time. */
void cv_dns_forwards_tick(struct cv_dns_server *server, uint64_t now_ms);

/** End those of a site or of a connection; NULL: any. */
void cv_dns_forwards_end(struct cv_dns_server *server, const struct dns_site *site,
			 const struct dns_conn *conn);

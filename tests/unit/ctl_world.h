/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A whole culvertd without ports, for tests of control: real configuration, plan and workers, on a wire
 * that is played here. Targets on the wire answer ARP; what workers send is counted.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include <jansson.h>

#include "cv_ctl.h"
#include "cv_dp.h"
#include "cv_net.h"

/** Ports of config/quickstart.json. */
enum { PROV, C1, C2, C3, C4 };

/** Addresses that are watched on the wire. */
#define WIRE_ADDRS_MAX 64

/** What was seen of one address on the wire. */
struct wire_addr {
	cv_be32_t ip;
	uint16_t port; /**< logical port */
	bool answers;  /**< a station that answers ARP */
	uint8_t mac[6];
	unsigned int n_asked;     /**< ARP requests for it */
	unsigned int n_announced; /**< gratuitous ARP of it */
	unsigned int n_tcp;       /**< TCP packets to it */
	unsigned int n_syn;       /**< those of them with SYN */
	uint8_t tcp_mac[6];       /**< MAC that the last of them went to */
};

struct world;

/** Start the EAL once, block the signals. */
void world_once(void);
/** The same, as the set-up of a group of tests. */
int world_setup(void **state);

/**
 * Make a world of config/quickstart.json after `edit`, which may be NULL; fails the test if it cannot.
 * Nothing runs yet.
 */
struct world *world_create(void (*edit)(json_t *conf));

/** Start workers and control. */
void world_start(struct world *w);

/** Stop control, then the workers, if they run; free everything. */
void world_destroy(struct world *w);

struct cv_ctl *world_ctl(struct world *w);
struct cv_dp *world_dp(struct world *w);

/** The configuration as JSON: change it, then world_write(). */
json_t *world_conf(struct world *w);

/** Write the configuration to the file that control reads. @param text  NULL: world_conf() */
void world_write(struct world *w, const char *text);

/**
 * Have the file read again, and wait until that is over: it serves, or was refused, and workers forward by
 * what serves.
 */
void world_reload(struct world *w);

/**
 * Wait until workers have done all that they have to do: what clients have sent is forwarded or dropped, and
 * counted everywhere.
 */
void world_settle(struct world *w);

/** Ask control; fails the test unless it answers. @return the answer; json_decref() */
json_t *world_show(struct world *w, const struct cv_ctl_query *query);

/** Ask control for `what` without filters. */
json_t *world_show_all(struct world *w, const char *what);

/** Put a station on the wire. */
void world_station(struct world *w, uint16_t port, const char *ip, const uint8_t *mac,
		   bool answers);

/** What was seen of an address. Zeros if nothing. */
struct wire_addr world_seen(struct world *w, uint16_t port, const char *ip);

/** A station says by ARP where it is. */
void world_arp(struct world *w, uint16_t port, const char *ip, const uint8_t *mac);

/** The client 172.16.1.50 dials an endpoint ENI: one SYN. */
void world_syn(struct world *w, uint16_t port, const char *vpc, uint16_t client_port,
	       const char *eni, uint16_t eni_port);

/** From now on clients and stations finish handshakes, and acknowledge data. */
void world_handshakes(struct world *w);

/** Wait until a condition holds; fails the test after some seconds. */
#define world_until(cond)                                                   \
	do {                                                                \
		int tries_ = 0;                                             \
		while (!(cond)) {                                           \
			if (++tries_ > 6000)                                \
				fail_msg("not within a minute: %s", #cond); \
			usleep(10000);                                      \
		}                                                           \
	} while (0)

/** Member by a path such as `vpcs.0.name`; NULL if there is none. */
json_t *at(json_t *root, const char *path);

/* ---- what tests do with it ---- */

/** A member by its path; fails the test unless it is of that type. */
const char *text_at(json_t *root, const char *path);
json_int_t number_at(json_t *root, const char *path);
double real_at(json_t *root, const char *path);

/** A world whose three targets answer, running. @param edit as world_create() */
struct world *world_run(void (*edit)(json_t *conf));

/**
 * By calls, in the VPC of consumer-1's account, things that are called as the file's: a target group `web`
 * with the target 172.16.1.99:80, and a load balancer `web` that may be shifted, which has it on port 80.
 */
void world_namesakes(struct world *w);

/** An edit: two workers. */
void two_workers(json_t *conf);

/**
 * Text or number of one member of the element whose `key` is `value`, in the list of an answer; "" if there
 * is none. Good until the next call.
 */
const char *lookup(struct world *w, const char *what, const char *list, const char *key,
		   const char *value, const char *member);

/** Member of a neighbour by its address, as lookup(). */
const char *neighbour(struct world *w, const char *ip, const char *member);

/** Id of a VPC by its name; free(). */
char *vpc_id(struct world *w, const char *name);

/** Dial port 80 n times from one consumer's VPC. */
void dial(struct world *w, uint16_t port, const char *vpc, const char *eni, unsigned int n);

/** Wait until all targets are known. */
void wait_known(struct world *w);

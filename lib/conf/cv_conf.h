/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The configuration: JSON text to settings and a checked model. One schema table gives the reader,
 * the error texts and doc/configuration.md.
 *
 * Everything that is wrong is reported at once, each with a JSON path and a line; a configuration
 * with an error yields nothing.
 *
 * @threads any; no shared state
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_base.h"
#include "cv_model.h"

/** Networks of receivers of notifications at most. */
#define CV_CONF_RECEIVERS_MAX 16

/** Bounds that other modules rely on. */
#define CV_CONF_WORKERS_MAX 64
#define CV_CONF_DEVICES_MAX 64
#define CV_CONF_FORWARDERS_MAX 4

/** A port: one or more ethdevs that lead to the same network. */
struct cv_conf_port {
	const char *name;
	const char **devices; /**< shape [n_devices]; PCI addresses or `vdev,args` */
	uint32_t n_devices;   /**< 1..CV_CONF_DEVICES_MAX */
	uint32_t queues;      /**< receive queues of each device; 0: as many as are of use */
	uint32_t mtu;         /**< bytes, without the Ethernet header */
	uint32_t rx_desc;     /**< per queue */
	uint32_t tx_desc;     /**< per queue */
	bool promiscuous;
	bool steering; /**< the interface is shared with the host */
};

/** What EAL and io need; a change needs a restart. */
struct cv_conf_dpdk {
	uint32_t workers;
	uint32_t *cores; /**< lcore ids, shape [n_cores]; none: EAL's choice */
	uint32_t n_cores;
	int32_t main_core; /**< lcore id of the control thread, -1: EAL's choice */
	bool huge_pages;
	uint32_t memory_mb; /**< 0: EAL's choice */
	uint32_t mbufs;
	const char **eal_args; /**< shape [n_eal_args]; passed on as they are */
	uint32_t n_eal_args;
	struct cv_conf_port *ports; /**< shape [n_ports], n_ports >= 1 */
	uint32_t n_ports;
};

/** How much of each there may be. */
struct cv_conf_limits {
	uint32_t flows; /**< per worker */
	uint32_t endpoints;
	uint32_t endpoints_per_vpc; /**< that calls make */
	uint32_t targets;
	uint32_t listeners;
};

/** What happens when all source ports towards a target are used or resting. */
enum cv_conf_exhaustion { CV_CONF_EXHAUSTION_DROP, CV_CONF_EXHAUSTION_RESET };

/** What the ends of a flow learn when culvert ends it; in the order of the schema's words. */
enum cv_conf_end { CV_CONF_END_SILENT, CV_CONF_END_RESET };
enum cv_conf_listener_end {
	CV_CONF_LISTENER_KEEP,
	CV_CONF_LISTENER_SILENT,
	CV_CONF_LISTENER_RESET,
};

/** Which VPCs get sockets of the kernel on our addresses. */
enum cv_conf_host { CV_CONF_HOST_NEEDED, CV_CONF_HOST_ALWAYS, CV_CONF_HOST_NEVER };

/** Settings of the packet path. */
struct cv_conf_settings {
	uint32_t syn_seconds; /**< for a handshake to finish */
	uint32_t fin_seconds; /**< after FINs from both sides, for the last acknowledgement */
	uint32_t linger_ms;   /**< a closed flow answers late segments for so long */
	uint16_t snat_port_first;
	uint32_t snat_n_ports; /**< per (node IP, target); port_first + n_ports <= 65536 */
	uint32_t snat_rest_seconds;
	enum cv_conf_exhaustion snat_on_exhaustion;
	enum cv_conf_host host;
	uint32_t mss_clamp;            /**< bytes; 0: never lower the MSS */
	uint32_t endpoint_mtu;         /**< bytes; 0: as the ports allow */
	bool icmp_too_big;             /**< pass "fragmentation needed" on to clients */
	uint32_t half_open_max;        /**< per worker; 0: a quarter of limits.flows */
	enum cv_conf_end end_idle;     /**< at the idle timeout */
	enum cv_conf_end end_target;   /**< target unhealthy or deregistered */
	enum cv_conf_end end_endpoint; /**< endpoint or our address gone */
	enum cv_conf_listener_end end_listener;
	uint32_t lab_time_scale; /**< idle timeouts, draining, checks: so many times as fast */
};

/** What `control.state` is with `api`, if it is absent. */
#define CV_CONF_STATE_DEFAULT "/var/lib/culvert/state.db"

/** How operators reach the appliance, and where it keeps what calls change. */
struct cv_conf_control {
	const char *socket; /**< path of the UNIX socket */
	const char *state;  /**< file of what calls make and change; NULL: in memory */
};

/** How the AWS APIs are served; a change needs a restart. */
struct cv_conf_api {
	const char **listen; /**< `ip:port`, shape [n_listen] */
	uint32_t n_listen;   /**< 0: they are off, and the rest is not set */
	const char *credentials_file;
	const char *tls_cert, *tls_key; /**< PEM files; NULL: no TLS */
	uint32_t requests_per_second;   /**< of one access key; 0: any number */
	uint32_t burst;
	uint32_t body_bytes;
	uint32_t connections, connections_per_client;
	uint32_t request_seconds, idle_seconds;
	/** Where receivers of notifications may be. */
	struct cv_prefix receivers[CV_CONF_RECEIVERS_MAX];
	uint32_t n_receivers;
	bool has_receivers;   /**< they are said, be it none; else the default holds */
	bool local;           /**< all of listen is on the loopback */
	uint32_t n_messages;  /**< that may wait */
	uint32_t n_tries;     /**< of one message */
	const char *base_url; /**< without a slash at its end; NULL: as the subscriber reached us */
};

/** The DNS server. */
struct cv_conf_dns {
	bool enabled;
	bool everywhere; /**< names are visible in all VPCs, not in their own only */
	uint32_t rate;   /**< queries of one client in a second; 0: any number */
	struct {
		cv_be32_t ip;
		uint16_t port; /**< host order */
	} forwarders[CV_CONF_FORWARDERS_MAX];
	uint32_t n_forwarders;
};

/** A configuration that passed every check. */
struct cv_conf {
	struct cv_conf_dpdk dpdk;
	struct cv_conf_limits limits;
	struct cv_conf_settings settings;
	struct cv_conf_control control;
	struct cv_conf_api api;
	struct cv_conf_dns dns;
	struct cv_model *model;  /**< settled and checked */
	struct cv_errs warnings; /**< what is probably not meant, with path and line */
	void *priv;              /**< memory of the strings */
	char *source; /**< the text, to be read again with other documents; shape [source_len] */
	size_t source_len;
};

/**
 * Read and check a file.
 *
 * @param      file  path
 * @param[out] errs  grows by every error found
 * @return the configuration, or NULL with at least one error in errs; at most 1000 are listed, and
 *         truncated is set if there are more or if memory ran out
 * @owner  caller; cv_conf_destroy()
 */
struct cv_conf *cv_conf_load(const char *file, struct cv_errs *errs);

/**
 * Check JSON text.
 *
 * @param      text  shape [len]; need not end in NUL
 * @param      len   bytes
 * @param[out] errs  grows by every error found
 * @return as cv_conf_load()
 */
struct cv_conf *cv_conf_parse(const char *text, size_t len, struct cv_errs *errs);

/** Free a configuration; NULL is fine. */
void cv_conf_destroy(struct cv_conf *conf);

/**
 * Say where in the file the places of errors are: fill in the lines that errors with a path lack. Of what
 * is absent it is the line of what is around it; an element that the file does not have stays without.
 *
 * @param         conf   what was read
 * @param[in,out] errs   each path as in `vpcs[2].cidrs[0]`
 * @param         first  errors before this one stay as they are
 */
void cv_conf_lines(const struct cv_conf *conf, struct cv_errs *errs, size_t first);

/**
 * Say what a configuration serves: each service with its load balancers, listeners and targets, and
 * each endpoint with its ENIs and state.
 *
 * @return text, or NULL if memory ran out
 * @owner  caller; free()
 */
char *cv_conf_summary(const struct cv_conf *conf);

/**
 * Render the configuration reference, in Markdown.
 *
 * @return text, or NULL if memory ran out
 * @owner  caller; free()
 */
char *cv_conf_reference(void);

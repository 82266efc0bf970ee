/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * DNS: what is named, and the answer to one query. Bytes in, bytes out: no sockets, no clock. The
 * server is cv_dns_server.h.
 *
 * Names are visible per VPC. An answer holds the addresses that are on, or all if none is; a client
 * whose zone is known may be given those of its zone.
 *
 * @threads data is changed by the one that makes it; once complete it is immutable, and read by any
 * @source  RFC 1034, 1035, 2308 (negative answers), 4592 (wildcards), 6891 (EDNS)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_net.h"

/** Time to live of all answers, in seconds: AWS's. */
#define CV_DNS_TTL 60
/** Longest answer over UDP, in bytes: never a fragment. Over TCP: CV_DNS_LEN_MAX. */
#define CV_DNS_UDP_MAX 1232
#define CV_DNS_LEN_MAX 65535
/** Bytes that hold a name as text with the final NUL. */
#define CV_DNS_TEXT_LEN 1024
/** In place of a VPC: in every VPC. */
#define CV_DNS_EVERYWHERE UINT16_MAX
/** In place of a zone: none. */
#define CV_DNS_NO_ZONE UINT32_MAX
/** With CV_DNS_PARTIAL, this share of answers in percent holds the client's zone only. */
#define CV_DNS_PARTIAL_PERCENT 85

/** Whether a client is given addresses of its own zone. */
enum cv_dns_affinity { CV_DNS_ANY, CV_DNS_PARTIAL, CV_DNS_OWN };

/** An address. */
struct cv_dns_addr {
	cv_be32_t ip;
	uint32_t zone;
	bool on; /**< false: left out unless all are */
};

/** A name. Texts and arrays are copied. */
struct cv_dns_name {
	uint16_t vpc;     /**< where it is visible: VPC slot or CV_DNS_EVERYWHERE */
	const char *name; /**< `a.example.com`, in any case; the first label may be `*` */
	/** NULL, or another name of which it is an alias (CNAME); then there are no addresses. */
	const char *alias;
	enum cv_dns_affinity affinity;
	const struct cv_dns_addr *addrs; /**< shape [n_addrs] */
	uint32_t n_addrs;
};

/** A VPC with a server, or one more address of it. */
struct cv_dns_vpc {
	uint16_t slot;
	const char *name; /**< for people; copied */
	cv_be32_t ip;     /**< of the server */
};

/** Where clients of a VPC are. */
struct cv_dns_subnet {
	uint16_t vpc;
	struct cv_prefix cidr;
	uint32_t zone;
};

/** A resolver that is asked what is not ours. */
struct cv_dns_forwarder {
	cv_be32_t ip;
	uint16_t port; /**< host order */
};

struct cv_dns_data;

/** Make data without names, held once. @return NULL if memory ran out @owner caller; cv_dns_data_put() */
struct cv_dns_data *cv_dns_data_create(void);

/** Hold data once more. @return data @threads any */
struct cv_dns_data *cv_dns_data_get(struct cv_dns_data *data);

/** Let go of data; whoever does so last frees it. NULL is fine. @threads any */
void cv_dns_data_put(struct cv_dns_data *data);

/**
 * Add a zone: for names in it that are not visible the answer is that they do not exist. Its server,
 * `ns.` in it, is the one that is asked, in each VPC.
 *
 * @return 0, -EINVAL (no domain name, or too long for names in it), or -ENOMEM
 */
int cv_dns_data_zone_add(struct cv_dns_data *data, const char *name);

/**
 * Say where addresses have names of themselves: with `ec2.internal`, each address of a VPC's subnets is
 * `ip-10-0-1-10.ec2.internal` there, and the other way round. What else is in it is not ours. At most once.
 *
 * @return 0, -EINVAL (no domain name, or too long), or -ENOMEM
 */
int cv_dns_data_own_add(struct cv_dns_data *data, const char *name);

/** Say how many queries of one client the server takes in a second; 0, at first: any number. */
void cv_dns_data_rate_set(struct cv_dns_data *data, uint32_t rate);

/** Add a VPC. @return 0 or -ENOMEM */
int cv_dns_data_vpc_add(struct cv_dns_data *data, const struct cv_dns_vpc *vpc);

/** Add a subnet. @return 0 or -ENOMEM */
int cv_dns_data_subnet_add(struct cv_dns_data *data, const struct cv_dns_subnet *subnet);

/**
 * Add a name. Its zone, if any, is added before.
 *
 * @return 0, -EINVAL (no domain name), -EEXIST (the VPC has it), or -ENOMEM
 */
int cv_dns_data_name_add(struct cv_dns_data *data, const struct cv_dns_name *name);

/** Add a resolver to ask; they are asked in this order. @return 0 or -ENOMEM */
int cv_dns_data_forwarder_add(struct cv_dns_data *data, const struct cv_dns_forwarder *forwarder);

/** VPCs that were added. @return shape [*ret_n], as long as data is held */
const struct cv_dns_vpc *cv_dns_data_vpcs(const struct cv_dns_data *data, uint32_t *ret_n);

/**
 * Look at the names one after another, roughly in the order in which they were added.
 *
 * @param[in,out] pos       0 at first
 * @param[out]    ret_name  its texts are lower case and stand in buf; its array lives as long as data
 *                          is held
 * @param[out]    buf       shape [2 * CV_DNS_TEXT_LEN]
 * @return false if there is no more
 */
bool cv_dns_data_name_next(const struct cv_dns_data *data, uint32_t *pos,
			   struct cv_dns_name *ret_name, char *buf);

/** A query. */
struct cv_dns_query {
	const uint8_t *bytes; /**< shape [len] */
	size_t len;
	uint16_t vpc;     /**< slot */
	cv_be32_t client; /**< where it came from */
	bool tcp;
	bool can_forward; /**< somebody else can be asked */
	uint32_t random;  /**< another number for each query: order and choice of addresses */
};

/** What becomes of a query. */
enum cv_dns_act {
	CV_DNS_ANSWER,
	CV_DNS_FORWARD, /**< not ours to answer */
	CV_DNS_DROP,    /**< no query */
};

/**
 * Answer a query.
 *
 * @param[out] buf        shape [CV_DNS_LEN_MAX]
 * @param[out] ret_len    bytes of the answer, only with CV_DNS_ANSWER; over UDP at most what the client
 *                        takes, with TC set if the answer is longer
 * @param[out] ret_rcode  likewise
 * @return what to do; CV_DNS_DROP also if memory ran out
 * @threads any
 */
enum cv_dns_act cv_dns_answer(const struct cv_dns_data *data, const struct cv_dns_query *query,
			      uint8_t *buf, size_t *ret_len, uint8_t *ret_rcode);

/**
 * Answer a query for which CV_DNS_FORWARD was said, and nobody else has an answer: SERVFAIL.
 *
 * @param[out] buf  shape [CV_DNS_LEN_MAX]
 * @return bytes; 0: memory ran out
 * @threads any
 */
size_t cv_dns_fail(const struct cv_dns_query *query, uint8_t *buf);

/**
 * Tell whether bytes answer a query that was passed on with another id: same question, letter by letter.
 *
 * @param query   shape [query_len], a query for which CV_DNS_FORWARD was said
 * @param answer  shape [answer_len], any bytes
 * @param id      that the query was passed on with, host order
 * @threads any
 */
bool cv_dns_is_answer(const uint8_t *query, size_t query_len, const uint8_t *answer,
		      size_t answer_len, uint16_t id);

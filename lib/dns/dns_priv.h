/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside dns: how names are kept.
 */

#include "cv_base.h"
#include "cv_dns.h"

/** Longest name on the wire, in bytes. @source RFC 1035, 2.3.4 */
#define DNS_NAME_MAX 255
#define DNS_LABEL_MAX 63
#define DNS_HEADER_LEN 12

/** What a zone's own records put before its name, `hostmaster.` at most. */
#define DNS_ZONE_MORE 11

/** Bytes that hold a label such as `ip-10-0-1-10`. */
#define DNS_OWN_LABEL 20

/** No such entry or zone. */
#define DNS_NONE UINT32_MAX

/** A name that exists; keys are on data->bytes: lower case, as on the wire. */
struct dns_entry {
	uint32_t key;
	uint32_t alias; /**< on data->bytes; DNS_NONE */
	uint32_t addrs, n_addrs;
	uint16_t vpc;
	uint8_t key_len, alias_len;
	uint8_t affinity;
	bool is_inner; /**< exists only because of names below it */
};

struct dns_zone {
	uint8_t key[DNS_NAME_MAX];
	uint8_t len;
};

struct cv_dns_data {
	_Atomic uint32_t n_refs;
	struct dns_entry *entries;
	uint32_t n_entries, cap_entries;
	uint32_t
		*table; /**< open addressing: 1 + entry, 0: free; shape [n_table], a power of two */
	uint32_t n_table;
	uint8_t *bytes;
	uint32_t n_bytes, cap_bytes;
	struct cv_dns_addr *addrs;
	uint32_t n_addrs, cap_addrs;
	struct cv_dns_vpc *vpcs;
	uint32_t n_vpcs, cap_vpcs;
	struct cv_dns_subnet *subnets;
	uint32_t n_subnets, cap_subnets;
	struct dns_zone *zones;
	uint32_t n_zones, cap_zones;
	uint32_t own; /**< zone of addresses' own names; DNS_NONE: they have none */
	struct cv_dns_forwarder *forwarders;
	uint32_t n_forwarders, cap_forwarders;
	uint32_t rate; /**< queries of one client in a second; 0: any number */
};

/**
 * Make a key of a text.
 *
 * @param[out] key  shape [DNS_NAME_MAX]
 * @return bytes, or 0: it is no domain name
 */
uint8_t cv_dns_key_of_text(const char *text, uint8_t *key);

/** Make a key of a name as it stands on the wire without compression, shape [len]. */
void cv_dns_key_of_wire(const uint8_t *wire, size_t len, uint8_t *key);

/** The zone that a key lies in, data->own not among them: others have names in it. DNS_NONE. */
uint32_t cv_dns_zone_find(const struct cv_dns_data *data, const uint8_t *key, uint8_t len);

/** The entry that a VPC sees under a key, wildcards included; DNS_NONE. */
uint32_t cv_dns_entry_find(const struct cv_dns_data *data, uint16_t vpc, const uint8_t *key,
			   uint8_t len);

/** What a name is to addresses of a VPC. */
enum dns_own {
	DNS_OWN_NOT,
	DNS_OWN_NAME,    /**< `ip-10-0-1-10.ec2.internal` */
	DNS_OWN_REVERSE, /**< `10.1.0.10.in-addr.arpa` */
	DNS_OWN_ABOVE,   /**< `1.0.10.in-addr.arpa`: there are such below it */
};

/** Look at a key. @param[out] ret_ip  the address; untouched with DNS_OWN_NOT */
enum dns_own cv_dns_own_find(const struct cv_dns_data *data, uint16_t vpc, const uint8_t *key,
			     uint8_t len, cv_be32_t *ret_ip);

/** An address's own name, into key, shape [DNS_NAME_MAX]. There is data->own. @return bytes */
uint8_t cv_dns_own_name(const struct cv_dns_data *data, cv_be32_t ip, uint8_t *key);

/** What a message says of a TXT record. */
enum dns_txt {
	DNS_TXT_FOUND,
	DNS_TXT_NONE,    /**< the name does not exist, or has other records */
	DNS_TXT_CUT,     /**< there is more of it, over TCP */
	DNS_TXT_UNKNOWN, /**< it is no answer, or reports a failure */
};

/** Look in a message for a TXT record of this text. @param bytes shape [len], any bytes */
enum dns_txt cv_dns_txt_look(const uint8_t *bytes, size_t len, const char *text);

/** The zone that a client is in; CV_DNS_NO_ZONE. */
uint32_t cv_dns_client_zone(const struct cv_dns_data *data, uint16_t vpc, cv_be32_t client);

/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * IPv4 addresses and prefixes, MAC addresses, and RFC 1624 checksum arithmetic.
 *
 * Pure functions over values. Byte order is in the type: cv_be32_t and cv_be16_t hold network order
 * as it stands in a packet.
 *
 * @threads any; no shared state
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Network byte order, as in a packet. */
typedef uint32_t cv_be32_t;
typedef uint16_t cv_be16_t;

/** Network order of a host-order value. */
static inline cv_be16_t cv_be16(uint16_t host)
{
	return __builtin_bswap16(host);
}

/** Host order of a network-order value. */
static inline uint16_t cv_be16_host(cv_be16_t be)
{
	return __builtin_bswap16(be);
}

/** Network order of a host-order value. */
static inline cv_be32_t cv_be32(uint32_t host)
{
	return __builtin_bswap32(host);
}

/** Host order of a network-order value. */
static inline uint32_t cv_be32_host(cv_be32_t be)
{
	return __builtin_bswap32(be);
}

/** An IPv4 prefix. Bits below the length are zero in every prefix that cv_prefix_parse() made. */
struct cv_prefix {
	cv_be32_t addr;
	uint8_t len; /**< 0..32 */
};

/** Bytes that hold any rendered address, prefix or MAC with the final NUL. */
#define CV_NET_STR_LEN 24

/**
 * Read a dotted-quad IPv4 address; nothing else is accepted.
 *
 * @return true and *ret_addr set, or false with *ret_addr untouched
 */
bool cv_ip4_parse(const char *text, cv_be32_t *ret_addr);

/** Render an address into buf, shape [CV_NET_STR_LEN]. @return buf */
const char *cv_ip4_str(cv_be32_t addr, char *buf);

/**
 * Read `a.b.c.d/len`.
 *
 * @return 0, or -EINVAL (not of that form), or -EDOM (bits set below the prefix length)
 */
int cv_prefix_parse(const char *text, struct cv_prefix *ret_prefix);

/** Render a prefix into buf, shape [CV_NET_STR_LEN]. @return buf */
const char *cv_prefix_str(const struct cv_prefix *prefix, char *buf);

/** Mask of a prefix length 0..32. */
static inline cv_be32_t cv_prefix_mask(uint8_t len)
{
	return len == 0 ? 0 : cv_be32(UINT32_MAX << (32 - len));
}

/** Tell whether an address lies in a prefix. */
static inline bool cv_prefix_has(const struct cv_prefix *prefix, cv_be32_t addr)
{
	return (addr & cv_prefix_mask(prefix->len)) == prefix->addr;
}

/** Tell whether two prefixes share an address. */
bool cv_prefix_overlaps(const struct cv_prefix *a, const struct cv_prefix *b);

/**
 * The MAC of one of our addresses: two prefix bytes, then the address. Unique on a network because the
 * address is, the same after every restart, and a flow need not store it.
 *
 * @param      prefix  the VPC's two bytes, as cv_mac_prefix() makes them
 * @param      addr    our address
 * @param[out] mac     shape [6]
 */
static inline void cv_mac_of_ip(uint16_t prefix, cv_be32_t addr, uint8_t *mac)
{
	__builtin_memcpy(mac, &prefix, 2);
	__builtin_memcpy(mac + 2, &addr, 4);
}

/**
 * The bit that sets an NLB node's MAC apart from an endpoint ENI's: or it into the prefix. So the MAC
 * of a frame says which side of a flow it is on before anything is looked up.
 */
#define CV_MAC_NODE 0x0100

/**
 * The two MAC bytes of a VPC's ENIs, as they stand in memory: locally administered, unicast, CV_MAC_NODE
 * clear, derived from the VPC's id so that two VPCs on one switch differ.
 */
uint16_t cv_mac_prefix(const char *vpc_id);

/** Render a MAC, shape [6], into buf, shape [CV_NET_STR_LEN]. @return buf */
const char *cv_mac_str(const uint8_t *mac, char *buf);

/** Fold a one's-complement sum of 16-bit words to 16 bits. */
static inline uint16_t cv_csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/**
 * One's-complement sum of bytes as they stand in memory (not inverted, not folded beyond 64 bits).
 *
 * @param data  shape [len]; an odd last byte counts as if a zero followed
 */
uint64_t cv_csum_add(const void *data, size_t len, uint64_t sum);

/** What replacing a 16-bit word adds to the (uninverted) sum; add several, then apply once. */
static inline uint32_t cv_csum_diff16(uint16_t from, uint16_t to)
{
	return (uint32_t)to + (uint16_t)~from;
}

/** What replacing a 32-bit word adds to the (uninverted) sum. */
static inline uint32_t cv_csum_diff32(uint32_t from, uint32_t to)
{
	return cv_csum_diff16((uint16_t)from, (uint16_t)to) +
	       cv_csum_diff16((uint16_t)(from >> 16), (uint16_t)(to >> 16));
}

/**
 * Apply a difference to a checksum field: HC' = ~(~HC + diff).
 *
 * @param csum  field as it stands in the packet
 * @param diff  sum of cv_csum_diff*() results, at most 2^32 - 2^17
 * @return the new field; never 0xffff for a header whose words are not all zero
 * @source RFC 1624, equation 3
 */
static inline uint16_t cv_csum_apply(uint16_t csum, uint32_t diff)
{
	uint32_t sum = (uint16_t)~csum + (diff & 0xffff) + (diff >> 16);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/** Apply a difference that is folded to 16 bits already. */
static inline uint16_t cv_csum_apply16(uint16_t csum, uint16_t diff)
{
	uint32_t sum = (uint32_t)(uint16_t)~csum + diff;

	return (uint16_t)~(sum + (sum >> 16));
}

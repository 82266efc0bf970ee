/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * PROXY protocol v2 headers: the two that an AWS Network Load Balancer writes, and a strict
 * decoder.
 *
 * Pure functions over bytes. No mbuf, no clock, no allocation, no log.
 *
 * @threads any; no shared state
 * @source  HAProxy proxy-protocol.txt, section 2.2; AWS, "Edit target group attributes for your
 *          Network Load Balancer" (TLV 0xEA)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_net.h"

/** Bytes of the header that an NLB writes for IPv4, with or without an endpoint id. */
#define CV_PPV2_AWS_LEN 100
/** Where struct cv_ppv2_tuple stands in it. */
#define CV_PPV2_AWS_TUPLE_OFS 16
/** Longest endpoint id that fits; AWS's have 22 characters. */
#define CV_PPV2_VPCE_ID_MAX 58
/** Bytes of the health check header. */
#define CV_PPV2_LOCAL_LEN 23
/** Bytes before the length field's end: what a decoder needs to know how much more to read. */
#define CV_PPV2_FIXED_LEN 16

/** What a header says about one connection, laid out as it stands in the header. */
struct cv_ppv2_tuple {
	cv_be32_t src_ip;   /**< client, as the consumer's network knows it */
	cv_be32_t dst_ip;   /**< address that the client dialled: the endpoint ENI */
	cv_be16_t src_port; /**< client's port */
	cv_be16_t dst_port; /**< listener's port */
};

_Static_assert(sizeof(struct cv_ppv2_tuple) == 12, "the IPv4 address block of a header");

/**
 * Write everything of an AWS header but the addresses: TLVs CRC32C, AWS endpoint id (if any), NOOP
 * up to 100 bytes. For cv_ppv2_aws_finish() to start from, the CRC field holds the CRC of the template
 * with zero addresses, and the place of the addresses the sum of its 16-bit words without that CRC.
 *
 * @param[out] buf      shape [CV_PPV2_AWS_LEN]
 * @param      vpce_id  1..CV_PPV2_VPCE_ID_MAX characters; NULL for clients that dial the NLB
 *                      directly
 * @source  the order and padding are those of captured NLB headers
 */
void cv_ppv2_aws_template(uint8_t *buf, const char *vpce_id);

/**
 * Write the header of one connection. On the per-connection path: no branch, no pass over the bytes
 * for the CRC.
 *
 * @param[out] dst    shape [CV_PPV2_AWS_LEN], any alignment; not the template itself
 * @param      tmpl   shape [CV_PPV2_AWS_LEN], as cv_ppv2_aws_template() made it
 * @param      tuple  addresses and ports
 * @return the one's-complement sum of the header's 16-bit words as they stand in memory, not folded
 */
uint32_t cv_ppv2_aws_finish(uint8_t *dst, const uint8_t *tmpl, const struct cv_ppv2_tuple *tuple);

/**
 * Write the header of a health check: command LOCAL, no addresses, CRC32C.
 *
 * @param[out] buf      shape [cap]
 * @param      cap      bytes available in buf
 * @param[out] ret_len  CV_PPV2_LOCAL_LEN; untouched on failure
 * @return 0, or -ENOSPC when cap is too small
 */
int cv_ppv2_local(uint8_t *buf, size_t cap, size_t *ret_len);

/** Commands. */
enum cv_ppv2_command { CV_PPV2_LOCAL = 0, CV_PPV2_PROXY = 1 };
/** Address families. */
enum cv_ppv2_family { CV_PPV2_UNSPEC = 0, CV_PPV2_INET = 1, CV_PPV2_INET6 = 2, CV_PPV2_UNIX = 3 };
/** Transports. */
enum cv_ppv2_transport { CV_PPV2_NO_TRANSPORT = 0, CV_PPV2_STREAM = 1, CV_PPV2_DGRAM = 2 };

/** TLV types that the decoder looks into. */
enum cv_ppv2_type {
	CV_PPV2_TYPE_CRC32C = 0x03,
	CV_PPV2_TYPE_NOOP = 0x04,
	CV_PPV2_TYPE_GCP = 0xe0,
	CV_PPV2_TYPE_AWS = 0xea,
	CV_PPV2_TYPE_AZURE = 0xee,
};

/** A decoded header. Pointers lead into the decoded bytes and live as long as those. */
struct cv_ppv2_info {
	uint8_t command;   /**< enum cv_ppv2_command; with LOCAL, ignore the addresses */
	uint8_t family;    /**< enum cv_ppv2_family */
	uint8_t transport; /**< enum cv_ppv2_transport */
	bool has_crc;   /**< a CRC32C TLV was there; it was right, or decoding would have failed */
	bool has_azure; /**< azure_link_id was there */
	bool has_gcp;   /**< gcp_conn_id was there */
	uint16_t addr_len;   /**< bytes of one address: 0, 4, 16 or 108 */
	cv_be16_t src_port;  /**< 0 unless INET or INET6 */
	cv_be16_t dst_port;  /**< likewise */
	const uint8_t *src;  /**< shape [addr_len] */
	const uint8_t *dst;  /**< shape [addr_len] */
	const uint8_t *tlvs; /**< shape [tlvs_len]: all TLVs, well-formed */
	size_t tlvs_len;
	const char *vpce_id; /**< AWS endpoint id, not NUL-terminated; NULL if there was none */
	size_t vpce_id_len;
	uint32_t azure_link_id; /**< Azure Private Link */
	uint64_t gcp_conn_id;   /**< GCP Private Service Connect */
};

/**
 * Decode the header at the start of a stream. Strict: version 2, known command, a family and
 * transport that section 2.2 lists, addresses and TLVs that fill the stated length exactly, at most
 * one TLV of each kind that *ret_info reports, and a CRC that is right if there is one.
 *
 * A TLV of the types that clouds use (0xE0..0xEF are free for private use) whose value has not the
 * cloud's form is somebody else's and left alone.
 *
 * @param      buf       shape [len]
 * @param      len       bytes received so far
 * @param[out] ret_info  what it says; untouched on failure
 * @param[out] ret_len   bytes that the header takes: the stream proper follows; untouched on
 *                       failure
 * @return 0, or
 *   -EAGAIN   what is there is right so far, but more bytes are needed
 *   -ENOMSG   the bytes do not begin with the signature: not a PROXY v2 header
 *   -EBADMSG  a PROXY v2 header, but malformed
 *   -EILSEQ   well-formed, but the CRC is wrong
 */
int cv_ppv2_decode(const uint8_t *buf, size_t len, struct cv_ppv2_info *ret_info, size_t *ret_len);

/** One TLV. */
struct cv_ppv2_tlv {
	uint8_t type;
	uint16_t len;
	const uint8_t *value; /**< shape [len], inside the walked bytes */
};

/**
 * Step through TLVs.
 *
 * @param         tlvs     shape [len], e.g. from struct cv_ppv2_info
 * @param         len      bytes
 * @param[in,out] pos      where to go on; start with 0. Moves only when a TLV is returned
 * @param[out]    ret_tlv  the TLV; untouched unless 1 is returned
 * @return 1 for a TLV, 0 at the end, or -EBADMSG when one does not fit in what is left
 */
int cv_ppv2_tlv_next(const uint8_t *tlvs, size_t len, size_t *pos, struct cv_ppv2_tlv *ret_tlv);

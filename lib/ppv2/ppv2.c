/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_ppv2.h"

#include <errno.h>
#include <string.h>

#include "cv_base.h"

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
				      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

#define TLV_HEAD_LEN 3
#define CRC_LEN 4
#define SUBTYPE_ID 0x01 /* AWS: endpoint id; Azure: link id */

static uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint8_t *put_be16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
	return p + 2;
}

static uint8_t *put_be32(uint8_t *p, uint32_t value)
{
	return put_be16(put_be16(p, value >> 16), value & 0xffff);
}

static uint8_t *put_tlv_head(uint8_t *p, enum cv_ppv2_type type, size_t len)
{
	*p++ = (uint8_t)type;
	return put_be16(p, len);
}

#ifdef __x86_64__
/* As many as there are of eight bytes, by one instruction each. */
__attribute__((target("sse4.2"))) static uint32_t crc32c_words(uint32_t crc, const uint8_t *data,
							       size_t n)
{
	uint64_t word;

	for (size_t i = 0; i < n; i++) {
		memcpy(&word, data + i * sizeof(word), sizeof(word));
		crc = (uint32_t)__builtin_ia32_crc32di(crc, word);
	}
	return crc;
}
#endif

/* Continues a CRC32C by a nibble per step; the register is neither inverted here nor at the end. */
static uint32_t crc32c_bytes(uint32_t crc, const uint8_t *data, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (size_t i = 0; i < len; i++) {
		crc = crc >> 4 ^ table[(crc ^ data[i]) & 15];
		crc = crc >> 4 ^ table[(crc ^ data[i] >> 4) & 15];
	}
	return crc;
}

/* The same. Each plan makes the headers of all endpoints: 10,000 take a millisecond, not five. */
static uint32_t crc32c_add(uint32_t crc, const uint8_t *data, size_t len)
{
	size_t done = 0;

#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2")) {
		crc = crc32c_words(crc, data, len / sizeof(uint64_t));
		done = len - len % sizeof(uint64_t);
	}
#endif
	return crc32c_bytes(crc, data + done, len - done);
}

/* CRC of a header whose CRC field stands at `field`, as if the field were zero. */
static uint32_t header_crc(const uint8_t *buf, size_t len, const uint8_t *field)
{
	static const uint8_t zero[CRC_LEN];
	size_t before = (size_t)(field - buf);
	uint32_t crc = UINT32_MAX;

	crc = crc32c_add(crc, buf, before);
	crc = crc32c_add(crc, zero, CRC_LEN);
	crc = crc32c_add(crc, field + CRC_LEN, len - before - CRC_LEN);
	return ~crc;
}

/* Writes signature, command, family, transport and length; returns what follows. */
static uint8_t *put_fixed(uint8_t *p, uint8_t command, uint8_t protocol, size_t len)
{
	memcpy(p, signature, sizeof(signature));
	p += sizeof(signature);
	*p++ = (uint8_t)(0x20 | command);
	*p++ = protocol;
	return put_be16(p, len);
}

/* One's-complement sum of 16-bit words, as TCP's checksum has them. */
static uint16_t words_sum(const uint8_t *buf, size_t len)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < len; i += 2) {
		memcpy(&word, buf + i, sizeof(word));
		sum += word;
	}
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)(sum + (sum >> 16));
}

void cv_ppv2_aws_template(uint8_t *buf, const char *vpce_id)
{
	uint8_t *end = buf + CV_PPV2_AWS_LEN;
	uint8_t *crc, *p;
	uint16_t sum;

	p = put_fixed(buf, CV_PPV2_PROXY, CV_PPV2_INET << 4 | CV_PPV2_STREAM,
		      CV_PPV2_AWS_LEN - CV_PPV2_FIXED_LEN);
	memset(p, 0, (size_t)(end - p));
	p += sizeof(struct cv_ppv2_tuple);
	crc = put_tlv_head(p, CV_PPV2_TYPE_CRC32C, CRC_LEN);
	p = crc + CRC_LEN;
	if (vpce_id != NULL) {
		size_t len = strlen(vpce_id);

		cv_assert(len >= 1 && len <= CV_PPV2_VPCE_ID_MAX);
		p = put_tlv_head(p, CV_PPV2_TYPE_AWS, 1 + len);
		*p++ = SUBTYPE_ID;
		memcpy(p, vpce_id, len);
		p += len;
	}
	put_tlv_head(p, CV_PPV2_TYPE_NOOP, (size_t)(end - p) - TLV_HEAD_LEN);
	sum = words_sum(buf, CV_PPV2_AWS_LEN);
	put_be32(crc, header_crc(buf, CV_PPV2_AWS_LEN, crc));
	memcpy(buf + CV_PPV2_AWS_TUPLE_OFS, &sum, sizeof(sum));
}

int cv_ppv2_local(uint8_t *buf, size_t cap, size_t *ret_len)
{
	uint8_t *crc;

	if (cap < CV_PPV2_LOCAL_LEN)
		return -ENOSPC;
	crc = put_fixed(buf, CV_PPV2_LOCAL, 0, TLV_HEAD_LEN + CRC_LEN);
	crc = put_tlv_head(crc, CV_PPV2_TYPE_CRC32C, CRC_LEN);
	put_be32(crc, header_crc(buf, CV_PPV2_LOCAL_LEN, crc));
	*ret_len = CV_PPV2_LOCAL_LEN;
	return 0;
}

int cv_ppv2_tlv_next(const uint8_t *tlvs, size_t len, size_t *pos, struct cv_ppv2_tlv *ret_tlv)
{
	size_t left = len - *pos;
	const uint8_t *p = tlvs + *pos;
	uint16_t value_len;

	if (left == 0)
		return 0;
	if (left < TLV_HEAD_LEN)
		return -EBADMSG;
	value_len = get_be16(p + 1);
	if (left - TLV_HEAD_LEN < value_len)
		return -EBADMSG;
	ret_tlv->type = p[0];
	ret_tlv->len = value_len;
	ret_tlv->value = p + TLV_HEAD_LEN;
	*pos += TLV_HEAD_LEN + (size_t)value_len;
	return 1;
}

/* Lays out addresses and TLVs. Reads nothing of them: they may not have arrived yet. */
static int decode_layout(uint8_t protocol, const uint8_t *p, size_t left, struct cv_ppv2_info *info)
{
	static const uint8_t addr_lens[] = {0, 4, 16, 108};
	uint8_t family = protocol >> 4;
	uint8_t transport = protocol & 15;
	size_t len;

	/* Only with UNSPEC is there no transport. */
	if (family > CV_PPV2_UNIX || transport > CV_PPV2_DGRAM || (family == 0) != (transport == 0))
		return -EBADMSG;
	info->family = family;
	info->transport = transport;
	info->addr_len = addr_lens[family];
	info->src = p;
	info->dst = p + info->addr_len;
	len = 2 * (size_t)info->addr_len;
	if (family == CV_PPV2_INET || family == CV_PPV2_INET6)
		len += 4;
	if (left < len)
		return -EBADMSG;
	info->tlvs = p + len;
	info->tlvs_len = left - len;
	return 0;
}

/* Takes a cloud's id from a TLV that has its form; -EBADMSG if there was one already. */
static int decode_cloud(const struct cv_ppv2_tlv *tlv, struct cv_ppv2_info *info)
{
	const uint8_t *v = tlv->value;

	if (tlv->type == CV_PPV2_TYPE_AWS && tlv->len >= 2 && v[0] == SUBTYPE_ID) {
		if (info->vpce_id != NULL)
			return -EBADMSG;
		info->vpce_id = (const char *)v + 1;
		info->vpce_id_len = tlv->len - 1U;
	} else if (tlv->type == CV_PPV2_TYPE_AZURE && tlv->len == 5 && v[0] == SUBTYPE_ID) {
		if (info->has_azure)
			return -EBADMSG;
		info->has_azure = true;
		/* Little-endian, unlike everything else in the header. */
		info->azure_link_id = (uint32_t)v[1] | (uint32_t)v[2] << 8 | (uint32_t)v[3] << 16 |
				      (uint32_t)v[4] << 24;
	} else if (tlv->type == CV_PPV2_TYPE_GCP && tlv->len == 8) {
		if (info->has_gcp)
			return -EBADMSG;
		info->has_gcp = true;
		for (int i = 0; i < 8; i++)
			info->gcp_conn_id = info->gcp_conn_id << 8 | v[i];
	}
	return 0;
}

/* Walks the TLVs; *ret_crc becomes the CRC field, NULL if there is none. */
static int decode_tlvs(struct cv_ppv2_info *info, const uint8_t **ret_crc)
{
	struct cv_ppv2_tlv tlv;
	size_t pos = 0;
	int ret;

	*ret_crc = NULL;
	for (;;) {
		ret = cv_ppv2_tlv_next(info->tlvs, info->tlvs_len, &pos, &tlv);
		if (ret <= 0)
			return ret;
		if (tlv.type == CV_PPV2_TYPE_CRC32C) {
			if (tlv.len != CRC_LEN || *ret_crc != NULL)
				return -EBADMSG;
			*ret_crc = tlv.value;
		}
		ret = decode_cloud(&tlv, info);
		if (ret != 0)
			return ret;
	}
}

int cv_ppv2_decode(const uint8_t *buf, size_t len, struct cv_ppv2_info *ret_info, size_t *ret_len)
{
	struct cv_ppv2_info info = {0};
	const uint8_t *crc;
	size_t total;
	int ret;

	if (len == 0)
		return -EAGAIN;
	if (memcmp(buf, signature, len < sizeof(signature) ? len : sizeof(signature)) != 0)
		return -ENOMSG;
	if (len < CV_PPV2_FIXED_LEN)
		return -EAGAIN;
	if (buf[12] >> 4 != 2 || (buf[12] & 15) > CV_PPV2_PROXY)
		return -EBADMSG;
	info.command = buf[12] & 15;
	total = CV_PPV2_FIXED_LEN + (size_t)get_be16(buf + 14);
	ret = decode_layout(buf[13], buf + CV_PPV2_FIXED_LEN, total - CV_PPV2_FIXED_LEN, &info);
	if (ret != 0)
		return ret;
	if (len < total)
		return -EAGAIN;
	if (info.family == CV_PPV2_INET || info.family == CV_PPV2_INET6) {
		memcpy(&info.src_port, info.tlvs - 4, sizeof(info.src_port));
		memcpy(&info.dst_port, info.tlvs - 2, sizeof(info.dst_port));
	}
	ret = decode_tlvs(&info, &crc);
	if (ret != 0)
		return ret;
	if (crc != NULL) {
		uint32_t want = (uint32_t)get_be16(crc) << 16 | get_be16(crc + 2);

		if (header_crc(buf, total, crc) != want)
			return -EILSEQ;
		info.has_crc = true;
	}
	*ret_info = info;
	*ret_len = total;
	return 0;
}

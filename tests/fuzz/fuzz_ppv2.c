/* SPDX-License-Identifier: BSD-3-Clause */

/* The PROXY v2 decoder on any bytes: what it accepts must hold together. */

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "cv_base.h"
#include "cv_ppv2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_inside(const uint8_t *p, size_t n, const uint8_t *data, size_t total)
{
	cv_assert(p >= data && p <= data + total && n <= (size_t)(data + total - p));
}

static void check_accepted(const uint8_t *data, size_t len, const struct cv_ppv2_info *info,
			   size_t total)
{
	struct cv_ppv2_info again;
	struct cv_ppv2_tlv tlv;
	size_t pos = 0, n_crc = 0, total_again;
	int ret;

	cv_assert(total >= CV_PPV2_FIXED_LEN && total <= len);
	check_inside(info->src, info->addr_len, data, total);
	check_inside(info->dst, info->addr_len, data, total);
	check_inside(info->tlvs, info->tlvs_len, data, total);
	cv_assert(info->tlvs + info->tlvs_len == data + total);
	if (info->vpce_id != NULL)
		check_inside((const uint8_t *)info->vpce_id, info->vpce_id_len, data, total);
	while ((ret = cv_ppv2_tlv_next(info->tlvs, info->tlvs_len, &pos, &tlv)) == 1) {
		check_inside(tlv.value, tlv.len, data, total);
		n_crc += tlv.type == CV_PPV2_TYPE_CRC32C;
	}
	cv_assert(ret == 0 && pos == info->tlvs_len && n_crc == info->has_crc);
	/* What follows the header does not matter; without its last byte it is not one yet. */
	cv_assert(cv_ppv2_decode(data, total, &again, &total_again) == 0 && total_again == total);
	cv_assert(cv_ppv2_decode(data, total - 1, &again, &total_again) == -EAGAIN);
}

/* The decoder must read back what the encoder writes for any tuple. */
static void check_round_trip(const uint8_t *data)
{
	uint8_t tmpl[CV_PPV2_AWS_LEN], buf[CV_PPV2_AWS_LEN];
	struct cv_ppv2_tuple tuple;
	struct cv_ppv2_info info;
	size_t total;

	memcpy(&tuple, data, sizeof(tuple));
	cv_ppv2_aws_template(tmpl, "vpce-0123456789abcdef0");
	cv_ppv2_aws_finish(buf, tmpl, &tuple);
	cv_assert(cv_ppv2_decode(buf, sizeof(buf), &info, &total) == 0);
	cv_assert(info.has_crc && total == sizeof(buf) && info.vpce_id_len == 22);
	cv_assert(memcmp(info.src, &tuple.src_ip, 4) == 0 && info.src_port == tuple.src_port);
	cv_assert(memcmp(info.dst, &tuple.dst_ip, 4) == 0 && info.dst_port == tuple.dst_port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cv_ppv2_info info;
	struct cv_ppv2_tlv tlv;
	size_t total, pos = 0;
	int ret = cv_ppv2_decode(data, len, &info, &total);

	cv_assert(ret == 0 || ret == -EAGAIN || ret == -ENOMSG || ret == -EBADMSG ||
		  ret == -EILSEQ);
	if (ret == 0)
		check_accepted(data, len, &info, total);
	if (len >= sizeof(struct cv_ppv2_tuple))
		check_round_trip(data + len - sizeof(struct cv_ppv2_tuple));
	/* The iterator on bytes that nobody has checked. */
	while (cv_ppv2_tlv_next(data, len, &pos, &tlv) == 1)
		check_inside(tlv.value, tlv.len, data, len);
	cv_assert(pos <= len);
	return 0;
}

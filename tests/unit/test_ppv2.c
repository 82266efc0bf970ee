/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_net.h"
#include "cv_ppv2.h"

#define MAX_LEN 1024

/* Public captures of NLB headers behind PrivateLink, and a public parser test's health check. */
struct vector {
	const char *hex;
	const char *src, *dst, *vpce_id;
	uint16_t src_port, dst_port;
};

static const struct vector vectors[] = {
	{"0d0a0d0a000d0a515549540a21110054ac1f0771ac1f0a1fc8f20050030004e8d6892dea00170176706365"
	 "2d3038643262663135666163353030316339040024000000000000000000000000000000000000000000000000"
	 "000000000000000000000000",
	 "172.31.7.113", "172.31.10.31", "vpce-08d2bf15fac5001c9", 51442, 80},
	{"0d0a0d0a000d0a515549540a21110054c0a82c0ac0a82c07cc3e241b030004b9286fa6ea00170176706365"
	 "2d3030656166633435386563393762383333040024000000000000000000000000000000000000000000000000"
	 "000000000000000000000000",
	 "192.168.44.10", "192.168.44.7", "vpce-00eafc458ec97b833", 52286, 9243},
};

static const char local_hex[] = "0d0a0d0a000d0a515549540a20000007030004a9b87e8f";

static size_t unhex(const char *hex, uint8_t *buf)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		buf[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return n;
}

static cv_be32_t ip(const char *text)
{
	cv_be32_t addr = 0;

	assert_true(cv_ip4_parse(text, &addr));
	return addr;
}

/* The definition, bit by bit; independent of the library's tables. */
static uint32_t crc32c(const uint8_t *p, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* Sets the CRC field at `ofs` right. */
static void seal(uint8_t *buf, size_t len, size_t ofs)
{
	uint32_t crc;

	memset(buf + ofs, 0, 4);
	crc = cv_be32(crc32c(buf, len));
	memcpy(buf + ofs, &crc, 4);
}

/* Decodes exactly len bytes from the heap, so that a sanitizer sees a read beyond them. */
static int decode(const uint8_t *buf, size_t len, struct cv_ppv2_info *info, size_t *ret_len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy, buf, len);
	ret = cv_ppv2_decode(copy, len, info, ret_len);
	free(copy);
	return ret;
}

static void crc_of_the_test_itself_matches_the_check_value(void **state)
{
	(void)state;
	assert_int_equal(crc32c((const uint8_t *)"123456789", 9), 0xe3069283);
}

static void encode_equals_captured_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct cv_ppv2_tuple tuple = {
			.src_ip = ip(v->src),
			.dst_ip = ip(v->dst),
			.src_port = cv_be16(v->src_port),
			.dst_port = cv_be16(v->dst_port),
		};
		uint8_t want[MAX_LEN], tmpl[CV_PPV2_AWS_LEN], got[CV_PPV2_AWS_LEN];

		assert_int_equal(unhex(v->hex, want), CV_PPV2_AWS_LEN);
		cv_ppv2_aws_template(tmpl, v->vpce_id);
		cv_ppv2_aws_finish(got, tmpl, &tuple);
		assert_memory_equal(got, want, CV_PPV2_AWS_LEN);
	}
}

static void encode_local_equals_vector(void **state)
{
	uint8_t want[MAX_LEN], got[CV_PPV2_LOCAL_LEN + 1];
	size_t len = 99;

	(void)state;
	assert_int_equal(unhex(local_hex, want), CV_PPV2_LOCAL_LEN);
	memset(got, 0x5a, sizeof(got));
	assert_int_equal(cv_ppv2_local(got, CV_PPV2_LOCAL_LEN - 1, &len), -ENOSPC);
	assert_int_equal(len, 99);
	assert_int_equal(cv_ppv2_local(got, CV_PPV2_LOCAL_LEN, &len), 0);
	assert_int_equal(len, CV_PPV2_LOCAL_LEN);
	assert_memory_equal(got, want, CV_PPV2_LOCAL_LEN);
	assert_int_equal(got[CV_PPV2_LOCAL_LEN], 0x5a);
}

static void template_without_endpoint_pads_with_one_noop(void **state)
{
	uint8_t tmpl[CV_PPV2_AWS_LEN], zero[62] = {0};

	(void)state;
	cv_ppv2_aws_template(tmpl, NULL);
	assert_memory_equal(tmpl,
			    "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x54", 16);
	/* Two bytes of the addresses' place hold a sum; what of, only the finished header shows. */
	assert_memory_equal(tmpl + 18, zero, 10);
	assert_memory_equal(tmpl + 28, "\x03\x00\x04", 3);
	assert_memory_equal(tmpl + 35, "\x04\x00\x3e", 3);
	assert_memory_equal(tmpl + 38, zero, 62);
}

static void template_takes_ids_of_any_length_that_fits(void **state)
{
	char id[CV_PPV2_VPCE_ID_MAX + 1] = "";

	(void)state;
	for (size_t n = 1; n <= CV_PPV2_VPCE_ID_MAX; n++) {
		uint8_t tmpl[CV_PPV2_AWS_LEN], sealed[CV_PPV2_AWS_LEN];
		struct cv_ppv2_info info;
		size_t len;

		id[n - 1] = (char)('a' + n % 26);
		cv_ppv2_aws_template(tmpl, id);
		memset(tmpl + CV_PPV2_AWS_TUPLE_OFS, 0, 2);
		memcpy(sealed, tmpl, sizeof(tmpl));
		seal(sealed, sizeof(sealed), 31);
		assert_memory_equal(tmpl, sealed, sizeof(tmpl));
		assert_int_equal(cv_ppv2_decode(tmpl, sizeof(tmpl), &info, &len), 0);
		assert_int_equal(len, CV_PPV2_AWS_LEN);
		assert_int_equal(info.vpce_id_len, n);
		assert_memory_equal(info.vpce_id, id, n);
	}
}

static uint32_t words_sum(const uint8_t *header)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < CV_PPV2_AWS_LEN; i += 2)
		sum += header[i] | (uint32_t)header[i + 1] << 8;
	return sum;
}

static uint32_t fold(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Every value of every byte of the tuple, and unaligned destinations. */
static void finish_gives_the_crc_that_a_full_pass_gives(void **state)
{
	uint8_t tmpl[CV_PPV2_AWS_LEN], room[CV_PPV2_AWS_LEN + 8], want[CV_PPV2_AWS_LEN];
	uint32_t seed = 1, sum;

	(void)state;
	for (int with_id = 0; with_id < 2; with_id++) {
		cv_ppv2_aws_template(tmpl, with_id != 0 ? "vpce-0123456789abcdef0" : NULL);
		for (unsigned int i = 0; i < 12 * 256; i++) {
			uint8_t bytes[12], *dst = room + i % 8;
			struct cv_ppv2_tuple tuple;

			for (int j = 0; j < 12; j++) {
				seed = seed * 1664525 + 1013904223;
				bytes[j] = (uint8_t)(seed >> 24);
			}
			bytes[i / 256] = (uint8_t)i;
			memcpy(&tuple, bytes, sizeof(tuple));
			memset(room, 0xa5, sizeof(room));
			sum = cv_ppv2_aws_finish(dst, tmpl, &tuple);
			assert_int_equal(fold(sum), fold(words_sum(dst)));
			memcpy(want, tmpl, sizeof(want));
			memcpy(want + CV_PPV2_AWS_TUPLE_OFS, bytes, sizeof(bytes));
			seal(want, sizeof(want), 31);
			assert_memory_equal(dst, want, sizeof(want));
			assert_true(dst == room || dst[-1] == 0xa5);
			assert_true(dst == room + 8 || dst[CV_PPV2_AWS_LEN] == 0xa5);
		}
	}
}

static void decode_reads_captured_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		uint8_t buf[MAX_LEN];
		size_t n = unhex(v->hex, buf), len = 0;
		struct cv_ppv2_info info;
		cv_be32_t src = ip(v->src), dst = ip(v->dst);

		memcpy(buf + n, "GET / HTTP/1.1", 14); /* the stream goes on */
		assert_int_equal(cv_ppv2_decode(buf, n + 14, &info, &len), 0);
		assert_int_equal(len, n);
		assert_int_equal(info.command, CV_PPV2_PROXY);
		assert_int_equal(info.family, CV_PPV2_INET);
		assert_int_equal(info.transport, CV_PPV2_STREAM);
		assert_int_equal(info.addr_len, 4);
		assert_memory_equal(info.src, &src, 4);
		assert_memory_equal(info.dst, &dst, 4);
		assert_int_equal(info.src_port, cv_be16(v->src_port));
		assert_int_equal(info.dst_port, cv_be16(v->dst_port));
		assert_true(info.has_crc);
		assert_false(info.has_azure);
		assert_false(info.has_gcp);
		assert_int_equal(info.vpce_id_len, strlen(v->vpce_id));
		assert_memory_equal(info.vpce_id, v->vpce_id, strlen(v->vpce_id));
		assert_ptr_equal(info.tlvs, buf + 28);
		assert_int_equal(info.tlvs_len, 72);
	}
}

static void decode_reads_local(void **state)
{
	struct cv_ppv2_info info;
	uint8_t buf[MAX_LEN];
	size_t n = unhex(local_hex, buf), len = 0;

	(void)state;
	assert_int_equal(cv_ppv2_decode(buf, n, &info, &len), 0);
	assert_int_equal(len, CV_PPV2_LOCAL_LEN);
	assert_int_equal(info.command, CV_PPV2_LOCAL);
	assert_int_equal(info.family, CV_PPV2_UNSPEC);
	assert_int_equal(info.transport, CV_PPV2_NO_TRANSPORT);
	assert_int_equal(info.addr_len, 0);
	assert_true(info.has_crc);
	assert_null(info.vpce_id);
}

static void decode_asks_for_more_at_every_truncation(void **state)
{
	const char *const all[] = {vectors[0].hex, vectors[1].hex, local_hex};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		uint8_t buf[MAX_LEN];
		size_t n = unhex(all[i], buf);

		for (size_t cut = 0; cut < n; cut++) {
			struct cv_ppv2_info info, before;
			size_t len = 99;

			memset(&before, 0x77, sizeof(before));
			memcpy(&info, &before, sizeof(info));
			assert_int_equal(decode(buf, cut, &info, &len), -EAGAIN);
			assert_int_equal(len, 99);
			assert_memory_equal(&info, &before, sizeof(info));
		}
	}
}

/* What may become of a header with one byte changed, by which byte it is. */
static void check_corrupted(const uint8_t *buf, size_t n, size_t at)
{
	struct cv_ppv2_info info;
	size_t len;
	int ret = decode(buf, n, &info, &len);

	if (at < 12)
		assert_int_equal(ret, -ENOMSG);
	else if (at == 12 && (buf[12] >> 4 != 2 || (buf[12] & 15) > 1))
		assert_int_equal(ret, -EBADMSG);
	else if (ret == 0)
		assert_false(info.has_crc);
	else
		assert_true(ret == -EILSEQ || ret == -EBADMSG || (ret == -EAGAIN && at <= 15));
	/* Accepted only when the CRC TLV became another kind, or the header ends before it. */
	if (ret == 0) {
		size_t crc_at = buf[13] == 0 ? 16 : 28;

		assert_true(at == crc_at || (at == 15 && buf[15] == crc_at - 16));
	}
}

static void decode_notices_every_corrupted_byte(void **state)
{
	const char *const all[] = {vectors[0].hex, vectors[1].hex, local_hex};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		uint8_t buf[MAX_LEN];
		size_t n = unhex(all[i], buf);

		for (size_t at = 0; at < n; at++) {
			uint8_t was = buf[at];

			for (unsigned int flip = 1; flip < 256; flip++) {
				buf[at] = (uint8_t)(was ^ flip);
				check_corrupted(buf, n, at);
			}
			buf[at] = was;
		}
	}
}

static void decode_tells_apart_what_is_no_header(void **state)
{
	static const char *const texts[] = {"GET / HTTP/1.1\r\n", "\r\n",
					    "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "\r\n\r\n",
					    "\x16\x03\x01"};
	struct cv_ppv2_info info;
	size_t len;

	(void)state;
	assert_int_equal(cv_ppv2_decode(NULL, 0, &info, &len), -EAGAIN);
	assert_int_equal(decode((const uint8_t *)texts[0], 1, &info, &len), -ENOMSG);
	assert_int_equal(decode((const uint8_t *)texts[0], 16, &info, &len), -ENOMSG);
	/* "\r\n" and "\r\n\r\n" are how the signature begins. */
	assert_int_equal(decode((const uint8_t *)texts[1], 2, &info, &len), -EAGAIN);
	assert_int_equal(decode((const uint8_t *)texts[2], 32, &info, &len), -ENOMSG);
	assert_int_equal(decode((const uint8_t *)texts[3], 4, &info, &len), -EAGAIN);
	assert_int_equal(decode((const uint8_t *)"\r\n\r\nx", 5, &info, &len), -ENOMSG);
	assert_int_equal(decode((const uint8_t *)texts[4], 3, &info, &len), -ENOMSG);
}

/* ---- headers built by hand ---- */

struct built {
	uint8_t buf[MAX_LEN];
	size_t len;
};

static void begin(struct built *b, uint8_t ver_cmd, uint8_t protocol, size_t addr_len)
{
	memset(b, 0, sizeof(*b));
	memcpy(b->buf, "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a", 12);
	b->buf[12] = ver_cmd;
	b->buf[13] = protocol;
	for (size_t i = 0; i < addr_len; i++)
		b->buf[16 + i] = (uint8_t)(i + 1);
	b->len = 16 + addr_len;
}

static size_t add(struct built *b, uint8_t type, const char *value, size_t len)
{
	b->buf[b->len++] = type;
	b->buf[b->len++] = (uint8_t)(len >> 8);
	b->buf[b->len++] = (uint8_t)len;
	memcpy(b->buf + b->len, value, len);
	b->len += len;
	return b->len - len;
}

static int finish(struct built *b, struct cv_ppv2_info *info)
{
	size_t len = 0;
	int ret;

	b->buf[14] = (uint8_t)((b->len - 16) >> 8);
	b->buf[15] = (uint8_t)(b->len - 16);
	ret = cv_ppv2_decode(b->buf, b->len, info, &len);
	if (ret == 0)
		assert_int_equal(len, b->len);
	return ret;
}

static void decode_reads_every_family_and_refuses_others(void **state)
{
	static const uint8_t need[4] = {0, 12, 36, 216};
	static const uint8_t addr_len[4] = {0, 4, 16, 108};

	(void)state;
	for (unsigned int protocol = 0; protocol < 256; protocol++) {
		unsigned int family = protocol >> 4, transport = protocol & 15;
		struct cv_ppv2_info info;
		struct built b;

		begin(&b, 0x21, (uint8_t)protocol, family < 4 ? need[family] : 216);
		if (family > 3 || transport > 2 || (family == 0) != (transport == 0)) {
			assert_int_equal(finish(&b, &info), -EBADMSG);
			continue;
		}
		assert_int_equal(finish(&b, &info), 0);
		assert_int_equal(info.family, family);
		assert_int_equal(info.transport, transport);
		assert_int_equal(info.addr_len, addr_len[family]);
		assert_ptr_equal(info.src, b.buf + 16);
		assert_ptr_equal(info.dst, b.buf + 16 + addr_len[family]);
		assert_int_equal(info.tlvs_len, 0);
		assert_false(info.has_crc);
		if (family == 1 || family == 2) {
			assert_memory_equal(&info.src_port, b.buf + b.len - 4, 2);
			assert_memory_equal(&info.dst_port, b.buf + b.len - 2, 2);
		} else {
			assert_int_equal(info.src_port | info.dst_port, 0);
		}
	}
}

static void decode_refuses_addresses_cut_short(void **state)
{
	static const struct {
		uint8_t protocol;
		size_t need;
	} cases[] = {{0x11, 12}, {0x21, 36}, {0x31, 216}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t n = 0; n < cases[i].need; n++) {
			struct cv_ppv2_info info;
			struct built b;

			begin(&b, 0x21, cases[i].protocol, n);
			assert_int_equal(finish(&b, &info), -EBADMSG);
		}
	}
}

static void decode_refuses_bad_versions_and_commands(void **state)
{
	struct cv_ppv2_info info;
	struct built b;

	(void)state;
	for (unsigned int v = 0; v < 256; v++) {
		begin(&b, (uint8_t)v, 0x11, 12);
		assert_int_equal(finish(&b, &info), v == 0x20 || v == 0x21 ? 0 : -EBADMSG);
	}
}

static void decode_refuses_tlvs_that_do_not_fit(void **state)
{
	struct cv_ppv2_info info;
	struct built b;

	(void)state;
	for (size_t left = 1; left <= 12; left++) {
		for (size_t claim = 0; claim <= 300; claim++) {
			begin(&b, 0x21, 0x11, 12 + left);
			b.buf[28] = CV_PPV2_TYPE_NOOP;
			b.buf[29] = (uint8_t)(claim >> 8);
			b.buf[30] = (uint8_t)claim;
			b.buf[31] = 4;
			if (left >= 3 && claim + 3 == left)
				assert_int_equal(finish(&b, &info), 0);
			else if (left < 3 || claim + 3 > left)
				assert_int_equal(finish(&b, &info), -EBADMSG);
		}
	}
}

static void decode_reads_cloud_ids(void **state)
{
	struct cv_ppv2_info info;
	struct built b;
	size_t crc;

	(void)state;
	begin(&b, 0x21, 0x21, 36);
	add(&b, CV_PPV2_TYPE_AZURE, "\x01\x78\x56\x34\x12", 5);
	add(&b, CV_PPV2_TYPE_GCP, "\x01\x02\x03\x04\x05\x06\x07\x88", 8);
	crc = add(&b, CV_PPV2_TYPE_CRC32C, "\0\0\0\0", 4);
	add(&b, CV_PPV2_TYPE_AWS, "\x01vpce-1", 7);
	b.buf[15] = (uint8_t)(b.len - 16);
	seal(b.buf, b.len, crc);
	assert_int_equal(finish(&b, &info), 0);
	assert_true(info.has_crc);
	assert_true(info.has_azure);
	assert_int_equal(info.azure_link_id, 0x12345678);
	assert_true(info.has_gcp);
	assert_true(info.gcp_conn_id == 0x0102030405060788);
	assert_int_equal(info.vpce_id_len, 6);
	assert_memory_equal(info.vpce_id, "vpce-1", 6);
	b.buf[16] ^= 1;
	assert_int_equal(finish(&b, &info), -EILSEQ);
}

static void decode_leaves_foreign_values_of_cloud_types_alone(void **state)
{
	struct cv_ppv2_info info;
	struct built b;

	(void)state;
	begin(&b, 0x21, 0x11, 12);
	add(&b, CV_PPV2_TYPE_AWS, "", 0);
	add(&b, CV_PPV2_TYPE_AWS, "\x01", 1);
	add(&b, CV_PPV2_TYPE_AWS, "\x02vpce-1", 7);
	add(&b, CV_PPV2_TYPE_AZURE, "\x02\x78\x56\x34\x12", 5);
	add(&b, CV_PPV2_TYPE_AZURE, "\x01\x78\x56\x34", 4);
	add(&b, CV_PPV2_TYPE_AZURE, "\x01\x78\x56\x34\x12\x11", 6);
	add(&b, CV_PPV2_TYPE_GCP, "\x01\x02\x03\x04\x05\x06\x07", 7);
	add(&b, CV_PPV2_TYPE_GCP, "\x01\x02\x03\x04\x05\x06\x07\x08\x09", 9);
	assert_int_equal(finish(&b, &info), 0);
	assert_null(info.vpce_id);
	assert_false(info.has_azure);
	assert_false(info.has_gcp);
}

static void decode_refuses_duplicates_of_what_it_reports(void **state)
{
	static const struct {
		uint8_t type;
		const char *value;
		size_t len;
		int want;
	} cases[] = {
		{CV_PPV2_TYPE_AWS, "\x01vpce-1", 7, -EBADMSG},
		{CV_PPV2_TYPE_AZURE, "\x01\x78\x56\x34\x12", 5, -EBADMSG},
		{CV_PPV2_TYPE_GCP, "\0\0\0\0\0\0\0\0", 8, -EBADMSG},
		{CV_PPV2_TYPE_CRC32C, "\0\0\0\0", 4, -EBADMSG},
		{CV_PPV2_TYPE_NOOP, "\0\0\0\0", 4, 0},
		{0x01, "h2", 2, 0},
	};
	struct cv_ppv2_info info;
	struct built b;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&b, 0x21, 0x11, 12);
		add(&b, cases[i].type, cases[i].value, cases[i].len);
		assert_int_equal(finish(&b, &info),
				 cases[i].type == CV_PPV2_TYPE_CRC32C ? -EILSEQ : 0);
		add(&b, cases[i].type, cases[i].value, cases[i].len);
		assert_int_equal(finish(&b, &info), cases[i].want);
	}
}

static void decode_refuses_a_crc_of_another_length(void **state)
{
	struct cv_ppv2_info info;
	struct built b;

	(void)state;
	for (size_t n = 0; n <= 8; n++) {
		if (n == 4)
			continue;
		begin(&b, 0x21, 0x11, 12);
		add(&b, CV_PPV2_TYPE_CRC32C, "\0\0\0\0\0\0\0\0", n);
		assert_int_equal(finish(&b, &info), -EBADMSG);
	}
}

static void tlv_next_steps_and_stops(void **state)
{
	static const uint8_t tlvs[] = {0x01, 0, 2, 'h', '2', 0x04, 0, 0, 0x02, 0, 9, 'x'};
	struct cv_ppv2_tlv tlv = {0};
	size_t pos = 0;

	(void)state;
	assert_int_equal(cv_ppv2_tlv_next(tlvs, sizeof(tlvs), &pos, &tlv), 1);
	assert_int_equal(tlv.type, 1);
	assert_int_equal(tlv.len, 2);
	assert_ptr_equal(tlv.value, tlvs + 3);
	assert_int_equal(cv_ppv2_tlv_next(tlvs, sizeof(tlvs), &pos, &tlv), 1);
	assert_int_equal(tlv.type, 4);
	assert_int_equal(tlv.len, 0);
	assert_int_equal(pos, 8);
	assert_int_equal(cv_ppv2_tlv_next(tlvs, sizeof(tlvs), &pos, &tlv), -EBADMSG);
	assert_int_equal(pos, 8);
	assert_int_equal(tlv.type, 4);
	assert_int_equal(cv_ppv2_tlv_next(tlvs, 8, &pos, &tlv), 0);
	assert_int_equal(cv_ppv2_tlv_next(tlvs, 10, &pos, &tlv), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_of_the_test_itself_matches_the_check_value),
		cmocka_unit_test(encode_equals_captured_headers),
		cmocka_unit_test(encode_local_equals_vector),
		cmocka_unit_test(template_without_endpoint_pads_with_one_noop),
		cmocka_unit_test(template_takes_ids_of_any_length_that_fits),
		cmocka_unit_test(finish_gives_the_crc_that_a_full_pass_gives),
		cmocka_unit_test(decode_reads_captured_headers),
		cmocka_unit_test(decode_reads_local),
		cmocka_unit_test(decode_asks_for_more_at_every_truncation),
		cmocka_unit_test(decode_notices_every_corrupted_byte),
		cmocka_unit_test(decode_tells_apart_what_is_no_header),
		cmocka_unit_test(decode_reads_every_family_and_refuses_others),
		cmocka_unit_test(decode_refuses_addresses_cut_short),
		cmocka_unit_test(decode_refuses_bad_versions_and_commands),
		cmocka_unit_test(decode_refuses_tlvs_that_do_not_fit),
		cmocka_unit_test(decode_reads_cloud_ids),
		cmocka_unit_test(decode_leaves_foreign_values_of_cloud_types_alone),
		cmocka_unit_test(decode_refuses_duplicates_of_what_it_reports),
		cmocka_unit_test(decode_refuses_a_crc_of_another_length),
		cmocka_unit_test(tlv_next_steps_and_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

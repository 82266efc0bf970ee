/* SPDX-License-Identifier: BSD-3-Clause */

/* DNS queries of any bytes, over UDP and TCP: an answer is an answer to them, within its length. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"
#include "cv_dns.h"
#include "dns_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct cv_dns_data *names_make(void)
{
	static const struct cv_dns_addr addrs[] = {
		{1, 0, true}, {2, 1, false}, {3, 2, true}, {4, 3, true}};
	static const struct cv_dns_name rows[] = {
		{.vpc = 1, .name = "a.example.com", .addrs = addrs, .n_addrs = 4},
		{.vpc = 1, .name = "b.a.example.com", .addrs = addrs, .n_addrs = 2},
		{.vpc = CV_DNS_EVERYWHERE, .name = "c.example.com", .addrs = addrs, .n_addrs = 1},
		{.vpc = 1, .name = "*.example.org", .alias = "a.example.com"},
	};
	struct cv_dns_data *names = cv_dns_data_create();

	cv_assert(names != NULL && cv_dns_data_zone_add(names, "example.com") == 0);
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++)
		cv_assert(cv_dns_data_name_add(names, &rows[i]) == 0);
	return names;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t buf[CV_DNS_LEN_MAX];
	struct cv_dns_data *names = names_make();

	for (int i = 0; i < 4; i++) {
		const struct cv_dns_query query = {.bytes = data,
						   .len = len,
						   .vpc = 1,
						   .tcp = (i & 1) != 0,
						   .can_forward = (i & 2) != 0,
						   .random = (uint32_t)len};
		size_t n = 0;
		uint8_t rcode = 0xff;
		enum cv_dns_act act = cv_dns_answer(names, &query, buf, &n, &rcode);

		cv_assert(act != CV_DNS_FORWARD || query.can_forward);
		if (act == CV_DNS_FORWARD) {
			n = cv_dns_fail(&query, buf);
			cv_assert(n == 0 || (buf[3] & 0xf) == 2);
		}
		if (n == 0)
			continue;
		cv_assert(n >= 12 && n <= (query.tcp ? CV_DNS_LEN_MAX : CV_DNS_UDP_MAX));
		cv_assert(memcmp(buf, data, 2) == 0 && (buf[2] & 0x80) != 0);
		cv_assert(((buf[2] ^ data[2]) & 0x79) == 0); /* opcode and RD as asked */
	}
	(void)cv_dns_is_answer(data, len / 2, data + len / 2, len - len / 2, 0x1234);
	(void)cv_dns_txt_look(data, len, "vpce:secret");
	cv_dns_data_put(names);
	return 0;
}

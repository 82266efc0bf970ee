/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cv_base.h"

/* Reads 1..3 digits without a leading zero, in [0, max]; returns what follows, or NULL. */
static const char *small_number(const char *text, unsigned int max, unsigned int *ret_value)
{
	unsigned int value = 0;
	size_t n = 0;

	while (n < 4 && text[n] >= '0' && text[n] <= '9')
		value = value * 10 + (unsigned int)(text[n++] - '0');
	if (n == 0 || n > 3 || value > max || (n > 1 && text[0] == '0'))
		return NULL;
	*ret_value = value;
	return text + n;
}

static const char *ip4_scan(const char *text, cv_be32_t *ret_addr)
{
	uint32_t addr = 0;

	for (int i = 0; i < 4; i++) {
		unsigned int octet;

		if (i > 0 && *text++ != '.')
			return NULL;
		text = small_number(text, 255, &octet);
		if (text == NULL)
			return NULL;
		addr = addr << 8 | octet;
	}
	*ret_addr = cv_be32(addr);
	return text;
}

bool cv_ip4_parse(const char *text, cv_be32_t *ret_addr)
{
	cv_be32_t addr;
	const char *end = ip4_scan(text, &addr);

	if (end == NULL || *end != '\0')
		return false;
	*ret_addr = addr;
	return true;
}

const char *cv_ip4_str(cv_be32_t addr, char *buf)
{
	uint32_t a = cv_be32_host(addr);

	snprintf(buf, CV_NET_STR_LEN, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
	return buf;
}

int cv_prefix_parse(const char *text, struct cv_prefix *ret_prefix)
{
	unsigned int len;
	cv_be32_t addr;
	const char *end = ip4_scan(text, &addr);

	if (end == NULL || *end != '/')
		return -EINVAL;
	end = small_number(end + 1, 32, &len);
	if (end == NULL || *end != '\0')
		return -EINVAL;
	if ((addr & ~cv_prefix_mask((uint8_t)len)) != 0)
		return -EDOM;
	ret_prefix->addr = addr;
	ret_prefix->len = (uint8_t)len;
	return 0;
}

const char *cv_prefix_str(const struct cv_prefix *prefix, char *buf)
{
	char addr[CV_NET_STR_LEN];

	cv_ip4_str(prefix->addr, addr);
	snprintf(buf, CV_NET_STR_LEN, "%.15s/%u", addr, prefix->len);
	return buf;
}

bool cv_prefix_overlaps(const struct cv_prefix *a, const struct cv_prefix *b)
{
	return a->len <= b->len ? cv_prefix_has(a, b->addr) : cv_prefix_has(b, a->addr);
}

uint16_t cv_mac_prefix(const char *vpc_id)
{
	uint64_t hash = cv_siphash(vpc_id, strlen(vpc_id), 0x6d6163, 0);
	uint8_t bytes[2] = {(uint8_t)((hash & 0xfc) | 0x02), (uint8_t)((hash >> 8) & 0xfe)};
	uint16_t prefix;

	memcpy(&prefix, bytes, sizeof(prefix));
	return prefix;
}

const char *cv_mac_str(const uint8_t *mac, char *buf)
{
	snprintf(buf, CV_NET_STR_LEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return buf;
}

uint64_t cv_csum_add(const void *data, size_t len, uint64_t sum)
{
	const uint8_t *p = data;
	uint32_t pair;
	uint16_t word;

	/* Two words at a time: what the low one carries into the high one, folding brings back. */
	for (; len >= 4; len -= 4, p += 4) {
		memcpy(&pair, p, 4);
		sum += pair;
	}
	if (len >= 2) {
		memcpy(&word, p, 2);
		sum += word;
		len -= 2;
		p += 2;
	}
	if (len == 1) {
		word = 0;
		memcpy(&word, p, 1);
		sum += word;
	}
	return sum;
}

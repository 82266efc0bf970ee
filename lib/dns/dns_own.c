/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Names that addresses have of themselves, ip-10-0-1-10.ec2.internal, and the way back. Nothing is kept for
 * them: a VPC's subnets say which there are.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dns_priv.h"

#define OCTETS 4

static const uint8_t arpa[] = "\7in-addr\4arpa"; /* its NUL is the root */

int cv_dns_data_own_add(struct cv_dns_data *data, const char *name)
{
	int ret = cv_dns_data_zone_add(data, name);

	if (ret == 0)
		data->own = data->n_zones - 1;
	return ret;
}

/* Tells whether some subnet of a VPC has addresses that begin with the first bits of one. */
static bool is_ours(const struct cv_dns_data *data, uint16_t vpc, uint32_t ip, uint32_t bits)
{
	for (uint32_t i = 0; i < data->n_subnets; i++) {
		const struct cv_dns_subnet *subnet = &data->subnets[i];
		uint32_t n = subnet->cidr.len < bits ? subnet->cidr.len : bits;

		if (subnet->vpc == vpc &&
		    (n == 0 || (ip ^ cv_be32_host(subnet->cidr.addr)) >> (32 - n) == 0))
			return true;
	}
	return false;
}

/* A label of a number 0..255 as one writes it. @return -1: it is none */
static int octet_read(const uint8_t *label)
{
	int value = 0;

	if (label[0] < 1 || label[0] > 3 || (label[0] > 1 && label[1] == '0'))
		return -1;
	for (uint8_t i = 1; i <= label[0]; i++) {
		if (label[i] < '0' || label[i] > '9')
			return -1;
		value = value * 10 + label[i] - '0';
	}
	return value <= 255 ? value : -1;
}

/* The address that a name below in-addr.arpa is of, as far as it goes. @return bits that it has; 0: none */
static uint32_t reverse_read(const uint8_t *key, uint8_t len, uint32_t *ret_ip)
{
	uint32_t ip = 0, bits = 0;

	while (len > sizeof(arpa) && bits < 8 * OCTETS) {
		int octet = octet_read(key);

		if (octet < 0)
			return 0;
		/* The last one stands first. */
		ip = ip >> 8 | (uint32_t)octet << 24;
		bits += 8;
		len -= key[0] + 1;
		key += key[0] + 1;
	}
	if (len != sizeof(arpa) || memcmp(key, arpa, len) != 0)
		return 0;
	*ret_ip = ip;
	return bits;
}

/* Label of an address, as on the wire, shape [DNS_OWN_LABEL]. @return bytes */
static uint8_t label_make(uint32_t ip, uint8_t *label)
{
	char text[DNS_OWN_LABEL];
	int n = snprintf(text, sizeof(text), "ip-%u-%u-%u-%u", ip >> 24, ip >> 16 & 255,
			 ip >> 8 & 255, ip & 255);

	label[0] = (uint8_t)n;
	memcpy(label + 1, text, (size_t)n);
	return (uint8_t)(n + 1);
}

/* The address that a label is of, written as we write it. */
static bool label_read(const uint8_t *key, uint32_t *ret_ip)
{
	uint8_t want[DNS_OWN_LABEL + 1];
	unsigned int a, b, c, d;
	char text[DNS_OWN_LABEL];
	uint32_t ip;

	if (key[0] >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", key[0], (const char *)key + 1);
	if (sscanf(text, "ip-%3u-%3u-%3u-%3u", &a, &b, &c, &d) != 4 || (a | b | c | d) > 255)
		return false;
	ip = a << 24 | b << 16 | c << 8 | d;
	if (label_make(ip, want) != key[0] + 1 || memcmp(want, key, key[0] + 1U) != 0)
		return false;
	*ret_ip = ip;
	return true;
}

enum dns_own cv_dns_own_find(const struct cv_dns_data *data, uint16_t vpc, const uint8_t *key,
			     uint8_t len, cv_be32_t *ret_ip)
{
	const struct dns_zone *own = data->own != DNS_NONE ? &data->zones[data->own] : NULL;
	uint32_t ip, bits;

	if (own == NULL)
		return DNS_OWN_NOT;
	bits = reverse_read(key, len, &ip);
	if (bits > 0) {
		/* Of 10.0.in-addr.arpa only the first 16 bits of 10.0 are known, at the top. */
		if (!is_ours(data, vpc, ip, bits))
			return DNS_OWN_NOT;
		*ret_ip = cv_be32(ip);
		return bits == 8 * OCTETS ? DNS_OWN_REVERSE : DNS_OWN_ABOVE;
	}
	if (key[0] == 0 || len != key[0] + 1 + own->len ||
	    memcmp(key + key[0] + 1, own->key, own->len) != 0 || !label_read(key, &ip) ||
	    !is_ours(data, vpc, ip, 8 * OCTETS))
		return DNS_OWN_NOT;
	*ret_ip = cv_be32(ip);
	return DNS_OWN_NAME;
}

uint8_t cv_dns_own_name(const struct cv_dns_data *data, cv_be32_t ip, uint8_t *key)
{
	const struct dns_zone *own = &data->zones[data->own];
	uint8_t len = label_make(cv_be32_host(ip), key);

	memcpy(key + len, own->key, own->len);
	return (uint8_t)(len + own->len);
}

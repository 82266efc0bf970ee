/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How many queries a client has asked in a second. There is room for some thousand clients; one that is
 * forgotten in favour of another begins anew.
 */

#include "dns_server_priv.h"

bool cv_dns_rate_take(struct dns_rate *rate, uint16_t vpc, cv_be32_t client, uint32_t second,
		      uint32_t limit)
{
	const struct dns_asked asked = {.client = client, .vpc = vpc, .second = second, .n = 1};
	uint64_t hash = cv_siphash(&client, sizeof(client), rate->secret[0] + vpc, rate->secret[1]);
	struct dns_asked *set = rate->sets[hash % DNS_RATE_SETS], *victim = set;

	for (size_t i = 0; i < DNS_RATE_WAYS; i++) {
		struct dns_asked *a = &set[i];

		if (a->n > 0 && a->client == client && a->vpc == vpc) {
			if (a->second != second)
				*a = asked;
			else if (a->n < limit)
				a->n++;
			else
				return false;
			return true;
		}
		/* Who has not asked in this second goes first, then who has asked least. */
		if (victim->second == second && (a->second != second || a->n < victim->n))
			victim = a;
	}
	*victim = asked;
	return true;
}

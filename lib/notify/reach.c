/* SPDX-License-Identifier: BSD-3-Clause */

/* Where receivers may be. Callers of the API choose them: what only this host reaches is not theirs. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "notify_priv.h"

static bool is_in(uint32_t ip, uint32_t net, unsigned int bits)
{
	return (ip ^ net) >> (32 - bits) == 0;
}

static bool may_reach_ip4(const struct cv_notify_nets *nets, uint32_t ip)
{
	if (!nets->given)
		return !is_in(ip, 0x00000000, 8) && !is_in(ip, 0xa9fe0000, 16) &&
		       !is_in(ip, 0xe0000000, 3) && (nets->loopback || !is_in(ip, 0x7f000000, 8));
	for (uint32_t i = 0; i < nets->n; i++) {
		if (((ip ^ nets->nets[i].ip) & nets->nets[i].mask) == 0)
			return true;
	}
	return false;
}

static bool may_reach_ip6(const struct cv_notify_nets *nets, const struct in6_addr *ip)
{
	const uint8_t *b = ip->s6_addr;

	if (IN6_IS_ADDR_V4MAPPED(ip) ||
	    (b[0] == 0x00 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b))
		return may_reach_ip4(nets, (uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 |
						   (uint32_t)b[14] << 8 | b[15]);
	if (nets->given || IN6_IS_ADDR_MULTICAST(ip) || IN6_IS_ADDR_LINKLOCAL(ip) ||
	    IN6_IS_ADDR_UNSPECIFIED(ip))
		return false;
	/* Likewise where clouds keep secrets: fd00:ec2::/32. */
	if (b[0] == 0xfd && b[1] == 0x00 && b[2] == 0x0e && b[3] == 0xc2)
		return false;
	return nets->loopback || !IN6_IS_ADDR_LOOPBACK(ip);
}

bool cv_notify_may_reach(const struct cv_notify_nets *nets, const struct sockaddr *addr)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (addr->sa_family == AF_INET) {
		memcpy(&in, addr, sizeof(in));
		return may_reach_ip4(nets, ntohl(in.sin_addr.s_addr));
	}
	if (addr->sa_family != AF_INET6)
		return false;
	memcpy(&in6, addr, sizeof(in6));
	return may_reach_ip6(nets, &in6.sin6_addr);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* What is wanted of one namespace: copies, indexes, differences. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_priv.h"

struct cv_host_ports cv_host_ports_get(uint16_t snat_first, uint32_t n_snat)
{
	/* Below are the ports that only privileged processes may take on any Linux. */
	const uint32_t first = 1024, end = 65536, snat_end = (uint32_t)snat_first + n_snat;
	uint32_t below = snat_first > first ? snat_first - first : 0;
	uint32_t above = snat_end < end ? end - (snat_end > first ? snat_end : first) : 0;

	if (below == 0 && above == 0)
		return (struct cv_host_ports){.first = 1, .last = 0};
	if (below >= above)
		return (struct cv_host_ports){.first = (uint16_t)first,
					      .last = (uint16_t)(snat_first - 1)};
	return (struct cv_host_ports){.first = (uint16_t)(end - above), .last = UINT16_MAX};
}

static int addr_cmp(const void *a, const void *b)
{
	uint32_t x = cv_be32_host(*(const cv_be32_t *)a), y = cv_be32_host(*(const cv_be32_t *)b);

	return (x > y) - (x < y);
}

static int addrs_copy(struct host_spec *spec, const struct cv_host_vpc *vpc)
{
	spec->addrs = calloc(vpc->n_addrs + 1, sizeof(*spec->addrs));
	if (spec->addrs == NULL)
		return -1;
	if (vpc->n_addrs > 0)
		memcpy(spec->addrs, vpc->addrs, vpc->n_addrs * sizeof(*spec->addrs));
	qsort(spec->addrs, vpc->n_addrs, sizeof(*spec->addrs), addr_cmp);
	for (uint32_t i = 0; i < vpc->n_addrs; i++)
		if (i == 0 || spec->addrs[i] != spec->addrs[i - 1])
			spec->addrs[spec->n_addrs++] = spec->addrs[i];
	return 0;
}

static int reserved_copy(struct host_spec *spec, const struct cv_host_vpc *vpc)
{
	size_t cap = (size_t)vpc->n_reserved * HOST_PORT_TEXT_LEN + 1, len = 0;

	spec->reserved = calloc(1, cap);
	for (uint32_t i = 0; spec->reserved != NULL && i < vpc->n_reserved; i++) {
		uint16_t port = vpc->reserved[i];

		if (port >= spec->ports.first && port <= spec->ports.last)
			len += (size_t)snprintf(spec->reserved + len, cap - len, "%s%u",
						len > 0 ? "," : "", port);
	}
	return spec->reserved != NULL ? 0 : -1;
}

static uint32_t hash(cv_be32_t ip)
{
	return (uint32_t)((ip * 0x9e3779b97f4a7c15) >> 32);
}

static int peers_copy(struct host_spec *spec, const struct cv_host_vpc *vpc)
{
	uint32_t mask = 1;

	while (mask < 2 * vpc->n_peers)
		mask = mask * 2 + 1;
	spec->peers = calloc((size_t)mask + 1, sizeof(*spec->peers));
	if (spec->peers == NULL)
		return -1;
	spec->peer_mask = mask;
	for (uint32_t i = 0; i < vpc->n_peers; i++) {
		uint32_t at = hash(vpc->peers[i].ip) & mask;

		while (spec->peers[at].ip != 0 && spec->peers[at].ip != vpc->peers[i].ip)
			at = (at + 1) & mask;
		/* A target in several groups has the same next hop in each. */
		spec->n_peers += spec->peers[at].ip == 0;
		spec->peers[at] = vpc->peers[i];
	}
	return 0;
}

struct host_spec *cv_host_spec_create(const struct cv_host_vpc *vpc, struct cv_host_ports ports)
{
	struct host_spec *spec = calloc(1, sizeof(*spec));

	if (spec == NULL)
		return NULL;
	spec->slot = vpc->slot;
	spec->mtu = vpc->mtu;
	spec->ports = ports;
	snprintf(spec->name, sizeof(spec->name), "%s", vpc->name);
	if (addrs_copy(spec, vpc) != 0 || reserved_copy(spec, vpc) != 0 ||
	    peers_copy(spec, vpc) != 0) {
		cv_host_spec_destroy(spec);
		return NULL;
	}
	return spec;
}

void cv_host_spec_destroy(struct host_spec *spec)
{
	if (spec == NULL)
		return;
	free(spec->addrs);
	free(spec->reserved);
	free(spec->peers);
	free(spec);
}

const struct cv_host_peer *cv_host_spec_peer_find(const struct host_spec *spec, cv_be32_t ip)
{
	uint32_t at = hash(ip) & spec->peer_mask;

	if (ip == 0)
		return NULL;
	for (; spec->peers[at].ip != 0; at = (at + 1) & spec->peer_mask)
		if (spec->peers[at].ip == ip)
			return &spec->peers[at];
	return NULL;
}

/* Those of `of` that are not in `in`. */
static int addrs_each(const struct host_spec *of, const struct host_spec *in, bool add,
		      host_addr_fn *fn, void *arg)
{
	for (uint32_t i = 0; of != NULL && i < of->n_addrs; i++) {
		int ret;

		if (in != NULL && bsearch(&of->addrs[i], in->addrs, in->n_addrs, sizeof(*in->addrs),
					  addr_cmp) != NULL)
			continue;
		ret = fn(arg, of->addrs[i], add);
		if (ret != 0)
			return ret;
	}
	return 0;
}

int cv_host_spec_diff(const struct host_spec *from, const struct host_spec *to, host_addr_fn *fn,
		      void *arg)
{
	int ret = addrs_each(to, from, true, fn, arg);

	return ret != 0 ? ret : addrs_each(from, to, false, fn, arg);
}

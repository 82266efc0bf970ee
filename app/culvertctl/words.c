/* SPDX-License-Identifier: BSD-3-Clause */

#include "words.h"

#include <string.h>

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* In the order of the help; the verbs come after them. */
static const char *const commands[] = {"show", "watch", "metrics", "events", "capture"};

static const struct culvertctl_verb verbs[] = {
	{"accept", {"endpoint"}},       {"reject", {"endpoint"}},
	{"drain", {"group", "target"}}, {"shift", {"load-balancer", "zone"}},
	{"unshift", {"load-balancer"}},
};

static const struct {
	const char *name, *help;
} shows[] = {
	{"ports", "links, queues, packets"},
	{"vpcs", "networks, how they are attached, their subnets"},
	{"load-balancers", "NLB nodes and listeners"},
	{"targets", "target groups, targets, whether they answer ARP"},
	{"services", "endpoint services and who may use them"},
	{"endpoints", "interface endpoints, their state, and what was dropped and why"},
	{"flows", "TCP connections now"},
	{"snat", "source ports per node IP and target: used, resting, free"},
	{"drops", "packets that did not leave, by reason"},
	{"workers", "load and configuration generation of each worker"},
	{"neighbours", "MAC addresses of targets and gateways"},
	{"host", "sockets of the kernel on our addresses: namespaces, packets, drops"},
	{"dns", "servers in the VPCs, names and what is answered"},
	{"steering", "interfaces shared with the host: which frames are ours"},
	{"config", "configuration generation, file, what it holds"},
	{"state", "what calls and operators changed: where it is kept, decisions by hand"},
};

const struct culvertctl_verb *culvertctl_verb_find(const char *name)
{
	for (size_t i = 0; i < LEN(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

void culvertctl_shows_help(FILE *out)
{
	for (size_t i = 0; i < LEN(shows); i++)
		fprintf(out, "  %-14s  %s\n", shows[i].name, shows[i].help);
}

bool culvertctl_words_print(FILE *out, const char *what)
{
	if (strcmp(what, "commands") == 0) {
		for (size_t i = 0; i < LEN(commands); i++)
			fprintf(out, "%s\n", commands[i]);
		for (size_t i = 0; i < LEN(verbs); i++)
			fprintf(out, "%s\n", verbs[i].name);
		return true;
	}
	for (size_t i = 0; strcmp(what, "shows") == 0 && i < LEN(shows); i++)
		fprintf(out, "%s\n", shows[i].name);
	return strcmp(what, "shows") == 0;
}

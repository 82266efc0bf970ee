/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rows of the benchmark that need more than one worker, much memory, or hostile traffic, in process: see
 * usage(). Each row prints one JSON object.
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"

static const struct {
	const char *name;
	void (*run)(const struct row_opts *opts);
	const char *help;
} rows[] = {
	{"established", row_established, "packets of 1,000, 50,000 and 1,000,000 flows, replayed"},
	{"memory", row_memory, "bytes per flow at 10 million flows, and what finding them costs"},
	{"connections", row_connections, "connections from SYN to close, ageing included"},
	{"proxy", row_proxy, "PROXY on against off, established and new connections, in turns"},
	{"workers", row_workers,
	 "two workers against one: symmetric, and every reply at the wrong one"},
	{"worst", row_worst, "all that is unkind: misses, full ports, chosen hashes, sizes"},
	{"vxlan", row_vxlan, "established packets in VXLAN, on one side or both, against plain"},
	{"paths", row_paths, "established packets of 1 to 100,000 endpoints"},
	{"ageing", row_ageing, "what a look at a flow, its recheck and its end cost, of 1,000,000"},
	{"rush", row_rush,
	 "connections of SYN and RST, four queues a worker: what the table holds"},
	{"flood", row_flood, "established flows beside a flood of SYNs"},
};

static void usage(void)
{
	fputs("usage: bench_rows [--seconds S] [--cores A[,B]] [--huge] [--flows N] ROW\n\n"
	      "  --seconds S    of each measurement (0.5)\n"
	      "  --cores A,B    lcores; the first alone unless a row says otherwise (1,0)\n"
	      "  --huge         DPDK's buffers in huge pages\n"
	      "  --flows N      row memory: flows (10000000)\n\n",
	      stderr);
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++)
		fprintf(stderr, "  %-12s %s\n", rows[i].name, rows[i].help);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"seconds", required_argument, NULL, 's'}, {"cores", required_argument, NULL, 'c'},
		{"flows", required_argument, NULL, 'f'},   {"huge", no_argument, NULL, 'H'},
		{"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
	};
	struct row_opts opts = {.seconds = 0.5, .n_flows = 10000000};
	const char *cores = "1,0";
	char lcores[64];
	unsigned int a = 1, b = 0;
	bool huge = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (opt == 's')
			opts.seconds = atof(optarg);
		else if (opt == 'c')
			cores = optarg;
		else if (opt == 'f')
			opts.n_flows = (uint32_t)strtoul(optarg, NULL, 10);
		else if (opt == 'H')
			huge = true;
		else
			return usage(), opt == 'h' ? 0 : 2;
	}
	if (optind + 1 != argc)
		return usage(), 2;
	opts.n_cores = (unsigned int)sscanf(cores, "%u,%u", &a, &b);
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].name, argv[optind]) != 0)
			continue;
		/* lcore 0 is this thread, on the first CPU, whatever the CPUs' numbers. */
		snprintf(lcores, sizeof(lcores), "0@%u", a);
		if (opts.n_cores > 1)
			snprintf(lcores, sizeof(lcores), "0@%u,1@%u", a, b);
		rig_eal(lcores, huge, NULL);
		rows[i].run(&opts);
		return 0;
	}
	return usage(), 2;
}

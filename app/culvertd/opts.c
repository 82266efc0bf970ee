/* SPDX-License-Identifier: BSD-3-Clause */

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cv_io.h"

#include "app.h"

static const char help[] =
	"usage: culvertd -c FILE [--check] [-v] [-- EAL-ARGUMENT...]\n"
	"\n"
	"Serves AWS PrivateLink interface endpoints and Network Load Balancers with DPDK.\n"
	"\n"
	"  -c, --config FILE  configuration (JSON; see doc/configuration.md)\n"
	"      --check        only validate FILE, and print what it would serve\n"
	"  -v, --verbose      log at debug level, DPDK's own log included\n"
	"      --version      print the versions of culvert and DPDK\n"
	"  -h, --help         print this\n"
	"\n"
	"What follows `--` goes to DPDK's EAL and overrides what the configuration says.\n"
	"\n"
	"signals:\n"
	"  SIGHUP           read FILE again: all of it is served, or nothing changes and the log says why\n"
	"  SIGTERM, SIGINT  stop, and print a last summary; a second one stops at once\n"
	"\n"
	"exit codes:\n"
	"  0  ok\n"
	"  1  the configuration is wrong\n"
	"  2  the command line is wrong\n"
	"  3  it cannot run: EAL, memory, ports, privileges, or another culvertd on the socket\n"
	"\n"
	"examples:\n"
	"  culvertd --check -c /etc/culvert/culvert.json\n"
	"  culvertd -c /etc/culvert/culvert.json\n"
	"  culvertd -c lab.json -- --log-level=pmd.net.*:debug\n";

static int mistake(const char *text)
{
	fprintf(stderr, "culvertd: %s\nculvertd --help says more\n", text);
	return APP_USAGE;
}

int app_opts_read(int argc, char **argv, struct app_opts *ret_opts)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
		{"verbose", no_argument, NULL, 'v'},      {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
	};
	struct app_opts opts = {0};
	int opt;

	while ((opt = getopt_long(argc, argv, "+c:vh", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			opts.file = optarg;
			break;
		case 'k':
			opts.check = true;
			break;
		case 'v':
			opts.verbose = true;
			break;
		case 'V':
			printf("culvertd %s (%s)\n", CULVERT_VERSION, cv_io_dpdk_version());
			return APP_OK;
		case 'h':
			fputs(help, stdout);
			return APP_OK;
		default:
			return mistake("the command line is wrong");
		}
	}
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0)
		return mistake(
			"EAL arguments must follow `--`; nothing else is taken beside options");
	if (opts.file == NULL)
		return mistake("-c FILE is missing");
	opts.eal_args = (const char *const *)argv + optind;
	opts.n_eal_args = (unsigned int)(argc - optind);
	*ret_opts = opts;
	return -1;
}

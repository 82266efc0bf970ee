/* SPDX-License-Identifier: BSD-3-Clause */

/* From options to a run: ports, sides. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "run.h"

/* What io says is in terms of culvertd's configuration; here the same things are options. */
static void translate(char *text, size_t cap, const struct cb_opts *o)
{
	const char *first = o->device[CB_CLIENT] != NULL ? "--client" : "--server";
	const char *const words[][2] = {
		{"dpdk.ports[0].device", first},
		{"dpdk.ports[1].device", "--server"},
		{"set dpdk.huge_pages to false", "say --no-huge"},
		{"dpdk.huge_pages", "--no-huge"},
		{"dpdk.memory_mb", "--memory"},
		{"dpdk.mbufs", "--mbufs"},
		{"dpdk.main_core", "--main-core"},
		{"dpdk.cores[0]", "--cores"},
		{"dpdk.cores[1]", "--cores"},
		{"dpdk.cores", "--cores"},
		{"dpdk.eal_args", "arguments after --"},
	};
	char copy[CV_ERR_PATH_LEN + CV_ERR_TEXT_LEN + 64];

	for (size_t i = 0; i < CV_ARRAY_LEN(words); i++) {
		char *at = strstr(text, words[i][0]);

		if (at == NULL)
			continue;
		snprintf(copy, sizeof(copy), "%.*s%s%s", (int)(at - text), text, words[i][1],
			 at + strlen(words[i][0]));
		snprintf(text, cap, "%s", copy);
	}
}

static void print_errs(const struct cb_opts *o, const struct cv_errs *errs, const char *level)
{
	char line[CV_ERR_PATH_LEN + CV_ERR_TEXT_LEN + 64];

	for (size_t i = 0; i < errs->n; i++) {
		cv_err_str(&errs->items[i], line, sizeof(line));
		translate(line, sizeof(line), o);
		fprintf(stderr, "culvert-bench: %s%s\n", level, line);
	}
}

static int make_io(struct cb_run *run, const struct cb_opts *o)
{
	struct cv_io_port_cfg ports[CB_N_ROLES];
	uint16_t n = 0;
	struct cv_errs errs = {0};
	struct cv_io_cfg cfg = {
		.prog = "culvert-bench",
		.n_workers = o->cores.n,
		.cores = o->cores.at,
		.n_cores = o->cores.n,
		.main_core = (int32_t)o->main_core,
		.huge_pages = !o->no_huge,
		.memory_mb = (uint32_t)o->memory,
		.n_mbufs = (uint32_t)o->mbufs,
		.eal_args = o->eal_args,
		.n_eal_args = o->n_eal_args,
		.ports = ports,
		.spin = true,
	};
	int rc;

	for (int role = 0; role < CB_N_ROLES; role++) {
		if (o->device[role] == NULL)
			continue;
		ports[n++] = (struct cv_io_port_cfg){
			.name = role == CB_CLIENT ? "client" : "server",
			.devices = &o->device[role],
			.n_devices = 1,
			.n_queues = 1,
			.mtu = (uint16_t)o->mtu,
			.rx_desc = (uint16_t)o->desc,
			.tx_desc = (uint16_t)o->desc,
			.promiscuous = true,
		};
	}
	cfg.n_ports = n;
	rc = cv_io_create(&cfg, &errs, &run->io);
	print_errs(o, &errs, "");
	cv_errs_fini(&errs);
	if (rc != 0)
		return CB_RUNTIME;
	print_errs(o, cv_io_warnings(run->io), "warning: ");
	run->world.tsc_hz = cv_io_tsc_hz(run->io);
	return CB_OK;
}

static void *zalloc(size_t len)
{
	void *mem = aligned_alloc(CV_CACHE_LINE,
				  (len + CV_CACHE_LINE - 1) / CV_CACHE_LINE * CV_CACHE_LINE);

	return mem;
}

static int make_sides(struct cb_run *run, const struct cb_opts *o)
{
	uint16_t port = 0;
	int rc = 0;

	if (o->device[CB_CLIENT] != NULL) {
		run->client = zalloc(sizeof(*run->client));
		rc = run->client != NULL ? cb_client_init(run->client, &run->world, run->io, port++)
					 : -ENOMEM;
	}
	if (rc == 0 && o->device[CB_SERVER] != NULL) {
		run->server = zalloc(sizeof(*run->server));
		rc = run->server != NULL ? cb_server_init(run->server, &run->world, run->io, port)
					 : -ENOMEM;
	}
	if (rc != 0) {
		fprintf(stderr, "culvert-bench: --flows: no memory for so many\n");
		return CB_RUNTIME;
	}
	if (run->client != NULL && run->server != NULL) {
		run->client->s.peer = &run->server->s.counts;
		run->server->s.peer = &run->client->s.counts;
	}
	run->n_workers = o->cores.n;
	for (uint32_t i = 0; i < run->n_workers; i++)
		run->workers[i] =
			(struct cb_worker){.control = &run->control, .io = run->io, .id = i};
	run->workers[0].client = run->client;
	run->workers[run->n_workers - 1].server = run->server;
	if (run->server != NULL)
		run->server->s.worker = run->n_workers - 1;
	return CB_OK;
}

int cb_run_init(struct cb_run *run, const struct cb_opts *opts)
{
	int rc;

	memset(run, 0, sizeof(*run));
	run->world.opts = opts;
	cb_plan_init(&run->world.plan, opts);
	cb_pattern_init(&run->world.pattern, run->world.plan.key);
	cb_script_init(&run->world.script, opts, run->text_get);
	if (opts->device[CB_CLIENT] != NULL && run->world.script.hold &&
	    opts->flows > run->world.plan.n_tuples) {
		fprintf(stderr,
			"culvert-bench: --flows: %g are more than the %u addresses and ports of --clients "
			"and --client-ports\n",
			opts->flows, run->world.plan.n_tuples);
		return CB_USAGE;
	}
	rc = make_io(run, opts);
	return rc == CB_OK ? make_sides(run, opts) : rc;
}

void cb_run_fini(struct cb_run *run)
{
	if (run->client != NULL)
		cb_client_fini(run->client);
	if (run->server != NULL)
		cb_server_fini(run->server);
	free(run->client);
	free(run->server);
	for (uint32_t i = 0; i < run->n_trials; i++)
		free(run->trials[i].series);
	free(run->main.series);
	free(run->calm.series);
	cv_errs_fini(&run->errs);
	cv_io_destroy(run->io);
}

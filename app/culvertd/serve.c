/* SPDX-License-Identifier: BSD-3-Clause */

/* A process's life: start in stages, serve, stop in reverse. */

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cv_api.h"
#include "cv_conf.h"
#include "cv_ctl.h"
#include "cv_ctl_events.h"
#include "cv_dp.h"
#include "cv_io.h"
#include "cv_steer.h"

#include "app.h"

_Static_assert(CV_IO_BURST_MAX == CV_DP_BURST_MAX, "io fills the data plane's bursts");
_Static_assert(CV_IO_WORKERS_MAX == CV_DP_WORKERS_MAX, "as many workers in both");

/* What runs, in the order in which it was started. */
struct app {
	const struct app_opts *opts;
	struct cv_conf *conf;         /* control's from cv_ctl_create() on */
	const struct cv_conf *served; /* control's; it lives until control runs */
	uint32_t n_workers, n_ports;
	char *socket;
	struct cv_steer **steers; /* shape [n_ports]; NULL where the interface is not shared */
	struct cv_io *io;
	struct cv_ctl *ctl;
	struct cv_dp *dp;
	struct cv_dp_run *runs; /* shape [n_workers] */
	struct cv_api *api;
	struct app_aws *aws; /* NULL without `api` in the configuration */
	_Atomic bool stop;
};

static int conf_get(const struct app_opts *opts, struct cv_conf **ret_conf)
{
	struct cv_errs errs = {0};
	struct cv_conf *conf = cv_conf_load(opts->file, &errs);

	if (conf == NULL) {
		app_errs_print(opts->file, &errs);
		cv_errs_fini(&errs);
		return APP_CONF;
	}
	cv_errs_fini(&errs);
	app_warnings_log(opts->file, &conf->warnings);
	*ret_conf = conf;
	return APP_OK;
}

/* All that is wrong is said at once; where it would be wrong for others than root only, who asks is told. */
static int files_check(const struct app *app)
{
	struct cv_errs errs = {0};
	int ret = app_aws_check(app->conf, &errs);
	bool only_warn = ret == -EACCES && app->opts->check && geteuid() != 0;

	if (only_warn)
		app_warnings_log(app->opts->file, &errs);
	else
		app_errs_print(app->opts->file, &errs);
	cv_errs_fini(&errs);
	return ret == 0 || only_warn ? APP_OK : APP_CONF;
}

/* The API would notice too, but only after the ports were found to be in use. */
static int check_socket(const struct app *app)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, rc;

	if (strlen(app->socket) >= sizeof(addr.sun_path))
		return APP_OK;
	memcpy(addr.sun_path, app->socket, strlen(app->socket));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return APP_OK;
	rc = connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
	close(fd);
	if (rc != 0)
		return APP_OK;
	fprintf(stderr,
		"%s: control.socket: another culvertd answers on %s: stop it, or choose another path\n",
		app->opts->file, app->socket);
	return APP_RUNTIME;
}

static int start_io(struct app *app, struct cv_errs *errs)
{
	const struct cv_conf_dpdk *dpdk = &app->conf->dpdk;
	uint32_t n_args = dpdk->n_eal_args + app->opts->n_eal_args, i;
	struct cv_io_port_cfg *ports = calloc(dpdk->n_ports, sizeof(*ports));
	const char **args = calloc(n_args + 1, sizeof(*args));
	struct cv_io_cfg cfg = {
		.prog = "culvertd",
		.n_workers = dpdk->workers,
		.cores = dpdk->cores,
		.n_cores = dpdk->n_cores,
		.main_core = dpdk->main_core,
		.huge_pages = dpdk->huge_pages,
		.memory_mb = dpdk->memory_mb,
		.n_mbufs = dpdk->mbufs,
		.n_apart = cv_dp_apart_max(dpdk->workers),
		.eal_args = args,
		.n_eal_args = n_args,
		.ports = ports,
		.n_ports = (uint16_t)dpdk->n_ports,
	};
	int rc = -ENOMEM;

	if (ports != NULL && args != NULL) {
		for (i = 0; i < n_args; i++)
			args[i] = i < dpdk->n_eal_args ? dpdk->eal_args[i]
						       : app->opts->eal_args[i - dpdk->n_eal_args];
		for (i = 0; i < dpdk->n_ports; i++) {
			const struct cv_conf_port *p = &dpdk->ports[i];

			ports[i] = (struct cv_io_port_cfg){
				.name = p->name,
				.devices = p->devices,
				.n_devices = p->n_devices,
				.n_queues = (uint16_t)p->queues,
				.mtu = (uint16_t)p->mtu,
				.rx_desc = (uint16_t)p->rx_desc,
				.tx_desc = (uint16_t)p->tx_desc,
				.promiscuous = p->promiscuous,
			};
		}
		rc = cv_io_create(&cfg, errs, &app->io);
	}
	free(ports);
	free(args);
	if (rc == 0)
		app_warnings_log(app->opts->file, cv_io_warnings(app->io));
	return rc;
}

/* Before the ports: the host's traffic must not stop while they start. */
static int start_steer(struct app *app, struct cv_errs *errs)
{
	app->steers = calloc(app->n_ports, sizeof(struct cv_steer *));
	return app->steers != NULL ? app_steer_start(app->conf, errs, app->steers) : -ENOMEM;
}

static int start_ctl(struct app *app, struct cv_errs *errs)
{
	struct cv_ctl_cfg cfg = {.file = app->opts->file,
				 .version = CULVERT_VERSION,
				 .state = app->opts->check ? NULL : app->conf->control.state,
				 .io = app->io,
				 .steers = app->steers,
				 .n_steers = app->steers != NULL ? app->n_ports : 0,
				 .tsc_hz = app->io != NULL ? cv_io_tsc_hz(app->io) : 0};
	struct cv_conf *conf = app->conf;
	int rc;

	app->conf = NULL;
	rc = cv_ctl_create(&cfg, conf, errs, &app->ctl);
	if (rc == 0)
		app->served = cv_ctl_conf(app->ctl);
	return rc;
}

static int start_dp(struct app *app, struct cv_errs *errs)
{
	struct cv_dp_cfg cfg = {.mbufs = cv_io_mbufs(app->io),
				.tx = cv_io_tx_burst,
				.tx_arg = app->io,
				.tsc_hz = cv_io_tsc_hz(app->io)};
	uint32_t i;
	int rc;

	if (getrandom(&cfg.seed, sizeof(cfg.seed), 0) != (ssize_t)sizeof(cfg.seed)) {
		cv_errs_add(errs, "", 0, "the system gives no random numbers");
		return -EIO;
	}
	cv_ctl_dp_cfg(app->ctl, &cfg);
	rc = cv_dp_create(&cfg, &app->dp);
	app->runs = calloc(app->n_workers, sizeof(*app->runs));
	if (rc == 0 && app->runs == NULL)
		rc = -ENOMEM;
	if (rc != 0) {
		cv_errs_add(errs, "limits", 0, "the workers' tables cannot be made: %s",
			    strerror(-rc));
		return rc;
	}
	cv_ctl_attach(app->ctl, app->dp);
	rc = cv_ctl_probe(app->ctl, cv_ctl_host_socket, app->ctl);
	if (rc != 0) {
		cv_errs_add(errs, "", 0, "health checks cannot start: %s", strerror(-rc));
		return rc;
	}
	for (i = 0; i < app->n_workers; i++) {
		app->runs[i] = (struct cv_dp_run){
			.worker = cv_dp_worker_get(app->dp, i),
			.rx = cv_io_rx_burst,
			.rx_arg = app->io,
			.n_queues = cv_io_n_queues(app->io, i),
			.stop = &app->stop,
		};
		rc = cv_io_launch(app->io, i, cv_dp_worker_run, &app->runs[i]);
		cv_assert(rc == 0);
	}
	return 0;
}

static int start_api(struct app *app, struct cv_errs *errs)
{
	struct cv_api_cfg cfg = {
		.socket = app->socket,
		.version = CULVERT_VERSION,
		.ops = {.show = cv_ctl_show,
			.metrics = cv_ctl_metrics,
			.whats = cv_ctl_whats(),
			.arg = app->ctl,
			.capture = cv_ctl_capture,
			.act = cv_ctl_act,
			.events = cv_ctl_events},
	};

	return cv_api_create(&cfg, errs, &app->api);
}

static int start_aws(struct app *app, struct cv_errs *errs)
{
	return app_aws_start(app->served, app->ctl, errs, &app->aws);
}

/* Every stage, until one fails. */
static int start(struct app *app)
{
	static int (*const stages[])(struct app *, struct cv_errs *) = {
		start_steer, start_io, start_ctl, start_dp, start_api, start_aws};
	struct cv_errs errs = {0};
	size_t i;
	int rc = 0;

	for (i = 0; i < CV_ARRAY_LEN(stages) && rc == 0; i++)
		rc = stages[i](app, &errs);
	if (rc != 0 && errs.n == 0)
		cv_errs_add(&errs, "", 0, "cannot start: %s", strerror(-rc));
	app_errs_print(app->opts->file, &errs);
	cv_errs_fini(&errs);
	return rc == 0 ? APP_OK : APP_RUNTIME;
}

/* The summary is taken while the counters still exist. */
static void stop(struct app *app, bool served)
{
	char *summary = NULL;

	/* Whoever asks while nobody answers, as after a start that failed, would be waited for. */
	if (app->ctl != NULL)
		cv_ctl_refuse(app->ctl);
	/* What operators decide is published by the AWS APIs' part. */
	cv_api_destroy(app->api);
	app_aws_stop(app->aws);
	atomic_store(&app->stop, true);
	if (app->io != NULL)
		cv_io_join(app->io);
	if (served)
		summary = cv_ctl_summary(app->ctl);
	if (app->ctl != NULL)
		cv_ctl_detach(app->ctl);
	cv_dp_destroy(app->dp);
	cv_ctl_destroy(app->ctl);
	cv_io_destroy(app->io);
	for (uint32_t i = 0; app->steers != NULL && i < app->n_ports; i++)
		cv_steer_destroy(app->steers[i]);
	free(app->steers);
	cv_conf_destroy(app->conf);
	if (summary != NULL)
		fputs(summary, stderr);
	free(summary);
	free(app->runs);
	free(app->socket);
}

/* From here on SIGTERM and SIGINT end the process as they do by default. */
static void let_signals_kill(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static int run(struct app *app, uint64_t began_ms)
{
	int rc;

	app_notify("READY=1\n");
	cv_log(CV_LOG_NOTICE, "ready: %u workers, %u ports, socket %s, started in %.2f s",
	       app->n_workers, app->n_ports, app->socket,
	       (double)(cv_clock_ms() - began_ms) / 1000);
	rc = cv_ctl_run(app->ctl);
	app_notify("STOPPING=1\n");
	let_signals_kill();
	if (rc == 0)
		return APP_OK;
	cv_log(CV_LOG_ERR, "the control loop cannot run: %s", strerror(-rc));
	return APP_RUNTIME;
}

/*
 * A reload takes about as much memory as the one before gave back. Kept in the process it needs no new
 * pages: planning 50,000 targets takes half the time.
 */
static void memory_keep(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 512 << 20);
}

int app_serve(const struct app_opts *opts)
{
	uint64_t began_ms = cv_clock_ms();
	struct app app = {.opts = opts};
	int rc = cv_ctl_signals_block();

	memory_keep();
	if (rc != 0) {
		cv_log(CV_LOG_ERR, "signals cannot be blocked: %s", strerror(-rc));
		return APP_RUNTIME;
	}
	rc = conf_get(opts, &app.conf);
	if (rc != APP_OK)
		return rc;
	app.n_workers = app.conf->dpdk.workers;
	app.n_ports = app.conf->dpdk.n_ports;
	app.socket = strdup(app.conf->control.socket);
	rc = app.socket != NULL ? check_socket(&app) : APP_RUNTIME;
	if (rc == APP_OK)
		rc = files_check(&app);
	if (rc == APP_OK)
		rc = start(&app);
	if (rc != APP_OK) {
		stop(&app, false);
		return rc;
	}
	rc = run(&app, began_ms);
	stop(&app, true);
	return rc;
}

/* Control plans the first view on the way: what the model allows and the tables do not is found too. */
int app_check(const struct app_opts *opts)
{
	struct app app = {.opts = opts};
	struct cv_errs errs = {0};
	char *summary;
	int rc = conf_get(opts, &app.conf);

	if (rc != APP_OK)
		return rc;
	summary = cv_conf_summary(app.conf);
	rc = files_check(&app);
	if (start_ctl(&app, &errs) != 0)
		rc = APP_CONF;
	else if (summary != NULL && rc == APP_OK)
		fputs(summary, stdout);
	app_errs_print(opts->file, &errs);
	cv_errs_fini(&errs);
	cv_ctl_destroy(app.ctl);
	free(summary);
	return rc;
}

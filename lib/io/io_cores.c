/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "io_priv.h"

uint32_t cv_io_cpus(uint32_t *cpus, uint32_t n_max)
{
	cpu_set_t set;
	uint32_t n = 0, cpu;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (cpu = 0; cpu < CPU_SETSIZE && n < n_max; cpu++) {
		if (CPU_ISSET(cpu, &set))
			cpus[n++] = cpu;
	}
	return n;
}

static bool has(const uint32_t *cpus, uint32_t n, uint32_t cpu)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (cpus[i] == cpu)
			return true;
	}
	return false;
}

/* Renders ascending CPUs as `0-3,8`. */
static const char *cpus_str(const uint32_t *cpus, uint32_t n, char *buf, size_t cap)
{
	size_t len = 0;
	uint32_t i, last;

	buf[0] = '\0';
	for (i = 0; i < n && len + 1 < cap; i = last + 1) {
		for (last = i; last + 1 < n && cpus[last + 1] == cpus[last] + 1;)
			last++;
		len += (size_t)snprintf(buf + len, cap - len, last > i ? "%s%u-%u" : "%s%u",
					i > 0 ? "," : "", cpus[i], cpus[last]);
	}
	return buf;
}

static int check_cpu(uint32_t cpu, const char *path, const uint32_t *cpus, uint32_t n_cpus,
		     struct cv_errs *errs)
{
	char buf[128];

	if (has(cpus, n_cpus, cpu))
		return 0;
	cv_errs_add(errs, path, 0, "there is no CPU %u: this process may use %s", cpu,
		    cpus_str(cpus, n_cpus, buf, sizeof(buf)));
	return -EINVAL;
}

static int check_cores(const struct cv_io_cfg *cfg, const uint32_t *cpus, uint32_t n_cpus,
		       struct cv_errs *errs)
{
	char path[48];
	uint32_t i;
	int rc = 0;

	if (n_cpus == 0) {
		cv_errs_add(errs, "dpdk.cores", 0, "cannot tell which CPUs this process may use");
		return -EINVAL;
	}
	if (cfg->n_workers == 0 || cfg->n_workers > CV_IO_WORKERS_MAX) {
		cv_errs_add(errs, "dpdk.workers", 0, "%u is outside 1..%d", cfg->n_workers,
			    CV_IO_WORKERS_MAX);
		return -EINVAL;
	}
	for (i = 0; i < cfg->n_cores; i++) {
		snprintf(path, sizeof(path), "dpdk.cores[%u]", i);
		if (check_cpu(cfg->cores[i], path, cpus, n_cpus, errs) != 0)
			rc = -EINVAL;
	}
	if (cfg->main_core >= 0 &&
	    check_cpu((uint32_t)cfg->main_core, "dpdk.main_core", cpus, n_cpus, errs) != 0)
		rc = -EINVAL;
	return rc;
}

/* The control thread sleeps most of the time, but a worker that spins beside it delays its answers. */
static uint32_t pick_main(const struct cv_io_cfg *cfg, const uint32_t *cpus, uint32_t n_cpus)
{
	uint32_t i;

	if (cfg->main_core >= 0)
		return (uint32_t)cfg->main_core;
	for (i = 0; i < n_cpus; i++) {
		if (!has(cfg->cores, cfg->n_cores, cpus[i]))
			return cpus[i];
	}
	return cpus[0];
}

/* Counts CPUs with several workers, and those with one at all. */
static uint32_t count_cpus(const uint32_t *worker, uint32_t n, uint32_t *ret_n_shared)
{
	uint32_t n_used = 0, n_shared = 0, i;

	for (i = 0; i < n; i++) {
		if (has(worker, i, worker[i]))
			n_shared++;
		else
			n_used++;
	}
	*ret_n_shared = n_shared;
	return n_used;
}

int cv_io_cores_plan(const struct cv_io_cfg *cfg, const uint32_t *cpus, uint32_t n_cpus,
		     struct cv_errs *errs, struct cv_errs *warns, struct cv_io_cores *ret_cores)
{
	struct cv_io_cores cores = {0};
	uint32_t i, at = 0, n_used, n_shared;

	if (check_cores(cfg, cpus, n_cpus, errs) != 0)
		return -EINVAL;
	cores.main = pick_main(cfg, cpus, n_cpus);
	while (cpus[at] != cores.main)
		at++;
	for (i = 0; i < cfg->n_workers; i++) {
		if (cfg->n_cores > 0)
			cores.worker[i] = cfg->cores[i % cfg->n_cores];
		else
			cores.worker[i] = cpus[(at + 1 + i) % n_cpus];
	}
	n_used = count_cpus(cores.worker, cfg->n_workers, &n_shared);
	if (n_shared > 0)
		cv_errs_add(
			warns, cfg->n_cores > 0 ? "dpdk.cores" : "dpdk.workers", 0,
			"%u workers share %u CPUs: they take turns, which is slow; give each its own",
			cfg->n_workers, n_used);
	/* Without a CPU to spare the peers of a lab, and control, wait for a worker's time slice. */
	cores.yield = n_shared > 0 || (n_used + 1 >= n_cpus && !cfg->spin);
	*ret_cores = cores;
	return 0;
}

void cv_io_yield(void)
{
	sched_yield();
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "io_priv.h"

/* What the EAL, rings and drivers take beside the packets, in MB. */
#define OTHER_MEMORY_MB 64
/* struct rte_mbuf, the pool's own header, and padding that spreads packets over memory channels. */
#define PKT_OVERHEAD (sizeof(struct rte_mbuf) + 3 * CV_CACHE_LINE)
/* Ethernet header, two VLAN tags, frame check sequence. */
#define L2_LEN (14 + 2 * 4 + 4)
/* The kernel leaves so much before a packet in AF_XDP memory, beside the headroom. */
#define XDP_HEADROOM 256

#define CORE_OPTIONS "-l", "-c", "--lcores"
#define MEMORY_OPTIONS                                                                       \
	"--in-memory", "--no-huge", "--huge-unlink", "--huge-dir", "--single-file-segments", \
		"--legacy-mem"

static const char *const core_options[] = {CORE_OPTIONS, NULL};
static const char *const main_options[] = {CORE_OPTIONS, "--main-lcore", "--master-lcore", NULL};
static const char *const memory_options[] = {MEMORY_OPTIONS, NULL};
static const char *const size_options[] = {"-m", "--socket-mem", NULL};
static const char *const prefix_options[] = {"--file-prefix", NULL};
static const char *const pci_options[] = {"--no-pci", "-a", "--allow", "-b", "--block", NULL};
static const char *const iova_options[] = {"--iova-mode", NULL};
static const char *const telemetry_options[] = {"--telemetry", "--no-telemetry", NULL};

static bool is_option(const char *arg, const char *option)
{
	size_t len = strlen(option);

	if (strncmp(arg, option, len) != 0)
		return false;
	/* `-l0,1` and `--lcores=0,1` are one argument each. */
	return option[1] != '-' || arg[len] == '\0' || arg[len] == '=';
}

bool cv_io_args_has(const struct cv_io_cfg *cfg, const char *const *options)
{
	uint32_t i;

	for (; *options != NULL; options++) {
		for (i = 0; i < cfg->n_eal_args; i++) {
			if (is_option(cfg->eal_args[i], *options))
				return true;
		}
	}
	return false;
}

CV_PRINTF(2, 3) static void add(struct cv_io_args *args, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;

	if (args->argc >= (int)CV_ARRAY_LEN(args->own)) {
		args->failed = true;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text == NULL) {
		args->failed = true;
		return;
	}
	args->own[args->argc] = text;
	args->argv[args->argc++] = text;
}

/* Lcore ids are only names here: 0 is control, 1.. the workers; the CPU is said for each. */
static void add_cores(struct cv_io_args *args, const struct cv_io_cfg *cfg,
		      const struct cv_io_cores *cores)
{
	char map[16 * (CV_IO_WORKERS_MAX + 1)];
	size_t len;
	uint32_t i;

	len = (size_t)snprintf(map, sizeof(map), "0@%u", cores->main);
	for (i = 0; i < cfg->n_workers; i++)
		len += (size_t)snprintf(map + len, sizeof(map) - len, ",%u@%u", i + 1,
					cores->worker[i]);
	add(args, "--lcores");
	add(args, "%s", map);
}

static void add_devices(struct cv_io_args *args, const struct cv_io_cfg *cfg,
			const struct cv_io_need *need)
{
	struct cv_io_devname name;
	uint32_t i, k;

	if (!need->pci) {
		add(args, "--no-pci");
		return;
	}
	for (i = 0; i < cfg->n_ports; i++) {
		for (k = 0; k < cfg->ports[i].n_devices; k++) {
			if (cv_io_devname_parse(cfg->ports[i].devices[k], &name) != 0 || !name.pci)
				continue;
			add(args, "-a");
			add(args, "%s%s%s", name.name, name.args[0] != '\0' ? "," : "", name.args);
		}
	}
}

static void add_memory(struct cv_io_args *args, const struct cv_io_cfg *cfg,
		       const struct cv_io_need *need)
{
	if (!cv_io_args_has(cfg, memory_options)) {
		/* Neither leaves a file behind. 22.11 refuses --in-memory beside --no-huge. */
		if (cfg->huge_pages) {
			add(args, "--in-memory");
		} else {
			add(args, "--no-huge");
			add(args, "--no-shconf");
		}
	}
	if (!cv_io_args_has(cfg, size_options)) {
		add(args, "-m");
		add(args, "%u", cfg->memory_mb > 0 ? cfg->memory_mb : need->memory_mb);
	}
}

void cv_io_args_init(struct cv_io_args *args, const struct cv_io_cfg *cfg,
		     const struct cv_io_cores *cores, const struct cv_io_need *need)
{
	uint32_t i;

	memset(args, 0, sizeof(*args));
	add(args, "%s", cfg->prog);
	if (!cv_io_args_has(cfg, core_options))
		add_cores(args, cfg, cores);
	if (!cv_io_args_has(cfg, main_options)) {
		add(args, "--main-lcore");
		add(args, "0");
	}
	add_memory(args, cfg, need);
	if (!cv_io_args_has(cfg, prefix_options)) {
		add(args, "--file-prefix");
		add(args, "culvert-%d", (int)getpid());
	}
	if (!cv_io_args_has(cfg, pci_options))
		add_devices(args, cfg, need);
	/* With a NIC behind it the EAL must choose: without an IOMMU only physical addresses work. */
	if (!need->pci && !cv_io_args_has(cfg, iova_options)) {
		add(args, "--iova-mode");
		add(args, "va");
	}
	if (!cv_io_args_has(cfg, telemetry_options))
		add(args, "--no-telemetry");
	for (i = 0; i < cfg->n_eal_args; i++)
		add(args, "%s", cfg->eal_args[i]);
}

void cv_io_args_fini(struct cv_io_args *args)
{
	size_t i;

	for (i = 0; i < CV_ARRAY_LEN(args->own); i++)
		free(args->own[i]);
	memset(args, 0, sizeof(*args));
}

/* A packet's share of memory, in bytes: pools let none cross a page, of which small ones hold few. */
static uint64_t packet_bytes(const struct cv_io_cfg *cfg, uint32_t room)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t size = room + PKT_OVERHEAD;

	if (cfg->huge_pages)
		return size;
	return size > page ? RTE_ALIGN_CEIL(size, page) : page / (page / size);
}

void cv_io_need_get(const struct cv_io_cfg *cfg, struct cv_io_need *ret_need)
{
	struct cv_io_need need = {.room = RTE_MBUF_DEFAULT_BUF_SIZE};
	struct cv_io_devname name;
	uint32_t i, k, room;

	for (i = 0; i < cfg->n_ports; i++) {
		room = CV_IO_HEADROOM + cfg->ports[i].mtu + L2_LEN;
		for (k = 0; k < cfg->ports[i].n_devices; k++) {
			const char *device = cfg->ports[i].devices[k];

			if (cv_io_devname_parse(device, &name) == 0 && name.pci)
				need.pci = true;
			if (cv_io_driver_find(device)->umem)
				room = CV_IO_HEADROOM + XDP_HEADROOM + cfg->ports[i].mtu + L2_LEN;
		}
		need.room = RTE_MAX(need.room, RTE_ALIGN_CEIL(room, CV_CACHE_LINE));
	}
	need.memory_mb =
		(uint32_t)((cfg->n_mbufs * packet_bytes(cfg, need.room)) >> 20) + OTHER_MEMORY_MB;
	*ret_need = need;
}

static uint64_t read_number(const char *dir, const char *file)
{
	char path[512], text[32] = "";
	FILE *in;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/%s", dir, file);
	in = fopen(path, "re");
	if (in == NULL)
		return 0;
	if (fgets(text, sizeof(text), in) == NULL)
		text[0] = '\0';
	fclose(in);
	return strtoull(text, NULL, 10);
}

/* Free huge pages of all sizes, in MB. */
static uint64_t huge_free_mb(void)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	const struct dirent *entry;
	uint64_t kb = 0, size;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, "hugepages-", 10) != 0)
			continue;
		size = strtoull(entry->d_name + 10, NULL, 10);
		kb += size * (read_number(entry->d_name, "free_hugepages") -
			      read_number(entry->d_name, "resv_hugepages"));
	}
	closedir(dir);
	return kb >> 10;
}

static int check_memory(const struct cv_io_cfg *cfg, const struct cv_io_need *need,
			struct cv_errs *errs)
{
	uint64_t want = cfg->memory_mb > 0 ? cfg->memory_mb : need->memory_mb;
	uint64_t free_mb;

	if (cv_io_args_has(cfg, memory_options) || cv_io_args_has(cfg, size_options))
		return 0;
	if (want < need->memory_mb) {
		cv_errs_add(errs, "dpdk.memory_mb", 0,
			    "%" PRIu64 " is too little for %u packets of %u bytes: at least %u",
			    want, cfg->n_mbufs, need->room, need->memory_mb);
		return -EINVAL;
	}
	if (!cfg->huge_pages)
		return 0;
	free_mb = huge_free_mb();
	if (free_mb >= want)
		return 0;
	cv_errs_add(errs, "dpdk.huge_pages", 0,
		    "%" PRIu64 " MB of huge pages needed, %" PRIu64
		    " MB free: reserve more (sysctl -w vm.nr_hugepages=N, pages of 2 MB), lower "
		    "dpdk.memory_mb or dpdk.mbufs, or set dpdk.huge_pages to false",
		    want, free_mb);
	return -ENOMEM;
}

/* AF_XDP pins its packet memory. Without the capability to exceed it, the hard limit is all there is. */
static void raise_memlock(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* The EAL leaves its directory, empty or not. Its name is this process's own. */
static void remove_runtime_dir(void)
{
	const char *path = rte_eal_get_runtime_dir();
	char file[512], ours[32];
	const struct dirent *entry;
	DIR *dir;

	snprintf(ours, sizeof(ours), "/culvert-%d", (int)getpid());
	if (path == NULL || strlen(path) < strlen(ours) ||
	    strcmp(path + strlen(path) - strlen(ours), ours) != 0)
		return;
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		(void)unlink(file);
	}
	closedir(dir);
	(void)rmdir(path);
}

static int eal_failed(const struct cv_io_cfg *cfg, int code, struct cv_io_log *log,
		      struct cv_errs *errs)
{
	const char *said = cv_io_log_text(log);

	if (said[0] == '\0')
		said = rte_strerror(code);
	if (code == EALREADY) {
		cv_errs_add(errs, "dpdk", 0, "DPDK was started before in this process");
		return -EALREADY;
	}
	/* "Cannot get hugepage information" comes with EACCES, root or not. */
	if (strstr(said, "hugepage information") != NULL && cfg->huge_pages) {
		cv_errs_add(errs, "dpdk.huge_pages", 0,
			    "huge pages needed, but DPDK finds none: %s; reserve some (sysctl -w "
			    "vm.nr_hugepages=N, pages of 2 MB), or set dpdk.huge_pages to false",
			    said);
		return -ENOMEM;
	}
	if (code == EACCES || code == EPERM) {
		cv_errs_add(errs, "dpdk", 0, "DPDK is not permitted to start: %s; run as root",
			    said);
		return -EPERM;
	}
	cv_errs_add(errs, cfg->n_eal_args > 0 ? "dpdk.eal_args" : "dpdk", 0,
		    "DPDK does not start: %s", said);
	return code == ENOMEM ? -ENOMEM : -EINVAL;
}

int cv_io_eal_start(const struct cv_io_cfg *cfg, const struct cv_io_cores *cores,
		    const struct cv_io_need *need, struct cv_io_log *log, struct cv_errs *errs)
{
	struct cv_io_args args;
	int rc, argc;

	rc = check_memory(cfg, need, errs);
	if (rc != 0)
		return rc;
	cv_io_args_init(&args, cfg, cores, need);
	if (args.failed) {
		cv_errs_add(errs, "dpdk.eal_args", 0, "too many arguments, or out of memory");
		rc = -EINVAL;
		goto out;
	}
	raise_memlock();
	cv_io_log_reset(log);
	argc = args.argc;
	rc = rte_eal_init(argc, args.argv);
	if (rc < 0) {
		rc = eal_failed(cfg, rte_errno, log, errs);
		if (rc != -EALREADY)
			remove_runtime_dir();
	} else if (rc != argc - 1) {
		cv_errs_add(errs, "dpdk.eal_args", 0, "DPDK takes no argument like '%s'",
			    args.argv[rc + 1]);
		cv_io_eal_stop(false);
		rc = -EINVAL;
	} else {
		rc = 0;
	}
out:
	cv_io_args_fini(&args);
	return rc;
}

void cv_io_eal_stop(bool keep_memory)
{
	if (!keep_memory)
		(void)rte_eal_cleanup();
	remove_runtime_dir();
}

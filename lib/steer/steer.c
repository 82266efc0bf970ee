/* SPDX-License-Identifier: BSD-3-Clause */

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "steer_bpf_priv.h"
#include "steer_priv.h"

#define PROGRAM "xsk_def_prog"

/* ---- errors ---- */

static int refused(int rc, const char *what, const char *path, struct cv_errs *errs)
{
	switch (-rc) {
	case EPERM:
	case EACCES:
		cv_errs_add(errs, path, 0,
			    "%s: it needs CAP_BPF and CAP_NET_ADMIN (CAP_SYS_ADMIN on kernels "
			    "before 5.8), and enough locked memory (ulimit -l) before 5.11: "
			    "run as root",
			    what);
		return -EPERM;
	case ENOMEM:
		cv_errs_add(errs, path, 0, "%s: out of memory", what);
		return -ENOMEM;
	default:
		cv_errs_add(errs, path, 0, "%s: %s: it needs a kernel since 5.9 with XDP and BTF",
			    what, strerror(-rc));
		return -ENOTSUP;
	}
}

/* libbpf prints for developers; what people need is in the errors. */
static int say_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* ---- life ---- */

static void maps_find(struct cv_steer *steer)
{
	steer->prog_fd = bpf_program__fd(bpf_object__find_program_by_name(steer->obj, PROGRAM));
	steer->xsks_fd = bpf_object__find_map_fd_by_name(steer->obj, "xsks_map");
	steer->addrs_fd = bpf_object__find_map_fd_by_name(steer->obj, "addrs");
	steer->counts_fd = bpf_object__find_map_fd_by_name(steer->obj, "counts");
	cv_assert(steer->prog_fd >= 0 && steer->xsks_fd >= 0 && steer->addrs_fd >= 0 &&
		  steer->counts_fd >= 0);
}

/* AF_XDP sockets join a program only if its BTF tells them that it is made for them. */
static bool has_btf(const struct cv_steer *steer)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(steer->prog_fd, &info, &len) == 0 && info.btf_id != 0;
}

static int object_load(struct cv_steer *steer, const char *path, struct cv_errs *errs)
{
	struct bpf_map *addrs;
	int rc;

	steer->obj = bpf_object__open_mem(cv_steer_image, cv_steer_image_len, NULL);
	if (steer->obj == NULL)
		return refused(-errno, "the steering program cannot be read", path, errs);
	addrs = bpf_object__find_map_by_name(steer->obj, "addrs");
	rc = bpf_map__set_max_entries(addrs, steer->n_addrs_max);
	if (rc == 0)
		rc = bpf_object__load(steer->obj);
	if (rc != 0)
		return refused(rc, "the kernel does not take the steering program", path, errs);
	maps_find(steer);
	if (!has_btf(steer))
		return refused(-EOPNOTSUPP, "the steering program has no BTF in the kernel", path,
			       errs);
	return 0;
}

int cv_steer_load(const char *path, uint32_t n_addrs_max, struct cv_errs *errs,
		  struct cv_steer **ret_steer)
{
	struct cv_steer *steer = calloc(1, sizeof(*steer));
	int n_cpus, rc;

	cv_assert(n_addrs_max > 0);
	libbpf_set_print(say_nothing);
	n_cpus = libbpf_num_possible_cpus();
	if (n_cpus < 1)
		n_cpus = 1;
	if (steer != NULL)
		steer->per_cpu = calloc((size_t)n_cpus, sizeof(*steer->per_cpu));
	if (steer == NULL || steer->per_cpu == NULL) {
		cv_steer_destroy(steer);
		return refused(-ENOMEM, "the steering program cannot be read", path, errs);
	}
	steer->n_cpus = (uint32_t)n_cpus;
	steer->n_addrs_max = n_addrs_max;
	rc = object_load(steer, path, errs);
	if (rc != 0) {
		cv_steer_destroy(steer);
		return rc;
	}
	*ret_steer = steer;
	return 0;
}

static int link_make(struct cv_steer *steer, unsigned int if_index, __u32 mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = mode);
	int fd = bpf_link_create(steer->prog_fd, (int)if_index, BPF_XDP, &opts);

	if (fd < 0)
		return -errno;
	steer->link_fd = fd;
	steer->native = mode == XDP_FLAGS_DRV_MODE;
	return 0;
}

static int attach(struct cv_steer *steer, const char *iface, const char *path, struct cv_errs *errs)
{
	unsigned int if_index = if_nametoindex(iface);
	int rc;

	if (if_index == 0 || strlen(iface) >= sizeof(steer->iface)) {
		cv_errs_add(errs, path, 0,
			    "there is no network interface '%s' (in this network namespace)",
			    iface);
		return -ENODEV;
	}
	memcpy(steer->iface, iface, strlen(iface));
	/* The link is the process's: however it ends, the kernel takes the program off. */
	rc = link_make(steer, if_index, XDP_FLAGS_DRV_MODE);
	if (rc == -EBUSY || rc == -EEXIST) {
		cv_errs_add(errs, path, 0,
			    "network interface '%s' has another XDP program: ip link set dev %s "
			    "xdp off",
			    iface, iface);
		return -EBUSY;
	}
	if (rc != 0 && rc != -EPERM && rc != -ENOMEM)
		rc = link_make(steer, if_index, XDP_FLAGS_SKB_MODE);
	return rc == 0 ? 0
		       : refused(rc, "the steering program cannot be put on the interface", path,
				 errs);
}

int cv_steer_create(const char *iface, const char *path, uint32_t n_addrs_max, struct cv_errs *errs,
		    struct cv_steer **ret_steer)
{
	struct cv_steer *steer;
	int rc = cv_steer_load(path, n_addrs_max, errs, &steer);

	if (rc != 0)
		return rc;
	rc = attach(steer, iface, path, errs);
	if (rc != 0) {
		cv_steer_destroy(steer);
		return rc;
	}
	*ret_steer = steer;
	return 0;
}

void cv_steer_destroy(struct cv_steer *steer)
{
	if (steer == NULL)
		return;
	if (steer->link_fd > 0)
		close(steer->link_fd);
	bpf_object__close(steer->obj);
	free(steer->addrs);
	free(steer->per_cpu);
	free(steer);
}

/* ---- addresses ---- */

static int addr_cmp(const void *a, const void *b)
{
	const struct cv_steer_addr *x = a, *y = b;
	uint32_t x_ip, y_ip;

	if (x->vlan != y->vlan)
		return x->vlan < y->vlan ? -1 : 1;
	x_ip = ntohl(x->ip);
	y_ip = ntohl(y->ip);
	return (x_ip > y_ip) - (x_ip < y_ip);
}

static uint32_t sorted(struct cv_steer_addr *addrs, uint32_t n)
{
	uint32_t n_kept = 0;

	qsort(addrs, n, sizeof(*addrs), addr_cmp);
	for (uint32_t i = 0; i < n; i++) {
		if (n_kept == 0 || addr_cmp(&addrs[n_kept - 1], &addrs[i]) != 0)
			addrs[n_kept++] = addrs[i];
	}
	return n_kept;
}

static int addr_enter(const struct cv_steer *steer, const struct cv_steer_addr *addr)
{
	const struct steer_key key = {.ip = addr->ip, .vlan = addr->vlan};
	struct steer_addr value = {0};

	memcpy(value.mac, addr->mac, sizeof(value.mac));
	if (bpf_map_update_elem(steer->addrs_fd, &key, &value, BPF_ANY) == 0)
		return 0;
	return errno == E2BIG ? -ENOSPC : -ENOMEM;
}

static void addr_remove(const struct cv_steer *steer, const struct cv_steer_addr *addr)
{
	const struct steer_key key = {.ip = addr->ip, .vlan = addr->vlan};

	(void)bpf_map_delete_elem(steer->addrs_fd, &key);
}

static const struct cv_steer_addr *addr_find(const struct cv_steer_addr *addrs, uint32_t n,
					     const struct cv_steer_addr *addr)
{
	return n > 0 ? bsearch(addr, addrs, n, sizeof(*addrs), addr_cmp) : NULL;
}

int cv_steer_sync(struct cv_steer *steer, const struct cv_steer_addr *addrs, uint32_t n)
{
	struct cv_steer_addr *want = malloc(((size_t)n + 1) * sizeof(*want));
	uint32_t n_in = 0;
	int ret = 0;

	if (want == NULL)
		return -ENOMEM;
	if (n > 0)
		memcpy(want, addrs, n * sizeof(*want));
	n = sorted(want, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct cv_steer_addr *is = addr_find(steer->addrs, steer->n_addrs, &want[i]);
		int rc = 0;

		if (is == NULL || memcmp(is->mac, want[i].mac, sizeof(is->mac)) != 0)
			rc = addr_enter(steer, &want[i]);
		if (rc == 0)
			want[n_in++] = want[i];
		else
			ret = rc;
	}
	for (uint32_t i = 0; i < steer->n_addrs; i++) {
		if (addr_find(want, n_in, &steer->addrs[i]) == NULL)
			addr_remove(steer, &steer->addrs[i]);
	}
	free(steer->addrs);
	steer->addrs = want;
	steer->n_addrs = n_in;
	return ret;
}

const struct cv_steer_addr *cv_steer_addrs(const struct cv_steer *steer, uint32_t *ret_n)
{
	*ret_n = steer->n_addrs;
	return steer->addrs;
}

/* ---- counters ---- */

static uint64_t count_get(const struct cv_steer *steer, uint32_t what)
{
	uint64_t sum = 0;

	if (bpf_map_lookup_elem(steer->counts_fd, &what, steer->per_cpu) != 0)
		return 0;
	for (uint32_t i = 0; i < steer->n_cpus; i++)
		sum += steer->per_cpu[i];
	return sum;
}

void cv_steer_info(const struct cv_steer *steer, struct cv_steer_info *ret_info)
{
	*ret_info = (struct cv_steer_info){
		.iface = steer->iface,
		.native = steer->native,
		.n_addrs = steer->n_addrs,
		.n_addrs_max = steer->n_addrs_max,
		.counts =
			{
				.ipv4 = count_get(steer, STEER_COUNT_IPV4),
				.arp = count_get(steer, STEER_COUNT_ARP),
				.vxlan = count_get(steer, STEER_COUNT_VXLAN),
				.host = count_get(steer, STEER_COUNT_HOST),
				.deaf = count_get(steer, STEER_COUNT_DEAF),
			},
	};
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* The steering program, run by the kernel on frames made by hand, and the module that feeds it. */

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "steer_priv.h"

#define IP(a, b, c, d) cv_be32((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define OURS IP(10, 0, 1, 10)
#define THEIRS IP(10, 0, 1, 2)
#define N_MAX 8

static const uint8_t our_mac[6] = {0x02, 0x12, 10, 0, 1, 10};
static const uint8_t host_mac[6] = {0x52, 0x54, 0, 1, 2, 3};

struct frame {
	uint8_t bytes[128];
	uint32_t len;
};

static struct cv_steer *steer;
static int sock = -1;

static int setup(void **state)
{
	struct cv_errs errs = {0};
	const uint32_t queue = 0;

	(void)state;
	if (geteuid() != 0)
		return 0;
	if (cv_steer_load("p", N_MAX, &errs, &steer) != 0) {
		print_error("%s\n", errs.items[0].text);
		cv_errs_fini(&errs);
		return -1;
	}
	sock = socket(AF_XDP, SOCK_RAW, 0);
	return sock >= 0 ? bpf_map_update_elem(steer->xsks_fd, &queue, &sock, 0) : -1;
}

static int teardown(void **state)
{
	(void)state;
	cv_steer_destroy(steer);
	if (sock >= 0)
		close(sock);
	return 0;
}

#define NEEDS_ROOT()                                                                      \
	do {                                                                              \
		if (steer == NULL) {                                                      \
			print_message("needs root, to load a program into the kernel\n"); \
			skip();                                                           \
		}                                                                         \
	} while (0)

/* ---- frames ---- */

static void add(struct frame *f, const void *bytes, size_t len)
{
	assert_true(f->len + len <= sizeof(f->bytes));
	memcpy(f->bytes + f->len, bytes, len);
	f->len += (uint32_t)len;
}

static void add16(struct frame *f, uint16_t value)
{
	const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

	add(f, bytes, 2);
}

static struct frame ethernet(const uint8_t *to, int vlan, uint16_t type)
{
	struct frame f = {0};

	add(&f, to, 6);
	add(&f, host_mac, 6);
	if (vlan >= 0) {
		add16(&f, 0x8100);
		add16(&f, (uint16_t)(0xe000 | vlan)); /* some priority */
	}
	add16(&f, type);
	return f;
}

static struct frame ipv4(const uint8_t *to_mac, int vlan, cv_be32_t to, uint8_t proto,
			 uint16_t port)
{
	struct frame f = ethernet(to_mac, vlan, 0x0800);
	uint8_t head[20] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, proto};
	const cv_be32_t from = IP(192, 0, 2, 1);

	memcpy(head + 12, &from, 4);
	memcpy(head + 16, &to, 4);
	add(&f, head, sizeof(head));
	add16(&f, 1000);
	add16(&f, port);
	add(&f, (const uint8_t[16]){0}, 16);
	return f;
}

static struct frame arp(int vlan, cv_be32_t asked)
{
	static const uint8_t to_all[6] = {255, 255, 255, 255, 255, 255};
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 1};
	struct frame f = ethernet(to_all, vlan, 0x0806);

	add(&f, head, sizeof(head));
	add(&f, (const uint8_t[10]){0}, 10);
	add(&f, (const uint8_t[6]){0}, 6);
	add(&f, &asked, 4);
	return f;
}

/* ---- running it ---- */

static struct cv_steer_counts counts(void)
{
	struct cv_steer_info info;

	cv_steer_info(steer, &info);
	return info.counts;
}

/* Runs the program on a frame, which must stay as it is, and checks that one counter counts it. */
static uint32_t run(const struct frame *f, size_t counter)
{
	struct cv_steer_counts before = counts(), after;
	uint8_t out[256];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = f->len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(steer->prog_fd, &opts), 0);
	assert_int_equal(opts.data_size_out, f->len);
	assert_memory_equal(out, f->bytes, f->len);
	after = counts();
	for (size_t at = 0; at < sizeof(after); at += sizeof(uint64_t)) {
		uint64_t was, is;

		memcpy(&was, (const char *)&before + at, sizeof(was));
		memcpy(&is, (const char *)&after + at, sizeof(is));
		assert_int_equal(is - was, at == counter);
	}
	return opts.retval;
}

#define assert_ours(sent, what)                                                                   \
	do {                                                                                      \
		struct frame f_ = (sent);                                                         \
		assert_int_equal(run(&f_, offsetof(struct cv_steer_counts, what)), XDP_REDIRECT); \
	} while (0)
#define assert_hosts(sent)                                                                    \
	do {                                                                                  \
		struct frame f_ = (sent);                                                     \
		assert_int_equal(run(&f_, offsetof(struct cv_steer_counts, host)), XDP_PASS); \
	} while (0)

static void sync_one(uint16_t vlan)
{
	struct cv_steer_addr addr = {.ip = OURS, .vlan = vlan};

	memcpy(addr.mac, our_mac, sizeof(our_mac));
	assert_int_equal(cv_steer_sync(steer, &addr, 1), 0);
}

static void without_addresses_all_is_the_hosts(void **state)
{
	(void)state;
	NEEDS_ROOT();
	assert_int_equal(cv_steer_sync(steer, NULL, 0), 0);
	assert_hosts(ipv4(our_mac, -1, OURS, 6, 80));
	assert_hosts(ipv4(host_mac, -1, THEIRS, 6, 22));
	assert_hosts(arp(-1, OURS));
}

static void ipv4_to_our_address_is_ours(void **state)
{
	static const uint8_t protos[] = {1, 6, 17};

	(void)state;
	NEEDS_ROOT();
	sync_one(0);
	for (size_t i = 0; i < CV_ARRAY_LEN(protos); i++) {
		assert_ours(ipv4(our_mac, -1, OURS, protos[i], 80), ipv4);
		assert_hosts(ipv4(our_mac, -1, THEIRS, protos[i], 80));
	}
	/* A priority tag is no VLAN. */
	assert_ours(ipv4(our_mac, 0, OURS, 6, 80), ipv4);
}

/* Such as what the host, as a router, is to pass on. */
static void ipv4_with_another_mac_is_the_hosts(void **state)
{
	uint8_t mac[6];

	(void)state;
	NEEDS_ROOT();
	sync_one(0);
	assert_hosts(ipv4(host_mac, -1, OURS, 6, 80));
	for (size_t i = 0; i < sizeof(mac); i++) {
		memcpy(mac, our_mac, sizeof(mac));
		mac[i] ^= 1;
		assert_hosts(ipv4(mac, -1, OURS, 6, 80));
	}
}

static void arp_about_our_address_is_ours(void **state)
{
	(void)state;
	NEEDS_ROOT();
	sync_one(0);
	assert_ours(arp(-1, OURS), arp);
	assert_hosts(arp(-1, THEIRS));
}

/* Each CPU counts for itself; what is shown is their sum. */
static void packets_of_every_cpu_are_counted(void **state)
{
	cpu_set_t all, one;

	(void)state;
	NEEDS_ROOT();
	sync_one(0);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		assert_ours(ipv4(our_mac, -1, OURS, 6, 80), ipv4);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

static void vxlan_is_counted_apart(void **state)
{
	struct frame f;

	(void)state;
	NEEDS_ROOT();
	sync_one(0);
	assert_ours(ipv4(our_mac, -1, OURS, 17, 4789), vxlan);
	assert_ours(ipv4(our_mac, -1, OURS, 6, 4789), ipv4);
	assert_ours(ipv4(our_mac, -1, OURS, 17, 4788), ipv4);
	assert_ours(ipv4(our_mac, -1, OURS, 17, 0x13b5), ipv4);
	assert_hosts(ipv4(our_mac, -1, THEIRS, 17, 4789));
	/* Options before the UDP header: six words of IPv4. */
	f = ipv4(our_mac, -1, OURS, 17, 0);
	f.bytes[14] = 0x46;
	f.bytes[14 + 26] = 4789 >> 8;
	f.bytes[14 + 27] = 4789 & 0xff;
	assert_ours(f, vxlan);
	/* Past the first fragment there is no port. */
	f = ipv4(our_mac, -1, OURS, 17, 4789);
	f.bytes[14 + 7] = 1;
	assert_ours(f, ipv4);
	/* Too short for a port. */
	f = ipv4(our_mac, -1, OURS, 17, 4789);
	f.len = 14 + 20 + 3;
	assert_ours(f, ipv4);
}

static void vlans_are_told_apart(void **state)
{
	(void)state;
	NEEDS_ROOT();
	sync_one(100);
	assert_ours(ipv4(our_mac, 100, OURS, 6, 80), ipv4);
	assert_ours(arp(100, OURS), arp);
	assert_hosts(ipv4(our_mac, 101, OURS, 6, 80));
	assert_hosts(arp(101, OURS));
	assert_hosts(ipv4(our_mac, -1, OURS, 6, 80));
	assert_hosts(arp(-1, OURS));
	sync_one(0);
	assert_hosts(ipv4(our_mac, 100, OURS, 6, 80));
	assert_hosts(arp(100, OURS));
}

static void other_types_are_the_hosts(void **state)
{
	static const uint16_t types[] = {0x86dd, 0x88cc, 0x8100, 0x88a8, 0x0801, 0x0807, 46};

	(void)state;
	NEEDS_ROOT();
	sync_one(0);
	for (size_t i = 0; i < CV_ARRAY_LEN(types); i++) {
		struct frame f = ipv4(our_mac, -1, OURS, 6, 80);

		f.bytes[12] = (uint8_t)(types[i] >> 8);
		f.bytes[13] = (uint8_t)types[i];
		assert_hosts(f);
	}
}

/* The kernel refuses to run it on less than an Ethernet header. */
static void short_frames_are_the_hosts(void **state)
{
	(void)state;
	NEEDS_ROOT();
	for (int vlan = -1; vlan <= 5; vlan += 6) {
		struct frame ip = ipv4(our_mac, vlan, OURS, 6, 80), asks = arp(vlan, OURS), cut;
		uint32_t l2 = vlan < 0 ? 14 : 18;

		sync_one(vlan < 0 ? 0 : 5);
		for (cut = ip, cut.len = 14; cut.len < l2 + 20; cut.len++)
			assert_hosts(cut);
		assert_ours(cut, ipv4);
		for (cut = asks, cut.len = 14; cut.len < l2 + 28; cut.len++)
			assert_hosts(cut);
		assert_ours(cut, arp);
	}
}

static void without_a_socket_the_kernel_has_it(void **state)
{
	struct frame f = ipv4(our_mac, -1, OURS, 6, 80);
	const uint32_t queue = 0;

	(void)state;
	NEEDS_ROOT();
	sync_one(0);
	assert_int_equal(bpf_map_delete_elem(steer->xsks_fd, &queue), 0);
	assert_int_equal(run(&f, offsetof(struct cv_steer_counts, deaf)), XDP_PASS);
	assert_int_equal(bpf_map_update_elem(steer->xsks_fd, &queue, &sock, 0), 0);
	assert_ours(f, ipv4);
}

/* ---- addresses ---- */

static struct cv_steer_addr addr(uint8_t last, uint16_t vlan, uint8_t mac)
{
	return (struct cv_steer_addr){.ip = IP(10, 0, 0, last), .vlan = vlan, .mac = {2, mac}};
}

static uint32_t entered(void)
{
	uint8_t key[8], *at = NULL;
	uint32_t n = 0;

	for (; bpf_map_get_next_key(steer->addrs_fd, at, key) == 0; at = key)
		n++;
	return n;
}

static bool reaches(const struct cv_steer_addr *a)
{
	struct frame f = ipv4(a->mac, a->vlan, a->ip, 6, 80);
	struct cv_steer_counts before = counts();
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.bytes, .data_size_in = f.len);

	assert_int_equal(bpf_prog_test_run_opts(steer->prog_fd, &opts), 0);
	return counts().ipv4 > before.ipv4;
}

static void addresses_follow_the_list(void **state)
{
	struct cv_steer_addr a = addr(1, 0, 1), b = addr(2, 0, 1), a_other = addr(1, 0, 9),
			     b_vlan = addr(2, 7, 1);
	const struct cv_steer_addr *in;
	uint32_t n;

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(cv_steer_sync(steer, (struct cv_steer_addr[]){b_vlan, b, a, b}, 4), 0);
	in = cv_steer_addrs(steer, &n);
	assert_int_equal(n, 3);
	assert_int_equal(entered(), 3);
	assert_int_equal(in[0].ip, a.ip);
	assert_int_equal(in[1].ip, b.ip);
	assert_int_equal(in[2].vlan, 7);
	assert_true(reaches(&a) && reaches(&b) && reaches(&b_vlan));
	/* One goes, one has another MAC. */
	assert_int_equal(cv_steer_sync(steer, (struct cv_steer_addr[]){a_other, b_vlan}, 2), 0);
	assert_int_equal(entered(), 2);
	assert_true(reaches(&a_other) && reaches(&b_vlan));
	assert_false(reaches(&a) || reaches(&b));
	assert_int_equal(cv_steer_sync(steer, NULL, 0), 0);
	assert_int_equal(entered(), 0);
	assert_false(reaches(&a_other));
}

static void too_many_addresses_are_said(void **state)
{
	struct cv_steer_addr many[N_MAX + 2];
	struct cv_steer_info info;

	(void)state;
	NEEDS_ROOT();
	for (uint8_t i = 0; i < CV_ARRAY_LEN(many); i++)
		many[i] = addr(i, 0, 1);
	assert_int_equal(cv_steer_sync(steer, many, CV_ARRAY_LEN(many)), -ENOSPC);
	cv_steer_info(steer, &info);
	assert_int_equal(info.n_addrs, N_MAX);
	assert_int_equal(info.n_addrs_max, N_MAX);
	/* What did not fit gets in once there is room. */
	assert_int_equal(cv_steer_sync(steer, many + 2, N_MAX), -ENOSPC);
	assert_int_equal(cv_steer_sync(steer, many + 2, N_MAX), 0);
	assert_true(reaches(&many[N_MAX + 1]));
	assert_int_equal(entered(), N_MAX);
}

/* ---- interfaces ---- */

static void an_interface_must_exist(void **state)
{
	struct cv_errs errs = {0};
	struct cv_steer *none = NULL;

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(cv_steer_create("cv-nowhere", "dpdk.ports[0].steering", 1, &errs, &none),
			 -ENODEV);
	assert_string_equal(errs.items[0].path, "dpdk.ports[0].steering");
	assert_non_null(strstr(errs.items[0].text, "there is no network interface 'cv-nowhere'"));
	assert_null(none);
	cv_errs_fini(&errs);
}

static void rights_are_needed(void **state)
{
	struct cv_errs errs = {0};
	struct cv_steer *none = NULL;

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(cv_steer_create("lo", "p", 1, &errs, &none), -EPERM);
	assert_int_equal(seteuid(0), 0);
	assert_non_null(strstr(errs.items[0].text, "run as root"));
	assert_null(none);
	cv_errs_fini(&errs);
}

/* The loopback interface of a namespace of our own: no driver has XDP for it. */
static void an_interface_has_one_program_generic_if_need_be(void **state)
{
	struct cv_errs errs = {0};
	struct cv_steer *first = NULL, *second = NULL;
	struct cv_steer_info info;

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(cv_steer_create("lo", "p", 1, &errs, &first), 0);
	cv_steer_info(first, &info);
	assert_string_equal(info.iface, "lo");
	assert_false(info.native);
	assert_int_equal(cv_steer_create("lo", "p", 1, &errs, &second), -EBUSY);
	assert_non_null(strstr(errs.items[0].text, "'lo' has another XDP program"));
	assert_null(second);
	cv_steer_destroy(first);
	assert_int_equal(cv_steer_create("lo", "p", 1, &errs, &second), 0);
	cv_steer_destroy(second);
	cv_steer_destroy(NULL);
	cv_errs_fini(&errs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_addresses_all_is_the_hosts),
		cmocka_unit_test(ipv4_to_our_address_is_ours),
		cmocka_unit_test(ipv4_with_another_mac_is_the_hosts),
		cmocka_unit_test(arp_about_our_address_is_ours),
		cmocka_unit_test(packets_of_every_cpu_are_counted),
		cmocka_unit_test(vxlan_is_counted_apart),
		cmocka_unit_test(vlans_are_told_apart),
		cmocka_unit_test(other_types_are_the_hosts),
		cmocka_unit_test(short_frames_are_the_hosts),
		cmocka_unit_test(without_a_socket_the_kernel_has_it),
		cmocka_unit_test(addresses_follow_the_list),
		cmocka_unit_test(too_many_addresses_are_said),
		cmocka_unit_test(an_interface_must_exist),
		cmocka_unit_test(rights_are_needed),
		cmocka_unit_test(an_interface_has_one_program_generic_if_need_be),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* The parts of io that need no EAL: where threads run, what the EAL is told, device strings. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_io.h"

#include "io_priv.h"

#define XDP "net_af_xdp0,iface=eth1"

static struct cv_io_cfg cfg_make(uint32_t n_workers)
{
	return (struct cv_io_cfg){.prog = "test",
				  .n_workers = n_workers,
				  .main_core = -1,
				  .huge_pages = true,
				  .n_mbufs = 8192};
}

/* ---- cores ---- */

static int plan(const struct cv_io_cfg *cfg, uint32_t n_cpus, struct cv_io_cores *cores,
		size_t *ret_n_warnings)
{
	uint32_t cpus[64];
	struct cv_errs errs = {0}, warns = {0};
	uint32_t i;
	int rc;

	/* CPUs 2, 3, .. so that a CPU's number is never its place. */
	for (i = 0; i < n_cpus; i++)
		cpus[i] = i + 2;
	rc = cv_io_cores_plan(cfg, cpus, n_cpus, &errs, &warns, cores);
	assert_int_equal(rc != 0, errs.n > 0);
	if (ret_n_warnings != NULL)
		*ret_n_warnings = warns.n;
	cv_errs_fini(&errs);
	cv_errs_fini(&warns);
	return rc;
}

static void workers_come_after_control(void **state)
{
	struct cv_io_cfg cfg = cfg_make(2);
	struct cv_io_cores cores;
	size_t n_warnings;

	(void)state;
	assert_int_equal(plan(&cfg, 4, &cores, &n_warnings), 0);
	assert_int_equal(cores.main, 2);
	assert_int_equal(cores.worker[0], 3);
	assert_int_equal(cores.worker[1], 4);
	assert_int_equal(n_warnings, 0);
	assert_false(cores.yield);
}

static void the_last_worker_shares_with_control_before_workers_share(void **state)
{
	struct cv_io_cfg cfg = cfg_make(2);
	struct cv_io_cores cores;
	size_t n_warnings;

	(void)state;
	assert_int_equal(plan(&cfg, 2, &cores, &n_warnings), 0);
	assert_int_equal(cores.worker[0], 3);
	assert_int_equal(cores.worker[1], 2);
	assert_int_equal(n_warnings, 0);
	assert_true(cores.yield);
}

static void a_worker_that_spins_keeps_its_cpu_unless_workers_share_one(void **state)
{
	static const uint32_t both_on_2[] = {2};
	struct cv_io_cfg cfg = cfg_make(2);
	struct cv_io_cores cores;

	(void)state;
	cfg.spin = true;
	assert_int_equal(plan(&cfg, 2, &cores, NULL), 0);
	assert_false(cores.yield);
	cfg.cores = both_on_2;
	cfg.n_cores = 1;
	assert_int_equal(plan(&cfg, 4, &cores, NULL), 0);
	assert_true(cores.yield);
}

static void more_workers_than_cpus_share_with_a_warning(void **state)
{
	struct cv_io_cfg cfg = cfg_make(5);
	struct cv_io_cores cores;
	size_t n_warnings;
	uint32_t i, here = 0;

	(void)state;
	assert_int_equal(plan(&cfg, 2, &cores, &n_warnings), 0);
	for (i = 0; i < 5; i++)
		here += cores.worker[i] == 3;
	assert_int_equal(here, 3);
	assert_int_equal(n_warnings, 1);
	assert_true(cores.yield);
	assert_int_equal(plan(&cfg, 1, &cores, &n_warnings), 0);
	assert_int_equal(cores.worker[4], 2);
}

static void configured_cores_are_kept(void **state)
{
	const uint32_t list[] = {2, 5};
	struct cv_io_cfg cfg = cfg_make(2);
	struct cv_io_cores cores;
	size_t n_warnings;

	(void)state;
	cfg.cores = list;
	cfg.n_cores = 2;
	assert_int_equal(plan(&cfg, 4, &cores, &n_warnings), 0);
	assert_int_equal(cores.worker[0], 2);
	assert_int_equal(cores.worker[1], 5);
	assert_int_equal(cores.main, 3);
	cfg.main_core = 4;
	assert_int_equal(plan(&cfg, 4, &cores, &n_warnings), 0);
	assert_int_equal(cores.main, 4);
	assert_int_equal(n_warnings, 0);
	cfg.n_workers = 3;
	assert_int_equal(plan(&cfg, 4, &cores, &n_warnings), 0);
	assert_int_equal(cores.worker[2], 2);
	assert_int_equal(n_warnings, 1);
}

static void a_spare_cpu_means_no_yielding(void **state)
{
	struct cv_io_cfg cfg = cfg_make(1);
	struct cv_io_cores cores;

	(void)state;
	assert_int_equal(plan(&cfg, 2, &cores, NULL), 0);
	assert_true(cores.yield);
	assert_int_equal(plan(&cfg, 3, &cores, NULL), 0);
	assert_false(cores.yield);
}

static void cores_that_do_not_exist_are_refused(void **state)
{
	const uint32_t list[] = {9, 2, 1};
	const uint32_t cpus[] = {2, 3, 4, 8};
	struct cv_io_cfg cfg = cfg_make(1);
	struct cv_io_cores cores;
	struct cv_errs errs = {0}, warns = {0};

	(void)state;
	cfg.cores = list;
	cfg.n_cores = 3;
	cfg.main_core = 7;
	assert_int_equal(cv_io_cores_plan(&cfg, cpus, 4, &errs, &warns, &cores), -EINVAL);
	assert_int_equal(errs.n, 3);
	assert_string_equal(errs.items[0].path, "dpdk.cores[0]");
	assert_string_equal(errs.items[0].text, "there is no CPU 9: this process may use 2-4,8");
	assert_string_equal(errs.items[1].path, "dpdk.cores[2]");
	assert_string_equal(errs.items[2].path, "dpdk.main_core");
	cv_errs_fini(&errs);
}

static void numbers_of_workers_have_bounds(void **state)
{
	struct cv_io_cfg cfg = cfg_make(0);
	struct cv_io_cores cores;

	(void)state;
	assert_int_equal(plan(&cfg, 2, &cores, NULL), -EINVAL);
	cfg.n_workers = CV_IO_WORKERS_MAX + 1;
	assert_int_equal(plan(&cfg, 2, &cores, NULL), -EINVAL);
	cfg.n_workers = CV_IO_WORKERS_MAX;
	assert_int_equal(plan(&cfg, 2, &cores, NULL), 0);
	assert_int_equal(plan(&cfg, 0, &cores, NULL), -EINVAL);
}

static void some_cpu_may_be_used(void **state)
{
	uint32_t cpus[1024];

	(void)state;
	assert_true(cv_io_cpus(cpus, 1024) >= 1);
	assert_int_equal(cv_io_cpus(cpus, 1), 1);
}

/* ---- EAL arguments ---- */

/* The arguments after the program's name, with blanks between. */
static const char *args_str(const struct cv_io_cfg *cfg)
{
	static char buf[4096];
	struct cv_io_cores cores = {.main = 0, .worker = {1, 0}};
	struct cv_io_need need;
	struct cv_io_args args;
	size_t len = 0;
	int i;

	cv_io_need_get(cfg, &need);
	cv_io_args_init(&args, cfg, &cores, &need);
	assert_false(args.failed);
	assert_string_equal(args.argv[0], "test");
	assert_null(args.argv[args.argc]);
	buf[0] = '\0';
	for (i = 1; i < args.argc; i++)
		len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%s ", args.argv[i]);
	cv_io_args_fini(&args);
	return buf;
}

CV_PRINTF(2, 3) static void assert_args(const struct cv_io_cfg *cfg, const char *fmt, ...)
{
	char want[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(want, sizeof(want), fmt, ap);
	va_end(ap);
	assert_string_equal(args_str(cfg), want);
}

static void our_own_arguments(void **state)
{
	struct cv_io_cfg cfg = cfg_make(2);

	(void)state;
	cfg.memory_mb = 300;
	assert_args(&cfg,
		    "--lcores 0@0,1@1,2@0 --main-lcore 0 --in-memory -m 300 "
		    "--file-prefix culvert-%d --no-pci --iova-mode va --no-telemetry ",
		    (int)getpid());
	cfg.huge_pages = false;
	assert_args(&cfg,
		    "--lcores 0@0,1@1,2@0 --main-lcore 0 --no-huge --no-shconf -m 300 "
		    "--file-prefix culvert-%d --no-pci --iova-mode va --no-telemetry ",
		    (int)getpid());
}

static void pci_devices_are_allowed_and_choose_their_addresses(void **state)
{
	const char *const devices[] = {"01:00.0", "0000:02:00.1,arg=1", "net_null0"};
	const struct cv_io_port_cfg port = {
		.name = "a", .devices = devices, .n_devices = 3, .mtu = 1500};
	struct cv_io_cfg cfg = cfg_make(1);

	(void)state;
	cfg.memory_mb = 300;
	cfg.ports = &port;
	cfg.n_ports = 1;
	assert_args(&cfg,
		    "--lcores 0@0,1@1 --main-lcore 0 --in-memory -m 300 --file-prefix culvert-%d "
		    "-a 0000:01:00.0 -a 0000:02:00.1,arg=1 --no-telemetry ",
		    (int)getpid());
}

static void given_arguments_replace_ours(void **state)
{
	static const struct {
		const char *given, *gone;
	} cases[] = {
		{"-l0,1", "--lcores"},
		{"-c3", "--main-lcore"},
		{"--lcores=0,1", "0@0"},
		{"--main-lcore=1", "--main-lcore 0"},
		{"--no-huge", "--in-memory"},
		{"--huge-dir=/x", "--in-memory"},
		{"-m100", "-m "},
		{"--socket-mem=1", "-m "},
		{"--file-prefix=x", "culvert"},
		{"-a0000:01:00.0", "--no-pci"},
		{"--allow=x", "--no-pci"},
		{"--iova-mode=pa", "mode va"},
		{"--telemetry", "--no-tel"},
	};
	struct cv_io_cfg cfg = cfg_make(2);
	size_t i;

	(void)state;
	for (i = 0; i < CV_ARRAY_LEN(cases); i++) {
		const char *text;

		cfg.n_eal_args = 0;
		assert_non_null(strstr(args_str(&cfg), cases[i].gone));
		cfg.eal_args = &cases[i].given;
		cfg.n_eal_args = 1;
		text = args_str(&cfg);
		assert_null(strstr(text, cases[i].gone));
		assert_string_equal(text + strlen(text) - strlen(cases[i].given) - 1,
				    strcat(strcpy((char[64]){0}, cases[i].given), " "));
	}
}

static void options_match_as_a_whole(void **state)
{
	static const char *const given[] = {"--allowance", "-v"};
	static const char *const options[] = {"--allow", "-a", NULL};
	struct cv_io_cfg cfg = cfg_make(1);

	(void)state;
	cfg.eal_args = given;
	cfg.n_eal_args = 2;
	assert_false(cv_io_args_has(&cfg, options));
}

static void too_many_arguments_are_noticed(void **state)
{
	static const char *given[200];
	struct cv_io_cfg cfg = cfg_make(1);
	struct cv_io_cores cores = {0};
	struct cv_io_need need;
	struct cv_io_args args;
	size_t i;

	(void)state;
	for (i = 0; i < 200; i++)
		given[i] = "--x";
	cfg.eal_args = given;
	cfg.n_eal_args = 200;
	cv_io_need_get(&cfg, &need);
	cv_io_args_init(&args, &cfg, &cores, &need);
	assert_true(args.failed);
	cv_io_args_fini(&args);
}

static void room_follows_the_largest_mtu(void **state)
{
	const char *ring = "net_ring0", *xdp = XDP, *pci = "0000:01:00.0";
	struct cv_io_port_cfg ports[] = {
		{.name = "a", .devices = &ring, .n_devices = 1, .mtu = 1500},
		{.name = "b", .devices = &ring, .n_devices = 1, .mtu = 1500},
	};
	struct cv_io_cfg cfg = cfg_make(1);
	struct cv_io_need need, plain;

	(void)state;
	cfg.ports = ports;
	cfg.n_ports = 2;
	cv_io_need_get(&cfg, &plain);
	assert_int_equal(plain.room, RTE_MBUF_DEFAULT_BUF_SIZE);
	assert_false(plain.pci);
	/* No packet crosses a page: a small one has room for one. */
	cfg.n_mbufs = 65536;
	cfg.huge_pages = false;
	cv_io_need_get(&cfg, &need);
	assert_true(need.memory_mb >= 65536 * 4 / 1024);
	cfg.huge_pages = true;
	cv_io_need_get(&cfg, &plain);
	assert_in_range(plain.memory_mb, 65536 * 2 / 1024, need.memory_mb - 65536 / 1024);
	ports[1].mtu = 9216;
	cv_io_need_get(&cfg, &need);
	/* Headroom, Ethernet with two tags, packet, frame check sequence. */
	assert_true(need.room >= 128 + 14 + 8 + 9216 + 4);
	assert_true(need.room < 128 + 14 + 8 + 9216 + 4 + 64);
	assert_true(need.memory_mb > plain.memory_mb + (9216 - 2048) * 8192 / (1 << 20));
	/* AF_XDP: the kernel's own headroom on top. */
	ports[1].mtu = 2000;
	ports[1].devices = &xdp;
	cv_io_need_get(&cfg, &need);
	assert_true(need.room >= 128 + 256 + 14 + 8 + 2000 + 4);
	ports[0].devices = &pci;
	cv_io_need_get(&cfg, &need);
	assert_true(need.pci);
}

/* ---- device strings ---- */

static void drivers_are_told_by_name(void **state)
{
	(void)state;
	assert_true(cv_io_driver_find(XDP)->umem);
	assert_true(cv_io_driver_find("net_af_xdp")->umem);
	assert_true(cv_io_driver_find("net_af_xdp12")->all_queues);
	assert_null(cv_io_driver_find("net_af_xdpx0")->name);
	assert_null(cv_io_driver_find("net_af_xd")->name);
	assert_string_equal(cv_io_driver_find("net_af_packet1,iface=x")->name, "net_af_packet");
	assert_false(cv_io_driver_find("net_tap0")->all_queues);
	assert_null(cv_io_driver_find("0000:01:00.0")->name);
	assert_null(cv_io_driver_find("")->name);
}

static void device_strings_are_taken_apart(void **state)
{
	char longest[CV_IO_NAME_LEN + 1];
	struct cv_io_devname name;

	(void)state;
	assert_int_equal(cv_io_devname_parse(XDP, &name), 0);
	assert_string_equal(name.name, "net_af_xdp0");
	assert_string_equal(name.args, "iface=eth1");
	assert_false(name.pci);
	assert_int_equal(cv_io_devname_parse("net_ring0", &name), 0);
	assert_string_equal(name.args, "");
	assert_int_equal(cv_io_devname_parse("1:2.3,x=1,y=2", &name), 0);
	assert_true(name.pci);
	assert_string_equal(name.name, "0000:01:02.3");
	assert_string_equal(name.args, "x=1,y=2");
	assert_int_equal(cv_io_devname_parse("", &name), -EINVAL);
	assert_int_equal(cv_io_devname_parse(",iface=x", &name), -EINVAL);
	memset(longest, 'n', sizeof(longest));
	longest[CV_IO_NAME_LEN] = '\0';
	assert_int_equal(cv_io_devname_parse(longest, &name), -EINVAL);
	longest[CV_IO_NAME_LEN - 1] = '\0';
	assert_int_equal(cv_io_devname_parse(longest, &name), 0);
}

static void arguments_are_found_by_key(void **state)
{
	char buf[8] = "old";

	(void)state;
	assert_true(cv_io_kvarg("a=1,iface=eth1,b=2", "iface", buf, sizeof(buf)));
	assert_string_equal(buf, "eth1");
	assert_true(cv_io_kvarg("iface=x", "iface", buf, sizeof(buf)));
	assert_string_equal(buf, "x");
	assert_true(cv_io_kvarg("iface=", "iface", buf, sizeof(buf)));
	assert_string_equal(buf, "");
	assert_false(cv_io_kvarg("xiface=1,ifacey=2,iface", "iface", buf, sizeof(buf)));
	assert_false(cv_io_kvarg("", "iface", buf, sizeof(buf)));
	assert_true(cv_io_kvarg("iface=1234567", "iface", buf, sizeof(buf)));
	assert_false(cv_io_kvarg("iface=12345678", "iface", buf, sizeof(buf)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_come_after_control),
		cmocka_unit_test(the_last_worker_shares_with_control_before_workers_share),
		cmocka_unit_test(a_worker_that_spins_keeps_its_cpu_unless_workers_share_one),
		cmocka_unit_test(more_workers_than_cpus_share_with_a_warning),
		cmocka_unit_test(configured_cores_are_kept),
		cmocka_unit_test(a_spare_cpu_means_no_yielding),
		cmocka_unit_test(cores_that_do_not_exist_are_refused),
		cmocka_unit_test(numbers_of_workers_have_bounds),
		cmocka_unit_test(some_cpu_may_be_used),
		cmocka_unit_test(our_own_arguments),
		cmocka_unit_test(pci_devices_are_allowed_and_choose_their_addresses),
		cmocka_unit_test(given_arguments_replace_ours),
		cmocka_unit_test(options_match_as_a_whole),
		cmocka_unit_test(too_many_arguments_are_noticed),
		cmocka_unit_test(room_follows_the_largest_mtu),
		cmocka_unit_test(drivers_are_told_by_name),
		cmocka_unit_test(device_strings_are_taken_apart),
		cmocka_unit_test(arguments_are_found_by_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

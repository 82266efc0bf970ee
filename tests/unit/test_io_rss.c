/* SPDX-License-Identifier: BSD-3-Clause */

/* What becomes of a port's RSS, with devices that do as they are told and devices that do not. The EAL
 * starts once per process, so that each case runs in a child. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_ethdev.h>

#include "cv_io.h"

#include "io_priv.h"

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			fflush(stderr);                                            \
			_exit(1);                                                  \
		}                                                                  \
	} while (0)

/* ---- a device's faults, laid over net_null, which has none ---- */

static struct {
	uint16_t reta_len;     /* instead of its own, if not 0 */
	bool refuses_key;      /* when configured */
	bool refuses_update;   /* of its key */
	bool has_other_key;    /* and says so */
	bool hashes_no_tcp;    /* and says so */
	bool refuses_reta;     /* when told */
	bool has_other_reta;   /* and says so */
	uint8_t key_len;       /* instead of its own, if not 0 */
	unsigned int n_tables; /* times it was told one */
} faults;

int __real_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
int __real_rte_eth_dev_configure(uint16_t id, uint16_t n_rx, uint16_t n_tx,
				 const struct rte_eth_conf *conf);
int __wrap_rte_eth_dev_configure(uint16_t id, uint16_t n_rx, uint16_t n_tx,
				 const struct rte_eth_conf *conf);
int __real_rte_eth_dev_rss_hash_conf_get(uint16_t id, struct rte_eth_rss_conf *conf);
int __wrap_rte_eth_dev_rss_hash_conf_get(uint16_t id, struct rte_eth_rss_conf *conf);
int __real_rte_eth_dev_rss_hash_update(uint16_t id, struct rte_eth_rss_conf *conf);
int __wrap_rte_eth_dev_rss_hash_update(uint16_t id, struct rte_eth_rss_conf *conf);
int __real_rte_eth_dev_rss_reta_update(uint16_t id, struct rte_eth_rss_reta_entry64 *reta,
				       uint16_t n);
int __wrap_rte_eth_dev_rss_reta_update(uint16_t id, struct rte_eth_rss_reta_entry64 *reta,
				       uint16_t n);
int __real_rte_eth_dev_rss_reta_query(uint16_t id, struct rte_eth_rss_reta_entry64 *reta,
				      uint16_t n);
int __wrap_rte_eth_dev_rss_reta_query(uint16_t id, struct rte_eth_rss_reta_entry64 *reta,
				      uint16_t n);

int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info)
{
	int rc = __real_rte_eth_dev_info_get(id, info);

	if (faults.reta_len != 0)
		info->reta_size = faults.reta_len;
	if (faults.key_len != 0)
		info->hash_key_size = faults.key_len;
	return rc;
}

/* The device's own key is shorter than it says, and newer releases of DPDK insist on its length. */
static void key_cut(struct rte_eth_rss_conf *conf)
{
	if (conf->rss_key_len > CV_RSS_KEY_LEN)
		conf->rss_key_len = CV_RSS_KEY_LEN;
}

int __wrap_rte_eth_dev_configure(uint16_t id, uint16_t n_rx, uint16_t n_tx,
				 const struct rte_eth_conf *conf)
{
	struct rte_eth_conf own = *conf;

	if (faults.refuses_key && conf->rx_adv_conf.rss_conf.rss_key != NULL)
		return -EINVAL;
	key_cut(&own.rx_adv_conf.rss_conf);
	return __real_rte_eth_dev_configure(id, n_rx, n_tx, &own);
}

int __wrap_rte_eth_dev_rss_hash_conf_get(uint16_t id, struct rte_eth_rss_conf *conf)
{
	int rc = __real_rte_eth_dev_rss_hash_conf_get(id, conf);

	if (faults.has_other_key)
		conf->rss_key[15] ^= 1;
	if (faults.hashes_no_tcp)
		conf->rss_hf &= ~(uint64_t)RTE_ETH_RSS_NONFRAG_IPV4_TCP;
	return rc;
}

int __wrap_rte_eth_dev_rss_hash_update(uint16_t id, struct rte_eth_rss_conf *conf)
{
	struct rte_eth_rss_conf own = *conf;

	key_cut(&own);
	return faults.refuses_update ? -ENOTSUP : __real_rte_eth_dev_rss_hash_update(id, &own);
}

int __wrap_rte_eth_dev_rss_reta_update(uint16_t id, struct rte_eth_rss_reta_entry64 *reta,
				       uint16_t n)
{
	faults.n_tables++;
	return faults.refuses_reta ? -ENOTSUP : __real_rte_eth_dev_rss_reta_update(id, reta, n);
}

int __wrap_rte_eth_dev_rss_reta_query(uint16_t id, struct rte_eth_rss_reta_entry64 *reta,
				      uint16_t n)
{
	int rc = __real_rte_eth_dev_rss_reta_query(id, reta, n);

	if (faults.has_other_reta)
		reta[1].reta[63] ^= 1;
	return rc;
}

/* ---- making one ---- */

static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(60);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define IN_CHILD(name)                 \
	static void name(void **state) \
	{                              \
		(void)state;           \
		in_child(name##_body); \
	}

static struct cv_io *make(uint32_t n_workers, uint16_t n_queues, const char *device,
			  const char *second)
{
	const char *const devices[] = {device, second};
	const struct cv_io_port_cfg port = {.name = "one",
					    .devices = devices,
					    .n_devices = second != NULL ? 2 : 1,
					    .n_queues = n_queues,
					    .mtu = 1500,
					    .rx_desc = 256,
					    .tx_desc = 256};
	const struct cv_io_cfg cfg = {.prog = "test",
				      .n_workers = n_workers,
				      .main_core = -1,
				      .n_mbufs = 16384,
				      .memory_mb = 192,
				      .ports = &port,
				      .n_ports = 1};
	struct cv_errs errs = {0};
	struct cv_io *io = NULL;
	int rc = cv_io_create(&cfg, &errs, &io);

	for (size_t i = 0; i < errs.n; i++)
		fprintf(stderr, "%s\n", errs.items[i].text);
	CHECK(rc == 0);
	return io;
}

/* Nothing is known of it, and no worker is led to think so. */
static void is_off(struct cv_io *io)
{
	struct cv_io_port_info info;

	CHECK(!cv_io_port_rss(io, 0)->on);
	cv_io_port_info(io, 0, &info);
	CHECK(!info.rss_on);
	cv_io_destroy(io);
}

/* ---- cases ---- */

/* The device has our key and a table; each worker gets what it polls, and an equal share. */
static void check_on(uint32_t n_workers, uint16_t n_queues, uint16_t n_classes)
{
	struct cv_io *io = make(n_workers, n_queues, "net_null0", NULL);
	const struct cv_rss *rss = cv_io_port_rss(io, 0);
	struct rte_eth_rss_reta_entry64 reta[2] = {{.mask = UINT64_MAX}, {.mask = UINT64_MAX}};
	uint8_t key[CV_RSS_KEY_LEN];
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = sizeof(key)};
	uint32_t share[CV_IO_WORKERS_MAX] = {0};
	struct cv_io_port_info info;
	uint16_t id = io->devs[0].id;

	CHECK(rss->on && rss->n == n_classes);
	cv_io_port_info(io, 0, &info);
	CHECK(info.rss_on && info.can_rss);
	CHECK(rte_eth_dev_rss_hash_conf_get(id, &conf) == 0);
	CHECK(memcmp(key, rss->key, sizeof(key)) == 0);
	CHECK((conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP) != 0);
	CHECK((conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_UDP) != 0);
	CHECK(rte_eth_dev_rss_reta_query(id, reta, 128) == 0);
	for (uint16_t i = 0; i < 128; i++) {
		const struct cv_io_worker *w = &io->workers[rss->worker[i % rss->n]];
		uint16_t queue = reta[i / 64].reta[i % 64];
		bool polls = false;

		for (uint32_t k = 0; k < w->n_rxq; k++)
			polls = polls || w->rxq[k].queue == queue;
		CHECK(polls);
		share[rss->worker[i % rss->n]]++;
	}
	for (uint32_t i = 0; i < n_workers; i++)
		CHECK(share[i] >= 128 / n_workers - 4 && share[i] <= 128 / n_workers + 4);
	cv_io_destroy(io);
}

static void two_workers_body(void)
{
	check_on(2, 0, 64);
}
IN_CHILD(two_workers)

static void three_workers_body(void)
{
	check_on(3, 0, 64);
}
IN_CHILD(three_workers)

static void more_queues_than_workers_body(void)
{
	check_on(2, 6, 128);
}
IN_CHILD(more_queues_than_workers)

static void long_key_body(void)
{
	faults.key_len = 52;
	check_on(2, 0, 64);
}
IN_CHILD(long_key)

static void key_when_running_only_body(void)
{
	faults.refuses_key = true;
	faults.key_len = 40;
	check_on(2, 0, 64);
}
IN_CHILD(key_when_running_only)

static void one_worker_needs_none_body(void)
{
	is_off(make(1, 4, "net_null0", NULL));
	CHECK(faults.n_tables == 0);
}
IN_CHILD(one_worker_needs_none)

static void every_worker_needs_a_queue_body(void)
{
	is_off(make(3, 2, "net_null0", NULL));
	CHECK(faults.n_tables == 0);
}
IN_CHILD(every_worker_needs_a_queue)

static void several_devices_body(void)
{
	is_off(make(2, 2, "net_null0", "net_null1"));
}
IN_CHILD(several_devices)

static void device_without_rss_body(void)
{
	is_off(make(2, 1, "net_ring0", NULL));
}
IN_CHILD(device_without_rss)

#define FAULT(name, ...)                                \
	static void name##_body(void)                   \
	{                                               \
		faults = (typeof(faults)){__VA_ARGS__}; \
		is_off(make(2, 0, "net_null0", NULL));  \
	}                                               \
	IN_CHILD(name)

FAULT(key_refused, .refuses_key = true, .refuses_update = true, .key_len = 40)
FAULT(another_key, .has_other_key = true)
FAULT(key_too_short, .key_len = 12)
FAULT(tcp_not_hashed, .hashes_no_tcp = true)
FAULT(table_of_odd_size, .reta_len = 100)
FAULT(table_refused, .refuses_reta = true)
FAULT(another_table, .has_other_reta = true)

static void keys_fill_any_length(void **state)
{
	uint8_t key[CV_RSS_KEY_LEN], buf[UINT8_MAX + 1];

	(void)state;
	cv_rss_key_build(3, key);
	for (unsigned int len = 0; len <= UINT8_MAX; len++) {
		memset(buf, 0xee, sizeof(buf));
		assert_int_equal(cv_io_rss_key_put(key, (uint8_t)len, buf), len >= 16);
		for (unsigned int i = 0; i < len; i++)
			assert_int_equal(buf[i], key[i % 40]);
		assert_int_equal(buf[len], 0xee);
	}
}

static void classes_follow_table_and_queues(void **state)
{
	static const uint16_t rows[][3] = {
		/* table, queues, classes */
		{0, 2, 0},      {128, 2, 64},   {64, 2, 64},      {16, 2, 16},     {512, 5, 128},
		{512, 12, 256}, {128, 12, 128}, {512, 64, 512},   {2048, 64, 512}, {4096, 4, 64},
		{8192, 4, 0},   {100, 2, 0},    {4096, 1024, 512}};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++)
		assert_int_equal(cv_io_rss_classes(rows[i][0], rows[i][1]), rows[i][2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_workers),
		cmocka_unit_test(three_workers),
		cmocka_unit_test(more_queues_than_workers),
		cmocka_unit_test(long_key),
		cmocka_unit_test(key_when_running_only),
		cmocka_unit_test(one_worker_needs_none),
		cmocka_unit_test(every_worker_needs_a_queue),
		cmocka_unit_test(several_devices),
		cmocka_unit_test(device_without_rss),
		cmocka_unit_test(key_refused),
		cmocka_unit_test(another_key),
		cmocka_unit_test(key_too_short),
		cmocka_unit_test(tcp_not_hashed),
		cmocka_unit_test(table_of_odd_size),
		cmocka_unit_test(table_refused),
		cmocka_unit_test(another_table),
		cmocka_unit_test(keys_fill_any_length),
		cmocka_unit_test(classes_follow_table_and_queues),
	};

	return cmocka_run_group_tests_name("io_rss", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* io with a running EAL, without huge pages or NIC. The EAL starts once per process, so that each case
 * runs in a child; its last word is its exit code. */

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_mempool.h>

#include "cv_base.h"
#include "cv_io.h"

#include "io_priv.h"

#define N_MBUFS 8192
#define SKIPPED 77

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			fflush(stderr);                                            \
			_exit(1);                                                  \
		}                                                                  \
	} while (0)

static void in_child(void (*fn)(void))
{
	pid_t pid;
	int status, sig;

	fflush(stdout);
	fflush(stderr);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* cmocka would go on with the next case in the child. */
		for (sig = SIGHUP; sig < SIGTERM; sig++)
			(void)signal(sig, SIG_DFL);
		alarm(300); /* no child stays, whatever it waits for */
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, 0);
	if (WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define IN_CHILD(name)                 \
	static void name(void **state) \
	{                              \
		(void)state;           \
		in_child(name##_body); \
	}

/* ---- making one ---- */

#define PORTS_MAX 4

struct world {
	struct cv_io_cfg cfg;
	struct cv_io_port_cfg ports[PORTS_MAX];
	struct cv_errs errs;
	struct cv_io *io;
};

static void port_add(struct world *w, const char *name, const char *const *devices, uint32_t n)
{
	w->ports[w->cfg.n_ports++] = (struct cv_io_port_cfg){.name = name,
							     .devices = devices,
							     .n_devices = n,
							     .mtu = 1500,
							     .rx_desc = 256,
							     .tx_desc = 256,
							     .promiscuous = true};
}

static void world_init(struct world *w, uint32_t n_workers)
{
	memset(w, 0, sizeof(*w));
	w->cfg = (struct cv_io_cfg){.prog = "test",
				    .n_workers = n_workers,
				    .main_core = -1,
				    .n_mbufs = N_MBUFS,
				    .memory_mb = 128,
				    .ports = w->ports};
}

static int world_create(struct world *w)
{
	char line[512];
	int rc = cv_io_create(&w->cfg, &w->errs, &w->io);

	CHECK((rc == 0) == (w->errs.n == 0));
	CHECK((rc == 0) == (w->io != NULL));
	for (size_t i = 0; i < w->errs.n; i++)
		printf("[   SAYS   ] %s\n", cv_err_str(&w->errs.items[i], line, sizeof(line)));
	fflush(stdout);
	return rc;
}

/* A creation that fails, with this path and these words in its first error. */
static void fails(struct world *w, int want, const char *path, const char *words)
{
	int rc = world_create(w);

	CHECK(rc == want);
	CHECK(strcmp(w->errs.items[0].path, path) == 0);
	CHECK(strstr(w->errs.items[0].text, words) != NULL);
}

static const char *const ring0[] = {"net_ring0"};
static const char *const ring1[] = {"net_ring1"};

static struct rte_mbuf *pkt_make(const struct cv_io *io, uint32_t mark)
{
	struct rte_mbuf *pkt = rte_pktmbuf_alloc(cv_io_mbufs(io));

	CHECK(pkt != NULL);
	CHECK(rte_pktmbuf_append(pkt, 60) != NULL);
	memset(rte_pktmbuf_mtod(pkt, void *), 0xff, 60);
	memcpy(rte_pktmbuf_mtod_offset(pkt, void *, 14), &mark, sizeof(mark));
	return pkt;
}

static uint32_t pkt_mark(const struct rte_mbuf *pkt)
{
	uint32_t mark;

	memcpy(&mark, rte_pktmbuf_mtod_offset(pkt, const void *, 14), sizeof(mark));
	return mark;
}

/* Everything that a worker's queues give in one round. */
static uint32_t poll_once(struct cv_io *io, unsigned int worker, struct rte_mbuf **pkts)
{
	uint32_t n = 0;
	unsigned int q;

	for (q = 0; q < cv_io_n_queues(io, worker); q++)
		n += cv_io_rx_burst(io, worker, q, pkts + n);
	return n;
}

static void is_conserved(const struct cv_io *io)
{
	CHECK(rte_mempool_avail_count(cv_io_mbufs(io)) == N_MBUFS);
	CHECK(cv_io_mbufs_used(io) == 0);
}

/* ---- bursts ---- */

/* net_ring gives back on a port what was sent there. */
static void packets_carry_their_logical_port_body(void)
{
	struct rte_mbuf *pkts[2 * CV_IO_BURST_MAX], *pkt;
	struct cv_io_port_info info;
	struct world w;

	world_init(&w, 1);
	/* The ethdevs are made in this order; the logical number must not be the ethdev's. */
	port_add(&w, "one", (const char *const[]){"net_null0", "net_null1"}, 2);
	port_add(&w, "two", ring0, 1);
	port_add(&w, "three", ring1, 1);
	w.ports[0].n_queues = 1;
	CHECK(world_create(&w) == 0);
	CHECK(cv_io_n_ports(w.io) == 3);
	CHECK(cv_io_tsc_hz(w.io) > 1000000);
	CHECK(cv_io_n_queues(w.io, 0) == 4);
	pkt = pkt_make(w.io, 7);
	CHECK(pkt->data_off >= CV_IO_HEADROOM);
	CHECK(cv_io_tx_burst(w.io, 0, 2, &pkt, 1) == 1);
	CHECK(cv_io_rx_burst(w.io, 0, 2, pkts) == 0);
	CHECK(cv_io_rx_burst(w.io, 0, 3, pkts) == 1);
	CHECK(pkts[0]->port == 2);
	CHECK(pkt_mark(pkts[0]) == 7);
	cv_io_port_info(w.io, 2, &info);
	CHECK(strcmp(info.name, "three") == 0 && strcmp(info.driver, "net_ring") == 0);
	CHECK(info.rx_pkts == 1 && info.tx_pkts == 1 && info.link_up);
	CHECK(info.n_devices == 1 && info.n_rx_queues == 1 && info.n_tx_queues == 1);
	CHECK(info.mtu == 1500 && !info.can_tso);
	rte_pktmbuf_free(pkts[0]);
	CHECK(cv_io_rx_burst(w.io, 0, 0, pkts) == CV_IO_BURST_MAX);
	rte_pktmbuf_free_bulk(pkts, CV_IO_BURST_MAX);
	cv_io_port_info(w.io, 0, &info);
	CHECK(info.n_devices == 2 && info.n_rx_queues == 2 && info.rx_pkts == CV_IO_BURST_MAX);
	is_conserved(w.io);
	cv_io_destroy(w.io);
}
IN_CHILD(packets_carry_their_logical_port)

/* Single-queue ports: each worker has one, and passes packets for the other through a ring. */
static void workers_pass_packets_to_the_queues_owner_body(void)
{
	struct rte_mbuf *pkts[CV_IO_BURST_MAX], *pkt;
	uint32_t next = 0, n, i, seen = 0, round;
	struct world w;

	world_init(&w, 2);
	port_add(&w, "a", ring0, 1);
	port_add(&w, "b", ring1, 1);
	w.ports[0].n_queues = w.ports[1].n_queues = 1;
	CHECK(world_create(&w) == 0);
	CHECK(cv_io_n_queues(w.io, 0) == 1 && cv_io_n_queues(w.io, 1) == 1);
	/* Worker 1 sends by port 0, which worker 0 owns: nothing moves until worker 0 polls. */
	pkt = pkt_make(w.io, 1000);
	CHECK(cv_io_tx_burst(w.io, 1, 0, &pkt, 1) == 1);
	CHECK(poll_once(w.io, 1, pkts) == 0);
	CHECK(poll_once(w.io, 0, pkts) == 1);
	CHECK(pkts[0]->port == 0 && pkt_mark(pkts[0]) == 1000);
	rte_pktmbuf_free(pkts[0]);
	/* As many as are taken, until it is full; then all come out once each, in order. */
	do {
		for (i = 0; i < 32; i++)
			pkts[i] = pkt_make(w.io, next + i);
		n = cv_io_tx_burst(w.io, 1, 0, pkts, 32);
		rte_pktmbuf_free_bulk(pkts + n, 32 - n);
		next += n;
	} while (n == 32);
	CHECK(next >= 512 && next < N_MBUFS / 2);
	for (round = 0; round < 2 * N_MBUFS && seen < next; round++) {
		n = poll_once(w.io, 0, pkts);
		for (i = 0; i < n; i++)
			CHECK(pkt_mark(pkts[i]) == seen++);
		rte_pktmbuf_free_bulk(pkts, n);
	}
	CHECK(seen == next);
	is_conserved(w.io);
	cv_io_destroy(w.io);
}
IN_CHILD(workers_pass_packets_to_the_queues_owner)

/* The device takes no more: what was passed on waits, and none is lost or doubled. */
static void a_full_device_holds_what_was_passed_on_body(void)
{
	struct rte_mbuf *pkts[CV_IO_BURST_MAX];
	uint32_t n, i, sent = 0, seen = 0, round;
	struct world w;

	world_init(&w, 2);
	port_add(&w, "a", ring0, 1);
	w.ports[0].n_queues = 1;
	CHECK(world_create(&w) == 0);
	/* net_ring holds 1024 or so; keep sending while only the owner's upkeep runs. */
	for (round = 0; round < 200; round++) {
		struct cv_io_worker *owner = &w.io->workers[0];
		uint32_t n_rxq = owner->n_rxq;

		for (i = 0; i < 16; i++)
			pkts[i] = pkt_make(w.io, sent + i);
		n = cv_io_tx_burst(w.io, 1, 0, pkts, 16);
		rte_pktmbuf_free_bulk(pkts + n, 16 - n);
		sent += n;
		owner->n_rxq = 0;
		CHECK(cv_io_rx_burst(w.io, 0, 0, pkts) == 0);
		owner->n_rxq = n_rxq;
	}
	CHECK(w.io->txqs[0].n_held > 0);
	CHECK(sent > 1200 && sent < 3200);
	for (round = 0; round < 2 * N_MBUFS && seen < sent; round++) {
		n = poll_once(w.io, 0, pkts);
		for (i = 0; i < n; i++)
			CHECK(pkt_mark(pkts[i]) == seen++);
		rte_pktmbuf_free_bulk(pkts, n);
	}
	CHECK(seen == sent);
	is_conserved(w.io);
	cv_io_destroy(w.io);
}
IN_CHILD(a_full_device_holds_what_was_passed_on)

static void queues_are_dealt_evenly_body(void)
{
	struct world w;
	uint32_t i, k, of_port;

	world_init(&w, 3);
	port_add(&w, "a", ring0, 1); /* as many queues as workers */
	port_add(&w, "b", ring1, 1);
	port_add(&w, "c", (const char *const[]){"net_ring2", "net_ring3"}, 2);
	w.ports[1].n_queues = w.ports[2].n_queues = 1;
	CHECK(world_create(&w) == 0);
	for (i = 0; i < 3; i++) {
		CHECK(cv_io_n_queues(w.io, i) == 2);
		for (of_port = 0, k = 0; k < 2; k++)
			of_port += w.io->workers[i].rxq[k].port == 0;
		CHECK(of_port == 1);
		/* Own queue where there is one, another's elsewhere: every port can be sent to. */
		CHECK(w.io->workers[i].tx[0]->owner == i && w.io->workers[i].tx[0]->ring == NULL);
		for (k = 1; k < 3; k++)
			CHECK(w.io->workers[i].tx[k] != NULL && w.io->workers[i].tx[k]->port == k);
	}
	CHECK(cv_io_warnings(w.io)->n == (sysconf(_SC_NPROCESSORS_ONLN) < 3));
	cv_io_destroy(w.io);
}
IN_CHILD(queues_are_dealt_evenly)

/* A peer that has fewer would leave the others without a way out. */
static void memif_has_one_queue_unless_told_body(void)
{
	struct cv_io_port_info info;
	char names[2][64];
	const char *const devices[] = {names[0], names[1]};
	struct world w;
	uint16_t i;

	world_init(&w, 2);
	for (i = 0; i < 2; i++) { /* abstract sockets are the machine's: another run may be on */
		snprintf(names[i], sizeof(names[i]),
			 "net_memif%u,role=server,id=%u,socket=cv-test-io-%d", i, i, getpid());
		port_add(&w, i == 0 ? "a" : "b", &devices[i], 1);
	}
	w.ports[1].n_queues = 2;
	CHECK(world_create(&w) == 0);
	cv_io_port_info(w.io, 0, &info);
	CHECK(info.n_rx_queues == 1 && info.n_tx_queues == 1);
	cv_io_port_info(w.io, 1, &info);
	CHECK(info.n_rx_queues == 2 && info.n_tx_queues == 2);
	cv_io_destroy(w.io);
}
IN_CHILD(memif_has_one_queue_unless_told)

static void a_worker_without_queues_still_polls_body(void)
{
	struct rte_mbuf *pkts[CV_IO_BURST_MAX];
	struct world w;

	world_init(&w, 2);
	port_add(&w, "a", ring0, 1);
	w.ports[0].n_queues = 1;
	CHECK(world_create(&w) == 0);
	CHECK(cv_io_n_queues(w.io, 1) == 1);
	CHECK(cv_io_rx_burst(w.io, 1, 0, pkts) == 0);
	cv_io_destroy(w.io);
}
IN_CHILD(a_worker_without_queues_still_polls)

/* What waits between workers when all stop goes back to the pool, which then can be freed. */
static void packets_under_way_are_freed_at_the_end_body(void)
{
	struct rte_mbuf *pkt;
	struct world w;

	world_init(&w, 2);
	port_add(&w, "a", ring0, 1);
	w.ports[0].n_queues = 1;
	CHECK(world_create(&w) == 0);
	pkt = pkt_make(w.io, 1);
	CHECK(cv_io_tx_burst(w.io, 1, 0, &pkt, 1) == 1);
	CHECK(rte_mempool_avail_count(w.io->mbufs) == N_MBUFS - 1);
	cv_io_deal_undo(w.io);
	is_conserved(w.io);
	free(w.io->workers);
	w.io->workers = NULL;
	cv_io_destroy(w.io);
}
IN_CHILD(packets_under_way_are_freed_at_the_end)

static void large_packets_fit_one_buffer_body(void)
{
	struct rte_mbuf *pkt;
	struct world w;

	world_init(&w, 1);
	w.cfg.memory_mb = 256;
	port_add(&w, "a", ring0, 1);
	w.ports[0].mtu = 9216;
	CHECK(world_create(&w) == 0);
	pkt = rte_pktmbuf_alloc(cv_io_mbufs(w.io));
	CHECK(cv_io_mbufs_used(w.io) == 1);
	CHECK(rte_pktmbuf_append(pkt, 14 + 4 + 9216) != NULL);
	CHECK(rte_pktmbuf_prepend(pkt, 100) != NULL);
	CHECK(pkt->nb_segs == 1);
	rte_pktmbuf_free(pkt);
	cv_io_destroy(w.io);
}
IN_CHILD(large_packets_fit_one_buffer)

/* ---- workers ---- */

static atomic_int ran;
static atomic_bool leave;

static int worker_fn(void *arg)
{
	atomic_fetch_add(&ran, *(int *)arg);
	while (!atomic_load(&leave))
		sched_yield();
	return 0;
}

static void workers_are_launched_once_body(void)
{
	int one = 1, ten = 10;
	struct world w;

	world_init(&w, 2);
	port_add(&w, "a", ring0, 1);
	CHECK(world_create(&w) == 0);
	CHECK(cv_io_launch(w.io, 0, worker_fn, &one) == 0);
	CHECK(cv_io_launch(w.io, 1, worker_fn, &ten) == 0);
	CHECK(cv_io_launch(w.io, 1, worker_fn, &ten) == -EBUSY);
	atomic_store(&leave, true);
	cv_io_join(w.io);
	CHECK(atomic_load(&ran) == 11);
	CHECK(cv_io_launch(w.io, 1, worker_fn, &ten) == 0);
	cv_io_join(w.io);
	CHECK(atomic_load(&ran) == 21);
	cv_io_destroy(w.io);
}
IN_CHILD(workers_are_launched_once)

#define N_EACH 20000

struct sender {
	struct cv_io *io;
	unsigned int worker;
};

/* Passes N_EACH marked packets to the queue's owner. */
static int sender_fn(void *arg)
{
	const struct sender *sender = arg;
	struct rte_mbuf *pkt;
	uint32_t i;

	for (i = 0; i < N_EACH; i++) {
		do
			pkt = rte_pktmbuf_alloc(cv_io_mbufs(sender->io));
		while (pkt == NULL);
		CHECK(rte_pktmbuf_append(pkt, 60) != NULL);
		i |= sender->worker << 24;
		memcpy(rte_pktmbuf_mtod_offset(pkt, void *, 14), &i, sizeof(i));
		i &= 0xffffff;
		while (cv_io_tx_burst(sender->io, sender->worker, 0, &pkt, 1) == 0)
			sched_yield();
	}
	return 0;
}

static void senders_do_not_disturb_each_other_body(void)
{
	struct rte_mbuf *pkts[CV_IO_BURST_MAX];
	uint32_t next[3] = {0}, n, i;
	struct sender senders[3];
	struct world w;

	world_init(&w, 3);
	port_add(&w, "a", ring0, 1);
	w.ports[0].n_queues = 1;
	CHECK(world_create(&w) == 0);
	for (i = 1; i < 3; i++) {
		senders[i] = (struct sender){w.io, i};
		CHECK(cv_io_launch(w.io, i, sender_fn, &senders[i]) == 0);
	}
	/* Each sender's packets come once each and in order; alarm() ends it when one is missing. */
	while (next[1] < N_EACH || next[2] < N_EACH) {
		n = poll_once(w.io, 0, pkts);
		for (i = 0; i < n; i++) {
			uint32_t mark = pkt_mark(pkts[i]);

			CHECK(mark >> 24 == 1 || mark >> 24 == 2);
			CHECK(next[mark >> 24]++ == (mark & 0xffffff));
		}
		rte_pktmbuf_free_bulk(pkts, n);
	}
	cv_io_join(w.io);
	is_conserved(w.io);
	cv_io_destroy(w.io);
}
IN_CHILD(senders_do_not_disturb_each_other)

/* ---- the end ---- */

static void nothing_stays_behind_body(void)
{
	char dir[256];
	struct world w;

	world_init(&w, 1);
	port_add(&w, "a", ring0, 1);
	CHECK(world_create(&w) == 0);
	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	CHECK(strstr(dir, "culvert-") != NULL);
	cv_io_destroy(w.io);
	CHECK(access(dir, F_OK) != 0);
	cv_io_destroy(NULL);
}
IN_CHILD(nothing_stays_behind)

static void the_eal_starts_once_body(void)
{
	struct world w;

	world_init(&w, 1);
	port_add(&w, "a", ring0, 1);
	CHECK(world_create(&w) == 0);
	cv_io_destroy(w.io);
	w.io = NULL;
	fails(&w, -EALREADY, "dpdk", "before");
}
IN_CHILD(the_eal_starts_once)

/* ---- refusals ---- */

#define REFUSAL(name, setup, ...)       \
	static void name##_body(void)   \
	{                               \
		struct world w;         \
                                        \
		world_init(&w, 1);      \
		setup;                  \
		fails(&w, __VA_ARGS__); \
		cv_errs_fini(&w.errs);  \
	}                               \
	IN_CHILD(name)

static const char *const no_mount[] = {"--huge-dir", "/cv/none"};

#define DEVICE(text) port_add(&w, "a", (const char *const[]){text}, 1)

REFUSAL(unknown_driver, DEVICE("net_nonsense0"), -ENODEV, "dpdk.ports[0].device",
	"no driver 'net_nonsense'")
REFUSAL(device_without_name, DEVICE(",iface=x"), -EINVAL, "dpdk.ports[0].device", "neither")
REFUSAL(interface_as_device, DEVICE("lo"), -ENODEV, "dpdk.ports[0].device",
	"'lo' is a network interface; the device on it is 'net_af_xdp0,iface=lo'")
REFUSAL(missing_interface, DEVICE("net_af_packet0,iface=cv-none"), -ENODEV, "dpdk.ports[0].device",
	"no network interface 'cv-none'")
REFUSAL(interface_not_named, DEVICE("net_af_xdp0"), -EINVAL, "dpdk.ports[0].device", "iface=NAME")
REFUSAL(missing_pci_device, DEVICE("0000:fe:1f.7"), -ENODEV, "dpdk.ports[0].device",
	"no PCI device 0000:fe:1f.7")
REFUSAL(driver_refuses, DEVICE("net_pcap0,rx_pcap=/nonexistent/in.pcap"), -ENODEV,
	"dpdk.ports[0].device", "/nonexistent/in.pcap")
REFUSAL(memif_client_without_server, DEVICE("net_memif0,role=client,socket=cv-test-nobody"),
	-ENODEV, "dpdk.ports[0].device", "role=server waits")
REFUSAL(one_device_twice, port_add(&w, "a", ring0, 1);
	port_add(&w, "b", ring0, 1), -EINVAL, "dpdk.ports[1].device", "twice")
REFUSAL(one_of_several_devices,
	port_add(&w, "a", (const char *const[]){"net_ring0", "net_nonsense0"}, 2), -ENODEV,
	"dpdk.ports[0].devices[1]", "no driver 'net_nonsense'")
REFUSAL(too_many_queues, port_add(&w, "a", ring0, 1);
	w.ports[0].n_queues = 200, -EINVAL, "dpdk.ports[0].device", "queues")
/* What its queues hold, 4096 beside, a burst, and caches of two threads. */
REFUSAL(too_few_packets, port_add(&w, "a", ring0, 1); w.cfg.n_mbufs = 5439;
	w.cfg.n_apart = 4096, -EINVAL, "dpdk.mbufs", "set at least 5440")
/* Four workers send by two queues: two rings, and what was taken from them, wait beside two bursts. */
REFUSAL(too_few_packets_for_lent_queues, w.cfg.n_workers = 4;
	port_add(&w, "a", (const char *const[]){"net_null0"}, 1); w.ports[0].n_queues = 2;
	w.ports[0].rx_desc = w.ports[0].tx_desc = 512;
	w.cfg.n_mbufs = 6269, -EINVAL, "dpdk.mbufs",
	"6269 is too few: the queues of all ports may hold 2048 packets, 2174 may wait between "
	"workers, which receive 128 at a time; set at least 6270")
REFUSAL(too_little_memory, port_add(&w, "a", ring0, 1);
	w.cfg.memory_mb = 64, -EINVAL, "dpdk.memory_mb", "at least")
REFUSAL(no_huge_pages, port_add(&w, "a", ring0, 1); w.cfg.huge_pages = true;
	w.cfg.memory_mb = 1048576, -ENOMEM, "dpdk.huge_pages", "vm.nr_hugepages")
REFUSAL(no_huge_page_mount, port_add(&w, "a", ring0, 1); w.cfg.huge_pages = true;
	w.cfg.eal_args = no_mount;
	w.cfg.n_eal_args = 2, -ENOMEM, "dpdk.huge_pages", "vm.nr_hugepages")
REFUSAL(no_worker, port_add(&w, "a", ring0, 1); w.cfg.n_workers = 0, -EINVAL, "dpdk.workers", "1..")

REFUSAL(too_many_ports, port_add(&w, "a", ring0, 1);
	w.cfg.n_ports = CV_IO_PORTS_MAX + 1, -EINVAL, "dpdk.ports", "65 ports")

static void every_bad_device_is_named_body(void)
{
	struct world w;

	world_init(&w, 1);
	port_add(&w, "a", (const char *const[]){"net_af_packet0,iface=cv-none"}, 1);
	port_add(&w, "b", ring0, 1);
	port_add(&w, "c", (const char *const[]){"net_nonsense0"}, 1);
	CHECK(world_create(&w) == -ENODEV);
	CHECK(w.errs.n == 2);
	CHECK(strcmp(w.errs.items[1].path, "dpdk.ports[2].device") == 0);
}
IN_CHILD(every_bad_device_is_named)

#define REFUSES_ARG(name, arg, words)                                                           \
	REFUSAL(name, port_add(&w, "a", ring0, 1); w.cfg.eal_args = (const char *const[]){arg}; \
		w.cfg.n_eal_args = 1, -EINVAL, "dpdk.eal_args", words)

REFUSES_ARG(unknown_eal_option, "--nonsense", "nonsense")
REFUSES_ARG(stray_eal_argument, "nonsense", "'nonsense'")
REFUSES_ARG(too_few_lcores, "--lcores=0@0", "lcores")

static void capabilities_are_checked_body(void)
{
	struct world w;

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
		_exit(SKIPPED);
	setenv("XDG_RUNTIME_DIR", "/tmp", 1);
	world_init(&w, 1);
	port_add(&w, "a", (const char *const[]){"net_af_packet0,iface=lo"}, 1);
	fails(&w, -EPERM, "dpdk.ports[0].device", "CAP_NET_ADMIN and CAP_NET_RAW: run as root");
}
IN_CHILD(capabilities_are_checked)

static void tap_without_its_device_file_body(void)
{
	struct world w;

	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "/dev/net", "tmpfs", 0, NULL) != 0)
		_exit(SKIPPED);
	world_init(&w, 1);
	port_add(&w, "a", (const char *const[]){"net_tap0,iface=cv-t"}, 1);
	fails(&w, -ENODEV, "dpdk.ports[0].device", "No such file or directory: modprobe tun");
}
IN_CHILD(tap_without_its_device_file)

/* ---- the kernel's interfaces; need root and network namespaces ---- */

static void veth_make(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0)
		_exit(SKIPPED);
	if (system("ip link add cv-a numtxqueues 1 numrxqueues 1 type veth peer name cv-b "
		   "numtxqueues 1 numrxqueues 1 && ip link set cv-b up") != 0)
		_exit(SKIPPED);
}

static void interface_that_is_down_body(void)
{
	struct world w;

	veth_make();
	world_init(&w, 1);
	port_add(&w, "a", (const char *const[]){"net_af_packet0,iface=cv-a"}, 1);
	fails(&w, -ENODEV, "dpdk.ports[0].device", "ip link set cv-a up");
}
IN_CHILD(interface_that_is_down)

static void mtu_beyond_the_device_body(void)
{
	struct world w;

	veth_make();
	CHECK(system("ip link set cv-a up") == 0);
	world_init(&w, 1);
	w.cfg.memory_mb = 256;
	port_add(&w, "a", (const char *const[]){"net_af_xdp0,iface=cv-a"}, 1);
	w.ports[0].mtu = 9000;
	fails(&w, -EINVAL, "dpdk.ports[0].device", "MTU");
}
IN_CHILD(mtu_beyond_the_device)

static void xdp_packets_must_fit_a_page_body(void)
{
	struct world w;

	veth_make();
	CHECK(system("ip link set cv-a up") == 0);
	world_init(&w, 1);
	w.cfg.memory_mb = 256;
	port_add(&w, "a", (const char *const[]){"net_af_xdp0,iface=cv-a"}, 1);
	port_add(&w, "b", ring0, 1);
	w.ports[1].mtu = 9000;
	fails(&w, -EINVAL, "dpdk.ports", "one page");
}
IN_CHILD(xdp_packets_must_fit_a_page)

/* Sends one packet by port 1 and waits for it on port 0. */
static struct rte_mbuf *across(struct cv_io *io, uint32_t mark)
{
	struct rte_mbuf *pkts[2 * CV_IO_BURST_MAX], *pkt = pkt_make(io, mark);
	const uint64_t end_ms = cv_clock_ms() + 20000;
	struct timespec nap = {0, 50000};
	uint32_t n, i, round;

	while (cv_io_tx_burst(io, 0, 1, &pkt, 1) == 0)
		(void)poll_once(io, 0, pkts);
	pkt = NULL;
	/* Long, by the clock, since the kernel may have other things to do. */
	for (round = 0; pkt == NULL && cv_clock_ms() < end_ms; round++) {
		n = poll_once(io, 0, pkts);
		for (i = 0; i < n; i++) {
			/* The kernel sends packets of its own. */
			if (pkt == NULL && pkts[i]->port == 0 && pkts[i]->pkt_len == 60 &&
			    pkt_mark(pkts[i]) == mark)
				pkt = pkts[i];
			else
				rte_pktmbuf_free(pkts[i]);
		}
		if (n == 0 && round > 100)
			nanosleep(&nap, NULL);
	}
	return pkt;
}

/* Whichever packet of the pool the kernel is given, it must come back: all are used here in turn. */
static void xdp_uses_the_whole_pool_body(void)
{
	struct rte_mbuf *keep[64] = {0};
	struct world w;
	uint32_t i;

	veth_make();
	CHECK(system("ip link set cv-a up") == 0);
	world_init(&w, 1);
	port_add(&w, "a", (const char *const[]){"net_af_xdp0,iface=cv-a"}, 1);
	port_add(&w, "b", (const char *const[]){"net_af_packet0,iface=cv-b"}, 1);
	CHECK(world_create(&w) == 0);
	CHECK(rte_mempool_calc_obj_size(w.io->mbufs->elt_size, w.io->mbufs->flags, NULL) *
		      (uint64_t)N_MBUFS <=
	      STAILQ_FIRST(&w.io->mbufs->mem_list)->len);
	for (i = 0; i < 2 * N_MBUFS; i++) {
		struct rte_mbuf *pkt = across(w.io, i);

		CHECK(pkt != NULL);
		/* Past the cache, straight to the end of the pool's queue: the next are the oldest. */
		rte_pktmbuf_free(keep[i % 64]);
		keep[i % 64] = pkt;
		rte_mempool_cache_flush(NULL, w.io->mbufs);
	}
	rte_pktmbuf_free_bulk(keep, 64);
	cv_io_destroy(w.io);
	CHECK(system("ip -d link show cv-a | grep -q 'prog/xdp' && exit 1; exit 0") == 0);
}
IN_CHILD(xdp_uses_the_whole_pool)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_carry_their_logical_port),
		cmocka_unit_test(workers_pass_packets_to_the_queues_owner),
		cmocka_unit_test(a_full_device_holds_what_was_passed_on),
		cmocka_unit_test(queues_are_dealt_evenly),
		cmocka_unit_test(memif_has_one_queue_unless_told),
		cmocka_unit_test(a_worker_without_queues_still_polls),
		cmocka_unit_test(packets_under_way_are_freed_at_the_end),
		cmocka_unit_test(large_packets_fit_one_buffer),
		cmocka_unit_test(workers_are_launched_once),
		cmocka_unit_test(senders_do_not_disturb_each_other),
		cmocka_unit_test(nothing_stays_behind),
		cmocka_unit_test(the_eal_starts_once),
		cmocka_unit_test(unknown_driver),
		cmocka_unit_test(device_without_name),
		cmocka_unit_test(interface_as_device),
		cmocka_unit_test(missing_interface),
		cmocka_unit_test(interface_not_named),
		cmocka_unit_test(missing_pci_device),
		cmocka_unit_test(driver_refuses),
		cmocka_unit_test(memif_client_without_server),
		cmocka_unit_test(one_device_twice),
		cmocka_unit_test(one_of_several_devices),
		cmocka_unit_test(too_many_queues),
		cmocka_unit_test(too_few_packets),
		cmocka_unit_test(too_few_packets_for_lent_queues),
		cmocka_unit_test(too_little_memory),
		cmocka_unit_test(no_huge_pages),
		cmocka_unit_test(no_huge_page_mount),
		cmocka_unit_test(no_worker),
		cmocka_unit_test(too_many_ports),
		cmocka_unit_test(every_bad_device_is_named),
		cmocka_unit_test(unknown_eal_option),
		cmocka_unit_test(stray_eal_argument),
		cmocka_unit_test(too_few_lcores),
		cmocka_unit_test(capabilities_are_checked),
		cmocka_unit_test(tap_without_its_device_file),
		cmocka_unit_test(interface_that_is_down),
		cmocka_unit_test(mtu_beyond_the_device),
		cmocka_unit_test(xdp_packets_must_fit_a_page),
		cmocka_unit_test(xdp_uses_the_whole_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

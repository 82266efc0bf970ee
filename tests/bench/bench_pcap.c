/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The packet core behind two net_pcap devices that replay frames of established flows without end
 * (infinite_rx, no transmit file): the harness in which other load balancers were measured, and whose floor
 * is testpmd in io mode on the same devices. Writes the captures, opens the flows, then polls both ports.
 * Prints one JSON object.
 *
 * Usage: bench_pcap [--cores C] [--seconds S] [--flows N] [--huge] [--write-only] DIRECTORY
 *
 * DIRECTORY gets c2t.pcap and t2c.pcap, which testpmd can then replay.
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "rig.h"

#define BATCH 4096
#define BATCHES_MAX 65536

/* Nobody here reads times: all zero. */
static void pcap_write(const char *path, const struct rig_frames *frames)
{
	static const uint32_t file_header[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};
	const uint32_t header[4] = {0, 0, frames->len, frames->len};
	FILE *f = fopen(path, "wb");

	if (f == NULL)
		rig_die("writing a capture");
	fwrite(file_header, sizeof(file_header), 1, f);
	for (uint32_t i = 0; i < frames->n; i++) {
		fwrite(header, sizeof(header), 1, f);
		fwrite(frames->mem + (size_t)i * frames->stride, frames->len, 1, f);
	}
	if (ferror(f) || fclose(f) != 0)
		rig_die("writing a capture");
}

static void port_start(const char *dir, enum rig_dir which, struct rte_mempool *mbufs)
{
	static const char *const names[] = {"c2t", "t2c"};
	struct rte_eth_conf conf = {0};
	char name[32], args[512];
	uint16_t port;

	snprintf(name, sizeof(name), "net_pcap%d", (int)which);
	snprintf(args, sizeof(args), "rx_pcap=%s/%s.pcap,infinite_rx=1", dir, names[which]);
	if (rte_eal_hotplug_add("vdev", name, args) != 0 ||
	    rte_eth_dev_get_port_by_name(name, &port) != 0 || port != which)
		rig_die("making a net_pcap device");
	if (rte_eth_dev_configure(port, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup(port, 0, 512, 0, NULL, mbufs) != 0 ||
	    rte_eth_tx_queue_setup(port, 0, 512, 0, NULL) != 0 || rte_eth_dev_start(port) != 0)
		rig_die("starting a net_pcap device");
}

/* As the worker's loop: both ports in turn. @return cycles per packet, median over batches */
static double poll_ports(struct rig *r, double seconds, uint64_t *ret_pkts)
{
	const struct cv_view *view = cv_view_pub_current(r->pub);
	struct cv_dp_worker *w = cv_dp_worker_get(r->dp, 0);
	uint64_t until = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	static double v[BATCHES_MAX];
	size_t n = 0;

	*ret_pkts = 0;
	for (; n < 2 || (rte_rdtsc() < until && n < BATCHES_MAX); n++) {
		uint64_t start = rte_rdtsc();
		unsigned int done = 0;

		while (done < BATCH) {
			for (uint16_t port = 0; port < 2; port++) {
				struct rte_mbuf *pkts[RIG_BURST];
				uint16_t k = rte_eth_rx_burst(port, 0, pkts, RIG_BURST);

				if (k > 0)
					cv_dp_burst(w, view, pkts, k, r->now_ms);
				done += k;
			}
			cv_dp_worker_poll(w, view, r->now_ms);
			cv_dp_worker_flush(w);
		}
		v[n] = (double)(rte_rdtsc() - start) / done;
		*ret_pkts += done;
		r->now_ms = cv_dp_now_ms(r->dp);
	}
	return rig_median(v + 1, n - 1);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"cores", required_argument, NULL, 'c'}, {"seconds", required_argument, NULL, 's'},
		{"flows", required_argument, NULL, 'f'}, {"huge", no_argument, NULL, 'H'},
		{"write-only", no_argument, NULL, 'w'},  {NULL, 0, NULL, 0},
	};
	struct rig_cfg cfg = {.n_flows = 1000, .proxy = true};
	const char *core = "1";
	bool huge = false, write_only = false;
	double seconds = 1, cycles;
	uint64_t n_pkts, sent;
	char lcores[32], path[512];
	struct rig *r;
	int opt;

	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (opt == 'c')
			core = optarg;
		else if (opt == 's')
			seconds = atof(optarg);
		else if (opt == 'f')
			cfg.n_flows = (uint32_t)strtoul(optarg, NULL, 10);
		else if (opt == 'H')
			huge = true;
		else if (opt == 'w')
			write_only = true;
		else
			return 2;
	}
	if (optind + 1 != argc || cfg.n_flows < 1 || cfg.n_flows > 4000)
		rig_die("usage: [OPTIONS] DIRECTORY, --flows 1..4000; it");
	snprintf(lcores, sizeof(lcores), "0@%s", core);
	rig_eal(lcores, huge, NULL);
	r = rig_create(&cfg);
	rig_open(r, cfg.n_flows);
	for (int dir = 0; dir < RIG_N_DIRS; dir++) {
		struct rig_frames f = rig_frames_get(r, cfg.n_flows, 1u << dir, -1, 60);

		snprintf(path, sizeof(path), "%s/%s.pcap", argv[optind], dir == 0 ? "c2t" : "t2c");
		pcap_write(path, &f);
		rig_frames_put(&f);
	}
	if (write_only)
		return 0;
	for (int dir = 0; dir < RIG_N_DIRS; dir++)
		port_start(argv[optind], (enum rig_dir)dir, r->mbufs);
	r->ethdev = true;
	memset(r->sent, 0, sizeof(r->sent));
	cycles = poll_ports(r, seconds, &n_pkts);
	sent = r->sent[0].pkts[0] + r->sent[0].pkts[1];
	if (sent != n_pkts)
		rig_die("forwarding: packets were dropped, so it");
	printf("{\"row\": \"pcap\", \"flows\": %u, \"mpps\": %.2f, \"cycles\": %.1f, \"packets\": %llu}\n",
	       cfg.n_flows, (double)rte_get_tsc_hz() / cycles / 1e6, cycles,
	       (unsigned long long)n_pkts);
	return 0;
}

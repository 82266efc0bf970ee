/* SPDX-License-Identifier: BSD-3-Clause */

/* Making and unmaking workers, and what control asks of them. */

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>

#include "dp_list.h"
#include "dp_vxlan.h"

static void *dp_zalloc(size_t n, size_t size)
{
	size_t len = RTE_ALIGN_CEIL(n * size, (size_t)CV_CACHE_LINE);
	void *mem = aligned_alloc(CV_CACHE_LINE, len > 0 ? len : CV_CACHE_LINE);

	if (mem != NULL)
		memset(mem, 0, len);
	return mem;
}

/* A ring of n elements on plain memory: no names to collide, no EAL needed in tests. */
static struct rte_ring *dp_ring_create(unsigned int elem_len, unsigned int n)
{
	ssize_t len = rte_ring_get_memsize_elem(elem_len, n);
	struct rte_ring *ring = len < 0 ? NULL : dp_zalloc(1, (size_t)len);

	if (ring != NULL && rte_ring_init(ring, "culvert", n, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
		free(ring);
		return NULL;
	}
	return ring;
}

static void dp_out_free(struct dp_out *outs, unsigned int n)
{
	for (unsigned int i = 0; outs != NULL && i < n; i++)
		rte_pktmbuf_free_bulk(outs[i].pkts, outs[i].n);
	free(outs);
}

static void dp_ring_drain(struct rte_ring *ring)
{
	struct rte_mbuf *m;

	while (ring != NULL && rte_ring_dequeue(ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	free(ring);
}

static void dp_worker_destroy(struct cv_dp_worker *w)
{
	if (w == NULL)
		return;
	dp_out_free(w->out, w->n_ports + 1u);
	dp_out_free(w->handoff, w->n_workers);
	for (unsigned int i = 0; w->in != NULL && i < w->n_workers; i++)
		dp_ring_drain(w->in[i]);
	free(w->in);
	free(w->others);
	free(w->events);
	free(w->cmds);
	cv_pkt_ring_destroy(w->host_up);
	cv_pkt_ring_destroy(w->host_down);
	free(w->timers);
	dp_clients_destroy(w->clients);
	free(w->uses);
	cv_flow_table_destroy(w->flows);
	cv_stats_destroy(w->stats);
	free(w);
}

/*
 * Entries of the rings between two workers: 40 ms of 100,000 packets/s while a worker is not run. Among many
 * workers each has fewer, lest all rings to one that is not run hold most of the packet buffers.
 */
#define DP_HANDOFF_RING 4096
#define DP_HANDOFF_RING_MIN 1024

/* Two rings' worth is what the others may leave with one worker: a power of two each, for rte_ring. */
static unsigned int dp_handoff_len(unsigned int n_workers)
{
	unsigned int each = 2 * DP_HANDOFF_RING / RTE_MAX(n_workers - 1, 1u);

	each = rte_align32prevpow2(each);
	return RTE_MIN(RTE_MAX(each, (unsigned int)DP_HANDOFF_RING_MIN), DP_HANDOFF_RING);
}

uint32_t cv_dp_apart_max(unsigned int n_workers)
{
	if (n_workers < 2)
		return 0;
	return (n_workers - 1) * dp_handoff_len(n_workers) + n_workers * DP_HANDED_MAX;
}

static bool dp_worker_is_whole(const struct cv_dp_worker *w)
{
	return w->out != NULL && w->clients != NULL && w->handoff != NULL && w->in != NULL &&
	       w->others != NULL && w->events != NULL && w->cmds != NULL && w->timers != NULL &&
	       w->uses != NULL && w->stats != NULL && w->host_up != NULL && w->host_down != NULL;
}

/*
 * Flows that a table has room for: some more than may be, for paths that have few when others have filled
 * it. Each costs its memory.
 */
#define DP_ROOM_PART 32
static uint32_t dp_table_len(uint32_t n_flows)
{
	return RTE_MIN(n_flows + n_flows / DP_ROOM_PART, CV_FLOW_MAX);
}

static int dp_worker_init(struct cv_dp_worker *w, const struct cv_dp_cfg *cfg)
{
	const unsigned int handoff_len = dp_handoff_len(cfg->n_workers);

	w->out = dp_zalloc(cfg->n_ports + 1u, sizeof(*w->out));
	w->clients = dp_clients_create(dp_table_len(cfg->n_flows));
	w->handoff = dp_zalloc(cfg->n_workers, sizeof(*w->handoff));
	w->in = dp_zalloc(cfg->n_workers, sizeof(struct rte_ring *));
	w->others = dp_zalloc(cfg->n_workers, sizeof(struct rte_ring *));
	w->events = dp_ring_create(sizeof(struct cv_dp_neigh_event), DP_EVENT_RING);
	w->cmds = dp_ring_create(sizeof(struct dp_cmd), DP_CMD_RING);
	w->host_up = cv_pkt_ring_create(DP_HOST_RING);
	w->host_down = cv_pkt_ring_create(DP_HOST_RING);
	w->timers = dp_zalloc(DP_TIMERS, sizeof(*w->timers));
	w->uses = dp_zalloc(cfg->n_obj[CV_STATS_PATH] + 1u, sizeof(*w->uses));
	w->stats = cv_stats_create(cfg->n_obj);
	if (!dp_worker_is_whole(w))
		return -ENOMEM;
	for (unsigned int i = 0; i < cfg->n_workers; i++) {
		if (i == w->id)
			continue;
		w->in[i] = dp_ring_create(sizeof(void *), handoff_len);
		if (w->in[i] == NULL)
			return -ENOMEM;
	}
	w->paths = w->stats->obj[CV_STATS_PATH];
	w->sweep.recheck = CV_FLOW_NONE;
	return cv_flow_table_create(dp_table_len(cfg->n_flows), cfg->seed, &w->flows);
}

static int dp_rss_init(struct cv_dp *dp, const struct cv_dp_cfg *cfg)
{
	dp->n_ports = cfg->n_ports;
	dp->rss = dp_zalloc(cfg->n_ports, sizeof(struct cv_rss_table *));
	if (dp->rss == NULL)
		return -ENOMEM;
	/* A single worker owns all flows anyway. */
	for (uint16_t i = 0; cfg->rss != NULL && cfg->n_workers > 1 && i < cfg->n_ports; i++) {
		if (!cfg->rss[i].on)
			continue;
		dp->rss[i] = dp_zalloc(1, sizeof(*dp->rss[i]));
		if (dp->rss[i] == NULL)
			return -ENOMEM;
		cv_rss_table_init(dp->rss[i], &cfg->rss[i]);
	}
	return 0;
}

static int dp_worker_create(const struct cv_dp_cfg *cfg, unsigned int id,
			    struct cv_dp_worker **ret_worker)
{
	struct cv_dp_worker *w = dp_zalloc(1, sizeof(*w));
	int rc;

	if (w == NULL)
		return -ENOMEM;
	w->id = id;
	w->n_workers = cfg->n_workers;
	w->n_flows = cfg->n_flows;
	w->lb_seed = cv_siphash("target", 6, cfg->seed, 0);
	w->mbufs = cfg->mbufs;
	w->tx = cfg->tx;
	w->tx_arg = cfg->tx_arg;
	w->n_ports = cfg->n_ports;
	w->pub = cfg->pub;
	w->tsc_per_ms = cfg->tsc_hz / 1000;
	rc = dp_worker_init(w, cfg);
	if (rc != 0) {
		dp_worker_destroy(w);
		return rc;
	}
	*ret_worker = w;
	return 0;
}

static bool dp_rss_is_valid(const struct cv_rss *rss, unsigned int n_workers)
{
	for (unsigned int i = 0; rss->on && i < rss->n; i++)
		if (rss->worker[i] >= n_workers)
			return false;
	return true;
}

static bool dp_cfg_is_valid(const struct cv_dp_cfg *cfg)
{
	if (cfg->n_workers < 1 || cfg->n_workers > CV_DP_WORKERS_MAX || cfg->n_ports < 1 ||
	    cfg->n_ports > CV_DP_PORTS_MAX || cfg->n_flows < 1 || cfg->n_flows > CV_FLOW_MAX ||
	    cfg->tsc_hz < 1000)
		return false;
	for (uint16_t i = 0; cfg->rss != NULL && i < cfg->n_ports; i++)
		if (!dp_rss_is_valid(&cfg->rss[i], cfg->n_workers))
			return false;
	return true;
}

int cv_dp_create(const struct cv_dp_cfg *cfg, struct cv_dp **ret_dp)
{
	struct cv_dp *dp;
	int rc = -ENOMEM;

	if (!dp_cfg_is_valid(cfg))
		return -EINVAL;
	dp = dp_zalloc(1, sizeof(*dp));
	if (dp == NULL)
		return -ENOMEM;
	dp->n_workers = cfg->n_workers;
	dp->tsc_per_ms = cfg->tsc_hz / 1000;
	dp->workers = dp_zalloc(cfg->n_workers, sizeof(struct cv_dp_worker *));
	dp->stats = dp_zalloc(cfg->n_workers, sizeof(struct cv_stats *));
	if (dp->workers == NULL || dp->stats == NULL || dp_rss_init(dp, cfg) != 0)
		goto fail;
	for (unsigned int i = 0; i < cfg->n_workers; i++) {
		rc = dp_worker_create(cfg, i, &dp->workers[i]);
		if (rc != 0)
			goto fail;
		dp->workers[i]->rss = (const struct cv_rss_table *const *)dp->rss;
		dp->stats[i] = dp->workers[i]->stats;
	}
	for (unsigned int i = 0; i < cfg->n_workers; i++)
		for (unsigned int j = 0; j < cfg->n_workers; j++)
			dp->workers[i]->others[j] = dp->workers[j]->in[i];
	*ret_dp = dp;
	return 0;
fail:
	cv_dp_destroy(dp);
	return rc;
}

void cv_dp_destroy(struct cv_dp *dp)
{
	if (dp == NULL)
		return;
	for (unsigned int i = 0; dp->workers != NULL && i < dp->n_workers; i++)
		dp_worker_destroy(dp->workers[i]);
	for (uint16_t i = 0; dp->rss != NULL && i < dp->n_ports; i++)
		free(dp->rss[i]);
	free(dp->rss);
	free(dp->workers);
	free(dp->stats);
	free(dp);
}

struct cv_dp_worker *cv_dp_worker_get(struct cv_dp *dp, unsigned int id)
{
	cv_assert(id < dp->n_workers);
	return dp->workers[id];
}

int cv_dp_worker_tid(const struct cv_dp *dp, unsigned int id)
{
	cv_assert(id < dp->n_workers);
	return atomic_load_explicit(&dp->workers[id]->tid, memory_order_relaxed);
}

struct cv_stats *const *cv_dp_stats(const struct cv_dp *dp)
{
	return dp->stats;
}

void cv_dp_host_rings_get(struct cv_dp *dp, unsigned int worker, struct cv_pkt_ring **ret_up,
			  struct cv_pkt_ring **ret_down)
{
	cv_assert(worker < dp->n_workers);
	*ret_up = dp->workers[worker]->host_up;
	*ret_down = dp->workers[worker]->host_down;
}

uint64_t cv_dp_now_ms(const struct cv_dp *dp)
{
	return rte_rdtsc() / dp->tsc_per_ms;
}

static int dp_arp_cmd(struct cv_dp *dp, struct dp_cmd *cmd)
{
	/* One worker does for all: ARP has no flow. */
	return rte_ring_sp_enqueue_elem(dp->workers[0]->cmds, cmd, sizeof(*cmd)) == 0 ? 0 : -EAGAIN;
}

int cv_dp_arp_request(struct cv_dp *dp, uint16_t vpc, cv_be32_t sender, cv_be32_t ip)
{
	struct dp_cmd cmd = {.kind = DP_CMD_ARP, .vpc = vpc, .sender = sender, .ip = ip};

	return dp_arp_cmd(dp, &cmd);
}

int cv_dp_arp_announce(struct cv_dp *dp, uint16_t vpc, cv_be32_t ip)
{
	return cv_dp_arp_request(dp, vpc, ip, ip);
}

int cv_dp_stages_set(struct cv_dp *dp, bool on)
{
	struct dp_cmd cmd = {.kind = DP_CMD_STAGES, .on = on};

	for (unsigned int i = 0; i < dp->n_workers; i++)
		if (rte_ring_sp_enqueue_elem(dp->workers[i]->cmds, &cmd, sizeof(cmd)) != 0)
			return -EAGAIN;
	return 0;
}

unsigned int cv_dp_neigh_burst(struct cv_dp *dp, struct cv_dp_neigh_event *events,
			       unsigned int n_max)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < dp->n_workers && n < n_max; i++)
		n += rte_ring_sc_dequeue_burst_elem(dp->workers[i]->events, &events[n],
						    sizeof(*events), n_max - n, NULL);
	return n;
}

int cv_dp_flow_list_create(struct cv_dp *dp, const struct cv_dp_flow_filter *filter, uint32_t n_max,
			   struct cv_dp_flow_list **ret_list)
{
	struct cv_dp_flow_list *list = dp_zalloc(1, sizeof(*list));
	struct dp_cmd cmd = {.kind = DP_CMD_LIST, .list = list};

	if (list == NULL)
		return -ENOMEM;
	list->filter = *filter;
	list->n_max = n_max;
	list->n_parts = dp->n_workers;
	list->parts = dp_zalloc(dp->n_workers, sizeof(*list->parts));
	for (unsigned int i = 0; list->parts != NULL && i < dp->n_workers; i++) {
		list->parts[i].infos = dp_zalloc(n_max, sizeof(struct cv_dp_flow_info));
		if (list->parts[i].infos == NULL)
			goto no_memory;
	}
	if (list->parts == NULL)
		goto no_memory;
	/* All or none: a worker that was asked would write into a list that is gone. */
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		if (rte_ring_free_count(dp->workers[i]->cmds) == 0) {
			cv_dp_flow_list_destroy(list);
			return -EAGAIN;
		}
	}
	for (unsigned int i = 0; i < dp->n_workers; i++)
		(void)rte_ring_sp_enqueue_elem(dp->workers[i]->cmds, &cmd, sizeof(cmd));
	*ret_list = list;
	return 0;
no_memory:
	cv_dp_flow_list_destroy(list);
	return -ENOMEM;
}

bool cv_dp_flow_list_is_done(const struct cv_dp_flow_list *list)
{
	for (unsigned int i = 0; i < list->n_parts; i++)
		if (!atomic_load_explicit(&list->parts[i].done, memory_order_acquire))
			return false;
	return true;
}

const struct cv_dp_flow_info *cv_dp_flow_list_get(const struct cv_dp_flow_list *list,
						  unsigned int worker, uint64_t *ret_matched,
						  uint32_t *ret_n)
{
	cv_assert(worker < list->n_parts);
	*ret_matched = list->parts[worker].matched;
	*ret_n = list->parts[worker].n;
	return list->parts[worker].infos;
}

void cv_dp_flow_list_destroy(struct cv_dp_flow_list *list)
{
	if (list == NULL)
		return;
	for (unsigned int i = 0; list->parts != NULL && i < list->n_parts; i++)
		free(list->parts[i].infos);
	free(list->parts);
	free(list);
}

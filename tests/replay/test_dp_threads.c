/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Two real worker threads and control, all at once: traffic, views, listings, ARP. Made for the thread
 * sanitizer; without it, it still shows that nothing is lost.
 *
 * The peers are stateless and live in rx and tx: what is sent is answered by its flags, and the answer
 * comes in by whichever worker asks next.
 */

#include <pthread.h>
#include <time.h>

#include <rte_mempool.h>

#include "talk.h"

#define N_WORKERS 2
#define QUEUE_LEN 1024
#define RX_MAX 16
#define RUN_MS 1500
#define PATIENCE_MS 60000

/* ---- a packet pool that the sanitizer understands: DPDK's is in a library that it does not see ---- */

struct pool {
	pthread_mutex_t lock;
	unsigned int n;
	void *objs[];
};

static int pool_alloc(struct rte_mempool *mp)
{
	struct pool *pool = calloc(1, sizeof(*pool) + mp->size * sizeof(void *));

	if (pool == NULL)
		return -ENOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	mp->pool_data = pool;
	return 0;
}

static void pool_free(struct rte_mempool *mp)
{
	free(mp->pool_data);
}

static int pool_put(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct pool *pool = mp->pool_data;

	pthread_mutex_lock(&pool->lock);
	for (unsigned int i = 0; i < n; i++)
		pool->objs[pool->n++] = objs[i];
	pthread_mutex_unlock(&pool->lock);
	return 0;
}

static int pool_get(struct rte_mempool *mp, void **objs, unsigned int n)
{
	struct pool *pool = mp->pool_data;
	int rc = -ENOBUFS;

	pthread_mutex_lock(&pool->lock);
	if (pool->n >= n) {
		for (unsigned int i = 0; i < n; i++)
			objs[i] = pool->objs[--pool->n];
		rc = 0;
	}
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

static unsigned int pool_count(const struct rte_mempool *mp)
{
	const struct pool *pool = mp->pool_data;

	return pool->n;
}

static const struct rte_mempool_ops POOL_OPS = {
	.name = "locked",
	.alloc = pool_alloc,
	.free = pool_free,
	.enqueue = pool_put,
	.dequeue = pool_get,
	.get_count = pool_count,
};

/* ---- the network ---- */

struct net {
	struct world *w;
	_Atomic bool stop;
	pthread_mutex_t lock;
	struct seg queue[QUEUE_LEN];
	unsigned int head, tail; /* by lock */
	uint32_t n_dialled;      /* by lock */
	uint64_t n_done;         /* by lock: FINs that reached clients */
};

static void answer(struct net *net, const struct seg *s)
{
	pthread_mutex_lock(&net->lock);
	if (net->tail - net->head < QUEUE_LEN)
		net->queue[net->tail++ % QUEUE_LEN] = *s;
	pthread_mutex_unlock(&net->lock);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The segment that goes back for one that came, without payload; false if none does. */
static bool answer_build(const struct rte_mbuf *m, uint16_t port, struct seg *back)
{
	const uint8_t *l2 = rte_pktmbuf_mtod(m, const uint8_t *);
	bool tagged = l2[12] == 0x81;
	const uint8_t *ip = l2 + (tagged ? 18 : 14), *tcp = ip + 20;
	uint32_t len;

	if (ip[-2] != 8 || ip[-1] != 0 || (tcp[13] & CV_TCP_RST) != 0)
		return false;
	len = (uint32_t)(ip[2] << 8 | ip[3]) - 20 - (tcp[12] >> 4) * 4u;
	len += (tcp[13] & CV_TCP_SYN) != 0;
	len += (tcp[13] & CV_TCP_FIN) != 0;
	*back = (struct seg){.port = port,
			     .vlan = tagged ? 7 : 0,
			     .sport = (uint16_t)(tcp[2] << 8 | tcp[3]),
			     .dport = (uint16_t)(tcp[0] << 8 | tcp[1]),
			     .seq = get32(tcp + 8),
			     .ack = get32(tcp + 4) + len,
			     .flags = CV_TCP_ACK,
			     .ttl = 64,
			     .wnd = 1000};
	memcpy(back->dst_mac, l2 + 6, 6);
	memcpy(back->src_mac, l2, 6);
	memcpy(&back->src, ip + 16, 4);
	memcpy(&back->dst, ip + 12, 4);
	if ((tcp[13] & CV_TCP_SYN) != 0 && port == 1) {
		back->flags |= CV_TCP_SYN;
		back->seq = TISN;
		return true;
	}
	if ((tcp[13] & CV_TCP_SYN) != 0) {
		back->payload = (const uint8_t *)"x";
		back->len = 1;
		return true;
	}
	/* The client closes once its byte is acknowledged, the target after it. */
	if (port == 0 || (tcp[13] & CV_TCP_FIN) != 0)
		back->flags |= CV_TCP_FIN;
	if (port == 0 && (tcp[13] & CV_TCP_FIN) != 0)
		back->flags = CV_TCP_ACK;
	return len > 0 || port == 0;
}

static uint16_t net_tx(void *arg, unsigned int worker, uint16_t port, struct rte_mbuf **pkts,
		       uint16_t n)
{
	struct net *net = arg;

	(void)worker;
	for (uint16_t i = 0; i < n; i++) {
		struct seg back;

		if (answer_build(pkts[i], port, &back)) {
			answer(net, &back);
			if (port == 0 && back.flags == CV_TCP_ACK) {
				pthread_mutex_lock(&net->lock);
				net->n_done++;
				pthread_mutex_unlock(&net->lock);
			}
		}
		rte_pktmbuf_free(pkts[i]);
	}
	return n;
}

/* What comes in next: an answer, or a new client's SYN. */
static struct seg arrival(struct net *net)
{
	struct seg s;

	pthread_mutex_lock(&net->lock);
	if (net->head != net->tail) {
		s = net->queue[net->head++ % QUEUE_LEN];
	} else {
		struct talk t = talk(net->w, 0, 0);

		t.cport = (uint16_t)(1024 + net->n_dialled % 60000);
		t.dport = (uint16_t)(80 + net->n_dialled % 3);
		t.vpc = net->n_dialled++ % 5 == 0 ? VPC_B : VPC_A;
		s = client_seg(&t, F_SYN, "");
	}
	pthread_mutex_unlock(&net->lock);
	return s;
}

static uint16_t net_rx(void *arg, unsigned int worker, unsigned int queue, struct rte_mbuf **pkts)
{
	static const uint8_t arp[42] = "\xff\xff\xff\xff\xff\xff\x02\xcc\0\0\0\1\x08\x06"
				       "\0\1\x08\0\6\4\0\1\x02\xcc\0\0\0\1\x0a\1\0\x32"
				       "\0\0\0\0\0\0\x0a\1\0";
	struct net *net = arg;
	uint16_t n = 0;

	(void)worker;
	(void)queue;
	while (n < RX_MAX) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(net->w->mbufs);
		struct seg s;

		if (m == NULL)
			break;
		if (n == 0) {
			memcpy(rte_pktmbuf_append(m, sizeof(arp)), arp, sizeof(arp));
			rte_pktmbuf_mtod(m, uint8_t *)[41] = 20;
			m->port = 0;
			pkts[n++] = m;
			continue;
		}
		s = arrival(net);
		m->port = s.port;
		m->data_len = seg_build(&s, rte_pktmbuf_mtod(m, uint8_t *));
		m->pkt_len = m->data_len;
		pkts[n++] = m;
	}
	return n;
}

/* ---- control ---- */

static uint64_t list_flows(struct net *net)
{
	const struct cv_dp_flow_filter all = {CV_VIEW_NONE, CV_VIEW_NONE, -1};
	struct cv_dp_flow_list *list;
	uint64_t matched, sum = 0;
	uint32_t n;

	if (cv_dp_flow_list_create(net->w->dp, &all, 100, &list) != 0)
		return 0;
	while (!cv_dp_flow_list_is_done(list))
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	for (unsigned int i = 0; i < N_WORKERS; i++) {
		const struct cv_dp_flow_info *infos = cv_dp_flow_list_get(list, i, &matched, &n);

		for (uint32_t k = 0; k < n; k++)
			assert_int_equal(infos[k].worker, i);
		sum += matched;
	}
	cv_dp_flow_list_destroy(list);
	return sum;
}

static void control_turn(struct net *net, unsigned int turn)
{
	struct cv_dp_neigh_event events[64];
	struct cv_snat_counts counts;
	struct world *w = net->w;

	w->endpoints[EP_B].verdict = turn % 8 == 7 ? CV_DROP_ENDPOINT_REJECTED : CV_DROP_NONE;
	w->targets[0].used = turn % 8 != 5;
	world_publish(w);
	cv_view_pub_reap(w->pub);
	atomic_store(&w->neigh[1], turn % 8 == 3 ? 0 : w->neigh[0]);
	(void)cv_dp_arp_request(w->dp, VPC_P, NODE_0, TARGET_0);
	while (cv_dp_neigh_burst(w->dp, events, 64) > 0)
		;
	for (uint32_t i = 0; i < cv_snat_registry_n(w->registry); i++)
		cv_snat_counts(cv_snat_registry_at(w->registry, i), cv_dp_now_ms(w->dp), &counts);
	(void)world_flows(w);
	(void)world_drops(w, CV_DROP_NO_MBUF);
}

/* Tells whether so much has happened that a fault would have shown; on a slow machine it takes longer. */
static bool is_enough(struct net *net, uint64_t listed)
{
	uint64_t n_done;

	pthread_mutex_lock(&net->lock);
	n_done = net->n_done;
	pthread_mutex_unlock(&net->lock);
	return listed > 0 && n_done > 100 && world_events(net->w, CV_EV_HANDOFF_IN) > 100 &&
	       world_events(net->w, CV_EV_FLOW_END_FIN) > 100;
}

static void *worker_main(void *arg)
{
	(void)cv_dp_worker_run(arg);
	return NULL;
}

static void workers_and_control_share_nothing_unguarded(void **state)
{
	struct net *net = calloc(1, sizeof(*net));
	struct cv_dp_run runs[N_WORKERS];
	pthread_t threads[N_WORKERS];
	uint64_t until, listed = 0;

	(void)state;
	assert_non_null(net);
	world_eal();
	assert_true(rte_mempool_register_ops(&POOL_OPS) >= 0);
	pthread_mutex_init(&net->lock, NULL);
	net->w = world_create(&(struct world_cfg){.n_workers = N_WORKERS,
						  .n_ports = 4000,
						  .rest_ms = 1,
						  .n_flows = 8192,
						  .tx = net_tx,
						  .tx_arg = net,
						  .mbuf_ops = "locked"});
	net->w->settings.linger_ms = 1;
	world_publish(net->w);
	for (unsigned int i = 0; i < N_WORKERS; i++) {
		runs[i] = (struct cv_dp_run){cv_dp_worker_get(net->w->dp, i), net_rx, net, 1,
					     &net->stop};
		assert_int_equal(pthread_create(&threads[i], NULL, worker_main, &runs[i]), 0);
	}
	until = cv_clock_ms() + RUN_MS;
	for (unsigned int turn = 0; cv_clock_ms() < until || (!is_enough(net, listed) &&
							      cv_clock_ms() < until + PATIENCE_MS);
	     turn++) {
		control_turn(net, turn);
		listed += list_flows(net);
	}
	atomic_store(&net->stop, true);
	for (unsigned int i = 0; i < N_WORKERS; i++)
		pthread_join(threads[i], NULL);
	net->w->now_ms = cv_dp_now_ms(net->w->dp);
	assert_true(is_enough(net, listed));
	world_destroy(net->w);
	free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_and_control_share_nothing_unguarded),
	};

	return cmocka_run_group_tests_name("dp_threads", tests, NULL, NULL);
}

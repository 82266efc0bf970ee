/* SPDX-License-Identifier: BSD-3-Clause */

/* VPCs in VXLAN: a consumer (VPC_B) on VLAN 9 of port 0, the provider (VPC_P) on port 1 untagged. */

#include <rte_arp.h>

#include "far.h"

/* Not in the list of peers: clients may be behind any VTEP. */
#define STRANGER IP4(192, 168, 0, 77)
static const uint8_t STRANGER_MAC[6] = {2, 0xcc, 0, 0, 0, 77};

static void both_sides_in_tunnels(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk f = far_open(w, L_PLAIN, 0);
	struct seg s;

	(void)state;
	s = far_c2t(&f, F_PSH, "hello");
	assert_int_equal(s.len, 5);
	assert_int_equal(s.vlan, 0);
	s = far_t2c(&f, ISN + 6, F_PSH, "hi");
	assert_memory_equal(s.payload, "hi", 2);
	world_destroy(w);
}

/* What one is in says nothing of the other: plain client, target in VXLAN. */
static void plain_client_and_far_target(void **state)
{
	static const uint8_t mss[] = {2, 4, 5, 180};
	static char full[1361];
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct talk t = talk(w, 40000, L_PROXY);
	struct outer target = from(w, VPC_P), o;
	struct seg s = client_seg(&t, F_SYN, "");

	(void)state;
	w->n_out = 0;
	send_by(w, 0, 0, &s);
	o = got(w, &s);
	is_towards(&o, VPC_P, &target);
	t.nport = s.sport;
	t.node = s.src;
	t.cseq++;
	s = target_seg(&t, ISN + 1 - H, F_SYN | F_ACK, "");
	memcpy(s.opts, mss, sizeof(mss));
	s.opts_len = sizeof(mss);
	t.tseq++;
	put_seg(w, 0, &target, &s);
	assert_int_equal(w->n_out, 1);
	s = seg_parse(&w->out[0]);
	assert_int_equal(s.port, 0);
	assert_memory_equal(s.dst_mac, CLIENT_MAC, 6);
	t.cack = s.seq + 1;
	/* The header takes the headroom that the outer headers want; the frame moves up for them. */
	memset(full, 'x', sizeof(full) - 101);
	s = client_seg(&t, F_PSH, full);
	w->n_out = 0;
	send_by(w, 0, 0, &s);
	o = got(w, &s);
	is_towards(&o, VPC_P, &target);
	assert_int_equal(s.len, H + sizeof(full) - 101);
	want_header(s.payload, &t, "vpce-00000000000000001");
	assert_memory_equal(s.payload + H, full, sizeof(full) - 101);
	world_destroy(w);
}

static void header_from_a_far_client(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk f = far_open(w, L_PROXY, H);
	struct seg s = far_c2t(&f, F_PSH, "GET /");

	(void)state;
	assert_int_equal(s.len, H + 5);
	want_header(s.payload, &f.t, "vpce-00000000000000002");
	s = far_t2c(&f, ISN + 6, F_PSH, "200");
	assert_int_equal(s.ack, ISN + 6);
	s = far_c2t(&f, F_PSH, "more");
	assert_int_equal(s.seq, ISN + 6);
	world_destroy(w);
}

/* One client MAC behind two VTEPs, such as a router that is in all of them: each flow has its own way. */
static void answers_go_to_the_vtep_they_came_from(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk a = far_open(w, L_PLAIN, 0), b = far_talk(w, L_PLAIN);
	struct seg s;

	(void)state;
	b.t.cport = 40001;
	b.client.src = STRANGER;
	memcpy(b.client.src_mac, STRANGER_MAC, 6);
	(void)far_c2t(&b, F_SYN, "");
	s = far_t2c(&b, ISN + 1, F_SYN | F_ACK, "");
	assert_int_equal(s.dport, 40001);
	(void)far_t2c(&a, ISN + 1, F_PSH, "still there");
	(void)far_t2c(&b, ISN + 1, F_PSH, "and here");
	world_destroy(w);
}

static void other_workers_know_the_way(void **state)
{
	(void)state;
	for (unsigned int worker = 0; worker < 2; worker++) {
		struct world *w = world_create(&(struct world_cfg){.vxlan = true, .n_workers = 2});
		struct far_talk f = far_talk(w, L_PROXY);

		f.worker = worker;
		(void)far_c2t(&f, F_SYN, "");
		f.worker = !worker;
		(void)far_t2c(&f, ISN + 1 - H, F_SYN | F_ACK, "");
		(void)far_c2t(&f, F_ACK, "");
		f.worker = worker;
		assert_int_equal(far_c2t(&f, F_PSH, "GET /").len, H + 5);
		(void)far_t2c(&f, ISN + 6, F_PSH, "200");
		assert_true(world_events(w, CV_EV_HANDOFF_IN) >= 2);
		world_destroy(w);
	}
}

static void strays_are_reset_through_the_tunnel(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk f = far_talk(w, L_PLAIN);
	struct seg s = client_seg(&f.t, F_PSH, "lost");
	struct outer o;

	(void)state;
	f.client.src = STRANGER;
	memcpy(f.client.src_mac, STRANGER_MAC, 6);
	put_seg(w, 0, &f.client, &s);
	o = got(w, &s);
	is_towards(&o, VPC_B, &f.client);
	assert_int_equal(s.flags, CV_TCP_RST);
	assert_memory_equal(s.dst_mac, CLIENT_MAC, 6);
	assert_int_equal(world_drops(w, CV_DROP_STRAY), 1);
	world_destroy(w);
}

static void mss_and_mtu_leave_room_for_the_tunnel(void **state)
{
	static char full[1412];
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk f = far_talk(w, L_PLAIN);
	static const uint8_t mss[] = {2, 4, 5, 180};
	struct seg s = client_seg(&f.t, F_SYN, "");

	(void)state;
	memcpy(s.opts, mss, sizeof(mss));
	s.opts_len = sizeof(mss);
	put_seg(w, 0, &f.client, &s);
	(void)got(w, &s);
	assert_int_equal(get16(s.opts + 2), 1410);
	f = far_open(w, L_PLAIN, 0);
	memset(full, 'x', 1410);
	assert_int_equal(far_c2t(&f, F_PSH, full).len, 1410);
	full[1410] = 'x';
	s = client_seg(&f.t, F_PSH, full);
	put_seg(w, 0, &f.client, &s);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_TOO_BIG), 1);
	world_destroy(w);
}

static void class_is_copied_and_congestion_kept(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk f = far_open(w, L_PLAIN, 0);
	struct seg s = client_seg(&f.t, F_PSH, "x");
	struct outer o;

	(void)state;
	s.tos = 0xba; /* EF, capable of ECN */
	put_seg(w, 0, &f.client, &s);
	o = got(w, &s);
	assert_int_equal(s.tos, 0xba);
	assert_int_equal(o.tos, 0xba);
	f.client.tos = 3;
	put_seg(w, 0, &f.client, &s);
	s = client_seg(&f.t, F_PSH, "x");
	s.tos = 0xba;
	put_seg(w, 0, &f.client, &s);
	(void)got(w, &s);
	assert_int_equal(s.tos, 0xbb);
	/* Not capable: it cannot be told but by loss. */
	s = client_seg(&f.t, F_PSH, "x");
	s.tos = 0xb8;
	put_seg(w, 0, &f.client, &s);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_VXLAN_HEADER), 1);
	world_destroy(w);
}

/* ---- ARP ---- */

static void arp_inside_is_answered_and_learned_from(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct cv_dp_neigh_event events[4];
	struct outer in = from(w, VPC_B), o;
	uint8_t frame[60], mac[6];

	(void)state;
	arp_fill(frame, 1, CLIENT_MAC, CLIENT_IP, ENI_A);
	put(w, 0, &in, frame, sizeof(frame));
	assert_int_equal(w->n_out, 1);
	o = unwrap(&w->out[0]);
	is_towards(&o, VPC_B, &in);
	world_mac(w, VPC_B, ENI_A, false, mac);
	assert_memory_equal(o.frame, CLIENT_MAC, 6);
	assert_memory_equal(o.frame + 22, mac, 6);
	assert_int_equal(get16(o.frame + 20), 2);
	assert_int_equal(cv_dp_neigh_burst(w->dp, events, 4), 1);
	assert_int_equal(events[0].ip, CLIENT_IP);
	assert_int_equal(events[0].vtep, PEER_0);
	assert_int_equal(events[0].vpc, VPC_B);
	world_destroy(w);
}

static void our_vtep_answers_arp_outside(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	uint8_t frame[60], mac[6];

	(void)state;
	arp_fill(frame, 1, PEER_MACS[1], PEER_1, VTEP_1);
	world_rx(w, 0, 1, frame, sizeof(frame));
	assert_int_equal(w->n_out, 1);
	world_mac(w, VPC_U1, VTEP_1, false, mac);
	assert_memory_equal(w->out[0].data + 22, mac, 6);
	/* Nothing of the VPC inside is there. */
	arp_fill(frame, 1, PEER_MACS[1], PEER_1, NODE_0);
	w->n_out = 0;
	world_rx(w, 0, 1, frame, sizeof(frame));
	assert_int_equal(w->n_out, 0);
	world_destroy(w);
}

static void arp_requests_go_to_every_peer(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct outer o, back = from(w, VPC_P);

	(void)state;
	assert_int_equal(cv_dp_arp_request(w->dp, VPC_P, NODE_0, TARGET_0), 0);
	world_wait(w, 1);
	assert_int_equal(w->n_out, 1);
	o = unwrap(&w->out[0]);
	is_towards(&o, VPC_P, &back);
	assert_memory_equal(o.frame, "\xff\xff\xff\xff\xff\xff", 6);
	assert_memory_equal(o.frame + 38, &(cv_be32_t){TARGET_0}, 4);
	w->n_out = 0;
	w->neigh[3] = 0;
	assert_int_equal(cv_dp_arp_request(w->dp, VPC_P, NODE_0, TARGET_0), 0);
	world_wait(w, 1);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_NEIGHBOUR), 1);
	world_destroy(w);
}

/* Many peers are sent to in pieces, which leave the port to others' packets in between. */
static void arp_requests_to_many_peers_take_many_turns(void **state)
{
	enum { PEERS = 300 };
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct cv_dp_worker *worker = cv_dp_worker_get(w->dp, 0);
	unsigned int before = 0;
	struct outer o;

	(void)state;
	for (uint32_t i = 0; i < PEERS; i++)
		w->peers[1 + i] = (struct cv_view_peer){IP4(192, 168, 2 + (i >> 8), i), 3};
	w->vxlans[VPC_P].n_peers = PEERS;
	w->n_peers = 1 + PEERS;
	world_publish(w);
	assert_int_equal(cv_dp_arp_request(w->dp, VPC_P, NODE_0, TARGET_0), 0);
	assert_int_equal(cv_dp_arp_request(w->dp, VPC_P, NODE_0, TARGET_1), 0);
	for (int turn = 0; turn < 22; turn++) {
		cv_dp_worker_poll(worker, cv_view_pub_current(w->pub), ++w->now_ms);
		cv_dp_worker_flush(worker);
		assert_in_range(w->n_out, before, before + 32);
		before = w->n_out;
	}
	assert_int_equal(w->n_out, 2 * PEERS);
	for (uint32_t i = 0; i < 2 * PEERS; i++) {
		o = unwrap(&w->out[i]);
		assert_int_equal(o.dst, w->peers[1 + i % PEERS].ip);
		assert_memory_equal(o.frame + 38, &(cv_be32_t){i < PEERS ? TARGET_0 : TARGET_1}, 4);
	}
	/* Fewer peers meanwhile, or none: it ends. */
	for (uint32_t left = 0; left < 2; left++) {
		w->vxlans[VPC_P].n_peers = PEERS;
		world_publish(w);
		assert_int_equal(cv_dp_arp_request(w->dp, VPC_P, NODE_0, TARGET_0), 0);
		w->n_out = 0;
		for (int turn = 0; turn < 3; turn++) {
			cv_dp_worker_poll(worker, cv_view_pub_current(w->pub), ++w->now_ms);
			cv_dp_worker_flush(worker);
		}
		assert_int_equal(w->n_out, 64);
		w->vxlans[VPC_P].n_peers = left;
		world_publish(w);
		world_wait(w, 10);
		assert_int_equal(w->n_out, 64);
	}
	world_destroy(w);
}

/* ---- clients ---- */

static void clients_are_listed_where_they_are(void **state)
{
	const struct cv_dp_flow_filter all = {CV_VIEW_NONE, CV_VIEW_NONE, -1};
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	const struct cv_dp_flow_info *infos;
	struct cv_dp_flow_list *list;
	uint64_t matched;
	uint32_t n;

	(void)state;
	(void)far_open(w, L_PLAIN, 0);
	assert_int_equal(cv_dp_flow_list_create(w->dp, &all, 10, &list), 0);
	world_wait(w, 1);
	infos = cv_dp_flow_list_get(list, 0, &matched, &n);
	assert_int_equal(n, 1);
	assert_memory_equal(infos[0].client_mac, CLIENT_MAC, 6);
	assert_int_equal(infos[0].client_vtep, PEER_0);
	cv_dp_flow_list_destroy(list);
	world_destroy(w);
}

static void syn_from(struct world *w, struct outer *o, uint32_t i)
{
	struct talk t = talk(w, (uint16_t)(1024 + i % 60000), L_PLAIN);
	struct seg s;

	t.vpc = VPC_B;
	s = client_seg(&t, F_SYN, "");
	memcpy(s.src_mac + 2, &i, 4);
	s.src = IP4(10, 2, 0, 0) + __builtin_bswap32(i);
	put_seg(w, 0, o, &s);
}

/* A host of one VPC makes up MACs without end: hosts of another find room, until flows have none. */
static void as_many_clients_as_flows(void **state)
{
	enum { CLIENTS = 70000, FLOWS = 80000 };
	struct world *w = world_create(
		&(struct world_cfg){.vxlan = true, .n_ports = 50000, .n_flows = FLOWS});
	struct outer o = from(w, VPC_B);
	uint32_t n = 0;

	(void)state;
	w->targets[1].used = true;
	w->cross_zone = true;
	world_publish(w);
	while (n < CLIENTS) {
		syn_from(w, &o, n++);
		assert_int_equal(w->n_out, 1);
	}
	/* One that is there already. */
	o.sport++;
	syn_from(w, &o, 7);
	assert_int_equal(w->n_out, 1);
	while (n < FLOWS + 100)
		syn_from(w, &o, n++);
	assert_true(world_flows(w) > CLIENTS);
	assert_true(world_drops(w, CV_DROP_FLOW_TABLE_FULL) > 0);
	assert_int_equal(world_flows(w) + world_drops(w, CV_DROP_FLOW_TABLE_FULL), FLOWS + 100);
	world_wait(w, 60000);
	assert_int_equal(world_flows(w), 0);
	for (uint32_t i = 0; i < 100; i++)
		syn_from(w, &o, CLIENTS + i);
	assert_int_equal(world_flows(w), 100);
	world_destroy(w);
}

/* More VTEPs than one bucket of the table has; the client's MAC is the same behind each. */
static void equal_clients_of_many_vteps_are_told_apart(void **state)
{
	enum { VTEPS = 1500 };
	static struct far_talk f[VTEPS];
	struct world *w =
		world_create(&(struct world_cfg){.vxlan = true, .n_ports = 2000, .n_flows = 4096});

	(void)state;
	for (uint32_t i = 0; i < VTEPS; i++) {
		f[i] = far_talk(w, L_PLAIN);
		f[i].t.cport = (uint16_t)(1024 + i);
		f[i].client.src = IP4(192, 168, 100 + (i >> 8), i & 255);
		(void)far_c2t(&f[i], F_SYN, "");
	}
	for (uint32_t i = 0; i < VTEPS; i++)
		(void)far_t2c(&f[i], ISN + 1, F_SYN | F_ACK, "");
	world_destroy(w);
}

static void client_stays_known_while_it_has_a_flow(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk a = far_open(w, L_PLAIN, 0), b = far_talk(w, L_PLAIN);

	(void)state;
	b.t.cport++;
	(void)far_c2t(&b, F_SYN, "");
	(void)far_c2t(&b, CV_TCP_RST, "");
	world_wait(w, 5000);
	assert_int_equal(world_flows(w), 1);
	/* Another client takes no place of one that is known. */
	b.t.cport++;
	b.client.src = STRANGER;
	memcpy(b.client.src_mac, STRANGER_MAC, 6);
	(void)far_c2t(&b, F_SYN, "");
	(void)far_t2c(&a, ISN + 1, F_PSH, "still there");
	world_destroy(w);
}

/* A VTEP whose MAC is another now, as of a router that took over: its next new flow tells. */
static void latest_new_flow_tells_the_way_to_a_vtep(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk a = far_open(w, L_PLAIN, 0), b = far_talk(w, L_PLAIN);

	(void)state;
	b.t.cport++;
	b.client.src_mac[5] ^= 0x40;
	(void)far_c2t(&b, F_SYN, "");
	a.client.src_mac[5] ^= 0x40;
	(void)far_t2c(&a, ISN + 1, F_PSH, "by the other way");
	world_destroy(w);
}

/* The client is behind another VTEP now, or behind the same one by another router. */
static void client_that_moves_is_followed(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk f = far_open(w, L_PLAIN, 0);

	(void)state;
	/* Nobody says where clients may be. */
	w->vxlans[VPC_B].n_peers = 0;
	world_publish(w);
	world_wait(w, 200);
	f.client.src_mac[5] ^= 0x40;
	(void)far_c2t(&f, F_ACK, "");
	(void)far_t2c(&f, ISN + 1, F_PSH, "by the other router");
	world_wait(w, 200);
	f.client.src = STRANGER;
	memcpy(f.client.src_mac, STRANGER_MAC, 6);
	(void)far_c2t(&f, F_ACK, "");
	(void)far_t2c(&f, ISN + 1, F_PSH, "by the other VTEP");
	/* Not by each packet. */
	f.client.src = PEER_0;
	memcpy(f.client.src_mac, PEER_MACS[0], 6);
	(void)far_c2t(&f, F_ACK, "");
	f.client.src = STRANGER;
	memcpy(f.client.src_mac, STRANGER_MAC, 6);
	(void)far_t2c(&f, ISN + 1, F_PSH, "still");
	/* Each time it gives its old place back: there are not so many. */
	for (uint32_t i = 0; i < 3000; i++) {
		w->now_ms += 200;
		f.client.src = IP4(172, 20, i >> 8, i & 255);
		(void)far_c2t(&f, F_ACK, "");
	}
	(void)far_t2c(&f, ISN + 1, F_PSH, "wherever");
	(void)far_c2t(&f, CV_TCP_RST, "");
	world_wait(w, 5000);
	assert_int_equal(world_flows(w), 0);
	world_destroy(w);
}

/* One in the network that carries the VPC, which is none of its peers, draws no answers away. */
static void client_moves_only_to_peers(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk f = far_open(w, L_PLAIN, 0);

	(void)state;
	world_wait(w, 200);
	f.client.src = STRANGER;
	memcpy(f.client.src_mac, STRANGER_MAC, 6);
	(void)far_c2t(&f, F_ACK, "");
	f.client.src = PEER_0;
	memcpy(f.client.src_mac, PEER_MACS[0], 6);
	(void)far_t2c(&f, ISN + 1, F_PSH, "not to strangers");
	/* Another peer of its own may be it. */
	w->peers[0].ip = STRANGER;
	world_publish(w);
	world_wait(w, 200);
	f.client.src = STRANGER;
	memcpy(f.client.src_mac, STRANGER_MAC, 6);
	(void)far_c2t(&f, F_ACK, "");
	(void)far_t2c(&f, ISN + 1, F_PSH, "to a peer");
	world_destroy(w);
}

/* What control wrote meanwhile, or damaged: the packet is dropped at the tunnel's mouth. */
static void ways_to_nowhere_are_dropped(void **state)
{
	const uint64_t words[] = {cv_ticket(CV_TICKET_NEIGH, 4),
				  cv_ticket(CV_TICKET_NEIGH, 1u << 30),
				  cv_ticket(CV_TICKET_CLIENT, 5),
				  cv_ticket(CV_TICKET_CLIENT, UINT32_MAX), cv_ticket(2, 0)};
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk f = far_open(w, L_PLAIN, 0);
	struct seg s = client_seg(&f.t, F_PSH, "x");
	uint64_t drops = 0;
	struct cv_far far;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(words); i++) {
		w->neigh[0] = words[i] | CV_NEIGH_KNOWN;
		put_seg(w, 0, &f.client, &s);
		assert_int_equal(w->n_out, 0);
		assert_int_equal(world_drops(w, CV_DROP_NEIGHBOUR), ++drops);
	}
	w->neigh[0] = cv_ticket(CV_TICKET_NEIGH, 0) | CV_NEIGH_KNOWN;
	far = w->fars[0];
	w->fars[0].vtep = 4ULL << 32 | PEER_1;
	put_seg(w, 0, &f.client, &s);
	w->fars[0].vtep = far.vtep;
	w->fars[0].mac_vpc = (far.mac_vpc << 16 >> 16) | (uint64_t)VPC_A << 48;
	put_seg(w, 0, &f.client, &s);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_NEIGHBOUR), drops + 2);
	world_destroy(w);
}

static void flows_end_when_the_vpc_leaves_vxlan(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});

	(void)state;
	(void)far_open(w, L_PLAIN, 0);
	w->vpcs[VPC_B].port = 0;
	w->vpcs[VPC_B].vlan = 7;
	w->vxlans[VPC_B].on = false;
	world_publish(w);
	world_wait(w, 2000);
	assert_int_equal(world_flows(w), 0);
	world_destroy(w);
}

/* ---- the kernel's sockets ---- */

/* What the kernel's socket at NODE_1 answers to what it was handed in rec: out as it is left there. */
static void kernel_answer(struct world *w, struct cv_pkt_rec rec)
{
	struct seg s = {.src = NODE_1, .dst = TARGET_0, .sport = 2500, .dport = 8443, .ttl = 64};
	struct cv_pkt_ring *up, *down;
	uint8_t frame[WORLD_FRAME_MAX];

	s.flags = F_ACK;
	rec.len = (uint16_t)(seg_build(&s, frame) - 14);
	rec.ip = frame + 14;
	cv_dp_host_rings_get(w->dp, 0, &up, &down);
	assert_true(cv_pkt_ring_put(down, &rec));
	w->n_out = 0;
	world_wait(w, 1);
}

/* Takes the one packet that the kernel would get. */
static struct cv_pkt_rec kernel_get(struct world *w)
{
	struct cv_pkt_ring *up, *down;
	struct cv_pkt_rec rec;

	cv_dp_host_rings_get(w->dp, 0, &up, &down);
	assert_true(cv_pkt_ring_peek(up, &rec));
	cv_pkt_ring_pop(up);
	return rec;
}

static void sockets_answer_through_the_tunnel_it_came_from(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct outer target = from(w, VPC_P), o;
	struct cv_pkt_rec rec;
	struct seg s;

	(void)state;
	w->settings.host_port_first = 2000;
	w->settings.host_port_last = 2999;
	w->hosts[VPC_P].on = true;
	world_publish(w);
	t.nport = 2500;
	s = target_seg(&t, 77, F_ACK, "");
	s.sport = 8443;
	/* Not one of the peers: whoever asks is answered where the question came from. */
	target.src = STRANGER;
	memcpy(target.src_mac, STRANGER_MAC, 6);
	put_seg(w, 0, &target, &s);
	assert_int_equal(w->n_out, 0);
	rec = kernel_get(w);
	assert_int_equal(rec.vpc, VPC_P);
	assert_int_equal(rec.len, 40);
	assert_int_equal(rec.vtep, STRANGER);
	kernel_answer(w, rec);
	o = got(w, &s);
	is_towards(&o, VPC_P, &target);
	assert_memory_equal(s.dst_mac, TARGET_MAC, 6);
	assert_int_equal(s.src, NODE_1);
	/* Towards a target that is known by ARP, its ticket says where. */
	target = from(w, VPC_P);
	rec = (struct cv_pkt_rec){.vpc = VPC_P, .mac = cv_ticket(CV_TICKET_NEIGH, 0)};
	kernel_answer(w, rec);
	o = got(w, &s);
	is_towards(&o, VPC_P, &target);
	/* What was found out before the VPC moved into VXLAN, or out of it, leads nowhere. */
	rec = (struct cv_pkt_rec){.vpc = VPC_P};
	memcpy(&rec.mac, TARGET_MAC, 6);
	kernel_answer(w, rec);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_NEIGHBOUR), 1);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_in_tunnels),
		cmocka_unit_test(plain_client_and_far_target),
		cmocka_unit_test(header_from_a_far_client),
		cmocka_unit_test(answers_go_to_the_vtep_they_came_from),
		cmocka_unit_test(other_workers_know_the_way),
		cmocka_unit_test(strays_are_reset_through_the_tunnel),
		cmocka_unit_test(mss_and_mtu_leave_room_for_the_tunnel),
		cmocka_unit_test(class_is_copied_and_congestion_kept),
		cmocka_unit_test(arp_inside_is_answered_and_learned_from),
		cmocka_unit_test(our_vtep_answers_arp_outside),
		cmocka_unit_test(arp_requests_go_to_every_peer),
		cmocka_unit_test(arp_requests_to_many_peers_take_many_turns),
		cmocka_unit_test(sockets_answer_through_the_tunnel_it_came_from),
		cmocka_unit_test(clients_are_listed_where_they_are),
		cmocka_unit_test(as_many_clients_as_flows),
		cmocka_unit_test(equal_clients_of_many_vteps_are_told_apart),
		cmocka_unit_test(client_stays_known_while_it_has_a_flow),
		cmocka_unit_test(latest_new_flow_tells_the_way_to_a_vtep),
		cmocka_unit_test(client_that_moves_is_followed),
		cmocka_unit_test(client_moves_only_to_peers),
		cmocka_unit_test(ways_to_nowhere_are_dropped),
		cmocka_unit_test(flows_end_when_the_vpc_leaves_vxlan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

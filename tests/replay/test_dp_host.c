/* SPDX-License-Identifier: BSD-3-Clause */

/* What is handed to the kernel's sockets on our addresses, what is not, and what they send. */

#include "talk.h"

/* The ports from which sockets dial; world's SNAT has 20000 to 20999. */
#define HOST_FIRST 2000
#define HOST_LAST 2999

static struct world *host_world(unsigned int n_workers)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = n_workers});

	w->settings.host_port_first = HOST_FIRST;
	w->settings.host_port_last = HOST_LAST;
	w->hosts[VPC_P].on = true;
	w->hosts[VPC_A] = (struct cv_view_host){.on = true, .service_first = 0, .n_services = 2};
	world_publish(w);
	return w;
}

/* A target's segment to a port of the first node. */
static struct seg to_node(struct world *w, uint16_t port, uint8_t flags)
{
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	t.nport = port;
	s = target_seg(&t, 77, flags, "");
	return s;
}

static struct cv_pkt_ring *up_of(struct world *w, unsigned int worker)
{
	struct cv_pkt_ring *up, *down;

	cv_dp_host_rings_get(w->dp, worker, &up, &down);
	return up;
}

/* Takes the one packet that the kernel would get. */
static void want_up(struct world *w, unsigned int vpc, const uint8_t *mac, const void *ip,
		    uint16_t len)
{
	struct cv_pkt_rec rec;
	uint64_t want_mac = 0;

	memcpy(&want_mac, mac, 6);
	assert_true(cv_pkt_ring_peek(up_of(w, 0), &rec));
	assert_int_equal(rec.vpc, vpc);
	assert_int_equal(rec.mac, want_mac);
	assert_int_equal(rec.len, len);
	assert_memory_equal(rec.ip, ip, len);
	cv_pkt_ring_pop(up_of(w, 0));
	assert_false(cv_pkt_ring_peek(up_of(w, 0), &rec));
}

static void taken(struct world *w, uint16_t port, unsigned int vpc, const struct seg *s)
{
	uint8_t frame[WORLD_FRAME_MAX];
	uint16_t len = seg_build(s, frame), l2_len = s->vlan == 0 ? 14 : 18;

	none(w, port, s, CV_DROP_HOST_TAKEN);
	want_up(w, vpc, s->src_mac, frame + l2_len, (uint16_t)(len - l2_len - s->pad));
}

static void answers_to_the_kernels_ports_are_handed_over(void **state)
{
	static const uint8_t flags[] = {F_SYN | F_ACK, F_ACK,      F_PSH,
					F_FIN,         CV_TCP_RST, CV_TCP_RST | CV_TCP_ACK};
	static const uint16_t ports[] = {HOST_FIRST, 2500, HOST_LAST};
	struct world *w = host_world(1);

	(void)state;
	for (size_t i = 0; i < RTE_DIM(flags); i++) {
		for (size_t j = 0; j < RTE_DIM(ports); j++) {
			struct seg s = to_node(w, ports[j], flags[i]);

			s.pad = 5;
			taken(w, 1, VPC_P, &s); /* from a target's own port */
			s.sport = 8443;
			taken(w, 1, VPC_P, &s); /* from a port that only checks use */
		}
	}
	world_destroy(w);
}

static void the_kernel_gets_nothing_of_others(void **state)
{
	struct world *w = host_world(1);
	struct seg s;

	(void)state;
	/* Beside the range it is as without the kernel: a target's stray is silent, ... */
	s = to_node(w, HOST_FIRST - 1, F_ACK);
	none(w, 1, &s, CV_DROP_NO_LISTENER);
	s = to_node(w, HOST_LAST + 1, F_ACK);
	none(w, 1, &s, CV_DROP_NO_LISTENER);
	/* ... and one from elsewhere. */
	s.sport = 8443;
	none(w, 1, &s, CV_DROP_NO_LISTENER);
	/* Who dials the kernel's ports finds them silent. */
	s = to_node(w, 2500, F_SYN);
	none(w, 1, &s, CV_DROP_NO_LISTENER);
	s.sport = 8443;
	none(w, 1, &s, CV_DROP_NO_LISTENER);
	/* An endpoint's ENI has no sockets. */
	s = (struct seg){.src = CLIENT_IP,
			 .dst = ENI_A,
			 .sport = 1,
			 .dport = 2500,
			 .flags = F_ACK,
			 .ttl = 9};
	memcpy(s.src_mac, CLIENT_MAC, 6);
	world_mac(w, VPC_A, ENI_A, false, s.dst_mac);
	none(w, 0, &s, CV_DROP_NO_LISTENER);
	/* A listener inside the range stays a listener. */
	w->listeners[1].port = 2500;
	world_publish(w);
	s = to_node(w, 2500, F_ACK);
	s.sport = 8443;
	assert_int_equal(one(w, 1, &s).flags, CV_TCP_RST);
	/* Without sockets in the VPC nothing is handed over. */
	w->hosts[VPC_P].on = false;
	world_publish(w);
	s = to_node(w, 2600, F_ACK);
	none(w, 1, &s, CV_DROP_NO_LISTENER);
	assert_int_equal(world_drops(w, CV_DROP_HOST_TAKEN), 0);
	world_destroy(w);
}

static void flows_go_on_beside_the_kernels_sockets(void **state)
{
	struct world *w = host_world(1);
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	s = to_node(w, 2500, F_ACK);
	taken(w, 1, VPC_P, &s);
	assert_int_equal(c2t(&t, F_PSH, "a").dport, TARGET_PORT);
	assert_int_equal(t2c(&t, ISN + 2, F_PSH, "b").dport, 40000);
	assert_int_equal(world_drops(w, CV_DROP_HOST_TAKEN), 1);
	world_destroy(w);
}

/* An IP payload, to one of our addresses. */
struct message {
	unsigned int vpc;
	cv_be32_t dst;
	uint8_t proto;
	const void *payload;
	uint16_t len;
};

/* Writes IP and Ethernet around a payload. @return bytes of the frame */
static uint16_t ip_frame(const struct world *w, const struct message *msg, uint8_t *frame)
{
	bool provider = msg->vpc == VPC_P;
	struct rte_ipv4_hdr ip = {
		.version_ihl = 0x45,
		.total_length = cv_be16((uint16_t)(20 + msg->len)),
		.time_to_live = 9,
		.next_proto_id = msg->proto,
		.src_addr = provider ? TARGET_0 : CLIENT_IP,
		.dst_addr = msg->dst,
	};
	uint16_t type = RTE_BE16(0x0800);

	ip.hdr_checksum = (uint16_t)~cv_csum_fold(cv_csum_add(&ip, sizeof(ip), 0));
	world_mac(w, msg->vpc, msg->dst, provider, frame);
	memcpy(frame + 6, provider ? TARGET_MAC : CLIENT_MAC, 6);
	memcpy(frame + 12, &type, 2);
	memcpy(frame + 14, &ip, 20);
	memcpy(frame + 34, msg->payload, msg->len);
	return (uint16_t)(34 + msg->len);
}

static void rx_want(struct world *w, uint16_t port, const uint8_t *frame, uint16_t len,
		    enum cv_drop reason)
{
	uint64_t before = world_drops(w, reason);

	w->n_out = 0;
	world_rx(w, 0, port, frame, len);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, reason), before + 1);
}

static void services_get_tcp_and_udp_of_their_port_alone(void **state)
{
	struct world *w = host_world(1);
	uint8_t udp[] = {0x30, 0x39, 0, 53, 0, 12, 0, 0, 'a', 'b', 'c', 'd'};
	uint8_t frame[256];
	uint16_t len;
	struct seg s = {.src = CLIENT_IP,
			.dst = SERVICE,
			.sport = 5,
			.dport = 53,
			.flags = F_SYN,
			.ttl = 9};

	(void)state;
	len = ip_frame(w, &(struct message){VPC_A, SERVICE, IPPROTO_UDP, udp, sizeof(udp)}, frame);
	rx_want(w, 0, frame, len, CV_DROP_HOST_TAKEN);
	want_up(w, VPC_A, CLIENT_MAC, frame + 14, (uint16_t)(len - 14));
	/* Padding is not the packet's; a packet longer than its frame is none. */
	rx_want(w, 0, frame, (uint16_t)(len + 9), CV_DROP_HOST_TAKEN);
	want_up(w, VPC_A, CLIENT_MAC, frame + 14, (uint16_t)(len - 14));
	rx_want(w, 0, frame, (uint16_t)(len - 1), CV_DROP_PROTOCOL);
	udp[3] = 54;
	len = ip_frame(w, &(struct message){VPC_A, SERVICE, IPPROTO_UDP, udp, sizeof(udp)}, frame);
	rx_want(w, 0, frame, len, CV_DROP_PROTOCOL);
	udp[3] = 53;
	len = ip_frame(w, &(struct message){VPC_A, ENI_A, IPPROTO_UDP, udp, sizeof(udp)}, frame);
	rx_want(w, 0, frame, len, CV_DROP_PROTOCOL);
	len = ip_frame(w, &(struct message){VPC_A, SERVICE, IPPROTO_UDP, udp, 7}, frame);
	rx_want(w, 0, frame, len, CV_DROP_PROTOCOL);
	/* What comes from a group, or from no station, has no answer. */
	len = ip_frame(w, &(struct message){VPC_A, SERVICE, IPPROTO_UDP, udp, sizeof(udp)}, frame);
	frame[6] |= 1;
	rx_want(w, 0, frame, len, CV_DROP_SOURCE);
	memcpy(s.src_mac, CLIENT_MAC, 6);
	world_mac(w, VPC_A, SERVICE, false, s.dst_mac);
	taken(w, 0, VPC_A, &s);
	s.flags = F_PSH;
	taken(w, 0, VPC_A, &s);
	s.dport = 54;
	none(w, 0, &s, CV_DROP_NO_NODE);
	w->hosts[VPC_A].on = false;
	world_publish(w);
	s.dport = 53;
	none(w, 0, &s, CV_DROP_NO_NODE);
	world_destroy(w);
}

/* An ICMP message that quotes a packet of ours. @return bytes */
static uint16_t icmp_quote(uint8_t type, cv_be32_t src, uint8_t proto, uint16_t sport,
			   uint8_t *icmp)
{
	struct rte_ipv4_hdr ip = {.version_ihl = 0x45, .next_proto_id = proto, .src_addr = src};
	cv_be16_t port = cv_be16(sport);

	memset(icmp, 0, 36);
	icmp[0] = type;
	memcpy(icmp + 8, &ip, 20);
	memcpy(icmp + 28, &port, 2);
	return 36;
}

static void errors_about_the_kernels_packets_are_handed_over(void **state)
{
	static const struct {
		uint8_t type, proto;
		cv_be32_t src;
		uint16_t sport, cut;
		enum cv_drop want;
	} cases[] = {
		{3, IPPROTO_TCP, NODE_0, 2500, 0, CV_DROP_HOST_TAKEN},
		{11, IPPROTO_TCP, NODE_0, 2500, 0, CV_DROP_HOST_TAKEN},
		{12, IPPROTO_TCP, NODE_0, 2500, 0, CV_DROP_HOST_TAKEN},
		{8, IPPROTO_TCP, NODE_0, 2500, 0, CV_DROP_ICMP},
		{0, IPPROTO_TCP, NODE_0, 2500, 0, CV_DROP_ICMP},
		{5, IPPROTO_TCP, NODE_0, 2500, 0, CV_DROP_ICMP},
		{3, IPPROTO_UDP, NODE_0, 2500, 0, CV_DROP_ICMP},
		{3, IPPROTO_TCP, NODE_1, 2500, 0, CV_DROP_ICMP},
		{3, IPPROTO_TCP, NODE_0, 20500, 0, CV_DROP_ICMP}, /* a flow's */
		{3, IPPROTO_TCP, NODE_0, L_PLAIN, 0, CV_DROP_ICMP},
		{3, IPPROTO_TCP, NODE_0, 2500, 1, CV_DROP_ICMP},
	};
	struct world *w = host_world(1);
	uint8_t icmp[64], frame[256];

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint16_t n = icmp_quote(cases[i].type, cases[i].src, cases[i].proto, cases[i].sport,
					icmp);
		uint16_t len = ip_frame(w,
					&(struct message){VPC_P, NODE_0, IPPROTO_ICMP, icmp,
							  (uint16_t)(n - cases[i].cut)},
					frame);

		rx_want(w, 1, frame, len, cases[i].want);
		if (cases[i].want == CV_DROP_HOST_TAKEN)
			want_up(w, VPC_P, TARGET_MAC, frame + 14, (uint16_t)(len - 14));
	}
	world_destroy(w);
}

static void full_ring_is_counted(void **state)
{
	struct world *w = host_world(1);
	struct seg s = to_node(w, 2500, F_ACK);
	uint64_t n = 0;

	(void)state;
	while (world_drops(w, CV_DROP_HOST_FULL) == 0 && n++ < 100000)
		send_by(w, 0, 1, &s);
	assert_int_equal(world_drops(w, CV_DROP_HOST_FULL), 1);
	assert_true(world_drops(w, CV_DROP_HOST_TAKEN) > 1000);
	world_destroy(w);
}

/* Queries that nobody takes fill no more than half of the ring: answers to checks find room yet. */
static void queries_leave_room_for_checks(void **state)
{
	struct world *w = host_world(1);
	struct seg check = to_node(w, 2500, F_ACK);
	uint8_t udp[] = {0x30, 0x39, 0, 53, 0, 12, 0, 0, 'a', 'b', 'c', 'd'};
	uint8_t frame[256];
	uint16_t len = ip_frame(w, &(struct message){VPC_A, SERVICE, IPPROTO_UDP, udp, sizeof(udp)},
				frame);
	uint64_t n;

	(void)state;
	for (n = 0; world_drops(w, CV_DROP_HOST_FULL) == 0 && n < 100000; n++)
		world_rx(w, 0, 0, frame, len);
	assert_int_equal(world_drops(w, CV_DROP_HOST_FULL), 1);
	for (uint64_t i = 0; i < n / 2; i++)
		send_by(w, 0, 1, &check);
	assert_int_equal(world_drops(w, CV_DROP_HOST_FULL), 1);
	world_rx(w, 0, 0, frame, len);
	assert_int_equal(world_drops(w, CV_DROP_HOST_FULL), 2);
	world_destroy(w);
}

/* Segments of no connection from elsewhere than a target fill three quarters: a target's find room yet. */
static void strays_leave_room_for_targets(void **state)
{
	struct world *w = host_world(1);
	struct seg check = to_node(w, 2500, F_ACK), stray = check;
	uint64_t n;

	(void)state;
	stray.sport = 8443;
	for (n = 0; world_drops(w, CV_DROP_HOST_FULL) == 0 && n < 100000; n++)
		send_by(w, 0, 1, &stray);
	assert_int_equal(world_drops(w, CV_DROP_HOST_FULL), 1);
	for (uint64_t i = 0; i < n / 4; i++)
		send_by(w, 0, 1, &check);
	assert_int_equal(world_drops(w, CV_DROP_HOST_FULL), 1);
	send_by(w, 0, 1, &stray);
	assert_int_equal(world_drops(w, CV_DROP_HOST_FULL), 2);
	world_destroy(w);
}

/* Sends a packet as the kernel would. @return what came out is in w->out */
static void down(struct world *w, unsigned int vpc, cv_be32_t src, cv_be32_t dst, uint16_t len)
{
	uint8_t frame[WORLD_FRAME_MAX];
	struct seg s = {.src = src,
			.dst = dst,
			.sport = 2500,
			.dport = 80,
			.seq = 5,
			.flags = F_SYN,
			.ttl = 64};
	struct cv_pkt_ring *up, *ring;
	struct cv_pkt_rec rec = {.vpc = (uint16_t)vpc};
	static const uint8_t zeros[WORLD_FRAME_MAX];

	s.payload = zeros;
	s.len = (uint16_t)(len - 40);
	seg_build(&s, frame);
	rec.ip = frame + 14;
	rec.len = len;
	memcpy(&rec.mac, CLIENT_MAC, 6);
	cv_dp_host_rings_get(w->dp, 0, &up, &ring);
	assert_true(cv_pkt_ring_put(ring, &rec));
	w->n_out = 0;
	world_wait(w, 1);
}

static void packets_of_the_kernel_leave_by_their_vpc(void **state)
{
	struct world *w = host_world(1);
	uint8_t mac[6];
	struct seg s;

	(void)state;
	down(w, VPC_P, NODE_1, TARGET_0, 60);
	assert_int_equal(w->n_out, 1);
	s = seg_parse(&w->out[0]);
	assert_int_equal(s.port, 1);
	assert_int_equal(s.vlan, 0);
	assert_memory_equal(s.dst_mac, CLIENT_MAC, 6);
	world_mac(w, VPC_P, NODE_1, true, mac);
	assert_memory_equal(s.src_mac, mac, 6);
	assert_int_equal(s.src, NODE_1);
	assert_int_equal(s.dst, TARGET_0);
	assert_int_equal(s.ttl, 64);
	assert_int_equal(s.len, 20);
	/* A service's address is no node's. */
	down(w, VPC_A, SERVICE, CLIENT_IP, 40);
	assert_int_equal(w->n_out, 1);
	s = seg_parse(&w->out[0]);
	world_mac(w, VPC_A, SERVICE, false, mac);
	assert_memory_equal(s.src_mac, mac, 6);
	/* With a VLAN, and as large as the VPC takes. */
	w->vpcs[VPC_P].vlan = 9;
	world_publish(w);
	down(w, VPC_P, NODE_0, TARGET_0, 1500);
	assert_int_equal(w->n_out, 1);
	s = seg_parse(&w->out[0]);
	assert_int_equal(s.vlan, 9);
	assert_int_equal(s.len, 1460);
	world_destroy(w);
}

static void packets_of_the_kernel_that_cannot_leave_are_counted(void **state)
{
	struct world *w = host_world(1);

	(void)state;
	down(w, VPC_P, NODE_0, TARGET_0, 1501);
	assert_int_equal(world_drops(w, CV_DROP_TOO_BIG), 1);
	down(w, VPC_P, TARGET_1, TARGET_0, 60); /* not ours */
	assert_int_equal(world_drops(w, CV_DROP_HOST_SOURCE), 1);
	down(w, VPC_A, ENI_A, CLIENT_IP, 60); /* an endpoint's */
	assert_int_equal(world_drops(w, CV_DROP_HOST_SOURCE), 2);
	down(w, VPC_B, NODE_0, TARGET_0, 60); /* of a VPC that has none */
	assert_int_equal(world_drops(w, CV_DROP_HOST_SOURCE), 3);
	down(w, 60000, NODE_0, TARGET_0, 60); /* of a VPC that is gone */
	assert_int_equal(world_drops(w, CV_DROP_HOST_SOURCE), 4);
	assert_int_equal(w->n_out, 0);
	world_destroy(w);
}

static void any_worker_hands_over(void **state)
{
	struct world *w = host_world(4);
	uint64_t n = 0;

	(void)state;
	for (uint16_t i = 0; i < 64; i++) {
		struct seg s = to_node(w, (uint16_t)(HOST_FIRST + i), F_ACK);

		s.sport = 8443;
		send_by(w, i % 4, 1, &s);
		assert_int_equal(w->n_out, 0);
	}
	for (unsigned int worker = 0; worker < 4; worker++) {
		struct cv_pkt_rec rec;

		for (; cv_pkt_ring_peek(up_of(w, worker), &rec); n++)
			cv_pkt_ring_pop(up_of(w, worker));
	}
	assert_int_equal(n, 64);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_to_the_kernels_ports_are_handed_over),
		cmocka_unit_test(the_kernel_gets_nothing_of_others),
		cmocka_unit_test(flows_go_on_beside_the_kernels_sockets),
		cmocka_unit_test(services_get_tcp_and_udp_of_their_port_alone),
		cmocka_unit_test(errors_about_the_kernels_packets_are_handed_over),
		cmocka_unit_test(full_ring_is_counted),
		cmocka_unit_test(queries_leave_room_for_checks),
		cmocka_unit_test(strays_leave_room_for_targets),
		cmocka_unit_test(packets_of_the_kernel_leave_by_their_vpc),
		cmocka_unit_test(packets_of_the_kernel_that_cannot_leave_are_counted),
		cmocka_unit_test(any_worker_hands_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

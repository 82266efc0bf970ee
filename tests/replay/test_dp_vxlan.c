/* SPDX-License-Identifier: BSD-3-Clause */

/* VPCs in VXLAN: a consumer (VPC_B) on VLAN 9 of port 0, the provider (VPC_P) on port 1 untagged. */

#include <rte_arp.h>

#include "talk.h"

static const uint8_t PEER_MACS[2][6] = {{2, 0xbb, 0, 0, 0, 0}, {2, 0xbb, 0, 0, 0, 1}};
/* Not in the list of peers: clients may be behind any VTEP. */
#define STRANGER IP4(192, 168, 0, 77)
static const uint8_t STRANGER_MAC[6] = {2, 0xcc, 0, 0, 0, 77};

/* Outer headers in words. Ports and lengths in host order. */
struct outer {
	uint16_t port, vlan, sport, dport;
	uint8_t dst_mac[6], src_mac[6];
	cv_be32_t src, dst;
	uint8_t tos, ttl, flags;
	bool dont_fragment, has_csum;
	uint32_t vni;
	const uint8_t *frame;
	uint16_t len;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned int value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void ip_csum(uint8_t *ip)
{
	uint16_t sum;

	put16(ip + 10, 0);
	sum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
	memcpy(ip + 10, &sum, 2);
}

/* Wraps a frame. @return bytes */
static uint16_t wrap(const struct outer *o, uint8_t *buf)
{
	uint8_t *ip = buf + (o->vlan != 0 ? 18 : 14);

	memset(buf, 0, 68);
	memcpy(buf, o->dst_mac, 6);
	memcpy(buf + 6, o->src_mac, 6);
	if (o->vlan != 0) {
		put16(buf + 12, 0x8100);
		put16(buf + 14, o->vlan);
	}
	put16(ip - 2, 0x0800);
	ip[0] = 0x45;
	ip[1] = o->tos;
	put16(ip + 2, o->len + 36u);
	ip[8] = o->ttl;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, &o->src, 4);
	memcpy(ip + 16, &o->dst, 4);
	ip_csum(ip);
	put16(ip + 20, o->sport);
	put16(ip + 22, o->dport);
	put16(ip + 24, o->len + 16u);
	put16(ip + 26, o->has_csum ? 0xbeef : 0);
	ip[28] = o->flags;
	put16(ip + 32, o->vni >> 8);
	ip[34] = (uint8_t)o->vni;
	memcpy(ip + 36, o->frame, o->len);
	return (uint16_t)(ip + 36 + o->len - buf);
}

/* Reads a wrapped frame; fails the test if it is none or a length or checksum is wrong. */
static struct outer unwrap(const struct world_frame *f)
{
	struct outer o = {.port = f->port};
	const uint8_t *ip = f->data + 14;

	if (get16(f->data + 12) == 0x8100) {
		o.vlan = get16(f->data + 14);
		ip += 4;
	}
	assert_int_equal(get16(ip - 2), 0x0800);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(cv_csum_fold(cv_csum_add(ip, 20, 0)), 0xffff);
	assert_int_equal(ip[9], IPPROTO_UDP);
	assert_int_equal(get16(ip + 2), f->len - (ip - f->data));
	assert_int_equal(get16(ip + 24), get16(ip + 2) - 20);
	memcpy(o.dst_mac, f->data, 6);
	memcpy(o.src_mac, f->data + 6, 6);
	memcpy(&o.src, ip + 12, 4);
	memcpy(&o.dst, ip + 16, 4);
	o.tos = ip[1];
	o.ttl = ip[8];
	o.dont_fragment = get16(ip + 6) == 0x4000;
	o.sport = get16(ip + 20);
	o.dport = get16(ip + 22);
	o.has_csum = get16(ip + 26) != 0;
	o.flags = ip[28];
	o.vni = (uint32_t)get16(ip + 32) << 8 | ip[34];
	assert_int_equal(ip[35], 0);
	o.frame = ip + 36;
	o.len = (uint16_t)(get16(ip + 2) - 36);
	return o;
}

/* What comes to us from a VTEP. @param vpc VPC_B or VPC_P */
static struct outer from(const struct world *w, unsigned int vpc)
{
	bool b = vpc == VPC_B;
	struct outer o = {
		.port = !b,
		.vlan = b ? 9 : 0,
		.sport = 55555,
		.dport = 4789,
		.src = b ? PEER_0 : PEER_1,
		.dst = b ? VTEP_0 : VTEP_1,
		.ttl = 17,
		.flags = 8,
		.vni = b ? VNI_B : VNI_P,
	};

	world_mac(w, b ? VPC_U0 : VPC_U1, o.dst, false, o.dst_mac);
	memcpy(o.src_mac, PEER_MACS[!b], 6);
	return o;
}

static void put(struct world *w, unsigned int worker, struct outer *o, const uint8_t *frame,
		uint16_t len)
{
	uint8_t buf[WORLD_FRAME_MAX];

	o->frame = frame;
	o->len = len;
	w->n_out = 0;
	world_rx(w, worker, o->port, buf, wrap(o, buf));
}

static void put_seg(struct world *w, unsigned int worker, struct outer *o, const struct seg *s)
{
	uint8_t frame[WORLD_FRAME_MAX];
	uint16_t len = seg_build(s, frame);

	put(w, worker, o, frame, len);
}

/* The one frame that came out, and the segment in it. */
static struct outer got(const struct world *w, struct seg *ret_seg)
{
	static struct world_frame inner;
	struct outer o;

	assert_int_equal(w->n_out, 1);
	o = unwrap(&w->out[0]);
	inner = (struct world_frame){.port = o.port, .len = o.len};
	memcpy(inner.data, o.frame, o.len);
	*ret_seg = seg_parse(&inner);
	return o;
}

static void is_towards(const struct outer *o, unsigned int vpc, const struct outer *back)
{
	bool b = vpc == VPC_B;

	assert_int_equal(o->port, back->port);
	assert_int_equal(o->vlan, back->vlan);
	assert_int_equal(o->src, back->dst);
	assert_int_equal(o->dst, back->src);
	assert_memory_equal(o->dst_mac, back->src_mac, 6);
	assert_memory_equal(o->src_mac, back->dst_mac, 6);
	assert_int_equal(o->vni, b ? VNI_B : VNI_P);
	assert_int_equal(o->dport, 4789);
	assert_true(o->sport >= 49152);
	assert_int_equal(o->ttl, 64);
	assert_int_equal(o->flags, 8);
	assert_true(o->dont_fragment);
	assert_false(o->has_csum);
}

struct far_talk {
	struct talk t;
	struct outer client, target; /* what they are wrapped in */
	unsigned int worker;
};

static struct far_talk far_talk(struct world *w, uint16_t dport)
{
	struct far_talk f = {.t = talk(w, 40000, dport)};

	f.t.vpc = VPC_B;
	f.client = from(w, VPC_B);
	f.target = from(w, VPC_P);
	return f;
}

/* A segment of the client as what comes out at the target. */
static struct seg far_c2t(struct far_talk *f, uint8_t flags, const char *payload)
{
	struct seg s = client_seg(&f->t, flags, payload);
	struct outer o;

	f->t.cseq += s.len + ((flags & (F_SYN | CV_TCP_FIN)) != 0);
	put_seg(f->t.w, f->worker, &f->client, &s);
	o = got(f->t.w, &s);
	is_towards(&o, VPC_P, &f->target);
	f->t.nport = s.sport;
	f->t.node = s.src;
	return s;
}

static struct seg far_t2c(struct far_talk *f, uint32_t ack, uint8_t flags, const char *payload)
{
	struct seg s = target_seg(&f->t, ack, flags, payload);
	struct outer o;

	f->t.tseq += s.len + ((flags & (F_SYN | CV_TCP_FIN)) != 0);
	put_seg(f->t.w, f->worker, &f->target, &s);
	o = got(f->t.w, &s);
	is_towards(&o, VPC_B, &f->client);
	f->t.cack = s.seq + s.len + ((flags & (F_SYN | CV_TCP_FIN)) != 0);
	return s;
}

static struct far_talk far_open(struct world *w, uint16_t dport, uint32_t h)
{
	struct far_talk f = far_talk(w, dport);
	struct seg s = far_c2t(&f, F_SYN, "");

	assert_int_equal(s.seq, ISN - h);
	assert_memory_equal(s.dst_mac, TARGET_MAC, 6);
	s = far_t2c(&f, ISN + 1 - h, F_SYN | F_ACK, "");
	assert_int_equal(s.ack, ISN + 1);
	assert_memory_equal(s.dst_mac, CLIENT_MAC, 6);
	(void)far_c2t(&f, F_ACK, "");
	return f;
}

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

static void arp_fill(uint8_t *frame, uint16_t op, const uint8_t *mac, cv_be32_t sip, cv_be32_t tip)
{
	static const uint8_t head[] = {8, 6, 0, 1, 8, 0, 6, 4};

	memset(frame, 0, 60);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, mac, 6);
	memcpy(frame + 12, head, sizeof(head));
	put16(frame + 20, op);
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 28, &sip, 4);
	memcpy(frame + 38, &tip, 4);
}

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

/* ---- what is not for us ---- */

static void bad(struct world *w, const struct outer *o, int at, uint8_t value, enum cv_drop reason)
{
	uint64_t before = world_drops(w, reason);
	uint8_t frame[WORLD_FRAME_MAX], buf[WORLD_FRAME_MAX];
	struct talk t = talk(w, 41000, L_PLAIN);
	struct seg s;
	struct outer copy = *o;
	uint16_t len;

	t.vpc = VPC_B;
	s = client_seg(&t, F_SYN, "");
	copy.frame = frame;
	copy.len = seg_build(&s, frame);
	len = wrap(&copy, buf);
	if (at >= 0) {
		buf[18 + at] = value;
		if (at < 20 && at != 10)
			ip_csum(buf + 18);
	}
	w->n_out = 0;
	world_rx(w, 0, 0, buf, len);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, reason), before + 1);
}

static void malformed_have_their_reasons(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct outer o = from(w, VPC_B), other;

	(void)state;
	bad(w, &o, 28, 0, CV_DROP_VXLAN_HEADER); /* flag I */
	bad(w, &o, 25, 1, CV_DROP_VXLAN_HEADER); /* length of UDP */
	bad(w, &o, 10, 1, CV_DROP_IP_HEADER);    /* checksum */
	bad(w, &o, 6, 0x20, CV_DROP_FRAGMENT);   /* more fragments */
	bad(w, &o, 0, 0x46, CV_DROP_IP_OPTIONS);
	bad(w, &o, 2, 9, CV_DROP_RUNT); /* longer than it is */
	bad(w, &o, 36 + 12, 0x86, CV_DROP_ETHERTYPE);
	bad(w, &o, 36 + 14 + 6, 0x20, CV_DROP_FRAGMENT);
	bad(w, &o, 36 + 5, 0, CV_DROP_NOT_FOR_US);
	other = o;
	other.vni = VNI_P;
	bad(w, &other, -1, 0, CV_DROP_VXLAN_VNI);
	other = o;
	other.dport = 4790;
	bad(w, &other, -1, 0, CV_DROP_PROTOCOL);
	other = o;
	other.dst = IP4(192, 168, 0, 2);
	bad(w, &other, -1, 0, CV_DROP_NOT_FOR_US);
	assert_int_equal(world_flows(w), 0);
	world_destroy(w);
}

/* Cut at every length: no read beyond what came. */
static void cut_frames_are_dropped(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	uint8_t frame[WORLD_FRAME_MAX], buf[WORLD_FRAME_MAX];
	struct outer o = from(w, VPC_B);
	struct talk t = talk(w, 41000, L_PLAIN);
	struct seg s;
	uint16_t len;

	(void)state;
	t.vpc = VPC_B;
	s = client_seg(&t, F_SYN, "");
	o.frame = frame;
	o.len = seg_build(&s, frame);
	len = wrap(&o, buf);
	for (uint16_t n = 14; n < len; n++) {
		world_rx(w, 0, 0, buf, n);
		/* As well with a length that agrees. */
		if (n >= 18 + 28) {
			put16(buf + 18 + 2, n - 18u);
			put16(buf + 18 + 24, n - 38u);
			ip_csum(buf + 18);
			world_rx(w, 0, 0, buf, n);
			len = wrap(&o, buf);
		}
	}
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_flows(w), 0);
	world_destroy(w);
}

/* What stands behind the outer packet is padding of its frame: nothing inside reaches into it. */
static void inside_ends_with_the_outer_packet(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct cv_dp_neigh_event event;
	struct outer o = from(w, VPC_B);
	uint8_t frame[WORLD_FRAME_MAX], buf[WORLD_FRAME_MAX];
	struct talk t = talk(w, 41000, L_PLAIN);
	struct seg s;
	uint16_t len;

	(void)state;
	t.vpc = VPC_B;
	s = client_seg(&t, F_SYN, "");
	o.frame = frame;
	o.len = seg_build(&s, frame);
	len = wrap(&o, buf);
	put16(buf + 18 + 2, len - 18u - 4);
	put16(buf + 18 + 24, len - 38u - 4);
	ip_csum(buf + 18);
	world_rx(w, 0, 0, buf, len);
	assert_int_equal(world_drops(w, CV_DROP_RUNT), 1);
	arp_fill(frame, 1, CLIENT_MAC, CLIENT_IP, ENI_A);
	o.len = 60;
	len = wrap(&o, buf);
	put16(buf + 18 + 2, 36u + 41);
	put16(buf + 18 + 24, 16u + 41);
	ip_csum(buf + 18);
	world_rx(w, 0, 0, buf, len);
	assert_int_equal(world_drops(w, CV_DROP_ARP_INVALID), 1);
	assert_int_equal(cv_dp_neigh_burst(w->dp, &event, 1), 0);
	assert_int_equal(w->n_out, 0);
	world_destroy(w);
}

/* More than padding inside is cut; the packet must be whole yet for the worker that it is handed to. */
static void bytes_behind_the_packet_inside_survive_a_handoff(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true, .n_workers = 2});

	(void)state;
	for (uint16_t i = 0; i < 8; i++) {
		struct far_talk f = far_talk(w, L_PLAIN);
		struct seg s;

		f.t.cport = (uint16_t)(40000 + i);
		s = client_seg(&f.t, F_SYN, "");
		s.pad = 300;
		f.client.tos = 2;
		put_seg(w, i % 2, &f.client, &s);
		(void)got(w, &s);
	}
	assert_true(world_events(w, CV_EV_HANDOFF_IN) > 0);
	assert_int_equal(world_flows(w), 8);
	world_destroy(w);
}

/* Who cannot be a VTEP: nothing is answered to, and nothing learned from. */
static void impossible_vteps_are_refused(void **state)
{
	const cv_be32_t bad_ips[] = {IP4(0, 0, 0, 1),    IP4(127, 0, 0, 1),     IP4(224, 0, 0, 1),
				     IP4(240, 0, 0, 1), IP4(255, 255, 255, 255), VTEP_0};
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct outer o = from(w, VPC_B);

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(bad_ips); i++) {
		o.src = bad_ips[i];
		bad(w, &o, -1, 0, CV_DROP_SOURCE);
	}
	o = from(w, VPC_B);
	o.src_mac[0] |= 1;
	bad(w, &o, -1, 0, CV_DROP_SOURCE);
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

static void table_of_clients_is_bounded_and_recovers(void **state)
{
	enum { CLIENTS = 65536 };
	struct world *w = world_create(
		&(struct world_cfg){.vxlan = true, .n_ports = 50000, .n_flows = 80000});
	struct outer o = from(w, VPC_B);

	(void)state;
	w->targets[1].used = true;
	w->cross_zone = true;
	world_publish(w);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		syn_from(w, &o, i);
		assert_int_equal(w->n_out, 1);
	}
	assert_int_equal(world_flows(w), CLIENTS);
	syn_from(w, &o, CLIENTS);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_VXLAN_CLIENTS), 1);
	/* One that is there already. */
	o.sport++;
	syn_from(w, &o, 7);
	assert_int_equal(w->n_out, 1);
	world_wait(w, 60000);
	assert_int_equal(world_flows(w), 0);
	for (uint32_t i = 0; i < 100; i++)
		syn_from(w, &o, CLIENTS + i);
	assert_int_equal(world_flows(w), 100);
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
		cmocka_unit_test(malformed_have_their_reasons),
		cmocka_unit_test(cut_frames_are_dropped),
		cmocka_unit_test(sockets_answer_through_the_tunnel_it_came_from),
		cmocka_unit_test(inside_ends_with_the_outer_packet),
		cmocka_unit_test(bytes_behind_the_packet_inside_survive_a_handoff),
		cmocka_unit_test(impossible_vteps_are_refused),
		cmocka_unit_test(clients_are_listed_where_they_are),
		cmocka_unit_test(table_of_clients_is_bounded_and_recovers),
		cmocka_unit_test(flows_end_when_the_vpc_leaves_vxlan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include "far.h"

const uint8_t PEER_MACS[2][6] = {{2, 0xbb, 0, 0, 0, 0}, {2, 0xbb, 0, 0, 0, 1}};

uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

void put16(uint8_t *p, unsigned int value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

void ip_csum(uint8_t *ip)
{
	uint16_t sum;

	put16(ip + 10, 0);
	sum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
	memcpy(ip + 10, &sum, 2);
}

/* Wraps a frame. @return bytes */
uint16_t wrap(const struct outer *o, uint8_t *buf)
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
struct outer unwrap(const struct world_frame *f)
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
struct outer from(const struct world *w, unsigned int vpc)
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

void put(struct world *w, unsigned int worker, struct outer *o, const uint8_t *frame, uint16_t len)
{
	uint8_t buf[WORLD_FRAME_MAX];

	o->frame = frame;
	o->len = len;
	w->n_out = 0;
	world_rx(w, worker, o->port, buf, wrap(o, buf));
}

void put_seg(struct world *w, unsigned int worker, struct outer *o, const struct seg *s)
{
	uint8_t frame[WORLD_FRAME_MAX];
	uint16_t len = seg_build(s, frame);

	put(w, worker, o, frame, len);
}

/* The one frame that came out, and the segment in it. */
struct outer got(const struct world *w, struct seg *ret_seg)
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

void is_towards(const struct outer *o, unsigned int vpc, const struct outer *back)
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

struct far_talk far_talk(struct world *w, uint16_t dport)
{
	struct far_talk f = {.t = talk(w, 40000, dport)};

	f.t.vpc = VPC_B;
	f.client = from(w, VPC_B);
	f.target = from(w, VPC_P);
	return f;
}

/* A segment of the client as what comes out at the target. */
struct seg far_c2t(struct far_talk *f, uint8_t flags, const char *payload)
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

struct seg far_t2c(struct far_talk *f, uint32_t ack, uint8_t flags, const char *payload)
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

struct far_talk far_open(struct world *w, uint16_t dport, uint32_t h)
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

void arp_fill(uint8_t *frame, uint16_t op, const uint8_t *mac, cv_be32_t sip, cv_be32_t tip)
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

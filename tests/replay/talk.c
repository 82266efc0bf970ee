/* SPDX-License-Identifier: BSD-3-Clause */

#include "talk.h"

const uint8_t CLIENT_MAC[6] = {2, 0xcc, 0, 0, 0, 1};
const uint8_t TARGET_MAC[6] = {2, 0xaa, 0, 0, 0, 30};

struct talk talk(struct world *w, uint16_t cport, uint16_t dport)
{
	return (struct talk){w, VPC_A, CLIENT_IP, ENI_A, cport, dport, ISN, 0, TISN, 0, NODE_0};
}

struct seg client_seg(const struct talk *t, uint8_t flags, const char *payload)
{
	struct seg s = {
		.vlan = t->w->vpcs[t->vpc].vlan,
		.src = t->client,
		.dst = t->eni,
		.sport = t->cport,
		.dport = t->dport,
		.seq = t->cseq,
		.ack = (flags & F_ACK) != 0 ? t->cack : 0,
		.flags = flags,
		.ttl = 64,
		.tos = 0x10,
		.id = 77,
		.wnd = 1000,
		.payload = (const uint8_t *)payload,
		.len = (uint16_t)strlen(payload),
	};

	memcpy(s.src_mac, CLIENT_MAC, 6);
	world_mac(t->w, t->vpc, t->eni, t->vpc == VPC_P, s.dst_mac);
	return s;
}

struct seg target_seg(const struct talk *t, uint32_t ack, uint8_t flags, const char *payload)
{
	struct seg s = {
		.src = t->node == NODE_0 ? TARGET_0 : TARGET_1,
		.dst = t->node,
		.sport = TARGET_PORT,
		.dport = t->nport,
		.seq = t->tseq,
		.ack = ack,
		.flags = flags,
		.ttl = 64,
		.id = 99,
		.wnd = 2000,
		.payload = (const uint8_t *)payload,
		.len = (uint16_t)strlen(payload),
	};

	memcpy(s.src_mac, TARGET_MAC, 6);
	world_mac(t->w, VPC_P, t->node, true, s.dst_mac);
	return s;
}

uint16_t port_of(const struct talk *t)
{
	return t->vpc == VPC_P ? 1 : 0;
}

void send_by(struct world *w, unsigned int worker, uint16_t port, const struct seg *s)
{
	uint8_t frame[WORLD_FRAME_MAX];
	uint16_t len = seg_build(s, frame);

	w->n_out = 0;
	world_rx(w, worker, port, frame, len);
}

struct seg one(struct world *w, uint16_t port, const struct seg *s)
{
	send_by(w, 0, port, s);
	assert_int_equal(w->n_out, 1);
	return seg_parse(&w->out[0]);
}

void none(struct world *w, uint16_t port, const struct seg *s, enum cv_drop reason)
{
	uint64_t before = world_drops(w, reason);

	send_by(w, 0, port, s);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, reason), before + 1);
}

struct seg c2t(struct talk *t, uint8_t flags, const char *payload)
{
	struct seg s = client_seg(t, flags, payload);
	struct seg out = one(t->w, port_of(t), &s);

	assert_int_equal(out.dport, TARGET_PORT);
	t->cseq += s.len + ((flags & F_SYN) != 0) + ((flags & CV_TCP_FIN) != 0);
	return out;
}

struct seg t2c(struct talk *t, uint32_t ack, uint8_t flags, const char *payload)
{
	struct seg s = target_seg(t, ack, flags, payload);
	struct seg out = one(t->w, 1, &s);

	assert_int_equal(out.dport, t->cport);
	t->tseq += s.len + ((flags & F_SYN) != 0) + ((flags & CV_TCP_FIN) != 0);
	t->cack = t->tseq;
	return out;
}

void dial(struct talk *t, uint32_t h)
{
	struct seg s = c2t(t, F_SYN, "");

	assert_int_equal(s.seq, ISN - h);
	t->nport = s.sport;
	t->node = s.src;
	s = t2c(t, ISN + 1 - h, F_SYN | F_ACK, "");
	assert_int_equal(s.ack, ISN + 1);
}

void dial_mss(struct talk *t, uint32_t h, uint16_t mss)
{
	struct seg s = client_seg(t, F_SYN, "");

	seg_mss(&s, mss);
	s = one(t->w, port_of(t), &s);
	assert_int_equal(s.seq, ISN - h);
	t->cseq++;
	t->nport = s.sport;
	t->node = s.src;
	s = target_seg(t, ISN + 1 - h, F_SYN | F_ACK, "");
	seg_mss(&s, mss);
	s = one(t->w, 1, &s);
	assert_int_equal(s.ack, ISN + 1);
	t->cack = ++t->tseq;
}

void open_plain(struct talk *t)
{
	struct seg s;

	dial(t, 0);
	s = c2t(t, F_ACK, "");
	assert_int_equal(s.seq, ISN + 1);
}

void open_proxy(struct talk *t)
{
	struct seg s;

	dial(t, H);
	s = c2t(t, F_ACK, "");
	assert_int_equal(s.seq, ISN + 1 - H);
	s = c2t(t, F_PSH, "hi");
	assert_int_equal(s.len, H + 2);
	s = t2c(t, ISN + 3, F_ACK, "");
	assert_int_equal(s.ack, ISN + 3);
}

void want_header(const uint8_t *bytes, const struct talk *t, const char *vpce)
{
	uint8_t tmpl[H], want[H];
	struct cv_ppv2_tuple tuple = {t->client, t->eni, cv_be16(t->cport), cv_be16(t->dport)};

	cv_ppv2_aws_template(tmpl, vpce);
	cv_ppv2_aws_finish(want, tmpl, &tuple);
	assert_memory_equal(bytes, want, H);
}

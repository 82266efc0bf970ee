/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Raw frames into the packet core: two workers, bursts, time. Input: frames, each behind five bytes that
 * say how it comes in (struct arrival). Whatever the frames hold, no packet is lost or leaked, and as long
 * as those that came in had right checksums and lengths, so have those that go out.
 *
 * Captures seldom name the addresses of the world that the frames meet here, so a frame may ask to be
 * addressed: to an ENI, or from a target to the SNAT port that was used last.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/** Bits of arrival.how. */
enum {
	FROM_PROVIDER = 1, /**< by port 1 */
	WORKER_1 = 2,
	ADDRESSED = 4, /**< give it addresses, ports and checksums that lead somewhere */
	BURST_ENDS = 8,
	OTHER_VPC = 16, /**< with ADDRESSED: VPC_B, or the second node */
	NEW_VIEW = 32,  /**< publish before: endpoints on and off, target there or not */
	REPEATED = 64,  /**< twice in one burst */
};

struct arrival {
	uint8_t how;
	uint8_t wait; /**< time that passes before: 2^(wait % 20) ms, none for 0 */
	uint8_t who;  /**< with ADDRESSED: listener (low 2 bits), client port (next 3) */
	uint16_t len; /**< bytes of frame that follow */
};

struct run {
	struct world *w;
	struct rte_mbuf *burst[CV_DP_BURST_MAX];
	uint16_t n;
	unsigned int worker;
	uint16_t snat_port;
	bool all_right; /**< every frame so far had right checksums */
};

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void checksums_fill(uint8_t *ip, uint16_t len)
{
	uint16_t sum, tcp_len = (uint16_t)(len - 20);

	memset(ip + 10, 0, 2);
	sum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
	memcpy(ip + 10, &sum, 2);
	memset(ip + 36, 0, 2);
	sum = (uint16_t)~cv_csum_fold(
		cv_csum_add(ip + 20, tcp_len,
			    cv_csum_add(ip + 12, 8, (uint64_t)cv_be16(6) + cv_be16(tcp_len))));
	memcpy(ip + 36, &sum, 2);
}

/* Frames too short for it stay as they are. Returns whether it was done. */
static bool frame_address(const struct run *r, const struct arrival *a, uint8_t *frame)
{
	bool provider = (a->how & FROM_PROVIDER) != 0, other = (a->how & OTHER_VPC) != 0;
	bool tagged = other && !provider;
	uint16_t l2 = tagged ? 18 : 14;
	cv_be32_t src = provider ? (other ? TARGET_1 : TARGET_0) : CLIENT_IP;
	cv_be32_t dst = provider ? (other ? NODE_1 : NODE_0) : ENI_A;
	uint8_t *ip = frame + l2;

	if (a->len < l2 + 40)
		return false;
	world_mac(r->w, provider ? VPC_P : other ? VPC_B : VPC_A, dst, provider, frame);
	memcpy(frame + 6, "\x02\xcc\0\0\0\x01", 6);
	if (tagged)
		memcpy(frame + 12, "\x81\0\0\x07", 4);
	put16(ip - 2, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(a->len - l2));
	put16(ip + 6, 0x4000);
	ip[9] = 6;
	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &dst, 4);
	put16(ip + 20, provider ? TARGET_PORT : (uint16_t)(40000 + (a->who >> 2 & 7)));
	put16(ip + 22, provider ? r->snat_port : (uint16_t)(80 + (a->who & 3)));
	checksums_fill(ip, (uint16_t)(a->len - l2));
	return true;
}

static void outputs_check(struct run *r)
{
	for (unsigned int i = 0; i < r->w->n_out; i++) {
		const struct world_frame *f = &r->w->out[i];
		uint16_t l2 = memcmp(f->data + 12, "\x81\0", 2) == 0 ? 18 : 14;
		struct seg s;

		assert_true(f->port < 2 && f->len >= 42);
		if (!r->all_right || memcmp(f->data + l2 - 2, "\x08\0", 2) != 0)
			continue;
		s = seg_parse(f);
		if (s.port == 1 && s.src == NODE_0)
			r->snat_port = s.sport;
	}
	r->w->n_out = 0;
}

static void burst_end(struct run *r)
{
	world_burst(r->w, r->worker, r->burst, r->n);
	r->n = 0;
	outputs_check(r);
}

static void view_next(struct world *w, uint8_t what)
{
	w->endpoints[EP_A].verdict = (what & 1) != 0 ? CV_DROP_ENDPOINT_REJECTED : CV_DROP_NONE;
	w->endpoints[EP_B].used = (what & 2) == 0;
	w->targets[0].used = (what & 4) == 0;
	w->nodes[0].sg_not_endpoints = (what & 8) != 0;
	world_publish(w);
	cv_view_pub_reap(w->pub);
}

static void arrive(struct run *r, const struct arrival *a, const uint8_t *data)
{
	unsigned int worker = (a->how & WORKER_1) != 0;
	uint8_t frame[WORLD_FRAME_MAX];

	if (r->n > 0 && (worker != r->worker || a->wait != 0 || (a->how & NEW_VIEW) != 0))
		burst_end(r);
	r->worker = worker;
	if ((a->how & NEW_VIEW) != 0)
		view_next(r->w, a->who);
	if (a->wait != 0) {
		r->w->now_ms += 1ULL << a->wait % 20;
		world_wait(r->w, 1);
		outputs_check(r);
	}
	memcpy(frame, data, a->len);
	if ((a->how & ADDRESSED) == 0 || !frame_address(r, a, frame))
		r->all_right = false;
	for (int i = 0; i < ((a->how & REPEATED) != 0 ? 2 : 1); i++)
		r->burst[r->n++] = world_mbuf(r->w, (a->how & FROM_PROVIDER) != 0, frame, a->len);
	if ((a->how & BURST_ENDS) != 0 || r->n + 2 > CV_DP_BURST_MAX)
		burst_end(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct run r = {.all_right = true, .snat_port = 20000};

	r.w = world_create(&(struct world_cfg){
		.n_workers = 2, .n_flows = 6, .n_ports = 4, .rest_ms = 1000, .n_mbufs = 511});
	while (len >= 5) {
		struct arrival a = {data[0], data[1], data[2], (uint16_t)(data[3] | data[4] << 8)};

		data += 5;
		len -= 5;
		if (a.len > len)
			a.len = (uint16_t)len;
		if (a.len > 1600)
			a.len = 1600;
		arrive(&r, &a, data);
		data += a.len;
		len -= a.len;
	}
	if (r.n > 0)
		burst_end(&r);
	world_destroy(r.w);
	return 0;
}

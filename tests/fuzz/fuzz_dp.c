/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Raw frames into the packet core: two workers, bursts, time. Input: frames, each behind six bytes that
 * say how it comes in (struct arrival). With FUZZ_VXLAN one consumer and the provider are in tunnels.
 *
 * Whatever the frames hold, no packet is lost or leaked, and as long as those that came in had right
 * checksums and lengths, so have those that go out. Each input is played twice, with different bytes in
 * the buffers around the frames: what comes out must be the same, so nothing that was read, and nothing
 * that leaves, is of any other packet.
 *
 * Captures seldom name the addresses of the world that the frames meet here, so a frame may ask to be
 * addressed: to an ENI, or from a target to the SNAT port that was used last.
 */

#include "cv_dp_capture.h"
#include "far.h"

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
	TUNNELLED =
		128, /**< without ADDRESSED: in right outer headers; with it: one byte of them is wrong */
};

/** Kinds of packets that ADDRESSED makes: the low bits of arrival.kind. */
enum { TCP, TCP_PRIORITY, UDP, ICMP, TOO_BIG, ARP, TCP_TRAILER, TCP_PART, N_KINDS };

struct arrival {
	uint8_t how;
	uint8_t wait; /**< time that passes before: 2^(wait % 20) ms, none for 0 */
	uint8_t who;  /**< with ADDRESSED: listener (low 2 bits), client port (next 3) */
	uint8_t kind; /**< high bits: headroom that the driver leaves */
	uint16_t len; /**< bytes of frame that follow */
};

struct run {
	struct world *w;
	struct cv_dp_capture *capture;
	struct rte_mbuf *burst[CV_DP_BURST_MAX];
	uint16_t n;
	unsigned int worker;
	uint16_t snat_port;
	bool all_right; /**< every frame so far had right checksums */
	uint8_t around; /**< what stands in buffers around frames */
	uint64_t sum;   /**< of all that came out */
};

/* ---- frames that lead somewhere ---- */

static void checksums_fill(uint8_t *ip, uint16_t len)
{
	uint16_t sum, tcp_len = (uint16_t)(len - 20);
	uint64_t pseudo = (uint64_t)cv_be16(6) + cv_be16(tcp_len);

	ip_csum(ip);
	if (ip[9] == IPPROTO_TCP) {
		memset(ip + 36, 0, 2);
		sum = (uint16_t)~cv_csum_fold(
			cv_csum_add(ip + 20, tcp_len, cv_csum_add(ip + 12, 8, pseudo)));
		memcpy(ip + 36, &sum, 2);
	} else if (ip[9] == IPPROTO_ICMP) {
		memset(ip + 22, 0, 2);
		sum = (uint16_t)~cv_csum_fold(cv_csum_add(ip + 20, tcp_len, 0));
		memcpy(ip + 22, &sum, 2);
	}
}

static bool is_provider(const struct arrival *a)
{
	return (a->how & FROM_PROVIDER) != 0;
}

static bool is_other(const struct arrival *a)
{
	return (a->how & OTHER_VPC) != 0;
}

/* Whether frames of the VPC come in a tunnel. */
static bool is_far(const struct run *r, const struct arrival *a)
{
	return r->w->n_vxlans > 0 && (is_provider(a) || is_other(a));
}

static cv_be32_t address_of(const struct arrival *a, bool ours)
{
	if (is_provider(a) && ours)
		return is_other(a) ? NODE_1 : NODE_0;
	if (is_provider(a))
		return is_other(a) ? TARGET_1 : TARGET_0;
	if (!ours)
		return CLIENT_IP;
	return a->kind % N_KINDS == UDP && !is_other(a) ? SERVICE : ENI_A;
}

static void too_big_fill(const struct run *r, const struct arrival *a, uint8_t *ip)
{
	cv_be32_t node = address_of(a, true), target = address_of(a, false);
	uint8_t *quoted = ip + 28;

	ip[20] = 3;
	ip[21] = 4;
	quoted[0] = 0x45;
	quoted[9] = 6;
	memcpy(quoted + 12, &node, 4);
	memcpy(quoted + 16, &target, 4);
	put16(quoted + 20, r->snat_port);
	put16(quoted + 22, TARGET_PORT);
}

static void ports_fill(const struct run *r, const struct arrival *a, uint8_t *ip)
{
	bool provider = is_provider(a);

	put16(ip + 20, provider ? TARGET_PORT : 40000u + (a->who >> 2 & 7));
	put16(ip + 22, provider ? r->snat_port : 80u + (a->who & 3));
	if (a->kind % N_KINDS == UDP)
		put16(ip + 22, 53);
}

static void ip_fill(const struct run *r, const struct arrival *a, uint8_t *ip, uint16_t len)
{
	static const uint8_t protos[N_KINDS] = {
		[UDP] = IPPROTO_UDP, [ICMP] = IPPROTO_ICMP, [TOO_BIG] = IPPROTO_ICMP};
	cv_be32_t src = address_of(a, false), dst = address_of(a, true);
	uint8_t kind = a->kind % N_KINDS;

	ip[0] = 0x45;
	put16(ip + 2, len);
	/* What a fragment says of itself is the input's. */
	if (kind != TCP_PART)
		put16(ip + 6, 0x4000);
	ip[9] = protos[kind] != 0 ? protos[kind] : IPPROTO_TCP;
	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &dst, 4);
	if (kind == TOO_BIG)
		too_big_fill(r, a, ip);
	else
		ports_fill(r, a, ip);
	checksums_fill(ip, len);
}

/* Frames too short for it stay as they are. @return whether it was done */
static bool frame_address(const struct run *r, const struct arrival *a, uint8_t *frame)
{
	uint8_t kind = a->kind % N_KINDS;
	bool tagged =
		kind == TCP_PRIORITY || (is_other(a) && !is_provider(a) && r->w->n_vxlans == 0);
	unsigned int vpc = is_provider(a) ? VPC_P : is_other(a) ? VPC_B : VPC_A;
	uint16_t l2 = tagged ? 18 : 14;
	cv_be32_t dst = address_of(a, true), src = address_of(a, false);
	uint16_t len = (uint16_t)(a->len - l2);

	if (a->len < l2 + 60)
		return false;
	if (kind == ARP) {
		arp_fill(frame, 1 + (a->who & 1), CLIENT_MAC, src, dst);
		return true;
	}
	world_mac(r->w, vpc, dst, is_provider(a), frame);
	memcpy(frame + 6, "\x02\xcc\0\0\0\x01", 6);
	if (tagged)
		memcpy(frame + 12, kind == TCP_PRIORITY ? "\x81\0\xe0\0" : "\x81\0\0\x07", 4);
	put16(frame + l2 - 2, 0x0800);
	/* Bytes behind the packet, up to more than padding. */
	if (kind == TCP_TRAILER)
		len = (uint16_t)(len - a->who % (len - 40));
	ip_fill(r, a, frame + l2, len);
	return true;
}

/* @return bytes */
static uint16_t frame_wrap(struct run *r, const struct arrival *a, const uint8_t *frame,
			   uint8_t *out)
{
	struct outer o = from(r->w, is_provider(a) ? VPC_P : VPC_B);
	uint16_t len, l2 = o.vlan != 0 ? 18 : 14;

	o.tos = a->who >> 5;
	o.frame = frame;
	o.len = a->len;
	len = wrap(&o, out);
	if ((a->how & (ADDRESSED | TUNNELLED)) != (ADDRESSED | TUNNELLED))
		return len;
	r->all_right = false;
	out[l2 + a->who % 36] ^= (uint8_t)(a->kind | 1);
	if (a->who % 36 < 20)
		ip_csum(out + l2);
	return len;
}

/* ---- what comes out ---- */

static void sum_add(struct run *r, const void *data, size_t len)
{
	r->sum = cv_siphash(data, len, r->sum, len);
}

/* Checks a frame that must be right, in a tunnel or not. */
static void output_check(struct run *r, const struct world_frame *f)
{
	static struct world_frame inner;
	uint16_t l2 = memcmp(f->data + 12, "\x81\0", 2) == 0 ? 18 : 14;
	struct seg s;

	if (memcmp(f->data + l2 - 2, "\x08\0", 2) != 0)
		return;
	if (f->data[l2 + 9] == IPPROTO_UDP && get16(f->data + l2 + 22) == CV_VXLAN_PORT) {
		struct outer o = unwrap(f);

		inner = (struct world_frame){.port = o.port, .len = o.len};
		memcpy(inner.data, o.frame, o.len);
		f = &inner;
		l2 = 14;
		if (memcmp(f->data + 12, "\x08\0", 2) != 0)
			return;
	}
	if (f->data[l2 + 9] != IPPROTO_TCP)
		return;
	s = seg_parse(f);
	if (s.port == 1 && s.src == NODE_0)
		r->snat_port = s.sport;
}

static void outputs_check(struct run *r)
{
	struct cv_dp_capture_pkt pkt;

	for (unsigned int i = 0; i < r->w->n_out; i++) {
		const struct world_frame *f = &r->w->out[i];

		assert_true(f->port < 2 && f->len >= 42);
		sum_add(r, f->data, f->len);
		if (r->all_right)
			output_check(r, f);
	}
	r->w->n_out = 0;
	while (cv_dp_capture_peek(r->capture, &pkt)) {
		sum_add(r, pkt.data, pkt.n);
		cv_dp_capture_pop(r->capture);
	}
}

/* What the kernel's sockets got; they send it back. */
static void host_answer(struct run *r)
{
	for (unsigned int i = 0; i < r->w->n_workers; i++) {
		struct cv_pkt_ring *up, *down;
		struct cv_pkt_rec rec;
		uint8_t ip[WORLD_FRAME_MAX];

		cv_dp_host_rings_get(r->w->dp, i, &up, &down);
		while (cv_pkt_ring_peek(up, &rec)) {
			sum_add(r, rec.ip, rec.len);
			memcpy(ip, rec.ip, rec.len);
			memcpy(ip + 12, (const uint8_t *)rec.ip + 16, 4);
			memcpy(ip + 16, (const uint8_t *)rec.ip + 12, 4);
			rec.ip = ip;
			(void)cv_pkt_ring_put(down, &rec);
			cv_pkt_ring_pop(up);
		}
	}
}

static void burst_end(struct run *r)
{
	world_burst(r->w, r->worker, r->burst, r->n);
	r->n = 0;
	host_answer(r);
	outputs_check(r);
}

/* ---- what comes in ---- */

static void view_next(struct world *w, uint8_t what)
{
	w->endpoints[EP_A].verdict = (what & 1) != 0 ? CV_DROP_ENDPOINT_REJECTED : CV_DROP_NONE;
	w->endpoints[EP_B].used = (what & 2) == 0;
	w->targets[0].used = (what & 4) == 0;
	w->nodes[0].sg_not_endpoints = (what & 8) != 0;
	w->hosts[VPC_A].on = (what & 16) == 0;
	w->settings.icmp_too_big = (what & 32) == 0;
	w->settings.end_endpoint = (what & 64) != 0 ? CV_VIEW_END_RESET : CV_VIEW_END_SILENT;
	world_publish(w);
	cv_view_pub_reap(w->pub);
}

static void frame_put(struct run *r, const struct arrival *a, const uint8_t *frame, uint16_t len)
{
	struct rte_mbuf *m = world_mbuf(r->w, is_provider(a), frame, len);
	uint16_t less = (uint16_t)((a->kind >> 3) * 4);

	memset(m->buf_addr, r->around, m->data_off);
	memset(rte_pktmbuf_mtod_offset(m, uint8_t *, len), r->around, rte_pktmbuf_tailroom(m));
	/* Drivers may leave less headroom than they should. */
	memmove(rte_pktmbuf_mtod(m, uint8_t *) - less, rte_pktmbuf_mtod(m, uint8_t *), len);
	m->data_off = (uint16_t)(m->data_off - less);
	r->burst[r->n++] = m;
}

static void arrive(struct run *r, const struct arrival *a, const uint8_t *data)
{
	unsigned int worker = (a->how & WORKER_1) != 0;
	uint8_t frame[WORLD_FRAME_MAX], wrapped[WORLD_FRAME_MAX];
	const uint8_t *out = frame;
	uint16_t len = a->len;

	if (r->n > 0 && (worker != r->worker || a->wait != 0 || (a->how & NEW_VIEW) != 0))
		burst_end(r);
	r->worker = worker;
	if ((a->how & NEW_VIEW) != 0)
		view_next(r->w, a->who);
	if (a->wait != 0) {
		(void)cv_dp_arp_request(r->w->dp, VPC_P, NODE_0, TARGET_0);
		r->w->now_ms += 1ULL << a->wait % 20;
		world_wait(r->w, 1);
		outputs_check(r);
	}
	memset(frame, 0, sizeof(frame));
	memcpy(frame, data, a->len);
	if ((a->how & ADDRESSED) == 0 || !frame_address(r, a, frame))
		r->all_right = false;
	if (r->w->n_vxlans > 0 && (is_far(r, a) || (a->how & TUNNELLED) != 0)) {
		if ((a->how & ADDRESSED) != 0 || (a->how & TUNNELLED) != 0) {
			len = frame_wrap(r, a, frame, wrapped);
			out = wrapped;
		}
	}
	for (int i = 0; i < ((a->how & REPEATED) != 0 ? 2 : 1); i++)
		frame_put(r, a, out, len);
	if ((a->how & BURST_ENDS) != 0 || r->n + 2 > CV_DP_BURST_MAX)
		burst_end(r);
}

/* @param drops capture these, not what comes and goes */
static void world_begin(struct run *r, bool drops)
{
	const struct cv_dp_capture_filter any = {
		.endpoint = CV_VIEW_NONE,
		.snap_len = 2048,
		.drop = drops ? CV_DP_CAPTURE_DROPS : CV_DROP_NONE,
	};

	r->w = world_create(&(struct world_cfg){.n_workers = 2,
						.n_flows = 6,
						.n_ports = 4,
						.rest_ms = 1000,
						.n_mbufs = 511,
#ifdef FUZZ_VXLAN
						.vxlan = true
#endif
	});
	for (unsigned int i = 0; i < N_VPCS; i++)
		r->w->hosts[i] = (struct cv_view_host){.on = i < VPC_U0, .n_services = 2};
	r->w->settings.icmp_too_big = true;
	r->w->settings.host_port_first = 1024;
	r->w->settings.host_port_last = 2000;
	world_publish(r->w);
	assert_int_equal(cv_dp_capture_create(r->w->dp, &any, &r->capture), 0);
	world_wait(r->w, 1);
}

static void world_end(struct run *r)
{
	assert_int_equal(cv_dp_capture_stop(r->capture), 0);
	world_wait(r->w, 1);
	outputs_check(r);
	assert_true(cv_dp_capture_is_done(r->capture));
	cv_dp_capture_destroy(r->capture);
	for (int i = 1; i < CV_DROP_N; i++) {
		uint64_t n = world_drops(r->w, (enum cv_drop)i);

		sum_add(r, &n, sizeof(n));
	}
	world_destroy(r->w);
}

/* @return sum of what came out */
static uint64_t play(const uint8_t *data, size_t len, uint8_t around)
{
	struct run r = {.all_right = true, .snat_port = 20000, .around = around};

	world_begin(&r, len % 2 != 0);
	while (len >= 6) {
		struct arrival a = {data[0], data[1], data[2], data[3],
				    (uint16_t)(data[4] | data[5] << 8)};

		data += 6;
		len -= 6;
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
	world_end(&r);
	return r.sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t sum = play(data, len, 0);

	assert_true(play(data, len, 0xff) == sum);
	return 0;
}

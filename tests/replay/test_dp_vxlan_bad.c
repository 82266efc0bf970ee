/* SPDX-License-Identifier: BSD-3-Clause */

/* Frames that come to a VTEP and should not. */

#include "far.h"

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

/* What stands in a packet of another kind where IPv4 has its address names none of our paths. */
static void what_is_not_ipv4_inside_counts_on_no_path(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct outer o = from(w, VPC_B);

	(void)state;
	bad(w, &o, 36 + 12, 0x86, CV_DROP_ETHERTYPE);
	assert_int_equal(world_path_sum(w, LOCAL_B).drops, 0);
	bad(w, &o, 36 + 14 + 6, 0x20, CV_DROP_FRAGMENT);
	assert_int_equal(world_path_sum(w, LOCAL_B).drops, 1);
	world_destroy(w);
}

/* A client's SYN of the plain listener in VXLAN. @return bytes of buf */
static uint16_t syn_wrap(struct world *w, struct outer *o, uint8_t *frame, uint8_t *buf)
{
	struct talk t = talk(w, 41000, L_PLAIN);
	struct seg s;

	t.vpc = VPC_B;
	s = client_seg(&t, F_SYN, "");
	*o = from(w, VPC_B);
	o->frame = frame;
	o->len = seg_build(&s, frame);
	return wrap(o, buf);
}

/* Let the outer headers say that their packet has n bytes. */
static void outer_len_put(uint8_t *buf, unsigned int n)
{
	put16(buf + 18 + 2, (uint16_t)n);
	put16(buf + 18 + 24, (uint16_t)(n - 20));
	ip_csum(buf + 18);
}

/* Cut at every length: no read beyond what came. */
static void cut_frames_are_dropped(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	uint8_t frame[WORLD_FRAME_MAX], buf[WORLD_FRAME_MAX];
	struct outer o;
	uint16_t len = syn_wrap(w, &o, frame, buf);

	(void)state;
	for (uint16_t n = 14; n < len; n++) {
		world_rx(w, 0, 0, buf, n);
		/* As well with a length that agrees. */
		if (n >= 18 + 28) {
			outer_len_put(buf, n - 18u);
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
	struct outer o;
	uint8_t frame[WORLD_FRAME_MAX], buf[WORLD_FRAME_MAX];
	uint16_t len = syn_wrap(w, &o, frame, buf);

	(void)state;
	outer_len_put(buf, len - 18u - 4);
	world_rx(w, 0, 0, buf, len);
	assert_int_equal(world_drops(w, CV_DROP_RUNT), 1);
	arp_fill(frame, 1, CLIENT_MAC, CLIENT_IP, ENI_A);
	o.len = 60;
	len = wrap(&o, buf);
	outer_len_put(buf, 36u + 41);
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
	const cv_be32_t bad_ips[] = {IP4(0, 0, 0, 1),   IP4(127, 0, 0, 1),       IP4(224, 0, 0, 1),
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

/* Reserved bits and the checksum outside (RFC 7348 sections 4.1 and 5), and what VTEPs put in them. */
static void what_may_be_anything_is_not_looked_at(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct far_talk f = far_talk(w, L_PLAIN);

	(void)state;
	f.client.has_csum = true;
	f.client.flags = 0xff;
	f.client.ttl = 1;
	(void)far_c2t(&f, F_SYN, "");
	world_destroy(w);
}

/* The SYN that bad() sends, in another frame inside. @return bytes */
static uint16_t inside(struct world *w, const struct outer *o, uint8_t *buf)
{
	static uint8_t frame[WORLD_FRAME_MAX];
	struct talk t = talk(w, 41000, L_PLAIN);
	struct outer copy = *o;
	struct seg s;

	t.vpc = VPC_B;
	s = client_seg(&t, F_SYN, "");
	copy.frame = frame;
	copy.len = seg_build(&s, frame);
	return wrap(&copy, buf);
}

static void what_is_inside_must_be_for_us(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct outer o = from(w, VPC_B), nested;
	uint8_t once[WORLD_FRAME_MAX], twice[WORLD_FRAME_MAX];
	uint8_t *eth = once + 18 + 36;
	uint16_t len;

	(void)state;
	/* VXLAN to our VTEP in VXLAN: what is inside is a packet of UDP, to nobody. */
	nested = o;
	nested.vlan = 0;
	world_mac(w, VPC_B, ENI_A, false, nested.dst_mac);
	nested.dst = ENI_A;
	o.len = inside(w, &nested, once);
	o.frame = once;
	world_rx(w, 0, 0, twice, wrap(&o, twice));
	assert_int_equal(world_drops(w, CV_DROP_PROTOCOL), 1);
	/* A tag. */
	len = inside(w, &o, once);
	memmove(eth + 16, eth + 12, 60);
	memcpy(eth + 12, "\x81\x00\x00\x07", 4);
	world_rx(w, 0, 0, once, len);
	assert_int_equal(world_drops(w, CV_DROP_ETHERTYPE), 1);
	/* No IP header behind an IP type, so nothing to mark as congested. */
	o.tos = 3;
	o.len = 14;
	memset(once, 0, sizeof(once));
	memcpy(once + 12, "\x08\x00", 2);
	o.frame = once;
	world_rx(w, 0, 0, twice, wrap(&o, twice));
	assert_int_equal(world_drops(w, CV_DROP_RUNT), 1);
	o.tos = 0;
	/* From a group. */
	len = inside(w, &o, once);
	eth[6] |= 1;
	world_rx(w, 0, 0, once, len);
	assert_int_equal(world_drops(w, CV_DROP_SOURCE), 1);
	/* For another of our VTEPs. */
	w->vxlans[VPC_B].vtep = IP4(192, 168, 0, 2);
	world_publish(w);
	world_rx(w, 0, 0, once, inside(w, &o, once));
	assert_int_equal(world_drops(w, CV_DROP_VXLAN_VNI), 1);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_flows(w), 0);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_have_their_reasons),
		cmocka_unit_test(what_is_not_ipv4_inside_counts_on_no_path),
		cmocka_unit_test(cut_frames_are_dropped),
		cmocka_unit_test(inside_ends_with_the_outer_packet),
		cmocka_unit_test(bytes_behind_the_packet_inside_survive_a_handoff),
		cmocka_unit_test(what_may_be_anything_is_not_looked_at),
		cmocka_unit_test(what_is_inside_must_be_for_us),
		cmocka_unit_test(impossible_vteps_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Random conversations of two ends that behave as kernels do, beside segments that are none of theirs: late
 * ones, forged ones, other people's resets, new views, time. Whatever comes between, an open connection goes
 * on with its own numbers and bytes; a client that begins anew on the same ports gets through from every
 * state; and in the end neither a flow nor a port is missing.
 */

#include "talk.h"

#define N_TALKS 4
#define N_PORTS 8
#define IDLE_MS 350000

/** How far a conversation is. */
enum stage { NOTHING, OPEN, ENDING };

struct conv {
	struct talk t;
	uint32_t h;       /**< header bytes of its listener */
	uint32_t tnext;   /**< what the target expects next, in its own numbers */
	bool sent, acked; /**< the header */
	enum stage stage;
	uint64_t last_ms;
};

static uint32_t rnd(uint32_t *x, uint32_t n)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return (*x >> 8) % n;
}

/* ---- what the two ends do ---- */

/* Counts what the client sends. A header that is not known to have arrived may go out again before. */
static struct seg client_sends(struct conv *c, uint8_t flags, const char *what)
{
	struct world *w = c->t.w;
	struct seg s = client_seg(&c->t, flags, what);

	c->t.cseq += s.len + ((flags & CV_TCP_FIN) != 0);
	send_by(w, 0, 0, &s);
	assert_in_range(w->n_out, 1, c->sent && !c->acked ? 2 : 1);
	if (w->n_out == 2) {
		s = seg_parse(&w->out[0]);
		assert_int_equal(s.len, c->h);
		want_header(s.payload, &c->t, "vpce-00000000000000001");
	}
	s = seg_parse(&w->out[w->n_out - 1]);
	assert_int_equal(s.port, 1);
	assert_int_equal(s.sport, c->t.nport);
	c->last_ms = w->now_ms;
	return s;
}

static void client_says(struct conv *c, const char *what)
{
	uint32_t seq = c->t.cseq, extra = c->sent ? 0 : c->h;
	struct seg s = client_sends(c, F_PSH, what);

	assert_int_equal(s.seq, seq - extra);
	assert_int_equal(s.len, extra + strlen(what));
	assert_memory_equal(s.payload + extra, what, strlen(what));
	if (extra != 0)
		want_header(s.payload, &c->t, "vpce-00000000000000001");
	c->sent = true;
	c->tnext = c->t.cseq;
}

static void target_says(struct conv *c, const char *what)
{
	uint32_t seq = c->t.tseq;
	struct seg s = t2c(&c->t, c->tnext, F_PSH, what);

	assert_int_equal(s.seq, seq);
	assert_int_equal(s.ack, c->t.cseq);
	assert_int_equal(s.len, strlen(what));
	assert_memory_equal(s.payload, what, s.len);
	c->acked = c->sent;
	c->last_ms = c->t.w->now_ms;
}

/* The target knows the connection still: it asks, and the client says that there is none (RFC 9293 3.5.1). */
static void old_one_is_cleared(struct conv *c)
{
	struct world *w = c->t.w;
	struct seg s = target_seg(&c->t, c->tnext, F_ACK, "");
	uint32_t rst_seq = 0;

	send_by(w, 0, 1, &s);
	for (unsigned int i = 0; i < w->n_out; i++) {
		s = seg_parse(&w->out[i]);
		if (s.port == 0)
			rst_seq = s.ack;
		else
			c->tnext = s.seq + s.len;
	}
	assert_int_not_equal(rst_seq, 0);
	s = client_seg(&c->t, CV_TCP_RST, "");
	s.seq = rst_seq;
	send_by(w, 0, 0, &s);
	assert_in_range(w->n_out, 1, 2);
	/* A header that may be missing comes before. */
	s = seg_parse(&w->out[0]);
	if (w->n_out == 2 && s.seq == c->tnext)
		c->tnext = s.seq + s.len;
	s = seg_parse(&w->out[w->n_out - 1]);
	assert_int_equal(s.flags, CV_TCP_RST);
	assert_int_equal(s.seq, c->tnext);
}

/* A SYN with a number of its own. Returns whether it opened a flow, not only came through the old one. */
static bool syn(struct conv *c, uint32_t isn)
{
	struct world *w = c->t.w;
	uint64_t before = world_events(w, CV_EV_FLOW_NEW);
	struct seg s = client_seg(&c->t, F_SYN, "");

	s.seq = isn;
	s = one(w, 0, &s);
	assert_int_equal(s.flags, F_SYN);
	if (world_events(w, CV_EV_FLOW_NEW) == before)
		return false;
	assert_int_equal(s.seq, isn - c->h);
	c->t.nport = s.sport;
	c->t.node = s.src;
	return true;
}

/* @param steps  of the handshake: 1 to 3 */
static void begin(struct conv *c, uint32_t *x, uint32_t steps)
{
	uint32_t isn = c->t.cseq + 70000 + rnd(x, 1 << 20);
	struct seg s;

	world_wait(c->t.w, 2);
	if (!syn(c, isn)) {
		assert_int_not_equal(c->stage, NOTHING);
		old_one_is_cleared(c);
		assert_true(syn(c, isn));
	}
	c->t.cseq = isn + 1;
	c->t.tseq += 90000 + rnd(x, 1 << 20);
	c->tnext = isn + 1 - c->h;
	c->sent = c->h == 0;
	c->acked = c->h == 0;
	c->stage = ENDING;
	c->last_ms = c->t.w->now_ms;
	if (steps < 2)
		return;
	s = t2c(&c->t, c->tnext, F_SYN | F_ACK, "");
	assert_int_equal(s.ack, isn + 1);
	if (steps < 3)
		return;
	s = c2t(&c->t, F_ACK, "");
	if (c->t.dport == L_FIRST_ACK) {
		assert_int_equal(s.len, c->h);
		c->sent = true;
		c->tnext = isn + 1;
	}
	assert_int_equal(s.seq + s.len, c->tnext);
	c->stage = OPEN;
}

static void end(struct conv *c, uint32_t how)
{
	struct seg s;

	c->stage = ENDING;
	if (how == 0) {
		(void)client_sends(c, CV_TCP_RST | F_ACK, "");
	} else if (how == 1) {
		t2c(&c->t, c->tnext, CV_TCP_RST | F_ACK, "");
	} else {
		/* FINs of the client, of the target, of both, and with their ACKs. */
		if (how != 3) {
			s = client_sends(c, F_FIN, "");
			c->tnext = s.seq + s.len + 1;
			assert_int_equal(c->tnext, c->t.cseq);
			c->sent = true;
		}
		if (how > 2)
			t2c(&c->t, c->tnext, F_FIN, "");
		if (how > 4)
			(void)client_sends(c, F_ACK, "");
	}
}

/* ---- what comes between ---- */

static void noise_send(struct conv *c, bool client, uint8_t flags, uint32_t seq, uint32_t ack,
		       const char *what)
{
	struct seg s =
		client ? client_seg(&c->t, flags, what) : target_seg(&c->t, ack, flags, what);

	s.seq = seq;
	s.ack = ack;
	send_by(c->t.w, 0, client ? 0 : 1, &s);
}

/* Segments of nobody, or late ones. None may change anything for good. */
static void noise(struct conv *c, uint32_t *x)
{
	static const uint8_t odd[] = {
		0,          F_SYN | CV_TCP_FIN,         CV_TCP_FIN, F_SYN | CV_TCP_RST,
		CV_TCP_PSH, F_SYN | F_ACK | CV_TCP_FIN, 0x3f};
	uint32_t any = rnd(x, 1 << 24) << 8 | rnd(x, 256), isn = c->t.cseq - 60000;

	switch (rnd(x, 8)) {
	case 0: /* a SYN that is late, or a reboot's */
		noise_send(c, true, F_SYN, any | 1 << 30, 0, "");
		break;
	case 1: /* an answer to a SYN that nobody sent */
		noise_send(c, false, F_SYN | F_ACK, any, isn + any % 50000, "");
		break;
	case 2:
		noise_send(c, true, odd[rnd(x, sizeof(odd))], any, any, "x");
		noise_send(c, false, odd[rnd(x, sizeof(odd))], any, c->tnext, "x");
		break;
	case 3: /* somebody's RST: its seeming sender goes on */
		noise_send(c, true, CV_TCP_RST, any, 0, "");
		client_says(c, "still here");
		break;
	case 4:
		noise_send(c, false, CV_TCP_RST, any, 0, "");
		target_says(c, "I as well");
		break;
	case 5: /* old ACKs and keepalives */
		noise_send(c, true, F_ACK, c->t.cseq - 1, c->t.cack, "");
		noise_send(c, false, F_ACK, c->t.tseq - 1, c->tnext, "");
		break;
	case 6: /* out of order */
		noise_send(c, true, F_ACK, c->t.cseq + 1000, c->t.cack, "later");
		noise_send(c, false, F_ACK, c->t.tseq + 1000, c->tnext, "later");
		break;
	default:
		world_publish(c->t.w);
		cv_view_pub_reap(c->t.w->pub);
		break;
	}
}

/* Time, but so that no connection becomes idle. */
static void pass(struct conv *convs, uint32_t ms)
{
	struct world *w = convs[0].t.w;

	w->now_ms += ms;
	for (int i = 0; i < N_TALKS; i++) {
		if (convs[i].stage == OPEN && w->now_ms - convs[i].last_ms > IDLE_MS - 40000)
			client_says(&convs[i], "alive");
	}
	world_wait(w, 1);
}

static void step(struct conv *convs, uint32_t *x)
{
	struct conv *c = &convs[rnd(x, N_TALKS)];
	uint32_t what = rnd(x, 20);

	if (what == 0) {
		pass(convs, rnd(x, 35000));
	} else if (c->stage != OPEN || what == 1) {
		begin(c, x, rnd(x, 4) == 0 ? 1 + rnd(x, 2) : 3);
	} else if (what < 8) {
		client_says(c, &"one two three"[rnd(x, 12)]);
	} else if (what < 12) {
		target_says(c, &"four five six"[rnd(x, 12)]);
	} else if (what < 14) {
		end(c, rnd(x, 6));
	} else {
		noise(c, x);
	}
}

/* All that was open is over; then there are as many ports as ever. */
static void nothing_is_missing(struct world *w)
{
	struct talk t;
	struct seg s;

	w->now_ms += IDLE_MS + 1000;
	world_wait(w, 5000);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_path_sum(w, LOCAL_A).new_flows,
			 world_path_sum(w, LOCAL_A).end_flows);
	for (uint16_t i = 0; i <= N_PORTS; i++) {
		t = talk(w, (uint16_t)(50000 + i), L_PLAIN);
		s = client_seg(&t, F_SYN, "");
		if (i < N_PORTS)
			(void)one(w, 0, &s);
		else
			none(w, 0, &s, CV_DROP_PORT_ALLOCATION);
	}
}

static void conversations_survive_anything(void **state)
{
	static const uint16_t listeners[] = {L_PROXY, L_PLAIN, L_FIRST_ACK};

	(void)state;
	for (uint32_t seed = 1; seed <= 200; seed++) {
		struct world *w =
			world_create(&(struct world_cfg){.n_ports = N_PORTS, .rest_ms = 1});
		struct conv convs[N_TALKS] = {0};
		uint32_t x = seed * 2654435761u;

		for (uint16_t i = 0; i < N_TALKS; i++) {
			uint16_t port = listeners[rnd(&x, 3)];

			convs[i].t = talk(w, (uint16_t)(40000 + i), port);
			convs[i].h = port == L_PLAIN ? 0 : H;
		}
		for (int i = 0; i < 400; i++)
			step(convs, &x);
		nothing_is_missing(w);
		world_destroy(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(conversations_survive_anything)};

	world_eal();
	return cmocka_run_group_tests_name("dp_random", tests, NULL, NULL);
}

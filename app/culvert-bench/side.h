/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * One port with what the client and the server side have in common: packets out, ARP, counters, probes.
 *
 * Everything here belongs to the side's worker once it runs; control reads counters and histograms.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "cv_base.h"
#include "cv_io.h"

#include "counts.h"
#include "frame.h"
#include "measure.h"
#include "opts.h"
#include "plan.h"
#include "tcb.h"

#define CB_BURST CV_IO_BURST_MAX
/** Packets that wait for the device; beyond CB_OUT_SOFT nothing new is begun. */
#define CB_OUT_LEN 1024
#define CB_OUT_SOFT 512
/** Time of flows: 4 ms a tick, so that 16 bits last four minutes. */
#define CB_TICKS_PER_S 250
/** Failed checks that are told in words. */
#define CB_NOTES_MAX 8
#define CB_NOTE_LEN 160

/** What both ends of a flow do; the same for all flows of a run. */
struct cb_script {
	uint32_t request, response; /**< bytes; CB_FOREVER */
	const char *text;           /**< request in plain text instead of pattern; NULL */
	uint16_t text_len;
	uint16_t probe_len; /**< payload of probes; 0: none */
	uint16_t window, mss;
	uint8_t close; /**< enum cb_close */
	bool hold;     /**< stay open */
	bool bulk;     /**< streams without end */
	bool stamps;   /**< probes carry time */
	bool bare_ack;
	bool verify;
	bool count_alive;        /**< keepalives */
	uint32_t rto, keepalive; /**< ticks */
};

/** Bytes of a request in plain text. */
#define CB_GET_LEN 512

/** Write what flows do. @param[out] text  shape [CB_GET_LEN]; must outlive the script */
void cb_script_init(struct cb_script *script, const struct cb_opts *opts, char *text);

/** What never changes while a run lasts; shared by all threads. */
struct cb_world {
	const struct cb_opts *opts;
	struct cb_plan plan;
	struct cb_pattern pattern;
	struct cb_script script;
	uint64_t tsc_hz;
};

/** Phases of a run. */
enum cb_phase { CB_WAIT, CB_OPEN_FLOWS, CB_RUN, CB_DRAIN, CB_CLOSE, CB_STOP };

/** What control wants of the workers. */
struct cb_cmd {
	enum cb_phase phase;
	double conn_rate;              /**< new connections per second; 0: as fast as possible */
	double probe_rate[CB_N_ROLES]; /**< by the side that sends */
	bool probe[CB_N_ROLES];
	bool connect, flood;
	double flood_rate;
};

/** A port and its packets. */
struct cb_side {
	const struct cb_world *world;
	struct cv_io *io;
	struct rte_mempool *mbufs;
	uint64_t now; /**< TSC, read once per round */
	uint16_t tick;
	uint16_t port; /**< logical */
	uint16_t vlan;
	uint16_t mss; /**< the smaller of ours and the peers' */
	uint32_t worker, l2;
	uint8_t role; /**< enum cb_role */
	uint8_t mac[6];
	uint32_t n_out, n_stash;
	struct rte_mbuf *out[CB_OUT_LEN];
	struct rte_mbuf *stash[CB_BURST];
	uint64_t rng;
	struct cb_pace probe_pace, sweep_pace;
	uint32_t cursor, probe_cursor; /**< of the sweep, of probes in turn */
	const struct cb_counts *peer;  /**< of the other side; NULL: there is none */
	uint64_t given_up;             /**< probes that are not expected to arrive any more */
	uint64_t looked_at;            /**< TSC, and what had been sent and had arrived then */
	uint64_t sent_before, arrived;
	CV_CACHE_ALIGNED struct cb_counts counts;
	struct cb_hist way; /**< time of probes that arrived here, from the other side */
	uint32_t n_notes;
	char notes[CB_NOTES_MAX][CB_NOTE_LEN];
};

/** Random 32 bits. */
static inline uint32_t cb_side_random(struct cb_side *s)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return (uint32_t)(s->rng >> 32);
}

/** Ready a side. `mac`: NULL for the device's. */
void cb_side_init(struct cb_side *side, const struct cb_world *world, struct cv_io *io,
		  uint16_t port, enum cb_role role);

/** Hand what waits to the device. */
void cb_side_flush(struct cb_side *side);
/** Drop what waits and give back what was taken in advance. */
void cb_side_fini(struct cb_side *side);
/** Take packets in advance. @return false if there are none */
bool cb_side_refill(struct cb_side *side);

/** Take an empty packet. @return NULL if there is none */
static inline struct rte_mbuf *cb_side_alloc(struct cb_side *s)
{
	if (s->n_stash == 0 && !cb_side_refill(s))
		return NULL;
	return s->stash[--s->n_stash];
}

/** Queue a packet of a length. */
static inline void cb_side_send(struct cb_side *s, struct rte_mbuf *m, uint32_t len)
{
	len = len < CB_FRAME_MIN + s->l2 - 14 ? CB_FRAME_MIN + s->l2 - 14 : len;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	s->counts.tx_bytes += len;
	s->out[s->n_out++] = m;
	if ((s->n_out & (CB_BURST - 1)) == 0)
		cb_side_flush(s);
}

/** Tell whether the device keeps up. */
static inline bool cb_side_has_room(const struct cb_side *s)
{
	return s->n_out < CB_OUT_SOFT;
}

/** Queue a segment without payload. */
void cb_side_send_bare(struct cb_side *side, const struct cb_tmpl *tmpl, const struct cb_ends *ends,
		       const struct cb_hdr *hdr);

/** Queue a segment with payload, shape [hdr->len]; hdr->sum must be its checksum. */
void cb_side_send_data(struct cb_side *side, const struct cb_tmpl *tmpl, const struct cb_ends *ends,
		       const struct cb_hdr *hdr, const uint8_t *data);

/** Answer an ARP request for one of our addresses. */
void cb_side_arp_answer(struct cb_side *side, const struct cb_arp *arp);
/** Ask for an address. */
void cb_side_arp_ask(struct cb_side *side, cv_be32_t sender, cv_be32_t target);

/** Keep a failed check in words, if there were not many yet. */
void cb_side_note(struct cb_side *side, const char *fmt, ...) CV_PRINTF(2, 3);

/** Take note of the MSS in a peer's SYN. */
void cb_side_learn_mss(struct cb_side *side, const struct cb_pkt *pkt);

/* ---- probes (probe.c): small packets over open flows, outside of their streams ---- */

/** How many probes are due now, at most max. */
uint32_t cb_probe_due(struct cb_side *side, uint32_t max);
/** Write and queue a probe of a flow. */
void cb_probe_send(struct cb_side *side, struct rte_mbuf *m, const struct cb_tmpl *tmpl,
		   const struct cb_ends *ends, const struct cb_tcb *t, uint32_t id);

/** Tell whether a segment may be a probe. */
static inline bool cb_probe_is(const struct cb_script *script, const struct cb_pkt *p)
{
	return p->flags == (CV_TCP_ACK | CV_TCP_PSH) && p->len == script->probe_len;
}

/** Count a probe that came. @return false if what it says is not right; ret_id is what it says */
bool cb_probe_read(struct cb_side *side, const struct cb_pkt *p, uint32_t *ret_id);
/** Check all of a probe against its flow; a wrong one is counted and noted. */
void cb_probe_verify(struct cb_side *side, const struct cb_pkt *p, const struct cb_tcb *t,
		     uint32_t id);

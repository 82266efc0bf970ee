/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What each side counts. One list gives fields, JSON keys and doc/bench.md's table.
 */

#include <stdint.h>

#define CB_COUNTS(X)                                                                         \
	X(rx_pkts, "frames received")                                                        \
	X(rx_bytes, "their bytes")                                                           \
	X(tx_pkts, "frames that the device took")                                            \
	X(tx_bytes, "their bytes")                                                           \
	X(tx_full, "frames that it did not take in time; lost before they were sent")        \
	X(no_mbuf, "times that no packet buffer was free")                                   \
	X(rx_other, "frames that are not ours: other protocols, tags, addresses, cut")       \
	X(rx_arp, "ARP frames")                                                              \
	X(rx_stray, "segments that fit no connection")                                       \
	X(started, "connections begun")                                                      \
	X(opened, "handshakes completed")                                                    \
	X(ready, "connections whose request and response are through")                       \
	X(finished, "connections closed in order, or reset by us as --close reset asks")     \
	X(failed, "connections given up")                                                    \
	X(blocked, "connections not begun since --flows were open or every port was in use") \
	X(resets, "connections that the peer reset")                                         \
	X(reused, "connections whose address came back before they were closed")             \
	X(syn_again, "SYNs sent again")                                                      \
	X(data_again, "times that data or a FIN was sent again from the first byte missing") \
	X(data_in, "bytes of stream received in order")                                      \
	X(data_out, "bytes of stream sent, repetitions included")                            \
	X(old, "segments received twice, and signs of life")                                 \
	X(early, "segments before which something was missing")                              \
	X(table_full, "connections refused for lack of room here")                           \
	X(probes_out, "probes sent")                                                         \
	X(probes_unsent, "probes due while the device took no more")                         \
	X(probes_late, "probes given up because they were due too long ago")                 \
	X(probes_in, "probes received")                                                      \
	X(probes_bad, "probes received with the wrong content, flow or checksum")            \
	X(flood_out, "SYNs of the flood sent")                                               \
	X(flood_in, "answers to them")                                                       \
	X(keepalives, "signs of life sent")                                                  \
	X(alive, "flows that answered the last one")                                         \
	X(payload_checked, "segments whose payload was compared")                            \
	X(payload_bad, "of those, wrong ones")                                               \
	X(checksum_bad, "segments with a wrong checksum (--verify)")                         \
	X(flow_bad, "requests that do not say which client of ours sent them")               \
	X(headers_checked, "PROXY headers decoded")                                          \
	X(headers_missing, "connections without one (--proxy require)")                      \
	X(headers_unwanted, "connections with one (--proxy none)")                           \
	X(headers_malformed, "headers that cannot be decoded or have a wrong CRC")           \
	X(headers_no_crc, "headers without a CRC")                                           \
	X(headers_client, "headers with another client than the one that sent the request")  \
	X(headers_dial, "headers with another address than the one that client dialled")     \
	X(headers_vpce, "headers with another endpoint id than --vpce")

/** Counters of a side. Written by its worker, read by control at any time. */
struct cb_counts {
#define X(name, text) uint64_t name;
	CB_COUNTS(X)
#undef X
};

enum {
#define X(name, text) CB_COUNT_##name,
	CB_COUNTS(X)
#undef X
		CB_N_COUNTS
};

_Static_assert(sizeof(struct cb_counts) == CB_N_COUNTS * sizeof(uint64_t), "an array of counters");

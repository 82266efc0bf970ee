/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Every reason for which a packet does not leave, and every event a worker counts: name and help text
 * in one place. Metrics, `culvertctl show drops` and doc/behaviour.md come from these lists.
 *
 * @threads any; constants only
 */

/* X(NAME, "metric_name", "help") */
#define CV_DROP_LIST(X)                                                                            \
	X(RUNT, "runt", "frame shorter than its own headers say")                                  \
	X(CHAINED, "chained", "frame spread over several buffers, or in one that is shared")       \
	X(NOT_FOR_US, "not_for_us", "destination MAC is not one of ours")                          \
	X(NO_VPC, "no_vpc", "port or VLAN that no VPC is attached to")                             \
	X(ETHERTYPE, "ethertype", "neither IPv4 nor ARP")                                          \
	X(IP_HEADER, "ip_header", "IPv4 header with wrong version, length or checksum")            \
	X(IP_OPTIONS, "ip_options", "IPv4 options are not forwarded")                              \
	X(FRAGMENT, "fragment", "IP fragments are not forwarded")                                  \
	X(TTL, "ttl", "time to live ran out")                                                      \
	X(NO_ADDRESS, "no_address", "destination is not an endpoint ENI or NLB node")              \
	X(SOURCE, "source", "source address (IP or MAC) that no host may have")                    \
	X(PROTOCOL, "protocol", "IP protocol other than TCP and ICMP")                             \
	X(ICMP, "icmp", "ICMP is not answered")                                                    \
	X(TCP_HEADER, "tcp_header", "TCP header with wrong length or impossible flags")            \
	X(TOO_BIG, "too_big", "packet larger than the MTU of the port it must leave by")           \
	X(NO_LISTENER, "no_listener", "no listener on that port")                                  \
	X(ENDPOINT_PENDING, "endpoint_pending", "endpoint waits for the provider's acceptance")    \
	X(ENDPOINT_REJECTED, "endpoint_rejected", "endpoint was rejected by the provider")         \
	X(ENDPOINT_STATE, "endpoint_state", "endpoint is not available (deleting, failed, expired)") \
	X(SECURITY_GROUP, "security_group", "no security group rule allows the client")            \
	X(NO_NODE, "no_node", "the service has no NLB node in the endpoint's zone")                \
	X(NO_TARGET, "no_target", "target group has no target to send to")                         \
	X(PORT_ALLOCATION, "port_allocation", "all source ports towards the target are in use or resting") \
	X(SYN_FLOOD, "syn_flood", "too many handshakes of the path or worker are unfinished")      \
	X(FLOW_TABLE_FULL, "flow_table_full", "flow table is full")                                \
	X(NEIGHBOUR, "neighbour", "MAC of the target or gateway is not known yet")                 \
	X(STRAY, "stray", "segment of no known flow, answered with RST")                           \
	X(STRAY_RST, "stray_rst", "RST of no known flow, never answered")                          \
	X(TCP_STATE, "tcp_state", "segment that the flow's state does not allow")                  \
	X(SPLICE, "splice", "segment consumed while the PROXY header is outstanding")              \
	X(ARP_CONSUMED, "arp_consumed", "ARP that was learned from or answered; nothing was lost") \
	X(ARP_INVALID, "arp_invalid", "malformed ARP")                                             \
	X(PUNT_FULL, "punt_full", "ring towards the control thread is full")                       \
	X(HANDOFF_FULL, "handoff_full", "ring towards the worker that owns the flow is full")      \
	X(HOST_TAKEN, "host_taken", "handed to the kernel's sockets; nothing was lost")             \
	X(HOST_FULL, "host_full", "ring towards the kernel's sockets is full")                     \
	X(HOST_SOURCE, "host_source", "packet of the kernel's sockets from an address that is not ours") \
	X(VXLAN_HEADER, "vxlan_header", "malformed UDP or VXLAN header, or marked as congested beyond ECN") \
	X(VXLAN_VNI, "vxlan_vni", "VXLAN network that no VPC is attached to")                      \
	X(TX_FULL, "tx_full", "transmit queue of the port is full")                                \
	X(NO_MBUF, "no_mbuf", "packet pool is empty")

/* X(NAME, "metric_name", "help") */
#define CV_EVENT_LIST(X)                                                                           \
	X(RX_PKTS, "rx_packets", "packets received from ports")                                    \
	X(RX_BYTES, "rx_bytes", "bytes received from ports")                                       \
	X(TX_PKTS, "tx_packets", "packets sent to ports")                                          \
	X(TX_BYTES, "tx_bytes", "bytes sent to ports")                                             \
	X(GEN_PKTS, "generated_packets", "packets that culvert made itself (RST, ARP, header segments)") \
	X(HANDOFF_OUT, "handoff_out", "packets handed to the worker that owns the flow")           \
	X(HANDOFF_IN, "handoff_in", "packets taken over from another worker")                      \
	X(FLOW_NEW, "new_flows", "flows opened")                                                   \
	X(FLOW_END_FIN, "ended_flows_fin", "flows ended by FIN from both sides")                   \
	X(FLOW_END_RST, "ended_flows_rst", "flows ended by RST")                                   \
	X(FLOW_END_IDLE, "ended_flows_idle", "flows that reached their idle timeout")              \
	X(FLOW_END_SYN, "ended_flows_syn_timeout", "flows whose handshake did not finish in time") \
	X(FLOW_END_TARGET, "ended_flows_target",                                                   \
	  "flows ended because their target is unhealthy or was deregistered")                     \
	X(FLOW_END_FLUSH, "ended_flows_flushed", "flows ended by a configuration change")          \
	X(CLIENT_RST, "tcp_client_reset", "RST forwarded from a client (TCP_Client_Reset_Count)")  \
	X(TARGET_RST, "tcp_target_reset", "RST forwarded from a target (TCP_Target_Reset_Count)")  \
	X(ELB_RST, "tcp_elb_reset", "RST made by culvert (TCP_ELB_Reset_Count)")                   \
	X(PORT_ALLOC_ERR, "port_allocation_error",                                                 \
	  "flows refused: no source port (PortAllocationErrorCount)")                              \
	X(SG_BLOCKED_TCP, "security_group_blocked_flow_inbound_tcp",                               \
	  "flows that a load balancer's security groups refused "                                  \
	  "(SecurityGroupBlockedFlowCount_Inbound_TCP)")                                           \
	X(PPV2_SENT, "ppv2_sent", "PROXY headers sent, first time")                                \
	X(PPV2_RESENT, "ppv2_resent", "PROXY headers sent again after loss")                       \
	X(MSS_CLAMPED, "mss_clamped", "SYN segments whose MSS was lowered")                        \
	X(ARP_REPLIED, "arp_replied", "ARP requests answered")

/* X(NAME, "metric_name", "help") */
#define CV_STAGE_LIST(X)                                                                           \
	X(RX, "rx", "receive from the ports")                                                      \
	X(PARSE, "parse", "headers, side, hash")                                                   \
	X(LOOKUP, "lookup", "likely flow, hand-off to its worker")                                 \
	X(FORWARD, "forward", "compare, TCP state, rewrite")                                       \
	X(REST, "rest", "ageing, timers, control's requests")                                      \
	X(TX, "tx", "transmit to the ports")

/** One part of a worker's turn whose cycles can be counted. */
enum cv_stage {
#define X(name, metric, help) CV_STAGE_##name,
	CV_STAGE_LIST(X)
#undef X
		CV_STAGE_N,
};

/** One reason for which a packet does not leave. 0 means that it does. */
enum cv_drop {
	CV_DROP_NONE = 0,
#define X(name, metric, help) CV_DROP_##name,
	CV_DROP_LIST(X)
#undef X
	CV_DROP_N, /**< number of reasons, CV_DROP_NONE included */
};

/** One thing a worker counts. */
enum cv_event {
#define X(name, metric, help) CV_EV_##name,
	CV_EVENT_LIST(X)
#undef X
	CV_EV_N,
};

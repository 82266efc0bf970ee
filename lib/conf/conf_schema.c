/* SPDX-License-Identifier: BSD-3-Clause */

/* The one table: reader, error texts, tests and doc/configuration.md come from it. */

#include "conf_priv.h"

#include <assert.h>
#include <string.h>

#define REQ CONF_REQUIRED
#define RES CONF_RESOURCE
#define LIVE CONF_LIVE
#define RESTART CONF_RESTART
#define CHARS CONF_CHARACTERS
#define MANY 1000000

/* Longest name, id and ARN that is looked at; what they must be is the model's to say. */
#define NAME 1, 64
#define REF 1, 200
/* Texts that calls store: at least what the API takes (AWS_STR, LIST_MAX), or they cannot be put back. */
#define SG_NAME 1, 255
#define SAYING 0, 255
#define TAG_VALUE 0, CV_MODEL_TAG_VALUE_MAX
#define LB_SGS_MAX 1000

#define TG_HEALTH "target_groups[].attributes.target_group_health."

#define OBJECT(path, flags, help)                                    \
	{                                                            \
		path, CONF_OBJECT, flags, 0, 0, NULL, "", NULL, help \
	}
#define LIST(path, flags, min, max, help)                              \
	{                                                              \
		path, CONF_LIST, flags, min, max, NULL, "", NULL, help \
	}
#define STRING(path, flags, min, max, def, help)                        \
	{                                                               \
		path, CONF_STRING, flags, min, max, def, "", NULL, help \
	}
#define TEXT(path, flags, bounds, def, help) STRING(path, flags, bounds, def, help)
#define NUMBER(path, flags, min, max, def, unit, help)                 \
	{                                                              \
		path, CONF_INT, flags, min, max, def, unit, NULL, help \
	}
#define INT(path, min, max, def, unit, help) NUMBER(path, 0, min, max, def, unit, help)
#define LEAST(path, max, def, help)                              \
	{                                                        \
		path, CONF_LEAST, 0, 1, max, def, "", NULL, help \
	}
#define BOOL(path, def, help)                                 \
	{                                                     \
		path, CONF_BOOL, 0, 0, 0, def, "", NULL, help \
	}
#define ENUM(path, choices, def, help)                           \
	{                                                        \
		path, CONF_ENUM, 0, 0, 0, def, "", choices, help \
	}
#define IP(path, flags, help)                                    \
	{                                                        \
		path, CONF_IP, flags, 0, 0, NULL, "", NULL, help \
	}
#define PREFIX(path, flags, help)                                    \
	{                                                            \
		path, CONF_PREFIX, flags, 0, 0, NULL, "", NULL, help \
	}
#define MAP(path, max, help)                                    \
	{                                                       \
		path, CONF_MAP, 0, 0, max, NULL, "", NULL, help \
	}
#define PORTS(path, help)                                                \
	{                                                                \
		path, CONF_PORTS, 0, 0, 65535, "0-65535", "", NULL, help \
	}

/* A rule of a security group. */
#define SG_RULE(path, peers)                                                                    \
	OBJECT(path, 0, "a rule"), PREFIX(path ".cidr", 0, peers "; or `security_group`"),      \
		TEXT(path ".security_group", 0, REF, NULL,                                      \
		     "ENIs and load balancers that have this group of the VPC; `default`: the " \
		     "VPC's CIDRs, too"),                                                       \
		ENUM(path ".protocol", "tcp|all|udp|icmp", "tcp",                               \
		     "`udp` and `icmp` are only shown: nothing but TCP passes"),                \
		PORTS(path ".ports", "listener port 80 or ports `80-443`"),                     \
		TEXT(path ".description", CHARS, SAYING, NULL, "what it is for"),               \
		TEXT(path ".id", 0, REF, NULL, "`sgr-` and 17 hex digits; derived if absent"),  \
		MAP(path ".tags", 50, "tags"),                                                  \
		TEXT(path ".tags.*", CHARS, TAG_VALUE, NULL, "value of the tag")

static const struct conf_row schema[] = {
	OBJECT("", RES, "the configuration"),
	STRING("region", REQ | RESTART, 1, 32, NULL,
	       "region, as it stands in ARNs and service names"),
	LIST("zones", REQ | LIVE, 1, 64,
	     "ids of the availability zones, the same for all accounts"),
	STRING("zones[]", 0, 1, 32, NULL, "zone id, such as `use1-az1`"),

	LIST("accounts", REQ | LIVE, 1, MANY, "AWS accounts that own VPCs"),
	OBJECT("accounts[]", RES, "an account"),
	STRING("accounts[].id", REQ, 12, 12, NULL, "12 digits"),
	TEXT("accounts[].name", 0, NAME, NULL, "name for use in this file; the id if absent"),
	MAP("accounts[].zones", 64,
	    "the account's own zone names, each with the zone id it stands for; zone ids may always be used"),
	STRING("accounts[].zones.*", 0, 1, 32, NULL, "zone id of the zone name"),

	OBJECT("dpdk", REQ | RESTART, "DPDK: cores, memory, ports"),
	INT("dpdk.workers", 1, CV_CONF_WORKERS_MAX, "1", "",
	    "forwarding threads, each on a core of its own"),
	LIST("dpdk.cores", 0, 1, CV_CONF_WORKERS_MAX,
	     "lcores of the workers, one each; EAL's choice if absent"),
	INT("dpdk.cores[]", 0, 1023, NULL, "", "lcore id"),
	INT("dpdk.main_core", 0, 1023, NULL, "",
	    "lcore of the control thread; EAL's choice if absent"),
	BOOL("dpdk.huge_pages", "true", "false: ordinary memory (`--no-huge`)"),
	INT("dpdk.memory_mb", 64, 1048576, NULL, "MB", "memory to reserve; EAL's choice if absent"),
	INT("dpdk.mbufs", 1024, 16777216, "65536", "", "packet buffers, all ports together"),
	LIST("dpdk.eal_args", 0, 0, 256, "further EAL arguments, passed on as they are"),
	STRING("dpdk.eal_args[]", 0, 1, 1024, NULL, "one argument"),
	LIST("dpdk.ports", REQ, 1, 256, "ports"),
	OBJECT("dpdk.ports[]", RES, "a port"),
	TEXT("dpdk.ports[].name", REQ, NAME, NULL, "name for use in `vpcs[].attachment.port`"),
	STRING("dpdk.ports[].device", 0, 1, 1024, NULL,
	       "PCI address, or virtual device with its arguments: `net_af_xdp0,iface=eth1`"),
	LIST("dpdk.ports[].devices", 0, 1, CV_CONF_DEVICES_MAX,
	     "instead of `device`: several devices on one network that make one port"),
	STRING("dpdk.ports[].devices[]", 0, 1, 1024, NULL, "as `device`"),
	INT("dpdk.ports[].queues", 0, CV_CONF_WORKERS_MAX, "0", "",
	    "receive queues of each device; 0: those it has, or one per worker (memif: one)"),
	INT("dpdk.ports[].mtu", 576, 9216, "1500", "bytes",
	    "largest packet, without Ethernet header"),
	INT("dpdk.ports[].rx_desc", 64, 32768, "1024", "", "receive descriptors of each queue"),
	INT("dpdk.ports[].tx_desc", 64, 32768, "1024", "", "transmit descriptors of each queue"),
	BOOL("dpdk.ports[].promiscuous", "true",
	     "receive all frames; needed where the device cannot filter for the MACs of ENIs"),
	BOOL("dpdk.ports[].steering", "false",
	     "share the network interface with the host: take only frames to our addresses, by an XDP "
	     "program; devices `net_af_xdp` on one interface"),

	OBJECT("limits", RESTART,
	       "how much of each there may be; memory is reserved for flows only"),
	INT("limits.flows", 1024, 16000000, "1048576", "", "connections of each worker"),
	INT("limits.endpoints", 1, MANY, "100000", "",
	    "endpoints; with six interfaces each, those that still have connections after they led to "
	    "another load balancer included"),
	NUMBER("limits.endpoints_per_vpc", LIVE, 1, MANY, "50", "",
	       "endpoints of one VPC that API calls make (AWS: 50, more when asked)"),
	INT("limits.targets", 1, MANY, "200000", "", "targets, all target groups together"),
	INT("limits.listeners", 1, MANY, "100000", "", "listeners, all load balancers together"),
	NUMBER("limits.load_balancers_per_account", LIVE, 1, MANY, "50", "",
	       "load balancers of one account, for API calls; the file may have more"),
	NUMBER("limits.target_groups_per_account", LIVE, 1, MANY, "3000", "", "likewise"),
	NUMBER("limits.listeners_per_load_balancer", LIVE, 1, MANY, "50", "", "likewise"),
	NUMBER("limits.targets_per_load_balancer", LIVE, 1, MANY, "3000", "",
	       "targets of all of its groups, likewise"),
	NUMBER("limits.targets_per_zone", LIVE, 1, MANY, "500", "",
	       "targets of one load balancer in one zone, likewise"),
	NUMBER("limits.targets_per_target_group", LIVE, 1, MANY, "1000", "", "likewise"),

	OBJECT("settings", LIVE, "how packets are handled"),
	OBJECT("settings.timeouts", 0,
	       "timeouts; the idle timeout is an attribute of each listener"),
	INT("settings.timeouts.syn_seconds", 1, 600, "30", "s",
	    "for a handshake to finish (AWS: 30)"),
	INT("settings.timeouts.fin_seconds", 1, 600, "60", "s",
	    "after FINs from both sides, for the last acknowledgement"),
	INT("settings.timeouts.linger_ms", 0, 60000, "2000", "ms",
	    "a closed connection answers late segments for so long"),
	OBJECT("settings.snat", 0, "source ports towards targets"),
	NUMBER("settings.snat.port_first", RESTART, 1024, 65535, "10536", "", "first source port"),
	NUMBER("settings.snat.n_ports", RESTART, 1, 64512, "55000", "",
	       "source ports for each pair of node address and target (AWS: 55,000)"),
	INT("settings.snat.rest_seconds", 0, 3600, "60", "s",
	    "rest of a source port before its next use"),
	ENUM("settings.snat.on_exhaustion", "drop|reset", "drop",
	     "answer to a new connection when no source port is left (AWS: drop)"),
	OBJECT("settings.host", 0, "sockets of the kernel on addresses of load balancers"),
	ENUM("settings.host.namespaces", "needed|always|never", "needed",
	     "VPCs that get a network namespace: those with targets to check, also those with any node "
	     "(to look around from there), or none"),
	OBJECT("settings.flow_end", 0,
	       "what the two ends of a connection learn when culvert ends it; `silent`: nothing, until a "
	       "packet comes and is treated as one of no connection; `reset`: both get RST at once"),
	ENUM("settings.flow_end.idle", "silent|reset", "silent",
	     "at the idle timeout (AWS: silent, then RST to the next packet)"),
	ENUM("settings.flow_end.target", "silent|reset", "silent",
	     "target unhealthy or deregistered, or its group's weight 0 (AWS: RST to the next packet)"),
	ENUM("settings.flow_end.endpoint", "silent|reset", "silent",
	     "endpoint rejected or deleted, address of the load balancer gone"),
	ENUM("settings.flow_end.listener", "keep|silent|reset", "keep",
	     "listener removed; `keep`: its connections go on"),
	INT("settings.lab_time_scale", 1, 10000, "1", "",
	    "for tests only: idle timeouts, draining, health checks and delays of notifications run so "
	    "many times as fast"),
	INT("settings.mss_clamp", 0, 9176, "8365", "bytes",
	    "largest MSS let through, both ways (AWS: 8365); 0: any"),
	INT("settings.endpoint_mtu", 0, 9216, "8500", "bytes",
	    "largest IP packet through an endpoint, either way (AWS: 8500); 0: as the ports allow"),
	BOOL("settings.icmp_too_big", "false",
	     "pass ICMP \"fragmentation needed\" from the targets' side on to the client (AWS: never)"),
	INT("settings.half_open_max", 0, 16000000, "0", "",
	    "connections of each worker whose handshake is not finished, those by one ENI or node at most "
	    "as many as are left for all; SYNs beyond are dropped, so that a flood leaves room for the "
	    "others; 0: a quarter of `limits.flows`"),

	OBJECT("dns", LIVE, "the DNS server of each VPC, at the first CIDR's base address + 2"),
	BOOL("dns.enabled", "false",
	     "serve DNS; each VPC gets a network namespace for it (`settings.host.namespaces`)"),
	BOOL("dns.public", "false",
	     "names of endpoints and load balancers are answered in every VPC, as AWS does; false: in "
	     "their own"),
	INT("dns.queries_per_second", 0, MANY, "1024", "",
	    "of one client's address in a VPC, as AWS has it; what comes beyond that is dropped; 0: any "
	    "number"),
	LIST("dns.forwarders", 0, 0, CV_CONF_FORWARDERS_MAX,
	     "resolvers that are asked for other names, one after another, from the host's network; none: "
	     "other names are refused"),
	STRING("dns.forwarders[]", 0, 7, 21, NULL,
	       "IPv4 address, `10.1.2.3` or with port `10.1.2.3:5353`"),

	OBJECT("control", RESTART,
	       "how operators reach the appliance, and where it keeps what calls change"),
	STRING("control.state", 0, 1, 4000, NULL,
	       "file in which what API calls make and change is kept; `none`: in memory, until the process "
	       "ends. If absent: `/var/lib/culvert/state.db` with `api`, else `none`"),
	STRING("control.socket", 0, 1, 107, "/run/culvert/culvert.sock",
	       "UNIX socket of `culvertctl` and of the metrics"),

	OBJECT("api", RESTART, "the AWS APIs over HTTP; off if absent"),
	LIST("api.listen", REQ, 1, 8,
	     "addresses to listen on; one that systemd listens on for us (LISTEN_FDS) is taken over"),
	STRING("api.listen[]", 0, 9, 21, NULL, "IPv4 address and port: `127.0.0.1:8443`"),
	STRING("api.credentials_file", REQ, 1, 1024, NULL,
	       "access keys and whose they are (doc/api.md); its mode must be 0600"),
	OBJECT("api.tls", 0, "serve HTTPS; plain HTTP if absent"),
	STRING("api.tls.cert", REQ, 1, 1024, NULL, "file of the certificate chain, PEM"),
	STRING("api.tls.key", REQ, 1, 1024, NULL, "file of the private key, PEM, mode 0600"),
	OBJECT("api.limits", 0, "what one client may take"),
	INT("api.limits.requests_per_second", 0, MANY, "5000", "",
	    "of one access key, in the long run; 0: any number"),
	INT("api.limits.burst", 1, MANY, "5000", "", "of one access key at once"),
	INT("api.limits.body_bytes", 1024, 16777216, "1048576", "bytes", "of a request"),
	INT("api.limits.connections", 1, 4096, "256", "", "at once, of each address listened on"),
	INT("api.limits.connections_per_client", 1, 4096, "192", "", "at once, of one IP address"),
	INT("api.limits.request_seconds", 1, 600, "30", "s",
	    "for a request to come and its answer to go, however slow the client"),
	INT("api.limits.idle_seconds", 1, 3600, "30", "s", "of a connection between two requests"),

	OBJECT("api.notifications", 0, "messages to receivers (doc/notifications.md)"),
	LIST("api.notifications.receivers", 0, 0, CV_CONF_RECEIVERS_MAX,
	     "networks in which receivers may be, `0.0.0.0/0` for any; if absent: all but 0.0.0.0/8, "
	     "link-local and multicast ones, and the loopback unless the APIs are served there alone"),
	PREFIX("api.notifications.receivers[]", 0, "/0 to /32"),
	INT("api.notifications.messages", 1, 10000000, "100000", "",
	    "that may wait, of 4 KiB each: a longer one counts as several. Beyond it the oldest are dropped "
	    "of the account that has the most"),
	INT("api.notifications.tries", 1, 100000, "1440", "",
	    "of one message without a delivery policy; at the most 60 s apart, so the default is about a "
	    "day. AWS: 4 within a minute"),
	STRING("api.notifications.url", 0, 8, 255, NULL,
	       "how receivers reach these APIs, such as `https://culvert.example:8443`; if absent: as the "
	       "subscriber reached them"),

	LIST("vpcs", REQ | LIVE, 1, MANY, "VPCs"),
	OBJECT("vpcs[]", RES, "an isolated IPv4 network; its CIDRs may overlap any other VPC's"),
	TEXT("vpcs[].name", REQ, NAME, NULL, "name for use in this file"),
	TEXT("vpcs[].id", 0, REF, NULL,
	     "`vpc-` and 17 hex digits; derived from the name if absent"),
	TEXT("vpcs[].owner", REQ, REF, NULL, "account, by name or id"),
	LIST("vpcs[].cidrs", REQ, 1, 64, "address ranges; what lies in them is on the VPC's link"),
	PREFIX("vpcs[].cidrs[]", 0, "/8 to /28"),
	BOOL("vpcs[].enable_dns_support", "true",
	     "with `dns.enabled`: a DNS server at the first CIDR's base address + 2 and at "
	     "169.254.169.253"),
	BOOL("vpcs[].enable_dns_hostnames", "true",
	     "endpoints may have private DNS names, with `enable_dns_support`"),
	OBJECT("vpcs[].attachment", REQ, "where the VPC's packets arrive and leave"),
	TEXT("vpcs[].attachment.port", REQ, NAME, NULL, "a name of `dpdk.ports`"),
	INT("vpcs[].attachment.vlan", 1, 4094, NULL, "", "VLAN; untagged if absent"),
	OBJECT("vpcs[].attachment.vxlan", 0,
	       "the VPC is in VXLAN, which the port, or its VLAN, carries and which no VPC has to itself"),
	{"vpcs[].attachment.vxlan.vni", CONF_INT, REQ, 1, 16777215, NULL, "", NULL,
	 "VXLAN network identifier"},
	IP("vpcs[].attachment.vxlan.vtep", REQ, "our address in the network that carries VXLAN"),
	IP("vpcs[].attachment.vxlan.gateway", 0,
	   "router to the peers; they are on the link if absent"),
	LIST("vpcs[].attachment.vxlan.peers", 0, 0, CV_MODEL_PEERS_MAX,
	     "other VTEPs, behind which targets and their gateways are; clients may be behind any"),
	IP("vpcs[].attachment.vxlan.peers[]", 0, "address of a VTEP"),
	LIST("vpcs[].subnets", 0, 0, MANY, "subnets"),
	OBJECT("vpcs[].subnets[]", RES, "a subnet, inside one CIDR of the VPC"),
	TEXT("vpcs[].subnets[].name", REQ, NAME, NULL, "name, unique in the VPC"),
	TEXT("vpcs[].subnets[].id", 0, REF, NULL, "`subnet-` and 17 hex digits; derived if absent"),
	PREFIX("vpcs[].subnets[].cidr", REQ,
	       "/8 to /28; the first four addresses and the last are reserved"),
	STRING("vpcs[].subnets[].zone", REQ, 1, 64, NULL, "zone as the owner names it, or zone id"),
	IP("vpcs[].subnets[].gateway", 0, "router towards targets outside the VPC's CIDRs"),
	LIST("vpcs[].security_groups", 0, 0, MANY, "security groups"),
	OBJECT("vpcs[].security_groups[]", RES, "who may open connections; no rule, nobody"),
	TEXT("vpcs[].security_groups[].name", REQ, SG_NAME, NULL, "name, unique in the VPC"),
	TEXT("vpcs[].security_groups[].id", 0, REF, NULL,
	     "`sg-` and 17 hex digits; derived if absent"),
	LIST("vpcs[].security_groups[].ingress", 0, 0, MANY, "rules"),
	SG_RULE("vpcs[].security_groups[].ingress[]", "clients"),
	LIST("vpcs[].security_groups[].egress", 0, 0, MANY,
	     "what may be reached, everything if absent: shown only, what has a group opens no connections"),
	SG_RULE("vpcs[].security_groups[].egress[]", "servers"),

	LIST("vpc_attachments", LIVE, 0, 4096,
	     "attachments for VPCs that API calls make (`CreateVpc`): each VPC takes the first that is free"),
	OBJECT("vpc_attachments[]", RES,
	       "a range: VLANs of a port, VXLAN networks on one, or, with neither, the port untagged"),
	TEXT("vpc_attachments[].port", REQ, NAME, NULL, "a name of `dpdk.ports`"),
	{"vpc_attachments[].vlans", CONF_RANGE, 0, 1, 4094, NULL, "", NULL,
	 "VLAN `100` or VLANs `100-199`, one for each VPC; not with `vxlan`"},
	INT("vpc_attachments[].vlan", 1, 4094, NULL, "",
	    "VLAN that carries VXLAN; untagged if absent; only with `vxlan`"),
	OBJECT("vpc_attachments[].vxlan", 0, "the VPCs are in VXLAN, as `vpcs[].attachment.vxlan`"),
	{"vpc_attachments[].vxlan.vnis", CONF_RANGE, REQ, 1, 16777215, NULL, "", NULL,
	 "VXLAN network identifiers, one for each VPC"},
	IP("vpc_attachments[].vxlan.vtep", REQ, "our address in the network that carries VXLAN"),
	IP("vpc_attachments[].vxlan.gateway", 0,
	   "router to the peers; they are on the link if absent"),
	LIST("vpc_attachments[].vxlan.peers", 0, 0, CV_MODEL_PEERS_MAX, "other VTEPs"),
	IP("vpc_attachments[].vxlan.peers[]", 0, "address of a VTEP"),
	LIST("vpc_attachments[].accounts", 0, 1, MANY,
	     "accounts whose VPCs may take them; every account's if absent"),
	TEXT("vpc_attachments[].accounts[]", 0, REF, NULL, "account, by name or id"),

	LIST("target_groups", LIVE, 0, MANY, "target groups"),
	OBJECT("target_groups[]", RES, "servers and how they are spoken to, in TCP"),
	STRING("target_groups[].name", REQ, 1, 32, NULL, "letters, digits and inner hyphens"),
	TEXT("target_groups[].arn", 0, REF, NULL, "derived if absent"),
	TEXT("target_groups[].vpc", REQ, REF, NULL,
	     "VPC in which the targets are, or from which they are routed to"),
	{"target_groups[].port", CONF_INT, REQ, 1, 65535, NULL, "", NULL,
	 "port of targets that name none"},
	OBJECT("target_groups[].attributes", 0, "attributes, by AWS's keys"),
	BOOL("target_groups[].attributes.proxy_protocol_v2.enabled", "false",
	     "begin each connection with a PROXY protocol v2 header"),
	ENUM("target_groups[].attributes.proxy_protocol_v2.client_to_server.header_placement",
	     "on_first_ack_with_payload|on_first_ack", "on_first_ack_with_payload",
	     "when the header goes out; servers that speak first need `on_first_ack`"),
	ENUM("target_groups[].attributes.load_balancing.cross_zone.enabled",
	     "false|true|use_load_balancer_configuration", "use_load_balancer_configuration",
	     "nodes use targets of other zones"),
	INT("target_groups[].attributes.deregistration_delay.timeout_seconds", 0,
	    CV_MODEL_DRAIN_SECONDS_MAX, "300", "s",
	    "a target that is removed drains for so long: its connections go on, it gets no new ones"),
	BOOL("target_groups[].attributes.deregistration_delay.connection_termination.enabled",
	     "false", "end the connections that a removed target still has after the delay"),
	BOOL("target_groups[].attributes.target_health_state.unhealthy.connection_termination.enabled",
	     "true", "end the connections of a target that turns unhealthy"),
	INT("target_groups[].attributes.target_health_state.unhealthy.draining_interval_seconds", 0,
	    CV_MODEL_UNHEALTHY_SECONDS_MAX, "0", "s",
	    "with termination off: connections of an unhealthy target are ended after so long; 0: never"),
	OBJECT("target_groups[].health_check", 0,
	       "how each node checks the targets that it may use"),
	BOOL("target_groups[].health_check.enabled", "true",
	     "false: nobody checks, and every target gets connections (AWS: always on)"),
	ENUM("target_groups[].health_check.protocol", "TCP|HTTP|HTTPS", "TCP",
	     "open a connection, or ask for a path; certificates are not looked at"),
	{"target_groups[].health_check.port", CONF_CHECK_PORT, 0, 0, 65535, "traffic-port", "",
	 NULL, "port to check; `traffic-port`: the target's own"},
	STRING("target_groups[].health_check.path", 0, 1, CV_MODEL_CHECK_PATH_MAX, NULL,
	       "of HTTP and HTTPS checks; `/` if absent"),
	INT("target_groups[].health_check.interval_seconds", CV_MODEL_CHECK_INTERVAL_MIN,
	    CV_MODEL_CHECK_INTERVAL_MAX, "30", "s", "from one check to the next"),
	INT("target_groups[].health_check.timeout_seconds", CV_MODEL_CHECK_TIMEOUT_MIN,
	    CV_MODEL_CHECK_TIMEOUT_MAX, NULL, "s",
	    "no answer so long is a failure; at most the interval; 10, with HTTP 6, if absent"),
	INT("target_groups[].health_check.healthy_threshold", CV_MODEL_CHECK_THRESHOLD_MIN,
	    CV_MODEL_CHECK_THRESHOLD_MAX, "5", "",
	    "successes in a row that make an unhealthy target healthy; a new one needs one"),
	INT("target_groups[].health_check.unhealthy_threshold", CV_MODEL_CHECK_THRESHOLD_MIN,
	    CV_MODEL_CHECK_THRESHOLD_MAX, "2", "",
	    "failures in a row that make a target unhealthy"),
	STRING("target_groups[].health_check.matcher", 0, 3, 256, NULL,
	       "codes of success of HTTP and HTTPS checks: `200`, `200,204`, `200-299`; `200-399` "
	       "if absent"),
	BOOL("target_groups[].attributes.stickiness.enabled", "false",
	     "connections of one client address go to one target, as long as it may get new ones"),
	ENUM("target_groups[].attributes.stickiness.type", "source_ip", "source_ip",
	     "what a client is known by"),
	LEAST(TG_HEALTH "dns_failover.minimum_healthy_targets.count", 1000, "1",
	      "with fewer healthy targets, DNS leaves the zone out"),
	LEAST(TG_HEALTH "dns_failover.minimum_healthy_targets.percentage", 100, "off",
	      "likewise, in percent of the targets that the zone's node may use"),
	INT(TG_HEALTH "unhealthy_state_routing.minimum_healthy_targets.count", 1, 1000, "1", "",
	    "with fewer healthy targets, unhealthy ones get connections, too"),
	LEAST(TG_HEALTH "unhealthy_state_routing.minimum_healthy_targets.percentage", 100, "off",
	      "likewise, in percent of the targets that the node may use"),
	LIST("target_groups[].targets", 0, 0, MANY, "targets"),
	OBJECT("target_groups[].targets[]", RES, "a target"),
	IP("target_groups[].targets[].ip", REQ, "private address"),
	INT("target_groups[].targets[].port", 1, 65535, NULL, "", "the group's if absent"),
	STRING("target_groups[].targets[].zone", 0, 1, 64, NULL,
	       "zone or `all`, of a target outside the VPC's subnets; `all` if absent"),

	LIST("load_balancers", LIVE, 0, MANY, "Network Load Balancers"),
	OBJECT("load_balancers[]", RES, "a load balancer: one node in the zone of each subnet"),
	STRING("load_balancers[].name", REQ, 1, 32, NULL, "letters, digits and inner hyphens"),
	TEXT("load_balancers[].arn", 0, REF, NULL, "derived if absent"),
	TEXT("load_balancers[].vpc", REQ, REF, NULL, "VPC"),
	LIST("load_balancers[].subnets", REQ, 1, 64, "where the nodes are, in different zones"),
	OBJECT("load_balancers[].subnets[]", 0, "a node"),
	TEXT("load_balancers[].subnets[].subnet", REQ, REF, NULL, "subnet of the VPC"),
	LIST("load_balancers[].subnets[].ips", CONF_RAISE, 1, CV_MODEL_NODE_IPS_MAX,
	     "addresses, the primary first; the primary is chosen if absent"),
	IP("load_balancers[].subnets[].ips[]", LIVE, "free address of the subnet"),
	LIST("load_balancers[].security_groups", 0, 0, LB_SGS_MAX,
	     "who may connect; anybody if absent"),
	TEXT("load_balancers[].security_groups[]", 0, REF, NULL, "security group of the VPC"),
	BOOL("load_balancers[].enforce_security_group_inbound_rules_on_private_link_traffic",
	     "true", "`security_groups` hold for endpoint traffic, too, with the client's address"),
	OBJECT("load_balancers[].attributes", 0, "attributes, by AWS's keys"),
	BOOL("load_balancers[].attributes.load_balancing.cross_zone.enabled", "false",
	     "nodes use targets of other zones"),
	NUMBER("load_balancers[].attributes.secondary_ips.auto_assigned.per_subnet", CONF_RAISE, 0,
	       7, "0", "", "further addresses of each node, each with source ports of its own"),
	BOOL("load_balancers[].attributes.zonal_shift.config.enabled", "false",
	     "the load balancer may be shifted away from a zone"),
	ENUM("load_balancers[].attributes.dns_record.client_routing_policy",
	     "any_availability_zone|partial_availability_zone_affinity|availability_zone_affinity",
	     "any_availability_zone",
	     "whether DNS names a client the node in the client's own zone: no, for 85 % of its "
	     "queries, always"),
	OBJECT("load_balancers[].zonal_shift", 0, "a zonal shift that is under way"),
	STRING("load_balancers[].zonal_shift.away_from", REQ, 1, 64, NULL,
	       "zone whose targets get no new connections, from no node; DNS leaves it out"),
	LIST("load_balancers[].listeners", 0, 0, MANY, "listeners"),
	OBJECT("load_balancers[].listeners[]", RES, "a TCP port"),
	TEXT("load_balancers[].listeners[].arn", 0, REF, NULL, "derived if absent"),
	{"load_balancers[].listeners[].port", CONF_INT, REQ, 1, 65535, NULL, "", NULL, "port"},
	TEXT("load_balancers[].listeners[].target_group", 0, REF, NULL,
	     "target group of the same VPC that no other load balancer uses"),
	LIST("load_balancers[].listeners[].forward", 0, 1, CV_MODEL_FORWARDS_MAX,
	     "instead of `target_group`: several that share new connections by weight"),
	OBJECT("load_balancers[].listeners[].forward[]", 0, "a target group's share"),
	TEXT("load_balancers[].listeners[].forward[].target_group", REQ, REF, NULL,
	     "as `target_group`"),
	INT("load_balancers[].listeners[].forward[].weight", 0, CV_MODEL_WEIGHT_MAX, "1", "",
	    "share of the sum of all weights; 0: no new connections, and its others end"),
	OBJECT("load_balancers[].listeners[].target_group_stickiness", 0,
	       "whether clients stay with a group of `forward`"),
	BOOL("load_balancers[].listeners[].target_group_stickiness.enabled", "false",
	     "connections of one client address go to one group; needed if a group is sticky"),
	OBJECT("load_balancers[].listeners[].attributes", 0, "attributes, by AWS's keys"),
	INT("load_balancers[].listeners[].attributes.tcp.idle_timeout.seconds",
	    CV_MODEL_IDLE_SECONDS_MIN, CV_MODEL_IDLE_SECONDS_MAX, "350", "s",
	    "an idle connection is forgotten"),

	LIST("endpoint_services", LIVE, 0, MANY, "endpoint services"),
	OBJECT("endpoint_services[]", RES, "load balancers offered to other accounts"),
	TEXT("endpoint_services[].name", REQ, NAME, NULL, "name for use in this file"),
	TEXT("endpoint_services[].id", 0, REF, NULL,
	     "`vpce-svc-` and 17 hex digits; derived from the name if absent"),
	LIST("endpoint_services[].load_balancers", REQ, 1, MANY, "load balancers of one account"),
	TEXT("endpoint_services[].load_balancers[]", 0, REF, NULL, "name or ARN"),
	LIST("endpoint_services[].allowed_principals", 0, 0, MANY,
	     "who may make endpoints, beside the account itself; nobody else if absent"),
	TEXT("endpoint_services[].allowed_principals[]", 0, REF, NULL,
	     "`arn:aws:iam::ACCOUNT:root` (the whole account), `...:user/NAME`, `...:role/NAME`, or `*`"),
	BOOL("endpoint_services[].acceptance_required", "true",
	     "endpoints wait until they are accepted"),
	LIST("endpoint_services[].accept", 0, 0, MANY, "endpoints that are accepted"),
	TEXT("endpoint_services[].accept[]", 0, REF, NULL, "endpoint, by name or id"),
	LIST("endpoint_services[].reject", 0, 0, MANY, "endpoints that are rejected"),
	TEXT("endpoint_services[].reject[]", 0, REF, NULL, "endpoint, by name or id"),

	LIST("endpoints", LIVE, 0, MANY, "interface endpoints"),
	OBJECT("endpoints[]", RES, "an endpoint: one ENI in each subnet"),
	TEXT("endpoints[].name", REQ, NAME, NULL, "name for use in this file"),
	TEXT("endpoints[].id", 0, REF, NULL,
	     "`vpce-` and 17 hex digits, as in the PROXY header; derived from the name if absent"),
	TEXT("endpoints[].principal", 0, REF, NULL,
	     "who asks for it; the root of the VPC's owner if absent"),
	TEXT("endpoints[].vpc", REQ, REF, NULL, "VPC of the consumer"),
	TEXT("endpoints[].service", REQ, REF, NULL,
	     "`com.amazonaws.vpce.REGION.vpce-svc-...`, `vpce-svc-...`, or name"),
	LIST("endpoints[].subnets", REQ, 0, 64,
	     "where the ENIs are, in different zones that the service offers; without any, nobody "
	     "reaches it"),
	OBJECT("endpoints[].subnets[]", 0, "an ENI"),
	TEXT("endpoints[].subnets[].subnet", REQ, REF, NULL, "subnet of the VPC"),
	IP("endpoints[].subnets[].ip", 0, "free address of the subnet; chosen if absent"),
	LIST("endpoints[].security_groups", 0, 0, 64,
	     "who may connect; if absent the VPC's group `default`: that of the file, else one that "
	     "admits the VPC's CIDRs"),
	TEXT("endpoints[].security_groups[]", 0, REF, NULL, "security group of the VPC"),
};

static_assert(CV_ARRAY_LEN(schema) <= CONF_ROWS_MAX, "CONF_ROWS_MAX is too small");

const struct conf_row *cv_conf_schema(uint32_t *ret_n)
{
	*ret_n = CV_ARRAY_LEN(schema);
	return schema;
}

uint32_t cv_conf_row_find(const char *path)
{
	for (uint32_t i = 0; i < CV_ARRAY_LEN(schema); i++) {
		if (strcmp(schema[i].path, path) == 0)
			return i;
	}
	return CONF_NONE;
}

uint32_t cv_conf_row_parent(uint32_t row, const char **ret_key)
{
	const char *path = schema[row].path;

	*ret_key = path;
	if (row == 0)
		return CONF_NONE;
	/* The longest row that this one continues; attributes have dots in their keys. */
	for (uint32_t i = row - 1; i > 0; i--) {
		size_t len = strlen(schema[i].path);

		if (strncmp(path, schema[i].path, len) != 0 ||
		    (path[len] != '.' && path[len] != '['))
			continue;
		*ret_key = path[len] == '.' ? path + len + 1 : path + len;
		return i;
	}
	return 0;
}

unsigned int cv_conf_row_reload(uint32_t row)
{
	const char *key;

	while (row != CONF_NONE && (schema[row].flags & CONF_RELOADS) == 0)
		row = cv_conf_row_parent(row, &key);
	return row != CONF_NONE ? schema[row].flags & CONF_RELOADS : 0;
}

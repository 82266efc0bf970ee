/* SPDX-License-Identifier: BSD-3-Clause */

/* What a document becomes: values, defaults, lines, limits, and what happens when memory runs out. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "cv_conf.h"

static struct cv_errs errs;

static int teardown(void **state)
{
	(void)state;
	cv_errs_fini(&errs);
	return 0;
}

static struct cv_conf *parse(const char *text)
{
	return cv_conf_parse(text, strlen(text), &errs);
}

static struct cv_conf *parse_good(const char *text)
{
	struct cv_conf *conf = parse(text);
	char buf[512];

	for (size_t i = 0; i < errs.n; i++)
		print_error("%s\n", cv_err_str(&errs.items[i], buf, sizeof(buf)));
	assert_non_null(conf);
	return conf;
}

static void one_error(const char *want)
{
	char buf[512];

	assert_int_equal(errs.n, 1);
	assert_string_equal(cv_err_str(&errs.items[0], buf, sizeof(buf)), want);
	cv_errs_fini(&errs);
}

/* The least that serves: dpdk stands for the dpdk section, more for further sections. */
#define SMALL(dpdk, more)                                                                           \
	"{\"region\": \"r\", \"zones\": [\"z\"], \"accounts\": [{\"id\": \"111111111111\"}],\n"     \
	"\"dpdk\": " dpdk ",\n" more                                                                \
	"\"vpcs\": [{\"name\": \"v\", \"owner\": \"111111111111\", \"cidrs\": [\"10.0.0.0/16\"],\n" \
	"\"attachment\": {\"port\": \"p\"},\n"                                                      \
	"\"subnets\": [{\"name\": \"a\", \"cidr\": \"10.0.1.0/24\", \"zone\": \"z\"}]}]}"
#define PORT "{\"ports\": [{\"name\": \"p\", \"device\": \"net_null0\"}]}"

static void defaults_are_as_documented(void **state)
{
	struct cv_conf *conf = parse_good(SMALL(PORT, ""));
	const struct cv_conf_port *port = &conf->dpdk.ports[0];

	(void)state;
	assert_int_equal(conf->dpdk.workers, 1);
	assert_int_equal(conf->dpdk.n_cores, 0);
	assert_int_equal(conf->dpdk.main_core, -1);
	assert_true(conf->dpdk.huge_pages);
	assert_int_equal(conf->dpdk.memory_mb, 0);
	assert_int_equal(conf->dpdk.mbufs, 65536);
	assert_int_equal(conf->dpdk.n_eal_args, 0);
	assert_int_equal(conf->dpdk.n_ports, 1);
	assert_string_equal(port->name, "p");
	assert_int_equal(port->n_devices, 1);
	assert_string_equal(port->devices[0], "net_null0");
	assert_int_equal(port->queues, 0);
	assert_int_equal(port->mtu, 1500);
	assert_int_equal(port->rx_desc, 1024);
	assert_int_equal(port->tx_desc, 1024);
	assert_true(port->promiscuous);
	assert_false(port->steering);
	assert_int_equal(conf->limits.flows, 1048576);
	assert_int_equal(conf->limits.endpoints, 100000);
	assert_int_equal(conf->limits.targets, 200000);
	assert_int_equal(conf->limits.listeners, 100000);
	assert_int_equal(conf->settings.syn_seconds, 30);
	assert_int_equal(conf->settings.fin_seconds, 60);
	assert_int_equal(conf->settings.linger_ms, 2000);
	assert_int_equal(conf->settings.snat_port_first, 10536);
	assert_int_equal(conf->settings.snat_n_ports, 55000);
	assert_int_equal(conf->settings.snat_rest_seconds, 60);
	assert_int_equal(conf->settings.snat_on_exhaustion, CV_CONF_EXHAUSTION_DROP);
	assert_int_equal(conf->settings.mss_clamp, 8365);
	assert_int_equal(conf->settings.endpoint_mtu, 8500);
	assert_string_equal(conf->control.socket, "/run/culvert/culvert.sock");
	cv_conf_destroy(conf);
}

static void every_setting_arrives(void **state)
{
	struct cv_conf *conf = parse_good(SMALL(
		"{\"main_core\": 4, \"cores\": [7, 6, 5], \"huge_pages\": false, \"memory_mb\": 64,\n"
		"\"mbufs\": 2048, \"eal_args\": [\"--a\", \"b\"], \"ports\": [{\"name\": \"p\",\n"
		"\"devices\": [\"0000:01:00.0\", \"net_tap0,iface=x\"], \"queues\": 2, \"mtu\": 9000,\n"
		"\"rx_desc\": 128, \"tx_desc\": 256, \"promiscuous\": false, \"steering\": true}]}",
		"\"limits\": {\"flows\": 2000, \"endpoints\": 3, \"targets\": 4, \"listeners\": 5},\n"
		"\"settings\": {\"timeouts\": {\"syn_seconds\": 1, \"fin_seconds\": 2, \"linger_ms\": 3},\n"
		"\"snat\": {\"port_first\": 2000, \"n_ports\": 10, \"rest_seconds\": 0,\n"
		"\"on_exhaustion\": \"reset\"}, \"mss_clamp\": 0}, \"control\": {\"socket\": \"/x\"},\n"));
	const struct cv_conf_port *port = &conf->dpdk.ports[0];

	(void)state;
	assert_int_equal(conf->dpdk.workers, 3); /* as many as cores */
	assert_int_equal(conf->dpdk.main_core, 4);
	assert_int_equal(conf->dpdk.n_cores, 3);
	assert_int_equal(conf->dpdk.cores[0], 7);
	assert_int_equal(conf->dpdk.cores[2], 5);
	assert_false(conf->dpdk.huge_pages);
	assert_int_equal(conf->dpdk.memory_mb, 64);
	assert_int_equal(conf->dpdk.mbufs, 2048);
	assert_int_equal(conf->dpdk.n_eal_args, 2);
	assert_string_equal(conf->dpdk.eal_args[1], "b");
	assert_int_equal(port->n_devices, 2);
	assert_string_equal(port->devices[1], "net_tap0,iface=x");
	assert_int_equal(port->queues, 2);
	assert_int_equal(port->mtu, 9000);
	assert_int_equal(port->rx_desc, 128);
	assert_int_equal(port->tx_desc, 256);
	assert_false(port->promiscuous);
	assert_true(port->steering);
	assert_int_equal(conf->limits.flows, 2000);
	assert_int_equal(conf->limits.endpoints, 3);
	assert_int_equal(conf->limits.targets, 4);
	assert_int_equal(conf->limits.listeners, 5);
	assert_int_equal(conf->settings.syn_seconds, 1);
	assert_int_equal(conf->settings.fin_seconds, 2);
	assert_int_equal(conf->settings.linger_ms, 3);
	assert_int_equal(conf->settings.snat_port_first, 2000);
	assert_int_equal(conf->settings.snat_n_ports, 10);
	assert_int_equal(conf->settings.snat_rest_seconds, 0);
	assert_int_equal(conf->settings.snat_on_exhaustion, CV_CONF_EXHAUSTION_RESET);
	assert_int_equal(conf->settings.mss_clamp, 0);
	assert_string_equal(conf->control.socket, "/x");
	cv_conf_destroy(conf);
}

static void source_ports_end_at_65535(void **state)
{
	(void)state;
	cv_conf_destroy(parse_good(SMALL(
		PORT, "\"settings\": {\"snat\": {\"port_first\": 10536, \"n_ports\": 55000}},")));
	assert_null(parse(SMALL(
		PORT, "\"settings\": {\"snat\": {\"port_first\": 10537, \"n_ports\": 55000}},")));
	one_error("settings.snat: 55000 ports from 10537 on end beyond 65535 (line 3)");
}

/* vlan.json holds what the others do not: gateways, a target elsewhere, secondaries, choices. */
static void every_resource_arrives(void **state)
{
	struct cv_conf *conf = cv_conf_load(SRC_DIR "/config/vlan.json", &errs);
	const struct cv_model *m;

	(void)state;
	assert_non_null(conf);
	m = conf->model;
	assert_string_equal(m->region, "eu-central-1");
	assert_int_equal(m->vpcs[2].vlan, 202);
	assert_string_equal(m->vpcs[2].port, "trunk");
	assert_int_equal(m->subnets[1].gateway, cv_be32(0x0a000201));
	assert_int_equal(m->subnets[4].zone, 1);
	assert_string_equal(m->subnets[4].zone_name, "eu-central-1a");
	assert_int_equal(m->sgs[3].rules[0].port_first, 3306);
	assert_int_equal(m->sgs[3].rules[0].port_last, 3306);
	assert_int_equal(m->sgs[3].rules[0].cidr.len, 24);
	assert_true(m->tgs[0].ppv2);
	assert_int_equal(m->tgs[0].placement, CV_MODEL_ON_FIRST_ACK);
	assert_int_equal(m->tgs[0].cross_zone, CV_MODEL_CROSS_ZONE_LB);
	assert_int_equal(m->tgs[0].n_targets, 3);
	assert_int_equal(m->tgs[0].targets[2].port, 3307);
	assert_int_equal(m->tgs[0].targets[2].zone, 1);
	assert_true(m->lbs[0].cross_zone);
	assert_true(m->lbs[0].sg_on_privatelink);
	assert_int_equal(m->lbs[0].nodes[0].n_ips, 2);
	assert_int_equal(m->lbs[0].listeners[0].idle_seconds, 3600);
	assert_false(m->services[0].acceptance_required);
	assert_string_equal(m->services[0].principals[0], "*");
	assert_int_equal(m->endpoints[0].state, CV_MODEL_AVAILABLE);
	assert_int_equal(m->endpoints[1].n_sgs, 1);
	assert_int_equal(m->endpoints[1].enis[0].ip, cv_be32(0xac100163));
	assert_string_equal(m->endpoints[1].principal, "arn:aws:iam::333333333333:root");
	cv_conf_destroy(conf);
}

static void choices_arrive(void **state)
{
	static const struct {
		const char *text;
		enum cv_model_cross_zone want;
	} cases[] = {
		{"true", CV_MODEL_CROSS_ZONE_ON},
		{"false", CV_MODEL_CROSS_ZONE_OFF},
		{"\"use_load_balancer_configuration\"", CV_MODEL_CROSS_ZONE_LB},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct cv_conf *conf;
		char text[1024];

		snprintf(
			text, sizeof(text),
			SMALL(PORT,
			      "\"target_groups\": [{\"name\": \"t\", \"vpc\": \"v\", \"port\": 80,\n"
			      "\"attributes\": {\"load_balancing.cross_zone.enabled\": %s}}],\n"),
			cases[i].text);
		conf = parse_good(text);
		assert_int_equal(conf->model->tgs[0].cross_zone, cases[i].want);
		assert_false(conf->model->tgs[0].ppv2);
		assert_int_equal(conf->model->tgs[0].placement, CV_MODEL_ON_FIRST_ACK_WITH_PAYLOAD);
		cv_conf_destroy(conf);
	}
}

static void ends_of_flows_arrive(void **state)
{
	struct cv_conf *conf = parse_good(SMALL(
		PORT, "\"target_groups\": [{\"name\": \"t\", \"vpc\": \"v\", \"port\": 80,\n"
		      "\"attributes\": {\"deregistration_delay.timeout_seconds\": 7,\n"
		      "\"deregistration_delay.connection_termination.enabled\": true,\n"
		      "\"target_health_state.unhealthy.connection_termination.enabled\": false,\n"
		      "\"target_health_state.unhealthy.draining_interval_seconds\": 9}},\n"
		      "{\"name\": \"u\", \"vpc\": \"v\", \"port\": 80}],\n"
		      "\"settings\": {\"lab_time_scale\": 10, \"flow_end\": {\"idle\": \"reset\",\n"
		      "\"target\": \"reset\", \"listener\": \"silent\"}},\n"));
	const struct cv_model_drain *drain = &conf->model->tgs[0].drain;
	char buf[512];
	bool warned = false;

	(void)state;
	assert_int_equal(drain->seconds, 7);
	assert_true(drain->terminate);
	assert_false(drain->unhealthy_terminate);
	assert_int_equal(drain->unhealthy_seconds, 9);
	drain = &conf->model->tgs[1].drain;
	assert_int_equal(drain->seconds, 300);
	assert_false(drain->terminate);
	assert_true(drain->unhealthy_terminate);
	assert_int_equal(drain->unhealthy_seconds, 0);
	assert_int_equal(conf->settings.end_idle, CV_CONF_END_RESET);
	assert_int_equal(conf->settings.end_target, CV_CONF_END_RESET);
	assert_int_equal(conf->settings.end_endpoint, CV_CONF_END_SILENT);
	assert_int_equal(conf->settings.end_listener, CV_CONF_LISTENER_SILENT);
	assert_int_equal(conf->settings.lab_time_scale, 10);
	for (size_t i = 0; i < conf->warnings.n; i++) {
		const char *said = cv_err_str(&conf->warnings.items[i], buf, sizeof(buf));

		warned = warned || strncmp(said, "settings.lab_time_scale: ", 25) == 0;
	}
	assert_true(warned);
	cv_conf_destroy(conf);
}

static void warnings_have_a_place(void **state)
{
	struct cv_conf *conf = parse_good(
		SMALL(PORT, "\"target_groups\": [{\"name\": \"t\", \"vpc\": \"v\", \"port\": 80},\n"
			    "{\"name\": \"u\", \"vpc\": \"v\", \"port\": 80}],\n"
			    "\"load_balancers\": [{\"name\": \"l\", \"vpc\": \"v\",\n"
			    "\"subnets\": [{\"subnet\": \"a\"}], \"listeners\": [\n"
			    "{\"port\": 10535, \"target_group\": \"t\"},\n"
			    "{\"port\": 10536, \"target_group\": \"t\"}]}],\n"
			    "\"endpoint_services\": [\n"
			    "{\"name\": \"s\", \"load_balancers\": [\"l\"]}],\n"));
	static const char *const want[] = {
		"target_groups[0].targets: target group 't' has no targets (line 3)",
		"target_groups[1]: target group 'u' is used by no listener (line 4)",
		("load_balancers[0].listeners[1].port: 10536 is also one of the source ports towards "
		 "targets, 10536..65535 (settings.snat): a target that is itself a client of this node may "
		 "be mistaken for an answering one (line 8)"),
		("endpoint_services[0].allowed_principals: service 's' allows nobody: only its own "
		 "account can make endpoints for it (line 10)"),
	};
	char buf[512];

	(void)state;
	assert_int_equal(conf->warnings.n, CV_ARRAY_LEN(want));
	for (size_t i = 0; i < CV_ARRAY_LEN(want); i++)
		assert_string_equal(cv_err_str(&conf->warnings.items[i], buf, sizeof(buf)),
				    want[i]);
	cv_conf_destroy(conf);
}

static void address_of_the_dns_server_is_refused(void **state)
{
	(void)state;
	assert_null(parse(
		"{\"region\": \"r\", \"zones\": [\"z\"], \"accounts\": [{\"id\": \"111111111111\"}],\n"
		"\"dpdk\": " PORT ",\n"
		"\"vpcs\": [{\"name\": \"v\", \"owner\": \"111111111111\",\n"
		"\"cidrs\": [\"169.254.0.0/16\"], \"attachment\": {\"port\": \"p\"},\n"
		"\"subnets\": [{\"name\": \"a\", \"cidr\": \"169.254.169.240/28\", "
		"\"zone\": \"z\"}]}],\n"
		"\"load_balancers\": [{\"name\": \"l\", \"vpc\": \"v\", \"subnets\": [\n"
		"{\"subnet\": \"a\", \"ips\": [\"169.254.169.253\"]}]}]}"));
	one_error("load_balancers[0].subnets[0].ips[0]: address 169.254.169.253 is reserved: the "
		  "VPC's DNS server has it (line 7)");
}

static void escaped_keys_are_keys(void **state)
{
	(void)state;
	cv_conf_destroy(parse_good(SMALL("{\"\\u0070orts\": [{\"n\\u0061me\": \"p\",\r\n\t"
					 "\"device\": \"net_null0,a=\\\"x\\\\\"}]}",
					 "")));
	assert_null(parse(SMALL("{\"ports\": [{\"name\": \"p\", \"device\": \"net_null0\",\n"
				"\"a\\\"b\\u001b\": [{\"}\": \"]\"}, \"\\\\\"]}]}",
				"")));
	one_error(
		"dpdk.ports[0].a\"b?: unknown key; known here: name, device, devices, queues, mtu, "
		"rx_desc, tx_desc, promiscuous, steering (line 3)");
}

static void what_is_not_json_is_said_so(void **state)
{
	static const char *const bad[] = {"",
					  " \n",
					  "{",
					  "[1,]",
					  "{\"a\": 1} x",
					  "{\"a\": \"\\u0000\"}",
					  "{\"a\": 99999999999999999999}",
					  "\"text\"",
					  "7",
					  "\xff\xfe{}"};
	static char deep[6001];

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(bad); i++) {
		assert_null(parse(bad[i]));
		assert_int_equal(errs.n, 1);
		assert_memory_equal(errs.items[0].text, "not JSON: ", 10);
		assert_true(errs.items[0].line > 0);
		cv_errs_fini(&errs);
	}
	assert_null(cv_conf_parse("{\"re\":\n0e4\0\t}", 13, &errs));
	one_error("not JSON: a byte that is zero (line 2)");
	assert_null(cv_conf_parse("", 0, &errs));
	one_error("not JSON: the file is empty (line 1)");
	assert_null(parse("\xef\xbb\xbf{}"));
	one_error(
		"not JSON: it begins with a byte order mark (EF BB BF): save it as UTF-8 without one "
		"(line 1)");
	assert_null(cv_conf_parse("\xff\xfe{\0}\0", 6, &errs));
	one_error("not JSON: it is UTF-16: save it as UTF-8 (line 1)");
	assert_null(cv_conf_parse("\xfe\xff\0{\0}", 6, &errs));
	one_error("not JSON: it is UTF-16: save it as UTF-8 (line 1)");
	memset(deep, '[', 3000);
	memset(deep + 3000, ']', 3000);
	assert_null(parse(deep));
	assert_int_equal(errs.n, 1);
}

#define TWO_PORTS(a, b)                                                 \
	SMALL("{\"ports\": [{\"name\": \"p\", \"devices\": [" a "]},\n" \
	      "{\"name\": \"q\", \"devices\": [" b "]}]}",              \
	      "")

/* Every frame would come by both. */
static void an_interface_is_of_one_port(void **state)
{
	struct cv_conf *conf;

	(void)state;
	assert_null(parse(TWO_PORTS("\"net_af_packet0,iface=e1\"",
				    "\"net_af_xdp0,start_queue=1,iface=e1,mode=x\"")));
	one_error("dpdk.ports[1]: interface 'e1' is already port 'p': attach VPCs to VLANs of one "
		  "port, or give each port an interface (line 3)");
	assert_null(parse(TWO_PORTS("\"net_tap0\"", "\"net_af_packet0,iface=e1\", "
						    "\"net_af_packet1,iface=e1\"")));
	one_error("dpdk.ports[1]: device 'net_af_packet1' is on an interface that another device "
		  "of the port is on; only AF_XDP's may be, each with its start_queue=N (line 3)");
	assert_null(parse(TWO_PORTS("\"net_tap0\"", "\"net_af_xdp0,iface=e1,start_queue=1\", "
						    "\"net_af_xdp1,iface=e1,start_queue=1\"")));
	one_error("dpdk.ports[1]: device 'net_af_xdp1' is on an interface that another device "
		  "of the port is on; only AF_XDP's may be, each with its start_queue=N (line 3)");
	assert_null(parse(TWO_PORTS("\"net_tap0\"", "\"net_af_xdp0,iface=e1\", "
						    "\"net_af_packet1,iface=e1,start_queue=1\"")));
	one_error("dpdk.ports[1]: device 'net_af_packet1' is on an interface that another device "
		  "of the port is on; only AF_XDP's may be, each with its start_queue=N (line 3)");
	conf = parse(TWO_PORTS("\"net_af_xdp0,iface=e1,start_queue=1\", \"net_af_xdp1,iface=e1\"",
			       "\"net_af_xdp2,iface=e1,start_queue=2\""));
	assert_non_null(conf);
	cv_conf_destroy(conf);
	conf = parse(TWO_PORTS("\"net_af_xdp0,iface=e1\", \"net_af_xdp1,iface=e1,start_queue=1\"",
			       "\"net_af_xdp2,iface=e10\", \"net_pcap0,rx_iface=e1\""));
	assert_non_null(conf);
	cv_conf_destroy(conf);
}

static void files_that_cannot_be_read_are_errors(void **state)
{
	(void)state;
	assert_null(cv_conf_load(SRC_DIR "/config/none.json", &errs));
	one_error("cannot read " SRC_DIR "/config/none.json: No such file or directory");
	assert_null(cv_conf_load(SRC_DIR "/config", &errs));
	one_error("cannot read " SRC_DIR "/config: Is a directory");
}

/* Errors are added to those that the caller has. */
static void errors_are_appended(void **state)
{
	(void)state;
	cv_errs_add(&errs, "mine", 9, "was here");
	assert_null(parse("[]"));
	assert_int_equal(errs.n, 2);
	assert_string_equal(errs.items[0].path, "mine");
	assert_string_equal(errs.items[1].text, "must be an object, not a list");
}

static void a_thousand_errors_are_enough(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_non_null(f);
	fprintf(f, "{\"zones\": [");
	for (int i = 0; i < 5000; i++)
		fprintf(f, "%s%d", i > 0 ? "," : "", i);
	fprintf(f, "]}");
	fclose(f);
	assert_null(parse(text));
	assert_true(errs.truncated);
	assert_int_equal(errs.n, 1001);
	assert_string_equal(errs.items[1000].text, "more errors follow");
	free(text);
}

static void nothing_is_nothing(void **state)
{
	(void)state;
	cv_conf_destroy(NULL);
}

/* One VPC with everything in it: the worst case for what is compared with all others. */
static char *big_document(void)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	fprintf(f, "{\"region\":\"r\",\"zones\":[\"z\"],\"accounts\":[{\"id\":\"111111111111\"}],"
		   "\"dpdk\":" PORT ",\"vpcs\":[{\"name\":\"v\",\"owner\":\"111111111111\","
		   "\"cidrs\":[\"10.0.0.0/8\"],\"attachment\":{\"port\":\"p\"},\"subnets\":["
		   "{\"name\":\"a\",\"cidr\":\"10.0.0.0/16\",\"zone\":\"z\"}]}],\"target_groups\":["
		   "{\"name\":\"t\",\"vpc\":\"v\",\"port\":80,\"targets\":[");
	for (int i = 0; i < 50000; i++)
		fprintf(f, "%s{\"ip\":\"10.1.%d.%d\"}", i > 0 ? "," : "", i / 250, i % 250);
	fprintf(f, "]}],\"load_balancers\":[{\"name\":\"l\",\"vpc\":\"v\",\"subnets\":"
		   "[{\"subnet\":\"a\"}],\"listeners\":[");
	for (int i = 1; i <= 20000; i++)
		fprintf(f, "%s{\"port\":%d,\"target_group\":\"t\"}", i > 1 ? "," : "", i);
	fprintf(f, "]}],\"endpoint_services\":[{\"name\":\"s\",\"load_balancers\":[\"l\"],"
		   "\"allowed_principals\":[\"*\"],\"accept\":[");
	for (int i = 0; i < 10000; i++)
		fprintf(f, "%s\"e%d\"", i > 0 ? "," : "", i);
	fprintf(f, "]}],\"endpoints\":[");
	for (int i = 0; i < 10000; i++)
		fprintf(f,
			"%s{\"name\":\"e%d\",\"vpc\":\"v\",\"service\":\"s\",\"subnets\":"
			"[{\"subnet\":\"a\"}]}",
			i > 0 ? "," : "", i);
	fprintf(f, "]}");
	fclose(f);
	return text;
}

static void a_large_file_loads_in_a_second(void **state)
{
	char *text = big_document();
	clock_t start = clock();
	struct cv_conf *conf = parse_good(text);
	double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;

	(void)state;
	assert_int_equal(conf->model->tgs[0].n_targets, 50000);
	assert_int_equal(conf->model->lbs[0].n_listeners, 20000);
	assert_int_equal(conf->model->n_endpoints, 10000);
	print_message("%zu bytes in %.3f s\n", strlen(text), seconds);
	/* Sanitizers cost some times that. */
	assert_true(seconds < (ALLOC_FAIL ? 1.0 : 10.0));
	cv_conf_destroy(conf);
	free(text);
}

/* Limits allow what they say; and a file larger than any buffer is read whole. */
static void limits_are_reached_exactly(void **state)
{
	static const char limits[] = "{\"limits\":{\"targets\":50000,\"listeners\":20000,"
				     "\"endpoints\":10000},";
	char *text = big_document();
	char path[] = "/tmp/cv-test-conf-XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	struct cv_conf *conf;

	(void)state;
	assert_non_null(f);
	fprintf(f, "%s%s", limits, text + 1);
	fclose(f);
	conf = cv_conf_load(path, &errs);
	unlink(path);
	free(text);
	assert_non_null(conf);
	assert_int_equal(conf->limits.endpoints, conf->model->n_endpoints);
	cv_conf_destroy(conf);
}

/* Each allocation fails once: an error, or a good configuration without it; all is given back. */
static void same_summary(const struct cv_conf *conf, const char *want)
{
	char *text = cv_conf_summary(conf);

	assert_string_equal(text, want);
	free(text);
}

static void fail_each_allocation(const char *file)
{
	struct cv_conf *good = cv_conf_load(file, &errs);
	int reached = 1;
	char *summary;
	long n = 0;

	assert_non_null(good);
	summary = cv_conf_summary(good);
	cv_conf_destroy(good);
	while (reached) {
		struct cv_conf *conf;
		bool said;

		alloc_watch(++n);
		conf = cv_conf_load(file, &errs);
		reached = alloc_reached();
		said = errs.n > 0 || errs.truncated;
		if (conf != NULL && reached)
			same_summary(conf, summary);
		assert_true((conf == NULL) == said);
		assert_true(reached || conf != NULL);
		cv_conf_destroy(conf);
		cv_errs_fini(&errs);
		if (alloc_live != 0)
			fail_msg("allocation %ld: %ld blocks lost", n, alloc_live);
	}
	free(summary);
	assert_true(n > 300);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	if (!ALLOC_FAIL)
		skip();
	fail_each_allocation(SRC_DIR "/config/vlan.json");
	fail_each_allocation(SRC_DIR "/config/pci.json");
	fail_each_allocation(SRC_DIR "/tests/fuzz/corpus/conf/everything");
}

static void texts_without_memory_are_null(void **state)
{
	struct cv_conf *conf = cv_conf_load(SRC_DIR "/config/minimal.json", &errs);
	int reached = 1;

	(void)state;
	assert_non_null(conf);
	if (!ALLOC_FAIL) {
		cv_conf_destroy(conf);
		skip();
	}
	for (long n = 1; reached; n++) {
		char *text;

		alloc_watch(n);
		text = cv_conf_summary(conf);
		reached = alloc_reached();
		assert_true((text == NULL) == (reached != 0));
		free(text);
		assert_int_equal(alloc_live, 0);
	}
	alloc_watch(1);
	assert_null(cv_conf_reference());
	assert_true(alloc_reached());
	cv_conf_destroy(conf);
}

/* @return the path of the warning of an endpoint that got the file's `default` unasked, or "" */
static const char *default_warned(const char *groups, const char *endpoint)
{
	static char path[256];
	char text[2048];
	struct cv_conf *conf;

	snprintf(text, sizeof(text),
		 "{'region':'r','zones':['z'],'accounts':[{'id':'111111111111'}],'dpdk':{'ports':"
		 "[{'name':'p','device':'net_null0'}]},'vpcs':[{'name':'v','owner':'111111111111',"
		 "'cidrs':['10.0.0.0/16'],'attachment':{'port':'p'},'subnets':[{'name':'a','cidr':"
		 "'10.0.1.0/24','zone':'z'}]%s}],'load_balancers':[{'name':'w','vpc':'v',"
		 "'subnets':[{'subnet':'a'}]}],'endpoint_services':[{'name':'w','load_balancers':"
		 "['w'],'allowed_principals':['*']}],'endpoints':[{'name':'e','vpc':'v','service':"
		 "'w','subnets':[{'subnet':'a'}]%s}]}",
		 groups, endpoint);
	for (char *p = text; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	conf = parse_good(text);
	path[0] = '\0';
	for (size_t i = 0; i < conf->warnings.n; i++) {
		if (strstr(conf->warnings.items[i].text, "names no security group") != NULL)
			snprintf(path, sizeof(path), "%s", conf->warnings.items[i].path);
	}
	cv_conf_destroy(conf);
	return path;
}

static void endpoint_that_gets_the_files_default_is_told_of(void **state)
{
	static const char groups[] = ",'security_groups':[{'name':'default','ingress':[]}]";

	(void)state;
	assert_string_equal(default_warned(groups, ""), "endpoints[0].security_groups");
	assert_string_equal(default_warned(groups, ",'security_groups':['default']"), "");
	assert_string_equal(default_warned("", ""), "");
	assert_string_equal(default_warned(",'security_groups':[{'name':'x'}]", ""), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_teardown(f, teardown)
		CASE(defaults_are_as_documented),
		CASE(every_setting_arrives),
		CASE(source_ports_end_at_65535),
		CASE(every_resource_arrives),
		CASE(choices_arrive),
		CASE(ends_of_flows_arrive),
		CASE(warnings_have_a_place),
		CASE(address_of_the_dns_server_is_refused),
		CASE(escaped_keys_are_keys),
		CASE(what_is_not_json_is_said_so),
		CASE(an_interface_is_of_one_port),
		CASE(files_that_cannot_be_read_are_errors),
		CASE(errors_are_appended),
		CASE(a_thousand_errors_are_enough),
		CASE(nothing_is_nothing),
		CASE(a_large_file_loads_in_a_second),
		CASE(limits_are_reached_exactly),
		CASE(every_allocation_may_fail),
		CASE(texts_without_memory_are_null),
#undef CASE
		cmocka_unit_test_teardown(endpoint_that_gets_the_files_default_is_told_of,
					  teardown),
	};

	return cmocka_run_group_tests_name("conf_values", tests, NULL, NULL);
}

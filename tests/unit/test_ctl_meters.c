/* SPDX-License-Identifier: BSD-3-Clause */

/* AWS's metrics: every series of CloudWatch and every sample of Prometheus, from counters that differ. */

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cv_ctl_know.h"
#include "cv_points.h"

#include "ctl_world.h"

#include "show_priv.h"

/*
 * Paths, in the order of the ENIs in config/quickstart.json. Consumer-2's zones have each other's names. Each
 * has six bits of every number: so a sum tells which paths are in it.
 */
enum { EP0_A, EP0_B, EP1_A, EP1_B, EP2_A, EP3_A, DIRECT_A, DIRECT_B, PATHS_N };
#define W(path) (UINT64_C(1) << (6 * (path)))
#define W_NODE_A (W(EP0_A) | W(EP1_B) | W(EP2_A) | W(EP3_A) | W(DIRECT_A))
#define W_NODE_B (W(EP0_B) | W(EP1_A) | W(DIRECT_B))
#define W_ENIS_A (W_NODE_A & ~W(DIRECT_A))
#define W_ENIS_B (W_NODE_B & ~W(DIRECT_B))

#define PROVIDER "111111111111"
#define NLB "AWS/NetworkELB"
#define LINES_MAX 400
#define LINE_LEN 600

/* What was read in control. */
struct look {
	char lines[LINES_MAX][LINE_LEN]; /* a series each */
	uint32_t n;
	/* Ids, as dimensions have them. */
	char lb[80], lb_arn[160], tgs[2][80], service[40], service_name[80];
	char endpoints[4][40], vpcs[4][40], subnets[4][2][40];
};

static void edit(json_t *conf)
{
	json_object_set_new(at(conf, "load_balancers.0"), "attributes",
			    json_pack("{s:b}", "zonal_shift.config.enabled", 1));
	json_object_set_new(at(conf, "load_balancers.0"), "zonal_shift",
			    json_pack("{s:s}", "away_from", "use1-az2"));
	json_object_update_new(
		at(conf, "target_groups.1.attributes"),
		json_pack("{s:b, s:i}",
			  "target_health_state.unhealthy.connection_termination.enabled", 0,
			  "target_health_state.unhealthy.draining_interval_seconds", 3600));
}

/* ---- in control ---- */

static void path_fill(struct cv_stats *stats, uint32_t slot, uint64_t w)
{
	struct cv_stats_obj *obj = &stats->obj[CV_STATS_PATH][slot];
	static const struct {
		enum cv_drop reason;
		unsigned int n;
	} drops[] = {{CV_DROP_NO_TARGET, 1},       {CV_DROP_PORT_ALLOCATION, 2},
		     {CV_DROP_SYN_FLOOD, 4},       {CV_DROP_FLOW_TABLE_FULL, 8},
		     {CV_DROP_SECURITY_GROUP, 16}, {CV_DROP_NEIGHBOUR, 32}};
	static const unsigned int events[CV_PATH_EVENT_N] = {
		[CV_PATH_CLIENT_RST] = 13, [CV_PATH_TARGET_RST] = 17, [CV_PATH_ELB_RST] = 19,
		[CV_PATH_SG_TCP] = 23,     [CV_PATH_SG_ICMP] = 29,    [CV_PATH_UNHEALTHY] = 31};

	obj->pkts[0] = w;
	obj->pkts[1] = 2 * w;
	obj->bytes[0] = 3 * w;
	obj->bytes[1] = 4 * w;
	obj->new_flows = 11 * w;
	obj->end_flows = 6 * w;
	obj->drops = 63 * w;
	obj->rsts = 37 * w;
	for (size_t i = 0; i < CV_ARRAY_LEN(drops); i++)
		stats->path_drop[slot][drops[i].reason] = drops[i].n * w;
	for (int i = 0; i < CV_PATH_EVENT_N; i++)
		stats->path_event[slot][i] = events[i] * w;
}

static uint32_t direct_path(const struct cv_ctl *ctl, uint32_t node)
{
	uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_NODE, 0, node);

	for (uint32_t i = 0; i < ctl->plan->n_slots[CV_PLAN_PATH]; i++) {
		if (ctl->plan->paths[i].endpoint == CV_VIEW_DIRECT &&
		    ctl->plan->paths[i].node == slot)
			return i;
	}
	return CV_VIEW_PATH_NONE;
}

static void counters_fill(struct cv_ctl *ctl)
{
	static const uint32_t enis[][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 0}, {3, 0}};
	struct cv_stats *stats = cv_dp_stats(ctl->dp)[0];

	for (uint32_t i = 0; i < CV_ARRAY_LEN(enis); i++)
		path_fill(stats, cv_plan_slot(ctl->plan, CV_PLAN_PATH, enis[i][0], enis[i][1]),
			  W(i));
	path_fill(stats, direct_path(ctl, 0), W(DIRECT_A));
	path_fill(stats, direct_path(ctl, 1), W(DIRECT_B));
	for (uint32_t tg = 0; tg < 2; tg++) {
		for (uint32_t i = 0; i < ctl->conf->model->tgs[tg].n_targets; i++) {
			uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_TARGET, tg, i);

			stats->obj[CV_STATS_TARGET][slot].new_flows = 100 * (tg + 1);
			stats->obj[CV_STATS_TARGET][slot].end_flows = 30 * (i + 1);
		}
	}
}

/* The first target of `web` is healthy, the second not; that of `decode` drains in the second zone. */
static void health_fill(struct cv_ctl *ctl)
{
	uint64_t now_ms = cv_clock_ms();
	struct cv_health_probe probes[8];
	struct cv_health_change change;

	for (int round = 0; round < 3; round++) {
		uint32_t n;

		now_ms += 1000000;
		n = cv_health_due(ctl->health, now_ms, probes, 8);
		for (uint32_t i = 0; i < n; i++) {
			struct cv_health_result result = {
				.key = probes[i].key,
				.turn = probes[i].turn,
				.outcome = round > 0 && probes[i].node == 1 ? CV_HEALTH_FAILED
									    : CV_HEALTH_OK,
				.code = 200,
			};

			if (probes[i].tg == 0 && result.outcome == CV_HEALTH_OK)
				result.outcome = CV_HEALTH_CODE; /* it is asked by HTTP */
			(void)cv_health_take(ctl->health, &result, now_ms, &change);
		}
	}
}

static void peaks_fill(struct cv_ctl *ctl)
{
	struct ctl_watch *watch = &ctl->watch;

	watch->peaks_ms = cv_clock_ms();
	for (uint32_t i = 0; i < 2; i++) {
		struct ctl_peak *peak =
			&watch->node_peaks.items[cv_plan_slot(ctl->plan, CV_PLAN_NODE, 0, i)];

		peak->top_bytes = 1000 + i;
		peak->top_pkts = 2000 + i;
	}
	watch->lb_peaks.items[cv_plan_slot(ctl->plan, CV_PLAN_LB, 0, 0)].top_bytes = 1500;
	watch->lb_peaks.items[cv_plan_slot(ctl->plan, CV_PLAN_LB, 0, 0)].top_pkts = 2500;
}

static int by_name(const void *a, const void *b)
{
	const struct cv_points_dim *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* A line for a series: what it has of counters is the sum of all minutes. */
static void series_write(const struct cv_points *points, uint32_t i, char *line)
{
	struct cv_points_series series = *cv_points_at(points, i);
	uint64_t minute, last;
	double value, sum = 0;
	int len;

	qsort(series.dims, series.n_dims, sizeof(series.dims[0]), by_name);
	for (cv_points_span(points, i, &minute, &last); minute <= last; minute++) {
		if (cv_points_get(points, i, minute, &value))
			sum = series.gauge ? value : sum + value;
	}
	len = snprintf(line, LINE_LEN, "%s %s %s %s", series.owner, series.ns, series.name,
		       series.unit);
	for (uint32_t k = 0; k < series.n_dims; k++)
		len += snprintf(line + len, LINE_LEN - (size_t)len, ", %s=%s", series.dims[k].name,
				series.dims[k].value);
	snprintf(line + len, LINE_LEN - (size_t)len, ": %.0f", sum);
}

#define COPY(to, from) snprintf(to, sizeof(to), "%s", from)

static void ids_copy(const struct cv_model *m, struct look *look)
{
	COPY(look->lb_arn, m->lbs[0].arn);
	COPY(look->lb, strstr(m->lbs[0].arn, "net/"));
	COPY(look->service, m->services[0].id);
	COPY(look->service_name, m->endpoints[0].service_name);
	for (int i = 0; i < 2; i++)
		COPY(look->tgs[i], strstr(m->tgs[i].arn, "targetgroup/"));
	for (int i = 0; i < 4; i++) {
		COPY(look->endpoints[i], m->endpoints[i].id);
		COPY(look->vpcs[i], m->vpcs[m->endpoints[i].vpc].id);
		for (uint32_t k = 0; k < m->endpoints[i].n_enis; k++)
			COPY(look->subnets[i][k], m->subnets[m->endpoints[i].enis[k].subnet].id);
	}
}

static void round_finish(struct cv_ctl *ctl)
{
	while (ctl->watch.round.on)
		cv_ctl_watch_run(ctl);
}

static int look_make(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	struct look *look = arg;
	struct cv_model_endpoint *last = &ctl->conf->model->endpoints[3];
	uint32_t n_enis = last->n_enis;
	const struct cv_points *points;
	time_t minute;

	(void)model;
	/* Not ready: nobody has looked for peaks yet. */
	(void)cv_ctl_points(ctl);
	if (ctl->watch.node_peaks.n == 0)
		return -EAGAIN;
	counters_fill(ctl);
	health_fill(ctl);
	if (cv_ctl_replan(ctl) < 0)
		return -ENOMEM;
	/* It loses its only subnet before the minute ends: what it did until then counts. */
	last->n_enis = 0;
	do {
		minute = time(NULL) / 60;
		cv_ctl_watch_tick(ctl, cv_clock_ms());
		round_finish(ctl);
		peaks_fill(ctl);
		ctl->watch.ready_ms = 0;
		points = cv_ctl_points(ctl);
		round_finish(ctl);
	} while (time(NULL) / 60 != minute);
	last->n_enis = n_enis;
	ids_copy(ctl->conf->model, look);
	for (look->n = 0; look->n < cv_points_n(points) && look->n < LINES_MAX; look->n++)
		series_write(points, look->n, look->lines[look->n]);
	return 0;
}

/* ---- what is expected ---- */

static struct look *look;
static char *text; /* of Prometheus */
static bool found[LINES_MAX];

CV_PRINTF(1, 2) static void expect(const char *fmt, ...)
{
	char line[LINE_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (uint32_t i = 0; i < look->n; i++) {
		if (strcmp(look->lines[i], line) != 0)
			continue;
		found[i] = true;
		return;
	}
	for (uint32_t i = 0; i < look->n; i++) {
		if (strncmp(look->lines[i], line, strcspn(line, ",")) == 0)
			print_message("there is %s\n", look->lines[i]);
	}
	fail_msg("no %s", line);
}

CV_PRINTF(1, 2) static void expect_sample(const char *fmt, ...)
{
	char line[LINE_LEN] = "\nculvert_";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + 9, sizeof(line) - 9, fmt, ap);
	va_end(ap);
	if (strstr(text, line) == NULL)
		fail_msg("no sample %s", line);
}

static void expect_lb(const char *name, const char *unit, const char *prom, const uint64_t *values)
{
	static const char *const zones[] = {"us-east-1a", "us-east-1b"};

	expect(PROVIDER " " NLB " %s %s, LoadBalancer=%s: %" PRIu64, name, unit, look->lb,
	       values[2]);
	for (int i = 0; i < 2; i++) {
		expect(PROVIDER " " NLB " %s %s, AvailabilityZone=%s, LoadBalancer=%s: %" PRIu64,
		       name, unit, zones[i], look->lb, values[i]);
		if (prom != NULL)
			expect_sample("%s{load_balancer=\"%s\",availability_zone=\"%s\","
				      "account=\"" PROVIDER "\"} %" PRIu64 "\n",
				      prom, look->lb, zones[i], values[i]);
	}
}

static void load_balancers_have_theirs(void)
{
	static const struct {
		const char *name, *unit, *prom;
		unsigned int n;
	} rows[] = {
		{"ActiveFlowCount", "Count", "nlb_active_flow_count", 5},
		{"ActiveFlowCount_TCP", "Count", NULL, 5},
		{"NewFlowCount", "Count", "nlb_new_flow_count_total", 11},
		{"NewFlowCount_TCP", "Count", NULL, 11},
		{"PortAllocationErrorCount", "Count", "nlb_port_allocation_error_count_total", 2},
		{"RejectedFlowCount", "Count", "nlb_rejected_flow_count_total", 15},
		{"RejectedFlowCount_TCP", "Count", NULL, 15},
		{"UnhealthyRoutingFlowCount", "Count", "nlb_unhealthy_routing_flow_count_total",
		 31},
		{"ProcessedBytes", "Bytes", "nlb_processed_bytes_total", 7},
		{"ProcessedBytes_TCP", "Bytes", NULL, 7},
		{"ProcessedPackets", "Count", "nlb_processed_packets_total", 3},
		{"TCP_Client_Reset_Count", "Count", "nlb_tcp_client_reset_count_total", 13},
		{"TCP_Target_Reset_Count", "Count", "nlb_tcp_target_reset_count_total", 17},
		{"TCP_ELB_Reset_Count", "Count", "nlb_tcp_elb_reset_count_total", 19},
		{"SecurityGroupBlockedFlowCount_Inbound_TCP", "Count",
		 "nlb_security_group_blocked_flow_count_inbound_tcp_total", 23},
		{"SecurityGroupBlockedFlowCount_Inbound_ICMP", "Count",
		 "nlb_security_group_blocked_flow_count_inbound_icmp_total", 29},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++)
		expect_lb(rows[i].name, rows[i].unit, rows[i].prom,
			  (uint64_t[]){rows[i].n * W_NODE_A, rows[i].n * W_NODE_B,
				       rows[i].n * (W_NODE_A + W_NODE_B)});
	expect_lb("ZonalHealthStatus", "Count", "nlb_zonal_health_status", (uint64_t[]){1, 0, 1});
	expect_lb("PeakBytesPerSecond", "Bytes/Second", NULL, (uint64_t[]){1000, 1001, 1500});
	expect_lb("PeakPacketsPerSecond", "Count/Second", NULL, (uint64_t[]){2000, 2001, 2500});
}

static void target_groups_have_theirs(void)
{
	static const struct {
		const char *name, *prom;
		int n[2][3]; /* of each group: in the zones, together */
	} rows[] = {
		{"HealthyHostCount", "healthy_host_count", {{1, 0, 1}, {1, 0, 1}}},
		{"UnHealthyHostCount", "unhealthy_host_count", {{0, 1, 1}, {0, 1, 0}}},
		{"ActiveZonalShiftHostCount",
		 "nlb_target_group_active_zonal_shift_host_count",
		 {{0, 1, 1}, {0, 0, 0}}},
	};
	static const int flows[2][2] = {{200, 110}, {200, 170}};
	static const char *const zones[] = {"us-east-1a", "us-east-1b"};

	for (int tg = 0; tg < 2; tg++) {
		const char *name = look->tgs[tg], *lb = look->lb;

		expect(PROVIDER " " NLB " NewFlowCount Count, TargetGroup=%s: %d", name,
		       flows[tg][0]);
		expect(PROVIDER " " NLB " NewFlowCount Count, LoadBalancer=%s, TargetGroup=%s: %d",
		       lb, name, flows[tg][0]);
		expect(PROVIDER " " NLB " ActiveFlowCount Count, TargetGroup=%s: %d", name,
		       flows[tg][1]);
		expect(PROVIDER " " NLB
				" ActiveFlowCount Count, LoadBalancer=%s, TargetGroup=%s: %d",
		       lb, name, flows[tg][1]);
		for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
			expect(PROVIDER " " NLB " %s Count, LoadBalancer=%s, TargetGroup=%s: %d",
			       rows[i].name, lb, name, rows[i].n[tg][2]);
			for (int z = 0; z < 2; z++) {
				expect(PROVIDER " " NLB " %s Count, AvailabilityZone=%s, "
						"LoadBalancer=%s, TargetGroup=%s: %d",
				       rows[i].name, zones[z], lb, name, rows[i].n[tg][z]);
				expect_sample("%s{load_balancer=\"%s\",target_group=\"%s\","
					      "availability_zone=\"%s\",account=\"" PROVIDER
					      "\"} %d\n",
					      rows[i].prom, lb, name, zones[z], rows[i].n[tg][z]);
			}
		}
	}
}

static void endpoints_have_theirs(void)
{
	static const struct {
		const char *name, *unit, *prom;
		unsigned int n;
	} rows[] = {
		{"ActiveConnections", "Count", "active_connections", 5},
		{"BytesProcessed", "Bytes", "bytes_processed_total", 7},
		{"NewConnections", "Count", "new_connections_total", 11},
		{"PacketsDropped", "Count", "packets_dropped_total", 63},
		{"RstPacketsReceived", "Count", "rst_packets_received_total", 37},
	};
	static const char *const owners[] = {"222222222222", "333333333333", "444444444444",
					     "555555555555"};
	static const uint64_t w[4][2] = {
		{W(EP0_A), W(EP0_B)}, {W(EP1_A), W(EP1_B)}, {W(EP2_A), 0}, {W(EP3_A), 0}};

	for (size_t k = 0; k < 4 * CV_ARRAY_LEN(rows); k++) {
		const char *name = rows[k / 4].name, *unit = rows[k / 4].unit;
		size_t ep = k % 4;

		expect("%s AWS/PrivateLinkEndpoints %s %s, Endpoint Type=Interface, "
		       "Service Name=%s, VPC Endpoint Id=%s, VPC Id=%s: %" PRIu64,
		       owners[ep], name, unit, look->service_name, look->endpoints[ep],
		       look->vpcs[ep], rows[k / 4].n * (w[ep][0] + w[ep][1]));
		for (int i = 0; i < 2 && w[ep][i] != 0; i++) {
			if (ep < 3)
				expect("%s AWS/PrivateLinkEndpoints %s %s, Endpoint Type=Interface, "
				       "Service Name=%s, Subnet Id=%s, VPC Endpoint Id=%s, "
				       "VPC Id=%s: %" PRIu64,
				       owners[ep], name, unit, look->service_name,
				       look->subnets[ep][i], look->endpoints[ep], look->vpcs[ep],
				       rows[k / 4].n * w[ep][i]);
			expect_sample("privatelink_endpoint_%s{endpoint_type=\"Interface\","
				      "service_name=\"%s\",vpc_endpoint_id=\"%s\",vpc_id=\"%s\","
				      "subnet_id=\"%s\",account=\"%s\"} %" PRIu64 "\n",
				      rows[k / 4].prom, look->service_name, look->endpoints[ep],
				      look->vpcs[ep], look->subnets[ep][i], owners[ep],
				      rows[k / 4].n * w[ep][i]);
		}
	}
}

static void service_has(const char *name, const char *unit, const char *prom, unsigned int n)
{
	static const uint64_t eps[] = {W(EP0_A) | W(EP0_B), W(EP1_A) | W(EP1_B), W(EP2_A),
				       W(EP3_A)};
	static const uint64_t zones[] = {W_ENIS_A, W_ENIS_B};
	const char *id = look->service, *arn = look->lb_arn;

#define EXPECT(fmt, ...)                                                                 \
	expect(PROVIDER " AWS/PrivateLinkServices %s %s, " fmt ": %" PRIu64, name, unit, \
	       __VA_ARGS__)
	EXPECT("Service Id=%s", id, n * (W_ENIS_A + W_ENIS_B));
	EXPECT("Load Balancer Arn=%s, Service Id=%s", arn, id, n * (W_ENIS_A + W_ENIS_B));
	for (int i = 0; i < 2; i++) {
		EXPECT("Az=us-east-1%c, Service Id=%s", 'a' + i, id, n * zones[i]);
		EXPECT("Az=us-east-1%c, Load Balancer Arn=%s, Service Id=%s", 'a' + i, arn, id,
		       n * zones[i]);
	}
	for (int i = 0; i < 4; i++)
		EXPECT("Service Id=%s, VPC Endpoint Id=%s", id, look->endpoints[i], n * eps[i]);
#undef EXPECT
	expect_sample("privatelink_service_%s{service_id=\"%s\",az=\"us-east-1b\","
		      "load_balancer_arn=\"%s\",vpc_endpoint_id=\"%s\",account=\"" PROVIDER
		      "\"} %" PRIu64 "\n",
		      prom, id, arn, look->endpoints[1], n * W(EP1_A));
}

static void services_have_theirs(void)
{
	service_has("ActiveConnections", "Count", "active_connections", 5);
	service_has("BytesProcessed", "Bytes", "bytes_processed_total", 7);
	service_has("NewConnections", "Count", "new_connections_total", 11);
	service_has("RstPacketsSent", "Count", "rst_packets_sent_total", 37);
	/* Two are available, one waits; one was rejected. */
	expect(PROVIDER " AWS/PrivateLinkServices EndpointsCount Count, Service Id=%s: 3",
	       look->service);
	expect_sample("privatelink_service_endpoints_count{service_id=\"%s\",account=\"" PROVIDER
		      "\"} 3\n",
		      look->service);
}

static void each_metric_has_its_number_and_dimensions(void **state)
{
	struct world *w = world_create(edit);
	struct cv_ctl_reply reply = {0};

	(void)state;
	look = calloc(1, sizeof(*look));
	assert_non_null(look);
	world_start(w);
	world_until(cv_ctl_call(world_ctl(w), false, look_make, look) == 0);
	assert_int_equal(cv_ctl_metrics(world_ctl(w), &reply), 0);
	text = reply.text;
	load_balancers_have_theirs();
	target_groups_have_theirs();
	endpoints_have_theirs();
	services_have_theirs();
	/* And nothing else. */
	for (uint32_t i = 0; i < look->n; i++) {
		if (!found[i])
			fail_msg("unexpected: %s", look->lines[i]);
	}
	free(text);
	free(look);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_metric_has_its_number_and_dimensions),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}

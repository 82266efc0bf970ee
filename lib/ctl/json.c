/* SPDX-License-Identifier: BSD-3-Clause */

/* What the answers have in common. */

#include <errno.h>
#include <stdlib.h>

#include "show_priv.h"

void cv_ctl_json_add(struct cv_ctl *ctl, json_t *array, json_t *item)
{
	if (json_array_append_new(array, item) < 0)
		ctl->json_failed = true;
}

void cv_ctl_json_put(struct cv_ctl *ctl, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		ctl->json_failed = true;
}

json_t *cv_ctl_json_ip(cv_be32_t ip)
{
	char buf[CV_NET_STR_LEN];

	return json_string(cv_ip4_str(ip, buf));
}

json_t *cv_ctl_json_addr(cv_be32_t ip, uint16_t port)
{
	char buf[CV_NET_STR_LEN];

	return json_string(cv_ctl_addr_str(ip, port, buf));
}

json_t *cv_ctl_json_mac(const uint8_t *mac)
{
	char buf[CV_NET_STR_LEN];

	return json_string(cv_mac_str(mac, buf));
}

json_t *cv_ctl_json_text(const char *text)
{
	return text != NULL ? json_string(text) : json_null();
}

void cv_ctl_json_counts(struct cv_ctl *ctl, json_t *object, enum cv_plan_kind kind, uint32_t slot)
{
	const struct cv_stats_obj_sum sum = cv_ctl_counts_get(ctl, kind, slot);
	const struct {
		const char *name;
		uint64_t value;
	} members[] = {
		{"new_flows", sum.new_flows},
		{"active_flows", cv_ctl_count_active(&sum)},
		{"packets_to_target", sum.pkts[0]},
		{"packets_to_client", sum.pkts[1]},
		{"bytes_to_target", sum.bytes[0]},
		{"bytes_to_client", sum.bytes[1]},
		{"drops", sum.drops},
		{"rsts", sum.rsts},
	};
	/* Workers count packets by path only; listeners and targets have their flows counted. */
	size_t n = kind == CV_PLAN_ENDPOINT ? CV_ARRAY_LEN(members) : 2;

	for (size_t i = 0; i < n; i++)
		cv_ctl_json_put(ctl, object, members[i].name,
				json_integer((json_int_t)members[i].value));
}

enum cv_drop cv_ctl_verdict_get(const struct cv_ctl *ctl, uint32_t endpoint)
{
	uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_ENDPOINT, 0, endpoint);
	const struct cv_view_spec *spec = cv_view_spec_get(cv_view_pub_current(ctl->pub));

	return (enum cv_drop)spec->endpoints[slot].verdict;
}

const struct ctl_neigh *cv_ctl_target_neigh(const struct cv_ctl *ctl, uint32_t target_slot)
{
	const struct cv_view_spec *spec = cv_view_spec_get(cv_view_pub_current(ctl->pub));
	uint32_t slot = spec->targets[target_slot].neigh;

	if (slot >= ctl->neighs.n || ctl->neighs.items[slot].state == CTL_NEIGH_UNUSED)
		return NULL;
	return &ctl->neighs.items[slot];
}

/* ---- as text ---- */

struct sink {
	FILE *out;
	bool failed;
};

static int sink_write(const char *text, size_t len, void *arg)
{
	struct sink *sink = arg;

	if (fwrite(text, 1, len, sink->out) != len)
		sink->failed = true;
	return sink->failed ? -1 : 0;
}

/* Not by json_dumps(): jansson 2.14 leaves out a key when memory ends within it, and reports success. */
int cv_ctl_json_write(const struct json_t *root, char **ret_text, size_t *ret_len)
{
	char *text = NULL;
	size_t len = 0;
	struct sink sink = {.out = open_memstream(&text, &len)};
	int ret;

	if (sink.out == NULL)
		return -ENOMEM;
	ret = json_dump_callback(root, sink_write, &sink, JSON_INDENT(2));
	if (fclose(sink.out) != 0 || ret < 0 || sink.failed) {
		free(text);
		return -ENOMEM;
	}
	*ret_text = text;
	*ret_len = len;
	return 0;
}

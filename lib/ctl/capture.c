/* SPDX-License-Identifier: BSD-3-Clause */

/* One capture at a time, held by whoever asks for what it has caught. */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cv_ctl_capture.h"
#include "cv_dp_capture.h"
#include "cv_model_ops.h"

#include "ctl_priv.h"
#include "pcapng_priv.h"

#define ID_MAX 32
/* An answer is full with so many bytes: control must not be held up. */
#define ANSWER_FULL (4U << 20)

struct ctl_capture {
	char id[ID_MAX + 1];
	struct cv_dp_capture *packets;
	uint64_t epoch_ns; /* when it began, since 1970 */
	uint64_t lease_ms; /* it ends then */
	uint64_t missed;   /* as last said */
	uint16_t snap_len;
	bool said; /* that it has begun */
	bool ending;
};

struct capture_ask {
	const struct cv_ctl_capture_query *query;
	struct cv_ctl_reply *reply;
};

CV_PRINTF(3, 4)
static int refuse(struct cv_ctl_reply *reply, int err, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&reply->text, fmt, ap);
	va_end(ap);
	if (len < 0) {
		reply->text = NULL;
		return -ENOMEM;
	}
	reply->len = (size_t)len;
	return err;
}

/* ---- the query ---- */

static bool number_read(const char *text, uint32_t max, uint16_t *ret_value)
{
	unsigned long value;

	if (*text == '\0' || strspn(text, "0123456789") != strlen(text) || strlen(text) > 5)
		return false;
	value = strtoul(text, NULL, 10);
	if (value < 1 || value > max)
		return false;
	*ret_value = (uint16_t)value;
	return true;
}

static bool target_read(const char *text, struct cv_dp_capture_filter *filter)
{
	char ip[CV_NET_STR_LEN];
	size_t len = strcspn(text, ":");
	uint16_t port;

	if (text[len] != ':' || len >= sizeof(ip) || !number_read(text + len + 1, 65535, &port))
		return false;
	memcpy(ip, text, len);
	ip[len] = '\0';
	filter->target_port = cv_be16(port);
	return cv_ip4_parse(ip, &filter->target_ip);
}

static int endpoint_read(const struct cv_ctl *ctl, const char *name, uint32_t *ret_slot)
{
	uint32_t idx = cv_model_find(ctl->conf->model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, name);

	if (strcmp(name, "direct") == 0)
		*ret_slot = CV_VIEW_DIRECT;
	else if (idx != CV_MODEL_NONE)
		*ret_slot = cv_plan_slot(ctl->plan, CV_PLAN_ENDPOINT, 0, idx);
	else
		return -ENOENT;
	return 0;
}

static bool drops_read(const char *text, enum cv_drop *ret_drop)
{
	if (strcmp(text, "all") == 0) {
		*ret_drop = CV_DP_CAPTURE_DROPS;
		return true;
	}
	for (int i = CV_DROP_NONE + 1; i < CV_DROP_N; i++) {
		if (strcmp(text, cv_drop_name((enum cv_drop)i)) != 0)
			continue;
		*ret_drop = (enum cv_drop)i;
		return true;
	}
	return false;
}

static int filter_read(const struct cv_ctl *ctl, const struct capture_ask *ask,
		       struct cv_dp_capture_filter *filter)
{
	const struct cv_ctl_capture_query *q = ask->query;
	uint16_t port = 0;

	*filter = (struct cv_dp_capture_filter){.endpoint = CV_VIEW_NONE,
						.snap_len = CV_CTL_CAPTURE_LEN_DEFAULT};
	if (q->endpoint != NULL && endpoint_read(ctl, q->endpoint, &filter->endpoint) < 0)
		return refuse(ask->reply, -ENOENT, "there is no endpoint %.80s", q->endpoint);
	if (q->target != NULL && !target_read(q->target, filter))
		return refuse(ask->reply, -EINVAL, "target: %.40s is not IP:PORT", q->target);
	if (q->client != NULL && !cv_ip4_parse(q->client, &filter->client_ip))
		return refuse(ask->reply, -EINVAL, "client: %.40s is no IPv4 address", q->client);
	if (q->port != NULL && !number_read(q->port, 65535, &port))
		return refuse(ask->reply, -EINVAL, "port: %.40s is not 1 to 65535", q->port);
	if (q->snaplen != NULL &&
	    !number_read(q->snaplen, CV_DP_CAPTURE_LEN_MAX, &filter->snap_len))
		return refuse(ask->reply, -EINVAL, "snaplen: %.40s is not 1 to %u", q->snaplen,
			      CV_DP_CAPTURE_LEN_MAX);
	if (q->drops != NULL && !drops_read(q->drops, &filter->drop))
		return refuse(ask->reply, -EINVAL, "drops: %.40s is neither a reason nor all",
			      q->drops);
	filter->port = cv_be16(port);
	return 0;
}

static bool id_is_good(const char *id)
{
	size_t len = id != NULL ? strlen(id) : 0;

	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)id[i]))
			return false;
	}
	return len >= 1 && len <= ID_MAX;
}

/* ---- what is written ---- */

static uint64_t epoch_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void head_write(const struct cv_ctl *ctl, FILE *out, uint32_t snap_len)
{
	char program[64];

	snprintf(program, sizeof(program), "culvert %.40s", ctl->version);
	cv_ctl_pcapng_begin(out, program);
	for (uint32_t i = 0; i < ctl->conf->dpdk.n_ports; i++)
		cv_ctl_pcapng_iface(out, ctl->conf->dpdk.ports[i].name, snap_len);
}

static const char *endpoint_name(const struct cv_ctl *ctl, uint32_t slot)
{
	uint32_t idx;

	if (slot == CV_VIEW_DIRECT)
		return "direct";
	if (slot >= ctl->plan->n_slots[CV_PLAN_ENDPOINT])
		return "no flow";
	idx = ctl->plan->objs[CV_PLAN_ENDPOINT][slot].idx;
	return idx != CV_MODEL_NONE ? ctl->conf->model->endpoints[idx].id : "removed endpoint";
}

static void pkts_write(const struct cv_ctl *ctl, struct ctl_capture *capture, FILE *out)
{
	struct cv_dp_capture_pkt pkt;
	uint64_t missed;
	char comment[128];

	while (ftell(out) < (long)ANSWER_FULL && cv_dp_capture_peek(capture->packets, &pkt)) {
		snprintf(comment, sizeof(comment), "%.60s, %s side, %s%s",
			 endpoint_name(ctl, pkt.endpoint), pkt.target_side ? "target" : "client",
			 pkt.drop != CV_DROP_NONE ? "dropped: " : "",
			 pkt.drop != CV_DROP_NONE ? cv_drop_name(pkt.drop)
			 : pkt.sent               ? "sent"
						  : "received");
		cv_ctl_pcapng_pkt(out, &(struct ctl_pcapng_pkt){
					       .iface = pkt.port,
					       .ns = capture->epoch_ns + pkt.ns,
					       .data = pkt.data,
					       .n = pkt.n,
					       .len = pkt.len,
					       .sent = pkt.sent,
					       .comment = comment,
				       });
		cv_dp_capture_pop(capture->packets);
	}
	missed = cv_dp_capture_missed(capture->packets);
	if (missed != capture->missed)
		cv_ctl_pcapng_missed(out, 0, epoch_ns(), missed);
	capture->missed = missed;
}

/* ---- its life ---- */

static int capture_begin(struct cv_ctl *ctl, const struct capture_ask *ask)
{
	struct cv_dp_capture_filter filter;
	struct ctl_capture *capture;
	int ret = filter_read(ctl, ask, &filter);

	if (ret < 0)
		return ret;
	capture = calloc(1, sizeof(*capture));
	if (capture == NULL)
		return -ENOMEM;
	memcpy(capture->id, ask->query->id, strlen(ask->query->id));
	capture->epoch_ns = epoch_ns();
	ret = cv_dp_capture_create(ctl->dp, &filter, &capture->packets);
	if (ret < 0) {
		free(capture);
		return ret;
	}
	capture->snap_len = filter.snap_len;
	ctl->capture = capture;
	return 0;
}

void cv_ctl_capture_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct ctl_capture *capture = ctl->capture;

	if (capture == NULL)
		return;
	if (now_ms > capture->lease_ms)
		capture->ending = true;
	if (capture->ending && cv_dp_capture_stop(capture->packets) == 0 &&
	    cv_dp_capture_is_done(capture->packets))
		cv_ctl_capture_fini(ctl);
}

void cv_ctl_capture_fini(struct cv_ctl *ctl)
{
	if (ctl->capture == NULL)
		return;
	cv_dp_capture_destroy(ctl->capture->packets);
	free(ctl->capture);
	ctl->capture = NULL;
}

static int capture_go_on(struct cv_ctl *ctl, const struct capture_ask *ask, FILE *out)
{
	int ret = 0;

	if (ctl->capture == NULL)
		ret = capture_begin(ctl, ask);
	else if (ctl->capture->ending)
		ret = -EAGAIN;
	else if (strcmp(ctl->capture->id, ask->query->id) != 0)
		ret = refuse(ask->reply, -EBUSY,
			     "another capture is under way: there is one at a time");
	if (ret < 0)
		return ret;
	ctl->capture->lease_ms = cv_clock_ms() + CV_CTL_CAPTURE_LEASE_MS;
	/* Who is told that it has begun may send at once, and must find that packet. */
	if (!cv_dp_capture_has_begun(ctl->capture->packets))
		return -EAGAIN;
	if (!ctl->capture->said)
		head_write(ctl, out, ctl->capture->snap_len);
	ctl->capture->said = true;
	pkts_write(ctl, ctl->capture, out);
	ctl->capture->ending = ask->query->stop;
	return 0;
}

static int capture_run(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	struct capture_ask *ask = arg;
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int ret;

	(void)model;
	out = open_memstream(&text, &len);
	if (out == NULL)
		return -ENOMEM;
	cv_ctl_capture_tick(ctl, cv_clock_ms());
	ret = capture_go_on(ctl, ask, out);
	if (fclose(out) != 0 && ret == 0)
		ret = -ENOMEM;
	if (ret < 0) {
		free(text);
		return ret;
	}
	ask->reply->text = text;
	ask->reply->len = len;
	return 0;
}

int cv_ctl_capture(void *ctl, const struct cv_ctl_capture_query *query, struct cv_ctl_reply *reply)
{
	struct capture_ask ask = {.query = query, .reply = reply};

	if (!id_is_good(query->id))
		return refuse(reply, -EINVAL, "id: 1 to %d letters and digits", ID_MAX);
	return cv_ctl_call(ctl, false, capture_run, &ask);
}

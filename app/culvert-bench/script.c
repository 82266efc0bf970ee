/* SPDX-License-Identifier: BSD-3-Clause */

/* From options to what both ends of a flow do. */

#include "side.h"

#include <stdio.h>

static uint16_t probe_len(const struct cb_opts *o)
{
	switch (o->mode) {
	case CB_ESTABLISHED:
	case CB_LATENCY:
	case CB_LIMIT:
	case CB_FLOOD:
		return (uint16_t)(o->size - 54);
	default:
		return 0;
	}
}

void cb_script_init(struct cb_script *s, const struct cb_opts *o, char *text)
{
	*s = (struct cb_script){
		.request = (uint32_t)o->request,
		.response = o->mode == CB_CPS || o->mode == CB_SERVE ? (uint32_t)o->response : 0,
		.probe_len = probe_len(o),
		.window = (uint16_t)o->window,
		.mss = (uint16_t)o->mss,
		.close = (uint8_t)o->close,
		.hold = o->mode != CB_CPS && o->mode != CB_SERVE,
		.bulk = o->mode == CB_THROUGHPUT,
		.stamps = o->mode == CB_LATENCY,
		.bare_ack = o->bare_ack,
		.verify = o->verify,
		.count_alive = o->mode == CB_CONCURRENT,
		.rto = (uint32_t)(o->rto_ms * CB_TICKS_PER_S / 1000),
		.keepalive = (uint32_t)(o->keepalive * CB_TICKS_PER_S),
	};
	if (s->bulk && o->direction != CB_DOWN)
		s->request = CB_FOREVER;
	if (s->bulk && o->direction != CB_UP)
		s->response = CB_FOREVER;
	if (o->get == NULL)
		return;
	s->text_len = (uint16_t)snprintf(
		text, CB_GET_LEN, "GET %s HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n",
		o->get);
	s->text = text;
	s->request = s->text_len;
	s->close = CB_CLOSE_SERVER;
}

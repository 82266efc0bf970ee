/* SPDX-License-Identifier: BSD-3-Clause */

/* The server side: what the bytes of a stream say. */

#include "server.h"

#include <errno.h>

#include "cv_ppv2.h"

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
				      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static bool begins_header(const uint8_t *data, uint32_t len)
{
	return memcmp(data, signature, len < sizeof(signature) ? len : sizeof(signature)) == 0;
}

/* Bytes of a header in version 1, which is text; 0 if there is none. Proxies that know no other are served. */
static uint32_t text_header_len(const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 6; i + 1 < len && memcmp(data, "PROXY ", 6) == 0; i++) {
		if (data[i] == '\r' && data[i + 1] == '\n')
			return i + 2;
	}
	return 0;
}

static void check_vpce(struct cb_server *s, const struct cv_ppv2_info *info)
{
	const char *want = s->s.world->opts->vpce;

	if (want == NULL)
		return;
	if (info->vpce_id != NULL && info->vpce_id_len == strlen(want) &&
	    memcmp(info->vpce_id, want, info->vpce_id_len) == 0)
		return;
	s->s.counts.headers_vpce++;
	cb_side_note(&s->s, "PROXY header with endpoint id '%.*s', not '%s'",
		     (int)info->vpce_id_len, info->vpce_id != NULL ? info->vpce_id : "", want);
}

/* The header names a client of ours, and what that client dials. What it is called is kept in f->id. */
static void check_addresses(struct cb_server *s, struct cb_sflow *f,
			    const struct cv_ppv2_info *info)
{
	const struct cb_plan *plan = &s->s.world->plan;
	char text[CV_NET_STR_LEN];
	const struct cb_addr *dial;
	cv_be32_t src, dst;

	/* Clients that are not ours can dial us, too, in mode serve. */
	if (plan->n_tuples == 0)
		return;
	if (info->family != CV_PPV2_INET || info->command != CV_PPV2_PROXY) {
		s->s.counts.headers_client++;
		cb_side_note(&s->s, "PROXY header without IPv4 addresses");
		return;
	}
	memcpy(&src, info->src, 4);
	memcpy(&dst, info->dst, 4);
	if (!cb_plan_find(plan, src, info->src_port, &f->id)) {
		s->s.counts.headers_client++;
		cb_side_note(&s->s, "PROXY header with client %s:%u, which is none of ours",
			     cv_ip4_str(src, text), cv_be16_host(info->src_port));
		return;
	}
	dial = &plan->dials[cb_plan_dial(plan, f->id)];
	if (dial->ip != dst || dial->port != info->dst_port) {
		s->s.counts.headers_dial++;
		cb_side_note(&s->s, "PROXY header of flow %u with destination %s:%u", f->id,
			     cv_ip4_str(dst, text), cv_be16_host(info->dst_port));
	}
}

/* Reads a header if there is one. Returns its bytes. */
static uint32_t read_header(struct cb_server *s, struct cb_sflow *f, const uint8_t *data,
			    uint32_t len)
{
	uint32_t proxy = s->s.world->opts->proxy;
	struct cv_ppv2_info info;
	size_t used;
	int rc;

	f->id = CB_FOREVER;
	f->t.flags |= CB_T_HEADER;
	if (!begins_header(data, len)) {
		if (proxy == CB_PROXY_AUTO)
			return text_header_len(data, len);
		if (proxy == CB_PROXY_REQUIRE) {
			s->s.counts.headers_missing++;
			cb_side_note(&s->s, "a connection without a PROXY header");
		}
		return 0;
	}
	if (proxy == CB_PROXY_NONE)
		s->s.counts.headers_unwanted++;
	rc = cv_ppv2_decode(data, len, &info, &used);
	if (rc != 0) {
		s->s.counts.headers_malformed++;
		cb_side_note(&s->s, "PROXY header %s",
			     rc == -EAGAIN   ? "cut in two"
			     : rc == -EILSEQ ? "with a wrong CRC"
					     : "malformed");
		return 0;
	}
	s->s.counts.headers_checked++;
	s->s.counts.headers_no_crc += !info.has_crc;
	if (proxy == CB_PROXY_REQUIRE) {
		check_vpce(s, &info);
		check_addresses(s, f, &info);
	}
	return (uint32_t)used;
}

/* Reads who the client is; a header that named another is wrong. */
static void read_ident(struct cb_server *s, struct cb_sflow *f, const uint8_t *data, uint32_t len)
{
	uint32_t id;

	f->t.flags |= CB_T_IDENT;
	if (len < CB_IDENT_LEN || !cb_ident_read(&s->s.world->plan, data, &id)) {
		s->s.counts.flow_bad++;
		cb_side_note(&s->s, "a request of %u bytes that does not say whose it is", len);
		return;
	}
	if (s->s.world->opts->proxy == CB_PROXY_REQUIRE && f->id != CB_FOREVER && f->id != id) {
		s->s.counts.headers_client++;
		cb_side_note(&s->s, "PROXY header names flow %u, the request is of flow %u", f->id,
			     id);
	}
	f->id = id;
}

void cb_server_read(struct cb_server *server, struct cb_sflow *f, const uint8_t *data, uint32_t len)
{
	const struct cb_world *w = server->s.world;
	uint32_t off = (uint16_t)(f->t.rcv_off - len), used;
	const uint8_t *want;

	if ((f->t.flags & CB_T_HEADER) == 0) {
		used = read_header(server, f, data, len);
		f->t.rcv_off = (uint16_t)(f->t.rcv_off - used);
		data += used;
		len -= used;
	}
	server->s.counts.data_in += len;
	if (len == 0)
		return;
	if ((f->t.flags & CB_T_IDENT) == 0) {
		read_ident(server, f, data, len);
		used = len < CB_IDENT_LEN ? len : CB_IDENT_LEN;
		data += used;
		len -= used;
		off += used;
	}
	if ((w->script.bulk && !w->script.verify) || len == 0 || len > CB_PIECE_MAX)
		return;
	want = cb_pattern_at(&w->pattern, cb_plan_start(&w->plan, f->id, CB_CLIENT), off);
	server->s.counts.payload_checked++;
	if (memcmp(data, want, len) != 0) {
		server->s.counts.payload_bad++;
		cb_side_note(&server->s, "flow %u: wrong payload in bytes %u..%u of the request",
			     f->id, off, off + len - 1);
	}
}

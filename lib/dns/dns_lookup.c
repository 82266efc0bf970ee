/* SPDX-License-Identifier: BSD-3-Clause */

/* One TXT record asked for: each resolver twice over UDP, and over TCP if its answer is cut short. */

#include "cv_dns_lookup.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ldns/ldns.h>

#include "dns_priv.h"

#define TCP_HEAD 2
#define ROUNDS 2
#define TEXT_MAX 255
#define QUESTION_END 4 /* type and class */
#define QUERY_MAX (DNS_HEADER_LEN + DNS_NAME_MAX + QUESTION_END)

struct cv_dns_lookup {
	uint8_t keys[CV_DNS_LOOKUP_NAMES][DNS_NAME_MAX];
	uint8_t key_lens[CV_DNS_LOOKUP_NAMES];
	uint32_t n_names;
	char text[TEXT_MAX + 1];
	struct cv_dns_forwarder *forwarders; /* shape [n_forwarders] */
	uint32_t n_forwarders;

	uint32_t name, forwarder, round; /* who is asked for what */
	bool silent;                     /* nobody said anything of some name... */
	bool asked;                      /* ...but somebody was asked */
	bool tcp, sent;
	int fd; /* -1: nobody is being asked */
	uint64_t until_ms;
	uint16_t id;
	uint8_t query[TCP_HEAD + QUERY_MAX];
	size_t query_len; /* without TCP_HEAD */
	uint32_t in_len;
	uint8_t in[TCP_HEAD + CV_DNS_LEN_MAX];
};

/* ---- answers ---- */

/* Tells whether the strings of a record, one behind the other, are a text. */
static bool is_text(const ldns_rr *rr, const char *text)
{
	size_t left = strlen(text);

	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *rdf = ldns_rr_rdf(rr, i);
		const uint8_t *bytes = ldns_rdf_data(rdf);
		size_t len = ldns_rdf_size(rdf) > 0 ? ldns_rdf_size(rdf) - 1 : 0;

		/* The first byte is the length of the rest. */
		if (len > left || (len > 0 && memcmp(bytes + 1, text, len) != 0))
			return false;
		text += len;
		left -= len;
	}
	return left == 0;
}

enum dns_txt cv_dns_txt_look(const uint8_t *bytes, size_t len, const char *text)
{
	enum dns_txt found = DNS_TXT_NONE;
	ldns_pkt *pkt = NULL;
	ldns_pkt_rcode rcode;

	if (ldns_wire2pkt(&pkt, bytes, len) != LDNS_STATUS_OK)
		return DNS_TXT_UNKNOWN;
	rcode = ldns_pkt_get_rcode(pkt);
	for (size_t i = 0; i < ldns_rr_list_rr_count(ldns_pkt_answer(pkt)); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(pkt), i);

		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_TXT && is_text(rr, text))
			found = DNS_TXT_FOUND;
	}
	if (rcode != LDNS_RCODE_NOERROR && rcode != LDNS_RCODE_NXDOMAIN)
		found = DNS_TXT_UNKNOWN;
	else if (found == DNS_TXT_NONE && ldns_pkt_tc(pkt))
		found = DNS_TXT_CUT;
	ldns_pkt_free(pkt);
	return found;
}

/* ---- one resolver ---- */

static void hang_up(struct cv_dns_lookup *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static void query_write(struct cv_dns_lookup *l)
{
	static const uint8_t head[DNS_HEADER_LEN] = {[2] = 1 /* RD */, [5] = 1 /* one question */};
	uint8_t *at = l->query + TCP_HEAD;
	size_t key_len = l->key_lens[l->name];

	l->query_len = DNS_HEADER_LEN + key_len + QUESTION_END;
	l->query[0] = (uint8_t)(l->query_len >> 8);
	l->query[1] = (uint8_t)l->query_len;
	memcpy(at, head, sizeof(head));
	at[0] = (uint8_t)(l->id >> 8);
	at[1] = (uint8_t)l->id;
	memcpy(at + DNS_HEADER_LEN, l->keys[l->name], key_len);
	at += DNS_HEADER_LEN + key_len;
	memcpy(at, (const uint8_t[]){0, LDNS_RR_TYPE_TXT, 0, LDNS_RR_CLASS_IN}, QUESTION_END);
}

/* @return false: this resolver cannot be asked, for want of something here */
static bool dial(struct cv_dns_lookup *l, uint64_t now_ms)
{
	const struct cv_dns_forwarder *f = &l->forwarders[l->forwarder];
	const struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = cv_be16(f->port), .sin_addr.s_addr = f->ip};
	int type = l->tcp ? SOCK_STREAM : SOCK_DGRAM;

	if (getrandom(&l->id, sizeof(l->id), GRND_NONBLOCK) < 0)
		return false;
	query_write(l);
	l->in_len = 0;
	l->sent = false;
	l->until_ms = now_ms + CV_DNS_LOOKUP_MS;
	l->fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return l->fd >= 0 && (connect(l->fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 ||
			      errno == EINPROGRESS);
}

/* @return 1: sent, 0: not yet, -1: it cannot be */
static int query_send(struct cv_dns_lookup *l)
{
	size_t skip = l->tcp ? 0 : TCP_HEAD, len = l->query_len + TCP_HEAD - skip;
	ssize_t n = send(l->fd, l->query + skip, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINPROGRESS || errno == ENOTCONN ? 0 : -1;
	/* So few bytes fit at once. */
	return n == (ssize_t)len ? 1 : -1;
}

/* @return as above; 1: a whole message is in l->in behind TCP_HEAD */
static int answer_read(struct cv_dns_lookup *l)
{
	size_t at = l->tcp ? l->in_len : TCP_HEAD;
	ssize_t n = recv(l->fd, l->in + at, sizeof(l->in) - at, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (!l->tcp) {
		l->in_len = (uint32_t)n;
		return 1;
	}
	if (n == 0)
		return -1;
	l->in_len += (uint32_t)n;
	n = l->in[0] << 8 | l->in[1];
	if (l->in_len < TCP_HEAD || l->in_len - TCP_HEAD < (uint32_t)n)
		return 0;
	l->in_len = (uint32_t)n;
	return 1;
}

/* What the resolver says. @return false: nothing yet */
static bool hear(struct cv_dns_lookup *l, enum dns_txt *ret_said)
{
	int got = 1;

	if (!l->sent) {
		got = query_send(l);
		l->sent = got == 1;
	}
	while (got == 1 && (got = answer_read(l)) == 1) {
		/* Only UDP brings what is no answer and may be followed by one. */
		if (cv_dns_is_answer(l->query + TCP_HEAD, l->query_len, l->in + TCP_HEAD, l->in_len,
				     l->id)) {
			*ret_said = cv_dns_txt_look(l->in + TCP_HEAD, l->in_len, l->text);
			return true;
		}
		if (l->tcp)
			break;
	}
	*ret_said = DNS_TXT_UNKNOWN;
	return got != 0;
}

/* ---- all of them ---- */

static void name_next(struct cv_dns_lookup *l)
{
	l->name++;
	l->forwarder = l->round = 0;
	l->tcp = false;
}

static void forwarder_next(struct cv_dns_lookup *l)
{
	l->tcp = false;
	if (++l->forwarder < l->n_forwarders)
		return;
	l->forwarder = 0;
	if (++l->round < ROUNDS)
		return;
	l->silent = true;
	name_next(l);
}

int cv_dns_lookup_step(struct cv_dns_lookup *l, uint64_t now_ms)
{
	while (l->name < l->n_names) {
		enum dns_txt said = DNS_TXT_UNKNOWN;
		bool barred = l->fd < 0 && !dial(l, now_ms);

		l->asked |= !barred;
		if (!barred && !hear(l, &said) && now_ms < l->until_ms)
			return -EAGAIN;
		hang_up(l);
		if (said == DNS_TXT_FOUND)
			return 1;
		if (said == DNS_TXT_CUT && !l->tcp)
			l->tcp = true;
		else if (said == DNS_TXT_NONE)
			name_next(l);
		else
			forwarder_next(l);
	}
	if (l->silent)
		return l->asked ? -ETIMEDOUT : -EIO;
	return 0;
}

int cv_dns_lookup_create(const struct cv_dns_lookup_req *req, struct cv_dns_lookup **ret_lookup)
{
	struct cv_dns_lookup *l;

	if (req->n_forwarders == 0)
		return -ENOENT;
	if (strlen(req->text) > TEXT_MAX)
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	l->fd = -1;
	memcpy(l->text, req->text, strlen(req->text));
	for (; l->n_names < CV_DNS_LOOKUP_NAMES && req->names[l->n_names] != NULL; l->n_names++) {
		l->key_lens[l->n_names] =
			cv_dns_key_of_text(req->names[l->n_names], l->keys[l->n_names]);
		if (l->key_lens[l->n_names] == 0) {
			cv_dns_lookup_destroy(l);
			return -EINVAL;
		}
	}
	l->n_forwarders = req->n_forwarders;
	l->forwarders = calloc(req->n_forwarders, sizeof(*l->forwarders));
	if (l->forwarders == NULL) {
		cv_dns_lookup_destroy(l);
		return -ENOMEM;
	}
	memcpy(l->forwarders, req->forwarders, req->n_forwarders * sizeof(*l->forwarders));
	*ret_lookup = l;
	return 0;
}

void cv_dns_lookup_destroy(struct cv_dns_lookup *l)
{
	if (l == NULL)
		return;
	hang_up(l);
	free(l->forwarders);
	free(l);
}

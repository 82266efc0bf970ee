/* SPDX-License-Identifier: BSD-3-Clause */

/* From the bytes of a query to those of its answer. */

#include <string.h>

#include <ldns/ldns.h>

#include "dns_priv.h"

/* What every client takes over UDP. @source RFC 1035, 2.3.4 */
#define UDP_LEN 512
/* QTYPEs from here on ask for more than records of a name: transfers, ANY. @source RFC 6895, 3.1 */
#define TYPE_META 128
#define TYPE_META_LAST 255
#define RCODE_BADVERS 16
/* Bytes behind a name: type and class; and TTL and length of the data. */
#define QUESTION_MORE 4
#define RECORD_MORE 10
/* Fields of a zone's SOA record; the last is for how long a name does not exist. */
#define SOA_REFRESH 7200
#define SOA_RETRY 900
#define SOA_EXPIRE 1209600
/* Label of a zone's server: the one that is asked. */
#define SERVER "\002ns"
#define SERVER_LEN 3

/* A query that is being answered. */
struct job {
	const struct cv_dns_data *data;
	const struct cv_dns_query *query;
	ldns_pkt *in, *out;
	const ldns_rr *question;
	uint8_t key[DNS_NAME_MAX];
	uint8_t key_len;
	bool has_edns;
	bool failed; /* memory ran out */
};

static uint16_t load16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* ---- records ---- */

static void push(struct job *job, ldns_pkt_section section, ldns_rr *rr)
{
	if (rr == NULL || !ldns_pkt_push_rr(job->out, section, rr)) {
		ldns_rr_free(rr);
		job->failed = true;
	}
}

static void rdf_push(struct job *job, ldns_rr *rr, ldns_rdf *rdf)
{
	if (rr != NULL && rdf != NULL && ldns_rr_push_rdf(rr, rdf))
		return;
	ldns_rdf_deep_free(rdf);
	job->failed = true;
}

static ldns_rdf *dname_of_key(const uint8_t *key, uint8_t len)
{
	return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, len, key);
}

/* @param owner  taken over */
static ldns_rr *rr_make(struct job *job, ldns_rdf *owner, ldns_rr_type type)
{
	ldns_rr *rr = owner != NULL ? ldns_rr_new() : NULL;

	if (rr == NULL) {
		ldns_rdf_deep_free(owner);
		job->failed = true;
		return NULL;
	}
	ldns_rr_set_owner(rr, owner);
	ldns_rr_set_type(rr, type);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, CV_DNS_TTL);
	return rr;
}

static void a_push(struct job *job, const ldns_rdf *owner, cv_be32_t ip)
{
	ldns_rr *rr = rr_make(job, ldns_rdf_clone(owner), LDNS_RR_TYPE_A);

	if (rr == NULL)
		return;
	rdf_push(job, rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, sizeof(ip), &ip));
	push(job, LDNS_SECTION_ANSWER, rr);
}

/* A name in a zone: a label, and the zone's own. */
static ldns_rdf *dname_in(const struct dns_zone *z, const char *label, uint8_t label_len)
{
	uint8_t name[DNS_LABEL_MAX + 1 + DNS_NAME_MAX];

	memcpy(name, label, label_len);
	memcpy(name + label_len, z->key, z->len);
	return dname_of_key(name, (uint8_t)(label_len + z->len));
}

static void ns_push(struct job *job, uint32_t zone)
{
	const struct dns_zone *z = &job->data->zones[zone];
	ldns_rr *rr = rr_make(job, dname_of_key(z->key, z->len), LDNS_RR_TYPE_NS);

	if (rr == NULL)
		return;
	rdf_push(job, rr, dname_in(z, SERVER, SERVER_LEN));
	push(job, LDNS_SECTION_ANSWER, rr);
}

static void soa_push(struct job *job, ldns_pkt_section section, uint32_t zone)
{
	static const char who[] = "\012hostmaster";
	static const uint32_t numbers[] = {1, SOA_REFRESH, SOA_RETRY, SOA_EXPIRE, CV_DNS_TTL};
	const struct dns_zone *z = &job->data->zones[zone];
	ldns_rr *rr = rr_make(job, dname_of_key(z->key, z->len), LDNS_RR_TYPE_SOA);

	if (rr == NULL)
		return;
	rdf_push(job, rr, dname_in(z, SERVER, SERVER_LEN));
	rdf_push(job, rr, dname_in(z, who, sizeof(who) - 1));
	for (size_t i = 0; i < CV_ARRAY_LEN(numbers); i++)
		rdf_push(job, rr,
			 ldns_native2rdf_int32(i == 0 ? LDNS_RDF_TYPE_INT32 : LDNS_RDF_TYPE_PERIOD,
					       numbers[i]));
	push(job, section, rr);
}

/* ---- addresses ---- */

/* Whether an address belongs into the answer: on, and in the zone unless there is none. */
static bool is_chosen(const struct cv_dns_addr *addr, bool only_on, uint32_t zone)
{
	return (addr->on || !only_on) && (zone == CV_DNS_NO_ZONE || addr->zone == zone);
}

static uint32_t count(const struct cv_dns_addr *addrs, uint32_t n, bool only_on, uint32_t zone)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < n; i++)
		found += is_chosen(&addrs[i], only_on, zone);
	return found;
}

/* The zone to which the answer keeps; CV_DNS_NO_ZONE. */
static uint32_t zone_choose(const struct job *job, const struct dns_entry *e,
			    const struct cv_dns_addr *addrs)
{
	uint32_t percent = job->query->random >> 16, zone;

	if (e->affinity == CV_DNS_ANY ||
	    (e->affinity == CV_DNS_PARTIAL && percent % 100 >= CV_DNS_PARTIAL_PERCENT))
		return CV_DNS_NO_ZONE;
	zone = cv_dns_client_zone(job->data, job->query->vpc, job->query->client);
	return count(addrs, e->n_addrs, true, zone) > 0 ? zone : CV_DNS_NO_ZONE;
}

/* The addresses of an entry under a name, another first in each answer. */
static void addrs_push(struct job *job, const struct dns_entry *e, const ldns_rdf *owner)
{
	const struct cv_dns_addr *addrs = job->data->addrs + e->addrs;
	bool only_on = count(addrs, e->n_addrs, true, CV_DNS_NO_ZONE) > 0;
	uint32_t zone = zone_choose(job, e, addrs);
	uint32_t n = count(addrs, e->n_addrs, only_on, zone);
	uint32_t skip = n > 0 ? (job->query->random & 0xffff) % n : 0;

	for (uint32_t turn = 0; turn < 2; turn++) {
		uint32_t seen = 0;

		for (uint32_t i = 0; i < e->n_addrs; i++) {
			if (!is_chosen(&addrs[i], only_on, zone))
				continue;
			if ((seen++ < skip) == (turn == 1))
				a_push(job, owner, addrs[i].ip);
		}
	}
}

/* ---- the answer ---- */

static void fail(struct job *job, uint16_t rcode)
{
	ldns_pkt_set_rcode(job->out, (uint8_t)(rcode & 0xf));
	if (rcode > 0xf)
		ldns_pkt_set_edns_extended_rcode(job->out, (uint8_t)(rcode >> 4));
}

/* There is such a name, or an alias of one, but no such record. */
static void nodata(struct job *job, uint32_t zone)
{
	if (zone != DNS_NONE)
		soa_push(job, LDNS_SECTION_AUTHORITY, zone);
}

static void entry_answer(struct job *job, uint32_t idx)
{
	const struct dns_entry *e = &job->data->entries[idx];
	ldns_rr_type type = ldns_rr_get_type(job->question);
	const uint8_t *key = job->key;
	ldns_rdf *owner = ldns_rdf_clone(ldns_rr_owner(job->question));
	uint8_t len = job->key_len;

	ldns_pkt_set_aa(job->out, true);
	if (e->alias != DNS_NONE) {
		ldns_rr *rr = rr_make(job, owner, LDNS_RR_TYPE_CNAME);

		key = job->data->bytes + e->alias;
		len = e->alias_len;
		rdf_push(job, rr, dname_of_key(key, len));
		push(job, LDNS_SECTION_ANSWER, rr);
		if (type == LDNS_RR_TYPE_CNAME)
			return;
		owner = dname_of_key(key, len);
		idx = cv_dns_entry_find(job->data, job->query->vpc, key, len);
		e = idx != DNS_NONE ? &job->data->entries[idx] : NULL;
	}
	if (e != NULL && e->n_addrs > 0 && owner != NULL &&
	    (type == LDNS_RR_TYPE_A || type == LDNS_RR_TYPE_ANY))
		addrs_push(job, e, owner);
	else
		nodata(job, cv_dns_zone_find(job->data, key, len));
	job->failed = job->failed || owner == NULL;
	ldns_rdf_deep_free(owner);
}

/* A zone's own name. */
static void apex_answer(struct job *job, uint32_t zone)
{
	ldns_rr_type type = ldns_rr_get_type(job->question);
	bool is_any = type == LDNS_RR_TYPE_ANY;

	if (type == LDNS_RR_TYPE_NS || is_any)
		ns_push(job, zone);
	if (type != LDNS_RR_TYPE_NS)
		soa_push(job,
			 type == LDNS_RR_TYPE_SOA || is_any ? LDNS_SECTION_ANSWER
							    : LDNS_SECTION_AUTHORITY,
			 zone);
}

/* The name of a zone's server, which is this one: its addresses in the VPC. */
static void server_answer(struct job *job, uint32_t zone)
{
	ldns_rr_type type = ldns_rr_get_type(job->question);
	bool any = false;

	for (uint32_t i = 0; i < job->data->n_vpcs; i++) {
		if (job->data->vpcs[i].slot != job->query->vpc ||
		    (type != LDNS_RR_TYPE_A && type != LDNS_RR_TYPE_ANY))
			continue;
		a_push(job, ldns_rr_owner(job->question), job->data->vpcs[i].ip);
		any = true;
	}
	if (!any)
		soa_push(job, LDNS_SECTION_AUTHORITY, zone);
}

/* What a zone says of a name that is nobody's. */
static void zone_answer(struct job *job, uint32_t zone)
{
	const struct dns_zone *z = &job->data->zones[zone];

	ldns_pkt_set_aa(job->out, true);
	if (z->len == job->key_len) {
		apex_answer(job, zone);
	} else if (z->len + SERVER_LEN == job->key_len &&
		   memcmp(job->key, SERVER, SERVER_LEN) == 0) {
		server_answer(job, zone);
	} else {
		fail(job, LDNS_RCODE_NXDOMAIN);
		soa_push(job, LDNS_SECTION_AUTHORITY, zone);
	}
}

/* @return false: it is none of the names that addresses have of themselves */
static bool own_answer(struct job *job, uint32_t zone)
{
	ldns_rr_type type = ldns_rr_get_type(job->question);
	bool is_any = type == LDNS_RR_TYPE_ANY;
	uint8_t key[DNS_NAME_MAX];
	cv_be32_t ip;
	enum dns_own own = cv_dns_own_find(job->data, job->query->vpc, job->key, job->key_len, &ip);
	ldns_rr *rr;

	if (own == DNS_OWN_NOT)
		return false;
	ldns_pkt_set_aa(job->out, true);
	if (own == DNS_OWN_NAME && (type == LDNS_RR_TYPE_A || is_any)) {
		a_push(job, ldns_rr_owner(job->question), ip);
	} else if (own == DNS_OWN_REVERSE && (type == LDNS_RR_TYPE_PTR || is_any)) {
		rr = rr_make(job, ldns_rdf_clone(ldns_rr_owner(job->question)), LDNS_RR_TYPE_PTR);
		if (rr == NULL)
			return true;
		rdf_push(job, rr, dname_of_key(key, cv_dns_own_name(job->data, ip, key)));
		push(job, LDNS_SECTION_ANSWER, rr);
	} else {
		nodata(job, own == DNS_OWN_NAME ? job->data->own : zone);
	}
	return true;
}

static enum cv_dns_act question_answer(struct job *job)
{
	const struct cv_dns_query *query = job->query;
	ldns_rr_type type = ldns_rr_get_type(job->question);
	uint32_t idx, zone;

	if (ldns_rr_get_class(job->question) != LDNS_RR_CLASS_IN || type == LDNS_RR_TYPE_OPT ||
	    (type >= TYPE_META && type < TYPE_META_LAST)) {
		fail(job, LDNS_RCODE_REFUSED);
		return CV_DNS_ANSWER;
	}
	idx = cv_dns_entry_find(job->data, query->vpc, job->key, job->key_len);
	zone = cv_dns_zone_find(job->data, job->key, job->key_len);
	/* A zone's own name exists above those in it, but has nothing of theirs. */
	if (idx != DNS_NONE && (zone == DNS_NONE || job->data->zones[zone].len != job->key_len)) {
		entry_answer(job, idx);
	} else if ((zone == DNS_NONE || job->data->zones[zone].len != job->key_len) &&
		   own_answer(job, zone)) {
		return CV_DNS_ANSWER;
	} else if (zone != DNS_NONE) {
		zone_answer(job, zone);
	} else if (query->can_forward && ldns_pkt_rd(job->in)) {
		return CV_DNS_FORWARD;
	} else {
		fail(job, LDNS_RCODE_REFUSED);
	}
	return CV_DNS_ANSWER;
}

/* ---- in and out ---- */

/* Begins an answer: the header, and the question if it could be read. */
static void out_begin(struct job *job)
{
	const uint8_t *bytes = job->query->bytes;

	ldns_pkt_set_id(job->out, load16(bytes));
	ldns_pkt_set_qr(job->out, true);
	ldns_pkt_set_opcode(job->out, (ldns_pkt_opcode)(bytes[2] >> 3 & 0xf));
	ldns_pkt_set_rd(job->out, (bytes[2] & 1) != 0);
	ldns_pkt_set_cd(job->out, (bytes[3] & 0x10) != 0);
	ldns_pkt_set_ra(job->out, job->query->can_forward);
	if (job->question != NULL)
		push(job, LDNS_SECTION_QUESTION, ldns_rr_clone(job->question));
	if (job->has_edns)
		ldns_pkt_set_edns_udp_size(job->out, CV_DNS_UDP_MAX);
}

static size_t limit_get(const struct job *job)
{
	uint16_t size = job->has_edns ? ldns_pkt_edns_udp_size(job->in) : 0;

	if (job->query->tcp)
		return CV_DNS_LEN_MAX;
	if (size < UDP_LEN)
		return UDP_LEN;
	return size < CV_DNS_UDP_MAX ? size : CV_DNS_UDP_MAX;
}

/* Leaves the question, and says that there is more. */
static void cut_short(struct job *job)
{
	ldns_rr_list_deep_free(ldns_pkt_answer(job->out));
	ldns_rr_list_deep_free(ldns_pkt_authority(job->out));
	ldns_pkt_set_answer(job->out, ldns_rr_list_new());
	ldns_pkt_set_authority(job->out, ldns_rr_list_new());
	ldns_pkt_set_ancount(job->out, 0);
	ldns_pkt_set_nscount(job->out, 0);
	ldns_pkt_set_tc(job->out, true);
}

/* @return bytes, or 0: no memory */
static size_t out_write(struct job *job, uint8_t *buf)
{
	size_t len = 0, limit = limit_get(job);
	uint8_t *wire = NULL;

	if (job->failed || ldns_pkt2wire(&wire, job->out, &len) != LDNS_STATUS_OK)
		return 0;
	if (len > limit) {
		LDNS_FREE(wire);
		cut_short(job);
		if (ldns_pkt2wire(&wire, job->out, &len) != LDNS_STATUS_OK)
			return 0;
	}
	len = len <= limit ? len : 0;
	memcpy(buf, wire, len);
	LDNS_FREE(wire);
	return len;
}

/* Where a name that is not compressed ends; 0: it does not. */
static size_t name_end(const uint8_t *bytes, size_t len, size_t at)
{
	while (at < len && bytes[at] != 0 && bytes[at] <= DNS_LABEL_MAX)
		at += bytes[at] + 1U;
	return at < len && bytes[at] == 0 ? at + 1 : 0;
}

/* Where the question ends, likewise. */
static size_t question_end(const uint8_t *bytes, size_t len)
{
	size_t at = name_end(bytes, len, DNS_HEADER_LEN);

	return at != 0 && len - at >= QUESTION_MORE ? at + QUESTION_MORE : 0;
}

/*
 * Tells whether a query is one question, and behind it nothing but OPT and TSIG, without compression:
 * nobody needs it in a query, and following pointers in circles would take a reader a thousand times as
 * long as an honest query.
 */
static bool is_plain(const uint8_t *bytes, size_t len, uint16_t n_more)
{
	size_t at = question_end(bytes, len);

	for (; at != 0 && n_more > 0; n_more--) {
		uint16_t type, rd_len;

		at = name_end(bytes, len, at);
		if (at == 0 || len - at < RECORD_MORE)
			return false;
		type = load16(bytes + at);
		rd_len = load16(bytes + at + RECORD_MORE - 2);
		at += RECORD_MORE;
		if (rd_len > len - at || (type != LDNS_RR_TYPE_OPT && type != LDNS_RR_TYPE_TSIG) ||
		    (type == LDNS_RR_TYPE_TSIG && name_end(bytes, at + rd_len, at) == 0))
			return false;
		at += rd_len;
	}
	return at != 0;
}

/*
 * Reads the query. Sections that no query has are refused before they cost anything.
 *
 * @return rcode
 */
static uint16_t in_read(struct job *job)
{
	const uint8_t *bytes = job->query->bytes;
	uint16_t n_more = load16(bytes + 10);
	const ldns_rdf *owner;

	if ((bytes[2] >> 3 & 0xf) != LDNS_PACKET_QUERY)
		return LDNS_RCODE_NOTIMPL;
	/* A query may end in OPT and TSIG. */
	if (load16(bytes + 4) != 1 || load16(bytes + 6) != 0 || load16(bytes + 8) != 0 ||
	    n_more > 2 || !is_plain(bytes, job->query->len, n_more) ||
	    ldns_wire2pkt(&job->in, bytes, job->query->len) != LDNS_STATUS_OK)
		return LDNS_RCODE_FORMERR;
	job->question = ldns_rr_list_rr(ldns_pkt_question(job->in), 0);
	owner = ldns_rr_owner(job->question);
	cv_dns_key_of_wire(ldns_rdf_data(owner), ldns_rdf_size(owner), job->key);
	job->key_len = (uint8_t)ldns_rdf_size(owner);
	n_more -= (uint16_t)(ldns_pkt_arcount(job->in) + (ldns_pkt_tsig(job->in) != NULL));
	job->has_edns = n_more > 0;
	if (n_more > 1)
		return LDNS_RCODE_FORMERR;
	return job->has_edns && ldns_pkt_edns_version(job->in) != 0 ? RCODE_BADVERS
								    : LDNS_RCODE_NOERROR;
}

enum cv_dns_act cv_dns_answer(const struct cv_dns_data *data, const struct cv_dns_query *query,
			      uint8_t *buf, size_t *ret_len, uint8_t *ret_rcode)
{
	struct job job = {.data = data, .query = query};
	enum cv_dns_act act = CV_DNS_ANSWER;
	uint16_t rcode;
	size_t len = 0;

	/* Answers are never answered: two servers would talk for ever. */
	if (query->len < DNS_HEADER_LEN || (query->bytes[2] & 0x80) != 0)
		return CV_DNS_DROP;
	job.out = ldns_pkt_new();
	if (job.out == NULL)
		return CV_DNS_DROP;
	rcode = in_read(&job);
	out_begin(&job);
	if (rcode == LDNS_RCODE_NOERROR)
		act = question_answer(&job);
	else
		fail(&job, rcode);
	if (act == CV_DNS_ANSWER) {
		len = out_write(&job, buf);
		act = len > 0 ? CV_DNS_ANSWER : CV_DNS_DROP;
	}
	if (act == CV_DNS_ANSWER) {
		*ret_len = len;
		*ret_rcode = rcode == RCODE_BADVERS ? RCODE_BADVERS : ldns_pkt_get_rcode(job.out);
	}
	ldns_pkt_free(job.in);
	ldns_pkt_free(job.out);
	return act;
}

size_t cv_dns_fail(const struct cv_dns_query *query, uint8_t *buf)
{
	struct job job = {.query = query, .out = ldns_pkt_new()};
	size_t len = 0;

	if (job.out == NULL)
		return 0;
	if (in_read(&job) == LDNS_RCODE_NOERROR) {
		out_begin(&job);
		fail(&job, LDNS_RCODE_SERVFAIL);
		len = out_write(&job, buf);
	}
	ldns_pkt_free(job.in);
	ldns_pkt_free(job.out);
	return len;
}

bool cv_dns_is_answer(const uint8_t *query, size_t query_len, const uint8_t *answer,
		      size_t answer_len, uint16_t id)
{
	size_t end = question_end(query, query_len);

	if (end == 0 || answer_len < end || load16(answer) != id || (answer[2] & 0x80) == 0)
		return false;
	return load16(answer + 4) == 1 &&
	       memcmp(answer + DNS_HEADER_LEN, query + DNS_HEADER_LEN, end - DNS_HEADER_LEN) == 0;
}

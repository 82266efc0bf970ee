/* SPDX-License-Identifier: BSD-3-Clause */

/* Answers to queries: which addresses, to whom, and what is said when there are none. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_dns.h"

#define A 1
#define NS 2
#define CNAME 5
#define SOA 6
#define TXT 16
#define AAAA 28
#define OPT 41
#define IXFR 251
#define ANY 255
#define IN 1
#define NOERROR 0
#define FORMERR 1
#define SERVFAIL 2
#define NXDOMAIN 3
#define NOTIMP 4
#define REFUSED 5
#define BADVERS 16

#define APEX "r.vpce.amazonaws.com"
#define NAME "vpce-1.vpce-svc-1." APEX
#define CLIENT_Z1 "10.0.1.99"
#define CLIENT_Z2 "10.0.2.99"
#define CLIENT_FAR "192.168.0.1"

static struct cv_dns_data *data;
static uint8_t query[70000], reply[CV_DNS_LEN_MAX];
static size_t query_len, reply_len;
static uint8_t rcode;

/* ---- a small world ---- */

static cv_be32_t ip(const char *text)
{
	cv_be32_t addr = 0;

	assert_true(cv_ip4_parse(text, &addr));
	return addr;
}

#define ADDRS(...) ((const struct cv_dns_addr[]){__VA_ARGS__})

static int name_add(uint16_t vpc, const char *name, const struct cv_dns_addr *addrs, uint32_t n,
		    enum cv_dns_affinity affinity)
{
	const struct cv_dns_name row = {
		.vpc = vpc, .name = name, .addrs = addrs, .n_addrs = n, .affinity = affinity};

	return cv_dns_data_name_add(data, &row);
}

static int alias_add(uint16_t vpc, const char *name, const char *alias)
{
	const struct cv_dns_name row = {.vpc = vpc, .name = name, .alias = alias};

	return cv_dns_data_name_add(data, &row);
}

static void three_add(const char *name, bool a, bool b, bool c, enum cv_dns_affinity affinity)
{
	const struct cv_dns_addr addrs[] = {
		{ip("10.0.1.1"), 1, a}, {ip("10.0.2.1"), 2, b}, {ip("10.0.3.1"), 3, c}};

	assert_int_equal(name_add(1, name, addrs, 3, affinity), 0);
}

static int setup(void **state)
{
	const struct cv_dns_subnet s1 = {1, {ip("10.0.1.0"), 24}, 1};
	const struct cv_dns_subnet s2 = {1, {ip("10.0.2.0"), 24}, 2};
	const struct cv_dns_vpc vpc = {1, "one", ip("10.0.0.2")};

	(void)state;
	data = cv_dns_data_create();
	assert_non_null(data);
	assert_int_equal(cv_dns_data_zone_add(data, "r.VPCE.amazonaws.com"), 0);
	assert_int_equal(cv_dns_data_zone_add(data, "elb.r.amazonaws.com."), 0);
	assert_int_equal(cv_dns_data_vpc_add(data, &vpc), 0);
	assert_int_equal(cv_dns_data_subnet_add(data, &s1), 0);
	assert_int_equal(cv_dns_data_subnet_add(data, &s2), 0);
	three_add(NAME, true, true, true, CV_DNS_ANY);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cv_dns_data_put(data);
	data = NULL;
	return 0;
}

/* ---- queries ---- */

static void put16(uint16_t value)
{
	query[query_len++] = (uint8_t)(value >> 8);
	query[query_len++] = (uint8_t)value;
}

static void make(const char *name, uint16_t type, uint16_t class)
{
	memset(query, 0, 12);
	query[0] = 0x12;
	query[1] = 0x34;
	query[2] = 0x01; /* RD */
	query[5] = 1;
	query_len = 12;
	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		query[query_len++] = (uint8_t)n;
		memcpy(query + query_len, name, n);
		query_len += n;
		name += n + (name[n] == '.');
	}
	query[query_len++] = 0;
	put16(type);
	put16(class);
}

static void edns_add(uint16_t size, uint8_t version)
{
	query[11]++;
	query[query_len++] = 0;
	put16(OPT);
	put16(size);
	put16(version);
	put16(0);
	put16(0);
}

static enum cv_dns_act ask_as(struct cv_dns_query q)
{
	uint8_t *copy = malloc(query_len); /* so that a sanitizer sees what is read beyond */
	enum cv_dns_act act;

	assert_non_null(copy);
	memcpy(copy, query, query_len);
	q.bytes = copy;
	q.len = query_len;
	reply_len = 0;
	act = cv_dns_answer(data, &q, reply, &reply_len, &rcode);
	free(copy);
	return act;
}

static enum cv_dns_act ask(void)
{
	return ask_as((struct cv_dns_query){.vpc = 1, .client = ip(CLIENT_FAR)});
}

static uint16_t get16(size_t at)
{
	return (uint16_t)(reply[at] << 8 | reply[at + 1]);
}

#define N_ANSWERS get16(6)
#define N_AUTHORITY get16(8)
#define N_MORE get16(10)
#define IS_AA ((reply[2] & 4) != 0)
#define IS_TC ((reply[2] & 2) != 0)
#define IS_RA ((reply[3] & 0x80) != 0)

static size_t name_skip(size_t at)
{
	while (reply[at] != 0 && reply[at] < 0xc0)
		at += reply[at] + 1U;
	return at + (reply[at] == 0 ? 1 : 2);
}

/* One record of the answer, and what comes after it. */
struct record {
	uint16_t type, class, len;
	uint32_t ttl;
	size_t data;
};

static struct record record_at(unsigned int idx)
{
	size_t at = name_skip(12) + 4;
	struct record r;

	for (unsigned int i = 0;; i++) {
		at = name_skip(at);
		r = (struct record){.type = get16(at),
				    .class = get16(at + 2),
				    .ttl = (uint32_t)get16(at + 4) << 16 | get16(at + 6),
				    .len = get16(at + 8),
				    .data = at + 10};
		if (i == idx)
			return r;
		at = r.data + r.len;
	}
}

/* Addresses of the answer, `10.0.1.1 10.0.2.1`. */
static const char *addrs(void)
{
	static char text[1024];

	text[0] = '\0';
	for (unsigned int i = 0; i < N_ANSWERS; i++) {
		struct record r = record_at(i);
		char one[CV_NET_STR_LEN];
		cv_be32_t addr;

		if (r.type != A)
			continue;
		assert_int_equal(r.len, 4);
		assert_int_equal(r.class, IN);
		assert_int_equal(r.ttl, CV_DNS_TTL);
		memcpy(&addr, reply + r.data, 4);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			 text[0] != '\0' ? " " : "", cv_ip4_str(addr, one));
	}
	return text;
}

/* Addresses that a client gets. */
static const char *given(const char *name, const char *client, uint32_t random)
{
	make(name, A, IN);
	assert_int_equal(
		ask_as((struct cv_dns_query){.vpc = 1, .client = ip(client), .random = random}),
		CV_DNS_ANSWER);
	assert_int_equal(rcode, NOERROR);
	return addrs();
}

/* The answer has nothing but this code, and a SOA record if it is an authoritative one. */
static void assert_nothing(uint8_t want, bool is_auth)
{
	assert_int_equal(rcode, want);
	assert_int_equal(reply[3] & 0xf, want);
	assert_int_equal(N_ANSWERS, 0);
	assert_int_equal(N_AUTHORITY, is_auth);
	assert_int_equal(IS_AA, is_auth);
	if (is_auth) {
		struct record r = record_at(0);

		assert_int_equal(r.type, SOA);
		assert_int_equal(r.ttl, CV_DNS_TTL);
		/* The last number: for how long there is nothing. */
		assert_int_equal(get16(r.data + r.len - 2), CV_DNS_TTL);
	}
}

/* ---- names ---- */

static void name_has_its_addresses(void **state)
{
	(void)state;
	assert_string_equal(given(NAME, CLIENT_FAR, 0), "10.0.1.1 10.0.2.1 10.0.3.1");
	assert_true(IS_AA);
	assert_int_equal(get16(0), 0x1234);
	assert_int_equal(reply[2] & 0x81, 0x81); /* QR, RD as asked */
	assert_false(IS_RA);
	assert_int_equal(get16(4), 1);
	assert_memory_equal(reply + 12, query + 12, query_len - 12);
	assert_int_equal(N_AUTHORITY + N_MORE, 0);
}

static void order_is_another_in_each_answer(void **state)
{
	(void)state;
	assert_string_equal(given(NAME, CLIENT_FAR, 1), "10.0.2.1 10.0.3.1 10.0.1.1");
	assert_string_equal(given(NAME, CLIENT_FAR, 2), "10.0.3.1 10.0.1.1 10.0.2.1");
	assert_string_equal(given(NAME, CLIENT_FAR, 3), "10.0.1.1 10.0.2.1 10.0.3.1");
}

static void letters_come_back_as_they_were(void **state)
{
	(void)state;
	assert_string_equal(given("VpCe-1.vpce-SVC-1.r.vPCE.amazonaws.COM", CLIENT_FAR, 0),
			    "10.0.1.1 10.0.2.1 10.0.3.1");
	assert_memory_equal(reply + 12, "\6VpCe-1\012vpce-SVC-1\1r\4vPCE\011amazonaws\3COM", 40);
}

static void other_records_of_a_name_do_not_exist(void **state)
{
	static const uint16_t types[] = {AAAA, TXT, NS, SOA, CNAME, 65, 15, 33, 0, 999};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(types); i++) {
		make(NAME, types[i], IN);
		assert_int_equal(ask(), CV_DNS_ANSWER);
		assert_nothing(NOERROR, true);
	}
	make(NAME, ANY, IN);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_int_equal(N_ANSWERS, 3);
}

static void unknown_names_in_our_zones_do_not_exist(void **state)
{
	static const char *const names[] = {("x." APEX), ("vpce-2.vpce-svc-1." APEX), ("x." NAME),
					    "nlb-1.elb.r.amazonaws.com"};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(names); i++) {
		make(names[i], A, IN); /* and nobody else is asked */
		assert_int_equal(ask_as((struct cv_dns_query){.vpc = 1, .can_forward = true}),
				 CV_DNS_ANSWER);
		assert_nothing(NXDOMAIN, true);
	}
}

static void names_above_a_name_exist(void **state)
{
	static const char *const names[] = {("vpce-svc-1." APEX), APEX, "elb.r.amazonaws.com"};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(names); i++) {
		make(names[i], A, IN);
		assert_int_equal(ask(), CV_DNS_ANSWER);
		assert_nothing(NOERROR, true);
	}
	make(APEX, SOA, IN);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_int_equal(N_ANSWERS, 1);
	assert_int_equal(N_AUTHORITY, 0);
	assert_int_equal(record_at(0).type, SOA);
}

static void other_vpcs_see_nothing(void **state)
{
	(void)state;
	assert_int_equal(name_add(2, "vpce-2.vpce-svc-1." APEX, ADDRS({ip("10.9.0.1"), 1, true}), 1,
				  CV_DNS_ANY),
			 0);
	make(NAME, A, IN);
	assert_int_equal(ask_as((struct cv_dns_query){.vpc = 2}), CV_DNS_ANSWER);
	assert_nothing(NXDOMAIN, true);
	make("vpce-2.vpce-svc-1." APEX, A, IN);
	assert_int_equal(ask_as((struct cv_dns_query){.vpc = 2}), CV_DNS_ANSWER);
	assert_string_equal(addrs(), "10.9.0.1");
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_nothing(NXDOMAIN, true);
}

static void public_names_are_seen_everywhere(void **state)
{
	(void)state;
	assert_int_equal(name_add(CV_DNS_EVERYWHERE, "n.elb.r.amazonaws.com",
				  ADDRS({ip("10.9.0.1"), 1, true}), 1, CV_DNS_ANY),
			 0);
	for (uint16_t vpc = 0; vpc < 4; vpc++) {
		make("n.elb.r.amazonaws.com", A, IN);
		assert_int_equal(ask_as((struct cv_dns_query){.vpc = vpc}), CV_DNS_ANSWER);
		assert_string_equal(addrs(), "10.9.0.1");
	}
	/* A VPC's own of the same name comes first. */
	assert_int_equal(name_add(2, "n.elb.r.amazonaws.com", ADDRS({ip("10.9.0.2"), 1, true}), 1,
				  CV_DNS_ANY),
			 0);
	assert_int_equal(ask_as((struct cv_dns_query){.vpc = 2}), CV_DNS_ANSWER);
	assert_string_equal(addrs(), "10.9.0.2");
}

/* ---- health and zones ---- */

static void addresses_that_are_off_are_left_out(void **state)
{
	(void)state;
	three_add("b." APEX, true, false, true, CV_DNS_ANY);
	three_add("none." APEX, false, false, false, CV_DNS_ANY);
	for (uint32_t i = 0; i < 4; i++)
		assert_string_equal(given("b." APEX, CLIENT_Z2, i),
				    i % 2 == 0 ? "10.0.1.1 10.0.3.1" : "10.0.3.1 10.0.1.1");
	assert_string_equal(given("none." APEX, CLIENT_FAR, 0), "10.0.1.1 10.0.2.1 10.0.3.1");
	assert_string_equal(given("none." APEX, CLIENT_FAR, 1), "10.0.2.1 10.0.3.1 10.0.1.1");
}

static void clients_own_zone_is_preferred(void **state)
{
	(void)state;
	three_add("own." APEX, true, true, true, CV_DNS_OWN);
	three_add("off." APEX, true, false, true, CV_DNS_OWN);
	three_add("dead." APEX, false, false, false, CV_DNS_OWN);
	for (uint32_t i = 0; i < 4; i++) {
		assert_string_equal(given("own." APEX, CLIENT_Z1, i), "10.0.1.1");
		assert_string_equal(given("own." APEX, CLIENT_Z2, i), "10.0.2.1");
	}
	/* No zone of its own there, or none that is healthy: any. */
	assert_string_equal(given("own." APEX, CLIENT_FAR, 0), "10.0.1.1 10.0.2.1 10.0.3.1");
	assert_string_equal(given("off." APEX, CLIENT_Z2, 0), "10.0.1.1 10.0.3.1");
	assert_string_equal(given("dead." APEX, CLIENT_Z2, 0), "10.0.1.1 10.0.2.1 10.0.3.1");
}

static void partial_affinity_is_85_percent(void **state)
{
	unsigned int n_own = 0;

	(void)state;
	three_add("part." APEX, true, true, true, CV_DNS_PARTIAL);
	for (uint32_t i = 0; i < 1000; i++)
		n_own += strcmp(given("part." APEX, CLIENT_Z2, i << 16), "10.0.2.1") == 0;
	assert_int_equal(n_own, 850);
	assert_string_equal(given("part." APEX, CLIENT_FAR, 0), "10.0.1.1 10.0.2.1 10.0.3.1");
}

/* ---- private names ---- */

static void private_name_is_an_alias(void **state)
{
	(void)state;
	assert_int_equal(alias_add(1, "api.example.com", NAME), 0);
	assert_string_equal(given("api.EXAMPLE.com", CLIENT_FAR, 0), "10.0.1.1 10.0.2.1 10.0.3.1");
	assert_int_equal(N_ANSWERS, 4);
	assert_int_equal(record_at(0).type, CNAME);
	assert_int_equal(record_at(0).ttl, CV_DNS_TTL);
	make("api.example.com", AAAA, IN);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_int_equal(rcode, NOERROR);
	assert_int_equal(N_ANSWERS, 1);
	assert_int_equal(record_at(1).type, SOA);
	make("api.example.com", CNAME, IN);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_int_equal(N_ANSWERS, 1);
	assert_int_equal(N_AUTHORITY, 0);
	/* Elsewhere, and beside it, it is nobody's. */
	assert_int_equal(ask_as((struct cv_dns_query){.vpc = 2}), CV_DNS_ANSWER);
	assert_nothing(REFUSED, false);
	make("example.com", A, IN);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_nothing(REFUSED, false);
}

static void wildcard_stands_for_names_below(void **state)
{
	(void)state;
	assert_int_equal(alias_add(1, "*.example.com", NAME), 0);
	assert_int_equal(
		name_add(1, "a.example.com", ADDRS({ip("10.9.0.1"), 1, true}), 1, CV_DNS_ANY), 0);
	assert_string_equal(given("x.example.com", CLIENT_FAR, 0), "10.0.1.1 10.0.2.1 10.0.3.1");
	assert_memory_equal(reply + 12, "\1x\7example", 10);
	assert_string_equal(given("x.y.example.com", CLIENT_FAR, 0), "10.0.1.1 10.0.2.1 10.0.3.1");
	assert_string_equal(given("*.example.com", CLIENT_FAR, 0), "10.0.1.1 10.0.2.1 10.0.3.1");
	assert_string_equal(given("a.example.com", CLIENT_FAR, 0), "10.9.0.1");
	make("x.a.example.com", A, IN); /* a name that exists hides the wildcard */
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_nothing(REFUSED, false);
	make("example.com", A, IN);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_nothing(REFUSED, false);
}

/* ---- what is not ours ---- */

static void other_names_are_passed_on_or_refused(void **state)
{
	(void)state;
	make("example.org", A, IN);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_nothing(REFUSED, false);
	assert_int_equal(ask_as((struct cv_dns_query){.vpc = 1, .can_forward = true}),
			 CV_DNS_FORWARD);
	query[2] = 0; /* RD: the client does not want us to ask */
	assert_int_equal(ask_as((struct cv_dns_query){.vpc = 1, .can_forward = true}),
			 CV_DNS_ANSWER);
	assert_nothing(REFUSED, false);
	assert_true(IS_RA);
	make("", A, IN); /* the root */
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_nothing(REFUSED, false);
	make("comamazonaws.com", A, IN);
	assert_int_equal(ask_as((struct cv_dns_query){.vpc = 1, .can_forward = true}),
			 CV_DNS_FORWARD);
}

static void failure_is_told(void **state)
{
	struct cv_dns_query q = {.bytes = query, .vpc = 1, .can_forward = true};

	(void)state;
	make("example.org", A, IN);
	edns_add(1232, 0);
	q.len = query_len;
	reply_len = cv_dns_fail(&q, reply);
	assert_true(reply_len > 12);
	assert_int_equal(reply[3] & 0xf, SERVFAIL);
	assert_int_equal(get16(0), 0x1234);
	assert_int_equal(N_MORE, 1);
	q.len = 13;
	assert_int_equal(cv_dns_fail(&q, reply), 0);
}

static void answers_are_known_by_question_and_id(void **state)
{
	uint8_t answer[512];

	(void)state;
	make("exaMPle.org", A, IN);
	memcpy(answer, query, query_len);
	answer[0] = 0xab;
	answer[1] = 0xcd;
	answer[2] |= 0x80;
	assert_true(cv_dns_is_answer(query, query_len, answer, query_len, 0xabcd));
	assert_false(cv_dns_is_answer(query, query_len, answer, query_len, 0xabce));
	for (size_t len = 0; len < query_len; len++) {
		assert_false(cv_dns_is_answer(query, query_len, answer, len, 0xabcd));
		assert_false(cv_dns_is_answer(query, len, answer, query_len, 0xabcd));
	}
	for (size_t i = 12; i < query_len; i++) {
		answer[i] ^= 0x20; /* also another case alone */
		assert_false(cv_dns_is_answer(query, query_len, answer, query_len, 0xabcd));
		answer[i] ^= 0x20;
	}
	answer[5] = 2;
	assert_false(cv_dns_is_answer(query, query_len, answer, query_len, 0xabcd));
	answer[5] = 1;
	answer[2] &= 0x7f;
	assert_false(cv_dns_is_answer(query, query_len, answer, query_len, 0xabcd));
}

/* ---- the protocol ---- */

static void broken_queries(void **state)
{
	(void)state;
	make(NAME, A, IN);
	for (size_t len = query_len; query_len-- > 0;) {
		enum cv_dns_act act = ask();

		assert_int_equal(act, query_len < 12 ? CV_DNS_DROP : CV_DNS_ANSWER);
		if (act == CV_DNS_ANSWER)
			assert_nothing(FORMERR, false);
		assert_true(query_len < len);
	}
	make(NAME, A, IN);
	query[2] |= 0x80; /* an answer */
	assert_int_equal(ask(), CV_DNS_DROP);
	for (size_t at = 5; at <= 11; at += 2) {
		make(NAME, A, IN);
		query[at] += 1; /* more than there is */
		assert_int_equal(ask(), CV_DNS_ANSWER);
		assert_nothing(FORMERR, false);
		assert_int_equal(get16(0), 0x1234);
	}
	make(NAME, A, IN);
	query[5] = 0;
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_nothing(FORMERR, false);
	make(NAME, A, IN);
	query[12] = 0xc0; /* a name that points at itself */
	query[13] = 12;
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_nothing(FORMERR, false);
}

static void other_operations_are_not_implemented(void **state)
{
	(void)state;
	for (uint8_t opcode = 1; opcode < 16; opcode++) {
		make(NAME, A, IN);
		query[2] = (uint8_t)(opcode << 3);
		assert_int_equal(ask(), CV_DNS_ANSWER);
		assert_nothing(NOTIMP, false);
		assert_int_equal(reply[2] >> 3 & 0xf, opcode);
	}
}

static void transfers_and_other_classes_are_refused(void **state)
{
	static const struct {
		uint16_t type, class;
	} cases[] = {{252, IN}, {IXFR, IN}, {249, IN}, {OPT, IN}, {A, 3}, {TXT, 3}, {A, 255}};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		make(NAME, cases[i].type, cases[i].class);
		assert_int_equal(ask_as((struct cv_dns_query){.vpc = 1, .can_forward = true}),
				 CV_DNS_ANSWER);
		assert_nothing(REFUSED, false);
	}
}

static void edns_is_answered_with_edns(void **state)
{
	(void)state;
	make(NAME, A, IN);
	edns_add(4096, 0);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_int_equal(N_ANSWERS, 3);
	assert_int_equal(N_MORE, 1);
	assert_int_equal(record_at(3).type, OPT);
	assert_int_equal(record_at(3).class, CV_DNS_UDP_MAX);
	make(NAME, A, IN);
	edns_add(0, 0);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_int_equal(N_MORE, 1);
	make(NAME, A, IN);
	edns_add(1232, 1);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_int_equal(rcode, BADVERS);
	assert_int_equal(N_ANSWERS, 0);
	assert_int_equal(record_at(0).ttl >> 24, 1);
	make(NAME, A, IN);
	edns_add(1232, 0);
	edns_add(1232, 0);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_int_equal(rcode, FORMERR);
}

/* 64 addresses of 16 bytes: too long for 512 bytes, fine with EDNS or TCP. */
static void long_answers_are_cut_short(void **state)
{
	struct cv_dns_addr many[64];

	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		many[i] = (struct cv_dns_addr){cv_be32(0x0a000000 + i), i, true};
	assert_int_equal(name_add(1, "many." APEX, many, 64, CV_DNS_ANY), 0);
	make("many." APEX, A, IN);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_true(IS_TC);
	assert_true(reply_len <= 512);
	assert_int_equal(N_ANSWERS, 0);
	assert_int_equal(rcode, NOERROR);
	assert_int_equal(
		ask_as((struct cv_dns_query){.vpc = 1, .client = ip(CLIENT_FAR), .tcp = true}),
		CV_DNS_ANSWER);
	assert_false(IS_TC);
	assert_int_equal(N_ANSWERS, 64);
	edns_add(1232, 0);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_false(IS_TC);
	assert_int_equal(N_ANSWERS, 64);
	make("many." APEX, A, IN);
	edns_add(600, 0);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_true(IS_TC);
	make("many." APEX, A, IN);
	edns_add(100, 0); /* below 512 counts as 512 */
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_true(IS_TC);
	make(NAME, A, IN);
	edns_add(100, 0);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_false(IS_TC);
}

/* ---- data ---- */

static void names_must_be_names(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"a..b",
		".a",
		"a..",
		"a.b..",
		"0123456789012345678901234567890123456789012345678901234567890123.com"};
	char text[300];

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(bad); i++) {
		assert_int_equal(name_add(1, bad[i], NULL, 0, CV_DNS_ANY), -EINVAL);
		assert_int_equal(cv_dns_data_zone_add(data, bad[i]), -EINVAL);
		assert_int_equal(alias_add(1, "x.example.com", bad[i]), -EINVAL);
	}
	/* 255 bytes on the wire, not one more. */
	for (size_t i = 0; i < 254; i++)
		text[i] = i % 2 == 0 ? 'a' : '.';
	text[253] = '\0';
	assert_int_equal(name_add(1, text, NULL, 0, CV_DNS_ANY), 0);
	text[253] = 'a';
	text[254] = '\0';
	assert_int_equal(name_add(1, text, NULL, 0, CV_DNS_ANY), -EINVAL);
	assert_int_equal(name_add(1, "VPCE-1.vpce-svc-1." APEX, NULL, 0, CV_DNS_ANY), -EEXIST);
	assert_int_equal(name_add(2, NAME, NULL, 0, CV_DNS_ANY), 0);
}

/* Longest names: nothing is written beyond its room. */
static void longest_names_are_asked_for(void **state)
{
	char text[256];

	(void)state;
	for (size_t i = 0; i < 253; i++)
		text[i] = i % 2 == 0 ? 'x' : '.';
	text[253] = '\0';
	make(text, A, IN);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_nothing(REFUSED, false);
	memcpy(text + 232, APEX, sizeof(APEX)); /* after a dot */
	make(text, A, IN);
	assert_int_equal(ask(), CV_DNS_ANSWER);
	assert_nothing(NXDOMAIN, true);
}

static void many_names_are_found(void **state)
{
	char text[128], want[CV_NET_STR_LEN];

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		const struct cv_dns_addr addr = {cv_be32(0x0b000000 + i), 0, true};

		snprintf(text, sizeof(text), "n%u.vpce-svc-%u." APEX, i, i % 7);
		assert_int_equal(name_add((uint16_t)(1 + i % 2), text, &addr, 1, CV_DNS_ANY), 0);
	}
	for (uint32_t i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "n%u.vpce-svc-%u." APEX, i, i % 7);
		make(text, A, IN);
		assert_int_equal(ask(), CV_DNS_ANSWER);
		if (i % 2 == 0)
			assert_string_equal(addrs(), cv_ip4_str(cv_be32(0x0b000000 + i), want));
		else
			assert_nothing(NXDOMAIN, true);
	}
}

static void names_are_listed(void **state)
{
	char buf[2 * CV_DNS_TEXT_LEN];
	struct cv_dns_name name;
	uint32_t pos = 0, n;

	(void)state;
	assert_int_equal(alias_add(2, "Api.\001.example.com", NAME), 0);
	assert_true(cv_dns_data_name_next(data, &pos, &name, buf));
	assert_string_equal(name.name, NAME);
	assert_int_equal(name.vpc, 1);
	assert_int_equal(name.n_addrs, 3);
	assert_null(name.alias);
	assert_true(cv_dns_data_name_next(data, &pos, &name, buf));
	assert_string_equal(name.name, "api.\\001.example.com");
	assert_string_equal(name.alias, NAME);
	assert_false(cv_dns_data_name_next(data, &pos, &name, buf));
	assert_string_equal(cv_dns_data_vpcs(data, &n)[0].name, "one");
	assert_int_equal(n, 1);
}

static void data_lives_as_long_as_it_is_held(void **state)
{
	struct cv_dns_data *held = cv_dns_data_get(data);

	(void)state;
	cv_dns_data_put(held);
	assert_string_equal(given(NAME, CLIENT_FAR, 0), "10.0.1.1 10.0.2.1 10.0.3.1");
	cv_dns_data_put(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(name_has_its_addresses),
		TEST(order_is_another_in_each_answer),
		TEST(letters_come_back_as_they_were),
		TEST(other_records_of_a_name_do_not_exist),
		TEST(unknown_names_in_our_zones_do_not_exist),
		TEST(names_above_a_name_exist),
		TEST(other_vpcs_see_nothing),
		TEST(public_names_are_seen_everywhere),
		TEST(addresses_that_are_off_are_left_out),
		TEST(clients_own_zone_is_preferred),
		TEST(partial_affinity_is_85_percent),
		TEST(private_name_is_an_alias),
		TEST(wildcard_stands_for_names_below),
		TEST(other_names_are_passed_on_or_refused),
		TEST(failure_is_told),
		TEST(answers_are_known_by_question_and_id),
		TEST(broken_queries),
		TEST(other_operations_are_not_implemented),
		TEST(transfers_and_other_classes_are_refused),
		TEST(edns_is_answered_with_edns),
		TEST(long_answers_are_cut_short),
		TEST(names_must_be_names),
		TEST(longest_names_are_asked_for),
		TEST(many_names_are_found),
		TEST(names_are_listed),
		TEST(data_lives_as_long_as_it_is_held),
	};

	return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}

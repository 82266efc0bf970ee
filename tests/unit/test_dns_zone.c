/* SPDX-License-Identifier: BSD-3-Clause */

/* Zones' own records, and names of addresses, as a stock parser reads the answers. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <ldns/ldns.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_dns.h"

#define ZONE "r.vpce.amazonaws.com"
#define SOA_TEXT "60 IN SOA ns." ZONE ". hostmaster." ZONE ". 1 7200 900 1209600 60"

static struct cv_dns_data *data;
static ldns_pkt *pkt;

static cv_be32_t ip(const char *text)
{
	cv_be32_t addr = 0;

	assert_true(cv_ip4_parse(text, &addr));
	return addr;
}

static int setup(void **state)
{
	const struct cv_dns_addr addr = {ip("10.0.1.1"), 1, true};
	const struct cv_dns_name name = {.vpc = 1, .name = "a." ZONE, .addrs = &addr, .n_addrs = 1};
	struct cv_dns_vpc vpc = {1, "one", ip("10.0.0.2")};

	(void)state;
	data = cv_dns_data_create();
	assert_non_null(data);
	assert_int_equal(cv_dns_data_zone_add(data, ZONE), 0);
	assert_int_equal(cv_dns_data_zone_add(data, "10.in-addr.arpa"), 0);
	assert_int_equal(cv_dns_data_name_add(data, &name), 0);
	assert_int_equal(cv_dns_data_vpc_add(data, &vpc), 0);
	vpc.ip = ip("169.254.169.253");
	assert_int_equal(cv_dns_data_vpc_add(data, &vpc), 0);
	vpc = (struct cv_dns_vpc){2, "two", ip("10.7.0.2")};
	assert_int_equal(cv_dns_data_vpc_add(data, &vpc), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ldns_pkt_free(pkt);
	pkt = NULL;
	cv_dns_data_put(data);
	return 0;
}

/* Asks in a VPC; the answer is in pkt. @return its code */
static int ask(uint16_t vpc, const char *name, ldns_rr_type type)
{
	static uint8_t buf[CV_DNS_LEN_MAX];
	ldns_pkt *query = NULL;
	uint8_t *wire = NULL, rcode = 0xff;
	size_t len = 0, n = 0;
	struct cv_dns_query q = {.vpc = vpc, .can_forward = true};

	assert_int_equal(ldns_pkt_query_new_frm_str(&query, name, type, LDNS_RR_CLASS_IN, LDNS_RD),
			 LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt2wire(&wire, query, &len), LDNS_STATUS_OK);
	q.bytes = wire;
	q.len = len;
	assert_int_equal(cv_dns_answer(data, &q, buf, &n, &rcode), CV_DNS_ANSWER);
	ldns_pkt_free(pkt);
	assert_int_equal(ldns_wire2pkt(&pkt, buf, n), LDNS_STATUS_OK);
	assert_true(ldns_pkt_aa(pkt));
	free(wire);
	ldns_pkt_free(query);
	return rcode;
}

/* Tells whether somebody else is to be asked for a name. */
static bool is_passed_on(uint16_t vpc, const char *name)
{
	static uint8_t buf[CV_DNS_LEN_MAX];
	ldns_pkt *query = NULL;
	uint8_t *wire = NULL, rcode = 0xff;
	size_t len = 0, n = 0;
	struct cv_dns_query q = {.vpc = vpc, .can_forward = true};
	enum cv_dns_act act;

	assert_int_equal(ldns_pkt_query_new_frm_str(&query, name, LDNS_RR_TYPE_ANY,
						    LDNS_RR_CLASS_IN, LDNS_RD),
			 LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt2wire(&wire, query, &len), LDNS_STATUS_OK);
	q.bytes = wire;
	q.len = len;
	act = cv_dns_answer(data, &q, buf, &n, &rcode);
	free(wire);
	ldns_pkt_free(query);
	return act == CV_DNS_FORWARD;
}

/* A section has exactly these records. */
static void has(const ldns_rr_list *list, size_t n, const char *const *want)
{
	assert_int_equal(ldns_rr_list_rr_count(list), n);
	for (size_t i = 0; i < n; i++) {
		char *text = ldns_rr2str(ldns_rr_list_rr(list, i));

		for (char *at = text; *at != '\0'; at++)
			*at = *at == '\t' ? ' ' : *at == '\n' ? '\0' : *at;
		assert_string_equal(text, want[i]);
		free(text);
	}
}

#define ANSWER(...)                                                              \
	has(ldns_pkt_answer(pkt), CV_ARRAY_LEN(((const char *[]){__VA_ARGS__})), \
	    (const char *[]){__VA_ARGS__})
#define AUTHORITY(...)                                                              \
	has(ldns_pkt_authority(pkt), CV_ARRAY_LEN(((const char *[]){__VA_ARGS__})), \
	    (const char *[]){__VA_ARGS__})

static void no_answer(const char *soa)
{
	assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(pkt)), 0);
	AUTHORITY(soa);
}

static void zone_has_its_records(void **state)
{
	(void)state;
	assert_int_equal(ask(1, ZONE, LDNS_RR_TYPE_SOA), 0);
	ANSWER(ZONE ". " SOA_TEXT);
	assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_authority(pkt)), 0);
	assert_int_equal(ask(1, ZONE, LDNS_RR_TYPE_NS), 0);
	ANSWER(ZONE ". 60 IN NS ns." ZONE ".");
	assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_authority(pkt)), 0);
	assert_int_equal(ask(1, ZONE, LDNS_RR_TYPE_ANY), 0);
	ANSWER(ZONE ". 60 IN NS ns." ZONE ".", ZONE ". " SOA_TEXT);
	assert_int_equal(ask(1, ZONE, LDNS_RR_TYPE_A), 0);
	no_answer(ZONE ". " SOA_TEXT);
	/* Below the apex there are none. */
	assert_int_equal(ask(1, "a." ZONE, LDNS_RR_TYPE_NS), 0);
	no_answer(ZONE ". " SOA_TEXT);
}

static void zones_server_is_the_one_of_the_vpc(void **state)
{
	(void)state;
	assert_int_equal(ask(1, "ns." ZONE, LDNS_RR_TYPE_A), 0);
	ANSWER("ns." ZONE ". 60 IN A 10.0.0.2", "ns." ZONE ". 60 IN A 169.254.169.253");
	assert_int_equal(ask(2, "NS." ZONE, LDNS_RR_TYPE_ANY), 0);
	ANSWER("NS." ZONE ". 60 IN A 10.7.0.2");
	assert_int_equal(ask(1, "ns." ZONE, LDNS_RR_TYPE_AAAA), 0);
	no_answer(ZONE ". " SOA_TEXT);
	assert_int_equal(ask(3, "ns." ZONE, LDNS_RR_TYPE_A), 0);
	no_answer(ZONE ". " SOA_TEXT);
	assert_int_equal(ask(1, "nt." ZONE, LDNS_RR_TYPE_A), LDNS_RCODE_NXDOMAIN);
	no_answer(ZONE ". " SOA_TEXT);
	assert_int_equal(ask(1, "ns.ns." ZONE, LDNS_RR_TYPE_A), LDNS_RCODE_NXDOMAIN);
}

/* Nobody outside is asked for the name of a private address, though there is somebody. */
static void private_addresses_have_no_names(void **state)
{
	(void)state;
	assert_int_equal(ask(1, "1.1.0.10.in-addr.arpa", LDNS_RR_TYPE_PTR), LDNS_RCODE_NXDOMAIN);
	no_answer("10.in-addr.arpa. 60 IN SOA ns.10.in-addr.arpa. hostmaster.10.in-addr.arpa. "
		  "1 7200 900 1209600 60");
}

#define TEN_SOA                                                                       \
	"10.in-addr.arpa. 60 IN SOA ns.10.in-addr.arpa. hostmaster.10.in-addr.arpa. " \
	"1 7200 900 1209600 60"
#define OWN_SOA \
	"ec2.internal. 60 IN SOA ns.ec2.internal. hostmaster.ec2.internal. 1 7200 900 1209600 60"

static void subnet_add(uint16_t vpc, const char *addr, uint8_t len)
{
	const struct cv_dns_subnet subnet = {vpc, {ip(addr), len}, 1};

	assert_int_equal(cv_dns_data_subnet_add(data, &subnet), 0);
}

static void addresses_have_names_of_themselves(void **state)
{
	(void)state;
	assert_int_equal(cv_dns_data_own_add(data, "ec2.internal"), 0);
	subnet_add(1, "10.0.1.0", 24);
	subnet_add(2, "10.7.0.0", 20);
	subnet_add(1, "192.0.2.128", 25);
	assert_int_equal(ask(1, "ip-10-0-1-10.ec2.internal", LDNS_RR_TYPE_A), 0);
	ANSWER("ip-10-0-1-10.ec2.internal. 60 IN A 10.0.1.10");
	assert_int_equal(ask(1, "IP-10-0-1-255.EC2.Internal", LDNS_RR_TYPE_ANY), 0);
	ANSWER("IP-10-0-1-255.EC2.Internal. 60 IN A 10.0.1.255");
	assert_int_equal(ask(1, "ip-10-0-1-10.ec2.internal", LDNS_RR_TYPE_AAAA), 0);
	no_answer(OWN_SOA);
	assert_int_equal(ask(1, "10.1.0.10.in-addr.arpa", LDNS_RR_TYPE_PTR), 0);
	ANSWER("10.1.0.10.in-addr.arpa. 60 IN PTR ip-10-0-1-10.ec2.internal.");
	assert_int_equal(ask(1, "10.1.0.10.in-addr.arpa", LDNS_RR_TYPE_TXT), 0);
	no_answer(TEN_SOA);
	/* Above them is nothing, but it is there: who asks label by label goes on. */
	assert_int_equal(ask(1, "1.0.10.in-addr.arpa", LDNS_RR_TYPE_NS), 0);
	no_answer(TEN_SOA);
	assert_int_equal(ask(1, "0.10.in-addr.arpa", LDNS_RR_TYPE_NS), 0);
	no_answer(TEN_SOA);
	assert_int_equal(ask(1, "10.in-addr.arpa", LDNS_RR_TYPE_SOA), 0);
	ANSWER(TEN_SOA);
	/* Also where no zone is ours. */
	assert_int_equal(ask(1, "200.2.0.192.in-addr.arpa", LDNS_RR_TYPE_ANY), 0);
	ANSWER("200.2.0.192.in-addr.arpa. 60 IN PTR ip-192-0-2-200.ec2.internal.");
	assert_int_equal(ask(2, "9.9.7.10.in-addr.arpa", LDNS_RR_TYPE_PTR), 0);
	ANSWER("9.9.7.10.in-addr.arpa. 60 IN PTR ip-10-7-9-9.ec2.internal.");
}

/* Of other VPCs, outside the subnets, or no addresses. */
static void addresses_of_others_have_none(void **state)
{
	static const char *const outside[] = {
		"ip-10-7-0-9.ec2.internal",   "ip-10-0-2-1.ec2.internal",
		"ip-10-0-1.ec2.internal",     "ip-10-0-1-10-1.ec2.internal",
		"ip-10-0-01-10.ec2.internal", "ip-10-0-1-256.ec2.internal",
		"ip-10-0-1-10x.ec2.internal", "a.ip-10-0-1-10.ec2.internal",
		"ip-10-0-1-10.ec2.internals", "ec2.internal",
		"5.2.0.192.in-addr.arpa",     "200.2.0.193.in-addr.arpa",
		"ip-10-0-1-10-ec2.internal",  "iq-10-0-1-10.ec2.internal",
		"0200.2.0.192.in-addr.arpa",  "1.200.2.0.192.in-addr.arpa",
		"x.2.0.192.in-addr.arpa",     "in-addr.arpa",
	};

	(void)state;
	assert_int_equal(cv_dns_data_own_add(data, "ec2.internal"), 0);
	subnet_add(1, "10.0.1.0", 24);
	subnet_add(2, "10.7.0.0", 20);
	subnet_add(1, "192.0.2.128", 25);
	for (size_t i = 0; i < CV_ARRAY_LEN(outside); i++)
		if (!is_passed_on(1, outside[i]))
			fail_msg("%s", outside[i]);
	assert_int_equal(ask(1, "9.9.7.10.in-addr.arpa", LDNS_RR_TYPE_PTR), LDNS_RCODE_NXDOMAIN);
	no_answer(TEN_SOA);
	assert_int_equal(ask(1, "7.10.in-addr.arpa", LDNS_RR_TYPE_PTR), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(ask(1, "16.7.10.in-addr.arpa", LDNS_RR_TYPE_PTR), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(ask(2, "15.7.10.in-addr.arpa", LDNS_RR_TYPE_PTR), 0);
	assert_int_equal(ask(2, "16.7.10.in-addr.arpa", LDNS_RR_TYPE_PTR), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(ask(1, "010.1.0.10.in-addr.arpa", LDNS_RR_TYPE_PTR), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(ask(1, "256.1.0.10.in-addr.arpa", LDNS_RR_TYPE_PTR), LDNS_RCODE_NXDOMAIN);
}

static void zone_leaves_room_for_its_names(void **state)
{
	char text[256];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 60; i < 240; i += 61)
		text[i] = '.';
	/* 242 characters are 244 bytes; `hostmaster.` takes the last 11. */
	text[242] = '\0';
	assert_int_equal(cv_dns_data_zone_add(data, text), 0);
	assert_int_equal(ask(1, text, LDNS_RR_TYPE_SOA), 0);
	assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(pkt)), 1);
	text[242] = 'x';
	text[243] = '\0';
	assert_int_equal(cv_dns_data_zone_add(data, text), -EINVAL);
}

/* What stands behind the header. @return the answer's code */
static uint8_t code_of(const void *bytes, size_t len, uint8_t n_more)
{
	uint8_t query[600] = {0x12, 0x34, 1, 0, 0, 1, [11] = n_more}, rcode = 0xff;
	static uint8_t buf[CV_DNS_LEN_MAX];
	const struct cv_dns_query q = {.bytes = query, .len = 12 + len, .vpc = 1};
	size_t n = 0;

	memcpy(query + 12, bytes, len);
	assert_int_equal(cv_dns_answer(data, &q, buf, &n, &rcode), CV_DNS_ANSWER);
	return rcode;
}

#define CODE_OF(n_more, text) code_of(text, sizeof(text) - 1, n_more)
#define ASK "\1a\1r\4vpce\011amazonaws\3com\0\0\1\0\1"
#define OPT "\0\51\4\320\0\0\0\0"

static void queries_are_plain(void **state)
{
	(void)state;
	assert_int_equal(CODE_OF(0, ASK), 0);
	assert_int_equal(CODE_OF(1, ASK "\0" OPT "\0\0"), 0);
	assert_int_equal(CODE_OF(1, ASK "\0" OPT "\0\4\0\12\0\0"), 0);
	/* Pointers: to itself, in a circle, to what is there; of the question and of a record. */
	assert_int_equal(CODE_OF(0, "\300\14\0\1\0\1"), 1);
	assert_int_equal(CODE_OF(0, "\1a\300\14\0\1\0\1"), 1);
	assert_int_equal(CODE_OF(1, ASK "\300\14" OPT "\0\0"), 1);
	assert_int_equal(CODE_OF(1, ASK "\300\43" OPT "\0\0"), 1);
	/* Other records, whose data may hold names. */
	assert_int_equal(CODE_OF(1, ASK "\0\0\2\0\1\0\0\0\0\0\2\300\14"), 1);
	assert_int_equal(CODE_OF(1, ASK "\0\0\1\0\1\0\0\0\0\0\4\1\2\3\4"), 1);
	/* A signature whose algorithm's name is compressed. */
	assert_int_equal(CODE_OF(1, ASK "\1k\0\0\372\0\377\0\0\0\0\0\22\300\14"
					"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
			 1);
	/* Data that ends before its length, and a record that is not there. */
	assert_int_equal(CODE_OF(1, ASK "\0" OPT "\0\1"), 1);
	assert_int_equal(CODE_OF(1, ASK "\0" OPT "\0"), 1);
	assert_int_equal(CODE_OF(2, ASK "\0" OPT "\0\0"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(zone_has_its_records, setup, teardown),
		cmocka_unit_test_setup_teardown(zones_server_is_the_one_of_the_vpc, setup,
						teardown),
		cmocka_unit_test_setup_teardown(private_addresses_have_no_names, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_have_names_of_themselves, setup,
						teardown),
		cmocka_unit_test_setup_teardown(addresses_of_others_have_none, setup, teardown),
		cmocka_unit_test_setup_teardown(zone_leaves_room_for_its_names, setup, teardown),
		cmocka_unit_test_setup_teardown(queries_are_plain, setup, teardown),
	};

	return cmocka_run_group_tests_name("dns_zone", tests, NULL, NULL);
}

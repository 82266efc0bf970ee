/* SPDX-License-Identifier: BSD-3-Clause */

/* Form-encoded parameters as a tree, and XML out. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_query.h"
#include "cv_xml.h"

static struct cv_query query;

static struct cv_query_node parse(const char *text)
{
	const char *twice = NULL;

	cv_query_fini(&query);
	assert_int_equal(cv_query_parse(&query, text, strlen(text)), 0);
	assert_int_equal(cv_query_sort(&query, &twice), 0);
	return cv_query_root(&query);
}

static int teardown(void **state)
{
	(void)state;
	cv_query_fini(&query);
	return 0;
}

static void values_are_decoded(void **state)
{
	struct cv_query_node root =
		parse("Action=X&Empty=&Bare&Sp=a+b%20c&U=%C3%bc&E=%26%3d&&T=~&a%2Eb=dot");

	(void)state;
	assert_int_equal(root.n, 8);
	assert_string_equal(cv_query_str(&root, "Action"), "X");
	assert_string_equal(cv_query_str(&root, "Empty"), "");
	assert_string_equal(cv_query_str(&root, "Bare"), "");
	assert_string_equal(cv_query_str(&root, "Sp"), "a b c");
	assert_string_equal(cv_query_str(&root, "U"), "\xc3\xbc");
	assert_string_equal(cv_query_str(&root, "E"), "&=");
	assert_string_equal(cv_query_str(&root, "a.b"), "dot");
	assert_null(cv_query_str(&root, "None"));
	assert_null(cv_query_str(&root, "a"));
	root = parse("");
	assert_int_equal(root.n, 0);
	assert_null(cv_query_str(&root, "Action"));
}

static void lists_are_walked_in_order(void **state)
{
	struct cv_query_node root = parse("Id.10=j&Id.2=b&Id.1=a&Idx=no&Id.x=no&Id.03=no");
	struct cv_query_iter iter = {.list = cv_query_at(&root, "Id")};
	static const char *const want[] = {"a", "b", "j"};
	static const uint32_t pos[] = {1, 2, 10};

	(void)state;
	assert_int_equal(cv_query_count(&iter.list), 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(cv_query_next(&iter));
		assert_int_equal(iter.pos, pos[i]);
		assert_string_equal(cv_query_value(&iter.item), want[i]);
	}
	assert_false(cv_query_next(&iter));
}

static void lists_hold_structures_and_lists(void **state)
{
	struct cv_query_node root =
		parse("F.2.Name=n2&F.1.Name=n1&F.1.Value.1=a&F.1.Value.2=b&F.2.Value.1=c&F.1=own");
	struct cv_query_iter iter = {.list = cv_query_at(&root, "F")}, values;

	(void)state;
	assert_true(cv_query_next(&iter));
	assert_string_equal(cv_query_value(&iter.item), "own");
	assert_string_equal(cv_query_str(&iter.item, "Name"), "n1");
	values = (struct cv_query_iter){.list = cv_query_at(&iter.item, "Value")};
	assert_int_equal(cv_query_count(&values.list), 2);
	assert_string_equal(cv_query_str(&iter.item, "Value.2"), "b");
	assert_null(cv_query_str(&iter.item, "Value.3"));
	assert_true(cv_query_next(&iter));
	assert_null(cv_query_value(&iter.item));
	assert_string_equal(cv_query_str(&iter.item, "Name"), "n2");
	assert_false(cv_query_next(&iter));
	root = parse("T.member.2.Id=b&T.member.1.Id=a");
	iter = (struct cv_query_iter){.list = cv_query_at(&root, "T.member")};
	assert_true(cv_query_next(&iter));
	assert_string_equal(cv_query_str(&iter.item, "Id"), "a");
}

static void wrong_input_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		int err;
	} rows[] = {
		{"a=%", 3, -EILSEQ},          {"a=%4", 4, -EILSEQ},
		{"a=%zz", 5, -EILSEQ},        {"%0=1", 4, -EILSEQ},
		{"a=%00", 5, -EILSEQ},        {"a=\0", 3, -EILSEQ},
		{"a=%ff", 5, -EILSEQ},        {"a=%c3", 5, -EILSEQ},
		{"a=%c0%80", 8, -EILSEQ},     {"a=%1b", 5, -EILSEQ},
		{"a=%ed%a0%80", 11, -EILSEQ}, {"a=%f4%90%80%80", 14, -EILSEQ},
		{"a=%ef%bf%bf", 11, -EILSEQ}, {"a.b.c.d.e.f.g.h.i.j.k.l.m=1", 27, -ENAMETOOLONG},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		cv_query_fini(&query);
		assert_int_equal(cv_query_parse(&query, rows[i].text, rows[i].len), rows[i].err);
	}
}

static void limits_hold(void **state)
{
	size_t len = 2 * CV_QUERY_PARAMS_MAX + 2;
	char *text = malloc(len + 300), name[300];

	(void)state;
	for (size_t i = 0; i < len; i++)
		text[i] = i % 2 == 0 ? 'a' : '&';
	cv_query_fini(&query);
	assert_int_equal(cv_query_parse(&query, text, len), -E2BIG);
	cv_query_fini(&query);
	assert_int_equal(cv_query_parse(&query, text, len - 3), 0);
	assert_int_equal(query.n, CV_QUERY_PARAMS_MAX);
	assert_int_equal(cv_query_parse(&query, "b", 1), -E2BIG);
	free(text);
	memset(name, 'n', sizeof(name));
	cv_query_fini(&query);
	assert_int_equal(cv_query_parse(&query, name, CV_QUERY_NAME_LEN_MAX), 0);
	assert_int_equal(cv_query_parse(&query, name, CV_QUERY_NAME_LEN_MAX + 1), -ENAMETOOLONG);
}

static void repeated_name_is_told(void **state)
{
	const char *twice = NULL;

	(void)state;
	cv_query_fini(&query);
	assert_int_equal(cv_query_parse(&query, "b=1&a.1=1&b=1", 13), 0);
	assert_int_equal(cv_query_sort(&query, &twice), -EEXIST);
	assert_string_equal(twice, "b");
	cv_query_fini(&query);
	assert_int_equal(cv_query_parse(&query, "a.1=1", 5), 0);
	assert_int_equal(cv_query_parse(&query, "a.1=2", 5), 0);
	assert_int_equal(cv_query_sort(&query, &twice), -EEXIST);
}

/* ---- XML ---- */

static struct cv_xml xml;

static void xml_is(const char *want)
{
	size_t len;
	char *text = cv_xml_take(&xml, &len);

	assert_non_null(text);
	assert_string_equal(text, want);
	assert_int_equal(len, strlen(want));
	free(text);
	cv_xml_init(&xml, "item");
}

static void elements_nest(void **state)
{
	(void)state;
	cv_xml_init(&xml, "item");
	cv_xml_open_ns(&xml, "R", "http://x/?a&b");
	cv_xml_str(&xml, "id", "1");
	cv_xml_open(&xml, "set");
	cv_xml_item(&xml);
	cv_xml_bool(&xml, "on", true);
	cv_xml_close(&xml);
	cv_xml_item_str(&xml, "two");
	cv_xml_close(&xml);
	cv_xml_open(&xml, "none");
	cv_xml_close(&xml);
	cv_xml_str(&xml, "absent", NULL);
	cv_xml_str(&xml, "empty", "");
	cv_xml_raw(&xml, "<raw/>", 6);
	cv_xml_close(&xml);
	xml_is("<R xmlns=\"http://x/?a&amp;b\"><id>1</id><set><item><on>true</on></item>"
	       "<item>two</item></set><none/><empty/><raw/></R>");
	xml_is("");
}

static void text_is_escaped(void **state)
{
	(void)state;
	cv_xml_init(&xml, "item");
	cv_xml_str(&xml, "a", "<&>\"'\r\n\t]]>");
	xml_is("<a>&lt;&amp;&gt;&quot;&apos;&#13;\n\t]]&gt;</a>");
	cv_xml_str(&xml, "a", "x\x01y\xffz\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\xc3");
	xml_is("<a>x\xef\xbf\xbdy\xef\xbf\xbdz\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd</a>");
}

static void numbers_and_times_have_their_forms(void **state)
{
	(void)state;
	cv_xml_init(&xml, "item");
	cv_xml_int(&xml, "i", -42);
	cv_xml_int(&xml, "m", INT64_MIN);
	cv_xml_double(&xml, "d", 0.1);
	cv_xml_double(&xml, "e", 55000);
	cv_xml_double(&xml, "f", 1.0 / 3);
	cv_xml_double(&xml, "g", 1e300);
	cv_xml_time(&xml, "t", 1795296611, 7);
	cv_xml_time(&xml, "u", 1795296611, -1);
	xml_is("<i>-42</i><m>-9223372036854775808</m><d>0.1</d><e>55000.0</e>"
	       "<f>0.33333333333333331</f><g>1e+300</g>"
	       "<t>2026-11-21T21:30:11.007Z</t><u>2026-11-21T21:30:11Z</u>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(values_are_decoded, teardown),
		cmocka_unit_test_teardown(lists_are_walked_in_order, teardown),
		cmocka_unit_test_teardown(lists_hold_structures_and_lists, teardown),
		cmocka_unit_test_teardown(wrong_input_is_refused, teardown),
		cmocka_unit_test_teardown(limits_hold, teardown),
		cmocka_unit_test_teardown(repeated_name_is_told, teardown),
		cmocka_unit_test(elements_nest),
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(numbers_and_times_have_their_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

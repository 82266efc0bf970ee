/* SPDX-License-Identifier: BSD-3-Clause */

/* CBOR: RFC 8949's examples, what is refused, and that what is written reads back. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_cbor.h"

static const char *const times[] = {"At", "When"};

/* @return how many bytes */
static size_t bytes_of(const char *hex, uint8_t *bytes)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned int byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		bytes[i] = (uint8_t)byte;
	}
	return n;
}

/* The bytes in memory of their own, so that a sanitizer sees one too many. */
static int read_hex(const char *hex, json_t **ret)
{
	uint8_t *bytes = malloc(strlen(hex) / 2 + 1);
	size_t len = bytes_of(hex, bytes);
	uint8_t *alone = malloc(len != 0 ? len : 1);
	int err;

	memcpy(alone, bytes, len);
	err = cv_cbor_read(alone, len, ret);
	free(alone);
	free(bytes);
	return err;
}

static void is_refused(const char *hex)
{
	json_t *value;
	int err = read_hex(hex, &value);

	if (err != -EILSEQ)
		fail_msg("%s: %d", hex, err);
}

static void says(const char *hex, const char *json)
{
	json_t *value;
	char *text;
	int err = read_hex(hex, &value);

	if (err < 0)
		fail_msg("%s: %d", hex, err);
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (strcmp(text, json) != 0)
		fail_msg("%s: %s and not %s", hex, text, json);
	free(text);
	json_decref(value);
}

/* Appendix A, as far as JSON has it. */
static void examples_of_the_rfc_are_read(void **state)
{
	static const char *const rows[][2] = {
		{"00", "0"},
		{"01", "1"},
		{"0a", "10"},
		{"17", "23"},
		{"1818", "24"},
		{"1864", "100"},
		{"1903e8", "1000"},
		{"1a000f4240", "1000000"},
		{"1b000000e8d4a51000", "1000000000000"},
		{"20", "-1"},
		{"29", "-10"},
		{"3863", "-100"},
		{"3903e7", "-1000"},
		{"f90000", "0.0"},
		{"f98000", "-0.0"},
		{"f93c00", "1.0"},
		{"fb3ff199999999999a", "1.1000000000000001"},
		{"f93e00", "1.5"},
		{"f97bff", "65504.0"},
		{"fa47c35000", "100000.0"},
		{"fa7f7fffff", "3.4028234663852886e38"},
		{"fb7e37e43c8800759c", "1.0000000000000001e300"},
		{"f90001", "5.9604644775390625e-8"},
		{"f90400", "6.103515625e-5"},
		{"f9c400", "-4.0"},
		{"fbc010666666666666", "-4.0999999999999996"},
		{"f4", "false"},
		{"f5", "true"},
		{"f6", "null"},
		{"f7", "null"},
		{"c11a514b67b0", "1363896240"},
		{"c1fb41d452d9ec200000", "1363896240.5"},
		{"60", "\"\""},
		{"6161", "\"a\""},
		{"6449455446", "\"IETF\""},
		{"62225c", "\"\\\"\\\\\""},
		{"62c3bc", "\"\303\274\""},
		{"64f0908591", "\"\360\220\205\221\""},
		{"80", "[]"},
		{"83010203", "[1,2,3]"},
		{"8301820203820405", "[1,[2,3],[4,5]]"},
		{"98190102030405060708090a0b0c0d0e0f101112131415161718181819",
		 "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"},
		{"a0", "{}"},
		{"a26161016162820203", "{\"a\":1,\"b\":[2,3]}"},
		{"826161a161626163", "[\"a\",{\"b\":\"c\"}]"},
		{"7f657374726561646d696e67ff", "\"streaming\""},
		{"9fff", "[]"},
		{"9f018202039f0405ffff", "[1,[2,3],[4,5]]"},
		{"83018202039f0405ff", "[1,[2,3],[4,5]]"},
		{"bf61610161629f0203ffff", "{\"a\":1,\"b\":[2,3]}"},
		{"bf6346756ef563416d7421ff", "{\"Fun\":true,\"Amt\":-2}"},
		/* Those that are longer than they must be, and those with too many bits. */
		{"1b0000000000000001", "1"},
		{"1b7fffffffffffffff", "9223372036854775807"},
		{"3b7fffffffffffffff", "-9223372036854775808"},
		{"1bffffffffffffffff", "1.8446744073709552e19"},
		{"3bffffffffffffffff", "-1.8446744073709552e19"},
		{"bf7f61616162ff00ff", "{\"ab\":0}"},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++)
		says(rows[i][0], rows[i][1]);
}

static const char *const broken[] = {
	"",
	"18",
	"1900",
	"1b00000000000000", /* too short */
	"1c",
	"1d",
	"1e",
	"1f",
	"3f", /* no such length */
	"0000",
	"a000", /* something follows */
	"4101",
	"5f4101ff",
	"c2410f", /* byte strings */
	"c074323031332d30332d3231",
	"c000",
	"d9d9f700",
	"df00",
	"c1f4",
	"c1",
	"c16161",
	"61",
	"6261",
	"7b7fffffffffffffff61",
	"7bffffffffffffffff61",
	"61ff",
	"62c328",
	"6100",
	"a1610001", /* no text */
	"7f",
	"7f6161",
	"7f01ff",
	"7f7f6161ffff",
	"7f4161ff",
	"81",
	"9f",
	"9f01",
	"9bffffffffffffffff01",
	"81ff",
	"a1",
	"a16161",
	"a10000",
	"bf6161ff",
	"bf",
	"bf0000ff",
	"a2616101616102",
	"bbffffffffffffffff",
	"f0",
	"f818",
	"f8ff",
	"ff",
	"fc",
	"fd",
	"fe",
	"f97c00",
	"f97e00",
	"f9fc00",
	"fa7f800000",
	"fa7fc00000",
	"fb7ff0000000000000",
	"fb7ff8000000000000",
	"fbfff0000000000000",
};

static void what_is_none_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(broken); i++)
		is_refused(broken[i]);
}

static void nests(char head, unsigned int n, bool ok)
{
	char *data = malloc(n);
	json_t *value;
	int err;

	memset(data, head, n);
	data[n - 1] = 0;
	err = cv_cbor_read(data, n, &value);
	assert_int_equal(err, ok ? 0 : -EILSEQ);
	if (ok)
		json_decref(value);
	free(data);
}

static void depth_is_bounded(void **state)
{
	(void)state;
	nests((char)0x81, CV_CBOR_DEPTH_MAX, true);
	nests((char)0x81, CV_CBOR_DEPTH_MAX + 1, false);
	nests((char)0xc1, CV_CBOR_DEPTH_MAX, true);
	nests((char)0xc1, CV_CBOR_DEPTH_MAX + 1, false);
	nests((char)0x9f, 100000, false);
}

/* n times the same byte in a list of open length. */
static int many_read(int byte, size_t n)
{
	uint8_t *data = malloc(n + 2);
	json_t *value = NULL;
	int err;

	memset(data, byte, n + 2);
	data[0] = 0x9f;
	data[n + 1] = 0xff;
	err = cv_cbor_read(data, n + 2, &value);
	json_decref(value);
	free(data);
	return err;
}

/* Those that are a byte here are many in memory: the list, and what is in it. */
static void values_are_bounded(void **state)
{
	static const uint8_t bytes[] = {0xa0, 0x80, 0x60, 0x00, 0xf4, 0xf6};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(bytes); i++) {
		assert_int_equal(many_read(bytes[i], CV_CBOR_VALUES_MAX - 1), 0);
		assert_int_equal(many_read(bytes[i], CV_CBOR_VALUES_MAX), -EILSEQ);
		assert_int_equal(many_read(bytes[i], 1000000), -EILSEQ);
	}
}

/* A value written, as hex digits. @owner caller; free() */
static char *hex_of(const json_t *value)
{
	char *data, *hex;
	size_t len;

	assert_int_equal(cv_cbor_write(value, times, CV_ARRAY_LEN(times), &data, &len), 0);
	hex = malloc(2 * len + 1);
	hex[0] = '\0';
	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned int)(uint8_t)data[i]);
	free(data);
	return hex;
}

static void is_written(const char *json, const char *want)
{
	json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
	char *hex = hex_of(value);

	assert_string_equal(hex, want);
	free(hex);
	json_decref(value);
}

static void values_are_written(void **state)
{
	static const char *const rows[][2] = {
		{"0", "00"},
		{"23", "17"},
		{"24", "1818"},
		{"255", "18ff"},
		{"256", "190100"},
		{"65535", "19ffff"},
		{"65536", "1a00010000"},
		{"4294967295", "1affffffff"},
		{"4294967296", "1b0000000100000000"},
		{"9223372036854775807", "1b7fffffffffffffff"},
		{"-1", "20"},
		{"-25", "3818"},
		{"-9223372036854775808", "3b7fffffffffffffff"},
		{"1.5", "fb3ff8000000000000"},
		{"[true,false,null]", "83f5f4f6"},
		{"\"\303\274\"", "62c3bc"},
		{"{}", "a0"},
		{"{\"a\":[]}", "a1616180"},
		/* Times, alone and in a list, but not deeper. */
		{"{\"At\":1}", "a1624174c1fb3ff0000000000000"},
		{"{\"When\":[1.5,2]}", "a1645768656e82c1fb3ff8000000000000c1fb4000000000000000"},
		{"{\"At\":{\"a\":1}}", "a1624174a1616101"},
		{"{\"At\":\"x\"}", "a16241746178"},
		{"[1]", "8101"},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++)
		is_written(rows[i][0], rows[i][1]);
}

/* Lists and texts of all lengths about where heads become longer, as far as so many are read. */
static void what_is_written_reads_back(void **state)
{
	static const size_t lens[] = {0, 1, 23, 24, 25, 255, 256, 257, 65535, 65536};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(lens); i++) {
		char *text = malloc(lens[i] + 1), *data;
		json_t *list = json_array(), *got;
		size_t len;

		memset(text, 'x', lens[i]);
		text[lens[i]] = '\0';
		json_array_append_new(list, json_string(text));
		for (size_t j = 1; j < lens[i] && j < CV_CBOR_VALUES_MAX - 1; j++)
			json_array_append_new(list, json_integer((json_int_t)j));
		assert_int_equal(cv_cbor_write(list, NULL, 0, &data, &len), 0);
		assert_int_equal(cv_cbor_read(data, len, &got), 0);
		assert_true(json_equal(list, got));
		json_decref(got);
		json_decref(list);
		free(data);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_rfc_are_read),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(values_are_bounded),
		cmocka_unit_test(values_are_written),
		cmocka_unit_test(what_is_written_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

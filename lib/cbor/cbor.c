/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_cbor.h"
#include "cv_query.h"

/* Major types. */
enum { UINT, NINT, BYTES, TEXT, LIST, MAP, TAG, SIMPLE };

/* What the lower bits of a head say. */
#define ONE_BYTE 24
#define TWO_BYTES 25
#define FOUR_BYTES 26
#define EIGHT_BYTES 27
#define OPEN 31 /* a length that an end tells; of SIMPLE: that end */

#define FALSE 20
#define TRUE 21
#define NIL 22
#define UNDEFINED 23

#define TAG_TIME 1

/* ---- reading ---- */

struct reader {
	const uint8_t *p, *end;
	unsigned int depth, n_values;
};

struct head {
	unsigned int major, info;
	uint64_t value; /* a length, a number or its bits */
};

static bool head_read(struct reader *r, struct head *head)
{
	size_t n = 0;

	if (r->p == r->end)
		return false;
	*head = (struct head){.major = *r->p >> 5, .info = *r->p & 31};
	r->p++;
	if (head->info < ONE_BYTE)
		head->value = head->info;
	else if (head->info <= EIGHT_BYTES)
		n = (size_t)1 << (head->info - ONE_BYTE);
	else if (head->info != OPEN)
		return false;
	if ((size_t)(r->end - r->p) < n)
		return false;
	for (; n > 0; n--)
		head->value = head->value << 8 | *r->p++;
	return true;
}

/* Whether the end of something open comes next; then it is read. */
static bool is_end(struct reader *r)
{
	if (r->p == r->end || *r->p != (SIMPLE << 5 | OPEN))
		return false;
	r->p++;
	return true;
}

static int value_read(struct reader *r, json_t **ret);

static int made(json_t *value, json_t **ret)
{
	*ret = value;
	return value != NULL ? 0 : -ENOMEM;
}

/* Bytes of a text of a known length. */
static int piece_read(struct reader *r, const struct head *head, FILE *out)
{
	if (head->major != TEXT || head->info == OPEN || head->value > (size_t)(r->end - r->p))
		return -EILSEQ;
	fwrite(r->p, 1, (size_t)head->value, out);
	r->p += head->value;
	return 0;
}

/* A text, in pieces if its length is open. @owner of *ret: caller; free() */
static int text_read(struct reader *r, const struct head *head, char **ret)
{
	struct head piece;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int err = 0;

	if (out == NULL)
		return -ENOMEM;
	if (head->info != OPEN)
		err = piece_read(r, head, out);
	while (head->info == OPEN && err == 0 && !is_end(r))
		err = head_read(r, &piece) ? piece_read(r, &piece, out) : -EILSEQ;
	if (fclose(out) != 0)
		err = -ENOMEM;
	else if (err == 0 && !cv_query_is_text(text, len))
		err = -EILSEQ;
	if (err == 0)
		*ret = text;
	else
		free(text);
	return err;
}

static int string_read(struct reader *r, const struct head *head, json_t **ret)
{
	char *text;
	int err = text_read(r, head, &text);

	if (err < 0)
		return err;
	err = made(json_string(text), ret);
	free(text);
	return err;
}

/* Whether another item of a list or map follows; i were read. */
static bool is_more(struct reader *r, const struct head *head, uint64_t i)
{
	return head->info == OPEN ? !is_end(r) : i < head->value;
}

static int list_read(struct reader *r, const struct head *head, json_t *list)
{
	for (uint64_t i = 0; is_more(r, head, i); i++) {
		json_t *item;
		int err = value_read(r, &item);

		if (err < 0)
			return err;
		if (json_array_append_new(list, item) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int member_read(struct reader *r, json_t *map)
{
	struct head head;
	json_t *value;
	char *key;
	int err;

	if (!head_read(r, &head) || head.major != TEXT)
		return -EILSEQ;
	err = text_read(r, &head, &key);
	if (err < 0)
		return err;
	if (json_object_get(map, key) != NULL)
		err = -EILSEQ;
	if (err == 0)
		err = value_read(r, &value);
	if (err == 0 && json_object_set_new(map, key, value) < 0)
		err = -ENOMEM;
	free(key);
	return err;
}

static int map_read(struct reader *r, const struct head *head, json_t *map)
{
	int err = 0;

	for (uint64_t i = 0; err == 0 && is_more(r, head, i); i++)
		err = member_read(r, map);
	return err;
}

static int inside_read(struct reader *r, const struct head *head, json_t **ret)
{
	json_t *all = head->major == LIST ? json_array() : json_object();
	int err;

	if (all == NULL)
		return -ENOMEM;
	err = head->major == LIST ? list_read(r, head, all) : map_read(r, head, all);
	if (err < 0)
		json_decref(all);
	else
		*ret = all;
	return err;
}

static int time_read(struct reader *r, const struct head *head, json_t **ret)
{
	json_t *value;
	int err;

	if (head->value != TAG_TIME || head->info == OPEN)
		return -EILSEQ;
	err = value_read(r, &value);
	if (err < 0)
		return err;
	if (!json_is_number(value)) {
		json_decref(value);
		return -EILSEQ;
	}
	*ret = value;
	return 0;
}

/* Sign, 5 bits of exponent, 10 of fraction. */
static double half_make(uint64_t bits)
{
	int exponent = (int)(bits >> 10 & 31);
	double fraction = (double)(bits & 1023), value;

	if (exponent == 31)
		return NAN; /* or endless: refused alike */
	if (exponent == 0)
		value = ldexp(fraction, -24);
	else
		value = ldexp(fraction + 1024, exponent - 25);
	return (bits & 0x8000) != 0 ? -value : value;
}

static int real_make(const struct head *head, json_t **ret)
{
	uint32_t low = (uint32_t)head->value;
	double value;
	float single;

	if (head->info == EIGHT_BYTES) {
		memcpy(&value, &head->value, sizeof(value));
	} else if (head->info == FOUR_BYTES) {
		memcpy(&single, &low, sizeof(single));
		value = (double)single;
	} else {
		value = half_make(head->value);
	}
	return isfinite(value) ? made(json_real(value), ret) : -EILSEQ;
}

static int simple_make(const struct head *head, json_t **ret)
{
	switch (head->info) {
	case FALSE:
	case TRUE:
		return made(json_boolean(head->info == TRUE), ret);
	case NIL:
	case UNDEFINED:
		return made(json_null(), ret);
	case TWO_BYTES:
	case FOUR_BYTES:
	case EIGHT_BYTES:
		return real_make(head, ret);
	default:
		return -EILSEQ;
	}
}

static int number_make(const struct head *head, json_t **ret)
{
	bool minus = head->major == NINT;

	if (head->info == OPEN)
		return -EILSEQ;
	if (head->value > INT64_MAX)
		return made(json_real(minus ? -1 - (double)head->value : (double)head->value), ret);
	return made(json_integer(minus ? -1 - (json_int_t)head->value : (json_int_t)head->value),
		    ret);
}

static int any_read(struct reader *r, const struct head *head, json_t **ret)
{
	switch (head->major) {
	case UINT:
	case NINT:
		return number_make(head, ret);
	case TEXT:
		return string_read(r, head, ret);
	case LIST:
	case MAP:
		return inside_read(r, head, ret);
	case TAG:
		return time_read(r, head, ret);
	case SIMPLE:
		return simple_make(head, ret);
	default:
		return -EILSEQ;
	}
}

static int value_read(struct reader *r, json_t **ret)
{
	struct head head;
	int err;

	if (r->depth == CV_CBOR_DEPTH_MAX || r->n_values == CV_CBOR_VALUES_MAX ||
	    !head_read(r, &head))
		return -EILSEQ;
	r->n_values++;
	r->depth++;
	err = any_read(r, &head, ret);
	r->depth--;
	return err;
}

int cv_cbor_read(const void *data, size_t len, json_t **ret_value)
{
	struct reader r = {.p = data, .end = (const uint8_t *)data + len};
	json_t *value;
	int err = value_read(&r, &value);

	if (err < 0)
		return err;
	if (r.p != r.end) {
		json_decref(value);
		return -EILSEQ;
	}
	*ret_value = value;
	return 0;
}

/* ---- writing ---- */

struct writer {
	FILE *out;
	const char *const *times;
	size_t n_times;
};

static void bytes_write(FILE *out, uint64_t value, unsigned int n)
{
	for (unsigned int i = n; i > 0; i--)
		fputc((int)(value >> (8 * (i - 1)) & 255), out);
}

static void head_write(FILE *out, unsigned int major, uint64_t value)
{
	if (value < ONE_BYTE) {
		fputc((int)(major << 5 | (unsigned int)value), out);
		return;
	}
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int n = 1U << i;

		if (n < 8 && value >> (8 * n) != 0)
			continue;
		fputc((int)(major << 5 | (ONE_BYTE + i)), out);
		bytes_write(out, value, n);
		return;
	}
}

static void text_write(FILE *out, const char *text)
{
	head_write(out, TEXT, strlen(text));
	fputs(text, out);
}

static void real_write(FILE *out, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	fputc(SIMPLE << 5 | EIGHT_BYTES, out);
	bytes_write(out, bits, sizeof(bits));
}

static void integer_write(FILE *out, json_int_t value)
{
	head_write(out, value < 0 ? NINT : UINT, (uint64_t)(value < 0 ? -1 - value : value));
}

static bool is_time(const struct writer *w, const char *name)
{
	for (size_t i = 0; i < w->n_times; i++) {
		if (strcmp(w->times[i], name) == 0)
			return true;
	}
	return false;
}

static void leaf_write(const struct writer *w, const json_t *value, bool time)
{
	if (time && json_is_number(value)) {
		head_write(w->out, TAG, TAG_TIME);
		real_write(w->out, json_number_value(value));
	} else if (json_is_string(value)) {
		text_write(w->out, json_string_value(value));
	} else if (json_is_integer(value)) {
		integer_write(w->out, json_integer_value(value));
	} else if (json_is_real(value)) {
		real_write(w->out, json_real_value(value));
	} else {
		fputc(SIMPLE << 5 | (json_is_true(value)    ? TRUE
				     : json_is_false(value) ? FALSE
							    : NIL),
		      w->out);
	}
}

static void value_write(const struct writer *w, const json_t *value, bool time)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_array(value)) {
		head_write(w->out, LIST, json_array_size(value));
		json_array_foreach(value, i, item) value_write(w, item, time);
	} else if (json_is_object(value)) {
		head_write(w->out, MAP, json_object_size(value));
		/* Looking does not change it, though the macro wants it changeable. */
		json_object_foreach((json_t *)(uintptr_t)value, key, item)
		{
			text_write(w->out, key);
			value_write(w, item, is_time(w, key));
		}
	} else {
		leaf_write(w, value, time);
	}
}

int cv_cbor_write(const json_t *value, const char *const *times, size_t n_times, char **ret_data,
		  size_t *ret_len)
{
	char *data = NULL;
	size_t len = 0;
	struct writer w = {.out = open_memstream(&data, &len), .times = times, .n_times = n_times};
	bool failed;

	if (w.out == NULL)
		return -ENOMEM;
	value_write(&w, value, false);
	failed = ferror(w.out) != 0;
	if (fclose(w.out) != 0 || failed) {
		free(data);
		return -ENOMEM;
	}
	*ret_data = data;
	*ret_len = len;
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static cv_log_sink *log_sink;
static void *log_arg;

_Noreturn void cv_assert_fail(const char *cond, const char *file, int line)
{
	fprintf(stderr, "culvert: bug: %s:%d: assertion '%s' is false\n", file, line, cond);
	abort();
}

void cv_errs_add(struct cv_errs *errs, const char *path, int line, const char *fmt, ...)
{
	struct cv_err err = {.line = line};
	va_list ap;

	/* Before the list moves: path and arguments may lie in it. */
	snprintf(err.path, sizeof(err.path), "%s", path != NULL ? path : "");
	va_start(ap, fmt);
	vsnprintf(err.text, sizeof(err.text), fmt, ap);
	va_end(ap);
	if (errs->n == errs->cap) {
		size_t cap = errs->cap == 0 ? 8 : errs->cap * 2;
		struct cv_err *items = realloc(errs->items, cap * sizeof(*items));

		if (items == NULL) {
			errs->truncated = true;
			return;
		}
		errs->items = items;
		errs->cap = cap;
	}
	errs->items[errs->n++] = err;
}

const char *cv_err_str(const struct cv_err *err, char *buf, size_t cap)
{
	char line[32] = "";

	if (err->line > 0)
		snprintf(line, sizeof(line), " (line %d)", err->line);
	snprintf(buf, cap, "%s%s%s%s", err->path, err->path[0] != '\0' ? ": " : "", err->text,
		 line);
	return buf;
}

void cv_errs_fini(struct cv_errs *errs)
{
	free(errs->items);
	memset(errs, 0, sizeof(*errs));
}

void cv_log_sink_set(cv_log_sink *sink, void *arg)
{
	log_sink = sink;
	log_arg = arg;
}

void cv_log(enum cv_log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"debug", "info", "notice", "warning", "error"};
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (log_sink != NULL)
		log_sink(level, line, log_arg);
	else
		fprintf(stderr, "culvertd: %s: %s\n", names[level], line);
}

static inline uint64_t rotl(uint64_t x, unsigned int b)
{
	return (x << b) | (x >> (64 - b));
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

uint64_t cv_siphash(const void *data, size_t len, uint64_t k0, uint64_t k1)
{
	const uint8_t *p = data;
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
			 k1 ^ 0x7465646279746573};
	uint64_t m = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		m |= (uint64_t)p[i] << (8 * (i & 7));
		if ((i & 7) == 7) {
			v[3] ^= m;
			sip_round(v);
			sip_round(v);
			v[0] ^= m;
			m = 0;
		}
	}
	m |= (uint64_t)len << 56;
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void cv_id_derive(const char *prefix, const char *name, unsigned int n_hex, char *buf, size_t cap)
{
	uint64_t k = cv_siphash(prefix, strlen(prefix), 0, 0);
	uint64_t hi = cv_siphash(name, strlen(name), k, 1);
	uint64_t lo = cv_siphash(name, strlen(name), k, 2);
	char hex[33];

	cv_assert(n_hex >= 1 && n_hex <= 32 && cap > strlen(prefix) + n_hex);
	snprintf(hex, sizeof(hex), "%016llx%016llx", (unsigned long long)hi,
		 (unsigned long long)lo);
	snprintf(buf, cap, "%s%.*s", prefix, (int)n_hex, hex);
}

bool cv_id_is(const char *text, const char *prefix, unsigned int n_hex)
{
	size_t len = strlen(prefix);

	if (strncmp(text, prefix, len) != 0 || strlen(text) != len + n_hex)
		return false;
	return strspn(text + len, "0123456789abcdef") == n_hex;
}

void cv_list_add(char *list, size_t cap, const char *item)
{
	static const char more[] = ", ...";
	size_t len = strlen(list);
	const char *comma = len > 0 ? ", " : "";

	cv_assert(cap > sizeof(more));
	if (len >= 3 && strcmp(list + len - 3, "...") == 0)
		return;
	/* Whatever is added, room for `, ...` must remain. */
	if (len + strlen(comma) + strlen(item) + sizeof(more) <= cap)
		snprintf(list + len, cap - len, "%s%s", comma, item);
	else
		snprintf(list + len, cap - len, "%s", len > 0 ? more : more + 2);
}

/* Bytes of the first character, 0: it is none. Shortest forms only, no surrogates, none past U+10FFFF. */
static size_t utf8_len(const unsigned char *text)
{
	unsigned char least = text[0] == 0xe0 ? 0xa0 : text[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char most = text[0] == 0xed ? 0x9f : text[0] == 0xf4 ? 0x8f : 0xbf;
	size_t n = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4 || text[1] < least || text[1] > most)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

int64_t cv_utf8_count(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	int64_t n = 0;

	for (; *at != '\0'; n++) {
		size_t len = utf8_len(at);

		if (len == 0)
			return -1;
		at += len;
	}
	return n;
}

uint64_t cv_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

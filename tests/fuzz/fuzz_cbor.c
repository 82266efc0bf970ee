/* SPDX-License-Identifier: BSD-3-Clause */

/* Any bytes as CBOR: what is read is written and read again, and is the same. */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "cv_base.h"
#include "cv_cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_depth(const json_t *value, unsigned int depth)
{
	const char *key;
	json_t *item;
	size_t i;

	cv_assert(depth <= CV_CBOR_DEPTH_MAX);
	json_array_foreach(value, i, item) check_depth(item, depth + 1);
	json_object_foreach((json_t *)(uintptr_t)value, key, item) check_depth(item, depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	json_t *value = NULL, *again = NULL;
	char *text;
	size_t text_len;
	int err = cv_cbor_read(data, len, &value);

	if (err < 0) {
		cv_assert(err == -EILSEQ && value == NULL);
		return 0;
	}
	check_depth(value, 1);
	cv_assert(cv_cbor_write(value, NULL, 0, &text, &text_len) == 0);
	cv_assert(cv_cbor_read(text, text_len, &again) == 0);
	cv_assert(json_equal(value, again));
	json_decref(again);
	json_decref(value);
	free(text);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* The file of access keys on any bytes: keys that are whole, or errors, never both. */

#include <stdint.h>
#include <string.h>

#include "core_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cv_errs errs = {0};
	struct aws_creds *creds = NULL;
	int ret = cv_aws_creds_parse((const char *)data, len, &errs, &creds), n_lines = 2;

	for (size_t i = 0; i < len; i++)
		n_lines += data[i] == '\n';
	cv_assert((ret == 0) == (creds != NULL) && (ret == 0) == (errs.n == 0));
	for (size_t i = 0; i < errs.n; i++)
		cv_assert(errs.items[i].line >= 0 && errs.items[i].line <= n_lines);
	if (creds != NULL) {
		const struct aws_key *key = cv_aws_creds_find(creds, "AKIAEXAMPLE00000001");

		cv_assert(key == NULL || (key->secret[0] != '\0' && strlen(key->account_id) == 12));
	}
	cv_aws_creds_unref(creds);
	cv_errs_fini(&errs);
	return 0;
}

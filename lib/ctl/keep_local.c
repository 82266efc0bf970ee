/* SPDX-License-Identifier: BSD-3-Clause */

/* What control keeps for itself, when the state file is opened: the seed; and what is damaged of the rest. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl_priv.h"
#include "keep_docs_priv.h"

#define SEED "seed"

struct local {
	uint64_t seed[2]; /* zeros: none, or damaged */
	struct cv_store_batch mend;
};

/* All of it can be drawn or found anew, so that it takes nothing down with it. */
static int damaged_mend(struct local *local, const char *key)
{
	bool mark = cv_ctl_keep_left_is(key);
	const struct cv_store_op op = {
		.what = mark ? CV_STORE_PUT : CV_STORE_DELETE,
		.space = CV_STORE_LOCAL,
		.key = key,
		.value = mark ? CTL_LEFT_VALUE : NULL,
		.len = mark ? strlen(CTL_LEFT_VALUE) : 0,
		.rev = CV_STORE_ANY,
	};

	return cv_store_batch_add(&local->mend, &op);
}

static int local_take(void *arg, const struct cv_store_item *item)
{
	struct local *local = arg;

	if (strcmp(item->key, SEED) != 0)
		return item->damaged ? damaged_mend(local, item->key) : 0;
	if (item->damaged)
		cv_log(CV_LOG_ERR, "state: the seed is damaged, another is drawn: client tokens of "
				   "before are not known, calls that are sent again count as new");
	else if (sscanf(item->value, "%16" SCNx64 "%16" SCNx64, &local->seed[0], &local->seed[1]) !=
		 2)
		local->seed[0] = local->seed[1] = 0;
	return 0;
}

static int local_read(struct ctl_keep *keep, struct local *local, struct cv_errs *errs)
{
	struct cv_errs own = {0};
	int ret = cv_store_changes(keep->store,
				   (struct cv_store_since){CV_STORE_LOCAL, 0, .damaged = true},
				   local_take, local, &keep->rev, &own);
	size_t n = ret < 0 && own.n > 0 ? own.n - 1 : own.n;

	for (size_t i = 0; i < n; i++)
		cv_log(CV_LOG_ERR, "state: %s", own.items[i].text);
	if (n < own.n)
		cv_errs_add(errs, NULL, 0, "%s", own.items[n].text);
	cv_errs_fini(&own);
	return ret;
}

static int local_write(struct ctl_keep *keep, const struct local *local, struct cv_errs *errs)
{
	const struct cv_store_txn txn = {local->mend.ops, local->mend.n, CV_STORE_ANY};

	return txn.n > 0 ? cv_store_commit(keep->store, &txn, &keep->rev, errs) : 0;
}

int cv_ctl_keep_local(struct ctl_keep *keep, struct cv_errs *errs)
{
	char text[40];
	const struct cv_store_op op = {.what = CV_STORE_PUT,
				       .space = CV_STORE_LOCAL,
				       .key = SEED,
				       .value = text,
				       .len = 32,
				       .rev = CV_STORE_ANY};
	struct local local = {0};
	struct cv_errs unsaid = {0};
	int ret = local_read(keep, &local, errs);

	if (ret == 0 && (local.seed[0] | local.seed[1]) != 0) {
		memcpy(keep->seed, local.seed, sizeof(keep->seed));
		/* If it cannot be now: at the next start. */
		(void)local_write(keep, &local, &unsaid);
	} else if (ret == 0) {
		snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64, keep->seed[0],
			 keep->seed[1]);
		ret = cv_store_batch_add(&local.mend, &op);
		if (ret == 0)
			ret = local_write(keep, &local, errs);
	}
	cv_store_batch_cut(&local.mend, 0);
	cv_errs_fini(&unsaid);
	return ret;
}

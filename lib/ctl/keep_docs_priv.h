/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside control: documents, between keep.c and keep_docs.c.
 */

#include "cv_model_change.h"

#include "keep_priv.h"

/** Add the document of what has changed, or its removal, to a batch. @return 0 or -ENOMEM */
int cv_ctl_keep_doc_put(struct cv_store_batch *batch, const struct cv_model *model,
			const struct cv_model_change *change);

/** What a kind is called in the store. */
const char *cv_ctl_keep_word(enum cv_model_kind kind);

/** Forget what was left out. */
void cv_ctl_keep_left_fini(struct ctl_keep *keep);

/** Value of a key that says that a document was left out: the key says which. */
#define CTL_LEFT_VALUE "1"

/** Tell whether a key is such a one. */
bool cv_ctl_keep_left_is(const char *key);

/* ---- keep_local.c ---- */

/**
 * Take the seed from a store that was just opened, or put one there; forget what is damaged of the rest that
 * control keeps for itself. What is damaged is logged.
 *
 * @return 0 or as cv_store_changes() and cv_store_commit(), with errs filled
 */
int cv_ctl_keep_local(struct ctl_keep *keep, struct cv_errs *errs);

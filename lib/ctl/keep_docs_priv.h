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

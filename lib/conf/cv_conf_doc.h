/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Documents: what API calls have made or changed, one JSON object for each resource, to be kept beside
 * the configuration file and put over it when it is read.
 *
 *     {"resource": {...}, "runtime": {...}}
 *
 * `resource` is an element of the configuration file's own schema, with names replaced by ids and ARNs,
 * and is there for what a call made. `runtime` is what the file has no words for, or what calls may
 * change of its resources: connections' states, targets, tags.
 *
 * @threads any; no shared state
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_base.h"
#include "cv_conf.h"
#include "cv_model.h"

/** A document. */
struct cv_conf_doc {
	enum cv_model_kind kind; /**< CV_MODEL_VPC .. CV_MODEL_ENDPOINT; listeners: with their lb */
	const char *id;          /**< id or ARN */
	const char *text;        /**< JSON; NULL: it is damaged, and left out */
	bool late;               /**< it did not serve: names and room are first for what did */
};

/**
 * Write the document of a resource.
 *
 * @param      kind      CV_MODEL_VPC .. CV_MODEL_ENDPOINT
 * @param      idx       not a gone one
 * @param[out] ret_text  JSON; untouched on failure
 * @return 0, or
 *   -ENOENT  it has none: it is all in the file, or deleted
 *   -ENOMEM  memory ran out
 * @owner  caller; free()
 */
int cv_conf_doc_write(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx,
		      char **ret_text);

/** Documents to put over a file. */
struct cv_conf_docs {
	const struct cv_conf_doc *items; /**< shape [n], in any order */
	size_t n;
	bool *applied;                 /**< shape [n], filled; NULL: not of interest */
	const struct cv_model *served; /**< whose addresses stay where they are free; NULL: none */
};

/**
 * Write the documents of everything that calls made or changed.
 *
 * @param[out] ret_docs  the ids are the model's; untouched on failure
 * @return 0 or -ENOMEM
 * @owner  caller; cv_conf_docs_fini()
 */
int cv_conf_docs_get(const struct cv_model *model, struct cv_conf_docs *ret_docs);

/** Free what cv_conf_docs_get() made, and empty it. */
void cv_conf_docs_fini(struct cv_conf_docs *docs);

/**
 * Read and check a file, as cv_conf_load(), and put documents over it before addresses are chosen. One
 * that does not fit is not applied: conf->warnings says which and why. The file's resources follow the
 * file, those of documents stay.
 *
 * @param docs  NULL: none
 */
struct cv_conf *cv_conf_load_over(const char *file, const struct cv_conf_docs *docs,
				  struct cv_errs *errs);

/** Likewise for JSON text, as cv_conf_parse(). @param text  shape [len] */
struct cv_conf *cv_conf_parse_over(const char *text, size_t len, const struct cv_conf_docs *docs,
				   struct cv_errs *errs);

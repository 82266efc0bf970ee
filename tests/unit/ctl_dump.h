/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * All that control serves, as JSON, with ids and ARNs in the place of slots: two processes that serve the
 * same say the same, whatever they served before.
 */

#include <jansson.h>

#include "cv_ctl.h"

/** What is served now: the view, and what people are shown. @return object; json_decref() */
json_t *dump_get(struct cv_ctl *ctl);

/** Where two such objects differ, as `view.targets.NAME.port: 80, 81`; "" if nowhere. Good until the next. */
const char *dump_differs(json_t *a, json_t *b);

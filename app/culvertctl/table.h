/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Answers of culvertd as aligned tables for a terminal.
 */

#include <jansson.h>
#include <stdio.h>

/**
 * Print an answer to `show WHAT` as tables, or as JSON if there is no layout for it.
 *
 * Control characters in texts are shown as `?`, so that a name cannot command the terminal.
 *
 * @return 0, or -ENOMEM
 */
int culvertctl_table_print(FILE *out, const char *what, json_t *answer);

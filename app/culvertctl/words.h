/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What can be said to the program: the one list of commands and of what can be shown. Help and the shell's
 * completion are made of it.
 */

#include <stdbool.h>
#include <stdio.h>

/** A command that does something: what follows the verb are names of its parameters. */
struct culvertctl_verb {
	const char *name;
	const char *params[2]; /**< NULL: no more */
};

/** Find a verb. @return NULL if there is none of that name */
const struct culvertctl_verb *culvertctl_verb_find(const char *name);

/** Write what can be shown, a line each. */
void culvertctl_shows_help(FILE *out);

/**
 * Write the words of a list, a line each.
 *
 * @param what  commands or shows
 * @return whether there is such a list
 */
bool culvertctl_words_print(FILE *out, const char *what);

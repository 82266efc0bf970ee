/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * `culvertctl events`: what happens, a line of JSON each.
 */

/** Run it. @param argv  shape [argc], from the word `events` on @return exit status */
int culvertctl_events(const char *socket, int argc, char **argv);

/** Write its options for the shell's completion, a line each. */
void culvertctl_events_options(void);

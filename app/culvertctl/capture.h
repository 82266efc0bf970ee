/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * `culvertctl capture`: packets of chosen flows, into a file that Wireshark opens.
 */

/**
 * Run the command.
 *
 * @param socket  path of culvertd's socket
 * @param argv    shape [argc]; the first is the command's own name
 * @return exit code: 0 done, 1 culvertd cannot be reached or refuses, 2 wrong usage
 */
int culvertctl_capture(const char *socket, int argc, char **argv);

/** Write its options for the shell's completion, a line each. */
void culvertctl_capture_options(void);

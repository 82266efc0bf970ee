/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdio.h>
#include <stdlib.h>

#include "run.h"

static void print_line(enum cv_log_level level, const char *line, void *arg)
{
	static const char *const names[] = {"debug: ", "", "", "warning: ", "error: "};
	const bool *verbose = arg;

	if (level > CV_LOG_DEBUG || *verbose)
		fprintf(stderr, "culvert-bench: %s%s\n", names[level], line);
}

int main(int argc, char **argv)
{
	static struct cb_opts opts;
	struct cb_run *run;
	int rc = cb_opts_read(argc, argv, &opts);

	if (rc >= 0)
		return rc;
	cv_log_sink_set(print_line, &opts.verbose);
	run = malloc(sizeof(*run));
	if (run == NULL) {
		fprintf(stderr, "culvert-bench: out of memory\n");
		return CB_RUNTIME;
	}
	rc = cb_run_init(run, &opts);
	if (rc == CB_OK)
		rc = cb_run_go(run);
	cb_run_fini(run);
	free(run);
	return rc;
}

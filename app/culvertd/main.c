/* SPDX-License-Identifier: BSD-3-Clause */

#include "app.h"

int main(int argc, char **argv)
{
	struct app_opts opts;
	int rc = app_opts_read(argc, argv, &opts);

	if (rc >= 0)
		return rc;
	app_log_init(&opts.verbose);
	return opts.check ? app_check(&opts) : app_serve(&opts);
}

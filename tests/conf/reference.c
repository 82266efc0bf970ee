/* SPDX-License-Identifier: BSD-3-Clause */

/* Prints the configuration reference; tools/gen-conf-doc runs it. */

#include <stdio.h>
#include <stdlib.h>

#include "cv_conf.h"

int main(void)
{
	char *text = cv_conf_reference();

	if (text == NULL || fputs(text, stdout) < 0)
		return 1;
	free(text);
	return fflush(stdout) == 0 ? 0 : 1;
}

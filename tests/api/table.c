/* SPDX-License-Identifier: BSD-3-Clause */

/* Prints the table of actions; tools/gen-api-doc compares it with botocore's models. */

#include <stdio.h>
#include <stdlib.h>

#include "cv_aws.h"

int main(void)
{
	char *text = cv_aws_table();

	if (text == NULL || fputs(text, stdout) < 0)
		return 1;
	free(text);
	return fflush(stdout) == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Preloaded into culvertd by the benchmark: writes when rte_eal_init() returned (CLOCK_MONOTONIC,
 * nanoseconds) to the file that EAL_CLOCK_FILE names. So the time from there to the first forwarded packet
 * can be told without a change to culvertd.
 */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int rte_eal_init(int argc, char **argv);

int rte_eal_init(int argc, char **argv)
{
	const char *path = getenv("EAL_CLOCK_FILE");
	int (*init)(int, char **);
	struct timespec ts;
	FILE *f;
	int ret;

	*(void **)&init = dlsym(RTLD_NEXT, "rte_eal_init");
	if (init == NULL)
		return -1;
	ret = init(argc, argv);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	f = path != NULL ? fopen(path, "w") : NULL;
	if (f != NULL) {
		fprintf(f, "%lld\n", (long long)ts.tv_sec * 1000000000 + ts.tv_nsec);
		fclose(f);
	}
	return ret;
}

/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Runs one fuzz target over the files named on the command line, and over damaged copies of each:
 * every shorter length, and every byte changed in turn. So the corpus is a test wherever the
 * project builds, without libFuzzer.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define INPUT_LEN_MAX 65536
/* Where one run is slow, only every n-th damage is done. */
#ifndef DAMAGE_STEP
#define DAMAGE_STEP 1
#endif

/* An exact-size heap copy, so that a sanitizer sees the first byte read past the end. */
static void run(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);

	if (copy == NULL)
		abort();
	memcpy(copy, data, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void run_damaged(uint8_t *data, size_t len)
{
	static const uint8_t flips[] = {0x01, 0x80, 0xff};

	for (size_t cut = 0; cut < len; cut += DAMAGE_STEP)
		run(data, cut);
	for (size_t i = 0; i < len; i += DAMAGE_STEP) {
		for (size_t f = 0; f < sizeof(flips); f++) {
			data[i] ^= flips[f];
			run(data, len);
			data[i] ^= flips[f];
		}
	}
}

int main(int argc, char **argv)
{
	static uint8_t buf[INPUT_LEN_MAX];

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		size_t len;

		if (file == NULL) {
			perror(argv[i]);
			return 1;
		}
		len = fread(buf, 1, sizeof(buf), file);
		fclose(file);
		run(buf, len);
		run_damaged(buf, len);
	}
	printf("%d inputs\n", argc - 1);
	return 0;
}

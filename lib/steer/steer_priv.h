/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside steer: the loaded program, on an interface or not.
 */

#include <net/if.h>
#include <stddef.h>

#include "cv_steer.h"

struct bpf_object;

struct cv_steer {
	char iface[IF_NAMESIZE];
	struct bpf_object *obj;
	bool native;
	int link_fd; /* holds the program on the interface; 0: it is on none */
	int prog_fd, xsks_fd, addrs_fd, counts_fd; /* of obj */
	uint32_t n_cpus, n_addrs, n_addrs_max;
	struct cv_steer_addr *addrs; /* shape [n_addrs]: in the map, sorted */
	uint64_t *per_cpu;           /* shape [n_cpus]: room to read a counter */
};

/** The program as an ELF object, made by the build. */
extern const unsigned char cv_steer_image[];
extern const size_t cv_steer_image_len;

/** Load the program, for no interface yet: cv_steer_create() without its second half. For tests. */
int cv_steer_load(const char *path, uint32_t n_addrs_max, struct cv_errs *errs,
		  struct cv_steer **ret_steer);

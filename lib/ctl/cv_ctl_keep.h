/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What calls make survives: how those who change things beside the model have their part in it.
 *
 * What a call changed is written, with all that the functions below were given during it, in one
 * transaction, and before cv_ctl_call() returns. Calls that wait at the same time share a transaction.
 */

#include <stddef.h>
#include <stdint.h>

struct cv_ctl;
struct cv_store;

/**
 * Keep a value with what the call changes.
 *
 * @param key    of the caller's; one name space for all
 * @param value  shape [len]; NULL: forget the key
 * @return 0 or -ENOMEM
 * @threads control, within a call
 */
int cv_ctl_keep(struct cv_ctl *ctl, const char *key, const char *value, size_t len);

/**
 * Send a message once the call is durable: it is put into the outbox.
 *
 * @param queue  those of one queue are delivered in order
 * @return 0 or -ENOMEM
 * @threads control, within a call
 */
int cv_ctl_send(struct cv_ctl *ctl, const char *queue, const char *text);

/** Take back what a queue of the outbox holds, with what the call changes. @return 0 or -ENOMEM
 * @threads control, within a call */
int cv_ctl_unsend(struct cv_ctl *ctl, const char *queue);

/** Takes what is kept. @return 0, or -errno to stop */
typedef int cv_ctl_kept_fn(void *arg, const char *key, const char *value, size_t len);

/**
 * Go through what cv_ctl_keep() has kept, oldest first.
 *
 * @param ctl  struct cv_ctl
 * @return 0, what fn returned, -EAGAIN (the file cannot be used yet) or another -errno when it cannot be read
 * @threads control
 */
int cv_ctl_kept(void *ctl, cv_ctl_kept_fn *fn, void *arg);

/** A random number that stays the same as long as the state file does. @param[out] seed  shape [2] */
void cv_ctl_keep_seed(const struct cv_ctl *ctl, uint64_t *seed);

/**
 * Why changes are refused with -EROFS, for people; "" if they are not.
 *
 * @param      ctl  struct cv_ctl
 * @param[out] buf  shape [cap]
 * @threads any
 */
void cv_ctl_keep_why(void *ctl, char *buf, size_t cap);

/** The store, for the outbox; NULL: it cannot be opened now. Lives as long as control. @threads control */
struct cv_store *cv_ctl_store(const struct cv_ctl *ctl);

/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside control: how what calls change becomes durable. The documents of what changed go to the store's
 * writer; the answers of the calls wait for it. When it fails, the model becomes again what the store
 * holds, and changes are refused until the store can be written.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cv_base.h"
#include "cv_conf_doc.h"
#include "cv_store_writer.h"

#include "queue_priv.h"

struct cv_ctl; /* ctl_priv.h */

/** Commands that have been carried out and wait for their answer. */
struct ctl_held {
	struct ctl_cmd *first, *last;
};

/** A document that does not fit the configuration. */
struct ctl_left_out {
	enum cv_model_kind kind;
	char *id;
	char why[CV_ERR_TEXT_LEN];
};

/** What the writer's thread opens or tries. The thread's while on. */
struct ctl_trial {
	bool on;
	const char *path;
	struct cv_store *store; /**< NULL: to be opened */
	uint64_t seed[2], rev;  /**< of a store that was opened */
};

struct ctl_keep {
	char *path;                     /**< NULL: in memory */
	struct cv_store *store;         /**< NULL: it could not be opened */
	struct cv_store_writer *writer; /**< NULL: in memory, written at once */
	struct cv_store_batch next;     /**< what is not being written yet... */
	struct ctl_held held;           /**< ...and who waits for it */
	struct ctl_held sent;           /**< who waits for what is being written */
	bool writing;
	struct ctl_trial trial; /**< only while broken */
	uint64_t rev;           /**< of the store, as the model has it */
	bool broken;            /**< it cannot be written: changes are refused */
	bool stale;             /**< the model is not what the store holds */
	uint64_t retry_ms, wait_ms;
	uint64_t seed[2];
	uint64_t n_txns, n_failed, written_ms;
	struct ctl_left_out *left_out; /**< shape [n_left_out] */
	uint32_t n_left_out;
	bool left_known; /**< what the store says of it was read, since that was opened */
	pthread_mutex_t lock;
	char why[CV_ERR_TEXT_LEN]; /**< under lock; "" if not broken */
};

/**
 * Open the state file and put what it holds over a configuration. One that cannot be used is no failure,
 * but that it is another's: then nothing is changed by calls, and it is tried again.
 *
 * @param         path  NULL: in memory
 * @param[in,out] conf  perhaps another afterwards
 * @return 0, -EBUSY (another culvertd has it), -ENOMEM, -EMFILE or -EAGAIN
 */
int cv_ctl_keep_open(struct cv_ctl *ctl, const char *path, struct cv_conf **conf,
		     struct cv_errs *errs);

/** Close it. */
void cv_ctl_keep_close(struct cv_ctl *ctl);

/** Tell whether calls may change anything. */
bool cv_ctl_keep_is_good(const struct cv_ctl *ctl);

/** Hold the answer of a call until what it saw is durable. @return ret, or CTL_CMD_LATER */
int cv_ctl_keep_hold(struct cv_ctl *ctl, struct ctl_cmd *cmd, int ret);

/** Write what has changed, answer who waits for what has been written. Once in a turn of the loop. */
void cv_ctl_keep_run(struct cv_ctl *ctl);

/** Wait until all is written, and answer who waits. */
void cv_ctl_keep_flush(struct cv_ctl *ctl);

/** Begin to try again what has failed, if it is time. */
void cv_ctl_keep_tick(struct cv_ctl *ctl, uint64_t now_ms);

/** Begin to try again now, whatever the time: the operator has asked. cv_ctl_keep_run() goes on with it. */
void cv_ctl_keep_retry(struct cv_ctl *ctl);

/** Tell whether the disk is waited for, or has to be: then nothing is to be read from the store. */
bool cv_ctl_keep_is_busy(const struct cv_ctl *ctl);

/**
 * Read all documents, once all is written; those of the model if there is no file to read.
 *
 * @param[out] ret_docs  applied is there; untouched on failure
 * @return 0 or -errno, with errs filled
 * @owner  caller; cv_ctl_keep_docs_fini()
 */
int cv_ctl_keep_docs(struct cv_ctl *ctl, struct cv_conf_docs *ret_docs, struct cv_errs *errs);

/** Free documents. */
void cv_ctl_keep_docs_fini(struct cv_conf_docs *docs);

/** Note which documents a configuration that serves has left out. @return how many */
uint32_t cv_ctl_keep_note(struct cv_ctl *ctl, const struct cv_conf_docs *docs,
			  const struct cv_errs *warnings);

/* ---- keep_enis.c ---- */

/** Let ENIs of the file's endpoints have the load balancers that the state file says. */
void cv_ctl_keep_enis_take(struct cv_ctl *ctl, struct cv_model *model);

/** Write down those that they have now, where that is another than is written there. */
void cv_ctl_keep_enis_put(struct cv_ctl *ctl, const struct cv_model *model);

/* ---- hup.c ---- */

/** A reload that waits until nothing waits for the disk. */
struct ctl_hup {
	uint64_t since_ms; /**< 0: none is wanted */
	bool said;
	struct ctl_cmd *first; /**< calls that change, to be carried out after it */
};

/** Read the file again, soon: nothing is written meanwhile, and control does not wait for what is. */
void cv_ctl_hup(struct cv_ctl *ctl);

/** Put off a call that changes until after that. @return whether it is */
bool cv_ctl_hup_hold(struct cv_ctl *ctl, struct ctl_cmd *cmd);

/** Do it, if it is wanted and can be done. Once in a turn of the loop, after cv_ctl_keep_run(). */
void cv_ctl_hup_run(struct cv_ctl *ctl);

/** Answer what was put off with -ECANCELED. */
void cv_ctl_hup_stop(struct cv_ctl *ctl);

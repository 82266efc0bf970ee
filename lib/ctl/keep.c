/* SPDX-License-Identifier: BSD-3-Clause */

/* What calls change becomes durable before they are answered. */

#include "cv_ctl_keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "ctl_priv.h"
#include "keep_docs_priv.h"

/* After a failure, from the one to the other. */
#define RETRY_MS 1000
#define RETRY_MAX_MS 30000

bool cv_ctl_keep_is_good(const struct cv_ctl *ctl)
{
	return !ctl->keep.broken;
}

static void why_set(struct ctl_keep *keep, const char *why)
{
	pthread_mutex_lock(&keep->lock);
	snprintf(keep->why, sizeof(keep->why), "%s", why);
	pthread_mutex_unlock(&keep->lock);
}

void cv_ctl_keep_why(void *arg, char *buf, size_t cap)
{
	struct cv_ctl *ctl = arg;

	pthread_mutex_lock(&ctl->keep.lock);
	snprintf(buf, cap, "%s", ctl->keep.why);
	pthread_mutex_unlock(&ctl->keep.lock);
}

static const char *name_of(const struct ctl_keep *keep)
{
	return keep->path != NULL ? keep->path : "state";
}

/* From now on, calls change nothing. Said once for each reason. */
static void break_off(struct cv_ctl *ctl, const struct cv_errs *errs)
{
	struct ctl_keep *keep = &ctl->keep;
	const char *why = errs->n > 0 ? errs->items[0].text : "out of memory";

	if (!keep->broken || strcmp(keep->why, why) != 0)
		cv_log(CV_LOG_ERR,
		       "%s: %s. Nothing that calls would change can be kept: they are refused; the "
		       "data plane goes on",
		       name_of(keep), why);
	if (!keep->broken)
		cv_ctl_notice_state(ctl, why);
	why_set(keep, why);
	keep->wait_ms = !keep->broken ? RETRY_MS : keep->wait_ms * 2;
	if (keep->wait_ms > RETRY_MAX_MS)
		keep->wait_ms = RETRY_MAX_MS;
	keep->broken = true;
	keep->retry_ms = cv_clock_ms() + keep->wait_ms;
}

static void mend(struct cv_ctl *ctl)
{
	struct ctl_keep *keep = &ctl->keep;

	if (keep->broken) {
		cv_log(CV_LOG_NOTICE, "%s: can be used again", name_of(keep));
		cv_ctl_notice_state(ctl, NULL);
	}
	keep->broken = false;
	why_set(keep, "");
}

/* ---- answers that wait ---- */

int cv_ctl_keep_hold(struct cv_ctl *ctl, struct ctl_cmd *cmd, int ret)
{
	struct ctl_keep *keep = &ctl->keep;
	bool next = ctl->model->n_changes > 0 || keep->next.n > 0;
	struct ctl_held *held = next ? &keep->held : &keep->sent;

	if (keep->broken || (!next && !keep->writing))
		return ret;
	cmd->ret = ret;
	cmd->next = NULL;
	if (held->last != NULL)
		held->last->next = cmd;
	else
		held->first = cmd;
	held->last = cmd;
	return CTL_CMD_LATER;
}

/* @param fault  for all of them; 0: each has its own */
static void held_answer(struct cv_ctl *ctl, struct ctl_held *held, int fault)
{
	while (held->first != NULL) {
		struct ctl_cmd *cmd = held->first;

		held->first = cmd->next;
		cmd->next = NULL;
		cv_ctl_queue_answer(&ctl->queue, cmd, fault != 0 ? fault : cmd->ret);
	}
	held->last = NULL;
}

/* ---- from the store to the model ---- */

/* Serve what the file said when it was last read, and what the store holds. */
static int rebuild(struct cv_ctl *ctl, struct cv_errs *errs)
{
	struct cv_conf_docs docs;
	struct cv_conf *conf;
	int ret = cv_ctl_keep_docs(ctl, &docs, errs);

	if (ret < 0)
		return ret;
	conf = cv_conf_parse_over(ctl->conf->source, ctl->conf->source_len, &docs, errs);
	ret = conf != NULL ? 0 : -EINVAL;
	if (ret == 0) {
		cv_model_enis_keep(conf->model, ctl->conf->model);
		ret = cv_ctl_apply(ctl, conf, errs);
		if (ret == 0) {
			cv_ctl_keep_note(ctl, &docs, &conf->warnings);
			cv_ctl_keep_enis_put(ctl, ctl->model);
		} else {
			cv_conf_destroy(conf);
		}
	}
	cv_ctl_keep_docs_fini(&docs);
	return ret;
}

/* What was not written never was. */
static void undo(struct cv_ctl *ctl)
{
	struct ctl_keep *keep = &ctl->keep;
	struct cv_errs errs = {0};

	cv_store_batch_cut(&keep->next, 0);
	cv_model_changes_clear(ctl->model);
	keep->stale = rebuild(ctl, &errs) < 0;
	if (keep->stale)
		cv_log(CV_LOG_ERR, "state: what could not be kept cannot be taken back yet: %s",
		       errs.n > 0 ? errs.items[0].text : "out of memory");
	cv_errs_fini(&errs);
	if (ctl->dirty_ms == 0)
		ctl->tick_ms = 0; /* announce, and ask for new neighbours, at once */
}

/* ---- writing ---- */

static void written(struct cv_ctl *ctl, int ret, uint64_t rev, const struct cv_errs *errs)
{
	struct ctl_keep *keep = &ctl->keep;

	keep->writing = false;
	if (ret == 0) {
		keep->rev = rev;
		keep->n_txns++;
		keep->written_ms = cv_clock_ms();
		held_answer(ctl, &keep->sent, 0);
		return;
	}
	keep->n_failed++;
	break_off(ctl, errs);
	undo(ctl);
	/* What will be in its place may be another. */
	keep->stale = keep->stale || ret != -ESTALE;
	/* Another program has written: what it left is what serves now. */
	if (ret == -ESTALE && !keep->stale)
		mend(ctl);
	held_answer(ctl, &keep->sent, -EROFS);
	held_answer(ctl, &keep->held, -EROFS);
}

static void write_now(struct cv_ctl *ctl)
{
	struct ctl_keep *keep = &ctl->keep;
	const struct cv_store_txn txn = {keep->next.ops, keep->next.n, keep->rev};
	struct cv_errs errs = {0};
	uint64_t rev = 0;
	int ret = cv_store_commit(keep->store, &txn, &rev, &errs);

	cv_store_batch_cut(&keep->next, 0);
	written(ctl, ret, rev, &errs);
	cv_errs_fini(&errs);
}

/* Give what has been gathered to the writer. */
static void write_begin(struct cv_ctl *ctl)
{
	struct ctl_keep *keep = &ctl->keep;
	int ret = 0;

	for (uint32_t i = 0; ret == 0 && i < ctl->model->n_changes; i++)
		ret = cv_ctl_keep_doc_put(&keep->next, ctl->model, &ctl->model->changes[i]);
	keep->sent = keep->held;
	keep->held = (struct ctl_held){0};
	if (ret < 0) {
		struct cv_errs errs = {0};

		cv_errs_add(&errs, NULL, 0, "out of memory");
		written(ctl, ret, 0, &errs);
		cv_errs_fini(&errs);
		return;
	}
	cv_model_changes_clear(ctl->model);
	keep->writing = true;
	if (keep->writer == NULL)
		write_now(ctl);
	else
		cv_store_writer_begin(keep->writer, &keep->next, keep->rev);
}

static void trial_end(struct cv_ctl *ctl, int ret, struct cv_errs *errs);

static void write_end(struct cv_ctl *ctl, bool wait)
{
	struct ctl_keep *keep = &ctl->keep;
	struct cv_errs errs = {0};
	uint64_t rev = 0;
	int ret;

	if ((keep->writing || keep->trial.on) &&
	    cv_store_writer_end(keep->writer, wait && keep->writing, &ret, &rev, &errs)) {
		if (keep->trial.on)
			trial_end(ctl, ret, &errs);
		else
			written(ctl, ret, rev, &errs);
	}
	cv_errs_fini(&errs);
}

static bool is_due(const struct cv_ctl *ctl)
{
	return ctl->model != NULL && (ctl->model->n_changes > 0 || ctl->keep.next.n > 0);
}

static void run(struct cv_ctl *ctl, bool wait)
{
	struct ctl_keep *keep = &ctl->keep;

	write_end(ctl, wait);
	if (keep->writing || !is_due(ctl))
		return;
	if (!keep->broken) {
		write_begin(ctl);
		return;
	}
	/* Time went on for some endpoint: it will again, once that can be kept. */
	cv_model_changes_clear(ctl->model);
	cv_store_batch_cut(&keep->next, 0);
}

bool cv_ctl_keep_is_busy(const struct cv_ctl *ctl)
{
	return ctl->keep.writing || ctl->keep.trial.on || is_due(ctl);
}

void cv_ctl_keep_run(struct cv_ctl *ctl)
{
	run(ctl, false);
}

void cv_ctl_keep_flush(struct cv_ctl *ctl)
{
	while (ctl->keep.writing || is_due(ctl))
		run(ctl, true);
}

/* ---- what else is kept ---- */

int cv_ctl_keep(struct cv_ctl *ctl, const char *key, const char *value, size_t len)
{
	const struct cv_store_op op = {
		.what = value != NULL ? CV_STORE_PUT : CV_STORE_DELETE,
		.space = CV_STORE_TOKEN,
		.key = key,
		.value = value,
		.len = value != NULL ? len : 0,
		.rev = CV_STORE_ANY,
	};

	return cv_store_batch_add(&ctl->keep.next, &op);
}

int cv_ctl_send(struct cv_ctl *ctl, const char *queue, const char *text)
{
	const struct cv_store_op op = {
		.what = CV_STORE_SEND, .key = queue, .value = text, .len = strlen(text)};

	return cv_store_batch_add(&ctl->keep.next, &op);
}

int cv_ctl_unsend(struct cv_ctl *ctl, const char *queue)
{
	const struct cv_store_op op = {.what = CV_STORE_UNSEND, .key = queue};

	return cv_store_batch_add(&ctl->keep.next, &op);
}

struct kept {
	cv_ctl_kept_fn *fn;
	void *arg;
};

static int kept_take(void *arg, const struct cv_store_item *item)
{
	const struct kept *kept = arg;

	/* It holds up nobody else's; the log names it. */
	if (item->damaged)
		return 0;
	return kept->fn(kept->arg, item->key, item->value, item->len);
}

int cv_ctl_kept(void *arg, cv_ctl_kept_fn *fn, void *fn_arg)
{
	struct cv_ctl *ctl = arg;
	struct kept kept = {fn, fn_arg};
	struct cv_errs errs = {0};
	int ret = -EAGAIN;

	/*
	 * What will be read is another's, perhaps: that there is nothing is not known. While it is tried,
	 * it is the thread's, which may wait for the disk.
	 */
	if (ctl->keep.store != NULL && !ctl->keep.stale && !ctl->keep.trial.on)
		ret = cv_store_changes(ctl->keep.store,
				       (struct cv_store_since){CV_STORE_TOKEN, 0, .damaged = true},
				       kept_take, &kept, NULL, &errs);
	for (size_t i = 0; i < errs.n; i++)
		cv_log(CV_LOG_ERR, "%s: %s", name_of(&ctl->keep), errs.items[i].text);
	cv_errs_fini(&errs);
	return ret;
}

void cv_ctl_keep_seed(const struct cv_ctl *ctl, uint64_t *seed)
{
	memcpy(seed, ctl->keep.seed, sizeof(ctl->keep.seed));
}

struct cv_store *cv_ctl_store(const struct cv_ctl *ctl)
{
	return ctl->keep.store;
}

/* ---- life ---- */

static int writer_start(struct cv_ctl *ctl)
{
	struct ctl_keep *keep = &ctl->keep;
	struct epoll_event event = {.events = EPOLLIN};
	int ret;

	if (keep->path == NULL || keep->writer != NULL)
		return 0;
	ret = cv_store_writer_create(keep->store, &keep->writer);
	if (ret < 0)
		return ret;
	event.data.fd = cv_store_writer_fd(keep->writer);
	return epoll_ctl(ctl->epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event) < 0 ? -errno : 0;
}

static int store_try(struct ctl_keep *keep, struct cv_errs *errs)
{
	int ret = cv_store_open(keep->path, errs, &keep->store);

	keep->left_known = false;
	if (ret == 0)
		ret = cv_ctl_keep_local(keep, errs);
	if (ret < 0 && keep->store != NULL) {
		cv_store_close(keep->store);
		keep->store = NULL;
	}
	return ret;
}

/* @return -EBUSY and what the thread needs are for the caller; all else is a broken store */
static int store_open(struct cv_ctl *ctl, struct cv_errs *errs)
{
	struct ctl_keep *keep = &ctl->keep;
	struct cv_errs own = {0};
	int ret = store_try(keep, &own);

	if (ret == -EBUSY && own.n > 0)
		cv_errs_add(errs, "control.state", 0, "%s: %s", keep->path, own.items[0].text);
	else if (ret < 0)
		break_off(ctl, &own);
	cv_errs_fini(&own);
	return ret == -EBUSY ? ret : writer_start(ctl);
}

/* Put what the store holds over the file, at the start. */
static void replay(struct cv_ctl *ctl, struct cv_conf **conf)
{
	struct cv_errs errs = {0};
	struct cv_conf_docs docs = {0};
	struct cv_conf *over = NULL;
	int ret = cv_ctl_keep_docs(ctl, &docs, &errs);

	if (ret == 0 && docs.n > 0) {
		over = cv_conf_parse_over((*conf)->source, (*conf)->source_len, &docs, &errs);
		ret = over != NULL ? 0 : -EINVAL;
	}
	if (ret < 0) {
		ctl->keep.stale = true;
		break_off(ctl, &errs);
	}
	if (over != NULL) {
		cv_conf_destroy(*conf);
		*conf = over;
		cv_ctl_keep_note(ctl, &docs, &over->warnings);
		for (uint32_t i = 0; i < ctl->keep.n_left_out; i++)
			cv_log(CV_LOG_WARNING, "%s: %s: %s", ctl->keep.path,
			       ctl->keep.left_out[i].id, ctl->keep.left_out[i].why);
	}
	cv_ctl_keep_docs_fini(&docs);
	cv_errs_fini(&errs);
}

int cv_ctl_keep_open(struct cv_ctl *ctl, const char *path, struct cv_conf **conf,
		     struct cv_errs *errs)
{
	struct ctl_keep *keep = &ctl->keep;
	int ret;

	pthread_mutex_init(&keep->lock, NULL);
	if (getrandom(keep->seed, sizeof(keep->seed), GRND_NONBLOCK) < 0)
		keep->seed[0] = cv_clock_ms();
	keep->path = path != NULL ? strdup(path) : NULL;
	if (path != NULL && keep->path == NULL)
		return -ENOMEM;
	ret = store_open(ctl, errs);
	if (ret == 0 && keep->store != NULL && path != NULL) {
		replay(ctl, conf);
		cv_ctl_keep_enis_take(ctl, (*conf)->model);
		cv_ctl_keep_enis_put(ctl, (*conf)->model);
	}
	return ret;
}

void cv_ctl_keep_close(struct cv_ctl *ctl)
{
	struct ctl_keep *keep = &ctl->keep;

	cv_store_writer_destroy(keep->writer);
	if (keep->trial.on && keep->store == NULL)
		keep->store = keep->trial.store;
	cv_store_batch_cut(&keep->next, 0);
	cv_store_close(keep->store);
	cv_ctl_keep_left_fini(keep);
	free(keep->path);
}

/* ---- after a failure ---- */

/* On the writer's thread. */
static int trial_run(void *arg, struct cv_errs *errs)
{
	struct ctl_trial *trial = arg;
	struct ctl_keep opened = {.path = (char *)(uintptr_t)trial->path, .rev = trial->rev};
	int ret = 0;

	if (trial->store == NULL) {
		memcpy(opened.seed, trial->seed, sizeof(opened.seed));
		ret = store_try(&opened, errs);
		trial->store = opened.store;
		trial->rev = opened.rev;
		memcpy(trial->seed, opened.seed, sizeof(trial->seed));
	}
	return ret < 0 ? ret : cv_store_probe(trial->store, errs);
}

/* What it has opened is control's. */
static void trial_take(struct ctl_keep *keep)
{
	if (keep->store != NULL)
		return;
	keep->stale = true;
	if (keep->trial.store == NULL)
		return;
	keep->store = keep->trial.store;
	keep->rev = keep->trial.rev;
	memcpy(keep->seed, keep->trial.seed, sizeof(keep->seed));
	keep->left_known = false;
	if (keep->writer != NULL)
		cv_store_writer_use(keep->writer, keep->store);
}

static void trial_end(struct cv_ctl *ctl, int ret, struct cv_errs *errs)
{
	struct ctl_keep *keep = &ctl->keep;

	keep->trial.on = false;
	trial_take(keep);
	if (ret == 0 && keep->stale)
		ret = rebuild(ctl, errs);
	if (ret < 0) {
		break_off(ctl, errs);
		return;
	}
	keep->stale = false;
	mend(ctl);
	/* What was acknowledged before, and could not be read until now. */
	cv_ctl_tell_sent(ctl);
}

void cv_ctl_keep_retry(struct cv_ctl *ctl)
{
	struct ctl_keep *keep = &ctl->keep;
	struct cv_errs errs = {0};

	if (!keep->broken || keep->trial.on)
		return;
	keep->trial = (struct ctl_trial){
		.on = true, .path = keep->path, .store = keep->store, .rev = keep->rev};
	memcpy(keep->trial.seed, keep->seed, sizeof(keep->trial.seed));
	if (keep->writer != NULL)
		cv_store_writer_do(keep->writer, trial_run, &keep->trial);
	else
		trial_end(ctl, trial_run(&keep->trial, &errs), &errs);
	cv_errs_fini(&errs);
}

void cv_ctl_keep_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	if (ctl->keep.broken && now_ms >= ctl->keep.retry_ms)
		cv_ctl_keep_retry(ctl);
}

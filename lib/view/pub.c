/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_rcu_qsbr.h>

/* Something that waits until no reader can hold it. */
struct retired {
	struct retired *next;
	uint64_t token; /* readers that were quiescent at or after it cannot hold the object */
	void *object;
	cv_view_free_fn *free_fn;
};

/* The first line is what readers load; control's own fields stay off it. */
struct cv_view_pub {
	CV_CACHE_ALIGNED _Atomic(struct cv_view *) current;
	struct rte_rcu_qsbr *qsbr;
	unsigned int n_readers;
	CV_CACHE_ALIGNED struct retired *head; /* oldest: tokens grow towards the tail */
	struct retired *tail;
	unsigned int n_retired;
};

static void *zeroed(size_t len)
{
	void *mem;

	len = (len + CV_CACHE_LINE - 1) & ~(size_t)(CV_CACHE_LINE - 1);
	mem = aligned_alloc(CV_CACHE_LINE, len);
	if (mem != NULL)
		memset(mem, 0, len);
	return mem;
}

static void view_free(void *object)
{
	cv_view_destroy(object);
}

struct cv_view_pub *cv_view_pub_create(unsigned int n_readers)
{
	struct cv_view_pub *pub;

	cv_assert(n_readers >= 1);
	pub = zeroed(sizeof(*pub));
	if (pub == NULL)
		return NULL;
	pub->qsbr = zeroed(rte_rcu_qsbr_get_memsize(n_readers));
	if (pub->qsbr == NULL) {
		free(pub);
		return NULL;
	}
	pub->n_readers = n_readers;
	cv_assert(rte_rcu_qsbr_init(pub->qsbr, n_readers) == 0);
	return pub;
}

static void free_oldest(struct cv_view_pub *pub)
{
	struct retired *r = pub->head;

	pub->head = r->next;
	if (pub->head == NULL)
		pub->tail = NULL;
	pub->n_retired--;
	r->free_fn(r->object);
	free(r);
}

void cv_view_pub_destroy(struct cv_view_pub *pub)
{
	if (pub == NULL)
		return;
	while (pub->head != NULL)
		free_oldest(pub);
	cv_view_destroy(atomic_load_explicit(&pub->current, memory_order_relaxed));
	free(pub->qsbr);
	free(pub);
}

/* The token is taken here: whatever hid the object from readers must have happened before. */
static void enqueue(struct cv_view_pub *pub, struct retired *r)
{
	r->token = rte_rcu_qsbr_start(pub->qsbr);
	if (pub->tail != NULL)
		pub->tail->next = r;
	else
		pub->head = r;
	pub->tail = r;
	pub->n_retired++;
}

static struct retired *retired_create(void *object, cv_view_free_fn *free_fn)
{
	struct retired *r = zeroed(sizeof(*r));

	if (r != NULL) {
		r->object = object;
		r->free_fn = free_fn;
	}
	return r;
}

int cv_view_pub_publish(struct cv_view_pub *pub, struct cv_view *view)
{
	struct cv_view *old = atomic_load_explicit(&pub->current, memory_order_relaxed);
	struct retired *r = NULL;

	if (old != NULL) {
		r = retired_create(old, view_free);
		if (r == NULL)
			return -ENOMEM;
	}
	atomic_store_explicit(&pub->current, view, memory_order_release);
	if (r != NULL)
		enqueue(pub, r);
	return 0;
}

int cv_view_pub_retire(struct cv_view_pub *pub, void *object, cv_view_free_fn *free_fn)
{
	struct retired *r = retired_create(object, free_fn);

	if (r == NULL)
		return -ENOMEM;
	enqueue(pub, r);
	return 0;
}

unsigned int cv_view_pub_reap(struct cv_view_pub *pub)
{
	while (pub->head != NULL && rte_rcu_qsbr_check(pub->qsbr, pub->head->token, false) == 1)
		free_oldest(pub);
	return pub->n_retired;
}

const struct cv_view *cv_view_pub_current(const struct cv_view_pub *pub)
{
	return atomic_load_explicit(&pub->current, memory_order_relaxed);
}

void cv_view_reader_online(struct cv_view_pub *pub, unsigned int reader)
{
	cv_assert(reader < pub->n_readers);
	cv_assert(rte_rcu_qsbr_thread_register(pub->qsbr, reader) == 0);
	rte_rcu_qsbr_thread_online(pub->qsbr, reader);
}

void cv_view_reader_offline(struct cv_view_pub *pub, unsigned int reader)
{
	cv_assert(reader < pub->n_readers);
	rte_rcu_qsbr_thread_offline(pub->qsbr, reader);
	cv_assert(rte_rcu_qsbr_thread_unregister(pub->qsbr, reader) == 0);
}

const struct cv_view *cv_view_read(const struct cv_view_pub *pub)
{
	return atomic_load_explicit(&pub->current, memory_order_acquire);
}

void cv_view_quiescent(struct cv_view_pub *pub, unsigned int reader)
{
	cv_dassert(reader < pub->n_readers);
	rte_rcu_qsbr_quiescent(pub->qsbr, reader);
}

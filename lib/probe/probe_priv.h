/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside the probes: one item per probe. What is not under the lock belongs to the thread.
 */

#include <pthread.h>

#include <curl/curl.h>

#include "cv_probe.h"

/** How often the thread looks for probes whose time is over, in milliseconds. */
#define PROBE_TICK_MS 20

/** Where a probe stands. */
enum probe_stage {
	PROBE_WAITING,    /**< for a socket */
	PROBE_CONNECTING, /**< the kernel connects */
	PROBE_TALKING,    /**< libcurl has the socket */
	PROBE_CLOSING,    /**< answered; reads until the target's FIN */
	PROBE_DEAD,       /**< freed at the end of the turn */
};

/** One probe. */
struct probe_item {
	struct cv_probe_req req; /**< path is the item's */
	enum probe_stage stage;
	int fd;
	uint64_t deadline_ms; /**< 0: it never had a socket */
	CURL *easy;
	struct curl_slist *headers;
	long code;               /**< HTTP code once the headers are complete, else 0 */
	bool fd_returned;        /**< libcurl has given the socket back */
	struct probe_item *next; /**< in the list that the stage says */
	struct probe_item *prev; /**< among the active */
};

/** Items in order. */
struct probe_queue {
	struct probe_item *first, *last;
};

struct cv_probe {
	struct cv_probe_cfg cfg;
	pthread_t thread;
	int wake_fd, result_fd, epoll_fd;

	pthread_mutex_t lock;
	struct probe_queue inbox;        /**< under the lock */
	bool stop;                       /**< under the lock */
	struct cv_probe_result *results; /**< under the lock, shape [n_results] of cap_results */
	uint32_t n_results, cap_results;
	uint32_t n_begun; /**< under the lock: without a result yet */

	struct probe_queue waiting; /**< for a socket */
	struct probe_queue retry;   /**< whose namespace is being made */
	struct probe_item *active;  /**< with a socket */
	struct probe_item *dead;
	uint32_t n_open;
	CURLM *multi;
	uint64_t curl_ms; /**< when libcurl wants to be called; UINT64_MAX: never */
	uint64_t tick_ms;
};

/** Add an item at the end. */
void cv_probe_queue_put(struct probe_queue *queue, struct probe_item *item);

/** Take the first item, or NULL. */
struct probe_item *cv_probe_queue_take(struct probe_queue *queue);

/** Free an item that is in no list. */
void cv_probe_item_free(struct probe_item *item);

/** Hand a result to control. Once per item. */
void cv_probe_answer(struct cv_probe *probe, const struct probe_item *item,
		     enum cv_probe_outcome outcome, uint16_t code, const char *text);

/* ---- probe_loop.c ---- */

/** The thread. @param probe  struct cv_probe */
void *cv_probe_run(void *probe);

/** An item whose answer is given: end its connection with FIN. */
void cv_probe_close(struct cv_probe *probe, struct probe_item *item);

/* ---- probe_http.c ---- */

/** Make the multi handle. @return 0 or -ENOMEM */
int cv_probe_http_init(struct cv_probe *probe);

/** Free it; no item talks any more. */
void cv_probe_http_fini(struct cv_probe *probe);

/** Have libcurl talk over an item's connection. @return 0 or -ENOMEM */
int cv_probe_http_begin(struct cv_probe *probe, struct probe_item *item);

/** Tell libcurl of events on an item's socket. @param events  of epoll */
void cv_probe_http_event(struct cv_probe *probe, struct probe_item *item, uint32_t events);

/** Let libcurl do what is due. */
void cv_probe_http_tick(struct cv_probe *probe, uint64_t now_ms);

/** Take the socket from libcurl, whatever it is doing. */
void cv_probe_http_end(struct cv_probe *probe, struct probe_item *item);

/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Notifications on their way out: takes messages from the store's outbox, signs them and delivers them
 * by HTTP or HTTPS as SNS does. What is delivered to whom is decided before (aws); an order in the outbox
 * has all that it takes.
 *
 * The queue of an order is its subscription. Messages of one subscription go one after the other, the
 * next only when the one before is delivered or given up; subscriptions do not wait for each other.
 *
 * @threads create, destroy: one. Deliveries are made on a thread of its own.
 * @source  AWS: Amazon SNS developer guide, "Parsing message formats", "Verifying the signatures of
 *          Amazon SNS messages", "Amazon SNS message delivery retries"
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct cv_notify_policy; /* cv_notify_policy.h */
struct cv_store;
struct sockaddr;

/** Requests under way at once at most, and of the topics of one account. */
#define CV_NOTIFY_AT_ONCE 32
#define CV_NOTIFY_AT_ONCE_OWN 8
/** Seconds for one request, from the connection to the answer. */
#define CV_NOTIFY_SECONDS 15
/** Seconds between tries at most, unless a message says otherwise: they double from 1. */
#define CV_NOTIFY_WAIT_MAX 60
/** Bytes of an answer that are read; its status is what matters. */
#define CV_NOTIFY_ANSWER_MAX 65536

/** A message. Strings are the owner's. */
struct cv_notify_message {
	const char
		*type; /**< `Notification`, `SubscriptionConfirmation`, `UnsubscribeConfirmation` */
	const char *id;      /**< UUID */
	const char *topic;   /**< ARN */
	const char *subject; /**< NULL: none */
	const char *message;
	const char *time;  /**< ISO 8601 with milliseconds */
	const char *token; /**< of a confirmation; NULL: none */
	const char *base;  /**< URL of the API without path: what URLs in the message begin with */
	const char *subscription; /**< ARN */
	int version;              /**< of the signature: 1 (SHA-1) or 2 (SHA-256) */
};

/** What messages are signed with, and the certificate of before. @threads any, after open */
struct cv_notify_key;

/** What paths of certificates begin with, and the bytes of one with its NUL. */
#define CV_NOTIFY_PATH "/SimpleNotificationService-"
#define CV_NOTIFY_PATH_LEN 80

/**
 * Make an RSA key of 2048 bits and a certificate of its own for it, for ten years.
 *
 * @param      now       seconds since 1970
 * @param[out] ret_key   PEM; untouched on failure
 * @param[out] ret_cert  PEM; untouched on failure
 * @return 0 or -ENOMEM
 * @owner  caller; free()
 */
int cv_notify_key_make(time_t now, char **ret_key, char **ret_cert);

/**
 * Read key and certificate.
 *
 * @param      key_pem   copied
 * @param      cert_pem  copied
 * @param[out] ret_key   untouched on failure
 * @return 0, -EINVAL (no key, no certificate, or not a pair) or -ENOMEM
 * @owner  caller; cv_notify_key_close()
 */
int cv_notify_key_open(const char *key_pem, const char *cert_pem, struct cv_notify_key **ret_key);

/** Free a key. NULL is fine. */
void cv_notify_key_close(struct cv_notify_key *key);

/** Serve the certificate of before, too, until it ends. @return 0, -EINVAL (it is none) or -ENOMEM */
int cv_notify_key_old(struct cv_notify_key *key, const char *cert_pem);

/** Sign with others from now on; the certificate of before stays. @return as cv_notify_key_open() */
int cv_notify_key_renew(struct cv_notify_key *key, const char *key_pem, const char *cert_pem);

/** What comes after a key: to be kept together. PEM. */
struct cv_notify_pair {
	const char *key, *cert;
	const char *old; /**< the certificate of before */
};

/** Keeps a pair. @return 0 once it is, or -errno: then nothing is signed with it */
typedef int cv_notify_keep_fn(void *arg, const struct cv_notify_pair *pair);

/**
 * Make a pair, have it kept, and sign with it from then on; the certificate of before stays.
 *
 * @param now  seconds since 1970
 * @return 0, -ENOMEM or what keep returned
 */
int cv_notify_key_next(struct cv_notify_key *key, time_t now, cv_notify_keep_fn *keep, void *arg);

/**
 * Renew a key whose certificate ends within a year, or has not begun: at most once an hour if that fails.
 *
 * @param now  seconds since 1970
 * @return 1: it was renewed; 0: it is not due; or -errno
 * @threads one
 */
int cv_notify_key_tend(struct cv_notify_key *key, time_t now, cv_notify_keep_fn *keep, void *arg);

/**
 * The certificate at a path, PEM.
 *
 * @param now  seconds since 1970: one of before is there until it ends
 * @return NULL: none is there, or memory ran out
 * @owner  caller; free()
 */
char *cv_notify_key_cert(struct cv_notify_key *key, const char *path, time_t now);

/**
 * What is signed of a message: names and values of some members, each with a newline behind.
 *
 * @return text, NULL if memory ran out
 * @owner  caller; free()
 */
char *cv_notify_canonical(const struct cv_notify_message *message);

/** URL that confirms a subscription, or ends it. @return NULL if memory ran out @owner caller; free() */
char *cv_notify_url(const struct cv_notify_message *message, bool confirm);

/**
 * An endpoint as others may see it: `****` for a password in it, and, where everybody may look, for what is
 * behind a `?`.
 *
 * @param      public  everybody may look: a log, an event
 * @param[out] buf     shape [size]; cut if it is too short. `url` and 4 bytes more always fit
 * @threads any
 * @source  SNS shows the password of a subscription's endpoint like that
 */
void cv_notify_url_mask(const char *url, bool public, char *buf, size_t size);

/**
 * The signed JSON of a message.
 *
 * @return text, NULL if memory ran out
 * @owner  caller; free()
 */
char *cv_notify_envelope(struct cv_notify_key *key, const struct cv_notify_message *message);

/**
 * Write an order for the outbox.
 *
 * @param url     where to
 * @param raw     deliver the message alone, without envelope
 * @param policy  how it is delivered; NULL: as the settings say
 * @return text, NULL if memory ran out
 * @owner  caller; free()
 */
char *cv_notify_order(const char *url, bool raw, const struct cv_notify_policy *policy,
		      const struct cv_notify_message *message);

/** Counters since the start. */
struct cv_notify_counts {
	uint64_t delivered, retried;
	uint64_t given_up; /**< refused by the receiver (4xx), or too often tried */
	uint64_t dropped;  /**< the oldest, when too many waited */
	uint64_t waiting;  /**< now; up to a second ago */
};

/** Where receivers may be: an IPv4 network. */
struct cv_notify_net {
	uint32_t ip, mask; /**< host order */
};

/** Networks at most. */
#define CV_NOTIFY_NETS_MAX 16

/** Which receivers may be reached, whatever name leads to them. */
struct cv_notify_nets {
	struct cv_notify_net nets[CV_NOTIFY_NETS_MAX]; /**< shape [n]; not to IPv6 then */
	uint32_t n;
	bool given;    /**< else all but those that no receiver has: see cv_notify_may_reach() */
	bool loopback; /**< without given: it may be there, too */
};

/**
 * Tell whether a receiver may be at an address. Without networks: not at those of this network, of the link
 * (clouds have their secrets there), of groups, nor of this host unless the loopback is allowed.
 */
bool cv_notify_may_reach(const struct cv_notify_nets *nets, const struct sockaddr *addr);

/** What happened to messages of a receiver. */
struct cv_notify_event {
	const char *result; /**< `failing`, `delivered again`, `given up`, `dropped` */
	const char *url;    /**< NULL: of any; without secrets */
	const char *why;    /**< NULL: nothing to say */
	uint64_t count;     /**< of messages */
};

/** Settings. */
struct cv_notify_cfg {
	struct cv_notify_key *key; /**< lives longer */
	struct cv_notify_nets nets;
	uint32_t n_tries;      /**< of a message that does not say it, at least 1 */
	uint64_t messages_max; /**< that may wait */
	/** Called on the thread that delivers; NULL: nobody wants to know. */
	void (*happened)(void *arg, const struct cv_notify_event *event);
	/** Called on that thread at least once a second or so; NULL: nothing to be done. */
	void (*tick)(void *arg);
	void *arg;
};

struct cv_notify;

/**
 * Start to deliver.
 *
 * @param      cfg         copied
 * @param[out] ret_notify  untouched on failure
 * @return 0, or -ENOMEM: also when no thread can be started
 * @owner  caller; cv_notify_destroy()
 */
int cv_notify_create(const struct cv_notify_cfg *cfg, struct cv_notify **ret_notify);

/** Stop: what is under way is broken off and stays in the outbox. NULL is fine. */
void cv_notify_destroy(struct cv_notify *notify);

/**
 * Reach receivers from a network namespace. At most once, before cv_notify_store(). Without the right to
 * enter it, from our own, and the log says so.
 *
 * @param netns  descriptor, taken over
 */
void cv_notify_netns(struct cv_notify *notify, int netns);

/** Say where the outbox is; before that nothing is delivered. @param store  lives longer @threads any */
void cv_notify_store(struct cv_notify *notify, struct cv_store *store);

/** From now on delays pass so many times as fast; 0 or 1: as they say. @threads any */
void cv_notify_time_scale(struct cv_notify *notify, uint32_t time_scale);

/** Look at the outbox now: something was put into it. @threads any */
void cv_notify_wake(struct cv_notify *notify);

/** What became of messages. @threads any */
void cv_notify_counts(struct cv_notify *notify, struct cv_notify_counts *ret_counts);

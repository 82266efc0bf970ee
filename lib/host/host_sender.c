/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Where senders were last heard from. Sets of a few places: only when one more sender of a set comes before
 * the answer to the one that was heard longest ago is an answer lost. Which senders share a set depends on
 * a secret, so that nobody can send from just those addresses that turn out another's.
 */

#include <errno.h>
#include <sys/random.h>

#include "cv_base.h"
#include "host_priv.h"

int cv_host_senders_init(struct host_senders *senders)
{
	ssize_t n = getrandom(senders->key, sizeof(senders->key), 0);

	return n == (ssize_t)sizeof(senders->key) ? 0 : -EAGAIN;
}

static struct host_sender *set_of(struct host_senders *senders, cv_be32_t ip)
{
	uint64_t hash = cv_siphash(&ip, sizeof(ip), senders->key[0], senders->key[1]);

	return senders->sets[hash % HOST_SENDER_SETS];
}

void cv_host_sender_note(struct host_senders *senders, const struct host_sender *sender)
{
	struct host_sender *set = set_of(senders, sender->ip);
	uint32_t now = ++senders->n_noted;
	struct host_sender *place = &set[0];

	for (unsigned int i = 0; i < HOST_SENDER_WAYS; i++) {
		if (set[i].ip == sender->ip || set[i].mac == 0) {
			place = &set[i];
			break;
		}
		if (now - set[i].noted > now - place->noted)
			place = &set[i];
	}
	*place = *sender;
	place->noted = now;
}

const struct host_sender *cv_host_sender_find(struct host_senders *senders, cv_be32_t ip)
{
	const struct host_sender *set = set_of(senders, ip);

	for (unsigned int i = 0; i < HOST_SENDER_WAYS; i++)
		if (set[i].ip == ip && set[i].mac != 0)
			return &set[i];
	return NULL;
}

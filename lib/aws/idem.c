/* SPDX-License-Identifier: BSD-3-Clause */

/* Client tokens: a call that is sent again gets the answer of the first time. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_priv.h"

/* AWS keeps them for at least a day. Of more than so many one goes of the account that has the most. */
#define KEEP_SECONDS 86400
#define TOKENS_MAX 16384

struct token {
	struct token *newer; /* of the same account */
	uint64_t account;
	uint64_t who;  /* caller's account, service, action and token */
	uint64_t what; /* parameters */
	time_t at;
	bool removed; /* no slot leads to it */
	size_t len;
	char text[];
};

struct owner {
	uint64_t account;
	struct token *oldest, *newest;
	uint32_t n;
};

/* Open addressing over a power of two with room for twice as many. */
struct aws_idem {
	struct owner *owners; /* shape [n_owners] */
	uint32_t n_owners, n;
	struct token *slots[TOKENS_MAX * 2];
};

struct aws_idem *cv_aws_idem_create(void)
{
	return calloc(1, sizeof(struct aws_idem));
}

void cv_aws_idem_destroy(struct aws_idem *idem)
{
	for (uint32_t i = 0; idem != NULL && i < idem->n_owners; i++) {
		struct token *token = idem->owners[i].oldest;

		while (token != NULL) {
			struct token *newer = token->newer;

			free(token);
			token = newer;
		}
	}
	if (idem != NULL)
		free(idem->owners);
	free(idem);
}

#define SLOTS_MASK (TOKENS_MAX * 2U - 1)

static uint32_t slot_find(const struct aws_idem *idem, uint64_t who)
{
	uint32_t i = (uint32_t)who & SLOTS_MASK;

	while (idem->slots[i] != NULL && idem->slots[i]->who != who)
		i = (i + 1) & SLOTS_MASK;
	return i;
}

/* Close the gap: what follows in the run moves up if it may. */
static void slot_clear(struct aws_idem *idem, uint32_t hole)
{
	for (uint32_t i = (hole + 1) & SLOTS_MASK; idem->slots[i] != NULL;
	     i = (i + 1) & SLOTS_MASK) {
		uint32_t home = (uint32_t)idem->slots[i]->who & SLOTS_MASK;

		if (((i - home) & SLOTS_MASK) < ((i - hole) & SLOTS_MASK))
			continue;
		idem->slots[hole] = idem->slots[i];
		hole = i;
	}
	idem->slots[hole] = NULL;
}

#define KEY_LEN 48

static void key_write(const struct token *token, char *key)
{
	int len = snprintf(key, KEY_LEN, "token-%016" PRIx64, token->who);

	/* Earlier versions wrote none. */
	if (token->account != 0)
		snprintf(key + len, KEY_LEN - (size_t)len, "-%012" PRIu64, token->account);
}

/* The oldest of an account; the token itself may have been removed before, or replaced. */
static void oldest_drop(struct aws_idem *idem, struct owner *owner, const struct aws_call *call)
{
	struct token *token = owner->oldest;
	char key[KEY_LEN];

	/* One that an earlier version kept was replaced under another key. */
	if ((!token->removed || token->account == 0) && call != NULL &&
	    call->aws->ops.keep != NULL) {
		key_write(token, key);
		(void)call->aws->ops.keep(call->ctl, key, NULL, 0);
	}
	if (!token->removed)
		slot_clear(idem, slot_find(idem, token->who));
	owner->oldest = token->newer;
	if (owner->oldest == NULL)
		owner->newest = NULL;
	owner->n--;
	idem->n--;
	free(token);
}

/* Drop what is too old to be found, and make room for one more. Whoever calls more than others do pays. */
static void tidy(struct aws_idem *idem, const struct aws_call *call)
{
	struct owner *most = NULL;

	for (uint32_t i = 0; i < idem->n_owners; i++) {
		struct owner *owner = &idem->owners[i];

		while (call != NULL && owner->oldest != NULL &&
		       call->now - owner->oldest->at > KEEP_SECONDS)
			oldest_drop(idem, owner, call);
		if (most == NULL || owner->n > most->n)
			most = owner;
	}
	if (idem->n == TOKENS_MAX)
		oldest_drop(idem, most, call);
}

static struct owner *owner_get(struct aws_idem *idem, uint64_t account)
{
	struct owner *owners;

	for (uint32_t i = 0; i < idem->n_owners; i++) {
		if (idem->owners[i].account == account)
			return &idem->owners[i];
	}
	owners = reallocarray(idem->owners, idem->n_owners + 1, sizeof(*owners));
	if (owners == NULL)
		return NULL;
	idem->owners = owners;
	owners[idem->n_owners] = (struct owner){.account = account};
	return &owners[idem->n_owners++];
}

static uint64_t who_hash(const struct aws_call *call)
{
	const char *parts[] = {call->caller.account_id, call->service->name, call->action->name,
			       cv_query_str(&call->params, "ClientToken")};
	uint64_t hash = 0;

	for (size_t i = 0; i < CV_ARRAY_LEN(parts); i++)
		hash = cv_siphash(parts[i], strlen(parts[i]), call->aws->keep_seed[0] ^ hash,
				  call->aws->keep_seed[1]);
	return hash;
}

int cv_aws_idem_find(struct aws_idem *idem, struct aws_call *call, const char **ret_text,
		     size_t *ret_len)
{
	const struct token *token;

	token = idem->slots[slot_find(idem, who_hash(call))];
	*ret_text = NULL;
	if (token == NULL || call->now - token->at > KEEP_SECONDS)
		return 0;
	if (token->what != call->params_hash)
		return cv_aws_fail(call, "IdempotentParameterMismatch",
				   "The request uses the same client token as a previous, but "
				   "non-identical request");
	*ret_text = token->text;
	*ret_len = token->len;
	return 0;
}

static int token_add(struct aws_idem *idem, const struct token *head, const char *text)
{
	struct token *token = malloc(sizeof(*token) + head->len + 1);
	struct owner *owner = owner_get(idem, head->account);
	uint32_t slot = slot_find(idem, head->who);

	if (token == NULL || owner == NULL) {
		free(token);
		return -ENOMEM;
	}
	*token = *head;
	memcpy(token->text, text, head->len);
	token->text[head->len] = '\0';
	/* One that is too old to be found. */
	if (idem->slots[slot] != NULL)
		idem->slots[slot]->removed = true;
	idem->slots[slot] = token;
	if (owner->newest != NULL)
		owner->newest->newer = token;
	else
		owner->oldest = token;
	owner->newest = token;
	owner->n++;
	idem->n++;
	return 0;
}

/* As it is kept: what, when, the answer. */
static void token_keep(const struct aws_call *call, const struct token *head, const char *text)
{
	char key[KEY_LEN], *value;
	int len;

	if (call->aws->ops.keep == NULL)
		return;
	key_write(head, key);
	len = asprintf(&value, "%016" PRIx64 " %016" PRIx64 " %s", head->what, (uint64_t)head->at,
		       text);
	if (len < 0)
		return;
	(void)call->aws->ops.keep(call->ctl, key, value, (size_t)len);
	free(value);
}

void cv_aws_idem_add(struct aws_idem *idem, const struct aws_call *call, const char *text,
		     size_t len)
{
	const struct token head = {
		.account = strtoull(call->caller.account_id, NULL, 10),
		.who = who_hash(call),
		.what = call->params_hash,
		.at = call->now,
		.len = len,
	};

	tidy(idem, call);
	if (token_add(idem, &head, text) == 0)
		token_keep(call, &head, text);
}

int cv_aws_idem_load(void *arg, const char *key, const char *value, size_t len)
{
	struct aws_idem *idem = arg;
	struct token head = {.len = 0};
	uint64_t at;
	int n = 0;

	if (sscanf(key, "token-%16" SCNx64 "-%12" SCNu64, &head.who, &head.account) < 1 ||
	    sscanf(value, "%16" SCNx64 " %16" SCNx64 "%n", &head.what, &at, &n) != 2 ||
	    (size_t)n >= len || value[n] != ' ')
		return 0;
	head.at = (time_t)at;
	head.len = len - (size_t)n - 1;
	tidy(idem, NULL);
	return token_add(idem, &head, value + n + 1);
}

void cv_aws_idem_remove(struct aws_idem *idem, const struct aws_call *call)
{
	uint32_t slot = slot_find(idem, who_hash(call));

	if (idem->slots[slot] == NULL)
		return;
	idem->slots[slot]->removed = true;
	slot_clear(idem, slot);
}

/* SPDX-License-Identifier: BSD-3-Clause */

/* Operations that are gathered. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cv_store_writer.h"

/* Key and value in one block, each with a NUL behind it. */
static char *copy(const struct cv_store_op *op, struct cv_store_op *ret_op)
{
	size_t key_len = strlen(op->key) + 1;
	char *block = malloc(key_len + op->len + 1);

	if (block == NULL)
		return NULL;
	memcpy(block, op->key, key_len);
	if (op->len > 0)
		memcpy(block + key_len, op->value, op->len);
	block[key_len + op->len] = '\0';
	*ret_op = *op;
	ret_op->key = block;
	ret_op->value = block + key_len;
	return block;
}

int cv_store_batch_add(struct cv_store_batch *batch, const struct cv_store_op *op)
{
	struct cv_store_op *ops = batch->ops;

	/* By powers of two. */
	if ((batch->n & (batch->n - 1)) == 0) {
		ops = realloc(ops, (batch->n == 0 ? 1 : batch->n * 2) * sizeof(*ops));
		if (ops == NULL)
			return -ENOMEM;
		batch->ops = ops;
	}
	if (copy(op, &ops[batch->n]) == NULL)
		return -ENOMEM;
	batch->n++;
	return 0;
}

void cv_store_batch_cut(struct cv_store_batch *batch, size_t n)
{
	while (batch->n > n)
		free((char *)(uintptr_t)batch->ops[--batch->n].key);
	if (n > 0)
		return;
	free(batch->ops);
	batch->ops = NULL;
}

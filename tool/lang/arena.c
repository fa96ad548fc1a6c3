/* SPDX-License-Identifier: MIT */
/*
 * Memory of one compilation: chunks in a list, pieces cut off the newest. Context: tool.
 */
#include "lang/arena.h"

#include <stdlib.h>

#include "base/base.h"

#define CHUNK_SIZE 32768u

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used;
	max_align_t data[];
};

void *lang_arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *c = a->chunk;
	void *piece;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = ALIGN_UP(size, sizeof(max_align_t));
	if (!c || c->size - c->used < size) {
		size_t want = size > CHUNK_SIZE ? size : CHUNK_SIZE;

		c = calloc(1, sizeof(*c) + want);
		if (!c)
			return NULL;
		c->size = want;
		c->next = a->chunk;
		a->chunk = c;
	}
	piece = (char *)c->data + c->used;
	c->used += size;
	return piece;
}

void lang_arena_free(struct arena *a)
{
	while (a->chunk) {
		struct arena_chunk *next = a->chunk->next;

		free(a->chunk);
		a->chunk = next;
	}
}

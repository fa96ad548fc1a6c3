/* SPDX-License-Identifier: MIT */
/*
 * Memory of one compilation: allocated piece by piece, freed at once. Context: tool.
 */
#ifndef SONDE_LANG_ARENA_H
#define SONDE_LANG_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunk; /* newest first */
};

/* Zeroed memory, aligned for any type; NULL when there is none. */
void *lang_arena_alloc(struct arena *a, size_t size);
void lang_arena_free(struct arena *a);

#endif

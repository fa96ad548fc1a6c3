/* SPDX-License-Identifier: MIT */
/*
 * Rows by key. Rows stand one after the other without holes (a removed row is replaced by the
 * last one); the slots point to rows by number, so growing the rows moves no slot.
 *
 * Invariant: nslots >= 2 * cap, so a probe always ends at a free slot.
 */
#include "read/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash(const void *key, uint32_t size)
{
	const uint8_t *p = key;
	uint64_t h = 0x9e3779b97f4a7c15ull ^ size;

	for (uint32_t i = 0; i < size; i += 8) {
		uint64_t w;

		memcpy(&w, p + i, sizeof(w));
		h = (h ^ w) * 0xd6e8feb86659fd93ull;
		h ^= h >> 32;
	}
	return h;
}

void table_init(struct table *t, uint32_t key_size, uint32_t nvalues)
{
	memset(t, 0, sizeof(*t));
	t->key_size = key_size;
	t->nvalues = nvalues;
	t->stride = key_size + (size_t)nvalues * 8;
}

void table_free(struct table *t)
{
	free(t->rows);
	free(t->slot);
	table_init(t, t->key_size, t->nvalues);
}

void table_empty(struct table *t)
{
	t->nrows = 0;
	if (t->nslots)
		memset(t->slot, 0, t->nslots * sizeof(*t->slot));
}

int table_copy(struct table *dst, const struct table *src)
{
	table_init(dst, src->key_size, src->nvalues);
	if (!src->nslots)
		return 0;
	dst->rows = malloc(src->cap * src->stride);
	dst->slot = malloc(src->nslots * sizeof(*src->slot));
	if (!dst->rows || !dst->slot) {
		table_free(dst);
		return -ENOMEM;
	}
	memcpy(dst->rows, src->rows, src->nrows * src->stride);
	memcpy(dst->slot, src->slot, src->nslots * sizeof(*src->slot));
	dst->nrows = src->nrows;
	dst->cap = src->cap;
	dst->nslots = src->nslots;
	return 0;
}

/* The slot that holds @key, or the free one where it belongs. */
static size_t probe(const struct table *t, const void *key)
{
	size_t i = hash(key, t->key_size) & (t->nslots - 1);

	while (t->slot[i] && t->key_size &&
	       memcmp(table_key(t, t->slot[i] - 1), key, t->key_size) != 0)
		i = (i + 1) & (t->nslots - 1);
	return i;
}

uint64_t *table_find(const struct table *t, const void *key)
{
	size_t i;

	if (!t->nslots)
		return NULL;
	i = probe(t, key);
	return t->slot[i] ? table_value(t, t->slot[i] - 1) : NULL;
}

static int grow(struct table *t)
{
	size_t cap = t->cap ? t->cap * 2 : t->key_size ? 64 : 1;
	uint8_t *rows = realloc(t->rows, cap * t->stride);
	uint32_t *slot;

	if (!rows)
		return -ENOMEM;
	t->rows = rows;
	slot = calloc(cap * 2, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	free(t->slot);
	t->slot = slot;
	t->nslots = cap * 2;
	t->cap = cap;
	for (size_t i = 0; i < t->nrows; i++)
		t->slot[probe(t, table_key(t, i))] = (uint32_t)i + 1;
	return 0;
}

uint64_t *table_get(struct table *t, const void *key)
{
	uint64_t *value;
	size_t i;

	value = table_find(t, key);
	if (value)
		return value;
	if (t->nrows == t->cap && grow(t) != 0)
		return NULL;
	i = probe(t, key);
	if (t->key_size)
		memcpy(t->rows + t->nrows * t->stride, key, t->key_size);
	value = table_value(t, t->nrows);
	memset(value, 0, (size_t)t->nvalues * 8);
	t->slot[i] = (uint32_t)++t->nrows;
	return value;
}

/* Close the gap at slot @i: pull back every follower whose probe would have met it. */
static void close_gap(struct table *t, size_t i)
{
	size_t mask = t->nslots - 1;

	for (size_t j = (i + 1) & mask; t->slot[j]; j = (j + 1) & mask) {
		size_t home = hash(table_key(t, t->slot[j] - 1), t->key_size) & mask;

		if (((j - home) & mask) >= ((j - i) & mask)) {
			t->slot[i] = t->slot[j];
			i = j;
		}
	}
	t->slot[i] = 0;
}

void table_remove(struct table *t, const void *key)
{
	size_t i, row, last;

	if (!t->nslots)
		return;
	i = probe(t, key);
	if (!t->slot[i])
		return;
	row = t->slot[i] - 1;
	close_gap(t, i);
	last = t->nrows - 1;
	if (row != last) {
		t->slot[probe(t, table_key(t, last))] = (uint32_t)row + 1;
		memcpy(t->rows + row * t->stride, t->rows + last * t->stride, t->stride);
	}
	t->nrows = last;
}

/* SPDX-License-Identifier: MIT */
/*
 * Rows by key: the hash table that maps are merged in. Private memory of the tool.
 */
#ifndef SONDE_READ_TABLE_H
#define SONDE_READ_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table {
	uint32_t key_size; /* bytes, multiple of 8, may be 0 (one row at most) */
	uint32_t nvalues;  /* 64-bit words of a value */
	size_t stride;
	size_t nrows, cap;
	uint8_t *rows;	/* key, then value, one after the other */
	uint32_t *slot; /* row number + 1, 0 = free; linear probing */
	size_t nslots;	/* power of two, or 0 */
};

void table_init(struct table *t, uint32_t key_size, uint32_t nvalues);
void table_free(struct table *t);
void table_empty(struct table *t);
/* 0 or -ENOMEM; @dst is initialized by this call. */
int table_copy(struct table *dst, const struct table *src);

/* The value of @key, NULL if there is no such row. */
uint64_t *table_find(const struct table *t, const void *key);
/* The same, made of zeros if there was none; NULL when out of memory. Earlier results are void. */
uint64_t *table_get(struct table *t, const void *key);
void table_remove(struct table *t, const void *key);

static inline const void *table_key(const struct table *t, size_t row)
{
	return t->rows + row * t->stride;
}

static inline uint64_t *table_value(const struct table *t, size_t row)
{
	return (uint64_t *)(t->rows + row * t->stride + t->key_size);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * One thread's entries: walked into a table, or wiped.
 *
 * Layout at wire_map.bucket_off: scalar maps have struct wire_entry and the value; keyed ones
 * uint32_t bucket[nbuckets], struct wire_keys, and entries in the heap, chained by session
 * offset / 16. Its thread may be writing (src/act): an entry is complete before it is linked, and
 * key and value are reset before the epoch says so, so the epoch is read first.
 */
#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "read/internal.h"

/* Beyond max_keys: signal handlers may add a few keys while the limit is being checked. */
#define CHAIN_SLACK 64

static bool is_nothing(const uint64_t *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (load_relaxed(&v[i]))
			return false;
	}
	return true;
}

/* An entry counts if it was touched since the last clear and zero. Keys that a zero() kept are
 * rows of the retired table already. */
static int fold_entry(const struct wire_map *m, struct wire_entry *e, struct table *t)
{
	uint64_t key[WIRE_KEY_MAX / 8];
	const uint64_t *from = (const uint64_t *)((uint8_t *)(e + 1) + m->key_size);
	uint32_t epoch = load_acquire(&e->epoch);
	uint64_t *into;

	if (epoch < m->clear_epoch || epoch < m->zero_epoch || is_nothing(from, t->nvalues))
		return 0;
	memcpy(key, e + 1, m->key_size);
	into = table_get(t, key);
	if (!into)
		return -ENOMEM;
	read_merge(m, into, from, t->nvalues);
	return 0;
}

/* The entry a link leads to, NULL at the end of the chain or when it leads nowhere. */
static struct wire_entry *follow(struct read *r, const struct wire_map *m, uint32_t link)
{
	uint64_t size = sizeof(struct wire_entry) + m->key_size + m->value_size;
	struct wire_entry *e;

	if (!link)
		return NULL;
	e = read_at(r, (uint64_t)link * 16, size);
	if (!e)
		r->gone.damaged++;
	return e;
}

/* Call @fn for every keyed entry of @b; a nonzero result ends the walk. */
static int each_entry(struct read *r, const struct read_block *b, uint32_t map,
		      int (*fn)(const struct wire_map *m, struct wire_entry *e, void *arg),
		      void *arg)
{
	const struct wire_map *m = &r->map[map];
	const uint32_t *bucket = (const uint32_t *)((uint8_t *)b->b + m->bucket_off);
	uint64_t left = (uint64_t)m->max_keys + CHAIN_SLACK;

	for (uint32_t i = 0; i < m->nbuckets; i++) {
		struct wire_entry *e = follow(r, m, load_acquire(&bucket[i]));

		for (; e; e = follow(r, m, load_acquire(&e->next))) {
			int err;

			if (!left--) {
				r->gone.damaged++;
				return 0;
			}
			err = fn(m, e, arg);
			if (err)
				return err;
		}
	}
	return 0;
}

static int fold_fn(const struct wire_map *m, struct wire_entry *e, void *arg)
{
	return fold_entry(m, e, arg);
}

int read_fold(struct read *r, const struct read_block *b, uint32_t m, struct table *t)
{
	const struct wire_map *map = &r->map[m];

	if (!map->key_size)
		return fold_entry(map, (struct wire_entry *)((uint8_t *)b->b + map->bucket_off), t);
	return each_entry(r, b, m, fold_fn, t);
}

static int stale_fn(const struct wire_map *m, struct wire_entry *e, void *arg)
{
	if (memcmp(e + 1, arg, m->key_size) == 0)
		store_release(&e->epoch, 0);
	return 0;
}

void read_stale(struct read *r, const struct read_block *b, uint32_t m, const void *key)
{
	/* the walk only reads the key */
	each_entry(r, b, m, stale_fn, (void *)(uintptr_t)key);
}

static void wipe_heap(struct read *r, struct wire_block *b)
{
	uint64_t heap = load_relaxed(&b->heap);
	uint32_t chunk = (uint32_t)(heap >> 32) - 1, used = (uint32_t)heap;
	void *p;

	if (!heap)
		return;
	b->heap = 0;
	if (chunk >= r->head.arena_chunks || used > WIRE_CHUNK ||
	    r->seen[chunk / 8] & (1u << (chunk % 8))) {
		r->gone.damaged++;
		return;
	}
	p = read_at(r, r->head.arena_off + chunk * WIRE_CHUNK, WIRE_CHUNK);
	if (!p)
		return;
	memset(p, 0, used);
	b->heap = (uint64_t)(chunk + 1) << 32;
}

void read_wipe(struct read *r, const struct read_block *b)
{
	struct wire_block *w = b->b;
	uint64_t used = load_relaxed(&w->ring.head);

	memset(w + 1, 0, r->head.block_size - sizeof(*w));
	wipe_heap(r, w);
	if (used > r->head.ring_size)
		used = r->head.ring_size;
	memset((uint8_t *)w + r->head.block_size, 0, used);
	w->ring.head = 0;
	w->ring.tail = 0;
	w->ring.lost = 0;
	w->hits = 0;
	w->missed = 0;
	memset(w->errors, 0, sizeof(w->errors));
}

/* SPDX-License-Identifier: MIT */
/*
 * Aggregations: count(), sum(), hist() ... in the thread's own block.
 *
 * Owns the scalar entries, bucket arrays and heap entries of the thread's block. Only this thread
 * writes them, so each step is one plain or one local read-modify-write instruction; the tool
 * reads them at any time. A signal handler of the same thread may come between any two
 * instructions and run all of this file. Invariants:
 *  1. A cell of a value changes by one local add or compare-exchange, so no update is lost or
 *     counted twice, however handlers nest. Cells of one value (sum, n) change one after the
 *     other; each is exact.
 *  2. A keyed entry is complete before the bucket names it (local_cmpxchg32 of the bucket). When a
 *     handler changed the bucket meanwhile, the chain is looked through again. An entry made
 *     twice for one key is harmless: the reader adds them up.
 *  3. Entries never leave their chain. One that a clear emptied (epoch below clear_epoch) may get
 *     another key: only under WIRE_KEYS_REUSE, and it counts as live only once its epoch is
 *     stored, last. While the mark is set, a handler takes no dead entry and makes a new one. If
 *     the frame that set it never returns (a handler left it by longjmp), dead entries of this map
 *     are no longer reused; nothing else changes.
 *  4. An update that comes in the middle of the interrupted frame's reset of a zeroed entry counts
 *     as having come before the zeroing, and one that a clear overtakes as before the clear.
 * Context: hit, signal-safe, the owning thread.
 */
#include "act/act.h"
#include "act/key.h"
#include "arch/local.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/mem.h"

static inline uint64_t *entry_value(const struct wire_map *m, struct wire_entry *e)
{
	return (uint64_t *)((uint8_t *)(e + 1) + m->key_size);
}

static inline uint32_t map_epoch(const struct wire_map *m)
{
	uint32_t clear = load_relaxed(&m->clear_epoch), zero = load_relaxed(&m->zero_epoch);

	return clear > zero ? clear : zero;
}

/* Nothing yet, in every cell (also of min and max, see wire_extreme()). */
static SONDE_HIT void zero_value(const struct wire_map *m, struct wire_entry *e)
{
	uint64_t *cell = entry_value(m, e);

	for (uint32_t i = 0; i < m->value_size / 8; i++)
		store_relaxed(&cell[i], 0);
}

/*
 * Empty an entry that its map's epochs say is empty. A handler that did the same meanwhile has
 * changed the epoch; its update may be half gone, so all of it goes (invariant 4). A keyed entry
 * that a clear has just killed is left alone, for it may already be another key's.
 */
static SONDE_HIT void reset_if_stale(const struct wire_map *m, struct wire_entry *e)
{
	uint32_t now = map_epoch(m), was = load_relaxed(&e->epoch);

	if (likely(was >= now) || (m->key_size != 0 && was < load_relaxed(&m->clear_epoch)))
		return;
	do {
		zero_value(m, e);
	} while (!local_cmpxchg32(&e->epoch, &was, now));
}

static SONDE_HIT void update_extreme(const struct wire_map *m, uint64_t *cell, uint64_t value)
{
	uint64_t code = wire_extreme(m, value), cur = load_relaxed(&cell[0]);

	while (code > cur && !local_cmpxchg64(&cell[0], &cur, code))
		;
	local_add64(&cell[1], 1);
}

static SONDE_HIT void update(const struct wire_map *m, struct wire_entry *e, int64_t value)
{
	uint64_t *cell = entry_value(m, e);

	switch (m->kind) {
	case WIRE_MAP_COUNT:
		local_add64(&cell[0], 1);
		break;
	case WIRE_MAP_SUM:
	case WIRE_MAP_AVG:
	case WIRE_MAP_STATS:
		local_add64(&cell[0], (uint64_t)value);
		local_add64(&cell[1], 1);
		break;
	case WIRE_MAP_MIN:
	case WIRE_MAP_MAX:
		update_extreme(m, cell, (uint64_t)value);
		break;
	case WIRE_MAP_HIST:
		local_add64(&cell[wire_hist_bucket(value, m->hist_bits)], 1);
		break;
	case WIRE_MAP_LHIST:
		local_add64(
			&cell[wire_lhist_bucket(value, m->lhist_min, m->lhist_max, m->lhist_step)],
			1);
		break;
	default:
		break;
	}
}

/*
 * @size bytes of the thread's heap as a session offset, 0 if the arena is used up. A chunk that a
 * handler made superfluous in the middle serves this one entry; the rest of it is given up.
 */
static SONDE_HIT uint64_t heap_alloc(struct act_thread *t, uint32_t size)
{
	struct wire_session *s = t->host->session;
	uint64_t heap = load_relaxed(&t->block->heap);
	uint32_t chunk;

	while (heap != 0 && (uint32_t)heap + size <= WIRE_CHUNK) {
		if (local_cmpxchg64(&t->block->heap, &heap, heap + size)) {
			chunk = (uint32_t)(heap >> 32) - 1;
			return s->arena_off + chunk * WIRE_CHUNK + (uint32_t)heap;
		}
	}
	chunk = t->host->chunks(s, 1);
	if (chunk == UINT32_MAX)
		return 0;
	local_cmpxchg64(&t->block->heap, &heap, ((uint64_t)chunk + 1) << 32 | size);
	return s->arena_off + chunk * WIRE_CHUNK;
}

static SONDE_HIT void write_key(const struct wire_map *m, struct wire_entry *e, const act_word *key)
{
	uint64_t *dst = (uint64_t *)(e + 1);

	for (uint32_t i = 0; i < m->key_size / 8; i++)
		store_relaxed(&dst[i], key[i]);
}

/* The live entry of @key in the chain from @head, or NULL. */
static SONDE_HIT struct wire_entry *find(struct wire_session *s, const struct wire_map *m,
					 uint32_t head, const void *key)
{
	uint32_t clear = load_relaxed(&m->clear_epoch);
	struct wire_entry *e;

	for (; head != 0; head = e->next) {
		e = wire_at(s, head * 16ull, struct wire_entry);
		if (mem_equal(e + 1, key, m->key_size) && load_relaxed(&e->epoch) >= clear)
			return e;
	}
	return NULL;
}

/* Give a dead entry of the chain to @key (invariant 3). NULL if there is none or it may not be. */
static SONDE_HIT struct wire_entry *reuse(struct wire_session *s, const struct wire_map *m,
					  struct wire_keys *keys, uint32_t head, const void *key)
{
	uint32_t clear = load_relaxed(&m->clear_epoch), n = load_relaxed(&keys->nkeys);
	struct wire_entry *e = NULL;

	if (clear == 0)
		return NULL;
	do {
		if (n & WIRE_KEYS_REUSE)
			return NULL;
	} while (!local_cmpxchg32(&keys->nkeys, &n, n | WIRE_KEYS_REUSE));
	for (; head != 0; head = e->next) {
		e = wire_at(s, head * 16ull, struct wire_entry);
		if (load_relaxed(&e->epoch) >= clear)
			continue;
		write_key(m, e, key);
		zero_value(m, e);
		store_release(&e->epoch, map_epoch(m));
		break;
	}
	local_add32(&keys->nkeys, 0u - WIRE_KEYS_REUSE);
	return head != 0 ? e : NULL;
}

/* Count one more key; false when max_keys are there. Approximate when a clear comes between. */
static SONDE_HIT bool count_key(const struct wire_map *m, struct wire_keys *keys)
{
	uint32_t clear = load_relaxed(&m->clear_epoch), n = load_relaxed(&keys->nkeys);

	if (load_relaxed(&keys->epoch) != clear) {
		store_relaxed(&keys->epoch, clear);
		while (!local_cmpxchg32(&keys->nkeys, &n, n & WIRE_KEYS_REUSE))
			;
		n &= WIRE_KEYS_REUSE;
	}
	if ((n & ~WIRE_KEYS_REUSE) >= m->max_keys)
		return false;
	local_add32(&keys->nkeys, 1);
	return true;
}

/* A new entry in front of the chain, unless a handler brought the key meanwhile. */
static SONDE_HIT struct wire_entry *insert(struct act_thread *t, const struct wire_map *m,
					   uint32_t *bucket, uint32_t head, const void *key)
{
	struct wire_session *s = t->host->session;
	uint32_t size = sizeof(struct wire_entry) + m->key_size + m->value_size;
	uint64_t off = heap_alloc(t, ALIGN_UP(size, 16u));
	struct wire_entry *e = wire_at(s, off, struct wire_entry), *other;

	if (off == 0)
		return NULL;
	write_key(m, e, key);
	zero_value(m, e);
	store_relaxed(&e->epoch, map_epoch(m));
	do {
		other = find(s, m, head, key);
		if (other)
			return other;
		store_relaxed(&e->next, head);
	} while (!local_cmpxchg32(bucket, &head, (uint32_t)(off / 16)));
	return e;
}

static SONDE_HIT struct wire_entry *keyed_entry(struct act_thread *t, const struct wire_map *m,
						const void *key)
{
	struct wire_session *s = t->host->session;
	uint32_t *bucket = wire_at(t->block, m->bucket_off, uint32_t);
	struct wire_keys *keys = (struct wire_keys *)(bucket + m->nbuckets);
	struct wire_entry *e;
	uint32_t head;

	bucket += act_key_hash(key, m->key_size) & (m->nbuckets - 1);
	head = load_relaxed(bucket);
	e = find(s, m, head, key);
	if (likely(e != NULL))
		return e;
	if (!count_key(m, keys))
		return NULL;
	e = reuse(s, m, keys, head, key);
	if (!e)
		e = insert(t, m, bucket, head, key);
	return e;
}

SONDE_HIT void act_aggregate(struct act_thread *t, uint32_t map, const void *key, int64_t value)
{
	const struct wire_map *m = wire_elem(t->host->session, maps, const struct wire_map, map);
	struct wire_entry *e;

	if (m->key_size == 0) {
		e = wire_at(t->block, m->bucket_off, struct wire_entry);
	} else {
		e = keyed_entry(t, m, key);
		if (!e) {
			local_add64(&t->block->errors[WIRE_RT_MAP_FULL], 1);
			return;
		}
	}
	reset_if_stale(m, e);
	update(m, e, value);
}

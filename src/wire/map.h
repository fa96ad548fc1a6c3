/* SPDX-License-Identifier: MIT */
/*
 * Maps in shared memory.
 *
 * Aggregations (count, sum, ...) live once per thread, in its block; only their thread writes
 * them, and the tool merges. Plain maps (@x = v) live once per session in an open table that
 * all threads of all processes share.
 */
#ifndef SONDE_WIRE_MAP_H
#define SONDE_WIRE_MAP_H

#include <stdint.h>

enum wire_map_kind {
	WIRE_MAP_PLAIN,
	WIRE_MAP_COUNT, /* value: n */
	WIRE_MAP_SUM,	/* value: sum, n */
	WIRE_MAP_AVG,	/* value: sum, n */
	WIRE_MAP_STATS, /* value: sum, n */
	WIRE_MAP_MIN,	/* value: extreme as wire_extreme() encodes it, n (0 = nothing yet) */
	WIRE_MAP_MAX,	/* value: the same */
	WIRE_MAP_HIST,	/* value: buckets, see wire_hist_bucket() */
	WIRE_MAP_LHIST, /* value: buckets, see wire_lhist_bucket() */
};

#define WIRE_KEY_MAX 4096   /* bytes of a key */
#define WIRE_VALUE_MAX 4096 /* bytes of a plain map's value */
#define WIRE_HIST_MAX_BITS 5
#define WIRE_LHIST_MAX 1000 /* inner buckets of an lhist */

struct wire_map {
	uint32_t name;	   /* string offset, "@" or "@name" */
	uint8_t kind;	   /* enum wire_map_kind */
	uint8_t is_signed; /* sum, min, max, avg, stats, plain integers */
	uint8_t hist_bits; /* k of hist(n, k): 2^k buckets per power of two */
	uint8_t reserved0;
	uint32_t key_size;   /* bytes, multiple of 8; 0 = scalar map */
	uint32_t value_size; /* bytes, multiple of 8 */
	int64_t lhist_min, lhist_max, lhist_step;
	uint32_t max_keys;   /* per thread for aggregations, per session for plain maps */
	uint32_t bucket_off; /* aggregations: offset in a thread block, multiple of 8, of the scalar
				entry (key_size 0) or of uint32_t bucket[nbuckets] followed by
				struct wire_keys: see wire_map_block_bytes() */
	uint32_t nbuckets; /* aggregations with keys: power of two; plain maps: slots of the table,
			      which is also the most keys it can hold; 1 for scalar maps */
	uint32_t reserved1;
	uint64_t table_off; /* plain maps: session offset of struct wire_slot[nbuckets], each
			       sizeof(struct wire_slot) + key_size + value_size bytes */
	/* The tool raises these to empty a map while threads write it: an entry whose epoch is
	 * below clear_epoch does not exist, below zero_epoch counts as zero; its thread resets it
	 * at its next update. */
	uint32_t clear_epoch;
	uint32_t zero_epoch;
};

/* An aggregation's entry. Keyed: in the thread's heap, chained from its bucket. Scalar: in the
 * block itself at bucket_off, without key. Followed by key[key_size], then value[value_size]. */
struct wire_entry {
	uint32_t next;	/* session offset / 16 of the next entry of the bucket, 0 = last */
	uint32_t epoch; /* max(clear_epoch, zero_epoch) of the map when last reset */
};

/* Behind the buckets of a keyed aggregation; only its thread uses it. */
struct wire_keys {
	uint32_t nkeys; /* keys inserted since the last clear; WIRE_KEYS_REUSE: an entry that a
			   clear emptied is being given a new key */
	uint32_t epoch; /* clear_epoch that nkeys counts from */
};
#define WIRE_KEYS_REUSE 0x80000000u

/* A plain map's slot. Followed by key[key_size], then value[value_size].
 * state: low 2 bits FREE, BUSY (being written or given up), LIVE, TRIAL (written, not yet known to
 * be the only slot of its key: does not exist for readers); upper bits a version that grows at
 * each change of occupant and each rewriting, so that a reader that finds the same LIVE state
 * before and after copying has a whole value. */
struct wire_slot {
	uint64_t state;
	uint32_t epoch;
	uint16_t reach; /* how many slots from here on may hold keys whose first choice this is */
	uint16_t users; /* updates in flight: the slot is not recycled before they are done */
};
enum {
	WIRE_SLOT_FREE = 0,
	WIRE_SLOT_BUSY = 1,
	WIRE_SLOT_LIVE = 2,
	WIRE_SLOT_TRIAL = 3,
	WIRE_SLOT_MASK = 3,
};

/* Bytes of one slot of plain map @m. */
static inline uint64_t wire_slot_bytes(const struct wire_map *m)
{
	return sizeof(struct wire_slot) + (uint64_t)m->key_size + m->value_size;
}

/* Bytes that aggregation @m needs in a thread block at bucket_off. */
static inline uint64_t wire_map_block_bytes(const struct wire_map *m)
{
	if (m->key_size == 0)
		return sizeof(struct wire_entry) + (uint64_t)m->value_size;
	return (uint64_t)m->nbuckets * sizeof(uint32_t) + sizeof(struct wire_keys);
}

/*
 * min() and max() keep their extreme so that zeroed memory is "nothing yet" and the better value
 * is the greater unsigned number, whatever kind and sign: merging is a plain maximum. The
 * function encodes a value and, applied again, decodes it.
 */
static inline uint64_t wire_extreme(const struct wire_map *m, uint64_t v)
{
	if (m->is_signed)
		v ^= 1ull << 63;
	return m->kind == WIRE_MAP_MIN ? ~v : v;
}

/*
 * hist(n, k): bucket 0 holds negative values; then 2^k linear buckets for 0 .. 2^k-1;
 * then for each power of two from 2^k to 2^63, 2^k buckets of equal width. With k = 0:
 * bucket 1 holds 0, bucket 2 + i holds [2^i, 2^(i+1)).
 */
#define WIRE_HIST_BUCKETS(k) (1u + (1u << (k)) + ((64u - (k)) << (k)))

static inline uint32_t wire_hist_bucket(int64_t v, uint32_t k)
{
	uint32_t log;

	if (v < 0)
		return 0;
	if ((uint64_t)v < (1ull << k))
		return 1 + (uint32_t)v;
	log = 63 - (uint32_t)__builtin_clzll((uint64_t)v);
	return 1 + (1u << k) + ((log - k) << k) +
	       (uint32_t)(((uint64_t)v >> (log - k)) & ((1u << k) - 1));
}

/* lhist: bucket 0 below min, then steps, last bucket at or above max. */
static inline uint32_t wire_lhist_buckets(int64_t min, int64_t max, int64_t step)
{
	return (uint32_t)((max - min) / step) + 2;
}

static inline uint32_t wire_lhist_bucket(int64_t v, int64_t min, int64_t max, int64_t step)
{
	if (v < min)
		return 0;
	if (v >= max)
		return (uint32_t)((max - min) / step) + 1;
	return 1 + (uint32_t)((v - min) / step);
}

#endif

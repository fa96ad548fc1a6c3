/* SPDX-License-Identifier: MIT */
/*
 * A session in private memory, built by hand: header, tables, processes, and an arena that the
 * test hands out itself. Everything passes wire_session_check().
 */
#ifndef TEST_READ_FIXTURE_H
#define TEST_READ_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "read/read.h"
#include "wire/session.h"

#define FIX_PROCS 64
#define FIX_MAPS 8

struct fix {
	struct wire_session *s;
	struct read *r;
	uint32_t nmaps;
	uint64_t table_end; /* plain-map tables grow from here ... */
};

/* A session with @chunks chunks of arena and a ring of @ring bytes per thread. */
static inline void fix_make(struct fix *f, uint32_t chunks, uint32_t ring)
{
	uint64_t arena_off = 4 * WIRE_CHUNK, size = arena_off + chunks * WIRE_CHUNK;
	struct wire_session *s = aligned_alloc(4096, size);
	uint64_t off = ALIGN_UP(sizeof(*s), 64);

	memset(f, 0, sizeof(*f));
	assert_non_null(s);
	memset(s, 0, size);
	s->magic = WIRE_MAGIC;
	s->version = WIRE_VERSION;
	s->header_size = sizeof(*s);
	s->file_size = size;
	s->state = WIRE_RUNNING;
	s->strings = (struct wire_table){off, 16, 1};
	memcpy(wire_at(s, off, char), "\0@\0@name\0func", 14);
	s->maps = (struct wire_table){off + 64, 0, sizeof(struct wire_map)};
	off += 64 + FIX_MAPS * sizeof(struct wire_map);
	s->procs = (struct wire_table){off, FIX_PROCS, sizeof(struct wire_proc)};
	f->table_end = off + FIX_PROCS * sizeof(struct wire_proc);
	s->block_size = ALIGN_UP(sizeof(struct wire_block), 8);
	s->ring_size = ring;
	s->arena_off = arena_off;
	s->arena_chunks = chunks;
	s->arena_committed = chunks;
	f->s = s;
}

static inline struct wire_map *fix_map(struct fix *f, uint8_t kind, uint32_t key_size)
{
	struct wire_session *s = f->s;
	struct wire_map *m = wire_elem(s, maps, struct wire_map, s->maps.count++);

	assert_in_range(s->maps.count, 1, FIX_MAPS);
	m->name = 1;
	m->kind = kind;
	m->key_size = key_size;
	m->max_keys = 8192;
	m->lhist_min = 0;
	m->lhist_max = 100;
	m->lhist_step = 10;
	m->value_size = kind == WIRE_MAP_COUNT || kind == WIRE_MAP_PLAIN ? 8 : 16;
	if (kind == WIRE_MAP_HIST)
		m->value_size = 8 * WIRE_HIST_BUCKETS(0);
	if (kind == WIRE_MAP_LHIST)
		m->value_size = 8 * wire_lhist_buckets(0, 100, 10);
	if (kind == WIRE_MAP_PLAIN) {
		m->nbuckets = key_size ? 64 : 1;
		m->table_off = f->table_end;
		f->table_end += m->nbuckets * wire_slot_bytes(m);
		assert_true(f->table_end <= s->arena_off);
		return m;
	}
	m->nbuckets = key_size ? 1024 : 0;
	m->bucket_off = s->block_size;
	s->block_size += (uint32_t)ALIGN_UP(wire_map_block_bytes(m), 8);
	return m;
}

static inline void fix_open(struct fix *f)
{
	assert_int_equal(read_open(f->s, NULL, &f->r), 0);
}

static inline void fix_free(struct fix *f)
{
	read_close(f->r);
	free(f->s);
}

static inline uint32_t fix_chunks(struct fix *f, uint32_t n)
{
	uint32_t c = f->s->arena_next;

	f->s->arena_next += n;
	assert_true(f->s->arena_next <= f->s->arena_chunks);
	return c;
}

static inline struct wire_block *fix_block(struct fix *f, int32_t pid, int32_t tid, uint32_t proc)
{
	struct wire_session *s = f->s;
	uint32_t n = (uint32_t)((s->block_size + s->ring_size + WIRE_CHUNK - 1) / WIRE_CHUNK);
	uint32_t c = fix_chunks(f, n);
	struct wire_block *b = (struct wire_block *)wire_chunk(s, c);

	b->nchunks = n;
	b->state = WIRE_BLOCK_LIVE;
	b->pid = pid;
	b->tid = tid;
	b->proc = proc;
	b->claim_seq = 1;
	b->ring.size = s->ring_size;
	b->ring.data_off = (uint64_t)((uint8_t *)b - (uint8_t *)s) + s->block_size;
	b->next = s->block_list;
	s->block_list = c + 1;
	return b;
}

static inline struct wire_map *fix_wire_map(struct fix *f, uint32_t map)
{
	return wire_elem(f->s, maps, struct wire_map, map);
}

static inline uint32_t fix_epoch(const struct wire_map *m)
{
	return m->clear_epoch > m->zero_epoch ? m->clear_epoch : m->zero_epoch;
}

/* The value of a scalar aggregation in @b, made current as its thread would. */
static inline uint64_t *fix_scalar(struct fix *f, struct wire_block *b, uint32_t map)
{
	struct wire_map *m = fix_wire_map(f, map);
	struct wire_entry *e = wire_at(b, m->bucket_off, struct wire_entry);

	if (e->epoch < fix_epoch(m)) {
		memset(e + 1, 0, m->value_size);
		e->epoch = fix_epoch(m);
	}
	return (uint64_t *)(e + 1);
}

/* The value of @key in @b: the entry found, reset if stale, or made. */
static inline uint64_t *fix_keyed(struct fix *f, struct wire_block *b, uint32_t map, uint64_t key)
{
	struct wire_session *s = f->s;
	struct wire_map *m = fix_wire_map(f, map);
	uint32_t *bucket = wire_at(b, m->bucket_off, uint32_t) + key % m->nbuckets;
	uint32_t size = ALIGN_UP(sizeof(struct wire_entry) + m->key_size + m->value_size, 16u);
	struct wire_entry *e;
	uint64_t off;

	for (uint32_t link = *bucket; link; link = e->next) {
		e = wire_at(s, link * 16ull, struct wire_entry);
		if (*(uint64_t *)(e + 1) != key)
			continue;
		if (e->epoch < fix_epoch(m)) {
			memset((uint8_t *)(e + 1) + m->key_size, 0, m->value_size);
			e->epoch = fix_epoch(m);
		}
		return (uint64_t *)((uint8_t *)(e + 1) + m->key_size);
	}
	if (!b->heap || (uint32_t)b->heap + size > WIRE_CHUNK)
		b->heap = ((uint64_t)fix_chunks(f, 1) + 1) << 32;
	off = s->arena_off + ((b->heap >> 32) - 1) * WIRE_CHUNK + (uint32_t)b->heap;
	b->heap += size;
	e = wire_at(s, off, struct wire_entry);
	/* a reused heap must come back zeroed */
	for (uint32_t i = 0; i < size; i++)
		assert_int_equal(((uint8_t *)e)[i], 0);
	*(uint64_t *)(e + 1) = key;
	e->epoch = fix_epoch(m);
	e->next = *bucket;
	*bucket = (uint32_t)(off / 16);
	return (uint64_t *)((uint8_t *)(e + 1) + m->key_size);
}

static inline void fix_plain(struct fix *f, uint32_t map, uint32_t slot, uint64_t key, uint64_t v)
{
	struct wire_map *m = fix_wire_map(f, map);
	struct wire_slot *p =
		wire_at(f->s, m->table_off + slot * wire_slot_bytes(m), struct wire_slot);

	p->state = 4 | WIRE_SLOT_LIVE;
	p->epoch = fix_epoch(m);
	if (m->key_size)
		*(uint64_t *)(p + 1) = key;
	*(uint64_t *)((uint8_t *)(p + 1) + m->key_size) = v;
}

/* Register a process. */
static inline struct wire_proc *fix_proc(struct fix *f, int32_t pid, uint32_t parent)
{
	struct wire_proc *p = wire_elem(f->s, procs, struct wire_proc, f->s->proc_next++);

	p->pid = pid;
	p->parent = parent;
	p->state = WIRE_PROC_READY;
	return p;
}

/* Word @i of the value of @key in map @map, or -1 when there is no such row. */
static inline int64_t fix_value(struct fix *f, uint32_t map, uint64_t key, uint32_t i)
{
	struct read_map m;
	const struct read_row *row;
	int64_t v;

	assert_int_equal(read_map(f->r, map, &m), 0);
	row = read_map_find(&m, &key);
	v = row ? (int64_t)row->value[i] : -1;
	read_map_free(&m);
	return v;
}

static inline size_t fix_nrows(struct fix *f, uint32_t map)
{
	struct read_map m;
	size_t n;

	assert_int_equal(read_map(f->r, map, &m), 0);
	n = m.nrows;
	read_map_free(&m);
	return n;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Opening a session for reading, finding its thread blocks, and the totals over them.
 *
 * Invariants: (1) every pointer into the arena came from read_at() or read_blocks(); (2) a block
 * is entered in the list once, its fixed part and ring lie in committed arena.
 */
#include "read/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/base.h"
#include "read/internal.h"

static int open_maps(struct read *r)
{
	bool fresh = load_acquire(&r->s->block_list) == 0;

	r->nmaps = r->head.maps.count;
	r->map = calloc(r->nmaps + 1, sizeof(*r->map));
	r->retired = calloc(r->nmaps + 1, sizeof(*r->retired));
	r->can_delete = calloc(r->nmaps + 1, sizeof(*r->can_delete));
	if (!r->map || !r->retired || !r->can_delete)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->nmaps; i++) {
		struct wire_map *live = wire_at(r->s, r->head.maps.off, struct wire_map) + i;
		struct wire_map *m = &r->map[i];

		*m = *live;
		table_init(&r->retired[i], m->key_size, m->value_size / 8);
		if (m->kind == WIRE_MAP_PLAIN || !m->key_size)
			continue;
		/* read_delete() makes entries stale by giving them epoch 0: no entry may start
		 * with it. */
		if (!m->clear_epoch && fresh) {
			m->clear_epoch = 1;
			store_release(&live->clear_epoch, 1);
		}
		r->can_delete[i] = m->clear_epoch > 0;
	}
	return 0;
}

int read_open(struct wire_session *s, const struct script *script, struct read **out)
{
	struct read *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->s = s;
	r->head = *s;
	r->script = script;
	err = wire_session_check(s, r->head.file_size);
	if (err)
		goto fail;
	err = -ENOMEM;
	r->seen = calloc(r->head.arena_chunks / 8 + 1, 1);
	r->proc = calloc(r->head.procs.count + 1, sizeof(*r->proc));
	r->payload = calloc(1, r->head.ring_size + WIRE_SCRATCH_MAX);
	if (!r->seen || !r->proc || !r->payload)
		goto fail;
	err = open_maps(r);
	if (err)
		goto fail;
	*out = r;
	return 0;
fail:
	read_close(r);
	return err;
}

void read_close(struct read *r)
{
	if (!r)
		return;
	read_images_free(r);
	read_procs_free(r);
	for (uint32_t i = 0; r->retired && i < r->nmaps; i++)
		table_free(&r->retired[i]);
	free(r->retired);
	free(r->can_delete);
	free(r->map);
	free(r->proc);
	free(r->block);
	free(r->seen);
	free(r->payload);
	free(r);
}

void *read_at(const struct read *r, uint64_t off, uint64_t size)
{
	uint32_t next = load_acquire(&r->s->arena_next);
	uint32_t chunks = load_acquire(&r->s->arena_committed);
	uint64_t end;

	/* an agent in need commits chunks beyond the mark by itself */
	if (chunks < next)
		chunks = next;
	if (chunks > r->head.arena_chunks)
		chunks = r->head.arena_chunks;
	end = r->head.arena_off + chunks * WIRE_CHUNK;
	if (off < r->head.arena_off || off % 8 || off > end || size > end - off)
		return NULL;
	return wire_at(r->s, off, void);
}

/* Enter the block at @chunk; 0, -EINVAL when it cannot be one, -ENOMEM. */
static int add_block(struct read *r, uint32_t chunk)
{
	uint64_t off = r->head.arena_off + chunk * WIRE_CHUNK;
	struct wire_block *b = read_at(r, off, (uint64_t)r->head.block_size + r->head.ring_size);

	if (!b)
		return -EINVAL;
	if (r->nblocks == r->block_cap) {
		size_t cap = r->block_cap ? r->block_cap * 2 : 64;
		struct read_block *p = realloc(r->block, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		r->block = p;
		r->block_cap = cap;
	}
	r->block[r->nblocks++] = (struct read_block){.b = b, .off = off};
	r->seen[chunk / 8] |= (uint8_t)(1u << (chunk % 8));
	return 0;
}

int read_blocks(struct read *r)
{
	uint32_t next = load_acquire(&r->s->block_list);

	/* Newest first; the first one we know ends the walk, so it also ends in a circle. */
	while (next) {
		uint32_t chunk = next - 1;
		int err;

		if (chunk >= r->head.arena_chunks) {
			r->gone.damaged++;
			return 0;
		}
		if (r->seen[chunk / 8] & (1u << (chunk % 8)))
			return 0;
		err = add_block(r, chunk);
		if (err == -EINVAL) {
			r->gone.damaged++;
			return 0;
		}
		if (err)
			return err;
		next = load_acquire(&r->block[r->nblocks - 1].b->next);
	}
	return 0;
}

uint32_t read_nprocs(const struct read *r)
{
	uint32_t n = load_acquire(&r->s->proc_next);

	return n < r->head.procs.count ? n : r->head.procs.count;
}

const struct wire_proc *read_wire_proc(const struct read *r, uint32_t proc)
{
	if (proc >= r->head.procs.count)
		return NULL;
	return wire_at(r->s, r->head.procs.off, struct wire_proc) + proc;
}

void read_totals(struct read *r, struct read_totals *out)
{
	read_blocks(r);
	*out = r->gone;
	for (size_t i = 0; i < r->nblocks; i++) {
		struct wire_block *b = r->block[i].b;

		out->hits += load_relaxed(&b->hits);
		out->missed += load_relaxed(&b->missed);
		out->lost += load_relaxed(&b->ring.lost);
		for (int e = 0; e < WIRE_RT_COUNT; e++)
			out->errors[e] += load_relaxed(&b->errors[e]);
		out->blocks += load_relaxed(&b->state) == WIRE_BLOCK_LIVE;
	}
	out->unrecorded = load_relaxed(&r->s->unrecorded);
	out->procs = read_nprocs(r);
}

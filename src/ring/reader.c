/* SPDX-License-Identifier: MIT */
/*
 * The reading half of a thread's event ring; letters are explained in writer.c.
 *
 * Owns ring.tail and, until B, the bytes between tail and head. Why a stale size can never be
 * taken for a complete record: record boundaries move from lap to lap, so any old byte could
 * come to lie under a new size word; therefore the whole record is zeroed, not its header alone
 * (C), before the tail that gives it back (B). The writer may use the bytes only after it has
 * seen that tail (A), and it stores a size that is not 0 only after the record is filled (D).
 * Between, the reader finds 0 there and waits.
 *
 * Everything read from the ring was written by the target and is checked before it is used.
 * Context: tool, one reader per session.
 */
#include "base/atomic.h"
#include "base/base.h"
#include "ring/ring.h"

static bool ring_is_sane(const struct wire_session *s, const struct wire_ring *r)
{
	uint64_t size = load_relaxed(&r->size), off = load_relaxed(&r->data_off);

	return size != 0 && (size & (size - 1)) == 0 && size == s->ring_size && off % 8 == 0 &&
	       off <= s->file_size && size <= s->file_size - off;
}

/* Relaxed stores: the writer cannot see the bytes yet, but may read the same words later. */
static void give_back(struct wire_ring *r, uint8_t *at, uint64_t n)
{
	for (uint64_t i = 0; i < n; i += 8)
		store_relaxed((uint64_t *)(at + i), 0);	     /* C */
	store_release(&r->tail, load_relaxed(&r->tail) + n); /* B */
}

/* The ring is damaged: forget all that is in it. */
static void skip_to_head(struct wire_ring *r, uint8_t *data, uint64_t head)
{
	for (uint64_t i = 0; i < load_relaxed(&r->size); i += 8)
		store_relaxed((uint64_t *)(data + i), 0);
	store_release(&r->tail, head);
}

static bool record_is_valid(uint32_t size, uint16_t id, uint64_t room, uint64_t filled)
{
	uint32_t least = id == WIRE_EVENT_PAD ? 8 : sizeof(struct wire_event);

	return size % 8 == 0 && size >= least && size <= room && size <= filled;
}

const struct wire_event *ring_peek(const struct wire_session *s, struct wire_block *b)
{
	struct wire_ring *r = &b->ring;
	uint8_t *data;

	if (!ring_is_sane(s, r))
		return NULL;
	data = wire_at(s, r->data_off, uint8_t);
	for (;;) {
		uint64_t head = load_acquire(&r->head), tail = load_relaxed(&r->tail);
		uint64_t pos = tail & (s->ring_size - 1);
		struct wire_event *e = (void *)(data + pos);
		uint32_t size;

		if (tail == head)
			return NULL;
		if (tail % 8 != 0 || head - tail > s->ring_size) {
			skip_to_head(r, data, ALIGN_DOWN(head, 8ull));
			return NULL;
		}
		size = load_acquire(&e->size); /* E */
		if (size == 0)
			return NULL;
		if (!record_is_valid(size, e->id, s->ring_size - pos, head - tail)) {
			skip_to_head(r, data, head);
			return NULL;
		}
		if (e->id != WIRE_EVENT_PAD)
			return e;
		give_back(r, (uint8_t *)e, size);
	}
}

void ring_pop(struct wire_block *b, const struct wire_event *e)
{
	struct wire_ring *r = &b->ring;
	uint64_t ring_size = load_relaxed(&r->size);
	uint32_t size = load_relaxed(&e->size);

	/* Checked by ring_peek(); damaged since then, ring_peek() will skip it. */
	if (size == 0 || size % 8 != 0 ||
	    size > ring_size - (load_relaxed(&r->tail) & (ring_size - 1)))
		return;
	give_back(r, (uint8_t *)e, size);
}

/* SPDX-License-Identifier: MIT */
/*
 * The writing half of a thread's event ring.
 *
 * Owns ring.head and every byte between tail + size and head. Invariants:
 *  1. Space is reserved by one local compare-exchange of head after checking it against tail, so
 *     a signal handler that interrupts a reservation or an unfinished record gets space behind
 *     it, and the interrupted frame retries or goes on with its own.
 *  2. The size word of every reserved, uncommitted record is 0: the reader zeroes all bytes it
 *     gives back (C before B), and a fresh ring is zeroed memory. So a size that is not 0 was
 *     stored by the commit (or pad) of this very record.
 *  3. A record never wraps; a PAD record of at least 8 bytes fills the end.
 * Context: hit, signal-safe, the owning thread.
 *
 *  letter  place                      order    partner
 *  A       writer: load tail          acquire  B: bytes below the tail seen were zeroed before
 *  B       reader: store tail         release  A
 *  C       reader: zero the record    (before B in program order)
 *  D       writer: store size         release  E: the record is filled before its size shows
 *  E       reader: load size          acquire  D
 */
#include "arch/local.h"
#include "base/atomic.h"
#include "base/base.h"
#include "ring/ring.h"

static inline uint32_t record_size(uint32_t payload)
{
	return ALIGN_UP((uint32_t)sizeof(struct wire_event) + payload, 8u);
}

/* Rings this large keep a part for urgent events. */
#define LARGE 65536u
#define KEPT(size) ((size) >= LARGE ? (size) / 64 : 0)

static SONDE_HIT struct wire_event *reserve(struct wire_session *s, struct wire_block *b,
					    uint32_t payload, uint64_t kept)
{
	struct wire_ring *r = &b->ring;
	uint64_t size = r->size, head, room, need, total;
	uint8_t *data;

	if (size == 0)
		return NULL;
	total = payload < size ? record_size(payload) : size + 1;
	data = wire_at(s, r->data_off, uint8_t);
	head = load_relaxed(&r->head);
	do {
		room = size - (head & (size - 1));
		need = total <= room ? total : room + total;
		if (head + need - load_acquire(&r->tail) > size - kept) { /* A */
			local_add64(&r->lost, 1);
			return NULL;
		}
	} while (!local_cmpxchg64(&r->head, &head, head + need));

	if (need != total) {
		struct wire_event *pad = (void *)(data + (head & (size - 1)));

		pad->id = WIRE_EVENT_PAD;
		store_release(&pad->size, (uint32_t)room); /* D */
		head += room;
	}
	return (void *)(data + (head & (size - 1)));
}

SONDE_HIT struct wire_event *ring_reserve(struct wire_session *s, struct wire_block *b,
					  uint32_t payload)
{
	return reserve(s, b, payload, KEPT(b->ring.size));
}

SONDE_HIT struct wire_event *ring_reserve_urgent(struct wire_session *s, struct wire_block *b,
						 uint32_t payload)
{
	return reserve(s, b, payload, 0);
}

SONDE_HIT void ring_commit(struct wire_event *e, uint32_t payload)
{
	store_release(&e->size, record_size(payload)); /* D */
}

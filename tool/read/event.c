/* SPDX-License-Identifier: MIT */
/*
 * Events of all threads in time order: a heap of rings by the time of their oldest record.
 *
 * A call ends for certain while threads go on writing: each ring is read up to where its head
 * stood when the call began. Records are copied out before the ring gets its space back, and
 * given back before the callback runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/atomic.h"
#include "read/internal.h"
#include "ring/ring.h"

struct source {
	struct wire_block *b;	    /* not the list's element: a callback can make the list move */
	const struct wire_event *e; /* the oldest record, still in the ring */
	uint64_t stop;		    /* head at the start of the call */
	uint64_t left;		    /* records it can hold at most */
	uint64_t time;
};

struct heap {
	struct source *v;
	size_t n;
};

static bool ring_is_ours(const struct read *r, const struct read_block *rb)
{
	const struct wire_ring *ring = &rb->b->ring;

	return load_relaxed(&ring->size) == r->head.ring_size &&
	       load_relaxed(&ring->data_off) == rb->off + r->head.block_size;
}

/* Look at the next record of @src; false if there is none for this call. */
static bool source_next(const struct read *r, struct source *src)
{
	struct wire_block *b = src->b;

	if (!src->left || (int64_t)(src->stop - load_relaxed(&b->ring.tail)) <= 0)
		return false;
	src->left--;
	src->e = ring_peek(r->s, b);
	if (!src->e)
		return false;
	src->time = load_relaxed(&src->e->time);
	return true;
}

static void sift_down(struct heap *h, size_t i)
{
	struct source moved = h->v[i];

	for (;;) {
		size_t c = 2 * i + 1;

		if (c >= h->n)
			break;
		if (c + 1 < h->n && h->v[c + 1].time < h->v[c].time)
			c++;
		if (moved.time <= h->v[c].time)
			break;
		h->v[i] = h->v[c];
		i = c;
	}
	h->v[i] = moved;
}

static int heap_fill(struct read *r, struct heap *h)
{
	h->v = calloc(r->nblocks + 1, sizeof(*h->v));
	if (!h->v)
		return -ENOMEM;
	for (size_t i = 0; i < r->nblocks; i++) {
		struct source *src = &h->v[h->n];
		struct wire_ring *ring = &r->block[i].b->ring;

		if (!load_acquire(&ring->head))
			continue;
		if (!ring_is_ours(r, &r->block[i])) {
			r->gone.damaged++;
			continue;
		}
		src->b = r->block[i].b;
		src->stop = load_acquire(&ring->head);
		src->left = r->head.ring_size / sizeof(struct wire_event) + 1;
		if (source_next(r, src))
			h->n++;
	}
	for (size_t i = h->n / 2; i-- > 0;)
		sift_down(h, i);
	return 0;
}

/* Copy the record out, so that neither the ring's next lap nor a wild store can change it. */
static bool event_take(struct read *r, struct source *src, struct read_event *out)
{
	struct wire_block *b = src->b;
	struct wire_event e;
	uint64_t pos = load_relaxed(&b->ring.tail) & (r->head.ring_size - 1);
	bool ok;

	memcpy(&e, src->e, sizeof(e));
	ok = e.size >= sizeof(e) && e.size <= r->head.ring_size - pos;
	if (ok)
		memcpy(r->payload, src->e + 1, e.size - sizeof(e));
	ring_pop(b, src->e);
	if (!ok || (r->script && e.id >= r->script->nevents)) {
		r->gone.damaged++;
		return false;
	}
	*out = (struct read_event){.id = e.id,
				   .tid = e.tid,
				   .pid = e.pid,
				   .proc = e.proc,
				   .time = e.time,
				   .payload = r->payload,
				   .length = (uint32_t)(e.size - sizeof(e))};
	return true;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

long read_events(struct read *r, read_event_fn *cb, void *arg, bool final)
{
	uint64_t now = now_ns();
	/* A record cannot be much newer than the head it stood below; then its time is damaged. */
	uint64_t absurd = now + 60000000000ull;
	struct heap h = {0};
	struct read_event e;
	bool go_on = true;
	long n = 0;
	int err;

	if (!r->head.ring_size)
		return 0;
	err = read_blocks(r);
	if (!err)
		err = heap_fill(r, &h);
	if (err)
		return err;
	while (h.n && go_on) {
		struct source *src = &h.v[0];

		if (!final && src->time > now && src->time < absurd)
			break;
		if (event_take(r, src, &e)) {
			n++;
			go_on = cb(arg, &e);
		}
		if (!source_next(r, src))
			h.v[0] = h.v[--h.n];
		if (h.n)
			sift_down(&h, 0);
	}
	free(h.v);
	return n;
}

/* SPDX-License-Identifier: MIT */
/*
 * Per-thread event rings in shared memory: one writing thread (and its signal handlers), one
 * reader in another process. Layout in wire/event.h.
 */
#ifndef SONDE_RING_RING_H
#define SONDE_RING_RING_H

#include <stdint.h>

#include "wire/session.h"

/*
 * Reserve a record with @payload bytes in @b's ring, NULL if the ring is full (counted as lost)
 * or has no size. The caller fills everything but `size`, then commits. Hit, signal-safe.
 */
struct wire_event *ring_reserve(struct wire_session *s, struct wire_block *b, uint32_t payload);
/* The same for urgent events: a large ring keeps its last 64th for them. */
struct wire_event *ring_reserve_urgent(struct wire_session *s, struct wire_block *b,
				       uint32_t payload);
void ring_commit(struct wire_event *e, uint32_t payload);

/*
 * Reader: the next complete record of @b, or NULL; ring_pop() after it has been used. A record
 * that fails validation (size or alignment out of range) makes ring_peek() skip to the head.
 */
const struct wire_event *ring_peek(const struct wire_session *s, struct wire_block *b);
void ring_pop(struct wire_block *b, const struct wire_event *e);

#endif

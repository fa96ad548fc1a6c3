/* SPDX-License-Identifier: MIT */
/*
 * Scalar plain maps of 8 bytes: one slot, never recycled, no key.
 *
 * Owns the slot. Its value is one atomic word that holds 0 while the map is absent, so an add needs
 * no look at the state; LIVE only says whether the map has a value. Guarantees: add and store are
 * one atomic instruction and exact; an update that overlaps a delete, clear or zero may count as
 * before it.
 *
 *  letter  place                       order    partner
 *  A       update: value, then LIVE    release  B: who sees LIVE sees a value stored before
 *  B       load: LIVE, then value      acquire  A
 * Context: hit, signal-safe, any thread of any process of the session.
 */
#include <errno.h>

#include "act/key.h"
#include "act/scalar.h"
#include "base/atomic.h"
#include "base/base.h"

#define TRIES 256

static inline struct wire_slot *scalar_slot(struct wire_session *s, const struct wire_map *m)
{
	return wire_at(s, m->table_off, struct wire_slot);
}

static inline uint64_t *scalar_value(struct wire_slot *slot)
{
	return (uint64_t *)(slot + 1);
}

/*
 * Make value and epoch what the map's epochs ask for. The value is read before the epoch: if
 * another thread resets and updates between, the exchange fails and the epoch is found new.
 */
static SONDE_HIT void scalar_refresh(const struct wire_map *m, struct wire_slot *slot)
{
	uint32_t clear = load_relaxed(&m->clear_epoch), zero = load_relaxed(&m->zero_epoch);
	uint32_t now = clear > zero ? clear : zero;

	if (likely(load_acquire(&slot->epoch) >= now))
		return;
	for (int i = 0; i < TRIES; i++) {
		uint64_t value = load_acquire(scalar_value(slot));
		uint32_t epoch = load_acquire(&slot->epoch);

		if (epoch >= now)
			return;
		if (cas_acq_rel(scalar_value(slot), &value, 0) &&
		    cas_acq_rel(&slot->epoch, &epoch, now))
			return;
	}
}

static SONDE_HIT void scalar_make_live(struct wire_slot *slot)
{
	if (load_relaxed(&slot->state) != WIRE_SLOT_LIVE)
		store_release(&slot->state, (uint64_t)WIRE_SLOT_LIVE); /* A */
}

SONDE_HIT int act_scalar_load(struct wire_session *s, const struct wire_map *m, void *value)
{
	struct wire_slot *slot = scalar_slot(s, m);
	uint64_t state = load_acquire(&slot->state); /* B */
	uint32_t epoch = load_acquire(&slot->epoch);

	*(act_word *)value = 0;
	if (state != WIRE_SLOT_LIVE || epoch < load_relaxed(&m->clear_epoch))
		return -ENOENT;
	if (epoch >= load_relaxed(&m->zero_epoch))
		*(act_word *)value = load_relaxed(scalar_value(slot));
	return 0;
}

SONDE_HIT int act_scalar_store(struct wire_session *s, const struct wire_map *m, uint64_t value)
{
	struct wire_slot *slot = scalar_slot(s, m);

	scalar_refresh(m, slot);
	store_release(scalar_value(slot), value);
	scalar_make_live(slot);
	return 0;
}

SONDE_HIT int act_scalar_add(struct wire_session *s, const struct wire_map *m, int64_t delta,
			     int64_t *before)
{
	struct wire_slot *slot = scalar_slot(s, m);

	scalar_refresh(m, slot);
	*before = (int64_t)fetch_add_acq_rel(scalar_value(slot), (uint64_t)delta);
	scalar_make_live(slot);
	return 0;
}

SONDE_HIT int act_scalar_delete(struct wire_session *s, const struct wire_map *m)
{
	struct wire_slot *slot = scalar_slot(s, m);
	bool was_live = load_acquire(&slot->state) == WIRE_SLOT_LIVE &&
			load_acquire(&slot->epoch) >= load_relaxed(&m->clear_epoch);

	for (int i = 0; i < TRIES; i++) {
		uint64_t value = load_acquire(scalar_value(slot));

		store_release(&slot->state, (uint64_t)WIRE_SLOT_FREE);
		if (cas_acq_rel(scalar_value(slot), &value, 0))
			break;
	}
	return was_live ? 0 : -ENOENT;
}

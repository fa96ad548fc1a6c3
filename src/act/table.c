/* SPDX-License-Identifier: MIT */
/*
 * Plain maps: one open table per session that all threads of all processes share.
 *
 * Owns the slots of every plain map. Each key has a home slot and lives within `window` slots
 * from there; the home's `reach` says how far to look, and looking never stops at a free slot, so
 * deleting leaves no trace. Guarantees:
 *  1. At any time at most one LIVE slot holds a key of the current epoch.
 *  2. add is exact: values of 8 bytes change by one atomic instruction in a slot that cannot be
 *     recycled meanwhile (`users`). An update that overlaps a delete or clear may count as before
 *     it.
 *  3. A value that a load returns was stored whole. Values above 8 bytes are rewritten under BUSY.
 *  4. Nothing waits without bound: not for a preempted thread, not for the frame that a signal
 *     handler interrupted, not for a killed process. What such a one leaves BUSY is disowned
 *     (LOST) and costs the table that one slot, and the key its value; a TRIAL is withdrawn by the
 *     next rival; a user that never returns keeps its slot from being recycled, nothing else.
 *
 *  letter  place                            order    partner
 *  A       offer: state becomes TRIAL       seq_cst  B of the rival: of two inserters of one key at
 *  B       settle: load reach, states       seq_cst  least one sees the other; who sees a LIVE
 *                                                    rival withdraws, who sees a TRIAL withdraws it
 *  C       rewrite: BUSY, then words        release  D: a reader that saw one new word sees BUSY
 *  D       load: words, then state again    acquire  C
 *  E       pin: users + 1, load state       seq_cst  F: either the updater sees the slot given up,
 *  F       retire: give up, load users      seq_cst  or the retiring thread sees the user; the
 *                                                    last of them releases the slot
 *  G       settle/rewritten: LIVE           release  H: key, epoch and value are there
 *  H       find: load state                 acquire  G
 * (A, E, F, G are compare-exchanges or fetch-adds, which on x86-64 are full barriers anyway.)
 *
 * A scalar of 8 bytes has one slot that is never recycled: scalar.c.
 * Context: hit, signal-safe, any thread of any process of the session.
 */
#include <errno.h>

#include "act/act.h"
#include "act/scalar.h"
#include "act/slot.h"
#include "arch/local.h"
#include "base/base.h"
#include "base/mem.h"

#define WINDOW 128   /* slots that a key may live in */
#define PATIENCE 400 /* pauses until an owner counts as gone: tens of microseconds */
#define TRIES 256    /* times that others may get in between */

struct table {
	const struct wire_map *map;
	uint8_t *slots;
	const void *key;
	uint64_t stride;
	uint32_t home, window;
	uint32_t clear; /* epoch below which a slot does not exist */
	uint32_t epoch; /* epoch below which its value is zero */
	bool wide;	/* values above 8 bytes */
};

static SONDE_HIT void table_open(struct table *t, struct wire_session *s, uint32_t map,
				 const void *key)
{
	const struct wire_map *m = wire_elem(s, maps, const struct wire_map, map);
	uint32_t zero = load_relaxed(&m->zero_epoch);

	t->map = m;
	t->slots = wire_at(s, m->table_off, uint8_t);
	t->key = key;
	t->stride = wire_slot_bytes(m);
	t->home = (uint32_t)(((uint64_t)act_key_hash(key, m->key_size) * m->nbuckets) >> 32);
	t->window = m->nbuckets < WINDOW ? m->nbuckets : WINDOW;
	t->clear = load_relaxed(&m->clear_epoch);
	t->epoch = t->clear > zero ? t->clear : zero;
	t->wide = m->value_size > 8;
}

/* The @i-th slot from the key's home. */
static inline struct wire_slot *slot_at(const struct table *t, uint32_t i)
{
	uint32_t n = t->home + i;

	if (n >= t->map->nbuckets)
		n -= t->map->nbuckets;
	return (struct wire_slot *)(t->slots + n * t->stride);
}

static inline uint64_t *slot_value(const struct table *t, struct wire_slot *slot)
{
	return (uint64_t *)((uint8_t *)(slot + 1) + t->map->key_size);
}

static inline bool has_key(const struct table *t, struct wire_slot *slot)
{
	return slot_words_equal(slot_key(slot), t->key, t->map->key_size);
}

/* A slot that was given up and has no users becomes free. */
static SONDE_HIT void release(struct wire_slot *slot)
{
	uint64_t state = load_seq_cst(&slot->state);

	if (slot_is_given_up(state) && load_seq_cst(&slot->users) == 0) /* F */
		slot_cas(slot, state, slot_next(state, 0, WIRE_SLOT_FREE));
}

static SONDE_HIT bool retire(struct wire_slot *slot, uint64_t live)
{
	if (!slot_cas(slot, live, slot_next(live, 1, WIRE_SLOT_BUSY))) /* F */
		return false;
	release(slot);
	return true;
}

static SONDE_HIT void unpin(struct wire_slot *slot)
{
	if (fetch_sub_seq_cst(&slot->users, 1) == 1)
		release(slot);
}

/* While pinned, a slot found in state @live keeps its key. */
static SONDE_HIT bool pin(struct wire_slot *slot, uint64_t live)
{
	fetch_add_seq_cst(&slot->users, 1); /* E */
	if (likely(load_seq_cst(&slot->state) == live))
		return true;
	unpin(slot);
	return false;
}

/* Wait a while for @slot to leave @state; false if it does not. */
static SONDE_HIT bool wait_for_change(struct wire_slot *slot, uint64_t state)
{
	for (int i = 0; i < PATIENCE; i++) {
		if (load_acquire(&slot->state) != state)
			return true;
		local_pause();
	}
	return false;
}

/*
 * A wide value of our key may be in the middle of its rewriting: wait, then disown the slot so
 * that the key can live elsewhere. The only slot of a table cannot be given up like this.
 * True: look at the slot again. False: leave it alone.
 */
static SONDE_HIT bool outwait_owner(const struct table *t, struct wire_slot *slot, uint64_t state,
				    bool disown)
{
	if (wait_for_change(slot, state))
		return true;
	if (!disown || t->map->nbuckets == 1)
		return false;
	slot_cas(slot, state, state | SLOT_LOST);
	return true;
}

/*
 * The LIVE slot of the key with its state, NULL if there is none. For an update, a slot of an older
 * epoch is retired on the way.
 */
static SONDE_HIT struct wire_slot *find(const struct table *t, bool updating, uint64_t *live)
{
	uint32_t reach = load_seq_cst(&slot_at(t, 0)->reach), i = 0;

	while (i < reach && i < t->window) {
		struct wire_slot *slot = slot_at(t, i);
		uint64_t state = load_seq_cst(&slot->state); /* H */
		uint32_t epoch = load_relaxed(&slot->epoch);

		if (t->wide && slot_is_owned(state) && has_key(t, slot) &&
		    outwait_owner(t, slot, state, updating))
			continue;
		if (slot_code(state) != WIRE_SLOT_LIVE || !has_key(t, slot)) {
			i++;
			continue;
		}
		if (load_relaxed(&slot->state) != state)
			continue;
		if (epoch < (updating ? t->epoch : t->clear)) {
			if (updating)
				retire(slot, state);
			i++;
			continue;
		}
		*live = state;
		return slot;
	}
	return NULL;
}

/* A slot of our own, in state *@busy, as near to the key's home as possible. */
static SONDE_HIT struct wire_slot *claim(const struct table *t, uint32_t *index, uint64_t *busy)
{
	for (uint32_t i = 0; i < t->window; i++) {
		struct wire_slot *slot = slot_at(t, i);
		uint64_t state = load_acquire(&slot->state);

		if (slot_code(state) == WIRE_SLOT_LIVE && load_relaxed(&slot->epoch) < t->clear)
			retire(slot, state);
		else if (slot_is_given_up(state))
			release(slot);
		state = load_acquire(&slot->state);
		if (slot_code(state) != WIRE_SLOT_FREE)
			continue;
		*busy = slot_next(state, 1, WIRE_SLOT_BUSY);
		*index = i;
		if (slot_cas(slot, state, *busy))
			return slot;
	}
	return NULL;
}

static SONDE_HIT void raise_reach(const struct table *t, uint16_t reach)
{
	struct wire_slot *home = slot_at(t, 0);
	uint16_t cur = load_relaxed(&home->reach);

	while (cur < reach && !cas_seq_cst(&home->reach, &cur, reach))
		;
}

/*
 * Our slot @own is in TRIAL: is there another slot of the key that will stay? One that is LIVE
 * does. Of two in TRIAL the nearer to home stays, if its owner settles it soon; else who is here
 * and running does.
 */
static SONDE_HIT bool has_winning_rival(const struct table *t, uint32_t own)
{
	uint32_t reach = load_seq_cst(&slot_at(t, 0)->reach), i = 0; /* B */

	while (i < reach) {
		struct wire_slot *slot = slot_at(t, i);
		uint64_t state = load_seq_cst(&slot->state); /* B */

		if (i == own || slot_code(state) == WIRE_SLOT_FREE || slot_is_given_up(state) ||
		    !has_key(t, slot)) {
			i++;
			continue;
		}
		if (slot_code(state) == WIRE_SLOT_LIVE) {
			if (load_relaxed(&slot->epoch) >= t->epoch) {
				if (load_seq_cst(&slot->state) == state)
					return true;
				continue;
			}
			retire(slot, state);
		} else if (slot_code(state) == WIRE_SLOT_TRIAL) {
			if (i > own || !wait_for_change(slot, state))
				slot_cas(slot, state, slot_next(state, 1, WIRE_SLOT_FREE));
			continue;
		} else if (t->wide && slot_is_owned(state) && outwait_owner(t, slot, state, true)) {
			continue;
		}
		i++;
	}
	return false;
}

/* The owner comes back to a slot that others had disowned. */
static SONDE_HIT void recover(struct wire_slot *slot, uint64_t busy)
{
	slot_cas(slot, busy | SLOT_LOST, slot_next(busy, 1, WIRE_SLOT_FREE));
}

/* 0, -ENOSPC, or -EAGAIN when another inserter of the key was faster. */
static SONDE_HIT int insert(const struct table *t, const void *value)
{
	struct wire_slot *slot;
	uint64_t busy, trial;
	uint32_t index;

	slot = claim(t, &index, &busy);
	if (!slot)
		return -ENOSPC;
	slot_words_write(slot_key(slot), t->key, t->map->key_size);
	slot_words_write(slot_value(t, slot), value, t->map->value_size);
	store_relaxed(&slot->epoch, t->epoch);
	raise_reach(t, (uint16_t)(index + 1));

	trial = slot_next(busy, 0, WIRE_SLOT_TRIAL);
	if (!slot_cas(slot, busy, trial)) { /* A */
		recover(slot, busy);
		return -EAGAIN;
	}
	if (has_winning_rival(t, index)) {
		slot_cas(slot, trial, slot_next(trial, 1, WIRE_SLOT_FREE));
		return -EAGAIN;
	}
	return slot_cas(slot, trial, slot_next(trial, 0, WIRE_SLOT_LIVE)) ? 0 : -EAGAIN; /* G */
}

/* Replace a wide value. */
static SONDE_HIT bool rewrite(const struct table *t, struct wire_slot *slot, uint64_t live,
			      const void *value)
{
	uint64_t busy = slot_next(live, 2, WIRE_SLOT_BUSY);

	if (!slot_cas(slot, live, busy))
		return false;
	slot_words_write(slot_value(t, slot), value, t->map->value_size); /* C */
	if (slot_cas(slot, busy, slot_next(busy, 0, WIRE_SLOT_LIVE)))	  /* G */
		return true;
	recover(slot, busy);
	return false;
}

SONDE_HIT int act_table_load(struct wire_session *s, uint32_t map, const void *key, void *value)
{
	const struct wire_map *m = wire_elem(s, maps, const struct wire_map, map);
	struct wire_slot *slot;
	struct table t;
	uint64_t live;

	if (m->key_size == 0 && m->value_size == 8)
		return act_scalar_load(s, m, value);
	table_open(&t, s, map, key);
	for (int i = 0; i < TRIES; i++) {
		slot = find(&t, false, &live);
		if (!slot)
			break;
		if (load_relaxed(&slot->epoch) < t.epoch)
			mem_zero(value, m->value_size);
		else
			slot_words_read(value, slot_value(&t, slot), m->value_size);
		if (load_acquire(&slot->state) == live) /* D */
			return 0;
	}
	mem_zero(value, m->value_size);
	return -ENOENT;
}

SONDE_HIT int act_table_store(struct wire_session *s, uint32_t map, const void *key,
			      const void *value)
{
	const struct wire_map *m = wire_elem(s, maps, const struct wire_map, map);
	struct wire_slot *slot;
	struct table t;
	uint64_t live;
	int err;

	if (m->key_size == 0 && m->value_size == 8)
		return act_scalar_store(s, m, *(const act_word *)value);
	table_open(&t, s, map, key);
	for (int i = 0; i < TRIES; i++) {
		slot = find(&t, true, &live);
		if (!slot) {
			err = insert(&t, value);
			if (err != -EAGAIN)
				return err;
		} else if (t.wide) {
			if (rewrite(&t, slot, live, value))
				return 0;
		} else if (pin(slot, live)) {
			slot_words_write(slot_value(&t, slot), value, 8);
			unpin(slot);
			return 0;
		}
	}
	return -ENOSPC;
}

SONDE_HIT int act_table_add(struct wire_session *s, uint32_t map, const void *key, int64_t delta,
			    int64_t *before)
{
	const struct wire_map *m = wire_elem(s, maps, const struct wire_map, map);
	struct wire_slot *slot;
	struct table t;
	uint64_t live;
	int err;

	if (m->key_size == 0)
		return act_scalar_add(s, m, delta, before);
	table_open(&t, s, map, key);
	*before = 0;
	for (int i = 0; i < TRIES; i++) {
		slot = find(&t, true, &live);
		if (!slot) {
			err = insert(&t, &delta);
			if (err != -EAGAIN)
				return err;
		} else if (pin(slot, live)) {
			*before = (int64_t)fetch_add_acq_rel(slot_value(&t, slot), (uint64_t)delta);
			unpin(slot);
			return 0;
		}
	}
	return -ENOSPC;
}

SONDE_HIT int act_table_delete(struct wire_session *s, uint32_t map, const void *key)
{
	const struct wire_map *m = wire_elem(s, maps, const struct wire_map, map);
	struct wire_slot *slot;
	struct table t;
	uint64_t live;

	if (m->key_size == 0 && m->value_size == 8)
		return act_scalar_delete(s, m);
	table_open(&t, s, map, key);
	for (int i = 0; i < TRIES; i++) {
		slot = find(&t, false, &live);
		if (!slot)
			break;
		if (retire(slot, live))
			return 0;
	}
	return -ENOENT;
}

SONDE_HIT bool act_table_has(struct wire_session *s, uint32_t map, const void *key)
{
	const struct wire_map *m = wire_elem(s, maps, const struct wire_map, map);
	struct table t;
	uint64_t value;

	if (m->key_size == 0 && m->value_size == 8)
		return act_scalar_load(s, m, &value) == 0;
	table_open(&t, s, map, key);
	return find(&t, false, &value) != NULL;
}

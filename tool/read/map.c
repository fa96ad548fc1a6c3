/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of maps, and the tool's three ways to change them.
 *
 * Emptying works by epochs (wire/map.h): the tool raises a number, entries of an older epoch no
 * longer count, and each thread resets its own when it next writes them. Only the tool changes
 * epochs, so they are kept in our copy of the map and written through.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "read/internal.h"

/* Attempts to copy a plain map's slot while others write it. */
#define SLOT_TRIES 1000

struct slot_copy {
	uint64_t key[WIRE_KEY_MAX / 8];
	uint64_t value[WIRE_VALUE_MAX / 8];
};

static void copy_words(uint64_t *dst, const uint64_t *src, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes / 8; i++)
		dst[i] = load_relaxed(&src[i]);
}

/* Copy the occupant of @slot; false if it has none or it did not hold still. */
static bool copy_slot(const struct wire_map *m, const struct wire_slot *slot, struct slot_copy *c)
{
	const uint64_t *key = (const uint64_t *)(slot + 1);

	for (int i = 0; i < SLOT_TRIES; i++) {
		uint64_t state = load_acquire(&slot->state);
		uint32_t epoch;

		if ((state & WIRE_SLOT_MASK) == WIRE_SLOT_BUSY)
			continue;
		if ((state & WIRE_SLOT_MASK) != WIRE_SLOT_LIVE)
			return false;
		epoch = load_relaxed(&slot->epoch);
		copy_words(c->key, key, m->key_size);
		copy_words(c->value, key + m->key_size / 8, m->value_size);
		/* the copies above must not sink below the second look at the state */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (load_relaxed(&slot->state) != state)
			continue;
		if (epoch < m->clear_epoch)
			return false;
		if (epoch < m->zero_epoch)
			memset(c->value, 0, m->value_size);
		return true;
	}
	return false;
}

static int read_plain(struct read *r, const struct wire_map *m, struct table *t)
{
	uint64_t stride = wire_slot_bytes(m);
	const uint8_t *at = wire_at(r->s, m->table_off, const uint8_t);
	struct slot_copy c;

	for (uint32_t i = 0; i < m->nbuckets; i++, at += stride) {
		uint64_t *value;

		if (!copy_slot(m, (const struct wire_slot *)at, &c))
			continue;
		value = table_get(t, c.key);
		if (!value)
			return -ENOMEM;
		memcpy(value, c.value, m->value_size);
	}
	return 0;
}

static int merge_map(struct read *r, uint32_t map, struct table *t)
{
	const struct wire_map *m = &r->map[map];
	int err;

	if (m->kind == WIRE_MAP_PLAIN) {
		table_init(t, m->key_size, m->value_size / 8);
		err = read_plain(r, m, t);
		goto out;
	}
	err = table_copy(t, &r->retired[map]);
	if (!err)
		err = read_blocks(r);
	for (size_t i = 0; !err && i < r->nblocks; i++) {
		if (load_acquire(&r->block[i].b->state) == WIRE_BLOCK_LIVE)
			err = read_fold(r, &r->block[i], map, t);
	}
out:
	if (err)
		table_free(t);
	return err;
}

int read_map(struct read *r, uint32_t map, struct read_map *out)
{
	struct table *t;
	int err;

	memset(out, 0, sizeof(*out));
	if (map >= r->nmaps)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	err = merge_map(r, map, t);
	if (err) {
		free(t);
		return err;
	}
	out->priv = t;
	out->key_size = t->key_size;
	out->nvalues = t->nvalues;
	out->nrows = t->nrows;
	out->row = calloc(t->nrows + 1, sizeof(*out->row));
	if (!out->row) {
		read_map_free(out);
		return -ENOMEM;
	}
	for (size_t i = 0; i < t->nrows; i++) {
		read_decode(&r->map[map], table_value(t, i));
		out->row[i].key = table_key(t, i);
		out->row[i].value = table_value(t, i);
	}
	return 0;
}

void read_map_free(struct read_map *m)
{
	if (m->priv)
		table_free(m->priv);
	free(m->priv);
	free(m->row);
	memset(m, 0, sizeof(*m));
}

const struct read_row *read_map_find(const struct read_map *m, const void *key)
{
	for (size_t i = 0; i < m->nrows; i++) {
		if (!m->key_size || memcmp(m->row[i].key, key, m->key_size) == 0)
			return &m->row[i];
	}
	return NULL;
}

static uint32_t next_epoch(const struct wire_map *m)
{
	return (m->clear_epoch > m->zero_epoch ? m->clear_epoch : m->zero_epoch) + 1;
}

static struct wire_map *live_map(struct read *r, uint32_t map)
{
	return wire_at(r->s, r->head.maps.off, struct wire_map) + map;
}

int read_clear(struct read *r, uint32_t map)
{
	struct wire_map *m;

	if (map >= r->nmaps)
		return -EINVAL;
	m = &r->map[map];
	m->clear_epoch = next_epoch(m);
	/* release: an agent that sees the new epoch acts after everything before it */
	store_release(&live_map(r, map)->clear_epoch, m->clear_epoch);
	table_empty(&r->retired[map]);
	return 0;
}

int read_zero(struct read *r, uint32_t map)
{
	struct wire_map *m;
	struct table t;
	int err;

	if (map >= r->nmaps)
		return -EINVAL;
	m = &r->map[map];
	if (m->kind != WIRE_MAP_PLAIN) {
		/* The keys of today live on as zero rows of the retired table. */
		err = merge_map(r, map, &t);
		if (err)
			return err;
		for (size_t i = 0; i < t.nrows; i++)
			memset(table_value(&t, i), 0, (size_t)t.nvalues * 8);
		table_free(&r->retired[map]);
		r->retired[map] = t;
	}
	m->zero_epoch = next_epoch(m);
	store_release(&live_map(r, map)->zero_epoch, m->zero_epoch);
	return 0;
}

int read_delete(struct read *r, uint32_t map, const void *key)
{
	const struct wire_map *m;
	int err;

	if (map >= r->nmaps)
		return -EINVAL;
	m = &r->map[map];
	if (m->kind == WIRE_MAP_PLAIN || !m->key_size)
		return -EINVAL;
	if (!r->can_delete[map])
		return -ENOTSUP;
	err = read_blocks(r);
	if (err)
		return err;
	table_remove(&r->retired[map], key);
	for (size_t i = 0; i < r->nblocks; i++) {
		if (load_acquire(&r->block[i].b->state) == WIRE_BLOCK_LIVE)
			read_stale(r, &r->block[i], map, key);
	}
	return 0;
}

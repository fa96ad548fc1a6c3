/* SPDX-License-Identifier: MIT */
/*
 * The table from address to object (contract in table.h): open addressing, one array of slots.
 *
 * A slot is empty (key 0), taken (key and node), or was taken (a key left behind, no node). A
 * lookup starts at the key's home and goes on until it meets the key or an empty slot.
 *
 * Why no key is missed that stays: between its home and its slot there is no empty slot when it is
 * put in, and none comes to be while it is there:
 *   - a node never moves within an array;
 *   - a removed node's slot is emptied only when the next one is empty, so that no node behind it
 *     has been put there past it; otherwise its key stays, without a node;
 *   - a larger array is filled aside and shown by one store. The old one, which nobody changes any
 *     more, holds every node that was there at that moment; who is still reading it began before.
 * Why none is found that is another's: the node's own key is compared, which never changes. The
 * key in the slot only spares a look at nodes that are not meant.
 *
 * Invariant: at most half of the slots are not empty, so that lookups end soon.
 *
 * Ordering
 *   J   array: store release -> load acquire. What was copied into it comes before it is seen.
 *   K   slot's node: store release -> load acquire. The node's key, and the object around it, come
 *       before it is seen.
 * The slot's key is relaxed on both sides. Who sees a new key with an old node, or a new node with
 * an old key, looks while that slot changes: he skips it, or finds what was there before. After an
 * insertion that came before the lookup, neither can be seen any more.
 * Reclamation is the domain's: a slot's node is NULL, or the array replaced, before the callback is
 * queued (T and B of sync/grace.h).
 *
 * Context: see table.h; no libc.
 */
#include "sync/table.h"

#include <errno.h>

#include "base/atomic.h"
#include "base/base.h"
#include "base/race.h"
#include "base/sys.h"

#define SLOTS_MIN 128u
#define HASH 0x9e3779b97f4a7c15ull /* 2^64 / golden ratio: spreads addresses over the high bits */
#define ROOM 3			   /* slots per node in a new array, at least */
#define SHRINK 16		   /* slots per node from which on a smaller one is made */

struct slot {
	uint64_t key;
	struct sync_node *node; /* K */
};

struct sync_array {
	struct sonde_deferred deferred;
	size_t size; /* of its memory */
	size_t mask;
	unsigned int shift;
	_Alignas(64) struct slot slot[];
};

static inline size_t home(const struct sync_array *a, uint64_t key)
{
	return key * HASH >> a->shift;
}

SONDE_HIT struct sync_node *sync_table_lookup(const struct sync_table *t, uint64_t key)
{
	const struct sync_array *a = load_acquire(&t->array); /* J */
	size_t at = home(a, key);

	race_point("table: reading an array");
	for (size_t n = 0; n <= a->mask; n++) {
		uint64_t k = load_relaxed(&a->slot[at].key);

		if (!k)
			break;
		if (k == key) {
			struct sync_node *node = load_acquire(&a->slot[at].node); /* K */

			if (node && node->key == key)
				return node;
		}
		at = (at + 1) & a->mask;
	}
	return NULL;
}

static struct sync_array *array_new(size_t nodes)
{
	size_t n = SLOTS_MIN, size;
	struct sync_array *a;
	unsigned int bits = 7;

	for (; n / ROOM < nodes; n *= 2)
		bits++;
	size = sizeof(*a) + n * sizeof(struct slot);
	a = sys_map(size);
	if (!a)
		return NULL;
	a->size = size;
	a->mask = n - 1;
	a->shift = 64 - bits;
	return a;
}

static void array_gone(struct sonde_deferred *self)
{
	struct sync_array *a = (struct sync_array *)self;

	sys_unmap(a, a->size);
}

/* Readers that have come while this runs see the key or not; `used` is the caller's. */
static void slot_fill(struct slot *s, struct sync_node *node)
{
	store_release(&s->node, node); /* K */
	race_point("table: node before key");
	store_relaxed(&s->key, node->key);
}

/* Another array for @nodes nodes. */
static int rebuild(struct sync_table *t, size_t nodes)
{
	struct sync_array *old = t->array, *a = array_new(nodes);

	if (!a)
		return -ENOMEM;
	for (size_t i = 0; i <= old->mask; i++) {
		struct sync_node *node = old->slot[i].node;
		size_t at;

		if (!node)
			continue;
		at = home(a, node->key);
		while (a->slot[at].node)
			at = (at + 1) & a->mask;
		slot_fill(&a->slot[at], node);
	}
	t->used = t->live;
	race_point("table: before a new array");
	store_release(&t->array, a); /* J */
	sonde_domain_call(t->domain, &old->deferred, array_gone);
	return 0;
}

int sync_table_init(struct sync_table *t, struct sonde_domain *d, size_t expected)
{
	*t = (struct sync_table){.domain = d, .array = array_new(expected)};
	return t->array ? 0 : -ENOMEM;
}

void sync_table_end(struct sync_table *t)
{
	sonde_domain_call(t->domain, &t->array->deferred, array_gone);
	t->array = NULL;
}

/* Where @key is to be put; NULL if it is there. There is an empty slot. */
static struct slot *slot_for(struct sync_array *a, uint64_t key)
{
	struct slot *left = NULL;

	for (size_t at = home(a, key);; at = (at + 1) & a->mask) {
		struct slot *s = &a->slot[at];

		if (!s->key)
			return left ? left : s;
		if (!s->node)
			left = left ? left : s;
		else if (s->key == key)
			return NULL;
	}
}

int sync_table_insert(struct sync_table *t, struct sync_node *const *node, size_t n, size_t *done)
{
	size_t i = 0;
	int err = 0;

	if (t->used + n > (t->array->mask + 1) / 2)
		err = rebuild(t, t->live + n);
	for (; i < n && !err; i++) {
		struct slot *s = node[i]->key ? slot_for(t->array, node[i]->key) : NULL;

		if (!s) {
			err = node[i]->key ? -EEXIST : -EINVAL;
			break;
		}
		t->used += !s->key;
		t->live++;
		slot_fill(s, node[i]);
	}
	if (done)
		*done = i;
	return err;
}

static struct slot *slot_of(struct sync_array *a, const struct sync_node *node)
{
	for (size_t at = home(a, node->key); a->slot[at].key; at = (at + 1) & a->mask) {
		if (a->slot[at].node == node)
			return &a->slot[at];
	}
	return NULL;
}

/* Without a node; and empty, with those before it that were taken, if the next one is empty. */
static void slot_clear(struct sync_table *t, struct slot *s)
{
	struct sync_array *a = t->array;
	size_t at = (size_t)(s - a->slot);

	store_relaxed(&s->node, NULL);
	t->live--;
	race_point("table: a key without a node");
	while (!a->slot[(at + 1) & a->mask].key && a->slot[at].key && !a->slot[at].node) {
		store_relaxed(&a->slot[at].key, (uint64_t)0);
		t->used--;
		at = (at - 1) & a->mask;
	}
}

/* The first of a batch has waited for all. */
static void batch_gone(struct sonde_deferred *self)
{
	struct sync_node *node, *next;

	node = (struct sync_node *)((char *)self - offsetof(struct sync_node, deferred));
	for (; node; node = next) {
		next = node->next;
		node->gone(node);
	}
}

int sync_table_remove(struct sync_table *t, struct sync_node *const *node, size_t n,
		      void (*gone)(struct sync_node *node))
{
	struct sync_node *first = NULL, **last = &first;
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		struct slot *s = slot_of(t->array, node[i]);

		if (!s) {
			err = -ENOENT;
			continue;
		}
		slot_clear(t, s);
		node[i]->gone = gone;
		node[i]->next = NULL;
		*last = node[i];
		last = &node[i]->next;
	}
	if (first)
		sonde_domain_call(t->domain, &first->deferred, batch_gone);
	/* without memory for a smaller array the large one will do */
	if (t->array->mask + 1 > SLOTS_MIN && (t->array->mask + 1) / SHRINK > t->live)
		rebuild(t, t->live);
	return err;
}

/* SPDX-License-Identifier: MIT */
/*
 * From an address to the object that stands there, for readers that may not wait: the table that a
 * trap handler asks whose trap it has met.
 *
 * Guarantees
 *  1. A lookup never gives an object of another key.
 *  2. A lookup finds every key whose insertion came before it (happened before, in the sense of
 *     C11) and whose removal has not begun, whatever else is inserted and removed, and however the
 *     table grows meanwhile. So a miss never has to be asked again, and there is no count of
 *     changes to compare: who plants a trap after inserting its key may take a miss for "not ours".
 *     Only a key that is being inserted or removed during the lookup may be found or not.
 *  3. A lookup is wait-free: no lock, no retry, no store; it looks at each slot once at most.
 *  4. What was removed is not touched by the table any more and stays as it is until a grace period
 *     of the table's domain has ended; then it is handed to the caller's callback.
 *
 * A lookup is made inside a section of the domain, and what it gave is good until the section is
 * left. All other calls are writers': one at a time (the caller's lock), and a fork() must not come
 * into the middle of one, if the child is to change the table. Lookups go on in any child.
 *
 * Context: lookup hit, signal-safe, also above a writer that it has interrupted. Writers: not
 * signal-safe, never wait.
 */
#ifndef SONDE_SYNC_TABLE_H
#define SONDE_SYNC_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "sonde/domain.h"

/*
 * A member of the caller's object. Readers follow the slot to the node and compare its key, also
 * after it was removed; so what reclamation needs (`next` and all behind it, written at removal)
 * is never laid over the key, nor over anything of the object that readers look at.
 */
struct sync_node {
	uint64_t key; /* the caller's: not 0, and the same until the node is gone */
	struct sync_node *next;
	void (*gone)(struct sync_node *node);
	struct sonde_deferred deferred;
};

struct sync_array;

struct sync_table {
	struct sync_array *array; /* J */
	struct sonde_domain *domain;
	size_t live; /* nodes in it */
	size_t used; /* slots that are not empty: nodes, and places where one was */
};

/* Make a table with room for @expected nodes; it grows and shrinks by itself. 0, -ENOMEM. */
int sync_table_init(struct sync_table *t, struct sonde_domain *d, size_t expected);
/* Nobody looks anything up any more, or will. The nodes in it are the caller's. */
void sync_table_end(struct sync_table *t);

/* The node of @key, or NULL. */
struct sync_node *sync_table_lookup(const struct sync_table *t, uint64_t key);

/*
 * Put in @n nodes. 0; -ENOMEM: none is in; -EEXIST (there is one of that key) or -EINVAL (key 0):
 * the @done nodes before it are in, the others not. @done may be NULL.
 */
int sync_table_insert(struct sync_table *t, struct sync_node *const *node, size_t n, size_t *done);

/*
 * Take out @n nodes; @gone is called for each, in this order, after one grace period for all, where
 * the domain runs its callbacks. 0, or -ENOENT: some were not in the table; @gone is not called for
 * these, all others are out.
 */
int sync_table_remove(struct sync_table *t, struct sync_node *const *node, size_t n,
		      void (*gone)(struct sync_node *node));

#endif

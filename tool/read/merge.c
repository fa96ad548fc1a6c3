/* SPDX-License-Identifier: MIT */
/*
 * How two threads' values of an aggregation become one.
 *
 * @from may be another thread's entry, changed while we look: each word is read once, whole. A
 * sum and its count may then be one update apart, never more.
 */
#include "base/atomic.h"
#include "read/internal.h"

/* Encoded, the greater one is the better one; nothing yet is 0. */
static void merge_extreme(uint64_t *into, const uint64_t *from)
{
	uint64_t n = load_relaxed(&from[1]);
	uint64_t code = load_relaxed(&from[0]);

	if (code > into[0])
		into[0] = code;
	into[1] += n;
}

void read_merge(const struct wire_map *m, uint64_t *into, const uint64_t *from, uint32_t nvalues)
{
	if (m->kind == WIRE_MAP_MIN || m->kind == WIRE_MAP_MAX) {
		merge_extreme(into, from);
		return;
	}
	for (uint32_t i = 0; i < nvalues; i++)
		into[i] += load_relaxed(&from[i]);
}

void read_decode(const struct wire_map *m, uint64_t *value)
{
	if (m->kind == WIRE_MAP_MIN || m->kind == WIRE_MAP_MAX)
		value[0] = value[1] ? wire_extreme(m, value[0]) : 0;
}

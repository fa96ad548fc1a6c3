/* SPDX-License-Identifier: MIT */
/*
 * Where the code of one image's sites lies: an island for every punned site, and one pool for the
 * detours, in reach of all of the image.
 *
 * Punned sites with few choices are served first. A site that finds no island takes its window
 * (class W), if it has one and the image is not live; else it may go nearer to the heap than is
 * polite.
 *
 * Context: not on a hit; one thread at a time; no libc.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/base.h"
#include "base/err.h"
#include "base/sys.h"
#include "text/module.h"

#define PAGE 4096ull

static const struct wire_site *other_plan(const struct text_module *m, const struct wire_site *ws)
{
	return ws->alt ? &m->plans.alt[ws->alt - 1] : NULL;
}

/* No island for site @i: its window instead, if it has one and no other site stands in it. */
static bool use_window(struct text_placing *pl, uint32_t i)
{
	struct text_module *m = pl->m;
	const struct wire_site *alt = other_plan(m, m->use[i]);

	if (!alt || pl->job->live)
		return false;
	if (i + 1 < m->plans.nsites && m->use[i + 1]->vaddr < alt->vaddr + alt->insn_len)
		return false;
	m->use[i] = alt;
	m->island[i] = 0;
	return true;
}

static uint64_t find_island(struct text_placing *pl, const struct wire_site *ws)
{
	return islands_place(&pl->islands, pl->m->image.bias + ws->vaddr + TEXT_JMP_SIZE,
			     ws->rel_mask, ws->rel_value);
}

/*
 * A place for the island of a site that found none: the heap keeps less room. (Where glibc's heap
 * cannot grow it goes on elsewhere; the probe cannot.)
 */
static void place_beside_heap(struct text_placing *pl)
{
	const struct space *strict = pl->islands.space;
	struct text_module *m = pl->m;
	struct space lax = {0};

	for (uint32_t i = 0; i < m->plans.nsites; i++) {
		const struct wire_site *ws = m->use[i];

		if (ws->class != WIRE_CLASS_S1 || m->island[i] || (ws->alt && !pl->job->live))
			continue;
		if (!lax.taken && space_read(&lax, SPACE_HEAP_LEAST))
			return;
		pl->islands.space = &lax;
		m->island[i] = find_island(pl, ws);
	}
	pl->islands.space = strict;
	if (lax.taken)
		space_free(&lax);
}

static void place_islands(struct text_placing *pl)
{
	struct text_module *m = pl->m;

	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < m->plans.nsites; i++) {
			const struct wire_site *ws = m->use[i];
			bool narrow = (ws->rel_mask & 0xffff00) == 0xffff00;

			if (ws->class == WIRE_CLASS_S1 && narrow == (pass == 0))
				m->island[i] = find_island(pl, ws);
		}
	}
	place_beside_heap(pl);
	islands_map(&pl->islands);
	for (uint32_t i = 0; i < m->plans.nsites; i++) {
		bool mapped = m->island[i] && islands_mapped(&pl->islands, m->island[i]);

		if (m->use[i]->class == WIRE_CLASS_S1 && !mapped && !use_window(pl, i))
			text_refuse(pl, i, SONDE_E_NO_SPACE_NEAR);
		else if (m->use[i]->class == WIRE_CLASS_W && pl->job->live)
			text_refuse(pl, i, SONDE_E_TOO_SHORT);
	}
}

/* How much room the detours take; each one's offset. */
static uint64_t measure_pool(struct text_module *m)
{
	uint64_t size = sizeof(uint64_t); /* the stub's address comes first */

	for (uint32_t i = 0; i < m->plans.nsites; i++) {
		const struct wire_site *alt = other_plan(m, m->use[i]);
		uint64_t len = m->use[i]->code_len;

		if (alt && alt->code_len > len)
			len = alt->code_len;
		m->detour[i] = ALIGN_UP(size, 16);
		size = m->detour[i] + len;
	}
	return ALIGN_UP(size, PAGE);
}

static int place_pool(struct text_placing *pl)
{
	struct text_module *m = pl->m;
	uint64_t start = m->image.bias + m->image.span_start;
	uint64_t end = m->image.bias + m->image.span_end;
	uint64_t lo = end > TEXT_REACH ? end - TEXT_REACH : 0, hi = start + TEXT_REACH;

	pl->pool_size = measure_pool(m);
	for (int tries = 0; tries < 8; tries++) {
		long p;

		pl->pool = space_find(&pl->space, pl->pool_size, lo, hi, start);
		if (!pl->pool)
			break;
		p = sys6(SYS_mmap, pl->pool, pl->pool_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if ((uint64_t)p == pl->pool) {
			for (uint32_t i = 0; i < m->plans.nsites; i++)
				m->detour[i] += pl->pool;
			return 0;
		}
		if (!sys_failed(p))
			sys2(SYS_munmap, p, pl->pool_size);
		/* somebody else was quicker: look again */
		space_free(&pl->space);
		if (space_read(&pl->space, SPACE_HEAP_ROOM))
			break;
	}
	pl->pool = 0;
	return SONDE_E_NO_SPACE_NEAR;
}

int text_place(struct text_placing *pl)
{
	int err = place_pool(pl);

	if (err)
		return err;
	err = islands_open(&pl->islands, pl->m->plans.nsites);
	if (err)
		return err;
	/* the pool is taken now: islands must see it */
	space_free(&pl->space);
	err = space_read(&pl->space, SPACE_HEAP_ROOM);
	if (err)
		return err;
	pl->islands.space = &pl->space;
	place_islands(pl);
	return 0;
}

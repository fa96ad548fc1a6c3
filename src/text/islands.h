/* SPDX-License-Identifier: MIT */
/*
 * Islands: the jumps at the scattered addresses that punned instructions (class S1) lead to.
 *
 * Functions that begin alike have their islands as close together as they are themselves, often in
 * one page. So a page that has islands of an earlier batch may take those of a later one: they are
 * written into a copy, which then takes the page's place in one step, while threads run in it.
 */
#ifndef SONDE_TEXT_ISLANDS_H
#define SONDE_TEXT_ISLANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/space.h"

/* jmp rel32, or jmp *0(%rip) and the address where the detour is out of its reach */
#define ISLAND_SIZE 14

struct island_page {
	uint64_t addr;	   /* 0 = free entry of the table */
	uint32_t next;	   /* where the next island may start */
	bool failed;	   /* the page could not be mapped */
	bool old;	   /* has islands of earlier batches */
	bool dirty;	   /* gets one of this batch */
	uint8_t *copy;	   /* of an old page, until it is sealed */
	uint64_t used[64]; /* a bit per byte */
};

struct islands {
	const struct space *space; /* read when all our own tables are mapped */
	struct island_page *page;  /* open hash by address */
	size_t npages, mask, mem_size;
	uint64_t *order; /* addresses of the pages, in order of creation; sorted by islands_map() */
	size_t order_size;
	uint64_t recent[16]; /* pages of wide windows, to be filled up first */
	unsigned int nrecent;
};

/* Room for up to @nsites islands. 0 or -ENOMEM. */
int islands_open(struct islands *is, size_t nsites);
void islands_close(struct islands *is);

/*
 * An address `from + v`, (v & mask) == value as a 32-bit displacement, for an island that
 * collides with nothing. 0 if every one is taken.
 */
uint64_t islands_place(struct islands *is, uint64_t from, uint32_t mask, uint32_t value);

/* Map every page, writable. A run that cannot be mapped is marked failed. */
void islands_map(struct islands *is);
/* Whether the island at @addr lies in mapped pages. */
bool islands_mapped(struct islands *is, uint64_t addr);
/* Where to write the byte of an island that shall be at @addr. */
uint8_t *islands_at(struct islands *is, uint64_t addr);
/* Make every page executable and read-only: 0, or SONDE_E_PROTECT. */
int islands_seal(struct islands *is);
/* Unmap everything: nothing jumps here. */
void islands_drop(struct islands *is);
/* It is sealed and stays: later batches may use what room is left in its pages. */
void islands_keep(const struct islands *is);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Changing live code, one batch at a time.
 */
#ifndef SONDE_TEXT_POKE_H
#define SONDE_TEXT_POKE_H

#include <stdint.h>

/* One aligned quadword of code: compare with @old, replace by @new. */
struct poke {
	uint64_t addr;
	uint64_t old;
	uint64_t new;
	uint64_t done; /* by poke_batch() */
};

/* Prepare once per process, before it has threads: lets poke_batch() synchronize cores. */
void poke_init(void);

/*
 * Replace @n quadwords inside [start, end), a range of pages of one executable mapping that is
 * readable and executable before and after. `done` says which were replaced: not those whose
 * old bytes differ. 0, or SONDE_E_PROTECT with nothing changed.
 */
int poke_batch(struct poke *p, uint32_t n, uint64_t start, uint64_t end);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Does the stack of a sleeping thread hold an address in retired code? Context: any thread; no
 * libc.
 */
#ifndef SONDE_SYNC_STACK_H
#define SONDE_SYNC_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/code.h"

/* Memory that may be stacks: readable and writable, joined where one thing goes on. */
struct sync_areas {
	struct sync_area {
		uint64_t start, end;
	} * area; /* ascending */
	size_t n, size;
};

#define SYNC_STACK_WORDS 8192

int sync_areas_read(struct sync_areas *as);
void sync_areas_free(struct sync_areas *as);

bool sync_code_holds(const struct sync_code *q, uint64_t addr);

/*
 * Read the stack from @sp on, and those that signal frames in it lead to; @words has
 * SYNC_STACK_WORDS. 0: no address in the code. -EBUSY: there is one, or it cannot be told.
 * -EOPNOTSUPP: this process may not read itself.
 */
int sync_stack_search(const struct sync_code *q, const struct sync_areas *as, uint64_t sp,
		      uint64_t *words);

#endif

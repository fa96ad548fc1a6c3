/* SPDX-License-Identifier: MIT */
/*
 * The address space of this process as a sorted list of taken ranges.
 */
#ifndef SONDE_TEXT_SPACE_H
#define SONDE_TEXT_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct space_range {
	uint64_t start, end;
};

struct space {
	struct space_range *taken;
	size_t n;
	size_t mem_size;
};

/* Bytes behind the program break that are left to the heap: what it should have, and what it must.
 */
#define SPACE_HEAP_ROOM (256ull << 20)
#define SPACE_HEAP_LEAST (16ull << 20)

/*
 * Read /proc/self/maps; to the mappings it adds what must stay free for others: low memory,
 * the room below the stack and @heap bytes that the heap grows into. 0 or -ENOMEM.
 */
int space_read(struct space *sp, uint64_t heap);
void space_free(struct space *sp);

/* Nothing in [start, end). */
bool space_is_free(const struct space *sp, uint64_t start, uint64_t end);

/* Page-aligned start of a free range of @size bytes in [lo, hi), nearest below @near if there is
 * one, else nearest above; 0 if none. */
uint64_t space_find(const struct space *sp, uint64_t size, uint64_t lo, uint64_t hi, uint64_t near);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says about an address, and room that is certainly free.
 */
#ifndef TEST_TEXT_MAPS_H
#define TEST_TEXT_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Nothing is ever mapped near here: between the heap of a program and its libraries. */
#define FREE_LAND 0x200000000000ull

/* Permissions of the mapping that holds @addr ("r-xp"), "" if there is none. */
static inline const char *maps_at(uint64_t addr)
{
	static char perms[8];
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		found = sscanf(line, "%lx-%lx %7s", &start, &end, perms) == 3 && addr >= start &&
			addr < end;
	}
	if (f)
		fclose(f);
	return found ? perms : "";
}

/* Some mapping is writable and executable. */
static inline bool maps_any_wx(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, " rwx") != NULL;
	if (f)
		fclose(f);
	return found;
}

static inline bool maps_take(uint64_t addr, uint64_t size, int prot)
{
	void *p = mmap((void *)addr, size, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	return p == (void *)addr;
}

#endif

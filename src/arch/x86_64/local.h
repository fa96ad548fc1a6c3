/* SPDX-License-Identifier: MIT */
/*
 * Read-modify-write on memory that one thread alone writes, in one instruction without a lock
 * prefix.
 *
 * A signal arrives between instructions, so a handler of the same thread sees each operation
 * done or not begun. Other processors may read the memory: the store is an ordinary one, and
 * this machine keeps ordinary stores in order, so local_cmpxchg* publishes what was written
 * before it (release). Two threads must never use these on one location.
 * Context: hit, signal-safe, the owning thread.
 */
#ifndef SONDE_ARCH_X86_64_LOCAL_H
#define SONDE_ARCH_X86_64_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

static inline void local_add64(uint64_t *p, uint64_t v)
{
	__asm__ volatile("addq %1, %0" : "+m"(*p) : "er"(v) : "cc");
}

static inline void local_add32(uint32_t *p, uint32_t v)
{
	__asm__ volatile("addl %1, %0" : "+m"(*p) : "ir"(v) : "cc");
}

/* Returns the value before. */
static inline uint64_t local_xadd64(uint64_t *p, uint64_t v)
{
	__asm__ volatile("xaddq %0, %1" : "+r"(v), "+m"(*p) : : "cc", "memory");
	return v;
}

/* Stores @v if *@p is *@expected; else *@expected becomes *@p. */
static inline bool local_cmpxchg64(uint64_t *p, uint64_t *expected, uint64_t v)
{
	bool done;

	__asm__ volatile("cmpxchgq %3, %0"
			 : "+m"(*p), "+a"(*expected), "=@ccz"(done)
			 : "r"(v)
			 : "memory");
	return done;
}

static inline bool local_cmpxchg32(uint32_t *p, uint32_t *expected, uint32_t v)
{
	bool done;

	__asm__ volatile("cmpxchgl %3, %0"
			 : "+m"(*p), "+a"(*expected), "=@ccz"(done)
			 : "r"(v)
			 : "memory");
	return done;
}

/* Lets a spinning processor rest for a moment. */
static inline void local_pause(void)
{
	__asm__ volatile("pause");
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Hits in the process that placed the probe, with handlers of its own: the stub that detours call,
 * and what handlers may change that a general-registers function does not.
 */
#ifndef SONDE_ARCH_LIVE_H
#define SONDE_ARCH_LIVE_H

#include <stdint.h>

#include "base/base.h"

struct sonde_hit;

/* What the pointer of a detour (WIRE_FIX_STUB32) leads to. Calls probe_hit(). */
SONDE_HIDDEN void arch_live_stub(void);

/* Handed in from above: src/probe. Whether hit->rip is to be gone to. */
SONDE_HIDDEN uint64_t probe_hit(struct sonde_hit *hit, uint32_t site);

/* Call run(a, b) and leave vector and x87 registers as they were. Hit, after arch_live_init(). */
SONDE_HIDDEN void arch_live_vectors(void (*run)(void *a, void *b), void *a, void *b);

/* How they are saved. */
enum arch_live_how { ARCH_LIVE_FXSAVE, ARCH_LIVE_XSAVE, ARCH_LIVE_XSAVEC, ARCH_LIVE_AVX };
/* AVX: fxsave and sixteen moves, where there is nothing but x87, SSE and AVX. */

/* Bits of the state components that are saved, bytes that they take. */
struct arch_live_area {
	uint32_t how; /* enum arch_live_how */
	uint32_t mask;
	uint64_t size;
};

extern struct arch_live_area arch_live_area SONDE_HIDDEN;

/* Look at the processor. @best: not better than this, for tests. */
void arch_live_init(enum arch_live_how best);

/* A thread-local variable of this thread, by its distance from the thread pointer. */
static inline int *arch_live_local(long distance)
{
#if defined(__x86_64__)
	uint64_t self;

	__asm__("mov %%fs:0, %0" : "=r"(self));
	return (int *)(self + (uint64_t)distance);
#else
#error "no src/arch for this machine yet"
#endif
}

#endif

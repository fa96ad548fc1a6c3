/* SPDX-License-Identifier: MIT */
/*
 * The operations of arch/x86_64/local.h for any machine: C11 atomics, stronger and slower than
 * needed. For the first build on a new architecture and for tests.
 */
#ifndef SONDE_ARCH_STUB_LOCAL_H
#define SONDE_ARCH_STUB_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

static inline void local_add64(uint64_t *p, uint64_t v)
{
	__atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}

static inline void local_add32(uint32_t *p, uint32_t v)
{
	__atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}

static inline uint64_t local_xadd64(uint64_t *p, uint64_t v)
{
	return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}

static inline bool local_cmpxchg64(uint64_t *p, uint64_t *expected, uint64_t v)
{
	return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_RELEASE,
					   __ATOMIC_RELAXED);
}

static inline bool local_cmpxchg32(uint32_t *p, uint32_t *expected, uint32_t v)
{
	return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_RELEASE,
					   __ATOMIC_RELAXED);
}

static inline void local_pause(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif

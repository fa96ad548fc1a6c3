/* SPDX-License-Identifier: MIT */
/*
 * C11 memory orders with the order in the name, over plain integers, so that one
 * declaration serves private and shared memory.
 *
 * The _signal forms order a thread only against its own signal handlers: they are one
 * instruction without a lock prefix where the machine has one (src/arch).
 */
#ifndef SONDE_BASE_ATOMIC_H
#define SONDE_BASE_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define fetch_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define fetch_add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define exchange_acquire(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define cas_acq_rel(p, expected, v)                                                                \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

/* For pairs where each side stores, then looks for the other: one of them must see the other. */
#define load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define fetch_add_seq_cst(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define fetch_sub_seq_cst(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define cas_seq_cst(p, expected, v)                                                                \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* A full fence; @word is any atomic word of the caller's. ThreadSanitizer knows no fences. */
#ifdef __SANITIZE_THREAD__
#define fence_seq_cst(word) ((void)fetch_add_seq_cst((word), 0))
#else
#define fence_seq_cst(word) __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

#define signal_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#endif

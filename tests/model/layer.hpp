/* SPDX-License-Identifier: MIT */
/*
 * The ground the two headers stand on in a model: Relacy's atomics under the compiler's builtins,
 * membarrier, signals, and the switch that weakens one line (a mutant).
 *
 * Every atomic access of include/sonde/reader.h and src/sync/grace.h is a macro over the
 * __atomic_ builtins. These are redefined here, so the headers compile unchanged but for the word's
 * type and the thread-local variable (adapt.py).
 *
 * membarrier(2) interrupts each running thread of the process, which executes a full fence at the
 * place between two instructions where the interrupt meets it, and the caller goes on when all
 * have. Here the writer lets the others run on for a while, then executes the fence in the other
 * thread's name, at the place where that thread is: between two of its accesses. Nothing else
 * passes between the two, no flag is polled. Only readers are interrupted: writers must not lean on
 * it.
 */
#ifndef MODEL_LAYER_HPP
#define MODEL_LAYER_HPP

#include <relacy/relacy.hpp>
#undef new

#include <stdbool.h>
#include <stdint.h>

#include "mutants.h"

#define MODEL_THREADS 4

/* What the models of this program know of the iteration that runs. */
struct model_state {
	rl::thread_info_base *info[MODEL_THREADS]; /* NULL: not begun yet */
	void (*fence_as)(rl::thread_info_base *thread);
	struct sonde_reader *self[MODEL_THREADS]; /* its record; not a reader: NULL */
	bool slow;				  /* no membarrier: readers fence */
	unsigned int signals[MODEL_THREADS];	  /* that may still interrupt it */
	void (*handler)(void *arg);
	void *arg;
};

extern struct model_state model;
extern enum mutant_id model_mutant; /* the one that is on */

#define model_is(mutant) (model_mutant == (mutant))

/* Let others run, and signals come. */
static inline void model_point(void)
{
	unsigned int i = rl::thread_index();

	if (!model.signals[i] || rl::rand(4))
		return;
	model.signals[i]--;
	model.handler(model.arg);
}

/* The same before a plain access, which is no point for Relacy. */
static inline void model_pause(void)
{
	rl::ctx().sched();
	model_point();
}

static inline void model_membarrier(void)
{
	unsigned int first = rl::rand(MODEL_THREADS);

	rl::atomic_thread_fence(rl::mo_seq_cst, $);
	for (unsigned int i = 0; i < MODEL_THREADS; i++) {
		unsigned int at = (first + i) % MODEL_THREADS;

		if (!model.self[at] || at == (unsigned int)rl::thread_index())
			continue;
		rl::ctx().sched();
		if (!model.info[at])
			continue;
		RL_LOG("membarrier: a reader is interrupted");
		model.fence_as(model.info[at]);
	}
	rl::atomic_thread_fence(rl::mo_seq_cst, $);
}

template <typename T>
static inline uint64_t model_load(const T *p, int order, rl::debug_info_param at)
{
	model_point();
	return p->load((rl::memory_order)order, at);
}

template <typename T>
static inline void model_store(T *p, uint64_t v, int order, rl::debug_info_param at)
{
	model_point();
	p->store(v, (rl::memory_order)order, at);
}

template <typename T>
static inline uint64_t model_fetch_add(T *p, uint64_t v, int order, rl::debug_info_param at)
{
	model_point();
	return p->fetch_add(v, (rl::memory_order)order, at);
}

template <typename T>
static inline bool model_cas(T *p, uint64_t *expected, uint64_t v, int success, int failure,
			     rl::debug_info_param at)
{
	model_point();
	return p->compare_exchange(rl::bool_t<false>(), *expected, v, (rl::memory_order)success,
				   (rl::memory_order)failure, at);
}

static inline void model_fence(rl::debug_info_param at)
{
	model_point();
	rl::atomic_thread_fence(rl::mo_seq_cst, at);
}

/* The compiler numbers its memory orders as Relacy does. */
static_assert(__ATOMIC_RELAXED == (int)rl::mo_relaxed, "");
static_assert(__ATOMIC_ACQUIRE == (int)rl::mo_acquire, "");
static_assert(__ATOMIC_RELEASE == (int)rl::mo_release, "");
static_assert(__ATOMIC_ACQ_REL == (int)rl::mo_acq_rel, "");
static_assert(__ATOMIC_SEQ_CST == (int)rl::mo_seq_cst, "");

#define __atomic_load_n(p, order) model_load((p), (order), $)
#define __atomic_store_n(p, v, order) model_store((p), (v), (order), $)
#define __atomic_fetch_add(p, v, order) model_fetch_add((p), (v), (order), $)
#define __atomic_compare_exchange_n(p, expected, v, weak, success, failure)                        \
	model_cas((p), (expected), (v), (success), (failure), $)
#define __atomic_thread_fence(order) model_fence($)

/* What mutants put in the place of cas_acq_rel(). */
#define cas_relaxed(p, expected, v)                                                                \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define cas_acquire(p, expected, v)                                                                \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)
#define cas_release(p, expected, v)                                                                \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define fetch_add_acquire(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQUIRE)
#define fetch_add_release(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELEASE)

/* As where readers must fence: NULL, so that every call takes the slow path. */
#define sonde_reader_self (model.slow ? NULL : model.self[rl::thread_index()])

#include "sync/grace.h"

#endif

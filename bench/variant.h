/* SPDX-License-Identifier: MIT */
/*
 * One way to protect readers, as the benchmarks see it. Each variant is an object file of its own
 * that inlines its enter and leave into the loops below.
 *
 * Readers: pairs, watch, enter, leave in a thread that has called attach. Writers: the rest.
 */
#ifndef BENCH_VARIANT_H
#define BENCH_VARIANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE 64

/* What a writer unlinks and frees. */
struct item {
	_Alignas(16) char node[48]; /* room for what the variant's defer needs */
	uint64_t state;
};

/* A reader that stays in sections until it is stopped. */
struct watch {
	_Alignas(LINE) const uint64_t *hot; /* what it looks at: published, never unlinked */
	uint32_t stop;
	_Alignas(LINE) uint64_t sections; /* so far */
};

struct variant {
	const char *name;
	bool no_membarrier;	/* to be measured where the system call fails */
	void (*start)(void);	/* once in a process; NULL: nothing to do */
	void (*attach)(void);	/* the calling thread will read; NULL: nothing to do */
	void (*idle)(void);	/* it will not for a while; NULL: nothing to say */
	void (*pairs)(long n);	/* enter and leave @n times; NULL: not of interest */
	void (*around)(long n); /* the same with a call of bench_nothing inside */
	void (*watch)(struct watch *w);
	uintptr_t (*enter)(void);	/* NULL: has no sections */
	void (*leave)(uintptr_t token); /* what enter has returned */
	void (*synchronize)(void);	/* NULL: has no grace periods */
	/* bench_item_free(@item) after a grace period; wait for all of them. NULL: cannot */
	void (*defer)(struct item *item);
	void (*barrier)(void);
	uint64_t (*cookie)(void); /* NULL: has no cookies */
	void (*wait)(uint64_t cookie);
	void (*worker)(bool on); /* callbacks run by themselves; NULL: cannot be chosen */
};

extern const struct variant *const bench_variants[];
extern const size_t bench_nvariants;

/* What is missing from the tables, and why. */
void bench_notes(void);

/* The benchmark that calls defer has it. */
void bench_item_free(struct item *item);

/* An aligned object, all 0, of the calling thread's. */
void *bench_new(size_t size);

/* What a probe's handler costs at the least: a call that the compiler does not see through. */
extern void (*volatile bench_nothing)(void);

static inline void compiler_barrier(void)
{
	__asm__ volatile("" ::: "memory");
}

typedef uintptr_t variant_enter(void);
typedef void variant_leave(uintptr_t token);

static inline __attribute__((always_inline)) void variant_pairs(long n, variant_enter *enter,
								variant_leave *leave)
{
	uintptr_t token;

	for (long i = 0; i < n; i++) {
		token = enter();
		compiler_barrier();
		leave(token);
		compiler_barrier();
	}
}

static inline __attribute__((always_inline)) void variant_around(long n, variant_enter *enter,
								 variant_leave *leave)
{
	uintptr_t token;

	for (long i = 0; i < n; i++) {
		token = enter();
		bench_nothing();
		leave(token);
		compiler_barrier();
	}
}

static inline __attribute__((always_inline)) void
variant_watch(struct watch *w, variant_enter *enter, variant_leave *leave)
{
	uint64_t sections = 0, value;
	uintptr_t token;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < 16; i++) {
			token = enter();
			value = *__atomic_load_n(&w->hot, __ATOMIC_ACQUIRE);
			__asm__ volatile("" ::"r"(value) : "memory");
			leave(token);
		}
		sections += 16;
		__atomic_store_n(&w->sections, sections, __ATOMIC_RELAXED);
	}
}

#endif

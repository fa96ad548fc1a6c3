/* SPDX-License-Identifier: MIT */
/*
 * Reader-writer locks: the C library's, and one with a counter per processor. The writer's half of
 * the latter: raise the flag, wait until no counter counts anybody, lower it.
 *
 * The reader adds with a lock prefix, because it may be moved to another processor between finding
 * its counter and adding: the number is a hint. So its addition is a full fence, and either it sees
 * the flag or the writer sees the addition.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/rseq.h>
#include <unistd.h>

#include "harness.h"
#include "variant.h"

#define CPUS_MAX 1024

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct count {
	_Alignas(LINE) uint64_t n;
} count[CPUS_MAX];
static uint32_t writing;
static long ncpus;

static inline uintptr_t enter_lock(void)
{
	pthread_rwlock_rdlock(&lock);
	return 0;
}

static inline void leave_lock(uintptr_t token)
{
	(void)token;
	pthread_rwlock_unlock(&lock);
}

static inline struct count *count_here(void)
{
	const struct rseq *rseq =
		(const struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);

	return &count[__atomic_load_n(&rseq->cpu_id, __ATOMIC_RELAXED)];
}

static __attribute__((noinline)) struct count *enter_slowly(struct count *c)
{
	while (__atomic_load_n(&writing, __ATOMIC_SEQ_CST)) {
		__atomic_fetch_sub(&c->n, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&writing, __ATOMIC_ACQUIRE))
			sched_yield();
		c = count_here();
		__atomic_fetch_add(&c->n, 1, __ATOMIC_SEQ_CST);
	}
	return c;
}

static inline uintptr_t enter_percpu(void)
{
	struct count *c = count_here();

	__atomic_fetch_add(&c->n, 1, __ATOMIC_SEQ_CST);
	if (__builtin_expect(__atomic_load_n(&writing, __ATOMIC_SEQ_CST), 0))
		c = enter_slowly(c);
	return (uintptr_t)c;
}

static inline void leave_percpu(uintptr_t token)
{
	__atomic_fetch_sub(&((struct count *)token)->n, 1, __ATOMIC_SEQ_CST);
}

static void pairs_lock(long n)
{
	variant_pairs(n, enter_lock, leave_lock);
}

static void around_lock(long n)
{
	variant_around(n, enter_lock, leave_lock);
}

static void pairs_percpu(long n)
{
	variant_pairs(n, enter_percpu, leave_percpu);
}

static void around_percpu(long n)
{
	variant_around(n, enter_percpu, leave_percpu);
}

static void watch_percpu(struct watch *w)
{
	variant_watch(w, enter_percpu, leave_percpu);
}

static void start_percpu(void)
{
	if (!__rseq_size)
		bench_fail("per-CPU rwlock: rseq is not registered");
	ncpus = sysconf(_SC_NPROCESSORS_CONF);
	if (ncpus < 1 || ncpus > CPUS_MAX)
		bench_fail("per-CPU rwlock: too many processors");
}

static uint64_t readers(void)
{
	uint64_t n = 0;

	for (long i = 0; i < ncpus; i++)
		n += __atomic_load_n(&count[i].n, __ATOMIC_SEQ_CST);
	return n;
}

static void write_lock_unlock(void)
{
	__atomic_store_n(&writing, 1, __ATOMIC_SEQ_CST);
	while (readers())
		sched_yield();
	__atomic_store_n(&writing, 0, __ATOMIC_SEQ_CST);
}

const struct variant variant_rwlock = {
	.name = "pthread rwlock",
	.pairs = pairs_lock,
	.around = around_lock,
};

const struct variant variant_percpu = {
	.name = "per-CPU rwlock",
	.start = start_percpu,
	.pairs = pairs_percpu,
	.around = around_percpu,
	.watch = watch_percpu,
	.enter = enter_percpu,
	.leave = leave_percpu,
	.synchronize = write_lock_unlock,
};

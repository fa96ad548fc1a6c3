/* SPDX-License-Identifier: MIT */
/*
 * SRCU's shape: of two counters of sections begun and two of sections ended, the domain's phase
 * says which to use; a writer waits until the phase not in use has as many ended as begun, flips,
 * and waits again. Counters per thread instead of per processor, for a thread cannot forbid
 * preemption. With a full fence on each side of a section, as the seed's SRCU; and without, the
 * writer's membarrier doing that for all (SRCU-fast).
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "variant.h"

#define DOMAINS 56
#define THREADS_MAX 4096

struct reader {
	struct {
		uint64_t begun[2], ended[2];
	} domain[DOMAINS];
};

struct domain {
	uint32_t index, phase;
};

static struct domain *domain;
static __thread struct reader *self __attribute__((tls_model("initial-exec")));
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reader *threads[THREADS_MAX];
static size_t nthreads;

static void attach(void)
{
	self = bench_new(sizeof(*self));
	pthread_mutex_lock(&lock);
	if (nthreads == THREADS_MAX)
		bench_fail("SRCU: too many threads");
	threads[nthreads++] = self;
	pthread_mutex_unlock(&lock);
}

static inline void add_one(uint64_t *n)
{
	__atomic_store_n(n, *n + 1, __ATOMIC_RELEASE);
}

static inline uintptr_t enter(void)
{
	uint32_t phase = __atomic_load_n(&domain->phase, __ATOMIC_ACQUIRE) & 1;

	add_one(&self->domain[domain->index].begun[phase]);
	compiler_barrier();
	return phase;
}

static inline void leave(uintptr_t phase)
{
	compiler_barrier();
	add_one(&self->domain[domain->index].ended[phase]);
}

static inline uintptr_t enter_fence(void)
{
	uintptr_t phase = enter();

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return phase;
}

static inline void leave_fence(uintptr_t phase)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	leave(phase);
}

static void fence_here(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void fence_all(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		bench_fail("membarrier");
}

/* Ended first: what began after that look cannot have ended in it. */
static bool drained(uint32_t phase, void (*fence)(void))
{
	uint64_t begun = 0, ended = 0;

	for (size_t i = 0; i < nthreads; i++)
		ended += __atomic_load_n(&threads[i]->domain[domain->index].ended[phase],
					 __ATOMIC_ACQUIRE);
	fence();
	for (size_t i = 0; i < nthreads; i++)
		begun += __atomic_load_n(&threads[i]->domain[domain->index].begun[phase],
					 __ATOMIC_ACQUIRE);
	return begun == ended;
}

static void synchronize_by(void (*fence)(void))
{
	uint32_t phase;

	pthread_mutex_lock(&lock);
	phase = domain->phase & 1;
	fence();
	while (!drained(phase ^ 1, fence))
		sched_yield();
	__atomic_store_n(&domain->phase, domain->phase + 1, __ATOMIC_SEQ_CST);
	fence();
	while (!drained(phase, fence))
		sched_yield();
	fence();
	pthread_mutex_unlock(&lock);
}

static void start_fence(void)
{
	domain = bench_new(sizeof(*domain));
	domain->index = 3;
}

static void start(void)
{
	start_fence();
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		bench_fail("membarrier");
}

static void pairs(long n)
{
	variant_pairs(n, enter, leave);
}

static void around(long n)
{
	variant_around(n, enter, leave);
}

static void pairs_fence(long n)
{
	variant_pairs(n, enter_fence, leave_fence);
}

static void around_fence(long n)
{
	variant_around(n, enter_fence, leave_fence);
}

static void watch(struct watch *w)
{
	variant_watch(w, enter, leave);
}

static void watch_fence(struct watch *w)
{
	variant_watch(w, enter_fence, leave_fence);
}

static void synchronize(void)
{
	synchronize_by(fence_all);
}

static void synchronize_fence(void)
{
	synchronize_by(fence_here);
}

const struct variant variant_srcu = {
	.name = "SRCU-like, membarrier",
	.start = start,
	.attach = attach,
	.pairs = pairs,
	.around = around,
	.watch = watch,
	.enter = enter,
	.leave = leave,
	.synchronize = synchronize,
};

const struct variant variant_srcu_fence = {
	.name = "seed: SRCU-like, fences",
	.start = start_fence,
	.attach = attach,
	.pairs = pairs_fence,
	.around = around_fence,
	.watch = watch_fence,
	.enter = enter_fence,
	.leave = leave_fence,
	.synchronize = synchronize_fence,
};

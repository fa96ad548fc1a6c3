/* SPDX-License-Identifier: MIT */
/*
 * What nothing can be cheaper than: an empty loop; and a counter of the thread's own, found by a
 * pointer in thread-local storage and held by compiler barriers only. Once at a fixed place, once
 * at a place that an object tells at run time, as every design with domains must have it. Nobody
 * could know from these counters alone when a grace period is over: the second section looks like
 * the first.
 *
 * And for writers, membarrier(2) itself: no grace period that does without fences in readers can be
 * shorter.
 */
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "variant.h"

struct counters {
	uint64_t fixed;
	uint64_t word[56];
};

struct domain {
	uint32_t index;
};

__thread struct counters *ideal_self __attribute__((tls_model("initial-exec")));
static struct domain *domain;

static void attach(void)
{
	ideal_self = bench_new(sizeof(*ideal_self));
}

static void start_indexed(void)
{
	domain = bench_new(sizeof(*domain));
	domain->index = 3;
}

static inline uintptr_t enter_nothing(void)
{
	return 0;
}

static inline void leave_nothing(uintptr_t token)
{
	(void)token;
}

static inline uintptr_t enter_fixed(void)
{
	ideal_self->fixed++;
	compiler_barrier();
	return 0;
}

static inline void leave_fixed(uintptr_t token)
{
	(void)token;
	compiler_barrier();
	ideal_self->fixed--;
}

static inline uintptr_t enter_indexed(void)
{
	ideal_self->word[domain->index]++;
	compiler_barrier();
	return 0;
}

static inline void leave_indexed(uintptr_t token)
{
	(void)token;
	compiler_barrier();
	ideal_self->word[domain->index]--;
}

static void pairs_nothing(long n)
{
	variant_pairs(n, enter_nothing, leave_nothing);
}

static void around_nothing(long n)
{
	variant_around(n, enter_nothing, leave_nothing);
}

static void pairs_fixed(long n)
{
	variant_pairs(n, enter_fixed, leave_fixed);
}

static void around_fixed(long n)
{
	variant_around(n, enter_fixed, leave_fixed);
}

static void pairs_indexed(long n)
{
	variant_pairs(n, enter_indexed, leave_indexed);
}

static void around_indexed(long n)
{
	variant_around(n, enter_indexed, leave_indexed);
}

static void watch_indexed(struct watch *w)
{
	variant_watch(w, enter_indexed, leave_indexed);
}

static void start_membarrier(void)
{
	start_indexed();
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		bench_fail("membarrier");
}

static void membarrier(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		bench_fail("membarrier");
}

const struct variant variant_empty = {
	.name = "empty loop",
	.pairs = pairs_nothing,
	.around = around_nothing,
};

const struct variant variant_ideal = {
	.name = "ideal, fixed counter",
	.attach = attach,
	.pairs = pairs_fixed,
	.around = around_fixed,
};

const struct variant variant_ideal_indexed = {
	.name = "ideal, indexed counter",
	.start = start_indexed,
	.attach = attach,
	.pairs = pairs_indexed,
	.around = around_indexed,
};

const struct variant variant_membarrier = {
	.name = "membarrier(2) itself",
	.start = start_membarrier,
	.attach = attach,
	.watch = watch_indexed,
	.synchronize = membarrier,
};

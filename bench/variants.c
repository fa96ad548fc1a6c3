/* SPDX-License-Identifier: MIT */
/*
 * The variants there are, in the order of the tables: first those that the others are measured by.
 */
#include "variant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

extern const struct variant variant_empty, variant_ideal, variant_ideal_indexed, variant_ours,
	variant_ours_called, variant_ours_fence, variant_refcount_private, variant_refcount_shared,
	variant_rwlock, variant_percpu, variant_srcu_fence, variant_srcu, variant_membarrier;
#ifdef BENCH_URCU
extern const struct variant variant_memb, variant_mb, variant_bp, variant_qsbr;
#endif

const struct variant *const bench_variants[] = {
	&variant_empty,
	&variant_ideal,
	&variant_ideal_indexed,
	&variant_membarrier,
	&variant_ours,
	&variant_ours_called,
	&variant_ours_fence,
	&variant_refcount_private,
	&variant_refcount_shared,
	&variant_rwlock,
	&variant_percpu,
	&variant_srcu_fence,
	&variant_srcu,
#ifdef BENCH_URCU
	&variant_memb,
	&variant_mb,
	&variant_bp,
	&variant_qsbr,
#endif
};

const size_t bench_nvariants = sizeof(bench_variants) / sizeof(bench_variants[0]);

void *bench_new(size_t size)
{
	void *p = aligned_alloc(LINE, (size + LINE - 1) / LINE * LINE);

	if (!p)
		bench_fail("out of memory");
	return memset(p, 0, size);
}

void bench_notes(void)
{
#ifndef BENCH_URCU
	printf("liburcu's flavours: skipped, not installed when this was built (make "
	       "bench-deps)\n");
#endif
	if (bench_cpus() < 2)
		printf("a thread beside: skipped, there is one processor\n");
	printf("-: has none, too short to tell, or the thread beside never had its processor to "
	       "itself\n");
}

static void nothing(void)
{
}

void (*volatile bench_nothing)(void) = nothing;

/* SPDX-License-Identifier: MIT */
/*
 * Before: a reader counts itself in and out of the object by atomic additions. Shared by all
 * readers, as it was; and one line for each thread, which shows what the lock prefix alone costs.
 */
#include "variant.h"

struct count {
	_Alignas(LINE) uint64_t n;
};

static struct count shared;
static __thread struct count *self;

static void attach(void)
{
	self = bench_new(sizeof(*self));
}

static inline uintptr_t enter_shared(void)
{
	__atomic_fetch_add(&shared.n, 1, __ATOMIC_ACQ_REL);
	return 0;
}

static inline void leave_shared(uintptr_t token)
{
	(void)token;
	__atomic_fetch_sub(&shared.n, 1, __ATOMIC_ACQ_REL);
}

static inline uintptr_t enter_private(void)
{
	__atomic_fetch_add(&self->n, 1, __ATOMIC_ACQ_REL);
	return 0;
}

static inline void leave_private(uintptr_t token)
{
	(void)token;
	__atomic_fetch_sub(&self->n, 1, __ATOMIC_ACQ_REL);
}

static void pairs_shared(long n)
{
	variant_pairs(n, enter_shared, leave_shared);
}

static void around_shared(long n)
{
	variant_around(n, enter_shared, leave_shared);
}

static void pairs_private(long n)
{
	variant_pairs(n, enter_private, leave_private);
}

static void around_private(long n)
{
	variant_around(n, enter_private, leave_private);
}

const struct variant variant_refcount_shared = {
	.name = "before: refcount, shared line",
	.pairs = pairs_shared,
	.around = around_shared,
};

const struct variant variant_refcount_private = {
	.name = "refcount, private line",
	.attach = attach,
	.pairs = pairs_private,
	.around = around_private,
};

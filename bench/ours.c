/* SPDX-License-Identifier: MIT */
/*
 * Sonde's domains, used as a program uses them: <sonde/domain.h> and the shared library. Inlined,
 * by calls (as from a language that cannot inline C), and where readers must fence.
 */
#include <sonde/domain.h>

#include "harness.h"
#include "variant.h"

static struct sonde_domain *domain;

static inline uintptr_t enter(void)
{
	sonde_domain_enter(domain);
	return 0;
}

static inline void leave(uintptr_t token)
{
	(void)token;
	sonde_domain_leave(domain);
}

static inline uintptr_t enter_called(void)
{
	sonde_reader_enter(domain);
	return 0;
}

static inline void leave_called(uintptr_t token)
{
	(void)token;
	sonde_reader_leave(domain);
}

static void start(void)
{
	if (sonde_domain_create(&domain, NULL))
		bench_fail("sonde_domain_create");
}

/* Only so long as there is no record to be found do readers fence. */
static void start_fencing(void)
{
	start();
	sonde_domain_enter(domain);
	sonde_domain_leave(domain);
	if (sonde_reader_self)
		bench_fail("membarrier is denied, and readers do not fence");
}

static void pairs(long n)
{
	variant_pairs(n, enter, leave);
}

static void around(long n)
{
	variant_around(n, enter, leave);
}

static void pairs_called(long n)
{
	variant_pairs(n, enter_called, leave_called);
}

static void around_called(long n)
{
	variant_around(n, enter_called, leave_called);
}

static void watch(struct watch *w)
{
	variant_watch(w, enter, leave);
}

static void synchronize(void)
{
	if (sonde_domain_synchronize(domain))
		bench_fail("sonde_domain_synchronize");
}

static void run(struct sonde_deferred *node)
{
	bench_item_free((struct item *)((char *)node - offsetof(struct item, node)));
}

static void defer(struct item *item)
{
	_Static_assert(sizeof(struct sonde_deferred) <= sizeof(item->node), "room in an item");
	sonde_domain_call(domain, (struct sonde_deferred *)item->node, run);
}

static void barrier(void)
{
	if (sonde_domain_barrier(domain))
		bench_fail("sonde_domain_barrier");
}

static uint64_t cookie(void)
{
	return sonde_domain_cookie(domain);
}

static void wait_for(uint64_t n)
{
	if (sonde_domain_wait(domain, n, SONDE_FOREVER))
		bench_fail("sonde_domain_wait");
}

static void worker(bool on)
{
	if (on ? sonde_domain_worker_start(domain) : sonde_domain_worker_stop(domain))
		bench_fail("no worker");
}

const struct variant variant_ours = {
	.name = "ours, inlined",
	.start = start,
	.pairs = pairs,
	.around = around,
	.watch = watch,
	.enter = enter,
	.leave = leave,
	.synchronize = synchronize,
	.defer = defer,
	.barrier = barrier,
	.cookie = cookie,
	.wait = wait_for,
	.worker = worker,
};

const struct variant variant_ours_called = {
	.name = "ours, called",
	.start = start,
	.pairs = pairs_called,
	.around = around_called,
};

const struct variant variant_ours_fence = {
	.name = "ours, no membarrier",
	.no_membarrier = true,
	.start = start_fencing,
	.pairs = pairs,
	.around = around,
	.watch = watch,
	.enter = enter,
	.leave = leave,
	.synchronize = synchronize,
};

/* SPDX-License-Identifier: MIT */
/*
 * A flavour of liburcu, inlined as its own programs have it. Compiled once for each:
 * URCU_HEADER, URCU_VARIANT and URCU_NAME say which.
 */
#define _LGPL_SOURCE
#define URCU_INLINE_SMALL_FUNCTIONS
#define URCU_API_MAP
#include URCU_HEADER

#include "variant.h"

static inline uintptr_t enter(void)
{
	rcu_read_lock();
	return 0;
}

/* The announcement is what a section costs in the QSBR flavour; nothing in the others. */
static inline void leave(uintptr_t token)
{
	(void)token;
	rcu_read_unlock();
	rcu_quiescent_state();
}

static void attach(void)
{
	rcu_register_thread();
}

static void idle(void)
{
	rcu_thread_offline();
}

static void pairs(long n)
{
	variant_pairs(n, enter, leave);
}

static void around(long n)
{
	variant_around(n, enter, leave);
}

static void watch(struct watch *w)
{
	variant_watch(w, enter, leave);
}

static void synchronize(void)
{
	synchronize_rcu();
}

static void run(struct rcu_head *head)
{
	bench_item_free((struct item *)((char *)head - offsetof(struct item, node)));
}

static void defer(struct item *item)
{
	_Static_assert(sizeof(struct rcu_head) <= sizeof(item->node), "room in an item");
	call_rcu((struct rcu_head *)item->node, run);
}

static void barrier(void)
{
	rcu_barrier();
}

const struct variant URCU_VARIANT = {
	.name = URCU_NAME,
	.attach = attach,
	.idle = idle,
	.pairs = pairs,
	.around = around,
	.watch = watch,
	.enter = enter,
	.leave = leave,
	.synchronize = synchronize,
	.defer = defer,
	.barrier = barrier,
};

/* SPDX-License-Identifier: MIT */
/*
 * Hit dispatch: from a site to the programs of its actions.
 *
 * Nesting. Our own code calls nothing that could be probed, so a hit inside a hit can only come
 * from a signal handler of the same thread. It is a hit like any other and gets scratch memory
 * of its own level. A handler that leaves by siglongjmp leaves its level behind; when the levels
 * run out, those whose stack frame has been abandoned are given back.
 *
 * Context: hit.
 */
#include "hit/hit.h"

#include "arch/local.h"
#include "base/atomic.h"
#include "base/base.h"

struct hit_runtime hit_rt;

/* Levels whose hit lies below the current stack pointer can never be returned to. A hit on an
 * alternate stack may lie anywhere; it is judged only when no level is left. */
SONDE_HIT static bool levels_repair(struct hit_thread *t, uint64_t sp)
{
	uint32_t depth = t->depth;

	while (depth && t->level_sp[depth - 1] <= sp)
		depth--;
	if (depth == t->depth)
		return false;
	t->depth = depth;
	return true;
}

SONDE_HIT static void run_actions(struct hit_thread *t, struct wire_ctx *ctx,
				  const struct wire_site *ws)
{
	const struct wire_action *a = &hit_rt.action[ws->act_off];

	for (uint32_t i = 0; i < ws->nact; i++, a++) {
		const struct wire_prog *prog = &hit_rt.prog[a->prog];

		if (prog->fast_map) {
			act_aggregate(&t->act, prog->fast_map - 1, NULL, 1);
			continue;
		}
		ctx->func = a->func;
		ctx->probe = a->probe;
		act_run(&t->act, prog, ctx);
	}
}

/* One addition in the thread's own block; a signal may come before or behind it. False: the entry
 * is stale after a clear(), or there is no block: the long way. */
SONDE_HIT static bool count_fast(const struct hit_fast *f)
{
	struct hit_thread *t = hit_thread();
	struct wire_block *b;
	struct wire_entry *e;
	uint32_t epoch;

	if (unlikely(!t))
		return false;
	b = t->act.block;
	e = wire_at(b, f->off, struct wire_entry);
	epoch = load_relaxed(&e->epoch);
	if (unlikely(epoch < load_relaxed(&f->map->clear_epoch) ||
		     epoch < load_relaxed(&f->map->zero_epoch)))
		return false;
	local_add64((uint64_t *)(e + 1), 1);
	local_add64(&b->hits, 1);
	return true;
}

SONDE_HIT void sonde_hit(struct wire_ctx *ctx, uint32_t site)
{
	const struct hit_fast *fast = &hit_rt.fast[site];
	struct wire_session *s = hit_rt.host.session;
	const struct wire_site *ws;
	struct hit_thread *t;
	uint32_t level;

	if (fast->off && load_relaxed(&s->state) != WIRE_ENDED && count_fast(fast))
		return;
	ws = &hit_rt.site[site];
	if (unlikely(ws->internal))
		hit_rt.internal[ws->internal](ctx);
	if (!ws->nact || load_relaxed(&s->state) == WIRE_ENDED)
		return;
	t = hit_thread();
	if (unlikely(!t)) {
		fetch_add_relaxed(&s->unrecorded, 1);
		return;
	}
	level = t->depth;
	if (unlikely(level >= HIT_LEVELS)) {
		if (!levels_repair(t, ctx->reg[WIRE_REG_SP])) {
			local_add64(&t->act.block->missed, 1);
			return;
		}
		level = t->depth;
	}
	t->level_sp[level] = ctx->reg[WIRE_REG_SP];
	t->depth = level + 1;
	signal_barrier();

	ctx->reg[WIRE_REG_PC] = hit_rt.site_addr[site];
	ctx->scratch = (uint64_t)t->scratch + level * hit_rt.max_scratch;
	local_add64(&t->act.block->hits, 1);
	run_actions(t, ctx, ws);

	signal_barrier();
	t->depth = level;
}

/* SPDX-License-Identifier: MIT */
/*
 * A hit: from a site's number to the handlers of its probes.
 *
 * One section of the domain covers the load of the set and all its handlers. A thread that is
 * inside one already counts the hit as missed; so no handler is ever entered twice by a thread,
 * and whatever handlers call may be probed.
 *
 * Context: hit. Compiled for general registers only. The exception is a hit whose handlers all say
 * REMOVE: it takes the lock, by way of arch_live_vectors().
 */
#include "arch/live.h"
#include "probe/state.h"

struct probe_runtime probe_rt = {.retired_last = &probe_rt.retired};
__thread uint32_t probe_busy __attribute__((tls_model("initial-exec")));

static const struct probe_set nobody; /* what a site without a set has */

struct run {
	const struct probe_set *set;
	struct sonde_hit *hit;
	uint32_t agreed; /* handlers that want no more */
};

/* Relaxed: where there was no memory for a new set, a probe that is gone is taken out in place. */
SONDE_HIT static inline int call(const struct probe_call *c, struct sonde_hit *hit)
{
	hit->probe = load_relaxed(&c->probe);
	return load_relaxed(&c->entry)(hit, load_relaxed(&c->data));
}

SONDE_HIT static void run_set(void *arg, void *unused)
{
	struct run *run = arg;

	(void)unused;
	for (uint32_t i = 0; i < run->set->n; i++)
		run->agreed += call(&run->set->call[i], run->hit) == SONDE_REMOVE;
}

/* Whether all handlers of the set say REMOVE. */
SONDE_HIT static __attribute__((noinline)) bool run_all(const struct probe_set *set,
							struct sonde_hit *hit)
{
	struct run run = {set, hit, 0};

	if (set->vectors)
		arch_live_vectors(run_set, &run, NULL);
	else
		run_set(&run, NULL);
	return set->n && run.agreed == set->n;
}

SONDE_HIT static void remove_set(void *place, void *version)
{
	probe_site_remove(place, *(uint64_t *)version);
}

/* Shared words are added to, by who has no part in the program's normal run. */
SONDE_HIT static __attribute__((noinline)) void miss(const struct probe_site *site)
{
	const struct probe_set *set;

	sonde_domain_enter(probe_rt.domain);
	set = load_acquire(&site->set); /* A2 */
	for (uint32_t i = 0; set && i < set->n; i++)
		fetch_add_relaxed(&load_relaxed(&set->call[i].probe)->missed, 1);
	sonde_domain_leave(probe_rt.domain);
}

/* What a hit keeps across its handlers: in the frame, not in registers that we would have to save.
 */
enum { KEEP_SITE, KEEP_VERSION, KEEP_ERRNO };

/* The section begins. NULL: it is a miss, there is none. */
SONDE_HIT static inline const struct probe_set *enter(struct sonde_hit *hit, uint32_t number)
{
	struct probe_site *site = &probe_rt.chunk[number / SITE_CHUNK][number % SITE_CHUNK]; /* C */
	const struct probe_set *set;

	hit->rip = site->addr;
	if (unlikely(probe_busy)) {
		miss(site);
		return NULL;
	}
	probe_busy = 1;
	signal_barrier();
	sonde_domain_enter(probe_rt.domain);
	set = load_acquire(&site->set); /* A2 */
	hit->reserved[KEEP_SITE] = (uint64_t)site;
	hit->reserved[KEEP_ERRNO] = (uint64_t)*arch_live_local(probe_rt.errno_at);
	if (unlikely(!set))
		return &nobody;
	hit->reserved[KEEP_VERSION] = set->version;
	return set;
}

/* It ends; all handlers want no more of this site, if @removed. Whether the program goes on at
 * another place. */
SONDE_HIT static inline uint64_t leave(struct sonde_hit *hit, bool removed)
{
	const struct probe_site *site = (const struct probe_site *)hit->reserved[KEEP_SITE];

	*arch_live_local(probe_rt.errno_at) = (int)hit->reserved[KEEP_ERRNO];
	sonde_domain_leave(probe_rt.domain);
	if (unlikely(removed))
		arch_live_vectors(remove_set, site->place, &hit->reserved[KEEP_VERSION]);
	signal_barrier();
	probe_busy = 0;
	return hit->rip != site->addr;
}

SONDE_HIT uint64_t probe_hit(struct sonde_hit *hit, uint32_t number)
{
	const struct probe_set *set = enter(hit, number);

	if (unlikely(!set))
		return false;
	if (likely(set->n == 1 && !set->vectors))
		return leave(hit, call(&set->call[0], hit) == SONDE_REMOVE);
	return leave(hit, run_all(set, hit));
}

/* Stands in for the handler of a probe that is gone, in a set that could not be replaced. */
SONDE_HIT int probe_removed(struct sonde_hit *hit, void *data)
{
	(void)hit;
	(void)data;
	return SONDE_REMOVE;
}

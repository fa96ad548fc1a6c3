/* SPDX-License-Identifier: MIT */
/*
 * Domains: made and given back, and the calling thread's place in them.
 *
 * Life of a domain: FREE -create: CAS-> BUILDING -> LIVE -destroy-> FREE. Destroying waits for a
 * grace period (in its barrier), so that no word says "inside" when the index is used again.
 *
 * Context: any thread; depth and unwind signal-safe; no libc.
 */
#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "sync/state.h"
#include "sync/sync.h"

static struct sync_domain *domain_take(void)
{
	for (uint32_t i = 0; i < SONDE_DOMAINS_MAX; i++) {
		struct sync_domain *d = &sync_rt.domain[i];
		uint32_t state = SYNC_DOMAIN_FREE;

		if (cas_acq_rel(&d->state, &state, SYNC_DOMAIN_BUILDING))
			return d;
	}
	return NULL;
}

int sync_domain_create(struct sonde_domain **out, const struct sonde_domain_options *o)
{
	struct sync_domain *d;
	int err;

	if (o && o->sz != sizeof(*o))
		return -EINVAL;
	err = sync_slots_init();
	if (err)
		return err;
	d = domain_take();
	if (!d)
		return -ENOSPC;
	d->pub.index = (uint32_t)(d - sync_rt.domain);
	str_copy(d->name, o && o->name ? o->name : "domain", sizeof(d->name));
	d->stall_ns = o ? o->stall_ns : 0;
	d->stalled = o ? o->stalled : NULL;
	d->arg = o ? o->arg : NULL;
	d->queue.last = &d->queue.first;
	store_release(&d->state, SYNC_DOMAIN_LIVE);
	*out = &d->pub;
	return 0;
}

int sync_domain_destroy(struct sonde_domain *handle)
{
	struct sync_queue *q = &sync_domain(handle)->queue;
	int err;

	do {
		err = sonde_domain_barrier(handle);
		/* callbacks may have queued others */
	} while (!err && (load_acquire(&q->head) || load_acquire(&q->first)));
	if (!err)
		store_release(&sync_domain(handle)->state, SYNC_DOMAIN_FREE);
	return err;
}

unsigned int sonde_domain_depth(const struct sonde_domain *d)
{
	const struct sonde_reader *self = sync_self();

	if (!self)
		return sync_strange_depth(d);
	return (unsigned int)(load_relaxed(&self->word[d->index]) & SONDE_READER_DEPTH);
}

void sonde_domain_unwind(const struct sonde_domain *d, unsigned int depth)
{
	unsigned int now = sonde_domain_depth(d);

	for (; now > depth; now--)
		sonde_domain_leave(d);
}

/* SPDX-License-Identifier: MIT */
/*
 * What becomes of registered probes: off, on, gone.
 *
 * Probes go in two steps. Taking them out of what hits find is done at once, in any context,
 * handlers included: it writes no code. Their jumps, now idle, are taken away by the next call that
 * may hold the loader; one batch of them and one grace period serve any number of probes.
 *
 * Context: any thread; no call of the C library but the loader's, because a handler may run in the
 * middle of anything.
 */
#include <errno.h>

#include "probe/state.h"

#define RECLAIM_AT 256 /* pieces of memory that wait */

struct batch {
	struct sonde_probe *const *probe;
	size_t n;
	uint32_t state; /* that they shall have */
	struct probe_place **place;
	size_t nplaces, size;
	int err;
};

bool probe_in_handler(void)
{
	return probe_rt.domain && sonde_domain_depth(probe_rt.domain);
}

static bool is_live(const struct sonde_probe *p)
{
	return p->id != 0;
}

/* Every element is registered and there once; their places. */
static int collect(struct batch *b)
{
	uint64_t mark = ++probe_rt.next_batch;
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		struct sonde_probe *p = b->probe[i];

		if (!p)
			continue;
		if (!is_live(p) || (p->marked == mark && !b->state))
			return -ENOENT;
		p->marked = mark;
		if (p->place->marked != mark)
			n++;
		p->place->marked = mark;
	}
	b->size = (n + 1) * sizeof(*b->place);
	b->place = probe_pool_alloc(b->size);
	if (!b->place)
		return -ENOMEM;
	mark = ++probe_rt.next_batch;
	for (size_t i = 0; i < b->n; i++) {
		struct sonde_probe *p = b->probe[i];

		if (!p || p->place->marked == mark)
			continue;
		p->place->marked = mark;
		p->place->err = 0;
		b->place[b->nplaces++] = p->place;
	}
	b->nplaces = probe_order(b->place, b->nplaces);
	return 0;
}

void probe_unregister_locked(struct sonde_probe *p)
{
	*(p->prev ? &p->prev->next : &probe_rt.first) = p->next;
	*(p->next ? &p->next->prev : &probe_rt.last) = p->prev;
	probe_site_detach(p);
	p->id = 0;
	p->state = SONDE_PROBE_STATE_OFF;
}

static void unregister_all(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->probe[i])
			probe_unregister_locked(b->probe[i]);
	}
	probe_sites_shrink(b->place, b->nplaces);
	/* hits may count misses in them */
	for (size_t i = 0; i < b->n; i++)
		probe_retire(b->probe[i], sizeof(*b->probe[i]));
}

static int unlink_batch(struct sonde_probe *const *probes, size_t n)
{
	struct batch b = {.probe = probes, .n = n};
	struct probe_guard guard;
	int err;

	probe_lock(&guard);
	err = collect(&b);
	if (!err)
		unregister_all(&b);
	if (probe_rt.nretired > RECLAIM_AT)
		probe_reclaim();
	if (b.place)
		probe_pool_free(b.place, b.size);
	probe_unlock(&guard);
	return err;
}

static void withdraw(void *arg)
{
	struct probe_guard guard;

	(void)arg;
	probe_lock(&guard);
	probe_sites_withdraw();
	probe_unlock(&guard);
}

static void reclaim(void)
{
	struct probe_guard guard;

	probe_lock(&guard);
	probe_reclaim();
	probe_unlock(&guard);
}

int sonde_probes_unregister_nosync(struct sonde_probe *const *probes, size_t n)
{
	return unlink_batch(probes, n);
}

int sonde_probes_sync(void)
{
	int err;

	if (!probe_rt.domain)
		return 0;
	if (probe_in_handler())
		return -EDEADLK;
	probe_loader_hold(withdraw, NULL);
	err = sonde_domain_synchronize(probe_rt.domain);
	if (!err)
		reclaim();
	return err;
}

int sonde_probes_unregister(struct sonde_probe *const *probes, size_t n)
{
	int err;

	if (probe_in_handler())
		return -EDEADLK;
	err = unlink_batch(probes, n);
	return err ? err : sonde_probes_sync();
}

static void set_states(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct sonde_probe *p = b->probe[i];

		if (!p || p->marked == probe_rt.next_batch)
			continue;
		p->marked = probe_rt.next_batch;
		p->was = p->state;
		if (p->state != SONDE_PROBE_STATE_GONE)
			p->state = b->state;
		else if (b->state == SONDE_PROBE_STATE_ON)
			b->err = -ENXIO;
	}
}

static void restore_states(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->probe[i])
			b->probe[i]->state = b->probe[i]->was;
	}
}

/* May run with the loader held: writes code only then (enabling). */
static void change_states(void *arg)
{
	struct batch *b = arg;
	struct probe_guard guard;

	probe_lock(&guard);
	b->err = collect(b);
	if (b->err)
		goto out;
	set_states(b);
	if (b->state == SONDE_PROBE_STATE_OFF) {
		probe_sites_shrink(b->place, b->nplaces);
		goto out;
	}
	if (!b->err)
		b->err = probe_sites_apply(b->place, b->nplaces);
	if (b->err) {
		restore_states(b);
		probe_sites_shrink(b->place, b->nplaces);
		probe_sites_withdraw();
	}
out:
	if (probe_rt.nretired > RECLAIM_AT)
		probe_reclaim();
	if (b->place)
		probe_pool_free(b->place, b->size);
	probe_unlock(&guard);
}

int sonde_probes_enable(struct sonde_probe *const *probes, size_t n)
{
	struct batch b = {.probe = probes, .n = n, .state = SONDE_PROBE_STATE_ON};

	probe_loader_hold(change_states, &b);
	return b.err;
}

int sonde_probes_disable(struct sonde_probe *const *probes, size_t n)
{
	struct batch b = {.probe = probes, .n = n, .state = SONDE_PROBE_STATE_OFF};

	change_states(&b);
	if (!b.err && !probe_in_handler())
		probe_loader_hold(withdraw, NULL);
	return b.err;
}

/* SPDX-License-Identifier: MIT */
/*
 * From probes to what hits find: sets are built, put in place of the ones before, and jumps follow.
 * First the set, then the jump; the other way round when the last probe goes, so that a hit on
 * the way finds nobody.
 *
 * Context: under the lock; no libc, which a thread inside malloc could not stand.
 */
#include <errno.h>

#include "base/err.h"
#include "probe/state.h"

static struct sonde_probe nobody; /* counts the misses of those who are gone */

static size_t set_size(uint32_t n)
{
	return sizeof(struct probe_set) + n * sizeof(struct probe_call);
}

void probe_site_attach(struct probe_place *place, struct sonde_probe *probe)
{
	if (!place->first)
		place->last = &place->first;
	*place->last = probe;
	place->last = &probe->site_next;
	probe->site_next = NULL;
}

void probe_site_detach(struct sonde_probe *probe)
{
	struct probe_place *place = probe->place;
	struct sonde_probe **at = &place->first;

	while (*at != probe)
		at = &(*at)->site_next;
	*at = probe->site_next;
	if (!*at)
		place->last = at;
}

static bool is_on(const struct sonde_probe *p)
{
	return p->state == SONDE_PROBE_STATE_ON;
}

/* *@out NULL: no probe is on. */
static int set_build(const struct probe_place *place, struct probe_set **out)
{
	struct probe_set *set;
	uint32_t n = 0;

	*out = NULL;
	for (struct sonde_probe *p = place->first; p; p = p->site_next)
		n += is_on(p);
	if (!n)
		return 0;
	set = probe_pool_alloc(set_size(n));
	if (!set)
		return -ENOMEM;
	set->version = ++probe_rt.next_version;
	for (struct sonde_probe *p = place->first; p; p = p->site_next) {
		if (!is_on(p))
			continue;
		set->call[set->n++] = (struct probe_call){p->entry, p->data, p};
		set->vectors |= !(p->flags & SONDE_PROBE_INTEGER_ONLY);
	}
	*out = set;
	return 0;
}

static void set_publish(struct probe_place *place, struct probe_set *set)
{
	struct probe_set *old = place->site->set;

	store_release(&place->site->set, set); /* A1 */
	if (old)
		probe_retire(old, set_size(old->n));
	if (set || !place->on || place->idle)
		return;
	place->idle = true;
	place->idle_next = probe_rt.idle;
	probe_rt.idle = place;
	probe_rt.nidle++;
}

/* No memory for a smaller set: take the probes that are not on any more out of this one. */
static void set_blank(struct probe_set *set)
{
	for (uint32_t i = 0; set && i < set->n; i++) {
		struct probe_call *c = &set->call[i];

		if (c->probe->id && is_on(c->probe))
			continue;
		store_relaxed(&c->entry, probe_removed);
		store_relaxed(&c->probe, &nobody);
	}
}

void probe_sites_shrink(struct probe_place **p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct probe_set *set;

		if (set_build(p[i], &set))
			set_blank(p[i]->site->set);
		else
			set_publish(p[i], set);
	}
}

static int build_all(struct probe_place **p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int err = set_build(p[i], &p[i]->next_set);

		if (!err && p[i]->next_set && p[i]->module->gone)
			err = -ENXIO;
		p[i]->err = err;
		if (!err)
			continue;
		for (size_t k = 0; k <= i; k++) {
			if (p[k]->next_set)
				probe_pool_free(p[k]->next_set, set_size(p[k]->next_set->n));
		}
		return err;
	}
	return 0;
}

/*
 * Jumps on at all places that had no set. One that stands there already, because nobody has taken
 * it away or nobody could, is looked at again.
 */
static int jumps_on(struct probe_place **p, size_t n)
{
	size_t size = n * sizeof(struct text_change);
	struct text_change *c = probe_pool_alloc(size);
	uint32_t nc = 0;
	int err = 0;

	if (!c)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (p[i]->rises)
			c[nc++] = (struct text_change){p[i]->opening->text, p[i]->at, true, 0};
	}
	text_change(c, nc);
	nc = 0;
	for (size_t i = 0; i < n; i++) {
		if (!p[i]->rises)
			continue;
		p[i]->err = c[nc++].err;
		p[i]->on |= !p[i]->err;
		p[i]->was_on |= p[i]->on;
		if (p[i]->err && !err)
			err = p[i]->err;
	}
	probe_pool_free(c, size);
	return err;
}

int probe_sites_apply(struct probe_place **p, size_t n)
{
	int err = build_all(p, n);
	bool any = false;

	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		p[i]->rises = p[i]->next_set && !p[i]->site->set;
		any |= p[i]->rises;
		set_publish(p[i], p[i]->next_set);
	}
	return any ? jumps_on(p, n) : 0;
}

/* Jumps off; whatever stands in the way (others have changed the code) is left, and stays on. */
static void jumps_off(struct probe_place **p, size_t n)
{
	size_t size = n * sizeof(struct text_change);
	struct text_change *c = n ? probe_pool_alloc(size) : NULL;

	if (!c)
		return;
	for (size_t i = 0; i < n; i++)
		c[i] = (struct text_change){p[i]->opening->text, p[i]->at, false, 0};
	text_change(c, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		p[i]->on = c[i].err != 0;
	probe_pool_free(c, size);
}

void probe_sites_withdraw(void)
{
	size_t size = probe_rt.nidle * sizeof(struct probe_place *), n = 0;
	struct probe_place **list, *place;

	if (!probe_rt.nidle)
		return;
	list = probe_pool_alloc(size);
	if (!list)
		return;
	while ((place = probe_rt.idle) != NULL) {
		probe_rt.idle = place->idle_next;
		place->idle = false;
		if (place->on && !place->site->set && !place->module->gone)
			list[n++] = place;
	}
	probe_rt.nidle = 0;
	jumps_off(list, probe_order(list, n));
	probe_pool_free(list, size);
}

/*
 * The image cannot be closed meanwhile: the calling thread is in the middle of its code, or that is
 * not the library's fault.
 */
void probe_site_remove(struct probe_place *place, uint64_t version)
{
	struct probe_guard guard;

	probe_lock(&guard);
	if (place->site->set && place->site->set->version == version && !place->module->gone) {
		for (struct sonde_probe *p = place->first; p; p = p->site_next) {
			if (is_on(p))
				p->state = SONDE_PROBE_STATE_OFF;
		}
		set_publish(place, NULL);
		jumps_off(&place, 1);
	}
	probe_unlock(&guard);
}

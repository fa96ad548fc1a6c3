/* SPDX-License-Identifier: MIT */
/*
 * Images that go away. The loader holds its list, and what is on it, while it calls back: no image
 * that was there at the start of the callback is unmapped before its end. So code is written in the
 * callback only (or where a thread stands in it).
 *
 * Images that were closed meanwhile are found out by the loader's count of them. One that was
 * closed and opened again, at the same address, shows the file's bytes where a jump should be.
 *
 * Context: any thread; the loader's lock may be held by the caller already.
 */
#include <link.h>
#include <string.h>

#include "base/base.h"
#include "probe/state.h"

struct hold {
	void (*fn)(void *arg);
	void *arg;
};

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (struct probe_module *m = probe_rt.modules; m; m = m->next) {
		for (int i = 0; m->bias == info->dlpi_addr && i < info->dlpi_phnum; i++) {
			const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

			if (ph->p_type == PT_LOAD &&
			    info->dlpi_addr + ph->p_vaddr == m->text_start &&
			    m->text_start + ph->p_memsz == m->text_end)
				m->present = true;
		}
	}
	return 0;
}

/* Some jump, or some pad's, is not there: the bytes are the file's. */
static bool is_fresh(const struct probe_module *m)
{
	for (const struct probe_place *p = m->places; p; p = p->module_next) {
		const struct wire_site *ws;

		if (!p->was_on)
			continue;
		ws = &p->opening->job.plans.site[p->at];
		if (ws->class == WIRE_CLASS_S2 &&
		    memcmp((void *)(m->bias + ws->pad_vaddr), ws->pad_old, 5) == 0)
			return true;
		if (p->on &&
		    memcmp((void *)p->addr, (const char *)&ws->old + p->addr % 8, ws->ncut) == 0)
			return true;
	}
	return false;
}

static void drop(struct probe_module *m)
{
	m->gone = true;
	for (struct probe_place *p = m->places; p; p = p->module_next) {
		for (struct sonde_probe *probe = p->first; probe; probe = probe->site_next)
			probe->state = SONDE_PROBE_STATE_GONE;
		p->on = p->was_on = false;
		if (p->site && p->site->set)
			probe_sites_shrink(&p, 1);
	}
}

/* The list is walked once more inside the callback: the loader's lock may be taken twice. */
static int held(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct hold *h = arg;
	struct probe_guard guard;

	(void)size;
	if (load_relaxed(&probe_rt.subs) != info->dlpi_subs) {
		probe_lock(&guard);
		for (struct probe_module *m = probe_rt.modules; m; m = m->next)
			m->present = false;
		dl_iterate_phdr(look, NULL);
		for (struct probe_module *m = probe_rt.modules; m; m = m->next) {
			if (!m->gone && (!m->present || is_fresh(m)))
				drop(m);
		}
		store_relaxed(&probe_rt.subs, info->dlpi_subs);
		probe_unlock(&guard);
	}
	h->fn(h->arg);
	return 1;
}

void probe_loader_hold(void (*fn)(void *arg), void *arg)
{
	struct hold h = {fn, arg};

	dl_iterate_phdr(held, &h);
}

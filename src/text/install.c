/* SPDX-License-Identifier: MIT */
/*
 * An image's sites: from plans to code that waits for its jumps; and all of them on at once, or
 * everything off. Context: not on a hit; one thread at a time; no libc.
 */
#include <errno.h>

#include "base/base.h"
#include "base/err.h"
#include "base/sys.h"
#include "text/module.h"
#include "text/poke.h"

struct text_module *text_modules;

void text_init(void)
{
	poke_init();
}

void text_refuse(struct text_placing *pl, uint32_t i, int err)
{
	pl->m->detour[i] = 0;
	pl->job->refused(pl->job->arg, pl->m->plans.first + i, err);
}

static struct text_module *find_module(const struct text_job *job)
{
	struct text_module *m = text_modules;

	while (m && (m->plans.site != job->plans.site || m->image.bias != job->image.bias))
		m = m->next;
	return m;
}

static size_t module_size(uint32_t nsites)
{
	return sizeof(struct text_module) +
	       nsites * (sizeof(void *) + 2 * sizeof(uint64_t) + 2 * sizeof(bool));
}

static struct text_module *new_module(const struct text_job *job)
{
	size_t n = job->plans.nsites;
	struct text_module *m = sys_map(module_size(job->plans.nsites));

	if (!m)
		return NULL;
	m->plans = job->plans;
	m->image = job->image;
	m->use = (const struct wire_site **)(m + 1);
	m->island = (uint64_t *)(m->use + n);
	m->detour = m->island + n;
	m->on = (bool *)(m->detour + n);
	m->pad = m->on + n;
	for (size_t i = 0; i < n; i++)
		m->use[i] = &m->plans.site[i];
	return m;
}

/* The image has come back: its code is here, its text is fresh from the file. */
static void forget_state(struct text_module *m)
{
	for (uint32_t i = 0; i < m->plans.nsites; i++)
		m->on[i] = m->pad[i] = false;
}

int text_open(const struct text_job *job, struct text_module **out)
{
	struct text_placing pl = {.m = find_module(job), .job = job};
	int err;

	*out = pl.m;
	if (pl.m) {
		forget_state(pl.m);
		return 0;
	}
	pl.m = new_module(job);
	if (!pl.m)
		return -ENOMEM;
	err = space_read(&pl.space, SPACE_HEAP_ROOM);
	if (!err)
		err = text_place(&pl);
	if (!err)
		err = text_write(&pl);
	if (err) {
		islands_drop(&pl.islands);
		if (pl.pool)
			sys2(SYS_munmap, pl.pool, pl.pool_size);
		sys_unmap(pl.m, module_size(job->plans.nsites));
	} else {
		islands_keep(&pl.islands);
		pl.m->next = text_modules;
		text_modules = pl.m;
		*out = pl.m;
	}
	islands_close(&pl.islands);
	space_free(&pl.space);
	return err;
}

/* All sites that have code. How many are so now, or an error. */
static long change_all(struct text_module *m, bool on, const struct text_job *job)
{
	size_t size = m->plans.nsites * sizeof(struct text_change);
	struct text_change *c = sys_map(size);
	uint32_t n = 0;
	long done = 0;
	int err;

	if (!c)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->plans.nsites; i++) {
		if (m->detour[i])
			c[n++] = (struct text_change){.module = m, .site = i, .on = on};
	}
	err = text_change(c, n);
	for (uint32_t i = 0; i < n && !err; i++) {
		done += !c[i].err;
		if (c[i].err && job)
			job->refused(job->arg, m->plans.first + c[i].site, c[i].err);
	}
	sys_unmap(c, size);
	return err ? err : done;
}

long text_install(const struct text_job *job)
{
	struct text_module *m;
	long done;

	if (!job->plans.nsites)
		return 0;
	done = text_open(job, &m);
	if (done)
		return done;
	m->mapping = !job->live;
	done = change_all(m, true, job);
	m->mapping = false;
	return done;
}

uint32_t text_restore(void)
{
	uint32_t left = 0;

	for (struct text_module *m = text_modules; m; m = m->next) {
		change_all(m, false, NULL);
		for (uint32_t i = 0; i < m->plans.nsites; i++)
			left += m->on[i];
	}
	return left;
}

/* SPDX-License-Identifier: MIT */
/*
 * Process logs: which modules each process has, what could not be probed and why.
 *
 * A record is used only when all of it lies in the arena and is long enough for its type. One
 * that is not ends that process's log for good; the others go on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "read/internal.h"

static int add_module(struct read_proc *p, const struct read_module *m)
{
	if (p->nmodules == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct read_module *v = realloc(p->module, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		p->module = v;
		p->cap = cap;
	}
	p->module[p->nmodules] = *m;
	p->module[p->nmodules].path = strdup(m->path);
	if (!p->module[p->nmodules].path)
		return -ENOMEM;
	p->nmodules++;
	return 0;
}

static int inherit(struct read *r, struct read_proc *p, uint32_t parent)
{
	const struct read_proc *from;

	if (parent >= r->head.procs.count)
		return 0;
	from = &r->proc[parent];
	for (size_t i = 0; from != p && i < from->nmodules; i++) {
		int err = add_module(p, &from->module[i]);

		if (err)
			return err;
	}
	return 0;
}

static int log_loaded(struct read *r, uint32_t proc, const struct wire_log *h, uint32_t size,
		      const struct read_log_ops *ops)
{
	const struct wire_log_loaded *l = (const void *)h;
	uint32_t room = size - (uint32_t)sizeof(*l);
	struct read_proc *p = &r->proc[proc];
	struct read_module m = {.bias = l->bias,
				.start = l->start,
				.end = l->end,
				.dev = l->dev,
				.ino = l->ino,
				.module = l->module,
				.installed = l->installed,
				.order = ++r->load_order};
	int err;

	m.path = strndup(l->path, room);
	if (!m.path)
		return -ENOMEM;
	err = add_module(p, &m);
	free(m.path);
	if (!err && ops->loaded)
		ops->loaded(ops->arg, proc, &p->module[p->nmodules - 1]);
	return err;
}

static int log_unloaded(struct read *r, uint32_t proc, const struct wire_log *h, uint32_t size,
			const struct read_log_ops *ops)
{
	const struct wire_log_unloaded *l = (const void *)h;
	struct read_proc *p = &r->proc[proc];

	(void)size;
	for (size_t i = p->nmodules; i-- > 0;) {
		struct read_module *m = &p->module[i];

		if (m->gone || m->start != l->start)
			continue;
		m->gone = true;
		if (ops->unloaded)
			ops->unloaded(ops->arg, proc, m);
		break;
	}
	return 0;
}

static int log_refused(struct read *r, uint32_t proc, const struct wire_log *h, uint32_t size,
		       const struct read_log_ops *ops)
{
	const struct wire_log_refused *l = (const void *)h;

	(void)r;
	(void)size;
	if (ops->refused)
		ops->refused(ops->arg, proc, l->module, l->site, l->err);
	return 0;
}

static const struct {
	uint32_t least;
	int (*fn)(struct read *r, uint32_t proc, const struct wire_log *h, uint32_t size,
		  const struct read_log_ops *ops);
} kinds[] = {
	[WIRE_LOG_LOADED] = {sizeof(struct wire_log_loaded), log_loaded},
	[WIRE_LOG_UNLOADED] = {sizeof(struct wire_log_unloaded), log_unloaded},
	[WIRE_LOG_REFUSED] = {sizeof(struct wire_log_refused), log_refused},
};

/* Use one complete record and step behind it. 0, -EINVAL when it cannot be right, -ENOMEM. */
static int log_record(struct read *r, uint32_t proc, const struct wire_log *h, uint32_t size,
		      const struct read_log_ops *ops)
{
	struct read_proc *p = &r->proc[proc];
	uint32_t type = h->type;

	if (size % 8 || size < sizeof(*h) || size > WIRE_CHUNK || !read_at(r, p->log, size))
		return -EINVAL;
	p->walked += size;
	if (p->walked > r->head.file_size)
		return -EINVAL;
	if (type == WIRE_LOG_MORE) {
		if (size < sizeof(struct wire_log_more))
			return -EINVAL;
		p->log = ((const struct wire_log_more *)h)->next;
		return 0;
	}
	p->log += size;
	/* a type of a newer agent is passed over */
	if (type >= sizeof(kinds) / sizeof(kinds[0]) || !kinds[type].fn)
		return 0;
	return size < kinds[type].least ? -EINVAL : kinds[type].fn(r, proc, h, size, ops);
}

static int poll_proc(struct read *r, uint32_t proc, const struct read_log_ops *ops)
{
	const struct wire_proc *w = read_wire_proc(r, proc);
	struct read_proc *p = &r->proc[proc];
	int err = 0;

	if (load_acquire(&w->state) == WIRE_PROC_FREE || p->broken)
		return 0;
	if (!p->known) {
		p->known = true;
		err = inherit(r, p, w->parent);
		if (!err && ops->process)
			ops->process(ops->arg, proc, w);
	}
	if (!p->log)
		p->log = load_acquire(&w->log_off);
	while (!err && p->log) {
		const struct wire_log *h = read_at(r, p->log, sizeof(*h));
		uint32_t size;

		if (!h) {
			err = -EINVAL;
			break;
		}
		/* acquire: the rest of the record was written before its size */
		size = load_acquire(&h->size);
		if (!size)
			break;
		err = log_record(r, proc, h, size, ops);
	}
	if (err == -EINVAL) {
		p->broken = true;
		r->gone.damaged++;
		err = 0;
	}
	return err;
}

int read_poll_logs(struct read *r, const struct read_log_ops *ops)
{
	uint32_t n = read_nprocs(r);
	int err = 0;

	for (uint32_t i = 0; !err && i < n; i++)
		err = poll_proc(r, i, ops);
	return err;
}

void read_procs_free(struct read *r)
{
	for (uint32_t i = 0; r->proc && i < r->head.procs.count; i++) {
		for (size_t k = 0; k < r->proc[i].nmodules; k++)
			free(r->proc[i].module[k].path);
		free(r->proc[i].module);
	}
}

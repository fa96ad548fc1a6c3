/* SPDX-License-Identifier: MIT */
/*
 * Memory of the registry: powers of two cut from large mappings, kept in lists when free; never
 * given back. What hits may still see waits in a list for its grace period first.
 *
 * Context: under the lock; no libc.
 */
#include "base/mem.h"
#include "base/sys.h"
#include "probe/state.h"

#define CLASS_MIN 5 /* 32 bytes */
#define CLASS_MAX 12
#define SLAB_SIZE (256u << 10)

static struct {
	void *free[CLASS_MAX + 1]; /* each begins with the address of the next */
	char *slab, *slab_end;
} pool;

static unsigned int class_of(size_t size)
{
	unsigned int c = CLASS_MIN;

	while ((size_t)1 << c < size)
		c++;
	return c;
}

void *probe_pool_alloc(size_t size)
{
	unsigned int c = class_of(size);
	void *p;

	if (c > CLASS_MAX)
		return sys_map(size);
	p = pool.free[c];
	if (p) {
		pool.free[c] = *(void **)p;
		mem_zero(p, (size_t)1 << c);
		return p;
	}
	if ((size_t)(pool.slab_end - pool.slab) < (size_t)1 << c) {
		char *slab = sys_map(SLAB_SIZE);

		if (!slab)
			return NULL;
		pool.slab = slab;
		pool.slab_end = slab + SLAB_SIZE;
	}
	p = pool.slab;
	pool.slab += (size_t)1 << c;
	return p;
}

void probe_pool_free(void *p, size_t size)
{
	unsigned int c = class_of(size);

	if (c > CLASS_MAX) {
		sys_unmap(p, size);
		return;
	}
	*(void **)p = pool.free[c];
	pool.free[c] = p;
}

/* The note takes memory of its own: hits may be reading what it is about. Without any, that is
 * never given back. */
void probe_retire(void *p, size_t size)
{
	struct probe_retired *r;

	if (!p)
		return;
	r = probe_pool_alloc(sizeof(*r));
	if (!r)
		return;
	r->next = NULL;
	r->cookie = sonde_domain_cookie(probe_rt.domain);
	r->memory = p;
	r->size = size;
	*probe_rt.retired_last = r;
	probe_rt.retired_last = &r->next;
	probe_rt.nretired++;
}

void probe_reclaim(void)
{
	struct probe_retired *r;

	while ((r = probe_rt.retired) != NULL && sonde_domain_poll(probe_rt.domain, r->cookie)) {
		probe_rt.retired = r->next;
		if (!r->next)
			probe_rt.retired_last = &probe_rt.retired;
		probe_rt.nretired--;
		probe_pool_free(r->memory, r->size);
		probe_pool_free(r, sizeof(*r));
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * The places that were ever asked for: one per address, with its plan and, once needed, its code.
 * They stay when their probes go: the code must, and the next probe there finds it ready.
 *
 * Context: under the plan lock; takes the lock for what others look at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/live.h"
#include "base/err.h"
#include "base/sys.h"
#include "probe/state.h"

static struct {
	struct probe_place **bucket; /* by address */
	size_t mask, n;
} table;

static size_t bucket_of(uint64_t addr, size_t mask)
{
	return (addr * 0x9e3779b97f4a7c15ull >> 32) & mask;
}

static int table_grow(void)
{
	size_t size = table.bucket ? 2 * (table.mask + 1) : 1024;
	struct probe_place **bucket;

	if (table.bucket && table.n <= table.mask)
		return 0;
	bucket = calloc(size, sizeof(*bucket));
	if (!bucket)
		return -ENOMEM;
	for (size_t i = 0; table.bucket && i <= table.mask; i++) {
		struct probe_place *p, *next;

		for (p = table.bucket[i]; p; p = next) {
			struct probe_place **to = &bucket[bucket_of(p->addr, size - 1)];

			next = p->hash_next;
			p->hash_next = *to;
			*to = p;
		}
	}
	free(table.bucket);
	table.bucket = bucket;
	table.mask = size - 1;
	return 0;
}

/* Another image may have been at the address before. */
static struct probe_place *find(const struct probe_module *m, uint64_t addr)
{
	struct probe_place *p = table.bucket ? table.bucket[bucket_of(addr, table.mask)] : NULL;

	while (p && (p->addr != addr || p->module != m))
		p = p->hash_next;
	return p;
}

static int make(struct probe_module *m, uint64_t vaddr, struct probe_place **out)
{
	struct probe_place *p = calloc(1, sizeof(*p)), **bucket;
	int err = p ? table_grow() : -ENOMEM;

	if (!err) {
		p->planned = malloc(sizeof(*p->planned));
		err = p->planned ? plan_site(m->plan, vaddr, p->planned) : -ENOMEM;
	}
	if (err) {
		if (p)
			free(p->planned);
		free(p);
		return err;
	}
	p->module = m;
	p->vaddr = vaddr;
	p->addr = m->bias + vaddr;
	p->last = &p->first;
	bucket = &table.bucket[bucket_of(p->addr, table.mask)];
	p->hash_next = *bucket;
	*bucket = p;
	table.n++;
	*out = p;
	return 0;
}

struct probe_place *probe_place_get(struct probe_module *m, uint64_t vaddr, int *err)
{
	struct probe_place *p = find(m, m->bias + vaddr);

	*err = p ? p->refused : make(m, vaddr, &p);
	return *err ? NULL : p;
}

void probe_places_forget(struct probe_place **p, size_t n)
{
	struct probe_place *list = NULL, *place;

	for (size_t i = 0; i < n; i++) {
		struct probe_place **at;

		place = p[i];
		if (!place || place->opening || place->idle)
			continue;
		at = &table.bucket[bucket_of(place->addr, table.mask)];
		while (*at != place)
			at = &(*at)->hash_next;
		*at = place->hash_next;
		table.n--;
		plan_release(place->module->plan, place->planned);
		/* it may be there more than once: on the list now */
		place->idle = true;
		place->idle_next = list;
		list = place;
	}
	while ((place = list) != NULL) {
		list = place->idle_next;
		free(place->planned);
		free(place);
	}
}

/* By image, by executable segment, by address. */
static int in_order(const void *a, const void *b)
{
	const struct probe_place *p = *(struct probe_place *const *)a;
	const struct probe_place *q = *(struct probe_place *const *)b;

	if (p->module != q->module)
		return p->module < q->module ? -1 : 1;
	return (p->vaddr > q->vaddr) - (p->vaddr < q->vaddr);
}

/* What the plans of a batch are copied to, for ever. */
struct tables {
	struct wire_site *site;
	uint8_t *code;
	struct wire_fixup *fix;
	struct probe_opening *opening;
};

static int make_tables(struct probe_place **p, uint32_t n, struct tables *t)
{
	size_t code = 0, fix = 0, size;
	char *mem;

	for (uint32_t i = 0; i < n; i++) {
		code += p[i]->planned->site.code_len;
		fix += p[i]->planned->site.nfix;
	}
	size = sizeof(*t->opening) + n * (sizeof(*t->site) + sizeof(void *)) +
	       fix * sizeof(*t->fix) + code;
	mem = calloc(1, size);
	if (!mem)
		return -ENOMEM;
	t->opening = (struct probe_opening *)mem;
	t->site = (struct wire_site *)(t->opening + 1);
	t->fix = (struct wire_fixup *)(t->site + n);
	t->opening->place = (struct probe_place **)(t->fix + fix);
	t->code = (uint8_t *)(t->opening->place + n);
	return 0;
}

static void fill_tables(struct probe_place **p, uint32_t n, struct tables *t)
{
	uint32_t code = 0, fix = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct plan_site *plan = p[i]->planned;

		t->site[i] = plan->site;
		t->site[i].code_off = code;
		t->site[i].fix_off = fix;
		memcpy(t->code + code, plan->code, plan->site.code_len);
		memcpy(t->fix + fix, plan->fix, plan->site.nfix * sizeof(*plan->fix));
		code += plan->site.code_len;
		fix += plan->site.nfix;
		t->opening->place[i] = p[i];
		p[i]->at = i;
	}
}

static void note_refusal(void *arg, uint32_t number, int err)
{
	struct probe_opening *o = arg;

	o->place[number - o->job.plans.first]->refused = err;
}

/* Numbers for the sites, and what a hit with one finds. */
static int make_sites(struct probe_place **p, uint32_t n)
{
	uint32_t first = probe_rt.nsites;

	if (n > SITE_CHUNK * SITE_CHUNKS - first)
		return -ENOSPC;
	for (uint32_t c = first / SITE_CHUNK; c <= (first + n - 1) / SITE_CHUNK; c++) {
		struct probe_site *chunk;

		if (probe_rt.chunk[c])
			continue;
		chunk = sys_map(SITE_CHUNK * sizeof(*chunk));
		if (!chunk)
			return -ENOMEM;
		store_release(&probe_rt.chunk[c], chunk); /* C */
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t number = first + i;
		struct probe_site *s = &probe_rt.chunk[number / SITE_CHUNK][number % SITE_CHUNK];

		s->addr = p[i]->addr;
		s->place = p[i];
		p[i]->number = number;
		p[i]->site = s;
	}
	probe_rt.nsites += n;
	return 0;
}

/* From now on they are looked at when images go away. */
static void link_places(struct probe_place **p, uint32_t n, struct probe_opening *o)
{
	struct probe_module *m = p[0]->module;

	o->next = m->openings;
	m->openings = o;
	for (uint32_t i = 0; i < n; i++) {
		p[i]->opening = o;
		p[i]->module_next = m->places;
		m->places = p[i];
		free(p[i]->planned);
		p[i]->planned = NULL;
	}
}

static struct text_job job_of(const struct probe_module *m, const struct image_range *text,
			      const struct tables *t, uint32_t n)
{
	return (struct text_job){
		.plans = {t->site, n, probe_rt.nsites, NULL, t->code, t->fix},
		.image = {m->bias, text->start, text->end, m->img->span.start, m->img->span.end},
		.stub = (uint64_t)arch_live_stub,
		.live = true,
		.refused = note_refusal,
		.arg = t->opening,
	};
}

/* @n new places of one segment of one image, by address. */
static int open_group(struct probe_place **p, uint32_t n, const struct image_range *text)
{
	struct probe_guard guard;
	struct tables t;
	int err = make_tables(p, n, &t);

	if (err)
		return err;
	fill_tables(p, n, &t);
	t.opening->job = job_of(p[0]->module, text, &t, n);
	err = make_sites(p, n);
	if (!err) {
		probe_lock(&guard);
		err = text_open(&t.opening->job, &t.opening->text);
		if (!err)
			link_places(p, n, t.opening);
		probe_unlock(&guard);
	}
	/* numbers of a failed batch are not used again */
	for (uint32_t i = 0; i < n && err; i++)
		p[i]->site = NULL;
	if (err)
		free(t.opening);
	return err;
}

static size_t collect_new(struct probe_place **p, size_t n, struct probe_place **fresh)
{
	size_t nfresh = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] && !p[i]->opening)
			fresh[nfresh++] = p[i];
	}
	qsort(fresh, nfresh, sizeof(*fresh), in_order);
	n = nfresh;
	nfresh = 0;
	for (size_t i = 0; i < n; i++) {
		fresh[i]->err = 0;
		if (!nfresh || fresh[nfresh - 1] != fresh[i])
			fresh[nfresh++] = fresh[i];
	}
	return nfresh;
}

int probe_places_open(struct probe_place **p, size_t n)
{
	struct probe_place **fresh = calloc(n, sizeof(*fresh));
	size_t nfresh, end;

	if (!fresh)
		return -ENOMEM;
	nfresh = collect_new(p, n, fresh);
	for (size_t i = 0; i < nfresh; i = end) {
		struct image_range text = {0};
		int err;

		image_text(fresh[i]->module->img, fresh[i]->vaddr, &text);
		for (end = i; end < nfresh && fresh[end]->module == fresh[i]->module &&
			      fresh[end]->vaddr < text.end;)
			end++;
		err = open_group(fresh + i, (uint32_t)(end - i), &text);
		for (size_t k = i; k < end; k++)
			fresh[k]->err = err;
	}
	free(fresh);
	return 0;
}

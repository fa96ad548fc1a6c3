/* SPDX-License-Identifier: MIT */
/*
 * Finding addresses for islands, and their pages.
 *
 * A site gives a 32-bit displacement of which some bytes are fixed, because they are code that
 * stays. Free low bytes make a window of consecutive addresses; free high bytes make several
 * such windows. Narrow windows should be placed before wide ones, which have more choice.
 *
 * Context: agent side, not on a hit.
 */
#include "text/islands.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"

#define PAGE 4096ull
#define COMBOS_MAX 4096u /* windows tried for one site */

/* Pages with islands, of all batches: an open hash by address. */
static struct {
	struct island_page *page;
	size_t n, cap;
	uint64_t recent[ARRAY_LEN(((struct islands *)0)->recent)];
	unsigned int nrecent;
} kept;

static struct island_page *slot_in(struct island_page *page, size_t mask, uint64_t addr)
{
	size_t i = (addr >> 12) * 0x9e3779b97f4a7c15ull >> 32 & mask;

	while (page[i].addr && page[i].addr != addr)
		i = (i + 1) & mask;
	return &page[i];
}

static bool kept_grow(void)
{
	size_t cap = kept.cap ? 2 * kept.cap : 64;
	struct island_page *page;

	if (kept.n * 2 < kept.cap)
		return true;
	page = sys_map(cap * sizeof(*page));
	if (!page)
		return false;
	for (size_t i = 0; i < kept.cap; i++) {
		if (kept.page[i].addr)
			*slot_in(page, cap - 1, kept.page[i].addr) = kept.page[i];
	}
	sys_unmap(kept.page, kept.cap * sizeof(*page));
	kept.page = page;
	kept.cap = cap;
	return true;
}

static const struct island_page *kept_find(uint64_t addr)
{
	const struct island_page *p;

	if (!kept.cap)
		return NULL;
	p = slot_in(kept.page, kept.cap - 1, addr);
	return p->addr ? p : NULL;
}

/* Without memory the page's room is not used again. */
static void keep_page(const struct island_page *p)
{
	struct island_page *k;

	if (!kept_grow())
		return;
	k = slot_in(kept.page, kept.cap - 1, p->addr);
	kept.n += !k->addr;
	k->addr = p->addr;
	k->next = p->next;
	mem_copy(k->used, p->used, sizeof(k->used));
}

void islands_keep(const struct islands *is)
{
	for (size_t i = 0; i < is->npages; i++) {
		const struct island_page *p = slot_in(is->page, is->mask, is->order[i]);

		if (!p->failed && (p->dirty || !p->old))
			keep_page(p);
	}
	mem_copy(kept.recent, is->recent, sizeof(kept.recent));
	kept.nrecent = is->nrecent;
}

int islands_open(struct islands *is, size_t nsites)
{
	size_t cap = 64;

	/* an island touches at most two pages */
	while (cap < nsites * 3)
		cap *= 2;
	*is = (struct islands){.mask = cap - 1};
	is->mem_size = cap * sizeof(*is->page);
	is->order_size = cap * sizeof(*is->order);
	is->page = sys_map(is->mem_size);
	is->order = sys_map(is->order_size);
	mem_copy(is->recent, kept.recent, sizeof(is->recent));
	is->nrecent = kept.nrecent;
	if (is->page && is->order)
		return 0;
	islands_close(is);
	return -ENOMEM;
}

void islands_close(struct islands *is)
{
	sys_unmap(is->page, is->mem_size);
	sys_unmap(is->order, is->order_size);
	is->page = NULL;
	is->order = NULL;
}

static struct island_page *page_slot(struct islands *is, uint64_t addr)
{
	return slot_in(is->page, is->mask, addr);
}

/* The page at @addr, made if it is free; NULL if it is taken. */
static struct island_page *page_get(struct islands *is, uint64_t addr)
{
	struct island_page *p = page_slot(is, addr);
	const struct island_page *old;

	if (p->addr)
		return p;
	old = kept_find(addr);
	if (!old && !space_is_free(is->space, addr, addr + PAGE))
		return NULL;
	if (is->npages + 2 > is->mask)
		return NULL;
	p->addr = addr;
	p->old = old;
	if (old) {
		p->next = old->next;
		mem_copy(p->used, old->used, sizeof(p->used));
	}
	is->order[is->npages++] = addr;
	return p;
}

static bool byte_used(const struct island_page *p, unsigned int off)
{
	return p->used[off / 64] >> (off % 64) & 1;
}

/* Take the bytes at @addr if all are free. */
static bool take_exact(struct islands *is, uint64_t addr)
{
	struct island_page *a = page_get(is, ALIGN_DOWN(addr, PAGE));
	struct island_page *b = page_get(is, ALIGN_DOWN(addr + ISLAND_SIZE - 1, PAGE));

	if (!a || !b)
		return false;
	for (unsigned int i = 0; i < ISLAND_SIZE; i++) {
		uint64_t at = addr + i;

		if (byte_used(ALIGN_DOWN(at, PAGE) == a->addr ? a : b, at % PAGE))
			return false;
	}
	for (unsigned int i = 0; i < ISLAND_SIZE; i++) {
		uint64_t at = addr + i;
		struct island_page *p = ALIGN_DOWN(at, PAGE) == a->addr ? a : b;

		p->used[at % PAGE / 64] |= 1ull << (at % 64);
		p->dirty = true;
	}
	return true;
}

/* A free place in the page of @page_addr within [lo, hi); whole within the page. */
static uint64_t take_in_page(struct islands *is, uint64_t page_addr, uint64_t lo, uint64_t hi)
{
	struct island_page *p = page_get(is, page_addr);
	uint64_t at, end = page_addr + PAGE - ISLAND_SIZE;

	if (!p)
		return 0;
	at = page_addr + p->next;
	if (at < lo)
		at = lo;
	for (; at < hi && at <= end; at++) {
		if (take_exact(is, at)) {
			p->next = (uint32_t)(at - page_addr) + ISLAND_SIZE;
			return at;
		}
	}
	return 0;
}

/* Narrow windows: each address, page by page. */
static uint64_t place_narrow(struct islands *is, uint64_t lo, uint64_t hi)
{
	if (hi - lo <= 256) {
		for (uint64_t at = lo; at < hi; at++) {
			if (take_exact(is, at))
				return at;
		}
		return 0;
	}
	/* pages in use first, then new ones */
	for (int fresh = 0; fresh < 2; fresh++) {
		for (uint64_t pg = ALIGN_DOWN(lo, PAGE); pg < hi; pg += PAGE) {
			uint64_t at;

			if (!fresh && !page_slot(is, pg)->addr)
				continue;
			at = take_in_page(is, pg, lo, hi);
			if (at)
				return at;
		}
	}
	return 0;
}

/* Wide windows: fill up a recent page, else open the first free one. */
static uint64_t place_wide(struct islands *is, uint64_t lo, uint64_t hi)
{
	uint64_t pg, at;

	for (unsigned int i = 0; i < ARRAY_LEN(is->recent); i++) {
		pg = is->recent[i];
		if (pg < ALIGN_UP(lo, PAGE) || pg + PAGE > hi)
			continue;
		at = take_in_page(is, pg, lo, hi);
		if (at)
			return at;
	}
	for (pg = ALIGN_UP(lo, PAGE); pg + PAGE <= hi;) {
		if (page_slot(is, pg)->addr) {
			pg += PAGE;
			continue;
		}
		pg = space_find(is->space, PAGE, pg, hi, pg);
		if (!pg)
			return 0;
		if (page_slot(is, pg)->addr) {
			pg += PAGE;
			continue;
		}
		at = take_in_page(is, pg, lo, hi);
		if (at) {
			is->recent[is->nrecent++ % ARRAY_LEN(is->recent)] = pg;
			return at;
		}
		pg += PAGE;
	}
	return 0;
}

/* 0, -1, 1, -2, 2 ...: small displacements first */
static uint8_t zigzag(uint8_t i)
{
	return (uint8_t)(i & 1 ? -(i / 2) - 1 : i / 2);
}

uint64_t islands_place(struct islands *is, uint64_t from, uint32_t mask, uint32_t value)
{
	unsigned int low = 0, high[4], nhigh = 0, combos;

	while (low < 4 && !(mask >> (8 * low) & 0xff))
		low++;
	for (unsigned int i = low; i < 4; i++) {
		if (!(mask >> (8 * i) & 0xff))
			high[nhigh++] = i;
	}
	combos = 1u << (8 * nhigh);
	if (combos > COMBOS_MAX)
		combos = COMBOS_MAX;
	for (unsigned int c = 0; c < combos; c++) {
		uint32_t v = value & mask;
		uint64_t lo, hi, at;

		for (unsigned int i = 0; i < nhigh; i++) {
			uint8_t byte = (uint8_t)(c >> (8 * i));

			v |= (uint32_t)(i + 1 == nhigh ? zigzag(byte) : byte) << (8 * high[i]);
		}
		lo = from + (uint64_t)(int64_t)(int32_t)v;
		hi = lo + (1ull << (8 * low));
		/* from an image in low memory: it may begin below the first address */
		if (lo > hi)
			lo = 0;
		at = hi - lo > 1 << 16 ? place_wide(is, lo, hi) : place_narrow(is, lo, hi);
		if (at)
			return at;
	}
	return 0;
}

/* Heap sort: in place, no recursion, no library. */
static void sift_down(uint64_t *v, size_t root, size_t n)
{
	for (;;) {
		size_t child = 2 * root + 1;
		uint64_t t;

		if (child >= n)
			return;
		if (child + 1 < n && v[child + 1] > v[child])
			child++;
		if (v[root] >= v[child])
			return;
		t = v[root];
		v[root] = v[child];
		v[child] = t;
		root = child;
	}
}

static void sort_addresses(uint64_t *v, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		sift_down(v, i, n);
	for (size_t end = n; end-- > 1;) {
		uint64_t t = v[0];

		v[0] = v[end];
		v[end] = t;
		sift_down(v, 0, end);
	}
}

/* Calls @fn for each run of consecutive pages. */
static int for_each_run(struct islands *is, int (*fn)(struct islands *, uint64_t, uint64_t))
{
	int ret = 0;

	for (size_t i = 0, j; i < is->npages; i = j) {
		j = i + 1;
		while (j < is->npages && is->order[j] == is->order[j - 1] + PAGE &&
		       !page_slot(is, is->order[j])->old && !page_slot(is, is->order[i])->old)
			j++;
		if (!page_slot(is, is->order[i])->failed && fn(is, is->order[i], (j - i) * PAGE))
			ret = -1;
	}
	return ret;
}

static int old_map(struct island_page *p)
{
	if (!p->dirty)
		return 0;
	p->copy = sys_map(PAGE);
	p->failed = !p->copy;
	if (p->copy)
		mem_copy(p->copy, (const void *)p->addr, PAGE);
	return p->failed ? -1 : 0;
}

/* The kernel holds the process's mappings locked from the old page's end to the new one's begin:
 * a thread that executes in the page finds one or the other. */
static int old_seal(struct island_page *p)
{
	if (!p->copy)
		return 0;
	if (sys3(SYS_mprotect, p->copy, PAGE, PROT_READ | PROT_EXEC) < 0 ||
	    sys_failed(
		    sys5(SYS_mremap, p->copy, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p->addr)))
		return -1;
	p->copy = NULL;
	return 0;
}

static int old_drop(struct island_page *p)
{
	sys_unmap(p->copy, PAGE);
	return 0;
}

static int run_map(struct islands *is, uint64_t addr, uint64_t size)
{
	long p;

	if (page_slot(is, addr)->old)
		return old_map(page_slot(is, addr));
	p = sys6(SYS_mmap, addr, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if ((uint64_t)p == addr)
		return 0;
	if (!sys_failed(p)) /* a kernel that does not know the flag */
		sys2(SYS_munmap, p, size);
	for (uint64_t pg = addr; pg < addr + size; pg += PAGE)
		page_slot(is, pg)->failed = true;
	return -1;
}

static int run_seal(struct islands *is, uint64_t addr, uint64_t size)
{
	if (page_slot(is, addr)->old)
		return old_seal(page_slot(is, addr));
	return (int)sys3(SYS_mprotect, addr, size, PROT_READ | PROT_EXEC);
}

static int run_drop(struct islands *is, uint64_t addr, uint64_t size)
{
	if (page_slot(is, addr)->old)
		return old_drop(page_slot(is, addr));
	return (int)sys2(SYS_munmap, addr, size);
}

void islands_map(struct islands *is)
{
	sort_addresses(is->order, is->npages);
	for_each_run(is, run_map);
}

bool islands_mapped(struct islands *is, uint64_t addr)
{
	struct island_page *a = page_slot(is, ALIGN_DOWN(addr, PAGE));
	struct island_page *b = page_slot(is, ALIGN_DOWN(addr + ISLAND_SIZE - 1, PAGE));

	return a->addr && !a->failed && b->addr && !b->failed;
}

uint8_t *islands_at(struct islands *is, uint64_t addr)
{
	struct island_page *p = page_slot(is, ALIGN_DOWN(addr, PAGE));

	return p->copy ? p->copy + addr % PAGE : (uint8_t *)addr;
}

int islands_seal(struct islands *is)
{
	return for_each_run(is, run_seal) ? SONDE_E_PROTECT : 0;
}

void islands_drop(struct islands *is)
{
	for_each_run(is, run_drop);
}

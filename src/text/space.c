/* SPDX-License-Identifier: MIT */
/*
 * Where code memory may go: reads the process's mappings, answers what is free.
 * Context: agent side, not on a hit.
 */
#include "text/space.h"

#include <errno.h>

#include "base/mem.h"
#include "base/sys.h"

#define PAGE 4096ull
#define ADDRESS_MIN 0x10000ull
#define ADDRESS_MAX 0x7fffffffe000ull
/* Below the main stack: its limit is 8 MiB by default and may be raised later. */
#define STACK_ROOM (256ull << 20)

static const char *parse_hex(const char *p, uint64_t *v)
{
	*v = 0;
	for (;; p++) {
		if (*p >= '0' && *p <= '9')
			*v = *v << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			*v = *v << 4 | (uint64_t)(*p - 'a' + 10);
		else
			return p;
	}
}

static bool ends_with(const char *line, const char *end, const char *word)
{
	size_t n = str_len(word);

	return (size_t)(end - line) >= n && mem_equal(end - n, word, n);
}

static void space_add(struct space *sp, uint64_t start, uint64_t end)
{
	struct space_range *last = sp->n ? &sp->taken[sp->n - 1] : NULL;

	if (last && start <= last->end) {
		if (end > last->end)
			last->end = end;
		if (start < last->start)
			last->start = start;
		return;
	}
	sp->taken[sp->n++] = (struct space_range){start, end};
}

/* Take one more range out of the middle of the sorted list. */
static void space_reserve(struct space *sp, uint64_t start, uint64_t end)
{
	size_t i = 0, j;

	while (i < sp->n && sp->taken[i].end < start)
		i++;
	for (j = i; j < sp->n && sp->taken[j].start <= end; j++) {
		if (sp->taken[j].start < start)
			start = sp->taken[j].start;
		if (sp->taken[j].end > end)
			end = sp->taken[j].end;
	}
	if (i == j) {
		for (size_t k = sp->n; k > i; k--)
			sp->taken[k] = sp->taken[k - 1];
		sp->n++;
	} else {
		for (size_t k = j; k < sp->n; k++)
			sp->taken[i + 1 + k - j] = sp->taken[k];
		sp->n -= j - i - 1;
	}
	sp->taken[i] = (struct space_range){start, end};
}

static size_t count_lines(const char *p)
{
	size_t n = 0;

	for (; *p; p++)
		n += *p == '\n';
	return n;
}

int space_read(struct space *sp, uint64_t heap)
{
	size_t size, len;
	char *maps = sys_slurp("/proc/self/maps", &size, &len);
	uint64_t brk = (uint64_t)sys1(SYS_brk, 0), stack = 0;

	if (!maps)
		return -ENOMEM;
	/* four spare entries for the reservations below */
	sp->mem_size = ALIGN_UP((count_lines(maps) + 4) * sizeof(*sp->taken), PAGE);
	sp->n = 0;
	sp->taken = sys_map(sp->mem_size);
	if (!sp->taken) {
		sys_unmap(maps, size);
		return -ENOMEM;
	}
	for (const char *p = maps; *p;) {
		uint64_t start, end;
		const char *eol = p;

		while (*eol && *eol != '\n')
			eol++;
		p = parse_hex(p, &start);
		parse_hex(p + 1, &end);
		if (start < ADDRESS_MAX)
			space_add(sp, start, end);
		if (ends_with(p, eol, "[stack]"))
			stack = start;
		p = *eol ? eol + 1 : eol;
	}
	sys_unmap(maps, size);
	if (stack > STACK_ROOM)
		space_reserve(sp, stack - STACK_ROOM, stack);
	space_reserve(sp, ALIGN_DOWN(brk, PAGE), brk + heap);
	return 0;
}

void space_free(struct space *sp)
{
	sys_unmap(sp->taken, sp->mem_size);
	sp->taken = NULL;
}

/* The first taken range that ends behind @addr. */
static size_t space_lookup(const struct space *sp, uint64_t addr)
{
	size_t lo = 0, hi = sp->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (sp->taken[mid].end > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

bool space_is_free(const struct space *sp, uint64_t start, uint64_t end)
{
	size_t i;

	if (start < ADDRESS_MIN || end > ADDRESS_MAX || end <= start)
		return false;
	i = space_lookup(sp, start);
	return i == sp->n || sp->taken[i].start >= end;
}

uint64_t space_find(const struct space *sp, uint64_t size, uint64_t lo, uint64_t hi, uint64_t near)
{
	size_t at, i;

	lo = lo < ADDRESS_MIN ? ADDRESS_MIN : lo;
	hi = hi > ADDRESS_MAX ? ADDRESS_MAX : hi;
	at = space_lookup(sp, near);
	/* the gaps below taken[i], going down */
	for (i = at + 1; i-- > 0;) {
		uint64_t top = i < sp->n ? sp->taken[i].start : ADDRESS_MAX;
		uint64_t bottom = i ? sp->taken[i - 1].end : ADDRESS_MIN;

		top = top > near ? near : top;
		top = top > hi ? hi : top;
		bottom = bottom < lo ? lo : bottom;
		if (top >= size && ALIGN_DOWN(top - size, PAGE) >= bottom)
			return ALIGN_DOWN(top - size, PAGE);
		if (top < lo)
			break;
	}
	/* the gaps above @near, the one around it first */
	for (i = at; i <= sp->n; i++) {
		uint64_t bottom = i ? sp->taken[i - 1].end : ADDRESS_MIN;
		uint64_t top = i < sp->n ? sp->taken[i].start : ADDRESS_MAX;

		bottom = bottom < near ? near : bottom;
		bottom = ALIGN_UP(bottom < lo ? lo : bottom, PAGE);
		top = top > hi ? hi : top;
		if (bottom > hi)
			break;
		if (top >= bottom && top - bottom >= size)
			return bottom;
	}
	return 0;
}

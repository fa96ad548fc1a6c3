/* SPDX-License-Identifier: MIT */
/*
 * Bytes that nobody executes, between functions and inside them.
 *
 * Padding is unreachable when what stands before it never falls through, and no function, symbol
 * or (inside a function) known branch begins in it. Context: tool.
 */
#include "base/base.h"
#include "plan/state.h"

#define ENTRY_ALIGN 16 /* what compilers and assembly align functions to */

/* What is known of one function's tail. */
enum tail { TAIL_UNKNOWN, TAIL_FALLS, TAIL_ENDS };

size_t plan_bound_after(const struct image *img, uint64_t vaddr)
{
	size_t lo = 0, hi = img->nbounds;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (img->bound[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool plan_has_symbol_in(const struct image *img, uint64_t start, uint64_t end)
{
	size_t lo = 0, hi = img->nfuncs;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (img->func[mid].vaddr < start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < img->nfuncs && img->func[lo].vaddr < end;
}

void plan_note_tail(struct plan *p, size_t bound, const struct sweep *s)
{
	p->tail[bound] = s->tail_ends ? TAIL_ENDS : TAIL_FALLS;
}

static bool tail_ends(struct plan *p, size_t bound)
{
	if (p->tail[bound] == TAIL_UNKNOWN) {
		if (sweep_function(&p->other, p->img, p->img->bound[bound]))
			return false;
		plan_note_tail(p, bound, &p->other);
	}
	return p->tail[bound] == TAIL_ENDS;
}

/*
 * Bytes that only fill, from @start on, below @end (where the next function begins) or at most
 * @max. If code follows that neither a bound nor a symbol knows, it may be a function that itself
 * begins with nops: what lies behind the last address that functions are aligned to is not counted.
 */
static size_t filling(const struct image *img, uint64_t start, uint64_t end, size_t max)
{
	uint8_t code[4 * ENTRY_ALIGN]; /* see a boundary behind @max */
	size_t have, n;

	have = end - start > sizeof(code) ? sizeof(code) : end - start;
	have = image_bytes(img, start, code, have);
	n = arch_padding(code, have);
	if (n < have && !plan_has_symbol_in(img, start + n, start + n + 1)) {
		uint64_t cut = ALIGN_DOWN(start + n, ENTRY_ALIGN);

		n = cut > start ? cut - start : 0;
	}
	return n > max ? max : n;
}

size_t plan_padding_behind(struct plan *p, size_t bound, size_t max)
{
	const struct image *img = p->img;
	uint64_t start = img->bound[bound].end, end = UINT64_MAX;
	size_t n;

	if (bound + 1 < img->nbounds)
		end = img->bound[bound + 1].start;
	/* a function that lies inside a longer one */
	if (end <= start || (bound && img->bound[bound - 1].end > start))
		return 0;
	n = filling(img, start, end, max);
	if (!n || plan_has_symbol_in(img, start, start + n) || !tail_ends(p, bound))
		return 0;
	return n;
}

/* Inside a function every branch is known, so that padding ends where one leads. */
static size_t padding_inside(const struct site *s, uint64_t at, size_t max)
{
	const struct plan *p = s->p;
	uint8_t code[2 * ARCH_INSN_MAX];
	size_t have = s->func.end - at, n;

	if (!p->has_flow || !flow_is_closed(&p->flow, s->bound))
		return 0;
	have = image_bytes(p->img, at, code, have > sizeof(code) ? sizeof(code) : have);
	n = arch_padding(code, have);
	n = n > max ? max : n;
	for (size_t i = 0; i < n; i++) {
		if (flow_leads_into(&p->flow, at + i, at + i + 1) ||
		    plan_has_symbol_in(p->img, at + i, at + i + 1))
			return i;
	}
	return n;
}

size_t plan_padding_at(const struct site *s, uint64_t at, size_t max)
{
	return at == s->func.end ? plan_padding_behind(s->p, s->bound, max)
				 : padding_inside(s, at, max);
}

/* SPDX-License-Identifier: MIT */
/*
 * A jump in place of one instruction.
 *
 *   S0  five bytes of the instruction (or of padding nobody reaches) in one quadword
 *   S1  as many bytes of the instruction as lie in its quadword, at most four; the other bytes of
 *       the jump's displacement are the code that stands there
 *   S2  two bytes of the instruction, and a pad: padding behind a function, in reach of a short
 *       jump
 *   S4  as S0 or S1, but the bytes lie in two quadwords
 *
 * S1 needs nothing but an address, which the target looks for; S2 needs a pad, of which there are
 * few. S2 goes first only where S1 leaves one address or 256 to choose from, or where the image
 * has fixed addresses in the crowded low 4 GiB.
 *
 * Where something branches into the instruction (past a lock prefix, say), only the bytes before
 * that place may change. Context: tool.
 */
#include <string.h>

#include "base/err.h"
#include "plan/state.h"

#define SHORT_BACK 126 /* from the start of a two-byte jump */
#define SHORT_AHEAD 129
#define ADDRESS_MIN 0x10000ll
#define ADDRESS_MAX 0x7fffffffe000ll

/* Bytes of the instruction before anything branches into it. */
static unsigned int own_bytes(const struct site *s)
{
	unsigned int n = 1;

	while (n < s->insn.len && !sweep_is_target(&s->p->sweep, s->vaddr + n, s->vaddr + n + 1) &&
	       !(s->p->has_flow && flow_leads_into(&s->p->flow, s->vaddr + n, s->vaddr + n + 1)))
		n++;
	return n;
}

/* Which bytes of the jump may change: those of the instruction, and unreachable padding behind it,
 * in the first @room bytes. */
static void find_free(const struct site *s, unsigned int room, struct jump *j)
{
	uint64_t end = s->vaddr + s->insn.len;
	unsigned int own = own_bytes(s);
	size_t pad = 0;

	if (own == s->insn.len && own < JMP_SIZE && !arch_falls_through(s->insn.kind))
		pad = plan_padding_at(s, end, JMP_SIZE - own);
	memset(j, 0, sizeof(*j));
	for (unsigned int i = 0; i < JMP_SIZE; i++) {
		j->free[i] = i < room && i < own + pad;
		if (j->free[i])
			j->ncut = i + 1;
	}
}

bool jump_has_place(const struct site *s, const struct jump *j)
{
	const struct image *img = s->p->img;
	int64_t lo, hi, base = (int64_t)s->vaddr + JMP_SIZE;
	uint32_t high = ~j->mask & 0xffffff;

	if (!(j->mask >> 24))
		return true;
	lo = base + (int32_t)j->value;
	hi = base + (int32_t)(j->value | high);
	if (lo >= (int64_t)img->span.start && hi < (int64_t)img->span.end)
		return false;
	return !img->is_exec || (hi >= ADDRESS_MIN && lo < ADDRESS_MAX);
}

bool jump_fits(const struct site *s, struct jump *j)
{
	j->mask = j->value = 0;
	if (s->ncode < JMP_SIZE)
		return j->ncut == JMP_SIZE;
	for (unsigned int i = 1; i < JMP_SIZE; i++) {
		if (!j->free[i]) {
			j->mask |= 0xffu << (8 * (i - 1));
			j->value |= (uint32_t)s->code[i] << (8 * (i - 1));
		}
	}
	return jump_has_place(s, j);
}

bool jump_is_poor(const struct jump *j)
{
	return __builtin_popcount(j->mask) >= 24;
}

/* The nearest free pad in reach of a short jump; 0 if there is none. */
static uint64_t find_pad(struct site *s, uint8_t *old)
{
	const struct image *img = s->p->img;
	uint64_t best = 0, best_distance = UINT64_MAX;

	/* functions that end in reach begin before it ends; long ones may begin far before */
	for (size_t i = plan_bound_after(img, s->vaddr + SHORT_AHEAD); i-- > 0;) {
		uint64_t end = img->bound[i].end;
		uint64_t distance = end > s->vaddr ? end - s->vaddr : s->vaddr - end;

		if (img->bound[i].start + (1 << 16) < s->vaddr)
			break;
		if (end > s->vaddr + SHORT_AHEAD || end + SHORT_BACK < s->vaddr ||
		    distance >= best_distance)
			continue;
		/* the site's own padding */
		if (end < s->vaddr + 2 && end + JMP_SIZE > s->vaddr)
			continue;
		if (!plan_may_change(s->p, end, JMP_SIZE) ||
		    plan_padding_behind(s->p, i, 16) < JMP_SIZE)
			continue;
		best = end;
		best_distance = distance;
	}
	if (!best || image_bytes(img, best, old, JMP_SIZE) != JMP_SIZE)
		return 0;
	return best;
}

static bool try_pad(struct site *s, struct wire_site *w)
{
	uint8_t old[8] = {0};
	uint64_t pad;

	if (own_bytes(s) < 2 || s->vaddr % 8 > 6 || !plan_may_change(s->p, s->vaddr, 2))
		return false;
	pad = find_pad(s, old);
	if (!pad)
		return false;
	w->class = WIRE_CLASS_S2;
	w->ncut = 2;
	w->pad_vaddr = pad;
	memcpy(w->pad_old, old, sizeof(w->pad_old));
	return plan_claim(s->p, w);
}

static bool take(struct site *s, struct wire_site *w, enum wire_class class, const struct jump *j)
{
	w->class = (uint8_t) class;
	w->ncut = (uint8_t)j->ncut;
	w->rel_mask = j->mask;
	w->rel_value = j->value;
	if (plan_claim(s->p, w))
		return true;
	w->class = WIRE_CLASS_NONE;
	w->ncut = 0;
	w->rel_mask = w->rel_value = 0;
	return false;
}

/* S0, S1 and S2. */
static int try_one_store(struct site *s, uint32_t classes, struct wire_site *w)
{
	unsigned int room = 8 - s->vaddr % 8;
	struct jump j;
	bool pun;

	find_free(s, room, &j);
	pun = jump_fits(s, &j);
	/* padding inside the function is worth a look at all of the image */
	if ((!pun || jump_is_poor(&j)) && j.ncut < room && !arch_falls_through(s->insn.kind) &&
	    plan_need_flow(s->p) == 0) {
		find_free(s, room, &j);
		pun = jump_fits(s, &j);
	}
	if (j.ncut == JMP_SIZE) {
		if (!(classes & PLAN_CLASS(WIRE_CLASS_S0)))
			return SONDE_E_TOO_SHORT;
		return take(s, w, WIRE_CLASS_S0, &j) ? 0 : SONDE_E_OVERLAP;
	}
	pun = pun && classes & PLAN_CLASS(WIRE_CLASS_S1);
	if (!(classes & PLAN_CLASS(WIRE_CLASS_S2)))
		return !pun			       ? SONDE_E_TOO_SHORT
		       : take(s, w, WIRE_CLASS_S1, &j) ? 0
						       : SONDE_E_OVERLAP;
	if ((!pun || jump_is_poor(&j) || s->p->img->is_exec) && try_pad(s, w))
		return 0;
	if (!pun)
		return SONDE_E_TOO_SHORT;
	if (take(s, w, WIRE_CLASS_S1, &j))
		return 0;
	return try_pad(s, w) ? 0 : SONDE_E_OVERLAP;
}

/* At least two bytes in the first quadword, for the spin guard, and some in the second. */
static int try_crossing(struct site *s, struct wire_site *w)
{
	unsigned int room = 8 - s->vaddr % 8;
	struct jump j;

	find_free(s, JMP_SIZE, &j);
	if (room < 2 || !s->has_next || j.ncut <= room || !jump_fits(s, &j))
		return SONDE_E_TOO_SHORT;
	return take(s, w, WIRE_CLASS_S4, &j) ? 0 : SONDE_E_OVERLAP;
}

int plan_one(struct site *s, uint32_t classes, struct wire_site *w)
{
	int err = try_one_store(s, classes, w);

	if (err && classes & PLAN_CLASS(WIRE_CLASS_S4) && try_crossing(s, w) == 0)
		return 0;
	if (err == SONDE_E_TOO_SHORT && own_bytes(s) < s->insn.len)
		return SONDE_E_BRANCH_INTO;
	return err;
}

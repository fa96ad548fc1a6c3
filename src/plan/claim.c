/* SPDX-License-Identifier: MIT */
/*
 * Which bytes of the image are spoken for: those that sites change, and those that the fixed part
 * of a punned jump must find as they are.
 *
 * Invariant: no byte is claimed twice, so that what one site claimed can be released alone. Two
 * sites never rely on one byte: the later one would begin among those of the earlier.
 * Context: tool.
 */
#include "plan/state.h"

static bool any_bit(const struct plan *p, const uint8_t *map, uint64_t vaddr, unsigned int n)
{
	uint64_t at = vaddr - p->img->span.start;

	for (uint64_t i = at; i < at + n; i++) {
		if (map[i / 8] >> (i % 8) & 1)
			return true;
	}
	return false;
}

static void put_bits(const struct plan *p, uint8_t *map, uint64_t vaddr, unsigned int n, bool on)
{
	uint64_t at = vaddr - p->img->span.start;

	for (uint64_t i = at; i < at + n; i++) {
		if (on)
			map[i / 8] |= (uint8_t)(1u << (i % 8));
		else
			map[i / 8] &= (uint8_t) ~(1u << (i % 8));
	}
}

/*
 * Bytes at the site that must stay what they are or become what it makes of them: those of a jump
 * whose displacement ends in bytes that stay; and where the jump stands before the probed
 * instruction, all that are displaced, since a jump of another site among them would not be met.
 */
static unsigned int reach(const struct wire_site *w)
{
	bool relies =
		w->class == WIRE_CLASS_S1 || w->class == WIRE_CLASS_S3 || w->class == WIRE_CLASS_S4;
	unsigned int n = relies && w->ncut < JMP_SIZE ? JMP_SIZE : w->ncut;

	return w->hit_at && w->insn_len > n ? w->insn_len : n;
}

bool plan_is_changed(const struct plan *p, uint64_t vaddr, unsigned int n)
{
	return any_bit(p, p->changed, vaddr, n);
}

bool plan_is_relied(const struct plan *p, uint64_t vaddr, unsigned int n)
{
	return any_bit(p, p->relied, vaddr, n);
}

bool plan_may_change(const struct plan *p, uint64_t vaddr, unsigned int n)
{
	return !plan_is_changed(p, vaddr, n) && !plan_is_relied(p, vaddr, n);
}

static void put_claim(struct plan *p, const struct wire_site *w, bool on)
{
	put_bits(p, p->changed, w->vaddr, w->ncut, on);
	put_bits(p, p->relied, w->vaddr + w->ncut, reach(w) - w->ncut, on);
	if (w->class == WIRE_CLASS_S2)
		put_bits(p, p->changed, w->pad_vaddr, JMP_SIZE, on);
}

void plan_claim_over(struct plan *p, const struct wire_site *w)
{
	put_claim(p, w, true);
}

bool plan_claim(struct plan *p, const struct wire_site *w)
{
	if (!plan_may_change(p, w->vaddr, w->ncut))
		return false;
	if (plan_is_changed(p, w->vaddr + w->ncut, reach(w) - w->ncut))
		return false;
	put_claim(p, w, true);
	return true;
}

void plan_release(struct plan *p, const struct plan_site *site)
{
	put_claim(p, &site->site, false);
}

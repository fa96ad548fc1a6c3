/* SPDX-License-Identifier: MIT */
/*
 * A jump before the instruction that is probed, which the detour executes together with those in
 * front of it. A return is short; what stands before it is often a row of pops, or a mov of five
 * bytes.
 *
 * Right as long as the jump is right where it stands. Complete, in that every execution of the
 * probed instruction is a hit, only if nothing leads between the two: the function must be known
 * completely. Context: tool.
 */
#include <string.h>

#include "base/err.h"
#include "plan/state.h"

bool plan_is_sealed(const struct plan *p, size_t bound, uint64_t start, uint64_t end)
{
	return flow_is_closed(&p->flow, bound) && !flow_leads_into(&p->flow, start, end) &&
	       !plan_has_symbol_in(p->img, start, end);
}

/* One instruction at @start changes; all up to the one at @vaddr are displaced. */
static int try_at(struct plan *p, uint64_t start, uint64_t vaddr, uint32_t classes,
		  struct plan_site *out)
{
	struct site s = {.p = p, .vaddr = start};
	struct arch_code code;
	size_t len;
	int err = plan_look(&s);

	memset(out, 0, sizeof(*out));
	if (err)
		return err;
	if (!plan_is_sealed(p, s.bound, start + 1, vaddr + 1))
		return SONDE_E_BRANCH_INTO;
	err = arch_emit_window_hit(s.code, s.ncode, start, 1, vaddr - start, &code, &len);
	if (err)
		return err;
	if (len > DISPLACED_MAX || start + len > s.func.end)
		return SONDE_E_TOO_SHORT;
	out->site.vaddr = start;
	out->site.insn_len = (uint8_t)len;
	out->site.hit_at = (uint8_t)(vaddr - start);
	err = plan_one(&s, classes, &out->site);
	if (err) {
		memset(out, 0, sizeof(*out));
		return err;
	}
	plan_finish(&s, &code, out);
	return 0;
}

/* A place among many, not one that may be taken in the target. */
static bool has_choice(const struct plan_site *site)
{
	const struct jump j = {.mask = site->site.rel_mask};

	return !jump_is_poor(&j);
}

int plan_early(struct plan *p, uint64_t vaddr, uint32_t classes, bool sure, struct plan_site *out)
{
	int err = plan_need_flow(p);

	for (int pass = 0; pass < (sure ? 1 : 2) && !err; pass++) {
		uint64_t start = vaddr;

		while (sweep_before(&p->sweep, start, &start) && vaddr - start < DISPLACED_MAX) {
			if (try_at(p, start, vaddr, classes, out))
				continue;
			if (pass || has_choice(out))
				return 0;
			plan_release(p, out);
		}
	}
	memset(out, 0, sizeof(*out));
	return err ? err : SONDE_E_TOO_SHORT;
}

int plan_early_window(struct plan *p, uint64_t vaddr, uint32_t classes, struct plan_site *out)
{
	int err = SONDE_E_TOO_SHORT;
	uint64_t start = vaddr;

	while (err && sweep_before(&p->sweep, start, &start) && vaddr - start < DISPLACED_MAX)
		err = plan_several(p, start, vaddr, classes, out);
	return err;
}

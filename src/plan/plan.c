/* SPDX-License-Identifier: MIT */
/*
 * The planning state of an image, and the choice among the classes: what changes one instruction
 * (jump.c) before what changes several (window.c), the probed instruction before an earlier one
 * (early.c), and a trap where nothing else fits.
 * Context: tool.
 */
#include "plan/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/err.h"
#include "plan/state.h"

#define SPAN_MAX (4ull << 30) /* an image larger than this is not real */

int plan_open(const struct image *img, struct plan **out)
{
	struct plan *p = calloc(1, sizeof(*p));
	uint64_t span;

	if (!p)
		return -ENOMEM;
	p->img = img;
	p->tail = calloc(img->nbounds + 1, sizeof(*p->tail));
	span = img->span.end - img->span.start;
	p->changed = span < SPAN_MAX ? calloc(span / 8 + 1, 1) : NULL;
	p->relied = span < SPAN_MAX ? calloc(span / 8 + 1, 1) : NULL;
	if (!p->tail || !p->changed || !p->relied) {
		plan_close(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

void plan_close(struct plan *p)
{
	if (!p)
		return;
	sweep_free(&p->sweep);
	sweep_free(&p->other);
	flow_free(&p->flow);
	free(p->tail);
	free(p->changed);
	free(p->relied);
	free(p);
}

int plan_need_flow(struct plan *p)
{
	int err = p->has_flow ? 0 : flow_read(p->img, &p->flow);

	if (!err)
		p->has_flow = true;
	return err;
}

int plan_look(struct site *s)
{
	struct plan *p = s->p;
	struct image_range text;
	uint64_t quad = ALIGN_DOWN(s->vaddr, 8);

	if (!image_text(p->img, s->vaddr, &text))
		return SONDE_E_NOT_CODE;
	if (!image_bound(p->img, s->vaddr, &s->func))
		return SONDE_E_NO_FUNCTION;
	s->bound = plan_bound_after(p->img, s->func.start) - 1;
	if (p->sweep.range.start != s->func.start || p->sweep.range.end != s->func.end) {
		if (sweep_function(&p->sweep, p->img, s->func))
			return -ENOMEM;
		plan_note_tail(p, s->bound, &p->sweep);
	}
	if (s->vaddr != s->func.start && !sweep_is_boundary(&p->sweep, s->vaddr))
		return s->vaddr < p->sweep.decoded ? SONDE_E_NOT_BOUNDARY : SONDE_E_DECODE;
	s->ncode = image_bytes(p->img, s->vaddr, s->code, sizeof(s->code));
	if (arch_is_sigreturn(s->code, s->ncode))
		return SONDE_E_UNSAFE;
	if (image_bytes(p->img, quad, &s->old, 8) != 8)
		return SONDE_E_NOT_CODE;
	s->has_next = image_bytes(p->img, quad + 8, &s->next_old, 8) == 8;
	return arch_decode(s->code, s->ncode, s->vaddr, &s->insn);
}

void plan_finish(const struct site *s, const struct arch_code *code, struct plan_site *out)
{
	out->site.old = s->old;
	if (s->vaddr % 8 + out->site.ncut > 8)
		out->site.next_old = s->next_old;
	out->site.code_len = code->len;
	out->site.nfix = code->nfix;
	memcpy(out->code, code->code, code->len);
	memcpy(out->fix, code->fix, code->nfix * sizeof(code->fix[0]));
}

/* One byte. Its instruction is displaced as in the other classes. */
static int try_trap(struct site *s, struct wire_site *w)
{
	w->vaddr = s->vaddr;
	w->class = WIRE_CLASS_S5;
	w->ncut = 1;
	if (plan_claim(s->p, w))
		return 0;
	memset(w, 0, sizeof(*w));
	return SONDE_E_OVERLAP;
}

/* What lies before the instruction at @vaddr, or begins with it: windows and earlier jumps. */
static int try_around(struct plan *p, uint64_t vaddr, uint32_t classes, struct plan_site *out)
{
	int err;

	if (classes & PLAN_EARLY && plan_early(p, vaddr, classes, false, out) == 0)
		return 0;
	err = plan_several(p, vaddr, vaddr, classes, out);
	if (err && classes & PLAN_EARLY && plan_early_window(p, vaddr, classes, out) == 0)
		return 0;
	return err;
}

/* A jump that needs certain addresses, few, or low ones that much else wants. */
static bool is_gamble(const struct plan *p, const struct wire_site *w)
{
	const struct jump j = {.mask = w->rel_mask};

	return w->class == WIRE_CLASS_S1 && (p->img->is_exec || jump_is_poor(&j));
}

/* The instruction at @s->vaddr alone; but rather than to gamble, an earlier one that needs no
 * address or has many to choose from. */
static int try_one(struct site *s, uint32_t classes, struct plan_site *out)
{
	uint32_t sure = classes;
	struct plan *p = s->p;
	int err = plan_one(s, classes, &out->site);

	if (err || !(classes & PLAN_EARLY) || s->vaddr == s->func.start ||
	    !is_gamble(p, &out->site))
		return err;
	if (p->img->is_exec)
		sure &= PLAN_CLASS(WIRE_CLASS_S0) | PLAN_CLASS(WIRE_CLASS_S2);
	plan_release(p, out);
	if (plan_early(p, s->vaddr, sure, true, out) == 0)
		return 0;
	out->site.vaddr = s->vaddr;
	return plan_one(s, classes, &out->site);
}

int plan_site_in(struct plan *p, uint64_t vaddr, uint32_t classes, struct plan_site *out)
{
	struct site s = {.p = p, .vaddr = vaddr};
	struct arch_code code;
	int err = plan_look(&s);

	memset(out, 0, sizeof(*out));
	if (err)
		return err;
	err = arch_emit_detour(s.code, s.ncode, vaddr, &code);
	if (err)
		return err;
	out->site.vaddr = vaddr;
	err = try_one(&s, classes, out);
	if (!err && out->site.hit_at)
		return 0;
	if (err && classes & ~PLAN_ONE_STORE && try_around(p, vaddr, classes, out) == 0)
		return 0;
	if (err) {
		memset(out, 0, sizeof(*out));
		if (!(classes & PLAN_CLASS(WIRE_CLASS_S5)))
			return err;
		err = try_trap(&s, &out->site);
	}
	if (err)
		return err;
	out->site.insn_len = s.insn.len;
	plan_finish(&s, &code, out);
	return 0;
}

int plan_site(struct plan *p, uint64_t vaddr, struct plan_site *out)
{
	return plan_site_in(p, vaddr, PLAN_ONE_STORE, out);
}

int plan_window(struct plan *p, uint64_t vaddr, const struct plan_site *other,
		struct plan_site *out)
{
	const uint32_t class = PLAN_CLASS(WIRE_CLASS_W);
	int err;

	/* its bytes are no obstacle, but stay claimed */
	if (other)
		plan_release(p, other);
	err = plan_several(p, vaddr, vaddr, class, out);
	if (err && other && plan_early_window(p, vaddr, class, out) == 0)
		err = 0;
	if (other)
		plan_claim_over(p, &other->site);
	return err;
}

const char *plan_class_name(enum wire_class c)
{
	static const char *const name[] = {"none", "S0", "S1", "S2", "W", "S3", "S4", "S5"};

	return c < ARRAY_LEN(name) ? name[c] : "none";
}

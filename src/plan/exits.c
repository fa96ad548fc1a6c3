/* SPDX-License-Identifier: MIT */
/*
 * Where a function is left.
 *
 * A compiler lays parts of a function apart (cold code). A direct jump out of the function leads to
 * such a part, whose exits are the function's, or to another function, and then it is a tail call,
 * an exit itself. A part is told by its unwind information, which begins with a frame already
 * there, or by a jump back into the middle of the function. A jump to a stub of the procedure
 * linkage table leads into the middle of a piece of code, too; what it does there is to leave.
 * Context: tool.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/err.h"
#include "plan/state.h"

#define PARTS_MAX 16 /* pieces of one function */

struct search {
	struct plan *p;
	struct plan_exits *out;
	size_t part[PARTS_MAX]; /* bounds */
	size_t nparts;
	struct sweep sweep;
	int err; /* why there may be more exits */
};

static void fail(struct search *s, int err)
{
	if (!s->err)
		s->err = err;
}

static int add_exit(struct search *s, uint64_t vaddr, enum plan_exit_kind kind)
{
	struct plan_exits *o = s->out;

	if (o->n == o->cap) {
		size_t cap = o->cap ? 2 * o->cap : 8;
		struct plan_exit *mem = realloc(o->exit, cap * sizeof(*mem));

		if (!mem)
			return -ENOMEM;
		o->exit = mem;
		o->cap = cap;
	}
	o->exit[o->n++] = (struct plan_exit){vaddr, kind};
	return 0;
}

static bool is_part_of(const struct search *s, size_t bound)
{
	for (size_t i = 0; i < s->nparts; i++) {
		if (s->part[i] == bound)
			return true;
	}
	return false;
}

static void add_part(struct search *s, size_t bound)
{
	if (is_part_of(s, bound))
		return;
	if (s->nparts == PARTS_MAX)
		fail(s, SONDE_E_SHARED);
	else
		s->part[s->nparts++] = bound;
}

/* [endbr64] jmp *pointer(%rip) */
static bool is_stub(const struct image *img, uint64_t vaddr)
{
	uint8_t code[2 * ARCH_INSN_MAX];
	size_t n = image_bytes(img, vaddr, code, sizeof(code));
	struct arch_insn in;

	if (arch_decode(code, n, vaddr, &in))
		return false;
	if (in.kind == ARCH_ENDBR && arch_decode(code + in.len, n - in.len, vaddr + in.len, &in))
		return false;
	return in.kind == ARCH_JMP_IND && in.has_target;
}

/* Some direct jump of function @bound leads behind the start of a piece that we know. */
static bool leads_back(struct search *s, size_t bound)
{
	const struct image *img = s->p->img;
	const struct sweep *o = &s->p->other;

	if (sweep_function(&s->p->other, img, img->bound[bound]))
		return false;
	for (size_t i = 0; i < s->nparts; i++) {
		const struct image_range *part = &img->bound[s->part[i]];

		for (size_t k = 0; k < o->jumps.n; k++) {
			if (o->jumps.vaddr[k] > part->start && o->jumps.vaddr[k] < part->end)
				return true;
		}
	}
	return false;
}

/* A direct jump at @vaddr that leaves the piece. */
static int jump_out(struct search *s, uint64_t vaddr, const struct arch_insn *in)
{
	const struct image *img = s->p->img;
	enum plan_exit_kind kind = in->kind == ARCH_JMP ? PLAN_EXIT_JUMP : PLAN_EXIT_JUMP_IF;
	struct image_range r;
	size_t bound;

	/* nothing is known of what stands there; somebody begins to execute it here */
	if (!image_bound(img, in->target, &r))
		return add_exit(s, vaddr, kind);
	bound = plan_bound_after(img, r.start) - 1;
	if (is_part_of(s, bound)) {
		/* from a part back to the function; recursion in a jump's form is an exit */
		if (in->target == r.start && bound == s->part[0])
			return add_exit(s, vaddr, kind);
		return 0;
	}
	if (is_stub(img, in->target))
		return add_exit(s, vaddr, kind);
	if (s->p->flow.bound[bound] & FLOW_PART || leads_back(s, bound)) {
		add_part(s, bound);
		return 0;
	}
	if (in->target != r.start && !plan_has_symbol_in(img, in->target, in->target + 1))
		fail(s, SONDE_E_SHARED);
	return add_exit(s, vaddr, kind);
}

static int jump_indirect(struct search *s, size_t bound, uint64_t vaddr)
{
	switch (flow_follow(&s->p->flow, &s->sweep, vaddr)) {
	case FLOW_JUMP_TABLE:
		return 0;
	case FLOW_JUMP_LABELS:
		/* addresses inside the function that data knows are its labels */
		if (s->p->flow.bound[bound] & FLOW_LABELS)
			return 0;
		break;
	case FLOW_JUMP_POINTER:
		break;
	case FLOW_JUMP_UNKNOWN:
		fail(s, SONDE_E_INDIRECT);
		break;
	}
	return add_exit(s, vaddr, PLAN_EXIT_JUMP_IND);
}

static int look_at(struct search *s, size_t bound, uint64_t vaddr)
{
	uint8_t code[ARCH_INSN_MAX];
	size_t n = image_bytes(s->p->img, vaddr, code, sizeof(code));
	const struct image_range *r = &s->sweep.range;
	struct arch_insn in;

	if (arch_step(code, n, vaddr, &in))
		return 0;
	switch (in.kind) {
	case ARCH_RET:
		return add_exit(s, vaddr, PLAN_EXIT_RETURN);
	case ARCH_JMP_IND:
		return jump_indirect(s, bound, vaddr);
	case ARCH_JMP:
	case ARCH_JCC:
	case ARCH_LOOP:
		if (in.target < r->start || in.target >= r->end)
			return jump_out(s, vaddr, &in);
		/* to the own entry, with the frame gone: who can tell from a loop? */
		return 0;
	default:
		return 0;
	}
}

/* Behind the last instruction: nothing, or more of the same function. */
static void end_of(struct search *s, size_t bound)
{
	const struct image *img = s->p->img;
	uint64_t end = img->bound[bound].end;

	if (s->sweep.decoded != end)
		fail(s, SONDE_E_DECODE);
	else if (s->sweep.tail_ends || s->sweep.tail_calls)
		return;
	else if (bound + 1 < img->nbounds && img->bound[bound + 1].start == end &&
		 s->p->flow.bound[bound + 1] & FLOW_PART)
		add_part(s, bound + 1);
	else
		fail(s, SONDE_E_SHARED);
}

static int search_part(struct search *s, size_t bound)
{
	uint64_t v = s->p->img->bound[bound].start;
	int err = sweep_function(&s->sweep, s->p->img, s->p->img->bound[bound]);

	if (err || !sweep_is_boundary(&s->sweep, v)) {
		fail(s, SONDE_E_DECODE);
		return err;
	}
	do {
		err = look_at(s, bound, v);
	} while (!err && sweep_after(&s->sweep, v, &v));
	end_of(s, bound);
	return err;
}

static int compare(const void *x, const void *y)
{
	const struct plan_exit *a = x, *b = y;

	return a->vaddr < b->vaddr ? -1 : a->vaddr > b->vaddr;
}

bool plan_is_part(struct plan *p, uint64_t start)
{
	struct image_range r;

	return image_bound(p->img, start, &r) && r.start == start && plan_need_flow(p) == 0 &&
	       p->flow.bound[plan_bound_after(p->img, start) - 1] & FLOW_PART;
}

int plan_exits_find(struct plan *p, uint64_t start, struct plan_exits *out)
{
	struct search s = {.p = p, .out = out};
	struct image_range r;
	int err;

	out->n = 0;
	if (!image_bound(p->img, start, &r) || r.start != start)
		return SONDE_E_NO_FUNCTION;
	err = plan_need_flow(p);
	if (!err && plan_is_part(p, start))
		return SONDE_E_NO_FUNCTION;
	add_part(&s, plan_bound_after(p->img, start) - 1);
	for (size_t i = 0; i < s.nparts && !err; i++)
		err = search_part(&s, s.part[i]);
	sweep_free(&s.sweep);
	if (out->n)
		qsort(out->exit, out->n, sizeof(*out->exit), compare);
	return err ? err : s.err;
}

void plan_exits_free(struct plan_exits *out)
{
	free(out->exit);
	*out = (struct plan_exits){0};
}

static bool is_good(const struct plan_site *site)
{
	return site->site.class != WIRE_CLASS_NONE && site->site.class != WIRE_CLASS_S5;
}

static void take_back(struct plan *p, struct plan_site *site)
{
	if (site->site.class != WIRE_CLASS_NONE)
		plan_release(p, site);
	site->site.class = WIRE_CLASS_NONE;
}

/*
 * Exit @bad found no place, perhaps because of what its neighbour @other took: the other way round,
 * and back if that leaves the neighbour without one.
 */
static void swap_turns(struct plan *p, const struct plan_exits *e, size_t bad, size_t other,
		       uint32_t classes, struct plan_site *site)
{
	if (!is_good(&site[other]))
		return;
	take_back(p, &site[bad]);
	take_back(p, &site[other]);
	plan_site_in(p, e->exit[bad].vaddr, classes, &site[bad]);
	plan_site_in(p, e->exit[other].vaddr, classes, &site[other]);
	if (is_good(&site[bad]) && is_good(&site[other]))
		return;
	take_back(p, &site[bad]);
	take_back(p, &site[other]);
	plan_site_in(p, e->exit[other].vaddr, classes, &site[other]);
	plan_site_in(p, e->exit[bad].vaddr, classes, &site[bad]);
}

int plan_exits_place(struct plan *p, const struct plan_exits *e, uint32_t classes,
		     struct plan_site *site)
{
	int first = 0;

	for (size_t i = 0; i < e->n; i++)
		plan_site_in(p, e->exit[i].vaddr, classes, &site[i]);
	for (size_t i = 0; i < e->n; i++) {
		if (!is_good(&site[i]) && i)
			swap_turns(p, e, i, i - 1, classes, site);
		if (!is_good(&site[i]) && i + 1 < e->n)
			swap_turns(p, e, i, i + 1, classes, site);
		if (site[i].site.class == WIRE_CLASS_NONE && !first)
			first = plan_site_in(p, e->exit[i].vaddr, classes, &site[i]);
	}
	return first;
}

/* SPDX-License-Identifier: MIT */
/*
 * The verifier: one pass over a program that may only jump forward.
 *
 * Every instruction is looked at once, with what is certain on all ways that lead to it: a jump
 * leaves its state at its target, where it is merged with the others when the pass arrives.
 * States wait only between a jump and its target, so a handful of places suffices; a program that
 * needs more than the workspace holds is refused. No recursion, no memory but the caller's.
 * Freestanding. Context: agent start-up, tool, any thread.
 */
#include <errno.h>

#include "act/act.h"
#include "act/check.h"
#include "base/base.h"
#include "base/mem.h"

/* A pointer may stray this far from its base before it is used. */
#define MAX_DISTANCE (1 << 20)

struct waiting {
	uint32_t pc; /* where it belongs; 0 = empty, no jump leads to the first instruction */
	uint32_t reserved;
	struct act_state state;
};

#define NWAITING ((ACT_VERIFY_WORK - sizeof(struct act_state)) / sizeof(struct waiting))

struct work {
	struct act_state now;
	struct waiting waiting[NWAITING];
};

_Static_assert(sizeof(struct work) <= ACT_VERIFY_WORK, "the workspace is as large as promised");

struct verifier {
	const struct wire_session *s;
	const struct wire_insn *insn;
	uint32_t ninsn, pc, scratch_size;
	struct work *w;
	bool reachable; /* w->now is the state before insn[pc] */
};

static const char *read_scalar(const struct verifier *v, int reg)
{
	if (v->w->now.r[reg].kind == ACT_NONE)
		return "register read before written";
	return v->w->now.r[reg].kind == ACT_SCALAR ? NULL : "a pointer where a number is needed";
}

static struct waiting *find_waiting(struct work *w, uint32_t pc)
{
	for (size_t i = 0; i < NWAITING; i++) {
		if (w->waiting[i].pc == pc)
			return &w->waiting[i];
	}
	return NULL;
}

/* Leave the present state at the jump's target. */
static const char *jump(struct verifier *v, int64_t distance)
{
	int64_t target = (int64_t)v->pc + 1 + distance;
	struct waiting *at;

	if (distance < 0)
		return "a jump backward";
	if (target >= v->ninsn)
		return "a jump out of the program";
	at = find_waiting(v->w, (uint32_t)target);
	if (at) {
		act_state_merge(&at->state, &v->w->now);
		return NULL;
	}
	at = find_waiting(v->w, 0);
	if (!at)
		return "too many jumps in flight";
	at->pc = (uint32_t)target;
	mem_copy(&at->state, &v->w->now, sizeof(at->state));
	return NULL;
}

/* Merge what jumps have left for this instruction. */
static void arrive(struct verifier *v)
{
	struct waiting *at = v->pc != 0 ? find_waiting(v->w, v->pc) : NULL;

	if (!at)
		return;
	if (v->reachable)
		act_state_merge(&v->w->now, &at->state);
	else
		mem_copy(&v->w->now, &at->state, sizeof(at->state));
	v->reachable = true;
	at->pc = 0;
}

static const char *move(struct verifier *v, const struct wire_insn *i, bool wide)
{
	struct act_reg *dst = &v->w->now.r[i->regs & 15];
	const struct act_reg *src = &v->w->now.r[i->regs >> 4];
	const char *why;

	if (!(i->opcode & 8)) {
		*dst = act_constant(wide ? i->imm : (int64_t)(uint32_t)i->imm);
		return NULL;
	}
	if (src->kind == ACT_NONE)
		return "register read before written";
	if (wide && i->offset == 0) {
		*dst = *src;
		return NULL;
	}
	why = read_scalar(v, i->regs >> 4);
	if (why)
		return why;
	if (src->known && i->offset == 0)
		*dst = act_constant((int64_t)(uint32_t)src->value);
	else
		*dst = act_unknown();
	return NULL;
}

/* Sums of known numbers, and pointers plus them, are worth following; the rest is not. */
static const char *add(struct verifier *v, const struct wire_insn *i, bool wide, bool minus)
{
	struct act_reg *dst = &v->w->now.r[i->regs & 15];
	struct act_reg by = act_constant(i->imm);
	uint64_t sum;

	if (i->opcode & 8)
		by = v->w->now.r[i->regs >> 4];
	if (by.kind != ACT_SCALAR)
		return "a pointer where a number is needed";
	sum = minus ? (uint64_t)dst->value - (uint64_t)by.value
		    : (uint64_t)dst->value + (uint64_t)by.value;
	if (dst->kind == ACT_SCALAR) {
		if (dst->known && by.known)
			*dst = act_constant(wide ? (int64_t)sum : (int64_t)(uint32_t)sum);
		else
			*dst = act_unknown();
		return NULL;
	}
	if (!wide || !by.known || by.value > MAX_DISTANCE || by.value < -MAX_DISTANCE)
		return "a pointer moves by a small constant only";
	if ((int64_t)sum > MAX_DISTANCE || (int64_t)sum < -MAX_DISTANCE)
		return "a pointer strays too far";
	dst->value = (int64_t)sum;
	return NULL;
}

static const char *arithmetic(struct verifier *v, const struct wire_insn *i)
{
	uint8_t op = i->opcode & 0xf0;
	bool wide = (i->opcode & 7) == 7;
	const char *why = NULL;

	if (op == 0xb0)
		return move(v, i, wide);
	if (v->w->now.r[i->regs & 15].kind == ACT_NONE)
		return "register read before written";
	if ((i->opcode & 8) && op != 0xd0 && v->w->now.r[i->regs >> 4].kind == ACT_NONE)
		return "register read before written";
	if (op == 0x00 || op == 0x10)
		return add(v, i, wide, op == 0x10);
	why = read_scalar(v, i->regs & 15);
	if (!why && (i->opcode & 8) && op != 0xd0)
		why = read_scalar(v, i->regs >> 4);
	v->w->now.r[i->regs & 15] = act_unknown();
	return why;
}

static uint32_t access_size(const struct wire_insn *i)
{
	static const uint8_t size[4] = {4, 2, 1, 8};

	return size[(i->opcode >> 3) & 3];
}

static const char *load(struct verifier *v, const struct wire_insn *i)
{
	struct act_reg base = v->w->now.r[i->regs >> 4];
	struct act_reg *dst = &v->w->now.r[i->regs & 15];
	uint32_t size = access_size(i);
	const char *why = act_state_read(&v->w->now, &base, i->offset, size, v->scratch_size);

	if (why)
		return why;
	*dst = act_unknown();
	if (base.kind == ACT_CTX && size == 8 &&
	    base.value + i->offset == offsetof(struct wire_ctx, scratch))
		*dst = (struct act_reg){.kind = ACT_SCRATCH};
	return NULL;
}

static const char *atomic(struct verifier *v, const struct wire_insn *i)
{
	struct act_state *now = &v->w->now;
	const struct act_reg *base = &now->r[i->regs & 15];
	uint32_t size = access_size(i);
	const char *why = act_state_read(now, base, i->offset, size, v->scratch_size);

	if (!why)
		why = act_state_write(now, base, i->offset, size, v->scratch_size);
	if (!why)
		why = read_scalar(v, i->regs >> 4);
	if (!why && i->imm == 0xf1)
		why = read_scalar(v, 0);
	if (why)
		return why;
	if (i->imm == 0xf1)
		now->r[0] = act_unknown();
	else if (i->imm & 1)
		now->r[i->regs >> 4] = act_unknown();
	return NULL;
}

static const char *store(struct verifier *v, const struct wire_insn *i)
{
	if ((i->opcode & 0xe0) == 0xc0)
		return atomic(v, i);
	if ((i->opcode & 7) == 3 && v->w->now.r[i->regs >> 4].kind == ACT_NONE)
		return "register read before written";
	return act_state_write(&v->w->now, &v->w->now.r[i->regs & 15], i->offset, access_size(i),
			       v->scratch_size);
}

static const char *imm64(struct verifier *v, const struct wire_insn *i)
{
	uint64_t value = (uint32_t)i[0].imm | (uint64_t)(uint32_t)i[1].imm << 32;

	if (i->regs >> 4 == WIRE_MAP_BY_IDX && value >= v->s->maps.count)
		return "no such map";
	v->w->now.r[i->regs & 15] = act_constant((int64_t)value);
	return NULL;
}

static const char *branch(struct verifier *v, const struct wire_insn *i)
{
	const char *why;

	switch (i->opcode) {
	case 0x05:
	case 0x06:
		v->reachable = false;
		return jump(v, i->opcode == 0x05 ? i->offset : i->imm);
	case 0x85:
		return act_check_call(v->s, &v->w->now, i->imm, v->scratch_size);
	case 0x95:
		v->reachable = false;
		return read_scalar(v, 0);
	default:
		why = read_scalar(v, i->regs & 15);
		if (!why && (i->opcode & 8))
			why = read_scalar(v, i->regs >> 4);
		return why ? why : jump(v, i->offset);
	}
}

static const char *step(struct verifier *v, const struct wire_insn *i)
{
	switch (i->opcode & 7) {
	case 0:
		return imm64(v, i);
	case 1:
		return load(v, i);
	case 2:
	case 3:
		return store(v, i);
	case 5:
	case 6:
		return branch(v, i);
	default:
		return arithmetic(v, i);
	}
}

static const char *walk(struct verifier *v)
{
	const char *why = NULL;

	while (v->pc < v->ninsn) {
		const struct wire_insn *i = &v->insn[v->pc];
		uint32_t length = i->opcode == 0x18 ? 2 : 1;

		why = act_check_form(i, v->ninsn - v->pc);
		if (!why && length == 2 && find_waiting(v->w, v->pc + 1))
			why = "a jump into the middle of an instruction";
		if (why)
			return why;
		arrive(v);
		if (v->reachable)
			why = step(v, i);
		if (why)
			return why;
		v->pc += length;
	}
	v->pc = v->ninsn - 1;
	return v->reachable ? "the program runs past its end" : NULL;
}

int act_verify(const struct wire_session *s, uint32_t prog, void *work, uint32_t *at,
	       const char **why)
{
	struct verifier v = {.s = s, .w = work, .reachable = true};
	const struct wire_prog *p = wire_elem(s, progs, const struct wire_prog, prog);

	*at = 0;
	*why = "no such program";
	if (prog >= s->progs.count || p->ninsn == 0 || p->ninsn > WIRE_INSN_MAX ||
	    p->insn_off > s->insns.count || p->ninsn > s->insns.count - p->insn_off)
		return -EINVAL;
	*why = "too much scratch";
	if (p->scratch_size > WIRE_SCRATCH_MAX)
		return -EINVAL;
	v.insn = wire_elem(s, insns, const struct wire_insn, p->insn_off);
	v.ninsn = p->ninsn;
	v.scratch_size = p->scratch_size;
	act_state_start(&v.w->now);
	for (size_t i = 0; i < NWAITING; i++)
		v.w->waiting[i].pc = 0;
	*why = walk(&v);
	*at = v.pc;
	return *why ? -EINVAL : 0;
}

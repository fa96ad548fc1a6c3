/* SPDX-License-Identifier: MIT */
/*
 * Where an indirect jump gets its address from.
 *
 * Compilers for position-independent code keep distances of 32 bits:
 *	lea    table(%rip), %rT
 *	movslq (%rT,%rI,4), %rX
 *	add    %rT, %rX
 *	jmp    *%rX
 * with other instructions between them, the lea often far away, the add either way round or a lea.
 * (The base that is added may also be another address than the table's.) Others keep addresses:
 *	jmp    *table(,%rI,8)
 * which the image's data or its relocations show as pointers.
 *
 * The walk goes backwards, to the instruction before, or where that never falls through, to the
 * branches that lead here. It may pass by a lea on another path; every address that a lea of the
 * function puts in the register is therefore taken for a table, and those in other registers if
 * these are none: reading what is none costs a few addresses that nothing leads to. It follows
 * copies of the registers, and gives up (UNKNOWN) where something else writes them. Context: tool.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/base.h"
#include "plan/flow.h"
#include "plan/sweep.h"

#define BACK 2000	    /* instructions that the walk looks at */
#define VISIT_MAX 128	    /* pieces of straight code */
#define TABLE_MAX (1 << 16) /* entries of one table */
#define REG_RESULT 6	    /* rax, in wire_ctx.reg */

/* The pieces of straight code that the walk has been through, and with which registers. */
struct visit {
	struct {
		uint64_t vaddr;
		uint8_t reg[2];
	} seen[VISIT_MAX];
	unsigned int n, steps;
};

struct walk {
	struct flow *f;
	const struct sweep *s;
	struct visit *visit;
	/* what is added and makes the address: registers, ARCH_EMUL_ABSENT while not known */
	uint8_t reg[2];
	uint8_t table; /* register that holds the table's address */
	uint8_t base;  /* register that is added to the entry */
	int64_t disp;  /* of the table's entry from that register */
	bool is_pair;
	bool has_base; /* what is added is known: */
	uint64_t base_addr;
};

static int describe(const struct walk *w, uint64_t vaddr, struct arch_emul *e)
{
	uint8_t code[ARCH_INSN_MAX];
	size_t n = image_bytes(w->f->img, vaddr, code, sizeof(code));

	return arch_emul_describe(code, n, e);
}

static bool is_reg(uint8_t where)
{
	return where < ARCH_EMUL_IMM;
}

/* What the leas of the function put where. 0 or -ENOMEM. */
static int read_leas(struct walk *w)
{
	const struct image_range *r = &w->s->range;
	struct flow_leas *l = &w->f->leas;

	if (l->start == r->start && l->n)
		return 0;
	l->start = r->start;
	l->n = 0;
	for (uint64_t v = r->start; v < r->end; v++) {
		struct arch_emul e;

		if (!sweep_is_boundary(w->s, v) || describe(w, v, &e) || e.op != ARCH_EMUL_LEA ||
		    e.base != WIRE_REG_PC || is_reg(e.index))
			continue;
		if (l->n == l->cap) {
			size_t cap = l->cap ? 2 * l->cap : 64;
			struct flow_lea *mem = realloc(l->lea, cap * sizeof(*mem));

			if (!mem)
				return -ENOMEM;
			l->lea = mem;
			l->cap = cap;
		}
		l->lea[l->n++] =
			(struct flow_lea){.reg = e.dst, .addr = v + e.len + (uint64_t)e.disp};
	}
	return 0;
}

/* An entry leads into the function, or from one of its pieces into another. */
static bool is_own(const struct walk *w, uint64_t to)
{
	const struct flow *f = w->f;
	size_t lo = 0, hi = f->img->nbounds;

	if (to >= w->s->range.start && to < w->s->range.end)
		return sweep_is_boundary(w->s, to);
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (f->img->bound[mid].start <= to)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && to < f->img->bound[lo - 1].end && f->bound[lo - 1] & FLOW_PART;
}

/* Note where the table of distances from @base at @at leads. How many entries it has. */
static size_t read_table(const struct walk *w, uint64_t at, uint64_t base)
{
	const struct image *img = w->f->img;
	size_t n;

	for (n = 0; n < TABLE_MAX; n++) {
		uint64_t to, bit;
		int32_t entry;

		if (image_bytes(img, at + 4 * n, &entry, sizeof(entry)) != sizeof(entry))
			break;
		to = base + (uint64_t)(int64_t)entry;
		if (!is_own(w, to))
			break;
		bit = to - img->span.start;
		w->f->target[bit / 8] |= (uint8_t)(1u << (bit % 8));
	}
	return n;
}

/* All tables of distances at @at, from each address that a lea puts in the base's register or, if
 * @any, in any. How many entries they have. */
static size_t try_bases(const struct walk *w, uint64_t at, bool any)
{
	const struct flow_leas *l = &w->f->leas;
	size_t n = 0;

	if (w->has_base)
		return read_table(w, at, w->base_addr);
	for (size_t i = 0; i < l->n; i++) {
		if (any || l->lea[i].reg == w->base)
			n += read_table(w, at, l->lea[i].addr);
	}
	return n;
}

/* The same for each address that a lea puts in the table's register. */
static size_t try_tables(const struct walk *w, bool any)
{
	const struct flow_leas *l = &w->f->leas;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		uint64_t at = l->lea[i].addr + (uint64_t)w->disp;

		if (!any && l->lea[i].reg != w->table)
			continue;
		if (w->base == w->table && !w->has_base)
			n += read_table(w, at, l->lea[i].addr);
		else
			n += try_bases(w, at, any);
	}
	return n;
}

/* The entry of a table is loaded, by the instruction at @vaddr, into one of the two registers. */
static enum flow_jump found_entry(struct walk *w, const struct arch_emul *e, uint64_t vaddr)
{
	bool is_load = e->op == ARCH_EMUL_MOVSX || e->op == ARCH_EMUL_MOV;
	size_t n;

	if (!is_load || e->src != ARCH_EMUL_MEM || e->src_size != 4)
		return FLOW_JUMP_UNKNOWN;
	w->base = e->dst == w->reg[0] ? w->reg[1] : w->reg[0];
	if (read_leas(w))
		return FLOW_JUMP_UNKNOWN;
	if (e->base == WIRE_REG_PC) {
		n = try_bases(w, vaddr + e->len + (uint64_t)e->disp, false);
		return n ? FLOW_JUMP_TABLE : FLOW_JUMP_UNKNOWN;
	}
	if (!is_reg(e->index) || !is_reg(e->base) || (e->scale != 4 && e->scale != 1))
		return FLOW_JUMP_UNKNOWN;
	w->table = e->base;
	w->disp = e->disp;
	n = try_tables(w, false);
	/* without a scale nothing tells the table from the index */
	if (!n && e->scale == 1) {
		w->table = e->index;
		n = try_tables(w, false);
	}
	return n || try_tables(w, true) ? FLOW_JUMP_TABLE : FLOW_JUMP_UNKNOWN;
}

/* A whole address from memory: an entry of a table of addresses, or a single one. */
static enum flow_jump found_memory(const struct arch_emul *e)
{
	return is_reg(e->index) ? FLOW_JUMP_LABELS : FLOW_JUMP_POINTER;
}

/* The instruction @e writes the register that is jumped to. True: the answer is in @out. */
static bool step_single(struct walk *w, const struct arch_emul *e, enum flow_jump *out)
{
	*out = FLOW_JUMP_UNKNOWN;
	switch (e->op) {
	case ARCH_EMUL_MOV:
		if (e->size != 8)
			return true;
		if (e->src == ARCH_EMUL_MEM) {
			*out = found_memory(e);
			return true;
		}
		if (e->src == ARCH_EMUL_IMM) {
			*out = FLOW_JUMP_POINTER;
			return true;
		}
		w->reg[0] = e->src;
		return false;
	case ARCH_EMUL_POP:
		*out = FLOW_JUMP_POINTER;
		return true;
	case ARCH_EMUL_ADD:
		w->reg[1] = e->src;
		w->is_pair = true;
		return !is_reg(e->src);
	case ARCH_EMUL_LEA:
		/* a known address: what it means is noted as such */
		if (e->base == WIRE_REG_PC && !is_reg(e->index))
			*out = FLOW_JUMP_POINTER;
		if (e->base == WIRE_REG_PC || !is_reg(e->base) || !is_reg(e->index) ||
		    e->scale != 1 || e->disp)
			return true;
		w->reg[0] = e->base;
		w->reg[1] = e->index;
		w->is_pair = true;
		return false;
	default:
		return true;
	}
}

/* The instruction @e writes register @k of the two that are added. True: the answer is in @out. */
static bool step_pair(struct walk *w, const struct arch_emul *e, unsigned int k, uint64_t vaddr,
		      enum flow_jump *out)
{
	if (e->op == ARCH_EMUL_MOV && is_reg(e->src) && e->size == 8) {
		w->reg[k] = e->src;
		return false;
	}
	if (e->op == ARCH_EMUL_LEA && e->base == WIRE_REG_PC && !is_reg(e->index)) {
		w->base_addr = vaddr + e->len + (uint64_t)e->disp;
		w->has_base = true;
		w->reg[k] = ARCH_EMUL_ABSENT;
		return false;
	}
	*out = found_entry(w, e, vaddr);
	return true;
}

static bool writes(const struct arch_emul *e, uint8_t reg)
{
	return is_reg(reg) && e->dst == reg && e->op != ARCH_EMUL_CMP && e->op != ARCH_EMUL_TEST;
}

/* One of two ways to a place is enough to know nothing. */
static enum flow_jump worse(enum flow_jump a, enum flow_jump b)
{
	if (a == FLOW_JUMP_UNKNOWN || b == FLOW_JUMP_UNKNOWN)
		return FLOW_JUMP_UNKNOWN;
	return a == FLOW_JUMP_TABLE || b == FLOW_JUMP_TABLE ? FLOW_JUMP_TABLE : a < b ? a : b;
}

static enum flow_jump walk_back(struct walk *w, uint64_t vaddr);

/* The piece that begins at @vaddr has been asked already. */
static bool is_seen(struct walk *w, uint64_t vaddr)
{
	struct visit *v = w->visit;

	for (unsigned int i = 0; i < v->n; i++) {
		if (v->seen[i].vaddr == vaddr && !memcmp(v->seen[i].reg, w->reg, sizeof(w->reg)))
			return true;
	}
	if (v->n < VISIT_MAX) {
		v->seen[v->n].vaddr = vaddr;
		memcpy(v->seen[v->n++].reg, w->reg, sizeof(w->reg));
	} else {
		v->steps = BACK;
	}
	return false;
}

/* On from every direct branch of the function that leads to @vaddr. */
static enum flow_jump walk_branches(struct walk *w, uint64_t vaddr)
{
	enum flow_jump all = FLOW_JUMP_POINTER;
	const struct image_range *r = &w->s->range;
	size_t n = 0;

	if (is_seen(w, vaddr))
		return all;
	for (uint64_t v = r->start; v < r->end && all != FLOW_JUMP_UNKNOWN; v++) {
		uint8_t code[ARCH_INSN_MAX];
		struct arch_insn in;
		struct walk other = *w;

		if (!sweep_is_boundary(w->s, v) ||
		    arch_step(code, image_bytes(w->f->img, v, code, sizeof(code)), v, &in) ||
		    !in.has_target || in.target != vaddr || in.kind == ARCH_ORDINARY)
			continue;
		all = worse(all, walk_back(&other, v));
		n++;
	}
	/* by way of a table, then */
	for (size_t i = 0; !n && i < w->s->indirect.n && all != FLOW_JUMP_UNKNOWN; i++) {
		struct walk other = *w;

		all = worse(all, walk_back(&other, w->s->indirect.vaddr[i]));
	}
	return n || w->s->indirect.n ? all : FLOW_JUMP_UNKNOWN;
}

/* Nobody comes from the instruction at @before, or by way of nops, to the one behind it. */
static bool ends_line(const struct walk *w, uint64_t before)
{
	uint8_t code[ARCH_INSN_MAX];
	struct arch_insn in;

	do {
		size_t n = image_bytes(w->f->img, before, code, sizeof(code));

		if (arch_decode(code, n, before, &in))
			return false;
	} while (in.kind == ARCH_NOP && sweep_before(w->s, before, &before));
	return !arch_falls_through(in.kind);
}

static enum flow_jump walk_back(struct walk *w, uint64_t vaddr)
{
	enum flow_jump jump = FLOW_JUMP_UNKNOWN;

	while (w->visit->steps++ < BACK) {
		uint64_t before;
		struct arch_emul e;

		/* an argument of the function */
		if (!sweep_before(w->s, vaddr, &before))
			return w->is_pair ? FLOW_JUMP_UNKNOWN : FLOW_JUMP_POINTER;
		if (ends_line(w, before))
			return walk_branches(w, vaddr);
		vaddr = before;
		if (describe(w, vaddr, &e))
			continue;
		if (e.op == ARCH_EMUL_CALL && w->reg[0] == REG_RESULT)
			return w->is_pair ? FLOW_JUMP_UNKNOWN : FLOW_JUMP_POINTER;
		if (writes(&e, w->reg[0])) {
			if (w->is_pair ? step_pair(w, &e, 0, vaddr, &jump)
				       : step_single(w, &e, &jump))
				return jump;
		} else if (writes(&e, w->reg[1]) && step_pair(w, &e, 1, vaddr, &jump)) {
			return jump;
		}
	}
	return FLOW_JUMP_UNKNOWN;
}

enum flow_jump flow_follow(struct flow *f, const struct sweep *s, uint64_t vaddr)
{
	struct visit visit = {.n = 0};
	struct walk w = {
		.f = f, .s = s, .visit = &visit, .reg = {ARCH_EMUL_ABSENT, ARCH_EMUL_ABSENT}};
	struct arch_emul e;

	if (describe(&w, vaddr, &e))
		return FLOW_JUMP_UNKNOWN;
	if (e.src == ARCH_EMUL_MEM)
		return found_memory(&e);
	if (!is_reg(e.src))
		return FLOW_JUMP_UNKNOWN;
	w.reg[0] = e.src;
	return walk_back(&w, vaddr);
}

/* SPDX-License-Identifier: MIT */
/*
 * The verifier's knowledge at one place: start, merging at joins, bounds of memory.
 *
 * Freestanding; no recursion, no memory of its own. Context: agent start-up, tool, any thread.
 */
#include "act/state.h"
#include "base/base.h"
#include "base/mem.h"

void act_state_start(struct act_state *st)
{
	mem_zero(st, sizeof(*st));
	st->r[1].kind = ACT_CTX;
	st->r[10].kind = ACT_STACK;
}

static void merge_reg(struct act_reg *a, const struct act_reg *b)
{
	if (a->kind != b->kind || (a->kind > ACT_SCALAR && a->value != b->value)) {
		*a = (struct act_reg){.kind = ACT_NONE};
		return;
	}
	if (a->kind == ACT_SCALAR && (!a->known || !b->known || a->value != b->value))
		*a = act_unknown();
}

void act_state_merge(struct act_state *into, const struct act_state *other)
{
	for (int i = 0; i < ACT_NREGS; i++)
		merge_reg(&into->r[i], &other->r[i]);
	for (size_t i = 0; i < sizeof(into->stack); i++)
		into->stack[i] &= other->stack[i];
	for (size_t i = 0; i < sizeof(into->scratch); i++)
		into->scratch[i] &= other->scratch[i];
}

static bool is_written(const uint8_t *bits, uint64_t at, uint64_t n)
{
	for (; n > 0; n--, at++) {
		if (!(bits[at / 8] & (1u << (at % 8))))
			return false;
	}
	return true;
}

static void mark_written(uint8_t *bits, uint64_t at, uint64_t n)
{
	for (; n > 0; n--, at++)
		bits[at / 8] |= (uint8_t)(1u << (at % 8));
}

/* Offsets and sizes are small (a pointer's distance is bounded), so nothing here overflows. */
static bool is_inside(int64_t at, uint64_t n, uint64_t size)
{
	return at >= 0 && (uint64_t)at <= size && n <= size - (uint64_t)at;
}

const char *act_state_read(const struct act_state *st, const struct act_reg *p, int64_t offset,
			   uint64_t n, uint32_t scratch_size)
{
	int64_t at = p->value + offset;

	switch (p->kind) {
	case ACT_CTX:
		return is_inside(at, n, sizeof(struct wire_ctx)) ? NULL : "outside the context";
	case ACT_STACK:
		at += WIRE_STACK_SIZE;
		if (!is_inside(at, n, WIRE_STACK_SIZE))
			return "outside the stack";
		return is_written(st->stack, (uint64_t)at, n) ? NULL : "stack read before written";
	case ACT_SCRATCH:
		if (!is_inside(at, n, scratch_size))
			return "outside the scratch area";
		return is_written(st->scratch, (uint64_t)at, n) ? NULL
								: "scratch read before written";
	default:
		return "not a pointer";
	}
}

const char *act_state_write(struct act_state *st, const struct act_reg *p, int64_t offset,
			    uint64_t n, uint32_t scratch_size)
{
	int64_t at = p->value + offset;

	switch (p->kind) {
	case ACT_CTX:
		return "the context is read-only";
	case ACT_STACK:
		at += WIRE_STACK_SIZE;
		if (!is_inside(at, n, WIRE_STACK_SIZE))
			return "outside the stack";
		mark_written(st->stack, (uint64_t)at, n);
		return NULL;
	case ACT_SCRATCH:
		if (!is_inside(at, n, scratch_size))
			return "outside the scratch area";
		mark_written(st->scratch, (uint64_t)at, n);
		return NULL;
	default:
		return "not a pointer";
	}
}

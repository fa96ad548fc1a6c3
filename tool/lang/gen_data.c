/* SPDX-License-Identifier: MIT */
/*
 * Values in memory: strings, keys, symbols. Every byte of a destination is written, because
 * keys are compared and payloads sent as a whole. Context: tool.
 */
#include <string.h>

#include "lang/gen.h"

bool lang_type_is_wide(const struct type *t)
{
	return t->kind == SCRIPT_STR || t->kind == SCRIPT_USYM;
}

static void zero(struct gen *g, struct loc to, uint32_t from, uint32_t size)
{
	for (uint32_t i = ALIGN_UP(from, 8u); i < size; i += 8)
		lang_emit_store_const(g, to, (int32_t)i, 0);
}

static void copy(struct gen *g, struct loc from, uint32_t n, struct loc to, uint32_t size)
{
	if (from.reg != to.reg || from.off != to.off) {
		for (uint32_t i = 0; i < n; i += 8) {
			lang_emit_load(g, INSN_R0, from, (int32_t)i);
			lang_emit_store(g, to, (int32_t)i, INSN_R0);
		}
	}
	zero(g, to, n, size);
}

static void store_literal(struct gen *g, const struct expr *e, struct loc to, uint32_t size)
{
	for (uint32_t i = 0; i < size; i += 8) {
		uint64_t word = 0;

		if (i < e->len)
			memcpy(&word, e->str + i, e->len - i < 8 ? e->len - i : 8);
		lang_emit_store_const(g, to, (int32_t)i, word);
	}
}

/*
 * str(): WIRE_H_STR marks a string that was cut off with two dots. Where the script says how
 * much it wants, nothing is cut off: three bytes more are read and then removed.
 */
static void store_str(struct gen *g, struct expr *e, struct loc to, uint32_t size)
{
	uint32_t n = e->bits ? e->bits + 3 : e->type.size;

	lang_gen_int_to(g, e->arg[0], INSN_R3);
	lang_emit_addr(g, INSN_R1, to);
	lang_emit_const(g, INSN_R2, n);
	lang_emit_call(g, WIRE_H_STR);
	if (e->bits) {
		for (uint32_t i = e->bits; i < ALIGN_UP(n, 8u); i++)
			lang_emit(g, INSN_ST_B, to.reg, 0, to.off + (int32_t)i, 0);
	}
	zero(g, to, n, size);
}

static void store_map(struct gen *g, struct expr *e, struct loc to, uint32_t size)
{
	struct frame frame = g->frame;
	struct loc key = lang_gen_key(g, e);

	lang_gen_map_args(g, e->map, key);
	lang_emit_addr(g, INSN_R3, to);
	lang_emit_call(g, WIRE_H_LOAD_BUF);
	zero(g, to, e->map->value.size, size);
	g->frame = frame;
}

static void store_cond(struct gen *g, struct expr *e, const struct type *type, struct loc to)
{
	struct label otherwise = {0}, end = {0};

	lang_gen_branch(g, e->a, false, &otherwise);
	lang_gen_store(g, e->b, type, to);
	lang_emit_jump(g, INSN_JA, 0, 0, &end);
	lang_emit_label(g, &otherwise);
	lang_gen_store(g, e->c, type, to);
	lang_emit_label(g, &end);
}

static void store_wide(struct gen *g, struct expr *e, struct loc to, uint32_t size)
{
	switch (e->kind) {
	case X_STR:
		store_literal(g, e, to, size);
		break;
	case X_VAR:
		copy(g, e->var->loc, e->var->type.size, to, size);
		break;
	case X_MAP:
		store_map(g, e, to, size);
		break;
	case X_BUILTIN: /* comm */
		lang_emit_addr(g, INSN_R1, to);
		lang_emit_const(g, INSN_R2, CHECK_COMM_SIZE);
		lang_emit_call(g, WIRE_H_COMM);
		zero(g, to, CHECK_COMM_SIZE, size);
		break;
	case X_CALL:
		if (e->func->id == FN_STR) {
			store_str(g, e, to, size);
			break;
		}
		lang_gen_int(g, e->arg[0]); /* usym */
		lang_emit_store(g, to, 0, INSN_R0);
		lang_emit_call(g, WIRE_H_PROC);
		lang_emit_store(g, to, 8, INSN_R0);
		break;
	default:
		break;
	}
}

void lang_gen_store(struct gen *g, struct expr *e, const struct type *type, struct loc to)
{
	if (e->kind == X_COND && lang_type_is_wide(type)) {
		store_cond(g, e, type, to);
	} else if (lang_type_is_wide(&e->type)) {
		store_wide(g, e, to, type->size);
	} else if (type->kind == SCRIPT_STR) { /* from a name */
		lang_gen_int_to(g, e, INSN_R3);
		lang_emit_addr(g, INSN_R1, to);
		lang_emit_const(g, INSN_R2, type->size);
		lang_emit_call(g, WIRE_H_NAME);
	} else if (e->kind == X_INT) {
		lang_emit_store_const(g, to, 0, e->value);
	} else {
		lang_gen_int(g, e);
		lang_emit_store(g, to, 0, INSN_R0);
	}
}

struct loc lang_gen_string(struct gen *g, struct expr *e, uint32_t least, uint32_t *size)
{
	struct type t = {SCRIPT_STR, false, false, e->type.size};
	struct loc to;

	if (e->kind == X_VAR && e->type.kind == SCRIPT_STR) {
		*size = e->var->type.size;
		return e->var->loc;
	}
	if (e->type.kind == SCRIPT_NAME)
		t.size = least;
	to = lang_buffer(g, t.size);
	lang_gen_store(g, e, &t, to);
	*size = t.size;
	return to;
}

/* Strings end within their size, so comparing the shorter size decides; a name could be cut,
 * and therefore gets more room than what it is compared with. */
void lang_gen_strcmp(struct gen *g, struct expr *a, struct expr *b, uint32_t limit)
{
	struct frame frame = g->frame;
	uint32_t size_a, size_b, n;
	uint32_t least_a = CHECK_NAME_SIZE, least_b = CHECK_NAME_SIZE;
	struct loc at_a, at_b;

	if (b->type.kind == SCRIPT_STR)
		least_a = b->type.size + 8;
	if (a->type.kind == SCRIPT_STR)
		least_b = a->type.size + 8;
	at_a = lang_gen_string(g, a, least_a, &size_a);
	at_b = lang_gen_string(g, b, least_b, &size_b);
	n = size_a < size_b ? size_a : size_b;
	lang_emit_addr(g, INSN_R1, at_a);
	lang_emit_addr(g, INSN_R2, at_b);
	lang_emit_const(g, INSN_R3, n < limit ? n : limit);
	lang_emit_call(g, WIRE_H_STRNCMP);
	g->frame = frame;
}

struct loc lang_gen_key(struct gen *g, struct expr *e)
{
	const struct map *m = e->map;
	struct loc key = {0, 0}, part;
	uint32_t size = 0;

	for (uint32_t i = 0; i < m->nkeys; i++)
		size += m->key[i].size;
	if (!size)
		return key;
	key = lang_buffer(g, size);
	part = key;
	for (uint32_t i = 0; i < m->nkeys; i++) {
		lang_gen_store(g, e->arg[i], &m->key[i], part);
		part.off += (int32_t)m->key[i].size;
	}
	return key;
}

void lang_gen_map_args(struct gen *g, const struct map *m, struct loc key)
{
	lang_emit_const(g, INSN_R1, m->index);
	if (key.reg)
		lang_emit_addr(g, INSN_R2, key);
	else
		lang_emit_const(g, INSN_R2, 0);
}

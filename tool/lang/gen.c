/* SPDX-License-Identifier: MIT */
/*
 * Programs from blocks: statements, prologue and epilogue; and the table of maps.
 * Context: tool.
 */
#include "lang/gen.h"

#include <string.h>

static void place_var(struct gen *g, struct var *v)
{
	if (!v->loc.reg)
		v->loc = lang_type_is_wide(&v->type) ? lang_buffer(g, v->type.size) : lang_slot(g);
}

static void assign_var(struct gen *g, struct stmt *s)
{
	struct frame frame;

	place_var(g, s->var);
	frame = g->frame;
	if (s->e) {
		lang_gen_store(g, s->e, &s->var->type, s->var->loc);
	} else {
		for (uint32_t i = 0; i < s->var->type.size; i += 8)
			lang_emit_store_const(g, s->var->loc, (int32_t)i, 0);
	}
	g->frame = frame;
}

/* @m[key] = aggregation(value) */
static void assign_agg(struct gen *g, struct stmt *s)
{
	struct loc key = lang_gen_key(g, s->target);

	if (s->e->narg) {
		lang_gen_int_to(g, s->e->arg[0], INSN_R3);
	} else {
		lang_emit_const(g, INSN_R3, 1);
	}
	lang_gen_map_args(g, s->target->map, key);
	lang_emit_call(g, WIRE_H_AGG);
}

/* @m[key] = @m[key] op value; += and -= as one atomic addition. */
static void update_map(struct gen *g, struct stmt *s)
{
	const struct map *m = s->target->map;
	struct loc key = lang_gen_key(g, s->target), old;

	if (s->op == OP_ADD || s->op == OP_SUB) {
		lang_gen_int(g, s->e);
		if (s->op == OP_SUB)
			lang_emit_alu_imm(g, INSN_NEG, INSN_R0, 0);
		lang_emit_mov(g, INSN_R3, INSN_R0);
		lang_gen_map_args(g, m, key);
		lang_emit_call(g, WIRE_H_ADD);
		return;
	}
	old = lang_slot(g);
	lang_gen_map_args(g, m, key);
	lang_emit_call(g, WIRE_H_LOAD);
	lang_emit_store(g, old, 0, INSN_R0);
	lang_gen_int(g, s->e);
	lang_emit_mov(g, INSN_R1, INSN_R0);
	lang_emit_load(g, INSN_R0, old, 0);
	lang_gen_arith(g, s->op, m->value.is_signed);
	lang_emit_mov(g, INSN_R3, INSN_R0);
	lang_gen_map_args(g, m, key);
	lang_emit_call(g, WIRE_H_STORE);
}

static void assign_map(struct gen *g, struct stmt *s)
{
	const struct map *m = s->target->map;
	struct loc key, value;

	if (m->kind != WIRE_MAP_PLAIN) {
		assign_agg(g, s);
	} else if (s->op != OP_NONE) {
		update_map(g, s);
	} else if (lang_type_is_wide(&m->value)) {
		key = lang_gen_key(g, s->target);
		value = lang_buffer(g, m->value.size);
		lang_gen_store(g, s->e, &m->value, value);
		lang_gen_map_args(g, m, key);
		lang_emit_addr(g, INSN_R3, value);
		lang_emit_call(g, WIRE_H_STORE_BUF);
	} else {
		key = lang_gen_key(g, s->target);
		lang_gen_int_to(g, s->e, INSN_R3);
		lang_gen_map_args(g, m, key);
		lang_emit_call(g, WIRE_H_STORE);
	}
}

/* An expression whose value nobody wants. */
static void discard(struct gen *g, struct expr *e)
{
	if (e->kind == X_CALL)
		lang_gen_call(g, e);
	else if (!lang_type_is_wide(&e->type))
		lang_gen_int(g, e);
}

static void gen_stmts(struct gen *g, struct stmt *s);

static bool is_constant(const struct expr *e, bool value)
{
	return e->kind == X_INT && !e->value == !value;
}

/* if, else if, else: all of a chain leave to the same end. */
static void gen_if(struct gen *g, struct stmt *s)
{
	struct label end = {0};

	for (; s && s->kind == S_IF; s = s->other) {
		struct frame frame = g->frame;
		struct label otherwise = {0};

		g->at = s->at;
		if (is_constant(s->e, false))
			continue;
		if (is_constant(s->e, true)) {
			s = s->body;
			break;
		}
		lang_gen_branch(g, s->e, false, &otherwise);
		gen_stmts(g, s->body);
		if (s->other)
			lang_emit_jump(g, INSN_JA, 0, 0, &end);
		lang_emit_label(g, &otherwise);
		g->frame = frame;
	}
	gen_stmts(g, s);
	lang_emit_label(g, &end);
}

static void gen_stmts(struct gen *g, struct stmt *s)
{
	struct frame frame;

	for (; s; s = s->next) {
		g->at = s->at;
		frame = g->frame;
		switch (s->kind) {
		case S_VAR:
			assign_var(g, s);
			continue; /* the variable stays to the end of its block */
		case S_EXPR:
			discard(g, s->e);
			break;
		case S_MAP:
			assign_map(g, s);
			break;
		case S_IF:
			gen_if(g, s);
			break;
		case S_BLOCK:
			gen_stmts(g, s->body);
			break;
		case S_RETURN:
			lang_emit_exit(g);
			break;
		}
		g->frame = frame;
	}
}

/* Instructions that load the registers the body uses, then the body. */
static void finish(struct gen *g, struct script_prog *prog)
{
	const struct loc ctx = {INSN_R1, 0};
	struct wire_insn *body = g->insn;
	uint32_t nbody = g->ninsn;
	bool uses_ctx = g->uses_ctx, uses_scratch = g->uses_scratch;

	g->insn = NULL;
	g->ninsn = 0;
	g->is_dead = false;
	if (uses_ctx)
		lang_emit_mov(g, INSN_CTX, INSN_R1);
	if (uses_scratch)
		lang_emit_load(g, INSN_SCRATCH, ctx, offsetof(struct wire_ctx, scratch));
	prog->ninsn = g->ninsn + nbody;
	prog->insn = lang_alloc(g->u, prog->ninsn * sizeof(*prog->insn));
	if (g->ninsn)
		memcpy(prog->insn, g->insn, g->ninsn * sizeof(*prog->insn));
	memcpy(prog->insn + g->ninsn, body, nbody * sizeof(*prog->insn));
	prog->scratch_size = uses_scratch ? ALIGN_UP(g->scratch_max, 8u) : 0;
	prog->emits = g->emits;
}

/* Index + 1 of the map when the block is just { @x = count() }. */
static uint32_t fast_map(const struct block *b)
{
	const struct stmt *s = b->body->body;

	if (b->pred || !s || s->next || s->kind != S_MAP || s->target->has_key ||
	    s->target->map->kind != WIRE_MAP_COUNT)
		return 0;
	return s->target->map->index + 1;
}

static void gen_block(struct unit *u, const struct block *b, struct script_prog *prog)
{
	struct gen g = {.u = u, .block = b};
	struct label end = {0};

	if (b->pred) {
		g.at = b->pred->at;
		if (!is_constant(b->pred, false))
			lang_gen_branch(&g, b->pred, false, &end);
	}
	if (!b->pred || !is_constant(b->pred, false))
		gen_stmts(&g, b->body);
	lang_emit_label(&g, &end);
	lang_emit_exit(&g);
	finish(&g, prog);
	prog->fast_map = fast_map(b);
}

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

static uint32_t value_size(const struct map *m)
{
	switch (m->kind) {
	case WIRE_MAP_PLAIN:
		return m->value.size;
	case WIRE_MAP_COUNT:
		return 8;
	case WIRE_MAP_HIST:
		return 8 * WIRE_HIST_BUCKETS(m->hist_bits);
	case WIRE_MAP_LHIST:
		return 8 * wire_lhist_buckets(m->lhist_min, m->lhist_max, m->lhist_step);
	default:
		return 16;
	}
}

static void gen_map(struct unit *u, const struct map *m, struct script_map *out)
{
	bool is_plain = m->kind == WIRE_MAP_PLAIN;

	out->name = lang_strdup(u, m->name, strlen(m->name));
	out->nkeys = m->nkeys;
	out->key = lang_alloc(u, (m->nkeys + 1) * sizeof(*out->key));
	for (uint32_t i = 0; i < m->nkeys; i++) {
		out->key[i] = lang_type_final(&m->key[i]);
		out->wire.key_size += m->key[i].size;
	}
	out->value = is_plain ? lang_type_final(&m->value)
			      : (struct script_type){SCRIPT_AGG, m->value.is_signed, value_size(m)};
	out->wire.kind = (uint8_t)m->kind;
	out->wire.is_signed = m->value.is_signed;
	out->wire.hist_bits = (uint8_t)m->hist_bits;
	out->wire.value_size = value_size(m);
	out->wire.lhist_min = m->lhist_min;
	out->wire.lhist_max = m->lhist_max;
	out->wire.lhist_step = m->lhist_step;
	out->wire.max_keys = m->nkeys ? u->max_map_keys : 1;
	/* Plain tables are open: twice the room keeps the search short. */
	if (m->nkeys)
		out->wire.nbuckets = power_of_two(is_plain ? 2 * u->max_map_keys : u->max_map_keys);
	else
		out->wire.nbuckets = is_plain ? 1 : 0;
}

void lang_gen(struct unit *u)
{
	struct script *s = u->script;

	s->nmaps = u->nmaps;
	s->map = lang_alloc(u, (u->nmaps + 1) * sizeof(*s->map));
	for (uint32_t i = 0; i < u->nmaps; i++)
		gen_map(u, u->map[i], &s->map[i]);
	s->nprogs = u->nblocks;
	s->prog = lang_alloc(u, (u->nblocks + 1) * sizeof(*s->prog));
	for (uint32_t i = 0; i < u->nblocks; i++)
		gen_block(u, &u->block[i], &s->prog[i]);
}

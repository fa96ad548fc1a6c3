/* SPDX-License-Identifier: MIT */
/*
 * Integer expressions: to r0, or to a jump. Context: tool.
 */
#include "lang/gen.h"

static const struct loc ctx = {INSN_CTX, 0};

/* A leaf loads with one instruction and touches no other register. */
static bool is_leaf(const struct expr *e)
{
	switch (e->kind) {
	case X_INT:
	case X_VAR:
		return true;
	case X_BUILTIN:
		return e->builtin->from == FROM_CTX ||
		       (e->builtin->from == FROM_ARG && e->builtin->index < WIRE_NARGS);
	case X_CALL:
		return e->func->id == FN_REG;
	default:
		return false;
	}
}

static void load_reg(struct gen *g, uint8_t dst, uint32_t slot)
{
	lang_emit_load(g, dst, ctx, (int32_t)(offsetof(struct wire_ctx, reg) + 8 * slot));
}

static void leaf(struct gen *g, const struct expr *e, uint8_t dst)
{
	switch (e->kind) {
	case X_INT:
		lang_emit_const(g, dst, e->value);
		break;
	case X_VAR:
		lang_emit_load(g, dst, e->var->loc, 0);
		break;
	case X_BUILTIN:
		if (e->builtin->from == FROM_CTX)
			lang_emit_load(g, dst, ctx, (int32_t)e->builtin->index);
		else
			load_reg(g, dst, e->builtin->index);
		break;
	default:
		load_reg(g, dst, (uint32_t)e->value);
	}
}

/* r0 = a, r1 = b. Values that a later operand could change are kept in a slot meanwhile. */
static void operands(struct gen *g, struct expr *a, struct expr *b)
{
	struct frame frame = g->frame;
	struct loc kept;

	if (is_leaf(b)) {
		lang_gen_int(g, a);
		leaf(g, b, INSN_R1);
	} else if (is_leaf(a) && a->kind != X_VAR) {
		lang_gen_int(g, b);
		lang_emit_mov(g, INSN_R1, INSN_R0);
		leaf(g, a, INSN_R0);
	} else {
		lang_gen_int(g, a);
		kept = lang_slot(g);
		lang_emit_store(g, kept, 0, INSN_R0);
		lang_gen_int(g, b);
		lang_emit_mov(g, INSN_R1, INSN_R0);
		lang_emit_load(g, INSN_R0, kept, 0);
	}
	g->frame = frame;
}

static void divide(struct gen *g, enum op op, bool is_signed)
{
	struct label ok = {0}, end = {0};

	lang_emit_jump_imm(g, INSN_JNE, INSN_R1, 0, &ok);
	lang_emit_const(g, INSN_R1, WIRE_RT_DIV_ZERO);
	lang_emit_call(g, WIRE_H_ERROR);
	lang_emit_const(g, INSN_R0, 1);
	lang_emit_jump(g, INSN_JA, 0, 0, &end);
	lang_emit_label(g, &ok);
	lang_emit(g, (uint8_t)(INSN_ALU64 | INSN_FROM_REG | (op == OP_DIV ? INSN_DIV : INSN_MOD)),
		  INSN_R0, INSN_R1, is_signed, 0);
	lang_emit_label(g, &end);
}

static uint8_t alu_op(enum op op, bool is_signed)
{
	switch (op) {
	case OP_ADD:
		return INSN_ADD;
	case OP_SUB:
		return INSN_SUB;
	case OP_MUL:
		return INSN_MUL;
	case OP_AND:
		return INSN_AND;
	case OP_OR:
		return INSN_OR;
	case OP_XOR:
		return INSN_XOR;
	case OP_SHL:
		return INSN_LSH;
	default:
		return is_signed ? INSN_ARSH : INSN_RSH;
	}
}

void lang_gen_arith(struct gen *g, enum op op, bool is_signed)
{
	if (op == OP_DIV || op == OP_MOD)
		divide(g, op, is_signed);
	else
		lang_emit_alu(g, alu_op(op, is_signed), INSN_R0, INSN_R1);
}

static bool is_zero_division(const struct expr *e)
{
	return (e->op == OP_DIV || e->op == OP_MOD) && !e->b->value;
}

static bool is_shift_out(const struct expr *e)
{
	return (e->op == OP_SHL || e->op == OP_SHR) && e->b->value > 63;
}

static void binary(struct gen *g, struct expr *e)
{
	struct expr *b = e->b;
	bool is_signed = e->type.is_signed;

	/* A constant goes into the instruction. */
	if (b->kind == X_INT && lang_fits_imm(b->value) && !is_zero_division(e) &&
	    !is_shift_out(e)) {
		bool divides = e->op == OP_DIV || e->op == OP_MOD;
		uint8_t op = e->op == OP_DIV   ? INSN_DIV
			     : e->op == OP_MOD ? INSN_MOD
					       : alu_op(e->op, is_signed);

		lang_gen_int(g, e->a);
		lang_emit(g, INSN_ALU64 | op, INSN_R0, 0, divides && is_signed, (int32_t)b->value);
		return;
	}
	operands(g, e->a, b);
	lang_gen_arith(g, e->op, is_signed);
}

static bool is_string_compare(const struct expr *e)
{
	return (e->op == OP_EQ || e->op == OP_NE) && lang_type_is_string(&e->a->type);
}

static bool is_condition(const struct expr *e)
{
	if (e->kind == X_UNARY)
		return e->op == OP_NOT;
	return e->kind == X_BINARY &&
	       ((e->op >= OP_LT && e->op <= OP_NE) || e->op == OP_LAND || e->op == OP_LOR);
}

/* A condition as a value, 0 or 1. */
static void condition(struct gen *g, struct expr *e)
{
	struct label is_true = {0}, end = {0};

	lang_gen_branch(g, e, true, &is_true);
	lang_emit_const(g, INSN_R0, 0);
	lang_emit_jump(g, INSN_JA, 0, 0, &end);
	lang_emit_label(g, &is_true);
	lang_emit_const(g, INSN_R0, 1);
	lang_emit_label(g, &end);
}

static void cond(struct gen *g, struct expr *e)
{
	struct label otherwise = {0}, end = {0};

	lang_gen_branch(g, e->a, false, &otherwise);
	lang_gen_int(g, e->b);
	lang_emit_jump(g, INSN_JA, 0, 0, &end);
	lang_emit_label(g, &otherwise);
	lang_gen_int(g, e->c);
	lang_emit_label(g, &end);
}

static void incdec(struct gen *g, struct expr *e)
{
	int32_t delta = e->op == OP_ADD ? 1 : -1;
	struct frame frame = g->frame;
	struct loc key;

	if (e->a->kind == X_VAR) {
		lang_emit_load(g, INSN_R0, e->a->var->loc, 0);
		lang_emit_mov(g, INSN_R1, INSN_R0);
		lang_emit_alu_imm(g, INSN_ADD, INSN_R1, delta);
		lang_emit_store(g, e->a->var->loc, 0, INSN_R1);
	} else {
		key = lang_gen_key(g, e->a);
		lang_gen_map_args(g, e->a->map, key);
		lang_emit_const(g, INSN_R3, (uint64_t)(int64_t)delta);
		lang_emit_call(g, WIRE_H_ADD);
	}
	if (e->is_prefix)
		lang_emit_alu_imm(g, INSN_ADD, INSN_R0, delta);
	g->frame = frame;
}

static void builtin(struct gen *g, struct expr *e)
{
	const struct builtin *b = e->builtin;

	if (b->from == FROM_ARG) {
		lang_emit_const(g, INSN_R1, b->index);
		lang_emit_call(g, WIRE_H_STACK_ARG);
	} else {
		lang_emit_call(g, (enum wire_helper)b->index);
	}
}

static void cast(struct gen *g, struct expr *e)
{
	lang_gen_int(g, e->a);
	if (e->bits == 64)
		return;
	lang_emit_alu_imm(g, INSN_LSH, INSN_R0, (int32_t)(64 - e->bits));
	lang_emit_alu_imm(g, e->type.is_signed ? INSN_ARSH : INSN_RSH, INSN_R0,
			  (int32_t)(64 - e->bits));
}

static void load_map(struct gen *g, struct expr *e)
{
	struct frame frame = g->frame;
	struct loc key = lang_gen_key(g, e);

	lang_gen_map_args(g, e->map, key);
	lang_emit_call(g, WIRE_H_LOAD);
	g->frame = frame;
}

void lang_gen_int_to(struct gen *g, struct expr *e, uint8_t dst)
{
	if (is_leaf(e)) {
		leaf(g, e, dst);
		return;
	}
	lang_gen_int(g, e);
	lang_emit_mov(g, dst, INSN_R0);
}

void lang_gen_int(struct gen *g, struct expr *e)
{
	if (is_leaf(e)) {
		leaf(g, e, INSN_R0);
		return;
	}
	if (is_condition(e)) {
		condition(g, e);
		return;
	}
	switch (e->kind) {
	case X_MAP:
		load_map(g, e);
		break;
	case X_BUILTIN:
		builtin(g, e);
		break;
	case X_CALL:
		lang_gen_call(g, e);
		break;
	case X_UNARY:
		lang_gen_int(g, e->a);
		if (e->op == OP_SUB)
			lang_emit_alu_imm(g, INSN_NEG, INSN_R0, 0);
		else if (e->op == OP_BITNOT)
			lang_emit_alu_imm(g, INSN_XOR, INSN_R0, -1);
		break;
	case X_BINARY:
		binary(g, e);
		break;
	case X_COND:
		cond(g, e);
		break;
	case X_INCDEC:
		incdec(g, e);
		break;
	case X_CAST:
		cast(g, e);
		break;
	default:
		break;
	}
}

/* The jump that is taken when "r0 op r1" is @sense. */
static uint8_t jump_op(enum op op, bool is_signed, bool sense)
{
	static const uint8_t jumps[][2] = {
		[OP_LT] = {INSN_JLT, INSN_JSLT}, [OP_LE] = {INSN_JLE, INSN_JSLE},
		[OP_GT] = {INSN_JGT, INSN_JSGT}, [OP_GE] = {INSN_JGE, INSN_JSGE},
		[OP_EQ] = {INSN_JEQ, INSN_JEQ},	 [OP_NE] = {INSN_JNE, INSN_JNE},
	};
	static const enum op opposite[] = {
		[OP_LT] = OP_GE, [OP_LE] = OP_GT, [OP_GT] = OP_LE,
		[OP_GE] = OP_LT, [OP_EQ] = OP_NE, [OP_NE] = OP_EQ,
	};

	return jumps[sense ? op : opposite[op]][is_signed];
}

static void branch_compare(struct gen *g, struct expr *e, bool sense, struct label *to)
{
	struct type t = e->a->type;
	bool changed = false;
	uint8_t jump;

	if (is_string_compare(e)) {
		lang_gen_strcmp(g, e->a, e->b, UINT32_MAX);
		lang_emit_jump_imm(g, jump_op(e->op, false, sense), INSN_R0, 0, to);
		return;
	}
	lang_type_join(&t, &e->b->type, &changed);
	jump = jump_op(e->op, t.is_signed, sense);
	if (e->b->kind == X_INT && lang_fits_imm(e->b->value)) {
		lang_gen_int(g, e->a);
		lang_emit_jump_imm(g, jump, INSN_R0, (int32_t)e->b->value, to);
		return;
	}
	operands(g, e->a, e->b);
	lang_emit_jump(g, jump, INSN_R0, INSN_R1, to);
}

void lang_gen_branch(struct gen *g, struct expr *e, bool sense, struct label *to)
{
	struct label skip = {0};

	if (e->kind == X_INT) {
		if (!e->value != sense)
			lang_emit_jump(g, INSN_JA, 0, 0, to);
	} else if (!is_condition(e)) {
		lang_gen_int(g, e);
		lang_emit_jump_imm(g, sense ? INSN_JNE : INSN_JEQ, INSN_R0, 0, to);
	} else if (e->op == OP_NOT) {
		lang_gen_branch(g, e->a, !sense, to);
	} else if (e->op != OP_LAND && e->op != OP_LOR) {
		branch_compare(g, e, sense, to);
	} else if ((e->op == OP_LOR) == sense) {
		lang_gen_branch(g, e->a, sense, to);
		lang_gen_branch(g, e->b, sense, to);
	} else {
		lang_gen_branch(g, e->a, !sense, &skip);
		lang_gen_branch(g, e->b, sense, to);
		lang_emit_label(g, &skip);
	}
}

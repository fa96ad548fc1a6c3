/* SPDX-License-Identifier: MIT */
/*
 * Emitting instructions. Context: tool.
 */
#include "lang/emit.h"

/* Small buffers lie on the stack, but leave this much of it to integers. */
#define SMALL_BUFFER 48
#define STACK_FOR_SLOTS 192

void lang_emit(struct gen *g, uint8_t opcode, uint8_t dst, uint8_t src, int32_t off, int32_t imm)
{
	struct wire_insn *i;

	if (g->is_dead)
		return;
	/* The prologue comes on top. */
	if (g->ninsn >= WIRE_INSN_MAX - 8)
		lang_error(g->u, g->at,
			   "this block is too large: its program has more than %d "
			   "instructions",
			   WIRE_INSN_MAX);
	if (dst == INSN_CTX || src == INSN_CTX)
		g->uses_ctx = true;
	if (dst == INSN_SCRATCH || src == INSN_SCRATCH)
		g->uses_scratch = true;
	g->insn = lang_grow(g->u, g->insn, g->ninsn, sizeof(*g->insn));
	i = &g->insn[g->ninsn++];
	i->opcode = opcode;
	i->regs = (uint8_t)(dst | src << 4);
	i->offset = (int16_t)off;
	i->imm = imm;
}

void lang_emit_mov(struct gen *g, uint8_t dst, uint8_t src)
{
	if (dst != src)
		lang_emit_alu(g, INSN_MOV, dst, src);
}

void lang_emit_const(struct gen *g, uint8_t dst, uint64_t value)
{
	if (lang_fits_imm(value)) {
		lang_emit_alu_imm(g, INSN_MOV, dst, (int32_t)value);
		return;
	}
	lang_emit(g, INSN_LD_IMM64, dst, 0, 0, (int32_t)value);
	lang_emit(g, 0, 0, 0, 0, (int32_t)(value >> 32));
}

void lang_emit_alu(struct gen *g, uint8_t op, uint8_t dst, uint8_t src)
{
	lang_emit(g, INSN_ALU64 | INSN_FROM_REG | op, dst, src, 0, 0);
}

void lang_emit_alu_imm(struct gen *g, uint8_t op, uint8_t dst, int32_t imm)
{
	lang_emit(g, INSN_ALU64 | op, dst, 0, 0, imm);
}

void lang_emit_load(struct gen *g, uint8_t dst, struct loc from, int32_t off)
{
	lang_emit(g, INSN_LDX_DW, dst, from.reg, from.off + off, 0);
}

void lang_emit_store(struct gen *g, struct loc to, int32_t off, uint8_t src)
{
	lang_emit(g, INSN_STX_DW, to.reg, src, to.off + off, 0);
}

void lang_emit_store_const(struct gen *g, struct loc to, int32_t off, uint64_t value)
{
	if (lang_fits_imm(value)) {
		lang_emit(g, INSN_ST_DW, to.reg, 0, to.off + off, (int32_t)value);
		return;
	}
	lang_emit(g, INSN_ST_W, to.reg, 0, to.off + off, (int32_t)value);
	lang_emit(g, INSN_ST_W, to.reg, 0, to.off + off + 4, (int32_t)(value >> 32));
}

void lang_emit_addr(struct gen *g, uint8_t dst, struct loc loc)
{
	lang_emit_mov(g, dst, loc.reg);
	if (loc.off)
		lang_emit_alu_imm(g, INSN_ADD, dst, loc.off);
}

void lang_emit_call(struct gen *g, enum wire_helper helper)
{
	lang_emit(g, INSN_JMP | INSN_CALL, 0, 0, 0, (int32_t)helper);
}

void lang_emit_exit(struct gen *g)
{
	lang_emit_const(g, INSN_R0, 0);
	lang_emit(g, INSN_JMP | INSN_EXIT, 0, 0, 0, 0);
	g->is_dead = true;
}

static void refer(struct gen *g, struct label *to)
{
	if (g->is_dead)
		return;
	if (!to->nref && ++g->waiting > EMIT_MAX_WAITING)
		lang_error(g->u, g->at, "conditions are nested too deeply here (limit: %d)",
			   EMIT_MAX_WAITING);
	to->ref = lang_grow(g->u, to->ref, to->nref, sizeof(*to->ref));
	to->ref[to->nref++] = g->ninsn;
}

void lang_emit_jump(struct gen *g, uint8_t jump, uint8_t dst, uint8_t src, struct label *to)
{
	refer(g, to);
	lang_emit(g, (uint8_t)(INSN_JMP | jump | (jump == INSN_JA ? 0 : INSN_FROM_REG)), dst, src,
		  0, 0);
	if (jump == INSN_JA)
		g->is_dead = true;
}

void lang_emit_jump_imm(struct gen *g, uint8_t jump, uint8_t dst, int32_t imm, struct label *to)
{
	refer(g, to);
	lang_emit(g, INSN_JMP | jump, dst, 0, 0, imm);
}

void lang_emit_label(struct gen *g, struct label *l)
{
	for (uint32_t i = 0; i < l->nref; i++) {
		uint32_t distance = g->ninsn - l->ref[i] - 1;

		if (distance > INT16_MAX)
			lang_error(g->u, g->at,
				   "this block is too large: a jump over %u "
				   "instructions",
				   distance);
		g->insn[l->ref[i]].offset = (int16_t)distance;
	}
	if (!l->nref)
		return;
	g->waiting--;
	g->is_dead = false;
}

static struct loc scratch(struct gen *g, uint32_t size)
{
	struct loc loc = {INSN_SCRATCH, (int32_t)g->frame.scratch};

	g->frame.scratch += size;
	if (g->frame.scratch > WIRE_SCRATCH_MAX)
		lang_error(g->u, g->at,
			   "this block is too large: its strings and keys need more "
			   "than %d bytes",
			   WIRE_SCRATCH_MAX);
	if (g->frame.scratch > g->scratch_max)
		g->scratch_max = g->frame.scratch;
	return loc;
}

static struct loc stack(struct gen *g, uint32_t size)
{
	g->frame.stack += size;
	return (struct loc){INSN_STACK, -(int32_t)g->frame.stack};
}

struct loc lang_slot(struct gen *g)
{
	return g->frame.stack + 8 <= WIRE_STACK_SIZE ? stack(g, 8) : scratch(g, 8);
}

struct loc lang_buffer(struct gen *g, uint32_t size)
{
	size = ALIGN_UP(size, 8u);
	if (size <= SMALL_BUFFER && g->frame.stack + size <= WIRE_STACK_SIZE - STACK_FOR_SLOTS)
		return stack(g, size);
	return scratch(g, size);
}

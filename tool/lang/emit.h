/* SPDX-License-Identifier: MIT */
/*
 * Emitting instructions: labels, stack and scratch slots.
 *
 * Invariants: jumps go forward only; code that cannot be reached is not emitted; a slot is
 * written before it is read, which is its user's duty. Context: tool.
 */
#ifndef SONDE_LANG_EMIT_H
#define SONDE_LANG_EMIT_H

#include "lang/ast.h"
#include "lang/insn.h"

/* A place further on: jumps that wait for it. */
struct label {
	uint32_t *ref;
	uint32_t nref;
};

/* How much of stack and scratch is in use. */
struct frame {
	uint32_t stack, scratch;
};

/* The verifier follows only so many jumps at once (act/verify.c has room for a few more). */
#define EMIT_MAX_WAITING 24

struct gen {
	struct unit *u;
	const struct block *block;
	struct span at; /* the statement in work, for messages */
	struct wire_insn *insn;
	uint32_t ninsn;
	bool is_dead; /* what is emitted now could never run */
	bool uses_ctx, uses_scratch, emits;
	struct frame frame;
	uint32_t scratch_max;
	uint32_t waiting; /* labels with jumps to them, not yet placed */
};

void lang_emit(struct gen *g, uint8_t opcode, uint8_t dst, uint8_t src, int32_t off, int32_t imm);
void lang_emit_mov(struct gen *g, uint8_t dst, uint8_t src);
/* dst = any 64-bit constant. */
void lang_emit_const(struct gen *g, uint8_t dst, uint64_t value);
/* dst = dst op src / imm; @op is one of INSN_ADD .. INSN_ARSH. */
void lang_emit_alu(struct gen *g, uint8_t op, uint8_t dst, uint8_t src);
void lang_emit_alu_imm(struct gen *g, uint8_t op, uint8_t dst, int32_t imm);
void lang_emit_load(struct gen *g, uint8_t dst, struct loc from, int32_t off);
void lang_emit_store(struct gen *g, struct loc to, int32_t off, uint8_t src);
void lang_emit_store_const(struct gen *g, struct loc to, int32_t off, uint64_t value);
/* dst = address of @loc. */
void lang_emit_addr(struct gen *g, uint8_t dst, struct loc loc);
void lang_emit_call(struct gen *g, enum wire_helper helper);
void lang_emit_exit(struct gen *g);

/* if (dst jump src) goto @to, with JA: always. */
void lang_emit_jump(struct gen *g, uint8_t jump, uint8_t dst, uint8_t src, struct label *to);
void lang_emit_jump_imm(struct gen *g, uint8_t jump, uint8_t dst, int32_t imm, struct label *to);
void lang_emit_label(struct gen *g, struct label *l);

/* 8 bytes, or @size bytes; they are free again when the frame of before is put back. */
struct loc lang_slot(struct gen *g);
struct loc lang_buffer(struct gen *g, uint32_t size);

static inline bool lang_fits_imm(uint64_t value)
{
	return (int64_t)value == (int32_t)value;
}

#endif

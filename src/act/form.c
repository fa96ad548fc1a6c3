/* SPDX-License-Identifier: MIT */
/*
 * Which instructions exist, and which of their fields must be zero.
 *
 * The encoding of RFC 9669, without the legacy packet loads and without calls other than to our
 * helpers. Freestanding. Context: agent start-up, tool, any thread.
 */
#include "act/check.h"
#include "base/base.h"

enum { CLASS_LD, CLASS_LDX, CLASS_ST, CLASS_STX, CLASS_ALU, CLASS_JMP, CLASS_JMP32, CLASS_ALU64 };

#define FROM_REG 0x08 /* the second operand is the source register, else the immediate */

static uint8_t dst(const struct wire_insn *i)
{
	return i->regs & 15;
}

static uint8_t src(const struct wire_insn *i)
{
	return i->regs >> 4;
}

static const char *alu_form(const struct wire_insn *i)
{
	uint8_t op = i->opcode & 0xf0, class = i->opcode & 7;
	bool from_reg = i->opcode & FROM_REG;

	if (op > 0xd0)
		return "unknown arithmetic";
	if (dst(i) == 10)
		return "r10 is read-only";
	if (op == 0xd0) {
		if (class == CLASS_ALU64 && from_reg)
			return "unknown byte swap";
		if (src(i) != 0 || i->offset != 0)
			return "reserved field is not zero";
		return i->imm == 16 || i->imm == 32 || i->imm == 64 ? NULL : "unknown byte swap";
	}
	if (op == 0x80)
		return from_reg || src(i) != 0 || i->offset != 0 || i->imm != 0
			       ? "reserved field is not zero"
			       : NULL;
	if (from_reg ? i->imm != 0 : src(i) != 0)
		return "reserved field is not zero";
	if (op == 0x30 || op == 0x90)
		return i->offset == 0 || i->offset == 1 ? NULL : "unknown division";
	if (op == 0xb0 && from_reg && i->offset != 0) {
		if (i->offset == 8 || i->offset == 16 || (i->offset == 32 && class == CLASS_ALU64))
			return NULL;
		return "unknown sign extension";
	}
	return i->offset == 0 ? NULL : "reserved field is not zero";
}

static const char *jump_form(const struct wire_insn *i)
{
	uint8_t op = i->opcode & 0xf0;
	bool from_reg = i->opcode & FROM_REG, wide = (i->opcode & 7) == CLASS_JMP;

	if (op == 0x00) {
		if (from_reg || i->regs != 0 || (wide ? i->imm : i->offset) != 0)
			return "reserved field is not zero";
		return NULL;
	}
	if (op == 0x80) {
		if (!wide || from_reg || src(i) != 0)
			return "unknown kind of call";
		return dst(i) != 0 || i->offset != 0 ? "reserved field is not zero" : NULL;
	}
	if (op == 0x90) {
		if (!wide || from_reg)
			return "unknown jump";
		return i->regs != 0 || i->offset != 0 || i->imm != 0 ? "reserved field is not zero"
								     : NULL;
	}
	if (op > 0xd0)
		return "unknown jump";
	if (from_reg ? i->imm != 0 : src(i) != 0)
		return "reserved field is not zero";
	return NULL;
}

static bool is_atomic_op(int32_t op)
{
	switch (op) {
	case 0x00:
	case 0x01:
	case 0x40:
	case 0x41:
	case 0x50:
	case 0x51:
	case 0xa0:
	case 0xa1:
	case 0xe1:
	case 0xf1:
		return true;
	default:
		return false;
	}
}

static const char *memory_form(const struct wire_insn *i)
{
	uint8_t class = i->opcode & 7, size = i->opcode & 0x18, mode = i->opcode & 0xe0;

	switch (class) {
	case CLASS_LDX:
		if (mode != 0x60 && (mode != 0x80 || size == 0x18))
			return "unknown load";
		if (dst(i) == 10)
			return "r10 is read-only";
		return i->imm == 0 ? NULL : "reserved field is not zero";
	case CLASS_ST:
		if (mode != 0x60)
			return "unknown store";
		return src(i) == 0 ? NULL : "reserved field is not zero";
	default:
		if (mode == 0x60)
			return i->imm == 0 ? NULL : "reserved field is not zero";
		if (mode != 0xc0 || (size != 0x00 && size != 0x18) || !is_atomic_op(i->imm))
			return "unknown atomic operation";
		if (i->imm != 0xf1 && (i->imm & 1) && src(i) == 10)
			return "r10 is read-only";
		return NULL;
	}
}

static const char *imm64_form(const struct wire_insn *i, uint32_t left)
{
	if (i->opcode != 0x18)
		return "unknown load";
	if (left < 2)
		return "the second half of the immediate is missing";
	if (dst(i) == 10)
		return "r10 is read-only";
	if (i->offset != 0 || i[1].opcode != 0 || i[1].regs != 0 || i[1].offset != 0)
		return "reserved field is not zero";
	if (src(i) != 0 && src(i) != WIRE_MAP_BY_IDX)
		return "unknown kind of immediate";
	if (src(i) == WIRE_MAP_BY_IDX && i[1].imm != 0)
		return "reserved field is not zero";
	return NULL;
}

const char *act_check_form(const struct wire_insn *i, uint32_t left)
{
	if (dst(i) >= ACT_NREGS)
		return "no such register";
	if ((i->opcode & 7) != CLASS_LD && src(i) >= ACT_NREGS)
		return "no such register";
	switch (i->opcode & 7) {
	case CLASS_ALU:
	case CLASS_ALU64:
		return alu_form(i);
	case CLASS_JMP:
	case CLASS_JMP32:
		return jump_form(i);
	case CLASS_LD:
		return imm64_form(i, left);
	default:
		return memory_form(i);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Describes an instruction for those who carry it out without a decoder (emulate.c).
 *
 * Described is what most functions begin and end with and what is easily exact. Left to the
 * processor (SONDE_E_RELOCATE):
 *  - anything with a lock prefix, or that reads memory to change it: it is one step for others;
 *  - operands of other segments (fs, gs), and of 32-bit addresses;
 *  - the high byte registers, segment and control registers, words on the stack;
 *  - loop with a 32-bit counter: whether the upper half is cleared when it is not taken, manuals
 *    do not say; loopne and loope with a repeat prefix, which replaces their condition by its own
 *    on the one processor tried.
 * Context: tool, any thread.
 */
#include "arch/x86_64/x86.h"

#include <string.h>

#include "base/base.h"
#include "base/err.h"

static const struct {
	ZydisMnemonic mnemonic;
	uint8_t op;
} straight[] = {
	{ZYDIS_MNEMONIC_NOP, ARCH_EMUL_NOP},	 {ZYDIS_MNEMONIC_ENDBR64, ARCH_EMUL_NOP},
	{ZYDIS_MNEMONIC_MOV, ARCH_EMUL_MOV},	 {ZYDIS_MNEMONIC_MOVZX, ARCH_EMUL_MOV},
	{ZYDIS_MNEMONIC_MOVSX, ARCH_EMUL_MOVSX}, {ZYDIS_MNEMONIC_MOVSXD, ARCH_EMUL_MOVSX},
	{ZYDIS_MNEMONIC_LEA, ARCH_EMUL_LEA},	 {ZYDIS_MNEMONIC_PUSH, ARCH_EMUL_PUSH},
	{ZYDIS_MNEMONIC_POP, ARCH_EMUL_POP},	 {ZYDIS_MNEMONIC_LEAVE, ARCH_EMUL_LEAVE},
	{ZYDIS_MNEMONIC_ADD, ARCH_EMUL_ADD},	 {ZYDIS_MNEMONIC_SUB, ARCH_EMUL_SUB},
	{ZYDIS_MNEMONIC_CMP, ARCH_EMUL_CMP},	 {ZYDIS_MNEMONIC_AND, ARCH_EMUL_AND},
	{ZYDIS_MNEMONIC_OR, ARCH_EMUL_OR},	 {ZYDIS_MNEMONIC_XOR, ARCH_EMUL_XOR},
	{ZYDIS_MNEMONIC_TEST, ARCH_EMUL_TEST},
};

/* The place of general register 0 (rax) ... 15 in wire_ctx.reg. */
static uint8_t slot_of(int gpr)
{
	static const uint8_t slot[16] = {6, 3, 2, 7,  WIRE_REG_SP, 8,  1,  0,
					 4, 5, 9, 10, 11,	   12, 13, 14};

	return gpr < 0 ? ARCH_EMUL_ABSENT : slot[gpr];
}

static bool is_high_byte(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
}

static int describe_memory(const ZydisDecodedOperand *op, const ZydisDecodedInstruction *in,
			   struct arch_emul *out)
{
	bool segment_counts =
		in->mnemonic != ZYDIS_MNEMONIC_LEA &&
		(op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS);

	if (in->address_width != 64 || segment_counts)
		return SONDE_E_RELOCATE;
	out->base =
		op->mem.base == ZYDIS_REGISTER_RIP ? WIRE_REG_PC : slot_of(x86_gpr(op->mem.base));
	out->index = slot_of(x86_gpr(op->mem.index));
	out->scale = op->mem.scale;
	out->disp = op->mem.disp.value;
	return 0;
}

/* Where operand @op is, into @where. */
static int describe_operand(const ZydisDecodedOperand *op, const ZydisDecodedInstruction *in,
			    struct arch_emul *out, uint8_t *where)
{
	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		if (x86_gpr(op->reg.value) < 0 || is_high_byte(op->reg.value))
			return SONDE_E_RELOCATE;
		*where = slot_of(x86_gpr(op->reg.value));
		return 0;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		*where = ARCH_EMUL_IMM;
		out->imm = op->imm.value.s;
		return 0;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		*where = ARCH_EMUL_MEM;
		return describe_memory(op, in, out);
	default:
		return SONDE_E_RELOCATE;
	}
}

/* The two operands of mov, lea, add ...; memory is read or written, never both. */
static int describe_pair(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op,
			 struct arch_emul *out)
{
	int err;

	if (in->operand_count_visible != 2)
		return SONDE_E_RELOCATE;
	if (op[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	    (op[0].actions & ZYDIS_OPERAND_ACTION_MASK_READ) &&
	    (op[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		return SONDE_E_RELOCATE;
	out->size = (uint8_t)(op[0].size / 8);
	/* a short immediate is extended already */
	out->src_size =
		op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? out->size : (uint8_t)(op[1].size / 8);
	err = describe_operand(&op[0], in, out, &out->dst);
	return err ? err : describe_operand(&op[1], in, out, &out->src);
}

static int describe_straight(uint8_t emul, const ZydisDecodedInstruction *in,
			     const ZydisDecodedOperand *op, struct arch_emul *out)
{
	int err = 0;

	switch (emul) {
	case ARCH_EMUL_NOP:
		/* among the reserved ones makers disagree */
		if (in->mnemonic == ZYDIS_MNEMONIC_NOP && in->opcode != 0x90 && in->opcode != 0x1f)
			err = SONDE_E_RELOCATE;
		break;
	case ARCH_EMUL_LEAVE:
		err = in->operand_width == 64 ? 0 : SONDE_E_RELOCATE;
		break;
	case ARCH_EMUL_PUSH:
	case ARCH_EMUL_POP:
		if (in->operand_width != 64)
			return SONDE_E_RELOCATE;
		err = describe_operand(&op[0], in, out,
				       emul == ARCH_EMUL_PUSH ? &out->src : &out->dst);
		break;
	default:
		err = describe_pair(in, op, out);
		break;
	}
	out->op = emul;
	return err;
}

static bool has_repeat(const ZydisDecodedInstruction *in)
{
	for (unsigned int i = 0; i < in->raw.prefix_count; i++)
		if (in->raw.prefixes[i].value == 0xf2 || in->raw.prefixes[i].value == 0xf3)
			return true;
	return false;
}

static int describe_loop(const ZydisDecodedInstruction *in, struct arch_emul *out)
{
	out->src = ARCH_EMUL_IMM;
	out->size = in->address_width / 8;
	if (in->opcode == 0xe3) {
		out->op = ARCH_EMUL_JCXZ;
		return 0;
	}
	out->op = ARCH_EMUL_LOOP;
	out->cond = in->opcode & 3;
	return in->address_width == 64 && !has_repeat(in) ? 0 : SONDE_E_RELOCATE;
}

static int describe_branch(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op,
			   struct arch_emul *out)
{
	enum arch_kind kind = x86_kind(in);

	out->imm = in->raw.imm[0].value.s;
	switch (kind) {
	case ARCH_JCC:
		out->src = ARCH_EMUL_IMM;
		out->op = ARCH_EMUL_JCC;
		out->cond = in->opcode & 0xf;
		return 0;
	case ARCH_LOOP:
		return describe_loop(in, out);
	case ARCH_RET:
		out->op = ARCH_EMUL_RET;
		if (in->opcode != 0xc2)
			out->imm = 0;
		else
			out->imm &= 0xffff;
		return 0;
	case ARCH_JMP:
	case ARCH_JMP_IND:
	case ARCH_CALL:
	case ARCH_CALL_IND:
		out->op = kind == ARCH_JMP || kind == ARCH_JMP_IND ? ARCH_EMUL_JMP : ARCH_EMUL_CALL;
		return describe_operand(&op[0], in, out, &out->src);
	default:
		return SONDE_E_RELOCATE;
	}
}

int arch_emul_describe(const uint8_t *code, size_t n, struct arch_emul *out)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	int err;

	if (!x86_decode_full(code, n, &in, op))
		return SONDE_E_DECODE;
	memset(out, 0, sizeof(*out));
	out->len = in.length;
	out->dst = out->src = out->base = out->index = ARCH_EMUL_ABSENT;
	if (in.attributes & ZYDIS_ATTRIB_HAS_LOCK)
		return SONDE_E_RELOCATE;
	for (size_t i = 0; i < ARRAY_LEN(straight); i++) {
		if (straight[i].mnemonic != in.mnemonic)
			continue;
		err = describe_straight(straight[i].op, &in, op, out);
		goto out;
	}
	err = describe_branch(&in, op, out);
out:
	if (err)
		out->op = ARCH_EMUL_NONE;
	return err;
}

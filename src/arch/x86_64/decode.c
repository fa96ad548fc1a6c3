/* SPDX-License-Identifier: MIT */
/*
 * What an x86-64 instruction is.
 *
 * Invariant: a control transfer is classified only when every maker of processors agrees on
 * its length and meaning; the rest is ARCH_OTHER. An operand-size prefix on a near branch, for
 * one, is ignored by Intel and truncates the target on AMD.
 * Context: tool, any thread.
 */
#include "arch/x86_64/x86.h"

#include <string.h>

#include "base/err.h"

bool x86_decode(const uint8_t *code, size_t n, ZydisDecodedInstruction *out)
{
	ZydisDecoder dec;

	if (!ZYAN_SUCCESS(ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return false;
	if (n > ARCH_INSN_MAX)
		n = ARCH_INSN_MAX;
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&dec, NULL, code, n, out));
}

bool x86_decode_full(const uint8_t *code, size_t n, ZydisDecodedInstruction *out,
		     ZydisDecodedOperand *op)
{
	ZydisDecoder dec;

	if (!ZYAN_SUCCESS(ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return false;
	if (n > ARCH_INSN_MAX)
		n = ARCH_INSN_MAX;
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec, code, n, out, op));
}

int x86_gpr(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	return ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64 ? ZydisRegisterGetId(whole)
								    : -1;
}

uint64_t x86_branch_target(const ZydisDecodedInstruction *in, uint64_t vaddr)
{
	return vaddr + in->length + in->raw.imm[0].value.u;
}

uint64_t x86_operand_target(const ZydisDecodedInstruction *in, uint64_t vaddr)
{
	return vaddr + in->length + (uint64_t)in->raw.disp.value;
}

static bool has_prefix(const ZydisDecodedInstruction *in, uint8_t prefix)
{
	for (unsigned i = 0; i < in->raw.prefix_count; i++)
		if (in->raw.prefixes[i].value == prefix)
			return true;
	return false;
}

/* Opcodes FF /2 and /4; the far forms /3 and /5 are another matter. */
static bool is_near_indirect(const ZydisDecodedInstruction *in)
{
	return in->opcode == 0xff && (in->raw.modrm.reg == 2 || in->raw.modrm.reg == 4);
}

static enum arch_kind branch_kind(const ZydisDecodedInstruction *in)
{
	/* the decoder knows branches with a VEX prefix, which one long gone processor had */
	if (in->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ||
	    in->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return ARCH_OTHER;
	if (has_prefix(in, 0x66) && !in->raw.rex.W)
		return ARCH_OTHER;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_RET:
		return in->opcode == 0xc3 || in->opcode == 0xc2 ? ARCH_RET : ARCH_OTHER;
	case ZYDIS_MNEMONIC_JMP:
		if (in->raw.imm[0].is_relative)
			return ARCH_JMP;
		return is_near_indirect(in) ? ARCH_JMP_IND : ARCH_OTHER;
	case ZYDIS_MNEMONIC_CALL:
		if (in->raw.imm[0].is_relative)
			return ARCH_CALL;
		return is_near_indirect(in) ? ARCH_CALL_IND : ARCH_OTHER;
	case ZYDIS_MNEMONIC_LOOP:
	case ZYDIS_MNEMONIC_LOOPE:
	case ZYDIS_MNEMONIC_LOOPNE:
	case ZYDIS_MNEMONIC_JCXZ:
	case ZYDIS_MNEMONIC_JECXZ:
	case ZYDIS_MNEMONIC_JRCXZ:
		return ARCH_LOOP;
	default:
		break;
	}
	if (in->meta.category == ZYDIS_CATEGORY_COND_BR && in->raw.imm[0].is_relative &&
	    ((in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (in->opcode & 0xf0) == 0x70) ||
	     (in->opcode_map == ZYDIS_OPCODE_MAP_0F && (in->opcode & 0xf0) == 0x80)))
		return ARCH_JCC;
	return ARCH_OTHER;
}

enum arch_kind x86_kind(const ZydisDecodedInstruction *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_NOP:
		return ARCH_NOP;
	case ZYDIS_MNEMONIC_ENDBR64:
		return ARCH_ENDBR;
	case ZYDIS_MNEMONIC_SYSCALL:
		return ARCH_SYSCALL;
	case ZYDIS_MNEMONIC_INT3:
	case ZYDIS_MNEMONIC_INT1:
		return ARCH_TRAP;
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
		return ARCH_UNDEFINED;
	case ZYDIS_MNEMONIC_HLT:
		return ARCH_HALT;
	case ZYDIS_MNEMONIC_XBEGIN:
	case ZYDIS_MNEMONIC_SYSENTER:
	case ZYDIS_MNEMONIC_SYSEXIT:
	case ZYDIS_MNEMONIC_SYSRET:
	case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_IRETD:
	case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_UIRET:
	case ZYDIS_MNEMONIC_RSM:
		return ARCH_OTHER;
	default:
		break;
	}
	if (in->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || in->raw.imm[0].is_relative ||
	    in->meta.category == ZYDIS_CATEGORY_RET)
		return branch_kind(in);
	return ARCH_ORDINARY;
}

bool x86_is_ip_relative(const ZydisDecodedInstruction *in)
{
	return (in->attributes & ZYDIS_ATTRIB_HAS_MODRM) && in->raw.modrm.mod == 0 &&
	       in->raw.modrm.rm == 5 && in->raw.disp.size == 32;
}

int arch_decode(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_insn *out)
{
	ZydisDecodedInstruction in;

	if (!x86_decode(code, n, &in))
		return SONDE_E_DECODE;
	memset(out, 0, sizeof(*out));
	out->len = in.length;
	out->kind = (uint8_t)x86_kind(&in);
	out->mnemonic = ZydisMnemonicGetString(in.mnemonic);
	if (in.raw.imm[0].is_relative) {
		out->has_target = true;
		out->disp_at = in.raw.imm[0].offset;
		out->disp_size = in.raw.imm[0].size / 8;
		out->target = x86_branch_target(&in, vaddr);
	} else if (x86_is_ip_relative(&in)) {
		out->has_target = true;
		out->disp_at = in.raw.disp.offset;
		out->disp_size = 4;
		out->target = x86_operand_target(&in, vaddr);
		if (in.address_width == 32)
			out->target &= 0xffffffff;
	}
	return 0;
}

/* The kind from raw opcodes, as far as a sweep asks: where control leaves the line. */
static enum arch_kind raw_kind(const ZydisDecodedInstruction *in)
{
	uint8_t op = in->opcode;

	if (in->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return ARCH_ORDINARY;
	if (in->opcode_map == ZYDIS_OPCODE_MAP_0F) {
		if ((op & 0xf0) == 0x80)
			return ARCH_JCC;
		return op == 0x0b || op == 0xb9 || op == 0xff ? ARCH_UNDEFINED : ARCH_ORDINARY;
	}
	if (in->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return ARCH_ORDINARY;
	if ((op & 0xf0) == 0x70)
		return ARCH_JCC;
	switch (op) {
	case 0xc2:
	case 0xc3:
		return ARCH_RET;
	case 0xe0:
	case 0xe1:
	case 0xe2:
	case 0xe3:
		return ARCH_LOOP;
	case 0xe8:
		return ARCH_CALL;
	case 0xe9:
	case 0xeb:
		return ARCH_JMP;
	case 0xf4:
		return ARCH_HALT;
	case 0xff:
		return in->raw.modrm.reg == 4	? ARCH_JMP_IND
		       : in->raw.modrm.reg == 2 ? ARCH_CALL_IND
						: ARCH_ORDINARY;
	default:
		return ARCH_ORDINARY;
	}
}

int arch_step(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_insn *out)
{
	ZydisDecodedInstruction in;
	ZydisDecoder dec;

	if (!ZYAN_SUCCESS(
		    ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
	    !ZYAN_SUCCESS(ZydisDecoderEnableMode(&dec, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE)) ||
	    !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(
		    &dec, NULL, code, n > ARCH_INSN_MAX ? ARCH_INSN_MAX : n, &in)))
		return SONDE_E_DECODE;
	/* operand-size prefixes on branches mean different things to different makers */
	if (has_prefix(&in, 0x66))
		return arch_decode(code, n, vaddr, out);
	memset(out, 0, sizeof(*out));
	out->len = in.length;
	out->kind = (uint8_t)raw_kind(&in);
	if (in.raw.imm[0].is_relative) {
		if (out->kind == ARCH_ORDINARY)
			out->kind = ARCH_OTHER; /* xbegin */
		out->has_target = true;
		out->target = vaddr + in.length + in.raw.imm[0].value.u;
	} else if (x86_is_ip_relative(&in)) {
		out->has_target = true;
		out->target = x86_operand_target(&in, vaddr);
	}
	return 0;
}

bool arch_falls_through(enum arch_kind kind)
{
	switch (kind) {
	case ARCH_RET:
	case ARCH_JMP:
	case ARCH_JMP_IND:
	case ARCH_UNDEFINED:
	case ARCH_HALT:
		return false;
	default:
		return true;
	}
}

size_t arch_padding(const uint8_t *code, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ZydisDecodedInstruction in;

		if (code[done] == 0xcc) {
			done++;
			continue;
		}
		if (!x86_decode(code + done, n - done, &in) || x86_kind(&in) != ARCH_NOP)
			break;
		done += in.length;
	}
	return done;
}

bool arch_is_sigreturn(const uint8_t *code, size_t n)
{
	static const uint8_t wide[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	static const uint8_t narrow[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};

	return (n >= sizeof(wide) && !memcmp(code, wide, sizeof(wide))) ||
	       (n >= sizeof(narrow) && !memcmp(code, narrow, sizeof(narrow)));
}

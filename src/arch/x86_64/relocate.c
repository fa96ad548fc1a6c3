/* SPDX-License-Identifier: MIT */
/*
 * The same instruction for another address.
 *
 * Invariants:
 *  1. Registers, flags and memory afterwards are those of the original, and so is the address
 *     of the instruction that follows, taken or not. Memory below the red zone may differ.
 *  2. A call pushes the original return address, so that the callee, unwinders and readers of
 *     the return address see nothing new, and the callee returns to original code.
 *  3. What is not clearly understood is refused.
 * Context: tool, any thread.
 */
#include "arch/x86_64/x86.h"

#include <string.h>

#include "base/err.h"

/* Verbatim, with an instruction-pointer-relative operand kept on its target. */
static int copy_plain(const ZydisDecodedInstruction *in, const uint8_t *code, uint64_t vaddr,
		      struct arch_code *out)
{
	uint32_t start = out->len;

	if (x86_is_ip_relative(in)) {
		/* with an address-size prefix the operand lives in the low 4 GiB */
		if (in->address_width != 64)
			return SONDE_E_RELOCATE;
		x86_fix(out, start + in->raw.disp.offset, WIRE_FIX_REL32,
			(uint8_t)(in->length - in->raw.disp.offset - 4),
			vaddr + in->length + (uint64_t)in->raw.disp.value);
	}
	x86_put(out, code, in->length);
	return 0;
}

static uint64_t branch_target(const ZydisDecodedInstruction *in, uint64_t vaddr)
{
	return vaddr + in->length + in->raw.imm[0].value.u;
}

static void jump(struct arch_code *out, uint64_t target)
{
	x86_put8(out, 0xe9);
	x86_put_rel32(out, target);
}

static void jump_if(const ZydisDecodedInstruction *in, uint64_t vaddr, struct arch_code *out)
{
	x86_put8(out, 0x0f);
	x86_put8(out, 0x80 | (in->opcode & 0xf));
	x86_put_rel32(out, branch_target(in, vaddr));
}

/*
 * loop and jrcxz reach 127 bytes only: the copy branches over a short jump to a long one.
 *	loop 1f; jmp 2f; 1: jmp target; 2:
 */
static void jump_short(const ZydisDecodedInstruction *in, const uint8_t *code, uint64_t vaddr,
		       struct arch_code *out)
{
	x86_put(out, code, in->raw.imm[0].offset);
	x86_put(out, "\x02\xeb\x05", 3);
	jump(out, branch_target(in, vaddr));
}

/* push qword [literal], the literal being the address behind the original instruction */
static void push_return(const ZydisDecodedInstruction *in, uint64_t vaddr, struct arch_code *out)
{
	x86_put(out, "\xff\x35", 2);
	x86_put_literal(out, vaddr + in->length);
}

/*
 * jmp through an operand based on rsp, which the pushed return address has lowered by 8: the
 * displacement grows by 8 and takes 32 bits.
 */
static int jump_through_stack(const ZydisDecodedInstruction *in, const uint8_t *code,
			      struct arch_code *out)
{
	bool has_index = in->raw.sib.index != 4 || in->raw.rex.X;
	int64_t disp = in->raw.modrm.mod ? in->raw.disp.value : 0;
	int32_t disp32 = (int32_t)(disp + 8);

	if (in->address_width != 64 || disp > INT32_MAX - 8)
		return SONDE_E_RELOCATE;
	/* the operand would be read after the push overwrote it */
	if (!has_index && disp > -16 && disp < 0)
		return SONDE_E_RELOCATE;
	x86_put(out, code, in->raw.modrm.offset);
	x86_put8(out, 0x80 | (4 << 3) | 4); /* mod 2, jmp, SIB follows */
	x86_put8(out, code[in->raw.sib.offset]);
	x86_put(out, &disp32, sizeof(disp32));
	return 0;
}

static int call_through(const ZydisDecodedInstruction *in, const uint8_t *code, uint64_t vaddr,
			struct arch_code *out)
{
	uint8_t copy[ARCH_INSN_MAX];
	bool is_reg = in->raw.modrm.mod == 3;
	bool uses_rsp;

	if (is_reg)
		uses_rsp = in->raw.modrm.rm == 4 && !in->raw.rex.B;
	else
		uses_rsp = in->raw.modrm.rm == 4 && in->raw.sib.base == 4 && !in->raw.rex.B;

	push_return(in, vaddr, out);
	if (uses_rsp)
		return is_reg ? SONDE_E_RELOCATE : jump_through_stack(in, code, out);
	memcpy(copy, code, in->length);
	copy[in->raw.modrm.offset] = (uint8_t)((copy[in->raw.modrm.offset] & ~0x38) | (4 << 3));
	return copy_plain(in, copy, vaddr, out);
}

int arch_relocate(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out)
{
	ZydisDecodedInstruction in;

	if (!x86_decode(code, n, &in))
		return SONDE_E_DECODE;
	switch (x86_kind(&in)) {
	case ARCH_ORDINARY:
	case ARCH_RET:
	case ARCH_JMP_IND:
	case ARCH_SYSCALL:
	case ARCH_NOP:
	case ARCH_ENDBR:
	case ARCH_UNDEFINED:
	case ARCH_HALT:
		return copy_plain(&in, code, vaddr, out);
	case ARCH_JMP:
		jump(out, branch_target(&in, vaddr));
		return 0;
	case ARCH_JCC:
		jump_if(&in, vaddr, out);
		return 0;
	case ARCH_LOOP:
		jump_short(&in, code, vaddr, out);
		return 0;
	case ARCH_CALL:
		push_return(&in, vaddr, out);
		jump(out, branch_target(&in, vaddr));
		return 0;
	case ARCH_CALL_IND:
		return call_through(&in, code, vaddr, out);
	case ARCH_TRAP:
	case ARCH_OTHER:
		break;
	}
	return SONDE_E_RELOCATE;
}

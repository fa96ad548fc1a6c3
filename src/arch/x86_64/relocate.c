/* SPDX-License-Identifier: MIT */
/*
 * The same instruction for another address, from which a rel32 reaches what the original meant.
 *
 * Invariants:
 *  1. Registers, flags and memory afterwards are those of the original, and so is the address
 *     of the instruction that follows, taken or not. Memory below the red zone may differ.
 *  2. A call pushes the original return address, so that the callee, unwinders and readers of
 *     the return address see nothing new, and the callee returns to original code.
 *  3. What is not clearly understood is refused.
 *
 * Known and accepted:
 *  - an indirect call reads its pointer after the return address has been pushed, so a pointer
 *    in the 8 bytes below rsp is refused where the encoding shows it (rsp and a displacement)
 *    and read wrongly where it does not. No compiler keeps one there: a function that calls has
 *    no red zone;
 *  - the x87 unit remembers the address of its last instruction, which is the copy's;
 *  - push and jmp in place of call unbalance the processor's prediction of returns, and a user
 *    shadow stack would not have the return address. Linux programs have none unless they ask.
 * Context: tool, any thread.
 */
#include "arch/x86_64/x86.h"

#include <string.h>

#include "base/err.h"

/* Verbatim, with an instruction-pointer-relative operand kept on its target. */
static int copy_plain(const ZydisDecodedInstruction *in, const uint8_t *code, uint64_t vaddr,
		      struct arch_code *out)
{
	/* with an address-size prefix the sum is cut to 32 bits, which no distance can stand for */
	if (x86_is_ip_relative(in) && in->address_width != 64)
		return x86_relocate_operand(code, in->length, vaddr, out);
	if (x86_is_ip_relative(in))
		x86_fix(out, out->len + in->raw.disp.offset, WIRE_FIX_REL32,
			(uint8_t)(in->length - in->raw.disp.offset - 4),
			x86_operand_target(in, vaddr));
	x86_put(out, code, in->length);
	return 0;
}

static void jump_if(const ZydisDecodedInstruction *in, uint64_t vaddr, struct arch_code *out)
{
	x86_put8(out, 0x0f);
	x86_put8(out, 0x80 | (in->opcode & 0xf));
	x86_put_rel32(out, x86_branch_target(in, vaddr));
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
	x86_put_jump(out, x86_branch_target(in, vaddr));
}

/* push qword [literal], the literal being the address behind the original instruction */
void x86_push_return(const ZydisDecodedInstruction *in, uint64_t vaddr, struct arch_code *out)
{
	x86_put(out, "\xff\x35", 2);
	x86_put_literal(out, vaddr + in->length);
}

/*
 * The processor leaves the address behind the system call in rcx, and so does the kernel: the
 * copy's, which mov rcx, [literal] makes the original's. A call that the kernel restarts comes back
 * to the copy; a child starts behind it, and gets its rcx there.
 */
void x86_syscall(const ZydisDecodedInstruction *in, const uint8_t *code, uint64_t vaddr,
		 struct arch_code *out)
{
	x86_put(out, code, in->length);
	x86_put(out, "\x48\x8b\x0d", 3);
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
	/* so many prefixes that the longer displacement makes no instruction */
	if (in->raw.modrm.offset + 6 > ARCH_INSN_MAX)
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

	if (x86_is_ip_relative(in) && in->address_width != 64)
		return x86_relocate_operand(code, in->length, vaddr, out);
	x86_push_return(in, vaddr, out);
	/* call *%rsp executes the stack: nobody's code */
	if (uses_rsp)
		return is_reg ? SONDE_E_RELOCATE : jump_through_stack(in, code, out);
	memcpy(copy, code, in->length);
	copy[in->raw.modrm.offset] = (uint8_t)((copy[in->raw.modrm.offset] & ~0x38) | (4 << 3));
	return copy_plain(in, copy, vaddr, out);
}

/*
 * Control flow that a sweep does not follow, but that does not depend on where it stands: far
 * returns and jumps, iret, and near ones with an operand-size prefix, about whose meaning the
 * makers of processors disagree, not about their length.
 */
static bool is_free_of_place(const ZydisDecodedInstruction *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_RET:
	case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_IRETD:
	case ZYDIS_MNEMONIC_IRETQ:
		return true;
	case ZYDIS_MNEMONIC_JMP:
		return !in->raw.imm[0].is_relative;
	default:
		return false;
	}
}

/*
 * Neither copied nor rebuilt:
 *  - int3, int1 and int n make a signal whose handler looks at the address; int 0x80 does not;
 *  - enclu enters an enclave, which gets the address behind it as the place to come back to;
 *  - far calls and 16-bit calls push an address that push and jmp cannot;
 *  - direct branches with an operand-size prefix have a length of 4 or 6 by maker;
 *  - xbegin: its fallback could be kept, but no machine at hand can prove it;
 *  - sysenter comes back to a place of the kernel's choice, uiret and the rest are not ours.
 */
bool x86_is_refused(const ZydisDecodedInstruction *in)
{
	switch (x86_kind(in)) {
	case ARCH_TRAP:
		return true;
	case ARCH_OTHER:
		return !is_free_of_place(in);
	default:
		return in->mnemonic == ZYDIS_MNEMONIC_ENCLU ||
		       (in->mnemonic == ZYDIS_MNEMONIC_INT && in->raw.imm[0].value.u != 0x80);
	}
}

int arch_relocate(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out)
{
	ZydisDecodedInstruction in;

	if (!x86_decode(code, n, &in))
		return SONDE_E_DECODE;
	if (x86_is_refused(&in))
		return SONDE_E_RELOCATE;
	switch (x86_kind(&in)) {
	case ARCH_SYSCALL:
		x86_syscall(&in, code, vaddr, out);
		return 0;
	case ARCH_JMP:
		x86_put_jump(out, x86_branch_target(&in, vaddr));
		return 0;
	case ARCH_JCC:
		jump_if(&in, vaddr, out);
		return 0;
	case ARCH_LOOP:
		jump_short(&in, code, vaddr, out);
		return 0;
	case ARCH_CALL:
		x86_push_return(&in, vaddr, out);
		x86_put_jump(out, x86_branch_target(&in, vaddr));
		return 0;
	case ARCH_CALL_IND:
		return call_through(&in, code, vaddr, out);
	default:
		return copy_plain(&in, code, vaddr, out);
	}
}

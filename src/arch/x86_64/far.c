/* SPDX-License-Identifier: MIT */
/*
 * The same instruction for an address from which nothing of the original is in reach.
 *
 * Branches go through literals. An operand relative to the instruction pointer becomes one based
 * on a scratch register, which the instruction does not use and which is kept on the stack:
 *
 *	lea -128(%rsp), %rsp; push %s; mov $address, %s; <instruction with (%s)>; pop %s;
 *	lea 128(%rsp), %rsp
 *
 * Nothing of it touches flags. Thread-local memory would not do for the scratch register: a
 * signal handler may be probed in between.
 *
 * Invariants: those of relocate.c, and
 *  4. rsp may not be used by the instruction while it is lowered; push, pop, jmp and call are
 *     built by hand, anything else that uses it is refused.
 *  5. A fault of the instruction has the original's operand address, but is seen with rsp and
 *     the scratch register displaced.
 * Context: tool, any thread.
 */
#include "arch/x86_64/x86.h"

#include <string.h>

#include "base/base.h"
#include "base/err.h"

#define RSP 4
#define RAX 0

/*
 * A register of which the instruction uses no part: one that needs neither a prefix nor a SIB byte
 * as a base, and whose segment is that of the operand (rbp has the stack's). -1 if rsp is used.
 */
static int find_scratch(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	static const uint8_t able[] = {0, 1, 2, 3, 6, 7};
	unsigned int used = 0;

	for (unsigned int i = 0; i < in->operand_count; i++) {
		int reg[2] = {-1, -1};

		if (op[i].type == ZYDIS_OPERAND_TYPE_REGISTER) {
			reg[0] = x86_gpr(op[i].reg.value);
		} else if (op[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
			reg[0] = x86_gpr(op[i].mem.base);
			reg[1] = x86_gpr(op[i].mem.index);
		}
		for (unsigned int k = 0; k < ARRAY_LEN(reg); k++)
			used |= reg[k] < 0 ? 0 : 1u << reg[k];
	}
	if (used & (1u << RSP))
		return -1;
	for (unsigned int i = 0; i < ARRAY_LEN(able); i++) {
		if (!(used & (1u << able[i])))
			return able[i];
	}
	return -1;
}

/* mov $address, %reg; the address as it will be at run time */
static void put_address(struct arch_code *out, unsigned int reg, uint64_t target)
{
	x86_put8(out, reg >= 8 ? 0x49 : 0x48);
	x86_put8(out, (uint8_t)(0xb8 | (reg & 7)));
	x86_fix(out, out->len, WIRE_FIX_ABS64, 0, target);
	x86_put(out, "\0\0\0\0\0\0\0", 8);
}

/* lea @by(%rsp), %rsp */
static void move_stack(struct arch_code *out, int32_t by)
{
	if (by == (int8_t)by) {
		x86_put(out, "\x48\x8d\x64\x24", 4);
		x86_put8(out, (uint8_t)by);
	} else {
		x86_put(out, "\x48\x8d\xa4\x24", 4);
		x86_put(out, &by, sizeof(by));
	}
}

/*
 * The instruction with (%scratch) for its operand. The bit that extends the base register, which
 * such an operand ignores, must be clear now: REX as it is, the others inverted.
 */
static void put_through(const ZydisDecodedInstruction *in, const uint8_t *code,
			unsigned int scratch, unsigned int reg, struct arch_code *out)
{
	uint8_t head[ARCH_INSN_MAX];
	uint8_t at = in->raw.modrm.offset, tail = (uint8_t)(in->raw.disp.offset + 4);

	memcpy(head, code, at);
	if (in->attributes & ZYDIS_ATTRIB_HAS_REX)
		head[in->raw.rex.offset] &= 0xfe;
	if (in->attributes & ZYDIS_ATTRIB_HAS_XOP)
		head[in->raw.xop.offset + 1] |= 0x20;
	if ((in->attributes & ZYDIS_ATTRIB_HAS_VEX) && in->raw.vex.size == 3)
		head[in->raw.vex.offset + 1] |= 0x20;
	if (in->attributes & ZYDIS_ATTRIB_HAS_EVEX)
		head[in->raw.evex.offset + 1] |= 0x20;
	x86_put(out, head, at);
	x86_put8(out, (uint8_t)(reg << 3 | scratch));
	x86_put(out, code + tail, in->length - tail);
}

/* The address itself is the value: no memory, no scratch register. */
static void load_address(const ZydisDecodedInstruction *in, uint64_t target, struct arch_code *out)
{
	unsigned int reg = in->raw.modrm.reg | in->raw.rex.R << 3;

	put_address(out, reg, target);
	if (in->operand_width == 64 && in->address_width == 64)
		return;
	/* mov %reg, %reg of 32 bits clears the rest */
	if (reg >= 8)
		x86_put8(out, 0x45);
	x86_put8(out, 0x89);
	x86_put8(out, (uint8_t)(0xc0 | (reg & 7) << 3 | (reg & 7)));
}

/*
 * jmp and call: push the pointer, restore the scratch register, return to the pointer. A return,
 * because it alone takes its address from below the red zone and leaves rsp where it was.
 *
 *	(call: push return address)
 *	lea -128(%rsp), %rsp; push %rax; mov $operand, %rax; push (%rax); mov 8(%rsp), %rax; ret
 *$136
 */
static void jump_through(const ZydisDecodedInstruction *in, const uint8_t *code, uint64_t target,
			 struct arch_code *out)
{
	move_stack(out, -128);
	x86_put8(out, 0x50);
	put_address(out, RAX, target);
	put_through(in, code, RAX, 6, out);
	x86_put(out, "\x48\x8b\x44\x24\x08\xc2\x88\x00", 8);
}

/*
 * lea -136(%rsp), %rsp; push %rax; mov $operand, %rax; push (%rax); pop 136(%rsp); pop %rax;
 * lea 128(%rsp), %rsp
 */
static void push_through(const ZydisDecodedInstruction *in, const uint8_t *code, uint64_t target,
			 struct arch_code *out)
{
	move_stack(out, -136);
	x86_put8(out, 0x50);
	put_address(out, RAX, target);
	put_through(in, code, RAX, in->raw.modrm.reg, out);
	x86_put(out, "\x8f\x84\x24\x88\0\0\0\x58", 8);
	move_stack(out, 128);
}

/*
 * lea -128(%rsp), %rsp; push %rax; mov $operand, %rax; push 136(%rsp); pop (%rax); pop %rax;
 * lea 136(%rsp), %rsp
 */
static void pop_through(const ZydisDecodedInstruction *in, const uint8_t *code, uint64_t target,
			struct arch_code *out)
{
	move_stack(out, -128);
	x86_put8(out, 0x50);
	put_address(out, RAX, target);
	x86_put(out, "\xff\xb4\x24\x88\0\0\0", 7);
	put_through(in, code, RAX, in->raw.modrm.reg, out);
	x86_put8(out, 0x58);
	move_stack(out, 136);
}

static int any_through(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op,
		       const uint8_t *code, uint64_t target, struct arch_code *out)
{
	int scratch = find_scratch(in, op);

	if (scratch < 0)
		return SONDE_E_RELOCATE;
	move_stack(out, -128);
	x86_put8(out, (uint8_t)(0x50 | scratch));
	put_address(out, (unsigned int)scratch, target);
	put_through(in, code, (unsigned int)scratch, in->raw.modrm.reg, out);
	x86_put8(out, (uint8_t)(0x58 | scratch));
	move_stack(out, 128);
	return 0;
}

int x86_relocate_operand(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	uint64_t target;

	if (!x86_decode_full(code, n, &in, op))
		return SONDE_E_DECODE;
	target = x86_operand_target(&in, vaddr);
	switch (x86_kind(&in)) {
	case ARCH_CALL_IND:
		x86_push_return(&in, vaddr, out);
		jump_through(&in, code, target, out);
		return 0;
	case ARCH_JMP_IND:
		jump_through(&in, code, target, out);
		return 0;
	case ARCH_OTHER: /* a far jump loads a selector, too */
		return SONDE_E_RELOCATE;
	case ARCH_NOP: /* names an operand, but does not look */
		x86_put(out, code, in.length);
		return 0;
	default:
		break;
	}
	if (in.mnemonic == ZYDIS_MNEMONIC_LEA && in.operand_width >= 32) {
		load_address(&in, target, out);
		return 0;
	}
	if (in.mnemonic == ZYDIS_MNEMONIC_PUSH || in.mnemonic == ZYDIS_MNEMONIC_POP) {
		/* words would leave rsp at another place; nobody pushes words */
		if (in.operand_width != 64)
			return SONDE_E_RELOCATE;
		if (in.mnemonic == ZYDIS_MNEMONIC_PUSH)
			push_through(&in, code, target, out);
		else
			pop_through(&in, code, target, out);
		return 0;
	}
	return any_through(&in, op, code, target, out);
}

/* The opposite condition over a jump. */
static void jump_if(const ZydisDecodedInstruction *in, uint64_t vaddr, struct arch_code *out)
{
	x86_put8(out, 0x70 | ((in->opcode & 0xf) ^ 1));
	x86_put8(out, 6);
	x86_put_jump_far(out, x86_branch_target(in, vaddr));
}

/* loop 1f; jmp 2f; 1: jmp target; 2: */
static void jump_short(const ZydisDecodedInstruction *in, const uint8_t *code, uint64_t vaddr,
		       struct arch_code *out)
{
	x86_put(out, code, in->raw.imm[0].offset);
	x86_put(out, "\x02\xeb\x06", 3);
	x86_put_jump_far(out, x86_branch_target(in, vaddr));
}

int arch_relocate_far(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out)
{
	ZydisDecodedInstruction in;

	if (!x86_decode(code, n, &in))
		return SONDE_E_DECODE;
	if (x86_is_refused(&in))
		return SONDE_E_RELOCATE;
	switch (x86_kind(&in)) {
	case ARCH_JMP:
		x86_put_jump_far(out, x86_branch_target(&in, vaddr));
		return 0;
	case ARCH_JCC:
		jump_if(&in, vaddr, out);
		return 0;
	case ARCH_LOOP:
		jump_short(&in, code, vaddr, out);
		return 0;
	case ARCH_CALL:
		x86_push_return(&in, vaddr, out);
		x86_put_jump_far(out, x86_branch_target(&in, vaddr));
		return 0;
	default:
		break;
	}
	if (x86_is_ip_relative(&in))
		return x86_relocate_operand(code, n, vaddr, out);
	return arch_relocate(code, n, vaddr, out);
}

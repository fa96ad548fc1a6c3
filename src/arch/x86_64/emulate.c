/* SPDX-License-Identifier: MIT */
/*
 * Carries out a described instruction on a register file (arch_emul_describe() made it).
 *
 * Invariants:
 *  1. Every access to memory comes before the first change of a register, so that a fault on the
 *     way leaves the register file untouched, and has the address the instruction would have had.
 *  2. One access of the program is one access here, of the same width. Nothing reads memory in
 *     order to change it: such an instruction is whole for a signal handler, two accesses are not.
 *
 * Context: hit, signal-safe, any thread.
 */
#include "arch/arch.h"
#include "base/base.h"

#define REG_CX 3
#define REG_BP 8
#define REG_FLAGS 15
#define REG_SP WIRE_REG_SP
#define REG_PC WIRE_REG_PC

#define CF 0x001ull
#define PF 0x004ull
#define AF 0x010ull
#define ZF 0x040ull
#define SF 0x080ull
#define OF 0x800ull
#define FLAGS (CF | PF | AF | ZF | SF | OF)

/* One instruction each, whatever the alignment, and zeros above. */
SONDE_HIT static uint64_t load(uint64_t addr, unsigned int size)
{
	uint64_t v;

	switch (size) {
	case 1:
		__asm__ volatile("movzbl (%1), %k0" : "=r"(v) : "r"(addr) : "memory");
		return v;
	case 2:
		__asm__ volatile("movzwl (%1), %k0" : "=r"(v) : "r"(addr) : "memory");
		return v;
	case 4:
		__asm__ volatile("movl (%1), %k0" : "=r"(v) : "r"(addr) : "memory");
		return v;
	default:
		__asm__ volatile("movq (%1), %0" : "=r"(v) : "r"(addr) : "memory");
		return v;
	}
}

SONDE_HIT static void store(uint64_t addr, unsigned int size, uint64_t v)
{
	switch (size) {
	case 1:
		__asm__ volatile("movb %b0, (%1)" : : "q"(v), "r"(addr) : "memory");
		break;
	case 2:
		__asm__ volatile("movw %w0, (%1)" : : "r"(v), "r"(addr) : "memory");
		break;
	case 4:
		__asm__ volatile("movl %k0, (%1)" : : "r"(v), "r"(addr) : "memory");
		break;
	default:
		__asm__ volatile("movq %0, (%1)" : : "r"(v), "r"(addr) : "memory");
		break;
	}
}

SONDE_HIT static uint64_t mask_of(unsigned int size)
{
	return ~0ull >> (64 - 8 * size);
}

SONDE_HIT static uint64_t sign_extend(uint64_t v, unsigned int size)
{
	unsigned int drop = 64 - 8 * size;

	return (uint64_t)((int64_t)(v << drop) >> drop);
}

SONDE_HIT static uint64_t next_address(const struct arch_emul *e, const uint64_t *reg)
{
	return reg[REG_PC] + e->len;
}

SONDE_HIT static uint64_t operand_address(const struct arch_emul *e, const uint64_t *reg)
{
	uint64_t a = (uint64_t)e->disp;

	if (e->base == REG_PC)
		a += next_address(e, reg);
	else if (e->base != ARCH_EMUL_ABSENT)
		a += reg[e->base];
	if (e->index != ARCH_EMUL_ABSENT)
		a += reg[e->index] * e->scale;
	return a;
}

/* An operand's value: the low @size bytes, zeros above. */
SONDE_HIT static uint64_t read_operand(const struct arch_emul *e, const uint64_t *reg,
				       uint8_t where, unsigned int size)
{
	if (where == ARCH_EMUL_MEM)
		return load(operand_address(e, reg), size);
	return (where == ARCH_EMUL_IMM ? (uint64_t)e->imm : reg[where]) & mask_of(size);
}

/* Four bytes clear the upper half, one and two leave the rest as it is. */
SONDE_HIT static void write_operand(const struct arch_emul *e, uint64_t *reg, uint8_t where,
				    unsigned int size, uint64_t v)
{
	if (where == ARCH_EMUL_MEM)
		store(operand_address(e, reg), size, v);
	else if (size >= 4)
		reg[where] = v & mask_of(size);
	else
		reg[where] = (reg[where] & ~mask_of(size)) | (v & mask_of(size));
}

SONDE_HIT static void do_mov(const struct arch_emul *e, uint64_t *reg)
{
	uint64_t v = read_operand(e, reg, e->src, e->src_size);

	if (e->op == ARCH_EMUL_MOVSX)
		v = sign_extend(v, e->src_size);
	write_operand(e, reg, e->dst, e->size, v);
}

SONDE_HIT static void push(uint64_t *reg, uint64_t v)
{
	store(reg[REG_SP] - 8, 8, v);
	reg[REG_SP] -= 8;
}

/* The operand's address and a pushed rsp are those before. */
SONDE_HIT static void do_push(const struct arch_emul *e, uint64_t *reg)
{
	push(reg, read_operand(e, reg, e->src, 8));
}

/* The operand's address is the one with rsp raised already; a popped rsp stays. */
SONDE_HIT static void do_pop(const struct arch_emul *e, uint64_t *reg)
{
	uint64_t sp = reg[REG_SP], v = load(sp, 8);

	if (e->dst == ARCH_EMUL_MEM) {
		uint64_t raised = e->base == REG_SP ? 8 : 0;

		store(operand_address(e, reg) + raised, 8, v);
	}
	reg[REG_SP] = sp + 8;
	if (e->dst != ARCH_EMUL_MEM)
		reg[e->dst] = v;
}

SONDE_HIT static void do_leave(uint64_t *reg)
{
	uint64_t frame = reg[REG_BP];

	reg[REG_BP] = load(frame, 8);
	reg[REG_SP] = frame + 8;
}

/* SF, ZF and PF of a result. */
SONDE_HIT static uint64_t result_flags(uint64_t r, unsigned int size)
{
	unsigned int low = (unsigned int)((r ^ r >> 4) & 15);
	uint64_t f = 0;

	if (!(0x6996 >> low & 1))
		f |= PF;
	if (!(r & mask_of(size)))
		f |= ZF;
	if (r >> (8 * size - 1) & 1)
		f |= SF;
	return f;
}

/* add, sub, cmp and the bitwise ones, whose AF no manual defines: processors clear it. */
SONDE_HIT static void do_alu(const struct arch_emul *e, uint64_t *reg)
{
	uint64_t mask = mask_of(e->size), b = read_operand(e, reg, e->src, e->size);
	uint64_t a = read_operand(e, reg, e->dst, e->size), r, over = 0, f = 0;

	switch (e->op) {
	case ARCH_EMUL_ADD:
		r = (a + b) & mask;
		f = r < a ? CF : 0;
		f |= (a ^ b ^ r) & AF;
		over = (a ^ r) & (b ^ r);
		break;
	case ARCH_EMUL_SUB:
	case ARCH_EMUL_CMP:
		r = (a - b) & mask;
		f = a < b ? CF : 0;
		f |= (a ^ b ^ r) & AF;
		over = (a ^ b) & (a ^ r);
		break;
	case ARCH_EMUL_OR:
		r = a | b;
		break;
	case ARCH_EMUL_XOR:
		r = a ^ b;
		break;
	default: /* and, test */
		r = a & b;
		break;
	}
	f |= over >> (8 * e->size - 1) & 1 ? OF : 0;
	f |= result_flags(r, e->size);
	reg[REG_FLAGS] = (reg[REG_FLAGS] & ~FLAGS) | f;
	if (e->op != ARCH_EMUL_CMP && e->op != ARCH_EMUL_TEST)
		write_operand(e, reg, e->dst, e->size, r);
}

/* The condition as encoded: eight tests, and their opposites. */
SONDE_HIT static bool is_met(unsigned int cond, uint64_t flags)
{
	bool sf = flags & SF, of = flags & OF, met;

	switch (cond >> 1) {
	case 0:
		met = of;
		break;
	case 1:
		met = flags & CF;
		break;
	case 2:
		met = flags & ZF;
		break;
	case 3:
		met = flags & (CF | ZF);
		break;
	case 4:
		met = sf;
		break;
	case 5:
		met = flags & PF;
		break;
	case 6:
		met = sf != of;
		break;
	default:
		met = (flags & ZF) || sf != of;
		break;
	}
	return met != (cond & 1);
}

SONDE_HIT static bool do_loop(const struct arch_emul *e, uint64_t *reg)
{
	bool zf = reg[REG_FLAGS] & ZF;

	reg[REG_CX]--;
	return reg[REG_CX] && (e->cond == 2 || zf == e->cond);
}

SONDE_HIT static uint64_t branch_target(const struct arch_emul *e, const uint64_t *reg)
{
	if (e->src == ARCH_EMUL_IMM)
		return next_address(e, reg) + (uint64_t)e->imm;
	return read_operand(e, reg, e->src, 8);
}

SONDE_HIT static uint64_t do_call(const struct arch_emul *e, uint64_t *reg)
{
	uint64_t target = branch_target(e, reg);

	push(reg, next_address(e, reg));
	return target;
}

SONDE_HIT static uint64_t do_ret(const struct arch_emul *e, uint64_t *reg)
{
	uint64_t target = load(reg[REG_SP], 8);

	reg[REG_SP] += 8 + (uint64_t)e->imm;
	return target;
}

/* What leaves the straight line, or may; the next address. */
SONDE_HIT static uint64_t do_branch(const struct arch_emul *e, uint64_t *reg)
{
	bool taken = true;

	switch (e->op) {
	case ARCH_EMUL_JCC:
		taken = is_met(e->cond, reg[REG_FLAGS]);
		break;
	case ARCH_EMUL_LOOP:
		taken = do_loop(e, reg);
		break;
	case ARCH_EMUL_JCXZ:
		taken = !(reg[REG_CX] & mask_of(e->size));
		break;
	case ARCH_EMUL_CALL:
		return do_call(e, reg);
	case ARCH_EMUL_RET:
		return do_ret(e, reg);
	}
	return taken ? branch_target(e, reg) : next_address(e, reg);
}

SONDE_HIT bool arch_emulate(const struct arch_emul *e, struct wire_ctx *ctx)
{
	uint64_t *reg = ctx->reg, next = next_address(e, reg);

	switch (e->op) {
	case ARCH_EMUL_NOP:
		break;
	case ARCH_EMUL_MOV:
	case ARCH_EMUL_MOVSX:
		do_mov(e, reg);
		break;
	case ARCH_EMUL_LEA:
		write_operand(e, reg, e->dst, e->size, operand_address(e, reg));
		break;
	case ARCH_EMUL_PUSH:
		do_push(e, reg);
		break;
	case ARCH_EMUL_POP:
		do_pop(e, reg);
		break;
	case ARCH_EMUL_LEAVE:
		do_leave(reg);
		break;
	case ARCH_EMUL_ADD:
	case ARCH_EMUL_SUB:
	case ARCH_EMUL_CMP:
	case ARCH_EMUL_AND:
	case ARCH_EMUL_OR:
	case ARCH_EMUL_XOR:
	case ARCH_EMUL_TEST:
		do_alu(e, reg);
		break;
	case ARCH_EMUL_JMP:
	case ARCH_EMUL_JCC:
	case ARCH_EMUL_LOOP:
	case ARCH_EMUL_JCXZ:
	case ARCH_EMUL_CALL:
	case ARCH_EMUL_RET:
		next = do_branch(e, reg);
		break;
	default:
		return false;
	}
	reg[REG_PC] = next;
	return true;
}

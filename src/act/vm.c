/* SPDX-License-Identifier: MIT */
/*
 * The interpreter: the whole instruction set of RFC 9669 but the legacy packet loads.
 *
 * Owns the registers and the 512-byte stack of one run, both on the native stack. Invariants:
 *  1. Only verified programs run: no check is made here that act/verify has made.
 *  2. Division by zero gives 0, modulo by zero the dividend, and the most negative number divided
 *     by -1 itself; nothing traps.
 *  3. Stack and scratch belong to one run of one thread, and no atomic instruction may touch
 *     anything else: atomics are therefore done plainly.
 *  4. The dispatch table holds distances between labels, so it needs no relocation.
 * Context: hit, signal-safe, the thread @t describes.
 */
#include "act/act.h"
#include "act/helper.h"
#include "base/base.h"

/* Program memory at any address, whatever type the bytes have. */
typedef uint8_t mem8 __attribute__((may_alias));
typedef uint16_t mem16 __attribute__((may_alias, aligned(1)));
typedef uint32_t mem32 __attribute__((may_alias, aligned(1)));
typedef uint64_t mem64 __attribute__((may_alias, aligned(1)));
typedef int8_t smem8 __attribute__((may_alias));
typedef int16_t smem16 __attribute__((may_alias, aligned(1)));
typedef int32_t smem32 __attribute__((may_alias, aligned(1)));

enum {
	AT_ADD = 0x00,
	AT_FETCH = 0x01,
	AT_OR = 0x40,
	AT_AND = 0x50,
	AT_XOR = 0xa0,
	AT_XCHG = 0xe1,
	AT_CMPXCHG = 0xf1
};

/* Offset 1 makes division and modulo signed. */
static SONDE_HIT uint64_t div64(uint64_t a, uint64_t b, int16_t is_signed)
{
	if (b == 0)
		return 0;
	if (!is_signed)
		return a / b;
	return b == UINT64_MAX ? 0 - a : (uint64_t)((int64_t)a / (int64_t)b);
}

static SONDE_HIT uint64_t mod64(uint64_t a, uint64_t b, int16_t is_signed)
{
	if (b == 0)
		return a;
	if (!is_signed)
		return a % b;
	return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static SONDE_HIT uint32_t div32(uint32_t a, uint32_t b, int16_t is_signed)
{
	if (b == 0)
		return 0;
	if (!is_signed)
		return a / b;
	return b == UINT32_MAX ? 0 - a : (uint32_t)((int32_t)a / (int32_t)b);
}

static SONDE_HIT uint32_t mod32(uint32_t a, uint32_t b, int16_t is_signed)
{
	if (b == 0)
		return a;
	if (!is_signed)
		return a % b;
	return b == UINT32_MAX ? 0 : (uint32_t)((int32_t)a % (int32_t)b);
}

/* Offset 8, 16 or 32 of a move: sign-extend from so many bits. */
static inline uint64_t extended(uint64_t v, int16_t bits)
{
	switch (bits) {
	case 8:
		return (uint64_t)(int64_t)(int8_t)v;
	case 16:
		return (uint64_t)(int64_t)(int16_t)v;
	case 32:
		return (uint64_t)(int64_t)(int32_t)v;
	default:
		return v;
	}
}

static SONDE_HIT uint64_t truncated(uint64_t v, int32_t bits)
{
	if (bits == 16)
		return (uint16_t)v;
	return bits == 32 ? (uint32_t)v : v;
}

static SONDE_HIT uint64_t swapped(uint64_t v, int32_t bits)
{
	if (bits == 16)
		return __builtin_bswap16((uint16_t)v);
	return bits == 32 ? __builtin_bswap32((uint32_t)v) : __builtin_bswap64(v);
}

static inline uint64_t to_little(uint64_t v, int32_t bits)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? truncated(v, bits) : swapped(v, bits);
}

static inline uint64_t to_big(uint64_t v, int32_t bits)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? swapped(v, bits) : truncated(v, bits);
}

/* The value that atomic operation @op stores over @old. */
static SONDE_HIT uint64_t atomic_result(int32_t op, uint64_t old, uint64_t src)
{
	switch (op & ~AT_FETCH) {
	case AT_ADD:
		return old + src;
	case AT_OR:
		return old | src;
	case AT_AND:
		return old & src;
	case AT_XOR:
		return old ^ src;
	default: /* exchange, and compare-exchange that matched */
		return src;
	}
}

static SONDE_HIT void atomic64(mem64 *p, int32_t op, uint64_t *src, uint64_t *r0)
{
	uint64_t old = *p;

	if (op != AT_CMPXCHG || old == *r0)
		*p = atomic_result(op, old, *src);
	if (op == AT_CMPXCHG)
		*r0 = old;
	else if (op & AT_FETCH)
		*src = old;
}

static SONDE_HIT void atomic32(mem32 *p, int32_t op, uint64_t *src, uint64_t *r0)
{
	uint32_t old = *p;

	if (op != AT_CMPXCHG || old == (uint32_t)*r0)
		*p = (uint32_t)atomic_result(op, old, *src);
	if (op == AT_CMPXCHG)
		*r0 = old;
	else if (op & AT_FETCH)
		*src = old;
}

#define DST r[i->regs & 15]
#define SRC r[i->regs >> 4]
#define IMM ((uint64_t)(int64_t)i->imm)
#define MEM(type, reg) (*(type *)(uintptr_t)((reg) + (uint64_t)(int64_t)i->offset))

#define NEXT                                                                                       \
	do {                                                                                       \
		i++;                                                                               \
		goto *(&&unknown + label[i->opcode]);                                              \
	} while (0)

/* An operation in its four forms; a and b are the operands in its width. */
#define ALU(name, wide, narrow)                                                                    \
	name##64k:                                                                                 \
	{                                                                                          \
		uint64_t a = DST, b = IMM;                                                         \
		DST = (wide);                                                                      \
		NEXT;                                                                              \
	}                                                                                          \
	name##64x:                                                                                 \
	{                                                                                          \
		uint64_t a = DST, b = SRC;                                                         \
		DST = (wide);                                                                      \
		NEXT;                                                                              \
	}                                                                                          \
	name##32k:                                                                                 \
	{                                                                                          \
		uint32_t a = (uint32_t)DST, b = (uint32_t)i->imm;                                  \
		DST = (uint32_t)(narrow);                                                          \
		NEXT;                                                                              \
	}                                                                                          \
	name##32x:                                                                                 \
	{                                                                                          \
		uint32_t a = (uint32_t)DST, b = (uint32_t)SRC;                                     \
		DST = (uint32_t)(narrow);                                                          \
		NEXT;                                                                              \
	}

/* A conditional jump in its four forms; a and b are the operands in the given types. */
#define JUMP(name, type64, type32, condition)                                                      \
	name##64k:                                                                                 \
	{                                                                                          \
		type64 a = (type64)DST, b = (type64)IMM;                                           \
		i += (condition) ? i->offset : 0;                                                  \
		NEXT;                                                                              \
	}                                                                                          \
	name##64x:                                                                                 \
	{                                                                                          \
		type64 a = (type64)DST, b = (type64)SRC;                                           \
		i += (condition) ? i->offset : 0;                                                  \
		NEXT;                                                                              \
	}                                                                                          \
	name##32k:                                                                                 \
	{                                                                                          \
		type32 a = (type32)DST, b = (type32)i->imm;                                        \
		i += (condition) ? i->offset : 0;                                                  \
		NEXT;                                                                              \
	}                                                                                          \
	name##32x:                                                                                 \
	{                                                                                          \
		type32 a = (type32)DST, b = (type32)SRC;                                           \
		i += (condition) ? i->offset : 0;                                                  \
		NEXT;                                                                              \
	}

#define L(name) (int)(&&name - &&unknown)
#define ALU_LABELS(op, name)                                                                       \
	[(op) | 0x04] = L(name##32k), [(op) | 0x0c] = L(name##32x), [(op) | 0x07] = L(name##64k),  \
		[(op) | 0x0f] = L(name##64x)
#define JUMP_LABELS(op, name)                                                                      \
	[(op) | 0x05] = L(name##64k), [(op) | 0x0d] = L(name##64x), [(op) | 0x06] = L(name##32k),  \
		[(op) | 0x0e] = L(name##32x)

/* Labels whose distances are in a table must exist once: neither inlined nor cloned. */
__attribute__((noinline)) SONDE_HIT uint64_t act_run(struct act_thread *t,
						     const struct wire_prog *prog,
						     struct wire_ctx *ctx)
{
	/* By opcode; whatever is not named here is `unknown`. */
	static const int label[256] = {
		ALU_LABELS(0x00, add),	 ALU_LABELS(0x10, sub),	  ALU_LABELS(0x20, mul),
		ALU_LABELS(0x30, div),	 ALU_LABELS(0x40, or),	  ALU_LABELS(0x50, and),
		ALU_LABELS(0x60, lsh),	 ALU_LABELS(0x70, rsh),	  ALU_LABELS(0x90, mod),
		ALU_LABELS(0xa0, xor),	 ALU_LABELS(0xb0, mov),	  ALU_LABELS(0xc0, arsh),
		[0x84] = L(neg32),	 [0x87] = L(neg64),	  [0xd4] = L(little),
		[0xdc] = L(big),	 [0xd7] = L(swap),	  JUMP_LABELS(0x10, jeq),
		JUMP_LABELS(0x20, jgt),	 JUMP_LABELS(0x30, jge),  JUMP_LABELS(0x40, jset),
		JUMP_LABELS(0x50, jne),	 JUMP_LABELS(0x60, jsgt), JUMP_LABELS(0x70, jsge),
		JUMP_LABELS(0xa0, jlt),	 JUMP_LABELS(0xb0, jle),  JUMP_LABELS(0xc0, jslt),
		JUMP_LABELS(0xd0, jsle), [0x05] = L(ja),	  [0x06] = L(jal),
		[0x85] = L(call),	 [0x95] = L(leave),	  [0x18] = L(imm64),
		[0x61] = L(ldx32),	 [0x69] = L(ldx16),	  [0x71] = L(ldx8),
		[0x79] = L(ldx64),	 [0x81] = L(lds32),	  [0x89] = L(lds16),
		[0x91] = L(lds8),	 [0x62] = L(st32),	  [0x6a] = L(st16),
		[0x72] = L(st8),	 [0x7a] = L(st64),	  [0x63] = L(stx32),
		[0x6b] = L(stx16),	 [0x73] = L(stx8),	  [0x7b] = L(stx64),
		[0xc3] = L(at32),	 [0xdb] = L(at64),
	};
	uint8_t stack[WIRE_STACK_SIZE] __attribute__((aligned(16)));
	uint64_t r[16];
	const struct wire_insn *i =
		wire_elem(t->host->session, insns, const struct wire_insn, prog->insn_off);

	r[0] = 0;
	r[1] = (uintptr_t)ctx;
	r[10] = (uintptr_t)(stack + sizeof(stack));
	goto *(&&unknown + label[i->opcode]);

	ALU(add, a + b, a + b)
	ALU(sub, a - b, a - b)
	ALU(mul, a * b, a * b)
	ALU(div, div64(a, b, i->offset), div32(a, b, i->offset))
	ALU(mod, mod64(a, b, i->offset), mod32(a, b, i->offset))
	ALU(or, a | b, a | b)
	ALU(and, a & b, a & b)
	ALU(xor, a ^ b, a ^ b)
	ALU(lsh, a << (b & 63), a << (b & 31))
	ALU(rsh, a >> (b & 63), a >> (b & 31))
	ALU(arsh, (uint64_t)((int64_t)a >> (b & 63)), (int32_t)a >> (b & 31))
mov64k:
	DST = IMM;
	NEXT;
mov64x:
	DST = extended(SRC, i->offset);
	NEXT;
mov32k:
	DST = (uint32_t)i->imm;
	NEXT;
mov32x:
	DST = (uint32_t)extended(SRC, i->offset);
	NEXT;
neg64:
	DST = 0 - DST;
	NEXT;
neg32:
	DST = (uint32_t)(0 - DST);
	NEXT;
little:
	DST = to_little(DST, i->imm);
	NEXT;
big:
	DST = to_big(DST, i->imm);
	NEXT;
swap:
	DST = swapped(DST, i->imm);
	NEXT;
	JUMP(jeq, uint64_t, uint32_t, a == b)
	JUMP(jne, uint64_t, uint32_t, a != b)
	JUMP(jset, uint64_t, uint32_t, (a & b) != 0)
	JUMP(jgt, uint64_t, uint32_t, a > b)
	JUMP(jge, uint64_t, uint32_t, a >= b)
	JUMP(jlt, uint64_t, uint32_t, a < b)
	JUMP(jle, uint64_t, uint32_t, a <= b)
	JUMP(jsgt, int64_t, int32_t, a > b)
	JUMP(jsge, int64_t, int32_t, a >= b)
	JUMP(jslt, int64_t, int32_t, a < b)
	JUMP(jsle, int64_t, int32_t, a <= b)
ja:
	i += i->offset;
	NEXT;
jal:
	i += i->imm;
	NEXT;
call:
	r[0] = act_helper(t, ctx, (uint32_t)i->imm, &r[1]);
	NEXT;
leave:
	return r[0];
imm64:
	DST = (uint32_t)i[0].imm | (uint64_t)(uint32_t)i[1].imm << 32;
	i++;
	NEXT;
ldx8:
	DST = MEM(mem8, SRC);
	NEXT;
ldx16:
	DST = MEM(mem16, SRC);
	NEXT;
ldx32:
	DST = MEM(mem32, SRC);
	NEXT;
ldx64:
	DST = MEM(mem64, SRC);
	NEXT;
lds8:
	DST = (uint64_t)(int64_t)MEM(smem8, SRC);
	NEXT;
lds16:
	DST = (uint64_t)(int64_t)MEM(smem16, SRC);
	NEXT;
lds32:
	DST = (uint64_t)(int64_t)MEM(smem32, SRC);
	NEXT;
st8:
	MEM(mem8, DST) = (uint8_t)i->imm;
	NEXT;
st16:
	MEM(mem16, DST) = (uint16_t)i->imm;
	NEXT;
st32:
	MEM(mem32, DST) = (uint32_t)i->imm;
	NEXT;
st64:
	MEM(mem64, DST) = IMM;
	NEXT;
stx8:
	MEM(mem8, DST) = (uint8_t)SRC;
	NEXT;
stx16:
	MEM(mem16, DST) = (uint16_t)SRC;
	NEXT;
stx32:
	MEM(mem32, DST) = (uint32_t)SRC;
	NEXT;
stx64:
	MEM(mem64, DST) = SRC;
	NEXT;
at32:
	atomic32(&MEM(mem32, DST), i->imm, &SRC, &r[0]);
	NEXT;
at64:
	atomic64(&MEM(mem64, DST), i->imm, &SRC, &r[0]);
	NEXT;
unknown:
	return 0;
}

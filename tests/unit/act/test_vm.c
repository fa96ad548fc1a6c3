/* SPDX-License-Identifier: MIT */
/*
 * The interpreter against RFC 9669: each operation in each of its forms, at the edges of its
 * operands. Every program passes the verifier first, so the two agree on what exists.
 */
#include "fixture.h"
#include "insn.h"

static struct fx fx;
static uint64_t work[ACT_VERIFY_WORK / 8];
static const char *what; /* vector at work, for messages */

static uint64_t run(const struct wire_insn *insn, uint32_t n)
{
	static uint64_t scratch[WIRE_SCRATCH_MAX / 8];
	struct wire_ctx ctx = {.scratch = (uintptr_t)scratch};
	uint32_t prog, at;
	const char *why;

	for (int i = 0; i < WIRE_NREGS; i++)
		ctx.reg[i] = 0x1111111111111111ull * (uint64_t)i;
	fx.s->insns.count = fx.s->progs.count = 0;
	prog = fx_prog(&fx, insn, n, 256);
	if (act_verify(fx.s, prog, work, &at, &why) != 0)
		fail_msg("%s: refused at %u: %s", what, at, why);
	return act_run(&fx.t, wire_elem(fx.s, progs, struct wire_prog, prog), &ctx);
}

static void expect(const struct wire_insn *insn, uint32_t n, uint64_t want, const char *form)
{
	uint64_t got = run(insn, n);

	if (got != want)
		fail_msg("%s (%s): 0x%llx, want 0x%llx", what, form, (unsigned long long)got,
			 (unsigned long long)want);
}

#define EXPECT(want, ...)                                                                          \
	do {                                                                                       \
		const struct wire_insn code[] = {__VA_ARGS__};                                     \
		expect(code, ARRAY_LEN(code), (want), "line " STRING(__LINE__));                   \
	} while (0)
#define STRING(x) STRING_(x)
#define STRING_(x) #x

#define MIN64 0x8000000000000000ull
#define MAX64 0x7fffffffffffffffull
#define MIN32 0x80000000ull
#define ONES UINT64_MAX
#define ONES32 0xffffffffull

/* A binary operation: operands, the result in 64 bits and in 32. */
struct alu {
	const char *name;
	uint8_t op;
	int16_t offset;
	uint64_t a, b, wide, narrow;
};

static const struct alu alu[] = {
	{"add", 0x00, 0, 1, 2, 3, 3},
	{"add wraps", 0x00, 0, ONES, 1, 0, 0},
	{"add carries at 32", 0x00, 0, ONES32, 1, 0x100000000, 0},
	{"add negative", 0x00, 0, 5, -7ull, -2ull, 0xfffffffe},
	{"sub", 0x10, 0, 7, 5, 2, 2},
	{"sub below zero", 0x10, 0, 5, 7, -2ull, 0xfffffffe},
	{"sub high", 0x10, 0, 0x100000000, 1, ONES32, ONES32},
	{"mul", 0x20, 0, 6, 7, 42, 42},
	{"mul negative", 0x20, 0, -6ull, 7, -42ull, 0xffffffd6},
	{"mul high", 0x20, 0, 0x100000001, 3, 0x300000003, 3},
	{"mul wraps", 0x20, 0, MIN64, 2, 0, 0},
	{"div", 0x30, 0, 43, 7, 6, 6},
	{"div unsigned", 0x30, 0, -6ull, 2, 0x7ffffffffffffffd, 0x7ffffffd},
	{"div by zero", 0x30, 0, 43, 0, 0, 0},
	{"div high", 0x30, 0, 0x600000004, 2, 0x300000002, 2},
	{"div imm sign-extended", 0x30, 0, ONES, -1ull, 1, 1},
	{"sdiv", 0x30, 1, -43ull, 7, -6ull, 0xfffffffa},
	{"sdiv both", 0x30, 1, -43ull, -7ull, 6, 6},
	{"sdiv by zero", 0x30, 1, -43ull, 0, 0, 0},
	{"sdiv min by -1", 0x30, 1, MIN64, -1ull, MIN64, 0},
	{"sdiv min32 by -1", 0x30, 1, MIN32, -1ull, -(uint64_t)MIN32, MIN32},
	{"mod", 0x90, 0, 43, 7, 1, 1},
	{"mod by zero", 0x90, 0, 43, 0, 43, 43},
	{"mod by zero narrows", 0x90, 0, 0x500000007, 0, 0x500000007, 7},
	{"mod unsigned", 0x90, 0, -1ull, 10, 5, 5},
	{"smod", 0x90, 1, -43ull, 7, -1ull, ONES32},
	{"smod negative divisor", 0x90, 1, 43, -7ull, 1, 1},
	{"smod by zero", 0x90, 1, -43ull, 0, -43ull, 0xffffffd5},
	{"smod min by -1", 0x90, 1, MIN64, -1ull, 0, 0},
	{"smod min32 by -1", 0x90, 1, MIN32, -1ull, 0, 0},
	{"or", 0x40, 0, 0xf0, 0x0f, 0xff, 0xff},
	{"or sign", 0x40, 0, 0, -16ull, -16ull, 0xfffffff0},
	{"and", 0x50, 0, 0xff, 0x3c, 0x3c, 0x3c},
	{"and sign", 0x50, 0, 0x123456789, -16ull, 0x123456780, 0x23456780},
	{"xor", 0xa0, 0, 0xff, 0x0f, 0xf0, 0xf0},
	{"xor sign", 0xa0, 0, 0, -1ull, ONES, ONES32},
	{"lsh", 0x60, 0, 1, 4, 16, 16},
	{"lsh 31", 0x60, 0, 1, 31, MIN32, MIN32},
	{"lsh 33", 0x60, 0, 1, 33, 0x200000000, 2},
	{"lsh 64", 0x60, 0, 5, 64, 5, 5},
	{"lsh out", 0x60, 0, MIN32, 1, 0x100000000, 0},
	{"rsh", 0x70, 0, 16, 4, 1, 1},
	{"rsh unsigned", 0x70, 0, -16ull, 4, 0x0fffffffffffffff, 0x0fffffff},
	{"rsh 33", 0x70, 0, 0x400000004, 33, 2, 2},
	{"arsh", 0xc0, 0, -16ull, 4, -1ull, ONES32},
	{"arsh positive", 0xc0, 0, 0x70, 4, 7, 7},
	{"arsh 32-bit sign", 0xc0, 0, MIN32, 4, 0x08000000, 0xf8000000},
	{"arsh 63", 0xc0, 0, MIN64, 63, ONES, 0},
	{"mov", 0xb0, 0, 9, 77, 77, 77},
	{"mov negative", 0xb0, 0, 9, -1ull, ONES, ONES32},
};

static bool fits_imm(uint64_t v)
{
	return (uint64_t)(int64_t)(int32_t)v == v;
}

static void arithmetic(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(alu); i++) {
		const struct alu *t = &alu[i];
		struct wire_insn code[] = {LD64(6, t->a), LD64(7, t->b), MOVR(0, 6), EXIT, EXIT};

		what = t->name;
		code[5] = INSN(t->op | 0x0f, 0, 7, t->offset, 0);
		expect(code, ARRAY_LEN(code), t->wide, "64 reg");
		code[5] = INSN(t->op | 0x0c, 0, 7, t->offset, 0);
		expect(code, ARRAY_LEN(code), t->narrow, "32 reg");
		if (!fits_imm(t->b))
			continue;
		code[5] = INSN(t->op | 0x07, 0, 0, t->offset, t->b);
		expect(code, ARRAY_LEN(code), t->wide, "64 imm");
		code[5] = INSN(t->op | 0x04, 0, 0, t->offset, t->b);
		expect(code, ARRAY_LEN(code), t->narrow, "32 imm");
	}
}

static void arithmetic_with_itself(void **state)
{
	(void)state;
	what = "same register";
	EXPECT(0, LD64(0, MIN64), INSN(0x1f, 0, 0, 0, 0), EXIT);
	EXPECT(0x1234, MOV(0, 0x1234), INSN(0x5f, 0, 0, 0, 0), EXIT);
	EXPECT(1, MOV(0, 0x1234), INSN(0x3f, 0, 0, 0, 0), EXIT);
	EXPECT(0, MOV(0, 0), INSN(0x3f, 0, 0, 0, 0), EXIT);
}

static void unary(void **state)
{
	(void)state;
	what = "neg";
	EXPECT(-5ull, MOV(0, 5), INSN(0x87, 0, 0, 0, 0), EXIT);
	EXPECT(0xfffffffb, MOV(0, 5), INSN(0x84, 0, 0, 0, 0), EXIT);
	EXPECT(MIN64, LD64(0, MIN64), INSN(0x87, 0, 0, 0, 0), EXIT);
	EXPECT(0, MOV(0, 0), INSN(0x87, 0, 0, 0, 0), EXIT);
	EXPECT(MIN32, LD64(0, 0xf00000000ull | MIN32), INSN(0x84, 0, 0, 0, 0), EXIT);
	what = "movsx";
	EXPECT(-128ull, LD64(1, 0x1234567812345680), INSN(0xbf, 0, 1, 8, 0), EXIT);
	EXPECT(0x7f, MOV(1, 0x17f), INSN(0xbf, 0, 1, 8, 0), EXIT);
	EXPECT(-32768ull, MOV(1, 0x8000), INSN(0xbf, 0, 1, 16, 0), EXIT);
	EXPECT(0x7fff, MOV(1, 0x17fff), INSN(0xbf, 0, 1, 16, 0), EXIT);
	EXPECT(-(uint64_t)MIN32, LD64(1, 0x780000000), INSN(0xbf, 0, 1, 32, 0), EXIT);
	EXPECT(0xffffff80, MOV(1, 0x80), INSN(0xbc, 0, 1, 8, 0), EXIT);
	EXPECT(0xffff8000, MOV(1, 0x8000), INSN(0xbc, 0, 1, 16, 0), EXIT);
	EXPECT(0x7f, MOV(1, 0x7f), INSN(0xbc, 0, 1, 8, 0), EXIT);
}

static void byte_swaps(void **state)
{
	const uint64_t v = 0x0123456789abcdefull;

	(void)state;
	what = "le";
	EXPECT(0xcdef, LD64(0, v), INSN(0xd4, 0, 0, 0, 16), EXIT);
	EXPECT(0x89abcdef, LD64(0, v), INSN(0xd4, 0, 0, 0, 32), EXIT);
	EXPECT(v, LD64(0, v), INSN(0xd4, 0, 0, 0, 64), EXIT);
	what = "be";
	EXPECT(0xefcd, LD64(0, v), INSN(0xdc, 0, 0, 0, 16), EXIT);
	EXPECT(0xefcdab89, LD64(0, v), INSN(0xdc, 0, 0, 0, 32), EXIT);
	EXPECT(0xefcdab8967452301, LD64(0, v), INSN(0xdc, 0, 0, 0, 64), EXIT);
	what = "bswap";
	EXPECT(0xefcd, LD64(0, v), INSN(0xd7, 0, 0, 0, 16), EXIT);
	EXPECT(0xefcdab89, LD64(0, v), INSN(0xd7, 0, 0, 0, 32), EXIT);
	EXPECT(0xefcdab8967452301, LD64(0, v), INSN(0xd7, 0, 0, 0, 64), EXIT);
}

/* A conditional jump: is it taken in 64 bits, and in 32? */
struct jump {
	const char *name;
	uint8_t op;
	uint64_t a, b;
	bool wide, narrow;
};

static const struct jump jumps[] = {
	{"jeq", 0x10, 5, 5, true, true},
	{"jeq not", 0x10, 5, 6, false, false},
	{"jeq high", 0x10, 0x100000005, 5, false, true},
	{"jeq sign", 0x10, ONES32, -1ull, false, true},
	{"jne", 0x50, 5, 6, true, true},
	{"jne not", 0x50, 5, 5, false, false},
	{"jne high", 0x50, 0x100000005, 5, true, false},
	{"jset", 0x40, 6, 2, true, true},
	{"jset not", 0x40, 6, 8, false, false},
	{"jset high", 0x40, 0x100000000, -1ull, true, false},
	{"jgt", 0x20, 6, 5, true, true},
	{"jgt equal", 0x20, 5, 5, false, false},
	{"jgt unsigned", 0x20, -1ull, 5, true, true},
	{"jgt high", 0x20, 0x100000000, 5, true, false},
	{"jge", 0x30, 5, 5, true, true},
	{"jge not", 0x30, 4, 5, false, false},
	{"jge unsigned", 0x30, 5, -1ull, false, false},
	{"jlt", 0xa0, 4, 5, true, true},
	{"jlt equal", 0xa0, 5, 5, false, false},
	{"jlt unsigned", 0xa0, 5, -1ull, true, true},
	{"jle", 0xb0, 5, 5, true, true},
	{"jle not", 0xb0, 6, 5, false, false},
	{"jle high", 0xb0, 0x100000005, 5, false, true},
	{"jsgt", 0x60, 5, -1ull, true, true},
	{"jsgt not", 0x60, -2ull, -1ull, false, false},
	{"jsgt sign at 32", 0x60, MIN32, 0, true, false},
	{"jsge", 0x70, -1ull, -1ull, true, true},
	{"jsge not", 0x70, -2ull, -1ull, false, false},
	{"jsge min", 0x70, MIN64, 0, false, true},
	{"jslt", 0xc0, -2ull, -1ull, true, true},
	{"jslt not", 0xc0, 5, -1ull, false, false},
	{"jslt sign at 32", 0xc0, MIN32, 0, false, true},
	{"jsle", 0xd0, -1ull, -1ull, true, true},
	{"jsle not", 0xd0, 0, -1ull, false, false},
	{"jsle less", 0xd0, -5ull, 3, true, true},
};

static void conditional_jumps(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		const struct jump *t = &jumps[i];

		what = t->name;
		for (int form = 0; form < 4; form++) {
			bool from_reg = form & 1, narrow = form & 2;
			uint8_t op = t->op | (narrow ? 0x06 : 0x05) | (from_reg ? 0x08 : 0);
			struct wire_insn full[] = {
				LD64(6, t->a),
				LD64(7, t->b),
				MOV(0, 1),
				INSN(op, 6, from_reg ? 7 : 0, 1, from_reg ? 0 : t->b),
				MOV(0, 0),
				EXIT};

			if (from_reg || fits_imm(t->b))
				expect(full, ARRAY_LEN(full), narrow ? t->narrow : t->wide,
				       narrow ? "32" : "64");
		}
	}
}

static void plain_jumps(void **state)
{
	(void)state;
	what = "ja";
	EXPECT(1, MOV(0, 1), JA(1), MOV(0, 2), EXIT);
	EXPECT(2, MOV(0, 1), JA(0), MOV(0, 2), EXIT);
	what = "ja32";
	EXPECT(1, MOV(0, 1), INSN(0x06, 0, 0, 0, 2), MOV(0, 2), MOV(0, 3), EXIT);
}

static void immediates(void **state)
{
	(void)state;
	what = "imm64";
	EXPECT(0x123456789abcdef0, LD64(0, 0x123456789abcdef0), EXIT);
	EXPECT(0xffffffff00000000, LD64(0, 0xffffffff00000000), EXIT);
	EXPECT(0x80000000, LD64(0, 0x80000000), EXIT);
	what = "map by index";
	EXPECT(1, LDMAP(0, 1), EXIT);
}

static void loads_and_stores(void **state)
{
	(void)state;
	what = "stx/ldx";
	EXPECT(0x123456789abcdef0, LD64(1, 0x123456789abcdef0), STX64(10, 1, -8), LDX64(0, 10, -8),
	       EXIT);
	EXPECT(0x9abcdef0, LD64(1, 0x123456789abcdef0), STX64(10, 1, -8), LDX32(0, 10, -8), EXIT);
	EXPECT(0xdef0, LD64(1, 0x123456789abcdef0), STX64(10, 1, -8), LDX16(0, 10, -8), EXIT);
	EXPECT(0xf0, LD64(1, 0x123456789abcdef0), STX64(10, 1, -8), LDX8(0, 10, -8), EXIT);
	EXPECT(0x12, LD64(1, 0x123456789abcdef0), STX64(10, 1, -8), LDX8(0, 10, -1), EXIT);
	EXPECT(0xff, ST64(10, -8, 0), MOV(1, -1), STX8(10, 1, -8), LDX64(0, 10, -8), EXIT);
	EXPECT(0xffff, ST64(10, -8, 0), MOV(1, -1), STX16(10, 1, -8), LDX64(0, 10, -8), EXIT);
	EXPECT(ONES32, ST64(10, -8, 0), MOV(1, -1), STX32(10, 1, -8), LDX64(0, 10, -8), EXIT);
	what = "st";
	EXPECT(-2ull, ST64(10, -512, -2), LDX64(0, 10, -512), EXIT);
	EXPECT(0xfffffffe, ST64(10, -8, 0), ST32(10, -8, -2), LDX64(0, 10, -8), EXIT);
	EXPECT(0xfffe, ST64(10, -8, 0), ST16(10, -8, -2), LDX64(0, 10, -8), EXIT);
	EXPECT(0xfe, ST64(10, -8, 0), ST8(10, -8, -2), LDX64(0, 10, -8), EXIT);
	what = "unaligned";
	EXPECT(0x0102030405060708, LD64(1, 0x0102030405060708), STX64(10, 1, -13),
	       LDX64(0, 10, -13), EXIT);
	what = "ldsx";
	EXPECT(-1ull, ST64(10, -8, 0xff), INSN(0x91, 0, 10, -8, 0), EXIT);
	EXPECT(0x7f, ST64(10, -8, 0x7f), INSN(0x91, 0, 10, -8, 0), EXIT);
	EXPECT(-32768ull, ST64(10, -8, 0x8000), INSN(0x89, 0, 10, -8, 0), EXIT);
	EXPECT(-2ull, ST64(10, -8, 0), ST32(10, -8, -2), INSN(0x81, 0, 10, -8, 0), EXIT);
	what = "context";
	EXPECT(0x2222222222222222, LDX64(0, 1, offsetof(struct wire_ctx, reg) + 16), EXIT);
	what = "scratch";
	EXPECT(99, LDX64(2, 1, 16), ST64(2, 248, 99), ADD(2, 240), LDX64(0, 2, 8), EXIT);
}

static void atomics(void **state)
{
	(void)state;
	what = "atomic add";
	EXPECT(12, ST64(10, -8, 5), MOV(1, 7), ATOMIC64(10, 1, -8, 0x00), LDX64(0, 10, -8), EXIT);
	EXPECT(7, ST64(10, -8, 5), MOV(0, 7), ATOMIC64(10, 0, -8, 0x00), EXIT);
	EXPECT(5, ST64(10, -8, 5), MOV(0, 7), ATOMIC64(10, 0, -8, 0x01), EXIT);
	EXPECT(0xff00000000, LD64(2, 0xff00000000 | ONES32), STX64(10, 2, -8), MOV(1, 1),
	       ATOMIC32(10, 1, -8, 0x00), LDX64(0, 10, -8), EXIT);
	EXPECT(ONES32, ST64(10, -8, -1), MOV(0, 1), ATOMIC32(10, 0, -8, 0x01), EXIT);
	what = "atomic or";
	EXPECT(7, ST64(10, -8, 5), MOV(1, 2), ATOMIC64(10, 1, -8, 0x40), LDX64(0, 10, -8), EXIT);
	EXPECT(5, ST64(10, -8, 5), MOV(0, 2), ATOMIC64(10, 0, -8, 0x41), EXIT);
	EXPECT(7, ST64(10, -8, 5), MOV(1, 2), ATOMIC32(10, 1, -8, 0x41), LDX64(0, 10, -8), EXIT);
	what = "atomic and";
	EXPECT(4, ST64(10, -8, 5), MOV(1, 6), ATOMIC64(10, 1, -8, 0x50), LDX64(0, 10, -8), EXIT);
	EXPECT(5, ST64(10, -8, 5), MOV(0, 6), ATOMIC64(10, 0, -8, 0x51), EXIT);
	EXPECT(5, ST64(10, -8, 5), MOV(0, 6), ATOMIC32(10, 0, -8, 0x51), EXIT);
	what = "atomic xor";
	EXPECT(3, ST64(10, -8, 5), MOV(1, 6), ATOMIC64(10, 1, -8, 0xa0), LDX64(0, 10, -8), EXIT);
	EXPECT(5, ST64(10, -8, 5), MOV(0, 6), ATOMIC64(10, 0, -8, 0xa1), EXIT);
	EXPECT(3, ST64(10, -8, 5), MOV(1, 6), ATOMIC32(10, 1, -8, 0xa1), LDX64(0, 10, -8), EXIT);
	what = "exchange";
	EXPECT(5, ST64(10, -8, 5), MOV(0, 9), ATOMIC64(10, 0, -8, 0xe1), EXIT);
	EXPECT(9, ST64(10, -8, 5), MOV(1, 9), ATOMIC64(10, 1, -8, 0xe1), LDX64(0, 10, -8), EXIT);
	EXPECT(ONES32, ST64(10, -8, -1), MOV(0, 9), ATOMIC32(10, 0, -8, 0xe1), EXIT);
	EXPECT(0xffffffff00000009, ST64(10, -8, -1), MOV(1, 9), ATOMIC32(10, 1, -8, 0xe1),
	       LDX64(0, 10, -8), EXIT);
	what = "compare-exchange";
	EXPECT(9, ST64(10, -8, 5), MOV(0, 5), MOV(1, 9), ATOMIC64(10, 1, -8, 0xf1),
	       LDX64(0, 10, -8), EXIT);
	EXPECT(5, ST64(10, -8, 5), MOV(0, 6), MOV(1, 9), ATOMIC64(10, 1, -8, 0xf1),
	       LDX64(0, 10, -8), EXIT);
	EXPECT(5, ST64(10, -8, 5), MOV(0, 6), MOV(1, 9), ATOMIC64(10, 1, -8, 0xf1), EXIT);
	EXPECT(9, ST64(10, -8, 5), MOV(0, 5), MOV(1, 9), ATOMIC64(10, 1, -8, 0xf1), MOVR(0, 1),
	       EXIT);
	EXPECT(9, ST64(10, -8, 5), LD64(0, 0x700000005), MOV(1, 9), ATOMIC32(10, 1, -8, 0xf1),
	       LDX32(0, 10, -8), EXIT);
	EXPECT(ONES32, ST64(10, -8, -1), LD64(0, 0x700000005), MOV(1, 9), ATOMIC32(10, 1, -8, 0xf1),
	       EXIT);
}

static void calls(void **state)
{
	(void)state;
	what = "call";
	EXPECT(1234, CALL(WIRE_H_PID), EXIT);
	EXPECT(3, CALL(WIRE_H_CPU), MOVR(6, 0), CALL(WIRE_H_PID), MOVR(0, 6), EXIT);
	EXPECT(0, MOV(1, 0), MOV(2, 0), MOV(3, 77), CALL(WIRE_H_STORE), EXIT);
	EXPECT(77, MOV(1, 0), MOV(2, 0), CALL(WIRE_H_LOAD), EXIT);
}

static int open_session(void **state)
{
	(void)state;
	fx_open(&fx);
	fx_plain(&fx, 0, 8, 1);
	fx_agg(&fx, WIRE_MAP_COUNT, 0, 8);
	fx_start(&fx);
	return 0;
}

static int close_session(void **state)
{
	(void)state;
	fx_close(&fx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(arithmetic_with_itself),
		cmocka_unit_test(unary),
		cmocka_unit_test(byte_swaps),
		cmocka_unit_test(conditional_jumps),
		cmocka_unit_test(plain_jumps),
		cmocka_unit_test(immediates),
		cmocka_unit_test(loads_and_stores),
		cmocka_unit_test(atomics),
		cmocka_unit_test(calls),
	};

	return cmocka_run_group_tests(tests, open_session, close_session);
}

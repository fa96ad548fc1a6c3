/* SPDX-License-Identifier: MIT */
/*
 * The verifier's pass: flow, registers, memory; then random programs, which may be refused or
 * accepted but, once accepted, must run inside their bounds.
 */
#include "judge.h"

static struct fx fx;

#define CTX_REG(n) ((int)offsetof(struct wire_ctx, reg) + 8 * (n))

static const struct judged programs[] = {
	{"least", NULL, {MOV(0, 0), EXIT, END}},
	{"no result", "register read before written", {EXIT, END}},
	{"result a pointer", "a pointer where a number is needed", {MOVR(0, 10), EXIT, END}},
	{"falls off", "the program runs past its end", {MOV(0, 0), END}},
	{"falls off after a branch",
	 "the program runs past its end",
	 {MOV(0, 0), JEQ(0, 0, 1), EXIT, MOV(0, 1), END}},
	{"ends in a jump out", "a jump out of the program", {MOV(0, 0), JA(0), END}},
	{"jump out", "a jump out of the program", {MOV(0, 0), JEQ(0, 0, 1), EXIT, END}},
	{"jump back", "a jump backward", {MOV(0, 0), JA(-1), EXIT, END}},
	{"jump far back", "a jump backward", {MOV(0, 0), JEQ(0, 1, -2), EXIT, END}},
	{"long jump", NULL, {MOV(0, 0), INSN(0x06, 0, 0, 0, 1), MOV(0, 1), EXIT, END}},
	{"long jump back", "a jump backward", {MOV(0, 0), INSN(0x06, 0, 0, 0, -1), EXIT, END}},
	{"long jump out",
	 "a jump out of the program",
	 {MOV(0, 0), INSN(0x06, 0, 0, 0, 0x7fffffff), EXIT, END}},
	{"jump to next", NULL, {MOV(0, 0), JEQ(0, 0, 0), EXIT, END}},
	{"into an immediate",
	 "a jump into the middle of an instruction",
	 {MOV(0, 0), JEQ(0, 0, 1), LD64(1, 5), EXIT, END}},
	{"over an immediate", NULL, {MOV(0, 0), JEQ(0, 0, 2), LD64(1, 5), EXIT, END}},
	{"half an immediate",
	 "the second half of the immediate is missing",
	 {MOV(0, 0), EXIT, INSN(0x18, 1, 0, 0, 0), END}},
	{"unknown in dead code", "unknown load", {MOV(0, 0), EXIT, INSN(0x20, 0, 0, 0, 0), END}},
	{"dead code", NULL, {MOV(0, 0), EXIT, MOVR(0, 5), EXIT, END}},
	{"two exits", NULL, {MOV(0, 0), JEQ(0, 3, 2), MOV(0, 4), EXIT, MOV(0, 5), EXIT, END}},

	{"unset register", "register read before written", {MOVR(0, 3), EXIT, END}},
	{"unset operand", "register read before written", {MOV(0, 0), ADDR(0, 3), EXIT, END}},
	{"unset destination", "register read before written", {ADD(0, 3), EXIT, END}},
	{"unset in a condition",
	 "register read before written",
	 {JEQ(3, 0, 0), MOV(0, 0), EXIT, END}},
	{"unset second in a condition",
	 "register read before written",
	 {MOV(0, 0), INSN(0x1d, 0, 3, 0, 0), EXIT, END}},
	{"unset stored", "register read before written", {STX64(10, 3, -8), MOV(0, 0), EXIT, END}},
	{"set on one way",
	 "register read before written",
	 {LDX64(2, 1, 32), JEQ(2, 0, 1), MOV(0, 0), EXIT, END}},
	{"set on both ways",
	 NULL,
	 {LDX64(2, 1, 32), JEQ(2, 0, 2), MOV(0, 0), JA(1), MOV(0, 1), EXIT, END}},

	{"condition on a pointer",
	 "a pointer where a number is needed",
	 {JEQ(1, 0, 0), MOV(0, 0), EXIT, END}},
	{"pointer times",
	 "a pointer where a number is needed",
	 {MOVR(2, 10), INSN(0x27, 2, 0, 0, 8), MOV(0, 0), EXIT, END}},
	{"number times pointer",
	 "a pointer where a number is needed",
	 {MOV(2, 1), INSN(0x2f, 2, 10, 0, 0), MOV(0, 0), EXIT, END}},
	{"number plus pointer",
	 "a pointer where a number is needed",
	 {MOV(2, 1), ADDR(2, 10), MOV(0, 0), EXIT, END}},
	{"narrow move of a pointer",
	 "a pointer where a number is needed",
	 {INSN(0xbc, 2, 10, 0, 0), MOV(0, 0), EXIT, END}},
	{"narrow sum",
	 "a pointer moves by a small constant only",
	 {MOVR(2, 10), INSN(0x04, 2, 0, 0, -8), MOV(0, 0), EXIT, END}},
	{"pointer plus unknown",
	 "a pointer moves by a small constant only",
	 {MOVR(2, 10), LDX64(3, 1, 32), ADDR(2, 3), MOV(0, 0), EXIT, END}},
	{"pointer far away",
	 "a pointer moves by a small constant only",
	 {MOVR(2, 10), ADD(2, 0x40000000), MOV(0, 0), EXIT, END}},
	{"pointer by a register",
	 NULL,
	 {MOVR(2, 10), MOV(3, 8), INSN(0x1f, 2, 3, 0, 0), ST64(2, 0, 1), LDX64(0, 10, -8), EXIT,
	  END}},
	{"known sums",
	 NULL,
	 {MOV(3, -3), ADD(3, -5), MOVR(2, 10), ADDR(2, 3), ST64(2, 0, 1), LDX64(0, 10, -8), EXIT,
	  END}},
	{"pointer and back",
	 NULL,
	 {MOVR(2, 10), ADD(2, 64), ADD(2, -72), ST64(2, 0, 1), LDX64(0, 10, -8), EXIT, END}},
	{"sum of unknown is unknown",
	 "a pointer moves by a small constant only",
	 {LDX64(3, 1, 32), ADD(3, 1), MOVR(2, 10), ADDR(2, 3), MOV(0, 0), EXIT, END}},
	{"product is unknown",
	 "a pointer moves by a small constant only",
	 {MOV(3, -4), INSN(0x27, 3, 0, 0, 2), MOVR(2, 10), ADDR(2, 3), MOV(0, 0), EXIT, END}},

	{"stack", NULL, {ST64(10, -512, 0), LDX64(0, 10, -512), EXIT, END}},
	{"stack under", "outside the stack", {ST64(10, -520, 0), MOV(0, 0), EXIT, END}},
	{"stack over", "outside the stack", {ST64(10, 0, 0), MOV(0, 0), EXIT, END}},
	{"stack across", "outside the stack", {ST64(10, -4, 0), MOV(0, 0), EXIT, END}},
	{"stack unwritten", "stack read before written", {LDX64(0, 10, -8), EXIT, END}},
	{"stack half written",
	 "stack read before written",
	 {ST32(10, -8, 0), LDX64(0, 10, -8), EXIT, END}},
	{"stack in two halves",
	 NULL,
	 {ST32(10, -8, 0), ST32(10, -4, 0), LDX64(0, 10, -8), EXIT, END}},
	{"stack on one way",
	 "stack read before written",
	 {LDX64(2, 1, 32), JEQ(2, 0, 1), ST64(10, -8, 0), LDX64(0, 10, -8), EXIT, END}},
	{"stack by r10 alone", "r10 is read-only", {ADD(10, -8), MOV(0, 0), EXIT, END}},

	{"scratch", NULL, {LDX64(2, 1, 16), ST64(2, 56, 0), LDX64(0, 2, 56), EXIT, END}},
	{"scratch over",
	 "outside the scratch area",
	 {LDX64(2, 1, 16), ST64(2, 57, 0), MOV(0, 0), EXIT, END}},
	{"scratch under",
	 "outside the scratch area",
	 {LDX64(2, 1, 16), ST64(2, -1, 0), MOV(0, 0), EXIT, END}},
	{"scratch unwritten",
	 "scratch read before written",
	 {LDX64(2, 1, 16), LDX64(0, 2, 0), EXIT, END}},
	{"half of the scratch pointer",
	 "not a pointer",
	 {LDX32(2, 1, 16), ST64(2, 0, 0), MOV(0, 0), EXIT, END}},
	{"spilled pointer",
	 "not a pointer",
	 {LDX64(2, 1, 16), STX64(10, 2, -8), LDX64(3, 10, -8), ST64(3, 0, 0), MOV(0, 0), EXIT,
	  END}},
	{"scratch through a moved context",
	 NULL,
	 {ADD(1, 8), LDX64(2, 1, 8), ST64(2, 0, 5), LDX64(0, 2, 0), EXIT, END}},
	{"pointers that differ",
	 "not a pointer",
	 {LDX64(3, 1, 32), LDX64(2, 1, 16), JEQ(3, 0, 1), MOVR(2, 10), ST64(2, 0, 0), MOV(0, 0),
	  EXIT, END}},

	{"context", NULL, {LDX64(0, 1, CTX_REG(WIRE_NREGS - 1)), EXIT, END}},
	{"context over", "outside the context", {LDX64(0, 1, CTX_REG(WIRE_NREGS)), EXIT, END}},
	{"context under", "outside the context", {LDX8(0, 1, -1), EXIT, END}},
	{"context is read-only",
	 "the context is read-only",
	 {ST64(1, 32, 0), MOV(0, 0), EXIT, END}},
	{"through a number", "not a pointer", {LDX64(2, 1, 32), LDX64(0, 2, 0), EXIT, END}},
	{"through a constant", "not a pointer", {LD64(2, 0x400000), LDX64(0, 2, 0), EXIT, END}},

	{"atomic", NULL, {ST64(10, -8, 0), MOV(0, 1), ATOMIC64(10, 0, -8, 0x01), EXIT, END}},
	{"atomic unwritten",
	 "stack read before written",
	 {MOV(0, 1), ATOMIC64(10, 0, -8, 0x01), EXIT, END}},
	{"atomic on the context",
	 "the context is read-only",
	 {MOV(0, 1), ATOMIC64(1, 0, 32, 0x01), EXIT, END}},
	{"atomic of a pointer",
	 "a pointer where a number is needed",
	 {ST64(10, -8, 0), MOV(0, 1), ATOMIC64(10, 10, -8, 0x00), EXIT, END}},
	{"compare-exchange without r0",
	 "register read before written",
	 {ST64(10, -8, 0), MOV(2, 1), ATOMIC64(10, 2, -8, 0xf1), EXIT, END}},
	{"compare-exchange with a pointer",
	 "a pointer where a number is needed",
	 {ST64(10, -8, 0), MOV(2, 1), MOVR(0, 10), ATOMIC64(10, 2, -8, 0xf1), EXIT, END}},

	{"map index", NULL, {LDMAP(0, 4), EXIT, END}},
	{"map index out of range", "no such map", {LDMAP(0, 5), EXIT, END}},
	{"map index negative", "no such map", {LDMAP(0, -1), EXIT, END}},
};

static void table(void **state)
{
	(void)state;
	judge_all(&fx, programs, ARRAY_LEN(programs));
}

static void names_the_place(void **state)
{
	const struct wire_insn code[] = {MOV(0, 0), LD64(3, 7), MOV(0, 1), MOVR(0, 5), EXIT};
	const char *why;
	uint32_t at;

	(void)state;
	assert_int_equal(judge(&fx, code, ARRAY_LEN(code), &at, &why), -EINVAL);
	assert_int_equal(at, 4);
}

static void bad_programs(void **state)
{
	static uint64_t work[ACT_VERIFY_WORK / 8];
	const struct wire_insn code[] = {MOV(0, 0), EXIT};
	struct wire_prog *p;
	const char *why;
	uint32_t at;

	(void)state;
	assert_int_equal(judge(&fx, code, 2, &at, &why), 0);
	p = wire_elem(fx.s, progs, struct wire_prog, 0);
	assert_int_equal(act_verify(fx.s, 1, work, &at, &why), -EINVAL);
	p->ninsn = 0;
	assert_int_equal(act_verify(fx.s, 0, work, &at, &why), -EINVAL);
	p->ninsn = 3;
	assert_int_equal(act_verify(fx.s, 0, work, &at, &why), -EINVAL);
	p->ninsn = 2;
	p->insn_off = UINT32_MAX;
	assert_int_equal(act_verify(fx.s, 0, work, &at, &why), -EINVAL);
	p->insn_off = 0;
	p->scratch_size = WIRE_SCRATCH_MAX + 1;
	assert_int_equal(act_verify(fx.s, 0, work, &at, &why), -EINVAL);
	p->scratch_size = WIRE_SCRATCH_MAX;
	assert_int_equal(act_verify(fx.s, 0, work, &at, &why), 0);
}

/* Branches nested @n deep, each with a target of its own. */
static int nested(uint32_t n, const char **why)
{
	struct wire_insn code[300];
	uint32_t len = 0, at;

	code[len++] = MOV(0, 0);
	for (uint32_t i = 0; i < n; i++)
		code[len++] = JEQ(0, 5, 0);
	for (uint32_t i = 0; i < n; i++)
		code[len++] = MOV(0, 1);
	code[len++] = EXIT;
	/* targets: one after the other behind the last branch */
	for (uint32_t i = 0; i < n; i++)
		code[1 + i].offset = (int16_t)(2 * (n - i) - 1);
	return judge(&fx, code, len, &at, why);
}

static void many_jumps_in_flight(void **state)
{
	const char *why;

	(void)state;
	assert_int_equal(nested(20, &why), 0);
	assert_int_equal(nested(100, &why), -EINVAL);
	assert_string_equal(why, "too many jumps in flight");
}

/* A chain of conditions as long as programs get: every place is used again. */
static void long_chain(void **state)
{
	static struct wire_insn code[6000];
	uint32_t len = 0, at;
	const char *why;

	(void)state;
	code[len++] = LDX64(2, 1, 32);
	code[len++] = MOV(0, 0);
	while (len < 5990) {
		code[len++] = JEQ(2, 7, 2);
		code[len++] = ADD(0, 1);
		code[len++] = JA(1);
		code[len++] = ADD(0, 2);
	}
	code[len++] = EXIT;
	assert_int_equal(judge(&fx, code, len, &at, &why), 0);
}

static uint32_t random_state = 1;

static uint32_t rnd(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % n;
}

static struct wire_insn random_insn(uint32_t left)
{
	static const uint8_t ops[] = {0x07, 0x0f, 0xb7, 0xbf, 0x04, 0x37, 0x3f, 0x61, 0x69, 0x71,
				      0x79, 0x62, 0x6a, 0x72, 0x7a, 0x63, 0x6b, 0x73, 0x7b, 0xdb,
				      0xc3, 0x15, 0x1d, 0x05, 0x85, 0x95, 0x81, 0x91, 0xdc, 0x87};
	static const int16_t offs[] = {0, 8, 16, 32, -8, -16, -512, 1, 56, 64, 176, -513};
	uint8_t op = ops[rnd(ARRAY_LEN(ops))];
	struct wire_insn i = INSN(op, rnd(11), rnd(11), 0, 0);
	uint8_t class = op & 7;

	if (class == 1 || class == 2 || class == 3)
		i.offset = offs[rnd(ARRAY_LEN(offs))];
	if (class == 5)
		i.offset = (int16_t)rnd(left < 4 ? left + 1 : 4);
	if ((class == 7 || class == 4) && !(op & 8))
		i.imm = (int32_t)rnd(40) - 20;
	if (op == 0x85)
		i = CALL(rnd(WIRE_H_COUNT));
	if (op == 0x95)
		i = EXIT;
	if (op == 0x05)
		i.regs = 0;
	if (op == 0xdc)
		i.imm = 32;
	if (!(op & 8) && class >= 4)
		i.regs &= 15;
	if (class == 2)
		i.regs &= 15;
	return i;
}

/* Run what was accepted with guards around everything that it may write. */
static void run_guarded(void)
{
	static uint8_t area[SCRATCH + 64];
	struct wire_ctx ctx = {.scratch = (uintptr_t)area + 32}, copy;
	struct wire_prog *p = wire_elem(fx.s, progs, struct wire_prog, 0);

	for (int i = 0; i < WIRE_NREGS; i++)
		ctx.reg[i] = 0xdead000000000000ull + (uint64_t)i;
	ctx.reg[WIRE_REG_SP] = (uintptr_t)&ctx;
	copy = ctx;
	memset(area, 0x5a, sizeof(area));
	act_run(&fx.t, p, &ctx);
	assert_memory_equal(&ctx, &copy, sizeof(ctx));
	for (int i = 0; i < 32; i++) {
		assert_int_equal(area[i], 0x5a);
		assert_int_equal(area[SCRATCH + 32 + i], 0x5a);
	}
}

static void random_programs(void **state)
{
	struct wire_insn code[24];
	uint32_t at, accepted = 0;
	const char *why;

	(void)state;
	for (int round = 0; round < 300000; round++) {
		uint32_t n = 2 + rnd(20);

		code[0] = MOV(0, 1);
		code[1] = LDX64(6, 1, 16);
		for (uint32_t i = 2; i < n; i++)
			code[i] = random_insn(n - i);
		code[n] = MOV(0, 0);
		code[n + 1] = EXIT;
		if (judge(&fx, code, n + 2, &at, &why) != 0)
			continue;
		accepted++;
		run_guarded();
	}
	assert_true(accepted > 1000);
}

static int setup(void **state)
{
	(void)state;
	judge_open(&fx);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fx_close(&fx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),	cmocka_unit_test(names_the_place),
		cmocka_unit_test(bad_programs), cmocka_unit_test(many_jumps_in_flight),
		cmocka_unit_test(long_chain),	cmocka_unit_test(random_programs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: MIT */
/*
 * Carrying out descriptions: what is easily wrong. Against the processor, on random states, it is
 * run by tests/fuzz/fuzz_relocate.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "arch/arch.h"
#include "base/base.h"

enum { DI, SI, DX, CX, R8, R9, AX, BX, BP, R10, R11, R12, R13, R14, R15, FLAGS };
#define SP WIRE_REG_SP
#define PC WIRE_REG_PC
#define AT 0x401000ull

#define CF 1u
#define PF 4u
#define AF 0x10u
#define ZF 0x40u
#define SF 0x80u
#define OF 0x800u
#define ALL (CF | PF | AF | ZF | SF | OF)

static struct wire_ctx ctx;
static uint64_t stack[16];
#define TOP ((uint64_t)&stack[8])

static int reset(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < WIRE_NREGS; i++)
		ctx.reg[i] = 0x1111111111111111ull * i;
	ctx.reg[FLAGS] = 0x202;
	ctx.reg[SP] = TOP;
	ctx.reg[PC] = AT;
	for (unsigned int i = 0; i < ARRAY_LEN(stack); i++)
		stack[i] = 0xabcdef0000ull + i;
	return 0;
}

static void emulate(const char *bytes, size_t n)
{
	struct arch_emul e;

	assert_int_equal(arch_emul_describe((const uint8_t *)bytes, n, &e), 0);
	assert_int_equal(e.len, n);
	assert_true(arch_emulate(&e, &ctx));
}

static void went_on(size_t n)
{
	assert_int_equal(ctx.reg[PC], AT + n);
	ctx.reg[PC] = AT;
}

static void stack_pointer(void **state)
{
	(void)state;
	emulate("\x54", 1); /* push %rsp: as it was */
	went_on(1);
	assert_int_equal(ctx.reg[SP], TOP - 8);
	assert_int_equal(stack[7], TOP);
	emulate("\x5c", 1); /* pop %rsp: what was popped */
	assert_int_equal(ctx.reg[SP], TOP);
	ctx.reg[PC] = AT;
	emulate("\xff\x74\x24\x08", 4); /* push 8(%rsp): from before */
	assert_int_equal(stack[7], 0xabcdef0009ull);
	emulate("\x8f\x44\x24\x08", 4); /* pop 8(%rsp): from behind */
	assert_int_equal(stack[9], 0xabcdef0009ull);
	assert_int_equal(ctx.reg[SP], TOP);
	emulate("\x8f\x04\x24", 3);
	assert_int_equal(stack[9], 0xabcdef0008ull);
	assert_int_equal(ctx.reg[SP], TOP + 8);
	ctx.reg[BP] = TOP - 16;
	emulate("\xc9", 1); /* leave */
	assert_int_equal(ctx.reg[BP], 0xabcdef0006ull);
	assert_int_equal(ctx.reg[SP], TOP - 8);
}

static void parts_of_registers(void **state)
{
	(void)state;
	ctx.reg[AX] = 0x1122334455667788ull;
	emulate("\x88\xc8", 2); /* mov %cl, %al */
	assert_int_equal(ctx.reg[AX], 0x1122334455667733ull);
	emulate("\x66\xb8\xef\xbe", 4); /* mov $0xbeef, %ax */
	assert_int_equal(ctx.reg[AX], 0x112233445566beefull);
	emulate("\x0f\xbe\xc8", 3); /* movsx %al, %ecx */
	assert_int_equal(ctx.reg[CX], 0xffffffefull);
	emulate("\x66\x0f\xb6\xc8", 4); /* movzx %al, %cx */
	assert_int_equal(ctx.reg[CX], 0xffff00efull);
	emulate("\x48\x0f\xbf\xd0", 4); /* movsx %ax, %rdx */
	assert_int_equal(ctx.reg[DX], 0xffffffffffffbeefull);
	emulate("\x89\xc0", 2); /* mov %eax, %eax clears the rest */
	assert_int_equal(ctx.reg[AX], 0x5566beefull);
	emulate("\x48\xc7\xc0\xff\xff\xff\xff", 7); /* mov $-1, %rax */
	assert_int_equal(ctx.reg[AX], ~0ull);
	emulate("\x66\x8d\x05\0\0\0\0", 7); /* lea of a word */
	assert_int_equal(ctx.reg[AX], (~0ull << 16 | ctx.reg[PC] % 65536));
}

struct sum {
	const char *bytes;
	uint64_t a, b, result;
	uint32_t flags;
};

/* rax by rdx */
static const struct sum sums[] = {
	{"\x48\x01\xd0", 1, 2, 3, PF},
	{"\x48\x01\xd0", ~0ull, 1, 0, CF | PF | AF | ZF},
	{"\x48\x01\xd0", ~0ull >> 1, 1, 1ull << 63, PF | AF | SF | OF},
	{"\x48\x01\xd0", 1ull << 63, 1ull << 63, 0, CF | PF | ZF | OF},
	{"\x01\xd0", 0xff00000080000000ull, 0x80000001, 1, CF | OF},
	{"\x48\x29\xd0", 1, 2, ~0ull, CF | PF | AF | SF},
	{"\x48\x29\xd0", 1ull << 63, 1, ~0ull >> 1, PF | AF | OF},
	{"\x28\xd0 ", 0x1100, 1, 0x11ff, CF | PF | AF | SF},
	{"\x48\x39\xd0", 5, 5, 5, PF | ZF},
	{"\x48\x31\xd0", 3, 3, 0, PF | ZF},
	{"\x48\x21\xd0", ~0ull, 1ull << 63, 1ull << 63, PF | SF},
	{"\x48\x09\xd0", 8, 0x100, 0x108, 0},
	{"\x48\x85\xd0", 8, 0x100, 8, PF | ZF},
};

static void arithmetic(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
		size_t n = sums[i].bytes[0] == 0x48 ? 3 : 2;

		/* whatever they were before, and the others kept */
		for (uint32_t before = 0; before <= ALL; before += ALL) {
			ctx.reg[AX] = sums[i].a;
			ctx.reg[DX] = sums[i].b;
			ctx.reg[FLAGS] = 0x602 | before;
			emulate(sums[i].bytes, n);
			if (ctx.reg[AX] != sums[i].result ||
			    ctx.reg[FLAGS] != (0x602 | sums[i].flags))
				fail_msg("entry %zu: %#lx, flags %#lx", i, ctx.reg[AX],
					 ctx.reg[FLAGS]);
			went_on(n);
		}
	}
}

/* All conditions on all flags, by their meaning. */
static void conditions(void **state)
{
	(void)state;
	for (unsigned int bits = 0; bits < 32; bits++) {
		bool cf = bits & 1, pf = bits & 2, zf = bits & 4, sf = bits & 8, of = bits & 16;
		bool met[8] = {of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of};

		for (unsigned int cond = 0; cond < 16; cond++) {
			char jcc[2] = {(char)(0x70 | cond), 0x10};

			ctx.reg[PC] = AT;
			ctx.reg[FLAGS] = 0x202 | (cf ? CF : 0) | (pf ? PF : 0) | (zf ? ZF : 0) |
					 (sf ? SF : 0) | (of ? OF : 0);
			emulate(jcc, 2);
			assert_int_equal(ctx.reg[PC],
					 met[cond / 2] != cond % 2 ? AT + 0x12 : AT + 2);
		}
	}
}

static void loops(void **state)
{
	(void)state;
	ctx.reg[CX] = 2;
	emulate("\xe2\xfe", 2);
	assert_int_equal(ctx.reg[PC], AT);
	assert_int_equal(ctx.reg[CX], 1);
	emulate("\xe2\xfe", 2);
	went_on(2);
	assert_int_equal(ctx.reg[CX], 0);
	emulate("\xe2\xfe", 2); /* from zero, all the way around */
	assert_int_equal(ctx.reg[CX], ~0ull);
	assert_int_equal(ctx.reg[PC], AT);
	emulate("\xe1\xfe", 2); /* loope */
	went_on(2);
	emulate("\xe0\xfe", 2); /* loopne */
	assert_int_equal(ctx.reg[PC], AT);
	ctx.reg[FLAGS] |= ZF;
	emulate("\xe0\xfe", 2);
	went_on(2);
	ctx.reg[CX] = 1ull << 32;
	emulate("\xe3\x10", 2); /* jrcxz */
	went_on(2);
	emulate("\x67\xe3\x10", 3); /* jecxz */
	assert_int_equal(ctx.reg[PC], AT + 0x13);
}

static void calls(void **state)
{
	(void)state;
	emulate("\xe8\x10\0\0\0", 5);
	assert_int_equal(ctx.reg[PC], AT + 5 + 0x10);
	assert_int_equal(ctx.reg[SP], TOP - 8);
	assert_int_equal(stack[7], AT + 5);
	emulate("\xc3", 1);
	went_on(5);
	assert_int_equal(ctx.reg[SP], TOP);
	/* the pointer is read before the return address takes its place */
	stack[7] = 0x1234;
	emulate("\xff\x54\x24\xf8", 4);
	assert_int_equal(ctx.reg[PC], 0x1234);
	assert_int_equal(stack[7], AT + 4);
	emulate("\xc2\x10\0", 3);
	went_on(4);
	assert_int_equal(ctx.reg[SP], TOP + 16);
	ctx.reg[AX] = 0x5678;
	emulate("\xff\xe0", 2);
	assert_int_equal(ctx.reg[PC], 0x5678);
	ctx.reg[PC] = AT;
	emulate("\xff\xd4", 2); /* call *%rsp: as it was */
	assert_int_equal(ctx.reg[PC], TOP + 16);
}

static void ip_relative(void **state)
{
	(void)state;
	ctx.reg[PC] = (uint64_t)stack;
	emulate("\x48\x8b\x05\x09\0\0\0", 7);
	assert_int_equal(ctx.reg[AX], 0xabcdef0002ull);
	ctx.reg[PC] = (uint64_t)stack;
	emulate("\xc7\x05\x06\0\0\0\xff\xff\xff\xff", 10); /* the next address counts */
	assert_int_equal(stack[2], 0xabffffffffull);
}

static void unknown(void **state)
{
	struct wire_ctx before = ctx;
	struct arch_emul e = {.op = ARCH_EMUL_NONE, .len = 1};
	(void)state;
	assert_false(arch_emulate(&e, &ctx));
	e.op = 0xff;
	assert_false(arch_emulate(&e, &ctx));
	assert_memory_equal(&ctx, &before, sizeof(ctx));
}

static sigjmp_buf env;
static void *fault_addr;

static void on_fault(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	fault_addr = info->si_addr;
	siglongjmp(env, 1);
}

/* A fault names the operand's address and leaves the registers as they were. */
static void faults(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int32_t off;
	} insn[] = {
		{"\x48\x8b\x47\x10", 4, 0x10}, /* mov 16(%rdi), %rax */
		{"\x48\x89\x47\x18", 4, 0x18}, /* mov %rax, 24(%rdi) */
		{"\xff\x37", 2, 0},	       /* push (%rdi) */
		{"\x8f\x07", 2, 0},	       /* pop (%rdi) */
		{"\xff\x57\x20", 3, 0x20},     /* call *32(%rdi) */
		{"\x48\x3b\x07", 3, 0},	       /* cmp (%rdi), %rax */
		{"\x48\x2b\x07", 3, 0},	       /* sub (%rdi), %rax */
	};
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER}, old;
	uint8_t *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)state;

	assert_true(none != MAP_FAILED);
	assert_int_equal(sigaction(SIGSEGV, &sa, &old), 0);
	ctx.reg[DI] = (uint64_t)none;
	for (size_t i = 0; i < ARRAY_LEN(insn); i++) {
		static struct wire_ctx before;

		before = ctx;
		if (!sigsetjmp(env, 0)) {
			emulate(insn[i].bytes, insn[i].n);
			fail_msg("entry %zu: no fault", i);
		}
		assert_ptr_equal(fault_addr, none + insn[i].off);
		assert_memory_equal(&ctx, &before, sizeof(ctx));
	}
	/* the return address finds no stack: the call has not happened */
	ctx.reg[SP] = (uint64_t)none + 64;
	if (!sigsetjmp(env, 0)) {
		emulate("\xe8\0\0\0\0", 5);
		fail_msg("no fault");
	}
	assert_ptr_equal(fault_addr, none + 56);
	assert_int_equal(ctx.reg[SP], none + 64);
	assert_int_equal(ctx.reg[PC], AT);
	sigaction(SIGSEGV, &old, NULL);
	munmap(none, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(stack_pointer, reset),
		cmocka_unit_test_setup(parts_of_registers, reset),
		cmocka_unit_test_setup(arithmetic, reset),
		cmocka_unit_test_setup(conditions, reset),
		cmocka_unit_test_setup(loops, reset),
		cmocka_unit_test_setup(calls, reset),
		cmocka_unit_test_setup(ip_relative, reset),
		cmocka_unit_test_setup(unknown, reset),
		cmocka_unit_test_setup(faults, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Copies that nothing of the original is in reach of: byte for byte where it matters, and what is
 * refused. What they do is test_relocate.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/arch.h"
#include "base/base.h"
#include "base/err.h"

#define AT 0x1000ull

static struct arch_code code;

static int relocate(const char *bytes, size_t n)
{
	memset(&code, 0, sizeof(code));
	return arch_relocate_far((const uint8_t *)bytes, n, AT, &code);
}

/* No field of it is relative to the instruction pointer, but for those of its own literals. */
static void in_reach_of_nothing(void)
{
	assert_int_equal(arch_code_finish(&code), 0);
	for (unsigned int i = 0; i < code.nfix; i++)
		assert_int_equal(code.fix[i].kind, WIRE_FIX_ABS64);
}

static void is(const char *bytes, size_t n)
{
	assert_int_equal(code.len, n);
	assert_memory_equal(code.code, bytes, n);
}

static void branches(void **state)
{
	(void)state;
	assert_int_equal(relocate("\xeb\x10", 2), 0);
	is("\xff\x25\0\0\0\0", 6);
	in_reach_of_nothing();
	assert_int_equal(code.fix[0].target, AT + 2 + 0x10);
	assert_int_equal(relocate("\x74\x10", 2), 0); /* jz: jnz over */
	is("\x75\x06\xff\x25\0\0\0\0", 8);
	in_reach_of_nothing();
	assert_int_equal(relocate("\x67\xe3\x10", 3), 0); /* jecxz */
	is("\x67\xe3\x02\xeb\x06\xff\x25\0\0\0\0", 11);
	in_reach_of_nothing();
	assert_int_equal(code.fix[0].target, AT + 3 + 0x10);
	assert_int_equal(relocate("\xe8\x10\0\0\0", 5), 0);
	is("\xff\x35\0\0\0\0\xff\x25\0\0\0\0", 12);
	in_reach_of_nothing();
	assert_int_equal(code.fix[0].target, AT + 5);
	assert_int_equal(code.fix[1].target, AT + 5 + 0x10);
}

/* lea needs no memory and no register but its own. */
static void addresses(void **state)
{
	(void)state;
	assert_int_equal(relocate("\x4c\x8d\x3d\x20\0\0\0", 7), 0);
	is("\x49\xbf\0\0\0\0\0\0\0\0", 10);
	assert_int_equal(code.fix[0].target, AT + 7 + 0x20);
	assert_int_equal(relocate("\x8d\x05\x20\0\0\0", 6), 0);
	is("\x48\xb8\0\0\0\0\0\0\0\0\x89\xc0", 12);
	assert_int_equal(relocate("\x44\x8d\x05\x20\0\0\0", 7), 0);
	is("\x49\xb8\0\0\0\0\0\0\0\0\x45\x89\xc0", 13);
	assert_int_equal(relocate("\x48\x8d\x25\x20\0\0\0", 7), 0); /* rsp */
	is("\x48\xbc\0\0\0\0\0\0\0\0", 10);
}

/* The scratch register and the instruction built on it, behind 5 + 1 + 10 bytes. */
static void operand_is(uint8_t scratch, const char *bytes, size_t n)
{
	assert_memory_equal(code.code, "\x48\x8d\x64\x24\x80", 5);
	assert_int_equal(code.code[5], 0x50 | scratch);
	assert_int_equal(code.code[6], 0x48);
	assert_int_equal(code.code[7], 0xb8 | scratch);
	assert_memory_equal(code.code + 16, bytes, n);
	assert_int_equal(code.code[16 + n], 0x58 | scratch);
	assert_memory_equal(code.code + 17 + n, "\x48\x8d\xa4\x24\x80\0\0\0", 8);
	assert_int_equal(code.len, 16 + n + 9);
	in_reach_of_nothing();
	assert_int_equal(code.nfix, 1);
	assert_int_equal(code.fix[0].at, 8);
}

static void scratch_registers(void **state)
{
	(void)state;
	assert_int_equal(relocate("\x48\x8b\x15\x20\0\0\0", 7), 0); /* mov to rdx */
	operand_is(0, "\x48\x8b\x10", 3);
	assert_int_equal(code.fix[0].target, AT + 7 + 0x20);
	assert_int_equal(relocate("\x8a\x25\x20\0\0\0", 6), 0); /* ah is rax */
	operand_is(1, "\x8a\x21", 2);
	assert_int_equal(relocate("\xd3\x05\x20\0\0\0", 6), 0); /* rol by cl */
	operand_is(0, "\xd3\x00", 2);
	assert_int_equal(relocate("\xf7\x25\x20\0\0\0", 6), 0); /* mul: rax, rdx */
	operand_is(1, "\xf7\x21", 2);
	assert_int_equal(relocate("\xf0\x0f\xc7\x0d\x20\0\0\0", 8), 0); /* cmpxchg8b: all four */
	operand_is(6, "\xf0\x0f\xc7\x0e", 4);
	/* an immediate behind the operand */
	assert_int_equal(relocate("\x83\x3d\x20\0\0\0\x05", 7), 0);
	operand_is(0, "\x83\x38\x05", 3);
	assert_int_equal(code.fix[0].target, AT + 7 + 0x20);
}

/* Bits that would make another register of the base are cleared, in their four ways to say it. */
static void base_bits(void **state)
{
	(void)state;
	assert_int_equal(relocate("\x4d\x8b\x15\0\0\0\0", 7), 0); /* rex.b; r10 */
	operand_is(0, "\x4c\x8b\x10", 3);
	assert_int_equal(relocate("\xc4\xc1\x78\x10\x05\0\0\0\0", 9), 0); /* vmovups */
	operand_is(0, "\xc4\xe1\x78\x10\x00", 5);
	assert_int_equal(relocate("\xc5\xf8\x10\x05\0\0\0\0", 8), 0);
	operand_is(0, "\xc5\xf8\x10\x00", 4);
	assert_int_equal(relocate("\x62\xd1\x7c\x48\x10\x05\0\0\0\0", 10), 0); /* zmm0 */
	operand_is(0, "\x62\xf1\x7c\x48\x10\x00", 6);
	assert_int_equal(relocate("\x8f\xc9\x78\x80\x05\0\0\0\0", 9), 0); /* vfrczps */
	operand_is(0, "\x8f\xe9\x78\x80\x00", 5);
}

/* What needs nothing of its place is the same as near. */
static void same_as_near(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} insn[] = {{"\x55", 1},     {"\xc3", 1},
		    {"\x0f\x05", 2}, {"\xff\x54\x24\x08", 4},
		    {"\xff\xd0", 2}, {"\xf3\x0f\x1e\xfa", 4},
		    {"\x0f\x0b", 2}};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(insn); i++) {
		struct arch_code near = {0};

		assert_int_equal(
			arch_relocate((const uint8_t *)insn[i].bytes, insn[i].n, AT, &near), 0);
		assert_int_equal(relocate(insn[i].bytes, insn[i].n), 0);
		assert_memory_equal(&code, &near, sizeof(near));
	}
}

static void refusals(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int err;
	} bad[] = {
		{"\x06", 1, SONDE_E_DECODE},
		{"\x48\x8b\x25\0\0\0\0", 7, SONDE_E_RELOCATE}, /* mov to rsp */
		{"\x48\x89\x25\0\0\0\0", 7, SONDE_E_RELOCATE}, /* mov from rsp */
		{"\x48\x3b\x25\0\0\0\0", 7, SONDE_E_RELOCATE}, /* cmp with rsp */
		{"\x66\xff\x35\0\0\0\0", 7, SONDE_E_RELOCATE}, /* a word pushed */
		{"\x66\x8f\x05\0\0\0\0", 7, SONDE_E_RELOCATE}, /* and popped */
		{"\xff\x2d\0\0\0\0", 6, SONDE_E_RELOCATE},     /* far jmp */
		{"\xff\x1d\0\0\0\0", 6, SONDE_E_RELOCATE},     /* far call */
		{"\xcc", 1, SONDE_E_RELOCATE},		       /* int3 */
		{"\xc7\xf8\0\0\0\0", 6, SONDE_E_RELOCATE},     /* xbegin */
		{"\xff\xd4", 2, SONDE_E_RELOCATE},	       /* call *%rsp */
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(relocate(bad[i].bytes, bad[i].n), bad[i].err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(branches),	     cmocka_unit_test(addresses),
		cmocka_unit_test(scratch_registers), cmocka_unit_test(base_bits),
		cmocka_unit_test(same_as_near),	     cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

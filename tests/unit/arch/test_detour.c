/* SPDX-License-Identifier: MIT */
/* The detour's code, byte for byte, and its fixups. */
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
#define HEAD 24 /* bytes before the displaced instruction */

static const uint8_t head[HEAD] = {
	0x48, 0x8d, 0x64, 0x24, 0x80,	       /* lea -128(%rsp), %rsp */
	0x68, 0,    0,	  0,	0,	       /* push $site */
	0xff, 0x15, 0,	  0,	0,    0,       /* call *stub(%rip) */
	0x48, 0x8d, 0xa4, 0x24, 0x88, 0, 0, 0, /* lea 136(%rsp), %rsp */
};

static void emit(const char *bytes, size_t n, struct arch_code *out)
{
	assert_int_equal(arch_emit_detour((const uint8_t *)bytes, n, AT, out), 0);
	assert_true(out->len > HEAD);
	assert_memory_equal(out->code, head, HEAD);
	assert_int_equal(out->fix[0].kind, WIRE_FIX_SITE32);
	assert_int_equal(out->fix[0].at, 6);
	assert_int_equal(out->fix[1].kind, WIRE_FIX_STUB32);
	assert_int_equal(out->fix[1].at, 12);
}

static void ordinary(void **state)
{
	struct arch_code c;
	(void)state;
	emit("\x55", 1, &c);
	assert_int_equal(c.len, HEAD + 1 + 5);
	assert_memory_equal(c.code + HEAD, "\x55\xe9\0\0\0\0", 6);
	assert_int_equal(c.nfix, 3);
	assert_int_equal(c.fix[2].kind, WIRE_FIX_REL32);
	assert_int_equal(c.fix[2].at, HEAD + 2);
	assert_int_equal(c.fix[2].tail, 0);
	assert_int_equal(c.fix[2].target, AT + 1);
}

static void ip_relative_with_tail(void **state)
{
	struct arch_code c;
	(void)state;
	/* movq $1, 0x20(%rip): four bytes of immediate behind the displacement */
	emit("\x48\xc7\x05\x20\0\0\0\x01\0\0\0", 11, &c);
	assert_int_equal(c.fix[2].at, HEAD + 3);
	assert_int_equal(c.fix[2].tail, 4);
	assert_int_equal(c.fix[2].target, AT + 11 + 0x20);
}

static void no_way_back(void **state)
{
	struct arch_code c;
	(void)state;
	emit("\xc3", 1, &c);
	assert_int_equal(c.len, HEAD + 1);
	assert_int_equal(c.nfix, 2);
	emit("\x0f\x0b", 2, &c);
	assert_int_equal(c.len, HEAD + 2);
}

static void call_pushes_original_return(void **state)
{
	struct arch_code c;
	int32_t rel;
	(void)state;
	emit("\xe8\x00\x01\0\0", 5, &c);
	/* push literal(%rip); jmp; literal */
	assert_int_equal(c.len, HEAD + 6 + 5 + 8);
	assert_memory_equal(c.code + HEAD, "\xff\x35", 2);
	memcpy(&rel, c.code + HEAD + 2, 4);
	assert_int_equal(HEAD + 6 + rel, HEAD + 11);
	assert_int_equal(c.nfix, 4);
	assert_int_equal(c.fix[2].kind, WIRE_FIX_REL32);
	assert_int_equal(c.fix[2].target, AT + 5 + 0x100);
	assert_int_equal(c.fix[3].kind, WIRE_FIX_ABS64);
	assert_int_equal(c.fix[3].at, HEAD + 11);
	assert_int_equal(c.fix[3].target, AT + 5);
}

static void refusals(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int err;
	} bad[] = {
		{"\x06", 1, SONDE_E_DECODE},
		{"\xcc", 1, SONDE_E_RELOCATE},
		{"\xc7\xf8\0\0\0\0", 6, SONDE_E_RELOCATE},	   /* xbegin */
		{"\xff\x18", 2, SONDE_E_RELOCATE},		   /* far call */
		{"\x67\x48\x8b\x25\0\0\0\0", 8, SONDE_E_RELOCATE}, /* mov 0(%eip), %rsp */
		{"\x67\x66\xff\x35\0\0\0\0", 8, SONDE_E_RELOCATE}, /* pushw 0(%eip) */
		{"\x67\xff\x2d\0\0\0\0", 7, SONDE_E_RELOCATE},	   /* ljmp *0(%eip) */
		{"\xcd\x03", 2, SONDE_E_RELOCATE},		   /* int $3 */
		{"\xf1", 1, SONDE_E_RELOCATE},			   /* int1 */
		{"\x0f\x01\xd7", 3, SONDE_E_RELOCATE},		   /* enclu */
		{"\x0f\x34", 2, SONDE_E_RELOCATE},		   /* sysenter */
		{"\x66\xe9\0\0\0\0", 6, SONDE_E_RELOCATE},	   /* jmpw */
		{"\x66\xff\xd0", 3, SONDE_E_RELOCATE},		   /* callw *%ax */
		{"\xc5\xf8\x84\0\0\0\0", 7, SONDE_E_RELOCATE},	   /* jkzd */
		/* a call so long that its jump would be too long */
		{"\x65\x65\x65\x65\x65\x65\x65\x65\x65\x65\xff\x14\x24", 13, SONDE_E_RELOCATE},
		{"\xff\xd4", 2, SONDE_E_RELOCATE},	   /* call *%rsp */
		{"\xff\x54\x24\xf8", 4, SONDE_E_RELOCATE}, /* call *-8(%rsp) */
		{"\x67\xff\x14\x24", 4, SONDE_E_RELOCATE}, /* call *(%esp) */
	};
	struct arch_code c;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(arch_emit_detour((const uint8_t *)bad[i].bytes, bad[i].n, AT, &c),
				 bad[i].err);
		assert_int_equal(
			arch_emit_detour_far((const uint8_t *)bad[i].bytes, bad[i].n, AT, &c),
			bad[i].err);
	}
}

/* rcx is the address behind the original system call. */
static void syscall_names_original(void **state)
{
	struct arch_code c;
	int32_t rel;
	(void)state;
	emit("\x0f\x05", 2, &c);
	/* syscall; mov literal(%rip), %rcx; jmp; literal */
	assert_int_equal(c.len, HEAD + 2 + 7 + 5 + 8);
	assert_memory_equal(c.code + HEAD, "\x0f\x05\x48\x8b\x0d", 5);
	memcpy(&rel, c.code + HEAD + 5, 4);
	assert_int_equal(HEAD + 9 + rel, HEAD + 14);
	assert_int_equal(c.fix[3].kind, WIRE_FIX_ABS64);
	assert_int_equal(c.fix[3].target, AT + 2);
}

static void too_much_code(void **state)
{
	struct arch_code c = {0};
	(void)state;
	for (unsigned i = 0; i < WIRE_SITE_CODE_MAX / 10 + 1; i++)
		assert_int_equal(
			arch_relocate((const uint8_t *)"\x48\xb8\1\2\3\4\5\6\7\x08", 10, AT, &c),
			0);
	assert_true(c.len <= WIRE_SITE_CODE_MAX);
	assert_int_equal(arch_code_finish(&c), SONDE_E_RELOCATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary),
		cmocka_unit_test(ip_relative_with_tail),
		cmocka_unit_test(no_way_back),
		cmocka_unit_test(call_pushes_original_return),
		cmocka_unit_test(syscall_names_original),
		cmocka_unit_test(refusals),
		cmocka_unit_test(too_much_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

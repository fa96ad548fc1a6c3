/* SPDX-License-Identifier: MIT */
/* What instructions are: kinds, lengths, targets; and what is no instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/arch.h"
#include "base/base.h"
#include "base/err.h"

#define AT 0x401000ull

struct known {
	const char *bytes;
	uint8_t len;
	uint8_t kind;
	uint64_t target; /* 0 = none */
};

static const struct known known[] = {
	{"\x55", 1, ARCH_ORDINARY, 0},
	{"\x48\x8b\x05\x10\x00\x00\x00", 7, ARCH_ORDINARY, AT + 7 + 0x10},
	{"\x48\xc7\x05\xf0\xff\xff\xff\x01\x00\x00\x00", 11, ARCH_ORDINARY, AT + 11 - 0x10},
	{"\xc3", 1, ARCH_RET, 0},
	{"\xf3\xc3", 2, ARCH_RET, 0},
	{"\xc2\x08\x00", 3, ARCH_RET, 0},
	{"\xeb\xfe", 2, ARCH_JMP, AT},
	{"\xe9\x00\x01\x00\x00", 5, ARCH_JMP, AT + 5 + 0x100},
	{"\xff\xe0", 2, ARCH_JMP_IND, 0},
	{"\xff\x25\x10\x00\x00\x00", 6, ARCH_JMP_IND, AT + 6 + 0x10},
	{"\x3e\xff\xe2", 3, ARCH_JMP_IND, 0},
	{"\x74\x10", 2, ARCH_JCC, AT + 2 + 0x10},
	{"\x0f\x85\x00\xff\xff\xff", 6, ARCH_JCC, AT + 6 - 0x100},
	{"\xe2\xf0", 2, ARCH_LOOP, AT + 2 - 0x10},
	{"\xe3\x04", 2, ARCH_LOOP, AT + 2 + 4},
	{"\x67\xe3\x04", 3, ARCH_LOOP, AT + 3 + 4},
	{"\xe8\x00\x00\x00\x00", 5, ARCH_CALL, AT + 5},
	{"\x66\x66\x48\xe8\x00\x00\x00\x00", 8, ARCH_CALL, AT + 8}, /* call __tls_get_addr */
	{"\xff\xd0", 2, ARCH_CALL_IND, 0},
	{"\xff\x54\x24\x08", 4, ARCH_CALL_IND, 0},
	{"\x0f\x05", 2, ARCH_SYSCALL, 0},
	{"\x90", 1, ARCH_NOP, 0},
	{"\x0f\x1f\x44\x00\x00", 5, ARCH_NOP, 0},
	{"\x66\x90", 2, ARCH_NOP, 0},
	{"\xf3\x90", 2, ARCH_ORDINARY, 0}, /* pause */
	{"\xf3\x0f\x1e\xfa", 4, ARCH_ENDBR, 0},
	{"\xcc", 1, ARCH_TRAP, 0},
	{"\x0f\x0b", 2, ARCH_UNDEFINED, 0},
	{"\xf4", 1, ARCH_HALT, 0},
	{"\xff\x28", 2, ARCH_OTHER, 0},	    /* far jmp */
	{"\xcb", 1, ARCH_OTHER, 0},	    /* far ret */
	{"\x48\xcf", 2, ARCH_OTHER, 0},	    /* iretq */
	{"\x66\xff\xe0", 3, ARCH_OTHER, 0}, /* 16-bit target on some machines */
	{"\x66\xc3", 2, ARCH_OTHER, 0},
	{"\xc5\xf8\x84\x10\x00\x00\x00", 7, ARCH_OTHER, AT + 7 + 0x10}, /* a branch with VEX */
	{"\xc7\xf8\x10\x00\x00\x00", 6, ARCH_OTHER, AT + 6 + 0x10},	/* xbegin */
};

static void kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const struct known *k = &known[i];
		struct arch_insn in;

		assert_int_equal(arch_decode((const uint8_t *)k->bytes, k->len, AT, &in), 0);
		if (in.len != k->len || in.kind != k->kind ||
		    (in.has_target ? in.target : 0) != k->target)
			fail_msg("entry %zu (%s): length %u, kind %u, target %#lx", i, in.mnemonic,
				 in.len, in.kind, in.has_target ? in.target : 0);
	}
}

static void bad_bytes(void **state)
{
	struct arch_insn in;
	(void)state;
	assert_int_equal(arch_decode((const uint8_t *)"\x06", 1, AT, &in), SONDE_E_DECODE);
	assert_int_equal(arch_decode((const uint8_t *)"\xe8\x00\x00", 3, AT, &in), SONDE_E_DECODE);
	assert_int_equal(arch_decode((const uint8_t *)"", 0, AT, &in), SONDE_E_DECODE);
	/* sixteen bytes are too many, whatever they say */
	assert_int_equal(arch_decode((const uint8_t *)"\x66\x66\x66\x66\x66\x66\x66\x66"
						      "\x66\x66\x66\x66\x66\x66\x66\x90",
				     16, AT, &in),
			 SONDE_E_DECODE);
}

static void fall_through(void **state)
{
	(void)state;
	assert_true(arch_falls_through(ARCH_ORDINARY));
	assert_true(arch_falls_through(ARCH_JCC));
	assert_true(arch_falls_through(ARCH_CALL));
	assert_true(arch_falls_through(ARCH_OTHER));
	assert_false(arch_falls_through(ARCH_RET));
	assert_false(arch_falls_through(ARCH_JMP));
	assert_false(arch_falls_through(ARCH_JMP_IND));
	assert_false(arch_falls_through(ARCH_UNDEFINED));
	assert_false(arch_falls_through(ARCH_HALT));
}

static size_t padding(const char *bytes, size_t n)
{
	return arch_padding((const uint8_t *)bytes, n);
}

static void padding_runs(void **state)
{
	(void)state;
	assert_int_equal(padding("\xcc\xcc\x90\x55", 4), 3);
	assert_int_equal(padding("\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00\x55", 11), 10);
	assert_int_equal(padding("\x55\x90", 2), 0);
	assert_int_equal(padding("\xf3\x90\x90", 3), 0);
	assert_int_equal(padding("\xf3\x0f\x1e\xfa", 4), 0);
	assert_int_equal(padding("\x90\x0f\x1f\x44", 4), 1); /* a nop cut short is no padding */
	assert_int_equal(padding("", 0), 0);
}

static void sigreturn(void **state)
{
	static const uint8_t wide[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	(void)state;
	assert_true(arch_is_sigreturn(wide, sizeof(wide)));
	assert_false(arch_is_sigreturn(wide, sizeof(wide) - 1));
	assert_false(arch_is_sigreturn(wide + 1, sizeof(wide) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),	cmocka_unit_test(bad_bytes),
		cmocka_unit_test(fall_through), cmocka_unit_test(padding_runs),
		cmocka_unit_test(sigreturn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

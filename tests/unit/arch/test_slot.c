/* SPDX-License-Identifier: MIT */
/*
 * Heads of slots: what is in them, where the instruction is done, what is refused; and the exit.
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

static struct arch_slot slot;

static int emit(const char *bytes, size_t n, bool far)
{
	return arch_emit_slot((const uint8_t *)bytes, n, AT, far, &slot);
}

static void straight(void **state)
{
	(void)state;
	assert_int_equal(emit("\xf0\x48\x0f\xc1\x37", 5, false), 0);
	assert_memory_equal(slot.code.code, "\xf0\x48\x0f\xc1\x37\xeb\x59", 7);
	assert_int_equal(slot.code.len, 7);
	assert_int_equal(slot.code.len + 0x59, ARCH_SLOT_HEAD);
	assert_int_equal(slot.code.nfix, 0);
	assert_int_equal(slot.len, 5);
	assert_int_equal(slot.done, 5);
	assert_false(slot.moves_stack);
	assert_int_equal(emit("\x0f\x0b", 2, false), 0); /* ud2 faults where it is */
	assert_int_equal(emit("\xf4", 1, false), 0);	 /* hlt, too */
	assert_int_equal(emit("\xf3\x0f\x1e\xfa", 4, false), 0);
}

static void relative(void **state)
{
	(void)state;
	/* addl $5, 0x20(%rip) */
	assert_int_equal(emit("\x83\x05\x20\0\0\0\x05", 7, false), 0);
	assert_int_equal(slot.code.nfix, 1);
	assert_int_equal(slot.code.fix[0].kind, WIRE_FIX_REL32);
	assert_int_equal(slot.code.fix[0].at, 2);
	assert_int_equal(slot.code.fix[0].tail, 1);
	assert_int_equal(slot.code.fix[0].target, AT + 7 + 0x20);
	assert_int_equal(emit("\x83\x05\x20\0\0\0\x05", 7, true), 0);
	assert_int_equal(slot.code.nfix, 1);
	assert_int_equal(slot.code.fix[0].kind, WIRE_FIX_ABS64);
	assert_int_equal(slot.len, 7);
	assert_true(slot.done > 7);
	assert_int_equal(slot.code.code[slot.done], 0xeb);
	assert_int_equal(slot.done + 2 + slot.code.code[slot.done + 1], ARCH_SLOT_HEAD);
}

static void stack_pointers(void **state)
{
	static const struct {
		const char *bytes;
		uint8_t n;
		bool moves;
	} t[] = {
		{"\x50", 1, false},		     /* push %rax */
		{"\x58", 1, false},		     /* pop %rax */
		{"\x9d", 1, false},		     /* popf */
		{"\x8f\x04\x24", 3, false},	     /* pop (%rsp) */
		{"\x48\x8b\x04\x24", 4, false},	     /* mov (%rsp), %rax */
		{"\x5c", 1, true},		     /* pop %rsp */
		{"\xc9", 1, true},		     /* leave */
		{"\x48\x81\xc4\0\x10\0\0", 7, true}, /* add $4096, %rsp */
		{"\x48\x89\xec", 3, true},	     /* mov %rbp, %rsp */
		{"\x48\x94", 2, true},		     /* xchg %rax, %rsp */
		{"\x66\x83\xe4\xf0", 4, true},	     /* and $-16, %sp */
		{"\x48\x0f\xb1\xc4", 4, true},	     /* cmpxchg %rax, %rsp */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_int_equal(emit(t[i].bytes, t[i].n, false), 0);
		assert_int_equal(slot.moves_stack, t[i].moves);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *bytes;
		uint8_t n;
	} t[] = {
		{"\xc3", 1},		 /* ret */
		{"\xe9\0\0\0\0", 5},	 /* jmp */
		{"\xff\xe0", 2},	 /* jmp *%rax */
		{"\x64\xff\x20", 3},	 /* jmp *%fs:(%rax) */
		{"\x74\x10", 2},	 /* jz */
		{"\xe2\x10", 2},	 /* loop */
		{"\xe8\0\0\0\0", 5},	 /* call */
		{"\xff\xd0", 2},	 /* call *%rax */
		{"\x0f\x05", 2},	 /* syscall */
		{"\xcd\x80", 2},	 /* int $0x80 */
		{"\xcc", 1},		 /* int3 */
		{"\xf1", 1},		 /* int1 */
		{"\xcf", 1},		 /* iret */
		{"\xc7\xf8\0\0\0\0", 6}, /* xbegin */
		{"\x0f\x01\xd7", 3},	 /* enclu */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_int_equal(emit(t[i].bytes, t[i].n, false), SONDE_E_RELOCATE);
		assert_int_equal(emit(t[i].bytes, t[i].n, true), SONDE_E_RELOCATE);
	}
	assert_int_equal(emit("\x06", 1, false), SONDE_E_DECODE);
	assert_int_equal(emit("\x48", 1, false), SONDE_E_DECODE);
}

/* The fields mean what they are told to; the offsets are those of the instructions. */
static void exits(void **state)
{
	uint8_t code[ARCH_SLOT_SIZE], *e = code + ARCH_SLOT_HEAD;
	unsigned int at = ARCH_SLOT_HEAD, n = 0;
	struct arch_slot_progress p;
	int32_t rel;

	(void)state;
	memset(code, 0, sizeof(code));
	arch_slot_exit(e, 0x10000, 0x20008, 0x20000);
	memcpy(&rel, e + 7, sizeof(rel));
	assert_int_equal(0x10000 + ARCH_SLOT_HEAD + 11 + rel, 0x20008);
	memcpy(&rel, e + 13, sizeof(rel));
	assert_int_equal(0x10000 + ARCH_SLOT_HEAD + 21 + rel, 0x20000);
	p = arch_slot_progress(0);
	assert_true(p.lowered == 0 && !p.pushed && !p.parked);
	while (code[at]) {
		static const uint8_t lowered[] = {0, 128, 136, 136};
		struct arch_insn in;

		assert_int_equal(arch_decode(code + at, sizeof(code) - at, at, &in), 0);
		p = arch_slot_progress(at);
		assert_int_equal(p.lowered, lowered[n]);
		assert_int_equal(p.pushed, n >= 2);
		assert_int_equal(p.parked, n == 3);
		at += in.len;
		n++;
		if (in.kind == ARCH_RET)
			break;
	}
	assert_int_equal(n, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(straight),	  cmocka_unit_test(relative),
		cmocka_unit_test(stack_pointers), cmocka_unit_test(refused),
		cmocka_unit_test(exits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

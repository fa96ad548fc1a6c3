/* SPDX-License-Identifier: MIT */
/* Descriptions of instructions, and which are left to the processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/arch.h"
#include "base/base.h"
#include "base/err.h"

enum { DI, SI, DX, CX, SLOT_R8, SLOT_R9, AX, BX, BP };
#define NO ARCH_EMUL_ABSENT
#define MEM ARCH_EMUL_MEM
#define IMM ARCH_EMUL_IMM
#define SP WIRE_REG_SP
#define PC WIRE_REG_PC

struct known {
	const char *bytes;
	uint8_t len;
	struct arch_emul is;
};

/* op, len, size, src_size, dst, src, base, index, scale, cond, {0}, disp, imm */
static const struct known known[] = {
	{"\x90", 1, {ARCH_EMUL_NOP, 1, 0, 0, NO, NO, NO, NO, 0, 0, {0}, 0, 0}},
	{"\xf3\x0f\x1e\xfa", 4, {ARCH_EMUL_NOP, 4, 0, 0, NO, NO, NO, NO, 0, 0, {0}, 0, 0}},
	{"\x55", 1, {ARCH_EMUL_PUSH, 1, 0, 0, NO, BP, NO, NO, 0, 0, {0}, 0, 0}},
	{"\x6a\xff", 2, {ARCH_EMUL_PUSH, 2, 0, 0, NO, IMM, NO, NO, 0, 0, {0}, 0, -1}},
	{"\x5a", 1, {ARCH_EMUL_POP, 1, 0, 0, DX, NO, NO, NO, 0, 0, {0}, 0, 0}},
	{"\x48\x89\xe5", 3, {ARCH_EMUL_MOV, 3, 8, 8, BP, SP, NO, NO, 0, 0, {0}, 0, 0}},
	{"\x44\x8b\x44\xd8\x10",
	 5,
	 {ARCH_EMUL_MOV, 5, 4, 4, SLOT_R8, MEM, AX, BX, 8, 0, {0}, 0x10, 0}},
	{"\x48\xc7\x05\x20\0\0\0\xfe\xff\xff\xff",
	 11,
	 {ARCH_EMUL_MOV, 11, 8, 8, MEM, IMM, PC, NO, 0, 0, {0}, 0x20, -2}},
	{"\x0f\xb7\xc1", 3, {ARCH_EMUL_MOV, 3, 4, 2, AX, CX, NO, NO, 0, 0, {0}, 0, 0}},
	{"\x48\x63\xc7", 3, {ARCH_EMUL_MOVSX, 3, 8, 4, AX, DI, NO, NO, 0, 0, {0}, 0, 0}},
	{"\x64\x48\x8d\x05\x20\0\0\0",
	 8,
	 {ARCH_EMUL_LEA, 8, 8, 8, AX, MEM, PC, NO, 0, 0, {0}, 0x20, 0}},
	{"\x48\x83\xec\x18", 4, {ARCH_EMUL_SUB, 4, 8, 8, SP, IMM, NO, NO, 0, 0, {0}, 0, 0x18}},
	{"\x38\x0f", 2, {ARCH_EMUL_CMP, 2, 1, 1, MEM, CX, DI, NO, 0, 0, {0}, 0, 0}},
	{"\xeb\xfe", 2, {ARCH_EMUL_JMP, 2, 0, 0, NO, IMM, NO, NO, 0, 0, {0}, 0, -2}},
	{"\x75\x10", 2, {ARCH_EMUL_JCC, 2, 0, 0, NO, IMM, NO, NO, 0, 5, {0}, 0, 0x10}},
	{"\x0f\x8f\0\1\0\0", 6, {ARCH_EMUL_JCC, 6, 0, 0, NO, IMM, NO, NO, 0, 15, {0}, 0, 0x100}},
	{"\xe0\x10", 2, {ARCH_EMUL_LOOP, 2, 8, 0, NO, IMM, NO, NO, 0, 0, {0}, 0, 0x10}},
	{"\x67\xe3\x10", 3, {ARCH_EMUL_JCXZ, 3, 4, 0, NO, IMM, NO, NO, 0, 0, {0}, 0, 0x10}},
	{"\xe8\xf0\xff\xff\xff", 5, {ARCH_EMUL_CALL, 5, 0, 0, NO, IMM, NO, NO, 0, 0, {0}, 0, -16}},
	{"\xff\x54\x24\x08", 4, {ARCH_EMUL_CALL, 4, 0, 0, NO, MEM, SP, NO, 0, 0, {0}, 8, 0}},
	{"\xff\xe0", 2, {ARCH_EMUL_JMP, 2, 0, 0, NO, AX, NO, NO, 0, 0, {0}, 0, 0}},
	{"\xc2\xf0\xff", 3, {ARCH_EMUL_RET, 3, 0, 0, NO, NO, NO, NO, 0, 0, {0}, 0, 0xfff0}},
};

static void descriptions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const struct known *k = &known[i];
		struct arch_emul e;

		assert_int_equal(arch_emul_describe((const uint8_t *)k->bytes, k->len, &e), 0);
		if (memcmp(&e, &k->is, sizeof(e)))
			fail_msg("entry %zu: op %u size %u %u dst %u src %u base %u index %u "
				 "scale %u cond %u disp %ld imm %ld",
				 i, e.op, e.size, e.src_size, e.dst, e.src, e.base, e.index,
				 e.scale, e.cond, e.disp, e.imm);
	}
}

static void left_to_the_processor(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int err;
	} bad[] = {
		{"\x06", 1, SONDE_E_DECODE},
		{"\xf0\x48\x01\x07", 4, SONDE_E_RELOCATE},		 /* lock add */
		{"\x48\x01\x07", 3, SONDE_E_RELOCATE},			 /* add to memory */
		{"\x48\x31\x05\0\0\0\0", 7, SONDE_E_RELOCATE},		 /* xor of memory */
		{"\x64\x48\x8b\x04\x25\x28\0\0\0", 9, SONDE_E_RELOCATE}, /* mov %fs:40 */
		{"\x65\xff\x30", 3, SONDE_E_RELOCATE},			 /* push %gs:(%rax) */
		{"\x67\x8b\x07", 3, SONDE_E_RELOCATE},			 /* mov (%edi) */
		{"\x88\xe0", 2, SONDE_E_RELOCATE},			 /* mov %ah */
		{"\x8e\xd8", 2, SONDE_E_RELOCATE},			 /* mov to ds */
		{"\x0f\x20\xc0", 3, SONDE_E_RELOCATE},			 /* mov from cr0 */
		{"\x66\x50", 2, SONDE_E_RELOCATE},			 /* push %ax */
		{"\x66\xc9", 2, SONDE_E_RELOCATE},			 /* leave of a word */
		{"\x0f\xa0", 2, SONDE_E_RELOCATE},			 /* push %fs */
		{"\x67\xe2\x10", 3, SONDE_E_RELOCATE},			 /* loop on ecx */
		{"\xf3\xe0\x10", 3, SONDE_E_RELOCATE},			 /* repz loopne */
		{"\x66\xff\xe0", 3, SONDE_E_RELOCATE},			 /* jmp *%ax */
		{"\x66\xc3", 2, SONDE_E_RELOCATE},			 /* retw */
		{"\xcb", 1, SONDE_E_RELOCATE},				 /* far ret */
		{"\xff\x2f", 2, SONDE_E_RELOCATE},			 /* far jmp */
		{"\x0f\x0d\xc0", 3, SONDE_E_RELOCATE},			 /* a nop to some */
		{"\x0f\x05", 2, SONDE_E_RELOCATE},			 /* syscall */
		{"\xcc", 1, SONDE_E_RELOCATE},
		{"\x0f\x0b", 2, SONDE_E_RELOCATE},
		{"\x48\x11\xc0", 3, SONDE_E_RELOCATE}, /* adc */
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct arch_emul e = {.op = ARCH_EMUL_NOP};
		int err = arch_emul_describe((const uint8_t *)bad[i].bytes, bad[i].n, &e);

		if (err != bad[i].err)
			fail_msg("entry %zu: %d", i, err);
		if (err == SONDE_E_RELOCATE)
			assert_int_equal(e.op, ARCH_EMUL_NONE);
	}
}

/* Two processes share it. */
static void layout(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct arch_emul), 32);
	assert_int_equal(offsetof(struct arch_emul, disp), 16);
	assert_int_equal(offsetof(struct arch_emul, imm), 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptions),
		cmocka_unit_test(left_to_the_processor),
		cmocka_unit_test(layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

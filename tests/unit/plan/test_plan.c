/* SPDX-License-Identifier: MIT */
/* Which class a site gets, and why it gets none: small images with known code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../image/make_elf.h"
#include "base/base.h"
#include "base/err.h"
#include "plan/plan.h"

struct bench {
	struct make_elf elf;
	struct image *img;
	struct plan *plan;
};

static struct bench b;

static void begin(bool is_exec)
{
	make_begin(&b.elf, is_exec);
}

static void ready(void)
{
	make_end(&b.elf);
	assert_true(make_write(&b.elf, sizeof(b.elf.file)));
	assert_int_equal(image_open(b.elf.path, &b.img), 0);
	assert_int_equal(plan_open(b.img, &b.plan), 0);
	unlink(b.elf.path);
}

static int end(void **state)
{
	(void)state;
	plan_close(b.plan);
	image_close(b.img);
	b.plan = NULL;
	b.img = NULL;
	return 0;
}

static int plan_at(uint64_t off, struct plan_site *out)
{
	return plan_site(b.plan, b.elf.base + MAKE_CODE + off, out);
}

static void s0_long_instruction(void **state)
{
	struct plan_site s;
	(void)state;
	begin(false);
	make_func(&b.elf, "f", 3, "\xb8\x01\0\0\0\xc3", 6); /* mov $1, %eax; ret */
	make_func(&b.elf, "nop5", 16, "\x0f\x1f\x44\0\0\xc3", 6);
	ready();
	assert_int_equal(plan_at(3, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S0);
	assert_int_equal(s.site.vaddr, MAKE_CODE + 3);
	assert_int_equal(s.site.insn_len, 5);
	assert_int_equal(s.site.ncut, 5);
	assert_memory_equal((uint8_t *)&s.site.old + 3, "\xb8\x01\0\0\0", 5);
	assert_int_equal(plan_at(16, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S0);
}

static void s0_tail_padding(void **state)
{
	struct plan_site s;
	(void)state;
	begin(false);
	make_fill(&b.elf, 0xcc);
	make_func(&b.elf, "f", 0, "\xc3", 1);
	make_func(&b.elf, "g", 16, "\x90\xc3", 2);
	ready();
	assert_int_equal(plan_at(0, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S0);
	assert_int_equal(s.site.insn_len, 1);
	/* nothing to come back to */
	assert_int_equal(s.site.nfix, 2);
}

/* A symbol in the padding, or a tail that goes on, make it code. */
static void padding_that_is_none(void **state)
{
	struct plan_site s;
	(void)state;
	begin(false);
	make_fill(&b.elf, 0xcc);
	make_func(&b.elf, "f", 0, "\xc3", 1);
	make_sym(&b.elf, "secret", 3, 0, ELF64_ST_INFO(STB_LOCAL, STT_FUNC));
	make_func(&b.elf, "falls", 32, "\x50\x50", 2);
	ready();
	assert_int_equal(plan_at(0, &s), 0);
	assert_int_not_equal(s.site.class, WIRE_CLASS_S0);
	assert_true(s.site.ncut <= 3);
	if (!plan_at(33, &s))
		assert_int_equal(s.site.ncut, 1);
}

/* Code that no bound and no symbol knows may begin with nops. */
static void padding_before_unknown_code(void **state)
{
	struct plan_site s;
	(void)state;
	begin(false);
	make_fill(&b.elf, 0x90);
	make_func(&b.elf, "close", 0x20, "\xc3", 1);
	b.elf.file[MAKE_CODE + 0x28] =
		0x50; /* push: behind seven nops, none of them at a boundary */
	make_func(&b.elf, "far", 0x40, "\xc3", 1);
	b.elf.file[MAKE_CODE + 0x54] = 0x50; /* nops from 0x50 on may be its function's */
	make_func(&b.elf, "near", 0x6e, "\xc3", 1);
	b.elf.file[MAKE_CODE + 0x74] = 0x50; /* one byte is left in front of 0x70 */
	make_func(&b.elf, "named", 0x80, "\xc3", 1);
	b.elf.file[MAKE_CODE + 0x88] = 0x50;
	make_sym(&b.elf, "raw", 0x88, 0, ELF64_ST_INFO(STB_LOCAL, STT_FUNC));
	make_func(&b.elf, "last", 0xa0, "\xc3", 1);
	ready();
	assert_int_equal(plan_at(0x20, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S1);
	assert_int_equal(s.site.ncut, 1);
	assert_int_equal(plan_at(0x40, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S0);
	if (!plan_at(0x6e, &s))
		assert_true(s.site.ncut <= 2);
	assert_int_equal(plan_at(0x80, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S0);
	/* to the end of the file's code */
	assert_int_equal(plan_at(0xa0, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S0);
}

static void s1_pun(void **state)
{
	struct plan_site s;
	(void)state;
	begin(false);
	/* sub $8, %rsp (4 bytes); then e8 ...: the top byte of the displacement */
	make_func(&b.elf, "f", 0, "\x48\x83\xec\x08\xe8\0\0\0\0\xc3", 10);
	ready();
	assert_int_equal(plan_at(0, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S1);
	assert_int_equal(s.site.ncut, 4);
	assert_int_equal(s.site.rel_mask, 0xff000000);
	assert_int_equal(s.site.rel_value, 0xe8000000);
}

static void s1_crossing_quadword(void **state)
{
	struct plan_site s;
	(void)state;
	begin(false);
	/* mov $0x11223344, %eax at 6: two bytes in the first quadword */
	make_func(&b.elf, "f", 6, "\xb8\x44\x33\x22\x11\xc3", 6);
	ready();
	assert_int_equal(plan_at(6, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S1);
	assert_int_equal(s.site.ncut, 2);
	assert_int_equal(s.site.rel_mask, 0xffffff00);
	assert_int_equal(s.site.rel_value, 0x11223300);
	assert_int_equal(s.site.insn_len, 5);
}

static void s2_pad(void **state)
{
	struct plan_site s, t;
	(void)state;
	begin(true);
	make_func(&b.elf, "before", 0, "\x90\xc3", 2);
	memcpy(b.elf.file + MAKE_CODE + 2, "\x66\x2e\x0f\x1f\x84\0\0\0\0\0\x0f\x1f\x40\0", 14);
	make_func(&b.elf, "f", 16, "\x31\xc0\x48\x89\xc2\x48\x01\xd0\xc3", 9);
	make_func(&b.elf, "g", 32, "\x31\xc0\x48\x89\xc2\x48\x01\xd0\xc3", 9);
	ready();
	assert_int_equal(plan_at(16, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S2);
	assert_int_equal(s.site.ncut, 2);
	assert_int_equal(s.site.pad_vaddr, MAKE_EXEC_BASE + MAKE_CODE + 2);
	assert_memory_equal(s.site.pad_old, "\x66\x2e\x0f\x1f\x84", 5);
	/* one pad, one site */
	if (!plan_at(32, &t) && t.site.class == WIRE_CLASS_S2)
		assert_int_not_equal(t.site.pad_vaddr, s.site.pad_vaddr);
}

static void no_room(void **state)
{
	struct plan_site s;
	(void)state;
	begin(true);
	/* push %rbx; then bytes that would lead 1.8 GiB below a fixed image */
	make_func(&b.elf, "f", 0, "\x53\x48\x89\xfb\x90\x53\x5b\xc3", 8);
	ready();
	assert_int_equal(plan_at(0, &s), SONDE_E_TOO_SHORT);
}

static void where_there_is_no_code(void **state)
{
	struct plan_site s;
	(void)state;
	begin(false);
	make_func(&b.elf, "f", 0, "\xb8\x01\0\0\0\xc3", 6);
	ready();
	assert_int_equal(plan_site(b.plan, 0x10, &s), SONDE_E_NOT_CODE);
	assert_int_equal(plan_site(b.plan, UINT64_MAX, &s), SONDE_E_NOT_CODE);
	assert_int_equal(plan_at(0x800, &s), SONDE_E_NO_FUNCTION);
	assert_int_equal(plan_at(2, &s), SONDE_E_NOT_BOUNDARY);
}

static void instructions_that_stay(void **state)
{
	struct plan_site s;
	(void)state;
	begin(false);
	make_func(&b.elf, "bad", 0, "\x06\x06\x06\x06\x06\x06", 6);
	make_func(&b.elf, "tsx", 16, "\xc7\xf8\0\0\0\0\xc3", 7);
	make_func(&b.elf, "restore", 32, "\x48\xc7\xc0\x0f\0\0\0\x0f\x05", 9);
	ready();
	assert_int_equal(plan_at(0, &s), SONDE_E_DECODE);
	assert_int_equal(plan_at(16, &s), SONDE_E_RELOCATE);
	assert_int_equal(plan_at(32, &s), SONDE_E_UNSAFE);
}

static void branch_behind_lock(void **state)
{
	struct plan_site s;
	(void)state;
	begin(false);
	/* je over the prefix; lock incl (%rdi) */
	make_func(&b.elf, "f", 0, "\x74\x01\xf0\xff\x07\xb8\0\0\0\0\xc3", 11);
	/* what stands behind the lock prefix leads into the image */
	make_func(&b.elf, "g", 16, "\x74\x01\xf0\x83\x07\0\0\x31\xc0\xc3", 10);
	ready();
	assert_int_equal(plan_at(18, &s), SONDE_E_BRANCH_INTO);
	/* the byte in front of that place may change, the others stay */
	assert_int_equal(plan_at(2, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S1);
	assert_int_equal(s.site.ncut, 1);
	assert_int_equal(s.site.insn_len, 3);
	assert_int_equal(s.site.rel_mask, 0xffffffff);
	assert_int_equal(s.site.rel_value, 0x00b807ff);
	assert_int_equal(plan_at(16, &s), 0);
}

static void neighbours(void **state)
{
	struct plan_site s;
	(void)state;
	begin(false);
	make_fill(&b.elf, 0xcc);
	make_func(&b.elf, "f", 0, "\x55\x48\x89\xe5\xb8\0\0\0\0\xc3", 10);
	ready();
	/* the jump at 0 relies on the bytes at 1 to 4 */
	assert_int_equal(plan_at(0, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S1);
	assert_int_equal(plan_at(1, &s), SONDE_E_OVERLAP);
	/* and at 4 */
	assert_int_equal(plan_at(4, &s), SONDE_E_OVERLAP);
	assert_int_equal(plan_at(9, &s), 0);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(plan_class_name(WIRE_CLASS_NONE), "none");
	assert_string_equal(plan_class_name(WIRE_CLASS_S0), "S0");
	assert_string_equal(plan_class_name(WIRE_CLASS_S1), "S1");
	assert_string_equal(plan_class_name(WIRE_CLASS_S2), "S2");
	assert_string_equal(plan_class_name((enum wire_class)99), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(s0_long_instruction, end),
		cmocka_unit_test_teardown(s0_tail_padding, end),
		cmocka_unit_test_teardown(padding_that_is_none, end),
		cmocka_unit_test_teardown(padding_before_unknown_code, end),
		cmocka_unit_test_teardown(s1_pun, end),
		cmocka_unit_test_teardown(s1_crossing_quadword, end),
		cmocka_unit_test_teardown(s2_pad, end),
		cmocka_unit_test_teardown(no_room, end),
		cmocka_unit_test_teardown(where_there_is_no_code, end),
		cmocka_unit_test_teardown(instructions_that_stay, end),
		cmocka_unit_test_teardown(branch_behind_lock, end),
		cmocka_unit_test_teardown(neighbours, end),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

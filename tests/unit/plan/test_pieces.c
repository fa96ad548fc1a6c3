/* SPDX-License-Identifier: MIT */
/*
 * Classes that more than one store or more than one instruction belong to: S3, S4, S5, and jumps
 * that stand before the probed instruction.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../image/make_elf.h"
#include "base/base.h"
#include "base/err.h"
#include "plan/plan.h"

#define ONLY(c) PLAN_CLASS(WIRE_CLASS_##c)

static struct make_elf elf;
static struct image *img;
static struct plan *plan;

/* @code as a function at @off, in an image with or without fixed addresses. */
static void load(bool is_exec, uint64_t off, const char *code, size_t n)
{
	make_begin(&elf, is_exec);
	make_func(&elf, "f", off, code, n);
	make_end(&elf);
	assert_true(make_write(&elf, sizeof(elf.file)));
	assert_int_equal(image_open(elf.path, &img), 0);
	assert_int_equal(plan_open(img, &plan), 0);
	unlink(elf.path);
}

static int end(void **state)
{
	(void)state;
	plan_close(plan);
	image_close(img);
	plan = NULL;
	img = NULL;
	return 0;
}

static int plan_at(uint64_t off, uint32_t classes, struct plan_site *out)
{
	return plan_site_in(plan, elf.base + MAKE_CODE + off, classes, out);
}

/* push %rbx; mov %rdi, %rbx; nop; pop %rbx; ret */
#define PLAIN "\x53\x48\x89\xfb\x90\x5b\xc3"

static void traps_on_boundaries(void **state)
{
	struct plan_site s;
	(void)state;

	load(false, 0x40, PLAIN, 7);
	assert_int_equal(plan_at(0x40, ONLY(S3), &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S3);
	assert_int_equal(s.site.ncut, 5);
	assert_int_equal(s.site.insn_len, 5);
	/* boundaries at 1 and 4 */
	assert_int_equal(s.site.rel_mask, 0xff0000ff);
	assert_int_equal(s.site.rel_value, 0xcc0000cc);
	assert_int_equal(s.site.ninner, 2);
	assert_int_equal(s.site.inner[0].at, 1);
	assert_int_equal(s.site.inner[1].at, 4);
	/* push is one byte, mov three */
	assert_int_equal(s.site.inner[1].code - s.site.inner[0].code, 3);
	assert_int_equal(s.site.next_old, 0);
	assert_memory_equal(&s.site.old, PLAIN, 7);
}

/* 0xCC in the top byte would lead below address 0. */
static void invalid_opcode_on_top(void **state)
{
	struct plan_site s;
	(void)state;

	load(true, 0x40, PLAIN, 7);
	assert_int_equal(plan_at(0x40, ONLY(S3), &s), 0);
	assert_int_equal(s.site.rel_mask, 0xff0000ff);
	assert_int_equal(s.site.rel_value & 0xff, 0xcc);
	assert_true(s.site.rel_value >> 24 < 0x7f);
	assert_int_not_equal(s.site.rel_value >> 24, 0x62);
}

static void two_quadwords(void **state)
{
	struct plan_site s;
	(void)state;

	/* nothing of the first quadword leaves a choice */
	load(false, 0x47, PLAIN, 7);
	assert_int_equal(plan_at(0x47, ONLY(S3), &s), 0);
	assert_int_equal(s.site.ncut, 5);
	assert_int_equal(s.site.old >> 56, 0x53);
	assert_memory_equal(&s.site.next_old, &PLAIN[1], 6);
}

/* Part of the window in the quadword, the rest of the distance as it stands. */
static void punned_window(void **state)
{
	struct plan_site s;
	(void)state;

	load(false, 0x44, "\x53\x89\xfb\x31\xc0\x31\xd2\x5b\xc3", 9);
	assert_int_equal(plan_at(0x44, ONLY(S3), &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S3);
	if (s.site.ncut == 4) {
		assert_int_equal(s.site.rel_value >> 24, 0xc0);
		assert_int_equal(s.site.next_old, 0);
	}
	for (unsigned i = 0; i < s.site.ninner; i++)
		assert_true(s.site.inner[i].at < s.site.ncut);
}

static void known_way_inside(void **state)
{
	struct plan_site s;
	(void)state;

	/* a branch back to the second instruction */
	load(false, 0x40, "\x53\x48\x89\xfb\x90\x74\xfa\x5b\xc3", 9);
	assert_int_equal(plan_at(0x40, ONLY(S3), &s), SONDE_E_TOO_SHORT);
	assert_int_equal(plan_at(0x40, ONLY(W), &s), SONDE_E_TOO_SHORT);
	assert_int_equal(plan_window(plan, MAKE_CODE + 0x40, NULL, &s), SONDE_E_BRANCH_INTO);
	/* which may be probed itself: no way leads further inside */
	assert_int_equal(plan_at(0x41, ONLY(S3), &s), 0);
}

/* A single instruction across two quadwords: two bytes are enough for a spin guard, one is not. */
static void spin_guard(void **state)
{
	struct plan_site s;
	(void)state;

	load(false, 0x46, "\xb8\x01\0\0\0\xc3", 6);
	assert_int_equal(plan_at(0x46, ONLY(S4), &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S4);
	assert_int_equal(s.site.ncut, 5);
	assert_int_equal(s.site.rel_mask, 0);
	assert_int_equal(s.site.ninner, 0);
	assert_memory_equal(&s.site.next_old, "\0\0\0\xc3", 4);
	end(state);
	load(false, 0x47, "\xb8\x01\0\0\0\xc3", 6);
	assert_int_equal(plan_at(0x47, ONLY(S4), &s), SONDE_E_TOO_SHORT);
	/* behind a trap it can change all the same */
	assert_int_equal(plan_at(0x47, ONLY(S3), &s), 0);
	assert_int_equal(s.site.ninner, 0);
	assert_int_equal(s.site.ncut, 5);
	end(state);
	/* mov %rdi, %rbx: one byte in the second quadword, two of the distance stay */
	load(false, 0x46, "\x48\x89\xfb\x5b\xc3", 5);
	assert_int_equal(plan_at(0x46, ONLY(S4), &s), 0);
	assert_int_equal(s.site.ncut, 3);
	assert_int_equal(s.site.rel_mask, 0xffff0000);
	assert_int_equal(s.site.rel_value, 0xc35b0000);
	/* lies in one quadword: nothing to guard */
	assert_int_equal(plan_at(0x49, ONLY(S4), &s), SONDE_E_TOO_SHORT);
}

static void trap(void **state)
{
	struct plan_site s;
	(void)state;

	load(false, 0x40, PLAIN, 7);
	for (unsigned i = 0; i < 7; i++) {
		int err = plan_at(0x40 + i, ONLY(S5), &s);

		if (i == 2 || i == 3) {
			assert_int_equal(err, SONDE_E_NOT_BOUNDARY);
			continue;
		}
		assert_int_equal(err, 0);
		assert_int_equal(s.site.class, WIRE_CLASS_S5);
		assert_int_equal(s.site.ncut, 1);
		assert_int_equal(s.site.rel_mask, 0);
		assert_int_equal(plan_at(0x40 + i, ONLY(S5), &s), SONDE_E_OVERLAP);
	}
}

/* Nothing is planned in a class that was not asked for. */
static void only_what_is_asked_for(void **state)
{
	struct plan_site s;
	(void)state;

	load(true, 0x40, PLAIN, 7);
	for (unsigned c = WIRE_CLASS_S0; c < WIRE_CLASS_COUNT; c++) {
		for (unsigned i = 0; i < 7; i++) {
			if (plan_at(0x40 + i, PLAN_CLASS(c), &s))
				continue;
			assert_int_equal(s.site.class, c);
			assert_int_equal(s.site.hit_at, 0);
			plan_release(plan, &s);
		}
	}
	assert_int_equal(plan_at(0x40, 0, &s), SONDE_E_TOO_SHORT);
}

/* mov $1, %eax; pop %rbx; ret; then bytes that lead nowhere */
#define EPILOGUE "\xb8\x01\0\0\0\x5b\xc3\x90\x90\x90\xff"

static void early(void **state)
{
	struct plan_site s, t;
	(void)state;

	load(true, 0x40, EPILOGUE, 7);
	assert_int_equal(plan_at(0x46, ONLY(S0), &s), SONDE_E_TOO_SHORT);
	assert_int_equal(plan_at(0x46, ONLY(S0) | PLAN_EARLY, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S0);
	assert_int_equal(s.site.vaddr, MAKE_EXEC_BASE + MAKE_CODE + 0x40);
	assert_int_equal(s.site.hit_at, 6);
	assert_int_equal(s.site.insn_len, 7);
	assert_int_equal(s.site.ncut, 5);
	/* the mov comes first, as it is */
	assert_memory_equal(s.code, EPILOGUE, 5);
	/* jumps in what the detour executes would not be met */
	assert_int_equal(plan_at(0x45, PLAN_ALL, &t), SONDE_E_OVERLAP);
	assert_int_equal(plan_at(0x40, PLAN_ALL, &t), SONDE_E_OVERLAP);
	assert_int_equal(plan_at(0x46, ONLY(S5), &t), SONDE_E_OVERLAP);
	plan_release(plan, &s);
	/* and the other way round */
	assert_int_equal(plan_at(0x45, ONLY(S5), &t), 0);
	assert_int_equal(plan_at(0x46, ONLY(S0) | PLAN_EARLY, &s), SONDE_E_TOO_SHORT);
	plan_release(plan, &t);
	assert_int_equal(plan_at(0x46, ONLY(S0) | PLAN_EARLY, &s), 0);
}

/* Something leads between: hits would be lost. */
static void early_but_entered(void **state)
{
	struct plan_site s;
	(void)state;

	/* mov; 1: pop; je 1b; ret */
	load(true, 0x40, "\xb8\x01\0\0\0\x5b\x74\xfd\xc3", 9);
	assert_int_equal(plan_at(0x48, ONLY(S0) | PLAN_EARLY, &s), SONDE_E_TOO_SHORT);
	/* up to there it is the instruction's own affair */
	assert_int_equal(plan_at(0x45, ONLY(S0) | PLAN_EARLY, &s), SONDE_E_TOO_SHORT);
	assert_int_equal(plan_at(0x40, ONLY(S0) | PLAN_EARLY, &s), 0);
	assert_int_equal(s.site.hit_at, 0);
	end(state);
	/* a call between: it comes back to where it was */
	load(true, 0x40, "\xb8\x01\0\0\0\xff\xd0\xc3", 8);
	assert_int_equal(plan_at(0x47, ONLY(S0) | PLAN_EARLY, &s), SONDE_E_TOO_SHORT);
	end(state);
	/* a jump of the function that may lead anywhere */
	load(true, 0x40, "\xb8\x01\0\0\0\x5b\x74\x01\xc3\x48\x01\xc8\xff\xe0", 14);
	assert_int_equal(plan_at(0x45, ONLY(S0) | PLAN_EARLY, &s), SONDE_E_TOO_SHORT);
}

/* A window whose second instruction is the one that is probed. */
static void early_window(void **state)
{
	struct plan_site s;
	(void)state;

	load(true, 0x40, "\x48\x89\xfb\x31\xc0\xc3", 6);
	assert_int_equal(plan_at(0x43, ONLY(S3), &s), 0);
	plan_release(plan, &s);
	assert_int_equal(plan_at(0x45, ONLY(W) | PLAN_EARLY, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_W);
	assert_int_equal(s.site.hit_at, 5);
	assert_int_equal(s.site.insn_len, 6);
	assert_memory_equal(s.code, "\x48\x89\xfb\x31\xc0", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(traps_on_boundaries, end),
		cmocka_unit_test_teardown(invalid_opcode_on_top, end),
		cmocka_unit_test_teardown(two_quadwords, end),
		cmocka_unit_test_teardown(punned_window, end),
		cmocka_unit_test_teardown(known_way_inside, end),
		cmocka_unit_test_teardown(spin_guard, end),
		cmocka_unit_test_teardown(trap, end),
		cmocka_unit_test_teardown(only_what_is_asked_for, end),
		cmocka_unit_test_teardown(early, end),
		cmocka_unit_test_teardown(early_but_entered, end),
		cmocka_unit_test_teardown(early_window, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

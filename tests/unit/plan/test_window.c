/* SPDX-License-Identifier: MIT */
/* Class W: which functions get a window, and why the others do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../image/make_elf.h"
#include "base/base.h"
#include "base/err.h"
#include "plan/plan.h"

/* push %rbx; mov %rdi, %rbx; nop; then something; pop %rbx; ret. The window is five bytes. */
#define HEAD "\x53\x48\x89\xfb\x90"
#define PLAIN HEAD "\x5b\xc3"

static struct make_elf elf;
static struct image *img;
static struct plan *plan;

static void ready(void)
{
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

static int window_at(uint64_t off, struct plan_site *out)
{
	return plan_window(plan, elf.base + MAKE_CODE + off, NULL, out);
}

static void plain(void **state)
{
	struct plan_site w;
	(void)state;

	make_begin(&elf, false);
	make_func(&elf, "f", 0x40, PLAIN, 7);
	make_func(&elf, "g", 0x83, PLAIN, 7);
	ready();
	assert_int_equal(window_at(0x40, &w), 0);
	assert_int_equal(w.site.class, WIRE_CLASS_W);
	assert_int_equal(w.site.vaddr, MAKE_CODE + 0x40);
	assert_int_equal(w.site.ncut, 5);
	assert_int_equal(w.site.insn_len, 5);
	assert_memory_equal(&w.site.old, PLAIN, 7);
	assert_true(w.site.code_len > 24 + 5);
	/* the last five bytes of a quadword */
	assert_int_equal(window_at(0x83, &w), 0);
	assert_string_equal(plan_class_name(WIRE_CLASS_W), "W");
}

/* A function at 0x40, probed at +@at, with another one at 0x80. */
static const struct refusal {
	const char *what, *code, *other;
	uint8_t n, nother;
	uint8_t off, at; /* of the function in its quadword, of the probe in it */
	int err;
} refusals[] = {
	{"nothing is wrong", PLAIN, "\xc3", 7, 1, 0, 0, 0},
	{"a branch to the start", HEAD "\xeb\xf9\xc3", "\xc3", 8, 1, 0, 0, 0},
	{"a branch to what is behind", HEAD "\xeb\xfe\xc3", "\xc3", 8, 1, 0, 0, 0},
	{"a branch into the window", HEAD "\xeb\xfa\xc3", "\xc3", 8, 1, 0, 0, SONDE_E_BRANCH_INTO},
	{"a conditional one", HEAD "\x74\xfd\xc3", "\xc3", 8, 1, 0, 0, SONDE_E_BRANCH_INTO},
	{"a loop", HEAD "\xe2\xfd\xc3", "\xc3", 8, 1, 0, 0, SONDE_E_BRANCH_INTO},
	{"a branch out of the window into it", "\x74\xff\x48\x89\xfb\xc3", "\xc3", 6, 1, 0, 0,
	 SONDE_E_BRANCH_INTO},
	{"another function's call into it", PLAIN, "\xe8\xbc\xff\xff\xff\xc3", 7, 6, 0, 0,
	 SONDE_E_BRANCH_INTO},
	{"another function's short jump into it", PLAIN, "\xeb\xc2", 7, 2, 0, 0,
	 SONDE_E_BRANCH_INTO},
	{"another function's jump to its start", PLAIN, "\xeb\xbe", 7, 2, 0, 0, 0},
	{"a call in the middle", "\xff\xd0\x48\x89\xc3\xc3", "\xc3", 6, 1, 0, 0, SONDE_E_TOO_SHORT},
	{"a call at the end", "\x53\xe8\0\0\0\0\xc3", "\xc3", 7, 1, 0, 0, 0},
	{"a jump in the middle", "\x89\xf8\xeb\0\xc3\x90\xc3", "\xc3", 7, 1, 0, 0,
	 SONDE_E_TOO_SHORT},
	{"a return in the middle", "\x89\xf8\xc3\x31\xc0\x90\xc3", "\xc3", 7, 1, 0, 0,
	 SONDE_E_TOO_SHORT},
	{"only filling behind a return", "\x89\xf8\xc3\x90\x90\x90\xc3", "\xc3", 7, 1, 0, 0, 0},
	{"filling that a branch leads to", "\x89\xf8\xc3\x90\x90\xeb\xfd", "\xc3", 7, 1, 0, 0,
	 SONDE_E_TOO_SHORT},
	{"a system call in the middle", "\x0f\x05\x48\x89\xc3\xc3", "\xc3", 6, 1, 0, 0,
	 SONDE_E_TOO_SHORT},
	{"the function ends in it", "\x90\x90\x90", "\xc3", 3, 1, 0, 0, SONDE_E_TOO_SHORT},
	{"its last instruction leaves the function", "\x90\x90\xb8\0\0", "\xc3", 5, 1, 0, 0,
	 SONDE_E_TOO_SHORT},
	{"not at the entry", "\x90" PLAIN, "\xc3", 8, 1, 0, 1, 0},
	{"a jump that may lead anywhere", HEAD "\x48\x01\xc8\xff\xe0", "\xc3", 10, 1, 0, 0,
	 SONDE_E_INDIRECT},
	{"a jump to an argument", HEAD "\xff\xe7", "\xc3", 7, 1, 0, 0, 0},
	{"an operand that means the middle", HEAD "\x48\x8d\x05\xf5\xff\xff\xff\xc3", "\xc3", 13, 1,
	 0, 0, SONDE_E_BRANCH_INTO},
	{"not at an instruction", PLAIN, "\xc3", 7, 1, 0, 2, SONDE_E_NOT_BOUNDARY},
	{"five bytes of a quadword", PLAIN, "\xc3", 7, 1, 3, 0, 0},
	{"across two quadwords", PLAIN, "\xc3", 7, 1, 4, 0, SONDE_E_TOO_SHORT},
	{"undecodable in the window", "\x53\x06\x48\x89\xfb\xc3", "\xc3", 6, 1, 0, 0,
	 SONDE_E_DECODE},
	{"undecodable behind it", HEAD "\x06\xc3", "\xc3", 7, 1, 0, 0, SONDE_E_DECODE},
	{"undecodable in another function", PLAIN, "\x06\xc3", 7, 2, 0, 0, 0},
	{"what cannot be moved", "\x90\xc7\xf8\0\0\0\0\xc3", "\xc3", 8, 1, 0, 0, SONDE_E_RELOCATE},
	{"signal return", "\x48\xc7\xc0\x0f\0\0\0\x0f\x05", "\xc3", 9, 1, 0, 0, SONDE_E_UNSAFE},
};

static void table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		const struct refusal *r = &refusals[i];
		struct plan_site w;
		int err;

		make_begin(&elf, false);
		make_func(&elf, "f", 0x40u + r->off, r->code, r->n);
		make_func(&elf, "other", 0x80, r->other, r->nother);
		ready();
		err = window_at(0x40u + r->off + r->at, &w);
		if (err != r->err)
			fail_msg("%s: %s, not %s", r->what, err ? sonde_err_name(err) : "0",
				 r->err ? sonde_err_name(r->err) : "0");
		assert_int_equal(w.site.class, err ? WIRE_CLASS_NONE : WIRE_CLASS_W);
		end(state);
	}
}

static void symbol_inside(void **state)
{
	struct plan_site w;
	(void)state;

	make_begin(&elf, false);
	make_func(&elf, "f", 0x40, PLAIN, 7);
	make_func(&elf, "g", 0x80, PLAIN, 7);
	make_sym(&elf, "f_local", 0x44, 0, ELF64_ST_INFO(STB_LOCAL, STT_FUNC));
	make_sym(&elf, "g_behind", 0x85, 0, ELF64_ST_INFO(STB_LOCAL, STT_FUNC));
	ready();
	assert_int_equal(window_at(0x40, &w), SONDE_E_BRANCH_INTO);
	assert_int_equal(window_at(0x80, &w), 0);
}

static void nowhere(void **state)
{
	struct plan_site w;
	(void)state;

	make_begin(&elf, false);
	make_func(&elf, "f", 0x40, PLAIN, 7);
	ready();
	assert_int_equal(window_at(0x400, &w), SONDE_E_NO_FUNCTION);
	assert_int_equal(plan_window(plan, 0x10, NULL, &w), SONDE_E_NOT_CODE);
	assert_int_equal(plan_window(plan, UINT64_MAX, NULL, &w), SONDE_E_NOT_CODE);
}

/* Another site's bytes, in both orders. */
static void overlap(void **state)
{
	struct plan_site s, w;
	(void)state;

	make_begin(&elf, false);
	make_func(&elf, "f", 0x40, PLAIN, 7);
	make_func(&elf, "g", 0x80, PLAIN, 7);
	ready();
	assert_int_equal(plan_site(plan, MAKE_CODE + 0x41, &s), 0);
	assert_int_equal(window_at(0x40, &w), SONDE_E_OVERLAP);
	assert_int_equal(window_at(0x80, &w), 0);
	assert_int_equal(window_at(0x80, &w), SONDE_E_OVERLAP);
	for (uint64_t at = 0x80; at < 0x85; at++)
		assert_int_not_equal(plan_site(plan, MAKE_CODE + at, &s), 0);
	assert_int_equal(plan_site(plan, MAKE_CODE + 0x84, &s), SONDE_E_OVERLAP);
}

/* The other way for a site of class S1: its own bytes are no obstacle. */
static void another_way(void **state)
{
	struct plan_site s, w;
	(void)state;

	make_begin(&elf, false);
	make_func(&elf, "f", 0x40, PLAIN, 7);
	make_func(&elf, "g", 0x80, PLAIN, 7);
	ready();
	assert_int_equal(plan_site(plan, MAKE_CODE + 0x40, &s), 0);
	assert_int_equal(s.site.class, WIRE_CLASS_S1);
	assert_int_equal(s.site.ncut, 1);
	assert_int_equal(plan_window(plan, MAKE_CODE + 0x40, &s, &w), 0);
	assert_int_equal(w.site.class, WIRE_CLASS_W);
	assert_int_equal(w.site.rel_mask, 0);
	assert_int_equal(plan_site(plan, MAKE_CODE + 0x44, &s), SONDE_E_OVERLAP);
	/* a site between, that came first */
	assert_int_equal(plan_site(plan, MAKE_CODE + 0x84, &s), 0);
	assert_true(s.site.class != WIRE_CLASS_NONE);
	if (!plan_site(plan, MAKE_CODE + 0x80, &s))
		assert_int_equal(plan_window(plan, MAKE_CODE + 0x80, &s, &w), SONDE_E_OVERLAP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(plain, end),
		cmocka_unit_test(table),
		cmocka_unit_test_teardown(symbol_inside, end),
		cmocka_unit_test_teardown(nowhere, end),
		cmocka_unit_test_teardown(overlap, end),
		cmocka_unit_test_teardown(another_way, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

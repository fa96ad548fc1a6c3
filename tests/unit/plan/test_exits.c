/* SPDX-License-Identifier: MIT */
/* Where functions are left, why that may not be all, and how exits that stand together get jumps.
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

static struct make_elf elf;
static struct image *img;
static struct plan *plan;
static struct plan_exits e;

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
	plan_exits_free(&e);
	plan_close(plan);
	image_close(img);
	plan = NULL;
	img = NULL;
	return 0;
}

static int find(uint64_t off)
{
	return plan_exits_find(plan, elf.base + MAKE_CODE + off, &e);
}

static void assert_exit(size_t i, uint64_t off, enum plan_exit_kind kind)
{
	assert_true(i < e.n);
	assert_int_equal(e.exit[i].vaddr, elf.base + MAKE_CODE + off);
	assert_int_equal(e.exit[i].kind, kind);
}

/* One function at 0x40 and one at 0x80; exits of the first: offset and kind. */
static const struct {
	const char *what, *code, *other;
	uint8_t n, nother;
	int err;
	struct {
		uint8_t off, kind;
	} exit[3];
	uint8_t nexits;
} cases[] = {
	{"a return", "\x31\xc0\xc3", "\xc3", 3, 1, 0, {{2, PLAN_EXIT_RETURN}}, 1},
	{"two",
	 "\x74\x01\xc3\xc3",
	 "\xc3",
	 4,
	 1,
	 0,
	 {{2, PLAN_EXIT_RETURN}, {3, PLAN_EXIT_RETURN}},
	 2},
	{"with a number", "\xc2\x08\0", "\xc3", 3, 1, 0, {{0, PLAN_EXIT_RETURN}}, 1},
	{"a tail jump", "\x31\xc0\xe9\x39\0\0\0", "\xc3", 7, 1, 0, {{2, PLAN_EXIT_JUMP}}, 1},
	{"a short one", "\xeb\x3e", "\xc3", 2, 1, 0, {{0, PLAN_EXIT_JUMP}}, 1},
	{"a conditional one",
	 "\x0f\x84\x3a\0\0\0\xc3",
	 "\xc3",
	 7,
	 1,
	 0,
	 {{0, PLAN_EXIT_JUMP_IF}, {6, PLAN_EXIT_RETURN}},
	 2},
	{"to where nothing is known",
	 "\xe9\x3b\x02\0\0",
	 "\xc3",
	 5,
	 1,
	 0,
	 {{0, PLAN_EXIT_JUMP}},
	 1},
	{"into another function",
	 "\x74\x02\x31\xc0\xe9\x38\0\0\0",
	 "\x90\xc3",
	 9,
	 2,
	 SONDE_E_SHARED,
	 {{4, PLAN_EXIT_JUMP}},
	 1},
	{"to an argument", "\x31\xc0\xff\xe7", "\xc3", 4, 1, 0, {{2, PLAN_EXIT_JUMP_IND}}, 1},
	{"to what memory holds", "\xff\x67\x08", "\xc3", 3, 1, 0, {{0, PLAN_EXIT_JUMP_IND}}, 1},
	{"to what nobody knows",
	 "\x48\x01\xc8\xff\xe0",
	 "\xc3",
	 5,
	 1,
	 SONDE_E_INDIRECT,
	 {{3, PLAN_EXIT_JUMP_IND}},
	 1},
	{"a loop", "\x31\xc0\xeb\xfc", "\xc3", 4, 1, 0, {{0, 0}}, 0},
	{"a call that does not return", "\x50\xe8\x3a\0\0\0", "\xc3", 6, 1, 0, {{0, 0}}, 0},
	{"falls out of the end", "\x31\xc0", "\xc3", 2, 1, SONDE_E_SHARED, {{0, 0}}, 0},
	{"bytes that are none",
	 "\x74\x01\xc3\x06\xc3",
	 "\xc3",
	 5,
	 1,
	 SONDE_E_DECODE,
	 {{2, PLAN_EXIT_RETURN}},
	 1},
	{"ud2", "\x74\x01\xc3\x0f\x0b", "\xc3", 5, 1, 0, {{2, PLAN_EXIT_RETURN}}, 1},
};

static void table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int err;

		make_begin(&elf, false);
		make_func(&elf, "f", 0x40, cases[i].code, cases[i].n);
		make_func(&elf, "other", 0x80, cases[i].other, cases[i].nother);
		ready();
		err = find(0x40);
		if (err != cases[i].err || e.n != cases[i].nexits)
			fail_msg("%s: %s and %zu exits", cases[i].what,
				 err ? sonde_err_name(err) : "0", e.n);
		for (size_t k = 0; k < cases[i].nexits; k++)
			assert_exit(k, 0x40u + cases[i].exit[k].off, cases[i].exit[k].kind);
		end(state);
	}
}

static void no_function(void **state)
{
	(void)state;
	make_begin(&elf, false);
	make_func(&elf, "f", 0x40, "\x31\xc0\xc3", 3);
	ready();
	assert_int_equal(find(0x42), SONDE_E_NO_FUNCTION);
	assert_int_equal(find(0x400), SONDE_E_NO_FUNCTION);
	assert_int_equal(plan_exits_find(plan, UINT64_MAX, &e), SONDE_E_NO_FUNCTION);
	assert_int_equal(e.n, 0);
}

/* What only a conditional jump leads to, and goes on in the middle, belongs to the function. */
static void cold_part(void **state)
{
	(void)state;
	make_begin(&elf, false);
	/* je part; 1: ret; the part: nop; je 1b; ret */
	make_func(&elf, "f", 0x40, "\x90\x0f\x84\x39\0\0\0\xc3", 8);
	make_func(&elf, "f.cold", 0x80, "\x90\x74\xc4\xc3", 4);
	ready();
	assert_false(plan_is_part(plan, MAKE_CODE + 0x40));
	assert_true(plan_is_part(plan, MAKE_CODE + 0x80));
	assert_int_equal(find(0x40), 0);
	assert_int_equal(e.n, 2);
	assert_exit(0, 0x47, PLAN_EXIT_RETURN);
	assert_exit(1, 0x83, PLAN_EXIT_RETURN);
	assert_int_equal(find(0x80), SONDE_E_NO_FUNCTION);
}

static void place(uint32_t classes, struct plan_site *site, int want)
{
	assert_int_equal(plan_exits_place(plan, &e, classes, site), want);
}

/* The first return would take the bytes of the second one if it were not asked to go around. */
static void near_exits(void **state)
{
	struct plan_site site[2];
	(void)state;

	make_begin(&elf, false);
	make_fill(&elf, 0xcc);
	make_func(&elf, "f", 0x40, "\xb8\x01\0\0\0\x74\x01\xc3\xb8\x02\0\0\0\xc3", 14);
	ready();
	assert_int_equal(find(0x40), 0);
	assert_int_equal(e.n, 2);
	place(PLAN_ONE_STORE | PLAN_EARLY, site, 0);
	for (int i = 0; i < 2; i++) {
		uint64_t hit = site[i].site.vaddr + site[i].site.hit_at;

		assert_true(site[i].site.class != WIRE_CLASS_NONE);
		assert_int_equal(hit, e.exit[i].vaddr);
	}
	assert_true(site[0].site.vaddr + site[0].site.ncut <= site[1].site.vaddr);
}

/* No room at all: said, and nothing is kept of it. */
static void no_room(void **state)
{
	struct plan_site site[2], again;
	(void)state;

	make_begin(&elf, true);
	/* 1: ret; jmp 1b; the bytes behind lead below address 0 */
	make_func(&elf, "f", 0x40, "\xc3\xeb\xfd\x90\x90", 5);
	ready();
	assert_int_equal(find(0x40), SONDE_E_SHARED);
	assert_int_equal(e.n, 1);
	place(PLAN_ONE_STORE | PLAN_EARLY, site, SONDE_E_TOO_SHORT);
	assert_int_equal(site[0].site.class, WIRE_CLASS_NONE);
	place(PLAN_ALL, site, 0);
	assert_int_equal(site[0].site.class, WIRE_CLASS_S5);
	assert_int_equal(plan_site_in(plan, e.exit[0].vaddr, PLAN_ALL, &again), SONDE_E_OVERLAP);
	plan_release(plan, &site[0]);
	assert_int_equal(plan_site_in(plan, e.exit[0].vaddr, PLAN_ALL, &again), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test_teardown(no_function, end),
		cmocka_unit_test_teardown(cold_part, end),
		cmocka_unit_test_teardown(near_exits, end),
		cmocka_unit_test_teardown(no_room, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

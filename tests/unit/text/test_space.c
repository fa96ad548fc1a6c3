/* SPDX-License-Identifier: MIT */
/* Free addresses: over lists made by hand, and over this process's own mappings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/base.h"
#include "maps.h"
#include "text/space.h"

#define PAGE 4096ull
#define LOWEST 0x10000ull
#define HIGHEST 0x7fffffffe000ull
#define ROOM (256ull << 20) /* kept free for the heap and for the stack */

static struct space_range list[] = {
	{0x100000, 0x110000}, {0x200000, 0x203000}, {0x204000, 0x300000}, {0x10000000, 0x10001000}};
static const struct space hand = {list, ARRAY_LEN(list), 0};
static const struct space empty = {list, 0, 0};

static void is_free(void **state)
{
	(void)state;
	assert_true(space_is_free(&hand, 0x110000, 0x200000));
	assert_true(space_is_free(&hand, 0x203000, 0x204000));
	assert_true(space_is_free(&hand, 0x10001000, HIGHEST));
	assert_false(space_is_free(&hand, 0x10ffff, 0x110001));
	assert_false(space_is_free(&hand, 0x1ff000, 0x200001));
	assert_false(space_is_free(&hand, 0x203000, 0x204001));
	assert_false(space_is_free(&hand, 0x202fff, 0x204000));
	assert_false(space_is_free(&hand, 0x90000, 0x20000000));
	assert_false(space_is_free(&hand, 0x101000, 0x102000));
}

static void edges_of_user_space(void **state)
{
	(void)state;
	assert_true(space_is_free(&empty, LOWEST, HIGHEST));
	assert_false(space_is_free(&empty, LOWEST - 1, 0x20000));
	assert_false(space_is_free(&empty, 0x20000, HIGHEST + 1));
	assert_false(space_is_free(&empty, 0x20000, 0x20000));
	assert_false(space_is_free(&empty, 0x20000, 0x1f000));
	assert_int_equal(space_find(&empty, PAGE, 0, UINT64_MAX, 0), LOWEST);
	assert_int_equal(space_find(&empty, PAGE, 0, UINT64_MAX, UINT64_MAX), HIGHEST - PAGE);
	assert_int_equal(space_find(&empty, HIGHEST - LOWEST, 0, UINT64_MAX, 0), LOWEST);
	assert_int_equal(space_find(&empty, HIGHEST - LOWEST + PAGE, 0, UINT64_MAX, 0), 0);
}

static void find_below(void **state)
{
	(void)state;
	assert_int_equal(space_find(&hand, PAGE, LOWEST, HIGHEST, 0x150000), 0x14f000);
	/* from inside a mapping: right below it */
	assert_int_equal(space_find(&hand, PAGE, LOWEST, HIGHEST, 0x201000), 0x1ff000);
	assert_int_equal(space_find(&hand, PAGE, LOWEST, HIGHEST, 0x204000), 0x203000);
	/* the gap of one page is too small */
	assert_int_equal(space_find(&hand, 2 * PAGE, LOWEST, HIGHEST, 0x204000), 0x1fe000);
	/* and this gap as well */
	assert_int_equal(space_find(&hand, 0xf1000, LOWEST, HIGHEST, 0x204000), 0x300000);
	assert_int_equal(space_find(&hand, 0xf0000, LOWEST, HIGHEST, 0x204000), 0x110000);
}

static void find_above(void **state)
{
	(void)state;
	assert_int_equal(space_find(&hand, PAGE, 0x204000, HIGHEST, 0x204000), 0x300000);
	assert_int_equal(space_find(&hand, PAGE, 0x208000, HIGHEST, 0x205000), 0x300000);
	assert_int_equal(space_find(&hand, 0xfd00000, 0x204000, HIGHEST, 0x204000), 0x300000);
	assert_int_equal(space_find(&hand, 0xfd01000, 0x204000, HIGHEST, 0x204000), 0x10001000);
}

static void find_within(void **state)
{
	(void)state;
	assert_int_equal(space_find(&hand, PAGE, 0x200000, 0x204000, 0x300000), 0x203000);
	assert_int_equal(space_find(&hand, PAGE, 0x200000, 0x203fff, 0x300000), 0);
	assert_int_equal(space_find(&hand, PAGE, 0x203001, 0x204000, 0x200000), 0);
	assert_int_equal(space_find(&hand, PAGE, 0x110800, 0x112800, 0x110000), 0x111000);
	assert_int_equal(space_find(&hand, PAGE, 0x110800, 0x112800, 0x120000), 0x111000);
	assert_int_equal(space_find(&hand, PAGE, 0x100000, 0x110000, 0x108000), 0);
	assert_int_equal(space_find(&hand, PAGE, 0x20000, 0x10000, 0x15000), 0);
	/* @near outside on either side */
	assert_int_equal(space_find(&hand, PAGE, 0x120000, 0x130000, 0x10000000), 0x12f000);
	assert_int_equal(space_find(&hand, PAGE, 0x120000, 0x130000, LOWEST), 0x120000);
}

static void every_mapping_is_taken(void **state)
{
	FILE *f = fopen("/proc/self/maps", "r");
	struct space sp;
	char line[512];
	(void)state;

	assert_int_equal(space_read(&sp, SPACE_HEAP_ROOM), 0);
	assert_true(sp.n > 1);
	while (fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		assert_int_equal(sscanf(line, "%lx-%lx", &start, &end), 2);
		/* the list itself was mapped behind the look */
		if ((uint64_t)sp.taken >= start && (uint64_t)sp.taken < end)
			continue;
		for (uint64_t pg = start; pg < end && pg < start + 16 * PAGE; pg += PAGE)
			assert_false(space_is_free(&sp, pg, pg + PAGE));
		assert_false(space_is_free(&sp, end - PAGE, end));
	}
	fclose(f);
	for (size_t i = 0; i < sp.n; i++) {
		assert_true(sp.taken[i].start < sp.taken[i].end);
		assert_true(!i || sp.taken[i].start > sp.taken[i - 1].end);
	}
	space_free(&sp);
	assert_null(sp.taken);
}

static void what_grows_has_room(void **state)
{
	uint64_t brk = (uint64_t)sbrk(0), stack = (uint64_t)&brk;
	struct space sp;
	(void)state;

	assert_int_equal(space_read(&sp, SPACE_HEAP_ROOM), 0);
	for (uint64_t at = PAGE; at < ROOM; at += ROOM / 64) {
		uint64_t pg = ALIGN_DOWN(brk + at, PAGE);

		assert_false(space_is_free(&sp, pg, pg + PAGE));
		pg = ALIGN_DOWN(stack - at, PAGE);
		assert_false(space_is_free(&sp, pg, pg + PAGE));
	}
	space_free(&sp);
}

static void a_new_mapping_is_seen(void **state)
{
	uint64_t at = FREE_LAND + 16 * PAGE;
	struct space sp;
	(void)state;

	assert_int_equal(space_read(&sp, SPACE_HEAP_ROOM), 0);
	assert_true(space_is_free(&sp, at, at + 2 * PAGE));
	assert_int_equal(space_find(&sp, PAGE, at, at + 4 * PAGE, at), at);
	space_free(&sp);
	assert_true(maps_take(at, PAGE, PROT_NONE));
	assert_int_equal(space_read(&sp, SPACE_HEAP_ROOM), 0);
	assert_false(space_is_free(&sp, at, at + 2 * PAGE));
	assert_true(space_is_free(&sp, at + PAGE, at + 2 * PAGE));
	assert_int_equal(space_find(&sp, PAGE, at, at + 4 * PAGE, at), at + PAGE);
	space_free(&sp);
	munmap((void *)at, PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_free),
		cmocka_unit_test(edges_of_user_space),
		cmocka_unit_test(find_below),
		cmocka_unit_test(find_above),
		cmocka_unit_test(find_within),
		cmocka_unit_test(every_mapping_is_taken),
		cmocka_unit_test(what_grows_has_room),
		cmocka_unit_test(a_new_mapping_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

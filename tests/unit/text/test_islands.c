/* SPDX-License-Identifier: MIT */
/* Addresses for islands, and their pages: in a land that is free but for what a test takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/err.h"
#include "maps.h"
#include "text/islands.h"

#define PAGE 4096ull
#define FROM (FREE_LAND + (4ull << 30)) /* page-aligned, 4 GiB free on both sides */
#define PER_PAGE (PAGE / ISLAND_SIZE)
#define END 0x7fffffffe000ull

static struct space_range list[8];
static struct space space;
static struct islands is;

static int setup(void **state)
{
	(void)state;
	space = (struct space){list, 0, 0};
	if (islands_open(&is, 1000))
		return -1;
	is.space = &space;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	islands_close(&is);
	return 0;
}

/* In order of address. */
static void take(uint64_t start, uint64_t end)
{
	list[space.n++] = (struct space_range){start, end};
}

static uint64_t place(uint32_t mask, uint32_t value)
{
	return islands_place(&is, FROM, mask, value);
}

static void exact(void **state)
{
	(void)state;
	assert_int_equal(place(0xffffffff, 0x1000), FROM + 0x1000);
	assert_int_equal(place(0xffffffff, 0xfffff000), FROM - 0x1000);
	/* each of its bytes is taken, none besides */
	assert_int_equal(place(0xffffffff, 0x1000), 0);
	assert_int_equal(place(0xffffffff, 0x1000 + ISLAND_SIZE - 1), 0);
	assert_int_equal(place(0xffffffff, 0x1000 - ISLAND_SIZE + 1), 0);
	assert_int_equal(place(0xffffffff, 0x1000 + ISLAND_SIZE), FROM + 0x1000 + ISLAND_SIZE);
	assert_int_equal(place(0xffffffff, 0x1000 - ISLAND_SIZE), FROM + 0x1000 - ISLAND_SIZE);
}

static void exact_over_two_pages(void **state)
{
	(void)state;
	take(FROM + 0x3000, FROM + 0x4000);
	assert_int_equal(place(0xffffffff, 0x1ffa), FROM + 0x1ffa);
	assert_int_equal(place(0xffffffff, 0x2ffa), 0);
	assert_int_equal(place(0xffffffff, 0x3ffa), 0);
	assert_int_equal(place(0xffffffff, 0x3000 - ISLAND_SIZE), FROM + 0x3000 - ISLAND_SIZE);
	assert_int_equal(place(0xffffffff, 0x3000 - 2 * ISLAND_SIZE + 1), 0);
}

/* 256 addresses; the last island may reach out of them. */
static void narrow(void **state)
{
	uint64_t lo = FROM + 0x44332200, last = lo;
	(void)state;

	assert_int_equal(place(0xffffff00, 0x44332200), lo);
	for (unsigned int n = 1; n < 19; n++) {
		uint64_t at = place(0xffffff00, 0x44332200);

		assert_true(at >= last + ISLAND_SIZE && at < lo + 256);
		last = at;
	}
	assert_int_equal(place(0xffffff00, 0x44332200), 0);
	/* others have their own */
	assert_in_range(place(0xffffff00, 0x44332300), lo + 256, lo + 512);
}

static void narrow_where_half_is_taken(void **state)
{
	uint64_t from = FROM + 0x80; /* so that the window lies across the end of a page */
	(void)state;

	take(FROM, FROM + PAGE);
	take(FROM + 2 * PAGE, FROM + 3 * PAGE);
	assert_int_equal(islands_place(&is, from, 0xffffff00, 0xf00), FROM + PAGE);
	assert_int_equal(islands_place(&is, from, 0xffffff00, 0x2000), 0);
	assert_int_equal(islands_place(&is, from, 0xffffff00, 0x2f00), FROM + 3 * PAGE);
}

/* 64 KiB: pages that are in use are filled before others are begun. */
static void middling(void **state)
{
	size_t first;
	(void)state;

	assert_int_equal(place(0xffffffff, 0x5800), FROM + 0x5800);
	for (first = 0; first < PER_PAGE / 2; first++)
		assert_in_range(place(0xffff0000, 0), FROM + 0x5000, FROM + 0x6000 - ISLAND_SIZE);
	assert_int_equal(is.npages, 1);
	for (size_t n = first; n < 16 * (PER_PAGE - 1); n++)
		assert_in_range(place(0xffff0000, 0), FROM, FROM + 0xffff);
	assert_int_equal(is.npages, 16);
	for (size_t n = 0; n < 32; n++)
		place(0xffff0000, 0);
	assert_int_equal(place(0xffff0000, 0), 0);
}

/* 16 MiB: the first free page, then the same again until it is full. */
static void wide(void **state)
{
	(void)state;
	take(FROM + 0x12000000, FROM + 0x12345000);
	assert_int_equal(place(0xff000000, 0x12000000), FROM + 0x12345000);
	for (size_t n = 1; n < PER_PAGE; n++)
		assert_int_equal(place(0xff000000, 0x12000000),
				 FROM + 0x12345000 + n * ISLAND_SIZE);
	assert_int_equal(place(0xff000000, 0x12000000), FROM + 0x12346000);
	assert_int_equal(is.npages, 2);
}

static void wide_and_taken(void **state)
{
	(void)state;
	take(FROM, FROM + 0x2000000);
	assert_int_equal(place(0xff000000, 0x01000000), 0);
	assert_int_equal(place(0xff000000, 0x02000000), FROM + 0x2000000);
	/* below */
	assert_in_range(place(0xff000000, 0xff000000), FROM - 0x1000000, FROM - 1);
}

/* Free high bytes: near addresses before far ones, and below as well as above. */
static void high_bytes(void **state)
{
	(void)state;
	assert_int_equal(place(0x00ffffff, 0x345678), FROM + 0x345678);
	assert_int_equal(place(0x00ffffff, 0x345678), FROM + 0x345678 - 0x1000000);
	assert_int_equal(place(0x00ffffff, 0x345678), FROM + 0x345678 + 0x1000000);
	/* the only free address is far away */
	take(0, FROM + 0x70000000);
	take(FROM + 0x71000000, END);
	assert_int_equal(place(0x00ffffff, 0x456789), FROM + 0x70456789);
	assert_int_equal(place(0x00ffffff, 0x456789), 0);
	/* two free bytes of which one makes windows and one is their width */
	assert_in_range(place(0x00ffff00, 0x567800), FROM + 0x70567800, FROM + 0x705678ff);
}

static void high_bytes_below(void **state)
{
	(void)state;
	take(0, FROM - 0x80000000ull);
	take(FROM - 0x7f000000ull, END);
	assert_int_equal(place(0x00ffffff, 0x123456), FROM - 0x80000000ull + 0x123456);
}

static void nowhere(void **state)
{
	(void)state;
	take(0, END);
	assert_int_equal(place(0xffffffff, 0x1000), 0);
	assert_int_equal(place(0xffffff00, 0x1000), 0);
	assert_int_equal(place(0xffff0000, 0), 0);
	assert_int_equal(place(0xff000000, 0), 0);
	assert_int_equal(place(0x00ffffff, 0), 0);
	assert_int_equal(is.npages, 0);
}

static void map_write_seal_drop(void **state)
{
	static const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xc3};
	uint64_t at[3] = {place(0xffffffff, 0x7000), place(0xffffffff, 0x2ffa),
			  place(0xffffffff, 0x8000)};
	(void)state;

	islands_map(&is);
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		assert_true(islands_mapped(&is, at[i]));
		assert_string_equal(maps_at(at[i]), "rw-p");
		memcpy((void *)at[i], code, sizeof(code));
	}
	assert_string_equal(maps_at(FROM + 0x6000), "");
	assert_string_equal(maps_at(FROM + 0x9000), "");
	assert_int_equal(islands_seal(&is), 0);
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		assert_string_equal(maps_at(at[i]), "r-xp");
		assert_int_equal(((int (*)(void))at[i])(), 42);
	}
	assert_string_equal(maps_at(FROM + 0x3000), "r-xp");
	islands_drop(&is);
	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		assert_string_equal(maps_at(at[i]), "");
}

/* Somebody maps a page between our look and our mapping: its whole run fails, and no other. */
static void quicker(void **state)
{
	uint64_t a = place(0xffffffff, 0x1000), b = place(0xffffffff, 0x2000);
	uint64_t c = place(0xffffffff, 0x4000), across = place(0xffffffff, 0x4ffa);
	(void)state;

	assert_true(maps_take(FROM + 0x2000, PAGE, PROT_NONE));
	islands_map(&is);
	assert_false(islands_mapped(&is, a));
	assert_false(islands_mapped(&is, b));
	assert_true(islands_mapped(&is, c));
	assert_true(islands_mapped(&is, across));
	assert_int_equal(islands_seal(&is), 0);
	assert_string_equal(maps_at(a), "");
	assert_string_equal(maps_at(b), "---p");
	assert_string_equal(maps_at(c), "r-xp");
	islands_drop(&is);
	/* what is not ours stays */
	assert_string_equal(maps_at(b), "---p");
	munmap((void *)b, PAGE);
}

static void never_asked_for(void **state)
{
	(void)state;
	assert_false(islands_mapped(&is, FROM));
	islands_map(&is);
	assert_int_equal(islands_seal(&is), 0);
}

static void seal_that_fails(void **state)
{
	uint64_t at = place(0xffffffff, 0x1000);
	(void)state;

	islands_map(&is);
	munmap((void *)at, PAGE);
	assert_int_equal(islands_seal(&is), SONDE_E_PROTECT);
	islands_drop(&is);
}

/* Many islands in no order: none overlaps another, all their pages come. */
static void many(void **state)
{
	static uint64_t at[1000];
	uint32_t x = 12345;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		x = x * 1103515245 + 12345;
		at[i] = place(0xffffff00, (x >> 4) & 0xffff00);
		assert_int_not_equal(at[i], 0);
	}
	islands_map(&is);
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		assert_true(islands_mapped(&is, at[i]));
		for (size_t b = 0; b < ISLAND_SIZE; b++) {
			assert_int_equal(((uint8_t *)at[i])[b], 0);
			((uint8_t *)at[i])[b] = 1;
		}
	}
	islands_drop(&is);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(exact, setup, teardown),
		cmocka_unit_test_setup_teardown(exact_over_two_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(narrow, setup, teardown),
		cmocka_unit_test_setup_teardown(narrow_where_half_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(middling, setup, teardown),
		cmocka_unit_test_setup_teardown(wide, setup, teardown),
		cmocka_unit_test_setup_teardown(wide_and_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(high_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(high_bytes_below, setup, teardown),
		cmocka_unit_test_setup_teardown(nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(map_write_seal_drop, setup, teardown),
		cmocka_unit_test_setup_teardown(quicker, setup, teardown),
		cmocka_unit_test_setup_teardown(never_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(seal_that_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

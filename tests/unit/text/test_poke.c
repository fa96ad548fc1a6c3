/* SPDX-License-Identifier: MIT */
/* One batch of stores: what differs is left alone, and the page is as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/err.h"
#include "maps.h"
#include "text/poke.h"

#define PAGE 4096ull
#define AT FREE_LAND

static void batch(void **state)
{
	struct poke p[] = {{AT + 8, 0, 1, 0}, {AT + 16, 7, 2, 0}, {AT + PAGE, 0, 3, 0}};
	(void)state;

	assert_true(maps_take(AT, 2 * PAGE, PROT_READ | PROT_EXEC));
	assert_int_equal(poke_batch(p, ARRAY_LEN(p), AT, AT + 2 * PAGE), 0);
	assert_true(p[0].done);
	assert_false(p[1].done);
	assert_true(p[2].done);
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		assert_int_equal(*(uint64_t *)p[i].addr, p[i].done ? p[i].new : 0);
	assert_string_equal(maps_at(AT), "r-xp");
	assert_string_equal(maps_at(AT + PAGE), "r-xp");
	munmap((void *)AT, 2 * PAGE);
}

static void hole(void **state)
{
	struct poke p = {AT, 0, 1, 0};
	(void)state;

	assert_true(maps_take(AT, PAGE, PROT_READ | PROT_EXEC));
	assert_int_equal(poke_batch(&p, 1, AT, AT + 2 * PAGE), SONDE_E_PROTECT);
	assert_false(p.done);
	assert_int_equal(*(uint64_t *)AT, 0);
	assert_string_equal(maps_at(AT), "r-xp");
	munmap((void *)AT, PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batch),
		cmocka_unit_test(hole),
	};

	poke_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

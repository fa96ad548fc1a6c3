/* SPDX-License-Identifier: MIT */
/* Merging maps over threads; clear, zero and delete. */
#include <errno.h>

#include "fixture.h"

static void counts_add_up(void **state)
{
	struct fix f;
	struct wire_block *a, *b;

	(void)state;
	fix_make(&f, 16, 0);
	fix_map(&f, WIRE_MAP_COUNT, 0);
	fix_map(&f, WIRE_MAP_COUNT, 8);
	fix_open(&f);
	assert_int_equal(fix_nrows(&f, 0), 0);
	a = fix_block(&f, 1, 1, 0);
	b = fix_block(&f, 1, 2, 0);
	assert_int_equal(fix_nrows(&f, 0), 0);
	*fix_scalar(&f, a, 0) = 5;
	*fix_scalar(&f, b, 0) = 6;
	for (uint64_t k = 0; k < 3000; k++) {
		*fix_keyed(&f, a, 1, k) = 1;
		*fix_keyed(&f, b, 1, k + 1000) = 10;
	}
	assert_int_equal(fix_value(&f, 0, 0, 0), 11);
	assert_int_equal(fix_nrows(&f, 1), 4000);
	assert_int_equal(fix_value(&f, 1, 5, 0), 1);
	assert_int_equal(fix_value(&f, 1, 1500, 0), 11);
	assert_int_equal(fix_value(&f, 1, 3999, 0), 10);
	assert_int_equal(fix_value(&f, 1, 4000, 0), -1);
	fix_free(&f);
}

static void sums_and_histograms_add_up(void **state)
{
	struct fix f;
	struct wire_block *a, *b;

	(void)state;
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_SUM, 8)->is_signed = 1;
	fix_map(&f, WIRE_MAP_HIST, 0);
	fix_open(&f);
	a = fix_block(&f, 1, 1, 0);
	b = fix_block(&f, 1, 2, 0);
	fix_keyed(&f, a, 0, 9)[0] = (uint64_t)-30;
	fix_keyed(&f, a, 0, 9)[1] = 2;
	fix_keyed(&f, b, 0, 9)[0] = 10;
	fix_keyed(&f, b, 0, 9)[1] = 1;
	fix_scalar(&f, a, 1)[wire_hist_bucket(100, 0)] = 3;
	fix_scalar(&f, b, 1)[wire_hist_bucket(100, 0)] = 4;
	assert_int_equal(fix_value(&f, 0, 9, 0), -20);
	assert_int_equal(fix_value(&f, 0, 9, 1), 3);
	assert_int_equal(fix_value(&f, 1, 0, wire_hist_bucket(100, 0)), 7);
	fix_free(&f);
}

static void extreme(struct fix *f, struct wire_block *b, uint32_t map, int64_t v)
{
	uint64_t *cell = fix_scalar(f, b, map),
		 code = wire_extreme(fix_wire_map(f, map), (uint64_t)v);

	if (code > cell[0])
		cell[0] = code;
	cell[1]++;
}

static void extremes_are_decoded(void **state)
{
	struct fix f;
	struct wire_block *a, *b;

	(void)state;
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_MIN, 0)->is_signed = 1;
	fix_map(&f, WIRE_MAP_MAX, 0)->is_signed = 1;
	fix_map(&f, WIRE_MAP_MAX, 0);
	fix_open(&f);
	a = fix_block(&f, 1, 1, 0);
	b = fix_block(&f, 1, 2, 0);
	fix_block(&f, 1, 3, 0); /* has counted nothing: must not win */
	for (uint32_t m = 0; m < 3; m++) {
		extreme(&f, a, m, -5);
		extreme(&f, b, m, -9);
	}
	assert_int_equal(fix_value(&f, 0, 0, 0), -9);
	assert_int_equal(fix_value(&f, 1, 0, 0), -5);
	assert_int_equal(fix_value(&f, 2, 0, 0), -5); /* as unsigned numbers */
	assert_int_equal(fix_value(&f, 0, 0, 1), 2);
	assert_int_equal(read_zero(f.r, 0), 0);
	assert_int_equal(fix_value(&f, 0, 0, 0), 0);
	fix_free(&f);
}

static void clear_removes_what_was_there(void **state)
{
	struct fix f;
	struct wire_block *a;

	(void)state;
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_COUNT, 8);
	fix_map(&f, WIRE_MAP_PLAIN, 8);
	fix_open(&f);
	a = fix_block(&f, 1, 1, 0);
	*fix_keyed(&f, a, 0, 1) = 5;
	*fix_keyed(&f, a, 0, 2) = 5;
	fix_plain(&f, 1, 3, 1, 77);
	assert_int_equal(read_clear(f.r, 0), 0);
	assert_int_equal(read_clear(f.r, 1), 0);
	assert_int_equal(fix_nrows(&f, 0), 0);
	assert_int_equal(fix_nrows(&f, 1), 0);
	*fix_keyed(&f, a, 0, 2) += 3;
	assert_int_equal(fix_nrows(&f, 0), 1);
	assert_int_equal(fix_value(&f, 0, 2, 0), 3);
	assert_int_equal(read_clear(f.r, 7), -EINVAL);
	fix_free(&f);
}

static void zero_keeps_keys(void **state)
{
	struct fix f;
	struct wire_block *a;

	(void)state;
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_COUNT, 8);
	fix_map(&f, WIRE_MAP_PLAIN, 8);
	fix_map(&f, WIRE_MAP_COUNT, 0);
	fix_open(&f);
	a = fix_block(&f, 1, 1, 0);
	*fix_keyed(&f, a, 0, 1) = 5;
	*fix_keyed(&f, a, 0, 2) = 5;
	*fix_scalar(&f, a, 2) = 9;
	fix_plain(&f, 1, 3, 1, 77);
	for (uint32_t m = 0; m < 3; m++)
		assert_int_equal(read_zero(f.r, m), 0);
	assert_int_equal(fix_nrows(&f, 0), 2);
	assert_int_equal(fix_value(&f, 0, 1, 0), 0);
	assert_int_equal(fix_value(&f, 1, 1, 0), 0);
	assert_int_equal(fix_value(&f, 2, 0, 0), 0);
	*fix_keyed(&f, a, 0, 1) += 2;
	*fix_scalar(&f, a, 2) += 1;
	assert_int_equal(fix_value(&f, 0, 1, 0), 2);
	assert_int_equal(fix_value(&f, 0, 2, 0), 0);
	assert_int_equal(fix_value(&f, 2, 0, 0), 1);
	assert_int_equal(read_clear(f.r, 0), 0);
	assert_int_equal(fix_nrows(&f, 0), 0);
	fix_free(&f);
}

static void delete_is_exact(void **state)
{
	struct fix f;
	struct wire_block *a, *b;
	uint64_t key = 2, none = 99;

	(void)state;
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_COUNT, 8);
	fix_map(&f, WIRE_MAP_COUNT, 0);
	fix_map(&f, WIRE_MAP_PLAIN, 8);
	fix_open(&f);
	a = fix_block(&f, 1, 1, 0);
	b = fix_block(&f, 1, 2, 0);
	*fix_keyed(&f, a, 0, 1) = 5;
	*fix_keyed(&f, a, 0, 2) = 6;
	*fix_keyed(&f, b, 0, 2) = 7;
	assert_int_equal(read_delete(f.r, 0, &key), 0);
	assert_int_equal(fix_nrows(&f, 0), 1);
	assert_int_equal(read_delete(f.r, 0, &none), 0);
	*fix_keyed(&f, b, 0, 2) += 1;
	assert_int_equal(fix_value(&f, 0, 2, 0), 1);
	assert_int_equal(fix_value(&f, 0, 1, 0), 5);
	assert_int_equal(read_delete(f.r, 1, &key), -EINVAL);
	assert_int_equal(read_delete(f.r, 2, &key), -EINVAL);
	fix_free(&f);
}

static void delete_needs_an_early_reader(void **state)
{
	struct fix f;
	uint64_t key = 2;

	(void)state;
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_COUNT, 8);
	*fix_keyed(&f, fix_block(&f, 1, 1, 0), 0, 2) = 5;
	fix_open(&f);
	assert_int_equal(fix_value(&f, 0, 2, 0), 5);
	assert_int_equal(read_delete(f.r, 0, &key), -ENOTSUP);
	fix_free(&f);
}

static void plain_slots_are_read_when_live(void **state)
{
	struct fix f;
	struct wire_slot *p;

	(void)state;
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_PLAIN, 0);
	fix_map(&f, WIRE_MAP_PLAIN, 8);
	fix_open(&f);
	assert_int_equal(fix_nrows(&f, 0), 0);
	fix_plain(&f, 0, 0, 0, 42);
	fix_plain(&f, 1, 5, 500, 1);
	fix_plain(&f, 1, 6, 600, 2);
	fix_plain(&f, 1, 7, 700, 3);
	p = wire_at(f.s, fix_wire_map(&f, 1)->table_off + 6 * wire_slot_bytes(fix_wire_map(&f, 1)),
		    struct wire_slot);
	assert_int_equal(fix_value(&f, 0, 0, 0), 42);
	assert_int_equal(fix_nrows(&f, 1), 3);
	p->state = WIRE_SLOT_TRIAL;
	assert_int_equal(fix_nrows(&f, 1), 2);
	p->state = WIRE_SLOT_BUSY; /* its writer died */
	assert_int_equal(fix_nrows(&f, 1), 2);
	assert_int_equal(fix_value(&f, 1, 700, 0), 3);
	fix_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_add_up),
		cmocka_unit_test(sums_and_histograms_add_up),
		cmocka_unit_test(extremes_are_decoded),
		cmocka_unit_test(clear_removes_what_was_there),
		cmocka_unit_test(zero_keeps_keys),
		cmocka_unit_test(delete_is_exact),
		cmocka_unit_test(delete_needs_an_early_reader),
		cmocka_unit_test(plain_slots_are_read_when_live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The order of rows, and their numbers. */
#include "fixture.h"

/* The first key parts in the order to show, as text. */
static void order(struct fix *f, int64_t top, const char *expect)
{
	struct show_rows r;
	char text[256] = "";

	assert_int_equal(show_rows(&f->m, &f->rows, top, &r), 0);
	for (size_t i = 0; i < r.n; i++) {
		char one[32];

		snprintf(one, sizeof(one), "%lld ", (long long)*(const int64_t *)r.row[i]->key);
		strcat(text, one);
	}
	free(r.row);
	assert_string_equal(text, expect);
}

static void signs_matter(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_SUM, "@");

	(void)state;
	fix_key(f, SCRIPT_INT, 8);
	order(f, 0, "");
	fix_row(f, 1, 5, 1);
	fix_row(f, 2, (uint64_t)-5, 1);
	fix_row(f, 3, 0, 1);
	order(f, 0, "2 3 1 ");
	f->m.wire.is_signed = 0;
	order(f, 0, "3 1 2 ");
	order(f, 1, "2 ");
	order(f, -1, "3 1 2 ");
	fix_free(f);
}

static void equal_values_go_by_key(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_COUNT, "@");

	(void)state;
	fix_key(f, SCRIPT_INT, 8);
	fix_key(f, SCRIPT_STR, 8);
	fix_row(f, 10, 1, 0);
	fix_row(f, -2, 1, 0);
	fix_row(f, 9, 1, 0);
	fix_row(f, 9, 1, 0);
	f->k[2][1] = 'b';
	f->k[3][1] = 'a';
	order(f, 0, "-2 9 9 10 ");
	fix_free(f);
}

static void averages_rank_by_average(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_STATS, "@");

	(void)state;
	fix_key(f, SCRIPT_INT, 8);
	fix_row(f, 1, 10, 1);
	fix_row(f, 2, 12, 3);
	fix_row(f, 3, (uint64_t)-3, 1);
	fix_row(f, 4, 99, 0); /* damaged: no count */
	order(f, 0, "3 4 2 1 ");
	order(f, 2, "3 4 2 1 ");
	f->m.wire.kind = WIRE_MAP_AVG;
	order(f, 2, "2 1 ");
	fix_free(f);
}

static void histograms_rank_by_total(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_HIST, "@");

	(void)state;
	fix_key(f, SCRIPT_INT, 8);
	fix_row(f, 1, 3, 3);
	fix_row(f, 2, 0, 1)[65] = 2;
	order(f, 0, "2 1 ");
	fix_free(f);
}

static void strings_go_by_key(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_PLAIN, "@");

	(void)state;
	fix_key(f, SCRIPT_INT, 8);
	f->m.value = (struct script_type){SCRIPT_STR, false, 8};
	fix_row(f, 2, 1, 0);
	fix_row(f, 1, 2, 0);
	order(f, 0, "1 2 ");
	fix_free(f);
}

static void numbers(void **state)
{
	struct show_number x = {true, (uint64_t)-7}, y = {false, (uint64_t)-7};

	(void)state;
	assert_int_equal((int64_t)show_divide(x, 2).v, -3);
	assert_int_equal(show_divide(y, 2).v, ((uint64_t)-7) / 2);
	assert_int_equal(show_divide(y, 0).v, (uint64_t)-7);
	assert_int_equal(show_divide(y, -3).v, (uint64_t)-7);
	x.v = 1ull << 63;
	assert_int_equal((int64_t)show_divide(x, 1).v, INT64_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_matter),
		cmocka_unit_test(equal_values_go_by_key),
		cmocka_unit_test(averages_rank_by_average),
		cmocka_unit_test(histograms_rank_by_total),
		cmocka_unit_test(strings_go_by_key),
		cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

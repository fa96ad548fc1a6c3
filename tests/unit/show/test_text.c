/* SPDX-License-Identifier: MIT */
/* The text format, line by line. */
#include "fixture.h"

static void scalars(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_COUNT, "@");

	(void)state;
	fix_print(f, 0, 0);
	fix_expect(f, "@: 0\n");
	fix_row(f, 0, 5, 0);
	fix_print(f, 0, 0);
	fix_expect(f, "@: 5\n");
	fix_print(f, 0, 2);
	fix_expect(f, "@: 2\n");
	f->m.name = (char *)(uintptr_t) "@x";
	f->m.wire.kind = WIRE_MAP_PLAIN;
	f->v[0][0] = (uint64_t)-7;
	fix_print(f, 0, 2);
	fix_expect(f, "@x: -3\n");
	f->m.value.is_signed = false;
	fix_print(f, 0, 1);
	fix_expect(f, "@x: 18446744073709551609\n");
	fix_free(f);
}

static void strings_as_values(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_PLAIN, "@s");

	(void)state;
	f->m.value = (struct script_type){SCRIPT_STR, false, 16};
	f->m.wire.value_size = 16;
	fix_row(f, 0, 0, 0);
	memcpy(f->v[0], "sixteen bytes!!!", 16);
	fix_print(f, 0, 0);
	fix_expect(f, "@s: sixteen bytes!!!\n");
	fix_free(f);
}

static void rows_by_value(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_SUM, "@m");

	(void)state;
	fix_key(f, SCRIPT_INT, 8);
	fix_key(f, SCRIPT_STR, 8);
	fix_print(f, 0, 0);
	fix_expect(f, "");
	fix_row(f, 1, 30, 1);
	fix_row(f, 2, (uint64_t)-4, 1);
	fix_row(f, -3, 7, 1);
	memcpy(&f->k[0][1], "a", 1);
	memcpy(&f->k[1][1], "eightchr", 8);
	fix_print(f, 0, 0);
	fix_expect(f, "@m[2, eightchr]: -4\n@m[-3, ]: 7\n@m[1, a]: 30\n");
	fix_print(f, 2, 0);
	fix_expect(f, "@m[-3, ]: 7\n@m[1, a]: 30\n");
	fix_print(f, 1, 10);
	fix_expect(f, "@m[1, a]: 3\n");
	fix_print(f, 9, 0);
	fix_expect(f, "@m[2, eightchr]: -4\n@m[-3, ]: 7\n@m[1, a]: 30\n");
	fix_free(f);
}

static void averages_and_stats(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_AVG, "@");

	(void)state;
	fix_key(f, SCRIPT_STR, 8);
	fix_str_row(f, "d", 40, 1);
	fix_str_row(f, "a", 10, 1);
	fix_str_row(f, "c", 90, 3);
	fix_str_row(f, "b", 40, 2);
	fix_print(f, 2, 10);
	fix_expect(f, "@[c]: 3\n@[d]: 4\n\n");
	f->m.wire.kind = WIRE_MAP_STATS;
	fix_print(f, 2, 10); /* both are ignored */
	fix_expect(f,
		   "@[a]: count 1, average 10, total 10\n@[b]: count 2, average 20, total 40\n"
		   "@[c]: count 3, average 30, total 90\n@[d]: count 1, average 40, total 40\n\n");
	fix_free(f);

	f = fix_new("text", WIRE_MAP_STATS, "@x");
	fix_print(f, 0, 0);
	fix_expect(f, "@x: count 0, average 0, total 0\n\n");
	fix_row(f, 0, (uint64_t)-12, 5);
	fix_print(f, 0, 0);
	fix_expect(f, "@x: count 5, average -2, total -12\n\n");
	fix_free(f);
}

static void histograms(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_HIST, "@bytes");
	uint64_t *v;

	(void)state;
	fix_print(f, 0, 0);
	fix_expect(f, "@bytes: \n\n");
	v = fix_row(f, 0, 0, 0);
	v[0] = 1;
	v[wire_hist_bucket(3, 0)] = 2;
	v[wire_hist_bucket(4, 0)] = 1;
	fix_print(f, 0, 0);
	fix_expect(f, "@bytes: \n"
		      "(..., 0)               1 |" BAR26 "|\n"
		      "[0]                    0 |" BAR0 "|\n"
		      "[1]                    0 |" BAR0 "|\n"
		      "[2, 4)                 2 |" BAR52 "|\n"
		      "[4, 8)                 1 |" BAR26 "|\n\n");
	memset(v, 0, f->m.wire.value_size);
	v[wire_hist_bucket(700, 0)] = 10;
	v[wire_hist_bucket(1024, 0)] = 20;
	v[wire_hist_bucket(5000, 0)] = 20;
	fix_print(f, 0, 10);
	fix_expect(f, "@bytes: \n"
		      "[512, 1K)              1 |" BAR26 "|\n"
		      "[1K, 2K)               2 |" BAR52 "|\n"
		      "[2K, 4K)               0 |" BAR0 "|\n"
		      "[4K, 8K)               2 |" BAR52 "|\n\n");
	fix_free(f);
}

static void keyed_histograms(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_LHIST, "@l");

	(void)state;
	fix_lhist(f, 0, 10, 5);
	fix_key(f, SCRIPT_INT, 8);
	fix_row(f, 1, 3, 1)[2] = 2;
	fix_row(f, 2, 0, 0)[3] = 1;
	fix_print(f, 0, 100); /* div is for hist() */
	fix_expect(
		f,
		"@l[2]: \n"
		"[10, ...)              1 |" BAR52 "|\n\n"
		"@l[1]: \n"
		"(..., 0)               3 |" BAR52 "|\n"
		"[0, 5)                 1 |@@@@@@@@@@@@@@@@@                                   |\n"
		"[5, 10)                2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@                  "
		"|\n\n");
	fix_print(f, 1, 0);
	fix_expect(
		f,
		"@l[1]: \n"
		"(..., 0)               3 |" BAR52 "|\n"
		"[0, 5)                 1 |@@@@@@@@@@@@@@@@@                                   |\n"
		"[5, 10)                2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@                  "
		"|\n\n");
	fix_free(f);
}

static void the_rest(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_HIST, "@h");
	struct script_type str = {SCRIPT_STR, false, 8};
	uint64_t *v = fix_row(f, 0, 0, 0);

	(void)state;
	f->s.ops->attached(&f->s, 1);
	f->s.ops->attached(&f->s, 2);
	f->s.ops->printf(&f->s, "a\0b", 3);
	fflush(f->s.out);
	assert_int_equal(f->size, 38);
	assert_memory_equal(f->text, "Attached 1 probe\nAttached 2 probes\na\0b", 38);
	fix_expect(f, "Attached 1 probe\nAttached 2 probes\na");
	f->s.ops->time(&f->s, "12:00\n", 6);
	f->s.ops->value(&f->s, &str, "hello\0\0\0");
	f->s.ops->lost(&f->s, 7);
	f->s.ops->rt_error(&f->s, WIRE_RT_DIV_ZERO, 2);
	f->s.ops->end(&f->s);
	fix_expect(f, "12:00\nhello\nLost 7 events\n"
		      "WARNING: division by zero: the result was taken as 1 (2 times)\n\n\n");
	v[1] = 1;
	f->s.ops->elem(&f->s, &f->m, &f->row[0]);
	fix_expect(f, "[0]                    1 |" BAR52 "|\n");
	f->m.wire.kind = WIRE_MAP_COUNT;
	v[0] = 3;
	f->s.ops->elem(&f->s, &f->m, &f->row[0]);
	f->s.ops->elem(&f->s, &f->m, NULL);
	fix_expect(f, "3\n0\n");
	fix_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars),	 cmocka_unit_test(strings_as_values),
		cmocka_unit_test(rows_by_value), cmocka_unit_test(averages_and_stats),
		cmocka_unit_test(histograms),	 cmocka_unit_test(keyed_histograms),
		cmocka_unit_test(the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

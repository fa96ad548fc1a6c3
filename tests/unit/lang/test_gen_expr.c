/* SPDX-License-Identifier: MIT */
/*
 * Integer expressions, run: arg0 = 100, arg1 = -3 (unsigned), arg2 = 7.
 */
#include "run.h"

struct eval {
	const char *expr;
	int64_t value;
};

static void check_all(const struct eval *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t value = run_eval(e[i].expr);

		if (value != e[i].value)
			print_error("%s\n", e[i].expr);
		assert_int_equal(value, e[i].value);
	}
}

static void test_arithmetic(void **state)
{
	static const struct eval e[] = {
		{"1 + 2 * 3", 7},
		{"(1 + 2) * 3", 9},
		{"7 / 2", 3},
		{"7 % 4", 3},
		{"-7 / 2", -3},
		{"-7 % 2", -1},
		{"1 | 2 ^ 3 & 1", 3},
		{"1 << 2 + 1", 8},
		{"8 >> 1 == 4", 1},
		{"- -5", 5},
		{"+5", 5},
		{"~5", -6},
		{"!5", 0},
		{"!0", 1},
		{"arg0 + arg2 * 2", 114},
		{"arg0 - arg2 - 1", 92},
		{"arg0 - (arg2 - 1)", 94},
		{"arg0 / arg2", 14},
		{"arg0 % arg2", 2},
		{"2 * arg0", 200},
		{"1000 / arg0", 10},
		{"arg0 * (arg2 + 1) - (arg0 - 1) * (arg2 - 1)", 206},
		{"arg0 & 0x64 | arg2 << 8", 100 | 7 << 8},
		{"arg0 ^ arg2", 100 ^ 7},
		{"~arg2", -8},
		{"-arg2", -7},
		{"arg0 + 0x123456789abcdef0", 100 + 0x123456789abcdef0},
		{"0x123456789abcdef0 - arg0", 0x123456789abcdef0 - 100},
		{"9223372036854775807 + arg2 - arg2", INT64_MAX},
		{"18446744073709551615", -1},
		{"arg0 << 64", 100},
		{"1e3 * 3us", 3000000},
	};

	(void)state;
	check_all(e, ARRAY_LEN(e));
}

/* -3 as an argument is a large unsigned number; a cast makes it -3. */
static void test_signedness(void **state)
{
	static const struct eval e[] = {
		{"arg1 > 5", 1},
		{"arg1 < 0", 0},
		{"arg1 > -1", 0},
		{"(int64)arg1 < 5", 1},
		{"(int32)arg1 == -3", 1},
		{"(uint32)arg1", 0xfffffffd},
		{"(uint8)arg1", 0xfd},
		{"(int8)arg1", -3},
		{"(uint16)(arg1 + 1)", 0xfffe},
		{"(int16)arg1 + 3", 0},
		{"arg1 / 2", (int64_t)((uint64_t)-3 / 2)},
		{"(int64)arg1 / 2", -1},
		{"arg1 >> 60", 15},
		{"(int64)arg1 >> 1", -2},
		{"arg1 % 10", (int64_t)((uint64_t)-3 % 10)},
		{"(int64)arg1 % 2", -1},
		{"(arg2 - arg0) / 2", -46},
		{"arg2 - arg0 < 0", 1},
		{"-1 < arg2", 1},
		{"(int64)0x8000000000000000 / -1", INT64_MIN},
		{"(int64)0x8000000000000000 / (int64)(arg2 - 8)", INT64_MIN},
		{"(int64)0x8000000000000000 % (int64)(arg2 - 8)", 0},
	};

	(void)state;
	check_all(e, ARRAY_LEN(e));
}

static void test_comparison(void **state)
{
	static const struct eval e[] = {
		{"arg0 < 100", 0},
		{"arg0 <= 100", 1},
		{"arg0 > 99", 1},
		{"arg0 >= 101", 0},
		{"arg0 == 100", 1},
		{"arg0 != 100", 0},
		{"arg2 < arg0", 1},
		{"arg2 > arg0", 0},
		{"arg2 <= arg0", 1},
		{"arg2 >= arg0", 0},
		{"arg2 == arg0", 0},
		{"arg2 != arg0", 1},
		{"1 < 2", 1},
		{"(arg0 > 5) + (arg2 > 5)", 2},
		{"100 == arg0", 1},
		{"5 > arg2", 0},
		{"(int64)arg1 < arg2 - 7", 1},
		{"(int64)arg1 <= -3", 1},
		{"(int64)arg1 > -3", 0},
		{"(int64)arg1 >= -3", 1},
		{"arg0 == 0x100000064", 0},
	};

	(void)state;
	check_all(e, ARRAY_LEN(e));
}

static void test_logic(void **state)
{
	static const struct eval e[] = {
		{"1 || 0 && 0", 1},
		{"0 && 1", 0},
		{"arg0 && arg2", 1},
		{"arg0 && 0", 0},
		{"0 || arg0", 1},
		{"0 || 0", 0},
		{"!(arg0 && arg2)", 0},
		{"!arg0 || !arg2", 0},
		{"arg0 > 5 && arg2 > 5 && arg2 < 8", 1},
		{"arg0 < 5 || arg2 > 5 && arg2 < 7", 0},
		{"(arg0 < 5 || arg2 > 5) && arg2 < 8", 1},
		{"!(arg0 < 5 || arg2 > 9)", 1},
		{"!!arg0", 1},
		{"arg0 > 5 ? 1 : 2", 1},
		{"arg0 < 5 ? 1 : arg2 == 7 ? 3 : 4", 3},
		{"arg0 > 5 ? arg2 > 9 ? 1 : 2 : 3", 2},
		{"(arg0 > 5 ? 10 : 20) + (arg0 < 5 ? 1 : 2)", 12},
		{"(arg0 > 5 && arg2 > 5) + 1", 2},
		{"true + true + false", 2},
	};

	(void)state;
	check_all(e, ARRAY_LEN(e));
}

static void test_division_by_zero(void **state)
{
	struct run r;

	(void)state;
	run_open(&r, "uprobe:a:f { $z = arg0; @a = 7 / $z; @b = 7 % $z; @c = 7 / 0; @d = 9;"
		     "@d /= $z; @e = arg0 / (arg0 / 5) }");
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@a", NULL), 1);
	assert_int_equal(run_value(&r, "@b", NULL), 1);
	assert_int_equal(run_value(&r, "@c", NULL), 1);
	assert_int_equal(run_value(&r, "@d", NULL), 1);
	assert_int_equal(run_value(&r, "@e", NULL), 1);
	assert_int_equal(r.fx.b->errors[WIRE_RT_DIV_ZERO], 5);
	run_close(&r);
}

static void test_lazy(void **state)
{
	struct run r;

	(void)state;
	run_open(&r, "uprobe:a:f { $i = 0; if (0 && $i++) { } if (1 || $i++) { }"
		     "if (arg0 && $i++) { } if (!arg0 || $i++) { } @ = $i }");
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@", NULL), 0);
	run_close(&r);
}

static void test_increments(void **state)
{
	struct run r;

	(void)state;
	run_open(&r, "BEGIN { $x = 5; @a = $x++; @b = ++$x; @c = $x--; @d = --$x; @x = $x;"
		     "@m++; ++@m; @p = @m++; @q = --@m; @k[1]--; @o = $x++ + $x; @n = $x + $x++ }");
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@a", NULL), 5);
	assert_int_equal(run_value(&r, "@b", NULL), 7);
	assert_int_equal(run_value(&r, "@c", NULL), 7);
	assert_int_equal(run_value(&r, "@d", NULL), 5);
	assert_int_equal(run_value(&r, "@x", NULL), 5);
	assert_int_equal(run_value(&r, "@m", NULL), 2);
	assert_int_equal(run_value(&r, "@p", NULL), 2);
	assert_int_equal(run_value(&r, "@q", NULL), 2);
	assert_int_equal(run_value(&r, "@k", &(uint64_t){1}), -1);
	assert_int_equal(run_value(&r, "@o", NULL), 11);
	assert_int_equal(run_value(&r, "@n", NULL), 12);
	run_close(&r);
}

/* More intermediate values than the stack holds go to the scratch area. */
static void test_many_temporaries(void **state)
{
	char text[3000] = "uprobe:a:f { @ = ";
	struct run r;

	(void)state;
	for (int i = 0; i < 90; i++)
		strcat(text, "(rand % 1 + arg2) - (");
	strcat(text, "1");
	for (int i = 0; i < 90; i++)
		strcat(text, ")");
	strcat(text, " }");
	run_open(&r, text);
	assert_true(r.script->prog[0].scratch_size > 0);
	r.ctx.reg[2] = 7;
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@", NULL), 1);
	run_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arithmetic),	 cmocka_unit_test(test_signedness),
		cmocka_unit_test(test_comparison),	 cmocka_unit_test(test_logic),
		cmocka_unit_test(test_division_by_zero), cmocka_unit_test(test_lazy),
		cmocka_unit_test(test_increments),	 cmocka_unit_test(test_many_temporaries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

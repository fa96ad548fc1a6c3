/* SPDX-License-Identifier: MIT */
/*
 * Integer literals in all their forms, and strings with escapes.
 */
#include "compile.h"
#include "lang/lex.h"

static const struct {
	const char *text;
	uint64_t value;
	size_t used;
	bool is_duration;
} good[] = {
	{"0", 0, 1, false},
	{"42", 42, 2, false},
	{"0x1fF", 0x1ff, 5, false},
	{"010", 8, 3, false},
	{"1e6", 1000000, 3, false},
	{"2E3", 2000, 3, false},
	{"0e99999", 0, 7, false},
	{"1_000_000", 1000000, 9, false},
	{"18446744073709551615", UINT64_MAX, 20, false},
	{"0xffffffffffffffff", UINT64_MAX, 18, false},
	{"5ns", 5, 3, true},
	{"5us", 5000, 3, true},
	{"5ms", 5000000, 3, true},
	{"5s", 5000000000, 2, true},
	{"2m", 120000000000, 2, true},
	{"1h", 3600000000000, 2, true},
	{"1d", 86400000000000, 2, true},
	{"0x1d", 29, 4, false},
	{"1e3us", 1000000, 5, true},
	{"7UL", 7, 3, false},
	{"7ull", 7, 4, false},
	{"7llu", 7, 4, false},
	{"12+3", 12, 2, false},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		bool is_duration;
		uint64_t value;
		size_t used;

		assert_null(lang_int_parse(good[i].text, strlen(good[i].text), &used, &value,
					   &is_duration));
		assert_int_equal(value, good[i].value);
		assert_int_equal(used, good[i].used);
		assert_int_equal(is_duration, good[i].is_duration);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *part;
	} bad[] = {
		{"18446744073709551616", "too large"},
		{"0x10000000000000000", "too large"},
		{"1e20", "too large"},
		{"2e19", "too large"},
		{"0x", "digits are missing"},
		{"1_", "digits are missing"},
		{"08", "octal"},
		{"5ps", "unknown suffix"},
		{"5uu", "unknown suffix"},
		{"5lll", "unknown suffix"},
		{"300000d", "too large"},
		{"0xg", "digits are missing"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		bool is_duration;
		uint64_t value;
		size_t used;
		const char *wrong = lang_int_parse(bad[i].text, strlen(bad[i].text), &used, &value,
						   &is_duration);

		assert_non_null(wrong);
		assert_non_null(strstr(wrong, bad[i].part));
	}
}

static void test_strings(void **state)
{
	struct script *s = compile("BEGIN { printf(\"a\\n\\t\\r\\\"\\\\\\x41\\101\\0502\"); }");

	(void)state;
	assert_string_equal(s->event[0].format, "a\n\t\r\"\\AA(2");
	lang_free(s);
}

static void test_bad_strings(void **state)
{
	(void)state;
	refused("BEGIN { printf(\"abc); }", "1:16: error: this string does not end");
	refused("BEGIN { printf(\"abc\\", "1:16: error: this string does not end");
	refused("BEGIN { printf(\"abc\\\"", "1:16: error: this string does not end");
	refused("BEGIN { printf(\"a\\q\"); }", "1:18: error: unknown escape in a string");
	refused("BEGIN { printf(\"a\\777\"); }", "1:18: error: unknown escape in a string");
	refused("BEGIN { printf(\"a\\x\"); }", "1:18: error: unknown escape in a string");
	refused("BEGIN { printf(\"a\\0b\"); }", "1:16: error: a format cannot hold a zero byte");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_bad_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

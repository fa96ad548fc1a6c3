/* SPDX-License-Identifier: MIT */
/* printf() of the script. */
#include "fixture.h"

static struct fix *f;

static int setup(void **state)
{
	(void)state;
	f = fix_new("text", WIRE_MAP_COUNT, "@");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fix_free(f);
	return 0;
}

static void check(const char *format, const struct script_type *arg, uint32_t nargs,
		  const void *payload, size_t len, const char *expect)
{
	struct show_buf b = {0};

	show_format(&f->s.names, format, arg, nargs, payload, len, &b);
	assert_string_equal(show_buf_text(&b), expect);
	assert_int_equal(b.n, strlen(expect));
	show_buf_free(&b);
}

static void integer(const char *format, int64_t v, const char *expect)
{
	struct script_type t = {SCRIPT_INT, true, 8};

	check(format, &t, 1, &v, 8, expect);
}

static void integers(void **state)
{
	(void)state;
	integer("%d", -1, "-1");
	integer("%i|", 2, "2|");
	integer("<%5d>", 3, "<    3>");
	integer("<%-5d>", 4, "<4    >");
	integer("%05d", 5, "00005");
	integer("%+d", 5, "+5");
	integer("% d", 5, " 5");
	integer("%.3d", 5, "005");
	integer("%u", -1, "4294967295");
	integer("%x", -1, "ffffffff");
	integer("%#x", 255, "0xff");
	integer("%X", 255, "FF");
	integer("%o", 8, "10");
	integer("%p", 1234, "0x4d2");
	integer("%p", 0, "(nil)");
	integer("<%3c>", 'A', "<  A>");
}

static void lengths(void **state)
{
	(void)state;
	/* an int argument in a 64-bit register: the upper half is anything */
	integer("%d", 0xfffffffb, "-5");
	integer("%d", 5000000000, "705032704");
	integer("%ld", 5000000000, "5000000000");
	integer("%lld", 5000000000, "5000000000");
	integer("%llu", -1, "18446744073709551615");
	integer("%jx", 0x12345678abcdef, "12345678abcdef");
	integer("%zu", 5000000000, "5000000000");
	integer("%hx", 70000, "1170");
	integer("%hd", 70000, "4464");
	integer("%hhd", 300, "44");
	integer("%hhd", 255, "-1");
	integer("%hhu", 255, "255");
}

static void strings(void **state)
{
	struct script_type t[2] = {{SCRIPT_STR, false, 8}, {SCRIPT_INT, true, 8}};
	char pay[16] = "abcd";

	(void)state;
	pay[8] = 7;
	check("%s|%d", t, 2, pay, 16, "abcd|7");
	check("%8s|%d", t, 2, pay, 16, "    abcd|7");
	check("%-8s|%d", t, 2, pay, 16, "abcd    |7");
	check("%.2s|%d", t, 2, pay, 16, "ab|7");
	check("%8.2s|%d", t, 2, pay, 16, "      ab|7");
	check("%2s", t, 2, pay, 16, "abcd");
	memset(pay, 'x', 8); /* no end in sight */
	check("%s", t, 2, pay, 16, "xxxxxxxx");
	check("%*s", t, 2, pay, 16, "%*s");
}

static void names_and_symbols(void **state)
{
	struct script_type name = {SCRIPT_NAME, false, 8}, usym = {SCRIPT_USYM, false, 16};
	uint64_t w[2] = {1, 0};

	(void)state;
	check("%s!", &name, 1, w, 8, "main!");
	check("%6s!", &name, 1, w, 8, "  main!");
	w[0] = 6; /* the table ends before the string does */
	check("%s!", &name, 1, w, 8, "<bad string>!");
	w[0] = 1ull << 40;
	check("%s!", &name, 1, w, 8, "<bad string>!");
	w[0] = 0x10;
	w[1] = 3;
	check("%s", &usym, 1, w, 16, "func+16");
	w[1] = 1ull << 32;
	check("%s", &usym, 1, w, 16, "0x10");
	check("%llx", &usym, 1, w, 16, "10");
	f->s.names = (struct show_names){0};
	check("%s", &usym, 1, w, 16, "0x10");
	check("%s", &name, 1, w, 8, "<bad string>");
}

static void wrong_formats_and_payloads(void **state)
{
	struct script_type t[2] = {{SCRIPT_STR, false, 64}, {SCRIPT_INT, true, 8}};
	char pay[8] = "abc";

	(void)state;
	check("100%% %", t, 0, pay, 0, "100% %");
	check("%z %k", t, 0, pay, 0, "%z %k");
	check("%s %d", t, 2, pay, 8, "<bad string> <bad string>");
	check("%d", t, 0, NULL, 0, "<bad string>");
	check("", t, 2, pay, 8, "");
	t[0].size = 0;
	check("%d", t, 1, pay, 8, "<bad string>");
}

static void huge_widths_are_limited(void **state)
{
	struct script_type t = {SCRIPT_INT, true, 8};
	struct show_buf b = {0};
	int64_t v = 1;

	(void)state;
	show_format(&f->s.names, "%99999999999d%.99999999999x%099999s", &t, 1, &v, 8, &b);
	assert_in_range(b.n, 4096, 3 * 4096 + 100);
	show_buf_free(&b);
	show_format(&f->s.names, "%+#099999.99999llo", &t, 1, &v, 8, &b);
	assert_in_range(b.n, 4096, 4200);
	show_buf_free(&b);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(integers),
		T(lengths),
		T(strings),
		T(names_and_symbols),
		T(wrong_formats_and_payloads),
		T(huge_widths_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

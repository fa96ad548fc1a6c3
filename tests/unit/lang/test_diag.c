/* SPDX-License-Identifier: MIT */
/*
 * Syntax errors, and how messages look.
 */
#include "compile.h"

static void test_look(void **state)
{
	(void)state;
	assert_null(try_compile("BEGIN {\n\t$x = nsec;\n}"));
	assert_string_equal(said, "t.bt:2:7: error: unknown name 'nsec'; did you mean 'nsecs'?\n"
				  "     $x = nsec;\n"
				  "          ^~~~\n");
	assert_null(try_compile("BEGIN { $x = ; }"));
	assert_string_equal(said, "t.bt:1:14: error: expected an expression, found ';'\n"
				  "    BEGIN { $x = ; }\n"
				  "                 ^\n");
	/* At the end, in an empty text, over bytes that do not print, after wide characters. */
	assert_null(try_compile("BEGIN {"));
	assert_string_equal(said,
			    "t.bt:1:8: error: expected '}' at the end of the block, found the "
			    "end of the script\n    BEGIN {\n           ^\n");
	assert_null(try_compile("\n"));
	assert_string_equal(said, "t.bt:2:1: error: the script has no probe\n    \n    ^\n");
	assert_null(compile_n("BEGIN {\0}", 9, 0, NULL));
	assert_string_equal(said, "t.bt:1:8: error: unexpected byte 0x00\n"
				  "    BEGIN {?}\n           ^\n");
	assert_null(try_compile("BEGIN { print(\"\xc3\xa4\xc3\xb6\") ; x }"));
	assert_string_equal(said, "t.bt:1:25: error: unknown name 'x'\n"
				  "    BEGIN { print(\"\xc3\xa4\xc3\xb6\") ; x }\n"
				  "                          ^\n");
}

static void test_color(void **state)
{
	struct lang_options opt = {.file = "f", .color = true};
	char text[512] = "";

	(void)state;
	opt.err = fmemopen(text, sizeof(text), "w");
	assert_null(lang_compile("BEGIN { x }", 11, &opt));
	fclose(opt.err);
	assert_string_equal(text, "f:1:9: \033[1;31merror:\033[0m unknown name 'x'\n"
				  "    BEGIN { x }\n            \033[1;31m^\033[0m\n");
}

/* Of a long line only the part around the place is shown. */
static void test_long_line(void **state)
{
	enum { N = 1 << 20 };
	char *text = malloc(N);
	struct script *s;

	(void)state;
	memset(text, ' ', N);
	memcpy(text, "BEGIN {", 7);
	memcpy(text + N / 2, "nope", 4);
	s = compile_n(text, N, 0, NULL);
	assert_null(s);
	assert_true(strlen(said) < 600);
	assert_non_null(strstr(said, "t.bt:1:524289: error: unknown name 'nope'"));
	assert_non_null(strstr(said, "...\n"));
	assert_non_null(strstr(said, "^~~~\n"));
	free(text);
}

static void test_syntax(void **state)
{
	static const struct refusal bad[] = {
		{"BEGIN { $x = 1 $y = 2 }", "1:16: error: expected ';' or '}' after the statement"},
		{"BEGIN { $x = (1 }", "1:17: error: expected ')' to close the parenthesis"},
		{"BEGIN { print(1 }", "1:17: error: expected ')' or ',' in the list, found '}'"},
		{"BEGIN { @x[1 = 2 }", "1:14: error: expected ']' after the key, found '='"},
		{"BEGIN { $x = 1 ? 2 }", "1:20: error: expected ':' of the '?' before, found '}'"},
		{"BEGIN { 1 = 2 }", "1:9: error: only variables and maps can be assigned to"},
		{"BEGIN { 1++ }", "1:9: error: only a variable or a map can be changed by ++"},
		{"BEGIN { --pid }", "1:11: error: only a variable or a map can be changed by --"},
		{"BEGIN { $x += 1 }", "1:9: error: undefined variable $x"},
		{"BEGIN { $x = $x }", "1:14: error: undefined variable $x"},
		{"BEGIN { if (1) { $y = 1 } print($y) }", "1:33: error: undefined variable $y"},
		{"BEGIN { let $x; let $x; }", "1:21: error: $x exists already in this block"},
		{"BEGIN { let x; }", "1:13: error: expected a $variable after 'let', found 'x'"},
		{"BEGIN { if 1 print(2) }", "1:14: error: expected '{' after the condition"},
		{"BEGIN { if (1) {} else print(2) }", "1:24: error: expected '{' after 'else'"},
		{"BEGIN { while (1) { } }", "1:9: error: 'while': loops are not supported yet"},
		{"BEGIN { unroll(5) { } }", "1:9: error: 'unroll': loops are not supported yet"},
		{"BEGIN { $x = *arg0 }", "1:14: error: pointers cannot be followed yet"},
		{"BEGIN { $x = pid->y }", "1:17: error: fields of structs are not supported yet"},
		{"BEGIN { $x = pid.y }", "1:17: error: fields of structs are not supported yet"},
		{"BEGIN { $x = pid[0] }", "1:17: error: only maps have keys"},
		{"BEGIN { $x = (struct s *)1 }", "1:15: error: structs are not supported yet"},
		{"BEGIN { $x = 1.5 }", "1:14: error: there are no floating-point numbers"},
		{"BEGIN { $x = 1 # 2 }", "1:16: error: unexpected '#'"},
		{"BEGIN { $ }", "1:9: error: expected a name or a number after '$'"},
		{"BEGIN { $0 }", "1:9: error: positional parameters start at $1"},
		{"BEGIN { $1x }", "1:9: error: '$1x' is no positional parameter"},
		{"BEGIN { $x = 99999999999999999999 }", "1:14: error: this number is too large"},
		{"BEGIN { return 5 }", "1:16: error: expected ';' after 'return', found '5'"},
		{"BEGIN /1 { }", "1:10: error: expected '/' after the predicate, found '{'"},
		{"BEGIN /1/ ; ", "1:11: error: expected"},
		{"BEGIN { } }", "1:11: error: expected a probe, found '}'"},
		{"BEGIN { \xff }", "1:9: error: unexpected byte 0xff"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(bad[i].text, bad[i].message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look),
		cmocka_unit_test(test_color),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_syntax),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

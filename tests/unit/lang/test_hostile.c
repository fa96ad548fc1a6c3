/* SPDX-License-Identifier: MIT */
/*
 * Texts meant to hurt: deep, long, large, cut off anywhere, full of zeros.
 */
#include "run.h"

/* @head, @n times @part, @tail; the caller frees it. */
static char *repeat(const char *head, const char *part, size_t n, const char *tail)
{
	size_t step = strlen(part), len = strlen(head);
	char *text = malloc(len + n * step + strlen(tail) + 1);

	assert_non_null(text);
	memcpy(text, head, len);
	for (size_t i = 0; i < n; i++, len += step)
		memcpy(text + len, part, step);
	strcpy(text + len, tail);
	return text;
}

static void refused_with(char *text, const char *message)
{
	assert_null(try_compile(text));
	if (!strstr(said, message))
		print_error("want: %s\nsaid: %s\n", message, said);
	assert_non_null(strstr(said, message));
	free(text);
}

static void test_deep(void **state)
{
	static const char *const parts[] = {"(",	"-",	  "!",	  "@[",	     "1 ? ",
					    "1 ? 2 : ", "(int8)", "str(", "printf(", "- -"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		refused_with(repeat("u:a:f { $x = ", parts[i], 100000, ""), "nested too deeply");
	refused_with(repeat("BEGIN ", "{", 100000, ""), "nested too deeply");
	refused_with(repeat("BEGIN {", "if (1) {", 100000, ""), "nested too deeply");
	refused_with(repeat("BEGIN {", "if (1) {} else ", 100000, ""), "nested too deeply");
	refused_with(repeat("BEGIN {", "++", 100000, ""), "nested too deeply");
}

static void test_long(void **state)
{
	(void)state;
	refused_with(repeat("BEGIN { $x = 1", " + 1", 100000, " }"), "too long");
	refused_with(repeat("BEGIN { @x = 1; @x", "++", 100000, " }"), "only a variable or a map");
	refused_with(repeat("BEGIN { $x = 1", "\0501", 10, " }"), "expected");
	refused_with(repeat("u:a:f { ", "printf(\"%s\", str(arg0, 4000));", 10,
			    "printf(\"%s%s%s%s%s\", str(0,4000), str(0,4000), str(0,4000), "
			    "str(0,4000), str(0,4000)) }"),
		     "too large");
	refused_with(repeat("BEGIN { printf(\"", "x", 5000, "%s\", \"\") print(1) }"), "expected");
	refused_with(repeat("BEGIN { print(\"", "x", 5000, "\") }"), "this string is too long");
	refused_with(repeat("u:a:f { @[str(0,4000), ", "1, ", 20, "1] = count() }"), "too large");
	refused_with(repeat("BEGIN { ", "@a = 1; ", 30000, "}"), "too large");
	refused_with(repeat("BEGIN { if (pid) {", "@a = 1; ", 10000, "} }"), "too large");
	refused_with(repeat("u", ":u", 100000, " {}"), "too many ':'");
	refused_with(repeat("BEGIN { $", "x", 100000, "++ }"), "undefined variable");
	refused_with(repeat("BEGIN { ", "y", 100000, " }"), "unknown name");
	refused_with(repeat("", "y", 100000, ""), "unknown probe type");
	refused_with(repeat("BEGIN { $x = ", "9", 100000, " }"), "too large");
	refused_with(repeat("BEGIN { $", "9", 100000, " }"), "no positional parameter");
	refused_with(repeat("BEGIN { printf(\"%", "9", 1000, "d\", 1) }"), "too large");
}

static void test_many(void **state)
{
	char *text = malloc(1 << 20), *end;

	(void)state;
	end = stpcpy(text, "BEGIN {");
	for (int i = 0; i < 1100; i++)
		end += sprintf(end, "@m%d = 1;", i);
	strcpy(end, "}");
	assert_null(try_compile(text));
	assert_non_null(strstr(said, "too many maps"));

	end = stpcpy(text, "BEGIN {");
	for (int i = 0; i < 2100; i++)
		end += sprintf(end, "$v%d = 1;", i);
	strcpy(end, "}");
	assert_null(try_compile(text));
	assert_non_null(strstr(said, "too many variables"));

	/* Each map takes its type from the next: no end of passes. */
	end = stpcpy(text, "BEGIN {");
	for (int i = 0; i < 500; i++)
		end += sprintf(end, "@m%d = @m%d;", i, i + 1);
	strcpy(end, "@m500 = \"x\" }");
	assert_null(try_compile(text));
	assert_non_null(strstr(said, "in too long a chain"));
	free(text);
}

/* What is accepted under stress runs as well. */
static void test_nested_runs(void **state)
{
	char text[4096], *end;
	struct run r;

	(void)state;
	end = stpcpy(text, "BEGIN { @ = 1; ");
	for (int i = 0; i < 22; i++)
		end = stpcpy(end, "if (pid == 1234) { @++; ");
	for (int i = 0; i < 22; i++)
		end = stpcpy(end, "} else { @ = 1000; }");
	strcpy(end, "}");
	run_open(&r, text);
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@", NULL), 23);
	run_close(&r);

	end = stpcpy(text, "BEGIN { ");
	for (int i = 0; i < 100; i++)
		end += sprintf(end, "if (pid == %d) { @ = %d } else ", 1150 + i, i);
	strcpy(end, "{ @ = -1 } }");
	run_open(&r, text);
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@", NULL), 84);
	run_close(&r);

	end = stpcpy(text, "BEGIN {");
	for (int i = 0; i < 30; i++)
		end = stpcpy(end, "if (pid) {");
	for (int i = 0; i < 30; i++)
		end = stpcpy(end, "@ = 1 }");
	strcpy(end, "}");
	assert_null(try_compile(text));
	assert_non_null(strstr(said, "nested too deeply"));
}

/* Every beginning of a script is an error or a script, never more. */
static void test_cut_off(void **state)
{
	static const char text[] =
		"#!/x\n/* c */ uprobe:\"a b\":f+0x10, u:b:[xy]* /pid == 1 && comm != \"x\"/ "
		"{ $a = arg0 ? 1 : 2; @m[$a, str(arg1, 5)] = lhist($a << 2, 0, 100, 10); "
		"if ($a > 0x10UL) { printf(\"%d %s\\n\", $a++, func); } else { delete(@n[1]) } "
		"@n[1] += 1e3; } interval:100ms { exit(1); }";

	(void)state;
	for (size_t n = 0; n <= sizeof(text) - 1; n++) {
		char *part = malloc(n + 1); /* exact, for address checkers */
		struct script *s;

		memcpy(part, text, n);
		s = compile_n(part, n, 0, NULL);
		assert_true(s || strstr(said, ": error: "));
		lang_free(s);
		part[n] = 0;
		s = compile_n(part, n + 1, 0, NULL);
		assert_null(s);
		free(part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deep),	cmocka_unit_test(test_long),
		cmocka_unit_test(test_many),	cmocka_unit_test(test_nested_runs),
		cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

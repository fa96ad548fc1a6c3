/* SPDX-License-Identifier: MIT */
/* Shell patterns, against the whole name only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"
#include "image/image.h"

static const struct {
	const char *pattern, *name;
	bool match;
} cases[] = {
	{"malloc", "malloc", true},
	{"malloc", "mallocx", false},
	{"malloc", "xmalloc", false},
	{"", "", true},
	{"", "a", false},
	{"*", "", true},
	{"*", "anything", true},
	{"str*", "strlen", true},
	{"str*", "str", true},
	{"str*", "astr", false},
	{"*len", "strlen", true},
	{"*len", "strlen_x", false},
	{"*a*b*c", "xxaxxbxxc", true},
	{"*a*b*c", "xxaxxcxxb", false},
	{"*ab", "aab", true},
	{"**x**", "x", true},
	{"?", "a", true},
	{"?", "", false},
	{"m?lloc", "malloc", true},
	{"??", "a", false},
	{"[abc]x", "bx", true},
	{"[abc]x", "dx", false},
	{"[a-z]0", "q0", true},
	{"[a-z]0", "Q0", false},
	{"[!a]b", "ab", false},
	{"[!a]b", "cb", true},
	{"[]]", "]", true},
	{"[a-]", "-", true},
	{"f[0-9]*", "f1x", true},
	{"f[0-9]*", "fx1", false},
	{"*[0-9]", "abc7", true},
	{"a.b", "axb", false},
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (image_glob(cases[i].pattern, cases[i].name) != cases[i].match)
			fail_msg("\"%s\" against \"%s\"", cases[i].pattern, cases[i].name);
}

/* Unfinished sets end with the pattern, not behind it. */
static void unfinished_set(void **state)
{
	(void)state;
	assert_false(image_glob("[", "a"));
	assert_false(image_glob("[abc", "z"));
	assert_false(image_glob("x[", "x"));
}

/* Many stars must not take exponential time. */
static void many_stars(void **state)
{
	char name[201];
	(void)state;
	memset(name, 'a', 200);
	name[200] = '\0';
	assert_false(image_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
	assert_true(image_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a", name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(unfinished_set),
		cmocka_unit_test(many_stars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

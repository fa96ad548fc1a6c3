/* SPDX-License-Identifier: MIT */
/* Near names for a mistyped one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"
#include "image/image.h"

static struct image_func funcs[] = {
	{.name = "calloc"},  {.name = "free"},	      {.name = "malloc"},	{.name = "malloc"},
	{.name = "mallopt"}, {.name = "malloc_trim"}, {.name = "reallocarray"},
};
static const struct image img = {.func = funcs, .nfuncs = ARRAY_LEN(funcs)};

static void best_first(void **state)
{
	const char *out[4];
	size_t n;
	(void)state;
	n = image_suggest(&img, "mallco", out, 4);
	assert_true(n >= 1);
	assert_string_equal(out[0], "malloc");
	/* an alias is not named twice */
	for (size_t i = 1; i < n; i++)
		assert_string_not_equal(out[i], "malloc");
}

static void limits(void **state)
{
	char name[500];
	const char *out[4] = {0};
	(void)state;
	assert_int_equal(image_suggest(&img, "mallco", out, 0), 0);
	assert_int_equal(image_suggest(&img, "mallco", out, 1), 1);
	assert_string_equal(out[0], "malloc");
	assert_int_equal(image_suggest(&img, "something_else", out, 4), 0);
	memset(name, 'm', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(image_suggest(&img, name, out, 4), 0);
	assert_int_equal(image_suggest(&img, "", out, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(best_first),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The loader's cache of this machine, where there is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>

#include "image/ldcache.h"

static bool is_named(const char *soname, const void *arg)
{
	return !strcmp(soname, arg);
}

static bool never(const char *soname, const void *arg)
{
	(void)soname;
	++*(size_t *)(uintptr_t)arg;
	return false;
}

static void finds_libc(void **state)
{
	char path[4096];
	(void)state;
	if (access("/etc/ld.so.cache", R_OK))
		skip();
	assert_true(ldcache_find(is_named, "libc.so.6", path, sizeof(path)));
	assert_int_equal(path[0], '/');
	assert_int_equal(access(path, R_OK), 0);
	assert_non_null(strstr(path, "libc.so.6"));
}

static void asks_about_all(void **state)
{
	char path[4096];
	size_t asked = 0;
	(void)state;
	if (access("/etc/ld.so.cache", R_OK))
		skip();
	assert_false(ldcache_find(never, &asked, path, sizeof(path)));
	assert_true(asked > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_libc),
		cmocka_unit_test(asks_about_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

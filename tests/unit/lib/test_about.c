/* SPDX-License-Identifier: MIT */
/*
 * The version; every error has a name and words, and nothing else has.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sonde/sonde.h>

static void version_is_the_headers(void **state)
{
	char want[32];

	(void)state;
	snprintf(want, sizeof(want), "%d.%d.%d", SONDE_VERSION_MAJOR, SONDE_VERSION_MINOR,
		 SONDE_VERSION_PATCH);
	assert_string_equal(SONDE_VERSION, want);
	assert_string_equal(sonde_version(), SONDE_VERSION);
}

static void own_errors_have_words(void **state)
{
	(void)state;
	for (int err = SONDE_E_TOO_SHORT; err >= SONDE_E_SHARED; err--) {
		if (err == -4003) /* a number that was given up */
			continue;
		assert_string_not_equal(sonde_strerror(err), "unknown error");
		assert_string_not_equal(sonde_errname(err), "UNKNOWN");
		for (int other = err + 1; other <= SONDE_E_TOO_SHORT; other++) {
			assert_string_not_equal(sonde_strerror(err), sonde_strerror(other));
			assert_string_not_equal(sonde_errname(err), sonde_errname(other));
		}
	}
	assert_string_equal(sonde_errname(SONDE_E_BRANCH_INTO), "BRANCH_INTO");
	assert_string_equal(sonde_errname(SONDE_E_OVERLAP), "OVERLAP");
	assert_string_equal(sonde_errname(SONDE_E_SHARED), "SHARED");
	assert_non_null(strstr(sonde_strerror(SONDE_E_MACHINE), "another machine"));
}

static void errno_is_the_c_librarys(void **state)
{
	(void)state;
	assert_string_equal(sonde_strerror(-ENOENT), "No such file or directory");
	assert_string_equal(sonde_strerror(ENOENT), "No such file or directory");
	assert_string_equal(sonde_errname(-ENOENT), "ENOENT");
	assert_string_equal(sonde_errname(ENOENT), "ENOENT");
	assert_string_equal(sonde_strerror(0), "Success");
	assert_string_equal(sonde_errname(0), "0");
}

static void strangers_are_unknown(void **state)
{
	static const int err[] = {INT_MIN, INT_MAX, -INT_MAX, -4000,
				  4000,	   -4003,   4001,     SONDE_E_SHARED - 1};

	(void)state;
	for (size_t i = 0; i < sizeof(err) / sizeof(err[0]); i++) {
		assert_string_equal(sonde_strerror(err[i]), "unknown error");
		assert_string_equal(sonde_errname(err[i]), "UNKNOWN");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_is_the_headers),
		cmocka_unit_test(own_errors_have_words),
		cmocka_unit_test(errno_is_the_c_librarys),
		cmocka_unit_test(strangers_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The functions a compiler may call unasked, as the agent has them: linked here in place of the C
 * library's, called through volatile pointers so that the compiler cannot put its own in place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static void *(*volatile set)(void *, int, size_t) = memset;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;

static void check(const char *got, const char *want)
{
	for (int i = 0; want[i] != '\0'; i++)
		assert_int_equal(got[i], want[i]);
}

static void copy_and_set(void **state)
{
	char buf[] = "0123456789abcdef";

	(void)state;
	assert_ptr_equal(set(buf + 1, '-', 3), buf + 1);
	check(buf, "0---456789abcdef");
	assert_ptr_equal(copy(buf + 2, "ABCDEFGHI", 9), buf + 2);
	check(buf, "0-ABCDEFGHIbcdef");
	set(buf, 0x141, 1);
	check(buf, "A-ABCDEFGHIbcdef");
	copy(buf, "zz", 0);
	check(buf, "A-AB");
}

static void move_overlapping(void **state)
{
	char buf[] = "0123456789abcdef";

	(void)state;
	assert_ptr_equal(move(buf + 2, buf, 10), buf + 2);
	check(buf, "010123456789cdef");
	move(buf, buf + 2, 10);
	check(buf, "012345678989cdef");
	move(buf, buf, 16);
	check(buf, "012345678989cdef");
}

static void compare_is_unsigned(void **state)
{
	(void)state;
	assert_int_equal(compare("abc", "abc", 3), 0);
	assert_true(compare("abc", "abd", 3) < 0);
	assert_true(compare("\xff", "\x01", 1) > 0);
	assert_int_equal(compare("abc", "abd", 2), 0);
	assert_int_equal(compare("a", "b", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_and_set),
		cmocka_unit_test(move_overlapping),
		cmocka_unit_test(compare_is_unsigned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

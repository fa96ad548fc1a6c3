/* SPDX-License-Identifier: MIT */
/*
 * Memory and string functions: every length and alignment around a word, nothing beyond the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define SPAN 64

static void fill(uint8_t *p, uint8_t seed)
{
	for (int i = 0; i < SPAN; i++)
		p[i] = (uint8_t)(seed + i * 7);
}

static void copy_is_exact(void **state)
{
	uint8_t src[SPAN], dst[SPAN], want[SPAN];

	(void)state;
	for (size_t n = 0; n <= 33; n++) {
		for (size_t from = 0; from < 9; from++) {
			for (size_t to = 0; to < 9; to++) {
				fill(src, 1);
				fill(dst, 100);
				memcpy(want, dst, SPAN);
				memcpy(want + to, src + from, n);
				mem_copy(dst + to, src + from, n);
				assert_memory_equal(dst, want, SPAN);
			}
		}
	}
}

static void zero_is_exact(void **state)
{
	uint8_t dst[SPAN], want[SPAN];

	(void)state;
	for (size_t n = 0; n <= 33; n++) {
		for (size_t to = 0; to < 9; to++) {
			fill(dst, 3);
			memcpy(want, dst, SPAN);
			memset(want + to, 0, n);
			mem_zero(dst + to, n);
			assert_memory_equal(dst, want, SPAN);
		}
	}
}

static void equal_sees_every_byte(void **state)
{
	uint8_t a[SPAN], b[SPAN];

	(void)state;
	fill(a, 9);
	fill(b, 9);
	for (size_t n = 0; n <= 33; n++) {
		assert_true(mem_equal(a + 3, b + 3, n));
		for (size_t at = 0; at < n; at++) {
			b[3 + at] ^= 0x80;
			assert_false(mem_equal(a + 3, b + 3, n));
			b[3 + at] ^= 0x80;
		}
		b[3 + n] ^= 1;
		assert_true(mem_equal(a + 3, b + 3, n));
		b[3 + n] ^= 1;
	}
}

static void strings(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(str_len(""), 0);
	assert_int_equal(str_len("seven.."), 7);
	assert_true(str_equal("", ""));
	assert_true(str_equal("abc", "abc"));
	assert_false(str_equal("abc", "abcd"));
	assert_false(str_equal("abcd", "abc"));
	assert_false(str_equal("abc", "abd"));

	memset(buf, 'x', sizeof(buf));
	assert_int_equal(str_copy(buf, "abcdef", 4), 3);
	assert_string_equal(buf, "abc");
	assert_int_equal(buf[4], 'x');
	assert_int_equal(str_copy(buf, "ab", 8), 2);
	assert_string_equal(buf, "ab");
	assert_int_equal(str_copy(buf, "ab", 3), 2);
	assert_string_equal(buf, "ab");
	buf[0] = 'q';
	assert_int_equal(str_copy(buf, "ab", 0), 0);
	assert_int_equal(buf[0], 'q');
	assert_int_equal(str_copy(buf, "ab", 1), 0);
	assert_string_equal(buf, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_is_exact),
		cmocka_unit_test(zero_is_exact),
		cmocka_unit_test(equal_sees_every_byte),
		cmocka_unit_test(strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

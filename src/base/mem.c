/* SPDX-License-Identifier: MIT */
/*
 * Memory and string functions of our own (contract in mem.h).
 *
 * Plain loops over words, then bytes: no vector registers, no string instructions.
 * Context: hit, signal-safe, any thread.
 */
#include "base/base.h"
#include "base/mem.h"

/* A word at any address, whatever type the bytes have. */
typedef uint64_t word __attribute__((may_alias, aligned(1)));

SONDE_HIT void mem_copy(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	for (; n >= sizeof(word); n -= sizeof(word)) {
		*(word *)d = *(const word *)s;
		d += sizeof(word);
		s += sizeof(word);
	}
	for (; n > 0; n--)
		*d++ = *s++;
}

SONDE_HIT void mem_zero(void *dst, size_t n)
{
	uint8_t *d = dst;

	for (; n >= sizeof(word); n -= sizeof(word)) {
		*(word *)d = 0;
		d += sizeof(word);
	}
	for (; n > 0; n--)
		*d++ = 0;
}

SONDE_HIT bool mem_equal(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n >= sizeof(word); n -= sizeof(word)) {
		if (*(const word *)x != *(const word *)y)
			return false;
		x += sizeof(word);
		y += sizeof(word);
	}
	for (; n > 0; n--) {
		if (*x++ != *y++)
			return false;
	}
	return true;
}

SONDE_HIT size_t str_len(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

SONDE_HIT size_t str_copy(char *dst, const char *src, size_t n)
{
	size_t i;

	if (n == 0)
		return 0;
	for (i = 0; i < n - 1 && src[i] != '\0'; i++)
		dst[i] = src[i];
	dst[i] = '\0';
	return i;
}

SONDE_HIT bool str_equal(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

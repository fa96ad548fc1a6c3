/* SPDX-License-Identifier: MIT */
/*
 * The four functions a compiler may call unasked, for the agent alone.
 *
 * The agent is linked without a C library and must never reach the target's, where a probe may
 * sit. Hidden, so that nothing outside the agent can find them either. Byte loops: built with
 * the hit flags, which forbid the compiler to turn such a loop into a call of itself.
 * Context: hit, signal-safe, any thread.
 */
#include "base/base.h"
#include "base/mem.h"

SONDE_HIDDEN void *memcpy(void *restrict dst, const void *restrict src, size_t n);
SONDE_HIDDEN void *memmove(void *dst, const void *src, size_t n);
SONDE_HIDDEN void *memset(void *dst, int c, size_t n);
SONDE_HIDDEN int memcmp(const void *a, const void *b, size_t n);

SONDE_HIT void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	mem_copy(dst, src, n);
	return dst;
}

SONDE_HIT void *memmove(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if ((uintptr_t)d <= (uintptr_t)s) {
		for (size_t i = 0; i < n; i++)
			d[i] = s[i];
	} else {
		for (size_t i = n; i > 0; i--)
			d[i - 1] = s[i - 1];
	}
	return dst;
}

SONDE_HIT void *memset(void *dst, int c, size_t n)
{
	uint8_t *d = dst;

	for (size_t i = 0; i < n; i++)
		d[i] = (uint8_t)c;
	return dst;
}

SONDE_HIT int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < n; i++) {
		if (x[i] != y[i])
			return x[i] - y[i];
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Which arguments arrive? ten integers of both signs and widths, and strings good and bad. */
#include <stdint.h>
#include <stdio.h>

__attribute__((noinline)) long ten(long a, long b, long c, long d, long e, long f, long g, long h,
				   long i, long j)
{
	__asm__ volatile("" ::: "memory");
	return a + b + c + d + e + f + g + h + i + j;
}

/* The sum is a first instruction of six bytes: a jump fits wherever the image is. */
__attribute__((noinline)) int text(const char *s, uint64_t len)
{
	__asm__ volatile("" ::"r"(s), "r"(len) : "memory");
	return (int)(len + 1000000);
}

int main(void)
{
	static char big[300];

	for (int i = 0; i < 299; i++)
		big[i] = (char)('a' + i % 26);
	printf("%ld\n", ten(1, -2, 3, -4, 5, -6, 7, -8, 9, -10));
	text("hello", 5);
	text("", 0);
	text("tab\tand \"quote\"", 15);
	text(big, 299);
	text((const char *)8, 1);
	text(NULL, 2);
	return 0;
}

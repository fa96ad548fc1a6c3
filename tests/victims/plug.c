/* SPDX-License-Identifier: MIT */
/* The library that dlloop loads and unloads. */
__attribute__((noinline)) long plug_work(long i)
{
	__asm__ volatile("" ::: "memory");
	return i * 3 + 1;
}

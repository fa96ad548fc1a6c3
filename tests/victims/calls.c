/* SPDX-License-Identifier: MIT */
/*
 * How often, with which values, and how deep? calls N: N calls of work(0..N-1), fib(15), and
 * three of greet(); exit status from the second argument.
 */
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) long work(long i)
{
	__asm__ volatile("" ::: "memory");
	return i * 3 + 1;
}

__attribute__((noinline)) long fib(long n)
{
	__asm__ volatile("" ::: "memory");
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

__attribute__((noinline)) int greet(const char *name)
{
	__asm__ volatile("" ::: "memory");
	return name[0];
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 10;
	long sum = 0;

	for (long i = 0; i < n; i++)
		sum += work(i);
	sum += fib(15);
	sum += greet("world") + greet("moon") + greet("world");
	printf("sum %ld\n", sum);
	return argc > 2 ? atoi(argv[2]) : 0;
}

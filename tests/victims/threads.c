/* SPDX-License-Identifier: MIT */
/* Is the sum exact? threads THREADS CALLS: all call work(i) at once, started together. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_barrier_t start;
static long ncalls;

__attribute__((noinline)) long work(long i)
{
	__asm__ volatile("" ::: "memory");
	return i * 3 + 1;
}

static void *loop(void *arg)
{
	pthread_barrier_wait(&start);
	for (long i = 0; i < ncalls; i++)
		work(i);
	return arg;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 100;
	pthread_t *thread = calloc((size_t)n, sizeof(*thread));

	ncalls = argc > 2 ? atol(argv[2]) : 1000;
	if (!thread || pthread_barrier_init(&start, NULL, (unsigned)n))
		return 1;
	for (int i = 0; i < n; i++) {
		if (pthread_create(&thread[i], NULL, loop, NULL))
			return 1;
	}
	for (int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	printf("%ld\n", n * ncalls);
	return 0;
}

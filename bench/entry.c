/* SPDX-License-Identifier: MIT */
/*
 * The victim of bench/entry.sh: bench_entry FUNCTION CALLS FILE times its own loop of calls and
 * writes nanoseconds per call to FILE.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

long work_lea(long i);
long work_nop(long i);

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void loop(long (*volatile work)(long), long n)
{
	for (long i = 0; i < n; i++)
		work(i);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	long (*work)(long) = strcmp(argv[1], "work_nop") ? work_lea : work_nop;
	long n = atol(argv[2]);
	FILE *f = fopen(argv[3], "we");

	if (n < 1 || !f)
		return 2;
	double begin = now();
	loop(work, n);
	double end = now();
	fprintf(f, "%.3f\n", (end - begin) / (double)n);
	return fclose(f) != 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Are children counted? forker CHILDREN CALLS: each child calls work() CALLS times, and so does
 * the parent between forks; every second child forks a grandchild that calls it as often.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) long work(long i)
{
	__asm__ volatile("" ::: "memory");
	return i * 3 + 1;
}

static void calls(long n)
{
	for (long i = 0; i < n; i++)
		work(i);
}

static int child(int index, long ncalls)
{
	int status = 0;

	calls(ncalls);
	if (index % 2) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid) {
			calls(ncalls);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int nchildren = argc > 1 ? atoi(argv[1]) : 4;
	long ncalls = argc > 2 ? atol(argv[2]) : 100;
	long expect = 0;

	for (int i = 0; i < nchildren; i++) {
		int status;
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid)
			_exit(child(i, ncalls));
		calls(ncalls);
		if (waitpid(pid, &status, 0) != pid || status)
			return 1;
		expect += ncalls * (i % 2 ? 3 : 2);
	}
	printf("%ld\n", expect);
	return 0;
}

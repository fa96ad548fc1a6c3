/* SPDX-License-Identifier: MIT */
/*
 * vfork in threads that have not called work() yet, while others call it: vforkthreads CALLS
 * ROUNDS. The vforked child is the first to call it in its parent's memory; its parent calls it
 * afterwards. Prints how often work() was called in all.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOT 3

static long calls;

__attribute__((noinline)) long work(long i)
{
	__asm__ volatile("" ::: "memory");
	return i * 3 + 1;
}

static void *hot(void *arg)
{
	(void)arg;
	for (long i = 0; i < calls; i++)
		work(i);
	return NULL;
}

static void *fresh(void *arg)
{
	int status = 0;
	pid_t pid = vfork();

	(void)arg;
	if (!pid) {
		work(0);
		work(1);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	for (long i = 0; i < 1000; i++)
		work(i);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t busy[HOT], t;
	long rounds;

	if (argc != 3)
		return 2;
	calls = atol(argv[1]);
	rounds = atol(argv[2]);
	for (int i = 0; i < HOT; i++)
		pthread_create(&busy[i], NULL, hot, NULL);
	for (long i = 0; i < rounds; i++) {
		pthread_create(&t, NULL, fresh, NULL);
		pthread_join(t, NULL);
	}
	for (int i = 0; i < HOT; i++)
		pthread_join(busy[i], NULL);
	printf("%ld\n", HOT * calls + rounds * 1002);
	return 0;
}

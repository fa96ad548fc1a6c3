/* SPDX-License-Identifier: MIT */
/*
 * Signals in the middle of hits: storm SIGNALS. A timer's handler calls work(), main calls it
 * without pause, until SIGNALS signals came; prints how often it was called in all.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

static volatile long handled;

__attribute__((noinline)) long work(long i)
{
	__asm__ volatile("" ::: "memory");
	return i * 3 + 1;
}

static void handler(int sig)
{
	(void)sig;
	work(handled);
	handled++;
}

int main(int argc, char **argv)
{
	long want = argc > 1 ? atol(argv[1]) : 1000;
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct itimerval every = {.it_interval = {0, 100}, .it_value = {0, 100}};
	struct itimerval never = {0};
	long called = 0;

	if (sigaction(SIGALRM, &sa, NULL) || setitimer(ITIMER_REAL, &every, NULL))
		return 1;
	while (handled < want) {
		work(called);
		called++;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	printf("%ld\n", called + handled);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * vfork and posix_spawn: vforker CALLS. The vforked child calls work() in its parent's memory
 * before it execs this program again; that one and a spawned one call it CALLS times.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

__attribute__((noinline)) long work(long i)
{
	__asm__ volatile("" ::: "memory");
	return i * 3 + 1;
}

static int wait_for(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) != pid || status;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	long n = atol(argv[1]);
	char *again[] = {argv[0], argv[1], (char *)"leaf", NULL};
	pid_t pid;

	for (long i = 0; i < n; i++)
		work(i);
	if (argc > 2)
		return 0;
	pid = vfork();
	if (pid < 0)
		return 1;
	if (!pid) {
		work(0);
		work(1);
		execv("/proc/self/exe", again);
		_exit(127);
	}
	if (wait_for(pid))
		return 1;
	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, again, environ) || wait_for(pid))
		return 1;
	printf("%ld\n", 3 * n + 2);
	return 0;
}

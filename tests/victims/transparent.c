/* SPDX-License-Identifier: MIT */
/*
 * What does a program see of itself? Arguments, environment, descriptors, signals, limits and
 * the like: everything that a bare run and an observed one must agree on.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

__attribute__((noinline)) long work(long i)
{
	__asm__ volatile("" ::: "memory");
	return i * 3 + 1;
}

static void show_descriptors(void)
{
	char path[64], target[4096];

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		printf("fd %d %s\n", fd, target);
	}
}

static void show_signals(void)
{
	sigset_t blocked;
	struct sigaction sa;
	stack_t alt;

	sigprocmask(SIG_SETMASK, NULL, &blocked);
	for (int sig = 1; sig < NSIG; sig++) {
		memset(&sa, 0, sizeof(sa));
		if (sigaction(sig, NULL, &sa))
			continue;
		if (sigismember(&blocked, sig) || sa.sa_handler != SIG_DFL || sa.sa_flags)
			printf("signal %d blocked %d ignored %d caught %d flags %x\n", sig,
			       sigismember(&blocked, sig), sa.sa_handler == SIG_IGN,
			       sa.sa_handler != SIG_IGN && sa.sa_handler != SIG_DFL,
			       (unsigned)sa.sa_flags);
	}
	sigaltstack(NULL, &alt);
	printf("alternate stack flags %d size %zu\n", alt.ss_flags, alt.ss_size);
}

static void show_status(void)
{
	static const char *const wanted[] = {
		"Name:",   "Umask:",  "State:",	  "TracerPid:", "Uid:",
		"Gid:",	   "Groups:", "Threads:", "SigPnd:",	"SigBlk:",
		"SigIgn:", "SigCgt:", "CapEff:",  "NoNewPrivs:"};
	char line[512];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f)) {
		for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
			if (!strncmp(line, wanted[i], strlen(wanted[i])))
				fputs(line, stdout);
		}
	}
	if (f)
		fclose(f);
}

static void show_limits(void)
{
	struct rlimit lim;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		if (!getrlimit(i, &lim))
			printf("limit %d %lu %lu\n", i, (unsigned long)lim.rlim_cur,
			       (unsigned long)lim.rlim_max);
	}
}

int main(int argc, char **argv)
{
	int err = errno;
	char cwd[4096];

	for (int i = 0; i < 5; i++)
		work(i);
	printf("errno %d\n", err);
	for (int i = 0; i < argc; i++)
		printf("arg %s\n", argv[i]);
	for (char **e = environ; *e; e++)
		printf("env %s\n", *e);
	printf("getenv %s\n", getenv("LD_PRELOAD") ? "LD_PRELOAD" : "none");
	show_descriptors();
	show_signals();
	show_status();
	show_limits();
	printf("cwd %s\n", getcwd(cwd, sizeof(cwd)) ? cwd : "?");
	printf("dumpable %d death signal ", prctl(PR_GET_DUMPABLE));
	int sig = 0;
	prctl(PR_GET_PDEATHSIG, &sig);
	printf("%d session leader %d group leader %d\n", sig, getsid(0) == getpid(),
	       getpgrp() == getpid());
	return 0;
}

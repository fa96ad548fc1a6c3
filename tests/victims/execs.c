/* SPDX-License-Identifier: MIT */
/* Every way to execute a program: each is tried, and says how it ended. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define ARGS(...) ((char *[]){__VA_ARGS__, NULL})

static void ended(const char *what, pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	printf("%s: %x\n", what, status);
}

static void report(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

/* Runs the statement in a child, which says why if it comes back. */
#define TRY(what, statement)                                                                       \
	do {                                                                                       \
		pid_t pid = fork();                                                                \
		if (pid == 0) {                                                                    \
			statement;                                                                 \
			report(what);                                                              \
		}                                                                                  \
		ended(what, pid);                                                                  \
	} while (0)

static int memory_file(const char *text)
{
	int fd = memfd_create("victim", 0);

	if (text) {
		dprintf(fd, "%s", text);
		return fd;
	}
	char part[65536];
	int from = open("/bin/echo", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while ((n = read(from, part, sizeof(part))) > 0)
		n = write(fd, part, (size_t)n);
	return fd;
}

static char **many_variables(void)
{
	char **env = calloc(5001, sizeof(*env));

	for (int i = 0; i < 5000; i++) {
		env[i] = malloc(16);
		snprintf(env[i], 16, "V%d=%d", i, i);
	}
	return env;
}

static int in_clone(void *arg)
{
	execl("/bin/echo", "echo", (char *)arg, (char *)NULL);
	return 1;
}

static void spawns(void)
{
	char *stack = malloc(65536);
	pid_t pid;
	int err;

	posix_spawn(&pid, "/bin/echo", NULL, NULL, ARGS("echo", "posix_spawn"), environ);
	ended("posix_spawn", pid);
	posix_spawnp(&pid, "env", NULL, NULL, ARGS("env"), ARGS("A=1"));
	ended("posix_spawnp", pid);
	err = posix_spawn(&pid, "/nonexistent", NULL, NULL, ARGS("none"), environ);
	printf("posix_spawn of nothing: %s\n", strerror(err));
	pid = vfork();
	if (pid == 0) {
		execl("/bin/echo", "echo", "vfork", (char *)NULL);
		_exit(1);
	}
	ended("vfork", pid);
	pid = clone(in_clone, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, "clone");
	ended("clone", pid);
	free(stack);
	printf("system: %x\n", system("echo system; exit 5"));
	FILE *f = popen("cat; exit 6", "w");
	fputs("popen\n", f);
	printf("pclose: %x\n", pclose(f));
}

int main(void)
{
	const char *volatile nowhere = (const char *)8;
	char *big = calloc(1, 3 << 20);

	setvbuf(stdout, NULL, _IONBF, 0);
	memset(big, 'x', (3 << 20) - 1);
	mkfifo("fifo", 0755);
	spawns();
	TRY("fexecve", fexecve(open("/bin/echo", O_PATH | O_CLOEXEC), ARGS("echo", "x"), environ));
	TRY("memory", fexecve(memory_file(NULL), ARGS("echo", "in memory"), environ));
	TRY("memory script", fexecve(memory_file("#!/bin/sh\necho script\n"), ARGS("s"), environ));
	TRY("execveat",
	    syscall(SYS_execveat, open("/bin", O_PATH), "echo", ARGS("echo", "at"), environ, 0));
	TRY("no variables", execve("/usr/bin/env", ARGS("env"), ARGS(NULL)));
	TRY("NULL variables", execve("/usr/bin/env", ARGS("env"), NULL));
	TRY("cleared", (clearenv(), execl("/usr/bin/env", "env", (char *)NULL)));
	TRY("many", execve("/bin/sh", ARGS("sh", "-c", "env | sort | cksum"), many_variables()));
	TRY("no arguments", execve("/bin/true", ARGS(NULL), environ));
	TRY("too big", execve("/bin/true", ARGS("true"), ARGS(big)));
	TRY("bad path", execve(nowhere, ARGS("true"), environ));
	TRY("not executable", execve("/etc/passwd", ARGS("true"), environ));
	TRY("directory", execve("/", ARGS("true"), environ));
	TRY("fifo", execve("fifo", ARGS("true"), environ));
	TRY("no such file", execve("./nothing", ARGS("true"), environ));
	execl("/bin/sh", "sh", "-c", "echo last; exit 42", (char *)NULL);
	return 1;
}

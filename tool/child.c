/* SPDX-License-Identifier: MIT */
/*
 * The command of -c as a child process.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

#define STOP_WAIT_MS 2000

int child_start(struct child *c, const char *path, char **argv, const struct attach_session *as)
{
	pid_t pid = attach_launch(path, argv, as);

	*c = (struct child){.pidfd = -1};
	if (pid < 0)
		return (int)pid;
	c->pid = pid;
	c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return 0;
}

bool child_ended(struct child *c)
{
	if (c->pid && !c->reaped && waitpid(c->pid, &c->status, WNOHANG) == c->pid) {
		c->reaped = true;
		if (c->pidfd >= 0)
			close(c->pidfd);
		c->pidfd = -1;
	}
	return c->reaped;
}

void child_stop(struct child *c)
{
	struct pollfd fd = {.fd = c->pidfd, .events = POLLIN};

	if (!c->pid || child_ended(c))
		return;
	kill(c->pid, SIGTERM);
	kill(c->pid, SIGCONT);
	poll(&fd, 1, STOP_WAIT_MS);
	if (child_ended(c))
		return;
	kill(c->pid, SIGKILL);
	while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR)
		;
	c->reaped = true;
}

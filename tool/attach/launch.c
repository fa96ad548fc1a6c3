/* SPDX-License-Identifier: MIT */
/*
 * Starting the target with the agent in its environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/attach.h"

extern char **environ;

/* The environment plus the agent's two variables, last (src/agent/start.c relies on it). Of several
 * LD_PRELOAD the loader takes the last, so ours names the user's libraries too. */
static char **launch_env(const struct attach_session *as)
{
	const char *preload = getenv("LD_PRELOAD");
	size_t n = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + 3, sizeof(*env));
	if (!env)
		return NULL;
	memcpy(env, environ, n * sizeof(*env));
	if (as && (asprintf(&env[n], "LD_PRELOAD=%s%s%s", as->mem->agent_path,
			    preload && *preload ? ":" : "", preload ? preload : "") < 0 ||
		   asprintf(&env[n + 1], WIRE_ENV "=%s", as->mem->session_path) < 0)) {
		free(env);
		return NULL;
	}
	return env;
}

static void child(const char *path, char **argv, char **env, int report)
{
	int err;

	/* The tool catches signals but ignores and blocks none: exec undoes exactly that. */
	execve(path, argv, env);
	err = errno;
	if (write(report, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

pid_t attach_launch(const char *path, char **argv, const struct attach_session *as)
{
	char **env = launch_env(as);
	int fds[2], err = 0;
	pid_t pid;

	if (!env)
		return -ENOMEM;
	if (pipe2(fds, O_CLOEXEC)) {
		free(env);
		return -errno;
	}
	pid = fork();
	if (pid == 0)
		child(path, argv, env, fds[1]);
	if (pid < 0)
		err = errno;
	close(fds[1]);
	/* closed by a successful exec, or the error of a failed one */
	if (pid > 0 && read(fds[0], &err, sizeof(err)) <= 0)
		err = 0;
	close(fds[0]);
	free(env);
	return err ? -err : pid;
}

/* SPDX-License-Identifier: MIT */
/*
 * Session directories that a killed tool has left behind: "sonde.PID.XXXXXX" of our own user, PID
 * gone.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/internal.h"

static void remove_session(const char *base, const char *name)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", base, name);
	if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return;
	snprintf(path, sizeof(path), "%s/%s/" SESSION_FILE, base, name);
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s/" SESSION_AGENT, base, name);
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s", base, name);
	rmdir(path);
}

void attach_remove_stale(const char *base)
{
	DIR *d = opendir(base);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char *end;
		long pid;

		if (strncmp(e->d_name, SESSION_PREFIX, strlen(SESSION_PREFIX)) != 0)
			continue;
		pid = strtol(e->d_name + strlen(SESSION_PREFIX), &end, 10);
		if (pid > 0 && *end == '.' && kill((pid_t)pid, 0) && errno == ESRCH)
			remove_session(base, e->d_name);
	}
	if (d)
		closedir(d);
}

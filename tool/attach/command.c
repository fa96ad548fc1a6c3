/* SPDX-License-Identifier: MIT */
/*
 * The command of -c: words, the file it names, whether the agent can enter it.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/attach.h"
#include "base/err.h"

#define SCRIPT_DEPTH 4

/* One word from *p into @out (large enough for the rest); false if quotes do not match. */
static bool take_word(const char **p, char *out)
{
	char quote = 0;

	for (; **p; (*p)++) {
		char c = **p;

		if (quote) {
			if (c == quote)
				quote = 0;
			else if (c == '\\' && quote == '"' && strchr("\"\\$`", (*p)[1]) && (*p)[1])
				*out++ = *++*p;
			else
				*out++ = c;
		} else if (c == '\'' || c == '"') {
			quote = c;
		} else if (c == '\\' && (*p)[1]) {
			*out++ = *++*p;
		} else if (isspace((unsigned char)c)) {
			break;
		} else {
			*out++ = c;
		}
	}
	*out = '\0';
	return !quote;
}

char **attach_argv(const char *cmd)
{
	size_t n = 0, cap = strlen(cmd) / 2 + 2;
	char **argv = calloc(cap, sizeof(*argv)), *word = malloc(strlen(cmd) + 1);

	while (argv && word) {
		while (isspace((unsigned char)*cmd))
			cmd++;
		if (!*cmd) {
			free(word);
			return argv;
		}
		if (!take_word(&cmd, word)) {
			errno = EINVAL;
			break;
		}
		argv[n] = strdup(word);
		if (!argv[n++])
			break;
	}
	free(word);
	attach_argv_free(argv);
	return NULL;
}

void attach_argv_free(char **argv)
{
	for (char **p = argv; p && *p; p++)
		free(*p);
	free(argv);
}

static int runnable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return access(path, X_OK) ? -errno : 0;
}

int attach_which(const char *name, char *out, size_t size)
{
	const char *path = getenv("PATH");
	int ret = -ENOENT;

	if (strchr(name, '/')) {
		snprintf(out, size, "%s", name);
		return runnable(name);
	}
	if (!path || !*path)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (*path) {
		size_t n = strcspn(path, ":");
		int err;

		snprintf(out, size, "%.*s%s%s", (int)n, path, n ? "/" : "", name);
		err = runnable(out);
		if (!err)
			return 0;
		if (err == -EACCES)
			ret = err;
		path += n + (path[n] == ':');
	}
	return ret;
}

/* "#!/bin/sh -e" -> "/bin/sh"; false if the file is no script. */
static bool script_interpreter(const char *path, char *out, size_t size)
{
	char head[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head) - 1);
	size_t skip, len;

	if (fd >= 0)
		close(fd);
	if (n < 3 || head[0] != '#' || head[1] != '!')
		return false;
	head[n] = '\0';
	skip = 2 + strspn(head + 2, " \t");
	len = strcspn(head + skip, " \t\n");
	if (len == 0 || len >= size)
		return false;
	memcpy(out, head + skip, len);
	out[len] = '\0';
	return true;
}

static int can_enter_elf(const char *path)
{
	static const char loader[] = "/ld-linux-x86-64.so.2";
	struct image *img = NULL;
	size_t n;
	int err = image_open(path, &img);

	if (!err && !img->has_interp)
		err = SONDE_E_STATIC;
	if (!err) {
		n = strlen(img->interp);
		if (n < sizeof(loader) - 1 ||
		    strcmp(img->interp + n - (sizeof(loader) - 1), loader) != 0)
			err = SONDE_E_LOADER;
	}
	image_close(img);
	return err;
}

int attach_can_enter(const char *path)
{
	char file[PATH_MAX], interp[256];
	struct stat st;

	snprintf(file, sizeof(file), "%s", path);
	for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
		if (stat(file, &st))
			return -errno;
		if (!script_interpreter(file, interp, sizeof(interp))) {
			if (st.st_mode & (S_ISUID | S_ISGID))
				return SONDE_E_SETUID;
			return can_enter_elf(file);
		}
		snprintf(file, sizeof(file), "%s", interp);
	}
	return -ELOOP;
}

/* SPDX-License-Identifier: MIT */
/*
 * sonde -l: the functions that a pattern names.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "image/image.h"
#include "run.h"

/* "uprobe:BIN:PATTERN", "BIN:PATTERN", "BIN" -> its parts; false if it is of another kind. */
static bool split(const char *pattern, char *bin, size_t size, const char **func)
{
	const char *colon;
	size_t n;

	if (strncmp(pattern, "uprobe:", 7) == 0)
		pattern += 7;
	else if (strncmp(pattern, "u:", 2) == 0)
		pattern += 2;
	colon = strchr(pattern, ':');
	n = colon ? (size_t)(colon - pattern) : strlen(pattern);
	if (n == 0 || n >= size || (colon && strchr(colon + 1, ':')))
		return false;
	memcpy(bin, pattern, n);
	bin[n] = '\0';
	*func = colon && colon[1] ? colon + 1 : "*";
	return true;
}

static int list_image(const char *path, const char *func)
{
	struct image *img = NULL;
	int err = image_open(path, &img);
	const char *last = "";
	size_t n = 0;

	if (err) {
		fprintf(stderr, "sonde: %s: %s\n", path, sonde_err_text(err));
		image_close(img);
		return 1;
	}
	for (size_t i = 0; i < img->nfuncs; i++) {
		if (!image_glob(func, img->func[i].name) || strcmp(last, img->func[i].name) == 0)
			continue;
		last = img->func[i].name;
		printf("uprobe:%s:%s\n", img->path, last);
		n++;
	}
	if (!n)
		fprintf(stderr, "sonde: %s: %s\n", path,
			img->nfuncs ? "no function matches" : sonde_err_text(SONDE_E_STRIPPED));
	image_close(img);
	return n ? 0 : 1;
}

int list_probes(const struct options *opt)
{
	char bin[PATH_MAX], path[PATH_MAX], program[PATH_MAX];
	const char *func = "*";
	char **argv = opt->cmd ? attach_argv(opt->cmd) : NULL;
	bool has_program = argv && argv[0] && attach_which(argv[0], program, sizeof(program)) == 0;
	int err;

	attach_argv_free(argv);
	if (!opt->pattern && has_program)
		return list_image(program, func);
	if (!opt->pattern || !split(opt->pattern, bin, sizeof(bin), &func)) {
		fprintf(stderr, "sonde: -l takes a pattern of user-space probes such as "
				"'uprobe:libc:mem*' or 'uprobe:/usr/bin/sqlite3:*'\n");
		return 2;
	}
	err = image_resolve(bin, has_program ? program : NULL, path, sizeof(path));
	if (err) {
		fprintf(stderr, "sonde: no binary '%s': %s\n", bin, sonde_err_text(err));
		return 1;
	}
	return list_image(path, func);
}

/* SPDX-License-Identifier: MIT */
/*
 * sonde -l: the functions that a pattern names; with -v how a probe would be placed at each.
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

/* How a probe at @vaddr would be placed, or why it would not. */
static void list_site(struct plan *plan, uint64_t vaddr)
{
	struct plan_site site;
	int err = attach_plan(plan, vaddr, &site);

	if (err) {
		printf("    refused: %s\n", sonde_err_text(err));
		return;
	}
	printf("    %s", plan_class_name(site.site.class));
	if (site.site.hit_at)
		printf(", by a jump %u bytes before", site.site.hit_at);
	putchar('\n');
	plan_release(plan, &site);
}

static int list_address(const struct image *img, struct plan *plan, const char *text)
{
	char *end;
	uint64_t vaddr = strtoull(text, &end, 16);

	if (*end) {
		fprintf(stderr, "sonde: '%s' is no address\n", text);
		return 1;
	}
	printf("uprobe:%s:%s\n", img->path, text);
	if (plan)
		list_site(plan, vaddr);
	return 0;
}

/* Functions that match @func, each at its entry or at @offset ("+N") behind it. */
static int list_functions(const struct image *img, struct plan *plan, const char *func,
			  const char *offset)
{
	uint64_t off = offset ? strtoull(offset, NULL, 0) : 0;
	const char *last = "";
	size_t n = 0;

	for (size_t i = 0; i < img->nfuncs; i++) {
		const struct image_func *f = &img->func[i];
		uint64_t vaddr = f->vaddr;

		if (!image_glob(func, f->name) || strcmp(last, f->name) == 0)
			continue;
		last = f->name;
		printf("uprobe:%s:%s%s\n", img->path, last, offset ? offset : "");
		if (plan && off && f->size && off >= f->size)
			printf("    refused: the function has %llu bytes\n",
			       (unsigned long long)f->size);
		else if (plan && (!f->is_ifunc || image_ifunc(img, f->name, &vaddr) == 0))
			list_site(plan, vaddr + off);
		n++;
	}
	if (!n)
		fprintf(stderr, "sonde: %s: %s\n", img->path,
			img->nfuncs ? "no function matches" : sonde_err_text(SONDE_E_STRIPPED));
	return n ? 0 : 1;
}

/* @func: a pattern, a pattern and "+N", or "0xADDR". */
static int list_image(const char *path, const char *func, bool verbose)
{
	const char *plus = strchr(func, '+');
	char *name = plus ? strndup(func, (size_t)(plus - func)) : NULL;
	struct image *img = NULL;
	struct plan *plan = NULL;
	int ret = 1, err = image_open(path, &img);

	if (!err && verbose)
		err = plan_open(img, &plan);
	if (err)
		fprintf(stderr, "sonde: %s: %s\n", path, sonde_err_text(err));
	else if (strncmp(func, "0x", 2) == 0)
		ret = list_address(img, plan, func);
	else
		ret = list_functions(img, plan, name ? name : func, plus);
	plan_close(plan);
	image_close(img);
	free(name);
	return ret;
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
		return list_image(program, func, opt->verbose);
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
	return list_image(path, func, opt->verbose);
}

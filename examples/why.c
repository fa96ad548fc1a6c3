/* SPDX-License-Identifier: MIT */
/*
 * Can functions of a program or library be probed, how, and if not, why?
 *
 *     why libc malloc      one function
 *     why libc malloc+4    an instruction of it
 *     why libc 0x98870     an address
 *     why libc 'str*'      every function that matches
 *
 * Exits with 0 if every place that was asked for can be probed, 1 if not, 2 for wrong usage.
 *
 *     cc -o why why.c $(pkg-config --cflags --libs sonde)
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sonde/sonde.h>

struct count {
	const struct sonde_image *img;
	unsigned int asked, refused;
};

static void show(const char *what, int err, const struct sonde_site *site)
{
	printf("%s", what);
	if (site->vaddr)
		printf(" at 0x%" PRIx64, site->vaddr);
	if (err)
		printf(": no, %s (%s)\n", sonde_strerror(err), sonde_errname(err));
	else
		printf(": yes, %s, displaces %u bytes\n", site->class_name, site->insn_len);
}

static int show_func(const struct sonde_func *func, void *arg)
{
	struct sonde_site site = {.sz = sizeof(site)};
	struct count *n = arg;
	int err = sonde_site_plan(n->img, func->name, 0, &site);

	show(func->name, err, &site);
	n->asked++;
	n->refused += err != 0;
	return 0;
}

static bool ask_pattern(const struct sonde_image *img, const char *pattern)
{
	struct count n = {.img = img};

	sonde_image_each(img, pattern, show_func, &n);
	printf("%u of %u can be probed\n", n.asked - n.refused, n.asked);
	return n.asked && !n.refused;
}

/* "NAME", "NAME+OFFSET" or an address. */
static bool ask_one(const struct sonde_image *img, const char *what)
{
	struct sonde_site site = {.sz = sizeof(site)};
	const char *plus = strrchr(what, '+');
	int err;

	if (strncmp(what, "0x", 2) == 0) {
		err = sonde_site_plan_addr(img, strtoull(what, NULL, 16), &site);
	} else {
		char *name = strndup(what, plus ? (size_t)(plus - what) : strlen(what));

		if (!name)
			return false;
		err = sonde_site_plan(img, name, plus ? strtoull(plus + 1, NULL, 0) : 0, &site);
		free(name);
	}
	show(what, err, &site);
	return err == 0;
}

int main(int argc, char **argv)
{
	struct sonde_image *img;
	bool yes;
	int err;

	if (argc != 3) {
		fprintf(stderr, "usage: why BINARY FUNCTION[+OFFSET] | 0xADDRESS | PATTERN\n");
		return 2;
	}
	err = sonde_image_open(argv[1], &img);
	if (err) {
		fprintf(stderr, "why: %s: %s\n", argv[1], sonde_strerror(err));
		return 1;
	}
	printf("%s\n", sonde_image_path(img));
	yes = strpbrk(argv[2], "*?[") ? ask_pattern(img, argv[2]) : ask_one(img, argv[2]);
	sonde_image_close(img);
	return yes ? 0 : 1;
}

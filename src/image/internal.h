/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share about an open image.
 */
#ifndef SONDE_IMAGE_INTERNAL_H
#define SONDE_IMAGE_INTERNAL_H

#include <gelf.h>

#include "image/image.h"

struct image_priv {
	int fd;
	Elf *elf;
	const uint8_t *file; /* the whole file, mapped by libelf */
	size_t size;
	GElf_Phdr *load;
	size_t nloads;
	size_t cap; /* of img->func */
	Elf *debug; /* separate debug file, its names live in it */
	int debug_fd;
	char **name; /* names that are not in a file as they are */
	size_t nnames;
};

/* elf.c: image_open() without symbols and bounds; same errors. */
int image_open_headers(const char *path, struct image **out);
/* symbols.c: fill img->func. 0 or -ENOMEM. */
int image_read_symbols(struct image *img);
void image_free_symbols(struct image *img);
/* bounds.c: fill img->bound. 0 or -ENOMEM. */
int image_read_bounds(struct image *img);

#endif

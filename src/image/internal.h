/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share about an open image.
 */
#ifndef SONDE_IMAGE_INTERNAL_H
#define SONDE_IMAGE_INTERNAL_H

#include <elfutils/libdw.h>
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
/* encoded.c: the bytes of an unwind table, read forward; they lie at @vaddr */
struct image_cursor {
	const uint8_t *data;
	size_t size, at;
	uint64_t vaddr;
};

/* false at the end of the bytes, or for an encoding that leads to no code */
bool image_read_leb(struct image_cursor *c, uint64_t *out);
bool image_read_encoded(struct image_cursor *c, uint8_t enc, uint64_t *out);

/* Encodings that a CIE gives its FDEs. */
struct image_cie {
	uint8_t fde, lsda;
	bool has_data; /* a length and augmentation data stand in each FDE */
};

struct image_cie image_read_cie(const Dwarf_CIE *cie);

/* bounds.c: fill img->bound. 0 or -ENOMEM. */
int image_read_bounds(struct image *img);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * From an address in a process to a function's name. Images are opened once per file and kept;
 * a file that could not be opened, or is not the one that was mapped any more, is not tried
 * again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "read/internal.h"

struct read_image {
	struct read_image *next;
	uint64_t dev, ino;
	char *path;
	struct image *img; /* NULL: not to be had */
};

static struct image *open_same(const struct read_module *m)
{
	struct image *img = NULL;
	int err = image_open(m->path, &img);

	if (img && (err || (m->ino && (img->dev != m->dev || img->ino != m->ino)))) {
		image_close(img);
		img = NULL;
	}
	return err ? NULL : img;
}

static struct image *find_image(struct read *r, const struct read_module *m)
{
	struct read_image *i;

	for (i = r->images; i; i = i->next) {
		if (i->dev == m->dev && i->ino == m->ino && strcmp(i->path, m->path) == 0)
			return i->img;
	}
	i = calloc(1, sizeof(*i));
	if (!i)
		return NULL;
	i->path = strdup(m->path);
	if (!i->path) {
		free(i);
		return NULL;
	}
	i->dev = m->dev;
	i->ino = m->ino;
	i->img = open_same(m);
	i->next = r->images;
	r->images = i;
	return i->img;
}

/* The module that lies at @addr; of several the one that is still there, then the latest. */
static const struct read_module *find_module(const struct read *r, uint32_t proc, uint64_t addr)
{
	const struct read_module *best = NULL;
	const struct read_proc *p;

	if (proc >= r->head.procs.count)
		return NULL;
	p = &r->proc[proc];
	for (size_t i = 0; i < p->nmodules; i++) {
		const struct read_module *m = &p->module[i];

		if (addr < m->start || addr >= m->end)
			continue;
		if (!best || !m->gone || best->gone)
			best = m;
	}
	return best;
}

size_t read_symbol(struct read *r, uint32_t proc, uint64_t addr, char *buf, size_t size)
{
	const struct read_module *m = find_module(r, proc, addr);
	struct image *img = m ? find_image(r, m) : NULL;
	const struct image_func *f = img ? image_symbolize(img, addr - m->bias) : NULL;
	uint64_t off;
	int n;

	if (!size)
		return 0;
	if (!f || !f->name) {
		n = snprintf(buf, size, "0x%" PRIx64, addr);
	} else {
		off = addr - m->bias - f->vaddr;
		n = off ? snprintf(buf, size, "%s+%" PRIu64, f->name, off)
			: snprintf(buf, size, "%s", f->name);
	}
	if (n < 0)
		n = 0;
	return (size_t)n < size ? (size_t)n : size - 1;
}

void read_images_free(struct read *r)
{
	while (r->images) {
		struct read_image *i = r->images;

		r->images = i->next;
		if (i->img)
			image_close(i->img);
		free(i->path);
		free(i);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Where functions begin and end: .eh_frame knows nearly all, stripped or not; sized symbols add
 * the rest (hand-written assembly without unwind information).
 */
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "image/internal.h"

struct bounds {
	struct image_range *r;
	size_t n, cap;
};

static int bound_add(struct bounds *b, const struct image *img, uint64_t start, uint64_t size)
{
	struct image_range text, *r;

	if (!size || size > UINT64_MAX - start || !image_text(img, start, &text) ||
	    start + size > text.end)
		return 0;
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 1024;
		r = realloc(b->r, b->cap * sizeof(*r));
		if (!r)
			return -ENOMEM;
		b->r = r;
	}
	b->r[b->n++] = (struct image_range){start, start + size};
	return 0;
}

struct cie_cache {
	uint64_t off;
	struct image_cie cie;
	bool known;
};

static int read_eh_frame(struct bounds *b, const struct image *img, const GElf_Ehdr *eh,
			 Elf_Data *data, uint64_t vaddr)
{
	struct cie_cache last = {0};
	Dwarf_Off off = 0, next;
	Dwarf_CFI_Entry e, c;

	while (dwarf_next_cfi(eh->e_ident, data, true, off, &next, &e) == 0) {
		struct image_cursor at = {data->d_buf, data->d_size, 0, vaddr};
		uint64_t start, size;

		off = next;
		if (dwarf_cfi_cie_p(&e))
			continue;
		if (!last.known || last.off != e.fde.CIE_pointer) {
			Dwarf_Off ignored;

			if (dwarf_next_cfi(eh->e_ident, data, true, e.fde.CIE_pointer, &ignored,
					   &c) ||
			    !dwarf_cfi_cie_p(&c))
				continue;
			last = (struct cie_cache){e.fde.CIE_pointer, image_read_cie(&c.cie), true};
		}
		at.at = (size_t)(e.fde.start - at.data);
		if (!image_read_encoded(&at, last.cie.fde, &start) ||
		    !image_read_encoded(&at, last.cie.fde & 0xf, &size))
			continue;
		if (bound_add(b, img, start, size))
			return -ENOMEM;
	}
	return 0;
}

static int compare(const void *x, const void *y)
{
	const struct image_range *a = x, *b = y;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->end < b->end ? 1 : a->end > b->end ? -1 : 0;
}

static int read_sections(struct bounds *b, const struct image *img)
{
	struct image_priv *p = img->priv;
	Elf_Scn *scn = NULL;
	size_t strndx;
	GElf_Ehdr eh;
	int err = 0;

	if (!gelf_getehdr(p->elf, &eh) || elf_getshdrstrndx(p->elf, &strndx))
		return 0;
	while (!err && (scn = elf_nextscn(p->elf, scn))) {
		GElf_Shdr sh;
		const char *name;
		Elf_Data *data;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(p->elf, strndx, sh.sh_name);
		data = name && strcmp(name, ".eh_frame") == 0 ? elf_rawdata(scn, NULL) : NULL;
		if (data && data->d_buf)
			err = read_eh_frame(b, img, &eh, data, sh.sh_addr);
	}
	return err;
}

int image_read_bounds(struct image *img)
{
	struct bounds b = {0};
	size_t n = 0;
	int err = read_sections(&b, img);

	for (size_t i = 0; !err && i < img->nfuncs; i++)
		err = bound_add(&b, img, img->func[i].vaddr, img->func[i].size);
	if (err) {
		free(b.r);
		return err;
	}
	if (b.n)
		qsort(b.r, b.n, sizeof(*b.r), compare);
	for (size_t i = 0; i < b.n; i++) {
		if (n && b.r[n - 1].start == b.r[i].start)
			continue; /* the longest came first */
		b.r[n++] = b.r[i];
	}
	img->bound = b.r;
	img->nbounds = n;
	return 0;
}

bool image_bound(const struct image *img, uint64_t vaddr, struct image_range *out)
{
	size_t lo = 0, hi = img->nbounds;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (img->bound[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || vaddr >= img->bound[lo - 1].end)
		return false;
	*out = img->bound[lo - 1];
	return true;
}

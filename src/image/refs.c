/* SPDX-License-Identifier: MIT */
/*
 * Where an image's tables lead into its code, other than by branches: landing pads of exceptions,
 * relocated pointers; and which pieces of code are the rest of a function that begins elsewhere.
 *
 * Invariant: what is damaged is skipped; no address is reported that the table does not hold.
 * Context: tool, any thread.
 */
#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <string.h>

#include "base/base.h"
#include "image/internal.h"

#define POINTER 8

struct refs {
	const struct image *img;
	image_ref_cb *cb;
	void *arg;
	struct image_range text; /* the executable segment asked for last */
};

static bool is_code(struct refs *r, uint64_t vaddr)
{
	return (vaddr >= r->text.start && vaddr < r->text.end) ||
	       image_text(r->img, vaddr, &r->text);
}

static void report(struct refs *r, enum image_ref kind, uint64_t vaddr)
{
	if (is_code(r, vaddr))
		r->cb(r->arg, kind, vaddr);
}

/* A function's table of call sites: where a throw in each of them lands. */
static void read_lsda(struct refs *r, uint64_t vaddr, uint64_t start)
{
	const struct image_priv *p = r->img->priv;
	uint64_t off = image_file_offset(r->img, vaddr), base = start, ignored, len;
	struct image_cursor c = {.vaddr = vaddr};
	uint8_t enc;

	if (off == UINT64_MAX)
		return;
	c.data = p->file + off;
	c.size = p->size - off;
	if (c.size < 3)
		return;
	enc = c.data[c.at++];
	if (enc != DW_EH_PE_omit && !image_read_encoded(&c, enc, &base))
		return;
	enc = c.at < c.size ? c.data[c.at++] : DW_EH_PE_omit;
	if (enc != DW_EH_PE_omit && !image_read_leb(&c, &ignored))
		return;
	if (c.at >= c.size)
		return;
	enc = c.data[c.at++];
	if (!image_read_leb(&c, &len) || len > c.size - c.at)
		return;
	for (c.size = c.at + len; c.at < c.size;) {
		uint64_t pad;

		if (!image_read_encoded(&c, enc, &ignored) ||
		    !image_read_encoded(&c, enc, &ignored) || !image_read_encoded(&c, enc, &pad) ||
		    !image_read_leb(&c, &ignored))
			return;
		if (pad)
			report(r, IMAGE_REF_LANDING, base + pad);
	}
}

/*
 * The frame that the unwind program @p describes for the very start of its code is not that of a
 * function just called. Looks at what comes before the first advance.
 */
static bool starts_with_frame(const uint8_t *p, const uint8_t *end)
{
	struct image_cursor c = {.data = p, .size = (size_t)(end - p)};
	uint64_t reg, off;

	while (c.at < c.size) {
		uint8_t op = c.data[c.at++];

		switch (op) {
		case DW_CFA_nop:
		case DW_CFA_remember_state:
		case DW_CFA_restore_state:
			continue;
		case DW_CFA_def_cfa:
			return !image_read_leb(&c, &reg) || !image_read_leb(&c, &off) || reg != 7 ||
			       off != 8;
		case DW_CFA_def_cfa_offset:
			return !image_read_leb(&c, &off) || off != 8;
		case DW_CFA_def_cfa_register:
		case DW_CFA_def_cfa_expression:
			return true;
		case DW_CFA_undefined:
		case DW_CFA_same_value:
			if (!image_read_leb(&c, &reg))
				return false;
			continue;
		case DW_CFA_GNU_args_size:
			if (!image_read_leb(&c, &off))
				return false;
			continue;
		default:
			/* registers saved already: a called function saves none before it runs */
			return (op & 0xc0) == DW_CFA_offset;
		}
	}
	return false;
}

static void read_fde(struct refs *r, const struct image_cie *cie, const Dwarf_FDE *fde,
		     const Elf_Data *data, uint64_t vaddr)
{
	struct image_cursor c = {.data = data->d_buf, .size = data->d_size, .vaddr = vaddr};
	uint64_t start, size, len = 0, lsda;
	const uint8_t *program;

	c.at = (size_t)(fde->start - c.data);
	if (!image_read_encoded(&c, cie->fde, &start) ||
	    !image_read_encoded(&c, cie->fde & 0xf, &size) || !is_code(r, start))
		return;
	if (cie->has_data && !image_read_leb(&c, &len))
		return;
	if (len > c.size - c.at)
		return;
	program = c.data + c.at + len;
	/* zero is no table, and so not relative to anything */
	if (cie->lsda != DW_EH_PE_omit && len) {
		uint64_t raw, at = c.at;

		if (image_read_encoded(&c, cie->lsda & 0xf, &raw) && raw) {
			c.at = at;
			if (image_read_encoded(&c, cie->lsda, &lsda))
				read_lsda(r, lsda, start);
		}
	}
	if (program < fde->end && starts_with_frame(program, fde->end))
		report(r, IMAGE_REF_PART, start);
}

static void read_unwind(struct refs *r, const GElf_Ehdr *eh, Elf_Data *data, uint64_t vaddr)
{
	uint64_t last = UINT64_MAX;
	struct image_cie cie = {0};
	Dwarf_Off off = 0, next;
	Dwarf_CFI_Entry e, c;

	while (dwarf_next_cfi(eh->e_ident, data, true, off, &next, &e) == 0) {
		off = next;
		if (dwarf_cfi_cie_p(&e))
			continue;
		if (last != e.fde.CIE_pointer) {
			Dwarf_Off ignored;

			if (dwarf_next_cfi(eh->e_ident, data, true, e.fde.CIE_pointer, &ignored,
					   &c) ||
			    !dwarf_cfi_cie_p(&c))
				continue;
			last = e.fde.CIE_pointer;
			cie = image_read_cie(&c.cie);
		}
		read_fde(r, &cie, &e.fde, data, vaddr);
	}
}

/* Pointers that the loader adjusts. */
static void read_rela(struct refs *r, Elf_Data *data)
{
	size_t n = data->d_size / sizeof(Elf64_Rela);
	const uint8_t *at = data->d_buf;

	for (size_t i = 0; i < n; i++) {
		Elf64_Rela rela;

		memcpy(&rela, at + i * sizeof(rela), sizeof(rela));
		if (ELF64_R_TYPE(rela.r_info) == R_X86_64_RELATIVE ||
		    ELF64_R_TYPE(rela.r_info) == R_X86_64_IRELATIVE)
			report(r, IMAGE_REF_POINTER, (uint64_t)rela.r_addend);
	}
}

static void read_place(struct refs *r, uint64_t place)
{
	uint64_t to;

	if (image_bytes(r->img, place, &to, sizeof(to)) == sizeof(to))
		report(r, IMAGE_REF_POINTER, to);
}

/* The same packed: an address, then bitmaps of the 63 words behind the last place. */
static void read_relr(struct refs *r, Elf_Data *data)
{
	size_t n = data->d_size / POINTER;
	uint64_t place = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t word;

		memcpy(&word, (const uint8_t *)data->d_buf + i * POINTER, POINTER);
		if (!(word & 1)) {
			read_place(r, word);
			place = word + POINTER;
			continue;
		}
		for (unsigned int bit = 0; bit < 63; bit++) {
			if (word >> (bit + 1) & 1)
				read_place(r, place + bit * POINTER);
		}
		place += 63ull * POINTER;
	}
}

/* An image with fixed addresses has no relocations: whatever looks like a pointer to code, also in
 * segments that hold data beside code. */
static void read_words(struct refs *r)
{
	const struct image_priv *p = r->img->priv;

	for (size_t i = 0; i < p->nloads; i++) {
		const GElf_Phdr *ph = &p->load[i];
		uint64_t end = ph->p_vaddr + ph->p_filesz;

		if (ph->p_filesz > ph->p_memsz)
			continue;
		for (uint64_t v = ALIGN_UP(ph->p_vaddr, POINTER); v + POINTER <= end; v += POINTER)
			read_place(r, v);
	}
}

void image_each_ref(const struct image *img, image_ref_cb *cb, void *arg)
{
	struct refs r = {.img = img, .cb = cb, .arg = arg};
	struct image_priv *p = img->priv;
	Elf_Scn *scn = NULL;
	size_t strndx;
	GElf_Ehdr eh;

	if (img->is_exec)
		read_words(&r);
	if (!gelf_getehdr(p->elf, &eh) || elf_getshdrstrndx(p->elf, &strndx))
		return;
	while ((scn = elf_nextscn(p->elf, scn))) {
		GElf_Shdr sh;
		const char *name;
		Elf_Data *data;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(p->elf, strndx, sh.sh_name);
		if (sh.sh_type != SHT_RELA && sh.sh_type != SHT_RELR &&
		    !(name && strcmp(name, ".eh_frame") == 0))
			continue;
		data = elf_rawdata(scn, NULL);
		if (!data || !data->d_buf)
			continue;
		if (sh.sh_type == SHT_RELA)
			read_rela(&r, data);
		else if (sh.sh_type == SHT_RELR)
			read_relr(&r, data);
		else
			read_unwind(&r, &eh, data, sh.sh_addr);
	}
}

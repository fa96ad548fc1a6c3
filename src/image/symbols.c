/* SPDX-License-Identifier: MIT */
/*
 * Functions by name: .dynsym, .symtab, and the symbol table of a separate debug file that the
 * build-id leads to.
 *
 * A name means its default version, as it does for a program that is linked today. Old versions
 * (memcpy@GLIBC_2.2.5) keep the bare name but count as local, so that the default one wins.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "image/internal.h"

#define DEBUG_DIR "/usr/lib/debug/.build-id"

static int func_add(struct image *img, const GElf_Sym *sym, const char *name, bool exported)
{
	struct image_priv *p = img->priv;
	struct image_func *f = img->func;

	if (img->nfuncs == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 256;
		f = realloc(img->func, p->cap * sizeof(*f));
		if (!f)
			return -ENOMEM;
		img->func = f;
	}
	f[img->nfuncs++] = (struct image_func){
		.vaddr = sym->st_value,
		.size = sym->st_size,
		.name = name,
		.is_ifunc = GELF_ST_TYPE(sym->st_info) == STT_GNU_IFUNC,
		.is_global = GELF_ST_BIND(sym->st_info) != STB_LOCAL,
		.is_exported = exported,
	};
	return 0;
}

/* The version table of .dynsym, NULL for other tables. */
static Elf_Data *version_table(Elf *elf, const GElf_Shdr *sh)
{
	Elf_Scn *scn = NULL;

	while (sh->sh_type == SHT_DYNSYM && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr vh;

		if (gelf_getshdr(scn, &vh) && vh.sh_type == SHT_GNU_versym)
			return elf_getdata(scn, NULL);
	}
	return NULL;
}

static bool is_old_version(Elf_Data *versions, size_t i)
{
	GElf_Versym v;

	return versions && gelf_getversym(versions, (int)i, &v) && (v & 0x8000);
}

/* Versions that a .symtab spells out: "foo@@V" is foo, "foo@V" an old one, which .dynsym has. */
static const char *bare_name(struct image *img, const char *name)
{
	struct image_priv *p = img->priv;
	const char *at = strchr(name, '@');
	char **more;

	if (!at || at == name)
		return name;
	if (at[1] != '@')
		return NULL;
	more = realloc(p->name, (p->nnames + 1) * sizeof(*more));
	if (!more)
		return NULL;
	p->name = more;
	p->name[p->nnames] = strndup(name, (size_t)(at - name));
	return p->name[p->nnames] ? p->name[p->nnames++] : NULL;
}

static int read_table(struct image *img, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(scn, NULL), *versions = version_table(elf, sh);
	size_t n = sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;

	for (size_t i = 0; data && i < n; i++) {
		struct image_range text;
		const char *name;
		GElf_Sym sym;

		if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF ||
		    (GELF_ST_TYPE(sym.st_info) != STT_FUNC &&
		     GELF_ST_TYPE(sym.st_info) != STT_GNU_IFUNC))
			continue;
		name = elf_strptr(elf, sh->sh_link, sym.st_name);
		name = name ? bare_name(img, name) : NULL;
		if (!name || !*name || !image_text(img, sym.st_value, &text))
			continue;
		if (func_add(img, &sym, name, sh->sh_type == SHT_DYNSYM))
			return -ENOMEM;
		if (is_old_version(versions, i))
			img->func[img->nfuncs - 1].is_global = false;
	}
	return 0;
}

static int read_tables(struct image *img, Elf *elf)
{
	Elf_Scn *scn = NULL;
	int err = 0;

	while (!err && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;

		if (gelf_getshdr(scn, &sh) &&
		    (sh.sh_type == SHT_SYMTAB || sh.sh_type == SHT_DYNSYM))
			err = read_table(img, elf, scn, &sh);
	}
	return err;
}

static int read_debug_file(struct image *img)
{
	struct image_priv *p = img->priv;
	char path[sizeof(DEBUG_DIR) + 64];
	int n;

	if (img->build_id_len < 2)
		return 0;
	n = snprintf(path, sizeof(path), DEBUG_DIR "/%02x/", img->build_id[0]);
	for (uint32_t i = 1; i < img->build_id_len; i++)
		n += snprintf(path + n, sizeof(path) - (size_t)n, "%02x", img->build_id[i]);
	snprintf(path + n, sizeof(path) - (size_t)n, ".debug");
	p->debug_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (p->debug_fd < 0)
		return 0;
	p->debug = elf_begin(p->debug_fd, ELF_C_READ_MMAP, NULL);
	return p->debug && elf_kind(p->debug) == ELF_K_ELF ? read_tables(img, p->debug) : 0;
}

/* By address, then by name; of equal ones the exported first. */
static int compare(const void *x, const void *y)
{
	const struct image_func *a = x, *b = y;
	int c;

	if (a->vaddr != b->vaddr)
		return a->vaddr < b->vaddr ? -1 : 1;
	c = strcmp(a->name, b->name);
	return c ? c : (int)b->is_exported - (int)a->is_exported;
}

int image_read_symbols(struct image *img)
{
	struct image_priv *p = img->priv;
	size_t n = 0;
	int err;

	err = read_tables(img, p->elf);
	if (!err)
		err = read_debug_file(img);
	if (err || !img->nfuncs)
		return err;
	qsort(img->func, img->nfuncs, sizeof(*img->func), compare);
	for (size_t i = 0; i < img->nfuncs; i++) {
		if (n && img->func[n - 1].vaddr == img->func[i].vaddr &&
		    strcmp(img->func[n - 1].name, img->func[i].name) == 0)
			continue;
		img->func[n++] = img->func[i];
	}
	img->nfuncs = n;
	return 0;
}

void image_free_symbols(struct image *img)
{
	struct image_priv *p = img->priv;

	free(img->func);
	for (size_t i = 0; i < p->nnames; i++)
		free(p->name[i]);
	free(p->name);
	if (p->debug)
		elf_end(p->debug);
	if (p->debug_fd >= 0)
		close(p->debug_fd);
}

const struct image_func *image_symbolize(const struct image *img, uint64_t vaddr)
{
	const struct image_func *best = NULL;
	size_t lo = 0, hi = img->nfuncs;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (img->func[mid].vaddr <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = lo; i-- > 0;) {
		const struct image_func *f = &img->func[i];

		if (best && f->vaddr != best->vaddr)
			break;
		if (f->size && vaddr - f->vaddr >= f->size) {
			if (lo - i > 64)
				break;
			continue;
		}
		if (!best || f->is_global > best->is_global ||
		    (f->is_global == best->is_global && strlen(f->name) < strlen(best->name)))
			best = f;
	}
	return best;
}

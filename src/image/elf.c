/* SPDX-License-Identifier: MIT */
/*
 * One ELF file: headers, segments, build-id, bytes. Symbols are in symbols.c, function bounds in
 * bounds.c. libelf reads the structures; every range taken from them is checked against the file.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/err.h"
#include "image/internal.h"

#define PAGE 4096ull

static int read_segments(struct image *img, struct image_priv *p)
{
	size_t n;

	if (elf_getphdrnum(p->elf, &n) || n > 4096)
		return SONDE_E_NOT_ELF;
	img->span = (struct image_range){UINT64_MAX, 0};
	p->load = calloc(n ? n : 1, sizeof(*p->load));
	if (!p->load)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(p->elf, (int)i, &ph))
			return SONDE_E_NOT_ELF;
		if (ph.p_type == PT_INTERP && ph.p_offset < p->size) {
			size_t len = ph.p_filesz;

			if (len > p->size - ph.p_offset)
				len = p->size - ph.p_offset;
			if (len >= sizeof(img->interp))
				len = sizeof(img->interp) - 1;
			memcpy(img->interp, p->file + ph.p_offset, len);
			img->has_interp = true;
		}
		if (ph.p_type != PT_LOAD || ph.p_memsz == 0 || ph.p_memsz > UINT64_MAX - PAGE ||
		    ph.p_vaddr > UINT64_MAX - ph.p_memsz - PAGE || ph.p_offset > p->size)
			continue;
		p->load[p->nloads++] = ph;
		if (ALIGN_DOWN(ph.p_vaddr, PAGE) < img->span.start)
			img->span.start = ALIGN_DOWN(ph.p_vaddr, PAGE);
		if (ALIGN_UP(ph.p_vaddr + ph.p_memsz, PAGE) > img->span.end)
			img->span.end = ALIGN_UP(ph.p_vaddr + ph.p_memsz, PAGE);
	}
	return p->nloads ? 0 : SONDE_E_NOT_ELF;
}

static void read_build_id(struct image *img, struct image_priv *p)
{
	size_t n = 0;

	elf_getphdrnum(p->elf, &n);
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;
		GElf_Nhdr nh;
		Elf_Data *d;
		size_t off = 0, name, desc, next;

		if (!gelf_getphdr(p->elf, (int)i, &ph) || ph.p_type != PT_NOTE)
			continue;
		d = elf_getdata_rawchunk(p->elf, (int64_t)ph.p_offset, ph.p_filesz, ELF_T_NHDR);
		while (d && (next = gelf_getnote(d, off, &nh, &name, &desc)) > 0) {
			if (nh.n_type == NT_GNU_BUILD_ID && nh.n_namesz == 4 &&
			    nh.n_descsz <= sizeof(img->build_id) &&
			    memcmp((char *)d->d_buf + name, "GNU", 4) == 0) {
				memcpy(img->build_id, (char *)d->d_buf + desc, nh.n_descsz);
				img->build_id_len = nh.n_descsz;
				return;
			}
			off = next;
		}
	}
}

static int open_file(struct image *img, struct image_priv *p, const char *path)
{
	struct stat st;

	p->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (p->fd < 0)
		return -errno;
	if (fstat(p->fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	img->dev = st.st_dev;
	img->ino = st.st_ino;
	img->path = realpath(path, NULL);
	if (!img->path)
		return -errno;
	elf_version(EV_CURRENT);
	p->elf = elf_begin(p->fd, ELF_C_READ_MMAP, NULL);
	if (!p->elf || elf_kind(p->elf) != ELF_K_ELF)
		return SONDE_E_NOT_ELF;
	p->file = (const uint8_t *)elf_rawfile(p->elf, &p->size);
	return p->file ? 0 : SONDE_E_NOT_ELF;
}

/* Headers and segments: enough for dynamic sections and bytes. */
int image_open_headers(const char *path, struct image **out)
{
	struct image *img = calloc(1, sizeof(*img));
	struct image_priv *p = calloc(1, sizeof(*p));
	GElf_Ehdr eh;
	int err;

	*out = NULL;
	if (!img || !p) {
		free(p);
		free(img);
		return -ENOMEM;
	}
	img->priv = p;
	p->fd = p->debug_fd = -1;
	err = open_file(img, p, path);
	if (!err && !gelf_getehdr(p->elf, &eh))
		err = SONDE_E_NOT_ELF;
	if (err)
		goto fail;
	img->machine = eh.e_machine;
	img->is_exec = eh.e_type == ET_EXEC;
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh.e_machine != EM_X86_64) {
		*out = img;
		return SONDE_E_MACHINE;
	}
	err = eh.e_type == ET_EXEC || eh.e_type == ET_DYN ? read_segments(img, p) : SONDE_E_NOT_ELF;
	if (err)
		goto fail;
	*out = img;
	return 0;
fail:
	image_close(img);
	return err;
}

int image_open(const char *path, struct image **out)
{
	int err = image_open_headers(path, out);

	if (err)
		return err;
	read_build_id(*out, (*out)->priv);
	err = image_read_symbols(*out);
	if (!err)
		err = image_read_bounds(*out);
	if (err) {
		image_close(*out);
		*out = NULL;
	}
	return err;
}

void image_close(struct image *img)
{
	struct image_priv *p = img ? img->priv : NULL;

	if (!img)
		return;
	image_free_symbols(img);
	free(img->bound);
	if (p->elf)
		elf_end(p->elf);
	if (p->fd >= 0)
		close(p->fd);
	free(p->load);
	free(p);
	free(img->path);
	free(img);
}

static const GElf_Phdr *segment(const struct image *img, uint64_t vaddr)
{
	const struct image_priv *p = img->priv;

	for (size_t i = 0; i < p->nloads; i++) {
		if (vaddr >= p->load[i].p_vaddr && vaddr - p->load[i].p_vaddr < p->load[i].p_memsz)
			return &p->load[i];
	}
	return NULL;
}

size_t image_bytes(const struct image *img, uint64_t vaddr, void *buf, size_t n)
{
	const struct image_priv *p = img->priv;
	uint64_t off = image_file_offset(img, vaddr), left;
	const GElf_Phdr *ph = segment(img, vaddr);

	if (off == UINT64_MAX)
		return 0;
	left = ph->p_filesz - (vaddr - ph->p_vaddr);
	left = left > p->size - off ? p->size - off : left;
	n = n > left ? left : n;
	memcpy(buf, p->file + off, n);
	return n;
}

bool image_text(const struct image *img, uint64_t vaddr, struct image_range *out)
{
	const GElf_Phdr *ph = segment(img, vaddr);

	if (!ph || !(ph->p_flags & PF_X))
		return false;
	out->start = ALIGN_DOWN(ph->p_vaddr, PAGE);
	out->end = ALIGN_UP(ph->p_vaddr + ph->p_memsz, PAGE);
	return true;
}

uint64_t image_file_offset(const struct image *img, uint64_t vaddr)
{
	const struct image_priv *p = img->priv;
	const GElf_Phdr *ph = segment(img, vaddr);
	uint64_t off;

	if (!ph || vaddr - ph->p_vaddr >= ph->p_filesz)
		return UINT64_MAX;
	off = ph->p_offset + (vaddr - ph->p_vaddr);
	return off < p->size ? off : UINT64_MAX;
}

/* SPDX-License-Identifier: MIT */
/*
 * Writes small ELF files with known code and symbols, and lets a test damage them.
 *
 *	0x000 headers | 0x200 interp | 0x240 build-id note | 0x300 .symtab | 0x800 .strtab |
 *	0xe00 .shstrtab | 0xe80 section headers | 0x1000 code, at vaddr base + 0x1000
 */
#ifndef TEST_IMAGE_MAKE_ELF_H
#define TEST_IMAGE_MAKE_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAKE_CODE 0x1000u
#define MAKE_CODE_MAX 0x1000u
#define MAKE_SYMS 32
#define MAKE_EXEC_BASE 0x400000ull

struct make_elf {
	uint8_t file[MAKE_CODE + MAKE_CODE_MAX];
	char path[64];
	uint64_t base;
	size_t ncode, nsyms, nstr;
};

static inline Elf64_Ehdr *make_ehdr(struct make_elf *m)
{
	return (Elf64_Ehdr *)m->file;
}

static inline Elf64_Phdr *make_phdr(struct make_elf *m, unsigned i)
{
	return (Elf64_Phdr *)(m->file + sizeof(Elf64_Ehdr)) + i;
}

static inline Elf64_Shdr *make_shdr(struct make_elf *m, unsigned i)
{
	return (Elf64_Shdr *)(m->file + 0xe80) + i;
}

static inline void make_begin(struct make_elf *m, bool is_exec)
{
	static const char names[] = "\0.symtab\0.strtab\0.shstrtab";
	static const uint8_t note[] = {4,   0,	 0,   0, 8, 0, 0, 0, 3, 0, 0, 0,
				       'G', 'N', 'U', 0, 1, 2, 3, 4, 5, 6, 7, 8};
	Elf64_Ehdr *eh = make_ehdr(m);

	memset(m, 0, sizeof(*m));
	m->base = is_exec ? MAKE_EXEC_BASE : 0;
	m->nsyms = m->nstr = 1;
	memcpy(eh->e_ident, ELFMAG "\2\1\1", 7);
	eh->e_type = is_exec ? ET_EXEC : ET_DYN;
	eh->e_machine = EM_X86_64;
	eh->e_version = EV_CURRENT;
	eh->e_phoff = sizeof(*eh);
	eh->e_ehsize = sizeof(*eh);
	eh->e_phentsize = sizeof(Elf64_Phdr);
	eh->e_phnum = 3;
	eh->e_shoff = 0xe80;
	eh->e_shentsize = sizeof(Elf64_Shdr);
	eh->e_shnum = 4;
	eh->e_shstrndx = 3;
	*make_phdr(m, 0) = (Elf64_Phdr){.p_type = PT_LOAD,
					.p_flags = PF_R | PF_X,
					.p_offset = MAKE_CODE,
					.p_vaddr = m->base + MAKE_CODE,
					.p_align = 0x1000};
	*make_phdr(m, 1) = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = 0x200, .p_filesz = 10};
	*make_phdr(m, 2) = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = 0x240, .p_filesz = sizeof(note), .p_align = 4};
	strcpy((char *)m->file + 0x200, "/lib/ld.x");
	memcpy(m->file + 0x240, note, sizeof(note));
	*make_shdr(m, 1) = (Elf64_Shdr){.sh_name = 1,
					.sh_type = SHT_SYMTAB,
					.sh_offset = 0x300,
					.sh_link = 2,
					.sh_entsize = sizeof(Elf64_Sym),
					.sh_info = 1,
					.sh_addralign = 8};
	*make_shdr(m, 2) = (Elf64_Shdr){
		.sh_name = 9, .sh_type = SHT_STRTAB, .sh_offset = 0x800, .sh_addralign = 1};
	*make_shdr(m, 3) = (Elf64_Shdr){.sh_name = 17,
					.sh_type = SHT_STRTAB,
					.sh_offset = 0xe00,
					.sh_size = sizeof(names),
					.sh_addralign = 1};
	memcpy(m->file + 0xe00, names, sizeof(names));
}

/* @size 0 is a symbol without size. */
static inline void make_sym(struct make_elf *m, const char *name, uint64_t off, uint64_t size,
			    uint8_t info)
{
	Elf64_Sym *s = (Elf64_Sym *)(m->file + 0x300) + m->nsyms++;

	*s = (Elf64_Sym){.st_name = (uint32_t)m->nstr,
			 .st_info = info,
			 .st_shndx = 1,
			 .st_value = m->base + MAKE_CODE + off,
			 .st_size = size};
	strcpy((char *)m->file + 0x800 + m->nstr, name);
	m->nstr += strlen(name) + 1;
}

/* Code at offset @off of the segment, and a global function symbol over it. */
static inline void make_func(struct make_elf *m, const char *name, uint64_t off, const void *code,
			     size_t n)
{
	memcpy(m->file + MAKE_CODE + off, code, n);
	if (off + n > m->ncode)
		m->ncode = off + n;
	make_sym(m, name, off, n, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC));
}

static inline void make_fill(struct make_elf *m, uint8_t byte)
{
	memset(m->file + MAKE_CODE, byte, MAKE_CODE_MAX);
}

static inline void make_end(struct make_elf *m)
{
	make_phdr(m, 0)->p_filesz = make_phdr(m, 0)->p_memsz = MAKE_CODE_MAX;
	make_shdr(m, 1)->sh_size = m->nsyms * sizeof(Elf64_Sym);
	make_shdr(m, 2)->sh_size = m->nstr;
}

/* To a file of its own; false if that fails. */
static inline bool make_write(struct make_elf *m, size_t n)
{
	int fd;
	bool ok;

	strcpy(m->path, "/tmp/sonde-test-XXXXXX");
	fd = mkstemp(m->path);
	ok = fd >= 0 && write(fd, m->file, n) == (ssize_t)n;
	if (fd >= 0)
		close(fd);
	return ok;
}

#endif

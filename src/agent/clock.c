/* SPDX-License-Identifier: MIT */
/*
 * CLOCK_MONOTONIC without a system call, by the kernel's vDSO, found through the auxiliary
 * vector. Context: agent_nsecs() on a hit, signal-safe.
 */
#include <elf.h>
#include <time.h>

#include "agent/agent.h"
#include "base/base.h"
#include "base/mem.h"
#include "base/sys.h"

typedef long (*vdso_gettime_fn)(clockid_t, struct timespec *);

static vdso_gettime_fn vdso_gettime;

struct vdso {
	uint64_t bias;
	const Elf64_Sym *sym;
	const char *str;
	const uint32_t *hash; /* DT_HASH: hash[1] is the number of symbols */
};

static bool vdso_open(uint64_t base, struct vdso *v)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	bool loaded = false;

	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !loaded) {
			v->bias = base - ph[i].p_vaddr + ph[i].p_offset;
			loaded = true;
		} else if (ph[i].p_type == PT_DYNAMIC) {
			dyn = (const Elf64_Dyn *)(base + ph[i].p_offset);
		}
	}
	for (; loaded && dyn && dyn->d_tag != DT_NULL; dyn++) {
		uint64_t at = v->bias + dyn->d_un.d_ptr;

		if (dyn->d_tag == DT_SYMTAB)
			v->sym = (const Elf64_Sym *)at;
		else if (dyn->d_tag == DT_STRTAB)
			v->str = (const char *)at;
		else if (dyn->d_tag == DT_HASH)
			v->hash = (const uint32_t *)at;
	}
	return v->sym && v->str && v->hash;
}

void agent_clock_init(const uint64_t *auxv)
{
	struct vdso v = {0};

	while (auxv[0] != AT_NULL && auxv[0] != AT_SYSINFO_EHDR)
		auxv += 2;
	if (auxv[0] == AT_NULL || !vdso_open(auxv[1], &v))
		return;
	for (uint32_t i = 0; i < v.hash[1]; i++) {
		if (v.sym[i].st_shndx != SHN_UNDEF &&
		    str_equal(v.str + v.sym[i].st_name, "__vdso_clock_gettime"))
			vdso_gettime = (vdso_gettime_fn)(v.bias + v.sym[i].st_value);
	}
}

SONDE_HIT uint64_t agent_nsecs(void)
{
	struct timespec ts = {0};

	if (!vdso_gettime || vdso_gettime(CLOCK_MONOTONIC, &ts))
		sys2(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* SPDX-License-Identifier: MIT */
/*
 * Images as the loader maps and unmaps them: recognized by file, patched before their code can
 * run, noted in the log. Context: loader lock held, not on a hit.
 */
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "hit/hit.h"
#include "text/text.h"

#define PATH_SPACE 512

struct span {
	uint64_t start, end;
};

/* Loadable segments of the image at @bias, from its own headers in memory. */
static struct span span_of(const Elf64_Phdr *ph, unsigned int n, uint64_t bias)
{
	struct span sp = {UINT64_MAX, 0};

	for (unsigned int i = 0; i < n; i++) {
		uint64_t start = bias + ph[i].p_vaddr, end = start + ph[i].p_memsz;

		if (ph[i].p_type != PT_LOAD)
			continue;
		sp.start = start < sp.start ? ALIGN_DOWN(start, 4096) : sp.start;
		sp.end = end > sp.end ? ALIGN_UP(end, 4096) : sp.end;
	}
	return sp.end ? sp : (struct span){bias, bias};
}

static struct span span_program(void)
{
	const uint64_t *av = agent_self.auxv;
	const Elf64_Phdr *ph = NULL;
	unsigned int n = 0;
	uint64_t bias = 0;

	for (; av[0] != AT_NULL; av += 2) {
		if (av[0] == AT_PHDR)
			ph = (const Elf64_Phdr *)av[1];
		else if (av[0] == AT_PHNUM)
			n = (unsigned int)av[1];
	}
	for (unsigned int i = 0; ph && i < n; i++) {
		if (ph[i].p_type == PT_PHDR)
			bias = (uint64_t)ph - ph[i].p_vaddr;
	}
	return span_of(ph, ph ? n : 0, bias);
}

static struct span span_library(uint64_t bias)
{
	Elf64_Ehdr eh;

	if (agent_read(&eh, bias, sizeof(eh)) || !mem_equal(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_phoff > 4096 - sizeof(Elf64_Phdr) * 16 || eh.e_phnum > 16)
		return (struct span){bias, bias};
	return span_of((const Elf64_Phdr *)(bias + eh.e_phoff), eh.e_phnum, bias);
}

static void log_refused(void *arg, uint32_t site, int err)
{
	const uint32_t *module = arg;
	struct wire_log_refused rec = {.site = site, .err = err, .module = *module};

	agent_log(&rec.h, WIRE_LOG_REFUSED, sizeof(rec));
}

static uint32_t install(uint32_t module, uint64_t bias)
{
	struct wire_session *s = agent_self.session;
	const struct wire_module *m = wire_elem(s, modules, const struct wire_module, module);
	struct text_job job = {
		.plans = {.site = wire_elem(s, sites, const struct wire_site, m->site_off),
			  .nsites = m->nsites,
			  .first = m->site_off,
			  .alt = wire_elem(s, sites, const struct wire_site, 0),
			  .code = wire_elem(s, code, const uint8_t, 0),
			  .fix = wire_elem(s, fixups, const struct wire_fixup, 0)},
		.image = {bias, m->text_start, m->text_end, m->span_start, m->span_end},
		.stub = (uint64_t)sonde_hit_stub,
		.refused = log_refused,
		.arg = &module,
	};
	long n;

	for (uint32_t i = 0; i < m->nsites; i++) {
		const struct wire_site *ws =
			wire_elem(s, sites, const struct wire_site, m->site_off + i);

		hit_rt.site_addr[m->site_off + i] = bias + ws->vaddr + ws->hit_at;
	}
	n = text_install(&job);
	if (n >= 0)
		return (uint32_t)n;
	log_refused(&module, UINT32_MAX, (int)n);
	return 0;
}

void agent_module_loaded(uint64_t bias, const char *path)
{
	struct wire_session *s = agent_self.session;
	bool program = !path[0];
	struct stat st;
	union {
		struct wire_log_loaded rec;
		char bytes[sizeof(struct wire_log_loaded) + PATH_SPACE];
	} log = {0};
	struct wire_log_loaded *rec = &log.rec;
	struct span sp;
	size_t len;

	if (sys4(SYS_newfstatat, AT_FDCWD, program ? "/proc/self/exe" : path, &st, 0) < 0)
		return; /* the vDSO, or a file that is gone */
	sp = program ? span_program() : span_library(bias);
	rec->bias = bias;
	rec->start = sp.start;
	rec->end = sp.end;
	rec->dev = st.st_dev;
	rec->ino = st.st_ino;
	rec->module = UINT32_MAX;
	for (uint32_t i = 0; i < s->modules.count; i++) {
		const struct wire_module *m = wire_elem(s, modules, const struct wire_module, i);

		if (m->dev == st.st_dev && m->ino == st.st_ino) {
			rec->module = i;
			rec->installed = install(i, bias);
		}
	}
	if (program) {
		long n =
			sys4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", rec->path, PATH_SPACE - 1);

		len = n > 0 ? (size_t)n : 0;
	} else {
		len = str_copy(rec->path, path, PATH_SPACE);
	}
	agent_log(&rec->h, WIRE_LOG_LOADED, (uint32_t)(sizeof(*rec) + len + 1));
}

/* The image is unmapped by now and others may lie there: its headers are not looked at. */
void agent_module_unloaded(uint64_t bias)
{
	struct wire_log_unloaded rec = {.start = bias};

	agent_log(&rec.h, WIRE_LOG_UNLOADED, sizeof(rec));
}

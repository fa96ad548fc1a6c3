/* SPDX-License-Identifier: MIT */
/*
 * From the probes of a script to planned sites, module by module.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "attach/attach.h"
#include "base/base.h"
#include "base/err.h"

struct resolver {
	const struct attach_options *opt;
	struct attach_set *set;
	bool failed;
};

SONDE_PRINTF(3, 4)
static void problem(struct resolver *r, const struct script_probe *p, const char *fmt, ...)
{
	va_list ap;

	r->failed = true;
	fprintf(r->opt->err, "sonde: %s: ", p->text);
	va_start(ap, fmt);
	vfprintf(r->opt->err, fmt, ap);
	va_end(ap);
	fputc('\n', r->opt->err);
}

static const char *machine_name(uint16_t machine)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {{3, "i386"},	{8, "MIPS"},	 {20, "PowerPC"},
		     {21, "PowerPC64"}, {22, "S/390"},	 {40, "ARM"},
		     {183, "AArch64"},	{243, "RISC-V"}, {62, "x86-64 (but not 64-bit ELF)"}};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i].machine == machine)
			return names[i].name;
	}
	return "an unknown machine";
}

/* The module for the probe's binary, opened at first use; NULL after a message. */
static struct attach_module *module_get(struct resolver *r, const struct script_probe *p)
{
	struct attach_set *set = r->set;
	struct attach_module *m;
	struct image *img = NULL;
	char path[PATH_MAX];
	int err;

	err = image_resolve(p->target, r->opt->program, path, sizeof(path));
	if (err) {
		problem(r, p, "no binary '%s': %s", p->target,
			err == -ENOENT || err == SONDE_E_LIBRARY
				? "neither a path, nor a program on PATH, nor a library that the "
				  "loader would find"
				: sonde_err_text(err));
		return NULL;
	}
	err = image_open(path, &img);
	if (err == SONDE_E_MACHINE && img)
		problem(r, p, "%s is for %s; Sonde runs on x86-64 only", path,
			machine_name(img->machine));
	else if (err)
		problem(r, p, "%s: %s", path, sonde_err_text(err));
	if (err) {
		image_close(img);
		return NULL;
	}
	for (uint32_t i = 0; i < set->nmodules; i++) {
		if (set->module[i].image->dev == img->dev &&
		    set->module[i].image->ino == img->ino) {
			image_close(img);
			return &set->module[i];
		}
	}
	m = realloc(set->module, (set->nmodules + 1) * sizeof(*m));
	if (!m || (set->module = m, m += set->nmodules, memset(m, 0, sizeof(*m)),
		   plan_open(img, &m->plan))) {
		problem(r, p, "out of memory");
		image_close(img);
		return NULL;
	}
	m->image = img;
	set->nmodules++;
	return m;
}

/* The address that is probed: the jump may stand before it. */
static uint64_t probed(const struct attach_site *s)
{
	return s->plan.site.vaddr + s->plan.site.hit_at;
}

/* Where the site that probes @vaddr is among the module's, or belongs. By probed address is by
 * address of the jump, too: no site stands between another's two. */
static uint32_t site_index(const struct attach_module *m, uint64_t vaddr)
{
	uint32_t lo = 0, hi = m->nsites;

	/* mostly they come in order */
	if (hi && probed(&m->site[hi - 1]) < vaddr)
		return hi;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (probed(&m->site[mid]) < vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int attach_plan(struct plan *p, uint64_t vaddr, struct plan_site *out)
{
	return plan_site_in(p, vaddr, PLAN_ONE_STORE | PLAN_CLASS(WIRE_CLASS_W) | PLAN_EARLY, out);
}

/* The site that probes @vaddr, planned at first use. */
static int site_get(struct attach_module *m, uint64_t vaddr, struct attach_site **out)
{
	uint32_t at = site_index(m, vaddr);
	struct plan_site plan, window;
	struct attach_site *s;
	int err, alt = -1;

	if (at < m->nsites && probed(&m->site[at]) == vaddr) {
		*out = &m->site[at];
		return 0;
	}
	err = attach_plan(m->plan, vaddr, &plan);
	if (err)
		return err;
	if (plan.site.class == WIRE_CLASS_S1)
		alt = plan_window(m->plan, vaddr, &plan, &window);
	if ((m->nsites & (m->nsites - 1)) == 0) {
		s = realloc(m->site, (m->nsites ? m->nsites * 2 : 1) * sizeof(*s));
		if (!s)
			return -ENOMEM;
		m->site = s;
	}
	s = &m->site[at];
	memmove(s + 1, s, (m->nsites++ - at) * sizeof(*s));
	*s = (struct attach_site){.plan = plan};
	if (alt == 0 && (s->alt = malloc(sizeof(window))))
		*s->alt = window;
	*out = s;
	return 0;
}

static int action_add(struct attach_set *set, struct attach_module *m, struct attach_site *s,
		      const struct script_probe *p, const char *func)
{
	struct attach_action *a = realloc(s->action, (s->nactions + 1) * sizeof(*a));

	if (!a)
		return -ENOMEM;
	s->action = a;
	a += s->nactions;
	*a = (struct attach_action){.prog = p->prog, .is_explicit = !p->is_pattern};
	a->func = strdup(func);
	if (!a->func ||
	    (p->is_address ? asprintf(&a->probe, "uprobe:%s:0x%llx", m->image->path,
				      (unsigned long long)p->offset)
	     : p->offset   ? asprintf(&a->probe, "uprobe:%s:%s+%llu", m->image->path, func,
				      (unsigned long long)p->offset)
			   : asprintf(&a->probe, "uprobe:%s:%s", m->image->path, func)) < 0) {
		free(a->func);
		return -ENOMEM;
	}
	s->nactions++;
	set->nprobes++;
	return 0;
}

static void place(struct resolver *r, struct attach_module *m, const struct script_probe *p,
		  uint64_t vaddr, const char *func)
{
	struct attach_site *s;
	int err = site_get(m, vaddr, &s);

	/* several names of a pattern may lead to one address: an IFUNC and its implementation */
	for (uint32_t i = 0; !err && p->is_pattern && i < s->nactions; i++) {
		if (s->action[i].prog == p->prog && !s->action[i].is_explicit)
			return;
	}
	if (!err)
		err = action_add(r->set, m, s, p, func);
	if (!err)
		return;
	if (!p->is_pattern) {
		problem(r, p, "cannot place a probe at %s (0x%llx) of %s: %s", func,
			(unsigned long long)vaddr, m->image->path, sonde_err_text(err));
		return;
	}
	r->set->nrefused++;
	if (r->opt->verbose)
		fprintf(r->opt->err, "sonde: not probed: %s:%s: %s\n", m->image->path, func,
			sonde_err_text(err));
}

/* Where an entry probe of @f goes; an IFUNC leads to what the loader would select. */
static int entry_of(const struct attach_module *m, const struct image_func *f, uint64_t *vaddr)
{
	if (f->is_ifunc)
		return image_ifunc(m->image, f->name, vaddr);
	*vaddr = f->vaddr;
	return 0;
}

static void resolve_name(struct resolver *r, struct attach_module *m, const struct script_probe *p)
{
	const struct image *img = m->image;
	const struct image_func *f = NULL;
	const char *near[3];
	uint64_t vaddr;
	size_t n;
	int err;

	for (size_t i = 0; i < img->nfuncs; i++) {
		if (strcmp(img->func[i].name, p->func) == 0 && (!f || img->func[i].is_global))
			f = &img->func[i];
	}
	if (!f && !img->nfuncs) {
		problem(r, p,
			"%s has no function symbols (stripped); probe an address "
			"(uprobe:%s:0xADDR) or install its debug symbols",
			img->path, p->target);
		return;
	}
	if (!f) {
		n = image_suggest(img, p->func, near, ARRAY_LEN(near));
		problem(r, p, "no function '%s' in %s%s%s%s%s%s%s", p->func, img->path,
			n ? "; did you mean " : "", n ? near[0] : "", n > 1 ? ", " : "",
			n > 1 ? near[1] : "", n > 2 ? ", " : "", n > 2 ? near[2] : "");
		return;
	}
	if (p->offset && f->size && p->offset >= f->size) {
		problem(r, p, "offset %llu is behind the end of %s, which has %llu bytes",
			(unsigned long long)p->offset, p->func, (unsigned long long)f->size);
		return;
	}
	err = entry_of(m, f, &vaddr);
	if (err)
		problem(r, p, "cannot tell which implementation of %s the loader selects: %s",
			p->func, sonde_err_text(err));
	else
		place(r, m, p, vaddr + p->offset, p->func);
}

/* One probe per address: of several names the first that is global, else the first. */
static void resolve_pattern(struct resolver *r, struct attach_module *m,
			    const struct script_probe *p)
{
	const struct image *img = m->image;
	uint32_t before = r->set->nprobes + r->set->nrefused;

	for (size_t i = 0, j; i < img->nfuncs; i = j) {
		const struct image_func *best = NULL;
		uint64_t vaddr;

		for (j = i; j < img->nfuncs && img->func[j].vaddr == img->func[i].vaddr; j++) {
			const struct image_func *f = &img->func[j];

			if (image_glob(p->func, f->name) &&
			    (!best || (f->is_global && !best->is_global)))
				best = f;
		}
		if (best && entry_of(m, best, &vaddr) == 0)
			place(r, m, p, vaddr, best->name);
	}
	if (r->set->nprobes + r->set->nrefused == before)
		problem(r, p, "no function of %s matches '%s'", img->path, p->func);
}

static void resolve_address(struct resolver *r, struct attach_module *m,
			    const struct script_probe *p)
{
	const struct image_func *f = image_symbolize(m->image, p->offset);
	char name[32];

	snprintf(name, sizeof(name), "0x%llx", (unsigned long long)p->offset);
	place(r, m, p, p->offset, f ? f->name : name);
}

struct own_site {
	const char *func;
	enum wire_internal kind;
	const char *without; /* what does not work if it cannot be placed */
};

/* Sites of our own in @binary; what has no room there does not work, and is said. */
static void resolve_own(const struct resolver *r, const char *binary, const struct own_site *own,
			size_t n)
{
	struct script_probe p = {.text = (char *)binary, .target = (char *)binary};
	struct resolver quiet = *r;
	struct attach_module *m = module_get(&quiet, &p);

	for (size_t i = 0; m && i < n; i++) {
		struct attach_site *s = NULL;

		for (size_t k = 0; k < m->image->nfuncs && !s; k++) {
			const struct image_func *f = &m->image->func[k];

			if (strcmp(f->name, own[i].func) == 0 && site_get(m, f->vaddr, &s) == 0)
				s->plan.site.internal = (uint8_t)own[i].kind;
		}
		if (!s && own[i].without)
			fprintf(r->opt->err, "sonde: warning: no probe fits on %s of %s: %s\n",
				own[i].func, m->image->path, own[i].without);
	}
}

/* Programs that the target executes, thread names, and images that come later (src/agent). */
static void resolve_internal(const struct resolver *r)
{
	static const struct own_site libc[] = {
		{"execve", WIRE_INTERNAL_EXECVE,
		 "programs that the target executes are not followed"},
		{"execveat", WIRE_INTERNAL_EXECVEAT, NULL},
		{"fexecve", WIRE_INTERNAL_FEXECVE, NULL},
		{"prctl", WIRE_INTERNAL_PRCTL, NULL},
		{"syscall", WIRE_INTERNAL_SYSCALL, NULL},
	};
	static const struct own_site loader[] = {
		{"_dl_debug_state", WIRE_INTERNAL_LOADER,
		 "libraries that the target opens later are not probed"},
	};

	resolve_own(r, "libc.so.6", libc, ARRAY_LEN(libc));
	resolve_own(r, "/lib64/ld-linux-x86-64.so.2", loader, ARRAY_LEN(loader));
}

int attach_resolve(const struct script *script, const struct attach_options *opt,
		   struct attach_set **out)
{
	struct resolver r = {.opt = opt, .set = calloc(1, sizeof(*r.set))};

	if (!r.set)
		return -1;
	for (uint32_t i = 0; i < script->nprobes; i++) {
		const struct script_probe *p = &script->probe[i];
		struct attach_module *m;

		if (p->kind != SCRIPT_PROBE_UPROBE)
			continue;
		m = module_get(&r, p);
		if (!m)
			continue;
		if (p->is_address)
			resolve_address(&r, m, p);
		else if (p->is_pattern)
			resolve_pattern(&r, m, p);
		else
			resolve_name(&r, m, p);
	}
	if (r.set->nprobes)
		resolve_internal(&r);
	if (!r.failed) {
		*out = r.set;
		return 0;
	}
	attach_set_free(r.set);
	return -1;
}

void attach_set_free(struct attach_set *set)
{
	for (uint32_t i = 0; set && i < set->nmodules; i++) {
		struct attach_module *m = &set->module[i];

		for (uint32_t j = 0; j < m->nsites; j++) {
			for (uint32_t k = 0; k < m->site[j].nactions; k++) {
				free(m->site[j].action[k].func);
				free(m->site[j].action[k].probe);
			}
			free(m->site[j].action);
			free(m->site[j].alt);
		}
		free(m->site);
		plan_close(m->plan);
		image_close(m->image);
	}
	if (set)
		free(set->module);
	free(set);
}

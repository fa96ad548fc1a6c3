/* SPDX-License-Identifier: MIT */
/*
 * The images of this process, and which of them a probe means.
 *
 * What is loaded is read from the loader, when its list has changed. An image is opened and
 * planned when a probe is first asked for in it, from the file the kernel says is mapped there; it
 * stays open, because plans of later probes must know the earlier ones, and for names.
 *
 * Context: under the plan lock.
 */
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "arch/live.h"
#include "base/err.h"
#include "probe/state.h"

/* An executable segment of a loaded image. */
struct loaded {
	uint64_t bias, start, end;
	char *path;
	dev_t dev; /* of the file of that name, if there is one */
	ino_t ino;
	struct probe_module *module; /* NULL: not asked for yet */
};

static struct {
	struct loaded *v;
	size_t n, room;
	uint64_t adds, subs;
	bool known;
	/* the answer to the last question of this call: a batch asks the same again and again */
	const char *asked;
	struct loaded *found;
} list;

static void list_clear(void)
{
	for (size_t i = 0; i < list.n; i++)
		free(list.v[i].path);
	list.n = 0;
	list.known = false;
}

static char *path_of(const struct dl_phdr_info *info)
{
	char path[PATH_MAX];
	ssize_t n;

	if (info->dlpi_name && info->dlpi_name[0])
		return strdup(info->dlpi_name);
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return strdup(path);
}

static int add(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	list.adds = info->dlpi_adds;
	list.subs = info->dlpi_subs;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		struct loaded l = {.bias = info->dlpi_addr};
		struct stat st;

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		if (list.n == list.room) {
			size_t room = list.room ? 2 * list.room : 64;
			void *v = realloc(list.v, room * sizeof(*list.v));

			if (!v)
				return -1;
			list.v = v;
			list.room = room;
		}
		l.start = l.bias + ph->p_vaddr;
		l.end = l.start + ph->p_memsz;
		l.path = path_of(info);
		if (!l.path)
			return -1;
		if (stat(l.path, &st) == 0) {
			l.dev = st.st_dev;
			l.ino = st.st_ino;
		}
		list.v[list.n++] = l;
	}
	return 0;
}

static int compare_counts(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	return info->dlpi_adds == list.adds && info->dlpi_subs == list.subs ? 1 : 2;
}

int probe_modules_refresh(void)
{
	list.asked = NULL;
	if (list.known && dl_iterate_phdr(compare_counts, NULL) == 1)
		return 0;
	list_clear();
	if (dl_iterate_phdr(add, NULL)) {
		list_clear();
		return -ENOMEM;
	}
	list.known = true;
	return 0;
}

/* The line of the mapping that holds @addr: which file, if any. */
static int mapped_file(uint64_t addr, char *path, dev_t *dev, ino_t *ino)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 128];
	int err = SONDE_E_NOT_CODE;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		unsigned long start, end, inode;
		unsigned int major, minor;
		int at = 0;

		if (sscanf(line, "%lx-%lx %*s %*x %x:%x %lu %n", &start, &end, &major, &minor,
			   &inode, &at) < 5 ||
		    addr < start || addr >= end)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (line[at] == '/') {
			snprintf(path, PATH_MAX, "%s", line + at);
			*dev = makedev(major, minor);
			*ino = inode;
			err = 0;
		}
		break;
	}
	fclose(f);
	return err;
}

static int open_file(struct probe_module *m, uint64_t addr)
{
	char path[PATH_MAX];
	dev_t dev = 0;
	ino_t ino = 0;
	int err = mapped_file(addr, path, &dev, &ino);

	if (err)
		return err;
	err = image_open(path, &m->img);
	if (err == -ENOENT)
		return -ESTALE;
	if (err)
		return err;
	if (m->img->dev != dev || m->img->ino != ino)
		return -ESTALE;
	m->dev = dev;
	m->ino = ino;
	return plan_open(m->img, &m->plan);
}

static void close_file(struct probe_module *m)
{
	plan_close(m->plan);
	if (m->img)
		image_close(m->img);
	free(m);
}

/* Its code is there again as the file has it: all its sites are off. */
static void revive(struct probe_module *m)
{
	struct probe_guard guard;

	probe_lock(&guard);
	for (struct probe_opening *o = m->openings; o; o = o->next)
		text_open(&o->job, &o->text);
	m->gone = false;
	probe_unlock(&guard);
}

static struct probe_module *find_again(const struct loaded *l)
{
	for (struct probe_module *m = probe_rt.modules; m; m = m->next) {
		if (m->bias == l->bias && m->dev == l->dev && m->ino == l->ino) {
			if (m->gone)
				revive(m);
			return m;
		}
	}
	return NULL;
}

static int module_of(struct loaded *l, struct probe_module **out)
{
	uint64_t own = (uint64_t)arch_live_stub;
	struct probe_guard guard;
	struct probe_module *m = l->module ? l->module : find_again(l);
	int err;

	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m)
			return -ENOMEM;
		m->bias = l->bias;
		m->text_start = l->start;
		m->text_end = l->end;
		m->own = own >= l->start && own < l->end;
		err = open_file(m, l->start);
		if (err) {
			close_file(m);
			return err;
		}
		probe_lock(&guard);
		m->next = probe_rt.modules;
		probe_rt.modules = m;
		probe_unlock(&guard);
	}
	l->module = *out = m;
	return 0;
}

/* "libz.so.1" is meant by itself, by "libz" and by "z". */
static bool is_named(const char *path, const char *name)
{
	const char *file = strrchr(path, '/');
	size_t n = strlen(name);

	file = file ? file + 1 : path;
	if (strcmp(file, name) == 0 ||
	    (strncmp(file, name, n) == 0 && !strncmp(file + n, ".so", 3)))
		return true;
	return strncmp(file, "lib", 3) == 0 && strncmp(file + 3, name, n) == 0 &&
	       strncmp(file + 3 + n, ".so", 3) == 0;
}

static int find_path(const char *path, struct loaded **out)
{
	bool slash = strchr(path, '/') != NULL;
	struct stat st;

	if (list.asked == path) {
		*out = list.found;
		return 0;
	}
	if (slash && stat(path, &st))
		return -errno;
	for (size_t i = 0; i < list.n; i++) {
		struct loaded *l = &list.v[i];

		if (slash ? l->dev == st.st_dev && l->ino == st.st_ino : is_named(l->path, path)) {
			list.asked = path;
			*out = list.found = l;
			return 0;
		}
	}
	return -ENOENT;
}

static struct loaded *find_addr(uint64_t addr)
{
	for (size_t i = 0; i < list.n; i++) {
		if (addr >= list.v[i].start && addr < list.v[i].end)
			return &list.v[i];
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct image_func *f = *(const struct image_func *const *)a;
	const struct image_func *g = *(const struct image_func *const *)b;
	int order = strcmp(f->name, g->name);

	/* the one that is meant first: a global one, of those the last */
	if (!order)
		order = g->is_global - f->is_global;
	return order ? order : (f < g) - (f > g);
}

static int sort_names(struct probe_module *m)
{
	m->by_name = calloc(m->img->nfuncs + 1, sizeof(*m->by_name));
	if (!m->by_name)
		return -ENOMEM;
	for (size_t i = 0; i < m->img->nfuncs; i++)
		m->by_name[i] = &m->img->func[i];
	qsort(m->by_name, m->img->nfuncs, sizeof(*m->by_name), by_name);
	return 0;
}

static const struct image_func *find_name(const struct probe_module *m, const char *name)
{
	size_t lo = 0, hi = m->img->nfuncs;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (strcmp(m->by_name[mid]->name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == m->img->nfuncs || strcmp(m->by_name[lo]->name, name) != 0)
		return NULL;
	return m->by_name[lo];
}

/* A resolver is asked as the loader asks it. */
static int resolve(struct probe_module *m, uint64_t *vaddr)
{
	uint64_t (*resolver)(void) = (uint64_t(*)(void))(m->bias + *vaddr);
	uint64_t addr = resolver();
	struct image_range text;

	if (!image_text(m->img, addr - m->bias, &text))
		return SONDE_E_NO_SYMBOL;
	*vaddr = addr - m->bias;
	return 0;
}

static int locate_symbol(struct probe_module *m, const struct sonde_probe_spec *spec,
			 uint64_t *vaddr)
{
	const struct image_func *f;
	struct image_range r;
	uint64_t size;
	int err = m->by_name ? 0 : sort_names(m);

	if (err)
		return err;
	f = find_name(m, spec->symbol);
	if (!f)
		return m->img->nfuncs ? SONDE_E_NO_SYMBOL : SONDE_E_STRIPPED;
	*vaddr = f->vaddr;
	err = f->is_ifunc ? resolve(m, vaddr) : 0;
	if (err || !spec->offset)
		return err;
	size = f->is_ifunc ? 0 : f->size;
	if (!size && image_bound(m->img, *vaddr, &r))
		size = r.end - *vaddr;
	if (!size)
		return SONDE_E_NO_FUNCTION;
	if (spec->offset >= size)
		return SONDE_E_NOT_BOUNDARY;
	*vaddr += spec->offset;
	return 0;
}

int probe_modules_locate(const struct sonde_probe_spec *spec, struct probe_module **m,
			 uint64_t *vaddr)
{
	struct loaded *l = NULL;
	int err;

	if (spec->path) {
		err = find_path(spec->path, &l);
		if (err)
			return err;
	} else {
		l = find_addr(spec->offset);
		if (!l)
			return SONDE_E_NOT_CODE;
	}
	err = module_of(l, m);
	if (err)
		return err;
	if ((*m)->own)
		return SONDE_E_UNSAFE;
	if (spec->path && spec->symbol)
		return locate_symbol(*m, spec, vaddr);
	*vaddr = spec->path ? spec->offset : spec->offset - (*m)->bias;
	return 0;
}

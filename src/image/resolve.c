/* SPDX-License-Identifier: MIT */
/*
 * Where a probe's binary name leads: a path, a program on PATH, a library.
 *
 * A library is looked for as the loader would for the program: what the program and its libraries
 * need comes first, each searched along its DT_RPATH or DT_RUNPATH, LD_LIBRARY_PATH, the loader's
 * cache and the default directories; a library that nobody needs yet (it may come by dlopen) is
 * then searched along the same places.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/err.h"
#include "image/internal.h"
#include "image/ldcache.h"

#define CLOSURE_MAX 256

static const char *const default_dirs[] = {"/lib/x86_64-linux-gnu",
					   "/usr/lib/x86_64-linux-gnu",
					   "/lib64",
					   "/usr/lib64",
					   "/lib",
					   "/usr/lib"};

/* "libc" and "c" mean libc.so.6, "libssl.so.3" itself. */
static bool name_match(const char *file, const void *arg)
{
	const char *name = arg;
	size_t n = strlen(name);

	if (strcmp(file, name) == 0)
		return true;
	if (strstr(name, ".so"))
		return false;
	if (strncmp(file, "lib", 3) == 0 && strncmp(name, "lib", 3) != 0)
		file += 3;
	return strncmp(file, name, n) == 0 && strncmp(file + n, ".so", 3) == 0 &&
	       (file[n + 3] == '.' || file[n + 3] == '\0');
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* @name in @dir, exactly, or any file that it means. */
static bool in_dir(const char *dir, const char *name, char *out, size_t size)
{
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(out, size, "%s/%s", dir, name);
	if (strstr(name, ".so"))
		return is_file(out);
	d = opendir(dir);
	while (d && !found && (e = readdir(d))) {
		/* libc.a, libc.so (a linker script) are not what a program loads */
		const char *so = strstr(e->d_name, ".so.");

		if (!so || !name_match(e->d_name, name))
			continue;
		snprintf(out, size, "%s/%s", dir, e->d_name);
		found = is_file(out);
	}
	if (d)
		closedir(d);
	return found;
}

/* A colon-separated list; $ORIGIN is @origin. */
static bool in_path_list(const char *list, const char *origin, const char *name, char *out,
			 size_t size)
{
	char dir[PATH_MAX];

	while (list && *list) {
		size_t n = strcspn(list, ":;");
		const char *rest = list;

		if (n && strncmp(list, "$ORIGIN", 7) == 0)
			rest = list + 7;
		else if (n && strncmp(list, "${ORIGIN}", 9) == 0)
			rest = list + 9;
		snprintf(dir, sizeof(dir), "%s%.*s", rest == list ? "" : origin,
			 (int)(n - (size_t)(rest - list)), rest);
		if (n && in_dir(dir, name, out, size))
			return true;
		list += n + (list[n] != '\0');
	}
	return false;
}

struct needs {
	char *run_path; /* DT_RUNPATH or DT_RPATH */
	char *need[64];
	size_t n;
};

static void read_dynamic(const struct image *img, struct needs *out)
{
	const struct image_priv *p = img->priv;
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(p->elf, scn))) {
		Elf_Data *data;
		GElf_Shdr sh;
		GElf_Dyn dyn;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_DYNAMIC)
			continue;
		data = elf_getdata(scn, NULL);
		for (int i = 0; data && gelf_getdyn(data, i, &dyn) && dyn.d_tag != DT_NULL; i++) {
			bool path = dyn.d_tag == DT_RUNPATH || dyn.d_tag == DT_RPATH;
			const char *s;

			if (!path && dyn.d_tag != DT_NEEDED)
				continue;
			s = elf_strptr(p->elf, sh.sh_link, dyn.d_un.d_val);
			if (s && path && !out->run_path)
				out->run_path = strdup(s);
			else if (s && !path && out->n < ARRAY_LEN(out->need))
				out->need[out->n++] = strdup(s);
		}
	}
}

static void needs_free(struct needs *nd)
{
	free(nd->run_path);
	for (size_t i = 0; i < nd->n; i++)
		free(nd->need[i]);
}

/* Along all places, for an object in directory @origin with @run_path. */
static bool search(const char *name, const char *run_path, const char *origin, char *out,
		   size_t size)
{
	if (in_path_list(run_path, origin, name, out, size) ||
	    in_path_list(getenv("LD_LIBRARY_PATH"), origin, name, out, size) ||
	    ldcache_find(name_match, name, out, size))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(default_dirs); i++) {
		if (in_dir(default_dirs[i], name, out, size))
			return true;
	}
	return false;
}

struct closure {
	char *path[CLOSURE_MAX];
	size_t n;
};

static void closure_add(struct closure *c, const char *path)
{
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->path[i], path) == 0)
			return;
	}
	if (c->n < CLOSURE_MAX)
		c->path[c->n++] = strdup(path);
}

/* Walk what @program needs, breadth first as the loader does, until @name is met. */
static bool search_needed(const char *name, const char *program, char *out, size_t size)
{
	struct closure c = {0};
	bool found = false;

	closure_add(&c, program);
	for (size_t i = 0; i < c.n && !found; i++) {
		char origin[PATH_MAX], path[PATH_MAX];
		struct needs nd = {0};
		struct image *img;

		if (image_open_headers(c.path[i], &img))
			continue;
		read_dynamic(img, &nd);
		snprintf(origin, sizeof(origin), "%s", img->path);
		*strrchr(origin, '/') = '\0';
		image_close(img);
		for (size_t k = 0; k < nd.n && !found; k++) {
			if (!search(nd.need[k], nd.run_path, origin, path, sizeof(path)))
				continue;
			closure_add(&c, path);
			found = name_match(nd.need[k], name);
			if (found)
				snprintf(out, size, "%s", path);
		}
		/* not needed, but its search path counts for what it opens itself */
		if (!found && i == 0 && nd.run_path)
			found = in_path_list(nd.run_path, origin, name, out, size);
		needs_free(&nd);
	}
	for (size_t i = 0; i < c.n; i++)
		free(c.path[i]);
	return found;
}

static bool on_path(const char *name, char *out, size_t size)
{
	const char *path = getenv("PATH");

	for (path = path ? path : "/usr/bin:/bin"; *path;) {
		size_t n = strcspn(path, ":");

		snprintf(out, size, "%.*s%s%s", (int)n, path, n ? "/" : "", name);
		if (is_file(out) && access(out, X_OK) == 0)
			return true;
		path += n + (path[n] == ':');
	}
	return false;
}

int image_resolve(const char *name, const char *program, char *out, size_t size)
{
	char path[PATH_MAX], real[PATH_MAX];

	if (strchr(name, '/')) {
		snprintf(path, sizeof(path), "%s", name);
		if (!realpath(path, real))
			return -errno;
	} else {
		if (!on_path(name, path, sizeof(path)) &&
		    !(program && search_needed(name, program, path, sizeof(path))) &&
		    !search(name, NULL, "", path, sizeof(path)))
			return SONDE_E_LIBRARY;
		if (!realpath(path, real))
			return SONDE_E_LIBRARY;
	}
	if (strlen(real) >= size)
		return -ENAMETOOLONG;
	memcpy(out, real, strlen(real) + 1);
	return 0;
}

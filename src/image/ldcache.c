/* SPDX-License-Identifier: MIT */
/*
 * Reading /etc/ld.so.cache in glibc's format "glibc-ld.so.cache1.1" (since 2.32 the only one
 * ldconfig writes by default): a header, `nlibs` entries, a string table; offsets from the
 * header's start. Entries for other machines and for processor feature levels are left out.
 */
#include "image/ldcache.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE "/etc/ld.so.cache"
#define MAGIC "glibc-ld.so.cache1.1"
#define FLAGS_X86_64_LIB6 0x0303 /* ELF libc6, x86-64 */

struct cache_header {
	char magic[20];
	uint32_t nlibs, len_strings;
	uint32_t unused[5];
};

struct cache_entry {
	int32_t flags;
	uint32_t key, value; /* offsets of soname and path */
	uint32_t osversion;
	uint64_t hwcap;
};

static const char *text_at(const char *base, size_t size, uint32_t off)
{
	return off < size && memchr(base + off, '\0', size - off) ? base + off : NULL;
}

static bool find(const char *base, size_t size, bool (*match)(const char *, const void *),
		 const void *arg, char *out, size_t out_size)
{
	const struct cache_header *h = (const struct cache_header *)base;
	const struct cache_entry *e = (const struct cache_entry *)(h + 1);

	if (size < sizeof(*h) || memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0 ||
	    h->nlibs > (size - sizeof(*h)) / sizeof(*e))
		return false;
	for (uint32_t i = 0; i < h->nlibs; i++) {
		const char *key = text_at(base, size, e[i].key);
		const char *path = text_at(base, size, e[i].value);

		if (e[i].flags != FLAGS_X86_64_LIB6 || e[i].hwcap || !key || !path ||
		    !match(key, arg) || access(path, R_OK))
			continue;
		snprintf(out, out_size, "%s", path);
		return true;
	}
	return false;
}

bool ldcache_find(bool (*match)(const char *soname, const void *arg), const void *arg, char *out,
		  size_t size)
{
	int fd = open(CACHE, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool found = false;
	void *p;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED) {
			found = find(p, (size_t)st.st_size, match, arg, out, size);
			munmap(p, (size_t)st.st_size);
		}
	}
	close(fd);
	return found;
}

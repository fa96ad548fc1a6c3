/* SPDX-License-Identifier: MIT */
/*
 * ELF images on disk: symbols, function bounds, bytes; and where a name leads to.
 * Parsers over hostile bytes: nothing here trusts a field. Tool side, may allocate.
 */
#ifndef SONDE_IMAGE_IMAGE_H
#define SONDE_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct image_func {
	uint64_t vaddr;
	uint64_t size;	  /* 0 = unknown */
	const char *name; /* lives as long as the image; NULL in the bounds table where no symbol
			     fits */
	bool is_ifunc;	  /* vaddr is the resolver */
	bool is_global;
	bool is_exported; /* in .dynsym */
};

struct image_range {
	uint64_t start, end;
};

struct image {
	char *path;
	dev_t dev;
	ino_t ino;
	uint16_t machine; /* e_machine */
	bool is_exec;	  /* ET_EXEC: fixed addresses */
	bool has_interp;  /* PT_INTERP */
	char interp[256]; /* its content */
	uint8_t build_id[20];
	uint32_t build_id_len;
	struct image_range span; /* page-aligned vaddrs of all PT_LOAD */
	/* functions with names (.symtab, .dynsym; sorted by vaddr then name; one entry per name) */
	struct image_func *func;
	size_t nfuncs;
	/* bounds of functions from .eh_frame and sized symbols, sorted, not overlapping in start */
	struct image_range *bound;
	size_t nbounds;
	void *priv;
};

/*
 * Open and read @path. 0 or: negative errno of open/read; SONDE_E_NOT_ELF; SONDE_E_MACHINE (not
 * ELF64 little-endian x86-64 — the image is still returned so that the caller can name the
 * machine). Symbols that do not lie in an executable PT_LOAD are left out.
 */
int image_open(const char *path, struct image **out);
void image_close(struct image *img);

/* Up to @n bytes of file-backed content at @vaddr; returns how many (0 if not file-backed). */
size_t image_bytes(const struct image *img, uint64_t vaddr, void *buf, size_t n);
/* The executable PT_LOAD that holds @vaddr (page-aligned start and end), false if none. */
bool image_text(const struct image *img, uint64_t vaddr, struct image_range *out);
/* The function bounds that hold @vaddr (from bound[] ), false if none. */
bool image_bound(const struct image *img, uint64_t vaddr, struct image_range *out);
/* The function symbol that best names @vaddr (largest start <= vaddr within its size; global
 * before local, shortest name first), NULL if none. */
const struct image_func *image_symbolize(const struct image *img, uint64_t vaddr);
/* File offset of @vaddr (kernel uprobes want it), (uint64_t)-1 if not file-backed. */
uint64_t image_file_offset(const struct image *img, uint64_t vaddr);

/* What the image's tables say of its code. */
enum image_ref {
	IMAGE_REF_LANDING, /* a throw may land there */
	IMAGE_REF_POINTER, /* something in the image's data points there */
	IMAGE_REF_PART,	   /* code that begins there goes on with a frame made elsewhere: it is no
			      function, but a part of one that the compiler laid apart */
};

typedef void image_ref_cb(void *arg, enum image_ref kind, uint64_t vaddr);

/* Call @cb for every such address in executable segments; in no order, some more than once. */
void image_each_ref(const struct image *img, image_ref_cb *cb, void *arg);

/*
 * Where a probe's binary name leads: a path with a slash as it is; else a program on PATH; else a
 * library ("libc", "libssl.so.3", "ssl") as the dynamic loader would find it for @program (may be
 * NULL): among its own needed libraries first (DT_NEEDED closure, DT_RPATH/DT_RUNPATH with
 * $ORIGIN, LD_LIBRARY_PATH, ld.so.cache, default directories).
 * 0 with the real path in @out, or -ENOENT, or SONDE_E_LIBRARY.
 */
int image_resolve(const char *name, const char *program, char *out, size_t size);

/* The address an IFUNC symbol leads to on this machine with this environment, asked of the loader
 * itself in a child process. 0, or SONDE_E_NO_SYMBOL. @vaddr gets the module virtual address of the
 * implementation. */
int image_ifunc(const struct image *img, const char *name, uint64_t *vaddr);

/* Shell-style pattern (* ? [set]) against a whole name. */
bool image_glob(const char *pattern, const char *name);
/* Up to @max names of functions near to @name (edit distance), best first; returns how many. */
size_t image_suggest(const struct image *img, const char *name, const char **out, size_t max);

#endif

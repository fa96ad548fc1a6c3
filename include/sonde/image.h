/* SPDX-License-Identifier: MIT */
/*
 * An ELF image on disk: its functions, and whether a probe can be placed at one of them, how, and
 * if not, why. Nothing is observed and no program is touched; the file is read once, when it is
 * opened.
 *
 * Addresses are module virtual addresses, as in the ELF file: in a running process they are moved
 * by the address the image was loaded at.
 *
 * Threads: any number of threads may ask the same image at the same time, as long as none of them
 * closes it. Nothing here may be called from a signal handler.
 */
#ifndef SONDE_IMAGE_H
#define SONDE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include <sonde/err.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sonde_image; /* opaque: sonde_image_open() to sonde_image_close() */

/*
 * Open the image that @name means: a path if it has a slash; else a program on PATH; else a
 * library ("libc", "libssl.so.3", "ssl") where the dynamic loader would look for it. *@out is set
 * on success only.
 *
 * 0, or SONDE_E_LIBRARY (a name without a slash led nowhere), SONDE_E_NOT_ELF, SONDE_E_MACHINE
 * (only 64-bit x86-64 images can be planned so far), -ENOMEM, or what realpath(3) and open(2) say
 * of the path, such as -ENOENT, -EACCES, -EISDIR.
 */
int sonde_image_open(const char *name, struct sonde_image **out);

/* Close @img; NULL is allowed. Every string that came from it ends with it. */
void sonde_image_close(struct sonde_image *img);

/* The absolute path of the file, symbolic links resolved. Lives as long as @img. */
const char *sonde_image_path(const struct sonde_image *img);

/* Bits of sonde_func.flags */
#define SONDE_FUNC_GLOBAL 1u   /* not local to one source file */
#define SONDE_FUNC_EXPORTED 2u /* other images can call it by name */
#define SONDE_FUNC_IFUNC 4u    /* vaddr is a resolver, which selects an implementation */

struct sonde_func {
	size_t sz;	  /* bytes of this struct that the library filled */
	const char *name; /* lives as long as the image */
	uint64_t vaddr;
	uint64_t size;	/* bytes; 0 = unknown */
	uint32_t flags; /* SONDE_FUNC_* */
	uint32_t reserved;
};

/* Called for one function; @func itself lives until it returns. Not 0 ends the iteration. */
typedef int sonde_func_cb(const struct sonde_func *func, void *arg);

/*
 * Call @cb with @arg for each function whose whole name matches @pattern (* ? [set] as in the
 * shell; NULL = all), by rising address, then by name; a function with several names comes with
 * each of them. @cb may plan sites of the same image.
 *
 * 0, or the value with which @cb ended the iteration.
 */
int sonde_image_each(const struct sonde_image *img, const char *pattern, sonde_func_cb *cb,
		     void *arg);

#define SONDE_NO_OFFSET UINT64_MAX

/*
 * One place for a probe. The caller sets sz to sizeof(struct sonde_site); so much is filled, also
 * when a probe is refused, with what is known by then.
 */
struct sonde_site {
	size_t sz;
	uint64_t vaddr;
	uint64_t file_offset; /* of the byte at vaddr; SONDE_NO_OFFSET = not in the file */
	const char *func;     /* symbol that best names vaddr, NULL = none; lives with the image */
	const char *class_name; /* how the jump fits: "S0", "S1", "S2", "W"; "none" = refused */
	uint32_t insn_len;	/* bytes of code that the probe displaces; 0 = refused */
	uint32_t changed;	/* bytes at jump that a placed probe may change; 0 = refused */
	uint64_t jump; /* where the jump stands: vaddr, or an instruction before it; 0 = refused */
};

/*
 * Can a probe be placed at @offset bytes behind the entry of the function @name? Of several
 * functions of one name a global one is meant. For an IFUNC that is the implementation which the
 * loader selects on this machine: a child process loads the image, which runs its constructors,
 * and ends; the caller must not reap children it does not know.
 *
 * Each question stands alone: the answer does not consider other probes (which a session does,
 * SONDE_E_OVERLAP), nor what is mapped around the image in a process (SONDE_E_NO_SPACE_NEAR).
 *
 *   S0  the instruction has room for a jump of five bytes
 *   S1  a jump whose last bytes are the code that stands there; needs certain addresses free
 *   S2  a jump of two bytes into unreachable padding close by, where the long one stands
 *   W   a jump over several instructions, if nothing leads between them; only while the loader maps
 *       the image, before anybody can be in the middle of them
 *
 * Where the instruction itself has no room, the jump may stand at one before it (site.jump), if
 * nothing leads between: it then executes what stands between as well. A thread that is just there
 * when the probe is placed makes no hit.
 *
 * 0, or SONDE_E_STRIPPED, SONDE_E_NO_SYMBOL (also: an IFUNC whose implementation the loader does
 * not tell), SONDE_E_NOT_BOUNDARY (also: @offset is behind the function's end), SONDE_E_NOT_CODE,
 * SONDE_E_NO_FUNCTION, SONDE_E_DECODE, SONDE_E_RELOCATE, SONDE_E_TOO_SHORT, SONDE_E_BRANCH_INTO,
 * SONDE_E_UNSAFE, -EINVAL (info->sz is smaller than the struct ever was), -ENOMEM.
 */
int sonde_site_plan(const struct sonde_image *img, const char *name, uint64_t offset,
		    struct sonde_site *info);

/*
 * The same for an address. Same errors, but for SONDE_E_STRIPPED and SONDE_E_NO_SYMBOL: no symbol
 * is needed where the image's unwind information tells the bounds of functions.
 */
int sonde_site_plan_addr(const struct sonde_image *img, uint64_t vaddr, struct sonde_site *info);

#ifdef __cplusplus
}
#endif

#endif

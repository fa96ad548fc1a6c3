/* SPDX-License-Identifier: MIT */
/*
 * Raw system calls that return a value or -errno and touch nothing else of the process: no
 * errno, no cancellation point, no function a probe could sit in. sys_call() is in src/arch.
 * Context: hit, signal-safe, any thread.
 */
#ifndef SONDE_BASE_SYS_H
#define SONDE_BASE_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "base/base.h"

SONDE_HIDDEN long sys_call(long nr, long a, long b, long c, long d, long e, long f);

#define sys0(nr) sys_call((nr), 0, 0, 0, 0, 0, 0)
#define sys1(nr, a) sys_call((nr), (long)(a), 0, 0, 0, 0, 0)
#define sys2(nr, a, b) sys_call((nr), (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(nr, a, b, c) sys_call((nr), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(nr, a, b, c, d) sys_call((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys5(nr, a, b, c, d, e)                                                                    \
	sys_call((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define sys6(nr, a, b, c, d, e, f)                                                                 \
	sys_call((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* A result of mmap and its like: an error is a small negative number. */
static inline bool sys_failed(long r)
{
	return (unsigned long)r > -4096ul;
}

/* Anonymous private zeroed memory, far from all images (sys_far); NULL if there is none. */
void *sys_map(size_t size);
/* A hint for large mappings: an address far (64 GiB and more) from all images, so that they do not
 * take the room that jumps out of those images can reach. @gib: GiB further away. */
void *sys_far(unsigned int gib);
void sys_unmap(void *p, size_t size);

/* All of a (proc) file into a fresh mapping of *size bytes with *len bytes of content and a NUL
 * behind; NULL on any error. Free with sys_unmap(p, size). */
char *sys_slurp(const char *path, size_t *size, size_t *len);

#endif

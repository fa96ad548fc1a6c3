/* SPDX-License-Identifier: MIT */
/*
 * The few system-call helpers that are more than one instruction. Not on a hit.
 */
#include "base/sys.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/atomic.h"
#include "base/mem.h"

static uint64_t mapped; /* bytes asked for so far */

SONDE_HIT void *sys_map(size_t size)
{
	/* a hint that is taken would send the mapping next to the images: never ask twice for one
	 */
	uint64_t below = fetch_add_relaxed(&mapped, ALIGN_UP(size, 1 << 16));
	long p = sys6(SYS_mmap, (uint64_t)sys_far(16) - below, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_failed(p) ? NULL : (void *)p;
}

SONDE_HIT void *sys_far(unsigned int gib)
{
	return (void *)(((uint64_t)sys_far & ~0xffffull) - ((64ull + gib) << 30));
}

SONDE_HIT void sys_unmap(void *p, size_t size)
{
	if (p)
		sys2(SYS_munmap, p, size);
}

/* Read what fits; -1 on error. */
static long read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		long n = sys3(SYS_read, fd, buf + len, size - len);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (long)len;
}

char *sys_slurp(const char *path, size_t *size, size_t *len)
{
	size_t want;

	for (want = 1 << 16; want <= 1 << 26; want <<= 2) {
		long fd = sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
		char *buf;
		long n;

		if (fd < 0)
			return NULL;
		buf = sys_map(want);
		n = buf ? read_all((int)fd, buf, want - 1) : -1;
		sys1(SYS_close, fd);
		if (n >= 0 && (size_t)n < want - 1) {
			*size = want;
			*len = (size_t)n;
			return buf;
		}
		sys_unmap(buf, want);
		if (n < 0)
			return NULL;
	}
	return NULL;
}

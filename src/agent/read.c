/* SPDX-License-Identifier: MIT */
/*
 * Reading the program's memory at an address that may be anything.
 *
 * The kernel is asked whether the page is readable: rt_sigprocmask() with an impossible `how`
 * copies the eight bytes of a signal set from the address, fails with EFAULT if it cannot, and
 * with EINVAL, having changed nothing, if it can. The call is allowed under practically every
 * seccomp filter, unlike process_vm_readv(). Between question and copy another thread could
 * unmap the page; only a program that frees memory it is passing as an argument does that.
 *
 * Context: hit, signal-safe; one system call per page.
 */
#include <errno.h>

#include "agent/agent.h"
#include "base/base.h"
#include "base/mem.h"
#include "base/sys.h"
#include "hit/hit.h"

#define PAGE 4096ull
#define KERNEL_SIGSET 8
#define HOW_NONE 0x7fffffff

SONDE_HIT static bool page_readable(uint64_t addr)
{
	uint64_t at = ALIGN_DOWN(addr, KERNEL_SIGSET);

	return sys4(SYS_rt_sigprocmask, HOW_NONE, at, 0, KERNEL_SIGSET) == -EINVAL;
}

SONDE_HIT int agent_read(void *dst, uint64_t addr, uint64_t n)
{
	uint8_t *to = dst;

	if (hit_rt.no_calls)
		return -EFAULT;
	while (n) {
		uint64_t part = PAGE - addr % PAGE;

		part = part > n ? n : part;
		if (!page_readable(addr))
			return -EFAULT;
		mem_copy(to, (const void *)addr, part);
		to += part;
		addr += part;
		n -= part;
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * What the processor tells a thread without a system call. Context: hit, signal-safe.
 */
#ifndef SONDE_ARCH_X86_64_THREAD_H
#define SONDE_ARCH_X86_64_THREAD_H

#include <asm/prctl.h>
#include <stdint.h>

#include "base/sys.h"

/* The CPU the thread is on: the limit of the GDT's per-CPU segment, where the kernel keeps
 * (node << 12 | cpu) for the vDSO's getcpu. */
static inline uint32_t arch_cpu(void)
{
	uint32_t limit;

	__asm__ volatile("lsl %1, %0" : "=r"(limit) : "r"(0x7bu) : "cc");
	return limit & 0xfff;
}

/* The thread pointer, 0 before the loader has set it. One system call. */
static inline uint64_t arch_thread_pointer(void)
{
	uint64_t fs = 0;

	sys2(SYS_arch_prctl, ARCH_GET_FS, &fs);
	return fs;
}

#endif

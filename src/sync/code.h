/* SPDX-License-Identifier: MIT */
/*
 * When may memory that held code be used again, although a preempted thread may still be inside?
 *
 * Ranges of code are retired when nothing leads into them any more: the jumps to them are
 * overwritten and every core has been made to see that (text/publish), no pointer to them can be
 * found but by sections of the given domains that began before. sync_code_poll() then tells when no
 * thread is inside, or can come back. A thread is inside while it executes there, while a function
 * that it called there has not returned, and while a signal handler keeps it from going on there.
 *
 * The rule, and why it is safe, is at the head of src/sync/code.c. No signal is sent, no thread is
 * stopped: threads are looked at through /proc while they sleep. So a thread that never sleeps, and
 * one that sleeps for ever on a stack where an address of the range was left behind, keep the
 * memory for ever. That is meant: memory is cheap. What lies right above a stack, in one mapping
 * with it, is taken for a part of it; so the ranges, and all else of the caller's that still names
 * their addresses, are best kept in memory of sys_map(), which touches no stack.
 *
 * Not seen, and the caller's to exclude (he leaves the memory as it is in such programs):
 *  - stacks on which no thread stands, if a signal handler may have left the range for one of them
 *    (a scheduler of user-space threads that preempts by signals and swaps stacks in the handler);
 *  - a process that was made by clone(CLONE_VM) without CLONE_THREAD and CLONE_VFORK, and runs on
 *    beside this one in the same memory;
 *  - addresses in the range that are kept in another form than as an aligned word on a stack.
 *
 * Context: any thread that is itself outside, not signal-safe; one thread at a time for one object.
 * Never waits for a thread; a look at one takes about a tenth of a millisecond, and up to a tick of
 * the kernel's when it is just going to sleep.
 */
#ifndef SONDE_SYNC_CODE_H
#define SONDE_SYNC_CODE_H

#include <stddef.h>
#include <stdint.h>

#include "sonde/domain.h"

/* An address is in it from @start to @end, which is counted in: a call may be the last thing. */
struct sync_range {
	uint64_t start, end;
};

struct sync_code_work;

struct sync_code {
	/* the caller's, before sync_code_retire(); what they point to stays until the end */
	const struct sync_range *range; /* ascending, apart from each other */
	size_t nrange;
	struct sonde_domain *const *domain; /* whose sections may find or use the code */
	size_t ndomain;

	int32_t tid; /* a thread that the last poll found in the way; 0: a domain's readers */
	/* own */
	uint64_t cookie;
	int32_t pid;
	struct sync_code_work *work;
};

/* Begin. 0; -EINVAL: no domain, no range, or ranges out of order. */
int sync_code_retire(struct sync_code *q);
/*
 * 1: all ranges may be used again, @q is done with. 0: ask again later. -EOPNOTSUPP: never, unless
 * the process changes: it may not look at itself (no /proc, not dumpable, a seccomp filter). Other
 * errors are shortages: ask again later, too.
 */
int sync_code_poll(struct sync_code *q);
/* Give up: the ranges are never used again. */
void sync_code_forget(struct sync_code *q);

#endif

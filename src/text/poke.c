/* SPDX-License-Identifier: MIT */
/*
 * Publishing jumps in code that other threads may be executing, without stopping any.
 *
 * What is relied on
 *  - AMD64 Architecture Programmer's Manual, volume 2, section 7.6.1 (asynchronous
 *    modification): a store that lies within a naturally aligned quadword is seen by other
 *    processors' instruction fetch as a whole: old bytes or new bytes, never a mixture; and
 *    code beyond the reach of a thread's control flow may be changed freely before a final
 *    such store exposes it. Section 7.3.2: accesses inside an aligned quadword are atomic.
 *  - Intel documents less (SDM volume 3A, 9.1.3: only synchronized cross-modification is
 *    architectural). The single aligned store is what its processors are patched with in
 *    practice by other runtimes (OpenJDK's NativeJump among them). On both, code that is
 *    changed while the loader maps its module, before anybody can have executed it, needs no
 *    such promise.
 *
 * Why each class is correct for a thread at any byte
 *  S0, S1, S2 change one instruction A at address a, of length L. No instruction boundary of
 *  the program lies inside the bytes that change, so no thread can be between them: a
 *  preempted thread is before A (resumes at a: executes old A or the jump, both right) or
 *  behind A, at a + L or elsewhere, where no byte has changed. S1 changes only A's own bytes;
 *  the rest of its displacement is the code that stands there and stays. S2's pad is code
 *  nobody reaches; it is complete before the two bytes at a become a jump to it.
 *  Withdrawing them is the same the other way round: the jump, one instruction at a, becomes A
 *    again. A thread behind the jump is in generated code, which stays, or behind A by way of it;
 *    one between S2's two jumps finds the pad as it was, which is why pads stay.
 *  W changes the start of several instructions, between which threads may be. It is right only
 *  because text_install() runs while the loader maps the image: no thread has executed any of
 *  it, and none can be inside the window later, since the jump in front of it was there first.
 *  Fetching A while it is replaced yields A or the jump (one aligned store). In terms of the
 *  manual's scenario 3 (two instructions A, B become one A'): A' - X where X starts where B
 *  did; here B is unchanged, so that A - B and A' are the only outcomes. Withdrawn, A' becomes
 *  A - B: the manual's scenario 2, whose only outcomes are A' and A - B; but from then on threads
 * may be between A and B, so that it is never published again.
 *
 * Context: not on a hit.
 */
#include "text/poke.h"

#include <sys/mman.h>

#include "base/atomic.h"
#include "base/err.h"
#include "base/sys.h"

/* linux/membarrier.h */
#define CMD_SYNC_CORE (1 << 5)
#define CMD_REGISTER_SYNC_CORE (1 << 6)

void poke_init(void)
{
	sys3(SYS_membarrier, CMD_REGISTER_SYNC_CORE, 0, 0);
}

int poke_batch(struct poke *p, uint32_t n, uint64_t start, uint64_t end)
{
	if (sys3(SYS_mprotect, start, end - start, PROT_READ | PROT_WRITE | PROT_EXEC) < 0) {
		/* it may have come as far as a hole */
		sys3(SYS_mprotect, start, end - start, PROT_READ | PROT_EXEC);
		return SONDE_E_PROTECT;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t *at = (uint64_t *)p[i].addr;

		p[i].done = load_relaxed(at) == p[i].old;
		/* release: the detour behind the jump is complete before the jump is seen */
		if (p[i].done)
			store_release(at, p[i].new);
	}
	/* Unavailable means an old kernel: each core then notices at its next interrupt, and
	 * until then executes the old code, which is right. */
	sys3(SYS_membarrier, CMD_SYNC_CORE, 0, 0);
	sys3(SYS_mprotect, start, end - start, PROT_READ | PROT_EXEC);
	return 0;
}

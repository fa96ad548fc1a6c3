/* SPDX-License-Identifier: MIT */
/*
 * The lock of this room. Who holds it has all signals blocked and misses its own hits, so that
 * nothing that could want the lock runs on top of it.
 *
 * Life of the word: 0 free -> 1 held -> 2 held, somebody sleeps. Any thread; no libc.
 */
#include <linux/futex.h>

#include "base/sys.h"
#include "probe/state.h"

#define SIG_SETMASK_NR 2 /* what rt_sigprocmask is told */

void probe_lock(struct probe_guard *g)
{
	uint64_t all = ~0ull;
	uint32_t free = 0;

	sys4(SYS_rt_sigprocmask, SIG_SETMASK_NR, &all, &g->signals, sizeof(all));
	g->busy = probe_busy;
	probe_busy = 1;
	signal_barrier();
	if (cas_acq_rel(&probe_rt.lock, &free, 1u)) /* L */
		return;
	while (exchange_acquire(&probe_rt.lock, 2u)) /* L */
		sys4(SYS_futex, &probe_rt.lock, FUTEX_WAIT_PRIVATE, 2, 0);
}

void probe_unlock(const struct probe_guard *g)
{
	if (__atomic_exchange_n(&probe_rt.lock, 0u, __ATOMIC_RELEASE) == 2) /* L */
		sys3(SYS_futex, &probe_rt.lock, FUTEX_WAKE_PRIVATE, 1);
	signal_barrier();
	probe_busy = g->busy;
	sys4(SYS_rt_sigprocmask, SIG_SETMASK_NR, &g->signals, 0, sizeof(g->signals));
}

/* SPDX-License-Identifier: MIT */
/*
 * Callbacks after a grace period.
 *
 * Who queues one pushes it on a list that anybody may push on (signal handlers, too). Who runs them
 * takes the run lock, moves the whole list behind those that wait already, oldest first, and runs
 * from the front as long as cookies have elapsed.
 *
 * Ordering
 *   G   head: CAS, seq_cst, then a load of `sleeping`; the worker stores `sleeping`, then loads
 * head: one of the two sees the other, no callback is left to a worker that sleeps. The same for
 *       `first` and the unlocking, for callbacks that a run took but left. Taking the list is an
 *       exchange, acquire: pairs with the push.
 *   H   run lock: CAS acquire, fetch_sub seq_cst; `first`, `last`, `busy` change under it only
 *
 * A forked child finds the lock free, as all locks. If it was taken in the parent, `busy` tells:
 * what its holder had in hand may be half linked or half run, and is let go.
 *
 * Context: call signal-safe; run, barrier: any thread, as far as the callbacks are; no libc.
 */
#include <errno.h>
#include <linux/futex.h>
#include <time.h>

#include "base/sys.h"
#include "sync/state.h"
#include "sync/sync.h"

#define BUSY_NS 100000l /* somebody else runs the callbacks: look again so much later */

static void wake_worker(struct sync_queue *q)
{
	if (load_seq_cst(&q->sleeping)) { /* G */
		store_relaxed(&q->sleeping, 0u);
		sys3(SYS_futex, &q->sleeping, FUTEX_WAKE_PRIVATE, 1);
	}
}

void sonde_domain_call(struct sonde_domain *handle, struct sonde_deferred *node,
		       void (*run)(struct sonde_deferred *self))
{
	struct sync_queue *q = &sync_domain(handle)->queue;
	struct sonde_deferred *head = load_relaxed(&q->head);

	node->run = run;
	node->cookie = grace_cookie(&sync_rt.numbers);
	do {
		node->next = head;
		race_point("call: before push");
	} while (!cas_seq_cst(&q->head, &head, node)); /* G */
	wake_worker(q);
}

/* All that was pushed, behind what waits already. */
static void take_list(struct sync_queue *q)
{
	struct sonde_deferred *list = exchange_acquire(&q->head, NULL), *next; /* G */
	struct sonde_deferred *newest = list, *oldest = NULL;

	for (; list; list = next) {
		next = list->next;
		list->next = oldest;
		oldest = list;
	}
	if (!oldest)
		return;
	store_relaxed(q->last, oldest);
	q->last = &newest->next;
}

static size_t run_elapsed(struct sonde_domain *handle, struct sync_queue *q)
{
	struct sonde_deferred *node;
	size_t n = 0;

	while ((node = q->first) != NULL && sonde_domain_poll(handle, node->cookie)) {
		store_relaxed(&q->first, node->next);
		if (!node->next)
			q->last = &q->first;
		node->run(node);
		n++;
	}
	return n;
}

static bool run_try(struct sonde_domain *handle, size_t *n)
{
	struct sync_queue *q = &sync_domain(handle)->queue;
	uint32_t *lock = &sync_lane(handle)->run_lock, none = 0;

	if (!cas_acq_rel(lock, &none, 1u)) /* H */
		return false;
	if (q->busy) {
		q->first = NULL;
		q->last = &q->first;
	}
	q->busy = true;
	take_list(q);
	*n = run_elapsed(handle, q);
	q->busy = false;
	none = q->first != NULL;
	fetch_sub_seq_cst(lock, 1u); /* H */
	if (none)
		wake_worker(q);
	return true;
}

size_t sonde_domain_run(struct sonde_domain *handle)
{
	size_t n = 0;

	run_try(handle, &n);
	return n;
}

/* What was queued before has cookies that this grace period covers; and whoever had the lock before
 * us has finished what he had in hand. */
int sonde_domain_barrier(struct sonde_domain *handle)
{
	struct timespec ts = {.tv_nsec = BUSY_NS};
	int err = sonde_domain_synchronize(handle);
	size_t n;

	while (!err && !run_try(handle, &n))
		sys2(SYS_nanosleep, &ts, NULL);
	return err;
}

void sync_worker_sleep(struct sonde_domain *handle, const uint32_t *stop)
{
	struct sync_queue *q = &sync_domain(handle)->queue;

	for (;;) {
		store_seq_cst(&q->sleeping, 1u);					     /* G */
		if (load_seq_cst(&q->head) || load_seq_cst(&q->first) || load_seq_cst(stop)) /* G */
			break;
		sys4(SYS_futex, &q->sleeping, FUTEX_WAIT_PRIVATE, 1, NULL);
	}
	store_relaxed(&q->sleeping, 0u);
}

void sync_worker_wake(struct sonde_domain *handle)
{
	wake_worker(&sync_domain(handle)->queue);
}

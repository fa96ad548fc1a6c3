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
 *   H   run lock: CAS acquire, store seq_cst; `first`, `last`, `busy` change under it only
 *
 * A forked child finds the lock free, as all locks; so does who tries the lock of a thread that
 * died in a callback. The callback is let go. If the list was being changed, `busy` tells: it is
 * let go as well, for it may be half linked.
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
	race_point("call: before wake");
	wake_worker(q);
}

static void change_begin(struct sync_queue *q)
{
	store_relaxed(&q->busy, true);
	signal_barrier();
}

static void change_end(struct sync_queue *q)
{
	signal_barrier();
	store_relaxed(&q->busy, false);
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
		change_begin(q);
		store_relaxed(&q->first, node->next);
		if (!node->next)
			q->last = &q->first;
		change_end(q);
		node->run(node);
		n++;
	}
	return n;
}

static bool run_try(struct sonde_domain *handle, size_t *n)
{
	struct sync_queue *q = &sync_domain(handle)->queue;
	uint64_t *lock = &sync_lane(handle)->run_lock;
	bool left;

	if (!sync_try_lock(lock)) /* H */
		return false;
	if (q->busy) {
		q->first = NULL;
		q->last = &q->first;
	}
	change_begin(q);
	take_list(q);
	race_point("run: taken");
	change_end(q);
	*n = run_elapsed(handle, q);
	left = q->first != NULL;
	race_point("run: before unlock");
	/* not subtracted: a callback may have forked, and this be the child, where locks are free
	 */
	store_seq_cst(lock, (uint64_t)0); /* H */
	if (left)
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
	int err = sync_is_guest() ? -EBUSY : sonde_domain_synchronize(handle);
	size_t n;

	while (!err && !run_try(handle, &n))
		sys2(SYS_nanosleep, &ts, NULL);
	return err;
}

void sync_worker_sleep(struct sonde_domain *handle, const uint32_t *stop)
{
	struct sync_queue *q = &sync_domain(handle)->queue;

	for (;;) {
		store_seq_cst(&q->sleeping, 1u); /* G */
		race_point("worker: before check");
		if (load_seq_cst(&q->head) || load_seq_cst(&q->first) || load_seq_cst(stop)) /* G */
			break;
		race_point("worker: before sleep");
		sys4(SYS_futex, &q->sleeping, FUTEX_WAIT_PRIVATE, 1, NULL);
	}
	store_relaxed(&q->sleeping, 0u);
}

void sync_worker_wake(struct sonde_domain *handle)
{
	wake_worker(&sync_domain(handle)->queue);
}

/* SPDX-License-Identifier: MIT */
/*
 * What of <sonde/domain.h> needs a C library: workers, and fork() in a program of many threads. All
 * else is in src/sync.
 *
 * Life of a worker: NONE -start: CAS-> CHANGING -> RUNNING -stop: CAS-> CHANGING -joined-> NONE;
 * any -fork-> NONE in the child.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/atomic.h"
#include "base/base.h"
#include "sync/sync.h"

/* Grace periods of a worker are so far apart at least: membarrier interrupts every thread that
 * runs, and up to a thousand a second cost a program nothing that can be measured. */
#define WORKER_PAUSE_NS 1000000l

enum worker_state { WORKER_NONE, WORKER_CHANGING, WORKER_RUNNING };

static struct worker {
	uint32_t state;
	uint32_t stop;
	pthread_t thread;
	struct sonde_domain *domain;
} workers[SONDE_DOMAINS_MAX];

static void fork_child(void)
{
	sync_fork_child();
	for (size_t i = 0; i < ARRAY_LEN(workers); i++)
		workers[i].state = WORKER_NONE;
}

__attribute__((constructor)) static void follow_forks(void)
{
	pthread_atfork(sync_fork_prepare, sync_fork_parent, fork_child);
}

int sonde_domain_create(struct sonde_domain **out, const struct sonde_domain_options *options)
{
	return sync_domain_create(out, options);
}

int sonde_domain_destroy(struct sonde_domain *d)
{
	if (load_acquire(&workers[d->index].state) != WORKER_NONE)
		return -EBUSY;
	return sync_domain_destroy(d);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct timespec pause = {.tv_nsec = WORKER_PAUSE_NS};

	for (;;) {
		sync_worker_sleep(w->domain, &w->stop);
		/* an error is for good: what is queued is not to be freed any more */
		if (sonde_domain_barrier(w->domain) || load_acquire(&w->stop))
			return NULL;
		nanosleep(&pause, NULL);
	}
}

int sonde_domain_worker_start(struct sonde_domain *d)
{
	struct worker *w = &workers[d->index];
	uint32_t none = WORKER_NONE;
	sigset_t all, old;
	int err;

	if (!cas_acq_rel(&w->state, &none, WORKER_CHANGING))
		return -EALREADY;
	w->domain = d;
	store_relaxed(&w->stop, 0u);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	store_release(&w->state, err ? WORKER_NONE : WORKER_RUNNING);
	return -err;
}

int sonde_domain_worker_stop(struct sonde_domain *d)
{
	struct worker *w = &workers[d->index];
	uint32_t running = WORKER_RUNNING;

	if (sonde_domain_depth(d))
		return -EDEADLK;
	if (!cas_acq_rel(&w->state, &running, WORKER_CHANGING))
		return -EALREADY;
	store_seq_cst(&w->stop, 1u);
	sync_worker_wake(d);
	pthread_join(w->thread, NULL);
	store_release(&w->state, WORKER_NONE);
	return 0;
}

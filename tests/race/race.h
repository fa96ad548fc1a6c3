/* SPDX-License-Identifier: MIT */
/*
 * Threads that stop at named points of the code under test, and go on when the test says so: one
 * schedule of two or three threads, the same each time.
 *
 * The sources are compiled with SONDE_RACE_POINTS, the reader's half with the macro below.
 */
#ifndef SONDE_TESTS_RACE_H
#define SONDE_TESTS_RACE_H

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

void race_point(const char *name);
#define SONDE_READER_POINT(name) race_point(name)

#include "base/atomic.h"
#include "base/base.h"

#define RACE_SECONDS 10

struct racer {
	void (*run)(void);
	const char *stop; /* the point it is to stop at next; NULL: none */
	uint32_t stopped, go, over;
	int32_t tid;
	pthread_t thread;
};

static __thread struct racer *racer_self;

void race_point(const char *name)
{
	struct racer *r = racer_self;
	const char *stop = r ? load_acquire(&r->stop) : NULL;

	if (!stop || strcmp(stop, name) != 0)
		return;
	store_relaxed(&r->go, 0u);
	store_release(&r->stopped, 1u);
	while (!load_acquire(&r->go))
		sched_yield();
}

static void *racer_main(void *arg)
{
	racer_self = arg;
	racer_self->tid = (int32_t)syscall(SYS_gettid);
	racer_self->run();
	racer_self->stop = NULL;
	store_release(&racer_self->over, 1u);
	return NULL;
}

/* Until it has stopped, or is over: which. */
static inline bool racer_arrives(struct racer *r)
{
	for (int i = 0; i < RACE_SECONDS * 1000; i++) {
		if (load_acquire(&r->stopped))
			return true;
		if (load_acquire(&r->over))
			return false;
		usleep(1000);
	}
	fail_msg("a thread neither came to \"%s\" nor to its end", r->stop ? r->stop : "");
	return false;
}

/* A thread that runs @run up to the point @stop (NULL: does not stop). */
static inline void racer_start(struct racer *r, void (*run)(void), const char *stop)
{
	*r = (struct racer){.run = run, .stop = stop};
	assert_int_equal(pthread_create(&r->thread, NULL, racer_main, r), 0);
	if (stop)
		assert_true(racer_arrives(r));
}

/* On from where it stands, without waiting for the next stop (NULL: none). */
static inline void racer_release(struct racer *r, const char *stop)
{
	store_relaxed(&r->stopped, 0u);
	store_release(&r->stop, stop);
	store_release(&r->go, 1u);
}

static inline void racer_next(struct racer *r, const char *stop)
{
	racer_release(r, stop);
	assert_true(racer_arrives(r));
}

/* Still at work after a while, in which it could have ended. */
static inline bool racer_waits(struct racer *r)
{
	for (int i = 0; i < 40 && !load_acquire(&r->over); i++)
		usleep(1000);
	return !load_acquire(&r->over);
}

static inline void racer_join(struct racer *r)
{
	assert_false(racer_arrives(r));
	pthread_join(r->thread, NULL);
}

/* From its stop to the end. */
static inline void racer_end(struct racer *r)
{
	racer_release(r, NULL);
	racer_join(r);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Threads that stand about while something else is measured: they read, or could. All but a busy
 * one that is stopped live as long as the process.
 */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include <pthread.h>

#include "variant.h"

/* Make the calling process one that measures @v: its filter, its start. */
void crew_begin(const struct variant *v);

/* @n threads, each of which has read once and sleeps now. */
void crew_idle(const struct variant *v, int n);

/*
 * To measure something again until @thread has been on its processor nearly all the time: where
 * other programs run, it may not have been beside us at all, and what was measured then is not what
 * the table says. @enough: it was, the last time. Gives up after a quarter of a second.
 *
 *	crew_beside_init(&b, thread);
 *	while (crew_beside_again(&b))
 *		...
 */
struct crew_beside {
	pthread_t thread;
	double first, cpu, wall;
	bool begun, enough;
};

void crew_beside_init(struct crew_beside *b, pthread_t thread);
bool crew_beside_again(struct crew_beside *b);

/* One that reads without a pause on the second processor. */
struct crew_busy {
	const struct variant *v;
	pthread_t thread;
	struct watch watch;
};

void crew_busy_start(struct crew_busy *b, const struct variant *v);
void crew_busy_stop(struct crew_busy *b);

/* One that enters, sleeps so many microseconds, leaves, again and again. */
void crew_sleeper(const struct variant *v, int us);

/* A thread with a small stack. */
void crew_thread(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif

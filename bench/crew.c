/* SPDX-License-Identifier: MIT */
/*
 * See crew.h.
 */
#include "crew.h"

#include <semaphore.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define STACK_SIZE 65536
#define ENOUGH 0.95  /* of the time */
#define TRY_NS 250e6 /* no further try is begun after so long */

static const uint64_t something = 1;

void crew_begin(const struct variant *v)
{
	if (v->no_membarrier)
		bench_deny_membarrier();
	if (v->start)
		v->start();
}

void crew_thread(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (pthread_create(thread, &attr, run, arg))
		bench_fail("cannot create so many threads");
	pthread_attr_destroy(&attr);
}

struct order {
	const struct variant *v;
	int us;
	sem_t ready;
};

static void *idle_main(void *arg)
{
	struct order *o = arg;
	const struct variant *v = o->v;

	if (v->attach)
		v->attach();
	if (v->enter)
		v->leave(v->enter());
	if (v->idle)
		v->idle();
	sem_post(&o->ready);
	for (;;)
		pause();
	return NULL;
}

void crew_idle(const struct variant *v, int n)
{
	struct order o = {.v = v};
	pthread_t thread;

	sem_init(&o.ready, 0, 0);
	for (int i = 0; i < n; i++) {
		crew_thread(&thread, idle_main, &o);
		sem_wait(&o.ready);
	}
}

static double cpu_of(pthread_t thread)
{
	struct timespec ts;
	clockid_t clock;

	if (pthread_getcpuclockid(thread, &clock) || clock_gettime(clock, &ts))
		bench_fail("no clock for a thread");
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

void crew_beside_init(struct crew_beside *b, pthread_t thread)
{
	*b = (struct crew_beside){.thread = thread, .first = bench_now_ns()};
}

bool crew_beside_again(struct crew_beside *b)
{
	double cpu = cpu_of(b->thread), wall = bench_now_ns();

	b->enough = b->begun && cpu - b->cpu >= ENOUGH * (wall - b->wall);
	if (b->enough || wall - b->first > TRY_NS)
		return false;
	b->begun = true;
	b->cpu = cpu;
	b->wall = wall;
	return true;
}

static void *busy_main(void *arg)
{
	struct crew_busy *b = arg;

	bench_pin(1);
	if (b->v->attach)
		b->v->attach();
	b->v->watch(&b->watch);
	if (b->v->idle)
		b->v->idle();
	return NULL;
}

void crew_busy_start(struct crew_busy *b, const struct variant *v)
{
	b->v = v;
	b->watch.hot = &something;
	b->watch.stop = 0;
	b->watch.sections = 0;
	crew_thread(&b->thread, busy_main, b);
	while (__atomic_load_n(&b->watch.sections, __ATOMIC_RELAXED) < 100000)
		usleep(100);
}

void crew_busy_stop(struct crew_busy *b)
{
	__atomic_store_n(&b->watch.stop, 1, __ATOMIC_RELAXED);
	pthread_join(b->thread, NULL);
}

static void *sleeper_main(void *arg)
{
	struct order *o = arg;
	const struct variant *v = o->v;
	struct timespec ts = {.tv_nsec = o->us * 1000l};
	uintptr_t token;

	bench_pin(1);
	if (v->attach)
		v->attach();
	sem_post(&o->ready);
	for (;;) {
		token = v->enter();
		nanosleep(&ts, NULL);
		v->leave(token);
	}
	return NULL;
}

void crew_sleeper(const struct variant *v, int us)
{
	static struct order o;
	pthread_t thread;

	o = (struct order){.v = v, .us = us};
	sem_init(&o.ready, 0, 0);
	crew_thread(&thread, sleeper_main, &o);
	sem_wait(&o.ready);
}

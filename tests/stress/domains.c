/* SPDX-License-Identifier: MIT */
/*
 * Torture of grace-period domains: domains THREADS SECONDS [SEED [fences]]. Without a seed, or with
 * 0, a new one; it is printed.
 *
 * Readers find objects, look at them in sections of several domains, nested and overlapping, block
 * there, get signals whose handlers do the same, fork, and end in every way, inside and outside.
 * Writers replace the objects, wait in every way there is, poison the old ones and free them. A
 * reader that sees poison has found an error in the domains.
 *
 * Built three times: plain, with ThreadSanitizer, with AddressSanitizer and UndefinedBehavior-
 * Sanitizer. Left out under both sanitizers: ending by the bare system call, because their runtime
 * libraries wait for such a thread for ever when it is joined. Left out under ThreadSanitizer:
 * forks, because it goes on to know in the child who wrote what the kernel has wiped there. Under
 * it a thread that ends inside tells so by an atomic, since it cannot know what the kernel says
 * about the dead.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/base.h"
#include "sonde/domain.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#ifdef __SANITIZE_THREAD__
#define FORKS 0
#else
#define FORKS 1
#endif

#define NDOMAINS 3 /* the last has a worker */
#define NSHARED 8  /* objects of each */
#define NWRITERS 2
#define NPENDING 64 /* of a writer that polls */
#define THREADS_MAX 256
#define ALIVE 0x600d600d600d600dull
#define POISON 0xbadbadbadbadbadbull

struct object {
	uint64_t pad[4]; /* where an allocator writes when it has it back */
	uint64_t alive, serial, check;
	struct sonde_deferred head; /* no reader looks at it */
};

static struct sonde_domain *domain[NDOMAINS];
static struct object *shared[NDOMAINS][NSHARED];
static uint32_t over, gone;
static uint64_t seed;

static struct {
	uint64_t sections, nested, blocked, handlers, ends, ends_inside, forks;
	uint64_t synchronized, several, called, polled, timed, stalled, freed;
	uint64_t errors;
} count;

#define COUNT(what) fetch_add_relaxed(&count.what, (uint64_t)1)

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t next(uint64_t *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return *rng;
}

static uint32_t below(uint64_t *rng, uint32_t n)
{
	return (uint32_t)(next(rng) >> 32) % n;
}

static void complain(const char *what)
{
	if (COUNT(errors) < 20) {
		ssize_t n = write(2, what, strlen(what));

		(void)n;
	}
}

/* Objects */

static struct object *object_new(uint64_t serial)
{
	struct object *o = malloc(sizeof(*o));

	if (!o)
		abort();
	o->alive = ALIVE;
	o->serial = serial;
	o->check = ~serial;
	return o;
}

static void object_free(struct object *o)
{
	load_acquire(&gone);
	o->alive = POISON;
	o->check = o->serial;
	COUNT(freed);
	free(o);
}

static void object_run(struct sonde_deferred *head)
{
	object_free((struct object *)((char *)head - offsetof(struct object, head)));
}

static uint64_t object_look(const struct object *o)
{
	if (o->alive != ALIVE || o->check != ~o->serial)
		complain("an object in use has been freed\n");
	return o->serial;
}

/* Readers */

static void block(uint64_t *rng)
{
	static uint32_t never;
	struct timespec ts = {0, (long)below(rng, 2000000)};

	COUNT(blocked);
	switch (below(rng, 3)) {
	case 0:
		sched_yield();
		break;
	case 1:
		nanosleep(&ts, NULL);
		break;
	default:
		syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, &ts);
	}
}

static void section(uint64_t *rng, int levels, bool may_block)
{
	uint32_t i = below(rng, NDOMAINS);
	struct sonde_domain *d = domain[i];
	unsigned int depth = sonde_domain_depth(d);
	const struct object *o;
	uint64_t serial;

	sonde_domain_enter(d);
	o = load_acquire(&shared[i][below(rng, NSHARED)]);
	serial = object_look(o);
	if (levels && below(rng, 3) == 0) {
		COUNT(nested);
		section(rng, levels - 1, may_block);
	}
	if (may_block && below(rng, 100) == 0)
		block(rng);
	if (object_look(o) != serial)
		complain("an object in use has become another\n");
	if (sonde_domain_depth(d) != depth + 1)
		complain("wrong depth\n");
	sonde_domain_leave(d);
	COUNT(sections);
}

static __thread uint64_t handler_rng __attribute__((tls_model("initial-exec")));

static void on_signal(int sig)
{
	int err = errno;
	uint32_t i;

	(void)sig;
	if (!handler_rng)
		handler_rng = (seed + (uint64_t)syscall(SYS_gettid)) | 1;
	i = below(&handler_rng, NDOMAINS);
	section(&handler_rng, 2, false);
	sonde_domain_poll(domain[i], sonde_domain_cookie(domain[i]));
	COUNT(handlers);
	errno = err;
}

static void noted(struct sonde_deferred *head)
{
	head->cookie = 0;
}

/* In a child: everything must work, for this thread alone. @depth: its sections of each domain;
 * @runs: it may free memory, and so run what it has inherited. */
static int child(const unsigned int *depth, bool runs)
{
	struct sonde_deferred node[NDOMAINS];

	alarm(60);
	for (int i = 0; i < NDOMAINS; i++) {
		struct sonde_reader_info info;

		if (sonde_domain_depth(domain[i]) != depth[i])
			return 2;
		if (sonde_domain_readers(domain[i], &info, 1) != (depth[i] != 0))
			return 3;
		if (depth[i] && sonde_domain_poll(domain[i], sonde_domain_cookie(domain[i])))
			return 4;
		sonde_domain_unwind(domain[i], 0);
		sonde_domain_call(domain[i], &node[i], noted);
		if (sonde_domain_synchronize(domain[i]))
			return 5;
		if (!sonde_domain_poll(domain[i], sonde_domain_cookie(domain[i])))
			return 6;
		if (runs && (sonde_domain_barrier(domain[i]) || node[i].cookie))
			return 7;
	}
	return 0;
}

static void fork_inside(uint64_t *rng)
{
	unsigned int depth[NDOMAINS];
	bool runs = false;
	int status = -1;
	pid_t pid;

	for (int i = 0; i < NDOMAINS; i++)
		depth[i] = sonde_domain_depth(domain[i]);
	if (below(rng, 2)) {
		pid = fork();
		runs = !SANITIZED; /* theirs may have left their allocators locked */
	} else {
		pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (pid == 0)
			memset(depth, 0, sizeof(depth)); /* over there */
	}
	if (pid == 0)
		syscall(SYS_exit_group, child(depth, runs)); /* ThreadSanitizer looks at _exit() */
	while (pid > 0 && waitpid(pid, &status, 0) != pid)
		;
	if (pid > 0 && status) {
		fprintf(stderr, "a child ended with %#x\n", (unsigned int)status);
		COUNT(errors);
	}
	COUNT(forks);
}

struct reader {
	pthread_t thread;
	uint64_t rng;
	int32_t tid; /* for signals; 0: not running */
	bool started;
	uint32_t ended; /* or about to */
};

static void end(struct reader *r)
{
	int old;

	for (uint32_t n = below(&r->rng, 3), i = 0; i < n; i++) {
		sonde_domain_enter(domain[below(&r->rng, NDOMAINS)]);
		if (!i)
			COUNT(ends_inside);
	}
	COUNT(ends);
	store_relaxed(&r->tid, 0);
	store_release(&r->ended, 1u);
	fetch_add_acq_rel(&gone, 1u);
	switch (below(&r->rng, SANITIZED ? 4 : 5)) {
	case 0:
		break;
	case 1:
		pthread_exit(NULL);
	case 2:
		pthread_cancel(pthread_self());
		for (;;)
			pthread_testcancel();
	case 3:
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
		pthread_cancel(pthread_self());
		for (;;)
			;
	default:
		syscall(SYS_exit, 0);
	}
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	uint32_t n = 1u << below(&r->rng, 12);

	store_relaxed(&r->tid, (int32_t)syscall(SYS_gettid));
	while (n-- && !load_relaxed(&over)) {
		section(&r->rng, 4, true);
		if (FORKS && below(&r->rng, 4000) == 0) {
			uint32_t i = below(&r->rng, NDOMAINS);

			if (below(&r->rng, 2))
				sonde_domain_enter(domain[i]);
			fork_inside(&r->rng);
			sonde_domain_unwind(domain[i], 0);
		}
	}
	end(r);
	return NULL;
}

/* Writers */

struct writer {
	pthread_t thread;
	uint64_t rng;
	uint64_t cookie[NPENDING];
	struct object *pending[NPENDING];
	uint32_t at[NPENDING], npending;
};

static void no_error(int err)
{
	if (err) {
		fprintf(stderr, "a wait ended with %d\n", err);
		COUNT(errors);
	}
}

static void poll_pending(struct writer *w, bool wait)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w->npending; i++) {
		struct sonde_domain *d = domain[w->at[i]];

		if (wait)
			no_error(sonde_domain_wait(d, w->cookie[i], SONDE_FOREVER));
		if (sonde_domain_poll(d, w->cookie[i])) {
			object_free(w->pending[i]);
			COUNT(polled);
			continue;
		}
		w->pending[kept] = w->pending[i];
		w->cookie[kept] = w->cookie[i];
		w->at[kept++] = w->at[i];
	}
	w->npending = kept;
}

static void keep(struct writer *w, uint32_t i, struct object *o, uint64_t cookie)
{
	if (w->npending == NPENDING)
		poll_pending(w, true);
	w->at[w->npending] = i;
	w->cookie[w->npending] = cookie;
	w->pending[w->npending++] = o;
}

static void replace(struct writer *w)
{
	uint32_t i = below(&w->rng, NDOMAINS);
	struct object *o = __atomic_exchange_n(&shared[i][below(&w->rng, NSHARED)],
					       object_new(next(&w->rng)), __ATOMIC_ACQ_REL);
	uint64_t cookie;
	int err;

	switch (below(&w->rng, 5)) {
	case 0:
		no_error(sonde_domain_synchronize(domain[i]));
		COUNT(synchronized);
		object_free(o);
		break;
	case 1:
		no_error(sonde_domains_synchronize(domain, NDOMAINS));
		COUNT(several);
		object_free(o);
		break;
	case 2:
		sonde_domain_call(domain[i], &o->head, object_run);
		COUNT(called);
		break;
	case 3:
		keep(w, i, o, sonde_domain_cookie(domain[i]));
		poll_pending(w, false);
		break;
	default:
		cookie = sonde_domain_cookie(domain[i]);
		err = sonde_domain_wait(domain[i], cookie, below(&w->rng, 1000000));
		if (err) {
			if (err != -ETIMEDOUT)
				no_error(err);
			keep(w, i, o, cookie);
		} else {
			COUNT(timed);
			object_free(o);
		}
	}
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;

	while (!load_relaxed(&over)) {
		replace(w);
		if (below(&w->rng, 4) == 0)
			sonde_domain_run(domain[below(&w->rng, NDOMAINS)]);
	}
	poll_pending(w, true);
	return NULL;
}

/* The whole */

static void on_stall(const struct sonde_reader_info *reader, void *arg)
{
	(void)reader;
	(void)arg;
	COUNT(stalled);
}

static void refuse_membarrier(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {ARRAY_LEN(code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		abort();
}

static void reader_start(struct reader *r, uint64_t *rng)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	r->rng = next(rng) | 1;
	r->started = pthread_create(&r->thread, &attr, reader_main, r) == 0;
	pthread_attr_destroy(&attr);
}

static void manage(struct reader *r, uint32_t n, uint64_t *rng, uint64_t until)
{
	while (now_ns() < until) {
		for (uint32_t i = 0; i < n; i++) {
			int32_t tid = load_relaxed(&r[i].tid);

			if (r[i].started && load_acquire(&r[i].ended)) {
				pthread_join(r[i].thread, NULL);
				memset(&r[i], 0, sizeof(r[i]));
			}
			if (!r[i].started)
				reader_start(&r[i], rng);
			else if (tid)
				syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
		}
		usleep(below(rng, 500));
	}
	store_relaxed(&over, 1u);
	for (uint32_t i = 0; i < n; i++) {
		if (r[i].started)
			pthread_join(r[i].thread, NULL);
	}
}

static void start(struct writer *writer, uint64_t *rng)
{
	struct sonde_domain_options o = {
		.sz = sizeof(o), .name = "torture", .stall_ns = 1000000, .stalled = on_stall};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	sigaction(SIGUSR1, &sa, NULL);
	for (int i = 0; i < NDOMAINS; i++) {
		no_error(sonde_domain_create(&domain[i], &o));
		for (int k = 0; k < NSHARED; k++)
			shared[i][k] = object_new(next(rng));
	}
	no_error(sonde_domain_worker_start(domain[NDOMAINS - 1]));
	for (int i = 0; i < NWRITERS; i++) {
		writer[i].rng = next(rng) | 1;
		if (pthread_create(&writer[i].thread, NULL, writer_main, &writer[i]))
			abort();
	}
}

static void finish(struct writer *writer)
{
	for (int i = 0; i < NWRITERS; i++)
		pthread_join(writer[i].thread, NULL);
	no_error(sonde_domain_worker_stop(domain[NDOMAINS - 1]));
	for (int i = 0; i < NDOMAINS; i++) {
		for (int k = 0; k < NSHARED; k++)
			object_free(shared[i][k]);
		no_error(sonde_domain_destroy(domain[i]));
	}
}

static void report(void)
{
	printf("sections %lu (nested %lu, blocked %lu, in handlers %lu), threads ended %lu (inside "
	       "%lu), forks %lu\n",
	       count.sections, count.nested, count.blocked, count.handlers, count.ends,
	       count.ends_inside, count.forks);
	printf("freed %lu: after synchronize %lu, of several %lu, call %lu, poll %lu, wait %lu; "
	       "stalls told %lu\n",
	       count.freed, count.synchronized, count.several, count.called, count.polled,
	       count.timed, count.stalled);
	printf("errors %lu\n", count.errors);
}

int main(int argc, char **argv)
{
	static struct reader reader[THREADS_MAX];
	static struct writer writer[NWRITERS];
	uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 8;
	uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 0) : 10, rng;

	seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
	seed = seed ? seed : now_ns();
	if (n < 1 || n > THREADS_MAX)
		return 2;
	printf("domains %u %lu %lu%s\n", n, seconds, seed, argc > 4 ? " fences" : "");
	fflush(stdout);
	if (argc > 4)
		refuse_membarrier();
	rng = seed * 0x9e3779b97f4a7c15ull | 1;
	start(writer, &rng);
	manage(reader, n, &rng, now_ns() + seconds * 1000000000u);
	finish(writer);
	report();
	return count.errors || !count.freed || !count.sections;
}

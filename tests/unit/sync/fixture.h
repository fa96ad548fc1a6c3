/* SPDX-License-Identifier: MIT */
/*
 * What the tests of grace-period domains share: a thread that sits in sections until it is told to
 * leave, children that must end in time, and the kernel as it is without membarrier.
 *
 * Every binary runs a second time with the argument "fences": then membarrier is refused from the
 * start, and the same must hold.
 */
#ifndef SONDE_TESTS_SYNC_FIXTURE_H
#define SONDE_TESTS_SYNC_FIXTURE_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/atomic.h"
#include "base/base.h"
#include "sonde/domain.h"
#include "sync/state.h"

#define MS 1000000ull
#define CHILD_SECONDS 20

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline void sleep_ms(unsigned int ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* From now on the system call @nr fails with @err in the calling process. */
static inline void refuse(int nr, int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {ARRAY_LEN(code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog))
		abort();
}

/* For main(): the run without membarrier, when it is asked for. */
static inline void fences_if_told(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "fences") == 0)
		refuse(SYS_membarrier, ENOSYS);
}

static inline struct sonde_domain *domain_new(void)
{
	struct sonde_domain *d = NULL;

	assert_int_equal(sonde_domain_create(&d, NULL), 0);
	return d;
}

static inline void domain_end(struct sonde_domain *d)
{
	assert_int_equal(sonde_domain_destroy(d), 0);
}

/* A thread inside @depth sections of @d until told to leave. */
struct sitter {
	struct sonde_domain *d;
	unsigned int depth;
	uint32_t inside, told;
	int32_t tid;
	pthread_t thread;
};

static inline void *sitter_main(void *arg)
{
	struct sitter *s = arg;

	s->tid = (int32_t)syscall(SYS_gettid);
	for (unsigned int i = 0; i < s->depth; i++)
		sonde_domain_enter(s->d);
	store_release(&s->inside, 1u);
	while (!load_acquire(&s->told))
		syscall(SYS_futex, &s->told, FUTEX_WAIT, 0, NULL);
	for (unsigned int i = 0; i < s->depth; i++)
		sonde_domain_leave(s->d);
	store_release(&s->inside, 0u);
	return NULL;
}

static inline void sitter_start(struct sitter *s, struct sonde_domain *d, unsigned int depth)
{
	*s = (struct sitter){.d = d, .depth = depth};
	if (pthread_create(&s->thread, NULL, sitter_main, s))
		abort();
	while (!load_acquire(&s->inside))
		sched_yield();
}

static inline void sitter_tell(struct sitter *s)
{
	store_release(&s->told, 1u);
	syscall(SYS_futex, &s->told, FUTEX_WAKE, 1);
}

static inline void sitter_end(struct sitter *s)
{
	sitter_tell(s);
	pthread_join(s->thread, NULL);
}

/* A thread that waits for a grace period. */
struct waiter {
	struct sonde_domain *d;
	uint32_t done;
	int err;
	pthread_t thread;
};

static inline void *waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->err = sonde_domain_synchronize(w->d);
	store_release(&w->done, 1u);
	return NULL;
}

static inline void waiter_start(struct waiter *w, struct sonde_domain *d)
{
	*w = (struct waiter){.d = d, .err = 1};
	if (pthread_create(&w->thread, NULL, waiter_main, w))
		abort();
}

static inline int waiter_end(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	return w->err;
}

/* The end of a child: what it returned, or 1000 + the signal that killed it (SIGALRM: it hung). */
static inline int child_end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) != pid) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* In a child made by fork(): 0, or the number of the line that found something wrong (mod 256). */
static inline int in_child(int (*run)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(CHILD_SECONDS);
		_exit(run(arg));
	}
	return pid < 0 ? -1 : child_end(pid);
}

/* For code that runs in children and threads, where cmocka's assertions cannot. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			_exit(__LINE__ % 250 + 1);                                                 \
		}                                                                                  \
	} while (0)

/* The child of a bare system call, as seen by nobody. */
static inline pid_t bare_fork(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

#endif

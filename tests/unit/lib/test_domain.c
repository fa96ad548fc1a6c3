/* SPDX-License-Identifier: MIT */
/*
 * Grace-period domains as users of the library have them: workers, and sections inside malloc,
 * which this program replaces by one that enters.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <sonde/domain.h>

static struct sonde_domain *d;
static uint32_t ran, bad;
static sigset_t mask_seen;
static pthread_t thread_seen;

static int setup(void **state)
{
	(void)state;
	__atomic_store_n(&ran, 0, __ATOMIC_SEQ_CST);
	return sonde_domain_create(&d, NULL);
}

static int teardown(void **state)
{
	(void)state;
	return sonde_domain_destroy(d);
}

static void note(struct sonde_deferred *node)
{
	(void)node;
	pthread_sigmask(SIG_SETMASK, NULL, &mask_seen);
	thread_seen = pthread_self();
	__atomic_fetch_add(&ran, 1, __ATOMIC_SEQ_CST);
}

static void wait_for(uint32_t n)
{
	for (int i = 0; i < 10000 && __atomic_load_n(&ran, __ATOMIC_SEQ_CST) < n; i++)
		usleep(1000);
	assert_int_equal(__atomic_load_n(&ran, __ATOMIC_SEQ_CST), n);
}

static void worker_runs_them(void **state)
{
	struct sonde_deferred node[50];

	(void)state;
	assert_int_equal(sonde_domain_worker_start(d), 0);
	for (uint32_t i = 0; i < 50; i++) {
		sonde_domain_call(d, &node[i], note);
		if (i % 10 == 0)
			wait_for(i + 1);
	}
	wait_for(50);
	assert_false(pthread_equal(thread_seen, pthread_self()));
	for (int sig = 1; sig < 32; sig++) {
		if (sig != SIGKILL && sig != SIGSTOP)
			assert_int_equal(sigismember(&mask_seen, sig), 1);
	}
	assert_int_equal(sonde_domain_worker_stop(d), 0);
}

static void worker_errors(void **state)
{
	sigset_t before, after;

	(void)state;
	assert_int_equal(sonde_domain_worker_stop(d), -EALREADY);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(sonde_domain_worker_start(d), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < 64; sig++)
		assert_int_equal(sigismember(&before, sig), sigismember(&after, sig));
	assert_int_equal(sonde_domain_worker_start(d), -EALREADY);
	assert_int_equal(sonde_domain_destroy(d), -EBUSY);
	sonde_domain_enter(d);
	assert_int_equal(sonde_domain_worker_stop(d), -EDEADLK);
	sonde_domain_leave(d);
	assert_int_equal(sonde_domain_worker_stop(d), 0);
	assert_int_equal(sonde_domain_worker_stop(d), -EALREADY);
}

/* Stopping waits for what is queued; a new worker goes on. */
static void worker_again(void **state)
{
	struct sonde_deferred node[20];

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(sonde_domain_worker_start(d), 0);
		sonde_domain_call(d, &node[i], note);
		assert_int_equal(sonde_domain_worker_stop(d), 0);
		assert_int_equal(ran, i + 1);
	}
}

/* Beside a thread that runs them as well. */
static void worker_and_runner(void **state)
{
	static struct sonde_deferred node[2000];

	(void)state;
	assert_int_equal(sonde_domain_worker_start(d), 0);
	for (uint32_t i = 0; i < 2000; i++) {
		sonde_domain_call(d, &node[i], note);
		if (i % 7 == 0)
			sonde_domain_run(d);
		if (i % 100 == 0)
			usleep(500);
	}
	assert_int_equal(sonde_domain_barrier(d), 0);
	assert_int_equal(ran, 2000);
	assert_int_equal(sonde_domain_worker_stop(d), 0);
}

/* A forked child has none, and may have one of its own. */
static void worker_and_fork(void **state)
{
	struct sonde_deferred node, more;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(sonde_domain_worker_start(d), 0);
	sonde_domain_call(d, &node, note);
	wait_for(1);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		ran = 0;
		if (sonde_domain_worker_stop(d) != -EALREADY || sonde_domain_worker_start(d))
			_exit(1);
		sonde_domain_call(d, &more, note);
		if (sonde_domain_worker_stop(d) || ran != 1 || sonde_domain_destroy(d))
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(sonde_domain_worker_stop(d), 0);
}

/*
 * A malloc of the program's own, in sections: used by the C library in every place where it
 * allocates, by the loader, and by threads that come and go.
 */
extern void *__libc_malloc(size_t size);
extern void __libc_free(void *p);
static struct sonde_domain *inside_malloc;
static uint64_t mallocs, polled;

void *malloc(size_t size)
{
	struct sonde_domain *in = __atomic_load_n(&inside_malloc, __ATOMIC_ACQUIRE);
	uint64_t cookie;
	void *p;

	if (!in)
		return __libc_malloc(size);
	sonde_domain_enter(in);
	cookie = sonde_domain_cookie(in);
	p = __libc_malloc(size);
	if (sonde_domain_poll(in, cookie) || !sonde_domain_depth(in))
		__atomic_fetch_add(&bad, 1, __ATOMIC_RELAXED);
	sonde_domain_leave(in);
	__atomic_fetch_add(&mallocs, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&polled, sonde_domain_poll(in, cookie), __ATOMIC_RELAXED);
	return p;
}

void free(void *p)
{
	struct sonde_domain *in = __atomic_load_n(&inside_malloc, __ATOMIC_ACQUIRE);

	if (in)
		sonde_domain_enter(in);
	__libc_free(p);
	if (in)
		sonde_domain_leave(in);
}

static void *allocate(void *arg)
{
	for (int i = 0; i < 500; i++) {
		void *volatile p = malloc((size_t)(i % 200) + 1);

		memset(p, 0x5a, (size_t)(i % 200) + 1);
		free(p);
	}
	return arg;
}

static void in_malloc(void **state)
{
	pthread_t t[4];

	(void)state;
	__atomic_store_n(&inside_malloc, d, __ATOMIC_RELEASE);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&t[i], NULL, allocate, NULL), 0);
		assert_int_equal(sonde_domain_synchronize(d), 0);
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	}
	__atomic_store_n(&inside_malloc, NULL, __ATOMIC_RELEASE);
	assert_true(mallocs >= 20 * 4 * 500 && polled > 0);
	assert_int_equal(bad, 0);
	assert_int_equal(sonde_domain_synchronize(d), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(worker_runs_them),	 TEST(worker_errors),	TEST(worker_again),
		TEST(worker_and_runner), TEST(worker_and_fork), TEST(in_malloc),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

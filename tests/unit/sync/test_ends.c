/* SPDX-License-Identifier: MIT */
/*
 * Threads that are gone: in every way a thread can end inside a section, also when its number is
 * another's by now. Nobody waits for them; and who is alive is waited for.
 */
#include <fcntl.h>

#include "fixture.h"

static struct sonde_domain *d;

static int setup(void **state)
{
	(void)state;
	d = domain_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	domain_end(d);
	return 0;
}

enum way { RETURN, EXIT, CANCEL, CANCEL_ASYNC, BARE, SIGNAL_EXIT, NWAYS };

struct ending {
	enum way way;
	uint32_t inside;
	int32_t tid;
	pthread_t thread;
};

static void exit_in_handler(int sig)
{
	(void)sig;
	sonde_domain_enter(d);
	pthread_exit(NULL);
}

static void *ending_main(void *arg)
{
	struct ending *e = arg;
	int old;

	e->tid = (int32_t)syscall(SYS_gettid);
	if (e->way == CANCEL_ASYNC)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	sonde_domain_enter(d);
	sonde_domain_enter(d);
	store_release(&e->inside, 1u);
	switch (e->way) {
	case RETURN:
		break;
	case EXIT:
		pthread_exit(NULL);
	case CANCEL:
		for (;;)
			pause();
	case CANCEL_ASYNC:
		for (;;)
			;
	case SIGNAL_EXIT:
		raise(SIGUSR2);
		break;
	default:
		syscall(SYS_exit, 0);
	}
	return NULL;
}

static void ending_start(struct ending *e, enum way way)
{
	pthread_attr_t attr;

	*e = (struct ending){.way = way};
	pthread_attr_init(&attr);
	assert_int_equal(pthread_create(&e->thread, &attr, ending_main, e), 0);
	while (!load_acquire(&e->inside))
		sched_yield();
	if (way == CANCEL || way == CANCEL_ASYNC)
		pthread_cancel(e->thread);
	if (way != BARE)
		pthread_join(e->thread, NULL);
}

static void every_way(void **state)
{
	struct sigaction sa = {.sa_handler = exit_in_handler};
	struct sonde_reader_info info;
	struct ending e;

	(void)state;
	sigaction(SIGUSR2, &sa, NULL);
	for (enum way way = RETURN; way < NWAYS; way++) {
		uint64_t cookie, start = now_ns();

		ending_start(&e, way);
		assert_int_equal(sonde_domain_synchronize(d), 0);
		assert_int_equal(sonde_domain_readers(d, &info, 1), 0);
		ending_start(&e, way); /* the same for pollers */
		cookie = sonde_domain_cookie(d);
		while (!sonde_domain_poll(d, cookie))
			sched_yield();
		assert_true(now_ns() - start < 5000 * MS);
	}
}

/* However short each wait is: many of them find out, too. */
static void short_waits(void **state)
{
	uint64_t cookie, start;
	struct ending e;
	int err;

	(void)state;
	ending_start(&e, EXIT);
	cookie = sonde_domain_cookie(d);
	start = now_ns();
	do {
		err = sonde_domain_wait(d, cookie, 10000);
		assert_true(now_ns() - start < 5000 * MS);
	} while (err == -ETIMEDOUT);
	assert_int_equal(err, 0);
}

/* A thread that the C library does not know, with thread-local storage of its own making. */
static uint32_t bare_told, bare_inside;

static int bare_main(void *arg)
{
	sonde_domain_enter(d);
	store_release(&bare_inside, 1u);
	while (!load_acquire(&bare_told))
		;
	if (!arg)
		sonde_domain_leave(d);
	return 0;
}

#define BARE_TLS 65536
#define BARE_STACK 65536

static void bare_thread(bool dies_inside)
{
	char *mem = mmap(NULL, BARE_TLS + 4096 + BARE_STACK, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *tp = mem + BARE_TLS;
	struct waiter w;
	int32_t tid = 1;

	assert_ptr_not_equal(mem, MAP_FAILED);
	*(void **)tp = *(void **)(tp + 16) = tp;
	bare_told = bare_inside = 0;
	assert_true(clone(bare_main, mem + BARE_TLS + 4096 + BARE_STACK,
			  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				  CLONE_SYSVSEM | CLONE_SETTLS | CLONE_CHILD_CLEARTID |
				  CLONE_PARENT_SETTID,
			  (void *)(uintptr_t)dies_inside, &tid, tp, &tid) > 0);
	while (!load_acquire(&bare_inside))
		sched_yield();
	waiter_start(&w, d);
	sleep_ms(30);
	assert_false(load_acquire(&w.done));
	store_release(&bare_told, 1u);
	assert_int_equal(waiter_end(&w), 0);
	while (load_acquire(&tid))
		sched_yield();
	munmap(mem, BARE_TLS + 4096 + BARE_STACK);
}

static void bare_threads(void **state)
{
	(void)state;
	bare_thread(false);
	bare_thread(true);
}

/* The process's first thread ends inside, the others go on: its number stays in use. */
static void *outlives(void *arg)
{
	uint64_t start = now_ns();

	(void)arg;
	sleep_ms(50); /* joining it would hang in the child of a bare fork */
	CHECK(sonde_domain_synchronize(d) == 0);
	CHECK(now_ns() - start < 5000 * MS);
	_exit(0);
}

static int first_ends(void *arg)
{
	pthread_t t;

	sonde_domain_enter(d);
	CHECK(pthread_create(&t, NULL, outlives, arg) == 0);
	pthread_exit(NULL);
}

static void first_thread_ends(void **state)
{
	pid_t pid;

	(void)state;
	assert_int_equal(in_child(first_ends, NULL), 0);
	pid = bare_fork(); /* where its record has nobody's name */
	if (pid == 0) {
		alarm(CHILD_SECONDS);
		first_ends(NULL);
	}
	assert_int_equal(child_end(pid), 0);
}

/* The next thread gets the number @tid, if the kernel lets us. */
static bool next_tid(int32_t tid)
{
	char text[16];
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
	int len = snprintf(text, sizeof(text), "%d", tid - 1);
	bool ok = fd >= 0 && write(fd, text, (size_t)len) == len;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A sitter in @in whose number is that of the dead @e; false: not possible here. */
static bool heir(struct sitter *s, struct sonde_domain *in, const struct ending *e)
{
	while (syscall(SYS_tgkill, getpid(), e->tid, 0) == 0)
		sched_yield();
	sleep_ms(30); /* times of start are told in hundredths of a second */
	for (int i = 0; i < 200; i++) {
		if (!next_tid(e->tid))
			return false;
		sitter_start(s, in, 1);
		if (s->tid == e->tid)
			return true;
		sitter_end(s);
	}
	return false;
}

static void same_number(void **state)
{
	struct sonde_domain *other = domain_new();
	uint64_t cookie, start;
	struct ending e;
	struct sitter s;

	(void)state;
	ending_start(&e, EXIT);
	if (!heir(&s, other, &e)) {
		domain_end(other);
		skip();
	}
	start = now_ns();
	assert_int_equal(sonde_domain_synchronize(d), 0);
	assert_true(now_ns() - start < 1000 * MS);
	assert_true(now_ns() - start > 50 * MS); /* or this tested nothing */
	/* who has the number now is waited for */
	cookie = sonde_domain_cookie(other);
	assert_int_equal(sonde_domain_wait(other, cookie, 300 * MS), -ETIMEDOUT);
	sitter_end(&s);

	ending_start(&e, EXIT);
	assert_true(heir(&s, other, &e));
	cookie = sonde_domain_cookie(d);
	start = now_ns();
	while (!sonde_domain_poll(d, cookie))
		usleep(1000);
	assert_true(now_ns() - start < 1000 * MS);
	sitter_end(&s);

	/* inside the same domain as the dead one */
	ending_start(&e, EXIT);
	assert_true(heir(&s, d, &e));
	cookie = sonde_domain_cookie(d);
	assert_int_equal(sonde_domain_wait(d, cookie, 400 * MS), -ETIMEDOUT);
	assert_int_equal(sonde_domain_readers(d, NULL, 0), 1);
	sitter_end(&s);
	assert_int_equal(sonde_domain_wait(d, cookie, SONDE_FOREVER), 0);
	domain_end(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(every_way),	 TEST(short_waits), TEST(bare_threads),
		TEST(first_thread_ends), TEST(same_number),
	};

	fences_if_told(argc, argv);
	alarm(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Slots and more than one thread or process, with a real trap path: too few slots, threads that
 * end, forks. Single schedules are in test_xol_race.c.
 */
#include <sched.h>

#include "xol_fixture.h"

#define THREADS 8

static struct {
	fn *f[4];
	unsigned int nf, rounds;
	uint64_t cell[4], waits;
} storm;

/* Every hit must do what its own site says: a torn or wrong content shows in the sums. */
static void *storm_main(void *arg)
{
	unsigned int first = (unsigned int)(uintptr_t)arg;

	for (unsigned int i = 0; i < storm.rounds; i++) {
		unsigned int k = (first + i) % storm.nf;

		storm.f[k](&storm.cell[k], 0);
	}
	__atomic_fetch_add(&storm.waits, text_xol_counts().waits, __ATOMIC_RELAXED);
	return NULL;
}

static void storm_run(unsigned int threads, unsigned int rounds)
{
	pthread_t t[THREADS];

	storm.rounds = rounds * storm.nf;
	for (unsigned int i = 0; i < threads; i++)
		run(&t[i], storm_main, (void *)(uintptr_t)i);
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	for (unsigned int k = 0; k < storm.nf; k++)
		assert_int_equal(storm.cell[k], (uint64_t)threads * rounds * (k + 1));
	assert_int_equal(busy_slots(fix.area), 0);
}

static void storm_begin(uint32_t limit, unsigned int sites)
{
	use_limit(limit);
	memset(&storm, 0, sizeof(storm));
	storm.nf = sites;
	for (unsigned int k = 0; k < sites; k++)
		storm.f[k] = counter((char)(k + 1));
}

/* T-X1, and seed defect 3: no hit fails, whoever is at work on a slot. */
static void more_threads_than_slots(void **state)
{
	(void)state;
	for (uint32_t limit = 1; limit <= 3; limit++) {
		storm_begin(limit, 3);
		storm_run(THREADS, 2000);
		assert_in_range(fix.area->used, 1, fix.area->capacity);
	}
}

/* T-X8 */
static void two_threads_one_site(void **state)
{
	(void)state;
	storm_begin(64, 1);
	storm_run(2, 20000);
	assert_in_range(fix.area->used, 1, 2);
}

static void two_threads_four_sites(void **state)
{
	(void)state;
	storm_begin(64, 4);
	storm_run(2, 5000);
	assert_in_range(fix.area->used, 1, 2);
}

/* Signals at any time, whose handlers meet traps, while slots are short. */
static uint32_t stop;

static void on_usr1(int sig, siginfo_t *si, void *arg)
{
	ucontext_t *uc = arg;
	uint64_t ip = *reg(uc, REG_RIP), sp = *reg(uc, REG_RSP), cell = 0;

	(void)sig;
	(void)si;
	if (in_slot(ip)) {
		CHECK(text_xol_original(&ip, &sp));
		CHECK(ip - (uint64_t)fix.code < STRIDE * MAX_SITES);
		CHECK(ip != (uint64_t)fix.code + STRIDE * 3);
	}
	storm.f[3](&cell, 0);
	CHECK(cell == 4);
}

static void *pesters(void *arg)
{
	const pthread_t *t = arg;

	for (unsigned int i = 0; !load_relaxed(&stop); i++) {
		pthread_kill(t[i % 4], SIGUSR1);
		sched_yield();
	}
	return NULL;
}

static void *pestered(void *arg)
{
	sigset_t set;

	storm_main(arg);
	/* stays until nobody pesters any more */
	sigemptyset(&set);
	while (!load_relaxed(&stop))
		sleep_ms(1);
	return NULL;
}

static void signals_and_few_slots(void **state)
{
	pthread_t t[4], pester;

	(void)state;
	storm_begin(2, 4);
	storm.nf = 3;
	storm.rounds = 3 * 3000;
	stop = 0;
	handle(SIGUSR1, on_usr1, SA_RESTART);
	for (unsigned int i = 0; i < 4; i++)
		run(&t[i], pestered, (void *)(uintptr_t)i);
	run(&pester, pesters, t);
	for (unsigned int k = 0; k < 3; k++) {
		while (load_relaxed(&storm.cell[k]) < 4ull * 3000 * (k + 1))
			sleep_ms(1);
		assert_int_equal(storm.cell[k], 4ull * 3000 * (k + 1));
	}
	store_relaxed(&stop, 1u);
	pthread_join(pester, NULL);
	for (unsigned int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(busy_slots(fix.area), 0);
}

/*
 * T-X2, seed defect 5: the only holder parks its slot, and keeps it; who waits goes on, in that
 * slot.
 */
static void *reads_gate(void *arg)
{
	return (void *)((fn *)arg)(gate.page, 0);
}

static struct {
	uint64_t cell;
	uint32_t waiting, done;
} wait_test;

static void *waits(void *arg)
{
	store_release(&wait_test.waiting, 1u);
	((fn *)arg)(&wait_test.cell, 0);
	store_release(&wait_test.done, 1u);
	CHECK(text_xol_counts().waits > 0);
	CHECK(text_xol_counts().recycled == 1);
	return NULL;
}

static void waiter_goes_on_when_holder_parks(void **state)
{
	pthread_t holder, waiter;
	fn *f, *g;

	(void)state;
	use_only(1);
	memset(&wait_test, 0, sizeof(wait_test));
	f = reader();
	g = counter(1);
	gate_close(0);
	run(&holder, reads_gate, f);
	gate_wait(1);
	run(&waiter, waits, g);
	while (!load_acquire(&wait_test.waiting))
		sched_yield();
	sleep_ms(20);
	assert_int_equal(load_acquire(&wait_test.done), 0);
	gate_open();
	pthread_join(holder, NULL);
	pthread_join(waiter, NULL);
	assert_int_equal(wait_test.cell, 1);
	assert_int_equal(fix.area->used, 1);
}

/* The holder waits for the one that waits for its slot: patience ends. */
static void *opens_gate(void *arg)
{
	uint64_t cell = 0;

	((fn *)arg)(&cell, 0);
	gate_open();
	return NULL;
}

static void holder_waits_for_waiter(void **state)
{
	pthread_t holder, waiter;
	fn *f, *g;

	(void)state;
	use_limit(1);
	f = reader();
	g = counter(1);
	gate_close(0);
	run(&holder, reads_gate, f);
	gate_wait(1);
	run(&waiter, opens_gate, g);
	pthread_join(waiter, NULL);
	pthread_join(holder, NULL);
	assert_int_equal(fix.area->used, 2);
}

/* T-X5, seed defect 7: who never had a slot pays nothing at its end, and is nowhere. */
static void *never_hits(void *arg)
{
	struct xol_self self = xol_self;

	(void)arg;
	text_xol_exit();
	CHECK(memcmp(&self, &xol_self, sizeof(self)) == 0);
	CHECK(self.gen == 0 && self.n == 0 && self.tid == 0);
	return NULL;
}

static void exit_without_a_slot(void **state)
{
	struct text_xol_area was;

	(void)state;
	use_limit(4);
	was = *fix.area;
	for (int i = 0; i < 100; i++)
		in_thread(never_hits, NULL);
	assert_memory_equal(&was, fix.area, sizeof(was));
}

/* Threads one after another: no hook is called at their ends. */
static void *hits_once(void *arg)
{
	uint64_t cell = 0;

	((fn *)arg)(&cell, 0);
	CHECK(cell == 1);
	return NULL;
}

static void threads_come_and_go(void **state)
{
	fn *f;

	(void)state;
	use_limit(64);
	f = counter(1);
	for (int i = 0; i < 60000; i++)
		in_thread(hits_once, f);
	print_message("60000 threads: %u slots\n", fix.area->used);
	assert_in_range(fix.area->used, 1, 16);
	assert_int_equal(busy_slots(fix.area), 0);
}

/* The content that a dead thread has left is as good as one's own. */
static void *hits_and_exits(void *arg)
{
	uint64_t cell = 0;

	((fn *)arg)(&cell, 0);
	text_xol_exit();
	CHECK(xol_self.n == 0);
	((fn *)arg)(&cell, 0); /* after all */
	CHECK(cell == 2);
	return (void *)text_xol_counts().rewrites;
}

static void inherits_contents(void **state)
{
	fn *f;

	(void)state;
	use_limit(64);
	f = counter(1);
	assert_int_equal((uint64_t)in_thread(hits_and_exits, f), 1);
	assert_int_equal((uint64_t)in_thread(hits_and_exits, f), 0);
	assert_int_equal(fix.area->used, 1);
}

/* Threads that die in a slot: they are in a handler that has interrupted it, and end there. */
static void ends_by_exit(ucontext_t *uc)
{
	(void)uc;
	pthread_exit(NULL);
}

static void ends_by_call(ucontext_t *uc)
{
	(void)uc;
	syscall(SYS_exit, 0);
}

static void died_in_a_slot(void **state)
{
	void (*const how[])(ucontext_t *) = {ends_by_exit, ends_by_call};
	uint64_t cell = 0;
	pthread_t t;
	fn *f, *g;

	(void)state;
	use_only(1);
	f = reader();
	g = counter(1);
	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		gate_close(0);
		gate.within = how[i];
		run(&t, reads_gate, f);
		gate_wait(1);
		if (how[i] == ends_by_exit)
			pthread_join(t, NULL);
		else
			sleep_ms(20);
		assert_int_equal(busy_slots(fix.area), 1);
		g(&cell, 0);
		assert_int_equal(cell, i + 1);
		assert_int_equal(busy_slots(fix.area), 0);
		assert_int_equal(fix.area->used, 1);
		text_xol_exit();
	}
}

/* Cancelled in a slot, asynchronously or in the handler: the same. */
static void *cancelled_main(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	return reads_gate(arg);
}

static void cancelled_in_a_slot(void **state)
{
	uint64_t cell = 0;
	pthread_t t;
	fn *f, *g;

	(void)state;
	use_only(1);
	f = reader();
	g = counter(1);
	gate_close(0);
	run(&t, cancelled_main, f);
	gate_wait(1);
	pthread_cancel(t);
	pthread_join(t, NULL);
	g(&cell, 0);
	assert_int_equal(cell, 1);
	assert_int_equal(fix.area->used, 1);
}

/*
 * T-X7. A handler that has interrupted a slot forks. The child comes out of the slot with what it
 * held, has all others for itself, and touches nothing of its parent's.
 */
static struct {
	fn *f, *g;
	pid_t child;
	bool tell, bare, second_first, done;
} forks;

static void *second_in_child(void *arg)
{
	uint64_t cell = 0;

	(void)arg;
	for (int i = 0; i < 50; i++)
		forks.g(&cell, 0);
	CHECK(cell == 50);
	return NULL;
}

static void forks_within(ucontext_t *uc)
{
	uint64_t cell = 0;

	(void)uc;
	if (forks.done)
		return;
	forks.done = true;
	forks.child = forks.bare ? (pid_t)syscall(SYS_fork) : fork();
	/* the parent goes on at once, and changes the content of the slot that both are in */
	if (forks.child) {
		gate_open();
		return;
	}
	alarm(CHILD_SECONDS);
	sleep_ms(20); /* the parent has done so by now */
	if (forks.tell)
		text_xol_fork_child();
	if (forks.second_first)
		in_thread(second_in_child, NULL);
	forks.g(&cell, 0);
	CHECK(cell == 1);
	/* the one that this thread is in, with its content, and none else */
	CHECK(busy_slots(fix.area) == 1);
	gate_open();
}

static void fork_in_a_slot(bool tell, bool bare, bool second_first)
{
	struct text_xol_area *a;
	pthread_t other;
	uint64_t v, cell = 0;

	use_limit(64);
	a = fix.area;
	forks.f = reader();
	forks.g = counter(1);
	forks.tell = tell;
	forks.bare = bare;
	forks.second_first = second_first;
	forks.done = false;
	gate_close(0);
	if (!second_first) { /* which could not tell whose it is */
		run(&other, reads_gate, forks.f);
		gate_wait(1);
	}
	store_release(&gate.within, forks_within);
	v = forks.f(gate.page, 0);
	assert_true(forks.done);
	if (!forks.child) { /* the child: it has come out of the slot */
		CHECK(v == 0);
		CHECK(busy_slots(a) == 0);
		for (int i = 0; i < 100; i++) {
			forks.g(&cell, 0);
			CHECK(forks.f(gate.page, 0) == 0);
		}
		in_thread(second_in_child, NULL);
		CHECK(cell == 100);
		_exit(0);
	}
	for (int i = 0; i < 100; i++)
		forks.g(&cell, 0);
	assert_int_equal(cell, 100);
	assert_int_equal(child_end(forks.child), 0);
	if (!second_first)
		pthread_join(other, NULL);
	for (int i = 0; i < 100; i++)
		forks.g(&cell, 0);
	assert_int_equal(cell, 200);
	assert_int_equal(busy_slots(a), 0);
}

static void forked(void **state)
{
	(void)state;
	fork_in_a_slot(true, false, false);
}

static void forked_without_a_word(void **state)
{
	(void)state;
	fork_in_a_slot(false, false, false);
}

static void forked_bare(void **state)
{
	(void)state;
	fork_in_a_slot(false, true, false);
}

static void forked_and_another_comes_first(void **state)
{
	(void)state;
	fork_in_a_slot(false, false, true);
}

/* A child's slots are not its parent's, while both write theirs. */
static void forks_beside_traps(void **state)
{
	pid_t child[4];

	(void)state;
	storm_begin(2, 3);
	storm_run(2, 10);
	for (size_t i = 0; i < ARRAY_LEN(child); i++) {
		child[i] = fork();
		if (!child[i]) {
			alarm(CHILD_SECONDS);
			memset(storm.cell, 0, sizeof(storm.cell));
			storm_run(4, 500);
			_exit(0);
		}
	}
	memset(storm.cell, 0, sizeof(storm.cell));
	storm_run(4, 500);
	for (size_t i = 0; i < ARRAY_LEN(child); i++)
		assert_int_equal(child_end(child[i]), 0);
}

/* A child's child; and no memory in the child: 0, and again when there is. */
static void forks_fork(void **state)
{
	uint64_t cell = 0;
	int err;

	(void)state;
	storm_begin(4, 2);
	storm.f[0](&cell, 0);
	if (!fork()) {
		storm.f[1](&cell, 0);
		if (!fork()) {
			storm.f[0](&cell, 0);
			_exit(cell == 1 + 2 + 1 ? 0 : 1);
		}
		wait(&err);
		_exit(err || cell != 3);
	}
	wait(&err);
	assert_int_equal(err, 0);
}

/* A vfork child has its parent's notes; the name it leaves in slots is not taken for a dead one's.
 */
static int vfork_child(void *arg)
{
	uint64_t cell = 0;

	(void)arg;
	for (int i = 0; i < 10; i++) {
		storm.f[0](&cell, 0);
		storm.f[1](&cell, 0);
	}
	CHECK(cell == 30);
	return 0;
}

static void *vforks(void *arg)
{
	static char stack[64 << 10];
	uint64_t cell = 0;
	int pid;

	for (int i = 0; i < 20; i++) {
		if (i > 10)
			storm.f[0](&cell, 0);
		pid = clone(vfork_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD,
			    arg);
		CHECK(child_end(pid) == 0);
		storm.f[1](&cell, 0);
		CHECK(busy_slots(fix.area) == 0);
		CHECK(xol_self.tid == (int32_t)syscall(SYS_gettid));
	}
	return NULL;
}

static void vforked(void **state)
{
	(void)state;
	storm_begin(2, 2);
	vforks(NULL);
	for (int i = 0; i < 10; i++)
		in_thread(vforks, NULL);
	assert_in_range(fix.area->used, 1, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(more_threads_than_slots),
		TEST(two_threads_one_site),
		TEST(two_threads_four_sites),
		TEST(signals_and_few_slots),
		TEST(waiter_goes_on_when_holder_parks),
		TEST(holder_waits_for_waiter),
		TEST(exit_without_a_slot),
		TEST(threads_come_and_go),
		TEST(inherits_contents),
		TEST(died_in_a_slot),
		TEST(cancelled_in_a_slot),
		TEST(forked),
		TEST(forked_without_a_word),
		TEST(forked_bare),
		TEST(forked_and_another_comes_first),
		TEST(forks_beside_traps),
		TEST(forks_fork),
		TEST(vforked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

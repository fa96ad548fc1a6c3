/* SPDX-License-Identifier: MIT */
/*
 * Children: by fork(), by the bare system call, by vfork(). Nobody waits for those who stayed in
 * the parent, the forking thread's own section goes on, and no lock stays taken.
 */
#include "fixture.h"

static struct sonde_domain *d, *other;

static int setup(void **state)
{
	(void)state;
	d = domain_new();
	other = domain_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	domain_end(d);
	domain_end(other);
	return 0;
}

static uint32_t ran;

static void count(struct sonde_deferred *node)
{
	(void)node;
	fetch_add_seq_cst(&ran, 1u);
}

static int child_is_alone(void *arg)
{
	struct sonde_reader_info info;

	(void)arg;
	CHECK(sonde_domain_readers(d, &info, 1) == 0);
	CHECK(sonde_domain_synchronize(d) == 0);
	CHECK(sonde_domain_poll(d, sonde_domain_cookie(d)));
	sonde_domain_enter(d);
	CHECK(sonde_domain_depth(d) == 1);
	CHECK(sonde_domain_synchronize(d) == -EDEADLK);
	CHECK(sonde_domain_synchronize(other) == 0);
	sonde_domain_leave(d);
	CHECK(sonde_domain_synchronize(d) == 0);
	return 0;
}

/* Another thread of the parent is inside, and a poller had met it there. */
static void others_inside(void **state)
{
	struct sitter s;
	uint64_t cookie;
	pid_t pid;

	(void)state;
	sitter_start(&s, d, 3);
	cookie = sonde_domain_cookie(d);
	assert_false(sonde_domain_poll(d, cookie));
	assert_int_equal(in_child(child_is_alone, NULL), 0);
	pid = bare_fork();
	if (pid == 0) {
		alarm(CHILD_SECONDS);
		_exit(child_is_alone(NULL));
	}
	assert_int_equal(child_end(pid), 0);
	assert_false(sonde_domain_poll(d, cookie));
	sitter_end(&s);
	assert_true(sonde_domain_poll(d, cookie));
}

static int section_goes_on(void *arg)
{
	uint64_t cookie = *(uint64_t *)arg;
	struct sonde_reader_info info;
	struct waiter w;

	CHECK(sonde_domain_depth(d) == 2);
	CHECK(!sonde_domain_poll(d, cookie)); /* begun in the parent, which had met us */
	CHECK(sonde_domain_readers(d, &info, 1) == 1);
	CHECK(info.tid == getpid() && info.depth == 2);
	CHECK(sonde_domain_synchronize(d) == -EDEADLK);
	CHECK(sonde_domain_synchronize(other) == 0);
	waiter_start(&w, d);
	sleep_ms(50);
	CHECK(!load_acquire(&w.done));
	sonde_domain_leave(d);
	sleep_ms(20);
	CHECK(!load_acquire(&w.done));
	sonde_domain_leave(d);
	CHECK(waiter_end(&w) == 0);
	CHECK(sonde_domain_poll(d, cookie));
	return 0;
}

static void own_section(void **state)
{
	uint64_t cookie;

	(void)state;
	sonde_domain_enter(d);
	sonde_domain_enter(d);
	cookie = sonde_domain_cookie(d);
	assert_false(sonde_domain_poll(d, cookie));
	assert_int_equal(in_child(section_goes_on, &cookie), 0);
	assert_int_equal(sonde_domain_depth(d), 2);
	sonde_domain_leave(d);
	assert_false(sonde_domain_poll(d, cookie));
	sonde_domain_leave(d);
	assert_true(sonde_domain_poll(d, cookie));
}

/* Sections of forks in many generations, each child forking in its turn. */
static int generations(void *arg)
{
	int left = *(int *)arg - 1;

	CHECK(sonde_domain_depth(d) == 1);
	sonde_domain_leave(d);
	CHECK(sonde_domain_synchronize(d) == 0);
	sonde_domain_enter(d);
	return left ? in_child(generations, &left) : 0;
}

static void fork_again_and_again(void **state)
{
	int n = 12;

	(void)state;
	sonde_domain_enter(d);
	assert_int_equal(in_child(generations, &n), 0);
	sonde_domain_leave(d);
}

/* A section open across the bare call is over in the child; leaving it is harmless. */
static void bare_own_section(void **state)
{
	pid_t pid;

	(void)state;
	sonde_domain_enter(d);
	pid = bare_fork();
	if (pid == 0) {
		alarm(CHILD_SECONDS);
		CHECK(sonde_domain_synchronize(d) == 0);
		sonde_domain_leave(d);
		_exit(child_is_alone(NULL));
	}
	assert_int_equal(child_end(pid), 0);
	assert_int_equal(sonde_domain_depth(d), 1);
	sonde_domain_leave(d);
}

static void *fork_inside(void *arg)
{
	for (int i = 0; i < 40; i++) {
		int depth = i % 3;
		pid_t pid;

		for (int k = 0; k < depth; k++)
			sonde_domain_enter(d);
		pid = fork();
		if (pid == 0) {
			alarm(CHILD_SECONDS);
			CHECK(sonde_domain_depth(d) == (unsigned int)depth);
			for (int k = 0; k < depth; k++)
				sonde_domain_leave(d);
			_exit(child_is_alone(NULL));
		}
		if (child_end(pid))
			store_relaxed((uint32_t *)arg, 1u);
		for (int k = 0; k < depth; k++)
			sonde_domain_leave(d);
	}
	return NULL;
}

/* Several threads fork inside at once: each child has its own thread's section. */
static void forks_at_once(void **state)
{
	pthread_t t[4];
	uint32_t bad = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, fork_inside, &bad), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(bad, 0);
}

/* A callback that another thread of the parent is in when we fork. */
static uint32_t in_callback, go_on;

static void slow(struct sonde_deferred *node)
{
	(void)node;
	store_release(&in_callback, 1u);
	while (!load_acquire(&go_on))
		sleep_ms(1);
}

static void *runner(void *arg)
{
	(void)arg;
	while (!sonde_domain_run(d))
		sched_yield();
	return NULL;
}

static int child_runs(void *arg)
{
	static struct sonde_deferred late;

	(void)arg;
	sonde_domain_call(d, &late, count);
	CHECK(sonde_domain_barrier(d) == 0);
	CHECK(ran == 2); /* the one queued in the parent behind the holder's back, and ours */
	CHECK(!in_callback || !go_on);
	return 0;
}

static void fork_beside_a_callback(void **state)
{
	struct sonde_deferred held[2], queued;
	pthread_t t;
	pid_t pid;

	(void)state;
	ran = in_callback = go_on = 0;
	sonde_domain_call(d, &held[0], slow);
	assert_int_equal(pthread_create(&t, NULL, runner, NULL), 0);
	while (!load_acquire(&in_callback))
		sched_yield();
	sonde_domain_call(d, &queued, count);
	assert_int_equal(sonde_domain_run(d), 0); /* somebody is at it */
	assert_int_equal(in_child(child_runs, NULL), 0);
	pid = bare_fork();
	if (pid == 0) {
		alarm(CHILD_SECONDS);
		_exit(child_runs(NULL));
	}
	assert_int_equal(child_end(pid), 0);
	store_release(&go_on, 1u);
	pthread_join(t, NULL);
	assert_int_equal(sonde_domain_barrier(d), 0);
	assert_int_equal(ran, 1);
}

/* Queued and not begun: they run on both sides. */
static int child_has_the_queue(void *arg)
{
	CHECK(sonde_domain_barrier(d) == 0);
	CHECK(ran == *(uint32_t *)arg);
	return 0;
}

static void queue_is_inherited(void **state)
{
	struct sonde_deferred node[5];
	uint32_t n = ARRAY_LEN(node);

	(void)state;
	ran = 0;
	for (uint32_t i = 0; i < n; i++)
		sonde_domain_call(d, &node[i], count);
	assert_int_equal(in_child(child_has_the_queue, &n), 0);
	assert_int_equal(ran, 0);
	assert_int_equal(sonde_domain_barrier(d), 0);
	assert_int_equal(ran, n);
}

/* A callback that forks: both go on behind it. */
static int forked_status;

static void forking(struct sonde_deferred *node)
{
	pid_t pid;

	(void)node;
	pid = fork();
	if (pid == 0)
		alarm(CHILD_SECONDS);
	forked_status = pid;
}

static void callback_forks(void **state)
{
	struct sonde_deferred node, next, more;

	(void)state;
	ran = 0;
	sonde_domain_call(d, &node, forking);
	sonde_domain_call(d, &next, count);
	assert_int_equal(sonde_domain_barrier(d), 0);
	if (forked_status == 0) {
		CHECK(ran == 1);
		sonde_domain_call(d, &more, count);
		CHECK(sonde_domain_barrier(d) == 0);
		CHECK(ran == 2);
		_exit(0);
	}
	assert_int_equal(child_end(forked_status), 0);
	assert_int_equal(ran, 1);
}

/* The lock that pollers take, taken by a thread that the child does not have. */
static void fork_beside_a_poll(void **state)
{
	uint64_t cookie = sonde_domain_cookie(d);
	struct sitter holder;

	(void)state;
	sitter_start(&holder, other, 0);
	/* as of a thread that is stopped in the middle of polling and running */
	store_seq_cst(&sync_lane(d)->poll_lock, (uint64_t)holder.tid);
	store_seq_cst(&sync_lane(d)->run_lock, (uint32_t)holder.tid);
	assert_false(sonde_domain_poll(d, cookie));
	assert_int_equal(sonde_domain_run(d), 0);
	assert_int_equal(in_child(child_is_alone, NULL), 0);
	store_seq_cst(&sync_lane(d)->poll_lock, 0u);
	store_seq_cst(&sync_lane(d)->run_lock, 0u);
	sitter_end(&holder);
	assert_true(sonde_domain_poll(d, cookie));
}

/* clone(CLONE_VM | CLONE_VFORK), on a stack of its own: what vfork() and posix_spawn() do. */
static char vfork_stack[65536] __attribute__((aligned(16)));

static int vforked(int (*run)(void *arg), void *arg)
{
	pid_t pid = clone(run, vfork_stack + sizeof(vfork_stack), CLONE_VM | CLONE_VFORK | SIGCHLD,
			  arg);

	return pid < 0 ? -1 : child_end(pid);
}

static int enters_and_leaves(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		sonde_domain_enter(d);
		sonde_domain_enter(other);
		sonde_domain_leave(d);
		sonde_domain_leave(other);
	}
	return 0;
}

static int dies_inside(void *arg)
{
	(void)arg;
	sonde_domain_enter(d);
	sonde_domain_enter(d);
	syscall(SYS_exit, 0);
	return 1;
}

static void vfork_child(void **state)
{
	(void)state;
	sonde_domain_enter(d);
	assert_int_equal(vforked(enters_and_leaves, NULL), 0);
	assert_int_equal(sonde_domain_depth(d), 1);
	assert_int_equal(vforked(dies_inside, NULL), 0);
	assert_int_equal(sonde_domain_depth(d), 3);
	sonde_domain_unwind(d, 1);
	assert_int_equal(sonde_domain_depth(d), 1);
	sonde_domain_leave(d);
	assert_int_equal(sonde_domain_synchronize(d), 0);
}

/* A thread whose first section is its vfork child's. Others are inside all the while: their
 * process is not the child's, and yet they live. */
static void *first_in_vfork(void *arg)
{
	uint32_t nsitters = *(uint32_t *)arg;
	struct sonde_reader_info info[16];
	struct waiter w;

	CHECK(vforked(enters_and_leaves, NULL) == 0);
	CHECK(sonde_domain_readers(d, info, 16) == nsitters);
	/* and we, after it */
	sonde_domain_enter(d);
	waiter_start(&w, other);
	CHECK(waiter_end(&w) == 0);
	CHECK(sonde_domain_readers(d, info, 16) == nsitters + 1);
	sonde_domain_leave(d);
	return NULL;
}

static void vfork_first(uint32_t nthreads)
{
	struct sitter s[8];
	uint32_t n = ARRAY_LEN(s);
	pthread_t t;

	for (uint32_t i = 0; i < n; i++)
		sitter_start(&s[i], d, 1);
	for (uint32_t i = 0; i < nthreads; i++) {
		CHECK(pthread_create(&t, NULL, first_in_vfork, &n) == 0);
		pthread_join(t, NULL);
	}
	for (uint32_t i = 0; i < n; i++)
		sitter_end(&s[i]);
	CHECK(sonde_domain_synchronize(d) == 0);
}

static void vfork_child_is_first(void **state)
{
	(void)state;
	vfork_first(30);
}

/* The thread whose first section was its vfork child's is not taken for dead with the child. */
static void *stays_inside(void *arg)
{
	struct waiter *w = arg;

	CHECK(vforked(enters_and_leaves, NULL) == 0);
	sonde_domain_enter(d);
	waiter_start(w, d);
	sleep_ms(60);
	CHECK(!load_acquire(&w->done));
	sonde_domain_leave(d);
	CHECK(waiter_end(w) == 0);
	return NULL;
}

static void vfork_child_is_gone(void **state)
{
	struct waiter w;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, stays_inside, &w), 0);
	pthread_join(t, NULL);
}

static int waits_in_vain(void *arg)
{
	uint64_t cookie = sonde_domain_cookie(d);

	(void)arg;
	CHECK(sonde_domain_wait(d, cookie, 150 * MS) == -ETIMEDOUT);
	for (int i = 0; i < 10; i++) {
		CHECK(!sonde_domain_poll(d, cookie));
		usleep(20000);
	}
	return 0;
}

/* A vfork child that waits or polls does not take its parent's threads for dead. */
static void vfork_child_waits(void **state)
{
	struct sonde_reader_info info;
	struct sitter s;

	(void)state;
	sitter_start(&s, d, 1);
	assert_int_equal(vforked(waits_in_vain, NULL), 0);
	assert_int_equal(sonde_domain_readers(d, &info, 1), 1);
	assert_int_equal(info.tid, s.tid);
	sitter_end(&s);
	assert_int_equal(sonde_domain_synchronize(d), 0);
}

/* The same in a process that fork() made, and in one of the bare call. */
static int vfork_in_child(void *arg)
{
	struct sitter s;

	(void)arg;
	sonde_domain_enter(d);
	sonde_domain_leave(d);
	sitter_start(&s, d, 1);
	CHECK(vforked(waits_in_vain, NULL) == 0);
	sitter_end(&s);
	vfork_first(5);
	return 0;
}

static void vfork_in_children(void **state)
{
	pid_t pid;

	(void)state;
	assert_int_equal(in_child(vfork_in_child, NULL), 0);
	pid = bare_fork();
	if (pid == 0) {
		alarm(CHILD_SECONDS);
		_exit(vfork_in_child(NULL));
	}
	assert_int_equal(child_end(pid), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(others_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(own_section, setup, teardown),
		cmocka_unit_test_setup_teardown(fork_again_and_again, setup, teardown),
		cmocka_unit_test_setup_teardown(bare_own_section, setup, teardown),
		cmocka_unit_test_setup_teardown(forks_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(fork_beside_a_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(queue_is_inherited, setup, teardown),
		cmocka_unit_test_setup_teardown(callback_forks, setup, teardown),
		cmocka_unit_test_setup_teardown(fork_beside_a_poll, setup, teardown),
		cmocka_unit_test_setup_teardown(vfork_child, setup, teardown),
		cmocka_unit_test_setup_teardown(vfork_child_is_first, setup, teardown),
		cmocka_unit_test_setup_teardown(vfork_child_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(vfork_child_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(vfork_in_children, setup, teardown),
	};

	fences_if_told(argc, argv);
	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

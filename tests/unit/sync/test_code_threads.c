/* SPDX-License-Identifier: MIT */
/*
 * When retired code may be used again: ways to overlook a thread, processes, and what /proc does
 * not tell.
 */
#include "inside.h"

#include <sys/stat.h>

/* A thread born inside, of one that has left since. */
static void enter_clone(struct guest *g)
{
	long (*code_clone)(unsigned long, void *, int32_t *, long, long, uint32_t *) =
		code_at(CODE_CLONE);

	code_clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			   CLONE_SYSVSEM | CLONE_PARENT_SETTID,
		   g->stack + STACK_SIZE - 64, &g->child, 0, 0, &g->flag);
	store_release(&g->there, 1u);
}

static void test_born_inside(void **state)
{
	struct guest g;

	(void)state;
	guest_start(&g, enter_clone, false);
	guest_arrives(&g);
	retire(CODE_CLONE);
	assert_inside(g.child);
	/* it ends without ever having been seen */
	store_release(&g.flag, 1u);
	assert_free();
	guest_end(&g);
}

/*
 * The same while threads are looked at: the child is not in the list, its parent leaves in time to
 * be seen outside. Told to the quarantine as if the parent had been inside from the start.
 */
static struct guest *late;

static void enter_clone_when_told(struct guest *g)
{
	door_wait(&g->inside);
	enter_clone(g);
}

static void born_now(void)
{
	door_open(&late->inside);
	guest_arrives(late);
	late = NULL;
}

static void born_after_list(const char *name)
{
	if (late && strcmp(name, "code: a list was read") == 0)
		born_now();
}

/* When the list has been found to be complete, and before its parent's registers are read. */
static void born_before_look(const char *path)
{
	char stat[64];

	if (!late)
		return;
	snprintf(stat, sizeof(stat), "/proc/self/task/%d/stat", late->tid);
	if (strcmp(path, stat) == 0)
		born_now();
}

static void born_late(void (*at_point)(const char *), void (*at_open)(const char *))
{
	struct guest g;

	guest_start(&g, enter_clone_when_told, false);
	wait_asleep(&g.tid);
	retire(CODE_CLONE);
	while (!sonde_domain_poll(d, q.cookie))
		sched_yield();
	late = &g;
	hook = at_point;
	fault.opened = at_open;
	assert_int_equal(sync_code_poll(&q), 0);
	assert_null(late);
	hook = NULL;
	fault.opened = NULL;
	assert_inside(g.child);
	store_release(&g.flag, 1u);
	assert_free();
	guest_end(&g);
}

static void test_born_late(void **state)
{
	(void)state;
	born_late(born_after_list, NULL);
	born_late(NULL, born_before_look);
}

/* A list in which one is missing, as can be when others end while it is read. */
static void test_unlisted(void **state)
{
	struct guest g;

	(void)state;
	guest_start(&g, enter_read, false);
	guest_arrives(&g);
	retire(CODE_READ);
	fault.unlisted = g.tid;
	for (int i = 0; i < 20; i++)
		assert_int_equal(sync_code_poll(&q), 0);
	fault.unlisted = 0;
	door_open(&g.inside);
	assert_free();
	guest_end(&g);
}

/* A child in the same memory that is a process of its own: its parent waits for it. */
static int vfork_child(void *arg)
{
	struct guest *g = arg;
	void (*code_spin)(uint32_t *) = code_at(CODE_SPIN);

	code_spin(&g->flag);
	syscall(SYS_exit, 0);
	return 0;
}

static void enter_vfork(struct guest *g)
{
	store_release(&g->there, 1u);
	g->child = clone(vfork_child, g->stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, g);
	child_end(g->child);
}

static void test_vfork_child(void **state)
{
	struct guest g;

	(void)state;
	guest_start(&g, enter_vfork, false);
	guest_arrives(&g);
	retire(CODE_SPIN);
	assert_inside(g.tid);
	store_release(&g.flag, 1u);
	assert_free();
	guest_end(&g);
}

static int polling_child(void *arg)
{
	*(int *)arg = sync_code_poll(&q);
	syscall(SYS_exit, 0);
	return 0;
}

/* Such a child sees its own threads only, so it must not decide. */
static void test_polled_in_vfork_child(void **state)
{
	static char stack[256 << 10] __attribute__((aligned(16)));
	int answer = 7;

	(void)state;
	sonde_domain_enter(d);
	sonde_domain_leave(d);
	retire(CODE_READ);
	while (!sonde_domain_poll(d, q.cookie))
		sched_yield();
	child_end(clone(polling_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD,
			&answer));
	assert_int_equal(answer, 0);
	assert_int_equal(sync_code_poll(&q), 1);
}

/* A forked child is alone, whoever is inside in its parent. */
static int forked(void *arg)
{
	(void)arg;
	CHECK(sync_code_poll(&q) == 1);
	return 0;
}

static void test_forked(void **state)
{
	struct guest g;

	(void)state;
	guest_start(&g, enter_read, false);
	guest_arrives(&g);
	retire(CODE_READ);
	assert_inside(g.tid);
	assert_int_equal(in_child(forked, NULL), 0);
	assert_inside(g.tid);
	door_open(&g.inside);
	assert_free();
	guest_end(&g);
}

/* Threads that come and go all the time do not keep it for ever. */
static uint32_t churn_stop;

static void *short_life(void *arg)
{
	return arg;
}

static void *churn(void *arg)
{
	pthread_t t;

	while (!load_acquire(&churn_stop)) {
		if (pthread_create(&t, NULL, short_life, NULL) == 0)
			pthread_join(t, NULL);
		usleep(300);
	}
	return arg;
}

static void test_churn(void **state)
{
	pthread_t t;

	(void)state;
	store_release(&churn_stop, 0u);
	assert_int_equal(pthread_create(&t, NULL, churn, NULL), 0);
	for (int i = 0; i < 5; i++) {
		retire(CODE_READ);
		assert_free();
	}
	store_release(&churn_stop, 1u);
	pthread_join(t, NULL);
}

/* More than any first guess: the lists grow. */
static void *sleeper(void *arg)
{
	door_wait(arg);
	return NULL;
}

static void test_many(void **state)
{
	enum { N = 300 };
	pthread_t t[N];
	struct door door;
	struct guest g;

	(void)state;
	retire(CODE_READ);
	guest_start(&g, enter_read, false);
	guest_arrives(&g);
	assert_inside(g.tid);
	door_make(&door);
	for (int i = 0; i < N; i++)
		assert_int_equal(pthread_create(&t[i], NULL, sleeper, &door), 0);
	assert_inside(g.tid);
	door_open(&g.inside);
	assert_free();
	for (int i = 0; i < N; i++)
		door_open(&door);
	for (int i = 0; i < N; i++)
		pthread_join(t[i], NULL);
	door_close(&door);
	guest_end(&g);
}

/* A process whose first thread has ended keeps its name in the list. */
static void *last_thread(void *arg)
{
	unsigned long ticks;

	(void)arg;
	while (state_of(getpid(), &ticks) != 'Z' || sync_code_poll(&q) != 1)
		sleep_ms(1);
	_exit(0);
}

static int first_thread_ends(void *arg)
{
	pthread_t t;

	(void)arg;
	CHECK(pthread_create(&t, NULL, last_thread, NULL) == 0);
	syscall(SYS_exit, 0);
	return 0;
}

static void test_first_thread_ended(void **state)
{
	(void)state;
	retire(CODE_READ);
	assert_int_equal(in_child(first_thread_ends, NULL), 0);
}

/* Without rights to look at itself. */
static int not_dumpable(void *arg)
{
	struct sitter s;

	(void)arg;
	sitter_start(&s, d, 0);
	CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
	CHECK(sync_code_poll(&q) == -EOPNOTSUPP);
	/* and when it is alone, it need not look */
	sitter_end(&s);
	sleep_ms(20);
	CHECK(sync_code_poll(&q) == 1);
	return 0;
}

static void test_not_dumpable(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	retire(CODE_READ);
	assert_int_equal(in_child(not_dumpable, NULL), 0);
}

static void test_faults(void **state)
{
	static const struct {
		long nr;
		const char *path;
		int err, answer;
	} t[] = {
		{SYS_openat, "/proc/self/task", -ENOENT, -EOPNOTSUPP},
		{SYS_openat, "/proc/self/task", -EACCES, -EOPNOTSUPP},
		{SYS_openat, "/proc/self/task", -EMFILE, -EMFILE},
		{SYS_openat, "/syscall", -EACCES, -EOPNOTSUPP},
		{SYS_openat, "/syscall", -ENFILE, -ENFILE},
		{SYS_openat, "/syscall", -ENOENT, 0},
		{SYS_openat, "/status", -EPERM, -EOPNOTSUPP},
		{SYS_openat, "/stat", -ENOMEM, -ENOMEM},
		{SYS_openat, "/maps", -ENOENT, -ENOMEM},
		{SYS_readlink, NULL, -ENOENT, -EOPNOTSUPP},
		{SYS_fstatfs, NULL, -ENOSYS, -EOPNOTSUPP},
		{SYS_fstat, NULL, -ENOSYS, -EOPNOTSUPP},
		{SYS_getdents64, NULL, -ENOSYS, -EOPNOTSUPP},
		{SYS_process_vm_readv, NULL, -EPERM, -EOPNOTSUPP},
		{SYS_process_vm_readv, NULL, -EFAULT, 0},
		{SYS_mmap, NULL, -ENOMEM, -ENOMEM},
	};
	struct guest g;

	(void)state;
	guest_start(&g, enter_sleep_then_spin, false);
	guest_arrives(&g);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		retire(CODE_READ);
		while (!sonde_domain_poll(d, q.cookie))
			sched_yield();
		fault.nr = t[i].nr;
		fault.path = t[i].path;
		fault.err = t[i].err;
		assert_int_equal(sync_code_poll(&q), t[i].answer);
		fault.err = 0;
		assert_free();
	}
	fault.unlisted = (int32_t)syscall(SYS_gettid);
	retire(CODE_READ);
	assert_int_equal(sync_code_poll(&q), 0);
	fault.unlisted = 0;
	assert_free();
	store_release(&g.flag, 1u);
	door_open(&g.inside);
	guest_end(&g);
}

/* A directory that only looks like /proc. */
static int elsewhere(void *arg)
{
	const char *root = arg;

	CHECK(chroot(root) == 0 && chdir("/") == 0);
	CHECK(mkdir("/proc", 0755) == 0 && sync_code_poll(&q) == -EOPNOTSUPP);
	CHECK(mkdir("/proc/self", 0755) == 0 && mkdir("/proc/self/task", 0755) == 0);
	CHECK(symlink("1/task/1", "/proc/thread-self") == 0);
	CHECK(sync_code_poll(&q) == -EOPNOTSUPP);
	return 0;
}

static void test_no_proc(void **state)
{
	char root[] = "/tmp/sonde-test-XXXXXX", command[64];

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(root));
	retire(CODE_READ);
	assert_int_equal(in_child(elsewhere, root), 0);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_born_inside),
		TEST(test_born_late),
		TEST(test_unlisted),
		TEST(test_vfork_child),
		TEST(test_polled_in_vfork_child),
		TEST(test_forked),
		TEST(test_churn),
		TEST(test_many),
		TEST(test_first_thread_ended),
		TEST(test_not_dumpable),
		TEST(test_faults),
		TEST(test_no_proc),
	};

	fences_if_told(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

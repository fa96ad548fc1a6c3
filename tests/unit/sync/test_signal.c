/* SPDX-License-Identifier: MIT */
/*
 * Sections anywhere: a signal at every instruction of entering and leaving, a thread's first one in
 * a handler, on another stack, in a constructor, in the destructors of a thread's last moments. And
 * after the first, no system call.
 */
#include <sys/syscall.h>

#include "../act/step.h"
#include "fixture.h"

static struct sonde_domain *d, *other;

static int setup(void **state)
{
	(void)state;
	d = domain_new();
	other = domain_new();
	sonde_domain_enter(d);
	sonde_domain_leave(d);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	domain_end(d);
	domain_end(other);
	return 0;
}

/* A signal at every instruction. What is wrong is counted: a handler must not jump out. */
static uint32_t wrong, depth_wanted;
static uint64_t word_before;

static void expect(bool right)
{
	wrong += !right;
}

static void step_prepare(void)
{
	word_before = sync_self() ? sync_self()->word[d->index] : 0;
}

static void step_enter_leave(void)
{
	sonde_domain_enter(d);
	sonde_domain_leave(d);
}

static void step_nest(void)
{
	sonde_domain_enter(d);
	sonde_domain_enter(d);
	sonde_domain_leave(d);
	sonde_domain_leave(d);
}

/* A handler's sections, of the same domain and of another; in them it is inside. */
static void step_handler(void)
{
	unsigned int depth = sonde_domain_depth(d);

	sonde_domain_enter(d);
	expect(sonde_domain_depth(d) == depth + 1);
	sonde_domain_enter(other);
	sonde_domain_enter(d);
	expect(sonde_domain_synchronize(d) == -EDEADLK);
	expect(sonde_domain_readers(d, NULL, 0) == 1);
	sonde_domain_leave(d);
	sonde_domain_leave(other);
	sonde_domain_leave(d);
	expect(sonde_domain_depth(d) == depth);
}

static void step_check(void)
{
	expect(sonde_domain_depth(d) == depth_wanted && sonde_domain_depth(other) == 0);
	expect((sync_self()->word[d->index] & SONDE_READER_DEPTH) == depth_wanted);
	/* the section itself was counted, whatever became of the handler's */
	if (!depth_wanted)
		expect(sync_self()->word[d->index] >> 16 > word_before >> 16);
	if (!depth_wanted)
		expect(sonde_domain_synchronize(d) == 0);
	expect(sonde_domain_synchronize(other) == 0);
}

static void at_every_instruction(void **state)
{
	const struct step s = {step_prepare, step_enter_leave, step_handler, step_check};
	const struct step nest = {step_prepare, step_nest, step_handler, step_check};

	(void)state;
	wrong = 0;
	assert_true(step_through(&s) > 10);
	assert_true(step_through(&nest) > 20);
	sonde_domain_enter(d);
	depth_wanted = 1;
	assert_true(step_through(&s) > 10);
	depth_wanted = 0;
	sonde_domain_leave(d);
	assert_int_equal(wrong, 0);
}

/* The first section of a thread, interrupted at its n-th instruction by what is the first section,
 * too. A thread for each n. */
static long first_at;
static bool first_over;
static uint32_t records; /* beyond one for each thread */

static void on_first_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	if (step_count++ != first_at)
		return;
	uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)STEP_TRAP_FLAG;
	step_handler();
}

static void *first_main(void *arg)
{
	(void)arg;
	step_count = 0;
	step_outer(step_enter_leave);
	first_over = step_count <= first_at;
	if (first_over)
		return NULL;
	expect(sonde_domain_depth(d) == 0 && sonde_domain_depth(other) == 0);
	expect(sonde_domain_readers(d, NULL, 0) == 0);
	for (uint32_t i = 0; i < sync_slots_used(); i++)
		records += sync_owner(sync_rt.arena->slot[i].owner) == syscall(SYS_gettid);
	records--;
	sonde_domain_enter(d);
	expect(sonde_domain_readers(d, NULL, 0) == 1);
	expect(sonde_domain_synchronize(d) == -EDEADLK);
	sonde_domain_leave(d);
	expect(sonde_domain_synchronize(d) == 0);
	return NULL;
}

static void first_at_every_instruction(void **state)
{
	struct sigaction sa = {.sa_sigaction = on_first_trap, .sa_flags = SA_SIGINFO}, old;
	uint32_t before = load_relaxed(&sync_rt.nused);
	pthread_t t;

	(void)state;
	wrong = records = 0;
	sigaction(SIGTRAP, &sa, &old);
	first_over = false;
	for (first_at = 0; !first_over; first_at++) {
		assert_int_equal(pthread_create(&t, NULL, first_main, NULL), 0);
		pthread_join(t, NULL);
	}
	sigaction(SIGTRAP, &old, NULL);
	assert_true(first_at > 100);
	assert_int_equal(wrong, 0);
	/* two only if the handler comes between the last look for one and keeping the other */
	assert_true(records < 8);
	assert_true(load_relaxed(&sync_rt.nused) < before + 32);
}

/* A storm: two threads in sections, signalled as fast as it goes, and a writer that waits. */
static uint32_t storm_over, storm_hits;

static void on_storm(int sig)
{
	(void)sig;
	step_handler();
	fetch_add_relaxed(&storm_hits, 1u);
}

static void *storm_main(void *arg)
{
	uint64_t *sections = arg;

	while (!load_relaxed(&storm_over)) {
		step_nest();
		expect(sonde_domain_depth(d) == 0);
		++*sections;
	}
	return NULL;
}

static void storm(void **state)
{
	struct sigaction sa = {.sa_handler = on_storm, .sa_flags = SA_RESTART}, old;
	uint64_t sections = 0, end = now_ns() + 600 * MS, periods = 0;
	pthread_t t;

	(void)state;
	wrong = storm_over = storm_hits = 0;
	sigaction(SIGUSR1, &sa, &old);
	assert_int_equal(pthread_create(&t, NULL, storm_main, &sections), 0);
	while (now_ns() < end) {
		pthread_kill(t, SIGUSR1);
		if (periods % 4 == 0)
			usleep(100);
		assert_int_equal(sonde_domain_synchronize(d), 0);
		periods++;
	}
	store_relaxed(&storm_over, 1u);
	pthread_join(t, NULL);
	sigaction(SIGUSR1, &old, NULL);
	assert_int_equal(wrong, 0);
	if (sections < 10 || storm_hits < 10 || periods < 10)
		fail_msg("%lu sections, %u signals, %lu waits", sections, storm_hits, periods);
}

/* First sections at unusual places. */
static volatile sig_atomic_t entered;

static void on_any(int sig)
{
	(void)sig;
	step_handler();
	entered++;
}

static void *in_handler_main(void *arg)
{
	stack_t ss = {.ss_sp = arg, .ss_size = 65536};
	sigset_t all;

	if (arg)
		sigaltstack(&ss, NULL);
	raise(SIGUSR1);
	expect(sonde_domain_depth(d) == 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	step_nest();
	return NULL;
}

static void first_in_a_handler(void **state)
{
	struct sigaction sa = {.sa_handler = on_any}, old;
	char *stack = malloc(65536);
	pthread_t t;

	(void)state;
	wrong = 0;
	entered = 0;
	for (int alt = 0; alt < 2; alt++) {
		sa.sa_flags = alt ? SA_ONSTACK : 0;
		sigaction(SIGUSR1, &sa, alt ? NULL : &old);
		pthread_create(&t, NULL, in_handler_main, alt ? stack : NULL);
		pthread_join(t, NULL);
	}
	sigaction(SIGUSR1, &old, NULL);
	free(stack);
	assert_int_equal(entered, 2);
	assert_int_equal(wrong, 0);
}

static sigjmp_buf away;

static void on_fault(int sig)
{
	(void)sig;
	step_handler();
	sonde_domain_enter(d); /* left by no one: we jump */
	siglongjmp(away, 1);
}

static void *fault_main(void *arg)
{
	unsigned int depth = sonde_domain_depth(d);

	if (!sigsetjmp(away, 1))
		*(volatile int *)arg = 1;
	expect(sonde_domain_depth(d) == 1);
	sonde_domain_unwind(d, depth);
	expect(sonde_domain_depth(d) == 0);
	return NULL;
}

static void in_a_fault(void **state)
{
	struct sigaction sa = {.sa_handler = on_fault}, old;
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t t;

	(void)state;
	wrong = 0;
	sigaction(SIGSEGV, &sa, &old);
	pthread_create(&t, NULL, fault_main, page);
	pthread_join(t, NULL);
	sigaction(SIGSEGV, &old, NULL);
	munmap(page, 4096);
	assert_int_equal(wrong, 0);
	assert_int_equal(sonde_domain_synchronize(d), 0);
}

/* Before main, before any other constructor of this program has run. */
static struct sonde_domain *early;
static int early_err = 1;

__attribute__((constructor(101))) static void before_main(int argc, char **argv)
{
	fences_if_told(argc, argv);
	if (sonde_domain_create(&early, NULL))
		abort();
	sonde_domain_enter(early);
	sonde_domain_leave(early);
	early_err = sonde_domain_synchronize(early);
}

static void in_a_constructor(void **state)
{
	(void)state;
	assert_int_equal(early_err, 0);
}

/* A thread's last moments: key destructors, all rounds of them, and one section left open. */
static pthread_key_t key;
static uint32_t rounds;

static void in_destructor(void *value)
{
	step_nest();
	if (++rounds < 4)
		pthread_setspecific(key, value);
	else
		sonde_domain_enter(d);
}

static void *key_main(void *arg)
{
	pthread_setspecific(key, arg);
	return NULL;
}

static void in_key_destructors(void **state)
{
	pthread_t t;

	(void)state;
	rounds = 0;
	assert_int_equal(pthread_key_create(&key, in_destructor), 0);
	pthread_create(&t, NULL, key_main, &key);
	pthread_join(t, NULL);
	assert_int_equal(rounds, 4);
	assert_int_equal(sonde_domain_synchronize(d), 0);
	pthread_key_delete(key);
}

/* From here on any system call but exit_group kills. */
static int only_sections(void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = {ARRAY_LEN(code), code};

	if (!arg) { /* the first */
		sonde_domain_enter(d);
		sonde_domain_leave(d);
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		return 2;
	for (int i = 0; i < 1000; i++) {
		step_nest();
		sonde_domain_enter(other);
		sonde_domain_depth(d);
		sonde_domain_cookie(d);
		sonde_domain_leave(other);
	}
	return 0;
}

/* A thread that has never entered: its first section must ask who it is, the others not. */
static void *calls_nothing(void *arg)
{
	store_relaxed((int *)arg, in_child(only_sections, NULL));
	return NULL;
}

static void no_system_call(void **state)
{
	int status = 1;
	pthread_t t;

	(void)state;
	assert_int_equal(in_child(only_sections, &status), 0); /* ours was in setup */
	pthread_create(&t, NULL, calls_nothing, &status);
	pthread_join(t, NULL);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(at_every_instruction),
		TEST(first_at_every_instruction),
		TEST(storm),
		TEST(first_in_a_handler),
		TEST(in_a_fault),
		TEST(in_a_constructor),
		TEST(in_key_destructors),
		TEST(no_system_call),
	};

	(void)argc;
	(void)argv;
	alarm(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

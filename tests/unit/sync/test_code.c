/* SPDX-License-Identifier: MIT */
/*
 * When retired code may be used again: threads that are inside, in every way.
 */
#include "inside.h"

static void test_nobody(void **state)
{
	(void)state;
	retire(CODE_READ);
	assert_int_equal(sync_code_poll(&q), 1);
}

static void test_wrong(void **state)
{
	struct sync_range r[2] = {{0x1000, 0x2000}, {0x2001, 0x3000}};
	struct sync_code w = {.range = r, .nrange = 2, .domain = &d, .ndomain = 1};

	(void)state;
	assert_int_equal(sync_code_retire(&w), 0);
	r[1].start = 0x2000;
	assert_int_equal(sync_code_retire(&w), -EINVAL);
	r[1] = (struct sync_range){0x2001, 0x2001};
	assert_int_equal(sync_code_retire(&w), -EINVAL);
	r[0].start = 0;
	w.nrange = 1;
	assert_int_equal(sync_code_retire(&w), -EINVAL);
	r[0].start = 0x1000;
	w.nrange = 0;
	assert_int_equal(sync_code_retire(&w), -EINVAL);
	w.nrange = 1;
	w.ndomain = 0;
	assert_int_equal(sync_code_retire(&w), -EINVAL);
}

static void test_domains(void **state)
{
	struct sonde_domain *both[2] = {d, domain_new()};
	struct sitter s;

	(void)state;
	sitter_start(&s, both[1], 1);
	retire(CODE_READ);
	q.domain = both;
	q.ndomain = 2;
	assert_int_equal(sync_code_retire(&q), 0);
	assert_inside(0);
	sitter_end(&s);
	assert_free();
	domain_end(both[1]);
}

static void test_system_call(void **state)
{
	struct guest g;

	(void)state;
	guest_start(&g, enter_read, false);
	guest_arrives(&g);
	retire(CODE_READ);
	assert_inside(g.tid);
	/* the address behind the call is the range's end */
	sync_code_forget(&q);
	retire(CODE_READ);
	range.end = range.start + 7;
	assert_inside(g.tid);
	sync_code_forget(&q);
	retire(CODE_READ);
	range.end = range.start + 6;
	assert_free();
	retire(CODE_READ);
	assert_inside(g.tid);
	door_open(&g.inside);
	assert_free();
	guest_end(&g);
}

/* Asleep in a function that the code has called, at the end of a large frame. */
static void sleep_deep(void *arg)
{
	struct guest *g = arg;
	volatile char frame[300000];

	memset((char *)frame, 0, sizeof(frame));
	store_release(&g->there, 1u);
	door_wait(&g->inside);
}

static void enter_call(struct guest *g)
{
	void (*code_call)(void (*)(void *), void *) = code_at(CODE_CALL);

	code_call(sleep_deep, g);
}

static void test_called(void **state)
{
	struct guest g;

	(void)state;
	guest_start(&g, enter_call, false);
	guest_arrives(&g);
	retire(CODE_CALL);
	assert_inside(g.tid);
	door_open(&g.inside);
	assert_free();
	guest_end(&g);
}

/* Taken away by a signal. */
static __thread struct guest *guest_self;
static int nested; /* how many more signals are to come into the handler */

static void handler(int sig)
{
	struct guest *g = guest_self;

	if (sig == SIGUSR1 && nested) {
		raise(SIGUSR2);
		return;
	}
	store_release(&g->there, 1u);
	door_wait(&g->inside);
}

static void handle(int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
}

static void enter_spin(struct guest *g)
{
	void (*code_spin)(uint32_t *) = code_at(CODE_SPIN);

	guest_self = g;
	code_spin(&g->flag);
}

static void enter_called_spin(struct guest *g)
{
	void (*code_call)(void (*)(void *), void *) = code_at(CODE_CALL);

	guest_self = g;
	code_call(spin_outside, g);
}

/* The alternate stack is a part of the thread's own, above where it will be interrupted. */
static void enter_own_altstack(struct guest *g)
{
	char room[STACK_SIZE];
	stack_t ss = {.ss_sp = room, .ss_size = sizeof(room)}, none = {.ss_flags = SS_DISABLE};

	sigaltstack(&ss, NULL);
	enter_called_spin(g);
	sigaltstack(&none, NULL);
}

/* The kernel forgets the alternate stack while a handler is on it. */
static void enter_autodisarm(struct guest *g)
{
	stack_t ss = {.ss_sp = g->stack, .ss_size = STACK_SIZE, .ss_flags = (int)(1u << 31)};

	sigaltstack(&ss, NULL);
	enter_called_spin(g);
}

static void interrupt(enum function f, void (*enter)(struct guest *), bool altstack, int flags)
{
	struct guest g;

	handle(flags);
	guest_start(&g, enter, altstack);
	wait_spins(&g.tid);
	pthread_kill(g.thread, SIGUSR1);
	guest_arrives(&g);
	retire(f);
	assert_inside(g.tid);
	door_open(&g.inside);
	/* back inside, awake */
	assert_inside(g.tid);
	store_release(&g.flag, 1u);
	assert_free();
	guest_end(&g);
}

static void test_interrupted(void **state)
{
	(void)state;
	nested = 0;
	interrupt(CODE_SPIN, enter_spin, false, 0);
	interrupt(CODE_CALL, enter_called_spin, false, 0);
}

static void test_interrupted_on_altstack(void **state)
{
	(void)state;
	nested = 0;
	interrupt(CODE_SPIN, enter_spin, true, SA_ONSTACK);
	interrupt(CODE_CALL, enter_called_spin, true, SA_ONSTACK);
	interrupt(CODE_CALL, enter_own_altstack, false, SA_ONSTACK);
	interrupt(CODE_CALL, enter_autodisarm, false, SA_ONSTACK);
}

static void test_interrupted_twice(void **state)
{
	(void)state;
	nested = 1;
	interrupt(CODE_CALL, enter_called_spin, false, 0);
	interrupt(CODE_SPIN, enter_spin, true, SA_ONSTACK);
	interrupt(CODE_CALL, enter_called_spin, true, SA_ONSTACK);
	interrupt(CODE_CALL, enter_autodisarm, false, SA_ONSTACK);
}

/* Awake outside: nobody knows where, until it sleeps. */
static void enter_outside_spin(struct guest *g)
{
	spin_outside(g);
}

static void test_awake(void **state)
{
	struct guest g;

	(void)state;
	guest_start(&g, enter_outside_spin, false);
	wait_spins(&g.tid);
	retire(CODE_SPIN);
	assert_inside(g.tid);
	store_release(&g.flag, 1u);
	assert_free();
	guest_end(&g);
}

/* One that was seen outside is not asked again, and may be awake from then on. */
static void test_remembered(void **state)
{
	struct guest g, other;

	(void)state;
	guest_start(&g, enter_sleep_then_spin, false);
	guest_arrives(&g);
	guest_start(&other, enter_read, false);
	guest_arrives(&other);
	retire(CODE_READ);
	assert_inside(other.tid);
	door_open(&g.inside);
	sleep_ms(10);
	assert_inside(other.tid);
	door_open(&other.inside);
	assert_free();
	store_release(&g.flag, 1u);
	guest_end(&g);
	guest_end(&other);
}

/* Between the look at its registers and the one at its stack a thread goes back into the code,
 * covers the word that told so, and falls asleep there. */
static struct guest *mover;

static void move(const char *name)
{
	if (strcmp(name, "code: before searching a stack") != 0 || !mover)
		return;
	door_open(&mover->inside);
	sleep_ms(20);
	wait_asleep(&mover->tid);
	mover = NULL;
}

static void sleep_inside(void *arg)
{
	struct guest *g = arg;

	store_release(&g->there, 1u);
	door_wait(&g->inside);
}

static void enter_cover(struct guest *g)
{
	void (*code_cover)(void (*)(void *), void *, int) = code_at(CODE_COVER);

	code_cover(sleep_inside, g, g->outside.fd[0]);
}

static void test_moved_meanwhile(void **state)
{
	struct guest g;

	(void)state;
	guest_start(&g, enter_cover, false);
	guest_arrives(&g);
	retire(CODE_COVER);
	mover = &g;
	hook = move;
	assert_int_equal(sync_code_poll(&q), 0);
	assert_null(mover);
	assert_inside(g.tid);
	door_open(&g.outside);
	assert_free();
	guest_end(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nobody),
		TEST(test_wrong),
		TEST(test_domains),
		TEST(test_system_call),
		TEST(test_called),
		TEST(test_interrupted),
		TEST(test_interrupted_on_altstack),
		TEST(test_interrupted_twice),
		TEST(test_awake),
		TEST(test_remembered),
		TEST(test_moved_meanwhile),
	};

	fences_if_told(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Callbacks: after a grace period and not before, in order, each once, whoever queues and runs
 * them.
 */
#include "fixture.h"

static struct sonde_domain *d;

#define NNODES 64

struct node {
	struct sonde_deferred head;
	uint32_t ran;
	uint32_t order;
};

static struct node node[NNODES];
static uint32_t order;

static int setup(void **state)
{
	(void)state;
	d = domain_new();
	memset(node, 0, sizeof(node));
	order = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	domain_end(d);
	return 0;
}

static struct node *node_of(struct sonde_deferred *head)
{
	return (struct node *)((char *)head - offsetof(struct node, head));
}

static void note(struct sonde_deferred *head)
{
	struct node *n = node_of(head);

	n->order = fetch_add_seq_cst(&order, 1u);
	fetch_add_seq_cst(&n->ran, 1u);
}

static void call(struct node *n)
{
	sonde_domain_call(d, &n->head, note);
}

static void in_order(void **state)
{
	(void)state;
	assert_int_equal(sonde_domain_run(d), 0);
	for (int i = 0; i < NNODES; i++)
		call(&node[i]);
	assert_int_equal(order, 0); /* never in the caller of call */
	assert_int_equal(sonde_domain_run(d), NNODES);
	assert_int_equal(sonde_domain_run(d), 0);
	for (uint32_t i = 0; i < NNODES; i++) {
		assert_int_equal(node[i].ran, 1);
		assert_int_equal(node[i].order, i);
	}
}

/* In parts: what a run had to leave comes before what was queued after it. */
static void in_order_across_runs(void **state)
{
	struct sitter s;

	(void)state;
	sitter_start(&s, d, 1);
	for (int i = 0; i < 10; i++)
		call(&node[i]);
	assert_int_equal(sonde_domain_run(d), 0);
	for (int i = 10; i < 20; i++) {
		call(&node[i]);
		assert_int_equal(sonde_domain_run(d), 0);
	}
	sitter_end(&s);
	for (int i = 20; i < 30; i++)
		call(&node[i]);
	while (order < 30)
		sonde_domain_run(d);
	for (uint32_t i = 0; i < 30; i++) {
		assert_int_equal(node[i].ran, 1);
		assert_int_equal(node[i].order, i);
	}
}

static void not_before_the_reader_left(void **state)
{
	struct sitter s;

	(void)state;
	sitter_start(&s, d, 2);
	call(&node[0]);
	for (int i = 0; i < 50; i++)
		assert_int_equal(sonde_domain_run(d), 0);
	assert_int_equal(node[0].ran, 0);
	sitter_end(&s);
	assert_int_equal(sonde_domain_run(d), 1);
	assert_int_equal(node[0].ran, 1);
}

static void inside_a_section(void **state)
{
	(void)state;
	sonde_domain_enter(d);
	call(&node[0]);
	assert_int_equal(sonde_domain_run(d), 0);
	assert_int_equal(sonde_domain_barrier(d), -EDEADLK);
	sonde_domain_leave(d);
	assert_int_equal(sonde_domain_run(d), 1);
}

/* Each puts itself and the next on the list again. */
static uint32_t again;

static void call_again(struct sonde_deferred *head)
{
	note(head);
	if (again) {
		again--;
		sonde_domain_call(d, head, call_again);
		call(&node[1 + again]);
	}
	assert_int_equal(sonde_domain_run(d), 0); /* somebody is at it: we */
}

static void callbacks_that_call(void **state)
{
	uint32_t n = 0;

	(void)state;
	again = 10;
	sonde_domain_call(d, &node[0].head, call_again);
	for (int i = 0; i < 100; i++)
		n += (uint32_t)sonde_domain_run(d);
	assert_int_equal(n, 21);
	assert_int_equal(node[0].ran, 11);
	for (int i = 1; i <= 10; i++)
		assert_int_equal(node[i].ran, 1);
}

/* Of a callback that queues another, barrier waits for the first, destroy for no more than that. */
static void barrier(void **state)
{
	struct sitter s;

	(void)state;
	assert_int_equal(sonde_domain_barrier(d), 0);
	sitter_start(&s, d, 1);
	call(&node[0]);
	sitter_tell(&s);
	assert_int_equal(sonde_domain_barrier(d), 0);
	assert_int_equal(node[0].ran, 1);
	pthread_join(s.thread, NULL);
}

static uint32_t in_callback, go_on;

static void slow(struct sonde_deferred *head)
{
	store_release(&in_callback, 1u);
	while (!load_acquire(&go_on))
		sleep_ms(1);
	note(head);
}

static void *barrier_main(void *arg)
{
	int err = sonde_domain_barrier(d);

	store_release((uint32_t *)arg, err ? 2u : 1u);
	return NULL;
}

/* Somebody else is running a callback: run does not wait, barrier does. */
static void two_run(void **state)
{
	uint32_t done[2] = {0, 0};
	pthread_t t[2];

	(void)state;
	in_callback = go_on = 0;
	sonde_domain_call(d, &node[0].head, slow);
	call(&node[1]);
	pthread_create(&t[0], NULL, barrier_main, &done[0]);
	while (!load_acquire(&in_callback))
		sched_yield();
	assert_int_equal(sonde_domain_run(d), 0);
	pthread_create(&t[1], NULL, barrier_main, &done[1]);
	sleep_ms(30);
	assert_int_equal(load_acquire(&done[0]), 0);
	assert_int_equal(load_acquire(&done[1]), 0);
	store_release(&go_on, 1u);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	assert_int_equal(done[0], 1);
	assert_int_equal(done[1], 1);
	assert_int_equal(node[0].order, 0);
	assert_int_equal(node[1].order, 1);
}

/* Many queue, several run: each once, and each queuer's own in the order it queued them. */
#define QUEUERS 3
#define EACH 4000

static struct node *many[QUEUERS];
static uint32_t total, queueing;

static void note_many(struct sonde_deferred *head)
{
	struct node *n = node_of(head);
	struct node *base = many[n->order];

	n->ran++;
	if (n != base && n[-1].ran != 1)
		n->ran += 100; /* before its elder */
	fetch_add_seq_cst(&total, 1u);
}

static void *queuer(void *arg)
{
	uint32_t which = (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 0; i < EACH; i++) {
		many[which][i].order = which;
		sonde_domain_call(d, &many[which][i].head, note_many);
		if (i % 64 == 0)
			sched_yield();
	}
	fetch_sub_seq_cst(&queueing, 1u);
	return NULL;
}

static void *many_runner(void *arg)
{
	(void)arg;
	while (load_acquire(&total) < QUEUERS * EACH)
		sonde_domain_run(d);
	return NULL;
}

static void many_at_once(void **state)
{
	pthread_t t[QUEUERS + 2];

	(void)state;
	total = 0;
	queueing = QUEUERS;
	for (uintptr_t i = 0; i < QUEUERS; i++) {
		many[i] = calloc(EACH, sizeof(struct node));
		pthread_create(&t[i], NULL, queuer, (void *)i);
	}
	for (int i = 0; i < 2; i++)
		pthread_create(&t[QUEUERS + i], NULL, many_runner, NULL);
	for (int i = 0; i < QUEUERS + 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(total, QUEUERS * EACH);
	for (int i = 0; i < QUEUERS; i++) {
		for (int k = 0; k < EACH; k++)
			assert_int_equal(many[i][k].ran, 1);
		free(many[i]);
	}
}

/* Queued, asked and run by a handler that comes at any moment. */
static struct node by_handler[20000];
static volatile sig_atomic_t nqueued, npolled;

static void on_alarm(int sig)
{
	(void)sig;
	if (nqueued < (int)ARRAY_LEN(by_handler)) {
		sonde_domain_call(d, &by_handler[nqueued].head, note);
		nqueued++;
	}
	npolled += sonde_domain_poll(d, sonde_domain_cookie(d));
	if (nqueued % 3 == 0)
		sonde_domain_run(d);
}

static void from_a_handler(void **state)
{
	struct sigaction sa = {.sa_handler = on_alarm}, old;
	timer_t timer;
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec often = {{0, 40000}, {0, 40000}};
	uint32_t own = 0;
	uint64_t end = now_ns() + 800 * MS;

	(void)state;
	nqueued = npolled = 0;
	memset(by_handler, 0, sizeof(by_handler));
	sigaction(SIGUSR1, &sa, &old);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	timer_settime(timer, 0, &often, NULL);
	while (now_ns() < end) {
		struct node n = {0};

		call(&n);
		while (!load_acquire(&n.ran)) {
			uint64_t cookie = sonde_domain_cookie(d);

			sonde_domain_run(d);
			sonde_domain_poll(d, cookie);
			sonde_domain_enter(d);
			sonde_domain_leave(d);
		}
		own++;
	}
	timer_delete(timer);
	sigaction(SIGUSR1, &old, NULL);
	assert_int_equal(sonde_domain_barrier(d), 0);
	assert_true(own > 100 && nqueued > 100 && npolled > 10);
	assert_int_equal(order, own + (uint32_t)nqueued);
	for (int i = 0; i < nqueued; i++)
		assert_int_equal(by_handler[i].ran, 1);
}

static void destroying_runs_them(void **state)
{
	struct sonde_domain *was = d;

	(void)state;
	for (int i = 0; i < 5; i++)
		call(&node[i]);
	domain_end(was);
	assert_int_equal(order, 5);
	d = domain_new();
	assert_int_equal(sonde_domain_run(d), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(in_order),
		TEST(in_order_across_runs),
		TEST(not_before_the_reader_left),
		TEST(inside_a_section),
		TEST(callbacks_that_call),
		TEST(barrier),
		TEST(two_run),
		TEST(many_at_once),
		TEST(from_a_handler),
		TEST(destroying_runs_them),
	};

	fences_if_told(argc, argv);
	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Plain maps with keys: alone, with threads, with processes, with signal handlers, and with
 * processes that are killed in the middle. Build with -fsanitize=thread to check the pairs.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "fixture.h"

#define THREADS 4
#define SLOTS 256

static struct fx fx;
static uint32_t words, wide; /* maps: key 8, value 8 or 64 */

static int setup(void **state)
{
	(void)state;
	fx_open(&fx);
	words = fx_plain(&fx, 8, 8, SLOTS);
	wide = fx_plain(&fx, 8, 64, SLOTS);
	fx_start(&fx);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fx_close(&fx);
	return 0;
}

static struct wire_slot *slot(uint32_t map, uint32_t i)
{
	const struct wire_map *m = fx_at(&fx, map);

	return wire_at(fx.s, m->table_off + i * wire_slot_bytes(m), struct wire_slot);
}

static uint32_t count_state(uint32_t map, uint32_t code)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < fx_at(&fx, map)->nbuckets; i++)
		n += (slot(map, i)->state & WIRE_SLOT_MASK) == code;
	return n;
}

static uint64_t value_of(uint64_t key)
{
	uint64_t v;

	act_table_load(fx.s, words, &key, &v);
	return v;
}

static void basics(void **state)
{
	uint64_t key = 7, v = 1;
	int64_t before = -1;

	(void)state;
	assert_int_equal(act_table_load(fx.s, words, &key, &v), -ENOENT);
	assert_int_equal(v, 0);
	assert_false(act_table_has(fx.s, words, &key));
	v = 11;
	assert_int_equal(act_table_store(fx.s, words, &key, &v), 0);
	v = 12;
	assert_int_equal(act_table_store(fx.s, words, &key, &v), 0);
	assert_int_equal(value_of(7), 12);
	assert_true(act_table_has(fx.s, words, &key));
	assert_int_equal(count_state(words, WIRE_SLOT_LIVE), 1);
	assert_int_equal(act_table_add(fx.s, words, &key, -2, &before), 0);
	assert_int_equal(before, 12);
	assert_int_equal(value_of(7), 10);
	assert_int_equal(act_table_delete(fx.s, words, &key), 0);
	assert_int_equal(act_table_delete(fx.s, words, &key), -ENOENT);
	assert_int_equal(count_state(words, WIRE_SLOT_FREE), SLOTS);
	assert_int_equal(act_table_add(fx.s, words, &key, 4, &before), 0);
	assert_int_equal(before, 0);
	assert_int_equal(value_of(7), 4);
}

static void wide_values(void **state)
{
	uint64_t key = 3, in[8], out[8];

	(void)state;
	for (uint64_t round = 1; round < 5; round++) {
		for (int i = 0; i < 8; i++)
			in[i] = round * 100 + (uint64_t)i;
		assert_int_equal(act_table_store(fx.s, wide, &key, in), 0);
		assert_int_equal(act_table_load(fx.s, wide, &key, out), 0);
		assert_memory_equal(in, out, sizeof(in));
	}
	assert_int_equal(count_state(wide, WIRE_SLOT_LIVE), 1);
	assert_int_equal(act_table_delete(fx.s, wide, &key), 0);
	assert_int_equal(act_table_load(fx.s, wide, &key, out), -ENOENT);
	memset(in, 0, sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
}

static void wide_scalar(void **state)
{
	uint32_t map = fx_plain(&fx, 0, 32, 1);
	uint64_t in[4] = {1, 2, 3, 4}, out[4];

	(void)state;
	assert_int_equal(act_table_load(fx.s, map, NULL, out), -ENOENT);
	for (int i = 0; i < 3; i++) {
		in[0]++;
		assert_int_equal(act_table_store(fx.s, map, NULL, in), 0);
		assert_int_equal(act_table_load(fx.s, map, NULL, out), 0);
		assert_memory_equal(in, out, sizeof(in));
	}
	assert_int_equal(act_table_delete(fx.s, map, NULL), 0);
	assert_int_equal(act_table_load(fx.s, map, NULL, out), -ENOENT);
	assert_int_equal(act_table_store(fx.s, map, NULL, in), 0);
}

static void many_keys(void **state)
{
	(void)state;
	for (uint64_t key = 0; key < SLOTS / 2; key++)
		assert_int_equal(act_table_store(fx.s, words, &key, &key), 0);
	for (uint64_t key = 0; key < SLOTS / 2; key += 2)
		assert_int_equal(act_table_delete(fx.s, words, &key), 0);
	for (uint64_t key = 0; key < SLOTS / 2; key++) {
		assert_int_equal(act_table_has(fx.s, words, &key), key & 1);
		assert_int_equal(value_of(key), key & 1 ? key : 0);
	}
}

/* A table of up to a window's slots holds exactly as many keys as it has slots. */
static void full(void **state)
{
	uint32_t map = fx_plain(&fx, 8, 8, 10);
	uint64_t key = 99;
	int64_t before;

	(void)state;
	for (uint64_t k = 0; k < 10; k++)
		assert_int_equal(act_table_store(fx.s, map, &k, &k), 0);
	assert_int_equal(act_table_store(fx.s, map, &key, &key), -ENOSPC);
	assert_int_equal(act_table_add(fx.s, map, &key, 1, &before), -ENOSPC);
	assert_int_equal(before, 0);
	for (uint64_t k = 0; k < 10; k++)
		assert_int_equal(act_table_add(fx.s, map, &k, 1, &before), 0);
	key = 4;
	assert_int_equal(act_table_delete(fx.s, map, &key), 0);
	key = 99;
	assert_int_equal(act_table_store(fx.s, map, &key, &key), 0);
	fx_at(&fx, map)->clear_epoch = 1; /* what a clear emptied is room again */
	for (uint64_t k = 50; k < 60; k++)
		assert_int_equal(act_table_store(fx.s, map, &k, &k), 0);
}

static void epochs(void **state)
{
	uint64_t key = 1, v = 5;
	int64_t before;

	(void)state;
	act_table_store(fx.s, words, &key, &v);
	fx_at(&fx, words)->zero_epoch = 1;
	assert_true(act_table_has(fx.s, words, &key));
	assert_int_equal(value_of(1), 0);
	assert_int_equal(act_table_add(fx.s, words, &key, 2, &before), 0);
	assert_int_equal(before, 0);
	assert_int_equal(value_of(1), 2);
	fx_at(&fx, words)->clear_epoch = 2;
	assert_false(act_table_has(fx.s, words, &key));
	assert_int_equal(act_table_delete(fx.s, words, &key), -ENOENT);
	assert_int_equal(act_table_add(fx.s, words, &key, 3, &before), 0);
	assert_int_equal(before, 0);
	assert_int_equal(value_of(1), 3);
	assert_int_equal(count_state(words, WIRE_SLOT_LIVE), 1);
}

/* Slots left by a process that was killed at each step of its work. */
static void abandoned_slots(void **state)
{
	uint64_t key = 5, v = 1, in[8] = {1}, out[8];
	uint32_t i, home;

	(void)state;
	act_table_store(fx.s, words, &key, &v);
	for (home = 0; (slot(words, home)->state & WIRE_SLOT_MASK) != WIRE_SLOT_LIVE; home++)
		;
	slot(words, home)->users = 1; /* died pinned: usable, but no longer recycled */
	assert_int_equal(act_table_store(fx.s, words, &key, &v), 0);
	assert_int_equal(act_table_delete(fx.s, words, &key), 0);
	assert_int_equal(count_state(words, WIRE_SLOT_BUSY), 1);
	assert_int_equal(act_table_store(fx.s, words, &key, &v), 0);
	assert_int_equal(value_of(5), 1);

	for (i = 0; (slot(words, i)->state & WIRE_SLOT_MASK) != WIRE_SLOT_LIVE; i++)
		;
	slot(words, i)->state |= WIRE_SLOT_TRIAL; /* died before it knew itself alone */
	assert_false(act_table_has(fx.s, words, &key));
	v = 2;
	assert_int_equal(act_table_store(fx.s, words, &key, &v), 0);
	assert_int_equal(value_of(5), 2);
	assert_int_equal(count_state(words, WIRE_SLOT_TRIAL), 0);

	act_table_store(fx.s, wide, &key, in);
	for (i = 0; (slot(wide, i)->state & WIRE_SLOT_MASK) != WIRE_SLOT_LIVE; i++)
		;
	slot(wide, i)->state += 8 - 1; /* died rewriting */
	assert_int_equal(act_table_load(fx.s, wide, &key, out), -ENOENT);
	in[0] = 9;
	assert_int_equal(act_table_store(fx.s, wide, &key, in), 0);
	assert_int_equal(act_table_load(fx.s, wide, &key, out), 0);
	assert_int_equal(out[0], 9);
	assert_int_equal(count_state(wide, WIRE_SLOT_LIVE), 1);
}

/* --- threads --- */

static uint64_t rnd(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void run_threads(void *(*body)(void *))
{
	pthread_t thread[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, body, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

#define ADDS 100000
#define ADD_KEYS 40

static uint32_t failures;

static void *adder(void *arg)
{
	uint64_t seed = 88172645463325252ull + (uintptr_t)arg;
	int64_t before;

	for (int i = 0; i < ADDS; i++) {
		uint64_t key = rnd(&seed) % ADD_KEYS;

		if (act_table_add(fx.s, words, &key, 1, &before) != 0)
			fetch_add_relaxed(&failures, 1);
	}
	return NULL;
}

static void sums_are_exact(void **state)
{
	uint64_t sum = 0;

	(void)state;
	failures = 0;
	run_threads(adder);
	for (uint64_t key = 0; key < ADD_KEYS; key++)
		sum += value_of(key);
	assert_int_equal(failures, 0);
	assert_int_equal(sum, THREADS * ADDS);
	assert_int_equal(count_state(words, WIRE_SLOT_LIVE), ADD_KEYS);
}

/* All threads insert the same keys at the same time, again and again: one slot per key. */
#define RACES 3000

static pthread_barrier_t barrier;
static uint32_t duplicates;

static void *racer(void *arg)
{
	int64_t before;

	for (uint64_t round = 0; round < RACES; round++) {
		pthread_barrier_wait(&barrier);
		act_table_add(fx.s, words, &round, 1, &before);
		pthread_barrier_wait(&barrier);
		if ((uintptr_t)arg != 0)
			continue;
		if (value_of(round) != THREADS || count_state(words, WIRE_SLOT_LIVE) != 1)
			duplicates++;
		if (act_table_delete(fx.s, words, &round) != 0)
			duplicates++;
	}
	return NULL;
}

static void inserting_races(void **state)
{
	(void)state;
	duplicates = 0;
	pthread_barrier_init(&barrier, NULL, THREADS);
	run_threads(racer);
	pthread_barrier_destroy(&barrier);
	assert_int_equal(duplicates, 0);
	assert_int_equal(count_state(words, WIRE_SLOT_FREE), SLOTS);
}

/*
 * Churn: every thread inserts, adds to and deletes keys of its own, which share slots with all
 * others' over time. An update that hit a recycled slot would show as a wrong value of a key that
 * nobody else writes.
 */
#define CHURN 60000

static void *churner(void *arg)
{
	uint64_t me = (uintptr_t)arg, seed = me + 12345, want[8] = {0};
	int64_t before;

	for (int i = 0; i < CHURN; i++) {
		uint64_t n = rnd(&seed), k = n % 8, key = me << 32 | k;
		bool bad = false;

		switch (n >> 8 & 3) {
		case 0:
			bad = (act_table_delete(fx.s, words, &key) == 0) != (want[k] != 0);
			want[k] = 0;
			break;
		case 1:
			want[k] = n | 1;
			bad = act_table_store(fx.s, words, &key, &want[k]) != 0;
			break;
		default:
			bad = act_table_add(fx.s, words, &key, 2, &before) != 0 ||
			      (uint64_t)before != want[k];
			want[k] += 2;
			break;
		}
		if (bad || value_of(key) != want[k])
			fetch_add_relaxed(&failures, 1);
	}
	for (uint64_t k = 0; k < 8; k++) {
		uint64_t key = me << 32 | k;

		act_table_delete(fx.s, words, &key);
	}
	return NULL;
}

static void churn(void **state)
{
	(void)state;
	failures = 0;
	run_threads(churner);
	assert_int_equal(failures, 0);
	assert_int_equal(count_state(words, WIRE_SLOT_FREE), SLOTS);
}

/* All threads add to, and delete, the same few keys: what was added is found, at a delete or at
 * the end, never more. */
static uint64_t added, deleted;

static void *shared_churner(void *arg)
{
	uint64_t seed = 777 + (uintptr_t)arg;
	int64_t before;

	for (int i = 0; i < CHURN; i++) {
		uint64_t n = rnd(&seed), key = n % 4;

		if ((n >> 8) % 16 != 0) {
			if (act_table_add(fx.s, words, &key, 1, &before) == 0)
				fetch_add_relaxed(&added, 1);
			else
				fetch_add_relaxed(&failures, 1);
		} else if (act_table_delete(fx.s, words, &key) == 0) {
			fetch_add_relaxed(&deleted, 1);
		}
	}
	return NULL;
}

static void shared_churn(void **state)
{
	uint64_t left = 0;

	(void)state;
	failures = 0;
	added = deleted = 0;
	run_threads(shared_churner);
	for (uint64_t key = 0; key < 4; key++)
		left += value_of(key);
	assert_int_equal(failures, 0);
	assert_true(left <= added);
	assert_true(deleted > 0);
	assert_true(count_state(words, WIRE_SLOT_LIVE) <= 4);
	for (uint64_t key = 0; key < 4; key++)
		act_table_delete(fx.s, words, &key);
	assert_int_equal(count_state(words, WIRE_SLOT_FREE), SLOTS);
}

/* Wide values are whole: all eight words carry the same number. */
static void *wide_churner(void *arg)
{
	uint64_t seed = 4242 + (uintptr_t)arg, v[8];

	for (int i = 0; i < CHURN / 2; i++) {
		uint64_t n = rnd(&seed), key = n % 4;

		switch (n >> 8 & 7) {
		case 0:
			act_table_delete(fx.s, wide, &key);
			break;
		case 1:
		case 2:
		case 3:
			for (int w = 0; w < 8; w++)
				v[w] = n | 1;
			if (act_table_store(fx.s, wide, &key, v) != 0)
				fetch_add_relaxed(&failures, 1);
			break;
		default:
			if (act_table_load(fx.s, wide, &key, v) == 0 && v[0] == 0)
				fetch_add_relaxed(&duplicates, 1);
			for (int w = 1; w < 8; w++) {
				if (v[w] != v[0])
					fetch_add_relaxed(&duplicates, 1);
			}
		}
	}
	return NULL;
}

static void wide_values_are_whole(void **state)
{
	(void)state;
	failures = duplicates = 0;
	run_threads(wide_churner);
	assert_int_equal(duplicates, 0);
	assert_true(count_state(wide, WIRE_SLOT_LIVE) <= 4);
	assert_true(failures < CHURN / 100);
}

/* --- processes --- */

static pid_t spawn(void (*body)(int), int arg)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		body(arg);
		_exit(0);
	}
	return pid;
}

static void add_in_child(int arg)
{
	adder((void *)(uintptr_t)(arg + 100));
}

static void processes(void **state)
{
	pid_t pid[3];
	uint64_t sum = 0;
	int status;

	(void)state;
	for (int i = 0; i < 3; i++)
		pid[i] = spawn(add_in_child, i);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	for (uint64_t key = 0; key < ADD_KEYS; key++)
		sum += value_of(key);
	assert_int_equal(sum, 3 * ADDS);
}

/* Everything at once on few keys, for ever. */
static void work_until_killed(int arg)
{
	uint64_t seed = 99 + (uint64_t)arg, v[8] = {0};
	int64_t before;

	for (;;) {
		uint64_t n = rnd(&seed), key = n % 16;

		act_table_add(fx.s, words, &key, 1, &before);
		act_table_store(fx.s, wide, &key, v);
		if (n & 256) {
			act_table_delete(fx.s, words, &key);
			act_table_delete(fx.s, wide, &key);
		}
	}
}

static void killed_in_the_middle(void **state)
{
	uint64_t v[8] = {1, 1, 1, 1, 1, 1, 1, 1};
	int64_t before;
	uint32_t lost;

	(void)state;
	for (int round = 0; round < 60; round++) {
		struct timespec a_while = {0, 500000 + round * 30000};
		pid_t pid[2] = {spawn(work_until_killed, round), spawn(work_until_killed, -round)};

		nanosleep(&a_while, NULL);
		for (int i = 0; i < 2; i++) {
			kill(pid[i], SIGKILL);
			waitpid(pid[i], NULL, 0);
		}
	}
	for (uint64_t key = 0; key < 16; key++) {
		act_table_delete(fx.s, words, &key);
		assert_int_equal(act_table_add(fx.s, words, &key, 5, &before), 0);
		assert_int_equal(before, 0);
		assert_int_equal(value_of(key), 5);
		assert_int_equal(act_table_store(fx.s, wide, &key, v), 0);
		assert_int_equal(act_table_load(fx.s, wide, &key, v), 0);
		assert_int_equal(v[7], 1);
	}
	lost = count_state(words, WIRE_SLOT_BUSY) + count_state(words, WIRE_SLOT_TRIAL);
	assert_int_equal(count_state(words, WIRE_SLOT_LIVE), 16);
	assert_true(lost <= 120);
}

/* --- signals --- */

static volatile uint64_t in_thread, in_handler;

static void storm_step(void)
{
	uint64_t key = (in_thread + in_handler) / 16 % 8, v[8];
	int64_t before;

	for (int i = 0; i < 8; i++)
		v[i] = in_thread;
	if (act_table_add(fx.s, words, &key, 1, &before) != 0 ||
	    act_table_store(fx.s, wide, &key, v) != 0)
		failures++;
}

static void on_signal(int sig)
{
	(void)sig;
	storm_step();
	in_handler++;
}

static void signal_storm(void **state)
{
	struct sigaction sa = {.sa_handler = on_signal}, old;
	struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
	uint64_t sum = 0;

	(void)state;
	failures = 0;
	in_thread = in_handler = 0;
	assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
	setitimer(ITIMER_REAL, &often, NULL);
	while (in_handler < 5000 && in_thread < 1000000) {
		storm_step();
		in_thread++;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);
	for (uint64_t key = 0; key < 8; key++)
		sum += value_of(key);
	assert_int_equal(failures, 0);
	assert_true(in_handler > 50);
	assert_int_equal(sum, in_thread + in_handler);
	assert_int_equal(count_state(words, WIRE_SLOT_LIVE), 8);
	assert_int_equal(count_state(wide, WIRE_SLOT_LIVE), 8);
	assert_int_equal(count_state(wide, WIRE_SLOT_FREE), SLOTS - 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(basics, setup, teardown),
		cmocka_unit_test_setup_teardown(wide_values, setup, teardown),
		cmocka_unit_test_setup_teardown(wide_scalar, setup, teardown),
		cmocka_unit_test_setup_teardown(many_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(full, setup, teardown),
		cmocka_unit_test_setup_teardown(epochs, setup, teardown),
		cmocka_unit_test_setup_teardown(abandoned_slots, setup, teardown),
		cmocka_unit_test_setup_teardown(sums_are_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(inserting_races, setup, teardown),
		cmocka_unit_test_setup_teardown(churn, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_churn, setup, teardown),
		cmocka_unit_test_setup_teardown(wide_values_are_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(processes, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_in_the_middle, setup, teardown),
		cmocka_unit_test_setup_teardown(signal_storm, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Scalar plain maps of 8 bytes: presence, epochs, exact sums over threads.
 */
#include <pthread.h>

#include "fixture.h"

#define THREADS 4
#define ADDS 200000

static struct fx fx;
static uint32_t map;

static int setup(void **state)
{
	(void)state;
	fx_open(&fx);
	map = fx_plain(&fx, 0, 8, 1);
	fx_start(&fx);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fx_close(&fx);
	return 0;
}

static void expect(int err, uint64_t value)
{
	uint64_t got = 77;

	assert_int_equal(act_table_load(fx.s, map, NULL, &got), err);
	assert_int_equal(got, value);
	assert_int_equal(act_table_has(fx.s, map, NULL), err == 0);
}

static void store(uint64_t value)
{
	assert_int_equal(act_table_store(fx.s, map, NULL, &value), 0);
}

static void present_and_absent(void **state)
{
	int64_t before = -1;

	(void)state;
	expect(-ENOENT, 0);
	store(5);
	expect(0, 5);
	assert_int_equal(act_table_add(fx.s, map, NULL, -7, &before), 0);
	assert_int_equal(before, 5);
	expect(0, (uint64_t)-2);
	assert_int_equal(act_table_delete(fx.s, map, NULL), 0);
	assert_int_equal(act_table_delete(fx.s, map, NULL), -ENOENT);
	expect(-ENOENT, 0);
	assert_int_equal(act_table_add(fx.s, map, NULL, 3, &before), 0);
	assert_int_equal(before, 0);
	expect(0, 3);
	store(0);
	expect(0, 0);
}

static void epochs(void **state)
{
	int64_t before;

	(void)state;
	store(9);
	fx_at(&fx, map)->zero_epoch = 1;
	expect(0, 0);
	act_table_add(fx.s, map, NULL, 2, &before);
	assert_int_equal(before, 0);
	expect(0, 2);
	fx_at(&fx, map)->clear_epoch = 2;
	expect(-ENOENT, 0);
	assert_int_equal(act_table_delete(fx.s, map, NULL), -ENOENT);
	act_table_add(fx.s, map, NULL, 4, &before);
	assert_int_equal(before, 0);
	expect(0, 4);
	fx_at(&fx, map)->clear_epoch = 3;
	store(6);
	expect(0, 6);
}

static void *adder(void *arg)
{
	int64_t before;

	(void)arg;
	for (int i = 0; i < ADDS; i++)
		act_table_add(fx.s, map, NULL, 1, &before);
	return NULL;
}

static void sums_are_exact(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, adder, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	expect(0, THREADS * ADDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(present_and_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(epochs, setup, teardown),
		cmocka_unit_test_setup_teardown(sums_are_exact, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Plain maps with keys: one operation in the middle of another, at every instruction. It is what a
 * handler does, and also what another thread does while this one is preempted.
 */
#include "fixture.h"
#include "step.h"

static struct fx fx;
static uint32_t small, small_wide; /* maps of three slots, so that slots are recycled at once */
static uint32_t failures;
static uint64_t outer_result, outer_words[8];

static uint32_t count_state(uint32_t map, uint32_t code)
{
	const struct wire_map *m = fx_at(&fx, map);
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->nbuckets; i++) {
		const struct wire_slot *slot =
			wire_at(fx.s, m->table_off + i * wire_slot_bytes(m), struct wire_slot);

		n += (slot->state & WIRE_SLOT_MASK) == code;
	}
	return n;
}

static void wipe(uint32_t map)
{
	const struct wire_map *m = fx_at(&fx, map);

	memset(wire_at(fx.s, m->table_off, uint8_t), 0, m->nbuckets * wire_slot_bytes(m));
}

static uint64_t small_value(uint64_t key)
{
	uint64_t v;

	return act_table_load(fx.s, small, &key, &v) == 0 ? v : 0;
}

static uint64_t add_small(uint64_t key, int64_t delta)
{
	int64_t before;

	assert_int_equal(act_table_add(fx.s, small, &key, delta, &before), 0);
	return (uint64_t)before;
}

static void put_wide(uint64_t key, uint64_t word)
{
	uint64_t v[8];

	for (int i = 0; i < 8; i++)
		v[i] = word;
	if (act_table_store(fx.s, small_wide, &key, v) != 0)
		failures++;
}

static void prepare_empty(void)
{
	wipe(small);
	wipe(small_wide);
	failures = 0;
}

static void prepare_one(void)
{
	prepare_empty();
	add_small(1, 100);
	put_wide(1, 100);
}

static void add_1(void)
{
	outer_result = add_small(1, 5);
}

static void add_1_again(void)
{
	add_small(1, 7);
}

static void check_both_added(void)
{
	uint64_t had = small_value(1) - 12;

	assert_true(had == 0 || had == 100);
	assert_true(outer_result == had || outer_result == had + 7);
	assert_int_equal(count_state(small, WIRE_SLOT_LIVE), 1);
	assert_int_equal(count_state(small, WIRE_SLOT_FREE), 2);
}

/* The key goes, and others take every free slot. */
static void recycle(void)
{
	uint64_t key = 1;

	act_table_delete(fx.s, small, &key);
	for (key = 2; key < 5; key++) {
		uint64_t v = key * 1000;

		act_table_store(fx.s, small, &key, &v);
	}
}

static void add_1_if_room(void)
{
	uint64_t key = 1;
	int64_t before;

	act_table_add(fx.s, small, &key, 5, &before);
}

static void check_others_untouched(void)
{
	uint64_t v, one = small_value(1);

	for (uint64_t key = 2; key < 5; key++) {
		if (act_table_load(fx.s, small, &key, &v) == 0)
			assert_int_equal(v, key * 1000);
	}
	assert_true(one == 0 || one == 5 || one == 105);
	for (uint64_t key = 1; key < 5; key++)
		act_table_delete(fx.s, small, &key);
	assert_int_equal(count_state(small, WIRE_SLOT_FREE), 3);
}

static void delete_1(void)
{
	uint64_t key = 1;

	outer_result = (uint64_t)act_table_delete(fx.s, small, &key);
}

static void check_deleted_or_added(void)
{
	uint64_t one = small_value(1);

	assert_int_equal(outer_result, 0);
	assert_true(one == 0 || one == 7); /* added before the delete, or after */
	assert_int_equal(count_state(small, WIRE_SLOT_BUSY), 0);
}

static void load_wide_1(void)
{
	uint64_t key = 1;

	outer_result = act_table_load(fx.s, small_wide, &key, outer_words) == 0;
}

static void store_wide_1(void)
{
	put_wide(1, 200);
}

static void replace_wide_1(void)
{
	uint64_t key = 1;

	act_table_delete(fx.s, small_wide, &key);
	for (key = 2; key < 5; key++)
		put_wide(key, key * 1000);
}

static void check_whole(void)
{
	for (int i = 1; i < 8; i++)
		assert_int_equal(outer_words[i], outer_words[0]);
	if (outer_result)
		assert_true(outer_words[0] == 100 || outer_words[0] == 200);
	else
		assert_int_equal(outer_words[0], 0);
}

static void outer_store_wide_1(void)
{
	put_wide(1, 300);
}

static void check_one_of_two(void)
{
	load_wide_1();
	assert_int_equal(failures, 0);
	assert_int_equal(outer_result, 1);
	assert_true(outer_words[7] == 200 || outer_words[7] == 300);
	for (int i = 0; i < 7; i++)
		assert_int_equal(outer_words[i], outer_words[7]);
	assert_int_equal(count_state(small_wide, WIRE_SLOT_LIVE), 1);
	assert_int_equal(count_state(small_wide, WIRE_SLOT_FREE), 2);
}

static void nesting_everywhere(void **state)
{
	static const struct step all[] = {
		{prepare_empty, add_1, add_1_again, check_both_added},
		{prepare_one, add_1, add_1_again, check_both_added},
		{prepare_one, add_1_if_room, recycle, check_others_untouched},
		{prepare_empty, add_1_if_room, recycle, check_others_untouched},
		{prepare_one, delete_1, add_1_again, check_deleted_or_added},
		{prepare_one, load_wide_1, store_wide_1, check_whole},
		{prepare_one, load_wide_1, replace_wide_1, check_whole},
		{prepare_empty, outer_store_wide_1, store_wide_1, check_one_of_two},
		{prepare_one, outer_store_wide_1, store_wide_1, check_one_of_two},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_true(step_through(&all[i]) > 50);
}

static int setup(void **state)
{
	(void)state;
	fx_open(&fx);
	small = fx_plain(&fx, 8, 8, 3);
	small_wide = fx_plain(&fx, 8, 64, 3);
	fx_start(&fx);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fx_close(&fx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef __SANITIZE_THREAD__ /* its runtime cannot be stepped through */
		cmocka_unit_test_setup_teardown(nesting_everywhere, setup, teardown),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

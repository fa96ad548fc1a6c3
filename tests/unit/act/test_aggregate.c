/* SPDX-License-Identifier: MIT */
/*
 * Aggregations: each kind, keys, limits, epochs, and a storm of signals whose handler does the
 * same on the same thread.
 */
#include <signal.h>
#include <sys/time.h>

#include "fixture.h"
#include "step.h"

static struct fx fx;

static uint64_t *scalar(uint32_t map)
{
	return (uint64_t *)((uint8_t *)fx.b + fx_at(&fx, map)->bucket_off +
			    sizeof(struct wire_entry));
}

/* What the tool does: add up all live entries of a key, duplicates too. NULL key: of all keys. */
static uint64_t total(uint32_t map, const uint64_t *key, uint32_t cell, uint32_t *entries)
{
	const struct wire_map *m = fx_at(&fx, map);
	const uint32_t *bucket = (uint32_t *)((uint8_t *)fx.b + m->bucket_off);
	uint64_t sum = 0;

	*entries = 0;
	for (uint32_t i = 0; i < m->nbuckets; i++) {
		const struct wire_entry *e;

		for (uint32_t at = bucket[i]; at != 0; at = e->next) {
			const uint64_t *words;

			e = wire_at(fx.s, at * 16ull, struct wire_entry);
			words = (const uint64_t *)(e + 1);
			if (e->epoch < m->clear_epoch || (key && words[0] != *key))
				continue;
			*entries += 1;
			sum += e->epoch < m->zero_epoch ? 0 : words[m->key_size / 8 + cell];
		}
	}
	return sum;
}

static int setup(void **state)
{
	(void)state;
	fx_open(&fx);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fx_close(&fx);
	return 0;
}

static void scalars(void **state)
{
	uint32_t count = fx_agg(&fx, WIRE_MAP_COUNT, 0, 8), sum = fx_agg(&fx, WIRE_MAP_SUM, 0, 16);
	uint32_t avg = fx_agg(&fx, WIRE_MAP_AVG, 0, 16);

	(void)state;
	fx_start(&fx);
	for (int i = 0; i < 10; i++) {
		act_aggregate(&fx.t, count, NULL, 99);
		act_aggregate(&fx.t, sum, NULL, i - 7);
		act_aggregate(&fx.t, avg, NULL, i * 2);
	}
	assert_int_equal(scalar(count)[0], 10);
	assert_int_equal((int64_t)scalar(sum)[0], 45 - 70);
	assert_int_equal(scalar(sum)[1], 10);
	assert_int_equal(scalar(avg)[0], 90);
	assert_int_equal(scalar(avg)[1], 10);
}

static void extremes(void **state)
{
	const int64_t values[] = {5, -3, 12, INT64_MIN, 0, INT64_MAX, -1};
	uint32_t map[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		map[i] = fx_map(&fx, (struct wire_map){.kind = i < 2 ? WIRE_MAP_MIN : WIRE_MAP_MAX,
						       .is_signed = i & 1,
						       .value_size = 16});
	fx_start(&fx);
	for (size_t v = 0; v < ARRAY_LEN(values); v++) {
		int64_t want[4] = {5, 5, 5, 5};

		for (int i = 0; i < 4; i++)
			act_aggregate(&fx.t, map[i], NULL, values[v]);
		for (size_t k = 0; k <= v; k++) {
			int64_t x = values[k];

			want[0] = (uint64_t)x < (uint64_t)want[0] ? x : want[0];
			want[1] = x < want[1] ? x : want[1];
			want[2] = (uint64_t)x > (uint64_t)want[2] ? x : want[2];
			want[3] = x > want[3] ? x : want[3];
		}
		for (int i = 0; i < 4; i++) {
			assert_int_equal(wire_extreme(fx_at(&fx, map[i]), scalar(map[i])[0]),
					 (uint64_t)want[i]);
			assert_int_equal(scalar(map[i])[1], v + 1);
		}
	}
}

static void histograms(void **state)
{
	uint32_t bits = 2;
	uint32_t hist = fx_map(&fx, (struct wire_map){.kind = WIRE_MAP_HIST,
						      .hist_bits = (uint8_t)bits,
						      .value_size = 8 * WIRE_HIST_BUCKETS(bits)});
	uint32_t lhist = fx_map(&fx, (struct wire_map){.kind = WIRE_MAP_LHIST,
						       .lhist_min = -10,
						       .lhist_max = 90,
						       .lhist_step = 20,
						       .value_size = 8 * 7});

	(void)state;
	fx_start(&fx);
	for (int64_t v = -40; v < 200; v++) {
		act_aggregate(&fx.t, hist, NULL, v);
		act_aggregate(&fx.t, lhist, NULL, v);
	}
	act_aggregate(&fx.t, hist, NULL, INT64_MAX);
	assert_int_equal(scalar(hist)[0], 40);
	assert_int_equal(scalar(hist)[1], 1);
	assert_int_equal(scalar(hist)[5], 1);  /* 4 */
	assert_int_equal(scalar(hist)[9], 2);  /* 8 and 9 */
	assert_int_equal(scalar(hist)[13], 4); /* 16 to 19 */
	assert_int_equal(scalar(hist)[WIRE_HIST_BUCKETS(2) - 5], 1);
	assert_int_equal(scalar(lhist)[0], 30);
	for (int i = 1; i <= 5; i++)
		assert_int_equal(scalar(lhist)[i], 20);
	assert_int_equal(scalar(lhist)[6], 110);
}

static void keys(void **state)
{
	uint32_t map = fx_agg(&fx, WIRE_MAP_SUM, 8, 16), n;

	(void)state;
	fx_start(&fx);
	for (uint64_t round = 1; round <= 3; round++) {
		for (uint64_t key = 0; key < 900; key++)
			act_aggregate(&fx.t, map, &key, (int64_t)(key * round));
	}
	for (uint64_t key = 0; key < 900; key++) {
		assert_int_equal(total(map, &key, 0, &n), key * 6);
		assert_int_equal(n, 1);
		assert_int_equal(total(map, &key, 1, &n), 3);
	}
	assert_int_equal(fx.b->errors[WIRE_RT_MAP_FULL], 0);
	assert_true(fx.b->heap >> 32 != 0);
}

static void long_keys_differ_to_the_last_word(void **state)
{
	uint32_t map = fx_agg(&fx, WIRE_MAP_COUNT, 64, 8), n;
	uint64_t key[8] = {1, 2, 3, 4, 5, 6, 7, 0};

	(void)state;
	fx_start(&fx);
	for (int i = 0; i < 100; i++) {
		key[7] = (uint64_t)i % 10;
		act_aggregate(&fx.t, map, key, 0);
	}
	assert_int_equal(total(map, NULL, 0, &n), 100);
	assert_int_equal(n, 10);
}

static void full_is_counted(void **state)
{
	uint32_t map = fx_agg(&fx, WIRE_MAP_COUNT, 8, 8), n;

	(void)state;
	fx_start(&fx);
	for (uint64_t key = 0; key < 1200; key++)
		act_aggregate(&fx.t, map, &key, 0);
	assert_int_equal(total(map, NULL, 0, &n), 1000);
	assert_int_equal(fx.b->errors[WIRE_RT_MAP_FULL], 200);
	for (uint64_t key = 0; key < 1000; key++)
		act_aggregate(&fx.t, map, &key, 0);
	assert_int_equal(total(map, NULL, 0, &n), 2000);
}

static void no_arena_is_counted(void **state)
{
	uint32_t map = fx_agg(&fx, WIRE_MAP_COUNT, 8, 8), n;

	(void)state;
	fx_start(&fx);
	fx.s->arena_committed = fx.s->arena_next;
	for (uint64_t key = 0; key < 10; key++)
		act_aggregate(&fx.t, map, &key, 0);
	assert_int_equal(total(map, NULL, 0, &n), 0);
	assert_int_equal(fx.b->errors[WIRE_RT_MAP_FULL], 10);
}

static void clear_and_zero(void **state)
{
	uint32_t map = fx_agg(&fx, WIRE_MAP_COUNT, 8, 8), one = fx_agg(&fx, WIRE_MAP_SUM, 0, 16), n;
	uint64_t heap;

	(void)state;
	fx_start(&fx);
	for (uint64_t key = 0; key < 100; key++)
		act_aggregate(&fx.t, map, &key, 0);
	act_aggregate(&fx.t, one, NULL, 5);
	fx_at(&fx, map)->zero_epoch = fx_at(&fx, one)->zero_epoch = 1;
	assert_int_equal(total(map, NULL, 0, &n), 0);
	assert_int_equal(n, 100);
	for (uint64_t key = 0; key < 50; key++)
		act_aggregate(&fx.t, map, &key, 0);
	act_aggregate(&fx.t, one, NULL, 6);
	assert_int_equal(total(map, NULL, 0, &n), 50);
	assert_int_equal(n, 100);
	assert_int_equal(scalar(one)[0], 6);
	assert_int_equal(scalar(one)[1], 1);

	heap = fx.b->heap;
	fx_at(&fx, map)->clear_epoch = fx_at(&fx, one)->clear_epoch = 2;
	assert_int_equal(total(map, NULL, 0, &n), 0);
	assert_int_equal(n, 0);
	for (uint64_t key = 0; key < 50; key++)
		act_aggregate(&fx.t, map, &key, 0);
	act_aggregate(&fx.t, one, NULL, 7);
	assert_int_equal(total(map, NULL, 0, &n), 50);
	assert_int_equal(n, 50);
	assert_int_equal(scalar(one)[0], 7);
	assert_int_equal(fx.b->heap, heap); /* the same keys find room in what the clear emptied */
}

/* Ever new keys with a clear between: neither the limit nor the heap is used up by the dead. */
static void clears_make_room(void **state)
{
	uint32_t map = fx_agg(&fx, WIRE_MAP_COUNT, 8, 8), n;
	uint64_t key = 0;

	(void)state;
	fx_start(&fx);
	for (uint32_t round = 1; round <= 100; round++) {
		for (int i = 0; i < 900; i++, key++)
			act_aggregate(&fx.t, map, &key, 0);
		assert_int_equal(total(map, NULL, 0, &n), 900);
		assert_int_equal(n, 900);
		fx_at(&fx, map)->clear_epoch = round;
	}
	assert_int_equal(fx.b->errors[WIRE_RT_MAP_FULL], 0);
	assert_true(fx.s->arena_next < 10);
}

/* What one storm does, in the thread and in the handlers that interrupt it. */
static struct {
	uint32_t count, sum, min, max, keyed, fresh;
	volatile uint64_t in_thread, in_handler;
} storm;

static void storm_step(uint64_t n)
{
	uint64_t key = n % 97, fresh = n / 64;

	act_aggregate(&fx.t, storm.count, NULL, 0);
	act_aggregate(&fx.t, storm.sum, NULL, 3);
	act_aggregate(&fx.t, storm.min, NULL, (int64_t)n);
	act_aggregate(&fx.t, storm.max, NULL, (int64_t)n);
	act_aggregate(&fx.t, storm.keyed, &key, 2);
	act_aggregate(&fx.t, storm.fresh, &fresh, 0);
}

static void on_signal(int sig)
{
	(void)sig;
	storm_step(storm.in_thread + 1);
	storm.in_handler++;
}

static void signal_storm(void **state)
{
	struct sigaction sa = {.sa_handler = on_signal}, old;
	struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
	uint64_t want, least, most;
	uint32_t n;

	(void)state;
	storm.count = fx_agg(&fx, WIRE_MAP_COUNT, 0, 8);
	storm.sum = fx_agg(&fx, WIRE_MAP_SUM, 0, 16);
	storm.min = fx_agg(&fx, WIRE_MAP_MIN, 0, 16);
	storm.max = fx_agg(&fx, WIRE_MAP_MAX, 0, 16);
	storm.keyed = fx_agg(&fx, WIRE_MAP_SUM, 8, 16);
	storm.fresh = fx_agg(&fx, WIRE_MAP_COUNT, 8, 8);
	storm.in_thread = storm.in_handler = 0;
	fx_at(&fx, storm.fresh)->max_keys = 1u << 30;
	fx_start(&fx);
	assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
	setitimer(ITIMER_REAL, &often, NULL);
	while (storm.in_handler < 5000 && storm.in_thread < 3000000) {
		storm_step(storm.in_thread + 7);
		storm.in_thread++;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);

	want = storm.in_thread + storm.in_handler;
	assert_true(storm.in_handler > 100);
	assert_int_equal(scalar(storm.count)[0], want);
	assert_int_equal(scalar(storm.sum)[0], 3 * want);
	assert_int_equal(scalar(storm.sum)[1], want);
	assert_int_equal(scalar(storm.min)[1], want);
	least = wire_extreme(fx_at(&fx, storm.min), scalar(storm.min)[0]);
	most = wire_extreme(fx_at(&fx, storm.max), scalar(storm.max)[0]);
	assert_true(least >= 1 && least <= 7);
	assert_int_equal(most, storm.in_thread + 6);
	assert_int_equal(total(storm.keyed, NULL, 0, &n), 2 * want);
	assert_int_equal(total(storm.keyed, NULL, 1, &n), want);
	assert_int_equal(total(storm.fresh, NULL, 0, &n) + fx.b->errors[WIRE_RT_MAP_FULL], want);
}

/* The same, deterministically: an update nested in an update, at every instruction. */
static struct {
	uint32_t map;
	uint64_t outer_key, nested_key;
	int64_t outer_value, nested_value;
} nest;

static void nest_prepare(void)
{
	struct wire_map *m = fx_at(&fx, nest.map);

	memset((uint8_t *)fx.b + m->bucket_off, 0, wire_map_block_bytes(m));
	memset(fx.b->errors, 0, sizeof(fx.b->errors));
	fx.b->heap = 0;
	fx.s->arena_next = 4;
	m->clear_epoch = m->zero_epoch = 0;
}

static void nest_outer(void)
{
	act_aggregate(&fx.t, nest.map, &nest.outer_key, nest.outer_value);
}

static void nest_nested(void)
{
	act_aggregate(&fx.t, nest.map, &nest.nested_key, nest.nested_value);
}

static void check_scalar_sum(void)
{
	assert_int_equal(scalar(nest.map)[0], nest.outer_value + nest.nested_value);
	assert_int_equal(scalar(nest.map)[1], 2);
}

static void check_scalar_min(void)
{
	int64_t want = nest.outer_value < nest.nested_value ? nest.outer_value : nest.nested_value;

	assert_int_equal((int64_t)wire_extreme(fx_at(&fx, nest.map), scalar(nest.map)[0]), want);
	assert_int_equal(scalar(nest.map)[1], 2);
}

static void check_keyed(void)
{
	uint32_t n, want = nest.outer_key == nest.nested_key ? 1 : 2;

	assert_int_equal(total(nest.map, &nest.outer_key, 0, &n),
			 want == 1 ? nest.outer_value + nest.nested_value : nest.outer_value);
	assert_true(n >= 1);
	assert_int_equal(total(nest.map, NULL, 0, &n), nest.outer_value + nest.nested_value);
	assert_in_range(n, want, want + 1); /* a key may be there twice */
	assert_int_equal(fx.b->errors[WIRE_RT_MAP_FULL], 0);
	assert_int_equal(((struct wire_keys *)((uint8_t *)fx.b + fx_at(&fx, nest.map)->bucket_off +
					       4 * fx_at(&fx, nest.map)->nbuckets))
					 ->nkeys &
				 WIRE_KEYS_REUSE,
			 0);
}

/* Two dead entries of other keys in the same bucket: both updates want room there. */
static void prepare_dead(void)
{
	uint64_t key = 1000;

	nest_prepare();
	act_aggregate(&fx.t, nest.map, &key, 77);
	key = 1001;
	act_aggregate(&fx.t, nest.map, &key, 78);
	fx_at(&fx, nest.map)->clear_epoch = 1;
}

/* Both keys are there and zeroed; an update that comes in the middle of the other's reset may
 * count as before it. */
static void prepare_zeroed(void)
{
	nest_prepare();
	nest_outer();
	nest_nested();
	fx_at(&fx, nest.map)->zero_epoch = 1;
}

static void check_zeroed(void)
{
	uint64_t sum;
	uint32_t n;

	sum = total(nest.map, NULL, 0, &n);
	assert_int_equal(n, nest.outer_key == nest.nested_key ? 1 : 2);
	if (nest.outer_key == nest.nested_key)
		assert_true(sum == 5 || sum == 12);
	else
		assert_int_equal(sum, 12);
}

static void nesting_everywhere(void **state)
{
	const struct step sum = {nest_prepare, nest_outer, nest_nested, check_scalar_sum};
	const struct step min = {nest_prepare, nest_outer, nest_nested, check_scalar_min};
	const struct step keyed = {nest_prepare, nest_outer, nest_nested, check_keyed};
	const struct step dead = {prepare_dead, nest_outer, nest_nested, check_keyed};
	const struct step zeroed = {prepare_zeroed, nest_outer, nest_nested, check_zeroed};
	uint32_t map_sum = fx_agg(&fx, WIRE_MAP_SUM, 0, 16), map_keyed;
	uint32_t map_min = fx_map(
		&fx, (struct wire_map){.kind = WIRE_MAP_MIN, .is_signed = 1, .value_size = 16});

	(void)state;
	map_keyed = fx_map(&fx, (struct wire_map){.kind = WIRE_MAP_SUM,
						  .key_size = 8,
						  .value_size = 16,
						  .max_keys = 100,
						  .nbuckets = 1});
	fx_start(&fx);
	nest.map = map_sum;
	nest.outer_value = 5;
	nest.nested_value = 7;
	assert_true(step_through(&sum) > 20);
	nest.map = map_min;
	for (nest.nested_value = -3; nest.nested_value <= 9; nest.nested_value += 3)
		assert_true(step_through(&min) > 20);
	nest.map = map_keyed;
	nest.nested_value = 7;
	for (nest.nested_key = 0; nest.nested_key < 2; nest.nested_key++) {
		assert_true(step_through(&keyed) > 50);
		assert_true(step_through(&dead) > 50);
		assert_true(step_through(&zeroed) > 50);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(scalars, setup, teardown),
		cmocka_unit_test_setup_teardown(extremes, setup, teardown),
		cmocka_unit_test_setup_teardown(histograms, setup, teardown),
		cmocka_unit_test_setup_teardown(keys, setup, teardown),
		cmocka_unit_test_setup_teardown(long_keys_differ_to_the_last_word, setup, teardown),
		cmocka_unit_test_setup_teardown(full_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(no_arena_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(clear_and_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(clears_make_room, setup, teardown),
		cmocka_unit_test_setup_teardown(signal_storm, setup, teardown),
		cmocka_unit_test_setup_teardown(nesting_everywhere, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

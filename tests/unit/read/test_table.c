/* SPDX-License-Identifier: MIT */
/* Rows by key: growing, removing, copying. */
#include "fixture.h"
#include "read/table.h"

static void scalar_table_has_one_row(void **state)
{
	struct table t;

	(void)state;
	table_init(&t, 0, 2);
	assert_null(table_find(&t, NULL));
	table_get(&t, NULL)[1] = 7;
	assert_int_equal(table_get(&t, NULL)[1], 7);
	assert_int_equal(t.nrows, 1);
	table_free(&t);
}

static void rows_survive_growth(void **state)
{
	struct table t, copy;

	(void)state;
	table_init(&t, 16, 1);
	for (uint64_t i = 0; i < 5000; i++) {
		uint64_t key[2] = {i % 50, i / 50};

		table_get(&t, key)[0] += i;
	}
	assert_int_equal(t.nrows, 5000);
	assert_int_equal(table_copy(&copy, &t), 0);
	table_empty(&t);
	assert_int_equal(t.nrows, 0);
	for (uint64_t i = 0; i < 5000; i++) {
		uint64_t key[2] = {i % 50, i / 50};

		assert_null(table_find(&t, key));
		assert_int_equal(*table_find(&copy, key), i);
	}
	table_free(&t);
	table_free(&copy);
}

/* Removing must keep every other key reachable, whatever the probe sequences look like. */
static void removal_closes_gaps(void **state)
{
	bool there[300] = {false};
	uint64_t rand = 1;
	struct table t;

	(void)state;
	table_init(&t, 8, 1);
	for (int step = 0; step < 20000; step++) {
		uint64_t key;

		rand = rand * 6364136223846793005ull + 1442695040888963407ull;
		key = (rand >> 33) % ARRAY_LEN(there);
		if (rand >> 62) {
			*table_get(&t, &key) = key;
			there[key] = true;
		} else {
			table_remove(&t, &key);
			there[key] = false;
		}
		if (step % 100)
			continue;
		for (uint64_t k = 0; k < ARRAY_LEN(there); k++) {
			uint64_t *v = table_find(&t, &k);

			assert_int_equal(v != NULL, there[k]);
			assert_true(!v || *v == k);
		}
	}
	table_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalar_table_has_one_row),
		cmocka_unit_test(rows_survive_growth),
		cmocka_unit_test(removal_closes_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

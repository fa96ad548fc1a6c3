/* SPDX-License-Identifier: MIT */
/* Opening sessions, totals. */
#include "base/err.h"
#include "fixture.h"

static void bad_sessions_are_refused(void **state)
{
	struct wire_map *m;
	struct fix f;

	(void)state;
	fix_make(&f, 4, 0);
	m = fix_map(&f, WIRE_MAP_COUNT, 8);
	f.s->magic++;
	assert_int_equal(read_open(f.s, NULL, &f.r), SONDE_E_BAD_SESSION);
	f.s->magic--;
	m->bucket_off = f.s->block_size - 8;
	assert_int_equal(read_open(f.s, NULL, &f.r), SONDE_E_BAD_SESSION);
	free(f.s);
	read_close(NULL);
}

static void totals_add_up(void **state)
{
	struct wire_block *a, *b;
	struct read_totals t;
	struct fix f;

	(void)state;
	fix_make(&f, 4, 0);
	fix_open(&f);
	a = fix_block(&f, 1, 1, 0);
	b = fix_block(&f, 1, 2, 0);
	a->hits = 10;
	b->hits = 20;
	a->missed = 1;
	b->ring.lost = 5;
	b->errors[WIRE_RT_DIV_ZERO] = 2;
	f.s->unrecorded = 9;
	fix_proc(&f, 1, UINT32_MAX);
	read_totals(f.r, &t);
	assert_int_equal(t.hits, 30);
	assert_int_equal(t.missed, 1);
	assert_int_equal(t.lost, 5);
	assert_int_equal(t.errors[WIRE_RT_DIV_ZERO], 2);
	assert_int_equal(t.unrecorded, 9);
	assert_int_equal(t.procs, 1);
	assert_int_equal(t.blocks, 2);
	assert_int_equal(t.damaged, 0);
	f.s->proc_next = 1u << 30;
	read_totals(f.r, &t);
	assert_int_equal(t.procs, FIX_PROCS);
	fix_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_sessions_are_refused),
		cmocka_unit_test(totals_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

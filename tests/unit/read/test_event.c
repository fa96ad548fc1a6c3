/* SPDX-License-Identifier: MIT */
/* Events of several threads in time order. */
#include <time.h>

#include "fixture.h"
#include "ring/ring.h"

struct seen {
	struct read_event e[64];
	uint64_t word[64];
	size_t n, stop_at;
};

static bool note(void *arg, const struct read_event *e)
{
	struct seen *s = arg;

	assert_in_range(s->n, 0, ARRAY_LEN(s->e) - 1);
	s->e[s->n] = *e;
	if (e->length >= 8)
		memcpy(&s->word[s->n], e->payload, 8);
	s->n++;
	return s->n != s->stop_at;
}

static void emit(struct fix *f, struct wire_block *b, uint16_t id, uint64_t time, uint64_t word)
{
	struct wire_event *e = ring_reserve(f->s, b, 8);

	assert_non_null(e);
	e->id = id;
	e->flags = 0;
	e->time = time;
	e->tid = (uint32_t)b->tid;
	e->pid = (uint32_t)b->pid;
	e->proc = b->proc;
	memcpy(e + 1, &word, 8);
	ring_commit(e, 8);
}

static uint64_t later(uint64_t ns)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec + ns;
}

static void threads_are_merged_by_time(void **state)
{
	struct wire_block *b[3];
	struct seen s = {0};
	struct fix f;

	(void)state;
	fix_make(&f, 8, 4096);
	fix_open(&f);
	for (int i = 0; i < 3; i++)
		b[i] = fix_block(&f, 10, i + 1, 0);
	emit(&f, b[0], 0, 10, 1);
	emit(&f, b[0], 1, 40, 4);
	emit(&f, b[1], 0, 20, 2);
	emit(&f, b[1], 0, 50, 5);
	emit(&f, b[2], 0, 30, 3);
	assert_int_equal(read_events(f.r, note, &s, false), 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(s.word[i], i + 1);
	assert_int_equal(s.e[3].id, 1);
	assert_int_equal(s.e[1].tid, 2);
	assert_int_equal(s.e[1].pid, 10);
	assert_int_equal(s.e[1].length, 8);
	assert_int_equal(read_events(f.r, note, &s, true), 0);
	fix_free(&f);
}

static void newer_ones_wait_for_the_next_round(void **state)
{
	struct wire_block *a, *b;
	struct seen s = {0};
	struct fix f;

	(void)state;
	fix_make(&f, 8, 4096);
	fix_open(&f);
	a = fix_block(&f, 10, 1, 0);
	b = fix_block(&f, 10, 2, 0);
	emit(&f, a, 0, later(5000000000ull), 2);
	emit(&f, b, 0, 1, 1);
	assert_int_equal(read_events(f.r, note, &s, false), 1);
	assert_int_equal(s.word[0], 1);
	assert_int_equal(read_events(f.r, note, &s, true), 1);
	assert_int_equal(s.word[1], 2);
	/* an absurd time must not block the ring for ever */
	emit(&f, a, 0, UINT64_MAX / 2, 3);
	assert_int_equal(read_events(f.r, note, &s, false), 1);
	fix_free(&f);
}

static void the_callback_can_stop(void **state)
{
	struct seen s = {.stop_at = 2};
	struct wire_block *a;
	struct fix f;

	(void)state;
	fix_make(&f, 8, 4096);
	fix_open(&f);
	a = fix_block(&f, 10, 1, 0);
	for (uint64_t i = 0; i < 4; i++)
		emit(&f, a, 0, i + 1, i);
	assert_int_equal(read_events(f.r, note, &s, false), 2);
	assert_int_equal(read_events(f.r, note, &s, false), 2);
	assert_int_equal(s.word[3], 3);
	fix_free(&f);
}

struct meddler {
	struct fix *f;
	struct seen seen;
};

/* Reads maps and brings new blocks while events are being delivered. */
static bool meddle(void *arg, const struct read_event *e)
{
	struct meddler *m = arg;

	for (int i = 0; i < 40; i++)
		fix_block(m->f, 10, 100 + i, 0);
	fix_nrows(m->f, 0);
	return note(&m->seen, e);
}

static void callbacks_may_read_maps(void **state)
{
	struct wire_block *b[3];
	struct meddler m = {0};
	struct fix f;

	(void)state;
	fix_make(&f, 600, 4096);
	fix_map(&f, WIRE_MAP_COUNT, 0);
	fix_open(&f);
	m.f = &f;
	for (int i = 0; i < 3; i++)
		b[i] = fix_block(&f, 10, i + 1, 0);
	for (uint64_t i = 0; i < 9; i++)
		emit(&f, b[i % 3], 0, i + 1, i);
	assert_int_equal(read_events(f.r, meddle, &m, false), 9);
	for (uint64_t i = 0; i < 9; i++)
		assert_int_equal(m.seen.word[i], i);
	fix_free(&f);
}

static void unfinished_records_wait(void **state)
{
	struct wire_event *e;
	struct seen s = {0};
	struct wire_block *a;
	struct fix f;

	(void)state;
	fix_make(&f, 8, 4096);
	fix_open(&f);
	a = fix_block(&f, 10, 1, 0);
	emit(&f, a, 0, 1, 1);
	e = ring_reserve(f.s, a, 8);
	emit(&f, a, 0, 3, 3);
	assert_int_equal(read_events(f.r, note, &s, true), 1);
	e->time = 2;
	ring_commit(e, 8);
	assert_int_equal(read_events(f.r, note, &s, true), 2);
	fix_free(&f);
}

static void rings_go_round(void **state)
{
	struct wire_block *a;
	struct fix f;

	(void)state;
	fix_make(&f, 8, 1024);
	fix_open(&f);
	a = fix_block(&f, 10, 1, 0);
	for (uint64_t i = 0; i < 500; i++) {
		struct seen s = {0};

		emit(&f, a, 0, i, i);
		emit(&f, a, 0, i, i + 1);
		assert_int_equal(read_events(f.r, note, &s, false), 2);
		assert_int_equal(s.word[1], i + 1);
	}
	fix_free(&f);
}

static void unknown_ids_and_moved_rings_are_left_out(void **state)
{
	struct script_event ev[2] = {0};
	struct script script = {.event = ev, .nevents = 2};
	struct wire_block *a, *b;
	struct read_totals t;
	struct seen s = {0};
	struct fix f;

	(void)state;
	fix_make(&f, 8, 4096);
	assert_int_equal(read_open(f.s, &script, &f.r), 0);
	a = fix_block(&f, 10, 1, 0);
	b = fix_block(&f, 10, 2, 0);
	emit(&f, a, 2, 1, 1);
	emit(&f, a, 1, 2, 2);
	emit(&f, b, 1, 3, 3);
	b->ring.data_off -= 64;
	assert_int_equal(read_events(f.r, note, &s, true), 1);
	assert_int_equal(s.word[0], 2);
	read_totals(f.r, &t);
	assert_int_equal(t.damaged, 2);
	fix_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_are_merged_by_time),
		cmocka_unit_test(newer_ones_wait_for_the_next_round),
		cmocka_unit_test(the_callback_can_stop),
		cmocka_unit_test(callbacks_may_read_maps),
		cmocka_unit_test(unfinished_records_wait),
		cmocka_unit_test(rings_go_round),
		cmocka_unit_test(unknown_ids_and_moved_rings_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

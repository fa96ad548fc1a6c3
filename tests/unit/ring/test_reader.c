/* SPDX-License-Identifier: MIT */
/*
 * Reading: order, unfinished records, damage, and a writer in another thread.
 */
#include <pthread.h>
#include <sched.h>

#include "../act/fixture.h"
#include "ring/ring.h"

#define HEAD ((uint32_t)sizeof(struct wire_event))

static struct fx fx;

static int setup(void **state)
{
	(void)state;
	fx_open(&fx);
	fx_start(&fx);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fx_close(&fx);
	return 0;
}

static struct wire_event *begin(uint16_t id, uint32_t payload)
{
	struct wire_event *e = ring_reserve(fx.s, fx.b, payload);

	if (e)
		e->id = id;
	return e;
}

static void in_order(void **state)
{
	struct wire_event *first = begin(1, 8), *second = begin(2, 8);
	const struct wire_event *e;

	(void)state;
	assert_null(ring_peek(fx.s, fx.b));
	ring_commit(second, 8);
	assert_null(ring_peek(fx.s, fx.b)); /* the first is not finished */
	ring_commit(first, 8);
	e = ring_peek(fx.s, fx.b);
	assert_int_equal(e->id, 1);
	assert_ptr_equal(ring_peek(fx.s, fx.b), e); /* looking takes nothing */
	ring_pop(fx.b, e);
	e = ring_peek(fx.s, fx.b);
	assert_int_equal(e->id, 2);
	ring_pop(fx.b, e);
	assert_null(ring_peek(fx.s, fx.b));
	assert_int_equal(fx.b->ring.tail, fx.b->ring.head);
}

/* Payload full of ones under what will be size words in the next lap. */
static void stale_bytes_are_no_sizes(void **state)
{
	const struct wire_event *e;

	(void)state;
	for (uint32_t lap = 0; lap < 2000; lap++) {
		uint32_t payload = lap * 8 % 200;
		struct wire_event *w = begin(3, payload);

		assert_non_null(w);
		assert_int_equal(w->size, 0);
		assert_null(ring_peek(fx.s, fx.b));
		memset(w + 1, 0xff, payload);
		ring_commit(w, payload);
		e = ring_peek(fx.s, fx.b);
		assert_ptr_equal(e, w);
		ring_pop(fx.b, e);
	}
}

static void expect_skipped(void)
{
	uint64_t head = fx.b->ring.head;

	assert_null(ring_peek(fx.s, fx.b));
	assert_int_equal(fx.b->ring.tail, head & ~7ull);
}

static void damaged_sizes(void **state)
{
	static const uint32_t bad[] = {4,	12,	     24,	HEAD + 4, HEAD + 8 + 8,
				       FX_RING, FX_RING * 2, 0xfffffff8};
	struct wire_event *e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e = begin(1, 8);
		e->size = bad[i];
		expect_skipped();
		e = begin(1, 8); /* the ring goes on working */
		ring_commit(e, 8);
		assert_ptr_equal(ring_peek(fx.s, fx.b), e);
		ring_pop(fx.b, e);
	}
	e = begin(1, 8);
	ring_commit(e, 8);
	e->size = 12; /* between look and take */
	ring_pop(fx.b, e);
	expect_skipped();
}

static void damaged_positions(void **state)
{
	struct wire_ring *r = &fx.b->ring, saved;

	(void)state;
	ring_commit(begin(1, 8), 8);
	saved = *r;
	r->head = r->tail + FX_RING + 8;
	assert_null(ring_peek(fx.s, fx.b));
	assert_int_equal(r->tail, r->head);
	r->head = 3;
	assert_null(ring_peek(fx.s, fx.b));
	*r = saved;
	r->size = FX_RING * 2;
	assert_null(ring_peek(fx.s, fx.b));
	r->size = 0;
	assert_null(ring_peek(fx.s, fx.b));
	r->size = FX_RING;
	r->data_off = FX_SIZE - FX_RING + 8;
	assert_null(ring_peek(fx.s, fx.b));
	r->data_off = UINT64_MAX - 7;
	assert_null(ring_peek(fx.s, fx.b));
	r->data_off = saved.data_off + 4;
	assert_null(ring_peek(fx.s, fx.b));
}

#define EVENTS 50000

static uint64_t written;

static void *writer(void *arg)
{
	uint64_t n = 0;

	(void)arg;
	while (n < EVENTS) {
		uint32_t words = (uint32_t)(n % 7) + 1;
		struct wire_event *e = begin((uint16_t)words, words * 8);

		if (!e) {
			sched_yield();
			continue;
		}
		for (uint32_t i = 0; i < words; i++)
			((uint64_t *)(e + 1))[i] = n;
		ring_commit(e, words * 8);
		n++;
	}
	store_release(&written, n);
	return NULL;
}

static void beside_a_writer(void **state)
{
	pthread_t thread;
	uint64_t n = 0;

	(void)state;
	written = 0;
	assert_int_equal(pthread_create(&thread, NULL, writer, NULL), 0);
	while (n < EVENTS) {
		const struct wire_event *e = ring_peek(fx.s, fx.b);
		const uint64_t *word = (const uint64_t *)(e + 1);

		if (!e) {
			sched_yield();
			continue;
		}
		assert_int_equal(e->size, HEAD + 8 * (n % 7 + 1));
		for (uint32_t i = 0; i < e->id; i++)
			assert_int_equal(word[i], n);
		ring_pop(fx.b, e);
		n++;
	}
	pthread_join(thread, NULL);
	assert_null(ring_peek(fx.s, fx.b));
	assert_int_equal(written, EVENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(stale_bytes_are_no_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_positions, setup, teardown),
		cmocka_unit_test_setup_teardown(beside_a_writer, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

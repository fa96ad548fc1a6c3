/* SPDX-License-Identifier: MIT */
/*
 * Writing: room to the byte, padding at the end, loss when full, and handlers that emit in the
 * middle of the thread's own records.
 */
#include <signal.h>
#include <sys/time.h>

#include "../act/fixture.h"
#include "../act/step.h"
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

static struct wire_event *write_one(uint32_t payload, uint16_t id)
{
	struct wire_event *e = ring_reserve(fx.s, fx.b, payload);

	if (e) {
		assert_int_equal(e->size, 0);
		e->id = id;
		memset(e + 1, (int)id & 0xff, payload);
		ring_commit(e, payload);
	}
	return e;
}

static void sizes(void **state)
{
	(void)state;
	assert_int_equal(write_one(0, 1)->size, HEAD);
	assert_int_equal(write_one(1, 1)->size, HEAD + 8);
	assert_int_equal(write_one(8, 1)->size, HEAD + 8);
	assert_int_equal(write_one(9, 1)->size, HEAD + 16);
	assert_int_equal(fx.b->ring.head, 4 * HEAD + 32);
}

static void exactly_full(void **state)
{
	(void)state;
	assert_non_null(write_one(FX_RING - HEAD, 1));
	assert_null(write_one(0, 1));
	assert_int_equal(fx.b->ring.lost, 1);
	fx.b->ring.tail = fx.b->ring.head;
	memset(wire_at(fx.s, fx.b->ring.data_off, uint8_t), 0, FX_RING);
	assert_null(write_one(FX_RING - HEAD + 1, 1));
	assert_null(write_one(FX_RING, 1));
	assert_null(write_one(UINT32_MAX, 1));
	assert_int_equal(fx.b->ring.lost, 4);
	assert_int_equal(fx.b->ring.head, FX_RING);
}

static void padding(void **state)
{
	struct wire_event *pad =
		wire_at(fx.s, fx.b->ring.data_off + FX_RING - 8, struct wire_event);

	(void)state;
	write_one(FX_RING - HEAD - 8, 1);
	assert_null(write_one(0, 2)); /* 8 bytes are left at the end, none at the start */
	fx.b->ring.tail = FX_RING - 8;
	memset(wire_at(fx.s, fx.b->ring.data_off, uint8_t), 0, FX_RING - 8);
	assert_ptr_equal(write_one(0, 2), wire_at(fx.s, fx.b->ring.data_off, void));
	assert_int_equal(pad->id, WIRE_EVENT_PAD);
	assert_int_equal(pad->size, 8);
	assert_int_equal(fx.b->ring.head, FX_RING + HEAD);
}

static void no_ring(void **state)
{
	(void)state;
	fx.b->ring.size = 0;
	assert_null(write_one(0, 1));
	assert_int_equal(fx.b->ring.lost, 0);
}

static volatile uint32_t by_thread, by_handler;

static void on_signal(int sig)
{
	(void)sig;
	if (write_one(by_handler % 40, 2))
		by_handler++;
}

static void signal_storm(void **state)
{
	struct sigaction sa = {.sa_handler = on_signal}, old;
	struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
	uint32_t seen[3] = {0};
	sigset_t alarm;

	(void)state;
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	by_thread = by_handler = 0;
	assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 20000; i++) {
		const struct wire_event *e;

		for (int k = 0; k < 20; k++) {
			if (write_one((uint32_t)(i + k) % 60, 1))
				by_thread++;
		}
		/* The reader runs on this thread, so no record is unfinished here. */
		sigprocmask(SIG_BLOCK, &alarm, NULL);
		while ((e = ring_peek(fx.s, fx.b))) {
			const uint8_t *payload = (const uint8_t *)(e + 1);

			assert_true(e->id == 1 || e->id == 2);
			if (e->size > HEAD)
				assert_int_equal(payload[0], e->id);
			seen[e->id]++;
			ring_pop(fx.b, e);
		}
		assert_int_equal(fx.b->ring.head, fx.b->ring.tail);
		sigprocmask(SIG_UNBLOCK, &alarm, NULL);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);
	for (const struct wire_event *e; (e = ring_peek(fx.s, fx.b)); ring_pop(fx.b, e))
		seen[e->id]++;
	assert_true(by_handler > 50);
	assert_int_equal(seen[1], by_thread);
	assert_int_equal(seen[2], by_handler);
}

/* A record nested in a record at every instruction, at a place where the ring wraps. */
static uint64_t nest_start;

static void nest_prepare(void)
{
	memset(wire_at(fx.s, fx.b->ring.data_off, uint8_t), 0, FX_RING);
	fx.b->ring.head = fx.b->ring.tail = nest_start;
	fx.b->ring.lost = 0;
}

static void nest_outer(void)
{
	struct wire_event *e = ring_reserve(fx.s, fx.b, 8);

	e->id = 1;
	ring_commit(e, 8);
}

static void nest_nested(void)
{
	struct wire_event *e = ring_reserve(fx.s, fx.b, 16);

	e->id = 2;
	ring_commit(e, 16);
}

static void nest_check(void)
{
	uint32_t seen[3] = {0};

	for (const struct wire_event *e; (e = ring_peek(fx.s, fx.b)); ring_pop(fx.b, e)) {
		assert_int_equal(e->size, HEAD + 8 * e->id);
		seen[e->id]++;
	}
	assert_int_equal(seen[1], 1);
	assert_int_equal(seen[2], 1);
	assert_int_equal(fx.b->ring.lost, 0);
	assert_int_equal(fx.b->ring.tail, fx.b->ring.head);
}

static void nesting_everywhere(void **state)
{
	const struct step s = {nest_prepare, nest_outer, nest_nested, nest_check};

	(void)state;
	for (nest_start = FX_RING - 2 * HEAD - 40; nest_start <= FX_RING; nest_start += 8)
		assert_true(step_through(&s) > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(exactly_full, setup, teardown),
		cmocka_unit_test_setup_teardown(padding, setup, teardown),
		cmocka_unit_test_setup_teardown(no_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(signal_storm, setup, teardown),
		cmocka_unit_test_setup_teardown(nesting_everywhere, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

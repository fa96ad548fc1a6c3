/* SPDX-License-Identifier: MIT */
/*
 * Each helper by its result and by what it leaves in buffers, maps and the ring.
 */
#include "act/helper.h"
#include "fixture.h"
#include "ring/ring.h"

static struct fx fx;
static struct wire_ctx ctx;
static uint32_t scalar, keyed, wide, count;

#define U(p) ((uint64_t)(uintptr_t)(p))

static uint64_t call(uint32_t id, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t arg[5] = {a, b, c, 0, 0};

	return act_helper(&fx.t, &ctx, id, arg);
}

static int setup(void **state)
{
	(void)state;
	fx_open(&fx);
	scalar = fx_plain(&fx, 0, 8, 1);
	keyed = fx_plain(&fx, 8, 8, 4);
	wide = fx_plain(&fx, 8, 24, 16);
	count = fx_agg(&fx, WIRE_MAP_COUNT, 0, 8);
	fx_start(&fx);
	memset(&ctx, 0, sizeof(ctx));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fx_close(&fx);
	return 0;
}

static void identity(void **state)
{
	uint64_t first;

	(void)state;
	assert_int_equal(call(WIRE_H_PID, 0, 0, 0), 1234);
	assert_int_equal(call(WIRE_H_TID, 0, 0, 0), 1235);
	assert_int_equal(call(WIRE_H_UID, 0, 0, 0), 1000);
	assert_int_equal(call(WIRE_H_GID, 0, 0, 0), 1001);
	assert_int_equal(call(WIRE_H_CPU, 0, 0, 0), 3);
	assert_int_equal(call(WIRE_H_PROC, 0, 0, 0), 5);
	first = call(WIRE_H_NSECS, 0, 0, 0);
	assert_int_equal(call(WIRE_H_NSECS, 0, 0, 0), first + 1000);
	assert_int_equal(call(WIRE_H_ELAPSED, 0, 0, 0), first + 2000 - fx.s->start_ns);
	fx.t.pid = -1;
	assert_int_equal(call(WIRE_H_PID, 0, 0, 0), UINT32_MAX);
}

static void random_numbers(void **state)
{
	uint64_t all = 0, none = UINT64_MAX, last = 0;

	(void)state;
	fx.t.rand = 0;
	for (int i = 0; i < 1000; i++) {
		uint64_t x = call(WIRE_H_RAND, 0, 0, 0);

		assert_true(x <= UINT32_MAX && x != last);
		all |= x;
		none &= x;
		last = x;
	}
	assert_int_equal(all, UINT32_MAX);
	assert_int_equal(none, 0);
}

static void maps(void **state)
{
	uint64_t key = 1, in[3] = {7, 8, 9}, out[3];

	(void)state;
	call(WIRE_H_AGG, count, 0, 0);
	assert_int_equal(*(uint64_t *)((uint8_t *)fx.b + fx_at(&fx, count)->bucket_off + 8), 1);
	assert_int_equal(call(WIRE_H_LOAD, scalar, 0, 0), 0);
	assert_int_equal(call(WIRE_H_STORE, scalar, 0, 41), 0);
	assert_int_equal(call(WIRE_H_ADD, scalar, 0, 1), 41);
	assert_int_equal(call(WIRE_H_LOAD, scalar, 0, 0), 42);
	assert_int_equal(call(WIRE_H_DELETE, scalar, 0, 0), 1);
	assert_int_equal(call(WIRE_H_DELETE, scalar, 0, 0), 0);

	assert_int_equal(call(WIRE_H_HAS_KEY, wide, U(&key), 0), 0);
	assert_int_equal(call(WIRE_H_STORE_BUF, wide, U(&key), U(in)), 0);
	assert_int_equal(call(WIRE_H_HAS_KEY, wide, U(&key), 0), 1);
	call(WIRE_H_LOAD_BUF, wide, U(&key), U(out));
	assert_memory_equal(in, out, sizeof(in));
	key = 2;
	call(WIRE_H_LOAD_BUF, wide, U(&key), U(out));
	assert_int_equal(out[0] | out[1] | out[2], 0);
}

static void full_maps_are_counted(void **state)
{
	(void)state;
	for (uint64_t key = 0; key < 6; key++) {
		call(WIRE_H_STORE, keyed, U(&key), 1);
		call(WIRE_H_ADD, keyed, U(&key), 1);
	}
	assert_int_equal(fx.b->errors[WIRE_RT_MAP_FULL], 4);
	call(WIRE_H_ERROR, WIRE_RT_DIV_ZERO, 0, 0);
	call(WIRE_H_ERROR, WIRE_RT_COUNT, 0, 0);
	call(WIRE_H_ERROR, UINT64_MAX, 0, 0);
	assert_int_equal(fx.b->errors[WIRE_RT_DIV_ZERO], 1);
	assert_int_equal(fx.b->errors[WIRE_RT_BAD_ADDR], 0);
}

static void strings(void **state)
{
	char dst[16];

	(void)state;
	memset(dst, 'x', sizeof(dst));
	assert_int_equal(call(WIRE_H_STR, U(dst), 8, U("abc")), 3);
	assert_memory_equal(dst, "abc\0\0\0\0\0xxxxxxxx", 16);
	assert_int_equal(call(WIRE_H_STR, U(dst), 8, U("")), 0);
	assert_memory_equal(dst, "\0\0\0\0\0\0\0\0xxxxxxxx", 16);
	assert_int_equal(call(WIRE_H_STR, U(dst), 8, U("1234567")), 7);
	assert_memory_equal(dst, "1234567\0xxxxxxxx", 16);
	assert_int_equal(call(WIRE_H_STR, U(dst), 8, U("12345678")), 7);
	assert_memory_equal(dst, "12345..\0xxxxxxxx", 16);
	assert_int_equal(call(WIRE_H_STR, U(dst), 8, U("a long string")), 7);
	assert_memory_equal(dst, "a lon..\0xxxxxxxx", 16);
	assert_int_equal(call(WIRE_H_STR, U(dst), 1, U("abc")), 0);
	assert_int_equal(dst[0], '\0');
	assert_int_equal(call(WIRE_H_STR, U(dst), 2, U("abc")), 1);
	assert_string_equal(dst, "a");
	assert_int_equal(fx.b->errors[WIRE_RT_BAD_ADDR], 0);
}

/* Strings that end just before unreadable memory, or run into it. */
static void strings_at_the_edge(void **state)
{
	char *page =
		mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char dst[64];

	(void)state;
	assert_true(page != MAP_FAILED);
	assert_int_equal(mprotect(page + 8192, 4096, PROT_NONE), 0);
	strcpy(page + 8192 - 6, "hello");
	assert_int_equal(call(WIRE_H_STR, U(dst), 64, U(page + 8192 - 6)), 5);
	assert_string_equal(dst, "hello");
	strcpy(page + 4096 - 3, "across");
	assert_int_equal(call(WIRE_H_STR, U(dst), 64, U(page + 4096 - 3)), 6);
	assert_string_equal(dst, "across");
	assert_int_equal(fx.b->errors[WIRE_RT_BAD_ADDR], 0);

	page[8191] = '!';
	memset(dst, 'x', sizeof(dst));
	assert_int_equal(call(WIRE_H_STR, U(dst), 64, U(page + 8192 - 6)), 0);
	for (int i = 0; i < 64; i++)
		assert_int_equal(dst[i], '\0');
	assert_int_equal(fx.b->errors[WIRE_RT_BAD_ADDR], 1);
	assert_int_equal(call(WIRE_H_STR, U(dst), 6, U(page + 8192 - 6)), 5);
	assert_string_equal(dst, "hel..");
	assert_int_equal(fx.b->errors[WIRE_RT_BAD_ADDR], 1);
	assert_int_equal(call(WIRE_H_STR, U(dst), 64, 0), 0);
	assert_int_equal(call(WIRE_H_STR, U(dst), 64, UINT64_MAX - 10), 0);
	assert_int_equal(fx.b->errors[WIRE_RT_BAD_ADDR], 3);
	munmap(page, 3 * 4096);
}

static void names(void **state)
{
	char dst[8];

	(void)state;
	memset(dst, 'x', sizeof(dst));
	assert_int_equal(call(WIRE_H_NAME, U(dst), 8, 4), 0);
	assert_memory_equal(dst, "probe\0\0\0", 8);
	call(WIRE_H_NAME, U(dst), 4, 4);
	assert_memory_equal(dst, "pro\0e\0\0\0", 8);
	memset(dst, 'x', sizeof(dst));
	call(WIRE_H_NAME, U(dst), 8, 16);
	assert_memory_equal(dst, "\0\0\0\0\0\0\0\0", 8);
	memset(dst, 'x', sizeof(dst));
	call(WIRE_H_NAME, U(dst), 8, 1ull << 40);
	assert_memory_equal(dst, "\0\0\0\0\0\0\0\0", 8);
}

static void comparing(void **state)
{
	(void)state;
	assert_int_equal(call(WIRE_H_STRNCMP, U("abc"), U("abc"), 4), 0);
	assert_int_equal(call(WIRE_H_STRNCMP, U("abc"), U("abd"), 4), 1);
	assert_int_equal(call(WIRE_H_STRNCMP, U("abc"), U("abd"), 2), 0);
	assert_int_equal(call(WIRE_H_STRNCMP, U("ab\0x"), U("ab\0y"), 4), 0);
	assert_int_equal(call(WIRE_H_STRNCMP, U("ab"), U("abc"), 3), 1);
}

static void comm(void **state)
{
	char dst[24];

	(void)state;
	memset(dst, 'x', sizeof(dst));
	call(WIRE_H_COMM, U(dst), 20, 0);
	assert_string_equal(dst, "victim");
	assert_int_equal(dst[19], '\0');
	assert_int_equal(dst[20], 'x');
}

static void stack_arguments(void **state)
{
	uint64_t *page =
		mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true((void *)page != MAP_FAILED);
	assert_int_equal(mprotect(page + 512, 4096, PROT_NONE), 0);
	for (uint64_t i = 0; i < 512; i++)
		page[i] = 1000 + i;
	ctx.reg[2] = 33;
	ctx.reg[WIRE_REG_SP] = U(page + 500);
	assert_int_equal(call(WIRE_H_STACK_ARG, 2, 0, 0), 33);
	assert_int_equal(call(WIRE_H_STACK_ARG, 6, 0, 0), 1501);
	assert_int_equal(call(WIRE_H_STACK_ARG, 16, 0, 0), 1511);
	assert_int_equal(fx.b->errors[WIRE_RT_BAD_ADDR], 0);
	assert_int_equal(call(WIRE_H_STACK_ARG, 17, 0, 0), 0);
	assert_int_equal(call(WIRE_H_STACK_ARG, 1ull << 61, 0, 0), 1495);
	ctx.reg[WIRE_REG_SP] = U(page + 511) - 4; /* the word crosses into the next page */
	assert_int_equal(call(WIRE_H_STACK_ARG, 6, 0, 0), 0);
	assert_int_equal(fx.b->errors[WIRE_RT_BAD_ADDR], 2);
	munmap(page, 2 * 4096);
}

static void emitting(void **state)
{
	uint64_t payload[2] = {0x1111, 0x2222};
	const struct wire_event *e;
	uint32_t lost = 0;

	(void)state;
	assert_int_equal(call(WIRE_H_EMIT, 9, U(payload), 16), 0);
	call(WIRE_H_EMIT, 10, 0, 0);
	e = ring_peek(fx.s, fx.b);
	assert_non_null(e);
	assert_int_equal(e->id, 9);
	assert_int_equal(e->size, sizeof(*e) + 16);
	assert_int_equal(e->pid, 1234);
	assert_int_equal(e->tid, 1235);
	assert_int_equal(e->proc, 5);
	assert_true(e->time > fx.s->start_ns);
	assert_memory_equal(e + 1, payload, 16);
	ring_pop(fx.b, e);
	e = ring_peek(fx.s, fx.b);
	assert_int_equal(e->id, 10);
	assert_int_equal(e->size, sizeof(*e));
	ring_pop(fx.b, e);
	assert_null(ring_peek(fx.s, fx.b));

	for (int i = 0; i < 1000; i++)
		call(WIRE_H_EMIT, 1, U(payload), 8);
	while ((e = ring_peek(fx.s, fx.b))) {
		ring_pop(fx.b, e);
		lost++;
	}
	assert_int_equal(lost + fx.b->ring.lost, 1000);
	assert_true(fx.b->ring.lost > 800);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(identity, setup, teardown),
		cmocka_unit_test_setup_teardown(random_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(maps, setup, teardown),
		cmocka_unit_test_setup_teardown(full_maps_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(strings, setup, teardown),
		cmocka_unit_test_setup_teardown(strings_at_the_edge, setup, teardown),
		cmocka_unit_test_setup_teardown(names, setup, teardown),
		cmocka_unit_test_setup_teardown(comparing, setup, teardown),
		cmocka_unit_test_setup_teardown(comm, setup, teardown),
		cmocka_unit_test_setup_teardown(stack_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(emitting, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

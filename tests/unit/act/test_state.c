/* SPDX-License-Identifier: MIT */
/*
 * The verifier's knowledge: bounds to the byte, merging keeps only what both sides know.
 */
#include "act/state.h"
#include "fixture.h"

#define SCRATCH 100

static struct act_state a, b;

static void starts_with_context_and_stack(void **state)
{
	(void)state;
	memset(&a, 0xff, sizeof(a));
	act_state_start(&a);
	for (int i = 0; i < ACT_NREGS; i++)
		assert_int_equal(a.r[i].kind, i == 1 ? ACT_CTX : i == 10 ? ACT_STACK : ACT_NONE);
	assert_string_equal(act_state_read(&a, &a.r[10], -1, 1, 0), "stack read before written");
}

static void bounds(void **state)
{
	const struct act_reg stack = {.kind = ACT_STACK}, ctx = {.kind = ACT_CTX},
			     scratch = {.kind = ACT_SCRATCH, .value = 4};

	(void)state;
	act_state_start(&a);
	assert_null(act_state_write(&a, &stack, -512, 512, 0));
	assert_null(act_state_read(&a, &stack, -512, 512, 0));
	assert_non_null(act_state_write(&a, &stack, -513, 1, 0));
	assert_non_null(act_state_write(&a, &stack, -1, 2, 0));
	assert_non_null(act_state_read(&a, &stack, 0, 1, 0));
	assert_null(act_state_read(&a, &stack, 0, 0, 0));

	assert_null(act_state_read(&a, &ctx, 0, sizeof(struct wire_ctx), 0));
	assert_non_null(act_state_read(&a, &ctx, 1, sizeof(struct wire_ctx), 0));
	assert_non_null(act_state_read(&a, &ctx, -1, 1, 0));
	assert_string_equal(act_state_write(&a, &ctx, 0, 8, 0), "the context is read-only");

	assert_null(act_state_write(&a, &scratch, -4, SCRATCH, SCRATCH));
	assert_null(act_state_read(&a, &scratch, 95, 1, SCRATCH));
	assert_non_null(act_state_write(&a, &scratch, 96, 1, SCRATCH));
	assert_non_null(act_state_write(&a, &scratch, -5, 1, SCRATCH));
	assert_non_null(act_state_write(&a, &scratch, 0, UINT64_MAX, SCRATCH));
	assert_non_null(act_state_read(&a, &(struct act_reg){.kind = ACT_SCALAR}, 0, 1, SCRATCH));
	assert_non_null(act_state_write(&a, &(struct act_reg){.kind = ACT_NONE}, 0, 1, SCRATCH));
}

static void bytes_are_known_one_by_one(void **state)
{
	const struct act_reg p = {.kind = ACT_SCRATCH};

	(void)state;
	act_state_start(&a);
	assert_null(act_state_write(&a, &p, 3, 7, SCRATCH));
	for (int at = 0; at < 20; at++)
		assert_int_equal(act_state_read(&a, &p, at, 1, SCRATCH) == NULL,
				 at >= 3 && at < 10);
	assert_null(act_state_read(&a, &p, 3, 7, SCRATCH));
	assert_non_null(act_state_read(&a, &p, 3, 8, SCRATCH));
	assert_non_null(act_state_read(&a, &p, 2, 7, SCRATCH));
}

static void merging(void **state)
{
	const struct act_reg p = {.kind = ACT_SCRATCH}, sp = {.kind = ACT_STACK};

	(void)state;
	act_state_start(&a);
	act_state_start(&b);
	a.r[2] = act_constant(5);
	b.r[2] = act_constant(5);
	a.r[3] = act_constant(5);
	b.r[3] = act_constant(6);
	a.r[4] = act_constant(5);
	b.r[4] = act_unknown();
	a.r[5] = act_constant(5); /* nothing in b */
	a.r[6] = (struct act_reg){.kind = ACT_STACK, .value = -8};
	b.r[6] = (struct act_reg){.kind = ACT_STACK, .value = -8};
	a.r[7] = (struct act_reg){.kind = ACT_STACK, .value = -8};
	b.r[7] = (struct act_reg){.kind = ACT_STACK, .value = -16};
	a.r[8] = p;
	b.r[8] = act_constant(0);
	act_state_write(&a, &p, 0, 8, SCRATCH);
	act_state_write(&b, &p, 4, 8, SCRATCH);
	act_state_write(&a, &sp, -8, 8, SCRATCH);

	act_state_merge(&a, &b);
	assert_int_equal(a.r[1].kind, ACT_CTX);
	assert_true(a.r[2].kind == ACT_SCALAR && a.r[2].known && a.r[2].value == 5);
	assert_true(a.r[3].kind == ACT_SCALAR && !a.r[3].known);
	assert_true(a.r[4].kind == ACT_SCALAR && !a.r[4].known);
	assert_int_equal(a.r[5].kind, ACT_NONE);
	assert_true(a.r[6].kind == ACT_STACK && a.r[6].value == -8);
	assert_int_equal(a.r[7].kind, ACT_NONE);
	assert_int_equal(a.r[8].kind, ACT_NONE);
	for (int at = 0; at < 16; at++)
		assert_int_equal(act_state_read(&a, &p, at, 1, SCRATCH) == NULL, at >= 4 && at < 8);
	assert_non_null(act_state_read(&a, &sp, -8, 1, SCRATCH));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_with_context_and_stack),
		cmocka_unit_test(bounds),
		cmocka_unit_test(bytes_are_known_one_by_one),
		cmocka_unit_test(merging),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

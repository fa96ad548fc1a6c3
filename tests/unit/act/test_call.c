/* SPDX-License-Identifier: MIT */
/*
 * Arguments of helpers: each kind right, then wrong in each way.
 */
#include "judge.h"

static struct fx fx;

#define KEY8 ST64(10, -8, 1), MOVR(2, 10), ADD(2, -8)
#define KEY16 ST64(10, -8, 1), ST64(10, -16, 1), MOVR(2, 10), ADD(2, -16)
#define OUT(r) LDX64(r, 1, 16) /* scratch; before r1 is overwritten */
#define BYE MOV(0, 0), EXIT, END

static const struct judged calls[] = {
	{"no helper 0", "no such helper", {CALL(0), EXIT, END}},
	{"no helper beyond", "no such helper", {CALL(WIRE_H_COUNT), EXIT, END}},
	{"negative helper", "no such helper", {CALL(-1), EXIT, END}},
	{"clobbered", "register read before written", {CALL(WIRE_H_PID), MOVR(0, 1), EXIT, END}},
	{"r6 survives", NULL, {MOV(6, 1), CALL(WIRE_H_PID), MOVR(0, 6), EXIT, END}},

	{"agg scalar", NULL, {MOV(1, J_COUNT), MOV(2, 0), MOV(3, 0), CALL(WIRE_H_AGG), EXIT, END}},
	{"agg by imm64",
	 NULL,
	 {LDMAP(1, J_COUNT), MOV(2, 0), MOV(3, 0), CALL(WIRE_H_AGG), EXIT, END}},
	{"agg keyed", NULL, {KEY8, MOV(1, J_COUNT_KEYED), MOV(3, 0), CALL(WIRE_H_AGG), EXIT, END}},
	{"agg needs a value",
	 "an argument must be a number",
	 {MOV(1, J_COUNT), MOV(2, 0), CALL(WIRE_H_AGG), EXIT, END}},
	{"agg value pointer",
	 "an argument must be a number",
	 {MOV(1, J_COUNT), MOV(2, 0), MOVR(3, 10), CALL(WIRE_H_AGG), EXIT, END}},
	{"agg on plain",
	 "the map is not an aggregation",
	 {MOV(1, J_SCALAR), MOV(2, 0), MOV(3, 0), CALL(WIRE_H_AGG), EXIT, END}},
	{"agg key for scalar",
	 "the key of a map without keys must be 0",
	 {MOVR(2, 10), MOV(1, J_COUNT), MOV(3, 0), CALL(WIRE_H_AGG), EXIT, END}},
	{"agg key 1 for scalar",
	 "the key of a map without keys must be 0",
	 {MOV(2, 1), MOV(1, J_COUNT), MOV(3, 0), CALL(WIRE_H_AGG), EXIT, END}},
	{"agg no key",
	 "not a pointer",
	 {MOV(2, 0), MOV(1, J_COUNT_KEYED), MOV(3, 0), CALL(WIRE_H_AGG), EXIT, END}},
	{"key unwritten",
	 "stack read before written",
	 {MOVR(2, 10), ADD(2, -8), MOV(1, J_COUNT_KEYED), MOV(3, 0), CALL(WIRE_H_AGG), EXIT, END}},
	{"key from context",
	 NULL,
	 {MOVR(2, 1), ADD(2, 32), MOV(1, J_COUNT_KEYED), MOV(3, 0), CALL(WIRE_H_AGG), EXIT, END}},
	{"key half outside",
	 "outside the stack",
	 {ST64(10, -8, 1), MOVR(2, 10), ADD(2, -4), MOV(1, J_COUNT_KEYED), MOV(3, 0),
	  CALL(WIRE_H_AGG), EXIT, END}},

	{"map out of range", "no such map", {MOV(1, 5), MOV(2, 0), CALL(WIRE_H_LOAD), EXIT, END}},
	{"map negative", "no such map", {MOV(1, -1), MOV(2, 0), CALL(WIRE_H_LOAD), EXIT, END}},
	{"map unknown",
	 "a map must be named by a constant",
	 {LDX64(1, 1, 32), MOV(2, 0), CALL(WIRE_H_LOAD), EXIT, END}},
	{"map a pointer",
	 "a map must be named by a constant",
	 {MOV(2, 0), CALL(WIRE_H_LOAD), EXIT, END}},

	{"load", NULL, {MOV(1, J_SCALAR), MOV(2, 0), CALL(WIRE_H_LOAD), EXIT, END}},
	{"load keyed", NULL, {KEY16, MOV(1, J_KEYED), CALL(WIRE_H_LOAD), EXIT, END}},
	{"load short key",
	 "outside the stack",
	 {KEY8, MOV(1, J_KEYED), CALL(WIRE_H_LOAD), EXIT, END}},
	{"load string map",
	 "the map's values are not integers",
	 {KEY8, MOV(1, J_STRING), CALL(WIRE_H_LOAD), EXIT, END}},
	{"load aggregation",
	 "the map is an aggregation",
	 {MOV(1, J_COUNT), MOV(2, 0), CALL(WIRE_H_LOAD), EXIT, END}},
	{"store", NULL, {MOV(1, J_SCALAR), MOV(2, 0), MOV(3, 9), CALL(WIRE_H_STORE), EXIT, END}},
	{"add", NULL, {MOV(1, J_SCALAR), MOV(2, 0), MOV(3, 9), CALL(WIRE_H_ADD), EXIT, END}},
	{"add string map",
	 "the map's values are not integers",
	 {KEY8, MOV(1, J_STRING), MOV(3, 1), CALL(WIRE_H_ADD), EXIT, END}},
	{"delete", NULL, {KEY8, MOV(1, J_STRING), CALL(WIRE_H_DELETE), EXIT, END}},
	{"delete scalar", NULL, {MOV(1, J_SCALAR), MOV(2, 0), CALL(WIRE_H_DELETE), EXIT, END}},
	{"delete aggregation",
	 "the map is an aggregation",
	 {KEY8, MOV(1, J_COUNT_KEYED), CALL(WIRE_H_DELETE), EXIT, END}},
	{"has_key", NULL, {KEY8, MOV(1, J_STRING), CALL(WIRE_H_HAS_KEY), EXIT, END}},
	{"has_key scalar",
	 "the map has no keys",
	 {MOV(1, J_SCALAR), MOV(2, 0), CALL(WIRE_H_HAS_KEY), EXIT, END}},

	{"load_buf",
	 NULL,
	 {OUT(3), MOVR(6, 3), KEY8, MOV(1, J_STRING), CALL(WIRE_H_LOAD_BUF), LDX64(0, 6, 24), EXIT,
	  END}},
	{"load_buf fills only the value",
	 "scratch read before written",
	 {OUT(3), MOVR(6, 3), KEY8, MOV(1, J_STRING), CALL(WIRE_H_LOAD_BUF), LDX64(0, 6, 32), EXIT,
	  END}},
	{"load_buf too short",
	 "outside the scratch area",
	 {OUT(3), ADD(3, SCRATCH - 31), KEY8, MOV(1, J_STRING), CALL(WIRE_H_LOAD_BUF), BYE}},
	{"load_buf into context",
	 "the context is read-only",
	 {MOVR(3, 1), KEY8, MOV(1, J_STRING), CALL(WIRE_H_LOAD_BUF), BYE}},
	{"store_buf unwritten",
	 "scratch read before written",
	 {OUT(3), KEY8, MOV(1, J_STRING), CALL(WIRE_H_STORE_BUF), BYE}},
	{"store_buf from context",
	 NULL,
	 {MOVR(3, 1), ADD(3, 32), KEY8, MOV(1, J_STRING), CALL(WIRE_H_STORE_BUF), BYE}},

	{"emit",
	 NULL,
	 {ST64(10, -8, 0), MOVR(2, 10), ADD(2, -8), MOV(1, 7), MOV(3, 8), CALL(WIRE_H_EMIT), BYE}},
	{"emit nothing", NULL, {MOV(1, 7), MOV(2, 0), MOV(3, 0), CALL(WIRE_H_EMIT), BYE}},
	{"emit nothing from nowhere",
	 "register read before written",
	 {MOV(1, 7), MOV(3, 0), CALL(WIRE_H_EMIT), BYE}},
	{"emit too much",
	 "outside the stack",
	 {ST64(10, -8, 0), MOVR(2, 10), ADD(2, -8), MOV(1, 7), MOV(3, 9), CALL(WIRE_H_EMIT), BYE}},
	{"emit unknown length",
	 "a length must be a constant",
	 {LDX64(3, 1, 32), MOVR(2, 1), MOV(1, 7), CALL(WIRE_H_EMIT), BYE}},
	{"emit negative length",
	 "a length out of range",
	 {MOVR(2, 1), MOV(1, 7), MOV(3, -8), CALL(WIRE_H_EMIT), BYE}},
	{"emit pad",
	 "no such event",
	 {MOV(1, 0xffff), MOV(2, 0), MOV(3, 0), CALL(WIRE_H_EMIT), BYE}},
	{"emit unknown id",
	 "an event must be named by a constant",
	 {LDX64(1, 1, 32), MOV(2, 0), MOV(3, 0), CALL(WIRE_H_EMIT), BYE}},

	{"str",
	 NULL,
	 {OUT(6), MOVR(7, 1), LDX64(3, 7, 32), MOVR(1, 6), MOV(2, SCRATCH), CALL(WIRE_H_STR),
	  LDX8(0, 6, SCRATCH - 1), EXIT, END}},
	{"str too long",
	 "outside the scratch area",
	 {OUT(6), MOV(3, 0), MOVR(1, 6), MOV(2, SCRATCH + 1), CALL(WIRE_H_STR), BYE}},
	{"str of nothing",
	 "a length out of range",
	 {OUT(6), MOV(3, 0), MOVR(1, 6), MOV(2, 0), CALL(WIRE_H_STR), BYE}},
	{"str of a huge length",
	 "a length out of range",
	 {OUT(6), MOV(3, 0), MOVR(1, 6), LD64(2, 1ull << 40), CALL(WIRE_H_STR), BYE}},
	{"str of a pointer",
	 "an argument must be a number",
	 {OUT(6), MOVR(3, 10), MOVR(1, 6), MOV(2, 8), CALL(WIRE_H_STR), BYE}},
	{"name", NULL, {LDX64(3, 1, 0), OUT(6), MOVR(1, 6), MOV(2, 32), CALL(WIRE_H_NAME), BYE}},
	{"strncmp",
	 NULL,
	 {ST64(10, -8, 0), ST64(10, -16, 0), MOVR(1, 10), ADD(1, -8), MOVR(2, 10), ADD(2, -16),
	  MOV(3, 8), CALL(WIRE_H_STRNCMP), EXIT, END}},
	{"strncmp first short",
	 "outside the stack",
	 {ST64(10, -8, 0), ST64(10, -16, 0), MOVR(1, 10), ADD(1, -8), MOVR(2, 10), ADD(2, -16),
	  MOV(3, 9), CALL(WIRE_H_STRNCMP), EXIT, END}},
	{"comm",
	 NULL,
	 {MOVR(1, 10), ADD(1, -16), MOV(2, 16), CALL(WIRE_H_COMM), LDX8(0, 10, -1), EXIT, END}},
	{"comm short",
	 "a length out of range",
	 {MOVR(1, 10), ADD(1, -16), MOV(2, 15), CALL(WIRE_H_COMM), BYE}},
	{"stack_arg", NULL, {MOV(1, 6), CALL(WIRE_H_STACK_ARG), EXIT, END}},
	{"stack_arg of a pointer",
	 "an argument must be a number",
	 {CALL(WIRE_H_STACK_ARG), EXIT, END}},
	{"error", NULL, {MOV(1, 0), CALL(WIRE_H_ERROR), EXIT, END}},
};

static void arguments(void **state)
{
	(void)state;
	judge_all(&fx, calls, ARRAY_LEN(calls));
}

static void without_arguments(void **state)
{
	static const int ids[] = {WIRE_H_PID,	WIRE_H_TID,	WIRE_H_UID,  WIRE_H_GID, WIRE_H_CPU,
				  WIRE_H_NSECS, WIRE_H_ELAPSED, WIRE_H_RAND, WIRE_H_PROC};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct judged t = {"no arguments", NULL, {CALL(0), EXIT, END}};

		t.code[0].imm = ids[i];
		judge_all(&fx, &t, 1);
	}
}

static int setup(void **state)
{
	(void)state;
	judge_open(&fx);
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
		cmocka_unit_test(arguments),
		cmocka_unit_test(without_arguments),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

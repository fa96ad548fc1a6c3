/* SPDX-License-Identifier: MIT */
/*
 * Calls and builtins: events, payloads, helpers.
 */
#include "run.h"

static void test_printf(void **state)
{
	struct run r;
	const struct script_event *ev;
	const struct wire_event *e;
	const uint64_t *p;

	(void)state;
	run_open(&r, "uprobe:a:f { printf(\"%d %s %s\\n\", arg0, comm, func); printf(\"x\"); }");
	assert_true(r.script->prog[0].emits);
	assert_int_equal(r.script->nevents, 2);
	ev = &r.script->event[0];
	assert_int_equal(ev->kind, SCRIPT_EV_PRINTF);
	assert_string_equal(ev->format, "%d %s %s\n");
	assert_int_equal(ev->nargs, 3);
	assert_int_equal(ev->arg[0].kind, SCRIPT_INT);
	assert_int_equal(ev->arg[1].kind, SCRIPT_STR);
	assert_int_equal(ev->arg[1].size, 16);
	assert_int_equal(ev->arg[2].kind, SCRIPT_NAME);
	r.ctx.reg[0] = 77;
	run_hit(&r, 0);
	e = run_event(&r);
	assert_int_equal(e->id, 0);
	p = (const uint64_t *)(e + 1);
	assert_int_equal(p[0], 77);
	assert_memory_equal(p + 1, "victim\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(p[3], NAME_PROBE);
	e = run_event(&r);
	assert_int_equal(e->id, 1);
	assert_null(run_event(&r));
	run_close(&r);
}

static void test_print(void **state)
{
	static const enum script_event_kind kinds[] = {
		SCRIPT_EV_PRINT_VALUE, SCRIPT_EV_PRINT_VALUE, SCRIPT_EV_PRINT_MAP,
		SCRIPT_EV_PRINT_MAP,   SCRIPT_EV_PRINT_MAP,   SCRIPT_EV_PRINT_ELEM,
		SCRIPT_EV_CLEAR,       SCRIPT_EV_ZERO,	      SCRIPT_EV_PRINT_VALUE,
	};
	struct run r;
	const int64_t *p;

	(void)state;
	run_open(&r, "BEGIN { @x = count(); @m[1, \"k\"] = 2; print(5); print(\"text\"); print(@m);"
		     "print(@m, 3); print(@x, 3, 10); print(@m[1, \"k\"]); clear(@m); zero(@x);"
		     "print(@m[1, \"k\"] + 1) }");
	assert_int_equal(r.script->nevents, ARRAY_LEN(kinds));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		assert_int_equal(r.script->event[i].kind, kinds[i]);
	run_hit(&r, 0);
	p = run_payload(&r);
	assert_int_equal(p[0], 5);
	assert_string_equal(run_payload(&r), "text");
	p = run_payload(&r);
	assert_true(p[0] == 0 && p[1] == 0);
	p = run_payload(&r);
	assert_true(p[0] == 3 && p[1] == 0);
	p = run_payload(&r);
	assert_true(p[0] == 3 && p[1] == 10);
	p = run_payload(&r);
	assert_int_equal(p[0], 1);
	assert_memory_equal(p + 1, "k\0\0\0\0\0\0\0", 8);
	assert_int_equal(r.script->event[5].map, run_map(&r, "@m"));
	assert_int_equal(r.script->event[5].nargs, 2);
	assert_int_equal(r.script->event[6].map, run_map(&r, "@m"));
	assert_int_equal(r.script->event[7].map, run_map(&r, "@x"));
	run_close(&r);
}

static void test_exit(void **state)
{
	struct run r;
	const int64_t *p;

	(void)state;
	run_open(&r, "BEGIN { if (pid == 1234) { exit(3); @a = 1; } @b = 1 } END { exit() }");
	run_hit(&r, 0);
	run_hit(&r, 1);
	assert_int_equal(r.script->event[0].kind, SCRIPT_EV_EXIT);
	p = run_payload(&r);
	assert_int_equal(p[0], 3);
	p = run_payload(&r);
	assert_int_equal(p[0], 0);
	assert_int_equal(run_value(&r, "@a", NULL), -99);
	assert_int_equal(run_value(&r, "@b", NULL), -99);
	run_close(&r);
}

static void test_delete(void **state)
{
	struct run r;
	const uint64_t *p;

	(void)state;
	run_open(&r, "BEGIN { @m[1] = 3; @m[2] = 4; @m[3] = 5; delete(@m[1]); delete(@m, 2);"
		     "@had = delete(@m[3]); @not = delete(@m, 3); @two[1, 2] = 1;"
		     "delete(@two, (1, 2)); @has = has_key(@two, (1, 2)); @s = 1; delete(@s);"
		     "@c[7] = count(); delete(@c[7]); @n = count(); delete(@n) }");
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@m", &(uint64_t){1}), -99);
	assert_int_equal(run_value(&r, "@m", &(uint64_t){2}), -99);
	assert_int_equal(run_value(&r, "@had", NULL), 1);
	assert_int_equal(run_value(&r, "@not", NULL), 0);
	assert_int_equal(run_value(&r, "@has", NULL), 0);
	assert_int_equal(run_value(&r, "@s", NULL), -99);
	assert_int_equal(r.script->event[0].kind, SCRIPT_EV_DELETE);
	p = run_payload(&r);
	assert_int_equal(p[0], 7);
	assert_int_equal(r.script->event[1].kind, SCRIPT_EV_CLEAR);
	run_close(&r);
}

static void test_has_key(void **state)
{
	struct run r;

	(void)state;
	run_open(&r, "BEGIN { @m[1, 2] = 3; @[\"x\"] = 1; @a = has_key(@m, (1, 2));"
		     "@b = has_key(@m, (1, 3)); if (has_key(@, \"x\")) { @c = 1 }"
		     "if (!has_key(@, \"y\")) { @d = 1 } }");
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@a", NULL), 1);
	assert_int_equal(run_value(&r, "@b", NULL), 0);
	assert_int_equal(run_value(&r, "@c", NULL), 1);
	assert_int_equal(run_value(&r, "@d", NULL), 1);
	run_close(&r);
}

static void test_builtins(void **state)
{
	uint64_t frame[8] = {0, 600, 700, 800, 900};
	struct run r;

	(void)state;
	run_open(&r,
		 "uprobe:a:f { @pid = pid; @tid = tid(); @uid = uid; @gid = gid; @cpu = cpu;"
		 "@ns = nsecs; @el = elapsed; @rand = rand; @a5 = arg5; @a6 = arg6; @a9 = arg9;"
		 "@ax = reg(\"ax\"); @rax = reg(\"rax\"); @ip = reg(\"ip\"); @n = $#;"
		 "@p1 = $1; @p3 = $3; @p9 = $9; @s = str($2) == \"word\"; @e = str($9) == \"\" }");
	r.ctx.reg[5] = 55;
	r.ctx.reg[6] = 66;
	r.ctx.reg[WIRE_REG_SP] = (uint64_t)(uintptr_t)frame;
	r.ctx.reg[WIRE_REG_PC] = 0x4000;
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@pid", NULL), 1234);
	assert_int_equal(run_value(&r, "@tid", NULL), 1235);
	assert_int_equal(run_value(&r, "@uid", NULL), 1000);
	assert_int_equal(run_value(&r, "@gid", NULL), 1001);
	assert_int_equal(run_value(&r, "@cpu", NULL), 3);
	assert_true(run_value(&r, "@ns", NULL) >= 1000000);
	assert_true(run_value(&r, "@el", NULL) > 0);
	assert_true((uint64_t)run_value(&r, "@rand", NULL) <= UINT32_MAX);
	assert_int_equal(run_value(&r, "@a5", NULL), 55);
	assert_int_equal(run_value(&r, "@a6", NULL), 600);
	assert_int_equal(run_value(&r, "@a9", NULL), 900);
	assert_int_equal(run_value(&r, "@ax", NULL), 66);
	assert_int_equal(run_value(&r, "@rax", NULL), 66);
	assert_int_equal(run_value(&r, "@ip", NULL), 0x4000);
	assert_int_equal(run_value(&r, "@n", NULL), 4);
	assert_int_equal(run_value(&r, "@p1", NULL), 42);
	assert_int_equal(run_value(&r, "@p3", NULL), -7);
	assert_int_equal(run_value(&r, "@p9", NULL), 0);
	assert_int_equal(run_value(&r, "@s", NULL), 1);
	assert_int_equal(run_value(&r, "@e", NULL), 1);
	run_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printf),	cmocka_unit_test(test_print),
		cmocka_unit_test(test_exit),	cmocka_unit_test(test_delete),
		cmocka_unit_test(test_has_key), cmocka_unit_test(test_builtins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

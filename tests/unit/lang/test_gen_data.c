/* SPDX-License-Identifier: MIT */
/*
 * Strings, keys, symbols: what stands in memory, to the last byte.
 */
#include "run.h"

static void test_string_variables(void **state)
{
	struct run r;
	const char *s;

	(void)state;
	run_open(&r, "BEGIN { $s = \"abc\"; printf(\"%s\", $s); $s = \"a longer string\";"
		     "printf(\"%s\", $s); $t = $s; printf(\"%s%s\", $t, \"\") }");
	run_hit(&r, 0);
	s = run_payload(&r);
	assert_memory_equal(s, "abc\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	s = run_payload(&r);
	assert_memory_equal(s, "a longer string", 16);
	s = run_payload(&r);
	assert_memory_equal(s, "a longer string\0\0\0\0\0\0\0\0", 24);
	assert_null(run_event(&r));
	run_close(&r);
}

static void test_str_lengths(void **state)
{
	static char text[300] = "hello world";
	struct run r;
	const char *s;

	(void)state;
	run_open(&r, "uprobe:a:f { printf(\"%s\", str(arg0)); printf(\"%s\", str(arg0, 5));"
		     "printf(\"%s\", str(arg0, 40)); printf(\"%s\", str(8)); }");
	r.ctx.reg[0] = (uint64_t)(uintptr_t)text;
	run_hit(&r, 0);
	s = run_payload(&r);
	assert_string_equal(s, "hello world");
	s = run_payload(&r);
	assert_memory_equal(s, "hello\0\0\0", 8);
	assert_string_equal(run_payload(&r), "hello world");
	assert_string_equal(run_payload(&r), "");
	assert_int_equal(r.fx.b->errors[WIRE_RT_BAD_ADDR], 1);

	memset(text, 'x', sizeof(text) - 1);
	run_hit(&r, 0);
	s = run_payload(&r);
	assert_int_equal(strlen(s), 127);
	assert_string_equal(s + 125, "..");
	assert_string_equal(run_payload(&r), "xxxxx");
	assert_int_equal(strlen(run_payload(&r)), 40);
	run_close(&r);
}

static void test_comparison(void **state)
{
	static const struct {
		const char *expr;
		int64_t value;
	} e[] = {
		{"\"a\" == \"a\"", 1},
		{"\"a\" != \"a\"", 0},
		{"\"aaaaaaa\" == \"aaaaaaaa\"", 0},
		{"\"aaaaaaaa\" == \"aaaaaaa\"", 0},
		{"\"\" == \"\"", 1},
		{"comm == \"victim\"", 1},
		{"comm == \"victi\"", 0},
		{"comm != \"victims\"", 1},
		{"probe == \"probe\"", 1},
		{"func == \"prob\"", 0},
		{"\"probe\" == func", 1},
		{"func == probe", 1},
		{"func != comm", 1},
		{"strncmp(comm, \"victory\", 4)", 0},
		{"strncmp(comm, \"victory\", 5) != 0", 1},
		{"strncmp(comm, \"victim\", 100)", 0},
		{"strncmp(comm, \"other\", 0)", 0},
		{"strncmp(func, \"pro\", 3)", 0},
		{"strncmp(func, \"pro\", 4) != 0", 1},
		{"comm == \"x\" ? 1 : comm == \"victim\" ? 2 : 3", 2},
		{"!(comm == \"victim\")", 0},
		{"(arg2 == 7 ? comm : \"none\") == \"victim\"", 1},
		{"(arg2 == 8 ? comm : \"none\") == \"none\"", 1},
		{"(arg2 == 7 ? func : \"none\") == \"probe\"", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(e); i++) {
		int64_t value = run_eval(e[i].expr);

		if (value != e[i].value)
			print_error("%s\n", e[i].expr);
		assert_int_equal(value, e[i].value);
	}
}

static void test_string_maps(void **state)
{
	struct run r;
	char value[16], key[32];

	(void)state;
	run_open(&r, "BEGIN { @s = \"text\"; @copy = @s; @s = \"longer text\"; @k[\"one\", 1] = 5;"
		     "@k[\"a much longer key\", 2] = 6; @same = @s == \"longer text\";"
		     "@v[comm] = comm; $c = @v[\"victim\"]; @eq = $c == comm; @absent[1] = \"x\";"
		     "@none = @absent[2] == \"\" }");
	run_hit(&r, 0);
	assert_int_equal(act_table_load(r.fx.s, run_map(&r, "@s"), NULL, value), 0);
	assert_memory_equal(value, "longer text\0\0\0\0\0", 16);
	assert_int_equal(r.script->map[run_map(&r, "@copy")].wire.value_size, 16);
	assert_int_equal(act_table_load(r.fx.s, run_map(&r, "@copy"), NULL, value), 0);
	assert_memory_equal(value, "text\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	memset(key, 0, sizeof(key));
	strcpy(key, "one");
	key[24] = 1;
	assert_int_equal(run_value(&r, "@k", key), 5);
	strcpy(key, "a much longer key");
	key[24] = 2;
	assert_int_equal(run_value(&r, "@k", key), 6);
	assert_int_equal(run_value(&r, "@same", NULL), 1);
	assert_int_equal(run_value(&r, "@eq", NULL), 1);
	assert_int_equal(run_value(&r, "@none", NULL), 1);
	run_close(&r);
}

/* A name is 8 bytes, unless it meets a string. */
static void test_names(void **state)
{
	struct run r;
	char key[128] = "probe";

	(void)state;
	run_open(&r, "uprobe:a:f { @f[func] = 1; @p = probe; @mixed[func] = 2;"
		     "@mixed[\"main\"] = 3; $n = func; @n[$n] = 4 }");
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@f", &(uint64_t){NAME_PROBE}), 1);
	assert_int_equal(run_value(&r, "@n", &(uint64_t){NAME_PROBE}), 4);
	assert_int_equal(run_value(&r, "@p", NULL), NAME_PROBE);
	assert_int_equal(r.script->map[run_map(&r, "@p")].value.kind, SCRIPT_NAME);
	assert_int_equal(r.script->map[run_map(&r, "@mixed")].key[0].kind, SCRIPT_STR);
	assert_int_equal(run_value(&r, "@mixed", key), 2);
	memset(key, 0, sizeof(key));
	strcpy(key, "main");
	assert_int_equal(run_value(&r, "@mixed", key), 3);
	run_close(&r);
}

static void test_symbols(void **state)
{
	struct run r;
	uint64_t key[2] = {0x1234, 5}, value[2];
	const uint64_t *payload;

	(void)state;
	run_open(&r, "uprobe:a:f { @[usym(arg0)] = 3; $u = usym(arg0); @u = $u;"
		     "printf(\"%s\", usym(reg(\"di\"))) }");
	r.ctx.reg[0] = 0x1234;
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@", key), 3);
	assert_int_equal(act_table_load(r.fx.s, run_map(&r, "@u"), NULL, value), 0);
	assert_memory_equal(value, key, 16);
	payload = run_payload(&r);
	assert_memory_equal(payload, key, 16);
	run_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_string_variables),
		cmocka_unit_test(test_str_lengths),
		cmocka_unit_test(test_comparison),
		cmocka_unit_test(test_string_maps),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_symbols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

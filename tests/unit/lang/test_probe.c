/* SPDX-License-Identifier: MIT */
/*
 * Attach points.
 */
#include "compile.h"

static void test_uprobe(void **state)
{
	struct script *s = compile("#!/usr/bin/env sonde\n"
				   "uprobe:/usr/bin/ls:main { }\n"
				   "// comment\n"
				   "u:libc.so.6:malloc+0x10, u:./x:0x401136,\n"
				   "  uprobe:\"/a b/c:d\":\"ns::f(int, x)\", u:libc:[a-c,/]*\n"
				   "/pid == 1/ { }");

	(void)state;
	assert_int_equal(s->nprobes, 5);
	assert_int_equal(s->nprogs, 2);
	assert_int_equal(s->probe[0].kind, SCRIPT_PROBE_UPROBE);
	assert_string_equal(s->probe[0].target, "/usr/bin/ls");
	assert_string_equal(s->probe[0].func, "main");
	assert_string_equal(s->probe[0].text, "uprobe:/usr/bin/ls:main");
	assert_int_equal(s->probe[0].line, 2);
	assert_int_equal(s->probe[0].col, 1);
	assert_false(s->probe[0].is_pattern);

	assert_string_equal(s->probe[1].text, "uprobe:libc.so.6:malloc+0x10");
	assert_string_equal(s->probe[1].func, "malloc");
	assert_int_equal(s->probe[1].offset, 16);
	assert_int_equal(s->probe[1].prog, 1);

	assert_true(s->probe[2].is_address);
	assert_null(s->probe[2].func);
	assert_int_equal(s->probe[2].offset, 0x401136);

	assert_string_equal(s->probe[3].target, "/a b/c:d");
	assert_string_equal(s->probe[3].func, "ns::f(int, x)");
	assert_int_equal(s->probe[3].line, 5);
	assert_int_equal(s->probe[3].col, 3);

	assert_true(s->probe[4].is_pattern);
	assert_string_equal(s->probe[4].func, "[a-c,/]*");
	assert_int_equal(s->probe[4].prog, 1);
	lang_free(s);
}

static void test_interval(void **state)
{
	static const struct {
		const char *text, *name;
		uint64_t period;
	} good[] = {
		{"interval:s:1 {}", "interval:s:1", 1000000000},
		{"i:ms:20{}", "interval:ms:20", 20000000},
		{"i:us:$1{}", "interval:us:42", 42000},
		{"interval:hz:50 {}", "interval:hz:50", 20000000},
		{"interval:100ms {}", "interval:100ms", 100000000},
		{"interval:1s/1/{}", "interval:1s", 1000000000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct script *s = compile(good[i].text);

		assert_int_equal(s->nprobes, 1);
		assert_int_equal(s->probe[0].kind, SCRIPT_PROBE_INTERVAL);
		assert_int_equal(s->probe[0].period, good[i].period);
		assert_string_equal(s->probe[0].text, good[i].name);
		lang_free(s);
	}
}

static void test_plain(void **state)
{
	struct script *s = compile("BEGIN{} begin {} END, end{}");

	(void)state;
	assert_int_equal(s->nprobes, 4);
	assert_int_equal(s->nprogs, 3);
	assert_int_equal(s->probe[0].kind, SCRIPT_PROBE_BEGIN);
	assert_int_equal(s->probe[1].kind, SCRIPT_PROBE_BEGIN);
	assert_int_equal(s->probe[2].kind, SCRIPT_PROBE_END);
	assert_int_equal(s->probe[3].kind, SCRIPT_PROBE_END);
	assert_int_equal(s->probe[3].prog, 2);
	lang_free(s);
}

static void test_params(void **state)
{
	struct script *s = compile("uprobe:./$2:f$1 {} $4 {}");

	(void)state;
	assert_string_equal(s->probe[0].target, "./word");
	assert_string_equal(s->probe[0].func, "f42");
	assert_string_equal(s->probe[1].target, "libc");
	assert_string_equal(s->probe[1].func, "malloc");
	lang_free(s);
}

static void test_refused(void **state)
{
	static const struct refusal bad[] = {
		{"", "1:1: error: the script has no probe"},
		{"  // nothing\n", "2:1: error: the script has no probe"},
		{"{ }", "1:1: error: expected a probe, found '{'"},
		{"BEGIN, { }", "1:8: error: expected a probe, found '{'"},
		{"BEGIN", "1:6: error: expected '{' after the probe, found the end of the script"},
		{"BEGIN { ", "1:9: error: expected '}' at the end of the block, found the end"},
		{"BEGIN:x {}", "1:7: error: nothing can follow BEGIN"},
		{"uprob:a:b {}", "1:1: error: unknown probe type 'uprob'; did you mean 'uprobe'?"},
		{"uprobes:a:b {}", "1:1: error: unknown probe type 'uprobes'; did you mean"},
		{"foo {}", "1:1: error: unknown probe type 'foo' (known: BEGIN"},
		{"kprobe:vfs_read {}", "1:1: error: 'kprobe' cannot be probed: it belongs to the "
				       "kernel"},
		{"t:sched:x {}", "1:1: error: 'tracepoint' cannot be probed: it belongs to the"},
		{"ur:a:b {}", "1:1: error: 'uretprobe' cannot be probed: it is not supported yet"},
		{"usdt:/bin/x:y {}", "1:1: error: 'usdt' cannot be probed: it is not supported"},
		{"p:hz:99 {}", "1:1: error: 'profile' cannot be probed: it is not supported yet"},
		{"u:a {}", "1:1: error: expected uprobe:BINARY:FUNCTION"},
		{"u::f {}", "1:1: error: the binary is missing"},
		{"u:a: {}", "1:5: error: the name of the function is missing"},
		{"u:a:+4 {}", "1:5: error: the name of the function is missing"},
		{"u:a:f+ {}", "1:5: error: the offset: expected a number"},
		{"u:a:f+x {}", "1:5: error: the offset: expected a number"},
		{"u:a:f*+1 {}", "1:5: error: a pattern cannot have an offset"},
		{"u:a:0xq {}", "1:5: error: the address: digits are missing"},
		{"u:a:12q {}", "1:5: error: the address: this number has an unknown suffix"},
		{"u:a:cpp:f {}", "1:5: error: uprobe:BINARY:LANGUAGE:FUNCTION is not supported"},
		{"u:/lib/*:f {}", "1:3: error: wildcards in the binary are not supported yet"},
		{"u:a:b:c:d:e:f:g:h {}", "1:17: error: too many ':' in this probe"},
		{"u:\"a\\0b\":c {}", "1:3: error: a zero byte in the name of a probe"},
		{"u:\"a:c {}", "1:3: error: this string does not end"},
		{"i:1 {}", "1:3: error: this interval needs a unit"},
		{"i:s:0 {}", "1:5: error: an interval cannot be 0"},
		{"i:x:1 {}", "1:3: error: unknown unit of an interval"},
		{"i:s:1ms {}", "1:3: error: unknown unit of an interval"},
		{"i:s:x {}", "1:5: error: interval: expected a number"},
		{"i:s:99999999999 {}", "1:5: error: this interval is too long"},
		{"i:hz:9999999999 {}", "1:6: error: this frequency is too high"},
		{"i {}", "1:1: error: expected interval:s:N"},
		{"i:s:$9 {}", "1:5: error: there is no positional parameter $9"},
		{"config = { }\nBEGIN {}", "1:1: error: 'config' at the top of a script is not"},
		{"#include <x.h>\n", "1:1: error: preprocessor lines are not supported yet"},
		{"BEGIN {} /* x", "1:10: error: this comment does not end"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(bad[i].text, bad[i].message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uprobe),	cmocka_unit_test(test_interval),
		cmocka_unit_test(test_plain),	cmocka_unit_test(test_params),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The JSON format, object by object. */
#include "fixture.h"

static void maps(void **state)
{
	struct fix *f = fix_new("json", WIRE_MAP_PLAIN, "@x");

	(void)state;
	fix_print(f, 0, 0);
	fix_expect(f, "{\"type\": \"map\", \"data\": {\"@x\": 0}}\n");
	fix_row(f, 0, 5, 0);
	fix_print(f, 0, 0);
	fix_expect(f, "{\"type\": \"map\", \"data\": {\"@x\": 5}}\n");
	f->m.value = (struct script_type){SCRIPT_STR, false, 8};
	memcpy(f->v[0], "a \n \"b", 7);
	fix_print(f, 0, 0);
	fix_expect(f, "{\"type\": \"map\", \"data\": {\"@x\": \"a \\n \\\"b\"}}\n");
	fix_free(f);

	f = fix_new("json", WIRE_MAP_COUNT, "@m");
	fix_key(f, SCRIPT_INT, 8);
	fix_key(f, SCRIPT_STR, 8);
	fix_print(f, 0, 0);
	fix_expect(f, "{\"type\": \"map\", \"data\": {\"@m\": {}}}\n");
	fix_row(f, 1, 9, 0);
	fix_row(f, 2, 4, 0);
	memcpy(&f->k[0][1], "a b", 3);
	fix_print(f, 0, 0);
	fix_expect(f, "{\"type\": \"map\", \"data\": {\"@m\": {\"2,\": 4, \"1,a b\": 9}}}\n");
	fix_print(f, 1, 3);
	fix_expect(f, "{\"type\": \"map\", \"data\": {\"@m\": {\"1,a b\": 3}}}\n");
	fix_free(f);
}

static void stats(void **state)
{
	struct fix *f = fix_new("json", WIRE_MAP_STATS, "@s");

	(void)state;
	fix_row(f, 0, 12, 2);
	fix_print(f, 0, 0);
	fix_expect(f, "{\"type\": \"stats\", \"data\": {\"@s\": {\"count\": 2, \"average\": 6, "
		      "\"total\": 12}}}\n");
	f->m.wire.kind = WIRE_MAP_AVG;
	fix_key(f, SCRIPT_INT, 8);
	fix_print(f, 0, 0);
	fix_expect(f, "{\"type\": \"stats\", \"data\": {\"@s\": {\"0\": 6}}}\n");
	fix_free(f);
}

static void histograms(void **state)
{
	struct fix *f = fix_new("json", WIRE_MAP_HIST, "@h");
	uint64_t *v;

	(void)state;
	fix_print(f, 0, 0);
	fix_expect(f, "{\"type\": \"hist\", \"data\": {\"@h\": []}}\n");
	v = fix_row(f, 0, 0, 0);
	v[0] = 1;
	v[wire_hist_bucket(3, 0)] = 4;
	fix_print(f, 0, 0);
	fix_expect(
		f,
		"{\"type\": \"hist\", \"data\": {\"@h\": [{\"max\": -1, \"count\": 1}, "
		"{\"min\": 0, \"max\": 0, \"count\": 0}, {\"min\": 1, \"max\": 1, \"count\": 0}, "
		"{\"min\": 2, \"max\": 3, \"count\": 4}]}}\n");
	fix_free(f);

	f = fix_new("json", WIRE_MAP_LHIST, "@l");
	fix_lhist(f, -10, 10, 10);
	fix_key(f, SCRIPT_INT, 8);
	v = fix_row(f, 8, 2, 0);
	v[3] = 1;
	fix_print(f, 0, 0);
	fix_expect(f,
		   "{\"type\": \"hist\", \"data\": {\"@l\": {\"8\": [{\"max\": -11, \"count\": 2}, "
		   "{\"min\": -10, \"max\": -1, \"count\": 0}, {\"min\": 0, \"max\": 9, \"count\": "
		   "0}, "
		   "{\"min\": 10, \"count\": 1}]}}}\n");
	fix_free(f);
}

static void text_is_escaped(void **state)
{
	static const char text[] =
		"q\" b\\ n\n t\t r\r \001 \x7f \0 \xc3\xa9 \xff \xc0\x80 \xe2\x82\xac "
		"\xed\xa0\x80 \xf0\x9f\x98\x80 \xe2\x82";
	struct fix *f = fix_new("json", WIRE_MAP_COUNT, "@");

	(void)state;
	f->s.ops->printf(&f->s, text, sizeof(text) - 1);
	fix_expect(f, "{\"type\": \"printf\", \"data\": \"q\\\" b\\\\ n\\n t\\t r\\r \\u0001 \x7f "
		      "\\u0000 \xc3\xa9 \\u00ff \\u00c0\\u0080 \xe2\x82\xac \\u00ed\\u00a0\\u0080 "
		      "\xf0\x9f\x98\x80 \\u00e2\\u0082\"}\n");
	fix_free(f);
}

static void the_rest(void **state)
{
	struct fix *f = fix_new("json", WIRE_MAP_COUNT, "@");
	struct script_type num = {SCRIPT_INT, true, 8}, usym = {SCRIPT_USYM, false, 16};
	int64_t five = -5;
	uint64_t at[2] = {16, 3};

	(void)state;
	f->s.ops->attached(&f->s, 3);
	f->s.ops->time(&f->s, "1\n", 2);
	f->s.ops->value(&f->s, &num, &five);
	f->s.ops->value(&f->s, &usym, at);
	f->s.ops->elem(&f->s, &f->m, NULL);
	f->s.ops->lost(&f->s, 7);
	f->s.ops->rt_error(&f->s, WIRE_RT_BAD_ADDR, 1);
	f->s.ops->end(&f->s);
	fix_expect(f, "{\"type\": \"attached_probes\", \"data\": {\"probes\": 3}}\n"
		      "{\"type\": \"time\", \"data\": \"1\\n\"}\n"
		      "{\"type\": \"value\", \"data\": -5}\n"
		      "{\"type\": \"value\", \"data\": \"func+16\"}\n"
		      "{\"type\": \"value\", \"data\": 0}\n"
		      "{\"type\": \"lost_events\", \"data\": {\"events\": 7}}\n"
		      "{\"type\": \"runtime_error\", \"msg\": \"read at an address that cannot be "
		      "read\", \"count\": 1}\n");
	fix_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps),	      cmocka_unit_test(stats),
		cmocka_unit_test(histograms), cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

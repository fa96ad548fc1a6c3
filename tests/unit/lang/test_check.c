/* SPDX-License-Identifier: MIT */
/*
 * Types and shapes: what is refused, and what maps look like.
 */
#include "compile.h"

static const struct script_map *map(const struct script *s, const char *name)
{
	for (uint32_t i = 0; i < s->nmaps; i++) {
		if (!strcmp(s->map[i].name, name))
			return &s->map[i];
	}
	fail();
	return NULL;
}

static void test_shapes(void **state)
{
	struct script *s = compile("uprobe:a:f { @ = 1; @k[pid, comm, func, usym(arg0)] = count();"
				   "@str = \"12345678\"; @min = min((int64)arg0); @max = max(arg0);"
				   "@h = hist(arg0, 3); @l = lhist(arg0, -10, 100, 10);"
				   "@plain[arg0] = nsecs; @neg[-1] = -1; @lit = 0; @lit = nsecs;"
				   "@diff = nsecs - nsecs; @s = sum(5); @a = avg(pid) }");
	const struct script_map *m = map(s, "@k");

	(void)state;
	assert_int_equal(m->nkeys, 4);
	assert_int_equal(m->key[0].kind, SCRIPT_INT);
	assert_false(m->key[0].is_signed);
	assert_int_equal(m->key[1].kind, SCRIPT_STR);
	assert_int_equal(m->key[1].size, 16);
	assert_int_equal(m->key[2].kind, SCRIPT_NAME);
	assert_int_equal(m->key[3].kind, SCRIPT_USYM);
	assert_int_equal(m->wire.key_size, 8 + 16 + 8 + 16);
	assert_int_equal(m->wire.kind, WIRE_MAP_COUNT);
	assert_int_equal(m->wire.value_size, 8);
	assert_int_equal(m->wire.nbuckets, 64);
	assert_int_equal(m->wire.max_keys, 64);
	assert_int_equal(m->value.kind, SCRIPT_AGG);

	m = map(s, "@");
	assert_int_equal(m->nkeys, 0);
	assert_int_equal(m->wire.kind, WIRE_MAP_PLAIN);
	assert_int_equal(m->wire.nbuckets, 1);
	assert_int_equal(m->wire.value_size, 8);
	assert_int_equal(m->value.kind, SCRIPT_INT);

	assert_int_equal(map(s, "@str")->wire.value_size, 16);
	assert_true(map(s, "@min")->wire.is_signed);
	assert_false(map(s, "@max")->wire.is_signed);
	assert_true(map(s, "@s")->wire.is_signed);
	assert_false(map(s, "@a")->wire.is_signed);
	assert_int_equal(map(s, "@max")->wire.value_size, 16);
	assert_int_equal(map(s, "@h")->wire.hist_bits, 3);
	assert_int_equal(map(s, "@h")->wire.value_size, 8 * WIRE_HIST_BUCKETS(3));
	assert_int_equal(map(s, "@l")->wire.lhist_min, -10);
	assert_int_equal(map(s, "@l")->wire.value_size, 8 * 13);
	assert_int_equal(map(s, "@plain")->wire.nbuckets, 128);
	assert_false(map(s, "@plain")->value.is_signed);
	assert_true(map(s, "@neg")->value.is_signed);
	assert_true(map(s, "@neg")->key[0].is_signed);
	assert_false(map(s, "@lit")->value.is_signed);
	assert_true(map(s, "@diff")->value.is_signed);
	lang_free(s);
}

/* Strings grow to the longest, wherever it stands, through any chain of assignments. */
static void test_growth(void **state)
{
	struct script *s = compile("BEGIN { @a = @b; @b = @c; @c = \"short\"; @k[@a] = 1; }"
				   "END { @c = \"a string of more than sixteen bytes\" }");

	(void)state;
	assert_int_equal(map(s, "@a")->value.size, 40);
	assert_int_equal(map(s, "@b")->value.size, 40);
	assert_int_equal(map(s, "@k")->wire.key_size, 40);
	lang_free(s);
}

static void test_options(void **state)
{
	static const char text[] = "u:a:f { @[str(arg0)] = 1; @c[1] = count() }";
	struct lang_options opt = {.file = "f", .err = stderr, .max_strlen = 60};
	struct script *s = lang_compile(text, strlen(text), &opt);

	(void)state;
	assert_non_null(s);
	assert_int_equal(map(s, "@")->wire.key_size, 64);
	assert_int_equal(map(s, "@")->wire.max_keys, 4096);
	assert_int_equal(map(s, "@")->wire.nbuckets, 8192);
	assert_int_equal(map(s, "@c")->wire.nbuckets, 4096);
	lang_free(s);
	opt.max_strlen = 0;
	opt.max_map_keys = 1000;
	s = lang_compile(text, strlen(text), &opt);
	assert_non_null(s);
	assert_int_equal(map(s, "@")->wire.key_size, 128);
	assert_int_equal(map(s, "@")->wire.max_keys, 1000);
	assert_int_equal(map(s, "@")->wire.nbuckets, 2048);
	assert_int_equal(map(s, "@c")->wire.nbuckets, 1024);
	lang_free(s);
	lang_free(NULL);
}

static void test_maps_refused(void **state)
{
	static const struct refusal bad[] = {
		{"BEGIN { @x = 1; @x = \"t\" }",
		 "1:22: error: @x holds an integer in line 1, so it "
		 "cannot hold a string here"},
		{"BEGIN { @x = count(); @x = 1 }", "1:23: error: @x holds count() in line 1, so it "
						   "cannot hold values here"},
		{"BEGIN { @x = 1; @x = count() }", "1:22: error: @x holds values in line 1"},
		{"BEGIN { @x = count(); @x = sum(1) }", "1:28: error: @x holds count() in line 1"},
		{"BEGIN { @x = count(); @x++ }", "1:23: error: @x holds count() in line 1"},
		{"BEGIN { @x[1] = 1; @x = 2 }",
		 "1:20: error: @x needs a key: it has one in line 1"},
		{"BEGIN { @x = 1; @x[2] = 2 }", "1:17: error: @x has no key in line 1"},
		{"BEGIN { @x[1] = 1;\n @x[1, 2] = 2 }", "2:2: error: @x has a key of 1 values in "
							"line 1, but of 2 here"},
		{"BEGIN { @x[1] = 1; @x[\"a\"] = 2 }", "1:23: error: this key of @x is an integer "
						       "in line 1, but a string here"},
		{"BEGIN { @x[] = 1 }", "1:9: error: the key of @x is missing"},
		{"BEGIN { $y = @x }", "1:14: error: undefined map @x: nothing was assigned to it"},
		{"BEGIN { print(@x) }", "1:15: error: undefined map @x"},
		{"BEGIN { clear(@x) }", "1:15: error: undefined map @x"},
		{"BEGIN { @x = @x }", "1:14: error: this has no value that could be assigned"},
		{"BEGIN { @x = count(); $y = @x + 1 }",
		 "1:28: error: cannot read @x in an expression yet: it holds count(); use "
		 "print(@x)"},
		{"BEGIN { @x = \"a\"; @x++ }", "1:19: error: ++ needs an integer, but this is a "},
		{"BEGIN { @x = \"a\"; @x += 1 }", "1:25: error: @x holds a string in line 1, so"},
		{"BEGIN { @h = hist(1); @h = hist(1, 2) }", "1:28: error: @h has other buckets"},
		{"BEGIN { @h = hist(1, 6) }", "1:22: error: the second argument of hist() goes"},
		{"BEGIN { @h = hist(1, pid) }", "1:22: error: the second argument of hist() has"},
		{"BEGIN { @h = lhist(1, 10, 0, 1) }", "1:27: error: the maximum of lhist() has to"},
		{"BEGIN { @h = lhist(1, 0, 10, 0) }", "1:30: error: the step of lhist() has to be"},
		{"BEGIN { @h = lhist(1, 0, 10, 20) }", "1:30: error: the step of lhist() exceeds"},
		{"BEGIN { @h = lhist(1, 0, 1e6, 1) }", "1:14: error: lhist() has too many buckets"},
		{"BEGIN { @h = lhist(1, -9223372036854775807, 9223372036854775807, 1) }",
		 "1:14: error: lhist() has too many buckets"},
		{"BEGIN { @h = lhist(1, 0, 9, 1); @h = lhist(1, 0, 8, 1) }",
		 "1:38: error: @h has other buckets in line 1"},
		{"BEGIN { @ = sum(comm) }", "1:17: error: the value to aggregate has to be an "},
		{"BEGIN { @ += count() }", "1:9: error: an aggregation is assigned with '=' only"},
		{"BEGIN { $x = count() }", "1:14: error: count() can only be assigned to a map"},
		{"BEGIN { count() }", "1:9: error: count() can only be assigned to a map"},
		{"BEGIN { @[(1, 2), 3] = 1 }", "1:11: error: tuples can only be keys of maps"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(bad[i].text, bad[i].message);
}

static void test_types_refused(void **state)
{
	static const struct refusal bad[] = {
		{"BEGIN { $x = 1; $x = \"a\" }", "1:22: error: $x is an integer, so it cannot "
						 "become a string"},
		{"BEGIN { if (comm) {} }", "1:12: error: the condition has to be an integer"},
		{"BEGIN /comm/ {}", "1:8: error: the predicate has to be an integer"},
		{"BEGIN { $x = comm + 1 }", "1:14: error: strings can be compared with == and !="},
		{"BEGIN { $x = comm < \"a\" }", "1:14: error: strings can be compared with == and"},
		{"BEGIN { $x = comm == 1 }",
		 "1:22: error: the operand has to be a string, but this"},
		{"BEGIN { $x = -comm }", "1:15: error: the operand has to be an integer"},
		{"BEGIN { $x = 1 ? 2 : comm }", "1:14: error: the two values of ?: differ"},
		{"BEGIN { $x = comm; $x++ }", "1:20: error: ++ needs an integer"},
		{"BEGIN { $x = printf(\"a\") }", "1:14: error: printf() has no value"},
		{"BEGIN { $x = exit() }", "1:14: error: exit() has no value"},
		{"BEGIN { @ = arg0 }", "1:13: error: arg0 has no meaning here: BEGIN runs inside"},
		{"i:s:1 { @ = func }",
		 "1:13: error: func has no meaning here: interval runs inside"},
		{"END { @ = usym(1) }", "1:11: error: usym() has no meaning here: END runs inside"},
		{"u:a:f, BEGIN { @ = reg(\"ip\") }", "1:20: error: reg() has no meaning here"},
		{"BEGIN { @ = str(12) }", "1:13: error: str() has no memory to read from here"},
		{"u:a:f { @ = reg(\"xyz\") }", "1:17: error: unknown register \"xyz\""},
		{"u:a:f { @ = reg(1) }", "1:17: error: reg() needs the name of a register"},
		{"u:a:f { @ = str(arg0, arg1) }", "1:23: error: the length of str() has to be a"},
		{"u:a:f { @ = str(arg0, 0) }", "1:23: error: the length of str() goes from 1 to"},
		{"u:a:f { @ = str(arg0, 99999) }", "1:23: error: the length of str() goes from 1"},
		{"u:a:f { @ = str(comm) }", "1:17: error: the address given to str() has to be an"},
		{"BEGIN { @ = strncmp(comm, 1, 2) }", "1:27: error: the second argument of"},
		{"BEGIN { @ = strncmp(comm, comm, pid) }", "1:33: error: the length given to"},
		{"BEGIN { @ = $2 }", "1:13: error: $2 is \"word\", which is no number; as a string "
				     "it is written str($2)"},
		{"BEGIN { exit(\"a\") }", "1:14: error: the exit code has to be an integer"},
		{"BEGIN { @ = (1, 2) }", "1:13: error: tuples can only be keys of maps"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(bad[i].text, bad[i].message);
}

static void test_calls_refused(void **state)
{
	static const struct refusal bad[] = {
		{"BEGIN { printf() }", "1:9: error: printf() needs an argument"},
		{"BEGIN { printf(1) }", "1:16: error: the format of printf() has to be a string"},
		{"BEGIN { printf(\"%d %d\\n\", 1) }",
		 "1:9: error: printf() has no argument for '%d'"},
		{"BEGIN { printf(\"%d\", 1, 2) }", "1:25: error: the format has no directive for"},
		{"BEGIN { printf(\"%s\", 5) }", "1:22: error: '%s' prints strings and symbols"},
		{"BEGIN { printf(\"%-5lld\", comm) }", "1:26: error: '%-5lld' prints integers, but "
						       "this is a string"},
		{"BEGIN { printf(\"%q\", 1) }", "1:16: error: unknown conversion '%q'"},
		{"BEGIN { printf(\"%5\", 1) }",
		 "1:16: error: the format ends in the middle of '%5'"},
		{"BEGIN { printf(\"%*d\", 1, 2) }", "1:16: error: '*' as a width is not supported"},
		{"BEGIN { printf(\"%99999d\", 1) }", "1:16: error: a width in this format is too"},
		{"BEGIN { print() }", "1:9: error: print() needs an argument"},
		{"BEGIN { print(1, 2) }", "1:18: error: only a whole map prints with top and div"},
		{"BEGIN { print(1, 2, 3, 4) }", "1:24: error: too many arguments of print()"},
		{"BEGIN { clear(1) }", "1:15: error: clear() needs a map: clear(@map)"},
		{"BEGIN { @x[1] = 1; clear(@x[1]) }", "1:26: error: clear() takes a whole map"},
		{"BEGIN { @x[1] = 1; delete(@x) }", "1:27: error: @x needs a key"},
		{"BEGIN { @x[1] = 1; delete(@x[1], 1) }", "1:34: error: the key is given twice"},
		{"BEGIN { delete(1) }", "1:16: error: delete() needs a map"},
		{"BEGIN { @x = 1; @y = has_key(@x, 1) }", "1:30: error: @x has no key in line 1"},
		{"BEGIN { @x[1] = count(); if (has_key(@x, 1)) {} }",
		 "1:29: error: has_key() cannot look into @x yet: it holds count()"},
		{"BEGIN { @x[1] = count(); @y = delete(@x, 1) }",
		 "1:31: error: delete() has no value here: @x holds count()"},
		{"BEGIN { coun() }",
		 "1:9: error: unknown function 'coun'; did you mean 'count()'?"},
		{"BEGIN { frobnicate(1) }", "1:9: error: unknown function 'frobnicate'\n"},
		{"BEGIN { print(nsec) }",
		 "1:15: error: unknown name 'nsec'; did you mean 'nsecs'?"},
		{"BEGIN { @ = count }",
		 "1:13: error: 'count' is a function: expected '(' after it"},
		{"u:a:f { @ = retval }", "1:13: error: 'retval' cannot be used: it needs a return"},
		{"u:a:f { @[ustack] = count() }",
		 "1:11: error: 'ustack' cannot be used: it is not"},
		{"u:a:f { @[kstack()] = count() }", "1:11: error: 'kstack()' cannot be used: it "
						    "belongs to the kernel"},
		{"u:a:f { @ = arg10 }", "1:13: error: only arg0 to arg9 can be read"},
		{"BEGIN { @ = comm(1) }", "1:13: error: comm() with an argument is not supported"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(bad[i].text, bad[i].message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),	      cmocka_unit_test(test_growth),
		cmocka_unit_test(test_options),	      cmocka_unit_test(test_maps_refused),
		cmocka_unit_test(test_types_refused), cmocka_unit_test(test_calls_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

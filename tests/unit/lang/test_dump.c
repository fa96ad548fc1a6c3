/* SPDX-License-Identifier: MIT */
/*
 * Disassembly; with it, the shape of the code for common programs.
 */
#include "compile.h"

static char dumped[4096];

static const char *dump(const struct script *s, uint32_t prog)
{
	FILE *out = fmemopen(dumped, sizeof(dumped), "w");

	assert_non_null(out);
	lang_dump(s, prog, out);
	fclose(out);
	return dumped;
}

static void expect(const char *text, const char *code)
{
	struct script *s = compile(text);

	assert_string_equal(dump(s, 0), code);
	lang_free(s);
}

static void test_count(void **state)
{
	(void)state;
	expect("u:a:f { @ = count() }", "   0: r3 = 1\n"
					"   1: r1 = 0\n"
					"   2: r2 = 0\n"
					"   3: call agg\n"
					"   4: r0 = 0\n"
					"   5: exit\n");
	expect("u:a:f /arg1 > 10/ { @[arg0] = sum(arg1 - arg2) }", "   0: r6 = r1\n"
								   "   1: r0 = u64[r6+40]\n"
								   "   2: if r0 <= 10 goto 13\n"
								   "   3: r0 = u64[r6+32]\n"
								   "   4: u64[r10-8] = r0\n"
								   "   5: r0 = u64[r6+40]\n"
								   "   6: r1 = u64[r6+48]\n"
								   "   7: r0 -= r1\n"
								   "   8: r3 = r0\n"
								   "   9: r1 = 0\n"
								   "  10: r2 = r10\n"
								   "  11: r2 += -8\n"
								   "  12: call agg\n"
								   "  13: r0 = 0\n"
								   "  14: exit\n");
}

static void test_string_key(void **state)
{
	(void)state;
	expect("u:a:f { @[str(arg0)] = count() }", "   0: r6 = r1\n"
						   "   1: r7 = u64[r1+16]\n"
						   "   2: r3 = u64[r6+32]\n"
						   "   3: r1 = r7\n"
						   "   4: r2 = 128\n"
						   "   5: call str\n"
						   "   6: r3 = 1\n"
						   "   7: r1 = 0\n"
						   "   8: r2 = r7\n"
						   "   9: call agg\n"
						   "  10: r0 = 0\n"
						   "  11: exit\n");
}

/* Code behind exit() and in branches never taken is not there. */
static void test_dead_code(void **state)
{
	(void)state;
	expect("BEGIN { return; @ = 1 }", "   0: r0 = 0\n"
					  "   1: exit\n");
	expect("BEGIN { if (0) { @ = 1 } }", "   0: r0 = 0\n"
					     "   1: exit\n");
	expect("BEGIN /0/ { @ = 1 }", "   0: r0 = 0\n"
				      "   1: exit\n");
	expect("BEGIN { if (1) { return } else { return } @ = 1 }", "   0: r0 = 0\n"
								    "   1: exit\n");
}

static void test_forms(void **state)
{
	struct script *s = compile("u:a:f { $x = (int64)arg0; $x = $x / 3 + $x % arg1; $x = -$x;"
				   "$x = $x >> 2; $x = arg0 >> arg1; $x = 0x123456789ab;"
				   "if ($x < 5 && $x != arg1 || arg0 & 3) { @s = str(arg0, 4) } }");
	static const char *const parts[] = {
		"r0 s/= 3\n",  "r0 s%= r1\n", "r0 = -r0\n",	  "r0 s>>= 2\n",
		"r0 >>= r1\n", "goto ",	      "if r0 s>= 5 goto", "call error\n",
		"u8[r",	       "r0 &= 3\n",   "call store_buf\n", "u32[r10-8] = ",
		" r1 goto ",
	};

	(void)state;
	dump(s, 0);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!strstr(dumped, parts[i]))
			print_error("no \"%s\" in\n%s", parts[i], dumped);
		assert_non_null(strstr(dumped, parts[i]));
	}
	lang_free(s);
}

static void test_wide_constant(void **state)
{
	(void)state;
	expect("u:a:f { @ = 0x123456789ab }", "   0: r3 = 0x123456789ab ll\n"
					      "   2: r1 = 0\n"
					      "   3: r2 = 0\n"
					      "   4: call store\n"
					      "   5: r0 = 0\n"
					      "   6: exit\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),	      cmocka_unit_test(test_string_key),
		cmocka_unit_test(test_dead_code),     cmocka_unit_test(test_forms),
		cmocka_unit_test(test_wide_constant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

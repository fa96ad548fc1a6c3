/* SPDX-License-Identifier: MIT */
/* Values as text; formats by name; the buffer below. */
#include "fixture.h"

static void check(const struct show_names *n, struct script_type t, const void *data,
		  const char *expect)
{
	struct show_buf b = {0};

	show_value(n, &t, data, &b);
	assert_string_equal(show_buf_text(&b), expect);
	show_buf_free(&b);
}

static void kinds(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_COUNT, "@");
	uint64_t w[2] = {(uint64_t)-1, 0};

	(void)state;
	check(&f->s.names, (struct script_type){SCRIPT_INT, true, 8}, w, "-1");
	check(&f->s.names, (struct script_type){SCRIPT_INT, false, 8}, w, "18446744073709551615");
	check(&f->s.names, (struct script_type){SCRIPT_STR, false, 8}, "a\0bcdefg", "a");
	check(&f->s.names, (struct script_type){SCRIPT_STR, false, 8}, "abcdefgh", "abcdefgh");
	check(&f->s.names, (struct script_type){SCRIPT_USYM, false, 16}, w, "0xffffffffffffffff");
	check(&f->s.names, (struct script_type){SCRIPT_NONE, false, 0}, w, "");
	w[0] = 0;
	check(&f->s.names, (struct script_type){SCRIPT_NAME, false, 8}, w, "");
	w[0] = 2;
	check(&f->s.names, (struct script_type){SCRIPT_NAME, false, 8}, w, "ain");
	w[0] = 12;
	check(&f->s.names, (struct script_type){SCRIPT_NAME, false, 8}, w, "<bad string>");
	fix_free(f);
}

static void keys(void **state)
{
	struct fix *f = fix_new("text", WIRE_MAP_COUNT, "@");
	uint64_t key[4] = {(uint64_t)-3, 0, 1, 3};
	struct show_buf b = {0};

	(void)state;
	memcpy(&key[1], "x,y", 3);
	fix_key(f, SCRIPT_INT, 8);
	fix_key(f, SCRIPT_STR, 8);
	fix_key(f, SCRIPT_USYM, 16);
	show_key(&f->s.names, &f->m, key, ", ", &b);
	assert_string_equal(show_buf_text(&b), "-3, x,y, func+1");
	show_buf_free(&b);
	fix_free(f);
}

static void formats_by_name(void **state)
{
	(void)state;
	assert_string_equal(show_ops_find("text")->name, "text");
	assert_string_equal(show_ops_find("json")->name, "json");
	assert_null(show_ops_find("xml"));
	assert_null(show_ops_find(""));
	for (int i = 0; i < WIRE_RT_COUNT; i++)
		assert_string_not_equal(show_rt_text(i), show_rt_text(WIRE_RT_COUNT));
}

static void buffers_grow(void **state)
{
	struct show_buf b = {0};

	(void)state;
	assert_string_equal(show_buf_text(&b), "");
	for (int i = 0; i < 1000; i++) {
		show_buf_printf(&b, "%d", i % 10);
		show_buf_str(&b, "ab");
	}
	assert_int_equal(b.n, 3000);
	assert_int_equal(strlen(b.p), 3000);
	assert_memory_equal(b.p + 2991, "7ab8ab9ab", 10);
	assert_false(b.failed);
	show_buf_free(&b);
	assert_int_equal(b.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(keys),
		cmocka_unit_test(formats_by_name),
		cmocka_unit_test(buffers_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Bounds and labels of histogram buckets. */
#include "fixture.h"

static void label(const struct wire_map *m, uint32_t bucket, const char *expect)
{
	struct show_buf b = {0};

	show_bucket_label(m, bucket, &b);
	assert_string_equal(show_buf_text(&b), expect);
	show_buf_free(&b);
}

static void powers_of_two(void **state)
{
	struct wire_map m = {.kind = WIRE_MAP_HIST};

	(void)state;
	label(&m, wire_hist_bucket(-1, 0), "(..., 0)");
	label(&m, wire_hist_bucket(0, 0), "[0]");
	label(&m, wire_hist_bucket(1, 0), "[1]");
	label(&m, wire_hist_bucket(2, 0), "[2, 4)");
	label(&m, wire_hist_bucket(512, 0), "[512, 1K)");
	label(&m, wire_hist_bucket(1024, 0), "[1K, 2K)");
	label(&m, wire_hist_bucket(1 << 20, 0), "[1M, 2M)");
	label(&m, wire_hist_bucket(1ll << 39, 0), "[512G, 1T)");
	label(&m, wire_hist_bucket(1ll << 49, 0), "[512T, 1P)");
	label(&m, wire_hist_bucket(INT64_MAX, 0), "[4E, 8E)");
	label(&m, WIRE_HIST_BUCKETS(0) - 1, "[8E, 16E)");
}

static void finer_buckets(void **state)
{
	struct wire_map m = {.kind = WIRE_MAP_HIST, .hist_bits = 2};

	(void)state;
	for (int64_t v = 0; v < 8; v++) {
		char text[8];

		snprintf(text, sizeof(text), "[%d]", (int)v);
		label(&m, wire_hist_bucket(v, 2), text);
	}
	label(&m, wire_hist_bucket(8, 2), "[8, 10)");
	label(&m, wire_hist_bucket(11, 2), "[10, 12)");
	label(&m, wire_hist_bucket(1500, 2), "[1280, 1536)");
	label(&m, wire_hist_bucket(2047, 2), "[1792, 2048)");
	label(&m, wire_hist_bucket(4095, 2), "[3584, 4K)");
	label(&m, wire_hist_bucket(5000, 2), "[4K, 5K)");
}

/* Every bucket holds exactly the values that are counted in it. */
static void bounds_match_buckets(void **state)
{
	(void)state;
	for (uint8_t k = 0; k <= WIRE_HIST_MAX_BITS; k++) {
		struct wire_map m = {.kind = WIRE_MAP_HIST, .hist_bits = k};

		for (uint32_t i = 0; i < WIRE_HIST_BUCKETS(k); i++) {
			struct show_bounds b = show_bounds(&m, i);

			assert_true(b.has_to);
			assert_int_equal(b.has_from, i != 0);
			if (b.has_from && b.from.v <= INT64_MAX)
				assert_int_equal(wire_hist_bucket((int64_t)b.from.v, k), i);
			if (b.to.v <= INT64_MAX || i == 0)
				assert_int_equal(wire_hist_bucket((int64_t)b.to.v, k), i);
		}
	}
}

static void linear(void **state)
{
	struct wire_map m = {
		.kind = WIRE_MAP_LHIST, .lhist_min = 0, .lhist_max = 100, .lhist_step = 10};

	(void)state;
	label(&m, 0, "(..., 0)");
	label(&m, 1, "[0, 10)");
	label(&m, 10, "[90, 100)");
	label(&m, 11, "[100, ...)");
	m.lhist_min = -50;
	label(&m, 0, "(..., -50)");
	label(&m, 1, "[-50, -40)");
	m = (struct wire_map){.kind = WIRE_MAP_LHIST,
			      .lhist_min = 0,
			      .lhist_max = 1 << 21,
			      .lhist_step = 512 * 1024};
	label(&m, 1, "[0, 512K)");
	label(&m, 2, "[512K, 1M)");
	label(&m, 5, "[2M, ...)");
	/* no suffix when only some bounds could have one */
	m.lhist_max = 4000;
	m.lhist_step = 512;
	label(&m, 2, "[512, 1024)");
	m.lhist_max = 10000;
	m.lhist_step = 1000;
	label(&m, 1, "[0, 1000)");
}

static void spans(void **state)
{
	struct script_map m = {.wire = {.kind = WIRE_MAP_HIST, .value_size = 8 * 66}};
	uint64_t v[66] = {0};
	struct show_hist h = show_hist_span(&m, v);

	(void)state;
	assert_true(h.first > h.last);
	v[0] = 3;
	h = show_hist_span(&m, v);
	assert_int_equal(h.first, 0);
	assert_int_equal(h.last, 0);
	v[65] = 9;
	h = show_hist_span(&m, v);
	assert_int_equal(h.last, 65);
	assert_int_equal(h.max, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(powers_of_two),
		cmocka_unit_test(finer_buckets),
		cmocka_unit_test(bounds_match_buckets),
		cmocka_unit_test(linear),
		cmocka_unit_test(spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Statements: control flow, assignments, aggregations, predicates.
 */
#include "run.h"

/* Value word @n of a scalar aggregation of the only thread. */
static int64_t agg(struct run *r, const char *name, uint32_t n)
{
	const struct wire_map *m = fx_at(&r->fx, run_map(r, name));
	const uint8_t *entry = (const uint8_t *)r->fx.b + m->bucket_off;

	return ((const int64_t *)(entry + sizeof(struct wire_entry)))[n];
}

static void test_if(void **state)
{
	struct run r;

	(void)state;
	run_open(&r,
		 "uprobe:a:f { if (arg0 == 1) { @ = 10 } else if (arg0 == 2) { @ = 20; }"
		 "else if arg0 == 3 { @ = 30 } else { @ = 40 } if (arg0 > 2) { } else { @l = 1 }"
		 "if (1) { @t = 1 } else { @e = 1 } if (0) { @z = 1 } }");
	for (uint64_t i = 1; i <= 5; i++) {
		r.ctx.reg[0] = i;
		run_hit(&r, 0);
		assert_int_equal(run_value(&r, "@", NULL), i < 4 ? 10 * i : 40);
	}
	assert_int_equal(run_value(&r, "@l", NULL), 1);
	assert_int_equal(run_value(&r, "@t", NULL), 1);
	assert_int_equal(run_value(&r, "@e", NULL), -99);
	assert_int_equal(run_value(&r, "@z", NULL), -99);
	run_close(&r);
}

static void test_scopes(void **state)
{
	struct run r;

	(void)state;
	run_open(&r,
		 "uprobe:a:f { $x = 1; if (arg0) { $x = 2; $y = 3; { $z = 4; $x += $z } $q = 9 }"
		 "else { $y = \"text\"; } let $u; $u += 5; let $w; $w = \"s\"; let $n;"
		 "if (1) { let $x = 77; } @x = $x; @u = $u; @w = $w; }");
	r.ctx.reg[0] = 1;
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@x", NULL), 6);
	assert_int_equal(run_value(&r, "@u", NULL), 5);
	r.ctx.reg[0] = 0;
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@x", NULL), 1);
	run_close(&r);
}

static void test_compound(void **state)
{
	struct run r;

	(void)state;
	run_open(&r, "BEGIN { $x = 12; $x |= 3; $x &= 10; $x ^= 1; $x <<= 4; $x >>= 2; @v = $x;"
		     "@m = 5; @m *= 3; @m -= 1; @m /= 2; @m %= 5; @m += 40; @m <<= 1; @m >>= 2;"
		     "@m |= 8; @m &= 29; @m ^= 1; @neg = -8; @neg /= 2; @neg >>= 1; $i = 0;"
		     "@k[$i++] *= 2; @k[$i++] += 2; @i = $i }");
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@v", NULL), 44);
	assert_int_equal(run_value(&r, "@m", NULL), ((((42 << 1) >> 2) | 8) & 29) ^ 1);
	assert_int_equal(run_value(&r, "@neg", NULL), -2);
	assert_int_equal(run_value(&r, "@k", &(uint64_t){0}), 0);
	assert_int_equal(run_value(&r, "@k", &(uint64_t){1}), 2);
	assert_int_equal(run_value(&r, "@i", NULL), 2);
	run_close(&r);
}

static void test_predicate(void **state)
{
	struct run r;

	(void)state;
	run_open(&r, "uprobe:a:f /arg0 / 2 == 5 && (arg1 / 3) != 1/ { @ = arg0 }"
		     "uprobe:a:g/arg0/{ @g = 1 } uprobe:a:h /0/ { @h = 1 }");
	r.ctx.reg[0] = 9;
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@", NULL), -99);
	r.ctx.reg[0] = 11;
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@", NULL), 11);
	run_hit(&r, 1);
	run_hit(&r, 2);
	assert_int_equal(run_value(&r, "@g", NULL), 1);
	assert_int_equal(run_value(&r, "@h", NULL), -99);
	run_close(&r);
}

static void test_aggregations(void **state)
{
	struct run r;

	(void)state;
	run_open(&r, "uprobe:a:f { @c = count(); @s = sum(arg0); @a = avg(-5); @lo = min(arg0);"
		     "@hi = max(arg0 + 1); @st = stats(arg0); @h = hist(arg0); @h2 = hist(arg0, 2);"
		     "@l = lhist(arg0, 0, 10 * 10, 10); @k[arg0, comm] = count() }");
	r.ctx.reg[0] = 5;
	run_hit(&r, 0);
	r.ctx.reg[0] = 55;
	run_hit(&r, 0);
	assert_int_equal(agg(&r, "@c", 0), 2);
	assert_int_equal(agg(&r, "@s", 0), 60);
	assert_int_equal(agg(&r, "@a", 0), -10);
	assert_int_equal(wire_extreme(fx_at(&r.fx, run_map(&r, "@lo")), agg(&r, "@lo", 0)), 5);
	assert_int_equal(agg(&r, "@hi", 0), 56);
	assert_int_equal(agg(&r, "@st", 1), 2);
	assert_int_equal(agg(&r, "@h", wire_hist_bucket(5, 0)), 1);
	assert_int_equal(agg(&r, "@h2", wire_hist_bucket(55, 2)), 1);
	assert_int_equal(agg(&r, "@l", 6), 1);
	run_close(&r);
}

static void test_fast_map(void **state)
{
	struct script *s = compile("u:a:f { @x[1] = count(); } u:a:f { @ = count() }"
				   "u:a:f /1/ { @ = count() } u:a:f { @s = sum(1) }"
				   "u:a:f { @ = count(); @ = count() } u:a:f { } u:a:f { @y = 1 }");

	(void)state;
	for (uint32_t i = 0; i < s->nprogs; i++)
		assert_int_equal(s->prog[i].fast_map, i == 1 ? 2 : 0);
	lang_free(s);
}

static void test_return(void **state)
{
	struct run r;

	(void)state;
	run_open(&r, "BEGIN { @a = 1; if (pid) { return; } @b = 1 } END { return }");
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@a", NULL), 1);
	assert_int_equal(run_value(&r, "@b", NULL), -99);
	run_close(&r);
}

/* A map may be read before the text that writes it. */
static void test_read_before_write(void **state)
{
	struct run r;

	(void)state;
	run_open(&r, "uprobe:a:g /@start[tid]/ { @t = arg0 - @start[tid]; delete(@start[tid]) }"
		     "uprobe:a:f { @start[tid] = arg0 }");
	r.ctx.reg[0] = 10;
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@t", NULL), -99);
	run_hit(&r, 1);
	r.ctx.reg[0] = 17;
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@t", NULL), 7);
	run_hit(&r, 0);
	assert_int_equal(run_value(&r, "@start", &(uint64_t){1235}), -99);
	run_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_if),	     cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_compound),     cmocka_unit_test(test_predicate),
		cmocka_unit_test(test_aggregations), cmocka_unit_test(test_fast_map),
		cmocka_unit_test(test_return),	     cmocka_unit_test(test_read_before_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * How many function entries take a probe, per class, and why the others do not: for the
 * libraries and programs that happen to be installed. Prints a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/err.h"
#include "plan/plan.h"

#define REASONS 32 /* own error codes, counted from SONDE_E_TOO_SHORT down */

struct target {
	const char *name, *program;
	bool is_library;
};

static const struct target targets[] = {
	{"libc", NULL, true},	   {"libsqlite3.so.0", NULL, true},
	{"libstdc++", NULL, true}, {"/usr/bin/python3", NULL, false},
	{"sqlite3", NULL, false},  {"/usr/lib/gcc/x86_64-linux-gnu/12/cc1", NULL, false},
};

struct tally {
	size_t total, planned, refused;
	size_t per_class[WIRE_CLASS_COUNT];
	size_t reason[REASONS];
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void count_one(struct plan *p, uint64_t vaddr, struct tally *t)
{
	struct plan_site site;
	int err = plan_site(p, vaddr, &site);

	t->total++;
	if (err) {
		assert_in_range(SONDE_E_TOO_SHORT - err, 0, REASONS - 1);
		t->refused++;
		t->reason[SONDE_E_TOO_SHORT - err]++;
		return;
	}
	assert_in_range(site.site.class, WIRE_CLASS_S0, WIRE_CLASS_COUNT - 1);
	t->planned++;
	t->per_class[site.site.class]++;
}

static void print(const char *name, const struct tally *t, double seconds)
{
	printf("%-40s %6zu entries: %6.2f %% planned;", name, t->total,
	       100.0 * (double)t->planned / (double)t->total);
	for (unsigned c = WIRE_CLASS_S0; c < WIRE_CLASS_COUNT; c++)
		printf(" %s %.2f %%", plan_class_name(c),
		       100.0 * (double)t->per_class[c] / (double)t->total);
	for (int i = 0; i < REASONS; i++)
		if (t->reason[i])
			printf(" %s %zu", sonde_err_name(SONDE_E_TOO_SHORT - i), t->reason[i]);
	printf(" (%.3f s)\n", seconds);
}

/* Every function of the image once: by bounds, which a stripped image has too. */
static void cover(const struct target *target)
{
	struct tally t = {0};
	char path[4096];
	struct image *img;
	struct plan *p;
	double start;
	int err;

	if (image_resolve(target->name, target->program, path, sizeof(path))) {
		printf("%-40s not installed\n", target->name);
		return;
	}
	err = image_open(path, &img);
	if (err == SONDE_E_NOT_ELF) {
		printf("%-40s is a script\n", target->name);
		return;
	}
	assert_int_equal(err, 0);
	assert_true(img->nbounds > 0);
	start = now();
	assert_int_equal(plan_open(img, &p), 0);
	for (size_t i = 0; i < img->nbounds; i++)
		count_one(p, img->bound[i].start, &t);
	print(target->name, &t, now() - start);
	assert_int_equal(t.planned + t.refused, t.total);
	if (target->is_library)
		assert_true(t.planned * 100 >= t.total * 90);
	plan_close(p);
	image_close(img);
}

static void coverage(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(targets); i++)
		cover(&targets[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(coverage)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * How many places take a probe, per class, and why the others do not: all function entries, random
 * instructions, and all exits, of libraries and programs that happen to be installed. Prints a
 * table. Each place is planned alone, as if it were the only one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/err.h"
#include "plan/plan.h"
#include "plan/sweep.h"

#define REASONS 32 /* own error codes, counted from SONDE_E_TOO_SHORT down */
#define RANDOM_INSNS 10000
#define SEED 20260801u

/* Least shares in 1/100 %: entries and random instructions in a class that makes no traps while it
 * stands, functions with all exits. */
struct floors {
	int entries, insns, exits;
};

struct target {
	const char *name;
	struct floors start, live;
};

#define REACH                                                                                      \
	{                                                                                          \
		9970, 9890, 9500                                                                   \
	}

static const struct target targets[] = {
	{"libc.so.6", {9970, 9890, 9500}, REACH},
	{"libcrypto.so.3", {9970, 9890, 9500}, REACH},
	{"libstdc++.so.6", {9890, 9890, 9500}, REACH},
	{"libsqlite3.so.0", {9970, 9890, 9500}, REACH},
	{"/usr/bin/redis-server", {9970, 9890, 9500}, REACH},
	{"/usr/bin/python3", {9250, 9400, 9500}, REACH},
	{"/usr/lib/gcc/x86_64-linux-gnu/12/cc1", {9500, 9400, 9500}, REACH},
};

/* What those who carry the plan out can do. */
enum { ONE_STORE, AT_START, LIVE, WAYS };

static const struct {
	const char *name;
	uint32_t classes;
} ways[WAYS] = {
	{"one store", PLAN_ONE_STORE},
	{"at start", PLAN_ONE_STORE | PLAN_CLASS(WIRE_CLASS_W) | PLAN_EARLY},
	{"live", PLAN_ALL & ~PLAN_CLASS(WIRE_CLASS_W)},
};

struct tally {
	size_t total, refused, crossing, before;
	size_t per_class[WIRE_CLASS_COUNT];
	size_t reason[REASONS];
};

static uint64_t state;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void count(struct tally *t, const struct plan_site *site, int err)
{
	t->total++;
	if (err) {
		assert_in_range(SONDE_E_TOO_SHORT - err, 0, REASONS - 1);
		t->refused++;
		t->reason[SONDE_E_TOO_SHORT - err]++;
		return;
	}
	assert_in_range(site->site.class, WIRE_CLASS_S0, WIRE_CLASS_COUNT - 1);
	t->per_class[site->site.class]++;
	t->crossing += site->site.class == WIRE_CLASS_S3 && site->site.next_old;
	t->before += site->site.hit_at > 0;
}

static void place(struct plan *p, uint64_t vaddr, uint32_t classes, struct tally *t)
{
	struct plan_site site;
	int err = plan_site_in(p, vaddr, classes, &site);

	count(t, &site, err);
	if (!err)
		plan_release(p, &site);
}

/* In 1/100 %: all of @t but what is refused or in class S5. */
static int by_jump(const struct tally *t)
{
	return (int)((t->total - t->refused - t->per_class[WIRE_CLASS_S5]) * 10000 / t->total);
}

static void print(const char *what, int way, const struct tally *t)
{
	double all = (double)t->total / 100;

	printf("  %-12s %-9s %6zu", what, ways[way].name, t->total);
	for (unsigned c = WIRE_CLASS_S0; c < WIRE_CLASS_COUNT; c++)
		printf("  %s %5.2f", plan_class_name(c), (double)t->per_class[c] / all);
	printf("  refused %5.2f  (S3 in two quadwords %.2f, before the instruction %.2f)",
	       (double)t->refused / all, (double)t->crossing / all, (double)t->before / all);
	for (int i = 0; i < REASONS; i++)
		if (t->reason[i])
			printf(" %s %zu", sonde_err_name(SONDE_E_TOO_SHORT - i), t->reason[i]);
	printf("\n");
}

static void report(const char *what, const struct tally *t, int at_start, int live)
{
	for (int w = 0; w < WAYS; w++)
		print(what, w, &t[w]);
	assert_true(by_jump(&t[AT_START]) >= at_start);
	assert_true(by_jump(&t[LIVE]) >= live);
}

static void place_all_ways(struct plan *p, uint64_t vaddr, struct tally *t)
{
	for (int w = 0; w < WAYS; w++)
		place(p, vaddr, ways[w].classes, &t[w]);
}

/* Every function of the image once: by bounds, which a stripped image has too. */
static void entries(struct plan *p, const struct image *img, const struct target *target)
{
	struct tally t[WAYS] = {0};

	for (size_t i = 0; i < img->nbounds; i++) {
		if (!plan_is_part(p, img->bound[i].start))
			place_all_ways(p, img->bound[i].start, t);
	}
	report("entries", t, target->start.entries, target->live.entries);
}

static int compare(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

/* Random bytes of functions, each function weighing by its size, in order. */
static uint64_t *random_bytes(const struct image *img, size_t n)
{
	uint64_t *byte = calloc(n, sizeof(*byte)), all = 0, before = 0;
	size_t k = 0;

	assert_non_null(byte);
	for (size_t i = 0; i < img->nbounds; i++)
		all += img->bound[i].end - img->bound[i].start;
	for (size_t i = 0; i < n; i++)
		byte[i] = next_random() % all;
	qsort(byte, n, sizeof(*byte), compare);
	for (size_t i = 0; i < img->nbounds; i++) {
		struct image_range r = img->bound[i];

		for (; k < n && byte[k] < before + (r.end - r.start); k++)
			byte[k] = r.start + (byte[k] - before);
		before += r.end - r.start;
	}
	return byte;
}

/* Random instructions: random bytes that are the first of one. */
static void instructions(struct plan *p, const struct image *img, const struct target *target)
{
	size_t n = 5 * RANDOM_INSNS; /* an instruction has less than five bytes */
	struct tally t[WAYS] = {0};
	struct sweep s = {0};
	uint64_t *byte;

	state = SEED;
	byte = random_bytes(img, n);
	for (size_t i = 0; i < n; i++) {
		struct image_range r;

		assert_true(image_bound(img, byte[i], &r));
		if (s.range.start != r.start)
			assert_int_equal(sweep_function(&s, img, r), 0);
		if (sweep_is_boundary(&s, byte[i]))
			place_all_ways(p, byte[i], t);
	}
	free(byte);
	sweep_free(&s);
	assert_true(t[0].total >= RANDOM_INSNS);
	report("instructions", t, target->start.insns, target->live.insns);
}

struct whole {
	size_t functions, found, patched, reason[REASONS];
};

/* All exits of one function at once: sites that stand near each other must not collide. */
static void function_exits(struct plan *p, const struct plan_exits *e, int err, int way,
			   struct tally *t, struct whole *w)
{
	struct plan_site *site = calloc(e->n + 1, sizeof(*site));
	bool all = !err;

	assert_non_null(site);
	w->functions++;
	w->found += !err;
	if (err)
		w->reason[SONDE_E_TOO_SHORT - err]++;
	plan_exits_place(p, e, ways[way].classes, site);
	for (size_t i = 0; i < e->n; i++) {
		bool none = site[i].site.class == WIRE_CLASS_NONE;

		count(t, &site[i], none ? SONDE_E_TOO_SHORT : 0);
		if (none || site[i].site.class == WIRE_CLASS_S5)
			all = false;
		if (!none)
			plan_release(p, &site[i]);
	}
	w->patched += all;
	free(site);
}

static void print_whole(int way, const struct whole *w, int floor)
{
	double all = (double)w->functions / 100;

	printf("  functions    %-9s %6zu  all exits known %.2f, and have a jump %.2f",
	       ways[way].name, w->functions, (double)w->found / all, (double)w->patched / all);
	for (int i = 0; i < REASONS; i++)
		if (w->reason[i])
			printf(" %s %zu", sonde_err_name(SONDE_E_TOO_SHORT - i), w->reason[i]);
	printf("\n");
	assert_true(w->patched * 10000 >= w->functions * (size_t)floor);
}

static void exits(struct plan *p, const struct image *img, const struct target *target)
{
	struct whole w[WAYS] = {0};
	struct tally t[WAYS] = {0};
	struct plan_exits e = {0};

	for (size_t i = 0; i < img->nbounds; i++) {
		int err = plan_exits_find(p, img->bound[i].start, &e);

		for (int k = 0; k < WAYS && err != SONDE_E_NO_FUNCTION; k++)
			function_exits(p, &e, err, k, &t[k], &w[k]);
	}
	plan_exits_free(&e);
	report("exits", t, 0, 0);
	print_whole(ONE_STORE, &w[ONE_STORE], 0);
	print_whole(AT_START, &w[AT_START], target->start.exits);
	print_whole(LIVE, &w[LIVE], target->live.exits);
}

static void cover(const struct target *target)
{
	char path[4096];
	struct image *img;
	struct plan *p;
	double begin = now();

	if (image_resolve(target->name, NULL, path, sizeof(path))) {
		printf("%s: not installed\n", target->name);
		return;
	}
	assert_int_equal(image_open(path, &img), 0);
	assert_true(img->nbounds > 0);
	assert_int_equal(plan_open(img, &p), 0);
	printf("%s, shares in %%\n", path);
	entries(p, img, target);
	instructions(p, img, target);
	exits(p, img, target);
	printf("  %.1f s\n", now() - begin);
	plan_close(p);
	image_close(img);
}

static void coverage(void **arg)
{
	const char *only = getenv("TARGET");

	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		if (!only || strstr(targets[i].name, only))
			cover(&targets[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(coverage)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

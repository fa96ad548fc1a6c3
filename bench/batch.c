/* SPDX-License-Identifier: MIT */
/*
 * bench_batch DIR: N objects are taken away from under readers: unlinked, waited for, freed. One
 * grace period for each; the seed's way, N without waiting and one wait; ours, by cookies and by
 * calls; liburcu's. Alone, and beside a thread that reads all the time: how much slower is that
 * one meanwhile? Table on the terminal, DIR/batch.json.
 *
 * ROUNDS rounds (5), all methods in each, each in a process of its own; medians. Wall time, as it
 * is time for which a writer waits.
 */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "crew.h"
#include "harness.h"
#include "variant.h"

#define REPEAT_MAX 50	 /* times that a batch is repeated in a measurement */
#define REPEAT_NS 30e6	 /* but not for longer */
#define RESOLVED_NS 5000 /* what the reader does in less than this cannot be told */
#define BEFORE_US 10000u /* so long does the reader run undisturbed, to compare with */

enum { LINKED = 1, UNLINKED, FREED };

static struct item *items;
static struct item **table;
static size_t nfreed;

void bench_item_free(struct item *item)
{
	item->state = FREED;
	nfreed++;
}

static struct item *unlink_at(size_t i)
{
	struct item *item = table[i];

	item->state = UNLINKED;
	__atomic_store_n(&table[i], NULL, __ATOMIC_RELEASE);
	return item;
}

static void wait_each(const struct variant *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct item *item = unlink_at(i);

		v->synchronize();
		bench_item_free(item);
	}
}

static void wait_once(const struct variant *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		unlink_at(i);
	v->synchronize();
	for (size_t i = 0; i < n; i++)
		bench_item_free(&items[i]);
}

static void take_cookies(const struct variant *v, size_t n)
{
	uint64_t last = 0;

	for (size_t i = 0; i < n; i++) {
		unlink_at(i);
		last = v->cookie();
	}
	v->wait(last);
	for (size_t i = 0; i < n; i++)
		bench_item_free(&items[i]);
}

static void defer_all(const struct variant *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v->defer(unlink_at(i));
	v->barrier();
}

static bool can_wait(const struct variant *v)
{
	return v->defer && v->synchronize;
}

static bool can_take_cookies(const struct variant *v)
{
	return v->cookie;
}

static bool can_defer(const struct variant *v)
{
	return v->defer;
}

static bool can_choose_worker(const struct variant *v)
{
	return v->worker;
}

static const struct method {
	const char *name;
	void (*run)(const struct variant *v, size_t n);
	bool (*fits)(const struct variant *v);
	bool worker;
} methods[] = {
	{"before: synchronize for each", wait_each, can_wait, false},
	{"seed: nosync, one synchronize", wait_once, can_wait, false},
	{"cookie for each, one wait", take_cookies, can_take_cookies, false},
	{"call for each, barrier", defer_all, can_defer, false},
	{"call for each, worker, barrier", defer_all, can_choose_worker, true},
};

static const size_t sizes[] = {1, 100, 10000, 50000};

#define NMETHODS (sizeof(methods) / sizeof(methods[0]))
#define NSIZES (sizeof(sizes) / sizeof(sizes[0]))

struct batch_job {
	const struct variant *v;
	const struct method *m;
	size_t n;
	bool busy;
};

enum { BATCH_MS, BATCH_RATIO, BATCH_LOST, BATCH_OUT };

static void link_all(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		items[i].state = LINKED;
		table[i] = &items[i];
	}
	nfreed = 0;
}

static double sections(const struct crew_busy *b)
{
	return (double)__atomic_load_n(&b->watch.sections, __ATOMIC_RELAXED);
}

/* Sections per ns with nothing else going on. */
static double undisturbed(const struct crew_busy *b)
{
	double begin = bench_now_ns(), before = sections(b);

	usleep(BEFORE_US);
	return (sections(b) - before) / (bench_now_ns() - begin);
}

/* Again and again for a while. With @busy: what does it get done, of @rate sections per ns? */
static void repeat(const struct batch_job *job, struct crew_busy *busy, double rate, double *out)
{
	struct samples ms = {.n = 0}, ratio = {.n = 0};
	double first = bench_now_ns(), begin, took, before = 0;

	do {
		link_all(job->n);
		if (busy)
			before = sections(busy);
		begin = bench_now_ns();
		job->m->run(job->v, job->n);
		took = bench_now_ns() - begin;
		if (busy && took > RESOLVED_NS)
			samples_add(&ratio, (sections(busy) - before) / took / rate);
		samples_add(&ms, took / 1e6);
		if (nfreed != job->n)
			bench_fail("a batch has not freed all it should");
	} while (ms.n < REPEAT_MAX && begin + took < first + REPEAT_NS);
	out[BATCH_MS] = samples_median(&ms);
	out[BATCH_RATIO] = samples_median(&ratio);
	out[BATCH_LOST] = (1 - out[BATCH_RATIO]) * out[BATCH_MS];
}

/* All NAN if the reader was not beside us for most of the time. */
static void repeat_beside(const struct batch_job *job, double *out)
{
	struct crew_busy busy;
	struct crew_beside calm, beside;
	double rate = NAN;

	crew_busy_start(&busy, job->v);
	crew_beside_init(&calm, busy.thread);
	while (crew_beside_again(&calm))
		rate = undisturbed(&busy);
	crew_beside_init(&beside, busy.thread);
	while (crew_beside_again(&beside))
		repeat(job, &busy, rate, out);
	crew_busy_stop(&busy);
	for (int k = 0; !(calm.enough && beside.enough) && k < BATCH_OUT; k++)
		out[k] = NAN;
}

static void batch_run(const void *arg, double *out)
{
	const struct batch_job *job = arg;

	items = bench_new(job->n * sizeof(*items));
	table = bench_new(job->n * sizeof(struct item *));
	crew_begin(job->v);
	if (job->v->attach)
		job->v->attach();
	if (job->m->worker)
		job->v->worker(true);
	bench_pin(0);
	if (job->busy)
		repeat_beside(job, out);
	else
		repeat(job, NULL, NAN, out);
}

/* A variant by one method: for each size alone, then for each size beside the reader. */
struct row {
	const struct variant *v;
	const struct method *m;
	struct samples ms[2][NSIZES], ratio[NSIZES], lost[NSIZES];
};

static void row_measure(struct row *row)
{
	double out[BATCH_OUT];

	for (int busy = 0; busy < (bench_cpus() < 2 ? 1 : 2); busy++) {
		for (size_t s = 0; s < NSIZES; s++) {
			struct batch_job job = {row->v, row->m, sizes[s], busy};

			bench_isolated(batch_run, &job, out, BATCH_OUT);
			samples_add(&row->ms[busy][s], out[BATCH_MS]);
			samples_add(&row->ratio[s], out[BATCH_RATIO]);
			samples_add(&row->lost[s], out[BATCH_LOST]);
		}
	}
}

/* Four digits that tell something, from a fifth of a microsecond to seconds. */
static void cell_ms(double ms)
{
	cell(ms, 8, ms < 0.1 ? 4 : ms < 10 ? 3 : 1);
}

static void row_print(struct row *row)
{
	printf("%-14s %-31s", row->v->name, row->m->name);
	for (int busy = 0; busy < 2; busy++) {
		for (size_t s = 0; s < NSIZES; s++)
			cell_ms(samples_median(&row->ms[busy][s]));
		printf("  ");
	}
	for (size_t s = 0; s < NSIZES; s++)
		cell(samples_median(&row->ratio[s]), 6, 2);
	printf("\n");
}

static void row_json(struct row *row, struct json *json)
{
	for (size_t s = 0; s < NSIZES; s++) {
		json_row(json, "variant", row->v->name);
		json_text(json, "method", row->m->name);
		json_number(json, "n", (double)sizes[s]);
		json_number(json, "ms", samples_median(&row->ms[0][s]));
		json_number(json, "min_ms", samples_min(&row->ms[0][s]));
		json_number(json, "busy_ms", samples_median(&row->ms[1][s]));
		json_number(json, "busy_min_ms", samples_min(&row->ms[1][s]));
		json_number(json, "reader_ratio", samples_median(&row->ratio[s]));
		json_number(json, "reader_lost_ms", samples_median(&row->lost[s]));
	}
}

static void print_head(int rounds)
{
	printf("N objects unlinked, waited for, freed: ms for all, %d rounds, medians.\n"
	       "beside: a thread on the other processor reads all the time; reader: what it gets "
	       "done meanwhile,\nof what it does undisturbed\n",
	       rounds);
	printf("%-46s %-35s  %-35s  %s\n%-46s", "",
	       "   alone, N =", "   beside, N =", "   reader, N =", "");
	for (int busy = 0; busy < 2; busy++) {
		for (size_t s = 0; s < NSIZES; s++)
			printf(" %8zu", sizes[s]);
		printf("  ");
	}
	for (size_t s = 0; s < NSIZES; s++)
		printf(" %6zu", sizes[s]);
	printf("\n");
}

/* Every variant by every method that it has. */
static size_t fill_rows(struct row *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < bench_nvariants; i++) {
		for (size_t m = 0; m < NMETHODS; m++) {
			if (!methods[m].fits(bench_variants[i]))
				continue;
			rows[n].v = bench_variants[i];
			rows[n++].m = &methods[m];
		}
	}
	return n;
}

int main(int argc, char **argv)
{
	struct row *rows = calloc(bench_nvariants * NMETHODS, sizeof(*rows));
	int rounds = bench_rounds(5);
	struct json json;
	size_t n;

	if (argc != 2 || !rows) {
		fprintf(stderr, "usage: bench_batch DIR\n");
		return 2;
	}
	json_open(&json, argv[1], "batch", rounds);
	json_table(&json, "batch");
	n = fill_rows(rows);
	for (int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < n; i++)
			row_measure(&rows[i]);
	}
	print_head(rounds);
	for (size_t i = 0; i < n; i++) {
		row_print(&rows[i]);
		row_json(&rows[i], &json);
	}
	bench_notes();
	json_close(&json, argv[1], "batch");
	free(rows);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * What a thread's first section costs, and how long writers wait: with threads that do not read,
 * beside one that reads all the time, beside one that sleeps inside, and for a domain that nobody
 * reads while a reader of another never leaves.
 */
#include <math.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include <sonde/domain.h>

#include "crew.h"
#include "harness.h"
#include "read.h"
#include "variant.h"

#define THREADS 200	/* whose first sections are timed */
#define CALLS 200	/* of synchronize in one measurement, at most */
#define BUDGET_NS 200e6 /* and no longer than this */
#define SLEEP_US 200

struct first {
	const struct variant *v;
	double ns;
	sem_t done;
};

static void *first_main(void *arg)
{
	struct first *f = arg;
	const struct variant *v = f->v;
	uintptr_t token;
	double begin = bench_now_ns();

	if (v->attach)
		v->attach();
	token = v->enter();
	f->ns = bench_now_ns() - begin;
	v->leave(token);
	if (v->idle)
		v->idle();
	sem_post(&f->done);
	for (;;)
		pause();
	return NULL;
}

enum { FIRST_MEDIAN, FIRST_WORST, FIRST_OUT };

static void first_run(const void *arg, double *out)
{
	struct first f = {.v = arg};
	struct samples all = {.n = 0};
	pthread_t thread;

	crew_begin(f.v);
	sem_init(&f.done, 0, 0);
	for (int i = 0; i < THREADS; i++) {
		crew_thread(&thread, first_main, &f);
		sem_wait(&f.done);
		samples_add(&all, f.ns / 1e3);
	}
	out[FIRST_MEDIAN] = samples_median(&all);
	out[FIRST_WORST] = all.v[THREADS - 1];
}

/* A design whose threads announce themselves or are noticed. */
static bool has_first(const struct variant *v)
{
	return v->enter && v->synchronize;
}

void measure_first(struct json *json, int rounds)
{
	struct samples *us = calloc(bench_nvariants * FIRST_OUT, sizeof(*us));
	double out[FIRST_OUT];

	if (!us)
		bench_fail("out of memory");
	for (int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < bench_nvariants; i++) {
			if (!has_first(bench_variants[i]))
				continue;
			bench_isolated(first_run, bench_variants[i], out, FIRST_OUT);
			for (int k = 0; k < FIRST_OUT; k++)
				samples_add(&us[i * FIRST_OUT + (size_t)k], out[k]);
		}
	}
	printf("\nA thread's first section, with what registers it, us; %d threads that stay\n",
	       THREADS);
	printf("%-30s %8s %8s\n", "", "median", "worst");
	json_table(json, "first_section");
	for (size_t i = 0; i < bench_nvariants; i++) {
		struct samples *s = &us[i * FIRST_OUT];

		if (!has_first(bench_variants[i]))
			continue;
		printf("%-30s", bench_variants[i]->name);
		cell(samples_median(&s[FIRST_MEDIAN]), 8, 2);
		cell(samples_median(&s[FIRST_WORST]), 8, 2);
		printf("\n");
		json_row(json, "variant", bench_variants[i]->name);
		json_number(json, "us", samples_median(&s[FIRST_MEDIAN]));
		json_number(json, "worst_us", samples_median(&s[FIRST_WORST]));
	}
	free(us);
}

struct grace_job {
	const struct variant *v;
	int readers; /* idle; 0: one that sleeps inside */
	bool busy;
};

/* In the order of the columns. */
static const struct column {
	const char *name;
	int readers;
	bool busy;
} columns[] = {
	{"2", 2, false},       {"64", 64, false},     {"1000", 1000, false},
	{"2+busy", 2, true},   {"64+busy", 64, true}, {"1000+busy", 1000, true},
	{"sleeper", 0, false},
};

#define NCOLUMNS (sizeof(columns) / sizeof(columns[0]))

/* Median us of many calls, with a pause of a random length below @pause_us between them. */
static double time_calls(void (*synchronize)(void), int pause_us)
{
	struct samples us = {.n = 0};
	double first = bench_now_ns(), begin, end = first;

	while (us.n < CALLS && end - first < BUDGET_NS) {
		if (pause_us)
			usleep((useconds_t)(rand() % pause_us));
		begin = bench_now_ns();
		synchronize();
		end = bench_now_ns();
		samples_add(&us, (end - begin) / 1e3);
	}
	return samples_median(&us);
}

static double time_beside(const struct variant *v)
{
	struct crew_busy busy;
	struct crew_beside beside;
	double us = NAN;

	crew_busy_start(&busy, v);
	crew_beside_init(&beside, busy.thread);
	while (crew_beside_again(&beside))
		us = time_calls(v->synchronize, 0);
	crew_busy_stop(&busy);
	return beside.enough ? us : NAN;
}

static void grace_run(const void *arg, double *out)
{
	const struct grace_job *job = arg;
	const struct variant *v = job->v;

	crew_begin(v);
	if (job->readers)
		crew_idle(v, job->readers);
	else
		crew_sleeper(v, SLEEP_US);
	bench_pin(0);
	if (job->busy)
		*out = time_beside(v);
	else
		*out = time_calls(v->synchronize, job->readers ? 0 : 2 * SLEEP_US);
}

static struct sonde_domain *here;
static sem_t inside;

static void *stuck_main(void *arg)
{
	sonde_domain_enter(arg);
	sem_post(&inside);
	for (;;)
		pause();
	return NULL;
}

static void synchronize_here(void)
{
	if (sonde_domain_synchronize(here))
		bench_fail("sonde_domain_synchronize");
}

static void independent_run(const void *arg, double *out)
{
	struct sonde_domain *elsewhere;
	pthread_t thread;

	(void)arg;
	if (sonde_domain_create(&here, NULL) || sonde_domain_create(&elsewhere, NULL))
		bench_fail("sonde_domain_create");
	sem_init(&inside, 0, 0);
	crew_thread(&thread, stuck_main, elsewhere);
	sem_wait(&inside);
	bench_pin(0);
	*out = time_calls(synchronize_here, 0);
}

void measure_independence(struct json *json, int rounds)
{
	struct samples us = {.n = 0};
	double out;

	for (int round = 0; round < rounds; round++) {
		bench_isolated(independent_run, NULL, &out, 1);
		samples_add(&us, out);
	}
	printf("\nsynchronize of a domain while a reader stays in another for ever, us: ours");
	cell(samples_median(&us), 1, 2);
	printf("; liburcu: does not return\n(one domain for each flavour, waits for all; stated, "
	       "not measured)\n");
	json_table(json, "independence");
	json_row(json, "variant", "ours");
	json_number(json, "us", samples_median(&us));
}

static bool column_fits(const struct variant *v, const struct column *c)
{
	return v->synchronize && (c->readers || v->enter) && (!c->busy || bench_cpus() > 1);
}

static void grace_print(const struct variant *v, struct samples *us, struct json *json)
{
	printf("%-30s", v->name);
	json_row(json, "variant", v->name);
	for (size_t c = 0; c < NCOLUMNS; c++) {
		cell(samples_median(&us[c]), 10, 2);
		json_number(json, columns[c].name, samples_median(&us[c]));
	}
	printf("\n");
}

void measure_grace(struct json *json, int rounds)
{
	struct samples *us = calloc(bench_nvariants * NCOLUMNS, sizeof(*us));
	double out;

	if (!us)
		bench_fail("out of memory");
	for (int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < bench_nvariants; i++) {
			for (size_t c = 0; c < NCOLUMNS; c++) {
				struct grace_job job = {bench_variants[i], columns[c].readers,
							columns[c].busy};

				if (!column_fits(job.v, &columns[c]))
					continue;
				bench_isolated(grace_run, &job, &out, 1);
				samples_add(&us[i * NCOLUMNS + c], out);
			}
		}
	}
	printf("\nsynchronize, us, beside so many threads that have read and sleep; busy: one more "
	       "reads all the\ntime on the other processor; sleeper: one reader, that sleeps %d us "
	       "in each section\n%-30s",
	       SLEEP_US, "");
	for (size_t c = 0; c < NCOLUMNS; c++)
		printf(" %10s", columns[c].name);
	printf("\n");
	json_table(json, "synchronize_us");
	for (size_t i = 0; i < bench_nvariants; i++) {
		if (bench_variants[i]->synchronize)
			grace_print(bench_variants[i], &us[i * NCOLUMNS], json);
	}
	free(us);
}

/* SPDX-License-Identifier: MIT */
/*
 * bench_read DIR: what a section costs its reader, beside other ways to protect readers, and
 * (grace.c) what grace periods cost writers. Tables on the terminal, DIR/read.json.
 *
 * ROUNDS rounds (5), in each of which all variants run one after the other, each in a process of
 * its own. CPU time of the thread, so that other programs on the machine take no part; medians.
 */
#include "read.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "crew.h"
#include "harness.h"
#include "variant.h"

#define RUN_NS 10e6	/* one measurement takes about so long, */
#define BESIDE_NS 2e6	/* or so: short, so that both processors are ours meanwhile */
#define WARM_UP 100000l /* pairs */
#define CHUNK 1000l
#define UNRESOLVED 0.05 /* ns: what costs less than this is not divided by */

/* How a section is measured; the groups of columns of the table. */
enum { ALONE, TWO_THREADS, AROUND_CALL, WAYS };

static const char *const way_names[WAYS] = {"alone", "two_threads", "around_call"};

struct cost_job {
	const struct variant *v;
	int way;
};

struct second {
	const struct variant *v;
	pthread_t thread;
	uint32_t ready, stop;
};

static void *second_main(void *arg)
{
	struct second *s = arg;

	bench_pin(1);
	if (s->v->attach)
		s->v->attach();
	s->v->pairs(WARM_UP);
	__atomic_store_n(&s->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED))
		s->v->pairs(CHUNK);
	return NULL;
}

/* ns per pair. */
static double cost_once(void (*pairs)(long n), long n)
{
	double begin = bench_thread_ns();

	pairs(n);
	return (bench_thread_ns() - begin) / (double)n;
}

/* NAN if there was no second thread beside this one for most of the time. */
static double cost_beside(const struct variant *v)
{
	struct second second = {.v = v};
	struct crew_beside beside;
	double ns;
	long n;

	crew_thread(&second.thread, second_main, &second);
	while (!__atomic_load_n(&second.ready, __ATOMIC_ACQUIRE))
		usleep(100);
	ns = cost_once(v->pairs, CHUNK);
	n = (long)(BESIDE_NS / ns) + 1;
	crew_beside_init(&beside, second.thread);
	while (crew_beside_again(&beside))
		ns = cost_once(v->pairs, n);
	__atomic_store_n(&second.stop, 1, __ATOMIC_RELAXED);
	pthread_join(second.thread, NULL);
	return beside.enough ? ns : NAN;
}

static void cost_run(const void *arg, double *out)
{
	const struct cost_job *job = arg;
	void (*pairs)(long n) = job->way == AROUND_CALL ? job->v->around : job->v->pairs;

	bench_pin(0);
	crew_begin(job->v);
	if (job->v->attach)
		job->v->attach();
	pairs(WARM_UP);
	if (job->way == TWO_THREADS)
		*out = cost_beside(job->v);
	else
		*out = cost_once(pairs, (long)(RUN_NS / cost_once(pairs, WARM_UP)));
}

/* A variant's samples. */
struct cost {
	struct samples ns[WAYS];
};

/* The first three of the list. */
enum { EMPTY, FIXED, INDEXED };

static double net(struct cost *c, const struct cost *costs, int way)
{
	struct samples empty = costs[EMPTY].ns[way];

	return samples_median(&c->ns[way]) - samples_median(&empty);
}

static double over(struct cost *costs, size_t i, int ideal, int way)
{
	double least = net(&costs[ideal], costs, way);

	return least < UNRESOLVED ? NAN : net(&costs[i], costs, way) / least;
}

static void cost_print(struct cost *costs, size_t i, struct json *json)
{
	printf("%-30s", bench_variants[i]->name);
	for (int way = 0; way < WAYS; way++) {
		struct samples *s = &costs[i].ns[way];

		json_row(json, "variant", bench_variants[i]->name);
		json_text(json, "measured", way_names[way]);
		json_number(json, "ns", samples_median(s));
		json_number(json, "min_ns", samples_min(s));
		json_number(json, "net_ns", net(&costs[i], costs, way));
		json_number(json, "over_fixed", over(costs, i, FIXED, way));
		json_number(json, "over_indexed", over(costs, i, INDEXED, way));
		json_number(json, "rounds", (double)s->n);
		cell(samples_median(s), 6, 2);
		cell(samples_min(s), 6, 2);
		cell(net(&costs[i], costs, way), 6, 2);
		cell(over(costs, i, FIXED, way), 6, 2);
		cell(over(costs, i, INDEXED, way), 5, 2);
		printf(way < WAYS - 1 ? "  " : "\n");
	}
}

static void cost_head(int rounds)
{
	printf("A section, enter and leave: ns of the thread's CPU time, medians of %d rounds\n"
	       "net: less the empty loop; xF, xI: net over the ideal with a fixed, an indexed "
	       "counter;\ncall: around a call of an empty function, as in a hit\n",
	       rounds);
	printf("%-30s", "");
	for (int way = 0; way < WAYS; way++) {
		static const char *const heads[WAYS] = {"1 thr", "2 thr", "call"};

		printf(" %6s %6s %6s %6s %5s%s", heads[way], "min", "net", "xF", "xI",
		       way < WAYS - 1 ? "  " : "\n");
	}
}

static void measure_costs(struct json *json, int rounds)
{
	struct cost *costs = calloc(bench_nvariants, sizeof(*costs));
	double ns;

	if (!costs)
		bench_fail("out of memory");
	for (int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < bench_nvariants; i++) {
			for (int way = 0; bench_variants[i]->pairs && way < WAYS; way++) {
				struct cost_job job = {bench_variants[i], way};

				if (way == TWO_THREADS && bench_cpus() < 2)
					continue;
				bench_isolated(cost_run, &job, &ns, 1);
				samples_add(&costs[i].ns[way], ns);
			}
		}
	}
	cost_head(rounds);
	json_table(json, "section");
	for (size_t i = 0; i < bench_nvariants; i++) {
		if (bench_variants[i]->pairs)
			cost_print(costs, i, json);
	}
	free(costs);
}

/* Nothing here defers a call. */
void bench_item_free(struct item *item)
{
	(void)item;
}

int main(int argc, char **argv)
{
	int rounds = bench_rounds(5);
	struct json json;

	if (argc != 2) {
		fprintf(stderr, "usage: bench_read DIR\n");
		return 2;
	}
	json_open(&json, argv[1], "read", rounds);
	measure_costs(&json, rounds);
	measure_first(&json, rounds);
	measure_grace(&json, rounds);
	measure_independence(&json, rounds);
	bench_notes();
	json_close(&json, argv[1], "read");
	return 0;
}

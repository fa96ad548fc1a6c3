/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks written in C share: clocks, processors, a fresh process for each
 * measurement, statistics, JSON.
 *
 * A measurement runs in a child of its own, so that no variant finds what another has left: threads
 * that were registered, a heap in use, system calls that a filter denies.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define BENCH_SAMPLES_MAX 256

double bench_now_ns(void);
double bench_thread_ns(void); /* CPU time of the calling thread */

/* Processors that we may use; bind the calling thread to one of them, counted from 0. */
int bench_cpus(void);
void bench_pin(int which);

/* From now on membarrier(2) fails with EPERM in this process. */
void bench_deny_membarrier(void);

/*
 * Run @job in a child; it fills @out, @n numbers. False, and all NAN, if it fails or takes longer
 * than a minute.
 */
typedef void bench_job(const void *arg, double *out);
bool bench_isolated(bench_job *job, const void *arg, double *out, size_t n);

/* The measurement is impossible: end the child (or the program) with a message. */
_Noreturn void bench_fail(const char *what);

struct samples {
	size_t n;
	double v[BENCH_SAMPLES_MAX];
};

/* NAN is not added; of an empty set, all is NAN. */
void samples_add(struct samples *s, double v);
double samples_median(struct samples *s);
double samples_min(struct samples *s);

/* How often everything is measured: ROUNDS of the environment, at least 1. */
int bench_rounds(int without);

/*
 * One file, DIR/NAME.json: {"benchmark": NAME, "rounds": N, TABLE: [ROW, ...], ...}. A row begins
 * with a text. NAN becomes null.
 */
struct json {
	FILE *f;
	bool in_table;
	int rows; /* of the table so far; the last one is open */
};

void json_open(struct json *j, const char *dir, const char *name, int rounds);
void json_table(struct json *j, const char *name);
void json_row(struct json *j, const char *key, const char *text);
void json_text(struct json *j, const char *key, const char *text);
void json_number(struct json *j, const char *key, double value);
void json_close(struct json *j, const char *dir, const char *name);

/* A cell of a table on the terminal: @digits behind the dot, "-" for NAN. */
void cell(double value, int width, int digits);

#endif

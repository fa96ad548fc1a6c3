/* SPDX-License-Identifier: MIT */
/*
 * The parts of bench_read behind its first table.
 */
#ifndef BENCH_READ_H
#define BENCH_READ_H

#include "harness.h"

void measure_first(struct json *json, int rounds); /* a thread's first section */
void measure_grace(struct json *json, int rounds); /* how long writers wait */
void measure_independence(struct json *json, int rounds);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Functions to be probed, in a library of their own (victim.S), and what tests of probes share.
 */
#ifndef TEST_PROBE_VICTIM_H
#define TEST_PROBE_VICTIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <sonde/sonde.h>

#define LIBRARY "libprobe_victim"
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* returns 42; the first instruction is 5 bytes (S0) */
int victim_long(void);
/* first instruction of 3 bytes (S1): returns a + b */
int victim_short(int a, int b);
/* push %rbx first, one byte: returns a */
int victim_byte(int a);
/* jumps back to its own first instruction @n times; returns the sum of n..1 */
int victim_loop(int n);
/* keeps 16 values in the red zone over the instruction at RED_OFFSET; returns their sum, 136 */
int victim_red(void);
#define RED_OFFSET 144
/* returns after two jumps: victim_tail jumps to victim_short */
int victim_tail(int a, int b);
/* n! by recursion */
unsigned long victim_factorial(unsigned long n);
/* Calls @fn with the general registers and flags of *in; leaves them in *out as they come back.
 * Order: struct sonde_hit, up to rflags. */
struct victim_regs {
	uint64_t r[16];
};
void victim_call(const struct victim_regs *in, struct victim_regs *out, void *fn);
/* one nop of 5 bytes, then ret: leaves all as it is */
void victim_nop(void);
/* 1, but only if the instruction at its start is skipped: mov $0, %eax; ret */
int victim_zero(void);
int victim_one(void);
/* Fills all vector registers with a pattern, calls @fn, returns how many bytes changed. */
int victim_vectors(void *fn);
/* 3 values on the x87 stack over a call of @fn; returns 1 + 2 + 3 */
int victim_x87(void *fn);
static inline struct sonde_probe_spec spec_of(const char *symbol, sonde_entry_cb *entry, void *data)
{
	return (struct sonde_probe_spec){.sz = sizeof(struct sonde_probe_spec),
					 .path = LIBRARY,
					 .symbol = symbol,
					 .entry = entry,
					 .data = data};
}

static inline struct sonde_probe *probe_at(const char *symbol, sonde_entry_cb *entry, void *data)
{
	struct sonde_probe_spec spec = spec_of(symbol, entry, data);
	struct sonde_probe *probe;

	assert_int_equal(sonde_probes_register(&spec, 1, &probe, NULL), 0);
	return probe;
}

static inline void unregister(struct sonde_probe *probe)
{
	assert_int_equal(sonde_probes_unregister(&probe, 1), 0);
}

static inline int count(struct sonde_hit *hit, void *data)
{
	(void)hit;
	__atomic_fetch_add((long *)data, 1, __ATOMIC_RELAXED);
	return SONDE_KEEP;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * bench_xol DIR: displaced execution. Threads meet traps (int3) at one site or at many, and are
 * sent to a slot with the instruction; beside it what slots alone cost, without trap or execution.
 * Tables on the terminal, DIR/xol.json.
 *
 * The displaced instruction is lock addq $1, (%rdi), on a word of the thread's own. ROUNDS rounds
 * (7), in each of which all variants run one after the other, each in a process of its own. CPU
 * time of the thread; medians. Left out: a second trap at the end of the slot, as kernels have it,
 * which all variants would have alike.
 */
#include "xol.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "arch/arch.h"
#include "harness.h"

#define STRIDE 64
#define HITS 6000 /* traps of one measurement: 20 ms */
#define PAIRS 300000
#define CROWD 8
#define CROWD_SLOTS 2
#define CROWD_HITS 3000

static struct xol_site sites[XOL_SITES];
static uint8_t *functions;
static const struct xol_variant *variant;

void xol_map(struct xol_memory *m, uint64_t code_size, uint64_t data_size)
{
	uint64_t size = (code_size + 4095) & ~4095ull;

	data_size = (data_size + 4095) & ~4095ull;
	m->code = mmap(NULL, size + data_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	if (m->code == MAP_FAILED)
		bench_fail("mmap");
	m->data = m->code + size;
	if (mmap(m->code, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		bench_fail("mmap of code");
	m->alias = mremap(m->code, 0, size, MREMAP_MAYMOVE);
	if (m->alias == MAP_FAILED || mprotect(m->alias, size, PROT_READ | PROT_WRITE))
		bench_fail("mremap of code");
}

void xol_rel32(const struct xol_memory *m, uint8_t *at, const void *target, int tail)
{
	int64_t rel = (int64_t)target - (int64_t)(m->code + (at - m->alias) + 4 + tail);
	int32_t rel32 = (int32_t)rel;

	if (rel != rel32)
		bench_fail("memory is too far apart");
	memcpy(at, &rel32, sizeof(rel32));
}

void xol_wait(unsigned int *round)
{
	if (++*round > 64)
		sched_yield();
}

static struct text_xol_area *area;

static void start_ours(uint32_t slots, const struct xol_site *all)
{
	(void)all;
	if (text_xol_open((uint64_t)functions, (uint64_t)functions + 4096, slots, &area))
		bench_fail("no area");
	for (int i = 0; i < XOL_SITES; i++) {
		if (text_xol_fits(area, &sites[i].insn))
			bench_fail("no fit");
	}
}

static uint64_t get_ours(const struct xol_site *site, uint64_t sp)
{
	return text_xol_get(area, &site->insn, sp, 0);
}

/* What the exit's store does. Where the word is, the exit itself tells: movl $1, word(%rip). */
static void put_ours(uint64_t at)
{
	int32_t rel;

	memcpy(&rel, (const void *)(at + ARCH_SLOT_HEAD + 13), sizeof(rel));
	__atomic_store_n((uint32_t *)(at + ARCH_SLOT_HEAD + 21 + (uint64_t)(int64_t)rel), 1,
			 __ATOMIC_RELEASE);
}

static const struct xol_variant ours = {
	.name = "Sonde",
	.start = start_ours,
	.get = get_ours,
	.put = put_ours,
};

static const struct xol_variant *const variants[] = {
	&xol_bitmap, &xol_refcount, &xol_private, &xol_per_site, &ours,
};

#define NVARIANTS (sizeof(variants) / sizeof(variants[0]))
#define IDEAL 2
#define OURS 4

static void on_trap(int sig, siginfo_t *si, void *arg)
{
	ucontext_t *uc = arg;
	greg_t *reg = uc->uc_mcontext.gregs;
	uint64_t n = ((uint64_t)reg[REG_RIP] - 1 - (uint64_t)functions) / STRIDE;

	(void)sig;
	(void)si;
	reg[REG_RIP] = (greg_t)variant->get(&sites[n], (uint64_t)reg[REG_RSP]);
}

static void prepare(const struct xol_variant *v, uint32_t slots)
{
	static struct arch_slot slot;
	static const uint8_t code[] = {0xf0, 0x48, 0x83, 0x07, 0x01, 0xc3};
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};

	functions = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (functions == MAP_FAILED || arch_emit_slot(code, 5, 0, false, &slot))
		bench_fail("no functions");
	for (uint32_t i = 0; i < XOL_SITES; i++) {
		uint8_t *at = functions + i * STRIDE;
		struct xol_site *s = &sites[i];

		memcpy(at, code, sizeof(code));
		at[0] = 0xcc;
		s->ip = (uint64_t)at;
		s->next = s->ip + 5;
		s->number = i;
		s->insn_len = 5;
		s->len = (uint8_t)slot.code.len;
		memcpy(s->code, slot.code.code, s->len);
		s->insn = (struct text_xol_insn){.ip = s->ip,
						 .next = s->next,
						 .code = s->code,
						 .len = s->len,
						 .done = slot.done};
	}
	mprotect(functions, 4096, PROT_READ | PROT_EXEC);
	variant = v;
	v->start(slots, sites);
	sigfillset(&sa.sa_mask);
	sigdelset(&sa.sa_mask, SIGTRAP);
	sigaction(SIGTRAP, &sa, NULL);
}

/* Through the trap, and only the slot. */
static void traps(int n, int nsites)
{
	_Alignas(64) uint64_t cell[8] = {0};

	for (int i = 0; i < n; i++)
		((void (*)(uint64_t *))sites[i % nsites].ip)(cell);
	if (cell[0] != (uint64_t)n)
		bench_fail("an instruction was not executed once");
}

static void pairs(int n, int nsites)
{
	for (int i = 0; i < n; i++)
		variant->put(variant->get(&sites[i % nsites], 4096));
}

enum { ONE_SITE, MANY_SITES, NKINDS };

enum { COST_NS, COST_SHARE, COST_OUT };

struct cost_job {
	const struct xol_variant *v;
	int threads, nsites;
	bool trap;
};

static const struct cost_job *job;
static uint32_t ready, stop;
static double share; /* of the time that the second thread had a processor */

static void *second_main(void *arg)
{
	double wall = bench_now_ns(), cpu;

	(void)arg;
	bench_pin(1);
	cpu = bench_thread_ns();
	do {
		if (job->trap)
			traps(100, job->nsites);
		else
			pairs(1000, job->nsites);
		__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	} while (!__atomic_load_n(&stop, __ATOMIC_RELAXED));
	share = (bench_thread_ns() - cpu) / (bench_now_ns() - wall);
	return NULL;
}

static void cost_run(const void *arg, double *out)
{
	int n;
	pthread_t second;
	double begin;

	job = arg;
	n = job->trap ? HITS : PAIRS;
	prepare(job->v, 64);
	bench_pin(0);
	if (job->threads == 2) {
		pthread_create(&second, NULL, second_main, NULL);
		while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
			usleep(100);
	}
	if (job->trap)
		traps(n / 10, job->nsites);
	else
		pairs(n / 10, job->nsites);
	begin = bench_thread_ns();
	if (job->trap)
		traps(n, job->nsites);
	else
		pairs(n, job->nsites);
	out[COST_NS] = (bench_thread_ns() - begin) / n;
	out[COST_SHARE] = NAN;
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	if (job->threads == 2) {
		pthread_join(second, NULL);
		out[COST_SHARE] = share;
	}
}

static void print_table(struct json *json, bool trap, struct samples (*s)[2][NKINDS], int threads)
{
	printf("\n%s\n",
	       trap ? "A hit: trap, slot, instruction, back; ns of the thread's CPU time, and "
		      "over the ideal with a private slot"
		    : "The slot alone: take, fill, park; ns");
	printf("%-30s %16s %16s %16s %16s\n", "", "1 thr, 1 site", "1 thr, 64 sites",
	       "2 thr, 1 site", "2 thr, 64 sites");
	json_table(json, trap ? "hit" : "slot");
	for (size_t i = 0; i < NVARIANTS; i++) {
		static const char *const keys[2][NKINDS][2] = {
			{{"ns", "over_ideal"}, {"ns_64", "over_ideal_64"}},
			{{"ns_2", "over_ideal_2"}, {"ns_2_64", "over_ideal_2_64"}}};

		printf("%-30s", variants[i]->name);
		json_row(json, "variant", variants[i]->name);
		for (int t = 0; t < threads; t++) {
			for (int k = 0; k < NKINDS; k++) {
				double ns = samples_median(&s[i][t][k]);
				double ratio = ns / samples_median(&s[IDEAL][t][k]);

				cell(ns, 9, 1);
				cell(ratio, 6, 3);
				json_number(json, keys[t][k][0], ns);
				json_number(json, keys[t][k][1], ratio);
			}
		}
		printf("\n");
	}
}

static void measure_costs(struct json *json, int rounds, bool trap)
{
	static struct samples s[NVARIANTS][2][NKINDS];
	int threads = bench_cpus() < 2 ? 1 : 2;
	struct samples shares = {0};
	double out[COST_OUT];

	memset(s, 0, sizeof(s));
	for (int round = 0; round < rounds; round++) {
		for (int t = 0; t < threads; t++) {
			for (int k = 0; k < NKINDS; k++) {
				for (size_t i = 0; i < NVARIANTS; i++) {
					struct cost_job cost = {variants[i], t + 1,
								k == ONE_SITE ? 1 : XOL_SITES,
								trap};

					bench_isolated(cost_run, &cost, out, COST_OUT);
					samples_add(&s[i][t][k], out[COST_NS]);
					samples_add(&shares, out[COST_SHARE]);
				}
			}
		}
	}
	print_table(json, trap, s, threads);
	printf("the second thread ran for %.2f of the time\n", samples_median(&shares));
}

/* More threads than slots: time for all of them to be done. */
static void *crowd_main(void *arg)
{
	bench_pin((int)(uintptr_t)arg % bench_cpus());
	traps(CROWD_HITS, 4);
	return NULL;
}

static void crowd_run(const void *arg, double *out)
{
	pthread_t t[CROWD];
	double begin;

	prepare(arg, CROWD_SLOTS);
	begin = bench_now_ns();
	for (int i = 0; i < CROWD; i++)
		pthread_create(&t[i], NULL, crowd_main, (void *)(uintptr_t)i);
	for (int i = 0; i < CROWD; i++)
		pthread_join(t[i], NULL);
	*out = (bench_now_ns() - begin) / (CROWD * CROWD_HITS);
}

static void measure_crowd(struct json *json, int rounds)
{
	static struct samples s[NVARIANTS];
	double out;

	for (int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < NVARIANTS; i++) {
			bench_isolated(crowd_run, variants[i], &out, 1);
			samples_add(&s[i], out);
		}
	}
	printf("\n%d threads, %d slots (ideals: as many as they need), 4 sites: ns of time per "
	       "hit\n",
	       CROWD, CROWD_SLOTS);
	json_table(json, "more_threads_than_slots");
	for (size_t i = 0; i < NVARIANTS; i++) {
		printf("%-30s", variants[i]->name);
		cell(samples_median(&s[i]), 9, 1);
		printf("\n");
		json_row(json, "variant", variants[i]->name);
		json_number(json, "ns", samples_median(&s[i]));
	}
}

int main(int argc, char **argv)
{
	int rounds = bench_rounds(7);
	struct json json;

	if (argc != 2) {
		fprintf(stderr, "usage: bench_xol DIR\n");
		return 2;
	}
	json_open(&json, argv[1], "xol", rounds);
	measure_costs(&json, rounds, true);
	measure_costs(&json, rounds, false);
	measure_crowd(&json, rounds);
	json_close(&json, argv[1], "xol");
	return 0;
}

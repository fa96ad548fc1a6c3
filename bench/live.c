/* SPDX-License-Identifier: MIT */
/*
 * bench_live DIR: probes in one's own process. What a hit costs with an empty handler, with and
 * without general registers only, beside a bare call of the same function (first instruction: mov,
 * five bytes; class S0); how long it takes to switch one probe on and off; and what registering and
 * unregistering all of libcrypto takes, the first time and again. Table on the terminal,
 * DIR/live.json.
 *
 * ROUNDS rounds (5), everything in each; medians.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

#include <sonde/sonde.h>

#include "harness.h"

#define CALLS 200000
#define TRIES 15 /* of which the quickest counts: others run on this machine */
#define TOGGLES 500
#define PROBES_MAX 20000

int bench_live_target(void);

static struct sonde_probe_spec spec[PROBES_MAX];
static struct sonde_probe *probe[PROBES_MAX];
static int err[PROBES_MAX];
static size_t nspec;

__attribute__((target("general-regs-only"))) static int empty(struct sonde_hit *hit, void *data)
{
	(void)hit;
	(void)data;
	return SONDE_KEEP;
}

static double call_ns(void)
{
	double best = INFINITY;

	for (int i = 0; i < TRIES; i++) {
		double begin = bench_now_ns(), took;

		for (int k = 0; k < CALLS; k++)
			bench_live_target();
		took = (bench_now_ns() - begin) / CALLS;
		best = took < best ? took : best;
	}
	return best;
}

static struct sonde_probe *attach(uint32_t flags)
{
	struct sonde_probe_spec s = {.sz = sizeof(s),
				     .offset = (uint64_t)bench_live_target,
				     .entry = empty,
				     .flags = flags};
	struct sonde_probe *p;

	if (sonde_probes_register(&s, 1, &p, NULL))
		bench_fail("sonde_probes_register");
	return p;
}

static void detach(struct sonde_probe **p, size_t n)
{
	if (sonde_probes_unregister(p, n))
		bench_fail("sonde_probes_unregister");
}

static double hit_ns(uint32_t flags)
{
	struct sonde_probe *p;
	double bare = call_ns(), probed;

	p = attach(flags);
	probed = call_ns();
	detach(&p, 1);
	return probed - bare;
}

static double toggle_us(void)
{
	struct sonde_probe *p = attach(0);
	double best = INFINITY;

	for (int i = 0; i < TRIES; i++) {
		double begin = bench_now_ns(), took;

		for (int k = 0; k < TOGGLES; k += 2) {
			sonde_probes_disable(&p, 1);
			sonde_probes_enable(&p, 1);
		}
		took = (bench_now_ns() - begin) / TOGGLES / 1e3;
		best = took < best ? took : best;
	}
	detach(&p, 1);
	return best;
}

static int gather(const struct sonde_func *func, void *arg)
{
	(void)arg;
	if (nspec < PROBES_MAX && !(func->flags & SONDE_FUNC_IFUNC))
		spec[nspec++] = (struct sonde_probe_spec){.sz = sizeof(*spec),
							  .path = "libcrypto.so.3",
							  .offset = func->vaddr,
							  .entry = empty};
	return 0;
}

/* Those that can be probed. */
static bool register_all(double *ms)
{
	for (int i = 0; i < 8; i++) {
		double begin = bench_now_ns();
		size_t left = 0;

		if (!sonde_probes_register(spec, nspec, probe, err)) {
			*ms = (bench_now_ns() - begin) / 1e6;
			return true;
		}
		for (size_t k = 0; k < nspec; k++) {
			if (!err[k])
				spec[left++] = spec[k];
		}
		nspec = left;
	}
	return false;
}

enum { FIRST_MS, AGAIN_MS, OUT_MS, NPROBES, BATCH_OUT };

static void batch(const void *arg, double *out)
{
	struct sonde_image *img;
	double begin;

	(void)arg;
	if (!dlopen("libcrypto.so.3", RTLD_NOW) || sonde_image_open("libcrypto.so.3", &img))
		bench_fail("no libcrypto.so.3");
	sonde_image_each(img, NULL, gather, NULL);
	/* the first registration opens and plans the image; what is refused is found in it */
	begin = bench_now_ns();
	if (!register_all(&out[AGAIN_MS]))
		bench_fail("libcrypto cannot be probed");
	out[FIRST_MS] = (bench_now_ns() - begin) / 1e6;
	detach(probe, nspec);
	register_all(&out[AGAIN_MS]);
	begin = bench_now_ns();
	detach(probe, nspec);
	out[OUT_MS] = (bench_now_ns() - begin) / 1e6;
	out[NPROBES] = (double)nspec;
}

int main(int argc, char **argv)
{
	struct samples integers = {.n = 0}, vectors = {.n = 0}, toggle = {.n = 0};
	struct samples ms[BATCH_OUT] = {{.n = 0}};
	int rounds = bench_rounds(5);
	struct json json;

	if (argc != 2) {
		fprintf(stderr, "usage: bench_live DIR\n");
		return 2;
	}
	for (int i = 0; i < rounds; i++) {
		double out[BATCH_OUT];

		samples_add(&integers, hit_ns(SONDE_PROBE_INTEGER_ONLY));
		samples_add(&vectors, hit_ns(0));
		samples_add(&toggle, toggle_us());
		bench_isolated(batch, NULL, out, BATCH_OUT);
		for (int k = 0; k < BATCH_OUT; k++)
			samples_add(&ms[k], out[k]);
	}
	printf("a hit, over a bare call: general registers only %.2f ns, any handler %.2f ns\n"
	       "one probe switched on or off: %.2f us\n"
	       "%.0f probes of libcrypto: first %.1f ms, again %.2f ms, unregistered %.2f ms\n",
	       samples_median(&integers), samples_median(&vectors), samples_median(&toggle),
	       samples_median(&ms[NPROBES]), samples_median(&ms[FIRST_MS]),
	       samples_median(&ms[AGAIN_MS]), samples_median(&ms[OUT_MS]));
	json_open(&json, argv[1], "live", rounds);
	json_table(&json, "live");
	json_row(&json, "engine", "sonde");
	json_number(&json, "integer_ns", samples_median(&integers));
	json_number(&json, "vector_ns", samples_median(&vectors));
	json_number(&json, "toggle_us", samples_median(&toggle));
	json_number(&json, "probes", samples_median(&ms[NPROBES]));
	json_number(&json, "first_ms", samples_median(&ms[FIRST_MS]));
	json_number(&json, "again_ms", samples_median(&ms[AGAIN_MS]));
	json_number(&json, "unregister_ms", samples_median(&ms[OUT_MS]));
	json_close(&json, argv[1], "live");
	return 0;
}

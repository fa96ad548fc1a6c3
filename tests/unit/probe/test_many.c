/* SPDX-License-Identifier: MIT */
/* 50 000 probes in one call each way; one by one beside each other; everything of libcrypto. */
#include "victim.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MANY 50000
#define BODY 16 /* bytes from one function to the next */

extern char many_first[];

static long hits;
static struct sonde_probe_spec spec[MANY];
static struct sonde_probe *probe[MANY];
static int err[MANY];

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void call_all(void)
{
	for (int i = 0; i < MANY; i++)
		((void (*)(void))(many_first + (size_t)i * BODY))();
}

static struct sonde_probe_spec spec_at(int i)
{
	return (struct sonde_probe_spec){.sz = sizeof(struct sonde_probe_spec),
					 .offset = (uint64_t)many_first + (size_t)i * BODY,
					 .entry = count,
					 .data = &hits};
}

/* Functions that begin alike have their islands in one page, whoever comes first. */
static void one_by_one(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) {
		spec[i] = spec_at(MANY / 2 + i);
		assert_int_equal(sonde_probes_register(&spec[i], 1, &probe[i], NULL), 0);
	}
	hits = 0;
	call_all();
	assert_int_equal(hits, 300);
	assert_int_equal(sonde_probes_unregister(probe, 300), 0);
}

static void fifty_thousand(void **state)
{
	char *code = malloc(MANY * BODY);
	double t[4];
	(void)state;

	assert_non_null(code);
	memcpy(code, many_first, MANY * BODY);
	for (int i = 0; i < MANY; i++)
		spec[i] = spec_at(i);
	for (int round = 0; round < 2; round++) {
		t[0] = seconds();
		assert_int_equal(sonde_probes_register(spec, MANY, probe, err), 0);
		t[1] = seconds();
		hits = 0;
		call_all();
		assert_int_equal(hits, MANY);
		assert_int_equal(sonde_probes_list(NULL, sizeof(struct sonde_probe_info), 0), MANY);
		t[2] = seconds();
		assert_int_equal(sonde_probes_unregister(probe, MANY), 0);
		t[3] = seconds();
		call_all();
		assert_int_equal(hits, MANY);
		assert_memory_equal(code, many_first, MANY * BODY);
		printf("%d probes: registered in %.1f ms, unregistered in %.1f ms\n", MANY,
		       (t[1] - t[0]) * 1e3, (t[3] - t[2]) * 1e3);
	}
	free(code);
}

static int take(const struct sonde_func *func, void *arg)
{
	int *n = arg;

	if (*n == MANY || func->flags & SONDE_FUNC_IFUNC)
		return 0;
	spec[*n] = (struct sonde_probe_spec){.sz = sizeof(*spec),
					     .path = "libcrypto",
					     .offset = func->vaddr,
					     .entry = count,
					     .data = &hits};
	++*n;
	return 0;
}

static void digest(unsigned char *(*sha)(const void *, size_t, unsigned char *), unsigned char *out)
{
	static char data[100000];

	memset(data, 'x', sizeof(data));
	sha(data, sizeof(data), out);
}

static void whole_libcrypto(void **state)
{
	unsigned char before[32], probed[32];
	struct sonde_image *img;
	void *sha, *lib = dlopen("libcrypto.so.3", RTLD_NOW);
	int n = 0, left = 0;
	(void)state;

	if (!lib)
		skip();
	sha = dlsym(lib, "SHA256");
	digest((unsigned char *(*)(const void *, size_t, unsigned char *))sha, before);
	assert_int_equal(sonde_image_open("libcrypto.so.3", &img), 0);
	sonde_image_each(img, NULL, take, &n);
	assert_true(n > 1000);
	/* those that cannot be are named, and the others can be */
	for (int round = 0; round < 3; round++) {
		if (!sonde_probes_register(spec, (size_t)n, probe, err))
			break;
		for (int i = left = 0; i < n; i++) {
			if (!err[i])
				spec[left++] = spec[i];
		}
		assert_true(left < n);
		n = left;
	}
	hits = 0;
	digest((unsigned char *(*)(const void *, size_t, unsigned char *))sha, probed);
	assert_true(hits > 0);
	assert_memory_equal(before, probed, sizeof(before));
	assert_int_equal(sonde_probes_unregister(probe, (size_t)n), 0);
	hits = 0;
	digest((unsigned char *(*)(const void *, size_t, unsigned char *))sha, probed);
	assert_int_equal(hits, 0);
	assert_memory_equal(before, probed, sizeof(before));
	sonde_image_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_by_one),
		cmocka_unit_test(fifty_thousand),
		cmocka_unit_test(whole_libcrypto),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The library loaded and given back by dlclose(), as a plugin that uses it would have it: its
 * records and what threads know of them stay, however often.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

struct sonde_domain;

static size_t address_space(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	return pages * 4096;
}

static void use(void)
{
	void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	struct sonde_domain *d;
	int (*create)(struct sonde_domain **, const void *);
	int (*destroy)(struct sonde_domain *);
	void (*enter)(const struct sonde_domain *), (*leave)(const struct sonde_domain *);

	if (!lib)
		fail_msg("%s", dlerror());
	*(void **)&create = dlsym(lib, "sonde_domain_create");
	*(void **)&destroy = dlsym(lib, "sonde_domain_destroy");
	*(void **)&enter = dlsym(lib, "sonde_reader_enter");
	*(void **)&leave = dlsym(lib, "sonde_reader_leave");
	assert_int_equal(create(&d, NULL), 0);
	enter(d);
	leave(d);
	assert_int_equal(destroy(d), 0);
	assert_int_equal(dlclose(lib), 0);
}

static void *use_main(void *arg)
{
	use();
	return arg;
}

static void again_and_again(void **state)
{
	size_t before;
	pthread_t t;

	(void)state;
	use();
	pthread_create(&t, NULL, use_main, NULL);
	pthread_join(t, NULL);
	before = address_space();
	for (int i = 0; i < 100; i++) {
		use();
		pthread_create(&t, NULL, use_main, NULL);
		pthread_join(t, NULL);
	}
	assert_true(address_space() < before + (1u << 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(again_and_again)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

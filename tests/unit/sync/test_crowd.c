/* SPDX-License-Identifier: MIT */
/*
 * Many threads: at once, one after the other, and more than there are records. With the argument
 * "few" address space is short when the first domain is made, so that there are few records.
 */
#include <sys/resource.h>

#include "fixture.h"

#define STACK 32768

static struct sonde_domain *d, *other;

/* A sitter on a small stack. */
static void small_start(struct sitter *s, struct sonde_domain *in, unsigned int depth)
{
	pthread_attr_t attr;

	*s = (struct sitter){.d = in, .depth = depth};
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	assert_int_equal(pthread_create(&s->thread, &attr, sitter_main, s), 0);
	while (!load_acquire(&s->inside))
		sched_yield();
}

static struct sitter crowd[5000];

static void at_once(void **state)
{
	size_t n = *(size_t *)*state;
	struct waiter w;

	for (size_t i = 0; i < n; i++)
		small_start(&crowd[i], d, 1);
	assert_int_equal(sonde_domain_synchronize(other), 0);
	assert_true(sonde_domain_poll(other, sonde_domain_cookie(other)));
	waiter_start(&w, d);
	sleep_ms(20);
	for (size_t i = 0; i < n; i++)
		sitter_tell(&crowd[i]);
	for (size_t i = 0; i < n - 1; i++)
		pthread_join(crowd[i].thread, NULL);
	pthread_join(crowd[n - 1].thread, NULL);
	assert_int_equal(waiter_end(&w), 0);
	assert_int_equal(sonde_domain_readers(d, NULL, 0), 0);
}

static void *pass(void *arg)
{
	(void)arg;
	sonde_domain_enter(d);
	sonde_domain_leave(d);
	return NULL;
}

/* Records of the dead are used again. */
static void one_after_the_other(void **state)
{
	uint32_t before = load_relaxed(&sync_rt.nused);
	pthread_t t;

	(void)state;
	for (int i = 0; i < 60000; i++) {
		assert_int_equal(pthread_create(&t, NULL, pass, NULL), 0);
		pthread_join(t, NULL);
	}
	assert_true(load_relaxed(&sync_rt.nused) < before + 64);
}

/* The depth of those without a record is their own, domain by domain. */
static void *stranger(void *arg)
{
	struct sonde_reader_info info;
	struct waiter w;

	(void)arg;
	CHECK(sonde_domain_depth(d) == 0);
	sonde_domain_enter(d);
	CHECK(sync_self() == NULL);
	sonde_domain_enter(d);
	sonde_domain_enter(d);
	CHECK(sonde_domain_depth(d) == 3);
	CHECK(sonde_domain_depth(other) == 0);
	CHECK(sonde_domain_synchronize(d) == -EDEADLK);
	CHECK(sonde_domain_wait(other, sonde_domain_cookie(other), 20 * MS) == -ETIMEDOUT);
	sonde_domain_unwind(d, 2);
	CHECK(sonde_domain_depth(d) == 2);
	waiter_start(&w, d);
	sleep_ms(30);
	CHECK(!load_acquire(&w.done));
	CHECK(sonde_domain_readers(d, &info, 1) == 1);
	CHECK(info.tid == 0 && info.depth == 2);
	sonde_domain_unwind(d, 0);
	CHECK(waiter_end(&w) == 0);
	CHECK(sonde_domain_poll(d, sonde_domain_cookie(d)));
	return NULL;
}

static int stranger_forked(void *arg)
{
	struct waiter w;

	(void)arg;
	CHECK(sonde_domain_depth(d) == 2);
	CHECK(!sonde_domain_poll(d, sonde_domain_cookie(d)));
	waiter_start(&w, d);
	sleep_ms(30);
	CHECK(!load_acquire(&w.done));
	sonde_domain_leave(d);
	sonde_domain_leave(d);
	CHECK(waiter_end(&w) == 0);
	return 0;
}

static void *stranger_forks(void *arg)
{
	(void)arg;
	sonde_domain_enter(d);
	sonde_domain_enter(d);
	CHECK(in_child(stranger_forked, NULL) == 0);
	CHECK(sonde_domain_depth(d) == 2);
	sonde_domain_leave(d);
	sonde_domain_leave(d);
	return NULL;
}

/* All records are taken by threads inside `other`, and one stranger is there, too. */
static void without_a_record(void **state)
{
	size_t n = sync_rt.arena->nslots + 5;
	struct sonde_reader_info *info = calloc(n + 1, sizeof(*info));
	bool told = false;
	pthread_t t;

	(void)state;
	assert_true(n <= ARRAY_LEN(crowd));
	for (size_t i = 0; i < n; i++)
		small_start(&crowd[i], other, 1);
	assert_int_equal(sonde_domain_readers(other, info, n + 1), sync_rt.arena->nslots);
	for (size_t i = 0; i < sync_rt.arena->nslots; i++)
		told |= info[i].tid == 0 && info[i].depth > 0;
	assert_true(told);
	assert_int_equal(sonde_domain_synchronize(d), 0);
	pthread_create(&t, NULL, stranger, NULL);
	pthread_join(t, NULL);
	pthread_create(&t, NULL, stranger_forks, NULL);
	pthread_join(t, NULL);
	for (size_t i = 0; i < n; i++)
		sitter_tell(&crowd[i]);
	assert_int_equal(sonde_domain_synchronize(other), 0);
	for (size_t i = 0; i < n; i++)
		pthread_join(crowd[i].thread, NULL);
	assert_int_equal(sonde_domain_readers(other, info, n), 0);
	/* and there are records again */
	small_start(&crowd[0], d, 1);
	assert_int_equal(sonde_domain_readers(d, info, n), 1);
	assert_int_equal(info[0].tid, crowd[0].tid);
	sitter_end(&crowd[0]);
	free(info);
}

/* How much address space there is, in bytes, for the moment. */
static size_t address_space(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (!f || fscanf(f, "%lu", &pages) != 1)
		abort();
	fclose(f);
	return pages * 4096;
}

static void make_domains(bool few)
{
	struct rlimit old, now;

	getrlimit(RLIMIT_AS, &old);
	now = old;
	if (few) {
		now.rlim_cur = address_space() + (3u << 20);
		setrlimit(RLIMIT_AS, &now);
	}
	if (sonde_domain_create(&d, NULL) || sonde_domain_create(&other, NULL))
		abort();
	setrlimit(RLIMIT_AS, &old);
}

/* There is not even room for a few. */
static void no_room(void)
{
	struct rlimit old, now;

	getrlimit(RLIMIT_AS, &old);
	now = old;
	now.rlim_cur = address_space() + (1u << 20);
	setrlimit(RLIMIT_AS, &now);
	if (sonde_domain_create(&d, NULL) != -ENOMEM)
		abort();
	setrlimit(RLIMIT_AS, &old);
}

static size_t few = 1100, many = ARRAY_LEN(crowd);

static void there_are_few(void **state)
{
	(void)state;
	assert_int_equal(sync_rt.arena->nslots, SYNC_SLOTS_MIN);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(at_once, &many),
		cmocka_unit_test(one_after_the_other),
	};
	const struct CMUnitTest few_tests[] = {
		cmocka_unit_test(there_are_few),
		cmocka_unit_test_prestate(at_once, &few),
		cmocka_unit_test(without_a_record),
	};
	bool are_few = argc > 1 && strcmp(argv[1], "few") == 0;

	fences_if_told(argc - are_few, argv + are_few);
	alarm(100);
	if (are_few)
		no_room();
	make_domains(are_few);
	sonde_domain_enter(d);
	sonde_domain_leave(d);
	return are_few ? cmocka_run_group_tests(few_tests, NULL, NULL)
		       : cmocka_run_group_tests(tests, NULL, NULL);
}

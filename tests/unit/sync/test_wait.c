/* SPDX-License-Identifier: MIT */
/*
 * Waiting and asking: for readers of the domain and no others, with a limit, for numbers, and how a
 * stalled reader is named. A reader is blocked inside another domain all the time.
 */
#include "fixture.h"

static struct sonde_domain *d, *other;
static struct sitter apart;

static int setup(void **state)
{
	(void)state;
	d = domain_new();
	other = domain_new();
	sitter_start(&apart, other, 3);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (load_acquire(&apart.inside) == 0)
		return -1;
	sitter_end(&apart);
	domain_end(d);
	domain_end(other);
	return 0;
}

static void waits_for_its_reader(void **state)
{
	struct sitter s[2];
	struct waiter w;

	(void)state;
	assert_int_equal(sonde_domain_synchronize(d), 0);
	sitter_start(&s[0], d, 1);
	sitter_start(&s[1], d, 4);
	waiter_start(&w, d);
	sleep_ms(40);
	assert_false(load_acquire(&w.done));
	sitter_end(&s[0]);
	sleep_ms(20);
	assert_false(load_acquire(&w.done));
	sitter_end(&s[1]);
	assert_int_equal(waiter_end(&w), 0);
}

/* Who comes in later is not waited for. */
static void waits_for_no_later_reader(void **state)
{
	struct sitter s[2];
	struct waiter w;

	(void)state;
	sitter_start(&s[0], d, 1);
	waiter_start(&w, d);
	sleep_ms(30);
	sitter_start(&s[1], d, 1);
	sitter_end(&s[0]);
	assert_int_equal(waiter_end(&w), 0);
	assert_true(load_acquire(&s[1].inside));
	sitter_end(&s[1]);
}

/* More readers than a waiter can remember at a time. */
static void waits_for_many(void **state)
{
	static struct sitter s[200];
	struct waiter w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(s); i++)
		sitter_start(&s[i], d, 1);
	waiter_start(&w, d);
	sleep_ms(20);
	for (size_t i = 0; i < ARRAY_LEN(s); i++) {
		assert_false(load_acquire(&w.done));
		sitter_end(&s[(i * 77) % ARRAY_LEN(s)]);
	}
	assert_int_equal(waiter_end(&w), 0);
}

/* A reader that always is in some section, but never in the same for long. */
static uint32_t stop;

static void *hopper(void *arg)
{
	(void)arg;
	while (!load_relaxed(&stop)) {
		sonde_domain_enter(d);
		sched_yield();
		sonde_domain_leave(d);
	}
	return NULL;
}

static void busy_readers(void **state)
{
	pthread_t t[3];
	uint64_t start;

	(void)state;
	stop = 0;
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, hopper, NULL);
	start = now_ns();
	for (int i = 0; i < 200; i++) {
		uint64_t cookie = sonde_domain_cookie(d);

		assert_int_equal(sonde_domain_synchronize(d), 0);
		assert_true(sonde_domain_poll(d, cookie));
		cookie = sonde_domain_cookie(d);
		while (!sonde_domain_poll(d, cookie))
			sched_yield();
	}
	assert_true(now_ns() - start < 20000 * MS);
	store_relaxed(&stop, 1u);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}

static void several_at_once(void **state)
{
	struct sonde_domain *third = domain_new(), *set[2] = {d, third};
	struct sitter s;

	(void)state;
	assert_int_equal(sonde_domains_synchronize(set, 0), 0);
	assert_int_equal(sonde_domains_synchronize(set, 2), 0);
	sonde_domain_enter(third);
	assert_int_equal(sonde_domains_synchronize(set, 2), -EDEADLK);
	assert_int_equal(sonde_domains_synchronize(set, 1), 0);
	sonde_domain_leave(third);
	sitter_start(&s, third, 1);
	assert_int_equal(sonde_domains_wait(set, 1, sonde_domain_cookie(d), 0), 0);
	assert_int_equal(sonde_domains_wait(set, 2, sonde_domain_cookie(d), 20 * MS), -ETIMEDOUT);
	sitter_tell(&s);
	assert_int_equal(sonde_domains_synchronize(set, 2), 0);
	pthread_join(s.thread, NULL);
	domain_end(third);
}

/* One wait ends the cookies of all its domains, and of no other. */
static void several_are_all_told(void **state)
{
	struct sonde_domain *third = domain_new(), *set[2] = {d, third};
	uint64_t cookie = sonde_domain_cookie(d);

	(void)state;
	assert_int_equal(sonde_domains_synchronize(set, 2), 0);
	assert_true(load_relaxed(&sync_domain(d)->poll.done) >= cookie);
	assert_true(load_relaxed(&sync_domain(third)->poll.done) >= cookie);
	assert_true(load_relaxed(&sync_domain(other)->poll.done) < cookie);
	assert_false(sonde_domain_poll(other, cookie));
	domain_end(third);
}

static void limited(void **state)
{
	uint64_t cookie = sonde_domain_cookie(d), start, took;
	struct sitter s;

	(void)state;
	assert_int_equal(sonde_domain_wait(d, cookie, 0), 0); /* nobody is inside */
	assert_int_equal(sonde_domain_wait(d, cookie, 0), 0);
	cookie = sonde_domain_cookie(d);
	sitter_start(&s, d, 1);
	assert_int_equal(sonde_domain_wait(d, cookie, 0), -ETIMEDOUT);
	start = now_ns();
	assert_int_equal(sonde_domain_wait(d, cookie, 50 * MS), -ETIMEDOUT);
	took = now_ns() - start;
	assert_true(took >= 50 * MS && took < 500 * MS);
	assert_false(sonde_domain_poll(d, cookie));
	sitter_end(&s);
	assert_int_equal(sonde_domain_wait(d, cookie, SONDE_FOREVER), 0);
	assert_int_equal(sonde_domain_wait(d, cookie, SONDE_FOREVER - 1), 0);
	/* over: not waited for at all, even inside */
	sonde_domain_enter(d);
	assert_int_equal(sonde_domain_wait(d, cookie, SONDE_FOREVER), 0);
	sonde_domain_leave(d);
}

static void deadlock(void **state)
{
	uint64_t cookie;

	(void)state;
	sonde_domain_enter(d);
	cookie = sonde_domain_cookie(d);
	assert_int_equal(sonde_domain_synchronize(d), -EDEADLK);
	assert_int_equal(sonde_domain_wait(d, cookie, 0), -EDEADLK);
	assert_int_equal(sonde_domain_barrier(d), -EDEADLK);
	assert_int_equal(sonde_domain_wait(d, cookie, SONDE_FOREVER), -EDEADLK);
	assert_false(sonde_domain_poll(d, cookie));
	sonde_domain_leave(d);
	assert_true(sonde_domain_poll(d, cookie));
}

static void cookies(void **state)
{
	uint64_t first = sonde_domain_cookie(d), later;

	(void)state;
	assert_true(first > 0);
	assert_true(sonde_domain_cookie(other) >= first);
	assert_int_equal(sonde_domain_synchronize(d), 0);
	later = sonde_domain_cookie(other); /* common to all */
	assert_true(later > first);
	assert_true(sonde_domain_poll(d, first));
	assert_true(sonde_domain_poll(d, later)); /* nobody is inside: one step is enough */
	assert_true(sonde_domain_poll(d, first));
	assert_false(sonde_domain_poll(other, first));
}

/* A grace period that has begun is finished for those who asked first. */
static void asked_with_ever_younger_cookies(void **state)
{
	uint64_t first, last = 0;
	struct sitter s;

	(void)state;
	sitter_start(&s, d, 1);
	first = sonde_domain_cookie(d);
	for (int i = 0; i < 100; i++) {
		last = sonde_domain_cookie(d);
		assert_false(sonde_domain_poll(d, last));
	}
	sitter_end(&s);
	sitter_start(&s, d, 1);
	assert_true(sonde_domain_poll(d, first));
	assert_false(sonde_domain_poll(d, sonde_domain_cookie(d)));
	sitter_end(&s);
	assert_true(sonde_domain_poll(d, last));
}

/* A cookie taken after a grace period has begun needs another one. */
static void begun_before(void **state)
{
	uint64_t early, late;
	struct sitter a, b;

	(void)state;
	sitter_start(&a, d, 1);
	early = sonde_domain_cookie(d);
	assert_false(sonde_domain_poll(d, early)); /* begins, meets a */
	sitter_start(&b, d, 1);
	late = sonde_domain_cookie(d);
	sitter_end(&a);
	assert_false(sonde_domain_poll(d, late)); /* b was not met, and may have found it */
	assert_true(sonde_domain_poll(d, early));
	assert_int_equal(sonde_domain_wait(d, late, 20 * MS), -ETIMEDOUT);
	sitter_end(&b);
	assert_true(sonde_domain_poll(d, late));
}

/* Asking costs what it costs, whoever is inside. */
static void polling_never_waits(void **state)
{
	uint64_t cookie = sonde_domain_cookie(d), start, longest = 0;
	struct sitter s;

	(void)state;
	sitter_start(&s, d, 1);
	for (int i = 0; i < 1000; i++) {
		start = now_ns();
		assert_false(sonde_domain_poll(d, cookie));
		start = now_ns() - start;
		longest = start > longest ? start : longest;
	}
	assert_true(longest < 200 * MS); /* of a loaded machine; the reader stays for longer */
	sitter_end(&s);
	assert_true(sonde_domain_poll(d, cookie));
}

static struct {
	struct sonde_reader_info info[8];
	uint32_t n;
	pthread_t by;
} told;

static void on_stall(const struct sonde_reader_info *info, void *arg)
{
	if (arg != &told || told.n == ARRAY_LEN(told.info))
		abort();
	told.by = pthread_self();
	told.info[told.n] = *info;
	store_release(&told.n, told.n + 1);
}

static void stalls(void **state)
{
	struct sonde_domain_options o = {.sz = sizeof(o),
					 .name = "slow",
					 .stall_ns = 20 * MS,
					 .stalled = on_stall,
					 .arg = &told};
	struct sonde_domain *slow;
	struct sitter s[2];
	struct waiter w;

	(void)state;
	told.n = 0;
	assert_int_equal(sonde_domain_create(&slow, &o), 0);
	sitter_start(&s[0], slow, 2);
	assert_int_equal(sonde_domain_wait(slow, sonde_domain_cookie(slow), 5 * MS), -ETIMEDOUT);
	assert_int_equal(told.n, 0); /* not so long yet */
	sitter_start(&s[1], slow, 1);
	waiter_start(&w, slow);
	sleep_ms(100);
	assert_int_equal(load_acquire(&told.n), 1);
	assert_true(pthread_equal(told.by, w.thread));
	assert_ptr_equal(told.info[0].domain, slow);
	assert_string_equal(told.info[0].domain_name, "slow");
	assert_int_equal(told.info[0].tid, s[0].tid);
	assert_int_equal(told.info[0].depth, 2);
	assert_true(told.info[0].ns >= 20 * MS);
	sitter_end(&s[0]);
	sleep_ms(50);
	assert_int_equal(load_acquire(&told.n), 2); /* once for each */
	assert_int_equal(told.info[1].tid, s[1].tid);
	sitter_end(&s[1]);
	assert_int_equal(waiter_end(&w), 0);
	assert_int_equal(told.n, 2);
	domain_end(slow);
}

/* membarrier works and is taken away later: errors, no hang, nothing is said to be over. */
static int taken_away(void *arg)
{
	struct sonde_deferred node;
	uint64_t cookie;

	(void)arg;
	CHECK(sonde_domain_synchronize(d) == 0);
	if (sync_rt.fences)
		return 0;
	refuse(SYS_membarrier, EPERM);
	cookie = sonde_domain_cookie(d);
	CHECK(sonde_domain_synchronize(d) == -EPERM);
	CHECK(sonde_domain_wait(d, cookie, 10) == -EPERM);
	CHECK(!sonde_domain_poll(d, cookie));
	CHECK(!sonde_domain_poll(d, cookie));
	sonde_domain_call(d, &node, NULL); /* must not be run */
	CHECK(sonde_domain_run(d) == 0);
	CHECK(sonde_domain_barrier(d) == -EPERM);
	CHECK(sonde_domain_destroy(d) == -EPERM);
	sonde_domain_enter(d);
	sonde_domain_leave(d);
	CHECK(sonde_domain_depth(d) == 0);
	return 0;
}

static void membarrier_taken_away(void **state)
{
	(void)state;
	assert_int_equal(in_child(taken_away, NULL), 0);
}

static bool told_fences;

static void mode(void **state)
{
	(void)state;
	sonde_domain_enter(d);
	assert_int_equal(sync_rt.fences, sonde_reader_self == NULL);
	sonde_domain_leave(d);
	assert_int_equal(sync_rt.fences, told_fences);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(mode),
		TEST(waits_for_its_reader),
		TEST(waits_for_no_later_reader),
		TEST(waits_for_many),
		TEST(busy_readers),
		TEST(several_at_once),
		TEST(several_are_all_told),
		TEST(limited),
		TEST(deadlock),
		TEST(cookies),
		TEST(asked_with_ever_younger_cookies),
		TEST(begun_before),
		TEST(polling_never_waits),
		TEST(stalls),
		TEST(membarrier_taken_away),
	};

	told_fences = argc > 1;
	fences_if_told(argc, argv);
	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Domains made and given back, their limits, and a thread's place in them: depth, unwinding, and
 * the readers that others see.
 */
#include "fixture.h"

static void options(void **state)
{
	struct sonde_domain_options o = {.sz = sizeof(o),
					 .name = "a name of more than 32 bytes, cut"};
	struct sonde_reader_info info;
	struct sonde_domain *d = NULL;

	(void)state;
	o.sz--;
	assert_int_equal(sonde_domain_create(&d, &o), -EINVAL);
	assert_null(d);
	o.sz += 2;
	assert_int_equal(sonde_domain_create(&d, &o), -EINVAL);
	o.sz--;
	assert_int_equal(sonde_domain_create(&d, &o), 0);
	sonde_domain_enter(d);
	assert_int_equal(sonde_domain_readers(d, &info, 1), 1);
	assert_string_equal(info.domain_name, "a name of more than 32 bytes, c");
	sonde_domain_leave(d);
	domain_end(d);
	d = domain_new();
	sonde_domain_enter(d);
	assert_int_equal(sonde_domain_readers(d, &info, 1), 1);
	assert_string_equal(info.domain_name, "domain");
	sonde_domain_leave(d);
	domain_end(d);
}

static void limits(void **state)
{
	struct sonde_domain *d[SONDE_DOMAINS_MAX], *more = NULL;
	uint32_t index;

	(void)state;
	for (int i = 0; i < SONDE_DOMAINS_MAX; i++) {
		d[i] = domain_new();
		for (int k = 0; k < i; k++)
			assert_int_not_equal(d[i]->index, d[k]->index);
	}
	assert_int_equal(sonde_domain_create(&more, NULL), -ENOSPC);
	assert_null(more);
	for (int i = 0; i < SONDE_DOMAINS_MAX; i++)
		sonde_domain_enter(d[i]);
	for (int i = 0; i < SONDE_DOMAINS_MAX; i++)
		assert_int_equal(sonde_domain_synchronize(d[i]), -EDEADLK);
	for (int i = 0; i < SONDE_DOMAINS_MAX; i++) {
		sonde_domain_leave(d[i]);
		assert_int_equal(sonde_domain_synchronize(d[i]), 0);
	}
	assert_int_equal(sonde_domains_synchronize(d, SONDE_DOMAINS_MAX), 0);
	index = d[17]->index;
	domain_end(d[17]);
	d[17] = domain_new();
	assert_int_equal(d[17]->index, index);
	assert_int_equal(sonde_domain_create(&more, NULL), -ENOSPC);
	for (int i = 0; i < SONDE_DOMAINS_MAX; i++)
		domain_end(d[i]);
}

static void destroying(void **state)
{
	struct sonde_domain *d = domain_new();
	struct sitter s;

	(void)state;
	sonde_domain_enter(d);
	assert_int_equal(sonde_domain_destroy(d), -EDEADLK);
	sonde_domain_leave(d);
	sitter_start(&s, d, 1);
	sitter_tell(&s); /* destroying waits for it */
	assert_int_equal(sonde_domain_destroy(d), 0);
	pthread_join(s.thread, NULL);
}

/* Made again at the same index, with the words as the last user left them. */
static void made_again(void **state)
{
	struct sonde_reader_info info;
	struct sonde_domain *d;
	struct sitter s;
	struct waiter w;

	(void)state;
	for (int i = 0; i < 200; i++) {
		d = domain_new();
		assert_int_equal(sonde_domain_depth(d), 0);
		for (int k = 0; k <= i % 3; k++)
			sonde_domain_enter(d);
		assert_int_equal(sonde_domain_readers(d, &info, 1), 1);
		for (int k = 0; k <= i % 3; k++)
			sonde_domain_leave(d);
		domain_end(d);
	}
	d = domain_new();
	sitter_start(&s, d, 1);
	waiter_start(&w, d);
	sleep_ms(30);
	assert_false(load_acquire(&w.done));
	sitter_end(&s);
	assert_int_equal(waiter_end(&w), 0);
	domain_end(d);
}

static void nesting(void **state)
{
	struct sonde_domain *d = domain_new(), *e = domain_new();

	(void)state;
	for (unsigned int i = 1; i <= 65535; i++) {
		sonde_domain_enter(d);
		if (sonde_domain_depth(d) != i)
			fail_msg("depth %u at %u", sonde_domain_depth(d), i);
	}
	assert_int_equal(sonde_domain_synchronize(d), -EDEADLK);
	assert_int_equal(sonde_domain_depth(e), 0);
	for (unsigned int i = 65534; i < 65535; i--) {
		sonde_domain_leave(d);
		if (sonde_domain_depth(d) != i)
			fail_msg("depth %u at %u", sonde_domain_depth(d), i);
	}
	assert_int_equal(sonde_domain_synchronize(d), 0);
	/* overlapping, not nested */
	sonde_domain_enter(d);
	sonde_domain_enter(e);
	sonde_domain_leave(d);
	assert_int_equal(sonde_domain_depth(d), 0);
	assert_int_equal(sonde_domain_depth(e), 1);
	assert_int_equal(sonde_domain_synchronize(d), 0);
	assert_int_equal(sonde_domain_synchronize(e), -EDEADLK);
	sonde_domain_leave(e);
	domain_end(d);
	domain_end(e);
}

static jmp_buf out;

static void __attribute__((noinline)) deep(struct sonde_domain *d)
{
	for (int i = 0; i < 41; i++)
		sonde_domain_enter(d);
	longjmp(out, 1);
}

static void unwinding(void **state)
{
	struct sonde_domain *d = domain_new();
	volatile unsigned int depth;

	(void)state;
	sonde_domain_unwind(d, 0);
	assert_int_equal(sonde_domain_depth(d), 0);
	sonde_domain_enter(d);
	depth = sonde_domain_depth(d);
	if (!setjmp(out))
		deep(d);
	assert_int_equal(sonde_domain_depth(d), 42);
	sonde_domain_unwind(d, 50); /* more than it is in */
	assert_int_equal(sonde_domain_depth(d), 42);
	sonde_domain_unwind(d, depth);
	assert_int_equal(sonde_domain_depth(d), 1);
	assert_int_equal(sonde_domain_synchronize(d), -EDEADLK);
	sonde_domain_leave(d);
	assert_int_equal(sonde_domain_synchronize(d), 0);
	domain_end(d);
}

static void readers_named(void **state)
{
	struct sonde_domain *d = domain_new(), *e = domain_new();
	struct sonde_reader_info info[4];
	struct sitter s[3];
	uint64_t before;
	bool found[3] = {false};

	(void)state;
	memset(info, 0xff, sizeof(info));
	assert_int_equal(sonde_domain_readers(d, info, 4), 0);
	assert_int_equal(info[0].tid, -1);
	sitter_start(&s[0], d, 1);
	sitter_start(&s[1], d, 7);
	sitter_start(&s[2], e, 2);
	assert_int_equal(sonde_domain_readers(d, info, 4), 2);
	assert_int_equal(info[2].tid, -1);
	for (int i = 0; i < 2; i++) {
		assert_ptr_equal(info[i].domain, d);
		for (int k = 0; k < 3; k++) {
			if (info[i].tid == s[k].tid && info[i].depth == s[k].depth)
				found[k] = true;
		}
	}
	assert_true(found[0] && found[1] && !found[2]);
	/* not more than there is room for, but all are counted */
	memset(info, 0xff, sizeof(info));
	assert_int_equal(sonde_domain_readers(d, info, 1), 2);
	assert_int_equal(info[1].tid, -1);
	assert_int_equal(sonde_domain_readers(d, NULL, 0), 2);
	/* how long: since it was first seen, growing, and no more than it was */
	before = now_ns();
	assert_int_equal(sonde_domain_readers(e, info, 1), 1);
	assert_true(info[0].ns == 0);
	sleep_ms(30);
	assert_int_equal(sonde_domain_readers(e, info, 1), 1);
	assert_int_equal(info[0].tid, s[2].tid);
	assert_true(info[0].ns >= 30 * MS);
	assert_true(info[0].ns <= now_ns() - before);
	for (int k = 0; k < 3; k++)
		sitter_end(&s[k]);
	assert_int_equal(sonde_domain_readers(d, info, 4), 0);
	domain_end(d);
	domain_end(e);
}

/* Another section of the same thread is not as old as the one before it. */
static void age_is_of_the_section(void **state)
{
	struct sonde_domain *d = domain_new();
	struct sonde_reader_info info;

	(void)state;
	sonde_domain_enter(d);
	assert_int_equal(sonde_domain_readers(d, &info, 1), 1);
	sleep_ms(20);
	sonde_domain_enter(d); /* the same, deeper */
	assert_int_equal(sonde_domain_readers(d, &info, 1), 1);
	assert_true(info.ns >= 20 * MS);
	sonde_domain_leave(d);
	sonde_domain_leave(d);
	sonde_domain_enter(d);
	assert_int_equal(sonde_domain_readers(d, &info, 1), 1);
	assert_true(info.ns < 20 * MS);
	sonde_domain_leave(d);
	domain_end(d);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options),	 cmocka_unit_test(limits),
		cmocka_unit_test(destroying),	 cmocka_unit_test(made_again),
		cmocka_unit_test(nesting),	 cmocka_unit_test(unwinding),
		cmocka_unit_test(readers_named), cmocka_unit_test(age_is_of_the_section),
	};

	fences_if_told(argc, argv);
	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

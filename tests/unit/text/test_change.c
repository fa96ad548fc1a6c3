/* SPDX-License-Identifier: MIT */
/* Sites switched on and off, again and again: bytes, strangers, pads, errors. */
#include "bench.h"

#include <errno.h>

/* mov $42, %eax; ret */
#define CODE_S0 "\xb8\x2a\0\0\0\xc3", 6
/* lea (%rdi,%rsi), %rax; mov %rdi, %rax; ret */
#define CODE_S1 "\x48\x8d\x04\x37\x48\x89\xf8\xc3", 8
/* mov %esi, %eax; ret */
#define CODE_S2 "\x89\xf0\xc3", 3

static struct text_module *module;

static void note(void *arg, uint32_t site, int err)
{
	note_refusal(arg, site, err);
}

static void open_all(void)
{
	static struct text_job job;

	job = (struct text_job){
		.plans = {&b.site[BEFORE], b.nsites, BEFORE, b.site, b.code, b.fix},
		.image = {(uint64_t)b.image - FIRST_VADDR, FIRST_VADDR,
			  FIRST_VADDR + IMAGE_SIZE + b.hole, FIRST_VADDR, FIRST_VADDR + IMAGE_SIZE},
		.stub = (uint64_t)sonde_hit_stub,
		.live = true,
		.refused = note,
	};
	b.nrefused = 0;
	memcpy(b.orig, b.image, IMAGE_SIZE);
	mprotect(b.image, IMAGE_SIZE, PROT_READ | PROT_EXEC);
	assert_int_equal(text_open(&job, &module), 0);
	assert_true(bench_unchanged(0, IMAGE_SIZE));
}

static int change(uint32_t site, bool on)
{
	struct text_change c = {module, site, on, 1};

	assert_int_equal(text_change(&c, 1), 0);
	return c.err;
}

static void store(uint32_t off, const char *code, size_t n)
{
	mprotect(b.image, IMAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
	memcpy(b.image + off, code, n);
	mprotect(b.image, IMAGE_SIZE, PROT_READ | PROT_EXEC);
}

/* A new image; the plans of the one before go, so its sites must be off. */
static void begin(void)
{
	text_restore();
	bench_begin();
}

/* An S0, an S1, and an S2 with its pad. */
static void three(void)
{
	begin();
	bench_func(0x100, CODE_S0);
	bench_func(0x200, CODE_S1);
	bench_func(0x300, CODE_S2);
	bench_s0(0x100);
	bench_s1(0x200, 4);
	bench_s2(0x300, 0x308);
	open_all();
}

static void toggled(void **state)
{
	(void)state;
	three();
	for (int round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(change(i, true), 0);
		bench_expect(0x100, BEFORE, 42);
		bench_expect(0x200, BEFORE + 1, 0x1111111122222222);
		bench_expect(0x300, BEFORE + 2, 0x333);
		for (uint32_t i = 3; i-- > 0;)
			assert_int_equal(change(i, false), 0);
		bench_call(0x100, 0, false);
		assert_int_equal(b.nhits, 0);
		/* all but the pad, which stays */
		assert_true(bench_unchanged(0, 0x308));
		assert_true(bench_unchanged(0x30d, IMAGE_SIZE - 0x30d));
		assert_int_equal(b.image[0x308], 0xe9);
		assert_string_equal(maps_at((uint64_t)b.image), "r-xp");
	}
}

/* What is so already is left as it is. */
static void twice(void **state)
{
	struct text_change c[2];
	(void)state;

	three();
	assert_int_equal(change(0, false), 0);
	assert_int_equal(change(0, true), 0);
	assert_int_equal(change(0, true), 0);
	c[0] = (struct text_change){module, 0, false, 1};
	c[1] = (struct text_change){module, 2, true, 1};
	assert_int_equal(text_change(c, 2), 0);
	assert_int_equal(c[0].err | c[1].err, 0);
	assert_true(bench_unchanged(0, 0x300));
	bench_expect(0x300, BEFORE + 2, 0x333);
}

static void strangers(void **state)
{
	(void)state;
	three();
	/* before us */
	store(0x101, "\x07", 1);
	assert_int_equal(change(0, true), SONDE_E_BYTES_DIFFER);
	assert_int_equal(b.image[0x100], 0xb8);
	assert_int_equal(b.image[0x101], 7);
	store(0x101, "\x2a", 1);
	assert_int_equal(change(0, true), 0);
	/* over us: not ours to restore, nor to take for ours */
	store(0x100, "\xb8\x09\0\0\0", 5);
	assert_int_equal(change(0, false), SONDE_E_BYTES_DIFFER);
	assert_memory_equal(b.image + 0x100, "\xb8\x09\0\0\0\xc3", 6);
	assert_int_equal(change(0, true), SONDE_E_BYTES_DIFFER);
	/* back to the file's code */
	store(0x100, CODE_S0);
	assert_int_equal(change(0, true), 0);
	bench_expect(0x100, BEFORE, 42);
	store(0x100, CODE_S0);
	assert_int_equal(change(0, false), 0);
	assert_true(bench_unchanged(0, 0x308));
	/* a pad that is in use by somebody else */
	store(0x308, "\x90", 1);
	assert_int_equal(change(2, true), SONDE_E_BYTES_DIFFER);
	assert_true(bench_unchanged(0x300, 8));
}

/* A neighbour that fails does not keep the others of a batch from what they want. */
static void one_of_a_batch(void **state)
{
	struct text_change c[3];
	(void)state;

	three();
	store(0x203, "\x36", 1);
	for (uint32_t i = 0; i < 3; i++)
		c[i] = (struct text_change){module, i, true, 1};
	assert_int_equal(text_change(c, 3), 0);
	assert_int_equal(c[0].err, 0);
	assert_int_equal(c[1].err, SONDE_E_BYTES_DIFFER);
	assert_int_equal(c[2].err, 0);
	bench_expect(0x100, BEFORE, 42);
	bench_expect(0x300, BEFORE + 2, 0x333);
}

static void windows_come_only_once(void **state)
{
	(void)state;
	begin();
	bench_func(0x100, "\x53\x48\x89\xfb\x8b\xc3\x5b\xc3", 8);
	bench_w(0x100);
	assert_int_equal(bench_install(), 1);
	assert_int_equal(b.image[0x100], 0xe9);
	assert_int_equal(text_restore(), 0);
	assert_true(bench_unchanged(0, IMAGE_SIZE));
	b.live = true;
	/* in a live image it gets no code at all */
	open_all();
	assert_int_equal(change(0, true), SONDE_E_TOO_SHORT);
	assert_true(bench_unchanged(0, IMAGE_SIZE));
}

static void all_restored(void **state)
{
	(void)state;
	three();
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(change(i, true), 0);
	assert_int_equal(text_restore(), 0);
	assert_true(bench_unchanged(0, 0x308));
	assert_int_equal(change(1, true), 0);
	store(0x200, "\xcc", 1);
	assert_int_equal(text_restore(), 1);
	assert_int_equal(b.image[0x200], 0xcc);
	store(0x200, CODE_S1);
	assert_int_equal(text_restore(), 0);
}

static void no_permission(void **state)
{
	struct text_change c = {NULL, 0, true, 1};
	(void)state;

	begin();
	bench_func(0x100, CODE_S0);
	bench_s0(0x100);
	b.hole = 4096;
	open_all();
	c.module = module;
	assert_int_equal(text_change(&c, 1), SONDE_E_PROTECT);
	assert_int_equal(c.err, SONDE_E_PROTECT);
	assert_true(bench_unchanged(0, IMAGE_SIZE));
	assert_string_equal(maps_at((uint64_t)b.image), "r-xp");
}

/* Functions that begin alike, opened one after the other: their islands share a page. */
static void islands_of_two_batches(void **state)
{
	struct text_module *first;
	uint8_t *image;
	(void)state;

	begin();
	for (uint32_t off = 0x100; off <= 0x140; off += 0x40)
		bench_func(off, "\x53\x48\x89\xfb\x8b\xc3\x5b\xc3", 8);
	bench_s1(0x100, 1);
	open_all();
	first = module;
	image = b.image;
	assert_int_equal(change(0, true), 0);
	bench_expect(0x100, BEFORE, 0x22222222);
	/* the second batch: another table of plans, the same image */
	static struct wire_site second;
	struct text_job job = {
		.plans = {&second, 1, BEFORE + 1, NULL, b.code, b.fix},
		.image = {(uint64_t)image - FIRST_VADDR, FIRST_VADDR, FIRST_VADDR + IMAGE_SIZE,
			  FIRST_VADDR, FIRST_VADDR + IMAGE_SIZE},
		.stub = (uint64_t)sonde_hit_stub,
		.live = true,
		.refused = note,
	};
	bench_s1(0x140, 1);
	second = b.site[BEFORE + 1];
	assert_int_equal(text_open(&job, &module), 0);
	assert_int_equal(b.nrefused, 0);
	assert_ptr_not_equal(module, first);
	assert_int_equal(change(0, true), 0);
	bench_expect(0x140, BEFORE + 1, 0x22222222);
	bench_expect(0x100, BEFORE, 0x22222222);
	assert_false(maps_any_wx());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(toggled),
		cmocka_unit_test(twice),
		cmocka_unit_test(strangers),
		cmocka_unit_test(one_of_a_batch),
		cmocka_unit_test(windows_come_only_once),
		cmocka_unit_test(all_restored),
		cmocka_unit_test(no_permission),
		cmocka_unit_test(islands_of_two_batches),
	};

	text_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

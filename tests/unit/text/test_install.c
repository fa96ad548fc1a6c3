/* SPDX-License-Identifier: MIT */
/* Plans carried out on live functions, which then are called. */
#include "bench.h"

#define EDI 0x22222222u /* what bench_call() passes */
#define ESI 0x333u
#define GIB (1ull << 30)

/* mov $42, %eax; ret */
#define CODE_S0 "\xb8\x2a\0\0\0\xc3", 6
/* lea (%rdi,%rsi), %rax; mov %rdi, %rax; ret: 16 MiB to choose from, 1.1 GiB above */
#define CODE_WIDE "\x48\x8d\x04\x37\x48\x89\xf8\xc3", 8
/* mov %esi, %eax, then bytes that lead 256 addresses */
#define CODE_NARROW "\x89\xf0\x48\x89\xf8\xc3", 6
/* push %rbx; mov %rdi, %rbx; mov %ebx, %eax; pop %rbx; ret: one address, 1.8 GiB below */
#define CODE_EXACT "\x53\x48\x89\xfb\x8b\xc3\x5b\xc3", 8
#define EXACT_REL ((int32_t)0x8bfb8948)

static uint64_t exact_island(uint32_t off)
{
	return (uint64_t)b.image + off + 5 + (uint64_t)(int64_t)EXACT_REL;
}

static void s0(void **state)
{
	uint32_t i;
	(void)state;

	bench_begin();
	bench_func(0x100, CODE_S0);
	i = bench_s0(0x100);
	assert_int_equal(bench_install(), 1);
	assert_int_equal(b.image[0x100], 0xe9);
	assert_true(bench_unchanged(0, 0x100));
	assert_true(bench_unchanged(0x105, IMAGE_SIZE - 0x105));
	bench_expect(0x100, i, 42);
	assert_string_equal(maps_at((uint64_t)b.image), "r-xp");
}

/* The hit sees the stack pointer as the function does. */
static void stack_pointer(void **state)
{
	uint64_t sp;
	(void)state;
	bench_begin();
	bench_func(0x100, "\x0f\x1f\x44\0\0\x48\x89\xe0\xc3", 9);
	bench_s0(0x100);
	assert_int_equal(bench_install(), 1);
	sp = bench_call(0x100, 0, false);
	assert_int_equal(b.nhits, 1);
	assert_int_equal(b.hit[0].ctx.reg[WIRE_REG_SP], sp);
}

static void s1_wide_and_narrow(void **state)
{
	uint32_t wide, narrow;
	int32_t rel;
	(void)state;

	bench_begin();
	bench_func(0x100, CODE_WIDE);
	bench_func(0x200, CODE_NARROW);
	wide = bench_s1(0x100, 4);
	narrow = bench_s1(0x200, 2);
	assert_int_equal(bench_install(), 2);
	assert_int_equal(b.image[0x100], 0xe9);
	assert_true(bench_unchanged(0x104, 4));
	assert_int_equal(b.image[0x200], 0xe9);
	assert_true(bench_unchanged(0x202, 6));
	memcpy(&rel, b.image + 0x101, sizeof(rel));
	assert_string_equal(maps_at((uint64_t)b.image + 0x105 + (uint64_t)(int64_t)rel), "r-xp");
	bench_expect(0x100, wide, 0x1111111122222222);
	bench_expect(0x200, narrow, 0x1111111122222222);
}

static void s1_exact(void **state)
{
	uint32_t i;
	(void)state;

	bench_begin();
	bench_func(0x100, CODE_EXACT);
	i = bench_s1(0x100, 1);
	assert_int_equal(bench_install(), 1);
	assert_int_equal(b.image[0x100], 0xe9);
	assert_true(bench_unchanged(0x101, 7));
	assert_int_equal(*(uint8_t *)exact_island(0x100), 0xe9);
	bench_expect(0x100, i, EDI);
}

/* The detours lie 1.5 GiB above, an island 1.8 GiB below: it needs the far jump. */
static void s1_far_island(void **state)
{
	uint32_t exact, last = 0;
	uint64_t image, island;
	(void)state;

	bench_begin();
	image = (uint64_t)b.image;
	for (uint32_t i = 0; i < 100; i++) {
		bench_func(16 * i, CODE_S0);
		last = bench_s0(16 * i);
	}
	bench_func(0x1000, CODE_EXACT);
	exact = bench_s1(0x1000, 1);
	island = ALIGN_DOWN(exact_island(0x1000), PAGE);
	/* room for one page below, which the detours do not fit */
	assert_true(maps_take(image - 2 * GIB, island - (image - 2 * GIB), PROT_NONE));
	assert_true(maps_take(island + PAGE, image - (island + PAGE), PROT_NONE));
	assert_true(maps_take(image + IMAGE_SIZE, 3 * GIB / 2, PROT_NONE));
	assert_int_equal(bench_install(), 101);
	assert_memory_equal(exact_island(0x1000), "\xff\x25\0\0\0\0", 6);
	bench_expect(0x1000, exact, EDI);
	bench_expect(16 * 99, last, 42);
}

/* Two sites in one quadword, two pads that share one, a pad behind and one in front. */
static void s2(void **state)
{
	uint32_t x, y, z;
	(void)state;

	bench_begin();
	bench_func(0x300, "\x89\xf0\xc3", 3);
	bench_func(0x304, "\x89\xf8\xc3", 3);
	bench_func(0x320, "\x89\xf0\xc3", 3);
	x = bench_s2(0x300, 0x30e);
	y = bench_s2(0x304, 0x313);
	z = bench_s2(0x320, 0x318);
	assert_int_equal(bench_install(), 3);
	assert_memory_equal(b.image + 0x300, "\xeb\x0c\xc3\xcc\xeb\x0d\xc3\xcc", 8);
	assert_memory_equal(b.image + 0x320, "\xeb\xf6\xc3", 3);
	assert_true(bench_unchanged(0x308, 6));
	bench_expect(0x300, x, ESI);
	bench_expect(0x304, y, EDI);
	bench_expect(0x320, z, ESI);
}

/* A pad that shares a quadword with another site's first bytes. */
static void s2_pad_beside_a_site(void **state)
{
	uint32_t x, y;
	(void)state;

	bench_begin();
	bench_func(0x300, "\x89\xf0\xc3", 3);
	bench_func(0x308, CODE_S0);
	x = bench_s2(0x300, 0x303);
	y = bench_s2(0x308, 0x30e);
	assert_int_equal(bench_install(), 2);
	bench_expect(0x300, x, ESI);
	bench_expect(0x308, y, 42);
}

static void window(void **state)
{
	uint32_t i;
	(void)state;

	bench_begin();
	bench_func(0x100, "\x53\x48\x89\xfb\x8d\x04\x37\x5b\xc3", 9);
	i = bench_w(0x100);
	assert_int_equal(b.site[i].insn_len, 7);
	assert_int_equal(bench_install(), 1);
	assert_true(bench_unchanged(0x105, 16));
	bench_expect(0x100, i, EDI + ESI);
}

/* The one address is taken: the window instead; refused without one, or with a site in it. */
static void window_where_no_island_fits(void **state)
{
	uint32_t i, lone, crowded, inside;
	(void)state;

	bench_begin();
	bench_func(0x100, CODE_EXACT);
	bench_func(0x200, CODE_EXACT);
	bench_func(0x300, CODE_EXACT);
	i = bench_s1(0x100, 1);
	bench_alt(i);
	lone = bench_s1(0x200, 1);
	crowded = bench_s1(0x300, 1);
	bench_alt(crowded);
	inside = bench_s2(0x304, 0x310);
	assert_true(maps_take(ALIGN_DOWN(exact_island(0x100), PAGE), PAGE, PROT_NONE));
	assert_int_equal(bench_install(), 2);
	assert_int_equal(b.nrefused, 2);
	bench_expect_refused(lone, SONDE_E_NO_SPACE_NEAR);
	bench_expect_refused(crowded, SONDE_E_NO_SPACE_NEAR);
	bench_expect(0x100, i, EDI);
	assert_true(bench_unchanged(0x200, 16));
	assert_int_equal(bench_call(0x300, 0, false), EDI);
	assert_int_equal(b.nhits, 1);
	assert_int_equal(b.hit[0].site, inside);
}

/* A site in the middle of a function, while 128 bytes below the stack pointer are in use. */
static void red_zone(void **state)
{
	uint32_t i;
	(void)state;

	bench_begin();
	bench_func(0x0e9, "\x48\x89\x74\x24\xf8\x48\x89\x7c\x24\x80", 10);
	bench_func(0x0f3, "\x0f\x1f\x44\0\0", 5);
	bench_func(0x0f8, "\xb8\x05\0\0\0", 5);
	bench_func(0x0fd, "\x48\x03\x44\x24\xf8\x48\x03\x44\x24\x80\xc3", 11);
	i = bench_s0(0x0f8);
	assert_int_equal(bench_install(), 1);
	assert_int_equal(bench_call(0x0e9, 0, true), 5 + ESI + 0x1111111122222222);
	assert_int_equal(b.nhits, 1);
	assert_int_equal(b.hit[0].site, i);
}

/* Flags that are set before the site and used behind it. */
static void flags_across(void **state)
{
	(void)state;
	bench_begin();
	/* cmp %rdi, %rsi; 5 bytes; mov $7, %eax; cmovb %esi, %eax; ret */
	bench_func(0x100, "\x48\x39\xfe\x0f\x1f\x44\0\0\xb8\x07\0\0\0\x0f\x42\xc6\xc3", 17);
	bench_s0(0x108);
	assert_int_equal(bench_install(), 1);
	assert_int_equal(bench_call(0x100, 0, true), ESI);
	assert_int_equal(bench_call(0x100, FLAGS_ALL, true), ESI);
	assert_int_equal(b.nhits, 1);
}

static void differing_bytes(void **state)
{
	uint32_t first, pun, pad, good, across;
	(void)state;

	bench_begin();
	bench_func(0x100, CODE_S0);
	bench_func(0x203, CODE_EXACT);
	bench_func(0x300, "\x89\xf0\xc3", 3);
	bench_func(0x400, CODE_S0);
	bench_func(0x507, CODE_EXACT);
	first = bench_s0(0x100);
	pun = bench_s1(0x203, 1);
	pad = bench_s2(0x300, 0x308);
	good = bench_s0(0x400);
	across = bench_s1(0x507, 1);
	b.image[0x101] = 43;   /* somebody has changed the instruction, */
	b.image[0x204] = 0x49; /* what a jump relies on, */
	b.image[0x30a] = 0x90; /* a pad, */
	b.image[0x50b] = 0x89; /* what a jump relies on in the next quadword */
	assert_int_equal(bench_install(), 1);
	assert_int_equal(b.nrefused, 4);
	bench_expect_refused(first, SONDE_E_BYTES_DIFFER);
	bench_expect_refused(pun, SONDE_E_BYTES_DIFFER);
	bench_expect_refused(pad, SONDE_E_BYTES_DIFFER);
	bench_expect_refused(across, SONDE_E_BYTES_DIFFER);
	assert_true(bench_unchanged(0, 0x400));
	assert_true(bench_unchanged(0x500, IMAGE_SIZE - 0x500));
	assert_int_equal(bench_call(0x100, 0, false), 43);
	assert_int_equal(b.nhits, 0);
	bench_expect(0x400, good, 42);
}

/* dlclose and dlopen: the same file at the same place needs nothing new. */
static void again(void **state)
{
	uint8_t orig[IMAGE_SIZE], patched[IMAGE_SIZE];
	uint32_t i, j, k;
	(void)state;

	bench_begin();
	bench_func(0x100, CODE_S0);
	bench_func(0x200, CODE_EXACT);
	bench_func(0x300, CODE_WIDE);
	bench_func(0x400, "\x89\xf0\xc3", 3);
	i = bench_s0(0x100);
	j = bench_s1(0x200, 1);
	bench_alt(j);
	k = bench_s1(0x300, 4);
	bench_s2(0x400, 0x408);
	/* the first S1 becomes a window */
	assert_true(maps_take(ALIGN_DOWN(exact_island(0x200), PAGE), PAGE, PROT_NONE));
	assert_int_equal(bench_install(), 4);
	memcpy(orig, b.orig, IMAGE_SIZE);
	memcpy(patched, b.image, IMAGE_SIZE);
	for (int round = 0; round < 3; round++) {
		munmap(b.image, IMAGE_SIZE);
		assert_true(maps_take((uint64_t)b.image, IMAGE_SIZE, PROT_READ | PROT_WRITE));
		memcpy(b.image, orig, IMAGE_SIZE);
		assert_int_equal(bench_install(), 4);
		assert_int_equal(b.nrefused, 0);
		assert_memory_equal(b.image, patched, IMAGE_SIZE);
	}
	bench_expect(0x100, i, 42);
	bench_expect(0x200, j, EDI);
	bench_expect(0x300, k, 0x1111111122222222);
	/* and twice without unmapping: the code is ours, not the file's */
	assert_int_equal(bench_install(), 0);
	assert_int_equal(b.nrefused, 4);
	bench_expect(0x100, i, 42);
}

static void no_room_at_all(void **state)
{
	uint64_t image;
	(void)state;

	bench_begin();
	image = (uint64_t)b.image;
	bench_func(0x100, CODE_S0);
	bench_s0(0x100);
	assert_true(maps_take(image - 2 * GIB, 2 * GIB, PROT_NONE));
	assert_true(maps_take(image + IMAGE_SIZE, 2 * GIB, PROT_NONE));
	assert_int_equal(bench_install(), SONDE_E_NO_SPACE_NEAR);
	assert_true(bench_unchanged(0, IMAGE_SIZE));
	/* it is asked anew when there is room */
	munmap((void *)(image + IMAGE_SIZE), 2 * GIB);
	assert_int_equal(bench_install(), 1);
	assert_int_equal(bench_call(0x100, 0, false), 42);
	assert_int_equal(b.nhits, 1);
}

static void text_with_a_hole(void **state)
{
	(void)state;
	bench_begin();
	bench_func(0x100, CODE_S0);
	bench_s0(0x100);
	b.hole = 16 * PAGE;
	assert_true(maps_take((uint64_t)b.image + 17 * PAGE, PAGE, PROT_READ));
	assert_int_equal(bench_install(), SONDE_E_PROTECT);
	assert_true(bench_unchanged(0, IMAGE_SIZE));
	assert_int_equal(bench_call(0x100, 0, false), 42);
	assert_int_equal(b.nhits, 0);
}

static void nothing_to_do(void **state)
{
	(void)state;
	bench_begin();
	assert_int_equal(bench_install(), 0);
	assert_int_equal(b.nrefused, 0);
	assert_true(bench_unchanged(0, IMAGE_SIZE));
}

/* Runs last: of all that was installed, nothing is writable and executable. */
static void never_writable_and_executable(void **state)
{
	(void)state;
	assert_false(maps_any_wx());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s0),
		cmocka_unit_test(stack_pointer),
		cmocka_unit_test(s1_wide_and_narrow),
		cmocka_unit_test(s1_exact),
		cmocka_unit_test(s1_far_island),
		cmocka_unit_test(s2),
		cmocka_unit_test(s2_pad_beside_a_site),
		cmocka_unit_test(window),
		cmocka_unit_test(window_where_no_island_fits),
		cmocka_unit_test(red_zone),
		cmocka_unit_test(flags_across),
		cmocka_unit_test(differing_bytes),
		cmocka_unit_test(again),
		cmocka_unit_test(no_room_at_all),
		cmocka_unit_test(text_with_a_hole),
		cmocka_unit_test(nothing_to_do),
		cmocka_unit_test(never_writable_and_executable),
	};

	text_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

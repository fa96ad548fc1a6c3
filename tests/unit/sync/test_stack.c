/* SPDX-License-Identifier: MIT */
/*
 * Searching stacks, made by hand: which words are seen, how far a stack reaches, and where signal
 * frames lead.
 */
#include "fixture.h"

#include <ucontext.h>

#include "sync/stack.h"

#define PAGE 4096ul
#define SIZE (SYNC_STACK_WORDS * 8ul * 3)
#define NWORDS (SIZE / 8)

static const struct sync_range range[] = {{0x1000, 0x1080}, {0x2000, 0x2001}, {0x3000, 0x3fff}};
static const struct sync_code q = {.range = range, .nrange = ARRAY_LEN(range)};
static uint64_t *stack, *other, words[SYNC_STACK_WORDS];

/* Between pages that end it on both sides. */
static uint64_t *map_stack(void)
{
	char *p = mmap(NULL, SIZE + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + PAGE, SIZE, PROT_READ | PROT_WRITE), 0);
	return (uint64_t *)(p + PAGE);
}

static int setup(void **state)
{
	(void)state;
	stack = map_stack();
	other = map_stack();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap((char *)stack - PAGE, SIZE + 2 * PAGE);
	munmap((char *)other - PAGE, SIZE + 2 * PAGE);
	return 0;
}

static int search_at(uint64_t sp)
{
	struct sync_areas as;
	int err = sync_areas_read(&as);

	assert_int_equal(err, 0);
	err = sync_stack_search(&q, &as, sp, words);
	sync_areas_free(&as);
	return err;
}

static int search(const uint64_t *sp)
{
	return search_at((uint64_t)sp);
}

static void test_ranges(void **state)
{
	static const uint64_t in[] = {0x1000, 0x1001, 0x1080, 0x2000, 0x2001, 0x3000, 0x3fff};
	static const uint64_t out[] = {0, 0xfff, 0x1081, 0x1fff, 0x2002, 0x2fff, 0x4000, ~0ull};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(in); i++) {
		assert_true(sync_code_holds(&q, in[i]));
		stack[7] = in[i];
		assert_int_equal(search(stack), -EBUSY);
	}
	for (size_t i = 0; i < ARRAY_LEN(out); i++) {
		assert_false(sync_code_holds(&q, out[i]));
		stack[7] = out[i];
		assert_int_equal(search(stack), 0);
	}
}

static void test_reach(void **state)
{
	static const size_t at[] = {0,
				    1,
				    5,
				    SYNC_STACK_WORDS - 1,
				    SYNC_STACK_WORDS,
				    SYNC_STACK_WORDS * 2 - 1,
				    NWORDS - 20,
				    NWORDS - 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		stack[at[i]] = 0x1000;
		assert_int_equal(search(stack), -EBUSY);
		assert_int_equal(search(stack + at[i]), -EBUSY);
		/* what lies below the stack pointer is over */
		assert_int_equal(search(stack + at[i] + 1), 0);
		stack[at[i]] = 0;
	}
	assert_int_equal(search(stack + NWORDS), 0);
}

static void test_not_a_stack(void **state)
{
	(void)state;
	assert_int_equal(search_at(0), -EBUSY);
	assert_int_equal(search_at(~7ull), -EBUSY);
	assert_int_equal(search_at((uint64_t)stack - 8), -EBUSY);
	assert_int_equal(search_at((uint64_t)stack + 4), -EBUSY);
	/* memory that no program can push on */
	assert_int_equal(mprotect(stack, SIZE, PROT_READ), 0);
	assert_int_equal(search(stack), -EBUSY);
}

/* The kernel shows one mapping as several when their rights differ. */
static void test_joined(void **state)
{
	const size_t at = NWORDS - 100, page = PAGE / 8;

	(void)state;
	stack[at] = 0x1000;
	assert_int_equal(mprotect(stack + 10 * page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	assert_int_equal(search(stack), -EBUSY);
	assert_int_equal(mprotect(stack + 20 * page, PAGE, PROT_NONE), 0);
	assert_int_equal(search(stack), 0);
	assert_int_equal(search(stack + 21 * page), -EBUSY);
}

/* Another file behind it is another thing. */
static void test_not_joined(void **state)
{
	int fd = memfd_create("other", 0);
	uint64_t *end = stack + NWORDS;

	(void)state;
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_ptr_equal(mmap(end, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
			 end);
	end[1] = 0x1000;
	assert_int_equal(search(stack), 0);
	assert_int_equal(search(end), -EBUSY);
	close(fd);
}

/* A signal frame on an alternate stack that began at @begin. */
static void put_frame(uint64_t *at, const uint64_t *begin, const uint64_t *interrupted)
{
	ucontext_t uc = {0};

	uc.uc_stack.ss_sp = (void *)begin;
	uc.uc_stack.ss_size = (size_t)((char *)(stack + NWORDS) - (char *)begin);
	uc.uc_mcontext.gregs[REG_RSP] = (greg_t)interrupted;
	memcpy(at, &uc, offsetof(ucontext_t, __fpregs_mem));
}

static void test_frame(void **state)
{
	const size_t frame = offsetof(ucontext_t, __fpregs_mem) / 8;

	(void)state;
	other[50] = 0x1000;
	/* wherever it lies: pieces of the stack are read one after the other */
	for (size_t at = SYNC_STACK_WORDS - 2 * frame; at < SYNC_STACK_WORDS + 8; at++) {
		put_frame(stack + at, stack + 2, other + 20);
		assert_int_equal(search(stack + 4), -EBUSY);
		put_frame(stack + at, stack + 2, other + 51);
		assert_int_equal(search(stack + 4), 0);
		/* not within the bounds it tells of: no frame */
		put_frame(stack + at, stack + at + 100, other + 20);
		assert_int_equal(search(stack + 4), 0);
		memset(stack + at, 0, frame * 8);
	}
}

static void test_frame_that_leads_nowhere(void **state)
{
	(void)state;
	put_frame(stack + 100, stack, (uint64_t *)PAGE);
	assert_int_equal(search(stack), -EBUSY);
	put_frame(stack + 100, stack, (uint64_t *)((char *)other + 1));
	assert_int_equal(search(stack), -EBUSY);
}

/* The alternate stack lies within the stack that it serves: the interrupted one is below. */
static void test_frame_above(void **state)
{
	(void)state;
	put_frame(stack + 1000, stack + 900, stack + 30);
	assert_int_equal(search(stack + 950), 0);
	stack[40] = 0x2000;
	assert_int_equal(search(stack + 950), -EBUSY);
	put_frame(stack + 1000, stack + 900, stack + 41);
	assert_int_equal(search(stack + 950), 0);
}

/* More stacks than anybody has: it cannot be told. */
static void test_limits(void **state)
{
	uint64_t *big;

	(void)state;
	for (size_t i = 0; i < 12; i++)
		put_frame(stack + 100 + 200 * i, stack, other + NWORDS - 10 * (i + 1));
	assert_int_equal(search(stack), -EBUSY);
	for (size_t i = 6; i < 12; i++)
		put_frame(stack + 100 + 200 * i, stack, other + NWORDS - 5);
	assert_int_equal(search(stack), 0);
	big = mmap(NULL, 64ul << 20, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_int_equal(search(big), -EBUSY);
	assert_int_equal(search(big + (60ul << 20) / 8), 0);
	munmap(big, 64ul << 20);
}

static int without_reading(void *arg)
{
	(void)arg;
	refuse(SYS_process_vm_readv, EPERM);
	return search(stack) == -EOPNOTSUPP ? 0 : 1;
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(in_child(without_reading, NULL), 0);
}

static void test_unmapped_meanwhile(void **state)
{
	struct sync_areas as;

	(void)state;
	assert_int_equal(sync_areas_read(&as), 0);
	munmap(stack + NWORDS / 2, SIZE / 2);
	assert_int_equal(sync_stack_search(&q, &as, (uint64_t)stack, words), -EBUSY);
	sync_areas_free(&as);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reach, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_a_stack, setup, teardown),
		cmocka_unit_test_setup_teardown(test_joined, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_joined, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_that_leads_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_above, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmapped_meanwhile, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

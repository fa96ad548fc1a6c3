/* SPDX-License-Identifier: MIT */
/*
 * Slots for displaced instructions, in the schedules in which two threads want one slot. What a
 * slot holds is looked at, not executed, and parked as its code would park it. The letters are
 * those of src/text/xol.c; defects are those that review found in an earlier design of others
 * (doc/DECISIONS.md).
 */
#include "race.h"

#include "text/xol_state.h"

#define LIMIT_STORM 3

static const uint8_t code[4][8] = {"content0", "content1", "content2", "content3"};
static struct text_xol_insn insn[4];
static struct text_xol_area *area;

static int fresh(uint32_t limit)
{
	int err = text_xol_open(0, 0, limit, &area);

	for (int i = 0; i < 4; i++)
		insn[i] = (struct text_xol_insn){
			.ip = 0x1000u * (unsigned int)i, .code = code[i], .len = 8, .done = 8};
	for (uint32_t i = 0; !err && i < area->used; i++) {
		store_relaxed(&area->slot[i].word, (uint64_t)0);
		area->slot[i].insn = NULL;
	}
	area->used = 0;
	memset(&xol_self, 0, sizeof(xol_self));
	return err;
}

/* One slot, and no reserve: patience must not end on a busy machine. */
static int setup(void **state)
{
	int err = fresh(1);

	(void)state;
	area->capacity = 1;
	return err;
}

static struct xol_slot *get(int i, uint64_t sp)
{
	uint64_t at = text_xol_get(area, &insn[i], sp, 0);
	struct xol_slot *slot = &area->slot[(at - area->code) / ARCH_SLOT_SIZE];

	if (!at || slot->insn != &insn[i] || memcmp((const void *)at, code[i], 8) != 0 ||
	    load_relaxed(&slot->word) != xol_word((int32_t)syscall(SYS_gettid), XOL_BUSY))
		abort();
	return slot;
}

static void park(struct xol_slot *slot)
{
	if (xol_state_of(load_relaxed(&slot->word)) != XOL_BUSY)
		abort();
	store_release(&slot->state, XOL_PARKED);
}

static struct text_xol_counts counts;

/* A trap at site 0, and another. */
static void owner(void)
{
	park(get(0, 100));
	race_point("test: parked");
	park(get(0, 100));
	counts = text_xol_counts();
}

/* A trap at site 1. */
static void other(void)
{
	struct xol_slot *slot = get(1, 100);

	race_point("test: in slot");
	park(slot);
	race_point("test: parked");
}

static void third(void)
{
	struct xol_slot *slot = get(2, 100);

	race_point("test: in slot");
	park(slot);
}

static void ends(void)
{
	park(get(0, 100));
	race_point("test: parked");
	text_xol_exit();
}

static uint64_t word(void)
{
	return load_acquire(&area->slot[0].word);
}

/* P, O: the owner is about to take its slot; a recycler is quicker, and has parked it again. The
 * owner must not take its parked state for its own (defect 2). */
static void o_owner_is_late(void **state)
{
	struct racer a, b;

	(void)state;
	racer_start(&a, owner, "test: parked");
	racer_next(&a, "xol: own, before take");
	racer_start(&b, other, "test: parked");
	assert_int_equal(word(), xol_word(b.tid, XOL_PARKED));
	racer_end(&a);
	assert_int_equal(word(), xol_word(a.tid, XOL_PARKED));
	assert_int_equal(counts.rewrites, 2);
	assert_int_equal(counts.recycled, 1);
	racer_end(&b);
	assert_int_equal(area->used, 1);
}

/* The same, and the recycler is in it: the owner waits for it. */
static void o_owner_is_late_and_waits(void **state)
{
	struct racer a, b;

	(void)state;
	racer_start(&a, owner, "test: parked");
	racer_next(&a, "xol: own, before take");
	racer_start(&b, other, "test: in slot");
	racer_release(&a, NULL);
	assert_true(racer_waits(&a));
	assert_int_equal(word(), xol_word(b.tid, XOL_BUSY));
	racer_end(&b);
	racer_join(&a);
	assert_int_equal(area->used, 1);
}

/* O: the recycler is about to take; the owner is quicker. */
static void o_recycler_is_late(void **state)
{
	struct racer a, b;

	(void)state;
	racer_start(&a, owner, "test: parked");
	racer_start(&b, other, "xol: parked, before recycling");
	racer_next(&a, "xol: taken");
	racer_release(&b, NULL);
	assert_true(racer_waits(&b));
	assert_int_equal(word(), xol_word(a.tid, XOL_TAKEN));
	racer_end(&a);
	assert_int_equal(counts.rewrites, 1);
	racer_join(&b);
	assert_int_equal(area->used, 1);
}

/* O: two recyclers. */
static void o_two_recyclers(void **state)
{
	struct racer a, b, c;

	(void)state;
	racer_start(&a, owner, "test: parked");
	racer_start(&b, other, "xol: parked, before recycling");
	racer_start(&c, third, "xol: parked, before recycling");
	racer_next(&b, "test: in slot");
	racer_release(&c, "test: in slot");
	assert_true(racer_waits(&c));
	assert_int_equal(load_acquire(&c.stopped), 0);
	racer_end(&b);
	assert_true(racer_arrives(&c));
	assert_int_equal(word(), xol_word(c.tid, XOL_BUSY));
	racer_end(&c);
	racer_end(&a);
	assert_int_equal(area->used, 1);
}

/* Defect 3: a recycler at work makes nobody's hit fail. */
static void recycler_at_work(void **state)
{
	struct racer a, b, c;

	(void)state;
	racer_start(&a, owner, "test: parked");
	racer_start(&b, other, "xol: taken");
	racer_start(&c, third, NULL);
	assert_true(racer_waits(&c));
	racer_end(&b);
	racer_join(&c);
	racer_end(&a);
}

/* Defect 6: from TAKEN by another nobody goes on; the owner forgets the slot. */
static void taken_stays_taken(void **state)
{
	struct racer a, b;

	(void)state;
	racer_start(&a, owner, "test: parked");
	racer_start(&b, other, "xol: taken");
	racer_release(&a, NULL);
	assert_true(racer_waits(&a));
	assert_int_equal(word(), xol_word(b.tid, XOL_TAKEN));
	racer_end(&b);
	racer_join(&a);
}

/* Defect 4: a slot that is taken from its owner again and again stands in its notes once. */
static struct racer *turns[2];

static void takes_turns(void)
{
	for (int i = 0; i < 50; i++) {
		park(get(racer_self == turns[0] ? 0 : 1, 100));
		if (xol_self.n != 1 || xol_self.slot[0] != &area->slot[0])
			abort();
		race_point("test: turn");
	}
	counts = text_xol_counts();
}

static void recycled_and_taken_again(void **state)
{
	struct racer a, b;

	(void)state;
	turns[0] = &a;
	turns[1] = &b;
	racer_start(&a, takes_turns, "test: turn");
	racer_start(&b, takes_turns, "test: turn");
	for (int i = 0; i < 49; i++) {
		racer_next(&a, "test: turn");
		racer_next(&b, "test: turn");
	}
	racer_end(&a);
	racer_end(&b);
	assert_int_equal(counts.recycled, 50);
	assert_int_equal(counts.rewrites, 50);
	assert_int_equal(area->used, 1);
}

/* Defect 1: a thread ends while its slot is being recycled. It must not free what is another's. */
static void exit_is_late(void **state)
{
	struct racer a, b;

	(void)state;
	racer_start(&a, ends, "test: parked");
	racer_next(&a, "xol: exit, before free");
	racer_start(&b, other, "test: in slot");
	racer_end(&a);
	assert_int_equal(word(), xol_word(b.tid, XOL_BUSY));
	racer_end(&b);
}

/* The other way round: the recycler finds the slot freed, and in use by a third. */
static void recycler_of_a_freed_slot(void **state)
{
	struct racer a, b, c;

	(void)state;
	racer_start(&a, ends, "test: parked");
	racer_start(&b, other, "xol: parked, before recycling");
	racer_end(&a);
	assert_int_equal(word(), 0);
	racer_start(&c, third, "test: in slot");
	racer_release(&b, NULL);
	assert_true(racer_waits(&b));
	assert_int_equal(word(), xol_word(c.tid, XOL_BUSY));
	racer_end(&c);
	racer_join(&b);
	assert_int_equal(area->used, 1);
}

/* A thread ends that has a slot in its notes which is another's by now. */
static void exit_of_a_former_owner(void **state)
{
	struct racer a, b;

	(void)state;
	racer_start(&a, ends, "test: parked");
	racer_start(&b, other, "test: in slot");
	racer_end(&a);
	assert_int_equal(word(), xol_word(b.tid, XOL_BUSY));
	racer_end(&b);
}

/* Q: two find the slot of a thread that died in it. */
static void dies(void)
{
	get(0, 100);
}

static void q_dead_owner(void **state)
{
	struct racer a, b, c;

	(void)state;
	racer_start(&a, dies, NULL);
	racer_join(&a);
	assert_int_equal(word(), xol_word(a.tid, XOL_BUSY));
	racer_start(&b, other, "xol: dead, before take");
	racer_start(&c, third, "xol: dead, before take");
	racer_next(&b, "test: in slot");
	racer_release(&c, NULL);
	assert_true(racer_waits(&c));
	assert_int_equal(word(), xol_word(b.tid, XOL_BUSY));
	racer_end(&b);
	racer_join(&c);
	assert_int_equal(area->used, 1);
}

/* A thread dies in its slot while another waits for it. */
static void dies_late(void)
{
	get(0, 100);
	race_point("test: in slot");
}

static void q_dies_while_another_waits(void **state)
{
	struct racer a, b;

	(void)state;
	racer_start(&a, dies_late, "test: in slot");
	racer_start(&b, other, "xol: waiting");
	racer_end(&a);
	racer_next(&b, "test: in slot");
	assert_int_equal(word(), xol_word(b.tid, XOL_BUSY));
	racer_end(&b);
	assert_int_equal(area->used, 1);
}

/* The slot of one that lives is not taken, however long it is in it. */
static void living_owner(void **state)
{
	struct racer a, b;

	(void)state;
	racer_start(&a, other, "test: in slot");
	racer_start(&b, third, NULL);
	assert_true(racer_waits(&b));
	racer_end(&a);
	racer_join(&b);
}

/* Everything at once, with few slots; a thread's number is in the content while it is in a slot. */
static uint32_t in_slot[64];

static void storm(void)
{
	unsigned int seed = (unsigned int)racer_self->tid;

	for (int i = 0; i < 3000; i++) {
		struct xol_slot *slot = get(rand_r(&seed) % 4, 1000);
		uint32_t *mine = &in_slot[slot - area->slot], none = 0;
		struct xol_slot *nested = NULL;

		if (!cas_acq_rel(mine, &none, seed | 1))
			abort();
		if (i % 16 == 0) {
			nested = get(rand_r(&seed) % 4, 500); /* as in a signal handler */
			if (nested == slot)
				abort();
			park(nested);
		}
		store_release(mine, 0u);
		if (i % 32)
			park(slot); /* else left by longjmp */
		if (i % 512 == 100)
			text_xol_exit();
	}
	text_xol_exit();
}

static void storms(void **state)
{
	struct racer r[6];

	(void)state;
	assert_int_equal(fresh(LIMIT_STORM), 0);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		racer_start(&r[i], storm, NULL);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		pthread_join(r[i].thread, NULL);
	for (uint32_t i = 0; i < area->used; i++)
		assert_int_not_equal(xol_state_of(load_relaxed(&area->slot[i].word)), XOL_BUSY);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(o_owner_is_late),
		TEST(o_owner_is_late_and_waits),
		TEST(o_recycler_is_late),
		TEST(o_two_recyclers),
		TEST(recycler_at_work),
		TEST(taken_stays_taken),
		TEST(recycled_and_taken_again),
		TEST(exit_is_late),
		TEST(recycler_of_a_freed_slot),
		TEST(exit_of_a_former_owner),
		TEST(q_dead_owner),
		TEST(q_dies_while_another_waits),
		TEST(living_owner),
		TEST(storms),
	};

	alarm(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Each pair of ordered accesses of grace-period domains, in the schedules that make them meet. The
 * letters are those of src/sync/grace.h (B, C, E, F, T), slot.c (D) and call.c (G, H).
 */
#include "race.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "sonde/domain.h"
#include "sync/state.h"
#include "sync/sync.h"

static struct sonde_domain *d;
static int thing[2], *where, *found; /* a reader finds one of them */
static uint64_t cookie[2];
static int answer[2];

static int setup(void **state)
{
	(void)state;
	where = &thing[0];
	found = NULL;
	return sync_domain_create(&d, NULL);
}

static int teardown(void **state)
{
	(void)state;
	return sync_domain_destroy(d);
}

static void reader(void)
{
	sonde_domain_enter(d);
	sonde_domain_leave(d); /* claims a record: not what is tested */
	sonde_domain_enter(d);
	store_relaxed(&found, load_acquire(&where));
	race_point("test: inside");
	sonde_domain_leave(d);
	race_point("test: between");
	sonde_domain_enter(d);
	race_point("test: inside again");
	sonde_domain_leave(d);
}

/* A thread of its own, which has a record but has not been inside. */
static void prepared_reader(void)
{
	sonde_domain_enter(d);
	sonde_domain_leave(d);
	race_point("test: ready");
	sonde_domain_enter(d);
	store_relaxed(&found, load_acquire(&where));
	sonde_domain_leave(d);
}

static void writer(void)
{
	store_release(&where, &thing[1]);
	answer[0] = sonde_domain_synchronize(d);
}

/* B: the word is stored, then the writer looks. */
static void b_reader_first(void **state)
{
	struct racer r, w;

	(void)state;
	racer_start(&r, prepared_reader, "test: ready");
	racer_next(&r, "reader: after enter");
	racer_start(&w, writer, NULL);
	assert_true(racer_waits(&w));
	racer_release(&r, NULL);
	racer_join(&w);
	racer_join(&r);
	assert_int_equal(answer[0], 0);
}

/* B: the writer looks first. It does not wait, and the section finds the new object. */
static void b_writer_first(void **state)
{
	struct racer r, w;

	(void)state;
	racer_start(&r, prepared_reader, "test: ready");
	racer_next(&r, "reader: before enter");
	racer_start(&w, writer, NULL);
	racer_join(&w);
	racer_end(&r);
	assert_ptr_equal(found, &thing[1]);
}

/* B: the reader comes in at either side of the fence, before the look: it is met. */
static void b_around_the_fence(void **state)
{
	static const char *const at[] = {"wait: before fence", "wait: after fence"};
	struct racer r, w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		racer_start(&w, writer, at[i]);
		racer_start(&r, reader, "test: inside");
		racer_release(&w, NULL);
		assert_true(racer_waits(&w));
		racer_release(&r, NULL);
		racer_join(&w);
		racer_join(&r);
	}
}

/* B: with a record drawn just now: the writer sees that there is one more. */
static void first_entry(void)
{
	sonde_domain_enter(d);
	race_point("test: inside");
	sonde_domain_leave(d);
}

static void b_new_record(void **state)
{
	struct racer r, w;

	(void)state;
	racer_start(&w, writer, "wait: before fence");
	store_relaxed(&sync_rt.cursor, 0u);
	racer_start(&r, first_entry, "test: inside");
	racer_release(&w, NULL);
	assert_true(racer_waits(&w));
	racer_release(&r, NULL);
	racer_join(&w);
	racer_join(&r);
}

/* C: the section that was met is over when its thread has left it, though it is in the next. */
static void c_left_and_back(void **state)
{
	struct racer r, w;

	(void)state;
	racer_start(&r, reader, "test: inside");
	racer_start(&w, writer, NULL);
	assert_true(racer_waits(&w));
	racer_next(&r, "reader: before leave");
	assert_true(racer_waits(&w)); /* not before the store */
	racer_next(&r, "test: inside again");
	racer_join(&w);
	racer_end(&r);
}

/* C: going deeper is not leaving, nor is coming back from there. */
static void nester(void)
{
	sonde_domain_enter(d);
	race_point("test: inside");
	sonde_domain_enter(d);
	race_point("test: deeper");
	sonde_domain_leave(d);
	race_point("test: back");
	sonde_domain_leave(d);
}

static void c_deeper(void **state)
{
	struct racer r, w;

	(void)state;
	racer_start(&r, nester, "test: inside");
	racer_start(&w, writer, NULL);
	assert_true(racer_waits(&w));
	racer_next(&r, "test: deeper");
	assert_true(racer_waits(&w));
	racer_next(&r, "test: back");
	assert_true(racer_waits(&w));
	racer_release(&r, NULL);
	racer_join(&w);
	racer_join(&r);
}

/* D: the records of the dead. */

static void dies_inside(void)
{
	sonde_domain_enter(d);
	sonde_domain_enter(d);
}

static struct sync_slot *slot_of(int32_t tid)
{
	for (uint32_t i = 0; i < sync_rt.arena->nslots; i++) {
		if (sync_owner(load_acquire(&sync_rt.arena->slot[i].owner)) == tid)
			return &sync_rt.arena->slot[i];
	}
	return NULL;
}

/* A record whose thread died inside, and which is the next that a claimer looks at. */
static struct sync_slot *dead_slot(int32_t *tid)
{
	struct sync_slot *slot;
	struct racer r;

	racer_start(&r, dies_inside, NULL);
	racer_join(&r);
	while (syscall(SYS_tgkill, getpid(), r.tid, 0) == 0)
		sched_yield();
	slot = slot_of(r.tid);
	assert_non_null(slot);
	store_relaxed(&sync_rt.cursor, (uint32_t)(slot - sync_rt.arena->slot));
	*tid = r.tid;
	return slot;
}

static void cleaner(void)
{
	answer[1] = sonde_domain_synchronize(d);
}

/* D: a claimer takes it while a cleaner is about to. The cleaner's CAS fails, the words live. */
static void d_claimer_first(void **state)
{
	struct sync_slot *slot;
	struct racer c, r;
	int32_t tid;

	(void)state;
	slot = dead_slot(&tid);
	racer_start(&c, cleaner, "slot: dead, before cleaning");
	racer_start(&r, first_entry, "test: inside");
	assert_ptr_equal(slot_of(r.tid), slot);
	racer_release(&c, NULL);
	racer_join(&c); /* the dead one's sections are over */
	assert_int_equal(slot->reader.word[d->index] & SONDE_READER_DEPTH, 1);
	assert_int_equal(sonde_domain_wait(d, sonde_domain_cookie(d), 10000000), -ETIMEDOUT);
	racer_end(&r);
}

/* D: a cleaner is clearing it when a claimer comes. The claimer goes on to another. */
static void d_cleaner_first(void **state)
{
	struct sync_slot *slot;
	struct racer c, r;
	int32_t tid;

	(void)state;
	slot = dead_slot(&tid);
	racer_start(&c, cleaner, "slot: cleaning");
	racer_start(&r, first_entry, "test: inside");
	assert_ptr_not_equal(slot_of(r.tid), slot);
	racer_release(&c, NULL);
	assert_int_equal(sonde_domain_wait(d, sonde_domain_cookie(d), 10000000), -ETIMEDOUT);
	assert_int_equal(sonde_domain_readers(d, NULL, 0), 1);
	racer_end(&r);
	racer_join(&c);
}

/* D: two claimers of one record. */
static void d_two_claimers(void **state)
{
	struct sync_slot *slot;
	struct racer r[2];
	int32_t tid;

	(void)state;
	slot = dead_slot(&tid);
	racer_start(&r[0], first_entry, "slot: free, before takeover");
	store_relaxed(&sync_rt.cursor, (uint32_t)(slot - sync_rt.arena->slot));
	racer_start(&r[1], first_entry, "test: inside");
	assert_ptr_equal(slot_of(r[1].tid), slot);
	racer_next(&r[0], "test: inside");
	assert_ptr_not_equal(slot_of(r[0].tid), slot);
	assert_ptr_equal(slot_of(r[1].tid), slot);
	assert_int_equal(sonde_domain_readers(d, NULL, 0), 2);
	racer_end(&r[0]);
	racer_end(&r[1]);
}

/* D: a record that was claimed just now is not its last owner's any more, however long that one has
 * been waited for. */
static void d_claimed_just_now(void **state)
{
	struct sync_slot *slot;
	struct racer r;
	int32_t tid;

	(void)state;
	slot = dead_slot(&tid);
	usleep(30000);
	racer_start(&r, first_entry, "slot: claimed, before since");
	assert_ptr_equal(slot_of(r.tid), slot);
	assert_false(sync_slot_clean(slot, UINT64_MAX));
	racer_next(&r, "test: inside");
	assert_ptr_equal(slot_of(r.tid), slot);
	assert_false(sync_slot_clean(slot, UINT64_MAX));
	assert_int_equal(sonde_domain_readers(d, NULL, 0), 1);
	racer_end(&r);
}

/* D: the claimer has the dead one's number. Only the count of owners tells the cleaner. */
static bool start_with_tid(struct racer *r, struct sync_slot *slot, int32_t tid)
{
	for (int i = 0; i < 300; i++) {
		char text[16];
		int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
		int len = snprintf(text, sizeof(text), "%d", tid - 1);
		bool ok = fd >= 0 && write(fd, text, (size_t)len) == len;

		if (fd >= 0)
			close(fd);
		if (!ok)
			return false;
		store_relaxed(&sync_rt.cursor, (uint32_t)(slot - sync_rt.arena->slot));
		racer_start(r, first_entry, "test: inside");
		if (r->tid == tid)
			return true;
		racer_end(r);
	}
	return false;
}

static void d_same_number(void **state)
{
	struct sync_slot *slot;
	struct racer c, r;
	int32_t tid;

	(void)state;
	slot = dead_slot(&tid);
	racer_start(&c, cleaner, "slot: dead, before cleaning");
	assert_true(sync_slot_clean(slot, 0)); /* another one is quicker */
	if (!start_with_tid(&r, slot, tid)) {
		racer_end(&c);
		skip();
	}
	assert_ptr_equal(slot_of(tid), slot);
	racer_release(&c, NULL);
	racer_join(&c);
	assert_int_equal(slot->reader.word[d->index] & SONDE_READER_DEPTH, 1);
	assert_int_equal(sync_owner(slot->owner), tid);
	racer_end(&r);
}

/* E: who asks sees that it is over, with all that came before; an older one does not take it back.
 */
static void e_older_one_last(void **state)
{
	struct racer older, younger;
	uint64_t c;

	(void)state;
	racer_start(&older, writer, "wait: before finish");
	c = sonde_domain_cookie(d);
	racer_start(&younger, cleaner, NULL);
	racer_join(&younger);
	assert_true(grace_elapsed(&sync_domain(d)->poll.done, c));
	racer_end(&older);
	assert_true(grace_elapsed(&sync_domain(d)->poll.done, c));
	assert_true(sonde_domain_poll(d, c));
}

/* E: nobody is told before the last look. */
static void e_not_before(void **state)
{
	struct racer w;

	(void)state;
	cookie[0] = sonde_domain_cookie(d);
	racer_start(&w, writer, "wait: before finish");
	assert_false(grace_elapsed(&sync_domain(d)->poll.done, cookie[0]));
	racer_end(&w);
	assert_true(grace_elapsed(&sync_domain(d)->poll.done, cookie[0]));
}

static void poller(void)
{
	answer[1] = sonde_domain_poll(d, cookie[1]);
}

/* F: a poller that finds the lock taken leaves the work to its holder, at both points. */
static void f_two_pollers(void **state)
{
	static const char *const at[] = {"poll: before begin", "poll: before asking"};
	struct racer p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		cookie[1] = sonde_domain_cookie(d);
		racer_start(&p, poller, at[i]);
		assert_false(sonde_domain_poll(d, cookie[1]));
		racer_end(&p);
		assert_int_equal(answer[1], 1);
		assert_true(sonde_domain_poll(d, cookie[1]));
	}
}

/* F: what one poller has met, the next one asks about. */
static void f_handed_over(void **state)
{
	struct racer r, p;

	(void)state;
	racer_start(&r, reader, "test: inside");
	cookie[1] = sonde_domain_cookie(d);
	racer_start(&p, poller, NULL);
	racer_join(&p);
	assert_int_equal(answer[1], 0);
	racer_next(&r, "test: inside again");
	assert_true(sonde_domain_poll(d, cookie[1])); /* the section that was met is over */
	racer_end(&r);
}

/* T: a number taken before a cookie is lower than it: its grace period says nothing about it. */
static void t_number_before_cookie(void **state)
{
	struct racer w, r;
	uint64_t c;

	(void)state;
	racer_start(&w, writer, "wait: before finish"); /* has looked */
	racer_start(&r, reader, "test: inside");
	c = sonde_domain_cookie(d);
	racer_end(&w);
	assert_false(grace_elapsed(&sync_domain(d)->poll.done, c));
	assert_false(sonde_domain_poll(d, c));
	racer_end(&r);
	assert_true(sonde_domain_poll(d, c));
}

/* T: a poller's, too. */
static void t_poll_before_cookie(void **state)
{
	struct racer p, r;
	uint64_t c;

	(void)state;
	cookie[1] = sonde_domain_cookie(d);
	racer_start(&p, poller, "poll: before asking"); /* has begun */
	racer_start(&r, reader, "test: inside");
	c = sonde_domain_cookie(d);
	assert_true(c > cookie[1]);
	racer_end(&p);
	assert_int_equal(answer[1], 1);
	assert_false(sonde_domain_poll(d, c));
	racer_end(&r);
	assert_true(sonde_domain_poll(d, c));
}

/* Callbacks */

static struct sonde_deferred node[4];
static uint32_t ran, never_stops;

static void note(struct sonde_deferred *self)
{
	(void)self;
	fetch_add_seq_cst(&ran, 1u);
}

static void caller(void)
{
	sonde_domain_call(d, &node[0], note);
}

static void sleeper(void)
{
	sync_worker_sleep(d, &never_stops);
}

static void runner(void)
{
	answer[0] = (int)sonde_domain_run(d);
}

/* G: pushed between the worker's look and its sleep, or before its look: it does not sleep. */
static void g_push_beside_sleep(void **state)
{
	static const char *const at[] = {"worker: before check", "worker: before sleep"};
	struct racer w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		racer_start(&w, sleeper, at[i]);
		caller();
		racer_end(&w);
		assert_int_equal(sonde_domain_barrier(d), 0);
	}
}

/* G: pushed, not yet woken, when the worker goes to sleep. */
static void g_sleep_beside_push(void **state)
{
	static const char *const at[] = {"call: before push", "call: before wake"};
	struct racer w, c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		racer_start(&c, caller, at[i]);
		racer_start(&w, sleeper, NULL);
		assert_int_equal(racer_waits(&w), i == 0); /* 1: it sees the push itself */
		racer_end(&c);
		racer_join(&w);
		assert_int_equal(sonde_domain_barrier(d), 0);
	}
}

/* G: a run has the list in hand and leaves it, when the worker goes to sleep. */
static void g_sleep_beside_run(void **state)
{
	static const char *const at[] = {"run: taken", "run: before unlock"};
	struct racer r, w, reading;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		racer_start(&reading, reader, "test: inside");
		caller();
		racer_start(&r, runner, at[i]);
		racer_start(&w, sleeper, NULL);
		racer_end(&r);
		racer_join(&w); /* has something to do */
		assert_int_equal(answer[0], 0);
		racer_end(&reading);
		assert_int_equal(sonde_domain_barrier(d), 0);
	}
}

/* H: one at a time; what is queued meanwhile stays for the next run. */
static void h_two_runners(void **state)
{
	struct racer r;

	(void)state;
	ran = 0;
	caller();
	racer_start(&r, runner, "run: taken");
	sonde_domain_call(d, &node[1], note);
	assert_int_equal(sonde_domain_run(d), 0);
	assert_int_equal(ran, 0);
	racer_end(&r);
	assert_int_equal(answer[0], 1);
	assert_int_equal(sonde_domain_run(d), 1);
	assert_int_equal(ran, 2);
}

/* H: barrier waits for the one that has them in hand. */
static void barrier(void)
{
	answer[1] = sonde_domain_barrier(d);
}

static void h_barrier_beside_run(void **state)
{
	struct racer r, b;

	(void)state;
	ran = 0;
	caller();
	racer_start(&r, runner, "run: taken");
	racer_start(&b, barrier, NULL);
	assert_true(racer_waits(&b));
	racer_end(&r);
	racer_join(&b);
	assert_int_equal(answer[1], 0);
	assert_int_equal(ran, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(b_reader_first),	      TEST(b_writer_first),	  TEST(b_around_the_fence),
		TEST(b_new_record),	      TEST(c_left_and_back),	  TEST(c_deeper),
		TEST(d_claimer_first),	      TEST(d_cleaner_first),	  TEST(d_two_claimers),
		TEST(d_claimed_just_now),     TEST(d_same_number),	  TEST(e_older_one_last),
		TEST(e_not_before),	      TEST(f_two_pollers),	  TEST(f_handed_over),
		TEST(t_number_before_cookie), TEST(t_poll_before_cookie), TEST(g_push_beside_sleep),
		TEST(g_sleep_beside_push),    TEST(g_sleep_beside_run),	  TEST(h_two_runners),
		TEST(h_barrier_beside_run),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

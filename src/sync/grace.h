/* SPDX-License-Identifier: MIT */
/*
 * The writer's half of grace-period domains: whom to wait for, and numbers. The reader's half is
 * include/sonde/reader.h. tests/model checks the two files, as they are, against the C11 memory
 * model; every letter below is removed there once, and the check must notice. (Not the order of a
 * writer's own number, T, which the fence behind it gives as well: it is there for
 * ThreadSanitizer, which knows nothing of membarrier.)
 *
 * A writer has unlinked something. Then it
 *	1. takes a number, higher than all before (grace_number)
 *	2. makes every running thread execute a full fence: membarrier
 *	3. looks at every word once (grace_look)
 *	4. waits until each thread that it has met inside has left that section (grace_left)
 * and frees. Why no section that could find the object is missed:
 *   - It ended before the look, or while the writer waited: C1/C2 put all of it before the free.
 *   - Its word was not stored yet when the writer looked: then 2, which came before the look, came
 *     before the store B1 as well, and all that the section loads comes after 2 (B).
 * Readers never look at the numbers: these say which of two grace periods is the younger.
 *
 * Ordering
 *   T   number: fetch_add, acq_rel. A cookie is taken by the same operation, adding nothing. So
 *       all that came before the cookie comes before the fence of any grace period of its number
 *       or a higher one, whoever makes it.
 *   B2  membarrier between the unlinking and the looks (where there is none: a full fence; readers
 *       have their own then)                     pairs with B1, the reader's store
 *   C2  word: acquire                            pairs with C1, the reader's store at leaving
 *   E1  done: CAS, release, after the last look  pairs with E2, acquire, in whoever asks for it
 *   F   poll lock: CAS acquire, store release    pairs with F of the next poller: what the one had
 *       seen of the words (and `number`, plain under the lock) the other need not look at again
 *
 * One membarrier is enough. A second one after the looks is needed where readers leave by a relaxed
 * store; a release store costs nothing on x86-64 and no fence on aarch64.
 */
#ifndef SONDE_SYNC_GRACE_H
#define SONDE_SYNC_GRACE_H

#include "base/atomic.h"
#include "base/base.h"
#include "base/race.h"
#include "sonde/reader.h"

#define GRACE_COUNT_SHIFT 16

/* Enter where there is a record but the common case is not to be had: with a full fence. */
static inline void grace_enter(sonde_word *word, bool fence)
{
	store_release(word, load_relaxed(word) + SONDE_READER_ENTER); /* B1 */
	if (fence)
		fence_seq_cst(word); /* B1 */
	signal_barrier();
}

/* Leave at any depth. A word that says "outside" is that of a section left behind by a fork. */
static inline void grace_leave(sonde_word *word)
{
	uint64_t v = load_relaxed(word), depth = v & SONDE_READER_DEPTH;

	signal_barrier();
	if (depth)
		store_release(word, depth == 1 ? v + SONDE_READER_LEAVE : v - 1); /* C1 */
}

/* The word if its thread is inside, to be asked about by grace_left(); 0 if it is outside. */
static inline uint64_t grace_look(const sonde_word *word)
{
	uint64_t v = load_acquire(word); /* C2 */

	return v & SONDE_READER_DEPTH ? v : 0;
}

/* The thread has left the section in which grace_look() has seen it. */
static inline bool grace_left(const sonde_word *word, uint64_t seen)
{
	uint64_t v = load_acquire(word); /* C2 */

	return !(v & SONDE_READER_DEPTH) || (v ^ seen) >> GRACE_COUNT_SHIFT;
}

/* A number of the caller's own. */
static inline uint64_t grace_number(sonde_word *numbers)
{
	return fetch_add_acq_rel(numbers, (uint64_t)1) + 1; /* T */
}

/* The lowest number of a grace period that begins after now. */
static inline uint64_t grace_cookie(sonde_word *numbers)
{
	return fetch_add_acq_rel(numbers, (uint64_t)0) + 1; /* T */
}

/* Grace periods up to @n are over. */
static inline void grace_finish(sonde_word *done, uint64_t n)
{
	uint64_t v = load_relaxed(done);

	while (v < n) {
		if (cas_acq_rel(done, &v, n)) /* E1 */
			break;
	}
}

static inline bool grace_elapsed(const sonde_word *done, uint64_t cookie)
{
	return load_acquire(done) >= cookie; /* E2 */
}

/* A grace period that pollers push on, one step each. */
struct grace_poll {
	sonde_word number; /* under the lock: of the one that has begun, 0 = none */
	sonde_word done;   /* E: the highest number that is over */
};

struct grace_ops {
	bool (*begin)(void *arg); /* B2, and a look at every word; false: not possible */
	bool (*over)(void *arg);  /* all that were met inside have left */
};

/*
 * Is @cookie over? If not: begin a grace period if none has begun, ask once whether it is over. One
 * that has begun before @cookie was taken is finished first: it must not be given up for a younger
 * one each time somebody asks with a younger cookie, or it would never end.
 * Whoever finds the lock taken leaves the work to its holder: another thread, or the one that this
 * signal handler has interrupted. @self: not 0, says who holds it.
 */
static inline bool grace_poll(struct grace_poll *p, sonde_word *lock, uint64_t self,
			      sonde_word *numbers, uint64_t cookie, const struct grace_ops *ops,
			      void *arg)
{
	uint64_t n, none = 0;

	if (grace_elapsed(&p->done, cookie))
		return true;
	if (!cas_acq_rel(lock, &none, self)) /* F */
		return false;
	for (int i = 0; i < 2 && !grace_elapsed(&p->done, cookie); i++) {
		n = load_relaxed(&p->number);
		if (!n) {
			n = grace_number(numbers);
			race_point("poll: before begin");
			if (!ops->begin(arg))
				break;
			store_relaxed(&p->number, n);
		}
		race_point("poll: before asking");
		if (!ops->over(arg))
			break;
		store_relaxed(&p->number, (uint64_t)0);
		grace_finish(&p->done, n);
	}
	store_release(lock, (uint64_t)0); /* F */
	return grace_elapsed(&p->done, cookie);
}

#endif

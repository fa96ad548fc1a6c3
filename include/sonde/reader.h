/* SPDX-License-Identifier: MIT */
/*
 * The reader's half of grace-period domains, inlined. Programs include <sonde/domain.h>, which says
 * what the calls mean; the writer's half is src/sync/grace.h. The layout is part of the binary
 * interface.
 *
 * A thread has one word per domain in a record of its own: how many sections it is in (low 16
 * bits), and how often it has come out of the outermost one (the rest). A writer that has met a
 * thread inside knows by either that the section is over.
 *
 * Ordering (the other half of each pair is in src/sync/grace.h)
 *   B1  word: store, then the section's loads. Nothing orders the two on the processor: the
 * writer's membarrier (B2) does it for both sides. The compiler is held by the signal fence. Where
 * there is no membarrier, sonde_reader_self stays NULL and sonde_reader_enter() puts a full fence
 *       here. Release, because a writer that meets this store instead of the one before it must
 *       know that the sections before are over as well (C).
 *   C1  word: release. What the section did happens before a writer sees it ended (C2).
 *
 * Signals: a handler leaves the depth as it found it. If it came between the load and the store of
 * an enter, the sections it has counted are uncounted by that store: a writer may then take the
 * section for one that it met in the handler, and wait longer than it must; never shorter, because
 * a count that a writer has seen in a section does not change before that section is left.
 */
#ifndef SONDE_READER_H
#define SONDE_READER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define SONDE_DOMAINS_MAX 56
#define SONDE_READER_DEPTH ((uint64_t)0xffff)
#define SONDE_READER_ENTER ((uint64_t)1)
#define SONDE_READER_LEAVE ((uint64_t)0xffff) /* from depth 1: depth - 1, count + 1 */

typedef uint64_t sonde_word;

/* One thread's words. */
struct sonde_reader {
	sonde_word word[SONDE_DOMAINS_MAX];
};

struct sonde_domain {
	uint32_t index; /* of its word */
};

/* The calling thread's record. NULL: before its first section, while there is none to be had, and
 * always where readers must fence. */
extern __thread struct sonde_reader *sonde_reader_self __attribute__((tls_model("initial-exec")));

/* All that is not the common case. noplt: never resolved lazily, which would take locks. (clang has
 * the option -fno-plt only.) */
#ifdef __clang__
#define SONDE_READER_NOPLT
#else
#define SONDE_READER_NOPLT __attribute__((noplt))
#endif
void sonde_reader_enter(const struct sonde_domain *d) SONDE_READER_NOPLT;
void sonde_reader_leave(const struct sonde_domain *d) SONDE_READER_NOPLT;

#ifndef SONDE_READER_POINT
#define SONDE_READER_POINT(name) /* tests stop a thread here */
#endif

static inline void sonde_domain_enter(const struct sonde_domain *d)
{
	struct sonde_reader *self = sonde_reader_self;
	sonde_word *word;
	uint64_t v;

	if (__builtin_expect(!self, 0)) {
		sonde_reader_enter(d);
		return;
	}
	word = &self->word[d->index];
	v = __atomic_load_n(word, __ATOMIC_RELAXED);
	SONDE_READER_POINT("reader: before enter");
	__atomic_store_n(word, v + SONDE_READER_ENTER, __ATOMIC_RELEASE); /* B1 */
	SONDE_READER_POINT("reader: after enter");
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void sonde_domain_leave(const struct sonde_domain *d)
{
	struct sonde_reader *self = sonde_reader_self;
	sonde_word *word;
	uint64_t v;

	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (__builtin_expect(self != 0, 1)) {
		word = &self->word[d->index];
		v = __atomic_load_n(word, __ATOMIC_RELAXED);
		if (__builtin_expect((v & SONDE_READER_DEPTH) == 1, 1)) {
			SONDE_READER_POINT("reader: before leave");
			__atomic_store_n(word, v + SONDE_READER_LEAVE, __ATOMIC_RELEASE); /* C1 */
			return;
		}
	}
	sonde_reader_leave(d);
}

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

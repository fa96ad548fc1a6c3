/* SPDX-License-Identifier: MIT */
/*
 * A plain map's slot and its states. Private to the room; table.c explains the protocol.
 *
 *   FREE(2n)    -claim->     BUSY(2n+1)   [slot_cas; the loser takes the next slot]
 *   BUSY(2n+1)  -offer->     TRIAL(2n+1)  [its owner]
 *   TRIAL(2n+1) -settle->    LIVE(2n+1)   [its owner]
 *   TRIAL(2n+1) -withdraw->  FREE(2n+2)   [its owner, or a rival that inserts the same key]
 *   LIVE(2n+1)  -retire->    BUSY(2n+2)   [anyone; given up, waits for the updates in flight]
 *   BUSY(2n+2)  -release->   FREE(2n+2)   [who sees it given up and without users]
 *   LIVE(2n+1)  -rewrite->   BUSY(2n+3)   [values above 8 bytes; the writer is the owner]
 *   BUSY(2n+3)  -rewritten-> LIVE(2n+3)   [its owner]
 *   BUSY(odd)   -disown->    LOST(odd)    [who waited in vain for the owner]
 *   LOST(odd)   -recover->   FREE(even)   [its owner, should it come back]
 *
 * Every transition is a compare-exchange of the whole word, so whoever comes second fails and
 * looks again. LOST is BUSY with the top bit.
 */
#ifndef SONDE_ACT_SLOT_H
#define SONDE_ACT_SLOT_H

#include "act/key.h"
#include "base/atomic.h"
#include "wire/map.h"

#define SLOT_VERSION 4ull /* one step of the version */
#define SLOT_LOST (1ull << 63)

static inline uint32_t slot_code(uint64_t state)
{
	return (uint32_t)(state & WIRE_SLOT_MASK);
}

/* The same state in version + @step with another code. */
static inline uint64_t slot_next(uint64_t state, uint32_t step, uint32_t code)
{
	return (state & ~(uint64_t)WIRE_SLOT_MASK) + step * SLOT_VERSION + code;
}

static inline bool slot_is_given_up(uint64_t state)
{
	return slot_code(state) == WIRE_SLOT_BUSY && (state & SLOT_VERSION) == 0;
}

static inline bool slot_is_owned(uint64_t state)
{
	return slot_code(state) == WIRE_SLOT_BUSY && (state & SLOT_VERSION) != 0 &&
	       (state & SLOT_LOST) == 0;
}

static inline bool slot_cas(struct wire_slot *slot, uint64_t from, uint64_t to)
{
	return cas_seq_cst(&slot->state, &from, to);
}

static inline uint64_t *slot_key(struct wire_slot *slot)
{
	return (uint64_t *)(slot + 1);
}

/* Words that a reader may be copying: see pair C/D in table.c. */
static inline void slot_words_write(uint64_t *dst, const act_word *src, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes / 8; i++)
		store_release(&dst[i], src[i]);
}

static inline void slot_words_read(act_word *dst, const uint64_t *src, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes / 8; i++)
		dst[i] = load_acquire(&src[i]);
}

static inline bool slot_words_equal(const uint64_t *a, const act_word *b, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes / 8; i++) {
		if (load_acquire(&a[i]) != b[i])
			return false;
	}
	return true;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share: the process's records and domains.
 *
 * One arena holds what must be forgotten in a forked child: the kernel wipes it there
 * (MADV_WIPEONFORK), so that every record of the parent's threads says "outside" and belongs to
 * nobody, and every lock is free. A vfork child and a thread see the arena as it is. All else is in
 * one object, copied by fork as any memory.
 */
#ifndef SONDE_SYNC_STATE_H
#define SONDE_SYNC_STATE_H

#include "base/atomic.h"
#include "base/base.h"
#include "sonde/domain.h"
#include "sync/grace.h"

#define SYNC_LINE 64
#define SYNC_SLOTS_MAX 65536u
#define SYNC_SLOTS_MIN 1024u

/* owner of a slot, low half: the thread's id, or one of these. High half: how often it changed
 * hands, so that who takes it from a dead thread does not take it from a later, living one of the
 * same id. */
#define SLOT_NEVER 0   /* not used in this process */
#define SLOT_FREE (-1) /* was used */
/* its thread is dead, the thread @tid is clearing it */
#define SLOT_CLEANING(tid) (-2 - (tid))

/* A thread's record. */
struct sync_slot {
	uint64_t owner; /* D, src/sync/slot.c */
	uint64_t since; /* CLOCK_BOOTTIME, ns: when the owner claimed it; 0: it is just doing so */
	_Alignas(SYNC_LINE) struct sonde_reader reader;
};

/* What writers have noticed of one slot's reader in one domain. */
struct sync_note {
	uint64_t met; /* under the poll lock: the word it was met inside with, or 0 */
	/* for telling how long it has been inside; a guess when two writers race: the word, and
	 * when it was first seen (CLOCK_MONOTONIC, ns) */
	uint64_t seen, seen_ns;
};

/* A domain's part of the arena. */
struct sync_lane {
	_Alignas(SYNC_LINE) sonde_word poll_lock;
	uint64_t run_lock;
	bool met_strangers; /* under the poll lock: some were inside */
	uint64_t strangers; /* sections that threads without a record are in */
};

/* `pid` and all behind it is wiped in a forked child. */
struct sync_arena {
	uint32_t nslots;
	struct sync_slot *slot;	    /* nslots */
	struct sync_note *note;	    /* nslots for each domain */
	_Alignas(4096) int32_t pid; /* the process these threads are of; 0: not asked yet */
	uint32_t fork_lock;	    /* who holds it may use sync_rt.fork_* */
	struct sync_lane lane[SONDE_DOMAINS_MAX];
};

enum sync_domain_state { SYNC_DOMAIN_FREE, SYNC_DOMAIN_BUILDING, SYNC_DOMAIN_LIVE };

/* Callbacks: pushed by anybody on `head`, moved by who has the run lock to `first`..`last`. */
struct sync_queue {
	struct sonde_deferred *head;	      /* G */
	struct sonde_deferred *first, **last; /* H */
	bool busy; /* H; the list is being changed. Set when the lock is taken: its holder is lost
		    */
	uint32_t sleeping; /* G; the worker waits for a push; a futex */
};

struct sync_domain {
	struct sonde_domain pub; /* first: handles point to it */
	char name[SONDE_DOMAIN_NAME_MAX];
	uint64_t stall_ns;
	void (*stalled)(const struct sonde_reader_info *reader, void *arg);
	void *arg;
	uint32_t state;
	_Alignas(SYNC_LINE) struct grace_poll poll;
	struct sync_queue queue;
};

struct sync_runtime {
	struct sync_arena *arena; /* set once */
	uint32_t fences;	  /* no membarrier here: readers fence */
	_Alignas(SYNC_LINE) sonde_word numbers;
	_Alignas(SYNC_LINE) uint32_t nused; /* slots handed out, ever */
	uint32_t cursor;		    /* where the search for dead owners goes on */
	_Alignas(SYNC_LINE) struct sync_domain domain[SONDE_DOMAINS_MAX];
	uint32_t nlocked;			/* locks taken, ever */
	uint32_t fork_nused;			/* nused before the last fork() */
	const struct sonde_reader *fork_reader; /* whose words these are, across a fork() */
	uint64_t fork_word[SONDE_DOMAINS_MAX];
};

extern struct sync_runtime sync_rt SONDE_HIDDEN;

static inline struct sync_domain *sync_domain(const struct sonde_domain *d)
{
	return (struct sync_domain *)d;
}

static inline struct sync_lane *sync_lane(const struct sonde_domain *d)
{
	return &sync_rt.arena->lane[d->index];
}

/* Slots that may hold a reader. After the fence of a grace period: all that matter to it. */
static inline uint32_t sync_slots_used(void)
{
	uint32_t n = load_acquire(&sync_rt.nused);

	return n < sync_rt.arena->nslots ? n : sync_rt.arena->nslots;
}

static inline int32_t sync_owner(uint64_t owner)
{
	return (int32_t)(uint32_t)owner;
}

static inline struct sync_note *sync_note(const struct sonde_domain *d, uint32_t at)
{
	return &sync_rt.arena->note[(size_t)d->index * sync_rt.arena->nslots + at];
}

/* slot.c */
int sync_slots_init(void);
bool sync_slot_clean(struct sync_slot *slot, uint64_t waited);
/*
 * Locks that are only ever tried; they hold the holder's id, and a number of its own for each time
 * it is taken. One that a dead thread holds is given back by a try that finds it so, and fails like
 * any other.
 */
uint64_t sync_lock_name(void);
bool sync_try_lock(uint64_t *lock);
void sync_lost_lock(uint64_t *lock);
/* In a vfork child: its id means nothing to the threads of the process whose memory this is. */
bool sync_is_guest(void);
/* How many sections of @d the calling thread is in without a record. */
uint32_t sync_strange_depth(const struct sonde_domain *d);
/* The process that the records' owners are threads of. Another than the caller's own in a vfork
 * child, which runs on its parent's memory. */
int32_t sync_pid(void);
/* The calling thread's record, NULL if it has none. */
struct sonde_reader *sync_self(void);

/* wait.c */
bool sync_inside(const struct sonde_domain *d);
uint64_t sync_clock(int clock);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Threads' records: claimed at a thread's first section, taken over when their thread is gone.
 *
 * A thread's end needs no hook (there are ways that have none): a record whose owner's id is no
 * thread of this process belongs to nobody. Who wants one looks at a few owners, then takes an
 * index never used; a writer that waits for a reader looks whether it lives.
 *
 * Life of a slot
 *   NEVER -claim: an index of nused-> tid    only the thread that drew the index
 *   FREE -claim: CAS-> tid                   one winner; the words are clear
 *   tid, dead -clean: CAS-> CLEANING -> FREE  one winner, who clears the words
 *   CLEANING, its cleaner dead -clean: CAS-> CLEANING of another
 *   tid -give back: a signal handler was quicker-> FREE
 *   any -fork-> NEVER in the child; its index is drawn again only after fork(), where nobody but
 * the forking thread can have a record. The thread that lives on there goes on with its own slot,
 * under its new id after fork(), without one after a bare system call: then only it can be inside.
 *
 * Ordering
 *   D   owner: CAS acq_rel, store release -> the next CAS. What the one did to the words happens
 *       before what the next does. A dead thread's own stores are ordered by the kernel: tgkill
 *       says ESRCH only when it has run its last instruction.
 *   B   nused: added to before the first word is stored, read by a writer after its fence: as for
 *       the word itself (src/sync/grace.h), a slot that the writer does not see began after the
 *       fence.
 *
 * Context: any thread, signal-safe; no libc.
 */
#include "sync/state.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <time.h>

#include "base/sys.h"
#include "sync/task.h"

#define PAGE 4096
#define TAKEOVER_TRIES 4
#define REUSE_AFTER 100000000ull /* waited so long: look whether the id is another thread's now */
/* linux/mman.h, Linux 4.14 */
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct sync_runtime sync_rt;
__thread struct sonde_reader *sonde_reader_self __attribute__((tls_model("initial-exec")));
/* The same where readers must fence: then the common case must not find one. */
static __thread struct sonde_reader *fencing_self __attribute__((tls_model("initial-exec")));
/* Sections that this thread is in without a record: in all, and of each domain. */
static __thread uint32_t strange __attribute__((tls_model("initial-exec")));
static __thread uint16_t strange_in[SONDE_DOMAINS_MAX] __attribute__((tls_model("initial-exec")));

struct sonde_reader *sync_self(void)
{
	return sync_rt.fences ? fencing_self : sonde_reader_self;
}

static struct sync_slot *slot_of(struct sonde_reader *reader)
{
	return (struct sync_slot *)((char *)reader - offsetof(struct sync_slot, reader));
}

/* How large an arena of @n slots is; without @n, where its slots begin. */
static size_t arena_size(uint32_t n)
{
	return ALIGN_UP(sizeof(struct sync_arena), PAGE) +
	       n * (sizeof(struct sync_slot) + SONDE_DOMAINS_MAX * sizeof(struct sync_note));
}

int sync_slots_init(void)
{
	uint32_t n = SYNC_SLOTS_MAX;
	struct sync_arena *arena, *none = NULL;
	long p;

	if (load_acquire(&sync_rt.arena))
		return 0;
	for (;; n /= 2) {
		p = sys6(SYS_mmap, 0, PAGE + arena_size(n), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (!sys_failed(p))
			break;
		if (n / 2 < SYNC_SLOTS_MIN)
			return -ENOMEM;
	}
	/* what touches a stack would be taken for a part of it (stack.c): keep off one below */
	sys3(SYS_mprotect, p, PAGE, PROT_NONE);
	arena = (struct sync_arena *)(p + PAGE);
	if (sys3(SYS_madvise, &arena->pid, arena_size(n) - offsetof(struct sync_arena, pid),
		 MADV_WIPEONFORK) < 0) {
		sys2(SYS_munmap, p, PAGE + arena_size(n));
		return -ENOSYS;
	}
	arena->pid = (int32_t)sys0(SYS_getpid);
	arena->nslots = n;
	arena->slot = (struct sync_slot *)(p + PAGE + arena_size(0));
	arena->note = (struct sync_note *)(arena->slot + n);
	/* the same for whoever comes second */
	store_relaxed(&sync_rt.fences,
		      sys3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) < 0);
	if (!cas_acq_rel(&sync_rt.arena, &none, arena))
		sys2(SYS_munmap, p, PAGE + arena_size(n));
	return 0;
}

int32_t sync_pid(void)
{
	int32_t pid = load_relaxed(&sync_rt.arena->pid), own;

	if (pid)
		return pid;
	own = (int32_t)sys0(SYS_getpid);
	return cas_acq_rel(&sync_rt.arena->pid, &pid, own) ? own : pid;
}

/*
 * A number that is in use may yet be no living thread's: the first thread of a process keeps its
 * own until the last has ended, and any other's may have been given to a new thread, which began
 * after @since.
 */
static bool is_gone(int32_t tid, uint64_t since)
{
	uint64_t start;
	char state;

	if (sync_task_stat(tid, &state, &start))
		return false;
	return state == 'Z' || state == 'X' || (since && start > since);
}

/* The thread lives, as far as the kernel tells at once; after a long wait, as far as it tells at
 * all. */
static bool is_alive(int32_t tid, uint64_t waited, uint64_t since)
{
	return sys3(SYS_tgkill, sync_pid(), tid, 0) != -ESRCH &&
	       (waited < REUSE_AFTER || !is_gone(tid, since));
}

bool sync_is_guest(void)
{
	return sync_pid() != sys0(SYS_getpid);
}

uint64_t sync_lock_name(void)
{
	return (uint64_t)fetch_add_relaxed(&sync_rt.nlocked, 1u) << 32 | (uint32_t)sys0(SYS_gettid);
}

bool sync_try_lock(uint64_t *lock)
{
	uint64_t holder = 0;

	if (sync_is_guest())
		return false;
	if (cas_acq_rel(lock, &holder, sync_lock_name())) /* H */
		return true;
	sync_lost_lock(lock);
	return false;
}

void sync_lost_lock(uint64_t *lock)
{
	uint64_t holder = load_relaxed(lock);

	if (holder && !is_alive((int32_t)holder, 0, 0))
		cas_acq_rel(lock, &holder, (uint64_t)0);
}

static uint64_t owner_next(uint64_t owner, int32_t who)
{
	return ((owner >> 32) + 1) << 32 | (uint32_t)who;
}

/* By who has it. Its sections are left, not forgotten: who has met one of them must not take the
 * next owner's for it. */
static void slot_free(struct sync_slot *slot)
{
	for (int i = 0; i < SONDE_DOMAINS_MAX; i++) {
		sonde_word *word = &slot->reader.word[i];
		uint64_t v = load_relaxed(word);

		if (v & SONDE_READER_DEPTH)
			store_release(word, (v | SONDE_READER_DEPTH) + 1); /* C1 */
	}
	store_relaxed(&slot->since, (uint64_t)0);
	store_release(&slot->owner, owner_next(load_relaxed(&slot->owner), SLOT_FREE)); /* D */
}

/*
 * A slot somebody has waited for, @waited ns: true when its thread is dead and its sections are
 * over now, or soon, by us or by whoever was quicker.
 */
bool sync_slot_clean(struct sync_slot *slot, uint64_t waited)
{
	uint64_t owner = load_acquire(&slot->owner);
	int32_t who = sync_owner(owner);
	bool cleaning = who < SLOT_FREE;

	if (who == SLOT_FREE)
		return true;
	if (cleaning ? is_alive(SLOT_CLEANING(who), waited, 0)
		     : is_alive(who ? who : sync_pid(), waited, load_relaxed(&slot->since)))
		return cleaning;
	if (sync_is_guest())
		return false;
	race_point("slot: dead, before cleaning");
	who = SLOT_CLEANING((int32_t)sys0(SYS_gettid));
	if (cas_acq_rel(&slot->owner, &owner, owner_next(owner, who))) { /* D */
		race_point("slot: cleaning");
		slot_free(slot);
	}
	return true;
}

/*
 * Make a slot the thread @tid's that is free or its owner's no more. Not one with our own number,
 * of a thread before us: it may as well be ours, half claimed, if we are in a signal handler.
 */
static bool slot_take(struct sync_slot *slot, int32_t tid)
{
	uint64_t owner = load_acquire(&slot->owner);

	if (sync_owner(owner) && sync_owner(owner) != tid && sync_slot_clean(slot, 0))
		owner = load_acquire(&slot->owner);
	if (sync_owner(owner) != SLOT_FREE)
		return false;
	race_point("slot: free, before takeover");
	return cas_acq_rel(&slot->owner, &owner, owner_next(owner, tid)); /* D */
}

static struct sync_slot *slot_find(int32_t tid)
{
	struct sync_arena *arena = sync_rt.arena;
	uint32_t n = sync_slots_used(), i;

	for (uint32_t tries = 0; tries < TAKEOVER_TRIES && tries < n; tries++) {
		i = fetch_add_relaxed(&sync_rt.cursor, 1) % n;
		if (slot_take(&arena->slot[i], tid))
			return &arena->slot[i];
	}
	i = fetch_add_relaxed(&sync_rt.nused, 1); /* B */
	if (i < arena->nslots) {
		store_release(&arena->slot[i].owner, owner_next(0, tid)); /* D */
		return &arena->slot[i];
	}
	store_relaxed(&sync_rt.nused, arena->nslots);
	for (i = 0; i < arena->nslots; i++) {
		if (slot_take(&arena->slot[i], tid))
			return &arena->slot[i];
	}
	return NULL;
}

/*
 * The calling thread's record, once and for all; NULL when every one is a live thread's, and in a
 * vfork child: what it claimed would be its parent's afterwards, under a name that is dead by then.
 */
static struct sonde_reader *slot_claim(void)
{
	struct sonde_reader *nested;
	struct sync_slot *slot;

	if (sync_is_guest())
		return NULL;
	slot = slot_find((int32_t)sys0(SYS_gettid));
	if (!slot)
		return NULL;
	race_point("slot: claimed, before since");
	store_relaxed(&slot->since, sync_clock(CLOCK_BOOTTIME));
	race_point("slot: claimed, before self");
	signal_barrier();
	nested = sync_self();
	if (unlikely(nested && nested != &slot->reader)) {
		/* a signal handler claimed one while we did */
		slot_free(slot);
		return nested;
	}
	if (sync_rt.fences)
		fencing_self = &slot->reader;
	else
		sonde_reader_self = &slot->reader;
	return &slot->reader;
}

/* None when the domain knows of none: they were left behind by a bare fork. */
uint32_t sync_strange_depth(const struct sonde_domain *d)
{
	return strange_in[d->index] && load_relaxed(&sync_lane(d)->strangers) ? strange_in[d->index]
									      : 0;
}

/*
 * No record: count in the domain's shared word. Which of its threads is inside is not known, so a
 * grace period waits for a moment at which none is.
 */
static void stranger_enter(const struct sonde_domain *d)
{
	strange++;
	strange_in[d->index]++;
	signal_barrier();
	fetch_add_seq_cst(&sync_lane(d)->strangers, (uint64_t)1); /* B */
}

static void stranger_leave(const struct sonde_domain *d)
{
	uint64_t *strangers = &sync_lane(d)->strangers, n = load_relaxed(strangers);

	if (!strange_in[d->index])
		return;
	/* 0: the section was left behind in the parent of a fork */
	while (n && !cas_acq_rel(strangers, &n, n - 1))
		;
	signal_barrier();
	strange_in[d->index]--;
	strange--;
}

void sonde_reader_enter(const struct sonde_domain *d)
{
	struct sonde_reader *self = sync_self();

	if (!self && !strange)
		self = slot_claim();
	if (self)
		grace_enter(&self->word[d->index], sync_rt.fences);
	else
		stranger_enter(d);
}

void sonde_reader_leave(const struct sonde_domain *d)
{
	struct sonde_reader *self = sync_self();

	/* (a thread may have both: if a signal handler claims between the claim that failed below
	 * it and the counting) */
	if (self &&
	    (!strange_in[d->index] || load_relaxed(&self->word[d->index]) & SONDE_READER_DEPTH))
		grace_leave(&self->word[d->index]);
	else
		stranger_leave(d);
}

/*
 * The forking thread's sections go on in the child, where its record is wiped. One thread at a time
 * may keep its words for that; a bare fork beside it finds the lock free in the child, as all.
 */
void sync_fork_prepare(void)
{
	struct sonde_reader *self = sync_self();
	bool inside = false;
	uint32_t none = 0;

	store_relaxed(&sync_rt.fork_nused, load_relaxed(&sync_rt.nused));
	for (int i = 0; self && i < SONDE_DOMAINS_MAX; i++)
		inside |= (load_relaxed(&self->word[i]) & SONDE_READER_DEPTH) != 0;
	/* (ours already: a signal handler that forks in the middle of its thread's fork) */
	if (!inside || load_relaxed(&sync_rt.fork_reader) == self)
		return;
	while (!cas_acq_rel(&sync_rt.arena->fork_lock, &none, 1u)) {
		none = 0;
		sys0(SYS_sched_yield);
	}
	store_relaxed(&sync_rt.fork_reader, self);
	for (int i = 0; i < SONDE_DOMAINS_MAX; i++)
		sync_rt.fork_word[i] = load_relaxed(&self->word[i]);
}

void sync_fork_parent(void)
{
	struct sonde_reader *self = sync_self();

	if (self && load_relaxed(&sync_rt.fork_reader) == self) {
		store_relaxed(&sync_rt.fork_reader, NULL);
		store_release(&sync_rt.arena->fork_lock, 0u);
	}
}

void sync_fork_child(void)
{
	struct sonde_reader *self = sync_self();

	if (self) {
		struct sync_slot *slot = slot_of(self);

		store_relaxed(&slot->since, sync_clock(CLOCK_BOOTTIME));
		for (int i = 0; sync_rt.fork_reader == self && i < SONDE_DOMAINS_MAX; i++)
			store_relaxed(&self->word[i], sync_rt.fork_word[i]);
		store_release(&slot->owner, owner_next(0, (int32_t)sys0(SYS_gettid))); /* D */
	}
	store_relaxed(&sync_rt.fork_reader, NULL);
	if (!sync_rt.arena)
		return;
	/* all indexes behind its own are free again, if nobody has drawn one in the child yet */
	if (load_relaxed(&sync_rt.nused) == load_relaxed(&sync_rt.fork_nused))
		store_relaxed(&sync_rt.nused,
			      self ? (uint32_t)(slot_of(self) - sync_rt.arena->slot) + 1 : 0);
	sync_pid();
	for (int i = 0; i < SONDE_DOMAINS_MAX; i++) {
		store_relaxed(&sync_rt.arena->lane[i].strangers, (uint64_t)strange_in[i]);
		/* whom pollers had met, us among them, is forgotten: they begin anew */
		store_relaxed(&sync_rt.domain[i].poll.number, (uint64_t)0);
	}
}

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
 *   tid, dead -claim: CAS-> tid of another   whoever wins the CAS clears the words; losers go on
 *   tid, dead -sync_slot_clean: CAS-> CLEANING -> FREE
 *   FREE -claim: CAS-> tid
 *   tid -give back: a signal handler was quicker-> FREE
 *   any -fork-> NEVER in the child, for good: its index is not drawn again. The thread that lives
 * on there goes on with its own slot, unowned until it notices (epoch 0); nobody else can take it.
 *
 * Ordering
 *   D   owner: CAS acq_rel, store release -> the next CAS. What the one did to the words happens
 *       before what the next does. A dead thread's own stores are ordered by the kernel: tgkill
 * says ESRCH only when it has run its last instruction. B   nused: added to before the first word
 * is stored, read by a writer after its fence: as for the word itself (src/sync/grace.h), a slot
 * that the writer does not see began after the fence.
 *
 * Context: any thread, signal-safe; no libc.
 */
#include "sync/state.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <time.h>

#include "base/mem.h"
#include "base/sys.h"

#define TAKEOVER_TRIES 4
#define REUSE_AFTER 100000000ull /* waited so long: look whether the id is another thread's now */
#define TICK_NS 10000000ull	 /* of start times in /proc: USER_HZ is 100 everywhere */
/* linux/mman.h, Linux 4.14 */
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct sync_runtime sync_rt;
__thread struct sonde_reader *sonde_reader_self __attribute__((tls_model("initial-exec")));
/* The same where readers must fence: then the common case must not find one. */
static __thread struct sonde_reader *fencing_self __attribute__((tls_model("initial-exec")));
/* Sections that this thread is in without a record. */
static __thread uint32_t strange __attribute__((tls_model("initial-exec")));

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
	return ALIGN_UP(sizeof(struct sync_arena), 4096) +
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
		p = sys6(SYS_mmap, 0, arena_size(n), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (!sys_failed(p))
			break;
		if (n / 2 < SYNC_SLOTS_MIN)
			return -ENOMEM;
	}
	arena = (struct sync_arena *)p;
	if (sys3(SYS_madvise, &arena->pid, arena_size(n) - offsetof(struct sync_arena, pid),
		 MADV_WIPEONFORK) < 0) {
		sys2(SYS_munmap, p, arena_size(n));
		return -ENOSYS;
	}
	arena->pid = (int32_t)sys0(SYS_getpid);
	arena->nslots = n;
	arena->slot = (struct sync_slot *)(p + arena_size(0));
	arena->note = (struct sync_note *)(arena->slot + n);
	/* the same for whoever comes second */
	store_relaxed(&sync_rt.fences,
		      sys3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) < 0);
	if (!cas_acq_rel(&sync_rt.arena, &none, arena))
		sys2(SYS_munmap, p, arena_size(n));
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

/* The thread @tid began after @since: it is another one, the number was used again. */
static bool is_younger(int32_t tid, uint64_t since)
{
	static const char prefix[] = "/proc/self/task/";
	char path[48], digits[12], text[512];
	uint64_t start = 0;
	size_t n = 0, at = sizeof(prefix) - 1;
	long fd, end, i;

	mem_copy(path, prefix, at);
	for (int32_t t = tid; t; t /= 10)
		digits[n++] = (char)('0' + t % 10);
	while (n)
		path[at++] = digits[--n];
	mem_copy(path + at, "/stat", sizeof("/stat"));
	fd = sys4(SYS_openat, -100, path, 0, 0);
	if (fd < 0)
		return false;
	end = sys3(SYS_read, fd, text, sizeof(text));
	sys1(SYS_close, fd);
	/* the name, in parentheses, may hold anything; the 20th field behind it is the start */
	for (i = end; i > 0 && text[i - 1] != ')'; i--)
		;
	for (n = 0; i > 0 && i < end && n <= 20; i++) {
		if (text[i] == ' ')
			n++;
		else if (n == 20)
			start = start * 10 + (uint64_t)(text[i] - '0');
	}
	return start * TICK_NS > since;
}

static void clear_words(struct sync_slot *slot)
{
	for (int i = 0; i < SONDE_DOMAINS_MAX; i++) {
		if (load_relaxed(&slot->reader.word[i]))
			store_release(&slot->reader.word[i], (uint64_t)0);
	}
}

/*
 * A slot somebody has waited for, @waited ns: true when its thread is dead and its sections are
 * over now, or soon, by us or by whoever was quicker.
 */
bool sync_slot_clean(struct sync_slot *slot, uint64_t waited)
{
	int32_t owner = load_acquire(&slot->owner);

	if (owner == SLOT_NEVER)
		return false;
	if (owner > 0) {
		if (sys3(SYS_tgkill, sync_pid(), owner, 0) != -ESRCH &&
		    (waited < REUSE_AFTER || !is_younger(owner, load_relaxed(&slot->since))))
			return false;
		race_point("slot: dead, before cleaning");
		if (cas_acq_rel(&slot->owner, &owner, SLOT_CLEANING)) { /* D */
			clear_words(slot);
			store_release(&slot->owner, SLOT_FREE); /* D */
		}
	}
	return true;
}

/* Make a slot the thread @tid's that is free or its owner's no more. */
static bool slot_take(struct sync_slot *slot, int32_t pid, int32_t tid)
{
	int32_t owner = load_acquire(&slot->owner);

	if (owner == SLOT_NEVER || owner == SLOT_CLEANING)
		return false;
	/* our own number, but not ours: of a thread before us. (Or ours, half claimed: we are in a
	 * signal handler, and share it with the claim below us.) */
	if (owner != SLOT_FREE && owner != tid && sys3(SYS_tgkill, pid, owner, 0) != -ESRCH)
		return false;
	race_point("slot: dead, before takeover");
	if (!cas_acq_rel(&slot->owner, &owner, tid)) /* D */
		return false;
	clear_words(slot);
	return true;
}

static struct sync_slot *slot_find(int32_t pid, int32_t tid)
{
	struct sync_arena *arena = sync_rt.arena;
	uint32_t n = sync_slots_used(), i;

	for (uint32_t tries = 0; tries < TAKEOVER_TRIES && tries < n; tries++) {
		i = fetch_add_relaxed(&sync_rt.cursor, 1) % n;
		if (slot_take(&arena->slot[i], pid, tid))
			return &arena->slot[i];
	}
	i = fetch_add_relaxed(&sync_rt.nused, 1); /* B */
	if (i < arena->nslots) {
		store_release(&arena->slot[i].owner, tid); /* D */
		return &arena->slot[i];
	}
	store_relaxed(&sync_rt.nused, arena->nslots);
	for (i = 0; i < arena->nslots; i++) {
		if (slot_take(&arena->slot[i], pid, tid))
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
	int32_t pid = sync_pid();

	if (pid != sys0(SYS_getpid))
		return NULL;
	slot = slot_find(pid, (int32_t)sys0(SYS_gettid));
	if (!slot)
		return NULL;
	store_relaxed(&slot->since, sync_clock(CLOCK_BOOTTIME));
	race_point("slot: claimed, before self");
	signal_barrier();
	nested = sync_self();
	if (unlikely(nested && nested != &slot->reader)) {
		/* a signal handler claimed one while we did */
		store_release(&slot->owner, SLOT_FREE); /* D */
		return nested;
	}
	if (sync_rt.fences)
		fencing_self = &slot->reader;
	else
		sonde_reader_self = &slot->reader;
	return &slot->reader;
}

bool sync_is_stranger(void)
{
	return strange != 0;
}

/*
 * No record: count in the domain's shared word. Which of its threads is inside is not known, so a
 * grace period waits for a moment at which none is.
 */
static void stranger_enter(const struct sonde_domain *d)
{
	strange++;
	signal_barrier();
	fetch_add_seq_cst(&sync_lane(d)->strangers, (uint64_t)1); /* B */
}

static void stranger_leave(const struct sonde_domain *d)
{
	uint64_t *strangers = &sync_lane(d)->strangers, n = load_relaxed(strangers);

	if (!strange)
		return;
	/* 0: the section was left behind in the parent of a fork */
	while (n && !cas_acq_rel(strangers, &n, n - 1))
		;
	signal_barrier();
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

	if (self && !strange)
		grace_leave(&self->word[d->index]);
	else
		stranger_leave(d);
}

/* The forking thread's sections go on in the child, where its record is wiped. */
void sync_fork_prepare(void)
{
	struct sonde_reader *self = sync_self();
	const struct sonde_reader *none = NULL;
	bool inside = false;

	for (int i = 0; self && i < SONDE_DOMAINS_MAX; i++)
		inside |= (load_relaxed(&self->word[i]) & SONDE_READER_DEPTH) != 0;
	if (!inside)
		return;
	/* one at a time */
	while (!cas_acq_rel(&sync_rt.fork_reader, &none, self)) {
		none = NULL;
		sys0(SYS_sched_yield);
	}
	for (int i = 0; i < SONDE_DOMAINS_MAX; i++)
		sync_rt.fork_word[i] = load_relaxed(&self->word[i]);
}

void sync_fork_parent(void)
{
	struct sonde_reader *self = sync_self();

	if (self && load_relaxed(&sync_rt.fork_reader) == self)
		store_release(&sync_rt.fork_reader, NULL);
}

void sync_fork_child(void)
{
	struct sonde_reader *self = sync_self();

	if (self) {
		struct sync_slot *slot = slot_of(self);

		store_relaxed(&slot->since, sync_clock(CLOCK_BOOTTIME));
		for (int i = 0; sync_rt.fork_reader == self && i < SONDE_DOMAINS_MAX; i++)
			store_relaxed(&self->word[i], sync_rt.fork_word[i]);
		store_release(&slot->owner, (int32_t)sys0(SYS_gettid)); /* D */
	}
	store_relaxed(&sync_rt.fork_reader, NULL);
	if (sync_rt.arena)
		sync_pid();
}

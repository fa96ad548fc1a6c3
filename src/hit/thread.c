/* SPDX-License-Identifier: MIT */
/*
 * Per-thread records: claimed at a thread's first hit, taken over when their thread is gone.
 *
 * The arena is one reserved mapping of this process, wiped by the kernel in a forked child:
 * there every record, and the process's index, reads zero, so that the child registers and
 * claims anew (a vfork child shares the memory and uses its parent's record, which waits).
 * A record belongs to the thread whose id is in `owner`; a record and its block outlive their
 * thread, and the next thread that needs one goes on counting where it left off: blocks are
 * merged by adding, so nothing is folded, cleared or lost.
 *
 * Ordering
 *   A  owner: CAS 0 or a dead tid -> own tid, acq_rel   pairs with A of the next taker: the
 *      dead thread's last writes to record and block are ordered by the kernel's death notice
 *      (tgkill says ESRCH only after the thread has run its last instruction)
 *   B  arena->proc: CAS 0 -> index + 1, acq_rel; the loser of a race leaves its own entry free
 *
 * Context: hit, signal-safe; system calls only in a thread's first hit.
 */
#include "hit/hit.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "arch/thread.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/mem.h"
#include "base/sys.h"

#define ARENA_BYTES (1ull << 28)
#define THREADS_MIN 1024u
#define THREADS_MAX 65536u
#define TAKEOVER_TRIES 4
/* linux/mman.h, Linux 4.14 */
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct hit_arena {
	uint32_t proc;		  /* B: index in the session + 1 */
	uint32_t nused;		  /* records handed out so far */
	uint32_t cursor;	  /* where the search for dead threads goes on */
	int32_t pid;		  /* the process that owners are threads of; 0: not asked yet */
	struct hit_thread *vfork; /* claimed last by a vfork child */
	uint32_t pad[10];
	uint8_t record[];
};

static __thread struct hit_thread *tls_thread __attribute__((tls_model("initial-exec")));

/* Sites that a hit can serve by one addition. */
static void find_fast(const struct wire_session *s)
{
	for (uint32_t i = 0; i < s->sites.count; i++) {
		const struct wire_site *ws = &hit_rt.site[i];
		const struct wire_map *m;
		uint32_t fast;

		if (ws->internal || ws->nact != 1)
			continue;
		fast = hit_rt.prog[hit_rt.action[ws->act_off].prog].fast_map;
		if (!fast || fast > s->maps.count)
			continue;
		m = wire_elem(s, maps, const struct wire_map, fast - 1);
		if (m->kind == WIRE_MAP_COUNT && !m->key_size)
			hit_rt.fast[i] = (struct hit_fast){.map = m, .off = m->bucket_off};
	}
}

int hit_init(const struct act_host *host)
{
	const struct wire_session *s = host->session;
	uint64_t size;
	long p;

	hit_rt.host = *host;
	hit_rt.site = wire_elem(s, sites, const struct wire_site, 0);
	hit_rt.action = wire_elem(s, actions, const struct wire_action, 0);
	hit_rt.prog = wire_elem(s, progs, const struct wire_prog, 0);
	hit_rt.nsites = s->sites.count;
	hit_rt.max_scratch = (uint32_t)ALIGN_UP(s->max_scratch, 64);
	hit_rt.thread_size = (uint32_t)ALIGN_UP(
		sizeof(struct hit_thread) + HIT_LEVELS * hit_rt.max_scratch, 128);
	hit_rt.max_threads = (uint32_t)(ARENA_BYTES / hit_rt.thread_size);
	if (hit_rt.max_threads > THREADS_MAX)
		hit_rt.max_threads = THREADS_MAX;
	if (hit_rt.max_threads < THREADS_MIN)
		hit_rt.max_threads = THREADS_MIN;

	hit_rt.site_addr = sys_map((s->sites.count + 1ull) * sizeof(*hit_rt.site_addr));
	hit_rt.fast = sys_map((s->sites.count + 1ull) * sizeof(*hit_rt.fast));
	size = sizeof(struct hit_arena) + (uint64_t)hit_rt.max_threads * hit_rt.thread_size;
	p = sys6(SYS_mmap, sys_far(4), size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!hit_rt.site_addr || !hit_rt.fast || sys_failed(p) ||
	    sys3(SYS_madvise, p, size, MADV_WIPEONFORK) < 0)
		return -ENOMEM;
	hit_rt.arena = (struct hit_arena *)p;
	find_fast(s);
	return 0;
}

SONDE_HIT uint32_t hit_proc(void)
{
	struct wire_session *s = hit_rt.host.session;
	struct hit_arena *arena = hit_rt.arena;
	uint32_t none = 0, proc = load_acquire(&arena->proc);
	struct wire_proc *p;

	if (proc)
		return proc - 1;
	proc = fetch_add_relaxed(&s->proc_next, 1);
	if (proc >= s->procs.count)
		return s->procs.count - 1; /* the last entry is shared by those that came late */
	p = wire_elem(s, procs, struct wire_proc, proc);
	p->pid = (int32_t)sys0(SYS_getpid);
	p->parent = hit_rt.own_proc;
	p->start_ns = hit_rt.host.nsecs();
	if (!cas_acq_rel(&arena->proc, &none, proc + 1)) /* B */
		return none - 1;
	store_release(&p->state, WIRE_PROC_STARTING);
	return proc;
}

SONDE_HIT static struct hit_thread *record(uint32_t i)
{
	return (struct hit_thread *)(hit_rt.arena->record + (uint64_t)i * hit_rt.thread_size);
}

/* The process whose memory this is: a vfork child's own is another. */
SONDE_HIT static int32_t home_pid(int32_t own)
{
	int32_t pid = load_relaxed(&hit_rt.arena->pid);

	if (pid || !cas_acq_rel(&hit_rt.arena->pid, &pid, own))
		return pid;
	return own;
}

/* Take the record if it is nobody's, or a dead thread's. */
SONDE_HIT static bool record_take(struct hit_thread *t, int32_t pid, int32_t tid)
{
	int32_t owner = load_acquire(&t->owner);

	if (owner && owner != tid && sys3(SYS_tgkill, pid, owner, 0) != -ESRCH)
		return false;
	return cas_acq_rel(&t->owner, &owner, tid); /* A */
}

/* A record with a block of its own, or a dead thread's with its block. */
SONDE_HIT static struct hit_thread *record_claim(int32_t pid, int32_t tid)
{
	struct hit_arena *arena = hit_rt.arena;
	uint32_t n = load_relaxed(&arena->nused), i;

	for (uint32_t tries = 0; tries < TAKEOVER_TRIES && tries < n; tries++) {
		i = fetch_add_relaxed(&arena->cursor, 1) % n;
		if (record_take(record(i), pid, tid))
			return record(i);
	}
	i = fetch_add_relaxed(&arena->nused, 1);
	if (i < hit_rt.max_threads)
		return record_take(record(i), pid, tid) ? record(i) : NULL;
	store_relaxed(&arena->nused, hit_rt.max_threads);
	for (i = 0; i < hit_rt.max_threads; i++) {
		if (record_take(record(i), pid, tid))
			return record(i);
	}
	return NULL;
}

/* A block left by a process that is gone and emptied by the tool. */
SONDE_HIT static struct wire_block *block_reuse(struct wire_session *s)
{
	uint32_t chunk = load_acquire(&s->block_list);

	for (int i = 0; chunk && i < 256; i++) {
		struct wire_block *b = (struct wire_block *)wire_chunk(s, chunk - 1);
		uint32_t state = WIRE_BLOCK_FREE;

		if (load_relaxed(&b->state) == WIRE_BLOCK_FREE &&
		    cas_acq_rel(&b->state, &state, WIRE_BLOCK_LIVE))
			return b;
		chunk = b->next;
	}
	return NULL;
}

SONDE_HIT static struct wire_block *block_new(struct wire_session *s)
{
	uint64_t size = (uint64_t)s->block_size + s->ring_size;
	uint32_t n = (uint32_t)(ALIGN_UP(size, WIRE_CHUNK) / WIRE_CHUNK);
	uint32_t chunk = hit_rt.host.chunks(s, n), head;
	struct wire_block *b;

	if (chunk == UINT32_MAX)
		return NULL;
	b = (struct wire_block *)wire_chunk(s, chunk);
	b->nchunks = n;
	b->ring.size = s->ring_size;
	b->ring.data_off = (uint64_t)((uint8_t *)b - (uint8_t *)s) + s->block_size;
	b->state = WIRE_BLOCK_LIVE;
	head = load_relaxed(&s->block_list);
	do {
		b->next = head;
	} while (!cas_acq_rel(&s->block_list, &head, chunk + 1));
	return b;
}

SONDE_HIT static bool record_fill(struct hit_thread *t, int32_t pid, int32_t tid)
{
	struct wire_session *s = hit_rt.host.session;
	struct act_thread *a = &t->act;

	if (!a->block) {
		a->block = block_reuse(s);
		if (!a->block)
			a->block = block_new(s);
		if (!a->block)
			return false;
	}
	a->host = &hit_rt.host;
	a->proc = hit_proc();
	a->pid = pid;
	a->tid = tid;
	a->uid = (uint32_t)sys0(SYS_getuid);
	a->gid = (uint32_t)sys0(SYS_getgid);
	a->rand = (uint32_t)tid * 2654435761u ^ (uint32_t)hit_rt.host.nsecs();
	a->rand |= 1;
	sys2(SYS_prctl, PR_GET_NAME, a->comm);
	t->depth = 0;
	a->block->proc = a->proc;
	a->block->pid = pid;
	a->block->tid = tid;
	a->block->claim_seq++;
	return true;
}

/* A record that is complete, for the thread @tid of the process @pid; @home: see home_pid(). */
SONDE_HIT static struct hit_thread *record_new(int32_t home, int32_t pid, int32_t tid)
{
	struct hit_thread *t = record_claim(home, tid);

	if (!t)
		return NULL;
	if (record_fill(t, pid, tid))
		return t;
	store_release(&t->owner, 0);
	return NULL;
}

SONDE_HIT static struct hit_thread *vfork_claim(int32_t home, int32_t pid, int32_t tid)
{
	struct hit_thread *t = load_acquire(&hit_rt.arena->vfork);

	if (t && load_acquire(&t->owner) == tid && t->act.pid == pid)
		return t;
	t = record_new(home, pid, tid);
	store_release(&hit_rt.arena->vfork, t);
	return t;
}

SONDE_HIT static struct hit_thread *thread_claim(void)
{
	struct hit_thread *t, *nested;
	int32_t home, pid, tid;

	if (hit_rt.sealed)
		return NULL;
	pid = (int32_t)sys0(SYS_getpid);
	tid = (int32_t)sys0(SYS_gettid);
	home = home_pid(pid);
	if (home != pid)
		return vfork_claim(home, pid, tid);
	t = record_new(home, pid, tid);
	signal_barrier();
	nested = tls_thread;
	if (unlikely(t && nested && nested != t && nested->act.block && nested->owner == tid)) {
		/* a signal handler claimed one while we did */
		store_release(&t->owner, 0);
		return nested;
	}
	if (t)
		tls_thread = t;
	return t;
}

bool hit_boot(void)
{
	int32_t pid = (int32_t)sys0(SYS_getpid);

	hit_rt.boot = record_new(home_pid(pid), pid, (int32_t)sys0(SYS_gettid));
	return hit_rt.boot != NULL;
}

void hit_ready(void)
{
	if (!tls_thread)
		tls_thread = hit_rt.boot;
	hit_rt.ready = true;
}

/* Before the first hit that finds a thread pointer there is only the main thread. */
SONDE_HIT static bool has_thread_pointer(void)
{
	if (!hit_rt.ready)
		hit_rt.ready = arch_thread_pointer() != 0;
	return hit_rt.ready;
}

SONDE_HIT struct hit_thread *hit_thread(void)
{
	struct hit_thread *t;

	if (unlikely(!hit_rt.ready) && !has_thread_pointer())
		return hit_rt.boot;
	t = tls_thread;
	/* no block: never claimed, or wiped because this is a forked child */
	if (likely(t && t->act.block))
		return t;
	return thread_claim();
}

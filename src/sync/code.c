/* SPDX-License-Identifier: MIT */
/*
 * Code memory that waits until nobody is inside any more (contract in code.h).
 *
 * The rule: first a grace period of every domain whose sections use the code; then every thread of
 * the process has been seen outside, each at a moment of its own.
 *
 * Why one moment is enough: nothing leads into the code, so who is outside stays outside, and so do
 * the threads he makes. A thread that was seen is remembered and not asked again.
 *
 * When is a thread seen outside? It sleeps; its program counter is not in the code; no word is
 * (src/sync/stack.c) on its stack, nor on a stack that a signal frame there leads back to; and it
 * has slept from before its registers were read until after its stack was (src/sync/task.c):
 * otherwise it might have returned into the code, and covered the word that told so, between the
 * two. Why words on stacks tell all that is needed:
 *   - Code of ours that is called from the ranges (hits, handlers) runs inside a section but for
 *     its first and last few instructions, and these keep their way back on the stack. A handler
 *     may do what it likes, swap stacks, too: the grace period has waited for it.
 *   - Anything else gets between by a signal, whose frame is on a stack.
 *   - Of a sleeping thread's registers only some are shown: the arguments of its system call, which
 *     are looked at. An address in another one would have to come from a stack, where it still is,
 *     or from what only sections find. (On a machine whose calls leave the return address in a
 *     register this would not do.)
 *
 * A thread that sleeps in clone(), vfork() or clone3() may wait for a child that runs on its memory
 * and is a thread of another process: it counts as inside until it comes back. Threads of the
 * kernel's in our process (io_uring) have no registers.
 *
 * Is a list of threads complete? /proc may leave out a living thread when others end while it is
 * read. But when a list of n threads was read, then the number of threads was n, and then each of
 * the list is found alive, no one twice, and none that the kernel is just burying (state X), the
 * list was exactly the threads of that moment. If all of them had been seen before, all are
 * outside, and nobody is left who could make another that is not.
 *
 * A thread is named by its number and its start. A number that is used again within a hundredth of
 * a second, by a thread born inside, would pass for the one before it: numbers are handed out in
 * turn, so that takes a full turn in that time.
 *
 * A forked child has one thread, with a new number: it forgets whom its parent has seen.
 *
 * Context: any thread, not signal-safe; no libc; a poll keeps no lock.
 */
#include "sync/code.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/base.h"
#include "base/race.h"
#include "base/sys.h"
#include "sync/stack.h"
#include "sync/state.h"
#include "sync/task.h"

#define BATCH 32       /* threads that share one reading of the mappings */
#define BATCHES_MAX 64 /* in one poll */
#define ROUNDS 4       /* readings of the list in one poll; see round_size() */
#define SPARE 64       /* threads that may come before the list is read */
#define AGAIN (-EAGAIN)

/* A thread that has been seen outside. */
struct seen {
	int32_t tid;	/* 0: none */
	uint32_t round; /* when it was last in the list */
	uint64_t start;
};

struct candidate {
	struct sync_task task;
	uint64_t start;
	bool sleeps;
};

struct sync_code_work {
	size_t size;
	uint32_t mask; /* of seen */
	uint32_t nseen;
	uint32_t round; /* counts them */
	uint32_t from;	/* where in the list looking goes on */
	uint32_t ntid;
	uint32_t batches; /* made in this poll */
	bool moved;	  /* some thread was awake for a moment */
	struct seen *seen;
	int32_t *tid; /* (mask + 1) / 4 */
	struct candidate batch[BATCH];
	char text[SYNC_TASK_TEXT];
	uint64_t words[SYNC_STACK_WORDS];
};

static struct seen *seen_slot(struct sync_code_work *w, int32_t tid)
{
	uint32_t i = (uint32_t)tid * 0x9e3779b1u >> 7 & w->mask;

	while (w->seen[i].tid && w->seen[i].tid != tid)
		i = (i + 1) & w->mask;
	return &w->seen[i];
}

static void see(struct sync_code_work *w, int32_t tid, uint64_t start)
{
	struct seen *s = seen_slot(w, tid);

	w->nseen += !s->tid;
	*s = (struct seen){tid, w->round, start};
}

static void work_free(struct sync_code *q)
{
	if (q->work)
		sys_unmap(q->work, q->work->size);
	q->work = NULL;
}

/* Room for @n threads. Who was not in the last lists is dead and forgotten. */
static int work_reserve(struct sync_code *q, uint32_t n)
{
	struct sync_code_work *old = q->work, *w;
	uint32_t slots = 256;
	size_t size;

	if (old && n <= (old->mask + 1) / 4 && old->nseen + n <= (old->mask + 1) / 2)
		return 0;
	while (slots / 4 < n + SPARE)
		slots *= 2;
	size = sizeof(*w) + slots * sizeof(*w->seen) + slots / 4 * sizeof(*w->tid);
	w = sys_map(size);
	if (!w)
		return -ENOMEM;
	w->size = size;
	w->mask = slots - 1;
	w->seen = (struct seen *)(w + 1);
	w->tid = (int32_t *)(w->seen + slots);
	for (uint32_t i = 0; old && i <= old->mask; i++) {
		w->round = old->seen[i].round;
		if (old->seen[i].tid && old->round - w->round <= 1)
			see(w, old->seen[i].tid, old->seen[i].start);
	}
	if (old) {
		w->round = old->round;
		w->from = old->from;
		w->batches = old->batches;
		w->moved = old->moved;
	}
	work_free(q);
	q->work = w;
	return 0;
}

/* The kernel's struct linux_dirent64. */
struct dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* -E2BIG: more than there is room for. */
static int list_add(struct sync_code_work *w, const char *name)
{
	int32_t tid = 0;

	for (; *name >= '0' && *name <= '9'; name++)
		tid = tid * 10 + (*name - '0');
	if (!tid)
		return 0;
	if (w->ntid == (w->mask + 1) / 4)
		return -E2BIG;
	w->tid[w->ntid++] = tid;
	return 0;
}

static int list_read(struct sync_code_work *w, int dir)
{
	int err = (int)sys3(SYS_lseek, dir, 0, SEEK_SET);
	long n = 0;

	w->ntid = 0;
	while (!err && (n = sys3(SYS_getdents64, dir, w->text, sizeof(w->text))) > 0) {
		for (long at = 0; at < n && !err;) {
			struct dirent64 *e = (struct dirent64 *)(void *)(w->text + at);

			err = list_add(w, e->name);
			at += e->reclen;
		}
	}
	return err ? err : (int)n;
}

/* How many threads there are now, or -errno. */
static long threads(int dir)
{
	struct stat st;
	int err = (int)sys2(SYS_fstat, dir, &st);

	return err ? err : (long)st.st_nlink - 2;
}

/* The way of a thread into code need not be its stack: what it has in hand. */
static bool registers_hold(const struct sync_code *q, const struct sync_task *t)
{
	for (size_t i = 0; i < ARRAY_LEN(t->arg); i++) {
		if (sync_code_holds(q, t->arg[i]))
			return true;
	}
	return sync_code_holds(q, t->pc);
}

static bool makes_child(const struct sync_task *t)
{
	return t->nr == SYS_clone || t->nr == SYS_vfork || t->nr == SYS_clone3;
}

static bool is_short(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -EINTR;
}

/* What an error of looking at one thread means for the poll: 0, it is not outside; or an error. */
static int verdict(struct sync_code_work *w, int err)
{
	if (err == -ENOENT || err == -ESRCH || err == -EBUSY)
		return 0;
	if (err == -EAGAIN) {
		w->moved = true;
		return 0;
	}
	return is_short(err) ? err : -EOPNOTSUPP;
}

/* Read the registers of the batch. How many of it sleep, or -errno. */
static int batch_look(struct sync_code *q, uint32_t n)
{
	struct sync_code_work *w = q->work;
	int sleeping = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct candidate *c = &w->batch[i];
		struct sync_task *t = &c->task;
		int err = sync_task_look(t, w->text);

		c->sleeps = !err && (t->sp || t->pc) && !registers_hold(q, t) && !makes_child(t);
		if (!err && !t->sp && !t->pc)
			see(w, t->tid, c->start);
		sleeping += c->sleeps;
		/* awake: it may stay so for long, no reason to ask at once */
		if (err && err != -EAGAIN && (err = verdict(w, err)) != 0)
			return err;
	}
	return sleeping;
}

static int batch_search(struct sync_code *q, uint32_t n, const struct sync_areas *as)
{
	struct sync_code_work *w = q->work;
	int err = 0;

	for (uint32_t i = 0; i < n && !err; i++) {
		struct candidate *c = &w->batch[i];

		if (!c->sleeps)
			continue;
		race_point("code: before searching a stack");
		err = sync_stack_search(q, as, c->task.sp, w->words);
		race_point("code: after searching a stack");
		if (!err)
			err = sync_task_slept(&c->task, w->text);
		if (!err)
			see(w, c->task.tid, c->start);
		else
			err = verdict(w, err);
	}
	return err;
}

/*
 * The mappings are read while all threads of the batch sleep, so that each one's stack is shown as
 * it is searched.
 */
static int batch_examine(struct sync_code *q, uint32_t n)
{
	struct sync_areas as;
	int sleeping = batch_look(q, n), err;

	if (sleeping <= 0)
		return sleeping;
	q->work->batches++;
	err = sync_areas_read(&as);
	if (err)
		return err;
	err = batch_search(q, n, &as);
	sync_areas_free(&as);
	return err;
}

/* Threads that wake often are caught only by a short look, so later rounds take fewer at once. */
static uint32_t round_size(int round)
{
	uint32_t n = BATCH >> (2 * round);

	return n ? n : 1;
}

static bool is_dead(char state)
{
	return state == 'X' || state == 'x';
}

struct round {
	struct sync_code *q;
	int32_t self;
	uint32_t size, n; /* of batches */
	uint32_t unseen;
	bool whole; /* the list is that of one moment, as far as is known */
	bool found; /* the calling thread is in it */
};

static int round_examine(struct round *r)
{
	uint32_t n = r->n;

	r->n = 0;
	return n ? batch_examine(r->q, n) : 0;
}

/* One thread of the list, @at its place there. */
static int round_thread(struct round *r, uint32_t at)
{
	struct sync_code_work *w = r->q->work;
	int32_t tid = w->tid[at];
	struct seen *s = seen_slot(w, tid);
	uint64_t start;
	char state;
	int err = sync_task_stat(tid, &state, &start);

	if (err || is_dead(state)) {
		r->whole = false;
		return err ? verdict(w, err) : 0;
	}
	r->found |= tid == r->self;
	if (s->tid && s->start == start) {
		r->whole &= s->round != w->round; /* not listed twice */
		s->round = w->round;
		return 0;
	}
	r->unseen++;
	if (tid == r->self) {
		see(w, tid, start);
		return 0;
	}
	r->q->tid = r->q->tid ? r->q->tid : tid;
	if (w->batches == BATCHES_MAX)
		return 0;
	w->from = at;
	w->batch[r->n++] = (struct candidate){.task.tid = tid, .start = start};
	return r->n == r->size ? round_examine(r) : 0;
}

/* Read the list. 0, AGAIN, or an error. */
static int round_list(struct round *r, int dir)
{
	struct sync_code_work *w = r->q->work;
	int err = list_read(w, dir);
	long count;

	if (err == -E2BIG)
		return work_reserve(r->q, w->ntid * 2) ? -ENOMEM : AGAIN;
	race_point("code: a list was read");
	count = threads(dir);
	if (err || count < 0)
		return is_short(err) ? err : -EOPNOTSUPP;
	r->whole = count == (long)w->ntid;
	return 0;
}

/* One round. 1: all threads are outside. 0: not all. AGAIN: it is worth another. Or an error. */
static int round_make(struct sync_code *q, int dir, int32_t self, uint32_t size)
{
	struct round r = {.q = q, .self = self, .size = size};
	struct sync_code_work *w = q->work;
	uint32_t from = w->from, before = w->nseen;
	int err = round_list(&r, dir);

	if (err)
		return err;
	q->tid = 0;
	w->round++;
	w->moved = false;
	for (uint32_t i = 0; i < w->ntid && !err; i++)
		err = round_thread(&r, (from + i) % w->ntid);
	if (!err)
		err = round_examine(&r);
	if (err)
		return err;
	if (!r.whole)
		return AGAIN;
	/* a list without ourselves is that of a /proc that counts otherwise */
	if (!r.found)
		return -EOPNOTSUPP;
	if (!r.unseen)
		return 1;
	return w->nseen != before || w->moved ? AGAIN : 0;
}

static int open_tasks(void)
{
	int dir = (int)sys4(SYS_openat, AT_FDCWD, "/proc/self/task",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	struct statfs fs;

	if (dir < 0)
		return is_short(dir) ? dir : -EOPNOTSUPP;
	if (sys2(SYS_fstatfs, dir, &fs) || fs.f_type != PROC_SUPER_MAGIC) {
		sys1(SYS_close, dir);
		return -EOPNOTSUPP;
	}
	return dir;
}

static int rounds_make(struct sync_code *q, int dir)
{
	int32_t self = sync_task_self();
	long count = threads(dir);
	int ret = AGAIN;

	if (self <= 0 || count < 0)
		return -EOPNOTSUPP;
	if (work_reserve(q, (uint32_t)count + 1))
		return -ENOMEM;
	q->work->batches = 0;
	for (int round = 0; round < ROUNDS && ret == AGAIN; round++)
		ret = round_make(q, dir, self, round_size(round));
	return ret == AGAIN ? 0 : ret;
}

static bool domains_done(struct sync_code *q)
{
	bool done = true;

	for (size_t i = 0; i < q->ndomain; i++)
		done &= sonde_domain_poll(q->domain[i], q->cookie);
	return done;
}

int sync_code_retire(struct sync_code *q)
{
	if (!q->ndomain || !q->nrange)
		return -EINVAL;
	for (size_t i = 0; i < q->nrange; i++) {
		const struct sync_range *r = &q->range[i];

		if (!r->start || r->start >= r->end || (i && r->start <= r[-1].end))
			return -EINVAL;
	}
	q->cookie = sonde_domain_cookie(q->domain[0]);
	q->tid = 0;
	q->pid = 0;
	q->work = NULL;
	return 0;
}

int sync_code_poll(struct sync_code *q)
{
	int32_t pid = (int32_t)sys0(SYS_getpid);
	int dir, ret;

	/* a vfork child would see its own thread only */
	if (pid != sync_pid())
		return 0;
	if (pid != q->pid)
		work_free(q);
	q->pid = pid;
	if (!domains_done(q)) {
		q->tid = 0;
		return 0;
	}
	dir = open_tasks();
	if (dir < 0)
		return dir;
	ret = rounds_make(q, dir);
	sys1(SYS_close, dir);
	if (ret == 1)
		work_free(q);
	return ret;
}

void sync_code_forget(struct sync_code *q)
{
	work_free(q);
}

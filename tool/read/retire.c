/* SPDX-License-Identifier: MIT */
/*
 * Blocks of processes that are gone: fold what they counted into the reader, hand them back.
 *
 * The agent passes blocks on between threads of one process and takes FREE ones from the list
 * by compare-and-swap (src/hit). So a block may be freed only when its process can never run
 * again, and FREE is stored last, with release: who claims it sees it empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "read/internal.h"
#include "ring/ring.h"

/* Field @n (from 3 on) of a /proc/PID/stat line, NULL if there is none. */
static const char *stat_field(const char *stat, int n)
{
	const char *p = strrchr(stat, ')');

	for (int i = 2; p && i < n; i++)
		p = strchr(p + 1, ' ');
	return p ? p + 1 : NULL;
}

/* A zombie's address space is gone, unless only its first thread has ended: field 3 is the state,
 * field 20 the number of threads. */
static bool is_dead_stat(const char *stat)
{
	const char *run = stat_field(stat, 3), *threads = stat_field(stat, 20);

	if (!run || !threads)
		return false;
	return *run == 'X' || (*run == 'Z' && atol(threads) <= 1);
}

bool read_process_gone(int32_t pid)
{
	char path[64], stat[1024];
	ssize_t n;
	int fd;

	if (pid <= 0)
		return false;
	if (kill(pid, 0) != 0 && errno == ESRCH)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	if (n <= 0)
		return false;
	stat[n] = '\0';
	return is_dead_stat(stat);
}

/* Has the process's program been replaced? A newer entry of the same pid says so; one that is
 * FREE lost a race to register and says nothing. The last entry is shared by latecomers. */
static bool is_replaced(const struct read *r, uint32_t proc, int32_t pid)
{
	uint32_t n = read_nprocs(r);

	if (n == r->head.procs.count)
		n--;
	for (uint32_t i = proc + 1; i < n; i++) {
		const struct wire_proc *p = read_wire_proc(r, i);

		if (load_acquire(&p->state) != WIRE_PROC_FREE && p->pid == pid)
			return true;
	}
	return false;
}

/* Asked once per process and call, not once per block. */
static bool proc_is_gone(struct read *r, uint32_t proc, int32_t pid)
{
	struct read_proc *p;

	if (proc >= r->head.procs.count)
		return false;
	p = &r->proc[proc];
	if (p->checked != r->retire_calls || p->checked_pid != pid) {
		p->checked = r->retire_calls;
		p->checked_pid = pid;
		p->is_gone = read_process_gone(pid) || is_replaced(r, proc, pid);
	}
	return p->is_gone;
}

static bool ring_is_read(const struct read *r, struct wire_block *b)
{
	return !r->head.ring_size || !ring_peek(r->s, b);
}

/* True in the second call in a row that finds the block's process gone and nothing changed. */
static bool is_retirable(struct read *r, struct read_block *rb)
{
	struct wire_block *b = rb->b;
	uint64_t hits = load_relaxed(&b->hits), seq = load_relaxed(&b->claim_seq);
	bool before = rb->gone && rb->gone_hits == hits && rb->gone_seq == seq;

	rb->gone = false;
	/* the tool's own block (BEGIN, END, interval) */
	if (!b->pid || b->pid == getpid())
		return false;
	if (!proc_is_gone(r, b->proc, b->pid))
		return false;
	rb->gone = true;
	rb->gone_hits = hits;
	rb->gone_seq = seq;
	return before && ring_is_read(r, b);
}

static int retire_block(struct read *r, struct read_block *rb)
{
	struct wire_block *b = rb->b;

	for (uint32_t m = 0; m < r->nmaps; m++) {
		if (r->map[m].kind == WIRE_MAP_PLAIN)
			continue;
		if (read_fold(r, rb, m, &r->retired[m]) != 0)
			return -ENOMEM;
	}
	r->gone.hits += b->hits;
	r->gone.missed += b->missed;
	r->gone.lost += b->ring.lost;
	for (int e = 0; e < WIRE_RT_COUNT; e++)
		r->gone.errors[e] += b->errors[e];
	read_wipe(r, rb);
	rb->gone = false;
	store_release(&b->state, WIRE_BLOCK_FREE);
	return 0;
}

int read_retire(struct read *r)
{
	int err = read_blocks(r), n = 0;

	if (err)
		return err;
	r->retire_calls++;
	for (size_t i = 0; i < r->nblocks; i++) {
		struct read_block *rb = &r->block[i];

		if (load_acquire(&rb->b->state) != WIRE_BLOCK_LIVE || !is_retirable(r, rb))
			continue;
		err = retire_block(r, rb);
		if (err)
			return err;
		n++;
	}
	return n;
}

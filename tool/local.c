/* SPDX-License-Identifier: MIT */
/*
 * Programs that run in the tool: a thread block of its own, the same VM.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/base.h"
#include "run.h"

uint64_t local_nsecs(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static uint32_t local_cpu(void)
{
	int cpu = sched_getcpu();

	return cpu < 0 ? 0 : (uint32_t)cpu;
}

/* Nothing in the tool is the target's memory. */
static int local_read(void *dst, uint64_t addr, uint64_t n)
{
	(void)dst, (void)addr, (void)n;
	return -EFAULT;
}

int local_open(struct local *l, struct wire_session *s)
{
	uint64_t size = (uint64_t)s->block_size + s->ring_size;
	uint32_t n = (uint32_t)(ALIGN_UP(size, WIRE_CHUNK) / WIRE_CHUNK);
	uint32_t chunk = attach_session_chunks(s, n);
	struct wire_block *b;

	l->host = (struct act_host){.session = s,
				    .nsecs = local_nsecs,
				    .cpu = local_cpu,
				    .read = local_read,
				    .chunks = attach_session_chunks};
	l->scratch = calloc(1, s->max_scratch + 8);
	if (chunk == UINT32_MAX || !l->scratch)
		return -ENOMEM;
	b = (struct wire_block *)wire_chunk(s, chunk);
	b->nchunks = n;
	b->state = WIRE_BLOCK_LIVE;
	b->proc = UINT32_MAX; /* the tool is no process of the session */
	b->pid = b->tid = (int32_t)getpid();
	b->ring.size = s->ring_size;
	b->ring.data_off = (uint64_t)((uint8_t *)b - (uint8_t *)s) + s->block_size;
	b->next = s->block_list;
	store_release(&s->block_list, chunk + 1);
	l->thread = (struct act_thread){.host = &l->host,
					.block = b,
					.proc = UINT32_MAX,
					.pid = (int32_t)getpid(),
					.tid = (int32_t)getpid(),
					.uid = getuid(),
					.gid = getgid(),
					.rand = (uint32_t)local_nsecs() | 1,
					.comm = "sonde"};
	return 0;
}

void local_run(struct local *l, uint32_t prog)
{
	struct wire_session *s = l->host.session;
	struct wire_ctx ctx = {.scratch = (uint64_t)l->scratch};

	act_run(&l->thread, wire_elem(s, progs, const struct wire_prog, prog), &ctx);
}

void local_close(struct local *l)
{
	free(l->scratch);
	l->scratch = NULL;
}

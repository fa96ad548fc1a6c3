/* SPDX-License-Identifier: MIT */
/*
 * A session in memory for tests: maps, programs, one thread's block, an arena.
 *
 * Use: fx_open, fx_map / fx_prog as wanted, fx_start, then the functions under test with fx.s or
 * &fx.t, fx_close. The memory is shared with forked children.
 */
#ifndef SONDE_TESTS_ACT_FIXTURE_H
#define SONDE_TESTS_ACT_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "act/act.h"
#include "base/atomic.h"
#include "base/base.h"

#define FX_STRINGS 4096
#define FX_PROGS 8192
#define FX_MAPS 16384
#define FX_INSNS 65536
#define FX_PROCS 720896
#define FX_TABLES (1u << 20)
#define FX_ARENA (24u << 20)
#define FX_CHUNKS 256u
#define FX_SIZE (FX_ARENA + FX_CHUNKS * WIRE_CHUNK)
#define FX_RING 4096u

struct fx {
	struct wire_session *s;
	struct wire_block *b;
	struct act_host host;
	struct act_thread t;
	uint64_t tables; /* where the next plain map's slots go */
};

/* The clock of tests: every reading is 1000 later. */
static inline uint64_t fx_nsecs(void)
{
	static uint64_t now = 1000000;

	return fetch_add_relaxed(&now, 1000);
}

static inline uint32_t fx_cpu(void)
{
	return 3;
}

static inline int fx_read(void *dst, uint64_t addr, uint64_t n)
{
	struct iovec to = {dst, n}, from = {(void *)(uintptr_t)addr, n};

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)n ? 0 : -EFAULT;
}

static inline uint32_t fx_chunks(struct wire_session *s, uint32_t n)
{
	uint32_t c = load_relaxed(&s->arena_next);

	do {
		if (c + n > s->arena_committed)
			return UINT32_MAX;
	} while (!cas_acq_rel(&s->arena_next, &c, c + n));
	return c;
}

static inline struct wire_table fx_table(uint64_t off, uint32_t elem)
{
	return (struct wire_table){.off = off, .elem = elem};
}

static inline void fx_open(struct fx *fx)
{
	struct wire_session *s = mmap(NULL, FX_SIZE, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(s != MAP_FAILED);
	memset(fx, 0, sizeof(*fx));
	fx->s = s;
	fx->tables = FX_TABLES;
	s->magic = WIRE_MAGIC;
	s->version = WIRE_VERSION;
	s->header_size = sizeof(*s);
	s->file_size = FX_SIZE;
	s->state = WIRE_RUNNING;
	s->start_ns = 1000000;
	s->strings = fx_table(FX_STRINGS, 1);
	s->strings.count = 16;
	memcpy((char *)s + FX_STRINGS, "\0@m\0probe\0\0\0\0\0\0", 16);
	s->progs = fx_table(FX_PROGS, sizeof(struct wire_prog));
	s->maps = fx_table(FX_MAPS, sizeof(struct wire_map));
	s->insns = fx_table(FX_INSNS, sizeof(struct wire_insn));
	s->procs = fx_table(FX_PROCS, sizeof(struct wire_proc));
	s->procs.count = 16;
	s->block_size = sizeof(struct wire_block);
	s->max_scratch = WIRE_SCRATCH_MAX;
	s->ring_size = FX_RING;
	s->arena_off = FX_ARENA;
	s->arena_chunks = s->arena_committed = FX_CHUNKS;
}

static inline struct wire_map *fx_at(struct fx *fx, uint32_t map)
{
	return wire_elem(fx->s, maps, struct wire_map, map);
}

/* Add a map as given but for its places; returns its index. */
static inline uint32_t fx_map(struct fx *fx, struct wire_map m)
{
	uint32_t index = fx->s->maps.count++;

	m.name = 1;
	if (m.kind == WIRE_MAP_PLAIN) {
		m.table_off = fx->tables;
		fx->tables += ALIGN_UP(m.nbuckets * wire_slot_bytes(&m), 64ull);
		assert_true(fx->tables <= FX_ARENA);
	} else {
		m.bucket_off = fx->s->block_size;
		fx->s->block_size += (uint32_t)ALIGN_UP(wire_map_block_bytes(&m), 16ull);
	}
	*fx_at(fx, index) = m;
	return index;
}

static inline uint32_t fx_plain(struct fx *fx, uint32_t key_size, uint32_t value_size,
				uint32_t nslots)
{
	return fx_map(fx, (struct wire_map){.kind = WIRE_MAP_PLAIN,
					    .key_size = key_size,
					    .value_size = value_size,
					    .max_keys = nslots,
					    .nbuckets = nslots});
}

static inline uint32_t fx_agg(struct fx *fx, uint8_t kind, uint32_t key_size, uint32_t value_size)
{
	return fx_map(fx, (struct wire_map){.kind = kind,
					    .key_size = key_size,
					    .value_size = value_size,
					    .max_keys = 1000,
					    .nbuckets = key_size ? 64 : 0});
}

static inline uint32_t fx_prog(struct fx *fx, const struct wire_insn *insn, uint32_t n,
			       uint32_t scratch)
{
	struct wire_session *s = fx->s;
	struct wire_prog *p = wire_elem(s, progs, struct wire_prog, s->progs.count);

	*p = (struct wire_prog){.insn_off = s->insns.count, .ninsn = n, .scratch_size = scratch};
	memcpy(wire_elem(s, insns, struct wire_insn, s->insns.count), insn, n * sizeof(*insn));
	s->insns.count += n;
	return s->progs.count++;
}

/* A block for the calling thread, when all maps are there. */
static inline void fx_start(struct fx *fx)
{
	uint32_t chunks = (uint32_t)((fx->s->block_size + FX_RING) / WIRE_CHUNK + 1);
	uint32_t chunk = fx_chunks(fx->s, chunks);

	assert_true(chunk != UINT32_MAX);
	fx->b = (struct wire_block *)wire_chunk(fx->s, chunk);
	fx->b->state = WIRE_BLOCK_LIVE;
	fx->b->nchunks = chunks;
	fx->b->ring.data_off = ALIGN_UP(
		(uint64_t)((uint8_t *)fx->b - (uint8_t *)fx->s) + fx->s->block_size, 64ull);
	fx->b->ring.size = FX_RING;
	fx->host = (struct act_host){.session = fx->s,
				     .nsecs = fx_nsecs,
				     .cpu = fx_cpu,
				     .read = fx_read,
				     .chunks = fx_chunks};
	fx->t = (struct act_thread){.host = &fx->host,
				    .block = fx->b,
				    .proc = 5,
				    .pid = 1234,
				    .tid = 1235,
				    .uid = 1000,
				    .gid = 1001,
				    .rand = 42,
				    .comm = "victim"};
	assert_int_equal(wire_session_check(fx->s, FX_SIZE), 0);
}

static inline void fx_close(struct fx *fx)
{
	munmap(fx->s, FX_SIZE);
}

#endif

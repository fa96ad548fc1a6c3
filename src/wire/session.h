/* SPDX-License-Identifier: MIT */
/*
 * Session memory: one file that the tool makes and every process of the session maps.
 *
 *   header | strings programs instructions maps modules sites code fixups actions |
 *   plain-map tables | process table | arena of chunks (thread blocks, their heaps, logs)
 *
 * Offsets are from the start of the file unless said otherwise. The static part is written by
 * the tool before the target starts and is read-only afterwards, but for epochs and states.
 * The arena is handed out in chunks by one atomic counter; memory below `arena_committed` is
 * backed for certain (the tool keeps it ahead), so that a write can never fault.
 */
#ifndef SONDE_WIRE_SESSION_H
#define SONDE_WIRE_SESSION_H

#include <stdint.h>

#include "wire/event.h"
#include "wire/map.h"
#include "wire/plan.h"
#include "wire/prog.h"

#define WIRE_MAGIC 0x31656465646e6f73ull /* "sondede1" */
#define WIRE_VERSION 1
#define WIRE_CHUNK 65536ull
#define WIRE_MAX_PROCS 16384
#define WIRE_ENV "SONDE_SESSION" /* names the session file to the agent */

/* Program: instructions at insn_off (index in the instruction table). */
struct wire_prog {
	uint32_t insn_off;
	uint32_t ninsn;
	uint32_t scratch_size;
	uint32_t fast_map; /* index + 1 of the scalar count() map when the whole program is
			      { @x = count() }, else 0 */
};

enum wire_state { WIRE_STARTING, WIRE_RUNNING, WIRE_ENDED };

struct wire_table {
	uint64_t off;
	uint32_t count; /* elements; bytes for strings and code */
	uint32_t elem;	/* size of an element */
};

struct wire_session {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size;
	uint64_t file_size; /* mapped whole; sparse behind arena_committed */
	uint64_t start_ns;
	uint32_t state; /* enum wire_state; hits do nothing unless WIRE_RUNNING */
	uint32_t tool_pid;

	struct wire_table strings, progs, insns, maps, modules, sites, code, fixups, actions;
	struct wire_table procs; /* struct wire_proc */

	uint32_t block_size;  /* bytes of a thread block's fixed part (header, scalar entries,
				 buckets) */
	uint32_t ring_size;   /* bytes of a thread's event ring, 0 = the program emits none */
	uint32_t max_scratch; /* largest scratch_size */
	uint32_t follow;      /* 1: exec'd programs are followed */
	uint64_t arena_off;
	uint32_t arena_chunks; /* how many fit in file_size */
	uint32_t reserved;
	char agent_path[256];	/* what LD_PRELOAD names */
	char session_path[256]; /* what WIRE_ENV names */

	/* written while it runs, each on a line of its own */
	uint8_t pad0[64];
	uint32_t arena_next; /* next chunk to hand out */
	uint8_t pad1[60];
	uint32_t arena_committed; /* chunks backed by memory */
	uint8_t pad2[60];
	uint32_t proc_next; /* next process index */
	uint8_t pad3[60];
	uint32_t block_list; /* chunk + 1 of the newest thread block (struct wire_block.next) */
	uint8_t pad4[60];
	uint32_t go;	     /* futex: the first process waits before main until it is 1 */
	uint32_t wake;	     /* futex: agents bump it for news the tool waits for (process ready) */
	uint64_t unrecorded; /* hits that found no thread block (arena full) */
	int32_t agent_err;   /* why an agent gave up at its start, 0 = none did */
	uint8_t pad5[44];
};

enum wire_proc_state { WIRE_PROC_FREE, WIRE_PROC_STARTING, WIRE_PROC_READY };

/* A process (address space) of the session. A forked child registers at its first hit. */
struct wire_proc {
	uint32_t state;
	int32_t pid;
	uint32_t parent; /* index of the forking process, UINT32_MAX for an exec'd image */
	uint32_t reserved;
	uint64_t start_ns;
	uint64_t log_off; /* first log record, 0 = none; a forked child's log continues its parent's
			   */
};

enum wire_block_state { WIRE_BLOCK_FREE, WIRE_BLOCK_LIVE };

/* Thread block: the first chunk(s) of what a thread owns. Only its thread writes it. */
struct wire_block {
	uint32_t next; /* chunk + 1 of the next older block */
	uint32_t state;
	uint32_t proc;
	int32_t pid, tid;
	uint32_t nchunks; /* of the block itself */
	uint64_t claim_seq;
	uint64_t hits;	 /* probe hits delivered */
	uint64_t missed; /* hits that could not be delivered (nesting limit) */
	uint64_t errors[WIRE_RT_COUNT];
	uint64_t
		heap; /* keyed entries: (chunk in use + 1) << 32 | bytes used of it; 0 = none yet.
			 One word, so that a signal handler of the same thread can never see half */
	uint8_t pad[24];
	struct wire_ring ring;
	/* then scalar entries and bucket arrays at wire_map.bucket_off, then the ring's data */
};

/* 0, or a negative error when header or tables do not fit a file of `size` bytes. */
int wire_session_check(const struct wire_session *s, uint64_t size);

#define wire_at(s, off, type) ((type *)((uint8_t *)(s) + (off)))
#define wire_elem(s, table, type, i) (wire_at((s), (s)->table.off, type) + (i))
#define wire_string(s, str) wire_at((s), (s)->strings.off + (str), const char)
#define wire_chunk(s, c) wire_at((s), (s)->arena_off + (uint64_t)(c)*WIRE_CHUNK, uint8_t)

#endif

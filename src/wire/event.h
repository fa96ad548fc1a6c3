/* SPDX-License-Identifier: MIT */
/*
 * Event records (per-thread rings) and process log records.
 */
#ifndef SONDE_WIRE_EVENT_H
#define SONDE_WIRE_EVENT_H

#include <stdint.h>

/* A record in a thread's ring. Records are 8-byte aligned and never wrap: a PAD record fills
 * the end of the ring. `size` (whole record, bytes) is stored last; 0 = not yet complete. */
struct wire_event {
	uint32_t size;
	uint16_t id; /* what to do with the payload: index in the script's event table */
	uint16_t flags;
	uint64_t time; /* CLOCK_MONOTONIC, ns */
	uint32_t tid, pid;
	uint32_t proc; /* process index in the session */
	uint32_t reserved;
	/* payload follows */
};
#define WIRE_EVENT_PAD 0xffff
/* With the id that a program emits, not in the record: what steers the observation (exit, clear,
 * print of a map) may use the last part of a ring that a flood of others has filled. */
#define WIRE_EVENT_URGENT 0x8000

/* Ring in a thread block: head and tail count bytes, never wrap. `head` is the writer's, tail the
 * reader's. Data at session offset data_off, size a power of two. */
struct wire_ring {
	uint64_t head;
	uint64_t lost; /* events dropped because the ring was full */
	uint8_t pad0[48];
	uint64_t tail; /* a cache line of its own: the tool writes it */
	uint8_t pad1[56];
	uint64_t data_off;
	uint64_t size;
	uint8_t pad2[48];
};

/* Process log: appended by the agent, read by the tool. `size` is stored last. */
enum wire_log_type { WIRE_LOG_LOADED = 1, WIRE_LOG_UNLOADED, WIRE_LOG_REFUSED, WIRE_LOG_MORE };

struct wire_log {
	uint32_t size; /* whole record, multiple of 8; 0 = not yet complete */
	uint32_t type;
};

struct wire_log_loaded {
	struct wire_log h;
	uint64_t bias, start, end; /* span of the image */
	uint64_t dev, ino;
	uint32_t module;    /* index in the module table, or UINT32_MAX */
	uint32_t installed; /* sites now live */
	char path[];	    /* NUL-terminated */
};

struct wire_log_unloaded {
	struct wire_log h;
	uint64_t start; /* as in the record of its loading */
};

struct wire_log_refused {
	struct wire_log h;
	uint32_t site; /* index in the session's site table, UINT32_MAX = whole module */
	int32_t err;
	uint32_t module;
	uint32_t reserved;
};

/* The log goes on at session offset `next`. */
struct wire_log_more {
	struct wire_log h;
	uint64_t next;
};

#endif

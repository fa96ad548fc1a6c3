/* SPDX-License-Identifier: MIT */
/*
 * A live session, read: events in time order, maps merged over all threads, module lists and
 * symbols, totals.
 *
 * The other side keeps writing while we read, may die at any moment and may have damaged the
 * memory with a wild store, so nothing found there is trusted: every offset is checked, every
 * chain walk is bounded, every record is copied before it is used. What cannot be right is
 * left out and counted (read_totals.damaged).
 *
 * One thread of the tool owns a struct read; nothing here locks.
 */
#ifndef SONDE_READ_READ_H
#define SONDE_READ_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "script/script.h"
#include "wire/session.h"

struct read;

/*
 * Start reading @s, a mapping of its whole file_size. Call before any thread block exists (before
 * BEGIN runs and the target starts): deleting keys of aggregations relies on an epoch that is
 * raised here. @script may be NULL, then event ids are not checked. 0,
 * SONDE_E_BAD_SESSION, -ENOMEM. Both @s and @script must outlive *@out.
 */
int read_open(struct wire_session *s, const struct script *script, struct read **out);
void read_close(struct read *r);

/* A module of a process, as its log tells. */
struct read_module {
	uint64_t bias, start, end;
	uint64_t dev, ino;
	uint32_t module;    /* index in the session's module table, or UINT32_MAX */
	uint32_t installed; /* sites that were live when it had been loaded */
	uint64_t order;	    /* grows with every load over all processes */
	bool gone;	    /* unloaded since */
	char *path;
};

/* News of the process logs; any function may be NULL. */
struct read_log_ops {
	void *arg;
	void (*process)(void *arg, uint32_t proc, const struct wire_proc *p);
	void (*loaded)(void *arg, uint32_t proc, const struct read_module *m);
	void (*unloaded)(void *arg, uint32_t proc, const struct read_module *m);
	/* site UINT32_MAX: the whole module */
	void (*refused)(void *arg, uint32_t proc, uint32_t module, uint32_t site, int err);
};

/* Read what is new in every process's log. A forked child starts with its parent's modules, as
 * the reader knows them when it first sees the child. 0 or -ENOMEM. */
int read_poll_logs(struct read *r, const struct read_log_ops *ops);

struct read_event {
	uint16_t id;
	uint32_t tid, pid, proc;
	uint64_t time;	     /* CLOCK_MONOTONIC, ns */
	const void *payload; /* valid during the callback; WIRE_SCRATCH_MAX bytes can be read
				whatever a damaged record says its length is */
	uint32_t length;
};

/* Return false to stop; the event itself counts as used. */
typedef bool read_event_fn(void *arg, const struct read_event *e);

/*
 * Deliver what stands in the rings, in time order over all threads. Records newer than the start
 * of the call stay for the next one, so that a slower thread's older record is not overtaken;
 * @final delivers them too. Returns the number delivered, or -ENOMEM.
 */
long read_events(struct read *r, read_event_fn *cb, void *arg, bool final);

/* A row: key_size bytes of key, and the value as wire/map.h lists it per kind (nvalues words; a
 * plain map's value as bytes), but the extreme of min and max decoded, 0 while there is none. */
struct read_row {
	const void *key;
	const uint64_t *value;
};

struct read_map {
	uint32_t key_size;
	uint32_t nvalues;
	size_t nrows;
	struct read_row *row; /* in no order */
	void *priv;
};

/*
 * Snapshot of map @map: an aggregation merged over all threads, living and gone. A scalar map
 * has one row or none. Release it with read_map_free(). 0, -EINVAL or -ENOMEM.
 */
int read_map(struct read *r, uint32_t map, struct read_map *out);
void read_map_free(struct read_map *m);
/* The row with @key, NULL if none. */
const struct read_row *read_map_find(const struct read_map *m, const void *key);

/* Remove all keys. */
int read_clear(struct read *r, uint32_t map);
/* Keep the keys, make every value nothing. */
int read_zero(struct read *r, uint32_t map);
/*
 * Remove one key of an aggregation. Exact for every kind: each thread's entry is made stale and
 * its owner starts it afresh at its next update; an update that runs at this very moment may count
 * as before it. 0 (also when there was no such key), -EINVAL for a plain or scalar map, -ENOTSUP
 * if the session had blocks before read_open().
 */
int read_delete(struct read *r, uint32_t map, const void *key);

/*
 * Take over the blocks of processes that are gone (ended, or replaced by exec), once their rings
 * have been read: their totals move into the reader and any process can claim the block. Threads
 * that ended in a living process keep theirs: the agent hands them on itself. A process must look
 * gone in two successive calls, its block unchanged; one in another pid namespace always looks
 * gone, so it can lose counts to this, but never more than those. Of a block's heap only the
 * chunk in use is reused; older ones stay taken. Returns the number of blocks freed, or -ENOMEM.
 */
int read_retire(struct read *r);

struct read_totals {
	uint64_t hits;
	uint64_t missed; /* nesting limit */
	uint64_t lost;	 /* events */
	uint64_t errors[WIRE_RT_COUNT];
	uint64_t unrecorded; /* hits that found no thread block */
	uint64_t damaged;    /* things in shared memory that could not be right and were left out */
	uint32_t procs;	     /* processes seen */
	uint32_t blocks;     /* thread blocks in use now */
};

void read_totals(struct read *r, struct read_totals *out);

/*
 * Name @addr of process @proc: "func" at its start, "func+off" (decimal) inside, "0x..." when
 * unknown. Returns the length, always terminated. Images are opened once.
 */
size_t read_symbol(struct read *r, uint32_t proc, uint64_t addr, char *buf, size_t size);

#endif

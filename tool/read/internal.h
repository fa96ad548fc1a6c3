/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share: the reader's own state and checked access to the arena.
 *
 * The static part of the session (header, maps) is copied when reading starts, so that a target
 * that damages it later cannot lead us astray. Nothing outside tool/read includes this.
 */
#ifndef SONDE_READ_INTERNAL_H
#define SONDE_READ_INTERNAL_H

#include "read/read.h"
#include "read/table.h"

/* A thread block; blocks are never unlinked, so what was found once stays. */
struct read_block {
	struct wire_block *b;
	uint64_t off;
	/* what the block looked like when its process was first found gone */
	uint64_t gone_hits, gone_seq;
	bool gone;
};

struct read_proc {
	bool known;
	bool broken;	 /* its log could not be followed any further */
	uint64_t log;	 /* where the next record will stand, 0 = not known yet */
	uint64_t walked; /* bytes of log followed: bounds a chain that bites its tail */
	struct read_module *module;
	size_t nmodules, cap;
	/* read_retire()'s last finding about the process */
	uint64_t checked;
	int32_t checked_pid;
	bool is_gone;
};

struct read_image;

struct read {
	struct wire_session *s;
	struct wire_session head; /* copy of the static part */
	const struct script *script;

	struct wire_map *map;  /* copies; the epochs are ours and written through */
	struct table *retired; /* per map: what processes that are gone have left */
	bool *can_delete;
	uint32_t nmaps;

	struct read_block *block;
	size_t nblocks, block_cap;
	uint8_t *seen; /* bit per chunk: is the start of a block we know */

	struct read_proc *proc;
	uint64_t load_order;
	uint64_t retire_calls;

	struct read_image *images;

	struct read_totals gone; /* counters of retired blocks; damaged counts here too */
	uint8_t *payload;	 /* of the event being delivered */
};

/* @size bytes at session offset @off if they lie in memory that was handed out and are
 * 8-aligned, else NULL. */
void *read_at(const struct read *r, uint64_t off, uint64_t size);
/* Find blocks that have been added. 0 or -ENOMEM. */
int read_blocks(struct read *r);
/* Processes that have registered so far. */
uint32_t read_nprocs(const struct read *r);
const struct wire_proc *read_wire_proc(const struct read *r, uint32_t proc);

/* Fold @b's entries of map @m into @t. 0 or -ENOMEM. */
int read_fold(struct read *r, const struct read_block *b, uint32_t m, struct table *t);
/* Make @b's entry of @key in keyed map @m count as absent. */
void read_stale(struct read *r, const struct read_block *b, uint32_t m, const void *key);
/* Empty a block's entries of every map, its heap and its ring; its process is gone. */
void read_wipe(struct read *r, const struct read_block *b);

/* How one value of an aggregation is added to another. @from may be shared memory. */
void read_merge(const struct wire_map *m, uint64_t *into, const uint64_t *from, uint32_t nvalues);
/* From the merged form to the one users of read_map() see. */
void read_decode(const struct wire_map *m, uint64_t *value);

/* Is process @pid gone, or dead and not yet waited for? */
bool read_process_gone(int32_t pid);

void read_procs_free(struct read *r);
void read_images_free(struct read *r);

#endif

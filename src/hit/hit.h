/* SPDX-License-Identifier: MIT */
/*
 * What happens at a hit, and what a thread owns for it.
 *
 * A hit touches read-mostly data (the runtime, the session's static tables), the hitting
 * thread's own record and block, and whatever its programs touch (act/act.h). It takes no
 * lock, allocates nothing and makes no system call, except in a thread's first hit.
 */
#ifndef SONDE_HIT_HIT_H
#define SONDE_HIT_HIT_H

#include <stdbool.h>
#include <stdint.h>

#include "act/act.h"
#include "base/base.h"
#include "wire/session.h"

#define HIT_LEVELS 6 /* handlers that signals may nest in one thread; deeper hits are missed */

struct hit_thread {
	struct act_thread act;
	int32_t owner; /* tid that owns the record, 0 = free */
	uint32_t depth;
	uint64_t level_sp[HIT_LEVELS]; /* stack pointer of the hit at each level */
	uint8_t pad[24];
	uint8_t scratch[]; /* HIT_LEVELS * session->max_scratch */
};

/* A site whose only action is { @x = count(); }: where the count is, so that a hit is one addition.
 * off 0: not such a site. */
struct hit_fast {
	const struct wire_map *map;
	uint32_t off; /* of the map's entry in a thread block */
	uint32_t reserved;
};

typedef void (*hit_internal_fn)(struct wire_ctx *ctx);

/* The process's runtime: written before the first probe is live, read by every hit. */
struct hit_runtime {
	struct act_host host;
	const struct wire_site *site;
	const struct wire_action *action;
	const struct wire_prog *prog;
	struct hit_fast *fast; /* per site */
	uint64_t *site_addr;   /* where each site lies in this process */
	uint32_t nsites;
	uint32_t thread_size; /* of one struct hit_thread */
	uint32_t max_threads;
	uint32_t max_scratch;
	struct hit_thread *boot; /* the main thread's record */
	bool sealed;	   /* system calls are restricted: no thread claims a record any more */
	bool no_calls;	   /* seccomp's strict mode: no system call at all */
	bool ready;	   /* a thread pointer has been seen: thread-local storage may be used */
	uint32_t own_proc; /* index of the process that loaded the agent: a fork's parent */
	struct hit_arena *arena;
	hit_internal_fn internal[WIRE_INTERNAL_COUNT]; /* by enum wire_internal */
};

extern struct hit_runtime hit_rt SONDE_HIDDEN;

/* The hit stub (src/arch) and what it calls. */
SONDE_HIDDEN void sonde_hit_stub(void);
SONDE_HIDDEN void sonde_hit(struct wire_ctx *ctx, uint32_t site);

/* Reserve the threads' memory for @s. Not on a hit. 0 or -ENOMEM. */
int hit_init(const struct act_host *host);

/* Claim the record of the main thread before there is a thread pointer: it serves every hit until
 * then. At start, once. False when there is no room. */
bool hit_boot(void);

/* The thread pointer is set and the calling thread is the main one: from here on it finds its
 * record without a system call. */
void hit_ready(void);

/*
 * The calling thread's record; claims one at a thread's first call (system calls, but no lock
 * and no allocation); NULL when there is no room. Signal-safe.
 */
struct hit_thread *hit_thread(void);

/* The calling process's index in the session; registers a forked child. Signal-safe. */
uint32_t hit_proc(void);

#endif

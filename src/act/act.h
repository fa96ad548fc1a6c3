/* SPDX-License-Identifier: MIT */
/*
 * What a hit executes: verify a program once, run it many times.
 *
 * Freestanding: compiled into the agent (general registers only, no libc) and into the tool
 * (BEGIN, END, interval). Everything a program writes is either its thread's own (block,
 * scratch) or an atomic of a shared plain map. A signal handler of the same thread may run
 * programs in the middle of any operation here; every operation stays correct then.
 */
#ifndef SONDE_ACT_ACT_H
#define SONDE_ACT_ACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/session.h"

/* Process-wide services, handed down by the agent or by the tool; read-only after start. */
struct act_host {
	struct wire_session *session;
	uint64_t (*nsecs)(void);
	uint32_t (*cpu)(void);
	/* Copy @n bytes at @addr of this process into @dst; 0, or -EFAULT with nothing promised
	 * about @dst. Must be safe whatever @addr. Never crosses a page more than needed. */
	int (*read)(void *dst, uint64_t addr, uint64_t n);
	/* @n contiguous zeroed chunks of the arena: index of the first, or UINT32_MAX. */
	uint32_t (*chunks)(struct wire_session *s, uint32_t n);
};

/* What one thread owns (private memory of its process). */
struct act_thread {
	const struct act_host *host;
	struct wire_block *block;
	uint32_t proc;
	int32_t pid, tid;
	uint32_t uid, gid;
	uint32_t rand;
	char comm[16];
};

/*
 * Check @prog of @s: every instruction known and well formed, jumps forward and inside, every
 * register and stack byte written before it is read, every memory access inside stack, scratch
 * (scratch_size) or context (read only), every helper known with arguments of the right kind
 * and every buffer long enough for the map or length it is used with. Not on a hit.
 * @work: ACT_VERIFY_WORK bytes, 8-aligned, any content; a program that has more jumps in flight at
 * one place than fit there is refused.
 * 0 or -EINVAL with *at = index of the offending instruction and *why = the reason.
 */
#define ACT_VERIFY_WORK 65536
int act_verify(const struct wire_session *s, uint32_t prog, void *work, uint32_t *at,
	       const char **why);

/* Run a verified program. ctx->scratch must point to the program's scratch_size bytes. Hit. */
uint64_t act_run(struct act_thread *t, const struct wire_prog *prog, struct wire_ctx *ctx);

/* The helpers that the VM dispatches to, also used directly by fast paths. Hit. */
void act_aggregate(struct act_thread *t, uint32_t map, const void *key, int64_t value);

/* Plain maps (src/act/table.c). Any process of the session. @key is NULL for scalar maps.
 * load: 0, or -ENOENT with @value zeroed. store, add: 0 or -ENOSPC; *before gets the old value.
 * delete: 0 or -ENOENT. */
int act_table_load(struct wire_session *s, uint32_t map, const void *key, void *value);
int act_table_store(struct wire_session *s, uint32_t map, const void *key, const void *value);
int act_table_add(struct wire_session *s, uint32_t map, const void *key, int64_t delta,
		  int64_t *before);
int act_table_delete(struct wire_session *s, uint32_t map, const void *key);
/* Is @key there? */
bool act_table_has(struct wire_session *s, uint32_t map, const void *key);

#endif

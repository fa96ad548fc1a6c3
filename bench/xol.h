/* SPDX-License-Identifier: MIT */
/*
 * One way to give threads slots for displaced instructions, as bench_xol sees it.
 */
#ifndef BENCH_XOL_H
#define BENCH_XOL_H

#include <stdbool.h>
#include <stdint.h>

#include "text/text.h"

#define XOL_SLOT 128 /* bytes of a slot's code, in all variants */
#define XOL_EXIT 96  /* where its exit begins */
#define XOL_SITES 64

struct xol_site {
	uint64_t ip, next;
	uint32_t number;
	uint8_t code[16]; /* the instruction, jmp exit */
	uint8_t insn_len, len;
	struct text_xol_insn insn; /* the same for ours */
};

struct xol_variant {
	const char *name;
	void (*start)(uint32_t slots, const struct xol_site *sites);
	/* where to resume; waits if it must */
	uint64_t (*get)(const struct xol_site *site, uint64_t sp);
	/* what the code of slot @at does at its end */
	void (*put)(uint64_t at);
};

extern const struct xol_variant xol_bitmap, xol_refcount, xol_private, xol_per_site;

/* Code to execute at @code and to write at @alias, and data in reach of it. */
struct xol_memory {
	uint8_t *code, *alias, *data;
};
void xol_map(struct xol_memory *m, uint64_t code_size, uint64_t data_size);

/* A 32-bit field at @at of the alias that means @target, relative to @tail bytes behind it. */
void xol_rel32(const struct xol_memory *m, uint8_t *at, const void *target, int tail);

/* What a thread does while all slots are in use: nothing, then others' work. */
void xol_wait(unsigned int *round);

#endif

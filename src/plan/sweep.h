/* SPDX-License-Identifier: MIT */
/*
 * One function decoded from start to end: instruction boundaries, branch targets, its tail.
 */
#ifndef SONDE_PLAN_SWEEP_H
#define SONDE_PLAN_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "image/image.h"

struct sweep_list {
	uint64_t *vaddr;
	size_t n, cap;
};

struct sweep {
	struct image_range range;
	uint8_t *boundary; /* a bit per byte of the function */
	uint8_t *target;   /* a bit per byte: a direct branch of the function leads there */
	uint64_t cap;	   /* bytes of each bitmap */
	uint64_t decoded;  /* the decoder understood everything up to here */
	/* if given: a bit per byte of the image, set for every address that a branch or an operand
	 * means, and for those alone that a call or an operand means */
	uint8_t *outer, *called;
	bool tail_ends;	 /* the last instruction ends the function and never falls through */
	bool tail_calls; /* the last instruction is a call, which may never return */
	/* the indirect jumps, in order of address */
	struct sweep_list indirect;
	/* where direct jumps lead that leave the function, conditional ones apart */
	struct sweep_list jumps, jumps_if;
};

/* 0 or -ENOMEM. Reuses the memory of an earlier sweep in @s. */
int sweep_function(struct sweep *s, const struct image *img, struct image_range range);
void sweep_free(struct sweep *s);

bool sweep_is_boundary(const struct sweep *s, uint64_t vaddr);
/* Some branch leads into [start, end). */
bool sweep_is_target(const struct sweep *s, uint64_t start, uint64_t end);
/* The boundary before @vaddr; false if there is none. */
bool sweep_before(const struct sweep *s, uint64_t vaddr, uint64_t *out);
/* The boundary behind @vaddr; false if there is none. */
bool sweep_after(const struct sweep *s, uint64_t vaddr, uint64_t *out);

#endif

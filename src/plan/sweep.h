/* SPDX-License-Identifier: MIT */
/*
 * One function decoded from start to end: instruction boundaries, branch targets, its tail.
 */
#ifndef SONDE_PLAN_SWEEP_H
#define SONDE_PLAN_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "image/image.h"

struct sweep {
	struct image_range range;
	uint8_t *boundary; /* a bit per byte of the function */
	uint8_t *target;   /* a bit per byte: a direct branch of the function leads there */
	uint64_t cap;	   /* bytes of each bitmap */
	uint64_t decoded;  /* the decoder understood everything up to here */
	uint8_t *outer; /* if given: a bit per byte of the image, set for every direct branch target
			 */
	bool tail_ends; /* the last instruction ends the function and never falls through */
};

/* 0 or -ENOMEM. Reuses the memory of an earlier sweep in @s. */
int sweep_function(struct sweep *s, const struct image *img, struct image_range range);
void sweep_free(struct sweep *s);

bool sweep_is_boundary(const struct sweep *s, uint64_t vaddr);
/* Some branch leads into [start, end). */
bool sweep_is_target(const struct sweep *s, uint64_t start, uint64_t end);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Where control may come from, for all of an image: direct branches, operands that mean code, jump
 * tables, pointers in data, landing pads of exceptions.
 */
#ifndef SONDE_PLAN_FLOW_H
#define SONDE_PLAN_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "image/image.h"

struct sweep;

/* Bits of flow.bound[]. */
enum {
	FLOW_DECODED = 1, /* to its end */
	FLOW_OPEN = 2,	  /* has an indirect jump that may lead anywhere */
	FLOW_PART = 4,	  /* a piece of a function that begins elsewhere */
	FLOW_LABELS = 8,  /* data points to addresses behind its start */
	FLOW_TABLES = 16, /* has indirect jumps */
};

/* What a function's instructions put into registers: addresses relative to themselves. */
struct flow_leas {
	uint64_t start; /* of the function */
	struct flow_lea {
		uint64_t addr;
		uint8_t reg;
	} * lea;
	size_t n, cap;
};

struct flow {
	const struct image *img;
	uint8_t *target; /* a bit per byte of the span */
	uint8_t *bound;	 /* FLOW_* per bound of the image */
	struct flow_leas leas;
};

/* 0 or -ENOMEM. */
int flow_read(const struct image *img, struct flow *out);
void flow_free(struct flow *f);

/* Something leads to an address in [start, end). */
bool flow_leads_into(const struct flow *f, uint64_t start, uint64_t end);
/* All branches inside the function that is bound @bound are known. */
bool flow_is_closed(const struct flow *f, uint64_t bound);

/* What an indirect jump is (table.c). */
enum flow_jump {
	FLOW_JUMP_TABLE,   /* through a table of distances, whose targets are noted */
	FLOW_JUMP_LABELS,  /* through a table of addresses */
	FLOW_JUMP_POINTER, /* to an address from memory, an argument or a result */
	FLOW_JUMP_UNKNOWN,
};

/*
 * Look where the jump at @vaddr of the function that @s holds gets its address from; note in
 * f->target where a table of distances leads.
 */
enum flow_jump flow_follow(struct flow *f, const struct sweep *s, uint64_t vaddr);

#endif

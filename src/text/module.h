/* SPDX-License-Identifier: MIT */
/*
 * An image's sites in this process, for the files of this room.
 */
#ifndef SONDE_TEXT_MODULE_H
#define SONDE_TEXT_MODULE_H

#include "text/islands.h"
#include "text/text.h"

#define TEXT_JMP_SIZE 5
/* of a rel32, with room for instructions */
#define TEXT_REACH (0x7fffffffll - (1ll << 20))

struct text_module {
	struct text_module *next;
	struct text_plans plans;
	struct text_image image;
	bool mapping; /* nobody can have executed the image yet */
	/* per site */
	const struct wire_site **use; /* its plan, or the other one */
	uint64_t *island;	      /* address, 0 = none */
	uint64_t *detour;	      /* where its code lies, 0 = refused */
	bool *on;
	bool *pad; /* its pad (class S2) is written; it stays */
};

extern struct text_module *text_modules SONDE_HIDDEN;

/* A module in the making: addresses. */
struct text_placing {
	struct text_module *m;
	const struct text_job *job;
	struct space space;
	struct islands islands;
	uint64_t pool, pool_size;
};

void text_refuse(struct text_placing *pl, uint32_t i, int err);

/* place.c: the pool and the islands, mapped and writable. 0 or an error. */
int text_place(struct text_placing *pl);
/* write.c: all code, then everything executable. 0 or SONDE_E_PROTECT. */
int text_write(struct text_placing *pl);

/* The distance as a rel32; false if it is out of reach. */
bool text_put_rel32(uint8_t *at, int64_t distance);

#endif

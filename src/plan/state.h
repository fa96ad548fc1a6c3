/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share: an image's planning state, and the site in question.
 */
#ifndef SONDE_PLAN_STATE_H
#define SONDE_PLAN_STATE_H

#include "arch/arch.h"
#include "plan/flow.h"
#include "plan/plan.h"
#include "plan/sweep.h"

#define JMP_SIZE 5
#define DISPLACED_MAX 19 /* bytes of a site's instructions (wire/valid.c) */

struct plan {
	const struct image *img;
	struct sweep sweep; /* of the function asked for last */
	struct sweep other; /* of a neighbour, for its tail */
	uint8_t *tail;	    /* enum tail per bound (padding.c) */
	/* Bytes of the image that sites need: a bit per byte of the span. A byte that one site
	 * relies on (the fixed part of a punned jump) must not change for another. */
	uint8_t *changed, *relied;
	struct flow flow; /* made at first need */
	bool has_flow;
};

struct site {
	struct plan *p;
	uint64_t vaddr;
	struct image_range func;
	size_t bound; /* index of func */
	struct arch_insn insn;
	uint8_t code[4 * ARCH_INSN_MAX]; /* bytes from vaddr on */
	size_t ncode;
	uint64_t old, next_old; /* its quadword, and the one behind it */
	bool has_next;
};

/* A jump of five bytes: which of them change, and what its displacement must keep. */
struct jump {
	bool free[JMP_SIZE]; /* may change to anything */
	unsigned int ncut;   /* bytes up to the last that changes */
	uint32_t mask, value;
};

/* plan.c: the function around @s->vaddr, decoded, and the instruction there. 0 or the reason. */
int plan_look(struct site *s);
/* What every class has in common but its address: old bytes and code. */
void plan_finish(const struct site *s, const struct arch_code *code, struct plan_site *out);
/* Where control may come from in all of the image. 0 or -ENOMEM. */
int plan_need_flow(struct plan *p);

/* claim.c */
bool plan_may_change(const struct plan *p, uint64_t vaddr, unsigned int n);
bool plan_is_changed(const struct plan *p, uint64_t vaddr, unsigned int n);
bool plan_is_relied(const struct plan *p, uint64_t vaddr, unsigned int n);
/* The bytes that @w needs are free of other sites' claims, and are claimed; else false. */
bool plan_claim(struct plan *p, const struct wire_site *w);
/* The same over claims that are another plan's for the same site. */
void plan_claim_over(struct plan *p, const struct wire_site *w);

/* padding.c */
void plan_note_tail(struct plan *p, size_t bound, const struct sweep *s);
/* Index of the first bound that starts behind @vaddr. */
size_t plan_bound_after(const struct image *img, uint64_t vaddr);
bool plan_has_symbol_in(const struct image *img, uint64_t start, uint64_t end);
/* Bytes of unreachable padding behind function @bound, up to @max. */
size_t plan_padding_behind(struct plan *p, size_t bound, size_t max);
/* The same behind an instruction of @s's function that ends at @at and does not fall through; if
 * that lies inside the function, only with @p->flow. */
size_t plan_padding_at(const struct site *s, uint64_t at, size_t max);

/* jump.c: one instruction, in class S0, S1, S2 or S4. 0 or the reason. */
int plan_one(struct site *s, uint32_t classes, struct wire_site *w);
/* Mask and value of @j for the bytes that are not free, which are as they stand. False if they
 * are not in the file, or if every address that they can mean lies inside the image or outside
 * user space. */
bool jump_fits(const struct site *s, struct jump *j);
bool jump_has_place(const struct site *s, const struct jump *j);
/* Few addresses to choose from: none, or 256. */
bool jump_is_poor(const struct jump *j);

/* window.c: several instructions, in class W or S3. 0 or the reason. */
int plan_several(struct plan *p, uint64_t vaddr, uint64_t hit, uint32_t classes,
		 struct plan_site *out);

/* early.c: a jump at an instruction before the one at @vaddr, or a window. 0 or the reason. @sure:
 * not one with few addresses to choose from. */
int plan_early(struct plan *p, uint64_t vaddr, uint32_t classes, bool sure, struct plan_site *out);
int plan_early_window(struct plan *p, uint64_t vaddr, uint32_t classes, struct plan_site *out);
/* Nothing leads to an address in [start, end) of the function, as far as can be known. */
bool plan_is_sealed(const struct plan *p, size_t bound, uint64_t start, uint64_t end);

#endif

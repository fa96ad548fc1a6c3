/* SPDX-License-Identifier: MIT */
/*
 * Where a jump fits, and what code replaces what it covers: the classes of wire/plan.h. Works on
 * an image beside the running program; touches no live code. Tool side, may allocate.
 */
#ifndef SONDE_PLAN_PLAN_H
#define SONDE_PLAN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "image/image.h"
#include "wire/plan.h"

#define PLAN_FIX_MAX 12

/* A site's plan: `site` complete but for offsets, index and actions. */
struct plan_site {
	struct wire_site site;
	uint8_t code[WIRE_SITE_CODE_MAX];
	struct wire_fixup fix[PLAN_FIX_MAX];
};

struct plan; /* one image's planning state: bytes that its sites change or rely on */

int plan_open(const struct image *img, struct plan **out);
void plan_close(struct plan *p);

/* Sets of classes, for plan_site_in(). */
#define PLAN_CLASS(c) (1u << (c))
#define PLAN_ONE_STORE                                                                             \
	(PLAN_CLASS(WIRE_CLASS_S0) | PLAN_CLASS(WIRE_CLASS_S1) | PLAN_CLASS(WIRE_CLASS_S2))
/* Those in which no thread ever meets a trap. */
#define PLAN_NO_TRAP (PLAN_ONE_STORE | PLAN_CLASS(WIRE_CLASS_S4) | PLAN_CLASS(WIRE_CLASS_W))
#define PLAN_ALL (PLAN_NO_TRAP | PLAN_CLASS(WIRE_CLASS_S3) | PLAN_CLASS(WIRE_CLASS_S5) | PLAN_EARLY)
/* The jump may stand before the instruction that is probed, if nothing leads between: the hit then
 * comes at wire_site.hit_at. A thread that is between when the jump is published makes no hit. */
#define PLAN_EARLY (1u << 31)

/*
 * Plan a probe at @vaddr: classes S0, S1 and S2. 0, or the reason: SONDE_E_NOT_CODE,
 * SONDE_E_NO_FUNCTION, SONDE_E_NOT_BOUNDARY, SONDE_E_DECODE, SONDE_E_RELOCATE, SONDE_E_TOO_SHORT,
 * SONDE_E_BRANCH_INTO, SONDE_E_OVERLAP (an earlier site needs these bytes), SONDE_E_UNSAFE.
 * Plan an address once: what a site needs is reserved for it.
 */
int plan_site(struct plan *p, uint64_t vaddr, struct plan_site *out);
/*
 * The same in the first of @classes that fits, in this order: S0, S1 and S2, S4, these of an
 * earlier instruction, W, S3, S5. What each class asks of those who carry it out stands in
 * wire/plan.h; who cannot do it must not ask for it.
 */
int plan_site_in(struct plan *p, uint64_t vaddr, uint32_t classes, struct plan_site *out);
/* What @site needed is free again. The code of a site that was published must not be changed. */
void plan_release(struct plan *p, const struct plan_site *site);

/*
 * Plan a window (class W) that begins at @vaddr; or as another way for @other, a plan of class S1
 * for a probe at @vaddr, and then it may begin before it. 0, or the reason, of which
 * SONDE_E_INDIRECT (the function has a jump that may lead anywhere) is one.
 */
int plan_window(struct plan *p, uint64_t vaddr, const struct plan_site *other,
		struct plan_site *out);

/* What begins at @start is a piece of a function that begins elsewhere (code that the compiler laid
 * apart), as far as can be told. */
bool plan_is_part(struct plan *p, uint64_t start);

enum plan_exit_kind {
	PLAN_EXIT_RETURN,
	PLAN_EXIT_JUMP,	    /* direct tail jump */
	PLAN_EXIT_JUMP_IND, /* indirect tail jump */
	PLAN_EXIT_JUMP_IF,  /* conditional tail jump: execution may as well go on behind it */
};

struct plan_exit {
	uint64_t vaddr;
	enum plan_exit_kind kind;
};

struct plan_exits {
	struct plan_exit *exit; /* in order of address */
	size_t n, cap;
};

/*
 * Where the function that begins at @start is left for good: by its own code and by the parts of it
 * that the compiler laid apart. 0: these are all. Else why there may be more, with those found:
 *   SONDE_E_NO_FUNCTION  no function begins there, but perhaps a part of one
 *   SONDE_E_DECODE       bytes that are no known instruction
 *   SONDE_E_INDIRECT     an indirect jump: neither a tail jump nor through a known table
 *   SONDE_E_SHARED       it goes on in the middle of another function, or falls into one
 *   -ENOMEM
 * Calls that never return, exceptions and longjmp() are no exits. @out is zero at first, or from
 * an earlier call; free with plan_exits_free().
 */
int plan_exits_find(struct plan *p, uint64_t start, struct plan_exits *out);
void plan_exits_free(struct plan_exits *out);
/*
 * Plan all of @e as plan_site_in() does, and so that near ones leave room for each other; site[]
 * has e->n elements. 0, or the reason of the first that has no place; the sites of such are of
 * class WIRE_CLASS_NONE, all others hold.
 */
int plan_exits_place(struct plan *p, const struct plan_exits *e, uint32_t classes,
		     struct plan_site *site);
/* "S0" ... "S5", "W", "none" */
const char *plan_class_name(enum wire_class c);

#endif

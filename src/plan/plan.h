/* SPDX-License-Identifier: MIT */
/*
 * Where a jump fits, and what code replaces what it covers: classes S0, S1, S2 (wire/plan.h).
 * Works on an image beside the running program; touches no live code. Tool side, may allocate.
 */
#ifndef SONDE_PLAN_PLAN_H
#define SONDE_PLAN_PLAN_H

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

/*
 * Plan a probe at @vaddr. 0, or the reason: SONDE_E_NOT_CODE, SONDE_E_NO_FUNCTION,
 * SONDE_E_NOT_BOUNDARY, SONDE_E_DECODE, SONDE_E_RELOCATE, SONDE_E_TOO_SHORT,
 * SONDE_E_BRANCH_INTO, SONDE_E_OVERLAP (an earlier site needs these bytes), SONDE_E_UNSAFE.
 * Plan an address once: what a site needs is reserved for it.
 */
int plan_site(struct plan *p, uint64_t vaddr, struct plan_site *out);

/*
 * Plan a window (class W) at the function entry @vaddr, for a site that plan_site() has refused
 * with SONDE_E_TOO_SHORT (@other NULL), or as another way for one it has given class S1 (@other,
 * that plan). 0, or the reason.
 */
int plan_window(struct plan *p, uint64_t vaddr, const struct plan_site *other,
		struct plan_site *out);

/* "S0", "S1", "S2", "W", "none" */
const char *plan_class_name(enum wire_class c);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The helpers a program can call. Private to the room.
 */
#ifndef SONDE_ACT_HELPER_H
#define SONDE_ACT_HELPER_H

#include "act/act.h"

/* Helper @id (enum wire_helper) with the arguments r1 .. r5 in @arg[0 .. 4]; the result is r0. The
 * verifier has checked number, kinds and lengths. Hit. */
uint64_t act_helper(struct act_thread *t, const struct wire_ctx *ctx, uint32_t id,
		    const uint64_t *arg);

#endif

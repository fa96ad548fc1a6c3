/* SPDX-License-Identifier: MIT */
/*
 * The parts of the verifier. Private to the room. Each returns NULL or the reason of a refusal.
 */
#ifndef SONDE_ACT_CHECK_H
#define SONDE_ACT_CHECK_H

#include "act/state.h"
#include "wire/session.h"

/* Is the instruction known and are the fields it does not use zero? @left: instructions from here
 * to the end of the program (a 64-bit immediate takes two). */
const char *act_check_form(const struct wire_insn *insn, uint32_t left);

/* May helper @id be called in @st? Applies what the call changes. */
const char *act_check_call(const struct wire_session *s, struct act_state *st, int32_t id,
			   uint32_t scratch_size);

#endif

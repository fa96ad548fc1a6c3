/* SPDX-License-Identifier: MIT */
/*
 * What the verifier knows at one place of a program. Private to the room.
 *
 * A register holds nothing usable, a scalar (perhaps of known value) or a pointer at a known
 * distance from its base; a byte of stack or scratch has been written or not.
 */
#ifndef SONDE_ACT_STATE_H
#define SONDE_ACT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/prog.h"

#define ACT_NREGS 11

enum act_kind { ACT_NONE, ACT_SCALAR, ACT_CTX, ACT_STACK, ACT_SCRATCH };

struct act_reg {
	uint8_t kind;  /* enum act_kind */
	bool known;    /* a scalar: value is its value */
	int64_t value; /* a pointer: its distance from the base (the stack's base is its top) */
};

struct act_state {
	struct act_reg r[ACT_NREGS];
	uint8_t stack[WIRE_STACK_SIZE / 8];    /* one bit per byte: written */
	uint8_t scratch[WIRE_SCRATCH_MAX / 8]; /* likewise */
};

/* The state in which programs start. */
void act_state_start(struct act_state *st);
/* What is certain in both; the result is in @into. */
void act_state_merge(struct act_state *into, const struct act_state *other);

static inline struct act_reg act_unknown(void)
{
	return (struct act_reg){.kind = ACT_SCALAR};
}

static inline struct act_reg act_constant(int64_t value)
{
	return (struct act_reg){.kind = ACT_SCALAR, .known = true, .value = value};
}

/*
 * May @n bytes at pointer @p + @offset be read, or written? NULL, or the reason why not.
 * Writing marks them as written.
 */
const char *act_state_read(const struct act_state *st, const struct act_reg *p, int64_t offset,
			   uint64_t n, uint32_t scratch_size);
const char *act_state_write(struct act_state *st, const struct act_reg *p, int64_t offset,
			    uint64_t n, uint32_t scratch_size);

#endif

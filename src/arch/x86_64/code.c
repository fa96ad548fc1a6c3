/* SPDX-License-Identifier: MIT */
/*
 * The writer of position-independent code: bytes, fixups and literals.
 *
 * Invariant: what does not fit sets `overflow` and is dropped; nothing writes past the end.
 * Context: tool, any thread.
 */
#include "arch/x86_64/x86.h"

#include <string.h>

#include "base/base.h"
#include "base/err.h"

void x86_put(struct arch_code *c, const void *bytes, size_t n)
{
	if (n > sizeof(c->code) - c->len) {
		c->overflow = true;
		return;
	}
	memcpy(c->code + c->len, bytes, n);
	c->len = (uint16_t)(c->len + n);
}

void x86_put8(struct arch_code *c, uint8_t byte)
{
	x86_put(c, &byte, 1);
}

void x86_fix(struct arch_code *c, uint32_t at, enum wire_fixup_kind kind, uint8_t tail,
	     uint64_t target)
{
	if (c->nfix == ARRAY_LEN(c->fix)) {
		c->overflow = true;
		return;
	}
	c->fix[c->nfix++] = (struct wire_fixup){
		.at = (uint16_t)at,
		.kind = (uint8_t)kind,
		.tail = tail,
		.target = target,
	};
}

void x86_put_rel32(struct arch_code *c, uint64_t target)
{
	x86_fix(c, c->len, WIRE_FIX_REL32, 0, target);
	x86_put(c, "\0\0\0", 4);
}

void x86_put_literal(struct arch_code *c, uint64_t target)
{
	if (c->nlit == ARRAY_LEN(c->lit_at)) {
		c->overflow = true;
		return;
	}
	c->lit_at[c->nlit] = c->len;
	c->lit_target[c->nlit++] = target;
	x86_put(c, "\0\0\0", 4);
}

void x86_put_jump(struct arch_code *c, uint64_t target)
{
	x86_put8(c, 0xe9);
	x86_put_rel32(c, target);
}

void x86_put_jump_far(struct arch_code *c, uint64_t target)
{
	x86_put(c, "\xff\x25", 2);
	x86_put_literal(c, target);
}

int arch_code_finish(struct arch_code *c)
{
	for (unsigned i = 0; i < c->nlit && !c->overflow; i++) {
		int32_t rel = (int32_t)c->len - (int32_t)(c->lit_at[i] + 4);

		memcpy(c->code + c->lit_at[i], &rel, sizeof(rel));
		x86_fix(c, c->len, WIRE_FIX_ABS64, 0, c->lit_target[i]);
		x86_put(c, "\0\0\0\0\0\0\0", 8);
	}
	c->nlit = 0;
	return c->overflow ? SONDE_E_RELOCATE : 0;
}

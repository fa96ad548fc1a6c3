/* SPDX-License-Identifier: MIT */
/*
 * Linear sweep over one function. Context: tool.
 */
#include "plan/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/base.h"

#define WINDOW 4096u

static void set_bit(uint8_t *map, uint64_t i)
{
	map[i / 8] |= (uint8_t)(1u << (i % 8));
}

static bool get_bit(const uint8_t *map, uint64_t i)
{
	return map[i / 8] >> (i % 8) & 1;
}

static int reserve(struct sweep *s, uint64_t size)
{
	uint64_t bytes = size / 8 + 1;

	if (bytes > s->cap) {
		free(s->boundary);
		free(s->target);
		s->boundary = malloc(bytes);
		s->target = malloc(bytes);
		s->cap = s->boundary && s->target ? bytes : 0;
		if (!s->cap)
			return -ENOMEM;
	}
	memset(s->boundary, 0, bytes);
	memset(s->target, 0, bytes);
	return 0;
}

int sweep_function(struct sweep *s, const struct image *img, struct image_range range)
{
	uint8_t code[WINDOW + ARCH_INSN_MAX];
	uint64_t at = range.start, base = 0;
	size_t have = 0;
	int err = reserve(s, range.end - range.start);

	if (err)
		return err;
	s->range = range;
	s->tail_ends = false;
	while (at < range.end) {
		struct arch_insn in;
		size_t left;

		if (at - base + ARCH_INSN_MAX > have) {
			base = at;
			have = image_bytes(img, at, code, sizeof(code));
		}
		left = have > at - base ? have - (at - base) : 0;
		if (left > range.end - at)
			left = range.end - at;
		if (!left || arch_step(code + (at - base), left, at, &in))
			break;
		set_bit(s->boundary, at - range.start);
		if (in.has_target && in.kind != ARCH_ORDINARY) {
			if (in.target >= range.start && in.target < range.end)
				set_bit(s->target, in.target - range.start);
			if (s->outer && in.target >= img->span.start && in.target < img->span.end)
				set_bit(s->outer, in.target - img->span.start);
		}
		at += in.len;
		s->tail_ends = at == range.end && !arch_falls_through(in.kind);
	}
	s->decoded = at;
	return 0;
}

void sweep_free(struct sweep *s)
{
	free(s->boundary);
	free(s->target);
	*s = (struct sweep){0};
}

bool sweep_is_boundary(const struct sweep *s, uint64_t vaddr)
{
	return vaddr >= s->range.start && vaddr < s->range.end &&
	       get_bit(s->boundary, vaddr - s->range.start);
}

bool sweep_is_target(const struct sweep *s, uint64_t start, uint64_t end)
{
	for (uint64_t v = start; v < end && v < s->range.end; v++) {
		if (get_bit(s->target, v - s->range.start))
			return true;
	}
	return false;
}

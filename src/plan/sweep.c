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

static int add(struct sweep_list *l, uint64_t vaddr)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		uint64_t *mem = realloc(l->vaddr, cap * sizeof(*mem));

		if (!mem)
			return -ENOMEM;
		l->vaddr = mem;
		l->cap = cap;
	}
	l->vaddr[l->n++] = vaddr;
	return 0;
}

static int note_target(struct sweep *s, const struct image *img, const struct arch_insn *in)
{
	const struct image_range *r = &s->range;
	bool is_jump = in->kind == ARCH_JMP || in->kind == ARCH_JCC || in->kind == ARCH_LOOP;

	if (in->target >= img->span.start && in->target < img->span.end) {
		if (s->outer)
			set_bit(s->outer, in->target - img->span.start);
		if (s->called && !is_jump)
			set_bit(s->called, in->target - img->span.start);
	}
	if (in->target >= r->start && in->target < r->end) {
		if (in->kind != ARCH_ORDINARY)
			set_bit(s->target, in->target - r->start);
		return 0;
	}
	return is_jump ? add(in->kind == ARCH_JMP ? &s->jumps : &s->jumps_if, in->target) : 0;
}

static int note(struct sweep *s, const struct image *img, uint64_t at, const struct arch_insn *in)
{
	set_bit(s->boundary, at - s->range.start);
	if (in->kind == ARCH_JMP_IND)
		return add(&s->indirect, at);
	return in->has_target ? note_target(s, img, in) : 0;
}

int sweep_function(struct sweep *s, const struct image *img, struct image_range range)
{
	uint8_t code[WINDOW + ARCH_INSN_MAX];
	uint64_t at = range.start, base = 0;
	size_t have = 0;
	int err = reserve(s, range.end - range.start);

	s->range = range;
	s->tail_ends = s->tail_calls = false;
	s->indirect.n = s->jumps.n = s->jumps_if.n = 0;
	while (!err && at < range.end) {
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
		err = note(s, img, at, &in);
		at += in.len;
		s->tail_ends = at == range.end && !arch_falls_through(in.kind);
		s->tail_calls =
			at == range.end && (in.kind == ARCH_CALL || in.kind == ARCH_CALL_IND);
	}
	s->decoded = at;
	return err;
}

void sweep_free(struct sweep *s)
{
	free(s->boundary);
	free(s->target);
	free(s->indirect.vaddr);
	free(s->jumps.vaddr);
	free(s->jumps_if.vaddr);
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

bool sweep_before(const struct sweep *s, uint64_t vaddr, uint64_t *out)
{
	for (uint64_t v = vaddr; v-- > s->range.start;) {
		if (sweep_is_boundary(s, v)) {
			*out = v;
			return true;
		}
	}
	return false;
}

bool sweep_after(const struct sweep *s, uint64_t vaddr, uint64_t *out)
{
	for (uint64_t v = vaddr + 1; v < s->range.end; v++) {
		if (sweep_is_boundary(s, v)) {
			*out = v;
			return true;
		}
	}
	return false;
}

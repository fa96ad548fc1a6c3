/* SPDX-License-Identifier: MIT */
/*
 * Buckets of hist() and lhist(): which of them to show, what they hold, what they are called.
 *
 * hist(n, k): behind the buckets of negatives and 0 .. 2^k-1, bucket numbers count mantissas:
 * with j = number - 1, the bucket starts at (2^k + j % 2^k) << (j / 2^k - 1) and is as wide as
 * that shift. Bounds of 1024 and more are written with the suffix of the width, not of the bound.
 */
#include "show/rows.h"

struct show_hist show_hist_span(const struct script_map *m, const uint64_t *value)
{
	struct show_hist h = {.first = 1, .last = 0};
	bool any = false;

	for (uint32_t i = 0; i < m->wire.value_size / 8; i++) {
		if (!value[i])
			continue;
		if (!any)
			h.first = i;
		any = true;
		h.last = i;
		if (value[i] > h.max)
			h.max = value[i];
	}
	return h;
}

/* Shift and mantissa of the start of hist bucket @i, i > 2^k. */
static void split(uint32_t k, uint32_t i, uint32_t *shift, uint64_t *mantissa)
{
	uint32_t j = i - 1;

	*shift = (j >> k) - 1;
	*mantissa = (1ull << k) + (j & ((1u << k) - 1));
}

static struct show_bounds hist_bounds(const struct wire_map *m, uint32_t i)
{
	struct show_bounds b = {.has_from = true, .has_to = true};
	uint32_t shift;
	uint64_t mantissa;

	if (i == 0) {
		b.has_from = false;
		b.to = (struct show_number){.is_signed = true, .v = (uint64_t)-1};
		return b;
	}
	if (i <= 1u << m->hist_bits) {
		b.from.v = b.to.v = i - 1;
		return b;
	}
	split(m->hist_bits, i, &shift, &mantissa);
	b.from.v = mantissa << shift;
	b.to.v = b.from.v + ((1ull << shift) - 1);
	return b;
}

static struct show_bounds lhist_bounds(const struct wire_map *m, uint32_t i)
{
	uint32_t above = wire_lhist_buckets(m->lhist_min, m->lhist_max, m->lhist_step) - 1;
	struct show_bounds b = {.has_from = i > 0, .has_to = i < above};
	uint64_t min = (uint64_t)m->lhist_min, step = (uint64_t)m->lhist_step;

	b.from.is_signed = b.to.is_signed = true;
	b.from.v = i == above ? (uint64_t)m->lhist_max : min + (i - 1) * step;
	b.to.v = min + i * step - 1;
	return b;
}

struct show_bounds show_bounds(const struct wire_map *m, uint32_t i)
{
	return m->kind == WIRE_MAP_HIST ? hist_bounds(m, i) : lhist_bounds(m, i);
}

/* The start of hist bucket @i. Also for the number behind the last bucket, 2^64. */
static void hist_start(uint32_t k, uint32_t i, struct show_buf *out)
{
	static const char suffix[] = {0, 'K', 'M', 'G', 'T', 'P', 'E'};
	uint32_t shift;
	uint64_t mantissa;

	if (i <= 1u << k) {
		show_buf_printf(out, "%u", i - 1);
		return;
	}
	split(k, i, &shift, &mantissa);
	show_buf_printf(out, "%llu", (unsigned long long)(mantissa << shift % 10));
	if (suffix[shift / 10])
		show_buf_add(out, &suffix[shift / 10], 1);
}

static void hist_label(const struct wire_map *m, uint32_t i, struct show_buf *out)
{
	struct show_bounds b = hist_bounds(m, i);

	if (!b.has_from) {
		show_buf_str(out, "(..., 0)");
		return;
	}
	show_buf_str(out, "[");
	hist_start(m->hist_bits, i, out);
	if (b.from.v == b.to.v) {
		show_buf_str(out, "]");
		return;
	}
	show_buf_str(out, ", ");
	hist_start(m->hist_bits, i + 1, out);
	show_buf_str(out, ")");
}

static void lhist_bound(const struct wire_map *m, int64_t v, struct show_buf *out)
{
	const char *suffix = "";

	/* suffixes only where every bound can have one */
	if (m->lhist_step % 1024 == 0 && v != 0 && v % 1024 == 0) {
		suffix = v % (1024 * 1024) == 0 ? "M" : "K";
		v /= v % (1024 * 1024) == 0 ? 1024 * 1024 : 1024;
	}
	show_buf_printf(out, "%lld%s", (long long)v, suffix);
}

static void lhist_label(const struct wire_map *m, uint32_t i, struct show_buf *out)
{
	struct show_bounds b = lhist_bounds(m, i);

	show_buf_str(out, b.has_from ? "[" : "(...");
	if (b.has_from)
		lhist_bound(m, (int64_t)b.from.v, out);
	show_buf_str(out, ", ");
	if (b.has_to)
		lhist_bound(m, (int64_t)(b.to.v + 1), out);
	show_buf_str(out, b.has_to ? ")" : "...)");
}

void show_bucket_label(const struct wire_map *m, uint32_t i, struct show_buf *out)
{
	if (m->kind == WIRE_MAP_HIST)
		hist_label(m, i, out);
	else
		lhist_label(m, i, out);
}

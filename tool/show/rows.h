/* SPDX-License-Identifier: MIT */
/*
 * What the formats share about maps: the order of rows, the numbers to show, the bounds of a
 * histogram's buckets. Private to the room.
 */
#ifndef SONDE_SHOW_ROWS_H
#define SONDE_SHOW_ROWS_H

#include "show/show.h"

struct show_rows {
	const struct read_row **row;
	size_t n;
};

/* Rows in the order to show, smallest first, only the @top last ones if @top > 0. Stats maps are
 * always shown whole. */
int show_rows(const struct script_map *m, const struct read_map *rows, int64_t top,
	      struct show_rows *out);

/* The one number of a row that is not a histogram or a string: count, sum, average, extreme ... */
struct show_number {
	bool is_signed;
	uint64_t v;
};

struct show_number show_row_number(const struct script_map *m, const uint64_t *value);
struct show_number show_divide(struct show_number x, int64_t div);
void show_number(struct show_number x, struct show_buf *out);

struct show_stats {
	uint64_t count;
	struct show_number average, total;
};

struct show_stats show_row_stats(const struct script_map *m, const uint64_t *value);

static inline bool show_is_hist(const struct script_map *m)
{
	return m->wire.kind == WIRE_MAP_HIST || m->wire.kind == WIRE_MAP_LHIST;
}

static inline bool show_is_stats(const struct script_map *m)
{
	return m->wire.kind == WIRE_MAP_AVG || m->wire.kind == WIRE_MAP_STATS;
}

/* A histogram's filled part: buckets first .. last, or first > last when nothing was counted. */
struct show_hist {
	uint32_t first, last;
	uint64_t max;
};

struct show_hist show_hist_span(const struct script_map *m, const uint64_t *value);

/* Bucket @i holds values from .. to, both included, as far as it is bounded. */
struct show_bounds {
	bool has_from, has_to;
	struct show_number from, to;
};

struct show_bounds show_bounds(const struct wire_map *m, uint32_t i);
/* "[4, 8)", "[1K, 2K)", "[7]", "(..., 0)", "[100, ...)" */
void show_bucket_label(const struct wire_map *m, uint32_t i, struct show_buf *out);

#endif

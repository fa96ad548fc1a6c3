/* SPDX-License-Identifier: MIT */
/*
 * Order and numbers of a map's rows. Rows are sorted by value, ascending; average and stats maps
 * by average, histograms by how much they counted, equal ones (and maps of strings) by key.
 */
#include "show/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ranked {
	const struct read_row *row;
	const struct script_map *m;
	struct show_number rank;
};

struct show_number show_row_number(const struct script_map *m, const uint64_t *value)
{
	struct show_number x = {.is_signed = m->wire.is_signed, .v = value[0]};

	switch (m->wire.kind) {
	case WIRE_MAP_PLAIN:
		x.is_signed = m->value.is_signed;
		break;
	case WIRE_MAP_COUNT:
		x.is_signed = false;
		break;
	case WIRE_MAP_AVG:
	case WIRE_MAP_STATS:
		return show_row_stats(m, value).average;
	case WIRE_MAP_HIST:
	case WIRE_MAP_LHIST:
		x = (struct show_number){0};
		for (uint32_t i = 0; i < m->wire.value_size / 8; i++)
			x.v += value[i];
		break;
	default:
		break;
	}
	return x;
}

struct show_number show_divide(struct show_number x, int64_t div)
{
	if (div <= 1)
		return x;
	if (x.is_signed)
		x.v = (uint64_t)((int64_t)x.v / div);
	else
		x.v /= (uint64_t)div;
	return x;
}

void show_number(struct show_number x, struct show_buf *out)
{
	if (x.is_signed)
		show_buf_printf(out, "%lld", (long long)x.v);
	else
		show_buf_printf(out, "%llu", (unsigned long long)x.v);
}

struct show_stats show_row_stats(const struct script_map *m, const uint64_t *value)
{
	struct show_stats s = {.count = value[1],
			       .total = {.is_signed = m->wire.is_signed, .v = value[0]}};

	s.average = s.total;
	if (!s.count)
		s.average.v = 0;
	else if (s.count <= INT64_MAX)
		s.average = show_divide(s.total, (int64_t)s.count);
	return s;
}

static int compare(struct show_number a, struct show_number b)
{
	if (a.is_signed)
		return ((int64_t)a.v > (int64_t)b.v) - ((int64_t)a.v < (int64_t)b.v);
	return (a.v > b.v) - (a.v < b.v);
}

static int compare_keys(const struct script_map *m, const uint8_t *a, const uint8_t *b)
{
	for (uint32_t i = 0; i < m->nkeys; i++) {
		const struct script_type *t = &m->key[i];
		struct show_number x = {.is_signed = t->is_signed}, y = x;
		int c;

		if (t->kind == SCRIPT_STR) {
			c = memcmp(a, b, t->size);
		} else {
			memcpy(&x.v, a, sizeof(x.v));
			memcpy(&y.v, b, sizeof(y.v));
			c = compare(x, y);
		}
		if (c)
			return c;
		a += t->size;
		b += t->size;
	}
	return 0;
}

static int compare_rows(const void *pa, const void *pb)
{
	const struct ranked *a = pa, *b = pb;
	int c = compare(a->rank, b->rank);

	return c ? c : compare_keys(a->m, a->row->key, b->row->key);
}

int show_rows(const struct script_map *m, const struct read_map *rows, int64_t top,
	      struct show_rows *out)
{
	bool is_number = m->wire.kind != WIRE_MAP_PLAIN || m->value.kind == SCRIPT_INT;
	size_t skip = 0;
	struct ranked *v;

	*out = (struct show_rows){0};
	v = calloc(rows->nrows + 1, sizeof(*v));
	out->row = calloc(rows->nrows + 1, sizeof(*out->row));
	if (!v || !out->row) {
		free(v);
		free(out->row);
		return -ENOMEM;
	}
	for (size_t i = 0; i < rows->nrows; i++) {
		v[i].row = &rows->row[i];
		v[i].m = m;
		if (is_number)
			v[i].rank = show_row_number(m, rows->row[i].value);
	}
	qsort(v, rows->nrows, sizeof(*v), compare_rows);
	if (top > 0 && m->wire.kind != WIRE_MAP_STATS && (uint64_t)top < rows->nrows)
		skip = rows->nrows - (size_t)top;
	for (size_t i = skip; i < rows->nrows; i++)
		out->row[out->n++] = v[i].row;
	free(v);
	return 0;
}

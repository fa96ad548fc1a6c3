/* SPDX-License-Identifier: MIT */
/*
 * Text as bpftrace prints it: a line per row, histograms as bars of 52 columns under a line of
 * their own; an empty line follows every histogram and every average or stats map.
 */
#include <stdlib.h>

#include "show/formats.h"
#include "show/rows.h"

#define BAR "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@"
#define BAR_WIDTH ((int)sizeof(BAR) - 1)

static void put(struct show *s, struct show_buf *b)
{
	if (b->n)
		fwrite(b->p, 1, b->n, s->out);
	show_buf_free(b);
}

static void text_attached(struct show *s, uint32_t probes)
{
	fprintf(s->out, "Attached %u probe%s\n", probes, probes == 1 ? "" : "s");
}

static void text_printf(struct show *s, const char *text, size_t len)
{
	fwrite(text, 1, len, s->out);
}

static void add_hist(const struct script_map *m, const uint64_t *value, int64_t div,
		     struct show_buf *out)
{
	struct show_hist h = show_hist_span(m, value);

	for (uint32_t i = h.first; i <= h.last; i++) {
		/* single precision: the same rounding as everybody else's bars */
		int width = (int)((float)value[i] / (float)h.max * (float)BAR_WIDTH);
		struct show_number count = {.v = value[i]};
		struct show_buf label = {0};

		if (m->wire.kind == WIRE_MAP_HIST)
			count = show_divide(count, div);
		show_bucket_label(&m->wire, i, &label);
		show_buf_printf(out, "%-16s%8llu |%-*.*s|\n", show_buf_text(&label),
				(unsigned long long)count.v, BAR_WIDTH, width, BAR);
		show_buf_free(&label);
	}
}

static void add_stats(const struct script_map *m, const uint64_t *value, struct show_buf *out)
{
	struct show_stats st = show_row_stats(m, value);

	show_buf_printf(out, "count %llu, average ", (unsigned long long)st.count);
	show_number(st.average, out);
	show_buf_str(out, ", total ");
	show_number(st.total, out);
}

/* A row's value; a histogram's bars bring their own line ends. */
static void add_value(struct show *s, const struct script_map *m, const uint64_t *value,
		      int64_t div, struct show_buf *out)
{
	if (show_is_hist(m))
		add_hist(m, value, div, out);
	else if (m->wire.kind == WIRE_MAP_STATS)
		add_stats(m, value, out);
	else if (m->wire.kind == WIRE_MAP_PLAIN && m->value.kind != SCRIPT_INT)
		show_value(&s->names, &m->value, value, out);
	else
		show_number(show_divide(show_row_number(m, value), div), out);
}

static void add_row(struct show *s, const struct script_map *m, const struct read_row *row,
		    int64_t div, struct show_buf *out)
{
	show_buf_str(out, m->name);
	if (m->wire.key_size) {
		show_buf_str(out, "[");
		show_key(&s->names, m, row->key, ", ", out);
		show_buf_str(out, "]");
	}
	show_buf_str(out, show_is_hist(m) ? ": \n" : ": ");
	add_value(s, m, row->value, div, out);
	show_buf_str(out, "\n");
}

static void text_map(struct show *s, const struct script_map *m, const struct read_map *rows,
		     int64_t top, int64_t div)
{
	struct show_buf b = {0};
	struct show_rows order;

	if (!m->wire.key_size && !rows->nrows) {
		struct read_row nothing = {.value = calloc(1, m->wire.value_size)};

		if (nothing.value)
			add_row(s, m, &nothing, div, &b);
		free((void *)(uintptr_t)nothing.value);
	} else if (show_rows(m, rows, top, &order) == 0) {
		for (size_t i = 0; i < order.n; i++)
			add_row(s, m, order.row[i], div, &b);
		free(order.row);
	}
	if (show_is_stats(m) && b.n)
		show_buf_str(&b, "\n");
	put(s, &b);
}

static void text_value(struct show *s, const struct script_type *t, const void *data)
{
	struct show_buf b = {0};

	show_value(&s->names, t, data, &b);
	show_buf_str(&b, "\n");
	put(s, &b);
}

static void text_elem(struct show *s, const struct script_map *m, const struct read_row *row)
{
	struct show_buf b = {0};
	uint64_t *nothing = calloc(1, m->wire.value_size);

	if (row || nothing)
		add_value(s, m, row ? row->value : nothing, 1, &b);
	if (!show_is_hist(m))
		show_buf_str(&b, "\n");
	put(s, &b);
	free(nothing);
}

static void text_lost(struct show *s, uint64_t events)
{
	fprintf(s->out, "Lost %llu events\n", (unsigned long long)events);
}

static void text_rt_error(struct show *s, enum wire_rt_error kind, uint64_t count)
{
	fprintf(s->out, "WARNING: %s (%llu times)\n", show_rt_text(kind),
		(unsigned long long)count);
}

static void text_end(struct show *s)
{
	fputs("\n\n", s->out);
}

const struct show_ops show_text = {
	.name = "text",
	.attached = text_attached,
	.printf = text_printf,
	.time = text_printf,
	.map = text_map,
	.value = text_value,
	.elem = text_elem,
	.lost = text_lost,
	.rt_error = text_rt_error,
	.end = text_end,
};

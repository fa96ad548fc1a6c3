/* SPDX-License-Identifier: MIT */
/*
 * One JSON object per line, with bpftrace's types and shapes.
 *
 * Every line is valid JSON in UTF-8 whatever bytes the observed program delivers: well-formed
 * sequences pass, any other byte becomes the character of that number (\u0080 .. \u00ff).
 */
#include <stdlib.h>

#include "show/formats.h"
#include "show/rows.h"

/* Length of the well-formed UTF-8 sequence at @p, 0 if there is none. */
static size_t sequence(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (!len || p[0] > 0xf4 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	/* overlong forms, surrogates, beyond U+10FFFF */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static void add_char(struct show_buf *out, unsigned char c)
{
	static const char plain[] = {
		['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"', ['\\'] = '\\'};

	if (c < sizeof(plain) && plain[c])
		show_buf_printf(out, "\\%c", plain[c]);
	else if (c < 0x20 || c >= 0x80)
		show_buf_printf(out, "\\u%04x", c);
	else
		show_buf_add(out, (const char *)&c, 1);
}

static void add_string(struct show_buf *out, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	show_buf_str(out, "\"");
	for (size_t i = 0; i < n;) {
		size_t len = sequence(p + i, n - i);

		if (len > 1)
			show_buf_add(out, s + i, len);
		else
			add_char(out, p[i]);
		i += len ? len : 1;
	}
	show_buf_str(out, "\"");
}

static void open_object(struct show_buf *out, const char *type)
{
	show_buf_printf(out, "{\"type\": \"%s\", \"data\": ", type);
}

static void put(struct show *s, struct show_buf *b)
{
	show_buf_str(b, "}\n");
	fwrite(b->p ? b->p : "", 1, b->n, s->out);
	show_buf_free(b);
}

static void put_text(struct show *s, const char *type, const char *text, size_t len)
{
	struct show_buf b = {0};

	open_object(&b, type);
	add_string(&b, text, len);
	put(s, &b);
}

static void json_attached(struct show *s, uint32_t probes)
{
	fprintf(s->out, "{\"type\": \"attached_probes\", \"data\": {\"probes\": %u}}\n", probes);
}

static void json_printf(struct show *s, const char *text, size_t len)
{
	put_text(s, "printf", text, len);
}

static void json_time(struct show *s, const char *text, size_t len)
{
	put_text(s, "time", text, len);
}

static void add_typed(struct show *s, const struct script_type *t, const void *data,
		      struct show_buf *out)
{
	struct show_buf text = {0};

	show_value(&s->names, t, data, &text);
	if (t->kind == SCRIPT_INT)
		show_buf_str(out, show_buf_text(&text));
	else
		add_string(out, show_buf_text(&text), text.n);
	show_buf_free(&text);
}

static void add_bound(const char *name, struct show_number x, struct show_buf *out)
{
	show_buf_printf(out, "\"%s\": ", name);
	show_number(x, out);
	show_buf_str(out, ", ");
}

static void add_hist(const struct script_map *m, const uint64_t *value, int64_t div,
		     struct show_buf *out)
{
	struct show_hist h = show_hist_span(m, value);

	show_buf_str(out, "[");
	for (uint32_t i = h.first; i <= h.last; i++) {
		struct show_bounds b = show_bounds(&m->wire, i);
		struct show_number count = {.v = value[i]};

		if (m->wire.kind == WIRE_MAP_HIST)
			count = show_divide(count, div);
		show_buf_str(out, i == h.first ? "{" : ", {");
		if (b.has_from)
			add_bound("min", b.from, out);
		if (b.has_to)
			add_bound("max", b.to, out);
		show_buf_printf(out, "\"count\": %llu}", (unsigned long long)count.v);
	}
	show_buf_str(out, "]");
}

static void add_stats(const struct script_map *m, const uint64_t *value, struct show_buf *out)
{
	struct show_stats st = show_row_stats(m, value);

	show_buf_printf(out, "{\"count\": %llu, \"average\": ", (unsigned long long)st.count);
	show_number(st.average, out);
	show_buf_str(out, ", \"total\": ");
	show_number(st.total, out);
	show_buf_str(out, "}");
}

static void add_value(struct show *s, const struct script_map *m, const uint64_t *value,
		      int64_t div, struct show_buf *out)
{
	if (show_is_hist(m))
		add_hist(m, value, div, out);
	else if (m->wire.kind == WIRE_MAP_STATS)
		add_stats(m, value, out);
	else if (m->wire.kind == WIRE_MAP_PLAIN && m->value.kind != SCRIPT_INT)
		add_typed(s, &m->value, value, out);
	else
		show_number(show_divide(show_row_number(m, value), div), out);
}

static void add_nothing(struct show *s, const struct script_map *m, struct show_buf *out)
{
	uint64_t *nothing = calloc(1, m->wire.value_size);

	if (nothing)
		add_value(s, m, nothing, 1, out);
	else
		show_buf_str(out, "null");
	free(nothing);
}

static void add_keyed(struct show *s, const struct script_map *m, const struct show_rows *order,
		      int64_t div, struct show_buf *out)
{
	show_buf_str(out, "{");
	for (size_t i = 0; i < order->n; i++) {
		struct show_buf key = {0};

		if (i)
			show_buf_str(out, ", ");
		show_key(&s->names, m, order->row[i]->key, ",", &key);
		add_string(out, show_buf_text(&key), key.n);
		show_buf_str(out, ": ");
		add_value(s, m, order->row[i]->value, div, out);
		show_buf_free(&key);
	}
	show_buf_str(out, "}");
}

static void json_map(struct show *s, const struct script_map *m, const struct read_map *rows,
		     int64_t top, int64_t div)
{
	struct show_buf b = {0};
	struct show_rows order;

	if (show_rows(m, rows, top, &order) != 0)
		return;
	open_object(&b, show_is_hist(m) ? "hist" : show_is_stats(m) ? "stats" : "map");
	show_buf_printf(&b, "{\"%s\": ", m->name);
	if (m->wire.key_size)
		add_keyed(s, m, &order, div, &b);
	else if (order.n)
		add_value(s, m, order.row[0]->value, div, &b);
	else
		add_nothing(s, m, &b);
	show_buf_str(&b, "}");
	put(s, &b);
	free(order.row);
}

static void json_value(struct show *s, const struct script_type *t, const void *data)
{
	struct show_buf b = {0};

	open_object(&b, "value");
	add_typed(s, t, data, &b);
	put(s, &b);
}

static void json_elem(struct show *s, const struct script_map *m, const struct read_row *row)
{
	struct show_buf b = {0};

	open_object(&b, "value");
	if (row)
		add_value(s, m, row->value, 1, &b);
	else
		add_nothing(s, m, &b);
	put(s, &b);
}

static void json_lost(struct show *s, uint64_t events)
{
	fprintf(s->out, "{\"type\": \"lost_events\", \"data\": {\"events\": %llu}}\n",
		(unsigned long long)events);
}

static void json_rt_error(struct show *s, enum wire_rt_error kind, uint64_t count)
{
	fprintf(s->out, "{\"type\": \"runtime_error\", \"msg\": \"%s\", \"count\": %llu}\n",
		show_rt_text(kind), (unsigned long long)count);
}

static void json_end(struct show *s)
{
	(void)s;
}

const struct show_ops show_json = {
	.name = "json",
	.attached = json_attached,
	.printf = json_printf,
	.time = json_time,
	.map = json_map,
	.value = json_value,
	.elem = json_elem,
	.lost = json_lost,
	.rt_error = json_rt_error,
	.end = json_end,
};

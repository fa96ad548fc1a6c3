/* SPDX-License-Identifier: MIT */
/*
 * printf() of the script: the format text was written by the user, the arguments come from the
 * observed program. A directive is parsed into parts and rebuilt for the C library, so that no
 * length, width or conversion reaches it that was not understood here.
 */
#include <stdio.h>
#include <string.h>

#include "show/show.h"

#define WIDTH_MAX 4096

enum length { LEN_INT, LEN_CHAR, LEN_SHORT, LEN_LONG };

struct directive {
	char flags[6];
	int width;     /* -1 = none */
	int precision; /* -1 = none */
	enum length length;
	char conv;
};

static const char *parse_number(const char *p, int *out)
{
	int v = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (*p - '0');
		if (v > WIDTH_MAX)
			v = WIDTH_MAX;
	}
	*out = v;
	return p;
}

static const char *parse_length(const char *p, enum length *out)
{
	*out = LEN_INT;
	if (*p == 'h') {
		*out = p[1] == 'h' ? LEN_CHAR : LEN_SHORT;
		return p + (p[1] == 'h' ? 2 : 1);
	}
	if (*p == 'l' && p[1] == 'l')
		p++;
	if (*p && strchr("ljzt", *p)) {
		*out = LEN_LONG;
		p++;
	}
	return p;
}

/* The directive behind a %; returns what follows it, NULL if it is none. */
static const char *parse(const char *p, struct directive *d)
{
	size_t n = 0;

	*d = (struct directive){.width = -1, .precision = -1};
	while (*p && strchr("-+ #0", *p)) {
		if (!strchr(d->flags, *p) && n < sizeof(d->flags) - 1)
			d->flags[n++] = *p;
		p++;
	}
	if (*p >= '0' && *p <= '9')
		p = parse_number(p, &d->width);
	if (*p == '.')
		p = parse_number(p + 1, &d->precision);
	p = parse_length(p, &d->length);
	if (!*p || !strchr("diuxXocps", *p))
		return NULL;
	d->conv = *p;
	return p + 1;
}

/* The directive for the C library with @conv in place of the conversion. */
static void rebuild(const struct directive *d, const char *conv, char *out, size_t size)
{
	int n = snprintf(out, size, "%%%s", d->flags);

	if (d->width >= 0)
		n += snprintf(out + n, size - (size_t)n, "%d", d->width);
	if (d->precision >= 0)
		n += snprintf(out + n, size - (size_t)n, ".%d", d->precision);
	snprintf(out + n, size - (size_t)n, "%s", conv);
}

static void add_int(const struct directive *d, uint64_t v, struct show_buf *out)
{
	char spec[32], conv[] = {'l', 'l', d->conv, 0}, text[WIDTH_MAX + 64];
	bool is_signed = d->conv == 'd' || d->conv == 'i';
	int n;

	if (d->length == LEN_CHAR)
		v = is_signed ? (uint64_t)(int64_t)(int8_t)v : (uint8_t)v;
	else if (d->length == LEN_SHORT)
		v = is_signed ? (uint64_t)(int64_t)(int16_t)v : (uint16_t)v;
	else if (d->length == LEN_INT)
		v = is_signed ? (uint64_t)(int64_t)(int32_t)v : (uint32_t)v;
	rebuild(d, conv, spec, sizeof(spec));
	n = snprintf(text, sizeof(text), spec, (unsigned long long)v);
	if (n > 0)
		show_buf_add(out, text, (size_t)n);
}

static void add_char_or_pointer(const struct directive *d, uint64_t v, struct show_buf *out)
{
	char spec[32], conv[] = {d->conv, 0}, text[WIDTH_MAX + 64];
	int n;

	rebuild(d, conv, spec, sizeof(spec));
	if (d->conv == 'c')
		n = snprintf(text, sizeof(text), spec, (int)(unsigned char)v);
	else
		n = snprintf(text, sizeof(text), spec, (void *)(uintptr_t)v);
	if (n > 0)
		show_buf_add(out, text, (size_t)n);
}

static void add_string(const struct directive *d, const char *s, size_t n, struct show_buf *out)
{
	size_t width = d->width > 0 ? (size_t)d->width : 0;
	bool left = strchr(d->flags, '-') != NULL;

	if (d->precision >= 0 && n > (size_t)d->precision)
		n = (size_t)d->precision;
	for (size_t i = n; !left && i < width; i++)
		show_buf_add(out, " ", 1);
	show_buf_add(out, s, n);
	for (size_t i = n; left && i < width; i++)
		show_buf_add(out, " ", 1);
}

static void add_arg(const struct show_names *n, const struct directive *d,
		    const struct script_type *t, const uint8_t *data, struct show_buf *out)
{
	struct show_buf text = {0};
	uint64_t v;

	if (data && d->conv != 's') {
		memcpy(&v, data, sizeof(v));
		if (d->conv == 'c' || d->conv == 'p')
			add_char_or_pointer(d, v, out);
		else
			add_int(d, v, out);
		return;
	}
	if (data)
		show_value(n, t, data, &text);
	else
		show_buf_str(&text, "<bad string>");
	add_string(d, show_buf_text(&text), text.n, out);
	show_buf_free(&text);
}

void show_format(const struct show_names *n, const char *format, const struct script_type *arg,
		 uint32_t nargs, const void *payload, size_t len, struct show_buf *out)
{
	const uint8_t *data = payload;
	uint32_t i = 0;

	while (*format) {
		size_t plain = strcspn(format, "%");
		struct directive d;
		const char *next;

		show_buf_add(out, format, plain);
		format += plain;
		if (!*format)
			break;
		next = format[1] == '%' ? format + 2 : parse(format + 1, &d);
		if (!next || format[1] == '%') {
			show_buf_str(out, "%");
			format = next ? next : format + 1;
			continue;
		}
		format = next;
		if (i >= nargs || arg[i].size < 8 || arg[i].size > len) {
			add_arg(n, &d, NULL, NULL, out);
			i = nargs;
			continue;
		}
		add_arg(n, &d, &arg[i], data, out);
		data += arg[i].size;
		len -= arg[i].size;
		i++;
	}
}

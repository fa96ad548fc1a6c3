/* SPDX-License-Identifier: MIT */
/*
 * Diagnostics: the message, the source line, a caret under the place. Also the unit's
 * allocation functions, which fail the same way.
 *
 * Scripts may hold anything: bytes that do not print are shown as '?', and of a very long line
 * only the neighbourhood of the place is shown. Context: tool.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lang/unit.h"

#define SHOW_BEFORE 80 /* bytes of the line shown on each side of the place at most */
#define SHOW_AFTER 80

void *lang_alloc(struct unit *u, size_t size)
{
	void *p = lang_arena_alloc(u->arena, size);

	if (!p) {
		fprintf(u->opt->err, "%s: error: out of memory\n", u->opt->file);
		longjmp(u->fail, 1);
	}
	return p;
}

char *lang_strdup(struct unit *u, const char *s, size_t len)
{
	char *copy = lang_alloc(u, len + 1);

	if (len)
		memcpy(copy, s, len);
	return copy;
}

void *lang_grow(struct unit *u, void *array, uint32_t count, size_t elem)
{
	void *bigger;

	/* Capacity is the next power of two, so only powers of two move the array. */
	if (count & (count - 1))
		return array;
	bigger = lang_alloc(u, (count ? 2 * (size_t)count : 1) * elem);
	if (count)
		memcpy(bigger, array, count * elem);
	return bigger;
}

void lang_position(struct unit *u, uint32_t off, int *line, int *col)
{
	if (off < u->seen.off || !u->seen.line) {
		u->seen.off = u->seen.start = 0;
		u->seen.line = 1;
	}
	for (; u->seen.off < off && u->seen.off < u->len; u->seen.off++) {
		if (u->text[u->seen.off] == '\n') {
			u->seen.line++;
			u->seen.start = u->seen.off + 1;
		}
	}
	*line = u->seen.line;
	*col = (int)(off - u->seen.start) + 1;
}

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

static void put_byte(FILE *out, unsigned char c)
{
	if (c == '\t')
		c = ' ';
	else if (c < 0x20 || c == 0x7f)
		c = '?';
	fputc(c, out);
}

static void show_line(const struct unit *u, struct span at, const char *color, const char *plain)
{
	FILE *out = u->opt->err;
	uint32_t start = at.off, end = at.off, from, to;

	while (start && u->text[start - 1] != '\n')
		start--;
	while (end < u->len && u->text[end] != '\n')
		end++;
	from = at.off - start > SHOW_BEFORE ? at.off - SHOW_BEFORE : start;
	to = end - at.off > SHOW_AFTER ? at.off + SHOW_AFTER : end;
	while (from < at.off && is_continuation((unsigned char)u->text[from]))
		from++;
	while (to > at.off && to < end && is_continuation((unsigned char)u->text[to]))
		to--;

	fputs(from > start ? "    ..." : "    ", out);
	for (uint32_t i = from; i < to; i++)
		put_byte(out, (unsigned char)u->text[i]);
	fputs(to < end ? "...\n" : "\n", out);

	fputs(from > start ? "       " : "    ", out);
	for (uint32_t i = from; i < at.off; i++) {
		if (!is_continuation((unsigned char)u->text[i]))
			fputc(' ', out);
	}
	fprintf(out, "%s^", color);
	for (uint32_t i = at.off + 1; i < at.end && i < to; i++) {
		if (!is_continuation((unsigned char)u->text[i]))
			fputc('~', out);
	}
	fprintf(out, "%s\n", plain);
}

void lang_error(struct unit *u, struct span at, const char *fmt, ...)
{
	const char *paint = u->opt->color ? "\033[1;31m" : "";
	const char *plain = u->opt->color ? "\033[0m" : "";
	int line, col;
	va_list ap;

	if (at.off > u->len)
		at.off = u->len;
	lang_position(u, at.off, &line, &col);
	fprintf(u->opt->err, "%s:%d:%d: %serror:%s ", u->opt->file, line, col, paint, plain);
	va_start(ap, fmt);
	vfprintf(u->opt->err, fmt, ap);
	va_end(ap);
	fputc('\n', u->opt->err);
	show_line(u, at, paint, plain);
	longjmp(u->fail, 1);
}

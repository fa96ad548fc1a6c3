/* SPDX-License-Identifier: MIT */
/* A growing text buffer (show/buf.h). */
#include "show/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void show_buf_free(struct show_buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

static bool room(struct show_buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 128;
	char *p;

	if (n < b->cap - b->n && b->cap)
		return true;
	while (cap - b->n <= n)
		cap *= 2;
	p = realloc(b->p, cap);
	if (!p) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

void show_buf_add(struct show_buf *b, const char *p, size_t n)
{
	if (!room(b, n))
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void show_buf_str(struct show_buf *b, const char *s)
{
	show_buf_add(b, s, strlen(s));
}

void show_buf_printf(struct show_buf *b, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n < 0 || !room(b, (size_t)n))
		return;
	va_start(ap, format);
	vsnprintf(b->p + b->n, (size_t)n + 1, format, ap);
	va_end(ap);
	b->n += (size_t)n;
}

const char *show_buf_text(const struct show_buf *b)
{
	return b->p ? b->p : "";
}

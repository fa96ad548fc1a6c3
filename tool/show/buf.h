/* SPDX-License-Identifier: MIT */
/*
 * A growing text buffer. Any bytes; a NUL that is not counted stands behind them. Without
 * memory the text stops growing and `failed` is set.
 */
#ifndef SONDE_SHOW_BUF_H
#define SONDE_SHOW_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

struct show_buf {
	char *p; /* NULL while empty */
	size_t n, cap;
	bool failed;
};

void show_buf_free(struct show_buf *b);
void show_buf_add(struct show_buf *b, const char *p, size_t n);
void show_buf_str(struct show_buf *b, const char *s);
void show_buf_printf(struct show_buf *b, const char *format, ...) SONDE_PRINTF(2, 3);
/* The text as a C string, "" while empty. */
const char *show_buf_text(const struct show_buf *b);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the user sees: one output format per file, chosen by name.
 *
 * Both formats follow bpftrace's (text as of 0.2x, `-f json` as one object per line), so that
 * scripts that read them keep working. Data goes to `out`; nothing here flushes it.
 */
#ifndef SONDE_SHOW_SHOW_H
#define SONDE_SHOW_SHOW_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "read/read.h"
#include "script/script.h"
#include "show/buf.h"

/* Where names that a value only refers to come from. */
struct show_names {
	const struct wire_session *session; /* strings of SCRIPT_NAME; may be NULL */
	/* a function's name for SCRIPT_USYM, as read_symbol(); NULL: addresses are shown */
	size_t (*symbol)(void *arg, uint32_t proc, uint64_t addr, char *buf, size_t size);
	void *arg;
};

struct show {
	const struct show_ops *ops;
	FILE *out;
	struct show_names names;
};

struct show_ops {
	const char *name;
	/* The first line: how many probes were placed. */
	void (*attached)(struct show *s, uint32_t probes);
	/* printf() and time(): finished text. */
	void (*printf)(struct show *s, const char *text, size_t len);
	void (*time)(struct show *s, const char *text, size_t len);
	/* print(@m, top, div). top <= 0: all rows; div <= 1: values as they are. A scalar map
	 * without a row is shown as nothing counted; callers leave it out of the exit dump. */
	void (*map)(struct show *s, const struct script_map *m, const struct read_map *rows,
		    int64_t top, int64_t div);
	/* print(expr) */
	void (*value)(struct show *s, const struct script_type *t, const void *data);
	/* print(@m[key]): the value alone; @row NULL when there is no such key */
	void (*elem)(struct show *s, const struct script_map *m, const struct read_row *row);
	void (*lost)(struct show *s, uint64_t events);
	/* Run-time errors of the script, counted. */
	void (*rt_error)(struct show *s, enum wire_rt_error kind, uint64_t count);
	/* The run is over; the maps of the exit dump follow. */
	void (*end)(struct show *s);
};

/* "text" or "json"; NULL for anything else. */
const struct show_ops *show_ops_find(const char *name);

/* One key part, payload argument or plain value as text, unquoted. @data has t->size bytes. */
void show_value(const struct show_names *n, const struct script_type *t, const void *data,
		struct show_buf *out);
/* All parts of a key with @sep between them. */
void show_key(const struct show_names *n, const struct script_map *m, const void *key,
	      const char *sep, struct show_buf *out);

/*
 * printf(): @format with @nargs arguments that lie one after the other in @payload. Conversions
 * d i u x X o c p s with flags, width, precision and length (hh h l ll j z t; without one an
 * integer is an int, as in C). An argument that is missing reads "<bad string>".
 */
void show_format(const struct show_names *n, const char *format, const struct script_type *arg,
		 uint32_t nargs, const void *payload, size_t len, struct show_buf *out);

const char *show_rt_text(enum wire_rt_error kind);

#endif

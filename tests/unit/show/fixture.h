/* SPDX-License-Identifier: MIT */
/*
 * Maps and rows made by hand, and what a format prints into memory.
 */
#ifndef TEST_SHOW_FIXTURE_H
#define TEST_SHOW_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "show/rows.h"
#include "show/show.h"

#define FIX_ROWS 16
#define FIX_WORDS 2000
#define FIX_KEY 64

struct fix {
	struct show s;
	char *text;
	size_t size;
	struct script_map m;
	struct script_type key[3];
	struct read_map rows;
	struct read_row row[FIX_ROWS];
	uint64_t k[FIX_ROWS][FIX_KEY / 8];
	uint64_t v[FIX_ROWS][FIX_WORDS];
	struct wire_session *session;
};

/* "func+off" for addresses below 0x1000 of process 3 */
static inline size_t fix_symbol(void *arg, uint32_t proc, uint64_t addr, char *buf, size_t size)
{
	(void)arg;
	if (proc == 3 && addr < 0x1000)
		return (size_t)snprintf(buf, size, "func+%u", (unsigned)addr);
	return (size_t)snprintf(buf, size, "0x%llx", (unsigned long long)addr);
}

static inline struct fix *fix_new(const char *format, uint8_t kind, const char *name)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct wire_session *ws = calloc(1, sizeof(*ws) + 16);

	assert_non_null(f);
	assert_non_null(ws);
	ws->strings = (struct wire_table){sizeof(*ws), 12, 1};
	memcpy(ws + 1, "\0main\0no-end", 12);
	f->session = ws;
	f->s.ops = show_ops_find(format);
	assert_non_null(f->s.ops);
	f->s.names = (struct show_names){.session = ws, .symbol = fix_symbol};
	f->s.out = open_memstream(&f->text, &f->size);
	f->m.name = (char *)(uintptr_t)name;
	f->m.key = f->key;
	f->m.wire = (struct wire_map){.kind = kind, .is_signed = 1, .value_size = 16};
	if (kind == WIRE_MAP_COUNT || kind == WIRE_MAP_PLAIN)
		f->m.wire.value_size = 8;
	if (kind == WIRE_MAP_HIST)
		f->m.wire.value_size = 8 * WIRE_HIST_BUCKETS(0);
	f->m.value = (struct script_type){SCRIPT_INT, true, 8};
	f->rows.row = f->row;
	for (int i = 0; i < FIX_ROWS; i++) {
		f->row[i].key = f->k[i];
		f->row[i].value = f->v[i];
	}
	return f;
}

static inline void fix_lhist(struct fix *f, int64_t min, int64_t max, int64_t step)
{
	f->m.wire.lhist_min = min;
	f->m.wire.lhist_max = max;
	f->m.wire.lhist_step = step;
	f->m.wire.value_size = 8 * wire_lhist_buckets(min, max, step);
}

static inline void fix_key(struct fix *f, enum script_type_kind kind, uint32_t size)
{
	f->key[f->m.nkeys++] = (struct script_type){kind, true, size};
	f->m.wire.key_size += size;
	f->rows.key_size += size;
}

/* A row with @key as its first part. */
static inline uint64_t *fix_row(struct fix *f, int64_t key, uint64_t v0, uint64_t v1)
{
	size_t i = f->rows.nrows++;

	assert_in_range(i, 0, FIX_ROWS - 1);
	f->k[i][0] = (uint64_t)key;
	f->v[i][0] = v0;
	f->v[i][1] = v1;
	return f->v[i];
}

/* A row whose only key part is the string @key. */
static inline uint64_t *fix_str_row(struct fix *f, const char *key, uint64_t v0, uint64_t v1)
{
	uint64_t *v = fix_row(f, 0, v0, v1);

	strncpy((char *)f->k[f->rows.nrows - 1], key, FIX_KEY);
	return v;
}

static inline void fix_print(struct fix *f, int64_t top, int64_t div)
{
	f->s.ops->map(&f->s, &f->m, &f->rows, top, div);
}

/* All that was printed since the last time. */
static inline void fix_expect(struct fix *f, const char *expect)
{
	fflush(f->s.out);
	assert_string_equal(f->text ? f->text : "", expect);
	fclose(f->s.out);
	free(f->text);
	f->text = NULL;
	f->s.out = open_memstream(&f->text, &f->size);
}

static inline void fix_free(struct fix *f)
{
	fclose(f->s.out);
	free(f->text);
	free(f->session);
	free(f);
}

#define BAR52 "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@"
#define BAR26 "@@@@@@@@@@@@@@@@@@@@@@@@@@                          "
#define BAR0 "                                                    "

#endif

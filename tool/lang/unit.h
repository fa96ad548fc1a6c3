/* SPDX-License-Identifier: MIT */
/*
 * State of one compilation: the text, the memory, the way out after an error.
 *
 * The first error ends the compilation: lang_error() prints it and jumps back to
 * lang_compile(), which frees everything. So no function between them has an error path, and
 * none of them may own anything but arena memory. Context: tool, one thread.
 */
#ifndef SONDE_LANG_UNIT_H
#define SONDE_LANG_UNIT_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "lang/arena.h"
#include "lang/lang.h"

struct expr;
struct map;
struct block;

/* Extent in the text: bytes off .. end - 1. */
struct span {
	uint32_t off, end;
};

struct unit {
	const char *text;
	uint32_t len;
	const struct lang_options *opt;
	uint32_t max_strlen, max_map_keys;
	struct arena *arena;
	struct script *script;
	jmp_buf fail;
	struct {
		uint32_t off, start; /* byte looked at last, start of its line */
		int line;
	} seen; /* lang_position() goes on from here */

	struct map **map; /* in order of first mention: index = wire map */
	uint32_t nmaps;
	struct block *block; /* one per program */
	uint32_t nblocks;
};

#define LANG_MAX_TEXT (16u << 20)
#define LANG_MAX_MAPS 1024
#define LANG_MAX_VARS 2048
#define LANG_MAX_EVENTS 65000
#define LANG_MAX_STRLEN 4088 /* bytes of a string, so that it fits a key and a value */

/* Never NULL: the unit fails without memory. */
void *lang_alloc(struct unit *u, size_t size);
char *lang_strdup(struct unit *u, const char *s, size_t len);
/* Room for element @count of an array that grows by one: the array, moved when necessary. */
void *lang_grow(struct unit *u, void *array, uint32_t count, size_t elem);

/* "FILE:LINE:COL: error: ..." with source line and caret, then back to lang_compile(). */
_Noreturn void lang_error(struct unit *u, struct span at, const char *fmt, ...) SONDE_PRINTF(3, 4);
/* Line and column, from 1. Fast when offsets grow from call to call. */
void lang_position(struct unit *u, uint32_t off, int *line, int *col);

#endif

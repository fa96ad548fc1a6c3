/* SPDX-License-Identifier: MIT */
/*
 * From script text to programs: lexer, parser, checker, code generator.
 *
 * The result is a struct script (script/script.h): programs as wire instructions, maps, and
 * what each event means. It names probes but resolves none; that is tool/attach's work.
 */
#ifndef SONDE_LANG_LANG_H
#define SONDE_LANG_LANG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "script/script.h"

struct lang_options {
	const char *file;	 /* name for messages: path, "stdin", "<command line>" ... */
	const char *const *argv; /* positional parameters $1 ... */
	int argc;
	FILE *err; /* where diagnostics go */
	bool color;
	uint32_t max_strlen;   /* default size of str(), 0 = 128 */
	uint32_t max_map_keys; /* 0 = 4096 */
};

/*
 * Compile @text (@len bytes, need not be terminated). NULL after at least one diagnostic
 * "FILE:LINE:COL: error: ..." with the source line and a caret. lang_free(NULL) is fine.
 */
struct script *lang_compile(const char *text, size_t len, const struct lang_options *opt);
void lang_free(struct script *script);

/* Disassembly of one program, for -v and for tests. */
void lang_dump(const struct script *script, uint32_t prog, FILE *out);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Compile a script in a test; what the compiler says lies in `said`.
 */
#ifndef SONDE_TESTS_LANG_COMPILE_H
#define SONDE_TESTS_LANG_COMPILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "lang/lang.h"

static char said[8192];

static inline struct script *compile_n(const char *text, size_t len, int argc,
				       const char *const *argv)
{
	struct lang_options opt = {.file = "t.bt", .argv = argv, .argc = argc, .max_map_keys = 64};
	struct script *s;

	memset(said, 0, sizeof(said));
	opt.err = fmemopen(said, sizeof(said) - 1, "w");
	assert_non_null(opt.err);
	s = lang_compile(text, len, &opt);
	fclose(opt.err);
	return s;
}

static inline struct script *try_compile(const char *text)
{
	static const char *const argv[] = {"42", "word", "-7", "uprobe:libc:malloc"};

	return compile_n(text, strlen(text), ARRAY_LEN(argv), argv);
}

/* A script that must compile, without a word. */
static inline struct script *compile(const char *text)
{
	struct script *s = try_compile(text);

	if (!s || said[0])
		print_error("script: %s\nsaid: %s", text, said);
	assert_non_null(s);
	assert_string_equal(said, "");
	return s;
}

/* A script that must be refused with @message ("LINE:COL: error: ..."). */
static inline void refused(const char *text, const char *message)
{
	struct script *s = try_compile(text);
	char want[512];

	if (s)
		print_error("accepted: %s\n", text);
	assert_null(s);
	snprintf(want, sizeof(want), "t.bt:%s", message);
	if (strncmp(said, want, strlen(want))) {
		print_error("script: %s\nwant: %s\nsaid: %s", text, want, said);
		fail();
	}
}

struct refusal {
	const char *text, *message;
};

#endif

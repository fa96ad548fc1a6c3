/* SPDX-License-Identifier: MIT */
/*
 * lang_compile(): text in, script out. Owns the memory of a script: it lies in one arena,
 * whose head the script is. Context: tool.
 */
#include "lang/lang.h"

#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/gen.h"
#include "lang/parse.h"

struct result {
	struct script script; /* first: what the user holds */
	struct arena arena;
};

#define DEFAULT_STRLEN 128
#define DEFAULT_MAP_KEYS 4096
#define MAX_MAP_KEYS (1u << 24)

static bool compile(struct unit *u)
{
	if (setjmp(u->fail))
		return false;
	lang_parse(u);
	lang_check(u);
	lang_gen(u);
	return true;
}

static uint32_t limited(uint32_t wish, uint32_t otherwise, uint32_t max)
{
	if (!wish)
		return otherwise;
	return wish < max ? wish : max;
}

struct script *lang_compile(const char *text, size_t len, const struct lang_options *opt)
{
	struct result *r;
	struct unit *u;
	bool good = false;

	if (len > LANG_MAX_TEXT) {
		fprintf(opt->err, "%s:1:1: error: the script is too long (limit: %u bytes)\n",
			opt->file, LANG_MAX_TEXT);
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	u = calloc(1, sizeof(*u));
	if (!r || !u) {
		fprintf(opt->err, "%s: error: out of memory\n", opt->file);
		goto out;
	}
	u->text = text;
	u->len = (uint32_t)len;
	u->opt = opt;
	u->max_strlen = limited(opt->max_strlen, DEFAULT_STRLEN, LANG_MAX_STRLEN);
	u->max_map_keys = limited(opt->max_map_keys, DEFAULT_MAP_KEYS, MAX_MAP_KEYS);
	u->arena = &r->arena;
	u->script = &r->script;
	good = compile(u);
out:
	free(u);
	if (good)
		return &r->script;
	if (r)
		lang_free(&r->script);
	return NULL;
}

void lang_free(struct script *script)
{
	struct result *r = (struct result *)script;

	if (!script)
		return;
	lang_arena_free(&r->arena);
	free(r);
}

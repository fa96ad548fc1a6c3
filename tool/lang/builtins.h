/* SPDX-License-Identifier: MIT */
/*
 * Tables of the language's builtin values and functions. Adding one starts here; functions
 * also have a case in check_call.c and one in gen_call.c. Context: tool.
 */
#ifndef SONDE_LANG_BUILTINS_H
#define SONDE_LANG_BUILTINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "script/script.h"
#include "wire/map.h"

enum builtin_from {
	FROM_HELPER, /* index = enum wire_helper that returns it */
	FROM_ARG,    /* index = n of argN */
	FROM_CTX,    /* index = byte offset in struct wire_ctx */
	FROM_COMM,   /* a string helper */
};

struct builtin {
	const char *name;
	enum builtin_from from;
	uint32_t index;
	enum script_type_kind kind;
	bool needs_target; /* has no meaning in BEGIN, END, interval */
};

enum function_id {
	FN_AGG, /* any aggregation */
	FN_PRINTF,
	FN_PRINT,
	FN_CLEAR,
	FN_ZERO,
	FN_DELETE,
	FN_HAS_KEY,
	FN_EXIT,
	FN_STR,
	FN_USYM,
	FN_REG,
	FN_STRNCMP,
};

struct function {
	const char *name;
	enum function_id id;
	uint32_t min, max; /* number of arguments */
	bool needs_target;
	enum wire_map_kind agg; /* FN_AGG: which */
	const char *usage;
};

const struct builtin *lang_builtin_find(const char *name, uint32_t len);
const struct function *lang_function_find(const char *name, uint32_t len);
/* Why a name that bpftrace knows is not known here, or NULL. */
const char *lang_unsupported_why(const char *name, uint32_t len);
/* A known name close to this one, or NULL. */
const char *lang_name_near(const char *name, uint32_t len, bool is_call);
/* Bits and sign of an integer type's name ("int32"); false if it is none. */
bool lang_int_type(const char *name, uint32_t len, uint32_t *bits, bool *is_signed);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The checker: gives every expression its type and every map its shape.
 *
 * It passes over the whole script until no type grows any more, because a map may be read
 * before the text that writes it; only the last pass complains about what stayed unknown.
 * Context: tool.
 */
#ifndef SONDE_LANG_CHECK_H
#define SONDE_LANG_CHECK_H

#include "lang/ast.h"

struct checker {
	struct unit *u;
	const struct block *block;
	bool changed; /* in this pass */
	bool is_last; /* unknown types are errors now */
};

/* Bytes given to a probe's or function's name where it has to be a string. */
#define CHECK_NAME_SIZE 128
#define CHECK_USYM_SIZE 16
#define CHECK_COMM_SIZE 16

/* check.c */
void lang_check(struct unit *u);
void lang_check_expr(struct checker *c, struct expr *e);
/* The same, and the result has to be an integer; @what begins the message. */
void lang_check_int(struct checker *c, struct expr *e, const char *what);
/* ... or a string (a name counts as one). */
void lang_check_string(struct checker *c, struct expr *e, const char *what);

/* check_map.c */
void lang_check_keys(struct checker *c, struct map *m, struct expr **key, uint32_t n,
		     struct span at);
/* A use of @e (X_MAP with its keys) as plain map or aggregation. */
void lang_check_map_use(struct checker *c, struct expr *e);
void lang_check_map_plain(struct checker *c, struct map *m, struct span at);
void lang_check_map_agg(struct checker *c, struct map *m, struct expr *call);
/* Line of @at, for "in line N". */
int lang_check_line(const struct checker *c, struct span at);
const char *lang_agg_name(enum wire_map_kind kind);

/* check_call.c */
void lang_check_arity(struct checker *c, struct expr *e);
void lang_check_call(struct checker *c, struct expr *e, bool is_stmt);

/* type.c: let @to grow to hold @from as well; false if it cannot. */
bool lang_type_join(struct type *to, const struct type *from, bool *changed);
/* Name of a type for messages. */
const char *lang_type_name(const struct type *t);
struct script_type lang_type_final(const struct type *t);
struct type lang_type_int(bool is_signed);
struct type lang_type_str(struct unit *u, uint32_t bytes, struct span at);
bool lang_type_is_string(const struct type *t);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The parser's state and its parts: attach points, expressions, statements. Context: tool.
 */
#ifndef SONDE_LANG_PARSE_H
#define SONDE_LANG_PARSE_H

#include "lang/ast.h"

struct parser {
	struct unit *u;
	struct token tok;    /* the token to be read next */
	struct span last;    /* the token read last */
	struct block *block; /* the one being parsed */
	struct var *vars;    /* visible, innermost first */
	uint32_t nvars;	     /* of this block, gone ones included */
	uint32_t scope;	     /* depth of the innermost scope */
	uint32_t nesting;    /* of blocks, parentheses, operators without an end */
	bool in_pred;	     /* a '/' before '{' ends the expression */
};

#define PARSE_MAX_NESTING 200
#define PARSE_MAX_DEPTH 500 /* of one expression's tree */

/* parse_stmt.c: the whole text into u->block, u->map, u->script->probe. */
void lang_parse(struct unit *u);

/* parse_probe.c: one attach point at p->tok; leaves p->tok at what follows. */
void lang_parse_attach(struct parser *p);

/* parse_expr.c */
struct expr *lang_parse_expr(struct parser *p);
/* An expression in which '/' before '{' is no division. */
struct expr *lang_parse_predicate(struct parser *p);
struct expr *lang_expr_binary(struct parser *p, enum op op, struct expr *a, struct expr *b);
struct expr *lang_expr_var(struct parser *p, struct var *v, struct span at);

/* Tokens (parse_expr.c). */
void lang_parse_next(struct parser *p);
bool lang_parse_is(const struct parser *p, char c);
bool lang_parse_is_op(const struct parser *p, enum op op);
bool lang_parse_is_word(const struct parser *p, const char *word);
bool lang_parse_accept(struct parser *p, char c);
void lang_parse_expect(struct parser *p, char c, const char *where);
/* "expected @what, found ..." at the current token. */
_Noreturn void lang_parse_wanted(struct parser *p, const char *what);
void lang_parse_enter(struct parser *p);
void lang_parse_leave(struct parser *p);

/* Variables (parse_stmt.c). */
struct var *lang_var_find(const struct parser *p, const char *name, uint32_t len);

static inline struct span lang_span(struct span from, struct span to)
{
	return (struct span){from.off, to.end};
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The typed tree: what the parser makes, the checker completes and the generator reads.
 * Everything lies in the unit's arena. Context: tool.
 */
#ifndef SONDE_LANG_AST_H
#define SONDE_LANG_AST_H

#include "lang/builtins.h"
#include "lang/lex.h"

/* A type while it is being found. It only ever grows: NONE to any, unsigned to signed, shorter
 * to longer string, NAME to STR; so that repeated passes of the checker come to an end. */
struct type {
	enum script_type_kind kind;
	bool is_signed;
	bool is_flex; /* integer of literals only: takes the sign of what it meets */
	uint32_t size;
};

/* A place in memory a program can address: register r10 (stack) or r7 (scratch) + offset. */
struct loc {
	uint8_t reg;
	int32_t off;
};

struct var {
	struct var *next; /* older variable of the same or an outer scope */
	const char *name;
	uint32_t len;
	uint32_t depth; /* of its scope */
	struct type type;
	struct span first;
	struct loc loc; /* reg 0 until the generator has placed it */
};

struct map {
	const char *name;
	uint32_t index;
	struct span first;  /* where it was mentioned first */
	bool key_known;	    /* nkeys is known */
	uint32_t nkeys;	    /* 0 = scalar */
	struct type *key;   /* [nkeys] */
	struct span key_at; /* the use that fixed them */
	bool kind_known;
	enum wire_map_kind kind;
	struct span kind_at;
	struct type value; /* plain: of the value; aggregation: of what it aggregates */
	uint32_t hist_bits;
	int64_t lhist_min, lhist_max, lhist_step;
};

enum expr_kind {
	X_INT,	   /* value */
	X_STR,	   /* str, len */
	X_PARAM,   /* value = n of $n; the checker turns it into X_INT or X_STR */
	X_VAR,	   /* var */
	X_MAP,	   /* map; arg[] = keys, has_key */
	X_BUILTIN, /* builtin */
	X_CALL,	   /* func, arg[] */
	X_UNARY,   /* op, a */
	X_BINARY,  /* op, a, b */
	X_COND,	   /* a ? b : c */
	X_INCDEC,  /* op ADD or SUB, is_prefix, a = X_VAR or X_MAP */
	X_CAST,	   /* a; type given by the parser, bits */
	X_TUPLE,   /* arg[]: only as several keys */
};

struct expr {
	enum expr_kind kind;
	enum op op;
	struct span at;
	uint32_t depth; /* of the tree below */
	struct type type;
	struct expr *a, *b, *c;
	struct expr **arg;
	uint32_t narg;
	bool has_key, is_prefix;
	uint32_t bits;
	uint64_t value;
	const char *str;
	uint32_t len;
	struct var *var;
	struct map *map;
	const struct builtin *builtin;
	const struct function *func;
	uint32_t event; /* of calls that emit: event index + 1 */
};

enum stmt_kind {
	S_EXPR,	  /* e */
	S_VAR,	  /* var = e, e NULL after a bare let */
	S_MAP,	  /* target op= e */
	S_IF,	  /* if (e) body else other */
	S_BLOCK,  /* body */
	S_RETURN, /* ends the program */
};

struct stmt {
	enum stmt_kind kind;
	struct stmt *next;
	struct span at;
	struct expr *e, *target;
	struct var *var;
	enum op op;
	struct stmt *body, *other;
};

/* A block of a probe: one program. */
struct block {
	struct expr *pred; /* NULL = always */
	struct stmt *body;
	const char *in_tool; /* the attach point that runs inside the tool, or NULL */
};

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Tokens of the script language. Context: tool.
 */
#ifndef SONDE_LANG_LEX_H
#define SONDE_LANG_LEX_H

#include "lang/unit.h"

enum op {
	OP_NONE,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_ADD,
	OP_SUB,
	OP_SHL,
	OP_SHR,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_EQ,
	OP_NE,
	OP_AND,
	OP_XOR,
	OP_OR,
	OP_LAND,
	OP_LOR,
	OP_NOT,
	OP_BITNOT,
	OP_COUNT,
};

enum token_kind {
	T_EOF,
	T_IDENT,   /* str, len */
	T_VAR,	   /* $name: str, len without the $ */
	T_MAP,	   /* @name: str, len with the @ */
	T_PARAM,   /* $1: value */
	T_NPARAMS, /* $# */
	T_INT,	   /* value */
	T_STR,	   /* str, len: escapes translated, in arena memory */
	T_OP,	   /* op */
	T_ASSIGN,  /* op: OP_NONE for = */
	T_INCDEC,  /* op: OP_ADD or OP_SUB */
	T_ARROW,
	T_CHAR, /* value: the character itself, one of ( ) { } [ ] , ; : ? . */
};

struct token {
	enum token_kind kind;
	enum op op;
	struct span at;
	const char *str;
	uint32_t len;
	uint64_t value;
};

/* How operators are written, indexed by enum op. */
extern const char *const lang_op_text[OP_COUNT];

/* Offset of the next byte at or after @off that is neither white space nor comment. */
uint32_t lang_lex_skip(struct unit *u, uint32_t off);
/* The token at @off (white space and comments before it skipped). */
void lang_lex(struct unit *u, uint32_t off, struct token *tok);

/*
 * An integer literal at the start of @s[@n]: decimal, hex, octal, 1e6, 1_000, with C or
 * duration suffix. *used = its length. NULL, or what is wrong with it.
 */
const char *lang_int_parse(const char *s, size_t n, size_t *used, uint64_t *value,
			   bool *is_duration);
/* The string literal whose opening quote is at @off; returns the offset behind it. */
uint32_t lang_lex_string(struct unit *u, uint32_t off, const char **str, uint32_t *len);

static inline bool lang_is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static inline bool lang_is_ident(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || lang_is_digit(c);
}

static inline bool lang_is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

#endif

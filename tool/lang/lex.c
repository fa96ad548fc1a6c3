/* SPDX-License-Identifier: MIT */
/*
 * The lexer: one token at a time from any offset, so that the parser may read attach points,
 * which have no tokens, as raw text in between. Context: tool.
 */
#include <string.h>

#include "lang/lex.h"

const char *const lang_op_text[OP_COUNT] = {
	[OP_NONE] = "=",   [OP_MUL] = "*",  [OP_DIV] = "/",   [OP_MOD] = "%",  [OP_ADD] = "+",
	[OP_SUB] = "-",	   [OP_SHL] = "<<", [OP_SHR] = ">>",  [OP_LT] = "<",   [OP_LE] = "<=",
	[OP_GT] = ">",	   [OP_GE] = ">=",  [OP_EQ] = "==",   [OP_NE] = "!=",  [OP_AND] = "&",
	[OP_XOR] = "^",	   [OP_OR] = "|",   [OP_LAND] = "&&", [OP_LOR] = "||", [OP_NOT] = "!",
	[OP_BITNOT] = "~",
};

/* Longest first, so that the first match is the right one. */
static const struct {
	const char text[4];
	enum token_kind kind;
	enum op op;
} operators[] = {
	{"<<=", T_ASSIGN, OP_SHL}, {">>=", T_ASSIGN, OP_SHR}, {"->", T_ARROW, OP_NONE},
	{"++", T_INCDEC, OP_ADD},  {"--", T_INCDEC, OP_SUB},  {"<<", T_OP, OP_SHL},
	{">>", T_OP, OP_SHR},	   {"<=", T_OP, OP_LE},	      {">=", T_OP, OP_GE},
	{"==", T_OP, OP_EQ},	   {"!=", T_OP, OP_NE},	      {"&&", T_OP, OP_LAND},
	{"||", T_OP, OP_LOR},	   {"+=", T_ASSIGN, OP_ADD},  {"-=", T_ASSIGN, OP_SUB},
	{"*=", T_ASSIGN, OP_MUL},  {"/=", T_ASSIGN, OP_DIV},  {"%=", T_ASSIGN, OP_MOD},
	{"&=", T_ASSIGN, OP_AND},  {"|=", T_ASSIGN, OP_OR},   {"^=", T_ASSIGN, OP_XOR},
	{"=", T_ASSIGN, OP_NONE},  {"<", T_OP, OP_LT},	      {">", T_OP, OP_GT},
	{"+", T_OP, OP_ADD},	   {"-", T_OP, OP_SUB},	      {"*", T_OP, OP_MUL},
	{"/", T_OP, OP_DIV},	   {"%", T_OP, OP_MOD},	      {"&", T_OP, OP_AND},
	{"|", T_OP, OP_OR},	   {"^", T_OP, OP_XOR},	      {"!", T_OP, OP_NOT},
	{"~", T_OP, OP_BITNOT},
};

static int byte_at(const struct unit *u, uint32_t off)
{
	return off < u->len ? (unsigned char)u->text[off] : -1;
}

uint32_t lang_lex_skip(struct unit *u, uint32_t off)
{
	for (;;) {
		int c = byte_at(u, off), next = byte_at(u, off + 1);

		if (lang_is_space(c)) {
			off++;
		} else if (c == '/' && next == '/') {
			while (off < u->len && u->text[off] != '\n')
				off++;
		} else if (c == '/' && next == '*') {
			uint32_t start = off;

			for (off += 2; byte_at(u, off) != '*' || byte_at(u, off + 1) != '/';
			     off++) {
				if (off >= u->len)
					lang_error(u, (struct span){start, start + 2},
						   "this comment does not end");
			}
			off += 2;
		} else {
			return off;
		}
	}
}

static uint32_t ident_end(const struct unit *u, uint32_t off)
{
	while (lang_is_ident(byte_at(u, off)))
		off++;
	return off;
}

static void lex_int(struct unit *u, struct token *tok)
{
	uint32_t off = tok->at.off;
	bool is_duration;
	size_t used;
	const char *wrong =
		lang_int_parse(u->text + off, u->len - off, &used, &tok->value, &is_duration);

	tok->kind = T_INT;
	tok->at.end = off + (uint32_t)used;
	if (wrong)
		lang_error(u, tok->at, "%s", wrong);
	if (byte_at(u, tok->at.end) == '.' && lang_is_digit(byte_at(u, tok->at.end + 1)))
		lang_error(u, tok->at, "there are no floating-point numbers in this language");
}

/* $name, $1, $# */
static void lex_dollar(struct unit *u, struct token *tok)
{
	uint32_t off = tok->at.off + 1, end = ident_end(u, off);

	tok->at.end = end;
	if (byte_at(u, off) == '#') {
		tok->kind = T_NPARAMS;
		tok->at.end = off + 1;
	} else if (end == off) {
		lang_error(u, tok->at, "expected a name or a number after '$'");
	} else if (lang_is_digit(u->text[off])) {
		tok->kind = T_PARAM;
		for (uint32_t i = off; i < end; i++) {
			if (!lang_is_digit(u->text[i]) || tok->value > 100000)
				lang_error(u, tok->at, "'%.*s' is no positional parameter",
					   (int)(end - off > 40 ? 40 : end - off) + 1,
					   u->text + off - 1);
			tok->value = tok->value * 10 + (uint64_t)(u->text[i] - '0');
		}
		if (!tok->value)
			lang_error(u, tok->at, "positional parameters start at $1");
	} else {
		tok->kind = T_VAR;
		tok->str = u->text + off;
		tok->len = end - off;
	}
}

static bool lex_operator(struct unit *u, struct token *tok)
{
	uint32_t off = tok->at.off;

	for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
		uint32_t n = (uint32_t)strlen(operators[i].text);

		if (u->len - off >= n && !memcmp(u->text + off, operators[i].text, n)) {
			tok->kind = operators[i].kind;
			tok->op = operators[i].op;
			tok->at.end = off + n;
			return true;
		}
	}
	return false;
}

void lang_lex(struct unit *u, uint32_t off, struct token *tok)
{
	int c;

	memset(tok, 0, sizeof(*tok));
	off = lang_lex_skip(u, off);
	tok->at = (struct span){off, off + 1};
	c = byte_at(u, off);
	if (c < 0) {
		tok->at.end = off;
		tok->kind = T_EOF;
	} else if (lang_is_digit(c)) {
		lex_int(u, tok);
	} else if (lang_is_ident(c)) {
		tok->kind = T_IDENT;
		tok->at.end = ident_end(u, off);
		tok->str = u->text + off;
		tok->len = tok->at.end - off;
	} else if (c == '"') {
		tok->kind = T_STR;
		tok->at.end = lang_lex_string(u, off, &tok->str, &tok->len);
	} else if (c == '$') {
		lex_dollar(u, tok);
	} else if (c == '@') {
		tok->kind = T_MAP;
		tok->at.end = ident_end(u, off + 1);
		tok->str = u->text + off;
		tok->len = tok->at.end - off;
	} else if (c && strchr("(){}[],;:?.", c)) {
		tok->kind = T_CHAR;
		tok->value = (uint64_t)c;
	} else if (!lex_operator(u, tok)) {
		if (c > 0x20 && c < 0x7f)
			lang_error(u, tok->at, "unexpected '%c'", c);
		lang_error(u, tok->at, "unexpected byte 0x%02x", c);
	}
}

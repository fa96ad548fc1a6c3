/* SPDX-License-Identifier: MIT */
/*
 * Statements, blocks and the whole script. Variables are bound here: one assigned for the
 * first time in a block lives to the end of that block. Context: tool.
 */
#include <string.h>

#include "lang/parse.h"

struct var *lang_var_find(const struct parser *p, const char *name, uint32_t len)
{
	for (struct var *v = p->vars; v; v = v->next) {
		if (v->len == len && !memcmp(v->name, name, len))
			return v;
	}
	return NULL;
}

static struct var *var_new(struct parser *p, const struct token *name)
{
	struct var *v = lang_alloc(p->u, sizeof(*v));

	if (++p->nvars > LANG_MAX_VARS)
		lang_error(p->u, name->at, "too many variables (limit: %d)", LANG_MAX_VARS);
	v->name = name->str;
	v->len = name->len;
	v->depth = p->scope;
	v->first = name->at;
	v->next = p->vars;
	p->vars = v;
	return v;
}

static struct stmt *stmt_new(struct parser *p, enum stmt_kind kind, struct span at)
{
	struct stmt *s = lang_alloc(p->u, sizeof(*s));

	s->kind = kind;
	s->at = at;
	return s;
}

static struct stmt *parse_body(struct parser *p, const char *where);

static struct stmt *parse_if(struct parser *p)
{
	struct stmt *s = stmt_new(p, S_IF, p->tok.at);

	lang_parse_enter(p);
	lang_parse_next(p);
	s->e = lang_parse_expr(p);
	s->body = parse_body(p, "after the condition");
	if (lang_parse_is_word(p, "else")) {
		lang_parse_next(p);
		if (lang_parse_is_word(p, "if"))
			s->other = parse_if(p);
		else
			s->other = parse_body(p, "after 'else'");
	}
	lang_parse_leave(p);
	return s;
}

/* let $x; let $x = e; */
static struct stmt *parse_let(struct parser *p)
{
	struct stmt *s = stmt_new(p, S_VAR, p->tok.at);
	struct token name;
	struct var *old;

	lang_parse_next(p);
	if (p->tok.kind != T_VAR)
		lang_parse_wanted(p, "a $variable after 'let'");
	name = p->tok;
	lang_parse_next(p);
	if (lang_parse_is(p, ':'))
		lang_error(p->u, p->tok.at, "types of variables cannot be declared yet");
	old = lang_var_find(p, name.str, name.len);
	if (old && old->depth == p->scope)
		lang_error(p->u, name.at, "$%.*s exists already in this block",
			   (int)(name.len > 60 ? 60 : name.len), name.str);
	if (p->tok.kind == T_ASSIGN) {
		if (p->tok.op != OP_NONE)
			lang_parse_wanted(p, "'='");
		lang_parse_next(p);
		s->e = lang_parse_expr(p);
	}
	s->var = var_new(p, &name);
	s->at.end = p->last.end;
	return s;
}

/* $x = e, $x op= e: the variable at the current token, an assignment behind it. */
static struct stmt *parse_var_assign(struct parser *p)
{
	struct stmt *s = stmt_new(p, S_VAR, p->tok.at);
	struct token name = p->tok;
	struct var *v = lang_var_find(p, name.str, name.len);
	enum op op;

	lang_parse_next(p);
	op = p->tok.op;
	lang_parse_next(p);
	s->e = lang_parse_expr(p);
	if (op != OP_NONE && !v)
		lang_error(p->u, name.at, "undefined variable $%.*s: nothing was assigned to it",
			   (int)(name.len > 60 ? 60 : name.len), name.str);
	if (op != OP_NONE)
		s->e = lang_expr_binary(p, op, lang_expr_var(p, v, name.at), s->e);
	s->var = v ? v : var_new(p, &name);
	s->at.end = p->last.end;
	return s;
}

static struct stmt *parse_expr_stmt(struct parser *p)
{
	struct stmt *s = stmt_new(p, S_EXPR, p->tok.at);

	if (p->tok.kind == T_VAR) {
		struct token next;

		lang_lex(p->u, p->tok.at.end, &next);
		if (next.kind == T_ASSIGN)
			return parse_var_assign(p);
	}
	s->e = lang_parse_expr(p);
	if (p->tok.kind == T_ASSIGN) {
		if (s->e->kind != X_MAP)
			lang_error(p->u, s->e->at, "only variables and maps can be assigned to");
		s->kind = S_MAP;
		s->target = s->e;
		s->op = p->tok.op;
		lang_parse_next(p);
		s->e = lang_parse_expr(p);
	}
	s->at.end = p->last.end;
	return s;
}

static struct stmt *parse_stmt(struct parser *p)
{
	static const char *const loops[] = {"while", "for", "unroll", "break", "continue"};
	struct stmt *s;

	for (size_t i = 0; i < ARRAY_LEN(loops); i++) {
		if (lang_parse_is_word(p, loops[i]))
			lang_error(p->u, p->tok.at, "'%s': loops are not supported yet", loops[i]);
	}
	if (lang_parse_is_word(p, "if"))
		return parse_if(p);
	if (lang_parse_is_word(p, "let"))
		return parse_let(p);
	if (lang_parse_is(p, '{')) {
		s = stmt_new(p, S_BLOCK, p->tok.at);
		lang_parse_enter(p);
		s->body = parse_body(p, "");
		lang_parse_leave(p);
		return s;
	}
	if (lang_parse_is_word(p, "return")) {
		s = stmt_new(p, S_RETURN, p->tok.at);
		lang_parse_next(p);
		if (!lang_parse_is(p, ';') && !lang_parse_is(p, '}'))
			lang_parse_wanted(p, "';' after 'return'");
		return s;
	}
	return parse_expr_stmt(p);
}

/* { statements }, a scope of its own. An empty list is a statement that does nothing. */
static struct stmt *parse_body(struct parser *p, const char *where)
{
	struct stmt *body = stmt_new(p, S_BLOCK, p->tok.at), **tail = &body->body;
	struct var *outer = p->vars;

	lang_parse_expect(p, '{', where);
	p->scope++;
	while (!lang_parse_is(p, '}')) {
		if (lang_parse_accept(p, ';'))
			continue;
		if (p->tok.kind == T_EOF)
			lang_parse_wanted(p, "'}' at the end of the block");
		*tail = parse_stmt(p);
		if ((*tail)->kind != S_IF && (*tail)->kind != S_BLOCK && !lang_parse_is(p, ';') &&
		    !lang_parse_is(p, '}'))
			lang_parse_wanted(p, "';' or '}' after the statement");
		tail = &(*tail)->next;
	}
	p->scope--;
	p->vars = outer;
	lang_parse_next(p);
	return body;
}

/* What bpftrace allows at the top of a script besides probes. */
static void refuse_preamble(struct parser *p)
{
	static const char *const words[] = {"config", "import", "macro", "fn",	   "let",
					    "struct", "union",	"enum",	 "subprog"};
	uint32_t off = lang_lex_skip(p->u, p->tok.at.off);

	if (off < p->u->len && p->u->text[off] == '#')
		lang_error(p->u, (struct span){off, off + 1},
			   "preprocessor lines are not supported yet");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		uint32_t n = (uint32_t)strlen(words[i]);

		if (p->u->len - off > n && !memcmp(p->u->text + off, words[i], n) &&
		    (lang_is_space(p->u->text[off + n]) || p->u->text[off + n] == '='))
			lang_error(p->u, (struct span){off, off + n},
				   "'%s' at the top of a script is not supported yet", words[i]);
	}
}

static void parse_block(struct parser *p)
{
	struct block *b;

	p->u->block = lang_grow(p->u, p->u->block, p->u->nblocks, sizeof(*p->u->block));
	b = &p->u->block[p->u->nblocks++];
	memset(b, 0, sizeof(*b));
	p->block = b;
	p->vars = NULL;
	p->nvars = p->scope = p->nesting = 0;

	do {
		lang_parse_attach(p);
	} while (lang_parse_accept(p, ','));
	if (lang_parse_is_op(p, OP_DIV)) {
		lang_parse_next(p);
		b->pred = lang_parse_predicate(p);
		if (!lang_parse_is_op(p, OP_DIV))
			lang_parse_wanted(p, "'/' after the predicate");
		lang_parse_next(p);
	}
	b->body = parse_body(p, "after the probe");
}

void lang_parse(struct unit *u)
{
	struct parser p = {.u = u};
	uint32_t off = 0;

	if (u->len >= 2 && u->text[0] == '#' && u->text[1] == '!') {
		while (off < u->len && u->text[off] != '\n')
			off++;
	}
	off = lang_lex_skip(u, off);
	while (off < u->len) {
		p.tok.at = (struct span){off, off};
		refuse_preamble(&p);
		parse_block(&p);
		off = p.tok.at.off;
	}
	if (!u->nblocks)
		lang_error(u, (struct span){off, off}, "the script has no probe");
}

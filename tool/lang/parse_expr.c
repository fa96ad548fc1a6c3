/* SPDX-License-Identifier: MIT */
/*
 * Expressions: binary operators by precedence, then prefix, postfix, primary.
 *
 * Recursion and the depth of trees are bounded here, so that the checker and the generator may
 * recurse over any tree that leaves this file. Context: tool.
 */
#include <string.h>

#include "lang/parse.h"

void lang_parse_next(struct parser *p)
{
	p->last = p->tok.at;
	lang_lex(p->u, p->tok.at.end, &p->tok);
}

bool lang_parse_is(const struct parser *p, char c)
{
	return p->tok.kind == T_CHAR && p->tok.value == (uint64_t)c;
}

bool lang_parse_is_op(const struct parser *p, enum op op)
{
	return p->tok.kind == T_OP && p->tok.op == op;
}

bool lang_parse_is_word(const struct parser *p, const char *word)
{
	return p->tok.kind == T_IDENT && p->tok.len == strlen(word) &&
	       !memcmp(p->tok.str, word, p->tok.len);
}

bool lang_parse_accept(struct parser *p, char c)
{
	if (!lang_parse_is(p, c))
		return false;
	lang_parse_next(p);
	return true;
}

void lang_parse_wanted(struct parser *p, const char *what)
{
	uint32_t len = p->tok.at.end - p->tok.at.off;

	if (p->tok.kind == T_EOF)
		lang_error(p->u, p->tok.at, "expected %s, found the end of the script", what);
	if (len > 40 || memchr(p->u->text + p->tok.at.off, '\n', len))
		lang_error(p->u, p->tok.at, "expected %s", what);
	lang_error(p->u, p->tok.at, "expected %s, found '%.*s'", what, (int)len,
		   p->u->text + p->tok.at.off);
}

void lang_parse_expect(struct parser *p, char c, const char *where)
{
	char what[80];

	if (lang_parse_accept(p, c))
		return;
	snprintf(what, sizeof(what), "'%c' %s", c, where);
	lang_parse_wanted(p, what);
}

void lang_parse_enter(struct parser *p)
{
	if (++p->nesting > PARSE_MAX_NESTING)
		lang_error(p->u, p->tok.at, "nested too deeply (limit: %d levels)",
			   PARSE_MAX_NESTING);
}

void lang_parse_leave(struct parser *p)
{
	p->nesting--;
}

static struct expr *expr_new(struct parser *p, enum expr_kind kind, struct span at)
{
	struct expr *e = lang_alloc(p->u, sizeof(*e));

	e->kind = kind;
	e->at = at;
	return e;
}

/* @e got the child @a: its tree is deeper by one. */
static struct expr *adopt(struct parser *p, struct expr *e, const struct expr *a)
{
	if (a->depth + 1 > e->depth)
		e->depth = a->depth + 1;
	if (e->depth > PARSE_MAX_DEPTH)
		lang_error(p->u, e->at, "this expression is too long: split it into variables");
	return e;
}

struct expr *lang_expr_binary(struct parser *p, enum op op, struct expr *a, struct expr *b)
{
	struct expr *e = expr_new(p, X_BINARY, lang_span(a->at, b->at));

	e->op = op;
	e->a = a;
	e->b = b;
	adopt(p, e, a);
	return adopt(p, e, b);
}

struct expr *lang_expr_var(struct parser *p, struct var *v, struct span at)
{
	struct expr *e = expr_new(p, X_VAR, at);

	e->var = v;
	return e;
}

static struct expr *parse_unary(struct parser *p);

/* Comma-separated expressions up to @close. */
static void parse_args(struct parser *p, struct expr *e, char close)
{
	bool in_pred = p->in_pred;

	p->in_pred = false;
	while (!lang_parse_is(p, close)) {
		e->arg = lang_grow(p->u, e->arg, e->narg, sizeof(*e->arg));
		e->arg[e->narg++] = lang_parse_expr(p);
		adopt(p, e, e->arg[e->narg - 1]);
		if (!lang_parse_accept(p, ','))
			break;
	}
	p->in_pred = in_pred;
	lang_parse_expect(p, close, close == ']' ? "after the key" : "or ',' in the list");
	e->at.end = p->last.end;
}

static struct map *map_get(struct parser *p)
{
	struct unit *u = p->u;
	struct map *m;

	for (uint32_t i = 0; i < u->nmaps; i++) {
		m = u->map[i];
		if (strlen(m->name) == p->tok.len && !memcmp(m->name, p->tok.str, p->tok.len))
			return m;
	}
	if (u->nmaps == LANG_MAX_MAPS)
		lang_error(u, p->tok.at, "too many maps (limit: %d)", LANG_MAX_MAPS);
	m = lang_alloc(u, sizeof(*m));
	m->name = lang_strdup(u, p->tok.str, p->tok.len);
	m->index = u->nmaps;
	m->first = p->tok.at;
	u->map = lang_grow(u, u->map, u->nmaps, sizeof(*u->map));
	u->map[u->nmaps++] = m;
	return m;
}

/* Take the keys of a one-tuple list for the list: @m[(1, 2)] is @m[1, 2]. */
static void flatten_tuple(struct expr *e)
{
	if (e->narg == 1 && e->arg[0]->kind == X_TUPLE) {
		struct expr *tuple = e->arg[0];

		e->arg = tuple->arg;
		e->narg = tuple->narg;
	}
}

static struct expr *parse_map(struct parser *p)
{
	struct expr *e = expr_new(p, X_MAP, p->tok.at);

	e->map = map_get(p);
	lang_parse_next(p);
	if (lang_parse_accept(p, '[')) {
		e->has_key = true;
		parse_args(p, e, ']');
		if (!e->narg)
			lang_error(p->u, e->at, "the key of %s is missing", e->map->name);
		flatten_tuple(e);
	}
	return e;
}

static struct expr *parse_var(struct parser *p)
{
	struct token name = p->tok;
	struct var *v = lang_var_find(p, name.str, name.len);

	lang_parse_next(p);
	if (!v)
		lang_error(p->u, name.at, "undefined variable $%.*s: nothing was assigned to it",
			   (int)(name.len > 60 ? 60 : name.len), name.str);
	return lang_expr_var(p, v, name.at);
}

static _Noreturn void unknown_name(struct parser *p, const struct token *name, bool is_call)
{
	int len = (int)(name->len > 60 ? 60 : name->len);
	const char *why = lang_unsupported_why(name->str, name->len);
	const char *near = lang_name_near(name->str, name->len, is_call);
	const char *paren = is_call ? "()" : "";

	if (why)
		lang_error(p->u, name->at, "'%.*s%s' cannot be used: %s", len, name->str, paren,
			   why);
	if (!is_call && lang_function_find(name->str, name->len))
		lang_error(p->u, name->at, "'%.*s' is a function: expected '(' after it", len,
			   name->str);
	if (near)
		lang_error(p->u, name->at, "unknown %s '%.*s'; did you mean '%s%s'?",
			   is_call ? "function" : "name", len, name->str, near, paren);
	lang_error(p->u, name->at, "unknown %s '%.*s'", is_call ? "function" : "name", len,
		   name->str);
}

static struct expr *parse_call(struct parser *p, const struct token *name)
{
	const struct builtin *b = lang_builtin_find(name->str, name->len);
	struct expr *e = expr_new(p, X_CALL, name->at);

	e->func = lang_function_find(name->str, name->len);
	if (!e->func && !b)
		unknown_name(p, name, true);
	lang_parse_next(p);
	parse_args(p, e, ')');
	if (e->func)
		return e;
	if (e->narg)
		lang_error(p->u, e->at, "%s() with an argument is not supported yet", b->name);
	e->kind = X_BUILTIN;
	e->builtin = b;
	return e;
}

static struct expr *parse_name(struct parser *p)
{
	struct token name = p->tok;
	struct expr *e;

	if (lang_parse_is_word(p, "if") || lang_parse_is_word(p, "let"))
		lang_parse_wanted(p, "an expression");
	lang_parse_next(p);
	if (lang_parse_is(p, '('))
		return parse_call(p, &name);
	if ((name.len == 4 && !memcmp(name.str, "true", 4)) ||
	    (name.len == 5 && !memcmp(name.str, "false", 5))) {
		e = expr_new(p, X_INT, name.at);
		e->value = name.len == 4;
		return e;
	}
	e = expr_new(p, X_BUILTIN, name.at);
	e->builtin = lang_builtin_find(name.str, name.len);
	if (!e->builtin) {
		if (name.len > 3 && !memcmp(name.str, "arg", 3) && lang_is_digit(name.str[3]))
			lang_error(p->u, name.at, "only arg0 to arg9 can be read");
		unknown_name(p, &name, false);
	}
	return e;
}

/* Behind '(': a cast, a tuple, or an expression. */
static struct expr *parse_paren(struct parser *p)
{
	struct span open = p->last;
	bool in_pred = p->in_pred, is_signed;
	struct expr *e, *tuple;
	uint32_t bits;

	if (p->tok.kind == T_IDENT && lang_int_type(p->tok.str, p->tok.len, &bits, &is_signed)) {
		lang_parse_next(p);
		lang_parse_expect(p, ')', "after the type");
		e = expr_new(p, X_CAST, open);
		e->bits = bits;
		e->type = (struct type){SCRIPT_INT, is_signed, false, 8};
		e->a = parse_unary(p);
		e->at.end = p->last.end;
		return adopt(p, e, e->a);
	}
	if (lang_parse_is_word(p, "struct") || lang_parse_is_word(p, "union"))
		lang_error(p->u, p->tok.at, "structs are not supported yet");
	p->in_pred = false;
	e = lang_parse_expr(p);
	if (lang_parse_accept(p, ',')) {
		tuple = expr_new(p, X_TUPLE, open);
		tuple->arg = lang_grow(p->u, NULL, 0, sizeof(*tuple->arg));
		tuple->arg[tuple->narg++] = e;
		adopt(p, tuple, e);
		parse_args(p, tuple, ')');
		e = tuple;
	} else {
		lang_parse_expect(p, ')', "to close the parenthesis");
	}
	p->in_pred = in_pred;
	e->at = lang_span(open, p->last);
	return e;
}

static struct expr *parse_primary(struct parser *p)
{
	struct expr *e;

	switch (p->tok.kind) {
	case T_INT:
	case T_PARAM:
		e = expr_new(p, p->tok.kind == T_INT ? X_INT : X_PARAM, p->tok.at);
		e->value = p->tok.value;
		break;
	case T_NPARAMS:
		e = expr_new(p, X_INT, p->tok.at);
		e->value = (uint64_t)p->u->opt->argc;
		break;
	case T_STR:
		e = expr_new(p, X_STR, p->tok.at);
		e->str = p->tok.str;
		e->len = (uint32_t)strnlen(p->tok.str, p->tok.len);
		e->bits = p->tok.len;
		break;
	case T_VAR:
		return parse_var(p);
	case T_MAP:
		return parse_map(p);
	case T_IDENT:
		return parse_name(p);
	default:
		if (!lang_parse_accept(p, '('))
			lang_parse_wanted(p, "an expression");
		return parse_paren(p);
	}
	lang_parse_next(p);
	return e;
}

static struct expr *incdec_new(struct parser *p, struct expr *a, const struct token *op,
			       bool is_prefix)
{
	struct expr *e = expr_new(p, X_INCDEC, lang_span(is_prefix ? op->at : a->at, p->last));

	if (a->kind != X_VAR && a->kind != X_MAP)
		lang_error(p->u, a->at, "only a variable or a map can be changed by %s",
			   op->op == OP_ADD ? "++" : "--");
	e->op = op->op;
	e->is_prefix = is_prefix;
	e->a = a;
	return adopt(p, e, a);
}

static struct expr *parse_postfix(struct parser *p)
{
	struct expr *e = parse_primary(p);

	while (p->tok.kind == T_INCDEC) {
		struct token op = p->tok;

		lang_parse_next(p);
		e = incdec_new(p, e, &op, false);
	}
	if (p->tok.kind == T_ARROW || lang_parse_is(p, '.'))
		lang_error(p->u, p->tok.at, "fields of structs are not supported yet");
	if (lang_parse_is(p, '['))
		lang_error(p->u, p->tok.at, "only maps have keys; arrays are not supported yet");
	return e;
}

static struct expr *parse_unary(struct parser *p)
{
	struct token op = p->tok;
	struct expr *e, *a;

	lang_parse_enter(p);
	if (op.kind == T_INCDEC) {
		lang_parse_next(p);
		a = parse_unary(p);
		e = incdec_new(p, a, &op, true);
	} else if (op.kind == T_OP &&
		   (op.op == OP_SUB || op.op == OP_NOT || op.op == OP_BITNOT || op.op == OP_ADD)) {
		lang_parse_next(p);
		a = parse_unary(p);
		e = expr_new(p, X_UNARY, lang_span(op.at, a->at));
		e->op = op.op;
		e->a = a;
		adopt(p, e, a);
	} else if (op.kind == T_OP && (op.op == OP_MUL || op.op == OP_AND)) {
		lang_error(p->u, op.at, "pointers cannot be followed yet");
	} else {
		e = parse_postfix(p);
	}
	lang_parse_leave(p);
	return e;
}

/* How tightly a binary operator binds, 0 = it is none. */
static unsigned int precedence(enum op op)
{
	static const uint8_t level[OP_COUNT] = {
		[OP_MUL] = 10, [OP_DIV] = 10, [OP_MOD] = 10, [OP_ADD] = 9, [OP_SUB] = 9,
		[OP_SHL] = 8,  [OP_SHR] = 8,  [OP_LT] = 7,   [OP_LE] = 7,  [OP_GT] = 7,
		[OP_GE] = 7,   [OP_EQ] = 6,   [OP_NE] = 6,   [OP_AND] = 5, [OP_XOR] = 4,
		[OP_OR] = 3,   [OP_LAND] = 2, [OP_LOR] = 1,
	};

	return level[op];
}

/* The '/' at the current token ends a predicate. */
static bool ends_predicate(const struct parser *p)
{
	uint32_t next;

	if (!p->in_pred || !lang_parse_is_op(p, OP_DIV))
		return false;
	next = lang_lex_skip(p->u, p->tok.at.end);
	return next < p->u->len && p->u->text[next] == '{';
}

static struct expr *parse_binary(struct parser *p, unsigned int least)
{
	struct expr *a = parse_unary(p);

	while (p->tok.kind == T_OP && !ends_predicate(p)) {
		enum op op = p->tok.op;
		unsigned int level = precedence(op);

		if (!level || level < least)
			break;
		lang_parse_next(p);
		a = lang_expr_binary(p, op, a, parse_binary(p, level + 1));
	}
	return a;
}

struct expr *lang_parse_expr(struct parser *p)
{
	struct expr *e, *cond;

	lang_parse_enter(p);
	e = parse_binary(p, 1);
	if (lang_parse_accept(p, '?')) {
		cond = e;
		e = expr_new(p, X_COND, cond->at);
		e->a = cond;
		e->b = lang_parse_expr(p);
		lang_parse_expect(p, ':', "of the '?' before");
		e->c = lang_parse_expr(p);
		e->at.end = p->last.end;
		adopt(p, e, e->a);
		adopt(p, e, e->b);
		adopt(p, e, e->c);
	}
	lang_parse_leave(p);
	return e;
}

struct expr *lang_parse_predicate(struct parser *p)
{
	struct expr *e;

	p->in_pred = true;
	e = lang_parse_expr(p);
	p->in_pred = false;
	return e;
}

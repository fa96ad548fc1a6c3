/* SPDX-License-Identifier: MIT */
/*
 * The checker's walk over expressions and statements. Context: tool.
 */
#include <string.h>

#include "lang/check.h"

#define MAX_PASSES 64

/* @e, checked before, is an integer. */
static void want_int(struct checker *c, const struct expr *e, const char *what)
{
	if (e->type.kind == SCRIPT_NONE && !c->is_last)
		return;
	if (e->type.kind != SCRIPT_INT)
		lang_error(c->u, e->at, "%s has to be an integer, but this is %s", what,
			   lang_type_name(&e->type));
}

static void want_string(struct checker *c, const struct expr *e, const char *what)
{
	if (e->type.kind == SCRIPT_NONE && !c->is_last)
		return;
	if (!lang_type_is_string(&e->type))
		lang_error(c->u, e->at, "%s has to be a string, but this is %s", what,
			   lang_type_name(&e->type));
}

void lang_check_int(struct checker *c, struct expr *e, const char *what)
{
	lang_check_expr(c, e);
	want_int(c, e, what);
}

void lang_check_string(struct checker *c, struct expr *e, const char *what)
{
	lang_check_expr(c, e);
	want_string(c, e, what);
}

static void set_constant(struct expr *e, uint64_t value, bool is_signed, bool is_flex)
{
	e->kind = X_INT;
	e->value = value;
	e->type = (struct type){SCRIPT_INT, is_signed, is_flex, 8};
}

/* A positional parameter as a number. */
static void check_param(struct checker *c, struct expr *e)
{
	const struct lang_options *opt = c->u->opt;
	const char *s, *digits, *wrong;
	bool is_duration;
	size_t used;

	if (e->value > (uint64_t)opt->argc) {
		set_constant(e, 0, true, true);
		return;
	}
	s = opt->argv[e->value - 1];
	digits = s[0] == '-' ? s + 1 : s;
	if (!lang_is_digit(digits[0]))
		lang_error(c->u, e->at,
			   "$%u is \"%.60s\", which is no number; as a string it is "
			   "written str($%u)",
			   (unsigned int)e->value, s, (unsigned int)e->value);
	wrong = lang_int_parse(digits, strlen(digits), &used, &e->value, &is_duration);
	if (!wrong && digits[used])
		wrong = "text follows the number";
	if (wrong)
		lang_error(c->u, e->at, "the positional parameter \"%.60s\": %s", s, wrong);
	if (digits != s)
		set_constant(e, -e->value, true, false);
	else
		set_constant(e, e->value, e->value <= INT64_MAX, e->value <= INT64_MAX);
}

static void check_builtin(struct checker *c, struct expr *e)
{
	const struct builtin *b = e->builtin;

	if (b->needs_target && c->block->in_tool)
		lang_error(c->u, e->at,
			   "%s has no meaning here: %s runs inside the tool, not in "
			   "a probed function",
			   b->name, c->block->in_tool);
	e->type = (struct type){b->kind, false, false, b->from == FROM_COMM ? CHECK_COMM_SIZE : 8};
}

static void check_unary(struct checker *c, struct expr *e)
{
	const struct type *t = &e->a->type;

	lang_check_int(c, e->a, "the operand");
	if (e->op == OP_NOT) {
		e->type = (struct type){SCRIPT_INT, true, true, 8};
		if (e->a->kind == X_INT)
			set_constant(e, !e->a->value, true, true);
		return;
	}
	e->type = lang_type_int(e->op == OP_SUB || t->is_signed);
	e->type.is_flex = e->op == OP_ADD && t->is_flex;
	if (e->a->kind != X_INT)
		return;
	if (e->op == OP_SUB)
		set_constant(e, -e->a->value, true, e->a->value == 0);
	else if (e->op == OP_BITNOT)
		set_constant(e, ~e->a->value, t->is_signed, false);
	else
		set_constant(e, e->a->value, t->is_signed, t->is_flex);
}

static bool is_comparison(enum op op)
{
	return op >= OP_LT && op <= OP_NE;
}

/* Both operands are constants: compute what needs no care about zero. */
static void fold(struct expr *e)
{
	uint64_t a = e->a->value, b = e->b->value, r;
	bool is_signed = e->type.is_signed;

	switch (e->op) {
	case OP_ADD:
		r = a + b;
		break;
	case OP_SUB:
		r = a - b;
		break;
	case OP_MUL:
		r = a * b;
		break;
	case OP_AND:
		r = a & b;
		break;
	case OP_OR:
		r = a | b;
		break;
	case OP_XOR:
		r = a ^ b;
		break;
	case OP_SHL:
		r = a << (b & 63);
		break;
	case OP_DIV:
		if (!b || (is_signed && b == UINT64_MAX))
			return;
		r = is_signed ? (uint64_t)((int64_t)a / (int64_t)b) : a / b;
		break;
	default:
		return;
	}
	set_constant(e, r, is_signed, e->type.is_flex && (int64_t)r >= 0);
}

/* A flexible operand takes the other's sign; otherwise signed if either is. */
static struct type common(const struct type *a, const struct type *b)
{
	struct type t = *a;
	bool changed = false;

	lang_type_join(&t, b, &changed);
	return t;
}

static void check_binary(struct checker *c, struct expr *e)
{
	struct type *a = &e->a->type, *b = &e->b->type;

	lang_check_expr(c, e->a);
	lang_check_expr(c, e->b);
	e->type = (struct type){SCRIPT_INT, true, true, 8};
	if ((e->op == OP_EQ || e->op == OP_NE) &&
	    (lang_type_is_string(a) || lang_type_is_string(b))) {
		want_string(c, e->a, "the operand");
		want_string(c, e->b, "the operand");
		return;
	}
	if (lang_type_is_string(a) || lang_type_is_string(b))
		lang_error(c->u, e->at, "strings can be compared with == and != only");
	want_int(c, e->a, "the operand");
	want_int(c, e->b, "the operand");
	if (is_comparison(e->op) || e->op == OP_LAND || e->op == OP_LOR)
		return;
	if (e->op == OP_SHL || e->op == OP_SHR) {
		e->type = *a;
		e->type.kind = SCRIPT_INT;
		e->type.size = 8;
	} else {
		e->type = common(a, b);
		if (e->op == OP_SUB) {
			e->type.is_signed = true;
			e->type.is_flex = false;
		}
		e->type.kind = SCRIPT_INT;
		e->type.size = 8;
	}
	if (e->a->kind == X_INT && e->b->kind == X_INT)
		fold(e);
}

static void check_cond(struct checker *c, struct expr *e)
{
	bool changed = false;

	lang_check_int(c, e->a, "the condition");
	lang_check_expr(c, e->b);
	lang_check_expr(c, e->c);
	e->type = e->b->type;
	if (!lang_type_join(&e->type, &e->c->type, &changed))
		lang_error(c->u, e->at, "the two values of ?: differ: %s and %s",
			   lang_type_name(&e->b->type), lang_type_name(&e->c->type));
	if (c->is_last && (e->b->type.kind == SCRIPT_NONE || e->c->type.kind == SCRIPT_NONE))
		lang_error(c->u, e->at, "the two sides of ?: need a value");
}

static void check_incdec(struct checker *c, struct expr *e)
{
	struct type literal = {SCRIPT_INT, true, true, 8};
	struct type *t = e->a->kind == X_VAR ? &e->a->var->type : &e->a->map->value;

	if (e->a->kind == X_MAP) {
		lang_check_keys(c, e->a->map, e->a->arg, e->a->narg, e->a->at);
		lang_check_map_plain(c, e->a->map, e->a->at);
	}
	if (!lang_type_join(t, &literal, &c->changed))
		lang_error(c->u, e->a->at, "%s needs an integer, but this is %s",
			   e->op == OP_ADD ? "++" : "--", lang_type_name(t));
	e->a->type = *t;
	e->type = *t;
}

void lang_check_expr(struct checker *c, struct expr *e)
{
	switch (e->kind) {
	case X_INT:
		if (e->type.kind == SCRIPT_NONE)
			set_constant(e, e->value, e->value <= INT64_MAX, e->value <= INT64_MAX);
		break;
	case X_STR:
		e->type = lang_type_str(c->u, e->len + 1, e->at);
		break;
	case X_PARAM:
		check_param(c, e);
		break;
	case X_VAR:
		e->type = e->var->type;
		break;
	case X_MAP:
		lang_check_map_use(c, e);
		break;
	case X_BUILTIN:
		check_builtin(c, e);
		break;
	case X_CALL:
		lang_check_call(c, e, false);
		break;
	case X_UNARY:
		check_unary(c, e);
		break;
	case X_BINARY:
		check_binary(c, e);
		break;
	case X_COND:
		check_cond(c, e);
		break;
	case X_INCDEC:
		check_incdec(c, e);
		break;
	case X_CAST:
		lang_check_int(c, e->a, "the operand of a cast");
		break;
	case X_TUPLE:
		lang_error(c->u, e->at, "tuples can only be keys of maps");
	}
}

static void check_var_assign(struct checker *c, struct stmt *s)
{
	struct var *v = s->var;

	if (!s->e) {
		if (c->is_last && v->type.kind == SCRIPT_NONE)
			v->type = lang_type_int(true); /* declared and never used */
		return;
	}
	lang_check_expr(c, s->e);
	if (s->e->type.kind == SCRIPT_NONE && c->is_last)
		lang_error(c->u, s->e->at, "this has no value that could be assigned");
	if (!lang_type_join(&v->type, &s->e->type, &c->changed))
		lang_error(c->u, s->e->at, "$%.*s is %s, so it cannot become %s",
			   (int)(v->len > 60 ? 60 : v->len), v->name, lang_type_name(&v->type),
			   lang_type_name(&s->e->type));
}

static void check_map_assign(struct checker *c, struct stmt *s)
{
	struct expr *target = s->target;
	struct map *m = target->map;

	lang_check_keys(c, m, target->arg, target->narg, target->at);
	if (s->e->kind == X_CALL && s->e->func->id == FN_AGG) {
		if (s->op != OP_NONE)
			lang_error(c->u, s->at, "an aggregation is assigned with '=' only");
		lang_check_arity(c, s->e);
		lang_check_map_agg(c, m, s->e);
		return;
	}
	if (s->op != OP_NONE)
		lang_check_int(c, s->e, "the operand");
	else
		lang_check_expr(c, s->e);
	if (s->e->type.kind == SCRIPT_NONE && c->is_last)
		lang_error(c->u, s->e->at, "this has no value that could be assigned");
	lang_check_map_plain(c, m, target->at);
	if (!lang_type_join(&m->value, &s->e->type, &c->changed))
		lang_error(c->u, s->e->at, "%s holds %s in line %d, so it cannot hold %s here",
			   m->name, lang_type_name(&m->value), lang_check_line(c, m->kind_at),
			   lang_type_name(&s->e->type));
	if (s->op != OP_NONE && m->value.kind != SCRIPT_INT && c->is_last)
		lang_error(c->u, s->at, "'%s=' needs an integer, but %s holds %s",
			   lang_op_text[s->op], m->name, lang_type_name(&m->value));
}

static void check_stmts(struct checker *c, struct stmt *s)
{
	for (; s; s = s->next) {
		switch (s->kind) {
		case S_EXPR:
			if (s->e->kind == X_CALL)
				lang_check_call(c, s->e, true);
			else
				lang_check_expr(c, s->e);
			break;
		case S_VAR:
			check_var_assign(c, s);
			break;
		case S_MAP:
			check_map_assign(c, s);
			break;
		case S_IF:
			lang_check_int(c, s->e, "the condition");
			check_stmts(c, s->body);
			check_stmts(c, s->other);
			break;
		case S_BLOCK:
			check_stmts(c, s->body);
			break;
		case S_RETURN:
			break;
		}
	}
}

static void check_pass(struct checker *c)
{
	struct unit *u = c->u;

	c->changed = false;
	for (uint32_t i = 0; i < u->nblocks; i++) {
		c->block = &u->block[i];
		if (c->block->pred)
			lang_check_int(c, c->block->pred, "the predicate");
		check_stmts(c, c->block->body);
	}
}

void lang_check(struct unit *u)
{
	struct checker c = {.u = u};
	int passes = 0;

	do {
		check_pass(&c);
	} while (c.changed && ++passes < MAX_PASSES);
	if (c.changed)
		lang_error(u, (struct span){0, 0},
			   "the types of this script depend on each other "
			   "in too long a chain");
	c.is_last = true;
	check_pass(&c);
	for (uint32_t i = 0; i < u->nmaps; i++) {
		struct map *m = u->map[i];

		if (!m->kind_known)
			lang_error(u, m->first, "undefined map %s: nothing was assigned to it",
				   m->name);
	}
}

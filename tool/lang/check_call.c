/* SPDX-License-Identifier: MIT */
/*
 * Calls: number and types of their arguments, and the events they emit. Context: tool.
 */
#include <string.h>

#include "lang/check.h"
#include "lang/format.h"

void lang_check_arity(struct checker *c, struct expr *e)
{
	const struct function *f = e->func;

	if (e->narg < f->min)
		lang_error(c->u, e->at, "%s() needs %s argument%s: %s", f->name,
			   f->min == 1 ? "an" : "more", f->min == 1 ? "" : "s", f->usage);
	if (e->narg > f->max)
		lang_error(c->u, e->arg[f->max]->at, "too many arguments of %s(): %s", f->name,
			   f->usage);
	if (f->needs_target && c->block->in_tool)
		lang_error(c->u, e->at,
			   "%s() has no meaning here: %s runs inside the tool, not "
			   "in a probed function",
			   f->name, c->block->in_tool);
}

/* The event that call @e emits; only in the last pass, when types are final. */
static struct script_event *event_new(struct checker *c, struct expr *e,
				      enum script_event_kind kind, uint32_t nargs)
{
	struct script *s = c->u->script;
	struct script_event *ev;

	if (s->nevents == LANG_MAX_EVENTS)
		lang_error(c->u, e->at, "too many calls that print (limit: %d)", LANG_MAX_EVENTS);
	s->event = lang_grow(c->u, s->event, s->nevents, sizeof(*s->event));
	ev = &s->event[s->nevents++];
	memset(ev, 0, sizeof(*ev));
	ev->kind = kind;
	ev->nargs = nargs;
	ev->arg = nargs ? lang_alloc(c->u, nargs * sizeof(*ev->arg)) : NULL;
	e->event = s->nevents;
	return ev;
}

static void event_keys(struct checker *c, struct expr *e, enum script_event_kind kind,
		       const struct map *m)
{
	struct script_event *ev;

	if (!c->is_last)
		return;
	ev = event_new(c, e, kind, m->nkeys);
	ev->map = m->index;
	for (uint32_t i = 0; i < m->nkeys; i++)
		ev->arg[i] = lang_type_final(&m->key[i]);
}

static struct map *map_arg(struct checker *c, struct expr *e)
{
	if (e->arg[0]->kind != X_MAP)
		lang_error(c->u, e->arg[0]->at, "%s() needs a map: %s", e->func->name,
			   e->func->usage);
	return e->arg[0]->map;
}

/* f(@m, key) becomes f(@m[key]), which is how the generator knows it. */
static void fold_key(struct checker *c, struct expr *e)
{
	struct expr *map = e->arg[0], *key;

	map_arg(c, e);
	if (e->narg < 2)
		return;
	key = e->arg[1];
	if (map->has_key)
		lang_error(c->u, key->at, "the key is given twice");
	map->has_key = true;
	map->arg = key->kind == X_TUPLE ? key->arg : e->arg + 1;
	map->narg = key->kind == X_TUPLE ? key->narg : 1;
	e->narg = 1;
}

static void check_printf(struct checker *c, struct expr *e)
{
	struct expr *format = e->arg[0];
	struct script_event *ev;

	if (format->kind != X_STR)
		lang_error(c->u, format->at, "the format of printf() has to be a string literal");
	if (format->bits != format->len)
		lang_error(c->u, format->at, "a format cannot hold a zero byte");
	for (uint32_t i = 1; i < e->narg; i++) {
		lang_check_expr(c, e->arg[i]);
		if (c->is_last && e->arg[i]->type.kind == SCRIPT_NONE)
			lang_error(c->u, e->arg[i]->at, "this has no value that could be printed");
	}
	if (!c->is_last)
		return;
	lang_check_format(c, e);
	ev = event_new(c, e, SCRIPT_EV_PRINTF, e->narg - 1);
	ev->format = lang_strdup(c->u, format->str, format->len);
	for (uint32_t i = 1; i < e->narg; i++)
		ev->arg[i - 1] = lang_type_final(&e->arg[i]->type);
}

static void check_print(struct checker *c, struct expr *e)
{
	struct expr *what = e->arg[0];
	struct script_event *ev;

	if (e->narg > 1 && (what->kind != X_MAP || what->has_key))
		lang_error(c->u, e->arg[1]->at, "only a whole map prints with top and div");
	if (what->kind == X_MAP && what->has_key) {
		lang_check_keys(c, what->map, what->arg, what->narg, what->at);
		event_keys(c, e, SCRIPT_EV_PRINT_ELEM, what->map);
		return;
	}
	if (what->kind == X_MAP) {
		for (uint32_t i = 1; i < e->narg; i++)
			lang_check_int(c, e->arg[i], i == 1 ? "top" : "div");
		if (!c->is_last)
			return;
		ev = event_new(c, e, SCRIPT_EV_PRINT_MAP, 2);
		ev->map = what->map->index;
		ev->arg[0] = ev->arg[1] = (struct script_type){SCRIPT_INT, true, 8};
		return;
	}
	lang_check_expr(c, what);
	if (!c->is_last)
		return;
	if (what->type.kind == SCRIPT_NONE)
		lang_error(c->u, what->at, "this has no value that could be printed");
	ev = event_new(c, e, SCRIPT_EV_PRINT_VALUE, 1);
	ev->arg[0] = lang_type_final(&what->type);
}

static void check_whole_map(struct checker *c, struct expr *e, enum script_event_kind kind)
{
	struct map *m = map_arg(c, e);

	if (e->arg[0]->has_key)
		lang_error(c->u, e->arg[0]->at,
			   "%s() takes a whole map; to remove one key use "
			   "delete(%s, key)",
			   e->func->name, m->name);
	if (c->is_last)
		event_new(c, e, kind, 0)->map = m->index;
}

static void check_delete(struct checker *c, struct expr *e, bool is_stmt)
{
	struct expr *target;

	fold_key(c, e);
	target = e->arg[0];
	lang_check_keys(c, target->map, target->arg, target->narg, target->at);
	e->type = (struct type){SCRIPT_INT, true, true, 8};
	if (!target->map->kind_known || target->map->kind == WIRE_MAP_PLAIN)
		return;
	if (!is_stmt)
		lang_error(c->u, e->at, "delete() has no value here: %s holds %s",
			   target->map->name, lang_agg_name(target->map->kind));
	event_keys(c, e, target->map->nkeys ? SCRIPT_EV_DELETE : SCRIPT_EV_CLEAR, target->map);
}

static void check_has_key(struct checker *c, struct expr *e)
{
	struct expr *target;

	if (e->narg == 2)
		fold_key(c, e);
	target = e->arg[0];
	lang_check_keys(c, target->map, target->arg, target->narg, target->at);
	if (target->map->kind_known && target->map->kind != WIRE_MAP_PLAIN)
		lang_error(c->u, e->at, "has_key() cannot look into %s yet: it holds %s",
			   target->map->name, lang_agg_name(target->map->kind));
	e->type = (struct type){SCRIPT_INT, true, true, 8};
}

static void check_exit(struct checker *c, struct expr *e)
{
	if (e->narg)
		lang_check_int(c, e->arg[0], "the exit code");
	if (c->is_last)
		event_new(c, e, SCRIPT_EV_EXIT, 1)->arg[0] =
			(struct script_type){SCRIPT_INT, true, 8};
}

/* The length given to str(), 0 if none. */
static uint32_t str_length(struct checker *c, struct expr *e)
{
	struct expr *n;

	if (e->narg < 2)
		return 0;
	n = e->arg[1];
	lang_check_int(c, n, "the length of str()");
	if (n->kind != X_INT)
		lang_error(c->u, n->at, "the length of str() has to be a constant");
	if ((int64_t)n->value <= 0 || n->value > LANG_MAX_STRLEN - 8)
		lang_error(c->u, n->at, "the length of str() goes from 1 to %d",
			   LANG_MAX_STRLEN - 8);
	return (uint32_t)n->value;
}

static void check_str(struct checker *c, struct expr *e)
{
	struct expr *from = e->arg[0];
	uint32_t n = str_length(c, e);

	if (from->kind == X_PARAM) {
		const struct lang_options *opt = c->u->opt;

		e->str = from->value <= (uint64_t)opt->argc ? opt->argv[from->value - 1] : "";
		e->len = (uint32_t)strlen(e->str);
		if (n && e->len > n)
			e->len = n;
		e->bits = e->len;
		e->kind = X_STR;
		lang_check_expr(c, e);
		return;
	}
	lang_check_int(c, from, "the address given to str()");
	if (c->block->in_tool)
		lang_error(c->u, e->at,
			   "str() has no memory to read from here: %s runs inside the "
			   "tool, not in a probed function",
			   c->block->in_tool);
	e->bits = n;
	e->type = lang_type_str(c->u, n ? n + 3 : c->u->max_strlen, e->at);
}

static void check_reg(struct checker *c, struct expr *e)
{
	struct expr *name = e->arg[0];
	int slot;

	if (name->kind != X_STR)
		lang_error(c->u, name->at, "reg() needs the name of a register: %s",
			   e->func->usage);
	slot = wire_reg_slot(name->str);
	if (slot < 0)
		lang_error(c->u, name->at, "unknown register \"%.40s\"", name->str);
	e->value = (uint64_t)slot;
	e->type = lang_type_int(false);
}

static void check_strncmp(struct checker *c, struct expr *e)
{
	lang_check_string(c, e->arg[0], "the first argument of strncmp()");
	lang_check_string(c, e->arg[1], "the second argument of strncmp()");
	lang_check_int(c, e->arg[2], "the length");
	if (e->arg[2]->kind != X_INT || (int64_t)e->arg[2]->value < 0)
		lang_error(c->u, e->arg[2]->at,
			   "the length given to strncmp() has to be a constant, 0 or more");
	e->type = (struct type){SCRIPT_INT, true, true, 8};
}

void lang_check_call(struct checker *c, struct expr *e, bool is_stmt)
{
	enum function_id id = e->func->id;

	if (id == FN_AGG)
		lang_error(c->u, e->at, "%s() can only be assigned to a map: @name = %s",
			   e->func->name, e->func->usage);
	if (!is_stmt &&
	    (id == FN_PRINTF || id == FN_PRINT || id == FN_CLEAR || id == FN_ZERO || id == FN_EXIT))
		lang_error(c->u, e->at, "%s() has no value", e->func->name);
	/* A key folded into the map was counted before. */
	if (!(e->narg == 1 && id == FN_HAS_KEY && e->arg[0]->kind == X_MAP && e->arg[0]->has_key))
		lang_check_arity(c, e);
	switch (id) {
	case FN_PRINTF:
		check_printf(c, e);
		break;
	case FN_PRINT:
		check_print(c, e);
		break;
	case FN_CLEAR:
		check_whole_map(c, e, SCRIPT_EV_CLEAR);
		break;
	case FN_ZERO:
		check_whole_map(c, e, SCRIPT_EV_ZERO);
		break;
	case FN_DELETE:
		check_delete(c, e, is_stmt);
		break;
	case FN_HAS_KEY:
		check_has_key(c, e);
		break;
	case FN_EXIT:
		check_exit(c, e);
		break;
	case FN_STR:
		check_str(c, e);
		break;
	case FN_USYM:
		lang_check_int(c, e->arg[0], "the address given to usym()");
		e->type = (struct type){SCRIPT_USYM, false, false, CHECK_USYM_SIZE};
		break;
	case FN_REG:
		check_reg(c, e);
		break;
	case FN_STRNCMP:
		check_strncmp(c, e);
		break;
	case FN_AGG:
		break;
	}
}

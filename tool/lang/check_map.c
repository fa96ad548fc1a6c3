/* SPDX-License-Identifier: MIT */
/*
 * Shapes of maps: number and types of keys, plain or which aggregation; all fixed by the first
 * use, strings growing to the longest. Context: tool.
 */
#include "lang/check.h"

const char *lang_agg_name(enum wire_map_kind kind)
{
	static const char *const names[] = {
		[WIRE_MAP_PLAIN] = "values",  [WIRE_MAP_COUNT] = "count()",
		[WIRE_MAP_SUM] = "sum()",     [WIRE_MAP_AVG] = "avg()",
		[WIRE_MAP_STATS] = "stats()", [WIRE_MAP_MIN] = "min()",
		[WIRE_MAP_MAX] = "max()",     [WIRE_MAP_HIST] = "hist()",
		[WIRE_MAP_LHIST] = "lhist()",
	};

	return names[kind];
}

int lang_check_line(const struct checker *c, struct span at)
{
	int line, col;

	lang_position(c->u, at.off, &line, &col);
	return line;
}

static void check_nkeys(struct checker *c, struct map *m, uint32_t n, struct span at)
{
	int line;

	if (!m->key_known) {
		m->key_known = true;
		m->nkeys = n;
		m->key = lang_alloc(c->u, (n + 1) * sizeof(*m->key));
		m->key_at = at;
		c->changed = true;
	}
	if (m->nkeys == n)
		return;
	line = lang_check_line(c, m->key_at);
	if (!n)
		lang_error(c->u, at, "%s needs a key: it has one in line %d", m->name, line);
	if (!m->nkeys)
		lang_error(c->u, at, "%s has no key in line %d, so it cannot have one here",
			   m->name, line);
	lang_error(c->u, at, "%s has a key of %u values in line %d, but of %u here", m->name,
		   m->nkeys, line, n);
}

void lang_check_keys(struct checker *c, struct map *m, struct expr **key, uint32_t n,
		     struct span at)
{
	uint32_t size = 0;

	for (uint32_t i = 0; i < n; i++)
		lang_check_expr(c, key[i]);
	check_nkeys(c, m, n, at);
	for (uint32_t i = 0; i < n; i++) {
		const struct type *t = &key[i]->type;

		if (t->kind == SCRIPT_NONE && c->is_last)
			lang_error(c->u, key[i]->at, "this has no value that could be a key");
		if (!lang_type_join(&m->key[i], t, &c->changed))
			lang_error(c->u, key[i]->at, "this key of %s is %s in line %d, but %s here",
				   m->name, lang_type_name(&m->key[i]),
				   lang_check_line(c, m->key_at), lang_type_name(t));
		size += m->key[i].size;
		if (size > WIRE_KEY_MAX)
			lang_error(c->u, at, "the key of %s is too large (limit: %d bytes)",
				   m->name, WIRE_KEY_MAX);
	}
}

static void check_kind(struct checker *c, struct map *m, enum wire_map_kind kind, struct span at)
{
	if (!m->kind_known) {
		m->kind_known = true;
		m->kind = kind;
		m->kind_at = at;
		c->changed = true;
	}
	if (m->kind == kind)
		return;
	lang_error(c->u, at, "%s holds %s in line %d, so it cannot hold %s here", m->name,
		   lang_agg_name(m->kind), lang_check_line(c, m->kind_at), lang_agg_name(kind));
}

void lang_check_map_plain(struct checker *c, struct map *m, struct span at)
{
	check_kind(c, m, WIRE_MAP_PLAIN, at);
}

/* The integer constant @e, checked to be one. */
static int64_t constant(struct checker *c, struct expr *e, const char *what)
{
	lang_check_expr(c, e);
	if (e->kind != X_INT)
		lang_error(c->u, e->at, "%s has to be a constant", what);
	return (int64_t)e->value;
}

static void check_hist(struct checker *c, struct map *m, struct expr *call, bool is_new)
{
	int64_t bits = 0;

	if (call->narg > 1)
		bits = constant(c, call->arg[1], "the second argument of hist()");
	if (bits < 0 || bits > WIRE_HIST_MAX_BITS)
		lang_error(c->u, call->arg[1]->at,
			   "the second argument of hist() goes from 0 to %d", WIRE_HIST_MAX_BITS);
	if (is_new)
		m->hist_bits = (uint32_t)bits;
	if (m->hist_bits != (uint32_t)bits)
		lang_error(c->u, call->at, "%s has other buckets in line %d", m->name,
			   lang_check_line(c, m->kind_at));
}

static void check_lhist(struct checker *c, struct map *m, struct expr *call, bool is_new)
{
	int64_t min = constant(c, call->arg[1], "the minimum of lhist()");
	int64_t max = constant(c, call->arg[2], "the maximum of lhist()");
	int64_t step = constant(c, call->arg[3], "the step of lhist()");
	int64_t range;

	if (step <= 0)
		lang_error(c->u, call->arg[3]->at, "the step of lhist() has to be positive");
	if (max <= min)
		lang_error(c->u, call->arg[2]->at,
			   "the maximum of lhist() has to be above its minimum");
	if (__builtin_sub_overflow(max, min, &range) || range / step > WIRE_LHIST_MAX)
		lang_error(c->u, call->at, "lhist() has too many buckets (limit: %d)",
			   WIRE_LHIST_MAX);
	if (range < step)
		lang_error(c->u, call->arg[3]->at, "the step of lhist() exceeds its range");
	if (is_new) {
		m->lhist_min = min;
		m->lhist_max = max;
		m->lhist_step = step;
	}
	if (m->lhist_min != min || m->lhist_max != max || m->lhist_step != step)
		lang_error(c->u, call->at, "%s has other buckets in line %d", m->name,
			   lang_check_line(c, m->kind_at));
}

void lang_check_map_agg(struct checker *c, struct map *m, struct expr *call)
{
	enum wire_map_kind kind = call->func->agg;
	bool is_new = !m->kind_known;
	struct type none = lang_type_int(true);

	check_kind(c, m, kind, call->at);
	none.is_flex = true;
	if (!call->narg) {
		lang_type_join(&m->value, &none, &c->changed);
		return;
	}
	lang_check_int(c, call->arg[0], "the value to aggregate");
	lang_type_join(&m->value, &call->arg[0]->type, &c->changed);
	if (kind == WIRE_MAP_HIST)
		check_hist(c, m, call, is_new);
	if (kind == WIRE_MAP_LHIST)
		check_lhist(c, m, call, is_new);
}

void lang_check_map_use(struct checker *c, struct expr *e)
{
	struct map *m = e->map;

	lang_check_keys(c, m, e->arg, e->narg, e->at);
	if (m->kind_known && m->kind != WIRE_MAP_PLAIN)
		lang_error(c->u, e->at,
			   "cannot read %s in an expression yet: it holds %s; use print(%s)",
			   m->name, lang_agg_name(m->kind), m->name);
	if (c->is_last && !m->kind_known)
		lang_error(c->u, e->at, "undefined map %s: nothing was assigned to it", m->name);
	e->type = m->value;
}

/* SPDX-License-Identifier: MIT */
/*
 * Which arguments each helper takes, and whether a call has them.
 *
 * The table is the contract of enum wire_helper in a form that can be checked. Freestanding.
 * Context: agent start-up, tool, any thread.
 */
#include "act/check.h"
#include "base/base.h"

enum arg {
	NO_ARG,
	INT,	   /* any scalar */
	AGG,	   /* index of an aggregation */
	WORD,	   /* index of a plain map with values of 8 bytes */
	PLAIN,	   /* index of a plain map */
	KEYED,	   /* index of a plain map with keys */
	KEY,	   /* 0 for a scalar map, else a buffer of key_size bytes */
	VALUE_IN,  /* a buffer of value_size bytes to read */
	VALUE_OUT, /* a buffer of value_size bytes to fill */
	EVENT,	   /* event id */
	BUF_IN,	   /* a buffer of the call's length to read */
	BUF_OUT,   /* a buffer of the call's length to fill */
	LEN,	   /* a known length, at least 1 */
	LEN_OR_0,  /* a known length; with 0 the buffer may be anything */
	LEN_16,	   /* a known length, at least 16 */
};

#define MAX_ARGS 5

static const uint8_t args[WIRE_H_COUNT][MAX_ARGS] = {
	[WIRE_H_AGG] = {AGG, KEY, INT},
	[WIRE_H_LOAD] = {WORD, KEY},
	[WIRE_H_STORE] = {WORD, KEY, INT},
	[WIRE_H_ADD] = {WORD, KEY, INT},
	[WIRE_H_DELETE] = {PLAIN, KEY},
	[WIRE_H_LOAD_BUF] = {PLAIN, KEY, VALUE_OUT},
	[WIRE_H_STORE_BUF] = {PLAIN, KEY, VALUE_IN},
	[WIRE_H_HAS_KEY] = {KEYED, KEY},
	[WIRE_H_EMIT] = {EVENT, BUF_IN, LEN_OR_0},
	[WIRE_H_STR] = {BUF_OUT, LEN, INT},
	[WIRE_H_NAME] = {BUF_OUT, LEN, INT},
	[WIRE_H_STRNCMP] = {BUF_IN, BUF_IN, LEN},
	[WIRE_H_COMM] = {BUF_OUT, LEN_16},
	[WIRE_H_STACK_ARG] = {INT},
	[WIRE_H_ERROR] = {INT},
};

struct call {
	const struct wire_session *s;
	struct act_state *st;
	uint32_t scratch_size;
	const struct wire_map *map; /* named by an earlier argument */
	uint64_t length;	    /* of the call's buffers */
};

static const char *map_arg(struct call *c, enum arg kind, const struct act_reg *r)
{
	const struct wire_map *m;

	if (r->kind != ACT_SCALAR || !r->known)
		return "a map must be named by a constant";
	if (r->value < 0 || r->value >= c->s->maps.count)
		return "no such map";
	m = wire_elem(c->s, maps, const struct wire_map, r->value);
	c->map = m;
	if (kind == AGG)
		return m->kind != WIRE_MAP_PLAIN ? NULL : "the map is not an aggregation";
	if (m->kind != WIRE_MAP_PLAIN)
		return "the map is an aggregation";
	if (kind == WORD && m->value_size != 8)
		return "the map's values are not integers";
	return kind == KEYED && m->key_size == 0 ? "the map has no keys" : NULL;
}

static const char *key_arg(struct call *c, const struct act_reg *r)
{
	if (c->map->key_size != 0)
		return act_state_read(c->st, r, 0, c->map->key_size, c->scratch_size);
	return r->kind == ACT_SCALAR && r->known && r->value == 0
		       ? NULL
		       : "the key of a map without keys must be 0";
}

static bool is_length(uint8_t kind)
{
	return kind == LEN || kind == LEN_OR_0 || kind == LEN_16;
}

/* Lengths first: buffers may stand before them. */
static const char *length_args(struct call *c, const uint8_t *kind)
{
	for (int n = 0; n < MAX_ARGS; n++) {
		const struct act_reg *r = &c->st->r[1 + n];
		int64_t least = kind[n] == LEN_16 ? 16 : kind[n] == LEN;

		if (!is_length(kind[n]))
			continue;
		if (r->kind != ACT_SCALAR || !r->known)
			return "a length must be a constant";
		if (r->value < least || r->value > WIRE_SCRATCH_MAX)
			return "a length out of range";
		c->length = (uint64_t)r->value;
	}
	return NULL;
}

static const char *one_arg(struct call *c, enum arg kind, const struct act_reg *r)
{
	switch (kind) {
	case INT:
		return r->kind == ACT_SCALAR ? NULL : "an argument must be a number";
	case AGG:
	case WORD:
	case PLAIN:
	case KEYED:
		return map_arg(c, kind, r);
	case KEY:
		return key_arg(c, r);
	case EVENT:
		if (r->kind != ACT_SCALAR || !r->known)
			return "an event must be named by a constant";
		return r->value >= 0 && r->value < WIRE_EVENT_PAD ? NULL : "no such event";
	case VALUE_IN:
		return act_state_read(c->st, r, 0, c->map->value_size, c->scratch_size);
	case VALUE_OUT:
		return act_state_write(c->st, r, 0, c->map->value_size, c->scratch_size);
	case BUF_IN:
		if (c->length == 0)
			return r->kind != ACT_NONE ? NULL : "register read before written";
		return act_state_read(c->st, r, 0, c->length, c->scratch_size);
	case BUF_OUT:
		return act_state_write(c->st, r, 0, c->length, c->scratch_size);
	default:
		return NULL;
	}
}

const char *act_check_call(const struct wire_session *s, struct act_state *st, int32_t id,
			   uint32_t scratch_size)
{
	struct call c = {.s = s, .st = st, .scratch_size = scratch_size};
	const char *why;

	if (id <= 0 || id >= WIRE_H_COUNT)
		return "no such helper";
	why = length_args(&c, args[id]);
	for (int n = 0; n < MAX_ARGS && !why; n++)
		why = one_arg(&c, args[id][n], &st->r[1 + n]);
	if (why)
		return why;
	st->r[0] = act_unknown();
	for (int n = 1; n <= MAX_ARGS; n++)
		st->r[n] = (struct act_reg){.kind = ACT_NONE};
	return NULL;
}

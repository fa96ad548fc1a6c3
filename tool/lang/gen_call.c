/* SPDX-License-Identifier: MIT */
/*
 * Calls: events with their payload, and functions with an integer result. Context: tool.
 */
#include "lang/gen.h"
#include "wire/event.h"

/* Send @size bytes at @payload as event of @e. */
static void emit_event(struct gen *g, const struct expr *e, struct loc payload, uint32_t size)
{
	enum script_event_kind kind = g->u->script->event[e->event - 1].kind;
	bool data = kind == SCRIPT_EV_PRINTF || kind == SCRIPT_EV_PRINT_VALUE;

	lang_emit_const(g, INSN_R1, (e->event - 1) | (data ? 0 : WIRE_EVENT_URGENT));
	if (payload.reg)
		lang_emit_addr(g, INSN_R2, payload);
	else
		lang_emit_const(g, INSN_R2, 0);
	lang_emit_const(g, INSN_R3, size);
	lang_emit_call(g, WIRE_H_EMIT);
	g->emits = true;
}

/* An event whose payload is the values of @arg[0 .. n-1]. */
static void emit_values(struct gen *g, const struct expr *e, struct expr **arg, uint32_t n)
{
	uint32_t size = 0;
	struct loc payload = {0, 0}, part;

	for (uint32_t i = 0; i < n; i++) {
		size += arg[i]->type.size;
		if (size > WIRE_SCRATCH_MAX)
			lang_error(g->u, e->at, "the arguments of this call are too large");
	}
	if (size)
		payload = lang_buffer(g, size);
	part = payload;
	for (uint32_t i = 0; i < n; i++) {
		lang_gen_store(g, arg[i], &arg[i]->type, part);
		part.off += (int32_t)arg[i]->type.size;
	}
	emit_event(g, e, payload, size);
}

static void emit_key(struct gen *g, const struct expr *e)
{
	const struct map *m = e->arg[0]->map;
	struct loc key = lang_gen_key(g, e->arg[0]);
	uint32_t size = 0;

	for (uint32_t i = 0; i < m->nkeys; i++)
		size += m->key[i].size;
	emit_event(g, e, key, size);
}

static void print(struct gen *g, const struct expr *e)
{
	const struct type word = {SCRIPT_INT, true, false, 8};
	struct loc payload, part;

	switch (g->u->script->event[e->event - 1].kind) {
	case SCRIPT_EV_PRINT_ELEM:
		emit_key(g, e);
		break;
	case SCRIPT_EV_PRINT_VALUE:
		emit_values(g, e, e->arg, 1);
		break;
	default:
		payload = lang_buffer(g, 16);
		part = payload;
		for (uint32_t i = 1; i < 3; i++) {
			if (i < e->narg)
				lang_gen_store(g, e->arg[i], &word, part);
			else
				lang_emit_store_const(g, part, 0, 0);
			part.off += 8;
		}
		emit_event(g, e, payload, 16);
	}
}

static void exit_call(struct gen *g, const struct expr *e)
{
	const struct type word = {SCRIPT_INT, true, false, 8};
	struct loc payload = lang_buffer(g, 8);

	if (e->narg)
		lang_gen_store(g, e->arg[0], &word, payload);
	else
		lang_emit_store_const(g, payload, 0, 0);
	emit_event(g, e, payload, 8);
	lang_emit_exit(g);
}

static void map_helper(struct gen *g, const struct expr *e, enum wire_helper helper)
{
	struct loc key = lang_gen_key(g, e->arg[0]);

	lang_gen_map_args(g, e->arg[0]->map, key);
	lang_emit_call(g, helper);
}

void lang_gen_call(struct gen *g, struct expr *e)
{
	struct frame frame = g->frame;

	switch (e->func->id) {
	case FN_PRINTF:
		emit_values(g, e, e->arg + 1, e->narg - 1);
		break;
	case FN_PRINT:
		print(g, e);
		break;
	case FN_CLEAR:
	case FN_ZERO:
		emit_event(g, e, (struct loc){0, 0}, 0);
		break;
	case FN_DELETE:
		if (e->event && e->arg[0]->map->nkeys)
			emit_key(g, e);
		else if (e->event)
			emit_event(g, e, (struct loc){0, 0}, 0);
		else
			map_helper(g, e, WIRE_H_DELETE);
		break;
	case FN_HAS_KEY:
		map_helper(g, e, WIRE_H_HAS_KEY);
		break;
	case FN_EXIT:
		exit_call(g, e);
		break;
	case FN_STRNCMP:
		if (e->arg[2]->value)
			lang_gen_strcmp(g, e->arg[0], e->arg[1],
					e->arg[2]->value < WIRE_SCRATCH_MAX
						? (uint32_t)e->arg[2]->value
						: WIRE_SCRATCH_MAX);
		else
			lang_emit_const(g, INSN_R0, 0);
		break;
	case FN_STR:
	case FN_USYM: /* as a statement: nothing to do, nothing to keep */
	case FN_REG:
	case FN_AGG:
		break;
	}
	g->frame = frame;
}

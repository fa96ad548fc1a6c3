/* SPDX-License-Identifier: MIT */
/*
 * What the script's events do in the tool: print, clear, exit.
 */
#include <string.h>

#include "observe.h"

static void show_map(struct observe *o, uint32_t map, int64_t top, int64_t div)
{
	struct read_map rows;

	if (read_map(o->read, map, &rows))
		return;
	o->show.ops->map(&o->show, &o->script->map[map], &rows, top, div);
	read_map_free(&rows);
}

static void show_elem(struct observe *o, uint32_t map, const void *key)
{
	struct read_map rows;

	if (read_map(o->read, map, &rows))
		return;
	o->show.ops->elem(&o->show, &o->script->map[map], read_map_find(&rows, key));
	read_map_free(&rows);
}

static void show_printf(struct observe *o, const struct script_event *ev, const void *payload,
			uint32_t len)
{
	struct show_buf text = {0};

	show_format(&o->show.names, ev->format, ev->arg, ev->nargs, payload, len, &text);
	o->show.ops->printf(&o->show, show_buf_text(&text), text.n);
	show_buf_free(&text);
}

static bool on_event(void *arg, const struct read_event *e)
{
	struct observe *o = arg;
	const struct script_event *ev = &o->script->event[e->id];
	int64_t word[2] = {0, 0};

	memcpy(word, e->payload, e->length < sizeof(word) ? e->length : sizeof(word));
	switch (ev->kind) {
	case SCRIPT_EV_PRINTF:
		show_printf(o, ev, e->payload, e->length);
		break;
	case SCRIPT_EV_PRINT_MAP:
		show_map(o, ev->map, word[0], word[1]);
		break;
	case SCRIPT_EV_PRINT_VALUE:
		o->show.ops->value(&o->show, &ev->arg[0], e->payload);
		break;
	case SCRIPT_EV_PRINT_ELEM:
		show_elem(o, ev->map, e->payload);
		break;
	case SCRIPT_EV_CLEAR:
		read_clear(o->read, ev->map);
		break;
	case SCRIPT_EV_ZERO:
		read_zero(o->read, ev->map);
		break;
	case SCRIPT_EV_DELETE:
		read_delete(o->read, ev->map, e->payload);
		break;
	case SCRIPT_EV_EXIT:
		o->exit_requested = true;
		o->exit_code = (int)word[0];
		/* what other threads sent before still has its turn */
		break;
	}
	return true;
}

void observe_events(struct observe *o, bool final)
{
	if (read_events(o->read, on_event, o, final) > 0 && o->flush_each)
		fflush(o->show.out);
}

void observe_maps(struct observe *o)
{
	bool any = false;

	for (uint32_t i = 0; i < o->script->nmaps; i++) {
		struct read_map rows;

		if (read_map(o->read, i, &rows))
			continue;
		/* the empty lines belong to the maps: without one, nothing is added */
		if (rows.nrows && !any)
			o->show.ops->end(&o->show);
		any |= rows.nrows > 0;
		if (rows.nrows)
			o->show.ops->map(&o->show, &o->script->map[i], &rows, 0, 0);
		read_map_free(&rows);
	}
}

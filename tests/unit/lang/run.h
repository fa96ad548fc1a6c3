/* SPDX-License-Identifier: MIT */
/*
 * Run compiled programs: put a script into a session in memory, have every program verified, hit
 * it, look at events and maps.
 */
#ifndef SONDE_TESTS_LANG_RUN_H
#define SONDE_TESTS_LANG_RUN_H

#include "../act/fixture.h"
#include "compile.h"

struct run {
	struct fx fx;
	struct script *script;
	struct wire_ctx ctx;
	uint64_t scratch[WIRE_SCRATCH_MAX / 8];
	uint64_t seen; /* bytes of the ring already looked at */
};

/* String offsets in the fixture's session: "probe" stands at 4. */
#define NAME_PROBE 4

static inline void run_open(struct run *r, const char *text)
{
	static uint64_t work[ACT_VERIFY_WORK / 8];
	struct script *s = compile(text);

	memset(r, 0, sizeof(*r));
	r->script = s;
	fx_open(&r->fx);
	for (uint32_t i = 0; i < s->nmaps; i++)
		fx_map(&r->fx, s->map[i].wire);
	for (uint32_t i = 0; i < s->nprogs; i++)
		fx_prog(&r->fx, s->prog[i].insn, s->prog[i].ninsn, s->prog[i].scratch_size);
	fx_start(&r->fx);
	for (uint32_t i = 0; i < s->nprogs; i++) {
		const char *why = "";
		uint32_t at = 0;

		if (act_verify(r->fx.s, i, work, &at, &why)) {
			print_error("script: %s\nprogram %u, instruction %u: %s\n", text, i, at,
				    why);
			lang_dump(s, i, stderr);
			fail();
		}
	}
	r->ctx.func = r->ctx.probe = NAME_PROBE;
	r->ctx.scratch = (uint64_t)(uintptr_t)r->scratch;
}

static inline void run_close(struct run *r)
{
	lang_free(r->script);
	fx_close(&r->fx);
}

static inline void run_hit(struct run *r, uint32_t prog)
{
	/* What an earlier run left must not matter. */
	memset(r->scratch, 0xa5, sizeof(r->scratch));
	act_run(&r->fx.t, wire_elem(r->fx.s, progs, struct wire_prog, prog), &r->ctx);
}

/* The next event in the ring, NULL if there is none. */
static inline const struct wire_event *run_event(struct run *r)
{
	const struct wire_ring *ring = &r->fx.b->ring;
	const struct wire_event *e;

	if (r->seen == ring->head)
		return NULL;
	e = wire_at(r->fx.s, ring->data_off + r->seen, struct wire_event);
	r->seen += e->size;
	return e;
}

static inline const void *run_payload(struct run *r)
{
	const struct wire_event *e = run_event(r);

	assert_non_null(e);
	return e + 1;
}

static inline uint32_t run_map(const struct run *r, const char *name)
{
	for (uint32_t i = 0; i < r->script->nmaps; i++) {
		if (!strcmp(r->script->map[i].name, name))
			return i;
	}
	fail();
	return 0;
}

/* The integer in a plain map, -99 if it is not there. */
static inline int64_t run_value(struct run *r, const char *name, const void *key)
{
	int64_t value;

	if (act_table_load(r->fx.s, run_map(r, name), key, &value))
		return -99;
	return value;
}

/* Evaluate an integer expression in a uprobe whose first arguments are 100, -3, 7. */
static inline int64_t run_eval(const char *expr)
{
	struct run r;
	char text[4096];
	int64_t value;

	snprintf(text, sizeof(text), "uprobe:a:f { @ = %s }", expr);
	run_open(&r, text);
	r.ctx.reg[0] = 100;
	r.ctx.reg[1] = (uint64_t)-3;
	r.ctx.reg[2] = 7;
	run_hit(&r, 0);
	value = run_value(&r, "@", NULL);
	run_close(&r);
	return value;
}

#endif

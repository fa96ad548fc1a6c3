/* SPDX-License-Identifier: MIT */
/*
 * Accept/reject tables for the verifier: a program, and the reason for which it must be refused.
 */
#ifndef SONDE_TESTS_ACT_JUDGE_H
#define SONDE_TESTS_ACT_JUDGE_H

#include "fixture.h"
#include "insn.h"

#define SCRATCH 64 /* bytes that judged programs may use */
#define LAST 0xff  /* opcode that ends a program in a table */
#define END INSN(LAST, 0, 0, 0, 0)

struct judged {
	const char *name;
	const char *why; /* NULL = accepted */
	struct wire_insn code[24];
};

/* Maps of the judging session, by index. */
enum {
	J_SCALAR,      /* plain, no key, 8 bytes */
	J_KEYED,       /* plain, key 16, value 8 */
	J_STRING,      /* plain, key 8, value 32 */
	J_COUNT,       /* count(), no key */
	J_COUNT_KEYED, /* count(), key 8 */
};

static inline void judge_open(struct fx *fx)
{
	fx_open(fx);
	fx_plain(fx, 0, 8, 1);
	fx_plain(fx, 16, 8, 64);
	fx_plain(fx, 8, 32, 64);
	fx_agg(fx, WIRE_MAP_COUNT, 0, 8);
	fx_agg(fx, WIRE_MAP_COUNT, 8, 8);
	fx_start(fx);
}

static inline int judge(struct fx *fx, const struct wire_insn *code, uint32_t n, uint32_t *at,
			const char **why)
{
	static uint64_t work[ACT_VERIFY_WORK / 8];

	memset(work, 0xa5, sizeof(work)); /* the verifier must not rely on its content */
	fx->s->insns.count = fx->s->progs.count = 0;
	return act_verify(fx->s, fx_prog(fx, code, n, SCRATCH), work, at, why);
}

static inline void judge_all(struct fx *fx, const struct judged *t, size_t n)
{
	for (; n > 0; n--, t++) {
		uint32_t length = 0, at;
		const char *why;
		int err;

		while (t->code[length].opcode != LAST)
			length++;
		err = judge(fx, t->code, length, &at, &why);
		if (t->why == NULL && err != 0)
			fail_msg("%s: refused at %u: %s", t->name, at, why);
		if (t->why != NULL && (err != -EINVAL || strcmp(why, t->why) != 0))
			fail_msg("%s: %s, want: %s", t->name, err ? why : "accepted", t->why);
	}
}

#endif

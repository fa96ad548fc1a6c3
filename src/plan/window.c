/* SPDX-License-Identifier: MIT */
/*
 * A jump in place of several instructions.
 *
 *   W   five bytes in one quadword, with no known way into the middle. Right only where nobody can
 *       be there already: while the loader maps the image. It rests on what the sweep knows of all
 *       of the image, not on the bytes alone, and so the function must be known completely.
 *   S3  up to five bytes; on each old boundary inside them a trap comes to stand, by the choice of
 *       the jump's distance, so that whoever is or gets there is noticed. Bytes that cannot change
 *       are part of the distance as they are. With a known way inside it would be slow, and is
 *       refused. One instruction of which a single byte lies in the first quadword is a window,
 * too: it takes a trap to change the second.
 *
 * The window may begin before the instruction that is probed (early.c). Context: tool.
 */
#include <string.h>

#include "base/base.h"
#include "base/err.h"
#include "plan/state.h"

/* Opcodes that are invalid in 64-bit mode and that no processor gives a meaning to (62 and d5,
 * invalid once, are prefixes now), in order of how far above the image they lead as the last byte
 * of a distance. 0xCC there leads 860 MiB below it. */
static const uint8_t invalid[] = {0x37, 0x3f, 0x2f, 0x27, 0x1f, 0x1e, 0x17,
				  0x16, 0x0e, 0x07, 0x06, 0x60, 0x61};
#define TRAP 0xcc

struct window {
	struct site s; /* where the jump stands */
	unsigned int hit;
	/* bytes of the instructions that are displaced together, up to the hit's and five if there
	 * are so many; what ended them before that */
	unsigned int line;
	int err;
	/* bytes of the jump that may change: of these instructions, and padding */
	unsigned int room;
	bool boundary[JMP_SIZE];
};

/* How far the instructions from the start on go straight. 0 or the reason. */
static int measure(struct window *w)
{
	const struct site *s = &w->s;
	struct arch_insn in = {0};
	bool straight = true, found = false;

	while (straight && (w->line < JMP_SIZE || w->line <= w->hit)) {
		size_t left = s->ncode - w->line;

		w->err = arch_decode(s->code + w->line, left, s->vaddr + w->line, &in);
		if (w->err || s->vaddr + w->line + in.len > s->func.end)
			break;
		if (w->line < JMP_SIZE)
			w->boundary[w->line] = true;
		found |= w->line == w->hit;
		w->line += in.len;
		straight = in.kind == ARCH_ORDINARY || in.kind == ARCH_NOP ||
			   in.kind == ARCH_ENDBR || in.kind == ARCH_JCC || in.kind == ARCH_LOOP;
	}
	if (!found || w->line > DISPLACED_MAX)
		return w->err ? w->err : SONDE_E_TOO_SHORT;
	w->room = w->line;
	if (w->line < JMP_SIZE && !arch_falls_through(in.kind) && s->vaddr + w->line <= s->func.end)
		w->room += (unsigned int)plan_padding_at(s, s->vaddr + w->line, JMP_SIZE - w->line);
	if (w->room > JMP_SIZE)
		w->room = JMP_SIZE;
	if (!s->has_next && w->room > 8 - s->vaddr % 8)
		w->room = 8 - s->vaddr % 8;
	return 0;
}

/* Something leads to an instruction inside the first @n bytes, or past them to the hit. */
static bool is_entered(const struct window *w, unsigned int n)
{
	const struct plan *p = w->s.p;
	uint64_t start = w->s.vaddr + 1, end = w->s.vaddr + n;

	if (w->hit >= n && !plan_is_sealed(p, w->s.bound, start, w->s.vaddr + w->hit + 1))
		return true;
	return flow_leads_into(&p->flow, start, end) || plan_has_symbol_in(p->img, start, end);
}

/* The code of the window whose first @n bytes change. */
static int emit(const struct window *w, unsigned int n, struct arch_code *code, size_t *len)
{
	const struct site *s = &w->s;
	int err = arch_emit_window_hit(s->code, s->ncode, s->vaddr, n < w->line ? n : w->line,
				       w->hit, code, len);

	if (!err && (s->vaddr + *len > s->func.end || *len > DISPLACED_MAX))
		err = SONDE_E_TOO_SHORT;
	return err;
}

static void fill_in(const struct window *w, const struct arch_code *code, struct plan_site *out)
{
	struct wire_site *ws = &out->site;

	ws->ninner = 0;
	for (unsigned int i = 1; i < code->nstart && ws->class == WIRE_CLASS_S3; i++) {
		if (code->start[i].at < ws->ncut)
			ws->inner[ws->ninner++] = code->start[i];
	}
	plan_finish(&w->s, code, out);
}

static int try_window(struct window *w, struct plan_site *out)
{
	struct plan *p = w->s.p;
	uint64_t vaddr = w->s.vaddr;
	struct arch_code code;
	size_t len;
	int err;

	if (w->room < JMP_SIZE && w->err)
		return w->err;
	if (w->room < JMP_SIZE || vaddr % 8 + JMP_SIZE > 8)
		return SONDE_E_TOO_SHORT;
	err = emit(w, JMP_SIZE, &code, &len);
	if (err)
		return err;
	if (!plan_may_change(p, vaddr, (unsigned int)len))
		return SONDE_E_OVERLAP;
	if (!(p->flow.bound[w->s.bound] & FLOW_DECODED))
		return SONDE_E_DECODE;
	if (!flow_is_closed(&p->flow, w->s.bound))
		return SONDE_E_INDIRECT;
	if (is_entered(w, (unsigned int)len))
		return SONDE_E_BRANCH_INTO;
	out->site.insn_len = (uint8_t)len;
	out->site.hit_at = (uint8_t)w->hit;
	out->site.class = WIRE_CLASS_W;
	out->site.ncut = JMP_SIZE;
	out->site.rel_mask = out->site.rel_value = 0;
	if (!plan_claim(p, &out->site))
		return SONDE_E_OVERLAP;
	fill_in(w, &code, out);
	return 0;
}

/* The distance of a jump of which @n bytes change, traps on the boundaries among them. */
static bool find_distance(const struct window *w, unsigned int n, struct jump *j)
{
	memset(j, 0, sizeof(*j));
	j->ncut = n;
	for (unsigned int i = 0; i < JMP_SIZE; i++)
		j->free[i] = i < n;
	if (!jump_fits(&w->s, j))
		return false;
	for (unsigned int i = 1; i < n; i++) {
		if (w->boundary[i]) {
			j->mask |= 0xffu << (8 * (i - 1));
			j->value |= (uint32_t)TRAP << (8 * (i - 1));
		}
	}
	if (jump_has_place(&w->s, j))
		return true;
	for (size_t i = 0; n == JMP_SIZE && w->boundary[4] && i < ARRAY_LEN(invalid); i++) {
		j->value = (j->value & 0xffffff) | (uint32_t)invalid[i] << 24;
		if (jump_has_place(&w->s, j))
			return true;
	}
	return false;
}

/*
 * How many bytes to change: as many as lie in one quadword, if that leaves some choice of distance;
 * else as many as there are; else fewer.
 */
static unsigned int choose_cut(const struct window *w, struct jump *j)
{
	unsigned int first = 8 - w->s.vaddr % 8, n;

	n = w->room < first ? w->room : first;
	if (find_distance(w, n, j) && !jump_is_poor(j))
		return n;
	for (n = w->room; n; n--) {
		if (find_distance(w, n, j))
			return n;
	}
	return 0;
}

static int try_traps(struct window *w, struct plan_site *out)
{
	struct wire_site *ws = &out->site;
	struct arch_code code;
	struct jump j;
	size_t len;
	unsigned int n = choose_cut(w, &j);
	int err;

	if (!n)
		return SONDE_E_TOO_SHORT;
	if (is_entered(w, n))
		return SONDE_E_BRANCH_INTO;
	err = emit(w, n, &code, &len);
	if (err)
		return err;
	ws->insn_len = (uint8_t)len;
	ws->hit_at = (uint8_t)w->hit;
	ws->class = WIRE_CLASS_S3;
	ws->ncut = (uint8_t)n;
	ws->rel_mask = j.mask;
	ws->rel_value = j.value;
	if (!plan_claim(w->s.p, ws))
		return SONDE_E_OVERLAP;
	fill_in(w, &code, out);
	return 0;
}

int plan_several(struct plan *p, uint64_t vaddr, uint64_t hit, uint32_t classes,
		 struct plan_site *out)
{
	struct window w = {.s = {.p = p, .vaddr = vaddr}, .hit = (unsigned int)(hit - vaddr)};
	int err = plan_look(&w.s);

	memset(out, 0, sizeof(*out));
	if (!err)
		err = plan_need_flow(p);
	if (!err)
		err = measure(&w);
	if (err)
		return err;
	err = SONDE_E_TOO_SHORT;
	out->site.vaddr = vaddr;
	if (classes & PLAN_CLASS(WIRE_CLASS_W))
		err = try_window(&w, out);
	if (err && classes & PLAN_CLASS(WIRE_CLASS_S3))
		err = try_traps(&w, out);
	if (err)
		memset(out, 0, sizeof(*out));
	return err;
}

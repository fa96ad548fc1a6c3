/* SPDX-License-Identifier: MIT */
/*
 * Choosing a class for a site.
 *
 *   S0  five bytes of the first instruction (or of padding nobody reaches) in one quadword
 *   S1  as many bytes of the first instruction as lie in its quadword, at most four; the other
 *       bytes of the jump's displacement are the code that stands there
 *   S2  two bytes of the first instruction, and a pad: padding behind a function, in reach of a
 *       short jump
 *   W   five bytes of several instructions at a function's entry, between which no known branch
 *       leads. Right only where nobody can be in the middle of them: while the loader maps the
 *       image. The last resort, because it rests on what the sweep knows, not on the bytes alone.
 *
 * S1 needs nothing but an address, which the target looks for; S2 needs a pad, of which there are
 * few. S2 goes first only where S1 leaves one address or 256 to choose from, or where the image
 * has fixed addresses in the crowded low 4 GiB.
 *
 * Padding is unreachable when the function before it ends with an instruction that never falls
 * through and no function or symbol begins in it. Context: tool.
 */
#include "plan/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/base.h"
#include "base/err.h"
#include "plan/sweep.h"

#define JMP_SIZE 5
#define SHORT_BACK 126 /* from the start of a two-byte jump */
#define SHORT_AHEAD 129
#define ENTRY_ALIGN 16	      /* what compilers and assembly align functions to */
#define SPAN_MAX (4ull << 30) /* an image larger than this is not real */
#define ADDRESS_MIN 0x10000ll
#define ADDRESS_MAX 0x7fffffffe000ll

/* What is known of one function's tail. */
enum tail { TAIL_UNKNOWN, TAIL_FALLS, TAIL_ENDS };

struct plan {
	const struct image *img;
	struct sweep sweep; /* of the function asked for last */
	struct sweep other; /* of a neighbour, for its tail */
	uint8_t *tail;	    /* enum tail per bound */
	/* Bytes of the image that sites need: a bit per byte of the span. A byte that one site
	 * relies on (the fixed part of a punned jump) must not change for another. */
	uint8_t *changed, *relied;
	uint8_t *targets; /* where direct branches of all functions lead; made at first need */
};

struct site {
	struct plan *p;
	uint64_t vaddr;
	struct image_range func;
	size_t bound; /* index of func */
	struct arch_insn insn;
	uint8_t code[2 * ARCH_INSN_MAX]; /* bytes from vaddr on */
	size_t ncode;
	bool free[JMP_SIZE]; /* bytes of the jump that may change */
	unsigned int ncut;
};

int plan_open(const struct image *img, struct plan **out)
{
	struct plan *p = calloc(1, sizeof(*p));
	uint64_t span;

	if (!p)
		return -ENOMEM;
	p->img = img;
	p->tail = calloc(img->nbounds + 1, sizeof(*p->tail));
	span = img->span.end - img->span.start;
	p->changed = span < SPAN_MAX ? calloc(span / 8 + 1, 1) : NULL;
	p->relied = span < SPAN_MAX ? calloc(span / 8 + 1, 1) : NULL;
	if (!p->tail || !p->changed || !p->relied) {
		plan_close(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

void plan_close(struct plan *p)
{
	if (!p)
		return;
	sweep_free(&p->sweep);
	sweep_free(&p->other);
	free(p->tail);
	free(p->changed);
	free(p->relied);
	free(p->targets);
	free(p);
}

static bool any_bit(const struct plan *p, const uint8_t *map, uint64_t vaddr, unsigned int n)
{
	uint64_t at = vaddr - p->img->span.start;

	for (uint64_t i = at; i < at + n; i++) {
		if (map[i / 8] >> (i % 8) & 1)
			return true;
	}
	return false;
}

static void set_bits(const struct plan *p, uint8_t *map, uint64_t vaddr, unsigned int n)
{
	uint64_t at = vaddr - p->img->span.start;

	for (uint64_t i = at; i < at + n; i++)
		map[i / 8] |= (uint8_t)(1u << (i % 8));
}

/* May a site change @n bytes at @vaddr? */
static bool may_change(const struct plan *p, uint64_t vaddr, unsigned int n)
{
	return !any_bit(p, p->changed, vaddr, n) && !any_bit(p, p->relied, vaddr, n);
}

/* Index of the first bound that starts behind @vaddr. */
static size_t bound_after(const struct image *img, uint64_t vaddr)
{
	size_t lo = 0, hi = img->nbounds;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (img->bound[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool has_symbol_in(const struct image *img, uint64_t start, uint64_t end)
{
	size_t lo = 0, hi = img->nfuncs;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (img->func[mid].vaddr < start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < img->nfuncs && img->func[lo].vaddr < end;
}

static void note_tail(struct plan *p, size_t bound, const struct sweep *s)
{
	p->tail[bound] = s->tail_ends ? TAIL_ENDS : TAIL_FALLS;
}

static bool tail_ends(struct plan *p, size_t bound)
{
	if (p->tail[bound] == TAIL_UNKNOWN) {
		if (sweep_function(&p->other, p->img, p->img->bound[bound]))
			return false;
		note_tail(p, bound, &p->other);
	}
	return p->tail[bound] == TAIL_ENDS;
}

/*
 * Bytes that only fill, from @start on, below @end (where the next function begins) or at most
 * @max. If code follows that neither a bound nor a symbol knows, it may be a function that itself
 * begins with nops: what lies behind the last address that functions are aligned to is not counted.
 */
static size_t filling(const struct image *img, uint64_t start, uint64_t end, size_t max)
{
	uint8_t code[4 * ENTRY_ALIGN]; /* see a boundary behind @max */
	size_t have, n;

	have = end - start > sizeof(code) ? sizeof(code) : end - start;
	have = image_bytes(img, start, code, have);
	n = arch_padding(code, have);
	if (n < have && !has_symbol_in(img, start + n, start + n + 1)) {
		uint64_t cut = ALIGN_DOWN(start + n, ENTRY_ALIGN);

		n = cut > start ? cut - start : 0;
	}
	return n > max ? max : n;
}

/* Bytes of unreachable padding behind function @bound, up to @max. */
static size_t padding_behind(struct plan *p, size_t bound, size_t max)
{
	const struct image *img = p->img;
	uint64_t start = img->bound[bound].end, end = UINT64_MAX;
	size_t n;

	if (bound + 1 < img->nbounds)
		end = img->bound[bound + 1].start;
	/* a function that lies inside a longer one */
	if (end <= start || (bound && img->bound[bound - 1].end > start))
		return 0;
	n = filling(img, start, end, max);
	if (!n || has_symbol_in(img, start, start + n) || !tail_ends(p, bound))
		return 0;
	return n;
}

/* Which bytes of a five-byte jump may change: what the instruction holds of its quadword, and
 * unreachable padding in it. */
static void find_free(struct site *s)
{
	unsigned int room = 8 - s->vaddr % 8;
	uint64_t end = s->func.end;
	size_t pad = end < s->vaddr + JMP_SIZE ? padding_behind(s->p, s->bound, 16) : 0;

	s->ncut = 0;
	for (unsigned int i = 0; i < JMP_SIZE; i++) {
		uint64_t at = s->vaddr + i;

		s->free[i] = i < room && (i < s->insn.len || (at >= end && at < end + pad));
		if (s->free[i])
			s->ncut = i + 1;
	}
}

static bool all_free(const struct site *s, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (!s->free[i])
			return false;
	}
	return true;
}

/* S1's displacement: fixed bytes and their mask. False if the bytes are not in the file, or if
 * every address it can mean lies inside the image itself or outside user space. */
static bool find_pun(const struct site *s, uint32_t *mask, uint32_t *value)
{
	const struct image *img = s->p->img;
	int64_t lo, hi, base = (int64_t)s->vaddr + JMP_SIZE;
	uint32_t high;

	*mask = *value = 0;
	if (s->ncode < JMP_SIZE)
		return false;
	for (unsigned int i = 1; i < JMP_SIZE; i++) {
		if (!s->free[i]) {
			*mask |= 0xffu << (8 * (i - 1));
			*value |= (uint32_t)s->code[i] << (8 * (i - 1));
		}
	}
	if (!(*mask >> 24))
		return true;
	high = ~*mask & 0xffffff;
	lo = base + (int32_t)*value;
	hi = base + (int32_t)(*value | high);
	if (lo >= (int64_t)img->span.start && hi < (int64_t)img->span.end)
		return false;
	return !img->is_exec || (hi >= ADDRESS_MIN && lo < ADDRESS_MAX);
}

/* Few addresses to choose from: none, or 256. */
static bool is_poor(uint32_t mask)
{
	return __builtin_popcount(mask) >= 24;
}

/* The nearest free pad in reach of a short jump; 0 if there is none. */
static uint64_t find_pad(struct site *s, uint8_t *old)
{
	const struct image *img = s->p->img;
	uint64_t best = 0, best_distance = UINT64_MAX;

	/* functions that end in reach begin before it ends; long ones may begin far before */
	for (size_t i = bound_after(img, s->vaddr + SHORT_AHEAD); i-- > 0;) {
		uint64_t end = img->bound[i].end;
		uint64_t distance = end > s->vaddr ? end - s->vaddr : s->vaddr - end;

		if (img->bound[i].start + (1 << 16) < s->vaddr)
			break;
		if (end > s->vaddr + SHORT_AHEAD || end + SHORT_BACK < s->vaddr ||
		    distance >= best_distance)
			continue;
		if (!may_change(s->p, end, JMP_SIZE) || padding_behind(s->p, i, 16) < JMP_SIZE)
			continue;
		best = end;
		best_distance = distance;
	}
	if (!best || image_bytes(img, best, old, JMP_SIZE) != JMP_SIZE)
		return 0;
	return best;
}

/* Bytes that the class needs are free of other sites' claims, and are claimed. */
static bool claim(struct site *s, const struct wire_site *w)
{
	struct plan *p = s->p;

	if (!may_change(p, s->vaddr, w->ncut))
		return false;
	if (w->class == WIRE_CLASS_S1 &&
	    any_bit(p, p->changed, s->vaddr + w->ncut, JMP_SIZE - w->ncut))
		return false;
	set_bits(p, p->changed, s->vaddr, w->ncut);
	if (w->class == WIRE_CLASS_S1)
		set_bits(p, p->relied, s->vaddr + w->ncut, JMP_SIZE - w->ncut);
	if (w->class == WIRE_CLASS_S2)
		set_bits(p, p->changed, w->pad_vaddr, JMP_SIZE);
	return true;
}

static bool try_pad(struct site *s, struct wire_site *w)
{
	uint8_t old[8] = {0};
	uint64_t pad;

	if (s->insn.len < 2 || s->vaddr % 8 > 6 || !may_change(s->p, s->vaddr, 2))
		return false;
	pad = find_pad(s, old);
	if (!pad)
		return false;
	w->class = WIRE_CLASS_S2;
	w->ncut = 2;
	w->pad_vaddr = pad;
	memcpy(w->pad_old, old, sizeof(w->pad_old));
	return claim(s, w);
}

static int choose(struct site *s, struct wire_site *w)
{
	uint32_t mask, value;
	bool pun;

	find_free(s);
	w->ncut = (uint8_t)s->ncut;
	if (all_free(s, JMP_SIZE)) {
		w->class = WIRE_CLASS_S0;
		return claim(s, w) ? 0 : SONDE_E_OVERLAP;
	}
	pun = find_pun(s, &mask, &value);
	if ((!pun || is_poor(mask) || s->p->img->is_exec) && try_pad(s, w))
		return 0;
	if (!pun)
		return SONDE_E_TOO_SHORT;
	w->class = WIRE_CLASS_S1;
	w->ncut = (uint8_t)s->ncut;
	w->rel_mask = mask;
	w->rel_value = value;
	if (claim(s, w))
		return 0;
	w->rel_mask = w->rel_value = 0;
	return try_pad(s, w) ? 0 : SONDE_E_OVERLAP;
}

/* The function around the site, decoded; the instruction at it. */
static int look(struct site *s)
{
	struct plan *p = s->p;
	struct image_range text;

	if (!image_text(p->img, s->vaddr, &text))
		return SONDE_E_NOT_CODE;
	if (!image_bound(p->img, s->vaddr, &s->func))
		return SONDE_E_NO_FUNCTION;
	s->bound = bound_after(p->img, s->func.start) - 1;
	if (p->sweep.range.start != s->func.start || p->sweep.range.end != s->func.end) {
		if (sweep_function(&p->sweep, p->img, s->func))
			return -ENOMEM;
		note_tail(p, s->bound, &p->sweep);
	}
	if (s->vaddr != s->func.start && !sweep_is_boundary(&p->sweep, s->vaddr))
		return s->vaddr < p->sweep.decoded ? SONDE_E_NOT_BOUNDARY : SONDE_E_DECODE;
	s->ncode = image_bytes(p->img, s->vaddr, s->code, sizeof(s->code));
	if (arch_is_sigreturn(s->code, s->ncode))
		return SONDE_E_UNSAFE;
	return arch_decode(s->code, s->ncode, s->vaddr, &s->insn);
}

static void finish(struct plan_site *out, uint64_t vaddr, const struct arch_code *code)
{
	out->site.vaddr = vaddr;
	out->site.code_len = code->len;
	out->site.nfix = code->nfix;
	memcpy(out->code, code->code, code->len);
	memcpy(out->fix, code->fix, code->nfix * sizeof(code->fix[0]));
}

int plan_site(struct plan *p, uint64_t vaddr, struct plan_site *out)
{
	struct site s = {.p = p, .vaddr = vaddr};
	struct arch_code code;
	int err = look(&s);

	memset(out, 0, sizeof(*out));
	if (err)
		return err;
	if (sweep_is_target(&p->sweep, vaddr + 1, vaddr + s.insn.len))
		return SONDE_E_BRANCH_INTO;
	err = arch_emit_detour(s.code, s.ncode, vaddr, &code);
	if (err)
		return err;
	if (image_bytes(p->img, ALIGN_DOWN(vaddr, 8), &out->site.old, 8) != 8)
		return SONDE_E_NOT_CODE;
	err = choose(&s, &out->site);
	if (err)
		return err;
	out->site.insn_len = s.insn.len;
	finish(out, vaddr, &code);
	return 0;
}

/* Where direct branches of the whole image lead. */
static int read_targets(struct plan *p)
{
	const struct image *img = p->img;
	int err = 0;

	if (p->targets)
		return 0;
	p->targets = calloc((img->span.end - img->span.start) / 8 + 1, 1);
	if (!p->targets)
		return -ENOMEM;
	p->other.outer = p->targets;
	for (size_t i = 0; i < img->nbounds && !err; i++) {
		err = sweep_function(&p->other, img, img->bound[i]);
		if (!err)
			note_tail(p, i, &p->other);
	}
	p->other.outer = NULL;
	return err;
}

int plan_window(struct plan *p, uint64_t vaddr, const struct plan_site *other,
		struct plan_site *out)
{
	unsigned int own = other ? other->site.ncut : 0;
	struct site s = {.p = p, .vaddr = vaddr};
	struct arch_code code;
	size_t len;
	int err = look(&s);

	memset(out, 0, sizeof(*out));
	if (err)
		return err;
	if (vaddr != s.func.start || vaddr % 8 + JMP_SIZE > 8)
		return SONDE_E_TOO_SHORT;
	err = arch_emit_window(s.code, s.ncode, vaddr, JMP_SIZE, &code, &len);
	if (err)
		return err;
	if (vaddr + len > s.func.end)
		return SONDE_E_TOO_SHORT;
	/* another site's bytes; what @other relies on is its own */
	if (any_bit(p, p->changed, vaddr + own, (unsigned int)len - own) ||
	    (!other && any_bit(p, p->relied, vaddr, (unsigned int)len)))
		return SONDE_E_OVERLAP;
	/* every branch of the function must be known */
	if (p->sweep.decoded != s.func.end)
		return SONDE_E_DECODE;
	err = read_targets(p);
	if (err)
		return err;
	if (any_bit(p, p->targets, vaddr + 1, (unsigned int)len - 1) ||
	    has_symbol_in(p->img, vaddr + 1, vaddr + len))
		return SONDE_E_BRANCH_INTO;
	if (image_bytes(p->img, ALIGN_DOWN(vaddr, 8), &out->site.old, 8) != 8)
		return SONDE_E_NOT_CODE;
	set_bits(p, p->changed, vaddr, JMP_SIZE);
	out->site.class = WIRE_CLASS_W;
	out->site.ncut = JMP_SIZE;
	out->site.insn_len = (uint8_t)len;
	finish(out, vaddr, &code);
	return 0;
}

const char *plan_class_name(enum wire_class c)
{
	static const char *const name[] = {"none", "S0", "S1", "S2", "W"};

	return c < ARRAY_LEN(name) ? name[c] : "none";
}

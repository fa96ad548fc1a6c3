/* SPDX-License-Identifier: MIT */
/*
 * Builds the map of everything that leads somewhere in an image's code. Tables come last: their
 * entries may lead into parts of a function, which have to be known as such.
 * Context: tool.
 */
#include "plan/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/sweep.h"

static void set_target(struct flow *f, uint64_t vaddr)
{
	uint64_t at = vaddr - f->img->span.start;

	if (vaddr >= f->img->span.start && vaddr < f->img->span.end)
		f->target[at / 8] |= (uint8_t)(1u << (at % 8));
}

/* The last bound that begins at or below @vaddr and holds it; nbounds if there is none. */
static size_t bound_of(const struct image *img, uint64_t vaddr)
{
	size_t lo = 0, hi = img->nbounds;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (img->bound[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && vaddr < img->bound[lo - 1].end ? lo - 1 : img->nbounds;
}

/* A symbol other than one that compilers give to such pieces. */
static bool is_named(const struct image *img, uint64_t vaddr)
{
	size_t lo = 0, hi = img->nfuncs;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (img->func[mid].vaddr < vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < img->nfuncs && img->func[lo].vaddr == vaddr; lo++) {
		if (!strstr(img->func[lo].name, ".cold"))
			return true;
	}
	return false;
}

static void note_ref(void *arg, enum image_ref kind, uint64_t vaddr)
{
	struct flow *f = arg;
	size_t i = bound_of(f->img, vaddr);

	if (kind != IMAGE_REF_PART)
		set_target(f, vaddr);
	if (i == f->img->nbounds)
		return;
	if (kind == IMAGE_REF_PART && f->img->bound[i].start == vaddr)
		f->bound[i] |= FLOW_PART;
	if (kind == IMAGE_REF_POINTER && f->img->bound[i].start != vaddr)
		f->bound[i] |= FLOW_LABELS;
}

/* What the first look at each function tells of others. */
struct first {
	uint8_t *called;  /* a bit per byte: calls, operands or data mean it */
	uint8_t *goes_on; /* per bound: FIRST_* */
};

enum {
	FIRST_GOES_ON = 1, /* jumps into the middle of another function */
	FIRST_IF = 2
}; /* a conditional jump leads to its start */

static bool is_called(const struct flow *f, const struct first *first, uint64_t vaddr)
{
	uint64_t at = vaddr - f->img->span.start;

	return first->called[at / 8] >> (at % 8) & 1;
}

static void note_jumps(const struct flow *f, struct first *first, const struct sweep *s, size_t i)
{
	const struct image *img = f->img;

	for (size_t k = 0; k < s->jumps.n; k++) {
		size_t to = bound_of(img, s->jumps.vaddr[k]);

		if (to < img->nbounds && img->bound[to].start != s->jumps.vaddr[k])
			first->goes_on[i] |= FIRST_GOES_ON;
	}
	for (size_t k = 0; k < s->jumps_if.n; k++) {
		size_t to = bound_of(img, s->jumps_if.vaddr[k]);

		if (to < img->nbounds && img->bound[to].start == s->jumps_if.vaddr[k])
			first->goes_on[to] |= FIRST_IF;
	}
}

static int read_first(struct flow *f, struct sweep *s, struct first *first)
{
	int err = 0;

	s->outer = f->target;
	s->called = first->called;
	for (size_t i = 0; i < f->img->nbounds && !err; i++) {
		err = sweep_function(s, f->img, f->img->bound[i]);
		if (err)
			break;
		f->bound[i] |= (s->decoded == s->range.end ? FLOW_DECODED : 0) |
			       (s->indirect.n ? FLOW_TABLES : 0);
		note_jumps(f, first, s, i);
	}
	s->outer = s->called = NULL;
	return err;
}

/*
 * What nobody calls nor names, and what only a conditional jump leads to or goes on in the middle
 * of a function, is no function of its own: compilers call no other way.
 */
static void find_parts(struct flow *f, const struct first *first)
{
	const struct image *img = f->img;

	for (size_t i = 0; i < img->nbounds; i++) {
		uint64_t start = img->bound[i].start;

		if (first->goes_on[i] && !is_called(f, first, start) && !is_named(img, start))
			f->bound[i] |= FLOW_PART;
	}
}

static int read_tables(struct flow *f, struct sweep *s)
{
	for (size_t i = 0; i < f->img->nbounds; i++) {
		int err =
			f->bound[i] & FLOW_TABLES ? sweep_function(s, f->img, f->img->bound[i]) : 0;

		if (err)
			return err;
		for (size_t k = 0; f->bound[i] & FLOW_TABLES && k < s->indirect.n; k++) {
			if (flow_follow(f, s, s->indirect.vaddr[k]) == FLOW_JUMP_UNKNOWN)
				f->bound[i] |= FLOW_OPEN;
		}
	}
	return 0;
}

int flow_read(const struct image *img, struct flow *out)
{
	uint64_t bits = (img->span.end - img->span.start) / 8 + 1;
	struct flow f = {.img = img};
	struct first first = {0};
	struct sweep s = {0};
	int err = -ENOMEM;

	f.target = calloc(bits, 1);
	f.bound = calloc(img->nbounds + 1, 1);
	first.called = calloc(bits, 1);
	first.goes_on = calloc(img->nbounds + 1, 1);
	if (!f.target || !f.bound || !first.called || !first.goes_on)
		goto out;
	image_each_ref(img, note_ref, &f);
	/* nothing else leads anywhere yet: what data means counts as called */
	memcpy(first.called, f.target, bits);
	err = read_first(&f, &s, &first);
	if (err)
		goto out;
	find_parts(&f, &first);
	err = read_tables(&f, &s);
out:
	sweep_free(&s);
	free(first.called);
	free(first.goes_on);
	if (err)
		flow_free(&f);
	else
		*out = f;
	return err;
}

void flow_free(struct flow *f)
{
	free(f->target);
	free(f->bound);
	free(f->leas.lea);
	*f = (struct flow){0};
}

bool flow_leads_into(const struct flow *f, uint64_t start, uint64_t end)
{
	for (uint64_t v = start; v < end && v < f->img->span.end; v++) {
		uint64_t at = v - f->img->span.start;

		if (f->target[at / 8] >> (at % 8) & 1)
			return true;
	}
	return false;
}

bool flow_is_closed(const struct flow *f, uint64_t bound)
{
	return (f->bound[bound] & (FLOW_DECODED | FLOW_OPEN)) == FLOW_DECODED;
}

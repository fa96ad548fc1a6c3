/* SPDX-License-Identifier: MIT */
/*
 * Switching sites on and off: which quadwords change, from what, to what.
 *
 * A site that goes on must show the bytes of the file, one that goes off the jump that was written;
 * else somebody else has changed them, and it is left alone. The bytes of a site's quadword that
 * are not its own may have changed rightly: another site of ours stands in it. So each store starts
 * from what stands there now, and poke_batch() compares that once more before it stores.
 *
 * Pads (class S2) are written first, in a batch of their own, and stay: nobody reaches them but
 * through the short jump, and a thread may be at one when the jump is withdrawn.
 *
 * Context: not on a hit; one thread at a time; no libc.
 */
#include <errno.h>

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "text/module.h"
#include "text/poke.h"

#define FEW 8	 /* changes: a batch of so few needs no mapping for its stores */
#define NEAR 512 /* bytes: a batch's changes come in order of address but for this much */

struct batch {
	struct text_module *m;
	struct text_change *c;
	uint32_t nc;
	struct poke *poke; /* two per change at most */
	uint32_t n;
	uint64_t start, end; /* of the text */
};

/* The quadword at @q with @n bytes at @addr replaced. */
static uint64_t splice(uint64_t q, uint64_t old, uint64_t addr, const uint8_t *bytes, size_t n)
{
	uint8_t *b = (uint8_t *)&old;

	for (size_t i = 0; i < n; i++) {
		if (addr + i >= q && addr + i < q + 8)
			b[addr + i - q] = bytes[i];
	}
	return old;
}

/*
 * Add a change to the batch. Neighbours may share a quadword (a pad and the next function's first
 * bytes, two tiny functions): they become one store.
 */
static void add_poke(struct batch *b, uint64_t a, const uint8_t *bytes, size_t len)
{
	for (uint64_t q = ALIGN_DOWN(a, 8); q < a + len; q += 8) {
		struct poke *p = NULL;

		/* sites come in order of address, pads nearly so: a short jump leads there */
		for (uint32_t i = b->n; i-- > 0 && !p && b->poke[i].addr + NEAR >= q;)
			p = b->poke[i].addr == q ? &b->poke[i] : NULL;
		if (!p) {
			p = &b->poke[b->n++];
			p->addr = q;
			mem_copy(&p->old, (const void *)q, sizeof(p->old));
			p->new = p->old;
		}
		p->new = splice(q, p->new, a, bytes, len);
	}
}

/*
 * The code of the file stands at the site: the instruction's bytes within its quadword. The bytes
 * behind may have become a jump of ours by now; but not those that are a part of this jump, which
 * the planner keeps from all other sites. If they differ, somebody else has changed them.
 */
static bool shows_file(const struct wire_site *ws, uint64_t a)
{
	const uint8_t *old = (const uint8_t *)&ws->old;
	size_t n = 8 - a % 8;
	uint32_t rel = ws->rel_value;

	if (ws->rel_mask)
		mem_copy(&rel, (const void *)(a + 1), sizeof(rel));
	return (rel & ws->rel_mask) == ws->rel_value &&
	       mem_equal((const void *)a, old + a % 8, n > ws->insn_len ? ws->insn_len : n);
}

/* The jump of site @i, and how many of its bytes differ from the file's. 0: out of reach. */
static size_t jump_of(const struct text_module *m, uint32_t i, uint8_t *jmp)
{
	const struct wire_site *ws = m->use[i];
	uint64_t a = m->image.bias + ws->vaddr;
	uint64_t to = ws->class == WIRE_CLASS_S1 ? m->island[i] : m->detour[i];

	if (ws->class == WIRE_CLASS_S2) {
		jmp[0] = 0xeb;
		jmp[1] = (uint8_t)(ws->pad_vaddr - (ws->vaddr + 2));
		return 2;
	}
	jmp[0] = 0xe9;
	if (!text_put_rel32(jmp + 1, (int64_t)(to - (a + TEXT_JMP_SIZE))))
		return 0;
	return ws->ncut;
}

static uint64_t pad_of(const struct batch *b, uint32_t i)
{
	return b->m->image.bias + b->m->use[i]->pad_vaddr;
}

static bool needs_pad(const struct batch *b, const struct text_change *c)
{
	return c->on && !c->err && b->m->use[c->site]->class == WIRE_CLASS_S2 &&
	       !b->m->pad[c->site];
}

/* All changes whose bytes at @at (of @len) touch the quadword at @q, and are of this kind. */
static void fail_touching(struct batch *b, uint64_t q, bool pads)
{
	for (uint32_t i = 0; i < b->nc; i++) {
		struct text_change *c = &b->c[i];
		uint64_t a = b->m->image.bias + b->m->use[c->site]->vaddr;

		if (pads ? needs_pad(b, c) && pad_of(b, c->site) < q + 8 &&
				    pad_of(b, c->site) + TEXT_JMP_SIZE > q
			 : ALIGN_DOWN(a, 8) == q && c->on != b->m->on[c->site])
			c->err = SONDE_E_BYTES_DIFFER;
	}
}

static int flush(struct batch *b, bool pads)
{
	int err = b->n ? poke_batch(b->poke, b->n, b->start, b->end) : 0;

	for (uint32_t i = 0; i < b->n && !err; i++) {
		if (!b->poke[i].done)
			fail_touching(b, b->poke[i].addr, pads);
	}
	b->n = 0;
	return err;
}

/* Unreachable, so that their two quadwords need no single store. */
static int publish_pads(struct batch *b)
{
	int err;

	for (uint32_t i = 0; i < b->nc; i++) {
		struct text_change *c = &b->c[i];
		uint8_t jmp[TEXT_JMP_SIZE] = {0xe9};
		uint64_t pad = pad_of(b, c->site);

		if (!needs_pad(b, c))
			continue;
		if (!mem_equal((void *)pad, b->m->use[c->site]->pad_old, TEXT_JMP_SIZE))
			c->err = SONDE_E_BYTES_DIFFER;
		else if (!text_put_rel32(jmp + 1,
					 (int64_t)(b->m->detour[c->site] - (pad + TEXT_JMP_SIZE))))
			c->err = SONDE_E_NO_SPACE_NEAR;
		else
			add_poke(b, pad, jmp, TEXT_JMP_SIZE);
	}
	err = flush(b, true);
	for (uint32_t i = 0; i < b->nc && !err; i++) {
		if (needs_pad(b, &b->c[i]))
			b->m->pad[b->c[i].site] = true;
	}
	return err;
}

static int publish_sites(struct batch *b)
{
	int err;

	for (uint32_t i = 0; i < b->nc; i++) {
		struct text_change *c = &b->c[i];
		const struct wire_site *ws = b->m->use[c->site];
		uint64_t a = b->m->image.bias + ws->vaddr;
		uint8_t jmp[TEXT_JMP_SIZE];
		bool stands;
		size_t len;

		if (c->err || (!c->on && !b->m->on[c->site]))
			continue;
		len = jump_of(b->m, c->site, jmp);
		stands = mem_equal((void *)a, jmp, len);
		/* somebody else has put the file's code back */
		if (!stands && shows_file(ws, a))
			b->m->on[c->site] = false;
		if (c->on == b->m->on[c->site]) {
			if (c->on && !stands)
				c->err = SONDE_E_BYTES_DIFFER;
			continue;
		}
		if (!len)
			c->err = SONDE_E_NO_SPACE_NEAR;
		else if (c->on && ws->class == WIRE_CLASS_W && !b->m->mapping)
			c->err = SONDE_E_TOO_SHORT;
		else if (c->on ? !shows_file(ws, a) : !stands)
			c->err = SONDE_E_BYTES_DIFFER;
		else
			add_poke(b, a, c->on ? jmp : (const uint8_t *)&ws->old + a % 8, len);
	}
	err = flush(b, false);
	for (uint32_t i = 0; i < b->nc && !err; i++) {
		if (!b->c[i].err)
			b->m->on[b->c[i].site] = b->c[i].on;
	}
	return err;
}

static int change_module(struct batch *b)
{
	const struct text_image *im = &b->m->image;
	size_t size = b->nc * 2 * sizeof(struct poke);
	struct poke few[2 * FEW];
	int err;

	for (uint32_t i = 0; i < b->nc; i++)
		b->c[i].err = b->m->detour[b->c[i].site] ? 0 : SONDE_E_NO_SPACE_NEAR;
	b->start = im->bias + im->text_start;
	b->end = im->bias + im->text_end;
	b->poke = b->nc > FEW ? sys_map(size) : few;
	if (!b->poke)
		return -ENOMEM;
	err = publish_pads(b);
	if (!err)
		err = publish_sites(b);
	if (b->poke != few)
		sys_unmap(b->poke, size);
	return err;
}

int text_change(struct text_change *c, uint32_t n)
{
	int err = 0;

	for (uint32_t i = 0; i < n;) {
		struct batch b = {.m = c[i].module, .c = &c[i]};

		while (i < n && c[i].module == b.m) {
			i++;
			b.nc++;
		}
		if (!err)
			err = change_module(&b);
		for (uint32_t k = 0; k < b.nc && err; k++)
			b.c[k].err = err;
	}
	return err;
}

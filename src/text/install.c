/* SPDX-License-Identifier: MIT */
/*
 * Carrying out one module's plans: addresses, detours, islands, then the stores.
 *
 *   place   an island address for every punned site; a pool for the detours near the module
 *   write   detours (fixed up for where they lie), islands; then everything executable
 *   publish pads first, then sites, each one aligned store (text/poke.c)
 *
 * Context: agent side, not on a hit.
 */
#include "text/text.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "text/islands.h"
#include "text/poke.h"
#include "text/space.h"

#define PAGE 4096ull
#define REACH (0x7fffffffll - (1ll << 20)) /* of a rel32, with room for instructions */
#define JMP_SIZE 5
#define NEAR 512 /* bytes: a batch's changes come in order of address but for this much */

/*
 * What an image got where it lay. Code is permanent, so when the same file comes back to the same
 * place (a plugin opened again and again), its detours and islands are still there and right.
 */
struct instance {
	struct instance *next;
	uint32_t module;
	uint64_t bias;
	size_t size; /* of this mapping, arrays included */
};

static struct instance *instances; /* loader lock */

struct install {
	const struct text_job *job;
	const struct wire_session *s;
	const struct wire_module *m;
	struct space space;
	struct islands islands;
	struct poke *poke; /* two per site at most: pad quadwords come in a batch of their own */
	const struct wire_site **use; /* per site of the module: its plan, or the other one */
	uint64_t *island;	      /* per site: island address, 0 = none */
	uint64_t *detour;	      /* per site: where its code lies, 0 = refused */
	struct instance *instance;
	bool again; /* the instance existed before */
	size_t poke_size;
	uint64_t pool, pool_size;
};

static const struct wire_site *session_site(const struct install *in, uint32_t index)
{
	return wire_elem(in->s, sites, const struct wire_site, index);
}

static const struct wire_site *site_at(const struct install *in, uint32_t i)
{
	return in->use[i];
}

static void refuse(struct install *in, uint32_t i, int err)
{
	in->detour[i] = 0;
	in->job->refused(in->job->arg, in->m->site_off + i, err);
}

/* No island for site @i: its window instead, if it has one and no other site stands in it. */
static bool use_window(struct install *in, uint32_t i)
{
	const struct wire_site *ws = in->use[i], *alt;

	if (!ws->alt)
		return false;
	alt = session_site(in, ws->alt - 1);
	if (i + 1 < in->m->nsites && in->use[i + 1]->vaddr < alt->vaddr + alt->insn_len)
		return false;
	in->use[i] = alt;
	in->island[i] = 0;
	return true;
}

/*
 * A place for the island of a site that found none: the heap keeps less room. (Where glibc's heap
 * cannot grow it goes on elsewhere; the probe cannot.)
 */
static void place_beside_heap(struct install *in)
{
	const struct space *strict = in->islands.space;
	struct space lax = {0};

	for (uint32_t i = 0; i < in->m->nsites; i++) {
		const struct wire_site *ws = site_at(in, i);

		if (ws->class != WIRE_CLASS_S1 || in->island[i] || ws->alt)
			continue;
		if (!lax.taken && space_read(&lax, SPACE_HEAP_LEAST))
			return;
		in->islands.space = &lax;
		in->island[i] = islands_place(&in->islands, in->job->bias + ws->vaddr + JMP_SIZE,
					      ws->rel_mask, ws->rel_value);
	}
	in->islands.space = strict;
	if (lax.taken)
		space_free(&lax);
}

/* Punned sites with few choices first. */
static void place_islands(struct install *in)
{
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < in->m->nsites; i++) {
			const struct wire_site *ws = site_at(in, i);
			bool narrow = (ws->rel_mask & 0xffff00) == 0xffff00;

			if (ws->class != WIRE_CLASS_S1 || narrow != (pass == 0))
				continue;
			in->island[i] =
				islands_place(&in->islands, in->job->bias + ws->vaddr + JMP_SIZE,
					      ws->rel_mask, ws->rel_value);
		}
	}
	place_beside_heap(in);
	islands_map(&in->islands);
	for (uint32_t i = 0; i < in->m->nsites; i++) {
		if (site_at(in, i)->class == WIRE_CLASS_S1 &&
		    (!in->island[i] || !islands_mapped(&in->islands, in->island[i])) &&
		    !use_window(in, i))
			refuse(in, i, SONDE_E_NO_SPACE_NEAR);
	}
}

/* One mapping for the detours of all sites, in reach of all of the module. */
static int place_pool(struct install *in)
{
	uint64_t start = in->job->bias + in->m->span_start, end = in->job->bias + in->m->span_end;
	uint64_t size = sizeof(uint64_t), lo, hi;

	for (uint32_t i = 0; i < in->m->nsites; i++) {
		const struct wire_site *ws = site_at(in, i);
		uint64_t len = ws->code_len;

		if (ws->alt && session_site(in, ws->alt - 1)->code_len > len)
			len = session_site(in, ws->alt - 1)->code_len;
		in->detour[i] = ALIGN_UP(size, 16);
		size = in->detour[i] + len;
	}
	in->pool_size = ALIGN_UP(size, PAGE);
	lo = end > REACH ? end - REACH : 0;
	hi = start + REACH;
	for (int tries = 0; tries < 8; tries++) {
		long p;

		in->pool = space_find(&in->space, in->pool_size, lo, hi, start);
		if (!in->pool)
			break;
		p = sys6(SYS_mmap, in->pool, in->pool_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if ((uint64_t)p == in->pool) {
			for (uint32_t i = 0; i < in->m->nsites; i++)
				in->detour[i] += in->pool;
			return 0;
		}
		if (!sys_failed(p))
			sys2(SYS_munmap, p, in->pool_size);
		/* somebody else was quicker: look again */
		space_free(&in->space);
		if (space_read(&in->space, SPACE_HEAP_ROOM))
			break;
	}
	in->pool = 0;
	return SONDE_E_NO_SPACE_NEAR;
}

static bool put_rel32(uint8_t *at, int64_t distance)
{
	int32_t rel = (int32_t)distance;

	mem_copy(at, &rel, sizeof(rel));
	return rel == distance;
}

/* Copy and fix up one detour; false if something is out of reach. */
static bool write_detour(struct install *in, uint32_t i)
{
	const struct wire_site *ws = site_at(in, i);
	const struct wire_fixup *fix =
		wire_elem(in->s, fixups, const struct wire_fixup, ws->fix_off);
	uint8_t *code = (uint8_t *)in->detour[i];

	mem_copy(code, wire_elem(in->s, code, const uint8_t, ws->code_off), ws->code_len);
	for (uint16_t f = 0; f < ws->nfix; f++, fix++) {
		uint8_t *at = code + fix->at;
		uint64_t target = in->job->bias + fix->target;
		uint32_t index = in->m->site_off + i;
		bool ok = true;

		switch (fix->kind) {
		case WIRE_FIX_REL32:
			ok = put_rel32(at, (int64_t)(target - ((uint64_t)at + 4 + fix->tail)));
			break;
		case WIRE_FIX_ABS64:
			mem_copy(at, &target, sizeof(target));
			break;
		case WIRE_FIX_STUB32:
			ok = put_rel32(at, (int64_t)(in->pool - ((uint64_t)at + 4)));
			break;
		case WIRE_FIX_SITE32:
			mem_copy(at, &index, sizeof(index));
			break;
		}
		if (!ok)
			return false;
	}
	return true;
}

static void write_island(uint64_t at, uint64_t to)
{
	uint8_t *p = (uint8_t *)at;
	static const uint8_t jmp_mem[6] = {0xff, 0x25, 0, 0, 0, 0};

	p[0] = 0xe9;
	if (put_rel32(p + 1, (int64_t)(to - (at + JMP_SIZE))))
		return;
	mem_copy(p, jmp_mem, sizeof(jmp_mem));
	mem_copy(p + sizeof(jmp_mem), &to, sizeof(to));
}

static int write_code(struct install *in)
{
	mem_copy((void *)in->pool, &in->job->stub, sizeof(in->job->stub));
	for (uint32_t i = 0; i < in->m->nsites; i++) {
		if (!in->detour[i])
			continue;
		if (!write_detour(in, i))
			refuse(in, i, SONDE_E_NO_SPACE_NEAR);
		else if (in->island[i])
			write_island(in->island[i], in->detour[i]);
	}
	if (sys3(SYS_mprotect, in->pool, in->pool_size, PROT_READ | PROT_EXEC) < 0)
		return SONDE_E_PROTECT;
	return islands_seal(&in->islands);
}

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
static void add_poke(struct install *in, uint32_t *n, uint64_t a, const uint8_t *bytes, size_t len)
{
	for (uint64_t q = ALIGN_DOWN(a, 8); q < a + len; q += 8) {
		struct poke *p = NULL;

		/* sites come in order of address, pads nearly so: a short jump leads there */
		for (uint32_t i = *n; i-- > 0 && !p && in->poke[i].addr + NEAR >= q;)
			p = in->poke[i].addr == q ? &in->poke[i] : NULL;
		if (!p) {
			p = &in->poke[(*n)++];
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
static bool bytes_match(const struct wire_site *ws, uint64_t a)
{
	const uint8_t *old = (const uint8_t *)&ws->old;
	size_t n = 8 - a % 8;
	uint32_t rel = ws->rel_value;

	if (ws->rel_mask)
		mem_copy(&rel, (const void *)(a + 1), sizeof(rel));
	return (rel & ws->rel_mask) == ws->rel_value &&
	       mem_equal((const void *)a, old + a % 8, n > ws->insn_len ? ws->insn_len : n);
}

/* The quadword at @q was changed by somebody else just now: every site whose pad touches it. */
static void refuse_pads(struct install *in, uint64_t q)
{
	for (uint32_t i = 0; i < in->m->nsites; i++) {
		const struct wire_site *ws = site_at(in, i);
		uint64_t pad = in->job->bias + ws->pad_vaddr;

		if (ws->class == WIRE_CLASS_S2 && in->detour[i] && pad < q + 8 &&
		    pad + JMP_SIZE > q)
			refuse(in, i, SONDE_E_BYTES_DIFFER);
	}
}

/* The same for every site in it; how many. */
static long refuse_sites(struct install *in, uint64_t q)
{
	long n = 0;

	for (uint32_t i = 0; i < in->m->nsites; i++) {
		if (in->detour[i] && ALIGN_DOWN(in->job->bias + site_at(in, i)->vaddr, 8) == q) {
			refuse(in, i, SONDE_E_BYTES_DIFFER);
			n++;
		}
	}
	return n;
}

/* S2's pads: unreachable, so that their two quadwords need no single store. */
static int publish_pads(struct install *in, uint64_t start, uint64_t end)
{
	uint32_t n = 0;
	int err;

	for (uint32_t i = 0; i < in->m->nsites; i++) {
		const struct wire_site *ws = site_at(in, i);
		uint64_t pad = in->job->bias + ws->pad_vaddr;
		uint8_t jmp[JMP_SIZE] = {0xe9};

		if (ws->class != WIRE_CLASS_S2 || !in->detour[i])
			continue;
		if (!mem_equal((void *)pad, ws->pad_old, JMP_SIZE)) {
			refuse(in, i, SONDE_E_BYTES_DIFFER);
			continue;
		}
		if (!put_rel32(jmp + 1, (int64_t)(in->detour[i] - (pad + JMP_SIZE)))) {
			refuse(in, i, SONDE_E_NO_SPACE_NEAR);
			continue;
		}
		add_poke(in, &n, pad, jmp, JMP_SIZE);
	}
	err = n ? poke_batch(in->poke, n, start, end) : 0;
	for (uint32_t i = 0; !err && i < n; i++) {
		if (!in->poke[i].done)
			refuse_pads(in, in->poke[i].addr);
	}
	return err;
}

static long publish_sites(struct install *in, uint64_t start, uint64_t end)
{
	uint32_t n = 0;
	long live = 0;
	int err;

	for (uint32_t i = 0; i < in->m->nsites; i++) {
		const struct wire_site *ws = site_at(in, i);
		uint64_t a = in->job->bias + ws->vaddr;
		uint64_t to = ws->class == WIRE_CLASS_S1 ? in->island[i] : in->detour[i];
		uint8_t jmp[JMP_SIZE] = {0xe9};
		size_t len = ws->ncut;

		if (!in->detour[i])
			continue;
		if (ws->class == WIRE_CLASS_S2) {
			jmp[0] = 0xeb;
			jmp[1] = (uint8_t)(ws->pad_vaddr - (ws->vaddr + 2));
			len = 2;
		} else if (!put_rel32(jmp + 1, (int64_t)(to - (a + JMP_SIZE)))) {
			refuse(in, i, SONDE_E_NO_SPACE_NEAR);
			continue;
		}
		if (!bytes_match(ws, a)) {
			refuse(in, i, SONDE_E_BYTES_DIFFER);
			continue;
		}
		add_poke(in, &n, a, jmp, len);
		live++;
	}
	err = n ? poke_batch(in->poke, n, start, end) : 0;
	if (err)
		return err;
	for (uint32_t i = 0; i < n; i++) {
		if (!in->poke[i].done)
			live -= refuse_sites(in, in->poke[i].addr);
	}
	return live;
}

/* Arrays that stay as long as the code; one batch's pokes, which do not. */
static int open_arrays(struct install *in)
{
	size_t n = in->m->nsites;
	struct instance *it = instances;

	in->poke_size = n * 2 * sizeof(struct poke);
	in->poke = sys_map(in->poke_size);
	if (!in->poke)
		return -ENOMEM;
	while (it && (it->module != in->job->module || it->bias != in->job->bias))
		it = it->next;
	in->again = it != NULL;
	if (!it) {
		size_t size = sizeof(*it) + n * (sizeof(*in->use) + 2 * sizeof(uint64_t));

		it = sys_map(size);
		if (!it)
			return -ENOMEM;
		*it = (struct instance){NULL, in->job->module, in->job->bias, size};
	}
	in->instance = it;
	in->use = (const struct wire_site **)(it + 1);
	in->island = (uint64_t *)(in->use + n);
	in->detour = in->island + n;
	for (size_t i = 0; i < n && !in->again; i++)
		in->use[i] = session_site(in, in->m->site_off + (uint32_t)i);
	return 0;
}

/* Addresses and code for every site; nothing jumps there yet. */
static int prepare(struct install *in)
{
	int err = space_read(&in->space, SPACE_HEAP_ROOM);

	if (err)
		return err;
	err = place_pool(in);
	if (err)
		goto out;
	err = islands_open(&in->islands, in->m->nsites);
	if (!err) {
		/* the pool is taken now: islands must see it */
		space_free(&in->space);
		err = space_read(&in->space, SPACE_HEAP_ROOM);
	}
	if (!err) {
		in->islands.space = &in->space;
		place_islands(in);
		err = write_code(in);
		if (err)
			islands_drop(&in->islands);
	}
	islands_close(&in->islands);
	if (err)
		sys2(SYS_munmap, in->pool, in->pool_size);
out:
	space_free(&in->space);
	return err;
}

void text_init(void)
{
	poke_init();
}

long text_install(const struct text_job *job)
{
	struct install in = {.job = job, .s = job->session};
	uint64_t start, end;
	long ret;

	in.m = wire_elem(in.s, modules, const struct wire_module, job->module);
	if (!in.m->nsites)
		return 0;
	start = job->bias + in.m->text_start;
	end = job->bias + in.m->text_end;
	ret = open_arrays(&in);
	if (ret)
		goto out;
	if (!in.again) {
		ret = prepare(&in);
		if (ret) {
			sys_unmap(in.instance, in.instance->size);
			goto out;
		}
		in.instance->next = instances;
		instances = in.instance;
	}
	ret = publish_pads(&in, start, end);
	if (!ret)
		ret = publish_sites(&in, start, end);
out:
	sys_unmap(in.poke, in.poke_size);
	return ret;
}

/* SPDX-License-Identifier: MIT */
/*
 * The ideals: slots that nobody can take away, so that nothing is said about them.
 *
 * Private: one for each thread, for ever, written when the instruction is another than last time.
 * Per site: one for each thread and site, written once. Its jump leads straight back.
 */
#include <string.h>

#include "harness.h"
#include "xol.h"

#define THREADS 64

static struct xol_memory m;
static uint32_t nthreads;

struct slot {
	_Alignas(64) uint64_t back;
	const struct xol_site *site;
	uint64_t code;
	uint8_t *alias;
};

static __thread struct slot *self;
static __thread uint64_t own; /* where the code of this thread's sites begins */

static uint32_t first(void)
{
	uint32_t i = __atomic_fetch_add(&nthreads, 1, __ATOMIC_RELAXED);

	if (i >= THREADS)
		bench_fail("more threads than an ideal has room for");
	return i;
}

static void start_private(uint32_t slots, const struct xol_site *sites)
{
	(void)slots;
	(void)sites;
	xol_map(&m, THREADS * XOL_SLOT, THREADS * sizeof(struct slot));
}

/* lea -128(%rsp), %rsp; push back(%rip); ret $128 */
static void claim_private(void)
{
	static const uint8_t code[] = {0x48, 0x8d, 0x64, 0x24, 0x80, 0xff, 0x35,
				       0,    0,	   0,	 0,    0xc2, 0x80, 0x00};
	uint32_t i = first();
	uint8_t *e;

	self = (struct slot *)m.data + i;
	self->code = (uint64_t)m.code + i * XOL_SLOT;
	self->alias = m.alias + i * XOL_SLOT;
	e = self->alias + XOL_EXIT;
	memcpy(e, code, sizeof(code));
	xol_rel32(&m, e + 7, &self->back, 0);
}

static uint64_t get_private(const struct xol_site *site, uint64_t sp)
{
	(void)sp;
	if (!self)
		claim_private();
	if (self->site != site) {
		memcpy(self->alias, site->code, site->len);
		self->back = site->next;
		self->site = site;
	}
	return self->code;
}

static void put_nothing(uint64_t at)
{
	(void)at;
}

const struct xol_variant xol_private = {
	.name = "ideal: private slot",
	.start = start_private,
	.get = get_private,
	.put = put_nothing,
};

static void start_per_site(uint32_t slots, const struct xol_site *sites)
{
	(void)slots;
	xol_map(&m, THREADS * XOL_SITES * XOL_SLOT, 4096);
	for (uint32_t i = 0; i < THREADS * XOL_SITES; i++) {
		const struct xol_site *site = &sites[i % XOL_SITES];
		uint8_t *at = m.alias + i * XOL_SLOT;

		memcpy(at, site->code, site->insn_len);
		at[site->insn_len] = 0xe9;
		xol_rel32(&m, at + site->insn_len + 1, (const void *)site->next, 0);
	}
}

static uint64_t get_per_site(const struct xol_site *site, uint64_t sp)
{
	(void)sp;
	if (!own)
		own = (uint64_t)m.code + (uint64_t)first() * XOL_SITES * XOL_SLOT;
	return own + (uint64_t)site->number * XOL_SLOT;
}

const struct xol_variant xol_per_site = {
	.name = "ideal: code for each site",
	.start = start_per_site,
	.get = get_per_site,
	.put = put_nothing,
};

/* SPDX-License-Identifier: MIT */
/*
 * Before: slots are in a bitmap that all threads share. A hit takes a bit, counts, and copies the
 * instruction; coming out of the slot clears the bit and counts down. (The exit changes flags,
 * which the measured code does not need; the original did this in a second trap.)
 */
#include <string.h>

#include "xol.h"

static struct xol_memory m;
static uint32_t nslots;

/* All of it in one object, as it was. */
static struct area {
	uint64_t bitmap;
	uint32_t count;
} * area;

struct slot {
	_Alignas(64) uint64_t back;
};

static struct slot *slot_at(uint32_t i)
{
	return (struct slot *)(m.data + 64) + i;
}

static void start(uint32_t slots, const struct xol_site *sites)
{
	/* lea -128(%rsp), %rsp; push back(%rip); lock btrq $i, bitmap(%rip); lock decl count(%rip);
	 * ret $128 */
	static const uint8_t code[] = {0x48, 0x8d, 0x64, 0x24, 0x80, 0xff, 0x35, 0,    0,   0, 0,
				       0xf0, 0x48, 0x0f, 0xba, 0x35, 0,	   0,	 0,    0,   0, 0xf0,
				       0xff, 0x0d, 0,	 0,    0,    0,	   0xc2, 0x80, 0x00};

	(void)sites;
	nslots = slots > 64 ? 64 : slots;
	xol_map(&m, 64 * XOL_SLOT, 64 * 65);
	area = (struct area *)m.data;
	for (uint32_t i = 0; i < nslots; i++) {
		uint8_t *e = m.alias + i * XOL_SLOT + XOL_EXIT;

		memcpy(e, code, sizeof(code));
		xol_rel32(&m, e + 7, &slot_at(i)->back, 0);
		xol_rel32(&m, e + 16, &area->bitmap, 1);
		e[20] = (uint8_t)i;
		xol_rel32(&m, e + 24, &area->count, 0);
	}
}

static uint32_t take(void)
{
	unsigned int round = 0;

	for (;;) {
		uint64_t map = __atomic_load_n(&area->bitmap, __ATOMIC_RELAXED);
		uint32_t i = ~map ? (uint32_t)__builtin_ctzll(~map) : 64;

		if (i >= nslots) {
			xol_wait(&round);
			continue;
		}
		map = __atomic_fetch_or(&area->bitmap, 1ull << i, __ATOMIC_ACQ_REL);
		if (map >> i & 1)
			continue;
		__atomic_fetch_add(&area->count, 1, __ATOMIC_ACQ_REL);
		return i;
	}
}

static uint64_t get(const struct xol_site *site, uint64_t sp)
{
	uint32_t i = take();

	(void)sp;
	memcpy(m.alias + i * XOL_SLOT, site->code, site->len);
	slot_at(i)->back = site->next;
	return (uint64_t)m.code + i * XOL_SLOT;
}

static void put(uint64_t at)
{
	uint64_t i = (at - (uint64_t)m.code) / XOL_SLOT;

	__atomic_fetch_and(&area->bitmap, ~(1ull << i), __ATOMIC_ACQ_REL);
	__atomic_fetch_sub(&area->count, 1, __ATOMIC_ACQ_REL);
}

const struct xol_variant xol_bitmap = {
	.name = "before: bitmap and counter",
	.start = start,
	.get = get,
	.put = put,
};

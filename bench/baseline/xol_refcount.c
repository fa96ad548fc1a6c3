/* SPDX-License-Identifier: MIT */
/*
 * The seed: a thread keeps its slot. A count says 2 in use, 1 kept, 0 being taken by another; who
 * finds no slot free goes through a list of the threads that have one, and makes some 1 a 0. The
 * instruction is copied at each hit.
 *
 * Its mistakes are repaired as its review asked for: who waits looks at the list again, a thread is
 * on the list once, its slot is taken away before its count says so. The exit changes flags, which
 * the measured code does not need.
 */
#include <string.h>

#include "harness.h"
#include "xol.h"

#define NONE UINT32_MAX
#define TASKS 64

struct task {
	_Alignas(64) uint64_t back; /* of its slot */
	uint32_t ref, slot;
	struct task *next;
};

static struct xol_memory m;
static uint32_t nslots;
static _Alignas(64) uint64_t bitmap;
static _Alignas(64) uint32_t ntasks, lock;
static struct task *list;
static __thread struct task *self;

static void start(uint32_t slots, const struct xol_site *sites)
{
	(void)sites;
	nslots = slots > 64 ? 64 : slots;
	xol_map(&m, 64 * XOL_SLOT, TASKS * sizeof(struct task));
}

/* lea -128(%rsp), %rsp; push back(%rip); lock decl ref(%rip); ret $128 */
static void write_exit(uint32_t slot, struct task *t)
{
	static const uint8_t code[] = {0x48, 0x8d, 0x64, 0x24, 0x80, 0xff, 0x35, 0,    0,    0,	  0,
				       0xf0, 0xff, 0x0d, 0,    0,    0,	   0,	 0xc2, 0x80, 0x00};
	uint8_t *e = m.alias + slot * XOL_SLOT + XOL_EXIT;

	memcpy(e, code, sizeof(code));
	xol_rel32(&m, e + 7, &t->back, 0);
	xol_rel32(&m, e + 14, &t->ref, 0);
}

static void spin_lock(void)
{
	unsigned int round = 0;

	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		xol_wait(&round);
}

static void spin_unlock(void)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static uint32_t find_free(void)
{
	for (;;) {
		uint64_t map = __atomic_load_n(&bitmap, __ATOMIC_RELAXED);
		uint32_t i = ~map ? (uint32_t)__builtin_ctzll(~map) : 64;

		if (i >= nslots)
			return NONE;
		map = __atomic_fetch_or(&bitmap, 1ull << i, __ATOMIC_ACQ_REL);
		if (!(map >> i & 1))
			return i;
	}
}

static uint32_t steal(void)
{
	uint32_t slot = NONE, one;

	spin_lock();
	for (struct task *t = list; t && slot == NONE; t = t->next) {
		one = 1;
		if (__atomic_compare_exchange_n(&t->ref, &one, 0, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED)) {
			slot = t->slot;
			__atomic_store_n(&t->slot, NONE, __ATOMIC_RELEASE);
		}
	}
	spin_unlock();
	return slot;
}

static void first(void)
{
	uint32_t i = __atomic_fetch_add(&ntasks, 1, __ATOMIC_RELAXED);

	if (i >= TASKS)
		bench_fail("more threads than the seed's benchmark has room for");
	self = (struct task *)m.data + i;
	self->slot = NONE;
	spin_lock();
	self->next = list;
	list = self;
	spin_unlock();
}

static void acquire(struct task *t)
{
	unsigned int round = 0;
	uint32_t slot;

	/* whoever took the last one is about to say so */
	while (__atomic_load_n(&t->slot, __ATOMIC_ACQUIRE) != NONE)
		xol_wait(&round);
	for (round = 0;;) {
		slot = find_free();
		if (slot == NONE)
			slot = steal();
		if (slot != NONE)
			break;
		xol_wait(&round);
	}
	write_exit(slot, t);
	t->slot = slot;
	__atomic_store_n(&t->ref, 2, __ATOMIC_RELEASE);
}

static uint64_t get(const struct xol_site *site, uint64_t sp)
{
	struct task *t;
	uint32_t one = 1;

	(void)sp;
	if (!self)
		first();
	t = self;
	if (!__atomic_compare_exchange_n(&t->ref, &one, 2, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		acquire(t);
	memcpy(m.alias + t->slot * XOL_SLOT, site->code, site->len);
	t->back = site->next;
	return (uint64_t)m.code + t->slot * XOL_SLOT;
}

static void put(uint64_t at)
{
	(void)at;
	__atomic_fetch_sub(&self->ref, 1, __ATOMIC_ACQ_REL);
}

const struct xol_variant xol_refcount = {
	.name = "seed: kept, counted, copied",
	.start = start,
	.get = get,
	.put = put,
};

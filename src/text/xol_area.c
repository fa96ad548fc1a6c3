/* SPDX-License-Identifier: MIT */
/*
 * The memory that slots are in: mapped, written, and made anew in a forked child.
 *
 * Code memory is mapped twice, never writable and executable by one address: shared anonymous
 * memory, mapped executable; mremap() of nothing gives the same pages at a second address, where it
 * becomes writable. This needs no file descriptor, which the program could close, or take for one
 * of its own; nor a right to make writable memory executable, which it may have given up.
 *
 * Fork. The child has private copies of all that is known about slots, and shares their code with
 * its parent, but without an address to write it by. So it makes code memory of its own at the same
 * place, with the same content in the slots that its one thread may be in; the others are free.
 *
 * Ordering
 *   A   areas: store release -> load acquire: an area is complete when it is found
 *   G   process->gen: store release by the builder -> load acquire in xol_join(): areas are this
 *       process's. builder: CAS acq_rel, store release: one thread at a time makes them so
 *
 * Context: xol_open() not on a hit; the rest hit.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "text/module.h"
#include "text/xol_state.h"

#define PAGE 4096ull
#define PER_PAGE (PAGE / ARCH_SLOT_SIZE)
#define LIMIT_MAX (1u << 20)
/* linux/mman.h, Linux 4.14 */
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct xol_runtime xol_rt;

SONDE_HIT static uint64_t code_size(const struct text_xol_area *area)
{
	return (uint64_t)area->capacity * ARCH_SLOT_SIZE;
}

SONDE_HIT void xol_write_exit(const struct text_xol_area *area, uint64_t alias, uint32_t i)
{
	const struct xol_slot *slot = &area->slot[i];
	uint64_t at = (uint64_t)i * ARCH_SLOT_SIZE;

	arch_slot_exit((uint8_t *)(alias + at + ARCH_SLOT_HEAD), area->code + at,
		       (uint64_t)&slot->back, (uint64_t)&slot->state);
}

SONDE_HIT void xol_write_head(const struct text_xol_area *area, uint64_t alias, uint32_t i,
			      const struct text_xol_insn *insn)
{
	uint8_t *to = (uint8_t *)(alias + (uint64_t)i * ARCH_SLOT_SIZE);
	uint64_t at = xol_code_at(area, i);

	mem_copy(to, insn->code, insn->len);
	for (uint32_t f = 0; f < insn->nfix; f++) {
		const struct wire_fixup *fix = &insn->fix[f];
		uint64_t target = insn->bias + fix->target;
		int32_t rel = (int32_t)(target - (at + fix->at + 4 + fix->tail));

		if (fix->kind == WIRE_FIX_ABS64)
			mem_copy(to + fix->at, &target, sizeof(target));
		else
			mem_copy(to + fix->at, &rel, sizeof(rel));
	}
}

static bool reaches(uint64_t from, uint64_t to)
{
	int64_t distance = (int64_t)(to - from);

	return distance == (int32_t)distance;
}

int text_xol_fits(const struct text_xol_area *area, const struct text_xol_insn *insn)
{
	if (insn->len > ARCH_SLOT_HEAD)
		return SONDE_E_RELOCATE;
	for (uint32_t f = 0; f < insn->nfix; f++) {
		const struct wire_fixup *fix = &insn->fix[f];
		uint64_t from = area->code + fix->at + 4 + fix->tail;
		uint64_t target = insn->bias + fix->target;

		if (fix->at + 4u > insn->len ||
		    (fix->kind != WIRE_FIX_REL32 && fix->kind != WIRE_FIX_ABS64))
			return SONDE_E_RELOCATE;
		if (fix->kind == WIRE_FIX_REL32 &&
		    (!reaches(from, target) ||
		     !reaches(from + code_size(area) - ARCH_SLOT_SIZE, target)))
			return SONDE_E_NO_SPACE_NEAR;
	}
	return 0;
}

/* Memory for all of the area's code, anywhere: to execute at *@code, to write at *@alias. */
SONDE_HIT static bool map_code(const struct text_xol_area *area, uint64_t *code, uint64_t *alias)
{
	uint64_t size = code_size(area);
	long x, w;

	x = sys6(SYS_mmap, 0, size, PROT_READ | PROT_EXEC,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(x))
		return false;
	w = sys4(SYS_mremap, x, 0, size, MREMAP_MAYMOVE);
	if (!sys_failed(w)) {
		if (!sys_failed(sys3(SYS_mprotect, w, size, PROT_READ | PROT_WRITE)) &&
		    !sys_failed(sys3(SYS_madvise, w, size, MADV_DONTFORK))) {
			*code = (uint64_t)x;
			*alias = (uint64_t)w;
			return true;
		}
		sys2(SYS_munmap, w, size);
	}
	sys2(SYS_munmap, x, size);
	return false;
}

/* In place of what is there, at once: a thread may be executing it. */
SONDE_HIT static bool move_code(struct text_xol_area *area, uint64_t code, uint64_t alias)
{
	uint64_t size = code_size(area);

	if (sys_failed(sys5(SYS_mremap, code, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
			    area->code))) {
		sys2(SYS_munmap, code, size);
		sys2(SYS_munmap, alias, size);
		return false;
	}
	area->alias = alias;
	return true;
}

/* Address space of @size in reach of [@start, @end), or anywhere. 0 if there is none. */
static uint64_t reserve(uint64_t size, uint64_t start, uint64_t end)
{
	uint64_t lo = end > TEXT_REACH ? end - TEXT_REACH : 0, hi = start + TEXT_REACH, at = 0;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	for (int tries = 0; tries < 8; tries++) {
		long p;

		if (end) {
			struct space space;

			if (space_read(&space, SPACE_HEAP_ROOM))
				return 0;
			at = space_find(&space, size, lo, hi, start);
			space_free(&space);
			if (!at)
				return 0;
			flags |= MAP_FIXED_NOREPLACE;
		}
		p = sys6(SYS_mmap, at, size, PROT_NONE, flags, -1, 0);
		if (!sys_failed(p) && (!end || (uint64_t)p == at))
			return (uint64_t)p;
		/* somebody else was quicker: look again */
		if (!sys_failed(p))
			sys2(SYS_munmap, p, size);
	}
	return 0;
}

static int begin(void)
{
	struct xol_process *p;

	if (xol_rt.process)
		return load_relaxed(&xol_rt.process->gen) || xol_join(&xol_self) ? 0 : -ENOMEM;
	p = sys_map(PAGE);
	if (!p)
		return -ENOMEM;
	if (sys_failed(sys3(SYS_madvise, p, PAGE, MADV_WIPEONFORK))) {
		sys_unmap(p, PAGE);
		return -ENOSYS;
	}
	p->pid = (int32_t)sys0(SYS_getpid);
	p->gen = ++xol_rt.gens;
	xol_rt.process = p;
	return 0;
}

/* One that will do: as many slots, and in reach. */
static struct text_xol_area *find(uint64_t start, uint64_t end, uint32_t limit)
{
	for (struct text_xol_area *a = xol_rt.areas; a; a = a->next) {
		uint64_t last = a->code + code_size(a);

		if (a->limit == limit && (!end || ((int64_t)(end - a->code) <= TEXT_REACH &&
						   (int64_t)(last - start) <= TEXT_REACH)))
			return a;
	}
	return NULL;
}

int text_xol_open(uint64_t start, uint64_t end, uint32_t limit, struct text_xol_area **out)
{
	uint32_t capacity;
	uint64_t size, data, at, code, alias;
	struct text_xol_area tmp = {0}, *area;
	int err = begin();

	if (err)
		return err;
	limit = !limit ? TEXT_XOL_LIMIT : limit > LIMIT_MAX ? LIMIT_MAX : limit;
	*out = find(start, end, limit);
	if (*out)
		return 0;
	capacity = (uint32_t)ALIGN_UP(2 * limit, PER_PAGE);
	size = (uint64_t)capacity * ARCH_SLOT_SIZE;
	data = ALIGN_UP(XOL_LINE * 2 + capacity * sizeof(struct xol_slot), PAGE);
	at = reserve(size + data, start, end);
	if (!at)
		return end ? SONDE_E_NO_SPACE_NEAR : -ENOMEM;
	tmp.capacity = capacity;
	tmp.code = at;
	_Static_assert(sizeof(tmp) <= XOL_LINE * 2, "in front of the slots");
	if (!map_code(&tmp, &code, &alias))
		goto out_reserved;
	if (!move_code(&tmp, code, alias))
		goto out_reserved;
	if (sys_failed(sys3(SYS_mprotect, at + size, data, PROT_READ | PROT_WRITE)))
		goto out_code;
	area = (struct text_xol_area *)(at + size);
	*area = tmp;
	area->limit = limit;
	area->gen = xol_rt.gens;
	area->slot = (struct xol_slot *)(at + size + XOL_LINE * 2);
	area->next = xol_rt.areas;
	store_release(&xol_rt.areas, area); /* A */
	*out = area;
	return 0;
out_code:
	sys2(SYS_munmap, tmp.alias, size);
out_reserved:
	sys2(SYS_munmap, at, size + data);
	return -ENOMEM;
}

/*
 * A slot of the parent's that the child's one thread may be in. That thread has the number of the
 * process; if it is the caller, its notes tell exactly; if it is not, all that were in use are
 * kept.
 */
SONDE_HIT static bool is_kept(const struct xol_slot *slot, const struct xol_self *self, int32_t pid,
			      int32_t tid)
{
	uint64_t word = load_relaxed(&slot->word);

	if (xol_state_of(word) != XOL_BUSY || !slot->insn)
		return false;
	if (tid != pid)
		return true;
	for (uint32_t i = 0; i < self->n; i++) {
		if (self->slot[i] == slot)
			return xol_owner(word) == self->tid || xol_owner(word) == pid;
	}
	return false;
}

/* The thread that is in it may be parking it. */
SONDE_HIT static void inherit(struct xol_slot *slot, bool kept, int32_t pid)
{
	uint64_t word = load_relaxed(&slot->word), next;

	do {
		kept &= xol_state_of(word) == XOL_BUSY;
		next = kept ? xol_word(pid, XOL_BUSY) : 0;
	} while (!cas_acq_rel(&slot->word, &word, next)); /* O */
	if (!kept)
		slot->insn = NULL;
}

/* Complete before it is in its place, because the thread may be executing there. */
SONDE_HIT static bool rebuild(struct text_xol_area *area, const struct xol_self *self, int32_t pid,
			      int32_t tid, uint32_t gen)
{
	uint32_t n = load_relaxed(&area->used);
	uint64_t code, alias;

	if (!map_code(area, &code, &alias))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct xol_slot *slot = &area->slot[i];

		if (!slot->made)
			continue;
		xol_write_exit(area, alias, i);
		if (is_kept(slot, self, pid, tid))
			xol_write_head(area, alias, i, slot->insn);
	}
	if (!move_code(area, code, alias))
		return false;
	for (uint32_t i = 0; i < n; i++)
		inherit(&area->slot[i], is_kept(&area->slot[i], self, pid, tid), pid);
	area->gen = gen;
	return true;
}

/* Make all areas this process's, or wait for who does. False: no memory. */
SONDE_HIT static bool settle(const struct xol_self *self)
{
	int32_t pid = (int32_t)sys0(SYS_getpid), tid = (int32_t)sys0(SYS_gettid), none = 0;
	struct xol_process *p = xol_rt.process;
	bool done = true;

	while (!cas_acq_rel(&p->builder, &none, tid)) { /* G */
		if (none == tid)
			return false;
		none = 0;
		sys0(SYS_sched_yield);
	}
	if (!load_relaxed(&p->gen)) {
		uint32_t gen = xol_rt.gens + 1;

		/* those that are done already: memory was short at the last attempt */
		for (struct text_xol_area *a = xol_rt.areas; a && done; a = a->next)
			done = a->gen == gen || rebuild(a, self, pid, tid, gen);
		if (done) {
			p->pid = pid;
			xol_rt.gens = gen;
			store_release(&p->gen, gen); /* G */
		}
	}
	store_release(&p->builder, 0); /* G */
	return done;
}

SONDE_HIT bool xol_join(struct xol_self *self)
{
	struct xol_process *p = xol_rt.process;

	if (!load_acquire(&p->gen) && !settle(self)) /* G */
		return false;
	/* A vfork child's name would be a dead thread's when its parent uses the same notes: let it
	 * go by the process's, and not remember it. */
	if (sys0(SYS_getpid) != p->pid) {
		self->tid = p->pid;
		return true;
	}
	self->tid = (int32_t)sys0(SYS_gettid);
	self->gen = load_acquire(&p->gen); /* G */
	return true;
}

SONDE_HIT void text_xol_fork_child(void)
{
	struct xol_self *self = &xol_self;

	for (uint32_t i = 0; i < self->n; i++) {
		if (xol_state_of(load_relaxed(&self->slot[i]->word)) == XOL_BUSY) {
			xol_join(self);
			return;
		}
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Who has which slot.
 *
 * Life of a slot: its word says whose it is, and one of
 *	0 TAKEN   somebody prepares it for a trap
 *	1 PARKED  nobody is in it; its owner, if quicker than others, finds the content it left
 *	2 BUSY    its owner is in it, or has left it sideways
 * and 0, TAKEN by nobody, is FREE. The word is one, so that who finds its own name in it finds the
 * state that goes with it.
 *
 *	FREE   -take, CAS-> TAKEN      anybody; one winner, the others look elsewhere
 *	PARKED -take, CAS-> TAKEN      its owner at its next trap; another thread when it finds no
 *				       other slot. One winner. An owner that loses forgets the slot
 *	TAKEN  -get, store-> BUSY      who took it; the content is complete
 *	BUSY   -exit code, store-> PARKED   the owner, by its own slot's last store. Nobody else
 *				       writes the word of a BUSY slot whose owner lives
 *	BUSY   -left, abandon, store-> PARKED   the owner, which is not in it any more
 *	BUSY, TAKEN -take_dead, CAS-> TAKEN    anybody, when the owner is no living thread
 *	any of one's own -text_xol_exit-> FREE
 *	all but the forking thread's -xol_join in the child-> FREE
 *
 * There is no lock, not even where slots are short: those who recycle compete among themselves by
 * the same CAS by which they compete with owners, so that a lock would decide nothing; and a
 * dead thread, a forked child and a signal handler need no way around it.
 *
 * Why waiting ends: who waits holds no BUSY slot (who does may use the reserve), so that the
 * holders are in the instruction, or in a handler that has interrupted it, and come out. Should a
 * handler wait for the very thread that waits here, patience ends and the reserve is opened.
 *
 * Ordering
 *   P   word: the exit's plain store of PARKED -> take's CAS, acquire. All that the owner did in
 *       the slot (its fetches, its load of `back`) comes before what the taker writes: this machine
 *       keeps a store behind the loads and the instructions before it.
 *   O   word: CAS acq_rel -> the next CAS. Content and notes, plain, belong to who has TAKEN it.
 *   Q   word: store of BUSY, release -> O of who takes it from us once it is parked, or we are
 *       dead. A dead thread's own stores are ordered by the kernel: tgkill says ESRCH only when it
 *       has run its last instruction.
 *   A   areas: list head, release -> acquire; xol_area.c
 *   G   process: xol_area.c
 *
 * Stale instructions. Content is written by the thread that will execute it, in the handler of its
 * trap, at another address than that of execution. Intel (SDM volume 3A, 9.1.3 and 12.6) and AMD
 * (APM volume 2, 7.6.1) both want a serializing instruction in between then, on the processor that
 * executes. The kernel returns from a signal by IRET, which is one: SYSRET is not able to restore
 * rcx and r11. If the thread is moved to another processor before, its IRET is there; if after, it
 * was interrupted, and an interrupt's return is an IRET as well. Other processors may hold old
 * bytes of the slot; nobody executes them there, for who gets into the slot there comes by such a
 * return. So membarrier(SYNC_CORE) is not needed. The former owner may stand behind its parking
 * store still: in the exit, which is never written again, with its way on its own stack.
 *
 * Context: hit.
 */
#include "text/xol_state.h"

#include <errno.h>
#include <time.h>

#include "arch/local.h"
#include "base/race.h"
#include "base/sys.h"

#define LEFT_TRIES 4 /* slots looked at before a fresh one is used */
/* Looks for a slot; then the processor is given away; then the thread sleeps, ever longer. */
#define SPINS 64u
#define YIELDS 16u
#define SLEEP_MIN 20000u
#define SLEEP_MAX 1000000u
#define PATIENCE 230u /* looks, about 0.1 s in all */

__thread struct xol_self xol_self __attribute__((tls_model("initial-exec")));

SONDE_HIT static bool take(struct xol_slot *slot, uint64_t seen, const struct xol_self *self)
{
	return cas_acq_rel(&slot->word, &seen, xol_word(self->tid, XOL_TAKEN)); /* P, O */
}

/*
 * A BUSY slot of the caller's that it cannot come back to: whatever has interrupted it there, and
 * was still going on, would have its frame below that trap's stack pointer, and so would this trap.
 */
SONDE_HIT static bool is_left(const struct xol_slot *slot, uint64_t sp, uint64_t stack)
{
	return slot->stack == stack && stack != TEXT_XOL_ANY_STACK && slot->sp <= sp &&
	       !slot->insn->moves_stack;
}

/*
 * Take one of the thread's own slots, best one with the right content. *@holds: it is in one. Those
 * that have become others' are forgotten on the way.
 */
SONDE_HIT static struct xol_slot *take_own(const struct text_xol_area *area, struct xol_self *self,
					   const struct text_xol_insn *insn, uint64_t sp,
					   uint64_t stack, bool *holds)
{
	const uint64_t parked = xol_word(self->tid, XOL_PARKED);
	struct xol_slot *best = NULL, *slot;
	uint64_t word;

	for (uint32_t i = 0; i < self->n;) {
		slot = self->slot[i];
		word = load_relaxed(&slot->word);
		if (xol_owner(word) != self->tid) {
			self->slot[i] = self->slot[--self->n];
			continue;
		}
		i++;
		if (xol_state_of(word) == XOL_BUSY) {
			if (!is_left(slot, sp, stack)) {
				*holds = true;
				continue;
			}
			self->counts.left++;
			store_release(&slot->state, XOL_PARKED); /* P */
			word = parked;
		}
		/* content: a guess, true if the word is still the same when we take it */
		if (word == parked && slot->area == area &&
		    (!best || load_relaxed(&slot->insn) == insn))
			best = slot;
	}
	race_point("xol: own, before take");
	return best && take(best, parked, self) ? best : NULL;
}

/* No living thread's. */
SONDE_HIT static bool is_gone(int32_t tid, const struct xol_self *self)
{
	return tid != self->tid && sys3(SYS_tgkill, xol_rt.process->pid, tid, 0) == -ESRCH;
}

SONDE_HIT static bool take_if_dead(struct xol_slot *slot, const struct xol_self *self)
{
	uint64_t word = load_relaxed(&slot->word);

	if (word && !is_gone(xol_owner(word), self))
		return false;
	race_point("xol: dead, before take");
	return take(slot, word, self);
}

/* What threads that are gone have left, with little effort, so that an area does not grow by them.
 */
SONDE_HIT static struct xol_slot *take_left_behind(struct text_xol_area *area,
						   struct xol_self *self)
{
	uint32_t n = load_relaxed(&area->used);

	for (uint32_t i = 0; i < LEFT_TRIES && i < n; i++) {
		struct xol_slot *slot = &area->slot[self->cursor++ % n];

		if (take_if_dead(slot, self))
			return slot;
	}
	return NULL;
}

/* One that never was used, of the first @max. */
SONDE_HIT static struct xol_slot *take_fresh(struct text_xol_area *area,
					     const struct xol_self *self, uint32_t max)
{
	uint32_t n = load_relaxed(&area->used);

	while (n < max) {
		/* (between the two, others may find it free) */
		if (cas_acq_rel(&area->used, &n, n + 1) && take(&area->slot[n], 0, self))
			return &area->slot[n];
	}
	return NULL;
}

/* Recycle: any slot that nobody is in. */
SONDE_HIT static struct xol_slot *take_parked(struct text_xol_area *area, struct xol_self *self)
{
	uint32_t n = load_relaxed(&area->used), start = self->cursor++;

	for (uint32_t i = 0; i < n; i++) {
		struct xol_slot *slot = &area->slot[(start + i) % n];
		uint64_t word = load_relaxed(&slot->word);

		if (word && xol_state_of(word) != XOL_PARKED)
			continue;
		race_point("xol: parked, before recycling");
		if (!take(slot, word, self))
			continue;
		self->counts.recycled += word && xol_owner(word) != self->tid;
		return slot;
	}
	return NULL;
}

/* The slots that threads had when they died in them. */
SONDE_HIT static struct xol_slot *take_dead(struct text_xol_area *area, const struct xol_self *self)
{
	uint32_t n = load_relaxed(&area->used);

	for (uint32_t i = 0; i < n; i++) {
		if (take_if_dead(&area->slot[i], self))
			return &area->slot[i];
	}
	return NULL;
}

SONDE_HIT static void wait_a_while(uint32_t round)
{
	struct timespec ts = {0};
	uint32_t step;

	if (round < SPINS) {
		local_pause();
		return;
	}
	if (round < SPINS + YIELDS) {
		sys0(SYS_sched_yield);
		return;
	}
	/* not yield: a thread of a higher real-time priority must let others run */
	step = (round - SPINS - YIELDS) / 8;
	ts.tv_nsec = step < 6 ? SLEEP_MIN << step : SLEEP_MAX;
	sys2(SYS_nanosleep, &ts, NULL);
}

SONDE_HIT static struct xol_slot *take_other(struct text_xol_area *area, struct xol_self *self,
					     bool holds)
{
	struct xol_slot *slot = take_left_behind(area, self);

	for (uint32_t round = 0; !slot; round++) {
		bool reserve = holds || round >= PATIENCE;

		slot = take_fresh(area, self, reserve ? area->capacity : area->limit);
		if (!slot)
			slot = take_parked(area, self);
		if (!slot && round % SPINS == SPINS - 1)
			slot = take_dead(area, self);
		if (slot)
			break;
		self->counts.waits++;
		race_point("xol: waiting");
		wait_a_while(round);
	}
	self->counts.claims++;
	return slot;
}

/* One more of the thread's own; if there are too many, in place of one that it is not in. A slot
 * that is not remembered is as good, parks itself, and others may recycle it. */
SONDE_HIT static void remember(struct xol_self *self, struct xol_slot *slot)
{
	const uint64_t busy = xol_word(self->tid, XOL_BUSY);

	if (self->n < XOL_OWN_MAX) {
		self->slot[self->n++] = slot;
		return;
	}
	for (uint32_t i = 0; i < XOL_OWN_MAX; i++) {
		if (load_relaxed(&self->slot[i]->word) != busy) {
			self->slot[i] = slot;
			return;
		}
	}
}

SONDE_HIT static void fill(struct text_xol_area *area, struct xol_slot *slot, uint32_t i,
			   const struct text_xol_insn *insn)
{
	/* NULL meanwhile: should we not come to the end, nobody takes it for complete */
	store_relaxed(&slot->insn, NULL);
	signal_barrier();
	if (!slot->made) {
		slot->area = area;
		xol_write_exit(area, area->alias, i);
		slot->made = true;
	}
	xol_write_head(area, area->alias, i, insn);
	slot->back = insn->next;
	signal_barrier();
	store_relaxed(&slot->insn, insn);
}

SONDE_HIT uint64_t text_xol_get(struct text_xol_area *area, const struct text_xol_insn *insn,
				uint64_t sp, uint64_t stack)
{
	struct xol_self *self = &xol_self;
	struct xol_slot *slot;
	bool holds = false;
	uint32_t i;

	if (unlikely(!self->gen || self->gen != load_relaxed(&xol_rt.process->gen)) &&
	    !xol_join(self))
		return 0;
	slot = take_own(area, self, insn, sp, stack, &holds);
	if (unlikely(!slot)) {
		slot = take_other(area, self, holds);
		remember(self, slot);
	}
	race_point("xol: taken");
	i = (uint32_t)(slot - area->slot);
	if (slot->insn != insn) {
		fill(area, slot, i, insn);
		self->counts.rewrites++;
	}
	slot->sp = sp;
	slot->stack = stack;
	store_release(&slot->word, xol_word(self->tid, XOL_BUSY)); /* Q */
	return xol_code_at(area, i);
}

/* The slot that @ip is in, NULL if it is in none. */
SONDE_HIT static struct xol_slot *slot_at(uint64_t ip, unsigned int *at)
{
	struct text_xol_area *area = load_acquire(&xol_rt.areas); /* A */

	for (; area; area = area->next) {
		uint64_t off = ip - area->code;

		if (off < (uint64_t)area->capacity * ARCH_SLOT_SIZE) {
			*at = off % ARCH_SLOT_SIZE;
			return &area->slot[off / ARCH_SLOT_SIZE];
		}
	}
	return NULL;
}

/* The notes of a slot that a thread is in are its own; of one that it has parked, it needs none. */
SONDE_HIT static bool translate(const struct xol_slot *slot, unsigned int at, uint64_t *ip,
				uint64_t *sp)
{
	struct arch_slot_progress p = arch_slot_progress(at);

	if (p.pushed)
		*ip = *(const uint64_t *)*sp;
	else if (!slot->insn)
		return false;
	else
		*ip = at < slot->insn->done ? slot->insn->ip : slot->insn->next;
	*sp += p.lowered;
	return true;
}

SONDE_HIT bool text_xol_original(uint64_t *ip, uint64_t *sp)
{
	unsigned int at;
	const struct xol_slot *slot = slot_at(*ip, &at);

	return slot && translate(slot, at, ip, sp);
}

SONDE_HIT bool text_xol_abandon(uint64_t *ip, uint64_t *sp)
{
	unsigned int at;
	struct xol_slot *slot = slot_at(*ip, &at);

	if (!slot || !translate(slot, at, ip, sp))
		return false;
	if (!arch_slot_progress(at).parked &&
	    load_relaxed(&slot->word) == xol_word(xol_self.tid, XOL_BUSY))
		store_release(&slot->state, XOL_PARKED); /* P */
	return true;
}

SONDE_HIT void text_xol_exit(void)
{
	struct xol_self *self = &xol_self;

	for (uint32_t i = 0; i < self->n; i++) {
		struct xol_slot *slot = self->slot[i];
		uint64_t word = load_relaxed(&slot->word);

		race_point("xol: exit, before free");
		/* of a parked one, others may be the owners before us */
		if (xol_owner(word) == self->tid)
			cas_acq_rel(&slot->word, &word, 0); /* O */
	}
	self->n = 0;
}

SONDE_HIT struct text_xol_counts text_xol_counts(void)
{
	return xol_self.counts;
}

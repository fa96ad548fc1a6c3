/* SPDX-License-Identifier: MIT */
/*
 * Slots in which threads execute displaced instructions out of line (XOL), for the trap path: a
 * thread that has met a trap is sent to a slot of its own, which holds the instruction that the
 * trap stands in place of, parks the slot and goes on behind the trap. Part of the front door
 * text/text.h.
 *
 * Use, in the handler of the trap:
 *
 *	context.rip = text_xol_get(area, insn, context.rsp, stack)
 *
 * and return from the handler. The return is needed: see "Stale instructions" in xol.c.
 *
 * What calls marked "hit" ask of their caller: no signal handler comes in between (the mask of the
 * trap's handler has all signals but the trap's own, and no code of ours has a trap); the thread
 * has a thread pointer that no other running thread has (a vfork child, whose parent waits, may
 * have it). They take no lock, and make system calls only where a thread comes for the first time,
 * slots are short, or a forked child begins.
 */
#ifndef SONDE_TEXT_XOL_H
#define SONDE_TEXT_XOL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/plan.h"

/* Slots within reach of one range of addresses. Never goes away. */
struct text_xol_area;

/*
 * A displaced instruction, as arch_emit_slot() has made it. Never moves, changes or goes away: one
 * address stands for one content of a slot.
 */
struct text_xol_insn {
	uint64_t ip, next; /* addresses of the original, and behind it */
	uint64_t bias;	   /* of its image, for the fixups */
	const uint8_t *code;
	const struct wire_fixup *fix;
	uint8_t len, nfix, done; /* of arch_slot.code; arch_slot.done */
	bool moves_stack;	 /* arch_slot.moves_stack */
};

#define TEXT_XOL_LIMIT 1024

/*
 * An area in reach of all of [@start, @end), made now or found; 0, 0: anywhere, for far heads.
 * @limit: slots in use at ordinary times, 0 = TEXT_XOL_LIMIT; as many again are kept for threads
 * that hold one already (signal handlers), and for those that have waited too long. 0,
 * SONDE_E_NO_SPACE_NEAR, -ENOMEM, -ENOSYS (no MADV_WIPEONFORK). Not on a hit; one thread at a time,
 * as all that is declared in text/text.h.
 */
int text_xol_open(uint64_t start, uint64_t end, uint32_t limit, struct text_xol_area **out);

/* Whether @insn is right in every slot of @area: 0, SONDE_E_RELOCATE (too long, or strange), or
 * SONDE_E_NO_SPACE_NEAR (something is out of reach: use the far head). Any time, any thread. */
int text_xol_fits(const struct text_xol_area *area, const struct text_xol_insn *insn);

#define TEXT_XOL_ANY_STACK 1

/*
 * Hit. Where the thread is to resume: a slot that holds @insn, in use by the calling thread. @sp:
 * its stack pointer at the trap. @stack: 0 for the ordinary stack, the lowest address of the
 * alternate one where @sp is in it, TEXT_XOL_ANY_STACK where that is not known. A slot of this
 * thread whose trap was on the same stack, and not above @sp, was left sideways, by longjmp and the
 * like: it is taken for parked. (A handler that has interrupted a slot, switches to another stack
 * in user mode and comes back later must not have traps on the other stack with a @stack of 0.)
 *
 * Waits while all slots are in use, as many as there may be; does not fail but in a forked child
 * that gets no memory: then 0.
 */
uint64_t text_xol_get(struct text_xol_area *area, const struct text_xol_insn *insn, uint64_t sp,
		      uint64_t stack);

/*
 * Signal-safe. If the interrupted @ip is in a slot: make @ip and @sp what they would be without it,
 * and true. By the thread that was interrupted, or when all have stopped. (In a far head rsp and
 * one register may be displaced while the instruction executes: they are left so.)
 */
bool text_xol_original(uint64_t *ip, uint64_t *sp);

/* Hit. The same for a thread that will not go on in the slot but at @ip, because the instruction
 * has faulted: its slot is parked. */
bool text_xol_abandon(uint64_t *ip, uint64_t *sp);

/* Hit. The calling thread ends and will meet no more traps: its slots are free. Need not be called:
 * dead threads' slots are found. Costs nothing to a thread without slots. */
void text_xol_exit(void);

/*
 * Hit. The calling process has just been made by fork(): give it slots of its own. Need be called
 * only because the thread may be about to return into a slot, from a signal handler that has
 * forked; without it the first trap does it, and until then the content of that slot is the
 * parent's to change. Not in a vfork child.
 */
void text_xol_fork_child(void);

/* What the calling thread has done so far. */
struct text_xol_counts {
	uint64_t rewrites; /* contents written */
	uint64_t claims;   /* slots got that it did not have */
	uint64_t recycled; /* of these: parked ones of other threads */
	uint64_t left;	   /* own slots found left sideways */
	uint64_t waits;	   /* times it found no slot, and looked again later */
};
struct text_xol_counts text_xol_counts(void);

#endif

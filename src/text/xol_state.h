/* SPDX-License-Identifier: MIT */
/*
 * What xol.c and xol_area.c share: slots, areas, what a thread keeps.
 *
 * Memory of an area: the slots' code, at `code` readable and executable, at `alias` the same
 * memory readable and writable; behind the code the area itself and a line of state for each slot,
 * writable. All of it is address space until it is used. Code is shared memory, because it is
 * mapped twice; so a forked child needs code of its own. The rest is private.
 */
#ifndef SONDE_TEXT_XOL_STATE_H
#define SONDE_TEXT_XOL_STATE_H

#include "arch/arch.h"
#include "base/atomic.h"
#include "base/base.h"
#include "text/xol.h"

#define XOL_LINE 64
#define XOL_OWN_MAX 8 /* slots that a thread remembers */

enum xol_state { XOL_TAKEN, XOL_PARKED = ARCH_SLOT_PARKED, XOL_BUSY };

struct xol_slot {
	/* owner's thread id << 32 | state; 0 is free. The slot's own code stores in the low half.
	 */
	union {
		_Alignas(XOL_LINE) uint64_t word;
		uint32_t state;
	};
	uint64_t back;			  /* where its code goes on */
	const struct text_xol_insn *insn; /* its content, NULL: none, or being written */
	struct text_xol_area *area;
	uint64_t sp, stack; /* at the trap for which it was last used */
	uint32_t made;	    /* has its exit */
};

struct text_xol_area {
	struct text_xol_area *next;
	uint64_t code, alias;
	struct xol_slot *slot;
	uint32_t limit, capacity;
	uint32_t gen; /* G, by the builder: of the process whose code memory it has */
	_Alignas(XOL_LINE) uint32_t used; /* slots that ever were */
};

/* In a page of its own, which the kernel wipes in a forked child. */
struct xol_process {
	int32_t pid;	 /* owners are threads of it; a vfork child's own is another */
	uint32_t gen;	 /* G; 0: areas are the parent's still */
	int32_t builder; /* G; the thread that makes them ours */
};

struct xol_runtime {
	struct text_xol_area *areas; /* A */
	struct xol_process *process;
	uint32_t gens; /* by the builder: the last generation that was */
};

struct xol_self {
	uint32_t gen; /* of the process in which the rest holds; 0: no trap yet */
	uint32_t n;
	int32_t tid;
	uint32_t cursor;
	struct xol_slot *slot[XOL_OWN_MAX]; /* may be others' by now */
	struct text_xol_counts counts;
};

extern struct xol_runtime xol_rt SONDE_HIDDEN;
extern __thread struct xol_self xol_self SONDE_HIDDEN __attribute__((tls_model("initial-exec")));

static inline uint64_t xol_word(int32_t owner, enum xol_state state)
{
	return (uint64_t)(uint32_t)owner << 32 | (uint32_t)state;
}

static inline int32_t xol_owner(uint64_t word)
{
	return (int32_t)(word >> 32);
}

static inline enum xol_state xol_state_of(uint64_t word)
{
	return (enum xol_state)(uint32_t)word;
}

static inline uint64_t xol_code_at(const struct text_xol_area *area, uint32_t i)
{
	return area->code + (uint64_t)i * ARCH_SLOT_SIZE;
}

/* xol_area.c: the contents of slot @i, by who has it, through memory writable at @alias. */
void xol_write_exit(const struct text_xol_area *area, uint64_t alias, uint32_t i);
void xol_write_head(const struct text_xol_area *area, uint64_t alias, uint32_t i,
		    const struct text_xol_insn *insn);
/* xol_area.c: make the thread's notes those of this process. False: no memory. */
bool xol_join(struct xol_self *self);

#endif

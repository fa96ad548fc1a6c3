/* SPDX-License-Identifier: MIT */
/*
 * The exit of a displaced-instruction slot (arch.h has its text), and where in it a thread stands.
 *
 * It leaves by a return, because that alone takes an address from below the red zone and puts rsp
 * back in one instruction: a signal between two would find the address unprotected. The processor
 * predicts such a return wrongly; behind a trap that does not show. A user shadow stack would
 * refuse it; Linux programs have none unless they ask.
 *
 * Context: hit, signal-safe, any thread.
 */
#include "arch/arch.h"
#include "base/base.h"
#include "base/mem.h"

/* Offsets of the instructions, from the exit. */
#define AT_PUSH 5
#define AT_STORE 11
#define AT_RETURN 21
#define EXIT_SIZE 24

SONDE_HIT static void put_rel32(uint8_t *at, int64_t distance)
{
	int32_t rel = (int32_t)distance;

	mem_copy(at, &rel, sizeof(rel));
}

SONDE_HIT void arch_slot_exit(uint8_t *to, uint64_t slot, uint64_t back, uint64_t state)
{
	static const uint8_t code[EXIT_SIZE] = {
		0x48, 0x8d, 0x64, 0x24, 0x80,	 /* lea -128(%rsp), %rsp */
		0xff, 0x35, 0,	  0,	0,    0, /* push back(%rip) */
		0xc7, 0x05, 0,	  0,	0,    0, ARCH_SLOT_PARKED, 0, 0, 0, /* movl */
		0xc2, 0x80, 0x00,					    /* ret $128 */
	};
	uint64_t exit = slot + ARCH_SLOT_HEAD;

	_Static_assert(ARCH_SLOT_HEAD + EXIT_SIZE <= ARCH_SLOT_SIZE, "room for the exit");
	mem_copy(to, code, sizeof(code));
	put_rel32(to + AT_PUSH + 2, (int64_t)(back - (exit + AT_STORE)));
	put_rel32(to + AT_STORE + 2, (int64_t)(state - (exit + AT_RETURN)));
}

SONDE_HIT struct arch_slot_progress arch_slot_progress(unsigned int at)
{
	struct arch_slot_progress p = {0};

	if (at >= ARCH_SLOT_HEAD + AT_PUSH)
		p.lowered = 128;
	if (at >= ARCH_SLOT_HEAD + AT_STORE) {
		p.lowered = 136;
		p.pushed = true;
	}
	p.parked = at >= ARCH_SLOT_HEAD + AT_RETURN;
	return p;
}

/* SPDX-License-Identifier: MIT */
/*
 * The front door to the machine: what an instruction is, the same instruction for another
 * address, and the code of a detour. Pure functions over bytes; nothing here touches live
 * code. One directory per architecture implements it. Tool side, any thread.
 */
#ifndef SONDE_ARCH_ARCH_H
#define SONDE_ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/plan.h"

#define ARCH_INSN_MAX 15 /* bytes of the longest instruction */
#define ARCH_FIX_MAX 12	 /* fixups of one site's code */

enum arch_kind {
	ARCH_ORDINARY,
	ARCH_RET,
	ARCH_JMP,     /* direct */
	ARCH_JMP_IND, /* through a register or memory */
	ARCH_JCC,     /* conditional, direct */
	ARCH_LOOP,    /* loop, loope, loopne, jrcxz: direct, conditional, 8-bit reach */
	ARCH_CALL,    /* direct */
	ARCH_CALL_IND,
	ARCH_SYSCALL,
	ARCH_NOP,
	ARCH_ENDBR,
	ARCH_TRAP,	/* int3, int1 */
	ARCH_UNDEFINED, /* ud0, ud1, ud2 */
	ARCH_HALT,	/* hlt */
	ARCH_OTHER,	/* control flow we do not follow: far, xbegin, iret ... */
};

struct arch_insn {
	uint8_t len;
	uint8_t kind;	 /* enum arch_kind */
	bool has_target; /* direct branch, or an operand relative to the instruction pointer */
	uint8_t disp_at; /* offset of that relative field; its size in bytes is disp_size */
	uint8_t disp_size;
	uint64_t target;      /* address it means */
	const char *mnemonic; /* static */
};

/* Code in the making: position-independent but for its fixups. */
struct arch_code {
	uint8_t code[WIRE_SITE_CODE_MAX];
	struct wire_fixup fix[ARCH_FIX_MAX];
	uint16_t len, nfix;
	bool overflow; /* something did not fit */
	/* 8-byte literals still to be laid behind the code */
	uint16_t lit_at[2]; /* the 32-bit fields that mean them */
	uint64_t lit_target[2];
	uint8_t nlit;
};

/*
 * Decode the instruction at the start of @code (@n bytes readable) that stands at @vaddr.
 * 0 or SONDE_E_DECODE.
 */
int arch_decode(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_insn *out);
/*
 * The same for sweeps, faster: length, branch targets, and the kinds that leave the straight line;
 * all others may be called ARCH_ORDINARY, and the other fields are left out.
 */
int arch_step(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_insn *out);

/* Execution may go on behind an instruction of this kind. A call counts as going on. */
bool arch_falls_through(enum arch_kind kind);
/* How many of the @n bytes at @code are whole instructions that only fill (nop, int3). */
size_t arch_padding(const uint8_t *code, size_t n);
/* @code is the signal return sequence whose bytes unwinders compare. */
bool arch_is_sigreturn(const uint8_t *code, size_t n);

/*
 * Append to @out code that does what the instruction at @code does at @vaddr: same registers,
 * flags, memory and, for calls, the original return address. 0, SONDE_E_DECODE or
 * SONDE_E_RELOCATE. Literals are laid by arch_code_finish(), which must follow.
 */
int arch_relocate(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out);
/* Lay the literals. 0, or SONDE_E_RELOCATE when the code did not fit. */
int arch_code_finish(struct arch_code *out);

/*
 * The whole detour of a site: skip the red zone, call the hit stub with the site's index,
 * come back, do the displaced instruction, jump to the one behind it. Same errors.
 */
int arch_emit_detour(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out);

/*
 * The same for the whole instructions that the first @min bytes touch; *len is their length. None
 * but the last may be anything that leaves the straight line for good or for a while (a jump, a
 * call, a system call): SONDE_E_TOO_SHORT.
 */
int arch_emit_window(const uint8_t *code, size_t n, uint64_t vaddr, size_t min,
		     struct arch_code *out, size_t *len);

#endif

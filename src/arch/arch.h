/* SPDX-License-Identifier: MIT */
/*
 * The front door to the machine: what an instruction is, the same instruction for another
 * address, the code of a detour, and an instruction's effect without executing it. Pure
 * functions over bytes; nothing here touches live code. One directory per architecture
 * implements it. Tool side, any thread, but for arch_emulate().
 */
#ifndef SONDE_ARCH_ARCH_H
#define SONDE_ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/plan.h"
#include "wire/prog.h"

#define ARCH_INSN_MAX 15 /* bytes of the longest instruction */
#define ARCH_FIX_MAX 12	 /* fixups of one site's code */
#define ARCH_LIT_MAX 4	 /* 8-byte literals of one site's code */
#define ARCH_START_MAX 8 /* instructions of one window */

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
	uint16_t lit_at[ARCH_LIT_MAX]; /* the 32-bit fields that mean them */
	uint64_t lit_target[ARCH_LIT_MAX];
	uint8_t nlit;
	/* of a window: where each displaced instruction stood, from its start, and where what took
	 * its place begins */
	struct wire_inner start[ARCH_START_MAX];
	uint8_t nstart;
};

/*
 * Decode the instruction at the start of @code (@n bytes readable) that stands at @vaddr.
 * 0 or SONDE_E_DECODE.
 */
int arch_decode(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_insn *out);
/*
 * The same for sweeps, faster: length, what branches and operands mean, and the kinds that leave
 * the straight line; all others may be called ARCH_ORDINARY, and the other fields are left out.
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
/*
 * The same for code that may lie at any distance from the original: longer, and it takes stack
 * below the red zone where an operand is relative to the instruction pointer. Some more forms are
 * SONDE_E_RELOCATE.
 */
int arch_relocate_far(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out);
/* Lay the literals. 0, or SONDE_E_RELOCATE when the code did not fit. */
int arch_code_finish(struct arch_code *out);

/*
 * The whole detour of a site: skip the red zone, call the hit stub with the site's index,
 * come back, do the displaced instruction, jump to the one behind it. Same errors.
 */
int arch_emit_detour(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out);
/* The same for a detour at any distance from the site. */
int arch_emit_detour_far(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out);

/*
 * The same for the whole instructions that the first @min bytes touch; *len is their length. None
 * but the last may be anything that leaves the straight line for good or for a while (a jump, a
 * call, a system call): SONDE_E_TOO_SHORT.
 */
int arch_emit_window(const uint8_t *code, size_t n, uint64_t vaddr, size_t min,
		     struct arch_code *out, size_t *len);
/*
 * The same, with the hit not before the first instruction but before the one at offset @hit, an
 * instruction boundary: SONDE_E_NOT_BOUNDARY if it is none.
 */
int arch_emit_window_hit(const uint8_t *code, size_t n, uint64_t vaddr, size_t min, size_t hit,
			 struct arch_code *out, size_t *len);

/*
 * An instruction's effect in a form that needs no decoder: made beside the target, carried out
 * inside it by whoever holds a thread's registers (a signal handler). Position-independent, and
 * fixed in width so that it may lie in shared memory.
 */
enum arch_emul_op {
	ARCH_EMUL_NONE, /* not to be emulated */
	ARCH_EMUL_NOP,
	ARCH_EMUL_MOV,
	ARCH_EMUL_MOVSX,
	ARCH_EMUL_LEA,
	ARCH_EMUL_PUSH,
	ARCH_EMUL_POP,
	ARCH_EMUL_LEAVE,
	ARCH_EMUL_ADD,
	ARCH_EMUL_SUB,
	ARCH_EMUL_CMP,
	ARCH_EMUL_AND,
	ARCH_EMUL_OR,
	ARCH_EMUL_XOR,
	ARCH_EMUL_TEST,
	ARCH_EMUL_JMP,
	ARCH_EMUL_JCC,	/* cond: the condition as encoded */
	ARCH_EMUL_LOOP, /* cond: 0 loopne, 1 loope, 2 loop */
	ARCH_EMUL_JCXZ, /* size: of the counter that is looked at */
	ARCH_EMUL_CALL,
	ARCH_EMUL_RET, /* imm: bytes to drop */
};

/* Where an operand is, if it is no slot of wire_ctx.reg. */
enum { ARCH_EMUL_ABSENT = 0xff, ARCH_EMUL_MEM = 0xfe, ARCH_EMUL_IMM = 0xfd };

struct arch_emul {
	uint8_t op;	  /* enum arch_emul_op */
	uint8_t len;	  /* of the instruction */
	uint8_t size;	  /* bytes of the result */
	uint8_t src_size; /* bytes read */
	uint8_t dst, src;
	uint8_t base, index; /* of the memory operand; a base of WIRE_REG_PC is the next address */
	uint8_t scale;
	uint8_t cond;
	uint8_t reserved[6];
	int64_t disp;
	int64_t imm; /* direct branches: distance of the target from the next address */
};

/*
 * Describe the instruction at the start of @code. 0, SONDE_E_DECODE, or SONDE_E_RELOCATE where
 * only executing it is right.
 */
int arch_emul_describe(const uint8_t *code, size_t n, struct arch_emul *out);
/*
 * Carry it out: @ctx holds all registers, WIRE_REG_PC the address of the original instruction,
 * and afterwards that of the one to execute next. Memory is accessed in place; a fault on the way
 * has the address the instruction would have had, and leaves @ctx as it was. False: nothing done.
 * Context: hit, signal-safe.
 */
bool arch_emulate(const struct arch_emul *e, struct wire_ctx *ctx);

/*
 * A slot for a displaced instruction: bytes of its own thread's, at a multiple of its size.
 *
 *	<head: the instruction, jmp exit>	written anew for another instruction
 *	exit:	lea  -128(%rsp), %rsp		written once, never changed: a thread may stand in
 *		push back(%rip)			it when the slot is another's already
 *		movl $1, state(%rip)
 *		ret  $128
 *
 * Storing 1 in *state is the last that the slot's memory is needed for: where to go on is on the
 * thread's own stack by then, below its red zone, and nothing of it touches flags.
 */
#define ARCH_SLOT_SIZE 128
#define ARCH_SLOT_HEAD 96 /* where the exit begins */
#define ARCH_SLOT_PARKED 1

struct arch_slot {
	struct arch_code code; /* the head: REL32 and ABS64 fixups only */
	uint8_t len;	       /* of the original instruction */
	uint8_t done;	       /* in the head, from here on it has had its effect */
	bool moves_stack;      /* it may raise the stack pointer by more than a pop does */
};

/*
 * The head for the instruction at @code; @far: for a slot at any distance. 0, SONDE_E_DECODE, or
 * SONDE_E_RELOCATE for what must not leave its slot by another way than the exit, or return twice:
 * branches, calls, returns, system calls.
 */
int arch_emit_slot(const uint8_t *code, size_t n, uint64_t vaddr, bool far, struct arch_slot *out);

/* Write at @to the exit of a slot that will stand at @slot. Context: hit, signal-safe. */
void arch_slot_exit(uint8_t *to, uint64_t slot, uint64_t back, uint64_t state);

/* What a thread has done that stands at offset @at of a slot, in the exit or where it begins. */
struct arch_slot_progress {
	uint8_t lowered; /* how far below the program's its stack pointer is */
	bool pushed;	 /* where to go on is on top of its stack */
	bool parked;	 /* the store is done */
};
struct arch_slot_progress arch_slot_progress(unsigned int at);

#endif

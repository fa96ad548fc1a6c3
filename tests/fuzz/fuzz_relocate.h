/* SPDX-License-Identifier: MIT */
/*
 * What the parts of fuzz_relocate share: instructions under test, states of the machine before
 * and after, and the places everything lies at.
 */
#ifndef FUZZ_RELOCATE_H
#define FUZZ_RELOCATE_H

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/arch.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, FLAGS, NCPU };

#define WINDOW 0x400u	/* bytes of data, and of stack, that are compared */
#define STACK_AT 0x200u /* where in its window rsp stands */
#define DATA_AT 0x180u	/* where in its window operands lie, and the bytes behind */
#define RED_ZONE 128u
#define ARITHMETIC 0xcd5ull /* OF DF SF ZF AF PF CF */

/* An exit: a place control may come to, which notes that it did. */
enum exit_id {
	EXIT_FAULT,
	EXIT_NEXT,
	EXIT_AHEAD,
	EXIT_BEHIND,
	EXIT_DISTANT,
	EXIT_COUNT,
	EXIT_NONE = EXIT_COUNT
};

/* One set of places. Everything else is near `orig`, within a rel32 of all of it. */
struct land {
	uint8_t *orig;	       /* the original's page; exits and data stand around it */
	uint8_t *near;	       /* a rel32 away from it, almost the longest */
	uint8_t *far;	       /* further */
	uint8_t *data, *stack; /* windows, each at the start of a page of its own */
	uint64_t bias;
};
extern struct land lands[2]; /* below 4 GiB, with bias 0; and high up */

struct form;
struct start;

/* An instruction, where it stands and what is known of it. */
struct subject {
	const struct form *form;
	uint8_t bytes[ARCH_INSN_MAX];
	uint8_t len;
	const struct land *land;
	uint8_t *at; /* of the original */
	ZydisDecodedInstruction in;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	struct arch_insn insn;
	bool x87;
};

struct form {
	const char *name;
	/* random bytes of the form into ->bytes; the length is found by decoding */
	void (*generate)(struct subject *s);
	/* the last word on a state, may be NULL */
	void (*adjust)(const struct subject *s, struct start *st);
	bool low;      /* below 4 GiB only */
	bool excluded; /* instructions that random generation leaves out may run */
};
extern const struct form forms[];
extern const unsigned int nforms;

struct start {
	uint64_t cpu[NCPU];
	uint8_t vec[16][32];
	uint8_t data[WINDOW], stack[WINDOW];
};

struct outcome {
	uint64_t cpu[NCPU];
	uint8_t vec[16][32];
	uint8_t data[WINDOW], stack[WINDOW];
	uint32_t exit; /* enum exit_id */
	uint32_t mxcsr;
	/* EXIT_FAULT */
	int signo, code;
	uint64_t addr, rip;
};

/* fuzz_relocate_cpu.c */
bool cpu_setup(void);
uint64_t cpu_fs_base(void);
void cpu_put_exit(uint8_t *at, enum exit_id id);
void cpu_run(const struct subject *s, uint8_t *entry, const struct start *st, struct outcome *out);
void cpu_emulate(const struct subject *s, const struct arch_emul *e, const struct start *st,
		 struct outcome *out);
void cpu_stub(void);
uint8_t *cpu_exit_at(const struct subject *s, enum exit_id id);

/* fuzz_relocate_gen.c */
extern uint64_t seed;
uint64_t random64(void);
uint32_t below(uint32_t n);
/* A random instruction of the form in place; false: not this time. */
bool gen_subject(struct subject *s, const struct form *form);
void gen_start(const struct subject *s, struct start *st);
/* Run-time address of memory operand @op. */
uint64_t gen_address(const struct subject *s, const struct start *st,
		     const ZydisDecodedOperand *op);
/* Where the @n bytes at run-time address @addr stand in the state, NULL if in neither window. */
uint8_t *gen_bytes(const struct subject *s, struct start *st, uint64_t addr, size_t n);

#endif

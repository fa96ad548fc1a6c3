/* SPDX-License-Identifier: MIT */
/*
 * Program encoding: the instruction set of RFC 9669 (eBPF), our context, our helpers.
 *
 * A program runs with r1 = struct wire_ctx *, r10 = top of a 512-byte stack. It may use a
 * scratch area (address in ctx->scratch, size in struct wire_prog) for keys, strings and
 * event payloads; everything reached through a pointer is bounds-checked by the verifier
 * (act/verify) before a program may run. Maps are named by RFC 9669's 64-bit immediate
 * instruction with src_reg = 5 (map by index), or as plain integers in helper arguments.
 */
#ifndef SONDE_WIRE_PROG_H
#define SONDE_WIRE_PROG_H

#include <stdint.h>

struct wire_insn {
	uint8_t opcode;
	uint8_t regs; /* low nibble destination, high nibble source */
	int16_t offset;
	int32_t imm;
};

#define WIRE_STACK_SIZE 512
#define WIRE_SCRATCH_MAX 16384 /* bytes of scratch one program may ask for */
#define WIRE_INSN_MAX 65536
#define WIRE_MAP_BY_IDX 5

/* Registers as a hit saves them: the first six are the integer arguments in order, whatever
 * the architecture; the rest is named by wire_reg_slot() (wire/regs.c). */
#define WIRE_NREGS 18
#define WIRE_NARGS 6
#define WIRE_REG_SP 16
#define WIRE_REG_PC 17
/* Slot of the register @name ("rax", "ax", "ip", "sp" ...), -1 if there is none. */
int wire_reg_slot(const char *name);

struct wire_ctx {
	uint64_t func;	  /* string offset of the probed function's name (builtin func) */
	uint64_t probe;	  /* string offset of the full probe name (builtin probe) */
	uint64_t scratch; /* address of the scratch area of this invocation */
	uint64_t reserved;
	uint64_t reg[WIRE_NREGS];
};

/* Helper functions, called by static ID (src_reg 0). "buf" arguments are pointers into stack,
 * scratch or context whose length the verifier checks. Result in r0; all return 0 unless said. */
enum wire_helper {
	WIRE_H_AGG =
		1, /* (map, key buf|0, value): apply the map's aggregation to the thread's entry */
	WIRE_H_LOAD,	  /* (map, key buf|0): r0 = 64-bit value of a plain map, 0 if absent */
	WIRE_H_STORE,	  /* (map, key buf|0, value) */
	WIRE_H_ADD,	  /* (map, key buf|0, delta): atomically add; r0 = value before */
	WIRE_H_DELETE,	  /* (map, key buf|0): r0 = 1 if it was there (plain maps) */
	WIRE_H_LOAD_BUF,  /* (map, key buf|0, dst buf of value_size): zeros if absent */
	WIRE_H_STORE_BUF, /* (map, key buf|0, src buf of value_size) */
	WIRE_H_HAS_KEY,	  /* (map, key buf): r0 = 1 if present (plain maps) */
	WIRE_H_EMIT,	  /* (event id, payload buf, length): an event record for the tool */
	WIRE_H_STR,	  /* (dst buf, length, address): copy a NUL-terminated string of the target,
			     safely whatever the address; zero-fills the rest; r0 = string length */
	WIRE_H_NAME,	/* (dst buf, length, string offset): a string of the session; zero-fills */
	WIRE_H_STRNCMP, /* (a buf, b buf, length): r0 = 0 if equal up to length or a common NUL */
	WIRE_H_PID,	/* r0 = process id */
	WIRE_H_TID,	/* r0 = thread id */
	WIRE_H_UID,
	WIRE_H_GID,
	WIRE_H_CPU,
	WIRE_H_NSECS,	  /* r0 = CLOCK_MONOTONIC in ns */
	WIRE_H_ELAPSED,	  /* r0 = ns since the session started */
	WIRE_H_RAND,	  /* r0 = 32 random bits */
	WIRE_H_COMM,	  /* (dst buf, length >= 16): the thread's name; zero-fills */
	WIRE_H_PROC,	  /* r0 = index of the process in the session's table (for usym) */
	WIRE_H_STACK_ARG, /* (n): r0 = n-th integer argument, n >= WIRE_NARGS, read from the stack
			   */
	WIRE_H_ERROR,	  /* (enum wire_rt_error): count a run-time error of the script */
	WIRE_H_COUNT,
};

enum wire_rt_error {
	WIRE_RT_DIV_ZERO, /* division or modulo by zero: the result is 1 */
	WIRE_RT_MAP_FULL, /* no room for a new key: the update is lost */
	WIRE_RT_BAD_ADDR, /* str() or a stack argument at an unreadable address */
	WIRE_RT_COUNT,
};

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Opcodes of RFC 9669 that the generator uses and the disassembler knows. Context: tool.
 */
#ifndef SONDE_LANG_INSN_H
#define SONDE_LANG_INSN_H

enum {
	INSN_R0 = 0, /* result of a helper, and of every expression */
	INSN_R1 = 1,
	INSN_R2 = 2,
	INSN_R3 = 3,
	INSN_CTX = 6,	  /* struct wire_ctx * */
	INSN_SCRATCH = 7, /* the scratch area */
	INSN_STACK = 10,
};

/* Classes (low three bits) and, for arithmetic and jumps, the source bit. */
#define INSN_LD 0x00
#define INSN_LDX 0x01
#define INSN_ST 0x02
#define INSN_STX 0x03
#define INSN_ALU 0x04
#define INSN_JMP 0x05
#define INSN_JMP32 0x06
#define INSN_ALU64 0x07
#define INSN_CLASS(op) ((op)&7)
#define INSN_FROM_REG 0x08

#define INSN_LD_IMM64 0x18
#define INSN_LDX_DW 0x79
#define INSN_ST_B 0x72
#define INSN_ST_W 0x62
#define INSN_ST_DW 0x7a
#define INSN_STX_DW 0x7b

/* Arithmetic (class ALU64). DIV and MOD with offset 1 are signed. */
#define INSN_ADD 0x00
#define INSN_SUB 0x10
#define INSN_MUL 0x20
#define INSN_DIV 0x30
#define INSN_OR 0x40
#define INSN_AND 0x50
#define INSN_LSH 0x60
#define INSN_RSH 0x70
#define INSN_NEG 0x80
#define INSN_MOD 0x90
#define INSN_XOR 0xa0
#define INSN_MOV 0xb0
#define INSN_ARSH 0xc0

/* Jumps (class JMP). */
#define INSN_JA 0x00
#define INSN_JEQ 0x10
#define INSN_JGT 0x20
#define INSN_JGE 0x30
#define INSN_JNE 0x50
#define INSN_JSGT 0x60
#define INSN_JSGE 0x70
#define INSN_CALL 0x80
#define INSN_EXIT 0x90
#define INSN_JLT 0xa0
#define INSN_JLE 0xb0
#define INSN_JSLT 0xc0
#define INSN_JSLE 0xd0

#endif

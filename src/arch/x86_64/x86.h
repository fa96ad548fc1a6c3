/* SPDX-License-Identifier: MIT */
/*
 * Shared by the x86-64 files: the decoder's own view of an instruction, and the writer of
 * code. The decoder library is known in this directory only.
 */
#ifndef SONDE_ARCH_X86_64_X86_H
#define SONDE_ARCH_X86_64_X86_H

#include <Zydis/Zydis.h>

#include "arch/arch.h"

/* false when the bytes are no instruction */
bool x86_decode(const uint8_t *code, size_t n, ZydisDecodedInstruction *out);
/* The same with all operands, the implied ones too: ZYDIS_MAX_OPERAND_COUNT of them. */
bool x86_decode_full(const uint8_t *code, size_t n, ZydisDecodedInstruction *out,
		     ZydisDecodedOperand *op);
enum arch_kind x86_kind(const ZydisDecodedInstruction *in);
/* The memory operand is relative to the instruction pointer. */
bool x86_is_ip_relative(const ZydisDecodedInstruction *in);
/* Number (0 rax ... 15) of the general register that @reg is or is a part of, -1 for others. */
int x86_gpr(ZydisRegister reg);
/* Address a direct branch or an instruction-pointer-relative operand means. */
uint64_t x86_branch_target(const ZydisDecodedInstruction *in, uint64_t vaddr);
uint64_t x86_operand_target(const ZydisDecodedInstruction *in, uint64_t vaddr);

void x86_put(struct arch_code *c, const void *bytes, size_t n);
void x86_put8(struct arch_code *c, uint8_t byte);
/* A 32-bit field at offset @at of the code, already written. */
void x86_fix(struct arch_code *c, uint32_t at, enum wire_fixup_kind kind, uint8_t tail,
	     uint64_t target);
/* A fresh 32-bit field, relative to the end of the field, that means @target. */
void x86_put_rel32(struct arch_code *c, uint64_t target);
/* A fresh 32-bit field that means an 8-byte literal holding the run-time address of @target. */
void x86_put_literal(struct arch_code *c, uint64_t target);
/* jmp to @target, in reach of a rel32 or not */
void x86_put_jump(struct arch_code *c, uint64_t target);
void x86_put_jump_far(struct arch_code *c, uint64_t target);

/* Pieces that both ways of relocation share (relocate.c). */
bool x86_is_refused(const ZydisDecodedInstruction *in);
void x86_push_return(const ZydisDecodedInstruction *in, uint64_t vaddr, struct arch_code *out);
void x86_syscall(const ZydisDecodedInstruction *in, const uint8_t *code, uint64_t vaddr,
		 struct arch_code *out);
/* An instruction with an operand relative to the instruction pointer, which may be out of reach
 * (far.c). 0 or SONDE_E_RELOCATE. */
int x86_relocate_operand(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out);

#endif

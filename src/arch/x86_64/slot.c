/* SPDX-License-Identifier: MIT */
/*
 * The head of a displaced-instruction slot: what the program has its own thread execute out of
 * line, and the jump to the slot's exit.
 *
 * Invariants: those of relocate.c and far.c, and
 *  1. Control leaves the head by its end or by a fault. What branches would leave the slot in use;
 *     such instructions are emulated (arch_emul_describe()).
 *  2. One thread comes out of it, once. A system call may be clone(): its child would come out of
 *     its parent's slot, when that is in use for something else.
 * Context: tool, any thread.
 */
#include "arch/x86_64/x86.h"

#include <string.h>

#include "base/err.h"

#define RSP 4

static bool is_refused(const ZydisDecodedInstruction *in)
{
	switch (x86_kind(in)) {
	case ARCH_ORDINARY:
		return in->mnemonic == ZYDIS_MNEMONIC_INT;
	case ARCH_NOP:
	case ARCH_ENDBR:
	case ARCH_UNDEFINED:
	case ARCH_HALT:
		return false;
	default:
		return true;
	}
}

/* It names rsp as what it changes, or takes it from rbp. */
static bool moves_stack(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	for (unsigned int i = 0; i < in->operand_count; i++) {
		if (op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    op[i].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
		    (op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
		    x86_gpr(op[i].reg.value) == RSP)
			return true;
	}
	return in->mnemonic == ZYDIS_MNEMONIC_LEAVE;
}

/* jmp to the exit: short where it reaches that far, which is always. */
static void jump_to_exit(struct arch_code *c)
{
	x86_put8(c, 0xeb);
	x86_put8(c, (uint8_t)(ARCH_SLOT_HEAD - (c->len + 1)));
}

int arch_emit_slot(const uint8_t *code, size_t n, uint64_t vaddr, bool far, struct arch_slot *out)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	int err;

	memset(out, 0, sizeof(*out));
	if (!x86_decode_full(code, n, &in, op))
		return SONDE_E_DECODE;
	if (is_refused(&in))
		return SONDE_E_RELOCATE;
	err = far ? arch_relocate_far(code, n, vaddr, &out->code)
		  : arch_relocate(code, n, vaddr, &out->code);
	if (err)
		return err;
	out->len = in.length;
	out->done = (uint8_t)out->code.len;
	out->moves_stack = moves_stack(&in, op);
	jump_to_exit(&out->code);
	err = arch_code_finish(&out->code);
	if (!err && out->code.len > ARCH_SLOT_HEAD)
		return SONDE_E_RELOCATE;
	return err;
}

/* SPDX-License-Identifier: MIT */
/*
 * Disassembly of a program, one instruction a line: "  3: if r0 != 5 goto 7".
 * Context: tool.
 */
#include <inttypes.h>

#include "base/base.h"
#include "lang/insn.h"
#include "lang/lang.h"

static const char *const helpers[WIRE_H_COUNT] = {
	[WIRE_H_AGG] = "agg",
	[WIRE_H_LOAD] = "load",
	[WIRE_H_STORE] = "store",
	[WIRE_H_ADD] = "add",
	[WIRE_H_DELETE] = "delete",
	[WIRE_H_LOAD_BUF] = "load_buf",
	[WIRE_H_STORE_BUF] = "store_buf",
	[WIRE_H_HAS_KEY] = "has_key",
	[WIRE_H_EMIT] = "emit",
	[WIRE_H_STR] = "str",
	[WIRE_H_NAME] = "name",
	[WIRE_H_STRNCMP] = "strncmp",
	[WIRE_H_PID] = "pid",
	[WIRE_H_TID] = "tid",
	[WIRE_H_UID] = "uid",
	[WIRE_H_GID] = "gid",
	[WIRE_H_CPU] = "cpu",
	[WIRE_H_NSECS] = "nsecs",
	[WIRE_H_ELAPSED] = "elapsed",
	[WIRE_H_RAND] = "rand",
	[WIRE_H_COMM] = "comm",
	[WIRE_H_PROC] = "proc",
	[WIRE_H_STACK_ARG] = "stack_arg",
	[WIRE_H_ERROR] = "error",
};

static void dump_alu(const struct wire_insn *i, FILE *out)
{
	static const char *const ops[16] = {"+",  "-",	"*", "/", "|",	"&", "<<",
					    ">>", NULL, "%", "^", NULL, NULL};
	unsigned int dst = i->regs & 15, src = i->regs >> 4, op = i->opcode & 0xf0;
	const char *sign = i->offset ? "s" : "", *text = ops[op >> 4];

	if (op == INSN_NEG) {
		fprintf(out, "r%u = -r%u\n", dst, dst);
		return;
	}
	if (op == INSN_MOV)
		fprintf(out, "r%u = ", dst);
	else if (op == INSN_ARSH)
		fprintf(out, "r%u s>>= ", dst);
	else
		fprintf(out, "r%u %s%s= ", dst, sign, text ? text : "?");
	if (i->opcode & INSN_FROM_REG)
		fprintf(out, "r%u\n", src);
	else
		fprintf(out, "%" PRId32 "\n", i->imm);
}

static void dump_jump(const struct wire_insn *i, uint32_t at, FILE *out)
{
	static const char *const ops[16] = {NULL,  "==", ">",  ">=", "&",  "!=", "s>",
					    "s>=", NULL, NULL, "<",  "<=", "s<", "s<="};
	unsigned int dst = i->regs & 15, src = i->regs >> 4, op = i->opcode & 0xf0;
	long to = (long)at + 1 + i->offset;

	if (op == INSN_EXIT) {
		fputs("exit\n", out);
	} else if (op == INSN_CALL) {
		const char *name = i->imm > 0 && i->imm < WIRE_H_COUNT ? helpers[i->imm] : NULL;

		if (name)
			fprintf(out, "call %s\n", name);
		else
			fprintf(out, "call %" PRId32 "\n", i->imm);
	} else if (op == INSN_JA) {
		fprintf(out, "goto %ld\n", to);
	} else if (i->opcode & INSN_FROM_REG) {
		fprintf(out, "if r%u %s r%u goto %ld\n", dst, ops[op >> 4] ? ops[op >> 4] : "?",
			src, to);
	} else {
		fprintf(out, "if r%u %s %" PRId32 " goto %ld\n", dst,
			ops[op >> 4] ? ops[op >> 4] : "?", i->imm, to);
	}
}

static void dump_memory(const struct wire_insn *i, FILE *out)
{
	static const char *const sizes[] = {"u32", "u16", "u8", "u64"};
	const char *size = sizes[i->opcode >> 3 & 3];
	unsigned int dst = i->regs & 15, src = i->regs >> 4;

	switch (INSN_CLASS(i->opcode)) {
	case INSN_LDX:
		fprintf(out, "r%u = %s[r%u%+d]\n", dst, size, src, i->offset);
		break;
	case INSN_STX:
		fprintf(out, "%s[r%u%+d] = r%u\n", size, dst, i->offset, src);
		break;
	default:
		fprintf(out, "%s[r%u%+d] = %" PRId32 "\n", size, dst, i->offset, i->imm);
	}
}

void lang_dump(const struct script *script, uint32_t prog, FILE *out)
{
	const struct script_prog *p = &script->prog[prog];

	for (uint32_t at = 0; at < p->ninsn; at++) {
		const struct wire_insn *i = &p->insn[at];

		fprintf(out, "%4" PRIu32 ": ", at);
		if (i->opcode == INSN_LD_IMM64 && at + 1 < p->ninsn) {
			uint64_t high = (uint32_t)p->insn[++at].imm;

			fprintf(out, "r%u = 0x%" PRIx64 " ll\n", i->regs & 15u,
				high << 32 | (uint32_t)i->imm);
			continue;
		}
		switch (INSN_CLASS(i->opcode)) {
		case INSN_ALU:
		case INSN_ALU64:
			dump_alu(i, out);
			break;
		case INSN_JMP:
		case INSN_JMP32:
			dump_jump(i, at, out);
			break;
		default:
			dump_memory(i, out);
		}
	}
}

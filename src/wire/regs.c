/* SPDX-License-Identifier: MIT */
/*
 * Names of the registers in struct wire_ctx: as processor manuals write them, and as the
 * kernel's struct pt_regs does. Owns nothing. Context: tool.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"
#include "wire/prog.h"

static const struct {
	const char *name, *alias;
	int slot;
} registers[] = {
	{"rdi", "di", 0},
	{"rsi", "si", 1},
	{"rdx", "dx", 2},
	{"rcx", "cx", 3},
	{"r8", NULL, 4},
	{"r9", NULL, 5},
	{"rax", "ax", 6},
	{"rbx", "bx", 7},
	{"rbp", "bp", 8},
	{"r10", NULL, 9},
	{"r11", NULL, 10},
	{"r12", NULL, 11},
	{"r13", NULL, 12},
	{"r14", NULL, 13},
	{"r15", NULL, 14},
	{"rflags", "flags", 15},
	{"rsp", "sp", WIRE_REG_SP},
	{"rip", "ip", WIRE_REG_PC},
	{"pc", NULL, WIRE_REG_PC},
};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

int wire_reg_slot(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(registers); i++) {
		if (same(registers[i].name, name) ||
		    (registers[i].alias && same(registers[i].alias, name)))
			return registers[i].slot;
	}
	return -1;
}

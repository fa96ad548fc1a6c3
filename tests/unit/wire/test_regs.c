/* SPDX-License-Identifier: MIT */
/*
 * Register names: arguments in order, both spellings, nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"
#include "wire/prog.h"

static void arguments_come_first(void **state)
{
	static const char *const name[WIRE_NARGS] = {"rdi", "rsi", "rdx", "rcx", "r8", "r9"};

	(void)state;
	for (int i = 0; i < WIRE_NARGS; i++)
		assert_int_equal(wire_reg_slot(name[i]), i);
}

static void every_slot_has_one_register(void **state)
{
	static const char *const name[] = {"rdi", "rsi", "rdx", "rcx",	  "r8",	 "r9",
					   "rax", "rbx", "rbp", "r10",	  "r11", "r12",
					   "r13", "r14", "r15", "rflags", "rsp", "rip"};
	uint32_t seen = 0;

	(void)state;
	assert_int_equal(ARRAY_LEN(name), WIRE_NREGS);
	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		int slot = wire_reg_slot(name[i]);

		assert_in_range(slot, 0, WIRE_NREGS - 1);
		assert_false(seen & 1u << slot);
		seen |= 1u << slot;
	}
}

static void both_spellings(void **state)
{
	static const char *const pair[][2] = {{"rdi", "di"}, {"rax", "ax"}, {"rsp", "sp"},
					      {"rip", "ip"}, {"rip", "pc"}, {"rflags", "flags"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pair); i++)
		assert_int_equal(wire_reg_slot(pair[i][0]), wire_reg_slot(pair[i][1]));
	assert_int_equal(wire_reg_slot("sp"), WIRE_REG_SP);
	assert_int_equal(wire_reg_slot("pc"), WIRE_REG_PC);
}

static void unknown_names(void **state)
{
	static const char *const bad[] = {"", "r", "rdix", "rd", "r16", "xmm0", "RAX", "eax"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(wire_reg_slot(bad[i]), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_come_first),
		cmocka_unit_test(every_slot_has_one_register),
		cmocka_unit_test(both_spellings),
		cmocka_unit_test(unknown_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

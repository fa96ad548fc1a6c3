/* SPDX-License-Identifier: MIT */
/*
 * Every opcode byte is known or refused, and no field that means nothing may be set.
 */
#include "act/check.h"
#include "fixture.h"
#include "insn.h"

#define RESERVED "reserved field is not zero"

static const char *form(struct wire_insn a)
{
	struct wire_insn two[2] = {a, INSN(0, 0, 0, 0, 0)};

	return act_check_form(two, 2);
}

/* An instruction of this opcode that is as plain as can be, with what it cannot do without. */
static struct wire_insn plainest(int opcode)
{
	struct wire_insn i = INSN(opcode, 1, 0, 0, 0);

	if (opcode == 0xd4 || opcode == 0xdc || opcode == 0xd7)
		i.imm = 16;
	if (opcode == 0x05 || opcode == 0x06 || opcode == 0x85 || opcode == 0x95)
		i.regs = 0;
	return i;
}

static bool is_known(int op)
{
	static const uint8_t others[] = {0x84, 0x87, 0xd4, 0xdc, 0xd7, 0x05, 0x06, 0x85, 0x95,
					 0x18, 0x61, 0x69, 0x71, 0x79, 0x81, 0x89, 0x91, 0x62,
					 0x6a, 0x72, 0x7a, 0x63, 0x6b, 0x73, 0x7b, 0xc3, 0xdb};
	int class = op & 7, code = op & 0xf0;

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (others[i] == op)
			return true;
	}
	if (class == 4 || class == 7)
		return code != 0x80 && code <= 0xc0;
	if (class == 5 || class == 6)
		return code != 0x00 && code != 0x80 && code != 0x90 && code <= 0xd0;
	return false;
}

static void every_opcode(void **state)
{
	int known = 0;

	(void)state;
	for (int op = 0; op < 256; op++) {
		const char *why = form(plainest(op));

		if (is_known(op) != (why == NULL))
			fail_msg("opcode 0x%02x: %s", op, why ? why : "accepted");
		known += why == NULL;
	}
	assert_int_equal(known, 48 + 5 + 44 + 4 + 18);
}

static void no_such_registers(void **state)
{
	(void)state;
	assert_string_equal(form(INSN(0xbf, 11, 0, 0, 0)), "no such register");
	assert_string_equal(form(INSN(0xbf, 0, 11, 0, 0)), "no such register");
	assert_string_equal(form(INSN(0x1d, 0, 15, 0, 0)), "no such register");
	assert_string_equal(form(INSN(0xbf, 10, 1, 0, 0)), "r10 is read-only");
	assert_string_equal(form(INSN(0x79, 10, 1, 0, 0)), "r10 is read-only");
	assert_string_equal(form(INSN(0x18, 10, 0, 0, 0)), "r10 is read-only");
	assert_string_equal(form(INSN(0xdc, 10, 0, 0, 16)), "r10 is read-only");
	assert_string_equal(form(ATOMIC64(1, 10, 0, 0x01)), "r10 is read-only");
	assert_null(form(ATOMIC64(10, 1, -8, 0x01)));
}

static void reserved_fields(void **state)
{
	const struct wire_insn bad[] = {
		INSN(0x07, 1, 2, 0, 5),	 /* add imm with a source */
		INSN(0x0f, 1, 2, 0, 5),	 /* add reg with an immediate */
		INSN(0x0f, 1, 2, 1, 0),	 /* add with an offset */
		INSN(0xb7, 1, 0, 8, 0),	 /* move of an immediate cannot extend */
		INSN(0x87, 1, 2, 0, 0),	 /* neg with a source */
		INSN(0x87, 1, 0, 0, 1),	 /* neg with an immediate */
		INSN(0x8f, 1, 0, 0, 0),	 /* neg from a register */
		INSN(0xdc, 1, 2, 0, 16), /* swap with a source */
		INSN(0xdc, 1, 0, 2, 16), /* swap with an offset */
		INSN(0x05, 1, 0, 0, 0),	 /* ja with a register */
		INSN(0x05, 0, 0, 0, 1),	 /* ja with an immediate */
		INSN(0x06, 0, 0, 1, 1),	 /* long ja with an offset */
		INSN(0x15, 1, 2, 0, 0),	 /* jeq imm with a source */
		INSN(0x1d, 1, 2, 0, 3),	 /* jeq reg with an immediate */
		INSN(0x85, 1, 0, 0, 1),	 /* call with a destination */
		INSN(0x85, 0, 0, 1, 1),	 /* call with an offset */
		INSN(0x95, 1, 0, 0, 0),	 /* exit with a register */
		INSN(0x95, 0, 0, 0, 1),	 /* exit with an immediate */
		INSN(0x79, 1, 2, 0, 1),	 /* load with an immediate */
		INSN(0x7a, 1, 2, 0, 1),	 /* store of an immediate with a source */
		INSN(0x7b, 1, 2, 0, 1),	 /* store with an immediate */
		INSN(0x18, 1, 0, 1, 0),	 /* 64-bit immediate with an offset */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *why = form(bad[i]);

		if (!why || strcmp(why, RESERVED) != 0)
			fail_msg("line %zu: %s", i, why ? why : "accepted");
	}
}

static void variants(void **state)
{
	(void)state;
	assert_null(form(INSN(0x37, 1, 0, 1, 5)));
	assert_null(form(INSN(0x9c, 1, 2, 1, 0)));
	assert_string_equal(form(INSN(0x37, 1, 0, 2, 5)), "unknown division");
	assert_null(form(INSN(0xbf, 1, 2, 8, 0)));
	assert_null(form(INSN(0xbc, 1, 2, 16, 0)));
	assert_null(form(INSN(0xbf, 1, 2, 32, 0)));
	assert_string_equal(form(INSN(0xbc, 1, 2, 32, 0)), "unknown sign extension");
	assert_string_equal(form(INSN(0xbf, 1, 2, 24, 0)), "unknown sign extension");
	assert_null(form(INSN(0xd7, 1, 0, 0, 64)));
	assert_string_equal(form(INSN(0xd7, 1, 0, 0, 8)), "unknown byte swap");
	assert_string_equal(form(INSN(0xdf, 1, 0, 0, 16)), "unknown byte swap");
	assert_string_equal(form(INSN(0x85, 0, 1, 0, 1)), "unknown kind of call");
	assert_string_equal(form(INSN(0x85, 0, 2, 0, 1)), "unknown kind of call");
	for (int op = 0; op < 256; op++) {
		bool good = op == 0xe1 || op == 0xf1;

		for (int k = 0; k < 4; k++) {
			static const int base[] = {0x00, 0x40, 0x50, 0xa0};

			good |= (op & ~1) == base[k];
		}
		assert_int_equal(form(ATOMIC64(1, 2, 0, op)) == NULL, good);
		assert_int_equal(form(ATOMIC32(1, 2, 0, op)) == NULL, good);
	}
}

static void wide_immediates(void **state)
{
	struct wire_insn two[2] = {LD64(1, 7)};

	(void)state;
	assert_null(act_check_form(two, 2));
	assert_non_null(act_check_form(two, 1));
	for (int src = 1; src < 16; src++) {
		two[0].regs = (uint8_t)(1 | src << 4);
		assert_int_equal(act_check_form(two, 2) == NULL, src == WIRE_MAP_BY_IDX);
	}
	two[0].regs = 1 | WIRE_MAP_BY_IDX << 4;
	two[1].imm = 1;
	assert_string_equal(act_check_form(two, 2), RESERVED);
	two[0].regs = 1;
	assert_null(act_check_form(two, 2));
	two[1].opcode = 0x95;
	assert_string_equal(act_check_form(two, 2), RESERVED);
	two[1] = INSN(0, 1, 0, 0, 0);
	assert_string_equal(act_check_form(two, 2), RESERVED);
	two[1] = INSN(0, 0, 0, 1, 0);
	assert_string_equal(act_check_form(two, 2), RESERVED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_opcode),	   cmocka_unit_test(no_such_registers),
		cmocka_unit_test(reserved_fields), cmocka_unit_test(variants),
		cmocka_unit_test(wide_immediates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

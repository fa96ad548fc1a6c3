/* SPDX-License-Identifier: MIT */
/* The table says what the decoder says: every pair of leading bytes, with much behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/arch.h"

#define VADDR 0x400000ull

static uint32_t seed = 1;

static uint8_t any_byte(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return (uint8_t)(seed >> 11);
}

/* Kinds that a sweep tells apart: those that leave the straight line. */
static bool matters(uint8_t kind)
{
	return kind == ARCH_RET || kind == ARCH_JMP || kind == ARCH_JMP_IND || kind == ARCH_JCC ||
	       kind == ARCH_LOOP || kind == ARCH_CALL || kind == ARCH_CALL_IND ||
	       kind == ARCH_UNDEFINED || kind == ARCH_HALT;
}

static void check(const uint8_t *code, size_t n)
{
	struct arch_insn full, quick;
	int err = arch_decode(code, n, VADDR, &full);

	memset(&quick, 0xee, sizeof(quick));
	if (arch_step(code, n, VADDR, &quick) != err)
		fail_msg("%02x %02x %02x: not %d", code[0], code[1], code[2], err);
	if (err)
		return;
	if (!matters(full.kind))
		full.kind = ARCH_ORDINARY;
	if (!matters(quick.kind))
		quick.kind = ARCH_ORDINARY;
	if (quick.len != full.len || quick.kind != full.kind)
		fail_msg("%02x %02x %02x: length %u, kind %u, not %u, %u", code[0], code[1],
			 code[2], quick.len, quick.kind, full.len, full.kind);
	/* elsewhere a target is a memory operand's */
	if (full.kind != ARCH_JMP && full.kind != ARCH_JCC && full.kind != ARCH_LOOP &&
	    full.kind != ARCH_CALL)
		return;
	assert_int_equal(quick.has_target, full.has_target);
	assert_int_equal(quick.target, full.target);
}

static void behind_prefix(const uint8_t *prefix, size_t n, unsigned int rounds)
{
	uint8_t code[32];

	for (unsigned int pair = 0; pair < 65536 * rounds; pair++) {
		memcpy(code, prefix, n);
		code[n] = (uint8_t)pair;
		code[n + 1] = (uint8_t)(pair >> 8);
		for (size_t i = n + 2; i < sizeof(code); i++)
			code[i] = any_byte();
		check(code, ARCH_INSN_MAX);
	}
}

static void every_pair(void **state)
{
	(void)state;
	behind_prefix((const uint8_t *)"", 0, 3);
	behind_prefix((const uint8_t *)"\x0f", 1, 3);
}

static void with_rex(void **state)
{
	(void)state;
	for (uint8_t rex = 0x40; rex < 0x50; rex++) {
		uint8_t prefix[2] = {rex, 0x0f};

		behind_prefix(prefix, 1, 1);
		behind_prefix(prefix, 2, 1);
	}
}

static void with_other_prefixes(void **state)
{
	static const uint8_t legacy[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x64};
	(void)state;

	for (size_t i = 0; i < sizeof(legacy); i++) {
		uint8_t prefix[2] = {legacy[i], 0x0f};

		behind_prefix(prefix, 1, 1);
		behind_prefix(prefix, 2, 1);
	}
}

/* Never a byte behind the end. */
static void cut_short(void **state)
{
	static const char *const code[] = {"\xe8\x01\x02\x03\x04",
					   "\x0f\x84\x01\x02\x03\x04",
					   "\x48\x8b\x84\x24\x01\x02\x03\x04",
					   "\x48\xc7\x84\x24\x01\x02\x03\x04\x05\x06\x07\x08",
					   "\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08",
					   "\x75\x05",
					   "\xc3",
					   "\x41\x57"};
	(void)state;

	for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
		struct arch_insn in;
		uint8_t whole[ARCH_INSN_MAX] = {0};

		memcpy(whole, code[i], strlen(code[i]));
		assert_int_equal(arch_step(whole, strlen(code[i]), VADDR, &in), 0);
		assert_int_equal(in.len, strlen(code[i]));
		for (size_t n = 0; n <= strlen(code[i]); n++)
			check(whole, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair),
		cmocka_unit_test(with_rex),
		cmocka_unit_test(with_other_prefixes),
		cmocka_unit_test(cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

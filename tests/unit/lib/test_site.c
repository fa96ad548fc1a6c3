/* SPDX-License-Identifier: MIT */
/*
 * Each class and each refusal that a single image can bring about, by name and by address; answers
 * do not depend on earlier questions; structs of other ages.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sonde/image.h>

static struct sonde_image *victim;

static int open_victim(void **state)
{
	(void)state;
	return sonde_image_open(VICTIM, &victim);
}

static int close_victim(void **state)
{
	(void)state;
	sonde_image_close(victim);
	return 0;
}

static int plan(const char *name, uint64_t offset, struct sonde_site *site)
{
	*site = (struct sonde_site){.sz = sizeof(*site)};
	return sonde_site_plan(victim, name, offset, site);
}

static int plan_addr(uint64_t vaddr, struct sonde_site *site)
{
	*site = (struct sonde_site){.sz = sizeof(*site)};
	return sonde_site_plan_addr(victim, vaddr, site);
}

static void assert_fits(const char *name, const char *class_name, unsigned int insn_len,
			unsigned int changed)
{
	struct sonde_site site, again;

	/* twice: the first answer reserves nothing */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(plan(name, 0, &site), 0);
		assert_string_equal(site.class_name, class_name);
		assert_int_equal(site.insn_len, insn_len);
		assert_int_equal(site.changed, changed);
		assert_string_equal(site.func, name);
		assert_int_equal(site.sz, sizeof(site));
	}
	assert_int_equal(plan_addr(site.vaddr, &again), 0);
	assert_memory_equal(&site, &again, sizeof(site));
}

static void each_class(void **state)
{
	(void)state;
	assert_fits("lib_room", "S0", 5, 5);
	assert_fits("lib_pun", "S1", 3, 3);
	assert_fits("lib_pad", "S2", 2, 2);
	assert_fits("lib_window", "W", 5, 5);
}

static void each_refusal(void **state)
{
	static const struct {
		const char *name;
		uint64_t offset;
		int err;
	} q[] = {
		{"lib_short", 0, SONDE_E_TOO_SHORT},
		{"lib_branch", 0, SONDE_E_BRANCH_INTO},
		{"lib_decode", 0, SONDE_E_DECODE},
		{"lib_decode", 2, SONDE_E_DECODE}, /* behind what the decoder understood */
		{"lib_relocate", 0, SONDE_E_RELOCATE},
		{"lib_unsafe", 0, SONDE_E_UNSAFE},
		{"lib_room", 1, SONDE_E_NOT_BOUNDARY},
		{"lib_endless", 0, SONDE_E_NO_FUNCTION},
	};
	struct sonde_site site;

	(void)state;
	for (size_t i = 0; i < sizeof(q) / sizeof(q[0]); i++) {
		assert_int_equal(plan(q[i].name, q[i].offset, &site), q[i].err);
		assert_string_equal(site.class_name, "none");
		assert_string_equal(site.func, q[i].name);
		assert_int_equal(site.insn_len, 0);
		assert_int_equal(site.changed, 0);
		assert_int_not_equal(site.vaddr, 0);
		assert_int_not_equal(site.file_offset, SONDE_NO_OFFSET);
		assert_int_equal(plan_addr(site.vaddr, &site), q[i].err);
	}
}

static void offset_stays_in_the_function(void **state)
{
	struct sonde_site entry, site;

	(void)state;
	assert_int_equal(plan("lib_pun", 0, &entry), 0);
	assert_int_equal(plan("lib_pun", 3, &site), 0);
	assert_int_equal(site.vaddr, entry.vaddr + 3);
	assert_int_equal(site.insn_len, 4);
	/* 16: the entry of the next function */
	assert_int_equal(plan("lib_pun", 16, &site), SONDE_E_NOT_BOUNDARY);
	assert_int_equal(site.vaddr, entry.vaddr);
	assert_int_equal(plan("lib_pun", UINT64_MAX, &site), SONDE_E_NOT_BOUNDARY);
	assert_int_equal(plan("lib_endless", 5, &site), SONDE_E_NO_FUNCTION);
}

static void address_and_file_offset(void **state)
{
	struct sonde_site site;
	unsigned char code[5];
	FILE *f = fopen(VICTIM, "rb");

	(void)state;
	assert_int_equal(plan("lib_room", 0, &site), 0);
	assert_non_null(f);
	assert_int_equal(fseek(f, (long)site.file_offset, SEEK_SET), 0);
	assert_int_equal(fread(code, 1, sizeof(code), f), sizeof(code));
	assert_memory_equal(code, "\xb8\x07\0\0\0", sizeof(code));
	fclose(f);
}

static void addresses_that_are_no_code(void **state)
{
	struct sonde_site site;

	(void)state;
	assert_int_equal(plan_addr(1ull << 40, &site), SONDE_E_NOT_CODE);
	assert_true(site.file_offset == SONDE_NO_OFFSET);
	assert_null(site.func);
	assert_int_equal(plan_addr(UINT64_MAX, &site), SONDE_E_NOT_CODE);
	assert_int_equal(plan_addr(0, &site), SONDE_E_NOT_CODE); /* the ELF header */
	assert_int_equal(site.file_offset, 0);
}

static void padding_is_no_function(void **state)
{
	struct sonde_site site;

	(void)state;
	assert_int_equal(plan("lib_room", 0, &site), 0);
	assert_int_equal(plan_addr(site.vaddr + 8, &site), SONDE_E_NO_FUNCTION);
}

static void names_nobody_has(void **state)
{
	struct sonde_image *stripped;
	struct sonde_site site;

	(void)state;
	assert_int_equal(plan("lib_", 0, &site), SONDE_E_NO_SYMBOL);
	assert_int_equal(site.vaddr, 0);
	assert_true(site.file_offset == SONDE_NO_OFFSET);
	assert_string_equal(site.class_name, "none");
	assert_int_equal(sonde_image_open(STRIPPED, &stripped), 0);
	assert_int_equal(sonde_site_plan(stripped, "nameless", 0, &site), SONDE_E_STRIPPED);
	sonde_image_close(stripped);
}

/* Unwind information is enough to plan an address. */
static void stripped_by_address(void **state)
{
	struct sonde_site site = {.sz = sizeof(site)};
	struct sonde_image *stripped;
	uint64_t vaddr;

	(void)state;
	assert_int_equal(sonde_image_open(STRIPPED, &stripped), 0);
	for (vaddr = 0; vaddr < 0x10000; vaddr += 16) {
		if (sonde_site_plan_addr(stripped, vaddr, &site) == 0)
			break;
	}
	assert_true(vaddr < 0x10000);
	assert_string_equal(site.class_name, "S0");
	assert_null(site.func);
	sonde_image_close(stripped);
}

static void ifunc_is_what_it_selects(void **state)
{
	struct sonde_site picked, site;

	(void)state;
	assert_int_equal(plan("lib_picked", 0, &picked), 0);
	assert_int_equal(plan("lib_pick", 0, &site), 0);
	assert_int_equal(site.vaddr, picked.vaddr);
	/* behind the resolver's end, but not the implementation's */
	assert_int_equal(plan("lib_pick", 8, &site), 0);
	assert_int_equal(site.vaddr, picked.vaddr + 8);
	assert_int_equal(plan("lib_pick", 17, &site), SONDE_E_NOT_BOUNDARY);
	assert_int_equal(plan("lib_secret", 0, &site), SONDE_E_NO_SYMBOL);
}

static void struct_of_an_older_library(void **state)
{
	struct {
		struct sonde_site site;
		uint64_t later;
	} s = {.site.sz = sizeof(s), .later = 42};

	(void)state;
	assert_int_equal(sonde_site_plan(victim, "lib_room", 0, &s.site), 0);
	assert_int_equal(s.site.sz, sizeof(s));
	assert_string_equal(s.site.class_name, "S0");
	assert_int_equal(s.later, 0);
}

/* A caller that was built when the struct ended earlier. */
static void struct_of_a_younger_library(void **state)
{
	struct sonde_site site = {.sz = offsetof(struct sonde_site, jump), .jump = 42};

	(void)state;
	assert_int_equal(sonde_site_plan(victim, "lib_room", 0, &site), 0);
	assert_int_equal(site.sz, offsetof(struct sonde_site, jump));
	assert_string_equal(site.class_name, "S0");
	assert_int_equal(site.jump, 42);
}

/* A return has no room of its own; what stands before it has. */
static void jump_before_the_instruction(void **state)
{
	struct sonde_site site;

	(void)state;
	assert_int_equal(plan("lib_room", 0, &site), 0);
	assert_true(site.jump == site.vaddr);
	assert_int_equal(plan("lib_late", 5, &site), 0);
	assert_string_equal(site.class_name, "S0");
	assert_int_equal(site.vaddr - site.jump, 5);
	assert_int_equal(site.insn_len, 6);
	assert_int_equal(site.changed, 5);
	assert_string_equal(site.func, "lib_late");
	assert_int_equal(plan("lib_short", 0, &site), SONDE_E_TOO_SHORT);
	assert_true(site.jump == 0);
}

static void struct_that_never_was(void **state)
{
	struct sonde_site site = {.vaddr = 42};

	(void)state;
	assert_int_equal(sonde_site_plan(victim, "lib_room", 0, &site), -EINVAL);
	site.sz = offsetof(struct sonde_site, jump) - 1;
	assert_int_equal(sonde_site_plan(victim, "lib_room", 0, &site), -EINVAL);
	assert_int_equal(sonde_site_plan_addr(victim, 0, &site), -EINVAL);
	assert_int_equal(site.vaddr, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_class),
		cmocka_unit_test(each_refusal),
		cmocka_unit_test(offset_stays_in_the_function),
		cmocka_unit_test(address_and_file_offset),
		cmocka_unit_test(addresses_that_are_no_code),
		cmocka_unit_test(padding_is_no_function),
		cmocka_unit_test(names_nobody_has),
		cmocka_unit_test(stripped_by_address),
		cmocka_unit_test(ifunc_is_what_it_selects),
		cmocka_unit_test(struct_of_an_older_library),
		cmocka_unit_test(struct_of_a_younger_library),
		cmocka_unit_test(jump_before_the_instruction),
		cmocka_unit_test(struct_that_never_was),
	};

	return cmocka_run_group_tests(tests, open_victim, close_victim);
}

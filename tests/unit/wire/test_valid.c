/* SPDX-License-Identifier: MIT */
/*
 * Session files, whole and damaged. The file lies in a heap block of exactly its size, so that
 * under AddressSanitizer a check that looks outside fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/err.h"
#include "wire/session.h"

#define ARENA 65536u
#define SIZE (ARENA + 2 * WIRE_CHUNK)

static struct wire_session *s;

static void put(struct wire_table *t, uint64_t *at, uint32_t count, uint32_t elem)
{
	*t = (struct wire_table){.off = *at, .count = count, .elem = elem};
	*at = ALIGN_UP(*at + (uint64_t)count * elem, 64ull);
}

static void make_maps(uint64_t *at)
{
	struct wire_map *m = wire_elem(s, maps, struct wire_map, 0);

	m[0] = (struct wire_map){
		.kind = WIRE_MAP_PLAIN, .key_size = 8, .value_size = 64, .nbuckets = 32};
	m[0].table_off = *at;
	*at += ALIGN_UP(32 * wire_slot_bytes(&m[0]), 64ull);
	m[1] = (struct wire_map){.kind = WIRE_MAP_COUNT, .value_size = 8};
	m[2] = (struct wire_map){.kind = WIRE_MAP_HIST,
				 .key_size = 16,
				 .value_size = 8 * WIRE_HIST_BUCKETS(2),
				 .hist_bits = 2,
				 .nbuckets = 16};
	m[3] = (struct wire_map){
		.kind = WIRE_MAP_LHIST, .lhist_max = 100, .lhist_step = 10, .value_size = 8 * 12};
	s->block_size = sizeof(struct wire_block);
	for (int i = 1; i < 4; i++) {
		m[i].bucket_off = s->block_size;
		s->block_size += (uint32_t)ALIGN_UP(wire_map_block_bytes(&m[i]), 8ull);
	}
}

static void make_sites(void)
{
	struct wire_site *site = wire_elem(s, sites, struct wire_site, 0);
	struct wire_module *mod = wire_elem(s, modules, struct wire_module, 0);
	struct wire_fixup *fix = wire_elem(s, fixups, struct wire_fixup, 0);
	struct wire_action *act = wire_elem(s, actions, struct wire_action, 0);

	for (uint32_t i = 0; i < 3; i++) {
		site[i] = (struct wire_site){.class = WIRE_CLASS_S1,
					     .code_off = i * 40,
					     .code_len = 40,
					     .fix_off = i * 2,
					     .nfix = 2,
					     .act_off = i,
					     .nact = 1};
		act[i] = (struct wire_action){.prog = i % 2, .func = 1, .probe = 5};
		fix[2 * i] = (struct wire_fixup){.at = 36, .kind = WIRE_FIX_REL32};
		fix[2 * i + 1] = (struct wire_fixup){.at = 32, .kind = WIRE_FIX_ABS64};
	}
	mod[0] = (struct wire_module){.path = 1, .nsites = 3, .text_end = 4096, .span_end = 8192};
}

/* A session that is right in every part. */
static void make(void)
{
	uint64_t at = ALIGN_UP(sizeof(*s), 64ull);
	struct wire_prog *p;

	memset(s, 0, SIZE);
	*s = (struct wire_session){.magic = WIRE_MAGIC,
				   .version = WIRE_VERSION,
				   .header_size = sizeof(*s),
				   .file_size = SIZE,
				   .ring_size = 4096,
				   .max_scratch = 512,
				   .arena_off = ARENA,
				   .arena_chunks = 2};
	put(&s->strings, &at, 16, 1);
	put(&s->progs, &at, 2, sizeof(struct wire_prog));
	put(&s->insns, &at, 10, sizeof(struct wire_insn));
	put(&s->maps, &at, 4, sizeof(struct wire_map));
	put(&s->modules, &at, 1, sizeof(struct wire_module));
	put(&s->sites, &at, 3, sizeof(struct wire_site));
	put(&s->code, &at, 120, 1);
	put(&s->fixups, &at, 6, sizeof(struct wire_fixup));
	put(&s->actions, &at, 3, sizeof(struct wire_action));
	put(&s->procs, &at, 4, sizeof(struct wire_proc));
	make_maps(&at);
	assert_true(at <= ARENA);
	make_sites();
	p = wire_elem(s, progs, struct wire_prog, 0);
	p[0] = (struct wire_prog){.insn_off = 0, .ninsn = 4, .fast_map = 2};
	p[1] = (struct wire_prog){.insn_off = 4, .ninsn = 6, .scratch_size = 512};
}

static int setup(void **state)
{
	(void)state;
	s = aligned_alloc(64, SIZE);
	make();
	return s ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(s);
	return 0;
}

static void whole(void **state)
{
	(void)state;
	assert_int_equal(wire_session_check(s, SIZE), 0);
	assert_int_equal(wire_session_check(s, SIZE + 4096), 0);
	assert_int_equal(wire_session_check(s, SIZE - 1), SONDE_E_BAD_SESSION);
	assert_int_equal(wire_session_check(s, sizeof(*s) - 1), SONDE_E_BAD_SESSION);
	assert_int_equal(wire_session_check(s, 0), SONDE_E_BAD_SESSION);
}

#define BAD(change)                                                                                \
	do {                                                                                       \
		make();                                                                            \
		change;                                                                            \
		if (wire_session_check(s, SIZE) != SONDE_E_BAD_SESSION)                            \
			fail_msg("accepted: %s", #change);                                         \
	} while (0)

#define GOOD(change)                                                                               \
	do {                                                                                       \
		make();                                                                            \
		change;                                                                            \
		if (wire_session_check(s, SIZE) != 0)                                              \
			fail_msg("refused: %s", #change);                                          \
	} while (0)

#define map(i) wire_elem(s, maps, struct wire_map, i)
#define prog(i) wire_elem(s, progs, struct wire_prog, i)
#define site(i) wire_elem(s, sites, struct wire_site, i)
#define fix(i) wire_elem(s, fixups, struct wire_fixup, i)
#define action(i) wire_elem(s, actions, struct wire_action, i)
#define module(i) wire_elem(s, modules, struct wire_module, i)

static void headers(void **state)
{
	(void)state;
	BAD(s->magic++);
	BAD(s->version++);
	BAD(s->header_size += 8);
	BAD(s->file_size++);
	BAD(s->file_size = 8);
	BAD(s->state = 3);
	BAD(s->follow = 2);
	BAD(s->arena_off += 8);
	BAD(s->arena_off = UINT64_MAX - 63);
	BAD(s->arena_chunks++);
	BAD(s->arena_chunks = UINT32_MAX);
	BAD(s->block_size = 8);
	BAD(s->block_size += 4);
	BAD(s->block_size = UINT32_MAX - 7);
	BAD(s->ring_size = 4095);
	BAD(s->ring_size = 32);
	BAD(s->ring_size = 1u << 31);
	BAD(s->max_scratch = WIRE_SCRATCH_MAX + 1);
	BAD(memset(s->agent_path, 'x', sizeof(s->agent_path)));
	BAD(memset(s->session_path, 'x', sizeof(s->session_path)));
	GOOD(s->ring_size = 0);
	GOOD(s->arena_chunks = 0);
	GOOD(s->state = WIRE_ENDED);
}

static void tables(void **state)
{
	struct wire_table *t[] = {&s->strings, &s->progs, &s->insns,  &s->maps,	   &s->modules,
				  &s->sites,   &s->code,  &s->fixups, &s->actions, &s->procs};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		BAD(t[i]->elem++);
		BAD(t[i]->elem = 0);
		BAD(t[i]->off = 8);
		BAD(t[i]->off = ARENA);
		BAD(t[i]->off = UINT64_MAX - 7);
		BAD(t[i]->count = UINT32_MAX);
		BAD(t[i]->count = ARENA);
	}
	BAD(s->progs.off += 4);
	BAD(wire_at(s, s->strings.off, char)[15] = 'x');
	BAD(s->procs.off = s->insns.off);
	GOOD(s->procs.count = 0);
}

static void maps(void **state)
{
	(void)state;
	BAD(map(0)->kind = WIRE_MAP_LHIST + 1);
	BAD(map(0)->name = 16);
	BAD(map(0)->is_signed = 2);
	BAD(map(0)->key_size = 12);
	BAD(map(0)->key_size = WIRE_KEY_MAX + 8);
	BAD(map(0)->value_size = 0);
	BAD(map(0)->value_size = 12);
	BAD(map(0)->value_size = WIRE_VALUE_MAX + 8);
	BAD(map(0)->nbuckets = 0);
	BAD(map(0)->nbuckets = UINT32_MAX);
	BAD(map(0)->nbuckets = 4096);
	BAD(map(0)->table_off += 4);
	BAD(map(0)->table_off = 0);
	BAD(map(0)->table_off = ARENA - 64);
	BAD(map(0)->table_off = UINT64_MAX - 7);
	BAD(map(0)->table_off = s->insns.off);
	BAD(map(0)->key_size = 0);
	GOOD((map(0)->key_size = 0, map(0)->nbuckets = 1));
	GOOD(map(0)->nbuckets = 31);
	BAD(map(1)->value_size = 16);
	BAD(map(1)->bucket_off = 0);
	BAD(map(1)->bucket_off += 4);
	BAD(map(1)->bucket_off = s->block_size - 8);
	BAD(map(1)->bucket_off = UINT32_MAX - 7);
	BAD(map(2)->nbuckets = 24);
	BAD(map(2)->nbuckets = 0);
	BAD(map(2)->nbuckets = 1u << 31);
	BAD(map(2)->hist_bits = 3);
	BAD(map(2)->hist_bits = 6);
	BAD(map(3)->lhist_step = 0);
	BAD(map(3)->lhist_step = -10);
	BAD(map(3)->lhist_step = 20);
	BAD(map(3)->lhist_min = 100);
	BAD(map(3)->lhist_min = INT64_MIN);
	BAD(map(3)->lhist_max = 1000000);
}

static void programs_and_sites(void **state)
{
	(void)state;
	BAD(prog(0)->ninsn = 0);
	BAD(prog(1)->ninsn = 7);
	BAD(prog(1)->insn_off = 5);
	BAD(prog(1)->insn_off = UINT32_MAX);
	BAD(prog(1)->ninsn = UINT32_MAX);
	BAD(prog(1)->scratch_size = 513);
	BAD(prog(0)->fast_map = 1);
	BAD(prog(0)->fast_map = 3);
	BAD(prog(0)->fast_map = 5);
	BAD(action(0)->prog = 2);
	BAD(action(1)->func = 16);
	BAD(action(2)->probe = UINT32_MAX);
	BAD(site(0)->class = WIRE_CLASS_COUNT);
	BAD(site(0)->class = WIRE_CLASS_S3);
	BAD(site(0)->ninner = 1);
	BAD(site(0)->hit_at = site(0)->insn_len + 1);
	BAD(site(0)->internal = WIRE_INTERNAL_COUNT);
	BAD(site(2)->code_len = 41);
	BAD(site(0)->code_len = WIRE_SITE_CODE_MAX + 1);
	BAD(site(0)->code_off = UINT32_MAX);
	BAD(site(2)->fix_off = 5);
	BAD(site(2)->nfix = 3);
	BAD(site(0)->fix_off = UINT32_MAX);
	BAD(site(2)->act_off = 3);
	BAD(site(0)->nact = 4);
	BAD(site(0)->nact = UINT32_MAX);
	BAD(site(0)->ncut = 9);
	BAD(site(0)->insn_len = 20);
	BAD(fix(0)->at = 37);
	BAD(fix(1)->at = 33);
	BAD(fix(3)->kind = WIRE_FIX_SITE32 + 1);
	BAD(module(0)->path = 16);
	BAD(module(0)->nsites = 4);
	BAD(module(0)->site_off = 1);
	BAD(module(0)->text_start = 8192);
	BAD(module(0)->span_start = 16384);
}

static uint64_t seed = 88172645463325252ull;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Damage of all kinds; whatever the answer, no look outside (AddressSanitizer watches). */
static void random_damage(void **state)
{
	static const uint64_t nasty[] = {0,	     1,		 8,
					 0x7fffffff, 0x80000000, 0xffffffff,
					 0xfffffff8, UINT64_MAX, UINT64_MAX - 7,
					 SIZE,	     SIZE - 8,	 ARENA};
	uint32_t accepted = 0, rounds = 100000;

	(void)state;
	for (uint32_t round = 0; round < rounds; round++) {
		uint32_t hits = 1 + (uint32_t)(rnd() % 4);

		if (round % 16 == 0)
			make();
		while (hits-- > 0) {
			uint64_t at = rnd() % (rnd() % 2 ? 640 : 12000);
			uint64_t v = rnd() % 2 ? nasty[rnd() % ARRAY_LEN(nasty)] : rnd();

			memcpy((uint8_t *)s + (at & ~3ull), &v, rnd() % 2 ? 4 : 8);
		}
		/* make most of it past the first line of defence */
		s->magic = WIRE_MAGIC;
		s->version = WIRE_VERSION;
		s->header_size = sizeof(*s);
		accepted += wire_session_check(s, SIZE) == 0;
	}
	assert_true(accepted > 0 && accepted < rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(headers),
		cmocka_unit_test(tables),
		cmocka_unit_test(maps),
		cmocka_unit_test(programs_and_sites),
		cmocka_unit_test(random_damage),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: MIT */
/* Damaged shared memory: nothing read may lead outside, no walk may be endless. */
#include "fixture.h"

static uint64_t damaged(struct fix *f)
{
	struct read_totals t;

	read_totals(f->r, &t);
	return t.damaged;
}

static void links_that_lead_nowhere(void **state)
{
	struct fix f;
	struct wire_block *a;
	uint32_t *bucket;

	(void)state;
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_COUNT, 8);
	fix_open(&f);
	a = fix_block(&f, 1, 1, 0);
	bucket = wire_at(a, fix_wire_map(&f, 0)->bucket_off, uint32_t);
	*fix_keyed(&f, a, 0, 1) = 5;
	bucket[7] = UINT32_MAX;				    /* far outside */
	bucket[8] = 1;					    /* in the header */
	bucket[9] = (uint32_t)((f.s->file_size - 16) / 16); /* entry would end outside */
	assert_int_equal(fix_nrows(&f, 0), 1);
	assert_int_equal(fix_value(&f, 0, 1, 0), 5);
	assert_true(damaged(&f) >= 3);
	fix_free(&f);
}

static void a_chain_that_bites_its_tail(void **state)
{
	struct fix f;
	struct wire_block *a;
	uint32_t *bucket;

	(void)state;
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_COUNT, 8)->max_keys = 10;
	fix_open(&f);
	a = fix_block(&f, 1, 1, 0);
	*fix_keyed(&f, a, 0, 1) = 5;
	bucket = wire_at(a, fix_wire_map(&f, 0)->bucket_off, uint32_t) + 1;
	wire_at(f.s, *bucket * 16ull, struct wire_entry)->next = *bucket;
	assert_int_equal(fix_nrows(&f, 0), 1);
	assert_true(damaged(&f) >= 1);
	fix_free(&f);
}

static void a_block_list_that_is_wrong(void **state)
{
	struct fix f;
	struct wire_block *a, *b;

	(void)state;
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_COUNT, 0);
	fix_open(&f);
	a = fix_block(&f, 1, 1, 0);
	b = fix_block(&f, 1, 2, 0);
	*fix_scalar(&f, a, 0) = 5;
	*fix_scalar(&f, b, 0) = 6;
	assert_int_equal(fix_value(&f, 0, 0, 0), 11);
	b->next = f.s->block_list; /* a circle; both are known already */
	assert_int_equal(fix_value(&f, 0, 0, 0), 11);
	f.s->block_list = 100000;
	assert_int_equal(fix_value(&f, 0, 0, 0), 11);
	f.s->block_list = f.s->arena_next + 4; /* never handed out */
	f.s->arena_committed = 0;
	assert_int_equal(fix_value(&f, 0, 0, 0), 11);
	assert_true(damaged(&f) >= 2);
	fix_free(&f);
}

static bool swallow(void *arg, const struct read_event *e)
{
	const uint8_t *p = e->payload;
	uint64_t *sum = arg;

	for (uint32_t i = 0; i < e->length; i++)
		*sum += p[i];
	return true;
}

/* Wild stores all over what the target can write; the address sanitizer watches. */
static void random_damage(void **state)
{
	uint64_t rand = 12345, sum = 0;

	(void)state;
	for (int round = 0; round < 300; round++) {
		const struct read_log_ops ops = {0};
		struct wire_block *b[3];
		struct read_totals t;
		struct fix f;
		char name[64];

		fix_make(&f, 12, 4096);
		fix_map(&f, WIRE_MAP_COUNT, 8);
		fix_map(&f, WIRE_MAP_HIST, 8);
		fix_map(&f, WIRE_MAP_MIN, 0);
		fix_map(&f, WIRE_MAP_PLAIN, 8);
		fix_open(&f);
		for (int i = 0; i < 3; i++) {
			b[i] = fix_block(&f, 1, i + 1, 0);
			for (uint64_t k = 0; k < 20; k++) {
				*fix_keyed(&f, b[i], 0, k) = k;
				*fix_keyed(&f, b[i], 1, k) = k;
			}
		}
		fix_proc(&f, 1, UINT32_MAX)->log_off = f.s->arena_off + 11 * WIRE_CHUNK;
		for (int i = 0; i < 4000; i++) {
			uint64_t *at;

			rand = rand * 6364136223846793005ull + 1442695040888963407ull;
			at = (uint64_t *)wire_chunk(f.s, 0) + (rand >> 40) % (12 * WIRE_CHUNK / 8);
			if (i % 4)
				at = (uint64_t *)b[i % 3] +
				     (rand >> 40) % (f.s->block_size / 8 + 512);
			*at = rand >> (rand % 64);
		}
		for (uint32_t m = 0; m < 4; m++) {
			uint64_t key = 3;

			fix_nrows(&f, m);
			read_delete(f.r, m, &key);
			read_zero(f.r, m);
			read_clear(f.r, m);
		}
		read_events(f.r, swallow, &sum, round % 2);
		read_poll_logs(f.r, &ops);
		read_symbol(f.r, 0, rand, name, sizeof(name));
		read_totals(f.r, &t);
		fix_free(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_that_lead_nowhere),
		cmocka_unit_test(a_chain_that_bites_its_tail),
		cmocka_unit_test(a_block_list_that_is_wrong),
		cmocka_unit_test(random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

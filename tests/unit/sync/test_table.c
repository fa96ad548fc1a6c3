/* SPDX-License-Identifier: MIT */
/*
 * The table from address to object. At the table's race points a hook looks at it, as a signal
 * handler would that has interrupted the writer there; or a reader is stopped there.
 */
#include "fixture.h"

#include <sys/resource.h>

#include "base/race.h"
#include "sync/sync.h"

#define HASH_INVERSE 0xf1de83e19937733dull /* of the table's multiplier, modulo 2^64 */

struct object {
	uint64_t value;
	struct sync_node node;
	uint32_t gone; /* in which turn */
};

static struct sonde_domain *d;
static struct sync_table table;
static uint32_t ngone;
static void (*hook)(const char *name);

void race_point(const char *name)
{
	if (hook)
		hook(name);
}

static struct object *object_of(struct sync_node *node)
{
	return (struct object *)((char *)node - offsetof(struct object, node));
}

static void gone(struct sync_node *node)
{
	object_of(node)->gone = ++ngone;
}

static int setup(void **state)
{
	(void)state;
	ngone = 0;
	hook = NULL;
	d = domain_new();
	return sync_table_init(&table, d, 0);
}

static int teardown(void **state)
{
	(void)state;
	hook = NULL;
	sync_table_end(&table);
	domain_end(d);
	return 0;
}

static bool find(const struct object *o)
{
	struct sync_node *node;
	bool found;

	sonde_domain_enter(d);
	node = sync_table_lookup(&table, o->node.key);
	found = node == &o->node;
	if (node && !found)
		fail_msg("the object of another key");
	sonde_domain_leave(d);
	return found;
}

static int insert(struct object *o)
{
	struct sync_node *node = &o->node;

	return sync_table_insert(&table, &node, 1, NULL);
}

static int take_out(struct object *o)
{
	struct sync_node *node = &o->node;

	return sync_table_remove(&table, &node, 1, gone);
}

/* @n objects with keys that all have one home, however large the table: only the low bits differ.
 */
static void collide(struct object *o, size_t n, uint64_t home)
{
	for (size_t i = 0; i < n; i++)
		o[i] = (struct object){.node.key = HASH_INVERSE * ((home << 57) + i + 1)};
}

static void sequence(struct object *o, struct sync_node **node, size_t n, uint64_t from)
{
	for (size_t i = 0; i < n; i++) {
		o[i] = (struct object){.value = i, .node.key = from + i * 16};
		node[i] = &o[i].node;
	}
}

static void test_one(void **state)
{
	struct object o = {.node.key = 0x401000}, other = {.node.key = 0x401000};

	(void)state;
	assert_false(find(&o));
	assert_int_equal(insert(&o), 0);
	assert_true(find(&o));
	assert_int_equal(insert(&o), -EEXIST);
	assert_int_equal(insert(&other), -EEXIST);
	assert_int_equal(take_out(&other), -ENOENT);
	assert_true(find(&o));
	assert_int_equal(take_out(&o), 0);
	assert_false(find(&o));
	assert_int_equal(take_out(&o), -ENOENT);
	assert_int_equal(o.gone, 0);
	assert_int_equal(sonde_domain_barrier(d), 0);
	assert_int_equal(o.gone, 1);
	assert_int_equal(other.gone, 0);
	assert_int_equal(insert(&o), 0);
	assert_true(find(&o));
	assert_int_equal(take_out(&o), 0);
	assert_int_equal(sonde_domain_barrier(d), 0);
}

static void test_no_key(void **state)
{
	struct object o = {0}, p = {.node.key = 1};
	struct sync_node *node[] = {&p.node, &o.node};
	size_t done = 7;

	(void)state;
	assert_int_equal(sync_table_insert(&table, node, 2, &done), -EINVAL);
	assert_int_equal(done, 1);
	assert_true(find(&p));
	assert_null(sync_table_lookup(&table, 0));
	assert_int_equal(take_out(&p), 0);
	assert_int_equal(sonde_domain_barrier(d), 0);
}

static void test_batch_stops(void **state)
{
	struct object o[4] = {{.node.key = 1}, {.node.key = 2}, {.node.key = 2}, {.node.key = 3}};
	struct sync_node *node[] = {&o[0].node, &o[1].node, &o[2].node, &o[3].node};
	size_t done;

	(void)state;
	assert_int_equal(sync_table_insert(&table, node, 4, &done), -EEXIST);
	assert_int_equal(done, 2);
	assert_true(find(&o[0]) && find(&o[1]));
	assert_false(find(&o[3]));
	/* those that are not in are told apart; the rest goes */
	assert_int_equal(sync_table_remove(&table, node, 4, gone), -ENOENT);
	assert_int_equal(sonde_domain_barrier(d), 0);
	assert_int_equal(o[0].gone, 1);
	assert_int_equal(o[1].gone, 2);
	assert_int_equal(o[2].gone, 0);
	assert_int_equal(o[3].gone, 0);
	assert_int_equal(table.live, 0);
}

/* Long chains, over the end of the array, taken apart in an order of no order. */
static void test_collisions(void **state)
{
	enum { N = 30 };
	static struct object o[2 * N];
	bool in[2 * N] = {false};
	struct sync_array *array = table.array;
	unsigned int seed = 1;

	(void)state;
	collide(o, N, 127);
	collide(o + N, N, 3);
	for (int round = 0; round < 4000; round++) {
		int i = rand_r(&seed) % (2 * N);

		assert_int_equal(in[i] ? take_out(&o[i]) : insert(&o[i]), 0);
		in[i] = !in[i];
		for (int k = 0; k < 2 * N; k++)
			assert_int_equal(find(&o[k]), in[k]);
		/* or the node could not be put in again */
		assert_int_equal(sonde_domain_barrier(d), 0);
	}
	/* places are used again: it never had to be built anew */
	assert_ptr_equal(table.array, array);
	for (int i = 0; i < 2 * N; i++)
		assert_int_equal(take_out(&o[i]), in[i] ? 0 : -ENOENT);
	assert_int_equal(sonde_domain_barrier(d), 0);
	assert_int_equal(table.live, 0);
	assert_int_equal(table.used, 0);
}

static void test_batch(void **state)
{
	enum { N = 50000 };
	struct object *o = calloc(N, sizeof(*o));
	struct sync_node **node = calloc(N, sizeof(*node));
	struct sitter s;
	uint64_t cookie;
	size_t done;

	(void)state;
	sequence(o, node, N, 0x400000);
	assert_int_equal(sync_table_insert(&table, node, N, &done), 0);
	assert_int_equal(done, N);
	for (int i = 0; i < N; i++)
		assert_true(find(&o[i]));
	sitter_start(&s, d, 1);
	assert_int_equal(sync_table_remove(&table, node, N, gone), 0);
	for (int i = 0; i < N; i++)
		assert_false(find(&o[i]));
	sonde_domain_run(d);
	assert_int_equal(ngone, 0);
	sitter_end(&s);
	assert_int_equal(sonde_domain_barrier(d), 0);
	assert_int_equal(ngone, N);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(o[i].gone, i + 1);

	/* and it takes one grace period, however many they are */
	assert_int_equal(sync_table_insert(&table, node, N, NULL), 0);
	assert_int_equal(sonde_domain_barrier(d), 0);
	cookie = sonde_domain_cookie(d);
	assert_int_equal(sync_table_remove(&table, node, N, gone), 0);
	sonde_domain_run(d);
	assert_int_equal(ngone, 2 * N);
	assert_int_equal(sonde_domain_cookie(d), cookie + 1);
	free(node);
	free(o);
}

/* It gives memory back, and lookups stay short when keys come and go for ever. */
static void test_size(void **state)
{
	enum { N = 5000 };
	struct object *o = calloc(N, sizeof(*o));
	struct sync_node **node = calloc(N, sizeof(*node));
	struct sync_array *first = table.array;

	(void)state;
	sequence(o, node, N, 0x7f0000000000);
	assert_int_equal(sync_table_insert(&table, node, N, NULL), 0);
	assert_ptr_not_equal(table.array, first);
	first = table.array;
	assert_int_equal(sync_table_remove(&table, node, N - 10, gone), 0);
	assert_ptr_not_equal(table.array, first);
	assert_int_equal(sonde_domain_barrier(d), 0);
	for (int i = 0; i < N; i++)
		assert_int_equal(find(&o[i]), i >= N - 10);
	for (int i = 0; i < 100000; i++) {
		struct object *p = &o[i % (N - 10)];

		assert_int_equal(insert(p), 0);
		assert_int_equal(take_out(p), 0);
		sonde_domain_run(d);
		assert_true(table.used <= 64 && table.live == 10);
	}
	assert_int_equal(sonde_domain_barrier(d), 0);
	free(node);
	free(o);
}

static int without_memory(void *arg)
{
	enum { N = 100000 };
	struct object *o = calloc(N, sizeof(*o)), one = {.node.key = 5};
	struct sync_node **node = calloc(N, sizeof(*node));
	struct rlimit none = {0, 0};
	size_t done = 7;

	(void)arg;
	sequence(o, node, N, 0x400000);
	CHECK(insert(&one) == 0);
	CHECK(setrlimit(RLIMIT_AS, &none) == 0);
	CHECK(sync_table_insert(&table, node, N, &done) == -ENOMEM);
	CHECK(done == 0 && table.live == 1);
	CHECK(find(&one) && !find(&o[0]));
	CHECK(sync_table_insert(&table, node, 20, &done) == 0 && done == 20);
	CHECK(sync_table_init(&table, d, 0) == -ENOMEM);
	return 0;
}

static void test_no_memory(void **state)
{
	(void)state;
	assert_int_equal(in_child(without_memory, NULL), 0);
}

/* Who lives across all that the writer does, and who comes and goes. */
static struct object fixed[40], guest[400];
static struct sync_node *fixed_node[40], *guest_node[400];
static size_t points;

static void all_fixed(const char *name)
{
	if (strcmp(name, "table: reading an array") == 0)
		return;
	points++;
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		if (!find(&fixed[i]))
			fail_msg("missed at \"%s\"", name);
	}
	/* found or not, but never another's (find() looks) */
	for (size_t i = 0; i < ARRAY_LEN(guest); i += 7)
		find(&guest[i]);
}

static void guests_come_and_go(void)
{
	assert_int_equal(sync_table_insert(&table, guest_node, 40, NULL), 0);
	assert_int_equal(sync_table_remove(&table, guest_node, 20, gone), 0);
	for (size_t i = 40; i < 50; i++) /* where those have left their keys */
		assert_int_equal(insert(&guest[i]), 0);
	assert_int_equal(sync_table_insert(&table, guest_node + 50, 350, NULL), 0); /* grows */
	assert_int_equal(sync_table_remove(&table, guest_node + 20, 380, gone), 0); /* shrinks */
}

static void invite(void)
{
	/* in one chain with the fixed ones */
	collide(fixed, ARRAY_LEN(fixed), 5);
	collide(guest, ARRAY_LEN(guest), 5);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		fixed_node[i] = &fixed[i].node;
	for (size_t i = 0; i < ARRAY_LEN(guest); i++) {
		guest[i].node.key = HASH_INVERSE * ((5ull << 57) + 1000 + i);
		guest_node[i] = &guest[i].node;
	}
	for (size_t i = 0; i < ARRAY_LEN(fixed); i += 2)
		assert_int_equal(insert(&fixed[i]), 0);
	assert_int_equal(sync_table_insert(&table, guest_node, 10, NULL), 0);
	for (size_t i = 1; i < ARRAY_LEN(fixed); i += 2)
		assert_int_equal(insert(&fixed[i]), 0);
	assert_int_equal(sync_table_remove(&table, guest_node, 10, gone), 0);
	assert_int_equal(sonde_domain_barrier(d), 0);
}

static void test_above_writer(void **state)
{
	(void)state;
	invite();
	hook = all_fixed;
	points = 0;
	guests_come_and_go();
	hook = NULL;
	assert_true(points > 700);
	assert_int_equal(sync_table_remove(&table, fixed_node, ARRAY_LEN(fixed), gone), 0);
	assert_int_equal(sonde_domain_barrier(d), 0);
}

/* A reader that has an array in hand while the table goes on to others. */
static __thread bool is_reader;
static uint32_t stopped, go_on;

static void stop_reader(const char *name)
{
	if (!is_reader || strcmp(name, "table: reading an array") != 0)
		return;
	store_release(&stopped, 1u);
	while (!load_acquire(&go_on))
		sleep_ms(1);
}

static void *reader(void *arg)
{
	struct sync_node *node;

	is_reader = true;
	sonde_domain_enter(d);
	node = sync_table_lookup(&table, *(uint64_t *)arg);
	/* an object that was removed meanwhile is still one */
	if (node && (node->key != *(uint64_t *)arg || object_of(node)->gone))
		node = NULL;
	sonde_domain_leave(d);
	return node;
}

static void stop_and_look(struct object *o, bool meanwhile_removed)
{
	pthread_t thread;
	void *found;

	stopped = go_on = 0;
	hook = stop_reader;
	assert_int_equal(pthread_create(&thread, NULL, reader, &o->node.key), 0);
	while (!load_acquire(&stopped))
		sleep_ms(1);
	if (meanwhile_removed)
		assert_int_equal(take_out(o), 0);
	guests_come_and_go();
	sonde_domain_run(d);
	store_release(&go_on, 1u);
	pthread_join(thread, &found);
	hook = NULL;
	assert_int_equal(sonde_domain_barrier(d), 0);
	if (!meanwhile_removed)
		assert_ptr_equal(found, &o->node);
	else if (found)
		assert_ptr_equal(found, &o->node);
}

static void test_reader_in_old_array(void **state)
{
	(void)state;
	invite();
	stop_and_look(&fixed[0], false);
	stop_and_look(&fixed[39], false);
	stop_and_look(&fixed[20], true);
	assert_int_equal(insert(&fixed[20]), 0);
	assert_int_equal(sync_table_remove(&table, fixed_node, ARRAY_LEN(fixed), gone), 0);
	assert_int_equal(sonde_domain_barrier(d), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batch_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_collisions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_above_writer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_in_old_array, setup, teardown),
	};

	fences_if_told(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The address table under load: table THREADS SECONDS [SEED]
 *
 * One writer puts nodes in and takes them out, one at a time and in batches large enough to make
 * the table grow and shrink, and poisons what a grace period has freed before it is used again. The
 * other threads look up keys that are never taken out, which they must always find, keys that come
 * and go, which they may find or not but never as another's or poisoned, and keys that never are.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/atomic.h"
#include "base/base.h"
#include "sync/sync.h"

#define FIXED 500
#define GUESTS 6000
#define STEP 16
#define BASE 0x555555550000ull
#define POISON 0xdeaddeaddeaddeadull

struct object {
	struct sync_node node;
	uint64_t check; /* ~key while it may be found */
	bool in, waits;
};

static struct sonde_domain *d;
static struct sync_table table;
static struct object fixed[FIXED], guest[GUESTS];
static uint32_t stop;
static uint64_t lookups, hits;

static void die(const char *what, uint64_t key)
{
	fprintf(stderr, "%s: key %#lx\n", what, (unsigned long)key);
	abort();
}

static uint64_t key_of(uint32_t i)
{
	/* the fixed ones lie between the others, and so in chains with them */
	return BASE + i * STEP;
}

/* Half of the looks at those that stay. */
static void look(uint32_t r)
{
	bool stays = r & 1;
	uint32_t n = FIXED + GUESTS, i = (r >> 1) % (n + 100);
	uint64_t key = key_of(stays ? i % FIXED * (n / FIXED) : i);
	struct sync_node *node;

	sonde_domain_enter(d);
	node = sync_table_lookup(&table, key);
	if (node) {
		const struct object *o = (const struct object *)node;

		if (node->key != key || o->check != ~key)
			die("another's object", key);
		fetch_add_relaxed(&hits, 1);
	} else if (stays) {
		die("missed", key);
	}
	sonde_domain_leave(d);
}

static void *reader(void *arg)
{
	uint32_t r = (uint32_t)(uintptr_t)arg | 1;
	uint64_t n = 0;

	for (; !load_relaxed(&stop); n++) {
		r ^= r << 13;
		r ^= r >> 17;
		r ^= r << 5;
		look(r);
	}
	fetch_add_relaxed(&lookups, n);
	return NULL;
}

static void gone(struct sync_node *node)
{
	struct object *o = (struct object *)node;

	o->check = POISON;
	o->node.key = POISON;
	o->waits = false;
}

static void fill(struct object *o, uint32_t i)
{
	o->node.key = key_of(i);
	o->check = ~o->node.key;
	o->in = true;
}

static void must(int err, const char *what)
{
	if (err)
		die(what, (uint64_t)-err);
}

/* Every (n / FIXED)th key stays. */
static uint32_t guest_key(uint32_t i)
{
	uint32_t every = (FIXED + GUESTS) / FIXED;

	return i / (every - 1) * every + i % (every - 1) + 1;
}

/* One batch of the guests [from, from + n) that are in, or of those that are not. */
static void batch(uint32_t from, uint32_t n, bool in)
{
	static struct sync_node *node[GUESTS];
	size_t count = 0;

	for (uint32_t i = from; i < from + n && i < GUESTS; i++) {
		struct object *o = &guest[i];

		if (o->waits || o->in != in)
			continue;
		if (in) {
			o->in = false;
			o->waits = true;
		} else {
			fill(o, guest_key(i));
		}
		node[count++] = &o->node;
	}
	must(in ? sync_table_remove(&table, node, count, gone)
		: sync_table_insert(&table, node, count, NULL),
	     in ? "remove" : "insert");
}

static uint64_t write_until(uint64_t end, unsigned int *seed)
{
	struct timespec ts;
	uint64_t n = 0;

	do {
		uint32_t from = (uint32_t)rand_r(seed) % GUESTS;
		bool large = rand_r(seed) % 16 == 0;

		batch(from, large ? GUESTS : 1 + (uint32_t)rand_r(seed) % 40, rand_r(seed) & 1);
		if (rand_r(seed) % 4 == 0)
			sonde_domain_run(d);
		n++;
		clock_gettime(CLOCK_MONOTONIC, &ts);
	} while ((uint64_t)ts.tv_sec < end);
	return n;
}

int main(int argc, char **argv)
{
	unsigned int threads = argc > 1 ? (unsigned int)atoi(argv[1]) : 3;
	unsigned int seconds = argc > 2 ? (unsigned int)atoi(argv[2]) : 5;
	unsigned int seed = argc > 3 ? (unsigned int)atoi(argv[3]) : 0;
	struct timespec ts;
	pthread_t t[64];
	uint64_t n;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	seed = seed ? seed : (unsigned int)ts.tv_nsec;
	threads = threads > ARRAY_LEN(t) ? (unsigned int)ARRAY_LEN(t) : threads;
	printf("seed %u\n", seed);
	fflush(stdout);
	must(sync_domain_create(&d, NULL), "domain");
	must(sync_table_init(&table, d, 0), "table");
	for (uint32_t i = 0; i < FIXED; i++) {
		struct sync_node *node = &fixed[i].node;

		fill(&fixed[i], i * ((FIXED + GUESTS) / FIXED));
		must(sync_table_insert(&table, &node, 1, NULL), "insert");
	}
	for (unsigned int i = 0; i < threads; i++)
		must(-pthread_create(&t[i], NULL, reader, (void *)(uintptr_t)(seed + i * 7919)),
		     "pthread_create");
	n = write_until((uint64_t)ts.tv_sec + seconds, &seed);
	store_relaxed(&stop, 1u);
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	must(sonde_domain_barrier(d), "barrier");
	sync_table_end(&table);
	must(sync_domain_destroy(d), "destroy");
	printf("%lu lookups, %lu hits, %lu changes, no error\n", (unsigned long)lookups,
	       (unsigned long)hits, (unsigned long)n);
	return 0;
}

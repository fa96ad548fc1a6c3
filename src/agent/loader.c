/* SPDX-License-Identifier: MIT */
/*
 * Where the agent comes in, and how it hears of images.
 *
 * Entering. The loader maps the agent as a preloaded library. Its one IRELATIVE relocation has a
 * resolver that the loader calls while it relocates the agent: by then every image the program
 * needs is mapped, and neither an initializer nor the C library's own start has run. The thread
 * pointer may not be set up yet, so nothing here touches thread-local storage.
 *
 * Later images. The loader calls _dl_debug_state(), an empty function, for debuggers: whenever
 * its list of images is consistent again, in dlopen() before the new ones are relocated, in
 * dlclose() after the old ones are gone. A site of our own sits on it.
 *
 * Context: the loader's lock is held, or there is one thread.
 */
#include <link.h>

#include "agent/agent.h"
#include "base/base.h"
#include "base/mem.h"
#include "base/sys.h"
#include "hit/hit.h"

#define KNOWN_STEP 256

/* glibc's r_version 2 and later: one list per link namespace. */
struct debug_list {
	struct r_debug base;
	struct debug_list *next;
};

struct known {
	const struct link_map *map;
	uint64_t bias;
	bool seen;
};

static struct known *known;
static size_t nknown, cap;
static bool active;

static struct known *known_find(const struct link_map *map)
{
	for (size_t i = 0; i < nknown; i++) {
		if (known[i].map == map && known[i].bias == map->l_addr)
			return &known[i];
	}
	return NULL;
}

static struct known *known_add(const struct link_map *map)
{
	if (nknown == cap) {
		size_t more = cap + KNOWN_STEP;
		struct known *p = sys_map(more * sizeof(*p));

		if (!p)
			return NULL;
		mem_copy(p, known, nknown * sizeof(*p));
		sys_unmap(known, cap * sizeof(*known));
		known = p;
		cap = more;
	}
	known[nknown] = (struct known){.map = map, .bias = map->l_addr};
	return &known[nknown++];
}

/* What has gone first: its addresses may belong to what has come. */
static void drop_unseen(void)
{
	size_t n = 0;

	for (size_t i = 0; i < nknown; i++) {
		if (known[i].seen)
			known[n++] = known[i];
		else
			agent_module_unloaded(known[i].bias);
	}
	nknown = n;
}

static void list_changed(struct wire_ctx *ctx)
{
	const struct debug_list *list = (const struct debug_list *)&_r_debug;
	const struct link_map *map;

	(void)ctx;
	if (!active || _r_debug.r_state != RT_CONSISTENT)
		return;
	for (size_t i = 0; i < nknown; i++)
		known[i].seen = false;
	for (const struct debug_list *l = list; l; l = l->base.r_version > 1 ? l->next : NULL) {
		for (map = l->base.r_map; map; map = map->l_next) {
			struct known *k = known_find(map);

			if (k)
				k->seen = true;
		}
	}
	drop_unseen();
	for (const struct debug_list *l = list; l; l = l->base.r_version > 1 ? l->next : NULL) {
		for (map = l->base.r_map; map; map = map->l_next) {
			struct known *k = known_find(map);

			if (k)
				continue;
			k = known_add(map);
			if (!k)
				return;
			k->seen = true;
			agent_module_loaded(map->l_addr, map->l_name);
		}
	}
}

static void enter(void)
{
	const struct link_map *map;

	if (agent_start())
		return;
	active = true;
	hit_rt.internal[WIRE_INTERNAL_LOADER] = list_changed;
	/* r_state says that images are being added; they all have been */
	for (map = _r_debug.r_map; map; map = map->l_next) {
		if (known_add(map))
			agent_module_loaded(map->l_addr, map->l_name);
	}
	agent_announce();
}

/* An initializer of the agent: the main thread, before main. */
__attribute__((constructor)) static void initialize(void)
{
	if (active)
		hit_ready();
}

static void nothing(void)
{
}

/* The IRELATIVE relocation: a pointer to a function that the resolver chooses. */
static __attribute__((used)) void (*resolve(void))(void)
{
	enter();
	return nothing;
}

static void entry(void) __attribute__((ifunc("resolve")));
void (*const agent_entry)(void) __attribute__((used)) = entry;

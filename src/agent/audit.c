/* SPDX-License-Identifier: MIT */
/*
 * The loader's audit interface (rtld-audit(7)): the agent's only entry points. No callback
 * that would make the loader observe symbol bindings or calls is defined, so that it binds and
 * calls as always.
 */
#include <link.h>

#include "agent/agent.h"
#include "base/base.h"

static bool active;

/* Our version is whatever the loader's is: only callbacks that all versions share are used.
 * 0 asks the loader to forget us. */
SONDE_PUBLIC unsigned int la_version(unsigned int version)
{
	active = agent_start() == 0;
	return active ? version : 0;
}

SONDE_PUBLIC unsigned int la_objopen(struct link_map *map, Lmid_t lmid, uintptr_t *cookie)
{
	(void)lmid;
	*cookie = (uintptr_t)map;
	if (active)
		agent_module_loaded(map->l_addr, map->l_name);
	return 0;
}

SONDE_PUBLIC unsigned int la_objclose(uintptr_t *cookie)
{
	if (active)
		agent_module_unloaded(((const struct link_map *)*cookie)->l_addr);
	return 0;
}

SONDE_PUBLIC void la_activity(uintptr_t *cookie, unsigned int flag)
{
	(void)cookie;
	if (active && flag == LA_ACT_CONSISTENT)
		agent_announce();
}

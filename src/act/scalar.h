/* SPDX-License-Identifier: MIT */
/*
 * Scalar plain maps of 8 bytes (@x = v, @x++). Private to the room; contracts as in act.h.
 */
#ifndef SONDE_ACT_SCALAR_H
#define SONDE_ACT_SCALAR_H

#include "wire/session.h"

int act_scalar_load(struct wire_session *s, const struct wire_map *m, void *value);
int act_scalar_store(struct wire_session *s, const struct wire_map *m, uint64_t value);
int act_scalar_add(struct wire_session *s, const struct wire_map *m, int64_t delta,
		   int64_t *before);
int act_scalar_delete(struct wire_session *s, const struct wire_map *m);

#endif

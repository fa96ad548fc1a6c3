/* SPDX-License-Identifier: MIT */
/*
 * The front door of the room: grace-period domains (the calls of <sonde/domain.h>, which this room
 * implements), what src/lib needs to complete them, the address table, and the rule by which
 * code memory may be reused.
 */
#ifndef SONDE_SYNC_SYNC_H
#define SONDE_SYNC_SYNC_H

#include "sonde/domain.h"
#include "sync/code.h"
#include "sync/table.h"

/* sonde_domain_create() and _destroy() but for what needs libc (src/lib). */
int sync_domain_create(struct sonde_domain **out, const struct sonde_domain_options *options);
int sync_domain_destroy(struct sonde_domain *d);

/* Around fork(): before it, after it in the parent, in the child. */
void sync_fork_prepare(void);
void sync_fork_parent(void);
void sync_fork_child(void);

/* For a thread that runs callbacks: return when there is one, or *@stop is not 0. Whoever sets
 * *stop calls sync_worker_wake(). */
void sync_worker_sleep(struct sonde_domain *d, const uint32_t *stop);
void sync_worker_wake(struct sonde_domain *d);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The only room that writes code: carries out the plans of one module (wire/plan.h) in the
 * process it runs in.
 *
 * Invariants
 *  1. Detours and islands are complete and executable before a jump to them exists.
 *  2. A page is never writable and executable at once, but for the module's own text during
 *     the stores of one batch: it must stay executable, because other threads may run in it.
 *  3. Every site is published by one aligned 8-byte store, after the old bytes were verified.
 *  4. Generated code is permanent: a thread preempted inside it is always safe.
 *
 * Context: agent side, not on a hit; no libc; called with the loader's lock held.
 */
#ifndef SONDE_TEXT_TEXT_H
#define SONDE_TEXT_TEXT_H

#include <stdint.h>

#include "wire/session.h"

struct text_job {
	const struct wire_session *session;
	uint32_t module; /* index in the session */
	uint64_t bias;	 /* where it is loaded, minus its vaddrs */
	uint64_t stub;	 /* address of the hit stub */
	/* a site that cannot be placed here: SONDE_E_NO_SPACE_NEAR, SONDE_E_BYTES_DIFFER */
	void (*refused)(void *arg, uint32_t site, int err);
	void *arg;
};

/* Once per process, before it has threads. */
void text_init(void);

/*
 * Install every site of the module. Returns how many are live now, or a negative error that
 * holds for the whole module (nothing was changed): -ENOMEM, SONDE_E_NO_SPACE_NEAR,
 * SONDE_E_PROTECT.
 */
long text_install(const struct text_job *job);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The only room that writes code: carries out the plans of one image (wire/plan.h) in the process
 * it runs in, and takes them back.
 *
 * Invariants
 *  1. Detours and islands are complete and executable before a jump to them exists.
 *  2. A page is never writable and executable at once, but for the image's own text during the
 *     stores of one batch: it must stay executable, because other threads may run in it.
 *  3. Every site is published, and withdrawn, by one aligned 8-byte store, after the bytes that
 *     stand there were compared with those that must.
 *  4. Generated code is permanent: a thread preempted inside it is always safe. A site that is
 *     withdrawn keeps its code, and is published again by a store.
 *
 * Life of a site: PLACED (has code) or refused -on-> LIVE -off-> PLACED.
 *
 * Context: not on a hit; no libc. The caller sees to it that one thread at a time is in here (the
 * agent by the loader's lock). Threads of the program run on meanwhile.
 */
#ifndef SONDE_TEXT_TEXT_H
#define SONDE_TEXT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "text/xol.h" /* slots for displaced instructions */
#include "wire/plan.h"

/* Plans, and the tables that they count in. All of it stays where it is as long as the process. */
struct text_plans {
	const struct wire_site *site; /* in order of address */
	uint32_t nsites;
	uint32_t first;		      /* number of site[0]: what its detour tells the hit stub */
	const struct wire_site *alt;  /* for wire_site.alt */
	const uint8_t *code;	      /* for code_off */
	const struct wire_fixup *fix; /* for fix_off */
};

/* Where the image lies: its load address less its vaddrs; page-aligned vaddrs of the executable
 * segment with the sites, and of all of the image. */
struct text_image {
	uint64_t bias;
	uint64_t text_start, text_end;
	uint64_t span_start, span_end;
};

struct text_job {
	struct text_plans plans;
	struct text_image image;
	uint64_t stub; /* address of the hit stub */
	bool live;     /* code of the image may have run: class W is not to be used */
	/* a site that cannot be placed here: SONDE_E_NO_SPACE_NEAR, SONDE_E_BYTES_DIFFER,
	 * SONDE_E_TOO_SHORT (class W in a live image) */
	void (*refused)(void *arg, uint32_t site, int err); /* its number */
	void *arg;
};

/* One image's sites in this process. Never goes away. */
struct text_module;

/* Once per process, before it has threads (or at least before the first change). */
void text_init(void);

/*
 * Give every site an address and code; nothing is published. The same plans at the same place (a
 * plugin opened again and again) give the same module again, with its sites off. 0, or an error
 * that holds for all sites: -ENOMEM, SONDE_E_NO_SPACE_NEAR, SONDE_E_PROTECT.
 */
int text_open(const struct text_job *job, struct text_module **out);

struct text_change {
	struct text_module *module;
	uint32_t site; /* index in its plans */
	bool on;
	int err; /* out: 0 (done, or so already), SONDE_E_BYTES_DIFFER: others have changed the
		  * code, it is left alone; SONDE_E_NO_SPACE_NEAR: the site was refused;
		  * SONDE_E_TOO_SHORT: class W, switched on later than by text_install() */
};

/*
 * Switch sites on and off. For any number of sites: one change of protection per module (in order
 * of mention), one core synchronization. Sites of a module together and in order of address. 0, or
 * SONDE_E_PROTECT or -ENOMEM: nothing was done for the modules from the one on whose changes say
 * so.
 */
int text_change(struct text_change *c, uint32_t n);

/* text_open(), and all sites on. How many are live, or a negative error as from text_open(). */
long text_install(const struct text_job *job);

/* Everything off, in every module: the program's code as it was. How many sites could not be
 * restored. */
uint32_t text_restore(void);

#endif

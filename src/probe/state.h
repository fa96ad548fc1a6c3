/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share: probes, the places they are at, and what hits find there.
 *
 *	hit -> site (by number) -> set of calls        read by hits; replaced as a whole
 *	         place -> probes, module, code         under the lock
 *
 * Life of a place (one per probed address, for ever)
 *   FOUND -probe_place_open: has code-> OFF -probe_sites_apply: first probe-> ON
 *   ON -last probe gone-> IDLE (jump stands, no set) -probe_sites_withdraw-> OFF
 *   IDLE -probe_sites_apply-> ON ; any -image closed-> OFF, its module `gone`
 * Life of a probe
 *   register-> ON or OFF <-enable, disable, REMOVE-> ; -image closed-> GONE
 *   any -unregister-> retired -(grace period)-> memory of the pool
 *
 * Locks, outermost first
 *   plan    registering: modules, plans; calls the C library
 *   loader  the dynamic loader's own (probe_loader_hold): no image goes away
 *   probe   everything else here, and src/text. All signals are blocked, hits of the holder's are
 *           missed, and nothing of the C library is called: a handler, which may run in the
 *           middle of malloc, can take it.
 *
 * Ordering
 *   A1  site->set: release. What the set holds is complete before a hit finds it.
 *   A2  site->set: acquire, inside a section of the domain      pairs with A1
 *       A set that was replaced, and a probe that was unlinked, are freed after a grace period
 *       that began after A1 (retired list).
 *   C   probe_rt.chunk: stored before a jump with a number of that chunk is published (src/text,
 *       release), read by who has executed the jump.
 *   L   lock word: acquire exchange, release; a futex.
 */
#ifndef SONDE_PROBE_STATE_H
#define SONDE_PROBE_STATE_H

#include <pthread.h>

#include "base/atomic.h"
#include "base/base.h"
#include "image/image.h"
#include "plan/plan.h"
#include "probe/probe.h"
#include "sonde/domain.h"
#include "text/text.h"

#define SITE_CHUNK 4096u
#define SITE_CHUNKS 4096u

/* One handler as hits see it. */
struct probe_call {
	sonde_entry_cb *entry;
	void *data;
	struct sonde_probe *probe;
};

struct probe_set {
	uint64_t version; /* of no other set */
	uint32_t n;
	bool vectors; /* some handler may use vector registers */
	struct probe_call call[];
};

/* What a hit needs, found by its number. */
struct probe_site {
	struct probe_set *set; /* A; NULL: nobody */
	uint64_t addr;
	struct probe_place *place;
};

struct probe_module;
struct probe_opening;

struct probe_place {
	struct probe_place *hash_next;
	struct probe_place *module_next;
	struct probe_module *module;
	uint64_t vaddr, addr;
	struct plan_site *planned; /* until it has code */
	struct probe_opening *opening;
	uint32_t at; /* in the opening's plans */
	int refused; /* there is no room for its code */
	struct probe_site *site;
	uint32_t number;
	/* under the lock */
	struct sonde_probe *first, **last;
	struct probe_place *idle_next;
	bool idle; /* on the list of those whose jump may go */
	bool on, was_on;
	int err; /* of the apply that runs */
	struct probe_set *next_set;
	bool rises;	 /* there was no set before */
	uint64_t marked; /* by the batch with this number */
};

struct sonde_probe {
	struct sonde_probe *next, *prev; /* of all, by id; first, as the pool writes there */
	uint64_t id;			 /* 0: not registered */
	struct probe_place *place;
	struct sonde_probe *site_next;
	sonde_entry_cb *entry;
	void *data;
	uint64_t missed;
	uint32_t flags;
	uint32_t state; /* enum sonde_probe_state */
	uint64_t marked;
	uint32_t was; /* state before the batch that runs */
};

/* Plans of one batch that lie in one image, and what src/text made of them. Never goes away. */
struct probe_opening {
	struct probe_opening *next;
	struct text_job job;
	struct text_module *text;
	struct probe_place **place; /* per plan */
};

/* An image in this process, once a probe was asked for in it. Never goes away. */
struct probe_module {
	struct probe_module *next;
	struct image *img;
	struct plan *plan;
	const struct image_func **by_name; /* sorted; made at first need */
	uint64_t bias, dev, ino;
	uint64_t text_start, text_end; /* addresses of one executable segment, to know it again */
	bool own;		       /* this library is in it */
	/* under the lock */
	bool gone, present;
	struct probe_place *places;
	struct probe_opening *openings;
};

/* Memory that waits for its grace period. Lies in the memory itself; readers do not follow it. */
struct probe_retired {
	struct probe_retired *next;
	uint64_t cookie;
	void *memory;
	size_t size;
};

struct probe_runtime {
	/* read by hits; set before the first jump */
	struct sonde_domain *domain;
	long errno_at;			       /* from the thread pointer */
	struct probe_site *chunk[SITE_CHUNKS]; /* C */
	/* plan lock */
	uint32_t nsites;
	/* the lock */
	_Alignas(64) uint32_t lock; /* L */
	struct probe_module *modules;
	struct sonde_probe *first, *last;
	uint64_t next_id, next_version, next_batch;
	struct probe_place *idle;
	size_t nidle;
	struct probe_retired *retired, **retired_last;
	size_t nretired;
	uint64_t subs; /* images that the loader had closed when we looked last */
};

extern struct probe_runtime probe_rt SONDE_HIDDEN;

/* hit.c */
/* The calling thread is inside a handler, or holds the lock: its hits are missed. */
extern __thread uint32_t probe_busy SONDE_HIDDEN __attribute__((tls_model("initial-exec")));
int probe_removed(struct sonde_hit *hit, void *data);

/* lock.c */
struct probe_guard {
	uint64_t signals;
	uint32_t busy;
};
void probe_lock(struct probe_guard *g);
void probe_unlock(const struct probe_guard *g);

/* pool.c, under the lock: zeroed memory, without the C library */
void *probe_pool_alloc(size_t size);
void probe_pool_free(void *p, size_t size);
/* Free after a grace period that begins after now. */
void probe_retire(void *p, size_t size);
/* Free what has waited long enough. */
void probe_reclaim(void);

/* order.c: by site number, each once; returns how many are left */
size_t probe_order(struct probe_place **p, size_t n);

/* site.c, under the lock */
/*
 * Make hits at @p (ordered) find the probes that are on now, and jumps stand where there are any.
 * Places without a probe become idle. 0, or the first error, which is in place->err too; then
 * the caller changes the probes back and applies again, by probe_sites_shrink().
 */
int probe_sites_apply(struct probe_place **p, size_t n);
/* The same for fewer probes than before: cannot fail, writes no code. */
void probe_sites_shrink(struct probe_place **p, size_t n);
/* Take the jumps at idle places away. */
void probe_sites_withdraw(void);
/* All handlers of a hit have said so, of the set @version. Takes the lock. */
void probe_site_remove(struct probe_place *place, uint64_t version);
void probe_site_attach(struct probe_place *place, struct sonde_probe *probe);
void probe_site_detach(struct sonde_probe *probe);

/* change.c */
bool probe_in_handler(void);
/* Out of all lists, under the lock; the memory stays. */
void probe_unregister_locked(struct sonde_probe *p);

/* loader.c */
/* fn(arg) while no image can be closed; those that were are noticed before. */
void probe_loader_hold(void (*fn)(void *arg), void *arg);

/* place.c, under the plan lock */
/* The place for @addr in @m, planned; NULL and *err if there can be none. */
struct probe_place *probe_place_get(struct probe_module *m, uint64_t vaddr, int *err);
/* Give code to those of @p that have none. Refusals are in place->refused. 0 or -ENOMEM. */
int probe_places_open(struct probe_place **p, size_t n);

/* A batch has failed: those of its places that have got no code need no bytes either. */
void probe_places_forget(struct probe_place **p, size_t n);

/* module.c, under the plan lock */
/* Read the loader's list anew if it has changed. 0 or -ENOMEM. */
int probe_modules_refresh(void);
/* Where @spec leads: 0 with image and vaddr. */
int probe_modules_locate(const struct sonde_probe_spec *spec, struct probe_module **m,
			 uint64_t *vaddr);

#endif

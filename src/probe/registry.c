/* SPDX-License-Identifier: MIT */
/*
 * Registering: from specs to places with code, then all probes at once.
 *
 * All that can fail without touching the program (names, plans, room for code) is done first, for
 * every element, so that every reason is known. What is left is one change of the code, which
 * is undone as a whole.
 *
 * Context: any thread, not in a handler; the C library is called under the plan lock only.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "arch/live.h"
#include "base/err.h"
#include "probe/state.h"
#include "sync/sync.h"

#define KNOWN_FLAGS (SONDE_PROBE_INTEGER_ONLY | SONDE_PROBE_DISABLED)

static pthread_mutex_t plan_lock = PTHREAD_MUTEX_INITIALIZER;
static __thread bool planning; /* this thread has the plan lock */
static struct probe_guard fork_guard;
static bool fork_planning;

struct request {
	const struct sonde_probe_spec *spec;
	size_t n;
	struct sonde_probe **probe;
	struct probe_place **place;   /* per element */
	struct probe_place **ordered; /* each once */
	size_t nordered;
	int *err;
	int failed; /* the batch as a whole */
};

/* A child must not find a lock that nobody will give back. */
static void fork_prepare(void)
{
	bool own = planning;

	if (!own)
		pthread_mutex_lock(&plan_lock);
	fork_planning = !own;
	probe_lock(&fork_guard);
}

static void fork_done(void)
{
	bool unlock = fork_planning;
	struct probe_guard guard = fork_guard;

	probe_unlock(&guard);
	if (unlock)
		pthread_mutex_unlock(&plan_lock);
}

static void fork_child(void)
{
	text_init();
	fork_done();
}

__attribute__((constructor)) static void follow_forks(void)
{
	pthread_atfork(fork_prepare, fork_done, fork_child);
}

/* At the first call. */
static int start(void)
{
	static const struct sonde_domain_options options = {.sz = sizeof(options),
							    .name = "handlers"};
	struct sonde_domain *domain;
	int err;

	if (probe_rt.domain)
		return 0;
	err = sync_domain_create(&domain, &options);
	if (err)
		return err;
	text_init();
	arch_live_init(ARCH_LIVE_AVX);
	probe_rt.errno_at = (char *)&errno - (char *)arch_live_local(0);
	store_release(&probe_rt.domain, domain);
	return 0;
}

static int check_spec(const struct sonde_probe_spec *s)
{
	if (s->sz != sizeof(*s) || !s->entry || s->reserved || s->flags & ~KNOWN_FLAGS)
		return -EINVAL;
	if (!s->path && s->symbol)
		return -EINVAL;
	return 0;
}

static void fail(struct request *r, size_t i, int err)
{
	if (!err)
		return;
	r->err[i] = err;
	if (!r->failed)
		r->failed = err;
}

static void find_places(struct request *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct sonde_probe_spec *s = &r->spec[i];
		struct probe_module *m = NULL;
		uint64_t vaddr = 0;
		int err = check_spec(s);

		r->err[i] = 0;
		if (!err)
			err = probe_modules_locate(s, &m, &vaddr);
		if (!err)
			r->place[i] = probe_place_get(m, vaddr, &err);
		fail(r, i, err);
	}
}

static void open_places(struct request *r)
{
	int err = probe_places_open(r->place, r->n);

	if (err)
		r->failed = err;
	for (size_t i = 0; i < r->n && !err; i++) {
		struct probe_place *p = r->place[i];

		fail(r, i, p->refused ? p->refused : p->opening ? 0 : p->err);
	}
}

/* Under the lock. */
static int new_probes(struct request *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct sonde_probe_spec *s = &r->spec[i];
		struct sonde_probe *p = probe_pool_alloc(sizeof(*p));

		if (!p) {
			while (i-- > 0)
				probe_pool_free(r->probe[i], sizeof(*p));
			return -ENOMEM;
		}
		p->place = r->place[i];
		p->entry = s->entry;
		p->data = s->data;
		p->flags = s->flags;
		p->state = s->flags & SONDE_PROBE_DISABLED ? SONDE_PROBE_STATE_OFF
							   : SONDE_PROBE_STATE_ON;
		r->probe[i] = p;
	}
	return 0;
}

static void link_probe(struct sonde_probe *p)
{
	p->id = ++probe_rt.next_id;
	p->prev = probe_rt.last;
	*(p->prev ? &p->prev->next : &probe_rt.first) = p;
	probe_rt.last = p;
}

static void commit(void *arg)
{
	struct request *r = arg;
	struct probe_guard guard;

	probe_lock(&guard);
	r->failed = new_probes(r);
	if (r->failed)
		goto out;
	for (size_t i = 0; i < r->n; i++)
		probe_site_attach(r->place[i], r->probe[i]);
	for (size_t i = 0; i < r->nordered; i++)
		r->ordered[i]->err = 0;
	/* a probe with an id is a registered one; taken back, the id is not given again */
	for (size_t i = 0; i < r->n; i++)
		link_probe(r->probe[i]);
	r->failed = probe_sites_apply(r->ordered, r->nordered);
	if (!r->failed)
		goto out;
	for (size_t i = 0; i < r->n; i++) {
		r->err[i] = r->place[i]->err;
		probe_unregister_locked(r->probe[i]);
	}
	probe_sites_shrink(r->ordered, r->nordered);
	probe_sites_withdraw();
	for (size_t i = 0; i < r->n; i++)
		probe_retire(r->probe[i], sizeof(*r->probe[i]));
out:
	probe_unlock(&guard);
}

static void register_batch(struct request *r)
{
	find_places(r);
	if (r->failed)
		return;
	open_places(r);
	if (r->failed)
		return;
	for (size_t i = 0; i < r->n; i++)
		r->ordered[i] = r->place[i];
	r->nordered = probe_order(r->ordered, r->n);
	probe_loader_hold(commit, r);
}

static void nothing(void *arg)
{
	(void)arg;
}

static int with_plan_lock(struct request *r)
{
	int err;

	if (planning)
		return -EDEADLK;
	pthread_mutex_lock(&plan_lock);
	planning = true;
	err = start();
	if (!err) {
		/* what was closed is noticed now, and may be opened anew */
		probe_loader_hold(nothing, NULL);
		err = probe_modules_refresh();
	}
	if (err)
		r->failed = err;
	else
		register_batch(r);
	if (r->failed)
		probe_places_forget(r->place, r->n);
	planning = false;
	pthread_mutex_unlock(&plan_lock);
	return r->failed;
}

int sonde_probes_register(const struct sonde_probe_spec *specs, size_t n, struct sonde_probe **out,
			  int *err)
{
	struct request r = {.spec = specs, .n = n, .probe = out};
	int ret;

	if (!specs || !out || !n)
		return -EINVAL;
	if (n > SONDE_PROBES_MAX)
		return -E2BIG;
	if (probe_in_handler())
		return -EDEADLK;
	r.place = calloc(2 * n, sizeof(*r.place));
	r.err = err ? err : calloc(n, sizeof(*r.err));
	r.ordered = r.place + n;
	ret = r.place && r.err ? with_plan_lock(&r) : -ENOMEM;
	if (ret) {
		for (size_t i = 0; i < n; i++)
			out[i] = NULL;
		/* handlers that have begun */
		if (probe_rt.domain)
			sonde_domain_synchronize(probe_rt.domain);
	}
	if (r.err != err)
		free(r.err);
	free(r.place);
	return ret;
}

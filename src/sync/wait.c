/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a grace period, and asking for one without waiting.
 *
 * A writer looks at every word once and remembers those that say "inside"; then it waits for one
 * after the other. Waiting, it spins a little, then sleeps, each time a quarter of what it has
 * waited so far: it wakes at most a quarter late, and readers need not wake it, which would cost
 * them a look at a shared word and, sometimes, a system call.
 *
 * There is no lock: writers wait beside each other, each with a number of its own.
 *
 * Context: any thread; poll and readers signal-safe; no libc.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <time.h>

#include "base/sys.h"
#include "sync/state.h"

#define SPINS 200
#define YIELDS 20
#define SLEEP_MIN 10000ull
#define SLEEP_MAX 1000000ull
#define DEAD_AFTER 2000000ull /* waited so long: look whether the reader lives */

uint64_t sync_clock(int clock)
{
	struct timespec ts = {0};

	sys2(SYS_clock_gettime, clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* 0, or the error of membarrier. */
static int fence(void)
{
	if (sync_rt.fences) {
		fence_seq_cst(&sync_rt.numbers);
		return 0;
	}
	return (int)sys3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

bool sync_inside(const struct sonde_domain *d)
{
	const struct sonde_reader *self = sync_self();

	if (self)
		return load_relaxed(&self->word[d->index]) & SONDE_READER_DEPTH;
	return sync_strange_depth(d) != 0;
}

static sonde_word *word_of(const struct sonde_domain *d, uint32_t at)
{
	return &sync_rt.arena->slot[at].reader.word[d->index];
}

/* How long has the reader been inside, at least: since one of us first saw it there. */
static uint64_t inside_ns(const struct sonde_domain *d, uint32_t at, uint64_t word)
{
	struct sync_note *note = sync_note(d, at);
	uint64_t now = sync_clock(CLOCK_MONOTONIC), then = load_relaxed(&note->seen_ns);

	if (load_acquire(&note->seen) >> GRACE_COUNT_SHIFT == word >> GRACE_COUNT_SHIFT && then)
		return now > then ? now - then : 0;
	store_relaxed(&note->seen_ns, now);
	store_release(&note->seen, word);
	return 0;
}

/* A thread that has come through a bare fork inherits its record without its name: it was the only
 * one, so it has the name of the process. */
static int32_t tid_of(uint32_t at)
{
	int32_t owner = sync_owner(load_relaxed(&sync_rt.arena->slot[at].owner));

	return owner == SLOT_NEVER ? sync_pid() : owner > 0 ? owner : 0;
}

static struct sonde_reader_info describe(const struct sonde_domain *d, uint32_t at, uint64_t word)
{
	return (struct sonde_reader_info){
		.domain = d,
		.domain_name = sync_domain(d)->name,
		.tid = tid_of(at),
		.depth = (uint32_t)(word & SONDE_READER_DEPTH),
		.ns = inside_ns(d, at, word),
	};
}

static struct sonde_reader_info describe_strangers(const struct sonde_domain *d, uint64_t n)
{
	return (struct sonde_reader_info){
		.domain = d,
		.domain_name = sync_domain(d)->name,
		.depth = (uint32_t)n,
	};
}

/* A reader that was met inside. */
struct met {
	struct sonde_domain *d;
	uint32_t at;
	uint64_t word;
};

#define MET_MAX 64 /* on the stack; when more are inside, the rest is looked at again later */

struct wait {
	struct sonde_domain *const *d;
	size_t n;
	uint64_t start, deadline; /* start 0: has not slept yet */
	uint32_t nmet;
	struct met met[MET_MAX];
};

static bool stalled(const struct sonde_domain *d, uint64_t waited)
{
	const struct sync_domain *sd = sync_domain(d);

	return sd->stalled && sd->stall_ns && waited >= sd->stall_ns;
}

static void tell(const struct sonde_domain *d, const struct sonde_reader_info *info)
{
	sync_domain(d)->stalled(info, sync_domain(d)->arg);
}

/* Let time pass. 0 or -ETIMEDOUT. */
static int pause_a_while(struct wait *w, unsigned int *round, uint64_t *waited)
{
	struct timespec ts = {0};
	uint64_t now, ns;

	(*round)++;
	if (*round <= SPINS)
		return 0;
	now = sync_clock(CLOCK_MONOTONIC);
	if (!w->start)
		w->start = now;
	*waited = now - w->start;
	if (now >= w->deadline)
		return -ETIMEDOUT;
	if (*round <= SPINS + YIELDS) {
		sys0(SYS_sched_yield);
		return 0;
	}
	ns = *waited / 4;
	ns = ns < SLEEP_MIN ? SLEEP_MIN : ns > SLEEP_MAX ? SLEEP_MAX : ns;
	if (ns > w->deadline - now)
		ns = w->deadline - now;
	ts.tv_nsec = (long)ns;
	sys2(SYS_nanosleep, &ts, NULL);
	return 0;
}

static int wait_reader(struct wait *w, const struct met *met)
{
	struct sync_slot *slot = &sync_rt.arena->slot[met->at];
	const sonde_word *word = word_of(met->d, met->at);
	uint64_t waited = 0, looked = 0;
	unsigned int round = 0;
	bool told = false;

	while (!grace_left(word, met->word)) {
		if (pause_a_while(w, &round, &waited)) {
			/* look however short the wait was: others like it may follow for ever */
			sync_slot_clean(slot, inside_ns(met->d, met->at, met->word));
			return grace_left(word, met->word) ? 0 : -ETIMEDOUT;
		}
		if (waited < looked + DEAD_AFTER)
			continue;
		looked = waited;
		if (!sync_slot_clean(slot, waited) && !told && stalled(met->d, waited)) {
			struct sonde_reader_info info = describe(met->d, met->at, met->word);

			told = true;
			tell(met->d, &info);
		}
	}
	return 0;
}

/* A moment at which none of the threads without a record is inside. */
static int wait_strangers(struct wait *w, struct sonde_domain *d)
{
	uint64_t waited = 0, n;
	unsigned int round = 0;
	bool told = false;

	while ((n = load_acquire(&sync_lane(d)->strangers)) != 0) { /* C2 */
		if (pause_a_while(w, &round, &waited))
			return -ETIMEDOUT;
		if (!told && stalled(d, waited)) {
			struct sonde_reader_info info = describe_strangers(d, n);

			told = true;
			tell(d, &info);
		}
	}
	return 0;
}

static int wait_met(struct wait *w)
{
	int err = 0;

	for (uint32_t i = 0; i < w->nmet && !err; i++)
		err = wait_reader(w, &w->met[i]);
	w->nmet = 0;
	return err;
}

/*
 * Look at all words, wait for all that were met. When more are inside than we can remember, wait
 * for those first: a look may as well come later, that only makes more of the readers wait for.
 */
static int wait_readers(struct wait *w)
{
	uint32_t used = sync_slots_used();
	int err = 0;

	for (uint32_t at = 0; at < used && !err; at++) {
		for (size_t i = 0; i < w->n && !err; i++) {
			uint64_t word = grace_look(word_of(w->d[i], at));

			if (!word)
				continue;
			w->met[w->nmet++] = (struct met){w->d[i], at, word};
			if (w->nmet == MET_MAX)
				err = wait_met(w);
		}
	}
	return err ? err : wait_met(w);
}

static uint64_t deadline(uint64_t timeout_ns)
{
	uint64_t now;

	if (timeout_ns == SONDE_FOREVER)
		return SONDE_FOREVER;
	now = sync_clock(CLOCK_MONOTONIC);
	return timeout_ns < SONDE_FOREVER - now ? now + timeout_ns : SONDE_FOREVER;
}

int sonde_domains_wait(struct sonde_domain *const *d, size_t n, uint64_t cookie,
		       uint64_t timeout_ns)
{
	struct wait w;
	bool over = true;
	uint64_t number;
	int err;

	for (size_t i = 0; i < n; i++)
		over &= grace_elapsed(&sync_domain(d[i])->poll.done, cookie); /* E2 */
	if (over)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (sync_inside(d[i]))
			return -EDEADLK;
	}
	w.d = d;
	w.n = n;
	w.start = 0;
	w.deadline = deadline(timeout_ns);
	w.nmet = 0;
	number = grace_number(&sync_rt.numbers);
	race_point("wait: before fence");
	err = fence(); /* B2 */
	race_point("wait: after fence");
	if (!err)
		err = wait_readers(&w);
	for (size_t i = 0; i < n && !err; i++)
		err = wait_strangers(&w, d[i]);
	race_point("wait: before finish");
	for (size_t i = 0; i < n && !err; i++)
		grace_finish(&sync_domain(d[i])->poll.done, number); /* E1 */
	return err;
}

int sonde_domain_wait(struct sonde_domain *d, uint64_t cookie, uint64_t timeout_ns)
{
	return sonde_domains_wait(&d, 1, cookie, timeout_ns);
}

int sonde_domains_synchronize(struct sonde_domain *const *d, size_t n)
{
	return sonde_domains_wait(d, n, grace_cookie(&sync_rt.numbers), SONDE_FOREVER);
}

int sonde_domain_synchronize(struct sonde_domain *d)
{
	return sonde_domains_synchronize(&d, 1);
}

uint64_t sonde_domain_cookie(struct sonde_domain *d)
{
	(void)d; /* numbers are common to all */
	return grace_cookie(&sync_rt.numbers);
}

static bool poll_begin(void *arg)
{
	struct sonde_domain *d = arg;
	uint32_t used;

	if (fence()) /* B2 */
		return false;
	used = sync_slots_used();
	for (uint32_t at = 0; at < used; at++) {
		struct sync_note *note = sync_note(d, at);
		uint64_t word = grace_look(word_of(d, at));

		if (word != note->met)
			note->met = word;
	}
	sync_lane(d)->met_strangers = true;
	return true;
}

static bool poll_over(void *arg)
{
	struct sonde_domain *d = arg;
	struct sync_lane *lane = sync_lane(d);
	uint32_t used = sync_slots_used();

	for (uint32_t at = 0; at < used; at++) {
		struct sync_note *note = sync_note(d, at);

		if (!note->met)
			continue;
		if (!grace_left(word_of(d, at), note->met)) {
			/* if its thread is dead, the next poll finds the word clean */
			sync_slot_clean(&sync_rt.arena->slot[at], inside_ns(d, at, note->met));
			return false;
		}
		note->met = 0;
	}
	if (lane->met_strangers && load_acquire(&lane->strangers)) /* C2 */
		return false;
	lane->met_strangers = false;
	return true;
}

bool sonde_domain_poll(struct sonde_domain *d, uint64_t cookie)
{
	static const struct grace_ops ops = {poll_begin, poll_over};

	sonde_word *lock = &sync_lane(d)->poll_lock;

	if (grace_elapsed(&sync_domain(d)->poll.done, cookie))
		return true;
	if (sync_is_guest())
		return false;
	if (grace_poll(&sync_domain(d)->poll, lock, sync_lock_name(), &sync_rt.numbers, cookie,
		       &ops, d))
		return true;
	sync_lost_lock(lock);
	return false;
}

size_t sonde_domain_readers(struct sonde_domain *d, struct sonde_reader_info *out, size_t max)
{
	uint32_t used = sync_slots_used();
	uint64_t strangers;
	size_t n = 0;

	for (uint32_t at = 0; at < used; at++) {
		uint64_t word = grace_look(word_of(d, at));

		if (word && n++ < max)
			out[n - 1] = describe(d, at, word);
	}
	strangers = load_relaxed(&sync_lane(d)->strangers);
	if (strangers && n++ < max)
		out[n - 1] = describe_strangers(d, strangers);
	return n;
}

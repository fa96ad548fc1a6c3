/* SPDX-License-Identifier: MIT */
/*
 * storm THREADS SECONDS SEED [TOGGLES]: threads execute small functions as fast as they can, with
 * signals that execute others, while two threads attach and detach probes at random. It ends after
 * SECONDS, or TOGGLES if that is more. Every call is checked:
 *
 *  - a probe that was attached during all of a call was hit as often as the call executes it
 *  - one that was detached during all of it was not hit
 *  - a handler never runs when its probe has been unregistered: its data is freed
 *  - the function returned what it should
 *  - where one stays attached, executions are hits and misses, added up
 *  - in the end the code is what it was
 *
 * Ten million toggles take about 15 minutes on two processors: storm 2 60 1 10000000
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sonde/sonde.h>

#define THREADS_MAX 64
#define TOGGLERS 2
#define PER_FUNC 2 /* probes at each */
#define BATCH 6
#define CODE_MAX 64 /* bytes of a function */
#define ALIVE 0x616c697665ull

long storm_long(long, long, long), storm_byte(long, long, long), storm_last(long, long, long),
	storm_split(long, long, long), storm_wide(long, long, long), storm_entry(long, long, long),
	storm_behind(long, long, long), storm_tail(long, long, long), storm_short(long, long, long),
	storm_deep(long, long, long), storm_signal(long, long, long),
	storm_always(long, long, long);
extern const uint32_t storm_sizes[];

enum { LONG, BYTE, LAST, SPLIT, WIDE, ENTRY, BEHIND, TAIL, SHORT, DEEP, SIGNAL, FUNCS };

static const struct func {
	const char *name;
	long (*call)(long, long, long);
	int hits;  /* of a call */
	int other; /* a function that it reaches once besides, 0: none */
} funcs[FUNCS] = {
	[LONG] = {"storm_long", storm_long, 1, 0},
	[BYTE] = {"storm_byte", storm_byte, 1, 0},
	[LAST] = {"storm_last", storm_last, 1, 0},
	[SPLIT] = {"storm_split", storm_split, 1, 0},
	[WIDE] = {"storm_wide", storm_wide, 1, 0},
	[ENTRY] = {"storm_entry", storm_entry, 3, 0},
	[BEHIND] = {"storm_behind", storm_behind, 1, 0},
	[TAIL] = {"storm_tail", storm_tail, 1, SHORT},
	[SHORT] = {"storm_short", storm_short, 1, 0},
	[DEEP] = {"storm_deep", storm_deep, 5, 0},
	[SIGNAL] = {"storm_signal", storm_signal, 1, 0},
};

/* A probe that comes and goes. phase % 4: detached, on the way, attached, on the way. */
enum { OFF, RISING, ON, FALLING };

struct cookie {
	uint64_t alive;
	int slot;
};

static struct slot {
	pthread_mutex_t lock;
	uint64_t phase;
	struct sonde_probe *probe;
	struct cookie *cookie;
	bool registered;
	int func;
} slots[FUNCS * PER_FUNC];

#define SLOTS (FUNCS * PER_FUNC)

static __thread uint64_t hits[SLOTS];
static __thread uint64_t always_hits, always_calls;
static uint64_t total_calls, total_always_calls, total_always_hits, toggles, checked_on,
	checked_off;
static pthread_t workers[THREADS_MAX];
static int nworkers, stop;
static uint64_t toggles_wanted;

static void fail(const char *what, int slot, uint64_t got)
{
	fprintf(stderr, "storm: %s: %s probe %d: %lu\n", what, funcs[slot / PER_FUNC].name,
		slot % PER_FUNC, (unsigned long)got);
	abort();
}

static int on_hit(struct sonde_hit *hit, void *data)
{
	struct cookie *c = data;

	(void)hit;
	if (c->alive != ALIVE)
		fail("a handler runs after its end", 0, c->alive);
	hits[c->slot]++;
	return SONDE_KEEP;
}

static int on_always(struct sonde_hit *hit, void *data)
{
	(void)hit;
	(void)data;
	always_hits++;
	return SONDE_KEEP;
}

static uint64_t phase_of(int slot)
{
	return __atomic_load_n(&slots[slot].phase, __ATOMIC_SEQ_CST);
}

/* Call one function; hits of its probes must be as many as they should, if that is known. */
static void checked_call(int f, bool may_miss)
{
	int first = f * PER_FUNC, other = funcs[f].other * PER_FUNC;
	uint64_t phase[2 * PER_FUNC], before[2 * PER_FUNC], now;
	int n = other ? 2 * PER_FUNC : PER_FUNC;
	long ret;

	for (int i = 0; i < n; i++) {
		int s = i < PER_FUNC ? first + i : other + i - PER_FUNC;

		phase[i] = phase_of(s);
		before[i] = hits[s];
	}
	ret = funcs[f].call(f + 1000, 0, f == DEEP ? 4 : 0);
	if (ret != f + 1000)
		fail("wrong result", first, (uint64_t)ret);
	for (int i = 0; i < n; i++) {
		int s = i < PER_FUNC ? first + i : other + i - PER_FUNC;
		uint64_t should = i < PER_FUNC ? (uint64_t)funcs[f].hits : 1;

		if (phase_of(s) != phase[i])
			continue;
		now = hits[s] - before[i];
		if (phase[i] % 4 == ON) {
			if (now != should && !(may_miss && !now))
				fail("attached, hits", s, now);
			__atomic_fetch_add(&checked_on, 1, __ATOMIC_RELAXED);
		} else if (phase[i] % 4 == OFF) {
			if (now)
				fail("detached, hits", s, now);
			__atomic_fetch_add(&checked_off, 1, __ATOMIC_RELAXED);
		}
	}
}

static void on_signal(int sig)
{
	(void)sig;
	checked_call(SIGNAL, true);
	always_calls++;
	storm_always(1, 2, 0);
}

static uint64_t next(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static void *work(void *arg)
{
	uint64_t random = (uint64_t)arg * 0x9e3779b97f4a7c15ull + 1, calls = 0;
	sigset_t set;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int f = (int)(next(&random) % SIGNAL);

		for (int i = 0; i < 50; i++, calls++)
			checked_call(f, false);
	}
	sigfillset(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	__atomic_fetch_add(&total_calls, calls, __ATOMIC_RELAXED);
	__atomic_fetch_add(&total_always_calls, always_calls, __ATOMIC_RELAXED);
	__atomic_fetch_add(&total_always_hits, always_hits, __ATOMIC_RELAXED);
	return NULL;
}

static void set_phase(struct slot *s, uint64_t phase)
{
	while (s->phase % 4 != phase)
		__atomic_fetch_add(&s->phase, 1, __ATOMIC_SEQ_CST);
}

static void must(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "storm: %s: %s\n", what, sonde_strerror(err));
	abort();
}

/* Those of a batch that are detached, get a new probe, or their old one. */
static void attach(struct slot **s, int n)
{
	struct sonde_probe_spec spec[BATCH];
	struct sonde_probe *probe[BATCH];
	int k = 0;

	for (int i = 0; i < n; i++) {
		set_phase(s[i], RISING);
		if (s[i]->registered) {
			must(sonde_probes_enable(&s[i]->probe, 1), "enable");
			continue;
		}
		s[i]->cookie = malloc(sizeof(*s[i]->cookie));
		*s[i]->cookie = (struct cookie){ALIVE, (int)(s[i] - slots)};
		spec[k++] = (struct sonde_probe_spec){.sz = sizeof(*spec),
						      .offset = (uint64_t)funcs[s[i]->func].call,
						      .entry = on_hit,
						      .data = s[i]->cookie};
	}
	if (k)
		must(sonde_probes_register(spec, (size_t)k, probe, NULL), "register");
	k = 0;
	for (int i = 0; i < n; i++) {
		if (!s[i]->registered)
			s[i]->probe = probe[k++];
		s[i]->registered = true;
		set_phase(s[i], ON);
	}
}

static void detach(struct slot **s, int n, bool keep, bool nosync)
{
	struct sonde_probe *probe[BATCH];

	for (int i = 0; i < n; i++) {
		probe[i] = s[i]->probe;
		set_phase(s[i], FALLING);
	}
	if (keep) {
		must(sonde_probes_disable(probe, (size_t)n), "disable");
		must(sonde_probes_sync(), "sync");
	} else if (nosync) {
		for (int i = 0; i < n; i++)
			must(sonde_probes_unregister_nosync(&probe[i], 1), "unregister_nosync");
		must(sonde_probes_sync(), "sync");
	} else {
		must(sonde_probes_unregister(probe, (size_t)n), "unregister");
	}
	for (int i = 0; i < n; i++) {
		if (!keep) {
			s[i]->registered = false;
			s[i]->cookie->alive = 0;
			free(s[i]->cookie);
		}
		set_phase(s[i], OFF);
	}
}

/* Those of some random slots that nobody else is at, and that are all attached, or all not. */
static int take(uint64_t *random, struct slot **s)
{
	int want = 1 + (int)(next(random) % BATCH), n = 0;
	uint64_t phase = OFF;

	while (want--) {
		struct slot *one = &slots[next(random) % SLOTS];

		if (pthread_mutex_trylock(&one->lock))
			continue;
		if (n && one->phase % 4 != phase) {
			pthread_mutex_unlock(&one->lock);
			continue;
		}
		phase = one->phase % 4;
		s[n++] = one;
	}
	return n;
}

static void *toggle(void *arg)
{
	uint64_t random = (uint64_t)arg;
	struct slot *s[BATCH];

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int n = take(&random, s);
		uint64_t dice = next(&random);

		if (n && s[0]->phase % 4 == OFF)
			attach(s, n);
		else if (n)
			detach(s, n, dice % 3 == 0, dice % 3 == 1);
		for (int i = 0; i < n; i++)
			pthread_mutex_unlock(&s[i]->lock);
		__atomic_fetch_add(&toggles, (uint64_t)n, __ATOMIC_RELAXED);
		if (dice % 16 == 0)
			pthread_kill(workers[dice / 16 % (uint64_t)nworkers], SIGUSR1);
	}
	return NULL;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool all_as_before(char (*code)[CODE_MAX], bool save)
{
	bool same = true;

	for (int f = 0; f < FUNCS; f++) {
		if (save)
			memcpy(code[f], (char *)funcs[f].call, storm_sizes[f]);
		same &= memcmp(code[f], (char *)funcs[f].call, storm_sizes[f]) == 0;
	}
	return same;
}

static void run(double duration, uint64_t seed)
{
	pthread_t togglers[TOGGLERS];
	double begin = seconds();

	for (long i = 0; i < nworkers; i++)
		pthread_create(&workers[i], NULL, work, (void *)(i + 1));
	for (uint64_t i = 0; i < TOGGLERS; i++)
		pthread_create(&togglers[i], NULL, toggle, (void *)(seed * 7919 + i * 104729 + 1));
	while (seconds() < begin + duration ||
	       __atomic_load_n(&toggles, __ATOMIC_RELAXED) < toggles_wanted)
		usleep(10000);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < TOGGLERS; i++)
		pthread_join(togglers[i], NULL);
	for (int i = 0; i < nworkers; i++)
		pthread_join(workers[i], NULL);
	duration = seconds() - begin;
	printf("%lu toggles (%.0f/s), %lu calls, checked attached %lu, detached %lu\n",
	       (unsigned long)toggles, (double)toggles / duration, (unsigned long)total_calls,
	       (unsigned long)checked_on, (unsigned long)checked_off);
}

int main(int argc, char **argv)
{
	struct sonde_probe_spec spec = {
		.sz = sizeof(spec), .entry = on_always, .offset = (uint64_t)storm_always};
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)time(NULL), missed;
	static char code[FUNCS][CODE_MAX];
	struct sonde_probe *always;

	nworkers = argc > 1 ? atoi(argv[1]) : 2;
	toggles_wanted = argc > 4 ? strtoull(argv[4], NULL, 0) : 0;
	if (nworkers < 1 || nworkers > THREADS_MAX)
		return 2;
	printf("seed %lu\n", (unsigned long)seed);
	fflush(stdout);
	all_as_before(code, true);
	for (int i = 0; i < SLOTS; i++) {
		pthread_mutex_init(&slots[i].lock, NULL);
		slots[i].func = i / PER_FUNC;
	}
	signal(SIGUSR1, on_signal);
	must(sonde_probes_register(&spec, 1, &always, NULL), "register");
	run(argc > 2 ? atof(argv[2]) : 5, seed);
	missed = sonde_probe_missed(always);
	must(sonde_probes_unregister(&always, 1), "unregister");
	for (int i = 0; i < SLOTS; i++) {
		if (slots[i].registered)
			must(sonde_probes_unregister(&slots[i].probe, 1), "unregister");
	}
	printf("in signals: %lu executions, %lu hits, %lu missed\n",
	       (unsigned long)total_always_calls, (unsigned long)total_always_hits,
	       (unsigned long)missed);
	if (total_always_calls != total_always_hits + missed) {
		fprintf(stderr, "storm: hits and misses do not add up\n");
		return 1;
	}
	if (!all_as_before(code, false)) {
		fprintf(stderr, "storm: the code is not what it was\n");
		return 1;
	}
	return 0;
}

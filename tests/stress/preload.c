/* SPDX-License-Identifier: MIT */
/*
 * A library to preload: a thread of its own probes every function of some libraries of the program
 * it is in, and switches random parts of them on and off as long as the program runs. Loading is
 *waited for.
 *
 *	STORM_LIBS  "libjemalloc libcrypto": images of the process
 *	STORM_LOG   a file: one line at the end, "toggles N hits N probes N refused N"
 *
 * The handler only counts, in the thread.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sonde/sonde.h>

#define PROBES_MAX 60000
#define WAIT_MS 2000 /* for a library that is not loaded yet */
#define CHUNK 400    /* probes switched at once, at most */

static struct sonde_probe_spec spec[PROBES_MAX];
static struct sonde_probe *probe[PROBES_MAX];
static int err[PROBES_MAX];
static size_t nprobes, nrefused;
static unsigned long toggles;
static pthread_t thread;
static int stop, started;
static pid_t process;
static __thread uint64_t unsent __attribute__((tls_model("initial-exec")));
static uint64_t hits;

__attribute__((target("general-regs-only"))) static int on_hit(struct sonde_hit *hit, void *data)
{
	(void)hit;
	(void)data;
	if (++unsent % 1024 == 0)
		__atomic_fetch_add(&hits, 1024, __ATOMIC_RELAXED);
	return SONDE_KEEP;
}

struct gathering {
	const char *lib;
};

static int gather(const struct sonde_func *func, void *arg)
{
	struct gathering *g = arg;

	if (nprobes < PROBES_MAX && !(func->flags & SONDE_FUNC_IFUNC))
		spec[nprobes++] = (struct sonde_probe_spec){.sz = sizeof(*spec),
							    .path = g->lib,
							    .offset = func->vaddr,
							    .entry = on_hit,
							    .flags = SONDE_PROBE_INTEGER_ONLY};
	return 0;
}

/* The file of an image of this process, from its name. */
static int open_image(const char *name, struct sonde_image **img)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4096], *path = NULL;
	int ret = -1;

	while (maps && !path && fgets(line, sizeof(line), maps)) {
		line[strcspn(line, "\n")] = '\0';
		path = strstr(line, name) ? strchr(line, '/') : NULL;
	}
	if (path)
		ret = sonde_image_open(path, img);
	if (maps)
		fclose(maps);
	return ret;
}

static void gather_all(char *libs)
{
	static struct gathering g[16];
	char *save = NULL;
	size_t n = 0;

	for (char *lib = strtok_r(libs, " ", &save); lib && n < 16;
	     lib = strtok_r(NULL, " ", &save)) {
		struct sonde_image *img;
		int tries = WAIT_MS;

		g[n].lib = lib;
		while (open_image(lib, &img) && tries-- &&
		       !__atomic_load_n(&stop, __ATOMIC_RELAXED))
			usleep(1000);
		if (tries < 0 || __atomic_load_n(&stop, __ATOMIC_RELAXED))
			continue;
		sonde_image_each(img, NULL, gather, &g[n++]);
		sonde_image_close(img);
	}
}

/* All at once; without those that cannot be. */
static int attach(void)
{
	for (int round = 0; round < 8; round++) {
		size_t left = 0;

		if (!nprobes || !sonde_probes_register(spec, nprobes, probe, err))
			return 0;
		for (size_t i = 0; i < nprobes; i++) {
			if (!err[i])
				spec[left++] = spec[i];
		}
		nrefused += nprobes - left;
		nprobes = left;
	}
	return -1;
}

static void *storm(void *arg)
{
	uint64_t random = 88172645463325252ull;

	gather_all(arg);
	if (attach() || !nprobes)
		return NULL;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		size_t first, n;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		first = random % nprobes;
		n = random / nprobes % CHUNK + 1;
		n = n < nprobes - first ? n : nprobes - first;
		if (sonde_probes_disable(probe + first, n) || sonde_probes_enable(probe + first, n))
			abort();
		toggles += 2 * n;
		if (random >> 32 & 7)
			continue;
		/* and for good */
		if (sonde_probes_unregister(probe + first, n) ||
		    sonde_probes_register(spec + first, n, probe + first, err))
			abort();
		toggles += 2 * n;
	}
	sonde_probes_unregister(probe, nprobes);
	return NULL;
}

__attribute__((constructor)) static void begin(void)
{
	const char *libs = getenv("STORM_LIBS");
	sigset_t all, old;

	unsetenv("LD_PRELOAD");
	if (!libs)
		return;
	process = getpid();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	started = !pthread_create(&thread, NULL, storm, strdup(libs));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("STORM_LOG");
	FILE *log;

	if (!started || getpid() != process)
		return;
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	log = path ? fopen(path, "we") : NULL;
	if (!log)
		return;
	fprintf(log, "toggles %lu hits %lu probes %zu refused %zu\n", toggles, (unsigned long)hits,
		nprobes, nrefused);
	fclose(log);
}

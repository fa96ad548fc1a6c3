/* SPDX-License-Identifier: MIT */
/*
 * A configuration that threads read at every step and another thread replaces: config [SECONDS].
 * Readers pay about a nanosecond; the old one is freed when nobody reads it any more.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sonde/sonde.h>

struct config {
	struct sonde_deferred deferred; /* for freeing it later */
	long version, twice;
};

static struct sonde_domain *domain;
static struct config *current;
static int stop;

static struct config *config_new(long version)
{
	struct config *c = malloc(sizeof(*c));

	if (c) {
		c->version = version;
		c->twice = 2 * version;
	}
	return c;
}

static void config_free(struct sonde_deferred *deferred)
{
	free(deferred); /* the first member */
}

static void *reader(void *arg)
{
	long reads = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		sonde_domain_enter(domain);
		const struct config *c = __atomic_load_n(&current, __ATOMIC_ACQUIRE);

		if (c->twice != 2 * c->version)
			fprintf(stderr, "version %ld is torn\n", c->version);
		sonde_domain_leave(domain);
		reads++;
	}
	*(long *)arg = reads;
	return NULL;
}

int main(int argc, char **argv)
{
	struct sonde_domain_options options = {.sz = sizeof(options), .name = "configuration"};
	unsigned int seconds = argc > 1 ? (unsigned int)atoi(argv[1]) : 1;
	long reads[2] = {0}, version;
	pthread_t thread[2];
	int err = sonde_domain_create(&domain, &options);

	if (!err)
		err = sonde_domain_worker_start(domain);
	if (err) {
		fprintf(stderr, "config: %s\n", sonde_strerror(err));
		return 1;
	}
	current = config_new(0);
	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, reader, &reads[i]);
	for (version = 1; version <= seconds * 1000l; version++) {
		struct config *old = current;

		__atomic_store_n(&current, config_new(version), __ATOMIC_RELEASE);
		sonde_domain_call(domain, &old->deferred, config_free);
		usleep(1000);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	free(current);
	sonde_domain_worker_stop(domain);
	sonde_domain_destroy(domain);
	printf("%ld versions, read %ld times\n", version - 1, reads[0] + reads[1]);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Who calls malloc? Probes it in this very program, while the program sorts the words of its
 * arguments, and prints how often it was called and how much was asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sonde/sonde.h>

struct tally {
	unsigned long calls, bytes;
};

/* It runs in the thread that calls malloc, which must not be called from here. */
static int on_malloc(struct sonde_hit *hit, void *data)
{
	struct tally *tally = data;

	__atomic_fetch_add(&tally->calls, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&tally->bytes, hit->rdi, __ATOMIC_RELAXED);
	return SONDE_KEEP;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv)
{
	struct tally tally = {0};
	struct sonde_probe_spec spec = {.sz = sizeof(spec),
					.path = "libc.so.6",
					.symbol = "malloc",
					.entry = on_malloc,
					.data = &tally};
	struct sonde_probe_info info = {.sz = sizeof(info)};
	struct sonde_probe *probe;
	char **words = calloc((size_t)argc, sizeof(*words));
	int err = sonde_probes_register(&spec, 1, &probe, NULL);

	if (err || !words) {
		fprintf(stderr, "malloc: %s\n", err ? sonde_strerror(err) : "no memory");
		return 1;
	}
	sonde_probe_info(probe, &info);
	for (int i = 0; i < argc; i++)
		words[i] = strdup(argv[i]);
	qsort(words, (size_t)argc, sizeof(*words), by_text);
	/* from now on the tally does not change any more */
	sonde_probes_unregister(&probe, 1);
	for (int i = 0; i < argc; i++) {
		printf("%s\n", words[i]);
		free(words[i]);
	}
	free(words);
	printf("malloc, in %s, class %s: %lu calls, %lu bytes\n", info.path, info.class_name,
	       tally.calls, tally.bytes);
	return tally.calls < (unsigned long)argc;
}

/* SPDX-License-Identifier: MIT */
/*
 * Modules that come and go: dlloop LIBRARY ROUNDS. Loads, calls plug_work() ten times, unloads;
 * every third round other memory is mapped in between, so that the address changes.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	long rounds = argc > 2 ? atol(argv[2]) : 10;

	if (argc < 2)
		return 2;
	for (long i = 0; i < rounds; i++) {
		void *lib = dlopen(argv[1], RTLD_NOW);
		long (*work)(long) = lib ? (long (*)(long))dlsym(lib, "plug_work") : NULL;

		if (!work)
			return 1;
		for (long k = 0; k < 10; k++) {
			if (work(k) != k * 3 + 1)
				return 1;
		}
		if (dlclose(lib))
			return 1;
		if (i % 3 == 0 &&
		    mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			return 1;
	}
	printf("%ld\n", rounds * 10);
	return 0;
}

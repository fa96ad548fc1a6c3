/* SPDX-License-Identifier: MIT */
/*
 * The dynamic loader's cache of libraries, /etc/ld.so.cache.
 */
#ifndef SONDE_IMAGE_LDCACHE_H
#define SONDE_IMAGE_LDCACHE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Find a library by its file name: @match says which names are wanted. The path of the first match
 * in the loader's own order. False if there is none or no readable cache.
 */
bool ldcache_find(bool (*match)(const char *soname, const void *arg), const void *arg, char *out,
		  size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Compiler attributes and the small macros every room uses.
 */
#ifndef SONDE_BASE_BASE_H
#define SONDE_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a) (((x) + ((a)-1)) & ~((a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((a)-1))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define SONDE_PACKED __attribute__((packed))
#define SONDE_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define SONDE_HIDDEN __attribute__((visibility("hidden")))
#define SONDE_PUBLIC __attribute__((visibility("default")))

/* Code a hit can reach: general registers only, in its own section (doc/TOUR.md). */
#define SONDE_HIT __attribute__((section(".text.sonde_hit")))

#endif

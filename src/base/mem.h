/* SPDX-License-Identifier: MIT */
/*
 * Memory and string functions that a hit may call: they are ours, so no probe can sit in
 * them, and use no vector registers and no string instructions (the direction flag of the
 * interrupted code is unknown). Context: hit, signal-safe, any thread.
 */
#ifndef SONDE_BASE_MEM_H
#define SONDE_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void mem_copy(void *dst, const void *src, size_t n);
void mem_zero(void *dst, size_t n);
bool mem_equal(const void *a, const void *b, size_t n);
size_t str_len(const char *s);
/* Copies @src to @dst[@n], always terminated; returns the length copied. */
size_t str_copy(char *dst, const char *src, size_t n);
bool str_equal(const char *a, const char *b);

#endif

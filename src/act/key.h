/* SPDX-License-Identifier: MIT */
/*
 * Map keys: multiples of 8 bytes at any address. Private to the room.
 * Context: hit, signal-safe, any thread.
 */
#ifndef SONDE_ACT_KEY_H
#define SONDE_ACT_KEY_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t act_word __attribute__((may_alias, aligned(1)));

static inline uint32_t act_key_hash(const void *key, uint32_t size)
{
	const act_word *w = key;
	uint64_t h = size;

	for (uint32_t i = 0; i < size / 8; i++) {
		h = (h ^ w[i]) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
	}
	h *= 0xd6e8feb86659fd93ull;
	return (uint32_t)(h >> 32);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Which vector state there is to save, and how. Any thread, before the first hit.
 */
#include "arch/live.h"

#include <cpuid.h>

#define FXSAVE_SIZE 512u
#define HEADER_SIZE 64u
#define AVX_BIT 2
#define PLAIN_AVX 7u /* x87, SSE, AVX, nothing else */
#define XSAVEC 2u    /* cpuid 0xd, 1 */
/* Components a C function may change: x87, SSE, AVX, opmask, two of AVX-512, and the sixteen
 * registers of APX, which are no part of struct sonde_hit. Not the tiles of AMX: no compiler uses
 * them unasked. */
#define KNOWN (0x7u | 0xe0u | 1u << 19)

struct arch_live_area arch_live_area;

static uint32_t xcr0(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo;
}

/* End of the area: with components behind each other, or each at its own place. */
static uint64_t area_size(uint32_t mask, bool compact)
{
	uint64_t end = FXSAVE_SIZE + HEADER_SIZE;

	for (uint32_t i = AVX_BIT; i < 32; i++) {
		uint32_t size, offset, how, unused;

		if (!(mask >> i & 1))
			continue;
		__cpuid_count(0xd, i, size, offset, how, unused);
		(void)unused;
		if (!compact)
			end = end > offset + size ? end : offset + size;
		else
			end = (how & 2 ? ALIGN_UP(end, 64) : end) + size;
	}
	return ALIGN_UP(end, 64);
}

void arch_live_init(enum arch_live_how best)
{
	struct arch_live_area *area = &arch_live_area;
	uint32_t a, b, c, d;

	*area = (struct arch_live_area){.how = ARCH_LIVE_FXSAVE, .size = FXSAVE_SIZE};
	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE) || best == ARCH_LIVE_FXSAVE)
		return;
	area->mask = xcr0() & KNOWN;
	__cpuid_count(0xd, 1, a, b, c, d);
	area->how = a & XSAVEC && best >= ARCH_LIVE_XSAVEC ? ARCH_LIVE_XSAVEC : ARCH_LIVE_XSAVE;
	area->size = area_size(area->mask, area->how == ARCH_LIVE_XSAVEC);
	if (area->mask == PLAIN_AVX && best == ARCH_LIVE_AVX)
		area->how = ARCH_LIVE_AVX;
}

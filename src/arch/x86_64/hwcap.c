/* SPDX-License-Identifier: MIT */
/*
 * Which of the loader's per-level library directories this machine uses: the feature levels
 * of the x86-64 psABI, by the features that decide in practice.
 *
 * Context: tool, any thread.
 */
#include "arch/arch.h"

#include <string.h>

static bool is_v2(void)
{
	return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("ssse3") &&
	       __builtin_cpu_supports("popcnt");
}

static bool is_v3(void)
{
	return is_v2() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
}

static bool is_v4(void)
{
	return is_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vl");
}

bool arch_hwcap_level(const char *name)
{
	if (!strcmp(name, "x86-64-v2"))
		return is_v2();
	if (!strcmp(name, "x86-64-v3"))
		return is_v3();
	if (!strcmp(name, "x86-64-v4"))
		return is_v4();
	return false;
}

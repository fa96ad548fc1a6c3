/* SPDX-License-Identifier: MIT */
/* Vector registers over a call, by each of the ways to save them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/live.h"

uint64_t probe_hit(struct sonde_hit *hit, uint32_t site)
{
	(void)hit;
	(void)site;
	return 0;
}

static const double before[4] = {1.5, -2.25, 1e300, 7};
static int runs;

/* Changes vector registers, mxcsr and x87, and leaves an exception in both. */
static void clobber(void *a, void *b)
{
	uint32_t mxcsr = 0x5f80;

	assert_ptr_equal(a, before);
	assert_ptr_equal(b, &runs);
	runs++;
	__asm__ volatile("ldmxcsr %0\n\t"
			 "pcmpeqd %%xmm0, %%xmm0; movaps %%xmm0, %%xmm7; movaps %%xmm0, %%xmm15\n\t"
			 "fninit; fldpi; fsin; fstp %%st(0)"
			 :
			 : "m"(mxcsr)
			 : "memory");
}

static void check(enum arch_live_how best)
{
	uint32_t mxcsr = 0x1f80, mxcsr_after = 0;
	uint16_t status = 1;
	double after[4] = {0};
	int value = 0;

	arch_live_init(best);
	assert_true(arch_live_area.how <= (uint32_t)best);
	runs = 0;
	__asm__ volatile("ldmxcsr %[mxcsr]\n\t"
			 "fninit; fld1; fld1; faddp; fld1\n\t"
			 "movupd (%[in]), %%xmm0; movupd 16(%[in]), %%xmm15\n\t"
			 "mov %[run], %%rdi; mov %[in], %%rsi; mov %[runs], %%rdx\n\t"
			 "lea -128(%%rsp), %%rsp\n\t"
			 "call arch_live_vectors\n\t"
			 "lea 128(%%rsp), %%rsp\n\t"
			 "movupd %%xmm0, (%[out]); movupd %%xmm15, 16(%[out])\n\t"
			 "fnstsw %[status]; faddp; fistpl %[value]; stmxcsr %[now]"
			 : [status] "=m"(status), [value] "=m"(value), [now] "=m"(mxcsr_after)
			 : [mxcsr] "m"(mxcsr), [in] "r"(before), [out] "r"(after),
			   [runs] "r"(&runs), [run] "r"(clobber)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0",
			   "xmm7", "xmm15", "memory", "cc");
	assert_int_equal(runs, 1);
	assert_memory_equal(before, after, sizeof(after));
	assert_int_equal(value, 3);
	assert_int_equal(status & 0x3f, 0);
	assert_int_equal(mxcsr_after, mxcsr);
}

static void every_way(void **state)
{
	(void)state;
	check(ARCH_LIVE_FXSAVE);
	check(ARCH_LIVE_XSAVE);
	check(ARCH_LIVE_XSAVEC);
	check(ARCH_LIVE_AVX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_way)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

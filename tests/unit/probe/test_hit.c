/* SPDX-License-Identifier: MIT */
/* What a handler sees and may change, and that nothing else changes. */
#include "victim.h"

#include <errno.h>
#include <fenv.h>
#include <sonde/sonde.h>

#define FLAGS_ALL 0x8d5ull /* OF SF ZF AF PF CF */
#define FLAG_DF 0x400ull
#define FLAG_AC 0x40000ull
#define FLAGS_FIXED 0x202ull
#define INTEGER_ONLY __attribute__((target("general-regs-only")))

enum { RDI, RSI, RDX, RCX, R8, R9, RAX, RBX, RBP, R10, R11, R12, R13, R14, R15, FLAGS };

static const struct victim_regs known = {{0x1111111122222222, 0x3333333344444444, 5, 7, 9, 0xb, 0xd,
					  0xf, 0x11, 0x13, 0x15, 0x17, 0x19, 0x1b, 0x1d, 0}};
static struct sonde_hit seen;
static int nhits;

static void *memory(void *p)
{
	return p;
}

/* Leaves nothing as it was that the ABI lets it change. */
static int look(struct sonde_hit *hit, void *data)
{
	(void)data;
	seen = *hit;
	nhits++;
	errno = EXDEV;
	__asm__ volatile("mov $-1, %%rax; mov %%rax, %%rcx; mov %%rax, %%rdx; mov %%rax, %%rsi\n\t"
			 "mov %%rax, %%rdi; mov %%rax, %%r8; mov %%rax, %%r9; mov %%rax, %%r10\n\t"
			 "mov %%rax, %%r11; add $3, %%rax"
			 :
			 :
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc",
			   "memory");
	return SONDE_KEEP;
}

static void registers_and_flags(void **state)
{
	static const uint64_t sets[] = {0,    FLAGS_ALL, 0x1,	  0x800,
					0x84, 0x50,	 FLAG_DF, FLAG_DF | FLAGS_ALL,
					0x40, 0x10,	 0x4,	  FLAG_AC | FLAG_DF | 1};
	struct sonde_probe *probe = probe_at("victim_nop", look, NULL);
	struct victim_regs in = known, out;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		nhits = 0;
		in.r[FLAGS] = FLAGS_FIXED | sets[i];
		victim_call(&in, &out, memory((void *)victim_nop));
		assert_memory_equal(&in, &out, sizeof(in));
		assert_int_equal(nhits, 1);
		assert_memory_equal(&seen, &in, sizeof(in));
		assert_int_equal(seen.rip, (uint64_t)victim_nop);
		assert_ptr_equal(seen.probe, probe);
	}
	unregister(probe);
}

static int change(struct sonde_hit *hit, void *data)
{
	(void)data;
	for (uint64_t *r = &hit->rdi; r < &hit->rflags; r++)
		*r = ~*r;
	hit->rflags ^= FLAGS_ALL | FLAG_DF;
	hit->rsp = 0; /* no effect */
	return SONDE_KEEP;
}

static void registers_changed(void **state)
{
	struct sonde_probe *probe = probe_at("victim_nop", change, NULL);
	struct victim_regs in = known, want, out;
	(void)state;

	for (int i = 0; i < 4; i++) {
		in.r[FLAGS] = FLAGS_FIXED | (i & 1 ? FLAGS_ALL : 0) | (i & 2 ? FLAG_DF : 0);
		for (int r = 0; r < FLAGS; r++)
			want.r[r] = ~in.r[r];
		want.r[FLAGS] = in.r[FLAGS] ^ (FLAGS_ALL | FLAG_DF);
		victim_call(&in, &out, memory((void *)victim_nop));
		assert_memory_equal(&out, &want, sizeof(out));
	}
	unregister(probe);
}

static int redirect(struct sonde_hit *hit, void *data)
{
	hit->rip = (uint64_t)data;
	return SONDE_KEEP;
}

/* Also: all registers, and the stack pointer, are right where it goes on. */
static void goes_elsewhere(void **state)
{
	struct sonde_probe *probe = probe_at("victim_zero", redirect, (void *)victim_one);
	struct victim_regs in = known, want, out;
	(void)state;

	assert_int_equal(victim_zero(), 1);
	unregister(probe);
	assert_int_equal(victim_zero(), 0);
	/* to the ret behind the nop */
	probe = probe_at("victim_nop", redirect, (char *)victim_nop + 5);
	in.r[FLAGS] = FLAGS_FIXED | FLAGS_ALL;
	want = in;
	victim_call(&in, &out, memory((void *)victim_nop));
	assert_memory_equal(&out, &want, sizeof(out));
	unregister(probe);
}

static void red_zone(void **state)
{
	struct sonde_probe_spec spec = spec_of("victim_red", look, NULL);
	struct sonde_probe *probe;
	(void)state;

	spec.offset = RED_OFFSET;
	assert_int_equal(victim_red(), 136);
	assert_int_equal(sonde_probes_register(&spec, 1, &probe, NULL), 0);
	nhits = 0;
	assert_int_equal(victim_red(), 136);
	assert_int_equal(nhits, 1);
	unregister(probe);
}

static int clobber(struct sonde_hit *hit, void *data)
{
	unsigned int a, b, c = 0, d;

	(void)hit;
	(void)data;
	nhits++;
	__asm__ volatile("cpuid" : "=a"(a), "=b"(b), "+c"(c), "=d"(d) : "a"(1));
	if (c & 0x10000000)
		__asm__ volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0\n\t"
				 "vinsertf128 $1, %%xmm0, %%ymm0, %%ymm1\n\t"
				 "vmovaps %%ymm1, %%ymm2; vmovaps %%ymm1, %%ymm3\n\t"
				 "vmovaps %%ymm1, %%ymm8; vmovaps %%ymm1, %%ymm9\n\t"
				 "vmovaps %%ymm1, %%ymm14; vmovaps %%ymm1, %%ymm15"
				 :
				 :
				 : "memory");
	for (int i = 0; i < 16; i++)
		__asm__ volatile("pxor %%xmm4, %%xmm4; pxor %%xmm5, %%xmm5; pxor %%xmm6, %%xmm6\n\t"
				 "pxor %%xmm7, %%xmm7; pxor %%xmm10, %%xmm10; pxor %%xmm11, %%xmm11"
				 :
				 :
				 : "memory");
	feraiseexcept(FE_DIVBYZERO | FE_INEXACT);
	/* the whole x87 stack, and back; an inexact result */
	__asm__ volatile("fninit; fldz; fldz; fldz; fldz; fldz; fldz; fldz; fldz");
	for (int i = 0; i < 8; i++)
		__asm__ volatile("fstp %st(0)");
	__asm__ volatile("fldpi; fsin; fstp %st(0)");
	return SONDE_KEEP;
}

static void vectors(void **state)
{
	struct sonde_probe *probe = probe_at("victim_nop", clobber, NULL);
	(void)state;

	for (int i = 0; i < 3; i++) {
		/* first as a program that has not used x87, then as one that has */
		feclearexcept(FE_ALL_EXCEPT);
		nhits = 0;
		assert_int_equal(victim_vectors(memory((void *)victim_nop)), 0);
		assert_int_equal(nhits, 1);
		assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
		assert_int_equal(victim_x87(memory((void *)victim_nop)), 6);
	}
	unregister(probe);
}

static INTEGER_ONLY int integers(struct sonde_hit *hit, void *data)
{
	(void)hit;
	++*(int *)data;
	return SONDE_KEEP;
}

static void integer_only(void **state)
{
	struct sonde_probe_spec spec = spec_of("victim_nop", integers, &nhits);
	struct sonde_probe *probe;
	(void)state;

	spec.flags = SONDE_PROBE_INTEGER_ONLY;
	assert_int_equal(sonde_probes_register(&spec, 1, &probe, NULL), 0);
	nhits = 0;
	assert_int_equal(victim_vectors(memory((void *)victim_nop)), 0);
	assert_int_equal(victim_x87(memory((void *)victim_nop)), 6);
	assert_int_equal(nhits, 2);
	unregister(probe);
}

static void errno_kept(void **state)
{
	struct sonde_probe *probe = probe_at("victim_long", look, NULL);
	(void)state;

	errno = ENOTTY;
	victim_long();
	assert_int_equal(errno, ENOTTY);
	unregister(probe);
}

/* Every class and shape computes what it did. */
static void shapes(void **state)
{
	static const char *const symbol[] = {"victim_long", "victim_short", "victim_byte",
					     "victim_loop", "victim_tail",  "victim_factorial"};
	long hits[ARRAY_LEN(symbol)] = {0};
	struct sonde_probe_spec spec[ARRAY_LEN(symbol)];
	struct sonde_probe *probe[ARRAY_LEN(symbol)];
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(symbol); i++)
		spec[i] = spec_of(symbol[i], count, &hits[i]);
	assert_int_equal(sonde_probes_register(spec, ARRAY_LEN(symbol), probe, NULL), 0);
	assert_int_equal(victim_long(), 42);
	assert_int_equal(victim_short(40, 3), 43);
	assert_int_equal(victim_byte(17), 17);
	assert_int_equal(victim_loop(5), 15);
	assert_int_equal(victim_tail(1, 2), 3);
	assert_int_equal(victim_factorial(10), 3628800);
	assert_int_equal(hits[0], 1);
	assert_int_equal(hits[1], 2); /* and by the tail jump */
	assert_int_equal(hits[2], 1);
	assert_int_equal(hits[3], 5);
	assert_int_equal(hits[4], 1);
	assert_int_equal(hits[5], 11);
	assert_int_equal(sonde_probes_unregister(probe, ARRAY_LEN(probe)), 0);
	assert_int_equal(victim_loop(5), 15);
	assert_int_equal(hits[3], 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),	     cmocka_unit_test(registers_and_flags),
		cmocka_unit_test(registers_changed), cmocka_unit_test(goes_elsewhere),
		cmocka_unit_test(red_zone),	     cmocka_unit_test(integer_only),
		cmocka_unit_test(errno_kept),	     cmocka_unit_test(shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

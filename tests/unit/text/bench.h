/* SPDX-License-Identifier: MIT */
/*
 * A module of hand-written functions in free land, its plans, and calls of the
 * functions with every register and flag known. Each image lies where none has been before, because
 * what text_install() makes is permanent.
 */
#ifndef TEST_TEXT_BENCH_H
#define TEST_TEXT_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "arch/arch.h"
#include "base/base.h"
#include "base/err.h"
#include "maps.h"
#include "text/text.h"
#include "wire/prog.h"

#define PAGE 4096ull
#define IMAGE_SIZE (2 * PAGE)
#define FIRST_VADDR 0x1000ull
#define BEFORE 3 /* numbers of another module's sites in front of ours */
#define MAX_SITES 128
#define FLAGS_ALL 0x8d5ull /* OF SF ZF AF PF CF */
#define FLAGS_FIXED 0x202ull

struct regs {
	uint64_t rdi, rsi, rdx, rcx, r8, r9, rax, rbx, rbp, r10, r11, r12, r13, r14, r15, flags;
};

struct hit {
	uint32_t site;
	struct wire_ctx ctx;
};

struct refusal {
	uint32_t site;
	int err;
};

struct bench {
	uint32_t nsites;
	bool live;
	uint64_t hole; /* bytes behind the image that its text claims to have, too */
	struct wire_site site[2 * MAX_SITES]; /* the module's, then other plans for them */
	struct wire_fixup fix[2 * MAX_SITES * ARCH_FIX_MAX];
	uint8_t code[2 * MAX_SITES * WIRE_SITE_CODE_MAX];
	uint32_t nalt;
	uint8_t *image, orig[IMAGE_SIZE];
	struct hit hit[256];
	struct refusal refused[MAX_SITES];
	uint32_t nhits, nrefused;
};

static struct bench b;

void text_call(struct regs *r, uint64_t fn);
void sonde_hit_stub(void);
void sonde_hit(struct wire_ctx *ctx, uint32_t site);

/* Where the real one runs programs. Leaves nothing as it was that the stub must restore. */
void sonde_hit(struct wire_ctx *ctx, uint32_t site)
{
	if (b.nhits < ARRAY_LEN(b.hit))
		b.hit[b.nhits++] = (struct hit){site, *ctx};
	__asm__ volatile("mov $-1, %%rax; mov %%rax, %%rcx; mov %%rax, %%rdx; mov %%rax, %%rsi\n\t"
			 "mov %%rax, %%rdi; mov %%rax, %%r8; mov %%rax, %%r9; mov %%rax, %%r10\n\t"
			 "mov %%rax, %%r11; add $3, %%rax"
			 :
			 :
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc",
			   "memory");
}

/* Every 64 GiB an image. */
static inline void bench_begin(void)
{
	static uint64_t next = FREE_LAND + (64ull << 30);

	memset(&b, 0, sizeof(b));
	assert_true(maps_take(next, IMAGE_SIZE, PROT_READ | PROT_WRITE));
	b.image = (uint8_t *)next;
	next += 64ull << 30;
	memset(b.image, 0xcc, IMAGE_SIZE);
}

static inline void bench_func(uint32_t off, const char *code, size_t n)
{
	memcpy(b.image + off, code, n);
}

/* Plan @w: the code at @off of the image, all instructions in its first @window bytes. */
static inline void bench_plan(struct wire_site *w, uint32_t off, enum wire_class class,
			      size_t window)
{
	uint32_t i = (uint32_t)(w - b.site);
	struct arch_code code;
	size_t len;

	assert_int_equal(arch_emit_window(b.image + off, 2 * ARCH_INSN_MAX, FIRST_VADDR + off,
					  window, &code, &len),
			 0);
	*w = (struct wire_site){.vaddr = FIRST_VADDR + off,
				.class = (uint8_t) class,
				.insn_len = (uint8_t)len,
				.ncut = 5,
				.code_off = i * WIRE_SITE_CODE_MAX,
				.code_len = code.len,
				.fix_off = i * ARCH_FIX_MAX,
				.nfix = code.nfix};
	memcpy(&w->old, b.image + ALIGN_DOWN(off, 8), sizeof(w->old));
	memcpy(b.code + w->code_off, code.code, code.len);
	memcpy(b.fix + w->fix_off, code.fix, sizeof(code.fix));
}

/* Sites in order of address. Each returns the site's index in the session. */
static inline uint32_t bench_s0(uint32_t off)
{
	uint32_t i = BEFORE + b.nsites++;

	bench_plan(&b.site[i], off, WIRE_CLASS_S0, 1);
	return i;
}

static inline uint32_t bench_s1(uint32_t off, unsigned int ncut)
{
	uint32_t i = bench_s0(off), rel;
	struct wire_site *w = &b.site[i];

	w->class = WIRE_CLASS_S1;
	w->ncut = (uint8_t)ncut;
	w->rel_mask = (uint32_t)(0xffffffffull << (8 * (ncut - 1)));
	memcpy(&rel, b.image + off + 1, sizeof(rel));
	w->rel_value = rel & w->rel_mask;
	return i;
}

static inline uint32_t bench_s2(uint32_t off, uint32_t pad)
{
	uint32_t i = bench_s0(off);
	struct wire_site *w = &b.site[i];

	w->class = WIRE_CLASS_S2;
	w->ncut = 2;
	w->pad_vaddr = FIRST_VADDR + pad;
	memcpy(w->pad_old, b.image + pad, 5);
	return i;
}

static inline uint32_t bench_w(uint32_t off)
{
	uint32_t i = BEFORE + b.nsites++;

	bench_plan(&b.site[i], off, WIRE_CLASS_W, 5);
	return i;
}

/* Another plan, W, for site @i. */
static inline void bench_alt(uint32_t i)
{
	uint32_t alt = MAX_SITES + b.nalt++;

	bench_plan(&b.site[alt], (uint32_t)(b.site[i].vaddr - FIRST_VADDR), WIRE_CLASS_W, 5);
	b.site[i].alt = alt + 1;
}

static inline void note_refusal(void *arg, uint32_t site, int err)
{
	(void)arg;
	b.refused[b.nrefused++] = (struct refusal){site, err};
}

/* As the loader maps it. */
static inline long bench_install(void)
{
	struct text_job job = {
		.plans = {&b.site[BEFORE], b.nsites, BEFORE, b.site, b.code, b.fix},
		.image = {(uint64_t)b.image - FIRST_VADDR, FIRST_VADDR,
			  FIRST_VADDR + IMAGE_SIZE + b.hole, FIRST_VADDR, FIRST_VADDR + IMAGE_SIZE},
		.stub = (uint64_t)sonde_hit_stub,
		.live = b.live,
		.refused = note_refusal,
	};

	b.nrefused = 0;
	memcpy(b.orig, b.image, IMAGE_SIZE);
	mprotect(b.image, IMAGE_SIZE, PROT_READ | PROT_EXEC);
	return text_install(&job);
}

/* The function at @off with known registers and flags; checks that it changes rax alone, and the
 * flags only if it @may_flags. Returns rax. */
static inline uint64_t bench_call(uint32_t off, uint64_t flags, bool may_flags)
{
	static const struct regs known = {0x1111111122222222,
					  0x333,
					  0x5,
					  0x7,
					  0x9,
					  0xb,
					  0xd,
					  0xf,
					  0x11,
					  0x13,
					  0x15,
					  0x17,
					  0x19,
					  0x1b,
					  0x1d,
					  0};
	struct regs r = known, want = known;

	r.flags = want.flags = FLAGS_FIXED | flags;
	b.nhits = 0;
	text_call(&r, (uint64_t)(b.image + off));
	want.rax = r.rax;
	if (may_flags)
		want.flags = r.flags;
	assert_memory_equal(&r, &want, sizeof(r));
	return r.rax;
}

/* The same, and exactly one hit, of @site, that saw the registers as they were. */
static inline void bench_expect(uint32_t off, uint32_t site, uint64_t rax)
{
	static const uint64_t sets[] = {0, FLAGS_ALL, 0x1, 0x800, 0x84, 0x50};

	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		assert_int_equal(bench_call(off, sets[i], false), rax);
		assert_int_equal(b.nhits, 1);
		assert_int_equal(b.hit[0].site, site);
		assert_int_equal(b.hit[0].ctx.reg[0], 0x1111111122222222);
		assert_int_equal(b.hit[0].ctx.reg[1], 0x333);
		assert_int_equal(b.hit[0].ctx.reg[6], 0xd);
		assert_int_equal(b.hit[0].ctx.reg[14], 0x1d);
		assert_int_equal(b.hit[0].ctx.reg[15] & FLAGS_ALL, sets[i]);
	}
}

static inline void bench_expect_refused(uint32_t site, int err)
{
	for (uint32_t i = 0; i < b.nrefused; i++) {
		if (b.refused[i].site == site) {
			assert_int_equal(b.refused[i].err, err);
			return;
		}
	}
	fail_msg("site %u was not refused", site);
}

static inline bool bench_unchanged(uint32_t off, size_t n)
{
	return memcmp(b.image + off, b.orig + off, n) == 0;
}

#endif

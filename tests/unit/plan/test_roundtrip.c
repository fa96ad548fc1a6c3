/* SPDX-License-Identifier: MIT */
/*
 * Plans carried out on a copy of a library's bytes, at pretended addresses: all of them first,
 * then each is followed from its first byte through the detour and back. So a plan is wrong
 * here when it is wrong itself, and also when another one spoils it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <Zydis/Zydis.h>

#include "arch/arch.h"
#include "base/base.h"
#include "base/err.h"
#include "plan/plan.h"

#define BIAS 0x7f1234000000ull
#define DETOURS 0x7f1250000000ull /* one every 256 bytes */
#define STUB_POINTER 0x7f124ffff000ull
#define HEAD 24 /* bytes of a detour before the displaced instruction */
#define FEW_FUNCTIONS 400

struct insn {
	ZydisDecodedInstruction in;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	char text[128];
};

struct world {
	struct image *img;
	struct plan *plan;
	uint8_t *copy, *orig; /* the span of the image */
	struct plan_site *site;
	size_t nsites, cap, refused;
};

static uint32_t scatter(uint32_t x)
{
	x ^= x >> 15;
	x *= 0x2c1b3c6d;
	return x ^ x >> 12;
}

static uint64_t detour_of(size_t site)
{
	return DETOURS + 256 * site;
}

/* S1's displacement: any value that keeps the fixed bytes. */
static uint32_t pun_of(const struct wire_site *s)
{
	return s->rel_value | (scatter((uint32_t)s->vaddr) & ~s->rel_mask);
}

static void decode(struct insn *out, const uint8_t *code, size_t n, uint64_t addr)
{
	ZydisDecoder dec;
	ZydisFormatter fmt;

	ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec, code, n, &out->in, out->op)))
		fail_msg("no instruction at %#lx", addr);
	ZydisFormatterInit(&fmt, ZYDIS_FORMATTER_STYLE_INTEL);
	ZydisFormatterFormatInstruction(&fmt, &out->in, out->op, out->in.operand_count_visible,
					out->text, sizeof(out->text), addr, NULL);
}

static uint64_t target_of(const struct insn *i, uint64_t addr)
{
	ZyanU64 target = 0;

	assert_true(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&i->in, &i->op[0], addr, &target)));
	return target;
}

static void put_jump(uint8_t *at, uint64_t addr, uint64_t target, size_t n)
{
	int64_t rel = (int64_t)(target - (addr + 5));
	int32_t rel32 = (int32_t)rel;

	assert_true(rel == rel32);
	at[0] = 0xe9;
	memcpy(at + 1, &rel32, n - 1);
}

/* Instructions that the site displaces begin at @at. */
static bool is_inner(const struct wire_site *s, unsigned at)
{
	for (unsigned i = 0; i < s->ninner; i++)
		if (s->inner[i].at == at)
			return true;
	return false;
}

/* No processor takes it for the beginning of an instruction. */
static bool is_trap(uint8_t byte, bool is_last)
{
	static const uint8_t invalid[] = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f,
					  0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61};

	return byte == 0xcc || (is_last && memchr(invalid, byte, sizeof(invalid)));
}

/* What the mask fixes is what stands there, or a trap on a boundary; nothing behind the cut is
 * free. */
static void check_pun(const struct wire_site *s, const uint8_t *orig)
{
	assert_in_range(s->ncut, 1, 5);
	assert_int_equal(s->rel_value & ~s->rel_mask, 0);
	for (unsigned i = 0; i < 4; i++) {
		uint8_t mask = (uint8_t)(s->rel_mask >> (8 * i));

		assert_true(mask == 0 || mask == 0xff);
		assert_true(mask == 0xff || i + 1 < s->ncut);
		assert_true(mask == 0xff || !is_inner(s, i + 1));
		if (mask && is_inner(s, i + 1))
			assert_true(is_trap((uint8_t)(s->rel_value >> (8 * i)), i == 3));
		else if (mask)
			assert_int_equal((uint8_t)(s->rel_value >> (8 * i)), orig[1 + i]);
	}
}

static void carry_out(struct world *w, size_t i)
{
	const struct wire_site *s = &w->site[i].site;
	uint64_t off = s->vaddr - w->img->span.start;
	uint64_t quad = ALIGN_DOWN(off, 8);
	uint8_t *at = w->copy + off;

	assert_memory_equal(&s->old, w->orig + quad, 8);
	assert_true(s->ncut >= 1);
	if (s->class == WIRE_CLASS_S3 || s->class == WIRE_CLASS_S4) {
		if (off + s->ncut > quad + 8)
			assert_memory_equal(&s->next_old, w->orig + quad + 8, 8);
	} else {
		assert_true(off + s->ncut <= quad + 8);
	}
	assert_true(s->class == WIRE_CLASS_S3 || !s->ninner);
	switch (s->class) {
	case WIRE_CLASS_S0:
		assert_int_equal(s->ncut, 5);
		put_jump(at, BIAS + s->vaddr, detour_of(i), 5);
		break;
	case WIRE_CLASS_S4:
		assert_true(s->vaddr % 8 <= 6 && off + s->ncut > quad + 8);
		/* fall through */
	case WIRE_CLASS_S1:
	case WIRE_CLASS_S3:
		check_pun(s, w->orig + off);
		put_jump(at, BIAS + s->vaddr, BIAS + s->vaddr + 5 + (uint64_t)(int32_t)pun_of(s),
			 s->ncut);
		break;
	case WIRE_CLASS_S2:
		assert_int_equal(s->ncut, 2);
		assert_memory_equal(s->pad_old, w->orig + s->pad_vaddr - w->img->span.start, 5);
		at[0] = 0xeb;
		at[1] = (uint8_t)(s->pad_vaddr - (s->vaddr + 2));
		put_jump(w->copy + s->pad_vaddr - w->img->span.start, BIAS + s->pad_vaddr,
			 detour_of(i), 5);
		break;
	case WIRE_CLASS_W:
		assert_int_equal(s->ncut, 5);
		put_jump(at, BIAS + s->vaddr, detour_of(i), 5);
		break;
	case WIRE_CLASS_S5:
		assert_int_equal(s->ncut, 1);
		at[0] = 0xcc;
		break;
	default:
		fail_msg("class %u", s->class);
	}
}

/* Where the code at @vaddr jumps now. */
static uint64_t follow(const struct world *w, uint64_t vaddr)
{
	struct insn i;

	decode(&i, w->copy + vaddr - w->img->span.start, ARCH_INSN_MAX, BIAS + vaddr);
	assert_int_equal(i.in.mnemonic, ZYDIS_MNEMONIC_JMP);
	return target_of(&i, BIAS + vaddr);
}

static void check_entry(const struct world *w, size_t i)
{
	const struct wire_site *s = &w->site[i].site;
	const uint8_t *at = w->copy + s->vaddr - w->img->span.start;
	uint64_t to;

	if (s->class == WIRE_CLASS_S5) {
		assert_int_equal(at[0], 0xcc);
		return; /* the trap handler goes on in the detour */
	}
	for (unsigned k = 0; k < s->ninner; k++)
		assert_true(is_trap(at[s->inner[k].at], s->inner[k].at == 4));
	to = follow(w, s->vaddr);
	if (s->class == WIRE_CLASS_S1 || s->class == WIRE_CLASS_S3 || s->class == WIRE_CLASS_S4) {
		assert_int_equal(to, BIAS + s->vaddr + 5 + (uint64_t)(int32_t)pun_of(s));
		return; /* there the island stands, whose jump is the target's business */
	}
	if (s->class == WIRE_CLASS_S2) {
		assert_int_equal(to, BIAS + s->pad_vaddr);
		to = follow(w, s->pad_vaddr);
	}
	assert_int_equal(to, detour_of(i));
}

static void fix_up(const struct plan_site *p, size_t i, uint8_t *code)
{
	memcpy(code, p->code, p->site.code_len);
	for (unsigned k = 0; k < p->site.nfix; k++) {
		const struct wire_fixup *f = &p->fix[k];
		uint64_t at = detour_of(i) + f->at, v = i;

		if (f->kind == WIRE_FIX_REL32)
			v = BIAS + f->target - (at + 4 + f->tail);
		else if (f->kind == WIRE_FIX_STUB32)
			v = STUB_POINTER - (at + 4);
		else if (f->kind == WIRE_FIX_ABS64)
			v = BIAS + f->target;
		assert_true(f->at + (f->kind == WIRE_FIX_ABS64 ? 8 : 4) <= p->site.code_len);
		memcpy(code + f->at, &v, f->kind == WIRE_FIX_ABS64 ? 8 : 4);
	}
}

static size_t check_head(const uint8_t *code, size_t n, size_t start, size_t site)
{
	struct insn i[4];
	uint64_t addr = detour_of(site);
	size_t at = start;

	for (unsigned k = 0; k < 4; k++) {
		decode(&i[k], code + at, n - at, addr + at);
		at += i[k].in.length;
	}
	assert_int_equal(at, start + HEAD);
	assert_string_equal(i[0].text, "lea rsp, [rsp-0x80]");
	assert_int_equal(i[1].in.mnemonic, ZYDIS_MNEMONIC_PUSH);
	assert_int_equal(i[1].op[0].imm.value.u, site);
	assert_int_equal(i[2].in.mnemonic, ZYDIS_MNEMONIC_CALL);
	assert_int_equal(target_of(&i[2], addr + start + 10), STUB_POINTER);
	assert_string_equal(i[3].text, "lea rsp, [rsp+0x88]");
	return at;
}

/* push [literal]; jmp <operand of the call> */
static void check_call(const struct insn *orig, const uint8_t *code, size_t n, uint64_t addr,
		       uint64_t back)
{
	struct insn push, jmp;
	uint64_t literal;

	decode(&push, code, n, addr);
	assert_int_equal(push.in.mnemonic, ZYDIS_MNEMONIC_PUSH);
	literal = target_of(&push, addr) - addr;
	assert_true(literal + 8 <= n);
	assert_memory_equal(code + literal, &back, 8);
	decode(&jmp, code + push.in.length, n - push.in.length, addr + push.in.length);
	assert_int_equal(jmp.in.mnemonic, ZYDIS_MNEMONIC_JMP);
	if (orig->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	    orig->op[0].mem.base == ZYDIS_REGISTER_RSP) {
		assert_int_equal(jmp.op[0].mem.base, ZYDIS_REGISTER_RSP);
		assert_int_equal(jmp.op[0].mem.disp.value, orig->op[0].mem.disp.value + 8);
		return;
	}
	assert_string_equal(strchr(jmp.text, ' '), strchr(orig->text, ' '));
}

/* A system call; rcx, which would be the address behind it; the way back; that address. */
static void check_syscall(const uint8_t *code, size_t n, uint64_t addr, uint64_t next)
{
	struct insn mov, jmp;
	uint64_t literal;

	decode(&mov, code, n, addr);
	assert_int_equal(mov.in.mnemonic, ZYDIS_MNEMONIC_MOV);
	assert_int_equal(mov.op[0].reg.value, ZYDIS_REGISTER_RCX);
	assert_int_equal(mov.op[1].mem.base, ZYDIS_REGISTER_RIP);
	decode(&jmp, code + mov.in.length, n - mov.in.length, addr + mov.in.length);
	assert_int_equal(jmp.in.mnemonic, ZYDIS_MNEMONIC_JMP);
	assert_int_equal(target_of(&jmp, addr + mov.in.length), next);
	assert_int_equal(mov.op[1].mem.disp.value, jmp.in.length);
	assert_int_equal(mov.in.length + jmp.in.length + sizeof(literal), n);
	memcpy(&literal, code + n - sizeof(literal), sizeof(literal));
	assert_int_equal(literal, next);
}

/*
 * The displaced instruction at @vaddr + @off of site @i, as it stands at @at of the detour. Returns
 * where the next one begins; 0 if nothing more can be said of this detour: what a call became ends
 * it, and the loops have the execution test of src/arch.
 */
static size_t check_moved(const struct world *w, size_t i, size_t off, const uint8_t *code,
			  size_t at, struct insn *orig)
{
	const struct plan_site *p = &w->site[i];
	uint64_t vaddr = p->site.vaddr + off;
	size_t n = p->site.code_len;
	struct insn moved;

	decode(orig, w->orig + vaddr - w->img->span.start, ARCH_INSN_MAX, BIAS + vaddr);
	if (orig->in.mnemonic == ZYDIS_MNEMONIC_CALL) {
		check_call(orig, code + at, n - at, detour_of(i) + at,
			   BIAS + vaddr + orig->in.length);
		assert_int_equal(off + orig->in.length, p->site.insn_len);
		return 0;
	}
	if ((orig->in.mnemonic >= ZYDIS_MNEMONIC_LOOP &&
	     orig->in.mnemonic <= ZYDIS_MNEMONIC_LOOPNE) ||
	    orig->in.mnemonic == ZYDIS_MNEMONIC_JRCXZ || orig->in.mnemonic == ZYDIS_MNEMONIC_JECXZ)
		return 0;
	decode(&moved, code + at, n - at, detour_of(i) + at);
	if (strcmp(orig->text, moved.text))
		fail_msg("%#lx: \"%s\" became \"%s\"", vaddr, orig->text, moved.text);
	at += moved.in.length;
	if (orig->in.mnemonic == ZYDIS_MNEMONIC_SYSCALL) {
		check_syscall(code + at, n - at, detour_of(i) + at, BIAS + vaddr + orig->in.length);
		return 0;
	}
	return at;
}

static void check_detour(const struct world *w, size_t i)
{
	const struct plan_site *p = &w->site[i];
	uint64_t back = BIAS + p->site.vaddr + p->site.insn_len;
	uint8_t code[WIRE_SITE_CODE_MAX];
	struct insn orig = {0}, jmp;
	size_t at = 0, off = 0, n = p->site.code_len;
	unsigned inner = 0;

	assert_true(n <= sizeof(code));
	fix_up(p, i, code);
	while (off < p->site.insn_len) {
		/* whoever traps on a boundary goes on with its instruction, and the hit if it is
		 * the one */
		if (inner < p->site.ninner && p->site.inner[inner].at == off)
			assert_int_equal(p->site.inner[inner++].code, at);
		else
			assert_true(!off || off >= p->site.ncut || !p->site.ninner);
		if (off == p->site.hit_at)
			at = check_head(code, n, at, i);
		at = check_moved(w, i, off, code, at, &orig);
		if (!at)
			return;
		off += orig.in.length;
	}
	assert_int_equal(off, p->site.insn_len);
	assert_int_equal(inner, p->site.ninner);
	assert_true(p->site.hit_at < p->site.insn_len);
	if (at == n) {
		assert_true(orig.in.mnemonic == ZYDIS_MNEMONIC_RET ||
			    orig.in.mnemonic == ZYDIS_MNEMONIC_JMP ||
			    orig.in.mnemonic == ZYDIS_MNEMONIC_UD2 ||
			    orig.in.mnemonic == ZYDIS_MNEMONIC_HLT);
		return;
	}
	decode(&jmp, code + at, n - at, detour_of(i) + at);
	assert_int_equal(jmp.in.mnemonic, ZYDIS_MNEMONIC_JMP);
	assert_int_equal(target_of(&jmp, detour_of(i) + at), back);
	assert_int_equal(at + jmp.in.length, n);
}

static void world_open(struct world *w, const char *name)
{
	char path[4096];
	uint64_t size;

	memset(w, 0, sizeof(*w));
	assert_int_equal(image_resolve(name, NULL, path, sizeof(path)), 0);
	assert_int_equal(image_open(path, &w->img), 0);
	assert_int_equal(plan_open(w->img, &w->plan), 0);
	size = w->img->span.end - w->img->span.start;
	w->orig = calloc(1, size + 16);
	w->copy = calloc(1, size + 16);
	assert_true(w->orig && w->copy);
	for (uint64_t v = 0; v < size; v += 4096)
		image_bytes(w->img, w->img->span.start + v, w->orig + v, 4096);
	memcpy(w->copy, w->orig, size);
}

static void world_close(struct world *w)
{
	plan_close(w->plan);
	image_close(w->img);
	free(w->orig);
	free(w->copy);
	free(w->site);
}

static void keep_site(struct world *w, const struct plan_site *site)
{
	if (w->nsites == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 1024;
		w->site = realloc(w->site, w->cap * sizeof(*w->site));
		assert_non_null(w->site);
	}
	w->site[w->nsites++] = *site;
}

static void add_site(struct world *w, uint64_t vaddr)
{
	struct plan_site site;

	if (plan_site(w->plan, vaddr, &site))
		w->refused++;
	else
		keep_site(w, &site);
}

/* As the target does where no island finds a place: the window of every site that has one. */
static void add_window(struct world *w, uint64_t vaddr)
{
	struct plan_site site, window;
	int err = plan_site(w->plan, vaddr, &site);

	if (err == SONDE_E_TOO_SHORT)
		err = plan_window(w->plan, vaddr, NULL, &site);
	else if (!err && site.site.class == WIRE_CLASS_S1 &&
		 !plan_window(w->plan, vaddr, &site, &window))
		site = window;
	if (err)
		w->refused++;
	else
		keep_site(w, &site);
}

static void check_all(struct world *w, const char *what)
{
	size_t early = 0, class[WIRE_CLASS_COUNT] = {0};

	for (size_t i = 0; i < w->nsites; i++)
		carry_out(w, i);
	for (size_t i = 0; i < w->nsites; i++) {
		check_entry(w, i);
		check_detour(w, i);
		class[w->site[i].site.class]++;
		early += w->site[i].site.hit_at > 0;
	}
	printf("%s: %zu sites checked, %zu refused;", what, w->nsites, w->refused);
	for (unsigned c = WIRE_CLASS_S0; c < WIRE_CLASS_COUNT; c++)
		printf(" %s %zu", plan_class_name(c), class[c]);
	printf(", early %zu\n", early);
}

static void all_entries(void **state)
{
	struct world w;
	(void)state;

	world_open(&w, "libc");
	for (size_t i = 0; i < w.img->nbounds; i++)
		add_site(&w, w.img->bound[i].start);
	/* names that begin inside another function's bounds are entries as well */
	for (size_t i = 0; i < w.img->nfuncs; i++) {
		struct image_range r;

		if (image_bound(w.img, w.img->func[i].vaddr, &r) &&
		    r.start != w.img->func[i].vaddr &&
		    (!i || w.img->func[i - 1].vaddr != w.img->func[i].vaddr))
			add_site(&w, w.img->func[i].vaddr);
	}
	assert_true(w.nsites > 1000);
	check_all(&w, "every entry of libc");
	world_close(&w);
}

/* Neighbours want each other's bytes; whoever gets a plan must be able to keep it. */
static void all_instructions(void **state)
{
	struct world w;
	(void)state;

	world_open(&w, "libc");
	for (size_t i = 0; i < w.img->nbounds && i < FEW_FUNCTIONS; i++) {
		struct image_range r = w.img->bound[i];
		struct arch_insn in;

		for (uint64_t v = r.start; v < r.end; v += in.len) {
			const uint8_t *code = w.orig + v - w.img->span.start;

			if (arch_decode(code, ARCH_INSN_MAX, v, &in))
				break;
			add_site(&w, v);
		}
	}
	assert_true(w.nsites > 1000);
	check_all(&w, "every instruction of some functions of libc");
	world_close(&w);
}

/* Bytes of the image to which no branch may lead now. */
static uint8_t *closed_bytes(const struct world *w)
{
	uint8_t *inside = calloc(1, w->img->span.end - w->img->span.start);

	assert_non_null(inside);
	for (size_t i = 0; i < w->nsites; i++) {
		const struct wire_site *s = &w->site[i].site;
		uint64_t off = s->vaddr - w->img->span.start;

		if (s->class == WIRE_CLASS_W)
			memset(inside + off + 1, 1, s->insn_len - 1u);
		else if (s->hit_at || s->class == WIRE_CLASS_S3)
			memset(inside + off + 1, 1, s->hit_at ? s->hit_at : s->ncut - 1u);
	}
	return inside;
}

/* No direct branch anywhere leads between the instructions of a window, or to an instruction whose
 * hit another one makes. */
static void check_no_branch_between(const struct world *w)
{
	uint64_t size = w->img->span.end - w->img->span.start;
	uint8_t *inside = closed_bytes(w);

	for (size_t i = 0; i < w->img->nbounds; i++) {
		struct image_range r = w->img->bound[i];
		struct arch_insn in;

		for (uint64_t v = r.start; v < r.end; v += in.len) {
			if (arch_decode(w->orig + v - w->img->span.start, r.end - v, v, &in))
				break;
			if (in.kind == ARCH_ORDINARY || !in.has_target ||
			    in.target - w->img->span.start >= size)
				continue;
			if (inside[in.target - w->img->span.start])
				fail_msg("%#lx branches into a window at %#lx", v, in.target);
		}
	}
	free(inside);
}

static void add_in(struct world *w, uint64_t vaddr, uint32_t classes)
{
	struct plan_site site;

	if (plan_site_in(w->plan, vaddr, classes, &site))
		w->refused++;
	else
		keep_site(w, &site);
}

/* Each instruction in turn, or one in @step; all at once, so that they get in each other's way. */
static void every_way(const char *name, uint32_t classes, unsigned step, const char *what)
{
	unsigned n = 0;
	struct world w;

	world_open(&w, name);
	for (size_t i = 0; i < w.img->nbounds; i++) {
		struct image_range r = w.img->bound[i];
		struct arch_insn in;

		for (uint64_t v = r.start; v < r.end; v += in.len) {
			if (arch_decode(w.orig + v - w.img->span.start, ARCH_INSN_MAX, v, &in))
				break;
			if (n++ % step == 0)
				add_in(&w, v, classes);
		}
	}
	assert_true(w.nsites > 1000);
	check_all(&w, what);
	check_no_branch_between(&w);
	world_close(&w);
}

static void any_class(void **state)
{
	(void)state;
	every_way("libc", PLAN_ALL, 7, "every 7th instruction of libc, any class");
	every_way("libc", PLAN_ALL & ~PLAN_CLASS(WIRE_CLASS_W), 3,
		  "every 3rd instruction of libc, live");
	every_way("/usr/bin/python3", PLAN_ALL & ~PLAN_CLASS(WIRE_CLASS_W), 11,
		  "every 11th instruction of python3, live");
}

static void each_class(void **state)
{
	(void)state;
	every_way("libc", PLAN_CLASS(WIRE_CLASS_S3) | PLAN_EARLY, 5, "S3 or nothing");
	every_way("libc", PLAN_CLASS(WIRE_CLASS_S4) | PLAN_EARLY, 5, "S4 or nothing");
	every_way("libc", PLAN_CLASS(WIRE_CLASS_W) | PLAN_EARLY, 5, "W or nothing");
	every_way("/usr/bin/python3", PLAN_CLASS(WIRE_CLASS_S3) | PLAN_EARLY, 11,
		  "S3 or nothing in python3");
}

static void all_windows(void **state)
{
	size_t n = 0;
	struct world w;
	(void)state;

	world_open(&w, "libc");
	for (size_t i = 0; i < w.img->nbounds; i++)
		add_window(&w, w.img->bound[i].start);
	for (size_t i = 0; i < w.nsites; i++)
		n += w.site[i].site.class == WIRE_CLASS_W;
	assert_true(n > 100);
	check_all(&w, "every window of libc");
	check_no_branch_between(&w);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_entries), cmocka_unit_test(all_instructions),
		cmocka_unit_test(all_windows), cmocka_unit_test(any_class),
		cmocka_unit_test(each_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

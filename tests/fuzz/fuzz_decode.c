/* SPDX-License-Identifier: MIT */
/*
 * Fuzz driver of the decoder and of what is built on it: any bytes in, read to their end and no
 * further. The two ways to decode agree; what comes out of a relocation is whole instructions up
 * to its literals, with every field inside; a description names registers that exist.
 * Built with -DSTANDALONE it reads the files it is given, and "-m SEED COUNT" makes COUNT random
 * inputs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/err.h"

#define VADDR 0x401000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, const uint8_t *code, size_t n)
{
	fprintf(stderr, "%s:", what);
	for (size_t i = 0; i < n && i < ARCH_INSN_MAX; i++)
		fprintf(stderr, " %02x", code[i]);
	fprintf(stderr, "\n");
	abort();
}

static unsigned int field_size(const struct wire_fixup *f)
{
	return f->kind == WIRE_FIX_ABS64 ? 8 : 4;
}

/* Fixups lie inside and apart; the code decodes up to @end, where the literals begin. */
static void check_code(const struct arch_code *c, size_t end, const uint8_t *code, size_t n)
{
	uint8_t taken[WIRE_SITE_CODE_MAX] = {0};
	struct arch_insn in;

	if (c->len > sizeof(c->code) || c->nfix > ARCH_FIX_MAX || c->nlit)
		fail("relocation outgrew its room", code, n);
	for (unsigned int i = 0; i < c->nfix; i++) {
		const struct wire_fixup *f = &c->fix[i];

		if (f->at + field_size(f) > c->len)
			fail("field outside the code", code, n);
		for (unsigned int k = 0; k < field_size(f); k++)
			if (taken[f->at + k]++)
				fail("fields overlap", code, n);
	}
	for (size_t at = 0; at < end; at += in.len)
		if (arch_decode(c->code + at, end - at, VADDR, &in))
			fail("relocated to no instruction", code, n);
}

/* Of a whole detour: literals come last and in order, and before them never such a field. */
static size_t code_end(const struct arch_code *c)
{
	size_t end = c->len;

	for (unsigned int i = c->nfix; i-- > 0;)
		if (c->fix[i].kind == WIRE_FIX_ABS64 && c->fix[i].at + 8u == end)
			end -= 8;
	return end;
}

typedef int relocate_fn(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out);

static void check_relocation(relocate_fn *relocate, const uint8_t *code, size_t n, bool decodes)
{
	struct arch_code c = {0};
	int err = relocate(code, n, VADDR, &c);
	size_t end = c.len;

	if (err != 0 && err != SONDE_E_RELOCATE && err != SONDE_E_DECODE)
		fail("unknown error", code, n);
	if ((err == SONDE_E_DECODE) == decodes)
		fail("decodes here and not there", code, n);
	if (!err && !arch_code_finish(&c))
		check_code(&c, end, code, n);
}

static void check_detour(relocate_fn *emit, const uint8_t *code, size_t n)
{
	struct arch_code c;

	if (!emit(code, n, VADDR, &c))
		check_code(&c, code_end(&c), code, n);
}

static bool is_place(uint8_t where, bool operand)
{
	return where < WIRE_NREGS || where == ARCH_EMUL_ABSENT ||
	       (operand && (where == ARCH_EMUL_MEM || where == ARCH_EMUL_IMM));
}

static bool is_size(uint8_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* Whatever is emulated may be emulated: no size or register out of bounds. */
static void check_description(const uint8_t *code, size_t n, uint8_t len)
{
	struct arch_emul e;

	if (arch_emul_describe(code, n, &e))
		return;
	if (e.op == ARCH_EMUL_NONE || e.op > ARCH_EMUL_RET || e.len != len)
		fail("described as nothing", code, n);
	if (!is_place(e.dst, true) || !is_place(e.src, true) || !is_place(e.base, false) ||
	    !is_place(e.index, false) || e.index == WIRE_REG_PC || e.dst == ARCH_EMUL_IMM)
		if (e.op != ARCH_EMUL_CMP && e.op != ARCH_EMUL_TEST)
			fail("described with no such operand", code, n);
	if (e.op >= ARCH_EMUL_MOV && e.op <= ARCH_EMUL_TEST && e.op != ARCH_EMUL_PUSH &&
	    e.op != ARCH_EMUL_POP && e.op != ARCH_EMUL_LEAVE &&
	    (!is_size(e.size) || (e.op != ARCH_EMUL_LEA && !is_size(e.src_size))))
		fail("described with no such size", code, n);
}

static void check_insn(const uint8_t *code, size_t n)
{
	struct arch_insn in, quick;
	int err = arch_decode(code, n, VADDR, &in);

	if (err != arch_step(code, n, VADDR, &quick))
		fail("one way of decoding takes it", code, n);
	check_relocation(arch_relocate, code, n, !err);
	check_relocation(arch_relocate_far, code, n, !err);
	if (err)
		return;
	if (in.len > n || in.len > ARCH_INSN_MAX || !in.len || in.len != quick.len)
		fail("bad length", code, n);
	if (arch_falls_through(in.kind) != arch_falls_through(quick.kind))
		fail("goes on, and does not", code, n);
	if (in.has_target && in.disp_at + in.disp_size > in.len)
		fail("field outside the instruction", code, n);
	check_detour(arch_emit_detour, code, n);
	check_detour(arch_emit_detour_far, code, n);
	check_description(code, n, in.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arch_code c;
	size_t len;

	if (size > 64)
		size = 64;
	check_insn(data, size);
	if (arch_padding(data, size) > size)
		fail("padding past the end", data, size);
	arch_is_sigreturn(data, size);
	if (!arch_emit_window(data, size, VADDR, 5, &c, &len)) {
		if (len < 5 || len > size)
			fail("bad window", data, size);
		check_code(&c, code_end(&c), data, size);
	}
	return 0;
}

#ifdef STANDALONE
static uint64_t seed = 1;

static uint8_t any_byte(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint8_t)(seed >> 40);
}

/* An allocation of just that size, so that reading past it is seen. */
static int run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact)
		return 1;
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

/* What leads to maps of opcodes that uniform bytes find too rarely. */
static size_t random_input(uint8_t *out)
{
	static const uint8_t lead[] = {0x0f, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x48, 0x41,
				       0xc4, 0xc5, 0x62, 0x8f, 0xff, 0x65, 0x3e, 0xe8};
	size_t n = any_byte() % 24, i = 0;

	for (; i < 3 && any_byte() % 2; i++)
		out[i] = lead[any_byte() % sizeof(lead)];
	for (; i < 24; i++)
		out[i] = any_byte();
	if (any_byte() % 4 == 0)
		out[any_byte() % 5] = 0x05 | (any_byte() & 0x38);
	return n;
}

static int run_file(const char *path)
{
	uint8_t data[4096];
	FILE *in = fopen(path, "rb");
	size_t n;

	if (!in) {
		perror(path);
		return 1;
	}
	n = fread(data, 1, sizeof(data), in);
	fclose(in);
	return run(data, n);
}

int main(int argc, char **argv)
{
	unsigned long count = 0;
	int i = 1;

	if (argc > 3 && !strcmp(argv[1], "-m")) {
		seed = strtoull(argv[2], NULL, 0);
		count = strtoul(argv[3], NULL, 0);
		i = 4;
	}
	for (; i < argc; i++)
		if (run_file(argv[i]))
			return 1;
	while (count--) {
		uint8_t data[24];
		size_t n = random_input(data);

		if (run(data, n))
			return 1;
	}
	return 0;
}
#endif

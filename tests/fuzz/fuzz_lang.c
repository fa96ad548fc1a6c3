/* SPDX-License-Identifier: MIT */
/*
 * Fuzz driver of the compiler: any bytes in; out comes a script or a message. Every program of a
 * script can be disassembled, and passes the verifier. Built with -DSTANDALONE it reads the files
 * it is given, and
 * "-m SEED COUNT FILE..." compiles COUNT random mutations of them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "act/act.h"
#include "lang/lang.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A session that holds no more than the verifier looks at. */
static void verify(const struct script *script, uint32_t prog)
{
	static uint64_t work[ACT_VERIFY_WORK / 8];
	const struct script_prog *p = &script->prog[prog];
	size_t maps = sizeof(struct wire_session), progs, insns;
	struct wire_session *s;
	const char *why;
	uint32_t at;

	progs = maps + script->nmaps * sizeof(struct wire_map);
	insns = progs + sizeof(struct wire_prog);
	s = calloc(1, insns + p->ninsn * sizeof(struct wire_insn));
	if (!s)
		return;
	s->maps = (struct wire_table){maps, script->nmaps, sizeof(struct wire_map)};
	s->progs = (struct wire_table){progs, 1, sizeof(struct wire_prog)};
	s->insns = (struct wire_table){insns, p->ninsn, sizeof(struct wire_insn)};
	for (uint32_t i = 0; i < script->nmaps; i++)
		*wire_elem(s, maps, struct wire_map, i) = script->map[i].wire;
	*wire_elem(s, progs, struct wire_prog, 0) = (struct wire_prog){
		.ninsn = p->ninsn,
		.scratch_size = p->scratch_size,
	};
	memcpy(wire_elem(s, insns, struct wire_insn, 0), p->insn, p->ninsn * sizeof(*p->insn));
	if (act_verify(s, 0, work, &at, &why)) {
		fprintf(stderr, "program %u, instruction %u: %s\n", prog, at, why);
		lang_dump(script, prog, stderr);
		abort();
	}
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const argv[] = {"42", "libc", "u:a:b"};
	static FILE *null;
	struct lang_options opt = {.file = "fuzz", .argv = argv, .argc = 3};
	struct script *s;

	if (!null)
		null = fopen("/dev/null", "w");
	if (!null)
		return 0;
	opt.err = null;
	s = lang_compile((const char *)data, size, &opt);
	for (uint32_t i = 0; s && i < s->nprogs; i++) {
		lang_dump(s, i, null);
		verify(s, i);
	}
	lang_free(s);
	return 0;
}

#ifdef STANDALONE
#define MAX_FILES 256

struct text {
	uint8_t *data;
	size_t size;
};

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return n ? (uint32_t)(seed >> 33) % n : 0;
}

static int read_text(const char *path, struct text *t)
{
	FILE *in = fopen(path, "rb");

	if (!in) {
		perror(path);
		return -1;
	}
	t->data = malloc(1 << 20);
	t->size = t->data ? fread(t->data, 1, 1 << 20, in) : 0;
	fclose(in);
	return t->data ? 0 : -1;
}

/* A piece of another text over a random place: most mutations stay nearly grammatical. */
static size_t mutate(uint8_t *out, const struct text *a, const struct text *b)
{
	static const char tokens[] = "@$%\"/{}()[]<>=!&|^~?:;,+-*# \n0x1e9argcount()str(func";
	size_t cut = below((uint32_t)a->size + 1), size = a->size;

	memcpy(out, a->data, a->size);
	if (below(2)) {
		size_t from = below((uint32_t)b->size + 1);
		size_t n = below((uint32_t)(b->size - from) + 1);
		size_t keep = cut + below((uint32_t)(a->size - cut) + 1);

		memcpy(out + cut, b->data + from, n);
		memcpy(out + cut + n, a->data + keep, a->size - keep);
		size = cut + n + a->size - keep;
	}
	for (uint32_t i = below(4); i && size; i--) {
		uint32_t at = below((uint32_t)size);

		out[at] =
			below(8) ? (uint8_t)tokens[below(sizeof(tokens) - 1)] : (uint8_t)below(256);
	}
	return size;
}

static void run_mutations(const struct text *text, uint32_t n, unsigned long count)
{
	while (count--) {
		const struct text *a = &text[below(n)], *b = &text[below(n)];
		uint8_t *out = malloc(a->size + b->size + 1), *exact;
		size_t size;

		if (!out)
			return;
		size = mutate(out, a, b);
		exact = realloc(out, size ? size : 1); /* so that reading past it is seen */
		LLVMFuzzerTestOneInput(exact ? exact : out, size);
		free(exact ? exact : out);
	}
}

int main(int argc, char **argv)
{
	static struct text text[MAX_FILES];
	unsigned long count = 0;
	uint32_t n = 0;
	int i = 1;

	if (argc > 3 && !strcmp(argv[1], "-m")) {
		seed = strtoull(argv[2], NULL, 0);
		count = strtoul(argv[3], NULL, 0);
		i = 4;
	}
	for (; i < argc && n < MAX_FILES; i++) {
		if (read_text(argv[i], &text[n]))
			return 1;
		LLVMFuzzerTestOneInput(text[n].data, text[n].size);
		n++;
	}
	if (n)
		run_mutations(text, n, count);
	while (n)
		free(text[--n].data);
	return 0;
}
#endif

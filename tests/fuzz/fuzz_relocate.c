/* SPDX-License-Identifier: MIT */
/*
 * An instruction and its copies do the same: fuzz_relocate [SEED [COUNT [FORM]]] makes COUNT
 * random instructions, all forms in turn or those whose name begins with FORM, and runs each from
 * several random states: where it stands, from a near detour, from a far one, and by emulation.
 * Registers, flags, vector registers, data, stack and red zone, the exit taken or the fault met
 * must be the same. Exit status 1 if they were not.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arch/x86_64/x86.h"
#include "base/base.h"
#include "base/err.h"
#include "fuzz_relocate.h"

#define STATES 8
#define HEAD 24		  /* bytes of a detour before the displaced instruction */
#define POINTER_AT 0xff0u /* of the hit stub, from the start of the copy's page */
#define DETOUR_AT 0x200u
#define FAILURES_MAX 20

enum way { NEAR, FAR, EMULATED, NWAYS };
static const char *const way_name[NWAYS] = {"near", "far", "emulated"};

static struct tally {
	uint64_t insns, cases, runs[NWAYS], refused[NWAYS], faults;
} * tally;
static unsigned int failures;

struct copy {
	bool usable;
	uint8_t *entry;
	struct arch_emul emul;
};

/* Lay the detour's code down and give every field its meaning. */
static bool install(const struct subject *s, const struct arch_code *c, uint8_t *page,
		    struct copy *copy)
{
	copy->entry = page + DETOUR_AT + below(16);
	memcpy(copy->entry, c->code, c->len);
	for (unsigned int i = 0; i < c->nfix; i++) {
		const struct wire_fixup *f = &c->fix[i];
		uint8_t *at = copy->entry + f->at;
		uint64_t v = 0x1234567, next = (uint64_t)at + 4 + f->tail;

		if (f->kind == WIRE_FIX_REL32)
			v = s->land->bias + f->target - next;
		else if (f->kind == WIRE_FIX_STUB32)
			v = (uint64_t)page + POINTER_AT - next;
		else if (f->kind == WIRE_FIX_ABS64)
			v = s->land->bias + f->target;
		if (f->kind == WIRE_FIX_REL32 && v != (uint64_t)(int32_t)v)
			return false;
		memcpy(at, &v, f->kind == WIRE_FIX_ABS64 ? 8 : 4);
	}
	memcpy(page + POINTER_AT, &(uint64_t){(uint64_t)cpu_stub}, 8);
	return true;
}

static void complain(const struct subject *s, enum way way, const char *what, uint64_t is,
		     uint64_t should)
{
	char bytes[3 * ARCH_INSN_MAX + 1] = "";

	for (unsigned int i = 0; i < s->len; i++)
		sprintf(bytes + 3 * i, " %02x", s->bytes[i]);
	printf("%s, %s:%s (%s) at %p: %s %#" PRIx64 ", should be %#" PRIx64 "\n", s->form->name,
	       way_name[way], bytes, s->insn.mnemonic, (void *)s->at, what, is, should);
	failures++;
}

/* The copy is the original, byte for byte but for a displacement. */
static bool is_verbatim(const struct subject *s)
{
	switch (s->insn.kind) {
	case ARCH_JMP:
	case ARCH_JCC:
	case ARCH_LOOP:
	case ARCH_CALL:
	case ARCH_CALL_IND:
		return false;
	default:
		return !(x86_is_ip_relative(&s->in) && s->in.address_width == 32);
	}
}

static bool keeps_stack(const struct subject *s, enum way way)
{
	return way == EMULATED || (way == NEAR && is_verbatim(s));
}

/* An address in the instruction, or in its copy, from the start of it; others as they are. */
static uint64_t relative(const struct subject *s, const struct copy *c, uint64_t addr)
{
	uint64_t at = (uint64_t)s->at;

	if (addr >= at && addr < at + s->len)
		return addr - at;
	if (!c)
		return addr;
	at = (uint64_t)c->entry + HEAD;
	return addr >= at && addr < at + WIRE_SITE_CODE_MAX - HEAD ? addr - at : addr;
}

static void compare_fault(const struct subject *s, enum way way, const struct copy *c,
			  const struct outcome *a, const struct outcome *b)
{
	bool own = a->rip == a->addr; /* the address of the instruction itself */

	/* a wild address in rbp is the stack segment's fault; emulation has no such segment */
	if (way == EMULATED && a->signo == SIGBUS && a->code == SI_KERNEL && b->signo == SIGSEGV)
		return;
	if (b->signo != a->signo)
		complain(s, way, "signal", (uint64_t)b->signo, (uint64_t)a->signo);
	else if (b->code != a->code)
		complain(s, way, "signal's code", (uint64_t)b->code, (uint64_t)a->code);
	else if (!own && b->addr != a->addr)
		complain(s, way, "signal's address", b->addr, a->addr);
	if (keeps_stack(s, way)) {
		uint64_t rip = relative(s, c, b->rip), should = relative(s, NULL, a->rip);

		if (rip != should)
			complain(s, way, "fault at", rip, should);
		for (unsigned int i = 0; i < NCPU; i++)
			if (a->cpu[i] != b->cpu[i])
				complain(s, way, "after a fault, a register is", b->cpu[i],
					 a->cpu[i]);
	}
}

static uint64_t first_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

static void compare_memory(const struct subject *s, enum way way, const struct outcome *a,
			   const struct outcome *b, uint64_t rsp)
{
	/* below the red zone it belongs to whoever interrupts; to nobody when nothing does */
	size_t kept = way == EMULATED ? 0 : rsp - (uint64_t)s->land->stack - RED_ZONE;
	uint64_t i;

	if (memcmp(a->data, b->data, WINDOW)) {
		i = first_difference(a->data, b->data, WINDOW);
		complain(s, way, "data differ at", i, WINDOW);
	}
	if (memcmp(a->stack + kept, b->stack + kept, WINDOW - kept)) {
		i = first_difference(a->stack + kept, b->stack + kept, WINDOW - kept);
		complain(s, way, "stack differs at", kept + i, WINDOW);
	}
}

static void compare(const struct subject *s, enum way way, const struct copy *c,
		    const struct start *st, const struct outcome *a, const struct outcome *b)
{
	uint64_t undefined = 0;

	if (way == EMULATED && (c->emul.op >= ARCH_EMUL_AND && c->emul.op <= ARCH_EMUL_TEST))
		undefined = 0x10;
	/* emulation came to where there is no code, and the processor, too */
	if (b->exit == EXIT_NONE && a->exit == EXIT_FAULT && a->rip == b->rip)
		return;
	if (a->exit != b->exit) {
		complain(s, way, "left by exit", b->exit, a->exit);
		return;
	}
	/* in the middle of a copy of several instructions the stack is in use */
	compare_memory(s, way, a, b,
		       a->exit == EXIT_FAULT && !keeps_stack(s, way)
			       ? (uint64_t)s->land->stack + WINDOW + RED_ZONE
			       : st->cpu[RSP]);
	if (a->exit == EXIT_FAULT) {
		compare_fault(s, way, c, a, b);
		return;
	}
	for (unsigned int i = 0; i < NCPU; i++) {
		uint64_t d = a->cpu[i] ^ b->cpu[i];

		if (i == FLAGS ? d & ~undefined : d)
			complain(s, way, i == FLAGS ? "flags are" : "a register is", b->cpu[i],
				 a->cpu[i]);
	}
	if (way == EMULATED)
		return;
	if (memcmp(a->vec, b->vec, sizeof(a->vec)))
		complain(s, way, "vector registers differ at",
			 first_difference(a->vec[0], b->vec[0], sizeof(a->vec)), sizeof(a->vec));
	if (a->mxcsr != b->mxcsr)
		complain(s, way, "mxcsr is", b->mxcsr, a->mxcsr);
}

/* The operand of a near copy is the original's, seen from there. */
static void check_near(const struct subject *s, const struct copy *c)
{
	ZydisDecodedInstruction in;
	uint64_t is, should;

	if (!is_verbatim(s))
		return;
	if (!x86_decode(c->entry + HEAD, ARCH_INSN_MAX, &in) || in.mnemonic != s->in.mnemonic ||
	    in.length != s->len) {
		complain(s, NEAR, "copied as", in.mnemonic, s->in.mnemonic);
		return;
	}
	if (!x86_is_ip_relative(&in) || s->insn.kind == ARCH_NOP)
		return;
	is = x86_operand_target(&in, (uint64_t)c->entry + HEAD);
	should = x86_operand_target(&s->in, (uint64_t)s->at);
	if (is != should)
		complain(s, NEAR, "operand at", is, should);
}

static bool same_operand(const ZydisDecodedOperand *a, const ZydisDecodedOperand *b, int scratch)
{
	if (a->type != b->type || a->size != b->size || a->element_type != b->element_type)
		return false;
	switch (a->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return a->reg.value == b->reg.value;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return a->imm.value.u == b->imm.value.u;
	default:
		return x86_gpr(b->mem.base) == scratch && b->mem.index == ZYDIS_REGISTER_NONE &&
		       b->mem.disp.value == 0 && a->mem.segment == b->mem.segment;
	}
}

/* A far copy holds the instruction with an operand based on a register that has the address. */
static void check_far(const struct subject *s, const struct copy *c, size_t len)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	uint64_t address = 0;
	size_t at = HEAD;
	int scratch = -1;

	/* those of which the sequence around it has some, too, are executed */
	if (!x86_is_ip_relative(&s->in) || s->insn.kind != ARCH_ORDINARY ||
	    s->in.mnemonic == ZYDIS_MNEMONIC_MOV || s->in.mnemonic == ZYDIS_MNEMONIC_LEA ||
	    s->in.mnemonic == ZYDIS_MNEMONIC_PUSH || s->in.mnemonic == ZYDIS_MNEMONIC_POP)
		return;
	for (;; at += in.length) {
		if (at >= len || !x86_decode_full(c->entry + at, len - at, &in, op)) {
			complain(s, FAR, "lacks its instruction at", at, s->in.mnemonic);
			return;
		}
		if (in.mnemonic == s->in.mnemonic)
			break;
		if (in.mnemonic == ZYDIS_MNEMONIC_MOV)
			address = op[1].imm.value.u, scratch = x86_gpr(op[0].reg.value);
	}
	if (address != x86_operand_target(&s->in, (uint64_t)s->at))
		complain(s, FAR, "address", address, x86_operand_target(&s->in, (uint64_t)s->at));
	if (in.encoding != s->in.encoding || in.avx.mask.reg != s->in.avx.mask.reg ||
	    in.avx.mask.mode != s->in.avx.mask.mode ||
	    in.avx.broadcast.mode != s->in.avx.broadcast.mode ||
	    in.avx.vector_length != s->in.avx.vector_length ||
	    in.address_width != s->in.address_width)
		complain(s, FAR, "encoding", in.encoding, s->in.encoding);
	for (unsigned int i = 0; i < in.operand_count_visible; i++)
		if (!same_operand(&s->op[i], &op[i], scratch))
			complain(s, FAR, "another operand", i, i);
}

/* A pointer in the place of the return address: known not to be met (relocate.c). */
static bool is_known_limit(const struct subject *s, const struct start *st)
{
	uint64_t below_rsp;

	if (s->insn.kind != ARCH_CALL_IND || s->op[0].type != ZYDIS_OPERAND_TYPE_MEMORY)
		return false;
	below_rsp = st->cpu[RSP] - gen_address(s, st, &s->op[0]);
	return below_rsp > 0 && below_rsp < 16;
}

static void run_states(const struct subject *s, struct copy *copy, struct tally *t)
{
	static struct outcome plain, other;
	static struct start st;

	for (unsigned int k = 0; k < STATES; k++) {
		unsigned int before = failures;

		gen_start(s, &st);
		cpu_run(s, s->at, &st, &plain);
		t->cases++;
		t->faults += plain.exit == EXIT_FAULT;
		for (enum way w = NEAR; w < NWAYS; w++) {
			if (!copy[w].usable || (w != EMULATED && is_known_limit(s, &st)))
				continue;
			if (w == EMULATED)
				cpu_emulate(s, &copy[w].emul, &st, &other);
			else
				cpu_run(s, copy[w].entry, &st, &other);
			t->runs[w]++;
			compare(s, w, &copy[w], &st, &plain, &other);
		}
		if (failures != before)
			return;
	}
}

static void place(const struct subject *s)
{
	memset(s->land->orig + 0x80, 0xcc, 0x200);
	memcpy(s->at, s->bytes, s->len);
	for (uint32_t id = EXIT_NEXT; id < EXIT_DISTANT; id++)
		cpu_put_exit(cpu_exit_at(s, id), id);
}

static void run_insn(const struct subject *s, struct tally *t)
{
	uint64_t vaddr = (uint64_t)s->at - s->land->bias;
	struct copy copy[NWAYS] = {{0}};
	struct arch_code near, far;

	t->insns++;
	copy[NEAR].usable = !arch_emit_detour(s->bytes, s->len, vaddr, &near);
	copy[FAR].usable = !arch_emit_detour_far(s->bytes, s->len, vaddr, &far);
	copy[EMULATED].usable = !arch_emul_describe(s->bytes, s->len, &copy[EMULATED].emul);
	for (enum way w = NEAR; w < NWAYS; w++)
		t->refused[w] += !copy[w].usable;
	if (copy[NEAR].usable && !install(s, &near, s->land->near, &copy[NEAR])) {
		complain(s, NEAR, "out of reach", 0, 1);
		return;
	}
	if (copy[FAR].usable && !install(s, &far, s->land->far, &copy[FAR])) {
		complain(s, FAR, "out of reach", 0, 1);
		return;
	}
	if (copy[NEAR].usable)
		check_near(s, &copy[NEAR]);
	if (copy[FAR].usable)
		check_far(s, &copy[FAR], far.len);
	if (copy[NEAR].usable || copy[FAR].usable || copy[EMULATED].usable) {
		place(s);
		run_states(s, copy, t);
	}
}

static void report(void)
{
	printf("%-26s %9s %9s %9s %9s %9s %9s  refused near, far, emulated\n", "form", "insns",
	       "cases", "faults", way_name[NEAR], way_name[FAR], way_name[EMULATED]);
	for (unsigned int i = 0; i < nforms; i++) {
		const struct tally *t = &tally[i];

		if (!t->insns)
			continue;
		printf("%-26s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64
		       " %9" PRIu64 "  %" PRIu64 ", %" PRIu64 ", %" PRIu64 "\n",
		       forms[i].name, t->insns, t->cases, t->faults, t->runs[NEAR], t->runs[FAR],
		       t->runs[EMULATED], t->refused[NEAR], t->refused[FAR], t->refused[EMULATED]);
	}
}

/* Some forms are rare among random bytes, and some never there. */
static bool try_subject(struct subject *s, const struct form *form)
{
	for (unsigned int tries = 0; tries < 1000; tries++)
		if (gen_subject(s, form))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000000;
	const char *only = argc > 3 ? argv[3] : "";
	static struct subject s;
	unsigned int f = 0;

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	printf("seed %" PRIu64 ", %" PRIu64 " instructions\n", seed, count);
	tally = calloc(nforms, sizeof(*tally));
	if (!tally || !cpu_setup())
		return 1;
	while (count && failures < FAILURES_MAX) {
		f = (f + 1) % nforms;
		if (strncmp(forms[f].name, only, strlen(only)) || !try_subject(&s, &forms[f]))
			continue;
		run_insn(&s, &tally[f]);
		count--;
	}
	report();
	free(tally);
	return failures != 0;
}

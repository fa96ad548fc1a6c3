/* SPDX-License-Identifier: MIT */
/*
 * The detour of an instruction does what the instruction does, near and far: all run from the same
 * random states, and every register, flag, exit, data byte and stack byte must come out the same.
 * (tests/fuzz/fuzz_relocate does so with random instructions.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "arch/arch.h"
#include "base/base.h"
#include "cpu.h"

#define SIZE 0x20000u
#define LOW 0x30000000ull /* where 32-bit addresses and far pointers reach it */
#define FAR (64ull << 30) /* from there to what no rel32 reaches */
#define INSN 0x100u	  /* the instruction, then the exits */
#define AHEAD 0x20	  /* displacement of every branch: the exit behind the next one */
#define DETOUR 0x4000u
#define POINTER 0x5000u /* of the hit stub */
#define DATA 0x8000u
#define STACK 0x10000u
#define HALF 0x800u /* of data and stack that is compared */
#define ROUNDS 64
#define SITE 0x1234567
#define ARITHMETIC_FLAGS 0xcd5ull

enum exit_id { EXIT_NEXT = 1, EXIT_TARGET = 2 };

enum needs {
	NOTHING,
	SYSCALL,
	FRAME,	 /* rsp leads to what iretq pops */
	FRAME4,	 /* the same in words of 4 bytes */
	POINTER4 /* the data begin with a far pointer */
};

struct form {
	const char *name;
	const char *bytes;
	uint8_t len;
	uint8_t rip_at; /* offset of a displacement that is to mean DATA; 0 = none */
	uint8_t needs;
};

/* rdi, rsi, r12 point into data, rbp into the stack; rcx and rbx are small; r10 and the first
 * words of data and stack hold the address of the target. */
static const struct form forms[] = {
	{"push rbp", "\x55", 1, 0, NOTHING},
	{"pop rdx", "\x5a", 1, 0, NOTHING},
	{"push rsp", "\x54", 1, 0, NOTHING},
	{"pushfq", "\x9c", 1, 0, NOTHING},
	{"push imm", "\x68\x78\x56\x34\x12", 5, 0, NOTHING},
	{"push [rip]", "\xff\x35\0\0\0\0", 6, 2, NOTHING},
	{"mov rax,rsp", "\x48\x89\xe0", 3, 0, NOTHING},
	{"sub rsp,24", "\x48\x83\xec\x18", 4, 0, NOTHING},
	{"add rax,rdx", "\x48\x01\xd0", 3, 0, NOTHING},
	{"adc r8,r9", "\x4d\x11\xc8", 3, 0, NOTHING},
	{"xor eax,eax", "\x31\xc0", 2, 0, NOTHING},
	{"mov -8(rsp),rax", "\x48\x89\x44\x24\xf8", 5, 0, NOTHING},
	{"mov rax,-120(rsp)", "\x48\x8b\x44\x24\x88", 5, 0, NOTHING},
	{"leave", "\xc9", 1, 0, NOTHING},
	{"endbr64", "\xf3\x0f\x1e\xfa", 4, 0, NOTHING},
	{"nop5", "\x0f\x1f\x44\0\0", 5, 0, NOTHING},
	{"movabs", "\x48\xb8\x08\x07\x06\x05\x04\x03\x02\x01", 10, 0, NOTHING},
	{"setc al", "\x0f\x92\xc0", 3, 0, NOTHING},
	{"imul rdx,rax,7", "\x48\x6b\xd0\x07", 4, 0, NOTHING},
	{"rep stosb", "\xf3\xaa", 2, 0, NOTHING},
	{"lock xadd", "\xf0\x48\x0f\xc1\x07", 5, 0, NOTHING},
	{"mov rax,[rip]", "\x48\x8b\x05\0\0\0\0", 7, 3, NOTHING},
	{"lea rdx,[rip]", "\x48\x8d\x15\0\0\0\0", 7, 3, NOTHING},
	{"mov [rip],r9", "\x4c\x89\x0d\0\0\0\0", 7, 3, NOTHING},
	{"mov [rip],imm32", "\x48\xc7\x05\0\0\0\0\x01\x02\x03\x04", 11, 3, NOTHING},
	{"mov [rip],imm8", "\xc6\x05\0\0\0\0\x7f", 7, 2, NOTHING},
	{"cmp [rip],imm8", "\x83\x3d\0\0\0\0\x05", 7, 2, NOTHING},
	{"add [rip],imm32", "\x48\x81\x05\0\0\0\0\x01\x02\x03\x04", 11, 3, NOTHING},
	{"lock inc [rip]", "\xf0\xff\x05\0\0\0\0", 7, 3, NOTHING},
	{"imul rax,[rip],imm", "\x48\x69\x05\0\0\0\0\x11\0\0\0", 11, 3, NOTHING},
	{"shl [rip],3", "\xc1\x25\0\0\0\0\x03", 7, 2, NOTHING},
	{"jmp short", "\xeb\x20", 2, 0, NOTHING},
	{"jmp near", "\xe9\x20\0\0\0", 5, 0, NOTHING},
	{"bnd jmp near", "\xf2\xe9\x20\0\0\0", 6, 0, NOTHING},
	{"jo", "\x70\x20", 2, 0, NOTHING},
	{"jnc", "\x73\x20", 2, 0, NOTHING},
	{"jz near", "\x0f\x84\x20\0\0\0", 6, 0, NOTHING},
	{"jbe", "\x76\x20", 2, 0, NOTHING},
	{"js near", "\x0f\x88\x20\0\0\0", 6, 0, NOTHING},
	{"jp", "\x7a\x20", 2, 0, NOTHING},
	{"jg near", "\x0f\x8f\x20\0\0\0", 6, 0, NOTHING},
	{"jl hinted", "\x3e\x7c\x20", 3, 0, NOTHING},
	{"loop", "\xe2\x20", 2, 0, NOTHING},
	{"loope", "\xe1\x20", 2, 0, NOTHING},
	{"loopne", "\xe0\x20", 2, 0, NOTHING},
	{"jrcxz", "\xe3\x20", 2, 0, NOTHING},
	{"jecxz", "\x67\xe3\x20", 3, 0, NOTHING},
	{"addr32 loop", "\x67\xe2\x20", 3, 0, NOTHING},
	{"jmp r10", "\x41\xff\xe2", 3, 0, NOTHING},
	{"notrack jmp r10", "\x3e\x41\xff\xe2", 4, 0, NOTHING},
	{"jmp [rip]", "\xff\x25\0\0\0\0", 6, 2, NOTHING},
	{"jmp [rdi]", "\xff\x27", 2, 0, NOTHING},
	{"jmp [rsp+8]", "\xff\x64\x24\x08", 4, 0, NOTHING},
	{"call near", "\xe8\x20\0\0\0", 5, 0, NOTHING},
	{"call next", "\xe8\0\0\0\0", 5, 0, NOTHING},
	{"tls call", "\x66\x66\x48\xe8\x20\0\0\0", 8, 0, NOTHING},
	{"call r10", "\x41\xff\xd2", 3, 0, NOTHING},
	{"call [rip]", "\xff\x15\0\0\0\0", 6, 2, NOTHING},
	{"addr32 call", "\x67\xe8\x20\0\0\0", 6, 0, NOTHING},
	{"call [rdi]", "\xff\x17", 2, 0, NOTHING},
	{"call [r12+8]", "\x41\xff\x54\x24\x08", 5, 0, NOTHING},
	{"call [rdi+rbx*8]", "\xff\x14\xdf", 3, 0, NOTHING},
	{"call [rsp]", "\xff\x14\x24", 3, 0, NOTHING},
	{"call [rsp+8]", "\xff\x54\x24\x08", 4, 0, NOTHING},
	{"call [rsp+120]", "\xff\x54\x24\x78", 4, 0, NOTHING},
	{"call [rsp+128]", "\xff\x94\x24\x80\0\0\0", 7, 0, NOTHING},
	{"call [rsp-16]", "\xff\x54\x24\xf0", 4, 0, NOTHING},
	{"call [rsp+rbx*8]", "\xff\x14\xdc", 3, 0, NOTHING},
	{"call [rbp+16]", "\xff\x55\x10", 3, 0, NOTHING},
	{"ret", "\xc3", 1, 0, NOTHING},
	{"repz ret", "\xf3\xc3", 2, 0, NOTHING},
	{"ret 16", "\xc2\x10\0", 3, 0, NOTHING},
	{"push sp-relative", "\xff\x74\x24\x10", 4, 0, NOTHING},
	{"pop [rip]", "\x8f\x05\0\0\0\0", 6, 2, NOTHING},
	{"pop [rsp+8]", "\x8f\x44\x24\x08", 4, 0, NOTHING},
	{"pop rsp", "\x5c", 1, 0, NOTHING},
	{"push word", "\x66\x50", 2, 0, NOTHING},
	{"enter", "\xc8\x20\0\0", 4, 0, NOTHING},
	{"rep movsq", "\xf3\x48\xa5", 3, 0, NOTHING},
	{"addr32 rep stosb", "\x67\xf3\xaa", 3, 0, NOTHING},
	{"lea r32,[rip]", "\x8d\x15\0\0\0\0", 6, 2, NOTHING},
	{"lea r15,[rip]", "\x4c\x8d\x3d\0\0\0\0", 7, 3, NOTHING},
	{"lea r16,[rip]", "\x66\x8d\x15\0\0\0\0", 7, 3, NOTHING},
	{"mov ah,[rip]", "\x8a\x25\0\0\0\0", 6, 2, NOTHING},
	{"mul [rip]", "\x48\xf7\x25\0\0\0\0", 7, 3, NOTHING},
	{"cmpxchg16b [rip]", "\xf0\x48\x0f\xc7\x0d\0\0\0\0", 9, 5, NOTHING},
	{"ignored rex.b", "\x49\x8b\x05\0\0\0\0", 7, 3, NOTHING},
	{"gs:[rip]", "\x65\x48\x8b\x05\0\0\0\0", 8, 4, NOTHING},
	{"eip mov", "\x67\x48\x8b\x05\0\0\0\0", 8, 4, NOTHING},
	{"eip lea", "\x67\x48\x8d\x15\0\0\0\0", 8, 4, NOTHING},
	{"eip lock add", "\x67\xf0\x01\x05\0\0\0\0", 8, 4, NOTHING},
	{"eip push", "\x67\xff\x35\0\0\0\0", 7, 3, NOTHING},
	{"eip pop", "\x67\x8f\x05\0\0\0\0", 7, 3, NOTHING},
	{"eip jmp", "\x67\xff\x25\0\0\0\0", 7, 3, NOTHING},
	{"eip call", "\x67\xff\x15\0\0\0\0", 7, 3, NOTHING},
	{"nop [rip]", "\x0f\x1f\x05\0\0\0\0", 7, 3, NOTHING},
	{"repz loopne", "\xf3\xe0\x20", 3, 0, NOTHING},
	{"iretq", "\x48\xcf", 2, 0, FRAME},
	{"far ret", "\x48\xcb", 2, 0, FRAME},
	{"far ret, short", "\xcb", 1, 0, FRAME4},
	{"far jmp", "\xff\x2f", 2, 0, POINTER4},
	{"syscall", "\x0f\x05", 2, 0, SYSCALL},
};

struct outcome {
	uint64_t cpu[NCPU];
	uint64_t exit;
	uint8_t data[HALF], stack[HALF];
};

static uint8_t *mem;
static uint64_t seed = 88172645463325252ull;

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void apply_fixups(const struct arch_code *c, uint8_t *code)
{
	uint64_t bias = (uint64_t)mem;

	memcpy(code, c->code, c->len);
	for (unsigned i = 0; i < c->nfix; i++) {
		const struct wire_fixup *f = &c->fix[i];
		uint64_t at = (uint64_t)code + f->at, v = SITE;

		if (f->kind == WIRE_FIX_REL32)
			v = bias + f->target - (at + 4 + f->tail);
		else if (f->kind == WIRE_FIX_STUB32)
			v = (uint64_t)code + POINTER - DETOUR - (at + 4);
		else if (f->kind == WIRE_FIX_ABS64)
			v = bias + f->target;
		memcpy(code + f->at, &v, f->kind == WIRE_FIX_ABS64 ? 8 : 4);
	}
}

static void place(const struct form *f)
{
	int32_t disp = (int32_t)(DATA - (INSN + f->len));
	struct arch_code c;
	int err;

	memset(mem, 0xcc, DATA);
	memcpy(mem + INSN, f->bytes, f->len);
	if (f->rip_at)
		memcpy(mem + INSN + f->rip_at, &disp, 4);
	cpu_put_exit(mem + INSN + f->len, EXIT_NEXT);
	cpu_put_exit(mem + INSN + f->len + AHEAD, EXIT_TARGET);
	err = arch_emit_detour(mem + INSN, f->len, INSN, &c);
	if (err)
		fail_msg("%s: refused (%d)", f->name, err);
	apply_fixups(&c, mem + DETOUR);
	memcpy(mem + POINTER, &(uint64_t){(uint64_t)cpu_stub}, 8);
	err = arch_emit_detour_far(mem + INSN, f->len, INSN, &c);
	if (err)
		fail_msg("%s: refused far away (%d)", f->name, err);
	apply_fixups(&c, mem + FAR + DETOUR);
	memcpy(mem + FAR + POINTER, &(uint64_t){(uint64_t)cpu_stub}, 8);
}

/* Address, code selector, flags, rsp, stack selector: those of a program of 64 bits. */
static void put_frame(const struct form *f, struct outcome *start, uint64_t target)
{
	uint64_t frame[5] = {target, 0x33, start->cpu[FLAGS] ^ 0x8d5, start->cpu[RSP] + 64, 0x2b};

	for (unsigned i = 0; i < 5; i++) {
		if (f->needs == FRAME)
			memcpy(start->stack + HALF / 2 + 8 * i, &frame[i], 8);
		else if (f->needs == FRAME4)
			memcpy(start->stack + HALF / 2 + 4 * i, &frame[i], 4);
		else if (f->needs == POINTER4 && i < 2)
			memcpy(start->data + 4 * i, &frame[i], 4);
	}
}

static void random_state(const struct form *f, struct outcome *start, unsigned round)
{
	uint64_t target = (uint64_t)mem + INSN + f->len + AHEAD;
	uint64_t *data = (uint64_t *)start->data, *stack = (uint64_t *)start->stack;

	for (unsigned i = 0; i < NCPU; i++)
		start->cpu[i] = random64();
	for (unsigned i = 0; i < HALF / 8; i++) {
		data[i] = i < 8 ? target : random64();
		stack[i] = random64();
	}
	/* the stack pointer stands in the middle, on a word and sometimes off */
	for (unsigned i = HALF / 16 - 2; i < HALF / 16 + 32; i++)
		stack[i] = target;
	start->cpu[RSP] = (uint64_t)mem + STACK + HALF / 2;
	start->cpu[RBP] = start->cpu[RSP] + 8 * (round % 4);
	start->cpu[RDI] = start->cpu[RSI] = start->cpu[R12] = (uint64_t)mem + DATA;
	start->cpu[R10] = target;
	start->cpu[RBX] = round % 4;
	start->cpu[RCX] = round % 8;
	if (f->needs == SYSCALL)
		start->cpu[RAX] = 39; /* getpid */
	start->cpu[FLAGS] = (start->cpu[FLAGS] & ARITHMETIC_FLAGS & ~0x400ull) | 0x202;
	put_frame(f, start, target);
}

static void run_at(uint64_t entry, const struct outcome *start, struct outcome *end)
{
	memcpy(mem + DATA, start->data, HALF);
	memcpy(mem + STACK, start->stack, HALF);
	memcpy(cpu_in, start->cpu, sizeof(cpu_in));
	cpu_entry = (uint64_t)mem + entry;
	cpu_exit = 0;
	cpu_run();
	memcpy(end->cpu, cpu_out, sizeof(cpu_out));
	end->cpu[FLAGS] &= ARITHMETIC_FLAGS;
	end->exit = cpu_exit;
	memcpy(end->data, mem + DATA, HALF);
	memcpy(end->stack, mem + STACK, HALF);
}

static void compare(const struct form *f, const struct outcome *a, const struct outcome *b)
{
	/* below the red zone memory belongs to whoever interrupts */
	size_t kept = HALF / 2 - 128;

	for (unsigned i = 0; i < NCPU; i++)
		if (a->cpu[i] != b->cpu[i])
			fail_msg("%s: register %u is %#lx, should be %#lx", f->name, i, b->cpu[i],
				 a->cpu[i]);
	if (a->exit != b->exit || !a->exit)
		fail_msg("%s: left by exit %lu, should be %lu", f->name, b->exit, a->exit);
	if (memcmp(a->data, b->data, HALF))
		fail_msg("%s: data differ", f->name);
	if (memcmp(a->stack + kept, b->stack + kept, HALF - kept))
		fail_msg("%s: stack differs", f->name);
}

static void same_effect(void **state)
{
	static struct outcome start, plain, moved;
	unsigned taken[3] = {0};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		place(&forms[i]);
		for (unsigned round = 0; round < ROUNDS; round++) {
			random_state(&forms[i], &start, round);
			run_at(INSN, &start, &plain);
			for (uint64_t away = 0; away <= FAR; away += FAR) {
				cpu_site = 0;
				run_at(away + DETOUR, &start, &moved);
				compare(&forms[i], &plain, &moved);
				assert_int_equal(cpu_site, SITE);
			}
			taken[plain.exit]++;
		}
	}
	/* the states must have led both ways */
	assert_true(taken[EXIT_NEXT] > ROUNDS && taken[EXIT_TARGET] > ROUNDS);
}

/* The comparison itself can fail: a detour of another instruction is noticed. */
static void different_effect(void **state)
{
	static struct outcome start, a, b;
	const struct form inc = {"inc", "\x48\xff\xc0", 3, 0, NOTHING};
	(void)state;

	place(&inc);
	random_state(&inc, &start, 1);
	run_at(INSN, &start, &a);
	for (uint8_t *p = mem + DETOUR;; p++) {
		assert_true(p < mem + DETOUR + WIRE_SITE_CODE_MAX);
		if (!memcmp(p, inc.bytes, 3)) {
			p[2] = 0xc8; /* dec */
			break;
		}
	}
	run_at(DETOUR, &start, &b);
	assert_true(a.cpu[RAX] != b.cpu[RAX]);
}

static void *map_at(uint64_t at)
{
	return mmap((void *)at, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static int setup(void **state)
{
	(void)state;
	mem = map_at(LOW);
	return mem == (void *)LOW && map_at(LOW + FAR) == mem + FAR ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return munmap(mem, SIZE) || munmap(mem + FAR, SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_effect),
		cmocka_unit_test(different_effect),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

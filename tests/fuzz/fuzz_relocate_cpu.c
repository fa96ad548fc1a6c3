/* SPDX-License-Identifier: MIT */
/*
 * Runs machine code from a given state and catches the state it leaves by: at an exit, which
 * keeps every register and flag, or by a fault, whose handler leaves by longjmp without a system
 * call. The code is entered by a jump and has a stack of its own.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "fuzz_relocate.h"

#define PAGE 4096u
#define DISTANT_AT 0x1800u /* from the start of the original's pages */

struct land lands[2];

/* Read and written by the assembly below. */
uint64_t regs_in[NCPU], regs_out[NCPU];
uint8_t vec_in[16][32], vec_out[16][32];
uint64_t run_entry, run_exit, run_host_rsp;
uint32_t run_mxcsr, run_mxcsr_default = 0x1f80;
uint8_t run_avx, run_x87;

void run_code(void);
void run_leave(void);

#define EACH_VEC(op)                                                                               \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13)    \
		op(14) op(15)
#define LOAD_YMM(n) "vmovups 32*" #n "+vec_in(%rip), %ymm" #n "\n"
#define SAVE_YMM(n) "vmovups %ymm" #n ", 32*" #n "+vec_out(%rip)\n"
#define LOAD_XMM(n) "movups 32*" #n "+vec_in(%rip), %xmm" #n "\n"
#define SAVE_XMM(n) "movups %xmm" #n ", 32*" #n "+vec_out(%rip)\n"

__asm__(".text; .globl cpu_stub\n"
	"run_code:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, run_host_rsp(%rip)\n"
	"	ldmxcsr run_mxcsr_default(%rip)\n"
	"	cmpb $0, run_x87(%rip); je 1f; fninit; 1:\n"
	"	cmpb $0, run_avx(%rip); je 1f\n" EACH_VEC(LOAD_YMM) "	jmp 2f; 1:\n" EACH_VEC(
		LOAD_XMM) "2:	push regs_in+128(%rip); popfq\n"
			  "	mov regs_in+0(%rip), %rax; mov regs_in+8(%rip), %rcx\n"
			  "	mov regs_in+16(%rip), %rdx; mov regs_in+24(%rip), %rbx\n"
			  "	mov regs_in+32(%rip), %rsp; mov regs_in+40(%rip), %rbp\n"
			  "	mov regs_in+48(%rip), %rsi; mov regs_in+56(%rip), %rdi\n"
			  "	mov regs_in+64(%rip), %r8; mov regs_in+72(%rip), %r9\n"
			  "	mov regs_in+80(%rip), %r10; mov regs_in+88(%rip), %r11\n"
			  "	mov regs_in+96(%rip), %r12; mov regs_in+104(%rip), %r13\n"
			  "	mov regs_in+112(%rip), %r14; mov regs_in+120(%rip), %r15\n"
			  "	jmp *run_entry(%rip)\n"
			  "run_leave:\n" /* rax is saved already and holds the number of the exit */
			  "	mov %rax, run_exit(%rip); mov %rcx, regs_out+8(%rip)\n"
			  "	mov %rdx, regs_out+16(%rip); mov %rbx, regs_out+24(%rip)\n"
			  "	mov %rsp, regs_out+32(%rip); mov %rbp, regs_out+40(%rip)\n"
			  "	mov %rsi, regs_out+48(%rip); mov %rdi, regs_out+56(%rip)\n"
			  "	mov %r8, regs_out+64(%rip); mov %r9, regs_out+72(%rip)\n"
			  "	mov %r10, regs_out+80(%rip); mov %r11, regs_out+88(%rip)\n"
			  "	mov %r12, regs_out+96(%rip); mov %r13, regs_out+104(%rip)\n"
			  "	mov %r14, regs_out+112(%rip); mov %r15, regs_out+120(%rip)\n"
			  "	mov run_host_rsp(%rip), %rsp\n"
			  "	pushfq; pop regs_out+128(%rip)\n"
			  "	cld\n"
			  "	stmxcsr run_mxcsr(%rip); ldmxcsr run_mxcsr_default(%rip)\n"
			  "	cmpb $0, run_x87(%rip); je 1f; fninit; 1:\n"
			  "	cmpb $0, run_avx(%rip); je 1f\n" EACH_VEC(
				  SAVE_YMM) "	vzeroupper; jmp 2f; 1:\n" EACH_VEC(SAVE_XMM) "2:\n"
											     "	pop"
											     " %"
											     "r15; "
											     "pop "
											     "%r14;"
											     " pop "
											     "%r13;"
											     " pop "
											     "%r12;"
											     " pop "
											     "%rbp;"
											     " pop "
											     "%rbx"
											     "\n"
											     "	ret"
											     "\n"
											     "cpu_"
											     "stub:"
											     "\n" /* stands for the hit stub; leaves marks where it may */
											     "	pus"
											     "h "
											     "%rax;"
											     " mov "
											     "$-1, "
											     "%rax;"
											     " push"
											     " %"
											     "rax; "
											     "push "
											     "%rax;"
											     " lea "
											     "16(%"
											     "rsp),"
											     " %"
											     "rsp; "
											     "pop "
											     "%rax"
											     "\n"
											     "	ret"
											     "\n");

/* An exit at @at: mov %rax, regs_out; mov $id, %rax; jmp run_leave. 31 bytes. */
void cpu_put_exit(uint8_t *at, enum exit_id id)
{
	uint64_t save = (uint64_t)&regs_out[RAX], leave = (uint64_t)run_leave;
	int32_t id32 = (int32_t)id;

	memcpy(at, "\x48\xa3", 2);
	memcpy(at + 2, &save, 8);
	memcpy(at + 10, "\x48\xc7\xc0", 3);
	memcpy(at + 13, &id32, 4);
	memcpy(at + 17, "\xff\x25\0\0\0\0", 6);
	memcpy(at + 23, &leave, 8);
}

uint8_t *cpu_exit_at(const struct subject *s, enum exit_id id)
{
	switch (id) {
	case EXIT_NEXT:
		return s->at + s->len;
	case EXIT_AHEAD:
		return s->at + s->len + 0x30;
	case EXIT_BEHIND:
		return s->at - 0x40;
	default:
		return s->land->orig + DISTANT_AT;
	}
}

static sigjmp_buf fault_env;
static volatile bool is_running; /* a fault elsewhere is our own */
static int fault_signo, fault_code;
static uint64_t fault_addr, fault_rip;

/* Both the processor's state and the fault's, then back without returning from the signal. */
static void on_fault(int signo, siginfo_t *info, void *context)
{
	static const int order[NCPU] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
					REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
					REG_R12, REG_R13, REG_R14, REG_R15, REG_EFL};
	const ucontext_t *uc = context;

	if (!is_running) {
		signal(signo, SIG_DFL);
		return;
	}
	is_running = false;
	__asm__ volatile("ldmxcsr run_mxcsr_default(%%rip); fninit" : : : "memory");
	for (int i = 0; i < NCPU; i++)
		regs_out[i] = (uint64_t)uc->uc_mcontext.gregs[order[i]];
	fault_signo = signo;
	fault_code = info->si_code;
	fault_addr = (uint64_t)info->si_addr;
	fault_rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	siglongjmp(fault_env, 1);
}

static void set_memory(const struct subject *s, const struct start *st)
{
	memcpy(s->land->data, st->data, WINDOW);
	memcpy(s->land->stack, st->stack, WINDOW);
}

static void get_outcome(const struct subject *s, struct outcome *out)
{
	memcpy(out->cpu, regs_out, sizeof(out->cpu));
	out->cpu[FLAGS] &= ARITHMETIC;
	memcpy(out->data, s->land->data, WINDOW);
	memcpy(out->stack, s->land->stack, WINDOW);
}

static void get_fault(struct outcome *out)
{
	out->exit = EXIT_FAULT;
	out->signo = fault_signo;
	out->code = fault_code;
	out->addr = fault_addr;
	out->rip = fault_rip;
}

void cpu_run(const struct subject *s, uint8_t *entry, const struct start *st, struct outcome *out)
{
	set_memory(s, st);
	memcpy(regs_in, st->cpu, sizeof(regs_in));
	memcpy(vec_in, st->vec, sizeof(vec_in));
	run_entry = (uint64_t)entry;
	run_x87 = s->x87;
	if (!sigsetjmp(fault_env, 0)) {
		is_running = true;
		run_code();
		is_running = false;
		out->exit = (uint32_t)run_exit;
		out->mxcsr = run_mxcsr;
		memcpy(out->vec, vec_out, sizeof(vec_out));
	} else {
		get_fault(out);
	}
	get_outcome(s, out);
}

/* Where register i stands in a context. */
static const uint8_t slot[NCPU] = {6, 3, 2, 7, 16, 8, 1, 0, 4, 5, 9, 10, 11, 12, 13, 14, 15};

void cpu_emulate(const struct subject *s, const struct arch_emul *e, const struct start *st,
		 struct outcome *out)
{
	static struct wire_ctx ctx;

	set_memory(s, st);
	for (int i = 0; i < NCPU; i++)
		ctx.reg[slot[i]] = st->cpu[i];
	ctx.reg[WIRE_REG_PC] = (uint64_t)s->at;
	if (!sigsetjmp(fault_env, 0)) {
		out->exit = EXIT_NONE;
		is_running = true;
		if (arch_emulate(e, &ctx)) {
			for (uint32_t id = EXIT_NEXT; id < EXIT_COUNT; id++)
				if (ctx.reg[WIRE_REG_PC] == (uint64_t)cpu_exit_at(s, id))
					out->exit = id;
		}
		is_running = false;
	} else {
		get_fault(out);
	}
	out->rip = ctx.reg[WIRE_REG_PC];
	for (int i = 0; i < NCPU; i++)
		regs_out[i] = ctx.reg[slot[i]];
	get_outcome(s, out);
}

uint64_t cpu_fs_base(void)
{
	uint64_t base;

	__asm__("mov %%fs:0, %0" : "=r"(base));
	return base;
}

static uint8_t *map_at(uint64_t at, size_t size, int prot)
{
	void *p = mmap((void *)at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		       -1, 0);

	return p == (void *)at ? p : NULL;
}

static bool open_land(struct land *l, uint64_t orig, uint64_t near, uint64_t far, uint64_t bias)
{
	int code = PROT_READ | PROT_WRITE | PROT_EXEC, data = PROT_READ | PROT_WRITE;

	l->orig = map_at(orig, 2 * PAGE, code);
	l->near = map_at(near, PAGE, code);
	l->far = map_at(far, PAGE, code);
	l->data = map_at(orig + 0x10000, PAGE, data);
	l->stack = map_at(orig + 0x20000, PAGE, data);
	l->bias = bias;
	if (!l->orig || !l->near || !l->far || !l->data || !l->stack) {
		perror("fuzz_relocate: mmap");
		return false;
	}
	memset(l->orig, 0xcc, 2 * PAGE);
	cpu_put_exit(l->orig + DISTANT_AT, EXIT_DISTANT);
	return true;
}

bool cpu_setup(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
	static uint8_t altstack[65536];
	stack_t ss = {.ss_sp = altstack, .ss_size = sizeof(altstack)};
	struct sigaction sa = {.sa_sigaction = on_fault,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

	run_avx = __builtin_cpu_supports("avx") != 0;
	if (sigaltstack(&ss, NULL))
		return false;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (sigaction(signals[i], &sa, NULL))
			return false;
	return open_land(&lands[0], 0x20000000, 0x9ff00000, 0x3000000000, 0) &&
	       open_land(&lands[1], 0x2a5a80000000, 0x2a5a80000000 - 0x7ff00000, 0x2a4000000000,
			 0x2a5a7fff0000);
}

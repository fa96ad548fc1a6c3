/* SPDX-License-Identifier: MIT */
/*
 * Runs machine code from a given register state and catches the state it leaves by.
 *
 * The code is entered by a jump. It is left at an exit: a stub that keeps every register and
 * flag. The stack of the code is its own memory, so that it can be compared too.
 */
#ifndef TEST_ARCH_CPU_H
#define TEST_ARCH_CPU_H

#include <stdint.h>
#include <string.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, FLAGS, NCPU };

/* Read and written by the assembly below. */
uint64_t cpu_in[NCPU], cpu_out[NCPU];
uint64_t cpu_entry, cpu_exit, cpu_host_rsp, cpu_site;

void cpu_run(void);
void cpu_leave(void);
void cpu_stub(void);

__asm__(".text\n"
	"cpu_run:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, cpu_host_rsp(%rip)\n"
	"	push cpu_in+128(%rip)\n"
	"	popfq\n"
	"	mov cpu_in+0(%rip), %rax; mov cpu_in+8(%rip), %rcx\n"
	"	mov cpu_in+16(%rip), %rdx; mov cpu_in+24(%rip), %rbx\n"
	"	mov cpu_in+32(%rip), %rsp; mov cpu_in+40(%rip), %rbp\n"
	"	mov cpu_in+48(%rip), %rsi; mov cpu_in+56(%rip), %rdi\n"
	"	mov cpu_in+64(%rip), %r8; mov cpu_in+72(%rip), %r9\n"
	"	mov cpu_in+80(%rip), %r10; mov cpu_in+88(%rip), %r11\n"
	"	mov cpu_in+96(%rip), %r12; mov cpu_in+104(%rip), %r13\n"
	"	mov cpu_in+112(%rip), %r14; mov cpu_in+120(%rip), %r15\n"
	"	jmp *cpu_entry(%rip)\n"
	"cpu_leave:\n" /* rax is saved already and holds the number of the exit */
	"	mov %rax, cpu_exit(%rip); mov %rcx, cpu_out+8(%rip)\n"
	"	mov %rdx, cpu_out+16(%rip); mov %rbx, cpu_out+24(%rip)\n"
	"	mov %rsp, cpu_out+32(%rip); mov %rbp, cpu_out+40(%rip)\n"
	"	mov %rsi, cpu_out+48(%rip); mov %rdi, cpu_out+56(%rip)\n"
	"	mov %r8, cpu_out+64(%rip); mov %r9, cpu_out+72(%rip)\n"
	"	mov %r10, cpu_out+80(%rip); mov %r11, cpu_out+88(%rip)\n"
	"	mov %r12, cpu_out+96(%rip); mov %r13, cpu_out+104(%rip)\n"
	"	mov %r14, cpu_out+112(%rip); mov %r15, cpu_out+120(%rip)\n"
	"	mov cpu_host_rsp(%rip), %rsp\n"
	"	pushfq; pop cpu_out+128(%rip)\n"
	"	cld\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n"
	"cpu_stub:\n" /* stands for the hit stub: notes the site, keeps everything */
	"	push %rax; mov 16(%rsp), %rax; mov %rax, cpu_site(%rip); pop %rax\n"
	"	ret\n");

#define CPU_EXIT_SIZE 31

/* An exit at @at: mov %rax, cpu_out; mov $id, %rax; jmp cpu_leave */
static inline void cpu_put_exit(uint8_t *at, int32_t id)
{
	uint64_t save = (uint64_t)&cpu_out[RAX], leave = (uint64_t)cpu_leave;

	memcpy(at, "\x48\xa3", 2);
	memcpy(at + 2, &save, 8);
	memcpy(at + 10, "\x48\xc7\xc0", 3);
	memcpy(at + 13, &id, 4);
	memcpy(at + 17, "\xff\x25\0\0\0\0", 6);
	memcpy(at + 23, &leave, 8);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * void text_call(struct regs *r, uint64_t fn)
 *
 * Calls fn with all general registers and the flags as in *r, and puts them there as they are
 * when it returns. Order: rdi rsi rdx rcx r8 r9 rax rbx rbp r10 ... r15 rflags.
 */
	.text
	.globl	text_call
	.type	text_call, @function
text_call:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi			/* 16(%rsp) below: r */
	push	%rsi			/* 8(%rsp): fn */
	push	%rsi			/* (%rsp): room */
	push	120(%rdi)
	popf
	mov	8(%rdi), %rsi
	mov	16(%rdi), %rdx
	mov	24(%rdi), %rcx
	mov	32(%rdi), %r8
	mov	40(%rdi), %r9
	mov	48(%rdi), %rax
	mov	56(%rdi), %rbx
	mov	64(%rdi), %rbp
	mov	72(%rdi), %r10
	mov	80(%rdi), %r11
	mov	88(%rdi), %r12
	mov	96(%rdi), %r13
	mov	104(%rdi), %r14
	mov	112(%rdi), %r15
	mov	(%rdi), %rdi
	call	*8(%rsp)
	mov	%rdi, (%rsp)
	mov	16(%rsp), %rdi
	mov	%rsi, 8(%rdi)
	mov	%rdx, 16(%rdi)
	mov	%rcx, 24(%rdi)
	mov	%r8, 32(%rdi)
	mov	%r9, 40(%rdi)
	mov	%rax, 48(%rdi)
	mov	%rbx, 56(%rdi)
	mov	%rbp, 64(%rdi)
	mov	%r10, 72(%rdi)
	mov	%r11, 80(%rdi)
	mov	%r12, 88(%rdi)
	mov	%r13, 96(%rdi)
	mov	%r14, 104(%rdi)
	mov	%r15, 112(%rdi)
	pushf
	pop	120(%rdi)
	mov	(%rsp), %rsi
	mov	%rsi, (%rdi)
	lea	24(%rsp), %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	text_call, . - text_call

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: MIT */
/*
 * long sys_call(long nr, long a, long b, long c, long d, long e, long f)
 *
 * A system call that touches neither errno nor any library (base/sys.h).
 * Context: hit, signal-safe, any thread.
 */
	.section .text.sonde_hit, "ax", @progbits
	.globl	sys_call
	.hidden	sys_call
	.type	sys_call, @function
sys_call:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	ret
	.size	sys_call, . - sys_call

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: MIT */
/* 50 000 functions of 16 bytes (test_many.c). */
	.text
	.p2align 6
	.globl	many_first
	.hidden	many_first
many_first:
	.rept	25000
	.cfi_startproc
	mov	$1, %eax
	ret
	.cfi_endproc
	.p2align 4, 0xcc
	.cfi_startproc
	push	%rbx
	.cfi_adjust_cfa_offset 8
	mov	%rdi, %rbx
	mov	%rbx, %rax
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.p2align 4, 0xcc
	.endr
	.section .note.GNU-stack, "", @progbits

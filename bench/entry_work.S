/* SPDX-License-Identifier: MIT */
/*
 * The probed functions. work_lea begins with a five-byte lea, as many compiled functions do: the
 * kernel must single-step it. work_nop begins with the five-byte nop, the cheapest entry for
 * the kernel. Both start an aligned quadword.
 */
	.text

	.globl work_lea
	.type work_lea, @function
	.p2align 6
work_lea:
	lea 1(%rdi,%rdi,2), %rax
	ret
	.size work_lea, . - work_lea

	.globl work_nop
	.type work_nop, @function
	.p2align 6
work_nop:
	.byte 0x0f, 0x1f, 0x44, 0x00, 0x00
	lea 1(%rdi,%rdi,2), %rax
	ret
	.size work_nop, . - work_nop

	.section .note.GNU-stack, "", @progbits

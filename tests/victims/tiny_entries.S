/* SPDX-License-Identifier: MIT */
/*
 * Entries that leave no room or little: a function of one byte with another right behind it, a
 * loop that branches back into the bytes a jump would cover, and one with ample room. And one
 * whose every instruction is probed.
 */
	.text

	.globl tiny_ret
	.type tiny_ret, @function
	.p2align 4
tiny_ret:
	ret
	.size tiny_ret, . - tiny_ret

	.globl tiny_after
	.type tiny_after, @function
tiny_after:
	mov $1, %eax
	ret
	.size tiny_after, . - tiny_after

	.globl tiny_loop
	.type tiny_loop, @function
	.p2align 4
tiny_loop:
	xor %eax, %eax
1:	inc %eax
	dec %edi
	jnz 1b
	ret
	.size tiny_loop, . - tiny_loop

	.globl roomy
	.type roomy, @function
	.p2align 4
roomy:
	mov $7, %eax
	ret
	.size roomy, . - roomy

	/* at 0 push, 1 mov, 3 xor; 5 add, 7 test, 10 jz, 12 inc, 14 dec, 16 jnz; 18 pop, 19 ret */
	.globl steps
	.type steps, @function
	.p2align 5
steps:
	push %rbx
	mov %edi, %ebx
	xor %eax, %eax
1:	add %ebx, %eax
	test $1, %bl
	jz 2f
	inc %eax
2:	dec %ebx
	jnz 1b
	pop %rbx
	ret
	.size steps, . - steps

	.section .note.GNU-stack, "", @progbits

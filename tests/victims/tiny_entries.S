/* SPDX-License-Identifier: MIT */
/*
 * Entries that leave no room or little: a function of one byte with another right behind it, a
 * loop that branches back into the bytes a jump would cover, and one with ample room.
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

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: MIT */
/* An image whose only function has unwind information and no symbol once it is linked. */
	.text
	.type nameless, @function
	.p2align 4
nameless:
	.cfi_startproc
	mov $7, %eax
	ret
	.cfi_endproc
	.size nameless, . - nameless
	.p2align 4 /* a whole quadword, as a jump needs */

	.section .note.GNU-stack, "", @progbits

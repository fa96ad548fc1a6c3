/* SPDX-License-Identifier: MIT */
/*
 * One function for each answer. Nothing here ever runs but the resolver; the bytes are what
 * counts. No unwind information: the bounds of functions are their sizes.
 */
	.macro func name
	.globl \name
	.type \name, @function
\name:
	.endm
	.macro done name
	.size \name, . - \name
	.endm

	.text
	/* five bytes in one quadword */
	.p2align 4
	func lib_room
	mov $7, %eax
	ret
	done lib_room

	/* the jump's last bytes are 48 83: far below the image */
	.p2align 4
	func lib_pun
	mov %rdi, %rax
	add $1, %rax
	ret
	done lib_pun

	/* one byte of choice only, but padding behind the function */
	.p2align 4
	func lib_pad
	xor %eax, %eax
	inc %edi
	inc %esi
	add %edi, %eax
	ret
	done lib_pad

	/* one byte, and a displacement that leads into the image itself */
	.p2align 4
	func lib_short
	ret
	done lib_short
	func lib_behind_short
	adc %al, (%rax)
	add %al, (%rax)
	ret
	done lib_behind_short

	/* the same for the return, but not for what stands before it */
	.p2align 4
	func lib_late
	mov $7, %eax
	ret
	done lib_late
	func lib_behind_late
	adc %al, (%rax)
	add %al, (%rax)
	ret
	done lib_behind_late

	/* the same as lib_short, but five bytes of whole instructions that nothing branches into */
	.p2align 4
	func lib_window
	push %rbp
	adc %al, (%rax)
	add %al, (%rax)
	pop %rbp
	ret
	done lib_window

	.p2align 4
	func lib_branch
0:	mov $0x00000490, %eax	# as a distance: into this image
	dec %edi
	jnz 0b + 1
	ret
	done lib_branch

	.p2align 4
	func lib_decode
	.byte 0x06, 0x90, 0x90, 0x90
	ret
	done lib_decode

	.p2align 4
	func lib_relocate
	.byte 0xff, 0x18 /* far call */
	ret
	done lib_relocate

	.p2align 4
	func lib_unsafe
	mov $15, %rax
	syscall
	done lib_unsafe

	/* nobody tells where it ends */
	.p2align 4
	func lib_endless
	mov $7, %eax
	ret

	.p2align 4
	.globl lib_pick
	.type lib_pick, @gnu_indirect_function
lib_pick:
	lea lib_picked(%rip), %rax
	ret
	.size lib_pick, . - lib_pick

	/* longer than its resolver */
	.p2align 4
	.type lib_picked, @function
lib_picked:
	mov $1, %eax
	.p2align 3
	mov $2, %eax
	.p2align 3
	ret
	.size lib_picked, . - lib_picked

	/* a name that the loader does not know */
	.p2align 4
	.type lib_secret, @gnu_indirect_function
lib_secret:
	lea lib_picked(%rip), %rax
	ret
	.size lib_secret, . - lib_secret

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: MIT */
/*
 * The functions of storm.c: first instructions of every length at every offset of a quadword,
 * branches back to the entry and to the instruction behind it, tail jumps, recursion. Each returns
 * its argument.
 */
	.macro	func name, skew
	.p2align 6
	.if	\skew
	.skip	\skew, 0x90
	.endif
	.globl	\name
	.type	\name, @function
\name:
	.cfi_startproc
	.endm
	.macro	endf name
	.cfi_endproc
\name\()_end:
	.size	\name, . - \name
	.endm

	.text
func storm_long, 0
	mov	$0, %eax
	add	%rdi, %rax
	ret
endf storm_long

func storm_byte, 16
	push	%rbx
	mov	%rdi, %rbx
	mov	%rbx, %rax
	pop	%rbx
	ret
endf storm_byte

/* one byte, the last of its quadword and of its cache line */
func storm_last, 63
	push	%rbx
	mov	%rdi, %rbx
	mov	%rbx, %rax
	pop	%rbx
	ret
endf storm_last

/* three bytes, two of them in its quadword */
func storm_split, 6
	mov	%rdi, %rax
	test	%eax, %eax
	ret
endf storm_split

/* seven bytes, five of them in its quadword */
func storm_wide, 3
	mov	$0, %rax
	lea	(%rdi), %rax
	ret
endf storm_wide

/* three times through the entry */
func storm_entry, 8
	push	%rdi
	pop	%rdi
	mov	%rdi, %rax
	inc	%edx
	cmp	$3, %edx
	jb	storm_entry
	ret
endf storm_entry

/* three times through the instruction behind the entry: the first one is one byte */
func storm_behind, 40
	push	%rbx
1:	mov	%rdi, %rbx
	mov	%rdi, %rbx
	inc	%edx
	cmp	$3, %edx
	jb	1b
	mov	%rbx, %rax
	pop	%rbx
	ret
endf storm_behind

func storm_tail, 12
	xchg	%rax, %rdi
	xchg	%rax, %rdi
	jmp	storm_short_local
endf storm_tail

func storm_short, 5
	mov	%edi, %eax
	mov	%rdi, %rax
	ret
endf storm_short
	.set	storm_short_local, storm_short

/* calls itself edx times */
func storm_deep, 9
	push	%rdi
	mov	%rdi, %rcx		/* these bytes lead to where nothing is mapped */
	mov	%rdi, %rcx
	dec	%edx
	js	1f
	call	storm_deep_local
1:	pop	%rdi
	mov	%rdi, %rax
	ret
endf storm_deep
	.set	storm_deep_local, storm_deep

func storm_signal, 2
	mov	%rdi, %rax
	ret
endf storm_signal

func storm_always, 0
	mov	%rdi, %rax
	ret
endf storm_always

/* Bytes of each, in the order of storm.c. What lies between them may keep pads. */
	.section .rodata
	.globl	storm_sizes
	.p2align 3
storm_sizes:
	.irp	name, long, byte, last, split, wide, entry, behind, tail, short, deep, signal
	.long	storm_\name\()_end - storm_\name
	.endr
	.section .note.GNU-stack, "", @progbits

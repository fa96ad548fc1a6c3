/* SPDX-License-Identifier: MIT */
/* The functions of victim.h. */
	.macro	func name
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	.endm
	.macro	endf name
	.cfi_endproc
	.size	\name, . - \name
	.endm

	.text
func victim_long
	mov	$42, %eax
	ret
endf victim_long

func victim_short
	lea	(%rdi,%rsi), %eax
	ret
endf victim_short

func victim_byte
	push	%rbx
	mov	%edi, %ebx
	mov	%ebx, %eax
	pop	%rbx
	ret
endf victim_byte

func victim_loop
	mov	%edi, %edx		/* 2 bytes */
	add	%edx, victim_sum(%rip)
	dec	%edi
	jnz	victim_loop
	xor	%eax, %eax
	xchg	%eax, victim_sum(%rip)
	ret
endf victim_loop

func victim_red
	.set	i, 1
	.rept	16
	movq	$i, -8 * i(%rsp)
	.set	i, i + 1
	.endr
	mov	$0, %eax
	.set	i, 1
	.rept	16
	add	-8 * i(%rsp), %eax
	.set	i, i + 1
	.endr
	ret
endf victim_red

func victim_tail
	jmp	victim_short_local
endf victim_tail

func victim_factorial
	mov	$1, %eax
	test	%rdi, %rdi
	jz	1f
	push	%rdi
	.cfi_adjust_cfa_offset 8
	dec	%rdi
	call	victim_factorial_local
	pop	%rdi
	.cfi_adjust_cfa_offset -8
	imul	%rdi, %rax
1:	ret
endf victim_factorial
	.set	victim_factorial_local, victim_factorial
	.set	victim_short_local, victim_short

func victim_nop
	.byte	0x0f, 0x1f, 0x44, 0, 0
	ret
endf victim_nop

func victim_zero
	mov	$0, %eax
	ret
endf victim_zero

func victim_one
	mov	$1, %eax
	ret
endf victim_one

/* victim_call(in %rdi, out %rsi, fn %rdx) */
func victim_call
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdx
	push	%rsi
	sub	$8, %rsp
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
	call	*16(%rsp)
	mov	%rdi, (%rsp)
	mov	8(%rsp), %rdi
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
	add	$24, %rsp
	push	$0x202
	popf
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
endf victim_call

/* A pattern in all 16 registers, as wide as the processor has them: ymm if cpuid says AVX. */
func victim_vectors
	push	%rbp
	mov	%rsp, %rbp
	push	%rbx
	push	%r12
	mov	%rdi, %r12
	sub	$512, %rsp
	and	$-64, %rsp
	mov	$1, %eax
	cpuid
	mov	%ecx, %ebx
	and	$0x10000000, %ebx
	jz	1f
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu	victim_pattern + \i(%rip), %ymm\i
	.endr
	jmp	2f
1:
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	victim_pattern + \i(%rip), %xmm\i
	.endr
2:	call	*%r12
	test	%ebx, %ebx
	jz	1f
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqa	%ymm\i, 32 * \i(%rsp)
	.endr
	vzeroupper
	mov	$32, %r9d
	jmp	2f
1:
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqa	%xmm\i, 32 * \i(%rsp)
	.endr
	mov	$16, %r9d
2:	xor	%eax, %eax
	xor	%ecx, %ecx		/* register */
	lea	victim_pattern(%rip), %rsi
3:	xor	%edx, %edx		/* byte */
	mov	%ecx, %r8d
	shl	$5, %r8d
	add	%rsp, %r8
4:	lea	(%rsi,%rcx), %r10
	mov	(%r10,%rdx), %r11b
	cmp	(%r8,%rdx), %r11b
	je	5f
	inc	%eax
5:	inc	%edx
	cmp	%r9d, %edx
	jb	4b
	inc	%ecx
	cmp	$16, %ecx
	jb	3b
	lea	-16(%rbp), %rsp
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
endf victim_vectors

func victim_x87
	push	%rbx
	sub	$16, %rsp
	fld1
	fld1
	fadd	%st(1), %st
	fld1
	fadd	%st(1), %st
	call	*%rdi
	faddp
	faddp
	fistpl	(%rsp)
	mov	(%rsp), %eax
	add	$16, %rsp
	pop	%rbx
	ret
endf victim_x87

	.section .rodata
victim_pattern:
	.set	i, 1
	.rept	64
	.byte	i * 37 & 0xff
	.set	i, i + 1
	.endr
	.bss
	.p2align 3
victim_sum:
	.zero	8
	.section .note.GNU-stack, "", @progbits

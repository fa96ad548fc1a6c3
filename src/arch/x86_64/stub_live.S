/* SPDX-License-Identifier: MIT */
/*
 * The hit stub of probes in our own process: from a site's detour to probe_hit() and back, with
 * every register as the handlers left it.
 *
 * The detour (arch_emit_detour) has stepped below the red zone, pushed the site's number and
 * called us, so that at entry
 *
 *	0(%rsp)   return address into the detour
 *	8(%rsp)   site number
 *	16(%rsp)  128 bytes of red zone, then the stack as the program left it
 *
 * We lay out a struct sonde_hit below that. Handlers are C: they want DF clear, and no alignment
 * checks; a program that has either set is rare, and pays for popf. Without, flags are put
 * back by sahf and an addition that overflows.
 *
 * A changed rip is put where the site number was, and our return address becomes that of a
 * `ret $128', which takes it from there and steps over the red zone.
 *
 * Context: hit, signal-safe, any thread, any stack.
 */
#define HIT_SIZE	176
#define RDI	0(%rsp)
#define RSI	8(%rsp)
#define RDX	16(%rsp)
#define RCX	24(%rsp)
#define R8	32(%rsp)
#define R9	40(%rsp)
#define RAX	48(%rsp)
#define RBX	56(%rsp)
#define RBP	64(%rsp)
#define R10	72(%rsp)
#define R11	80(%rsp)
#define R12	88(%rsp)
#define R13	96(%rsp)
#define R14	104(%rsp)
#define R15	112(%rsp)
#define FLAGS	120(%rsp)
#define RSP	128(%rsp)
#define RIP	136(%rsp)
#define DF_AC		0x40400
#define SETTABLE	0x40cd5		/* AC OF DF SF ZF AF PF CF */

	.section .text.sonde_hit, "ax", @progbits
	.globl	arch_live_stub
	.hidden	arch_live_stub
	.type	arch_live_stub, @function
arch_live_stub:
	lea	-HIT_SIZE(%rsp), %rsp
	mov	%rax, RAX
	pushfq
	pop	%rax
	mov	%rax, FLAGS
	mov	%rdi, RDI
	mov	%rsi, RSI
	mov	%rdx, RDX
	mov	%rcx, RCX
	mov	%r8, R8
	mov	%r9, R9
	mov	%rbx, RBX
	mov	%rbp, RBP
	mov	%r10, R10
	mov	%r11, R11
	mov	%r12, R12
	mov	%r13, R13
	mov	%r14, R14
	mov	%r15, R15
	lea	HIT_SIZE + 16 + 128(%rsp), %rcx
	mov	%rcx, RSP
	test	$DF_AC, %eax
	jnz	3f
1:	mov	%rsp, %rdi
	mov	HIT_SIZE + 8(%rsp), %esi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	probe_hit
	mov	%rbp, %rsp
	test	%eax, %eax
	jnz	5f

2:	mov	FLAGS, %rax
	mov	RDI, %rdi
	mov	RSI, %rsi
	mov	RDX, %rdx
	mov	R8, %r8
	mov	R9, %r9
	mov	RBX, %rbx
	mov	RBP, %rbp
	mov	R10, %r10
	mov	R11, %r11
	mov	R12, %r12
	mov	R13, %r13
	mov	R14, %r14
	mov	R15, %r15
	test	$DF_AC, %eax
	jnz	4f
	mov	%eax, %ecx
	shr	$11, %ecx
	and	$1, %ecx
	shl	$8, %eax
	or	%ecx, %eax
	mov	RCX, %rcx
	add	$0x7f, %al		/* 1 + 0x7f overflows: OF comes back */
	sahf
	mov	RAX, %rax
	lea	HIT_SIZE(%rsp), %rsp
	ret

3:	pushfq
	andl	$~DF_AC, (%rsp)
	popfq
	jmp	1b

4:	pushfq
	pop	%rcx
	and	$~SETTABLE, %ecx
	and	$SETTABLE, %eax
	or	%rcx, %rax
	mov	RCX, %rcx
	push	%rax
	popfq
	mov	RAX, %rax
	lea	HIT_SIZE(%rsp), %rsp
	ret

5:	mov	RIP, %rax
	mov	%rax, HIT_SIZE + 8(%rsp)
	lea	leave_to_rip(%rip), %rax
	mov	%rax, HIT_SIZE(%rsp)
	jmp	2b
leave_to_rip:
	ret	$128
	.size	arch_live_stub, . - arch_live_stub

/*
 * void arch_live_vectors(void (*run)(void *a, void *b), void *a, void *b)
 *
 * xsavec and xrstor take 150 ns. Where there is nothing but x87, SSE and AVX, fxsave and moves take
 * a third of that, because loading x87 is seldom needed: a handler that keeps to the ABI leaves
 * it as it was, but perhaps for the status word, if the program had no values there. mxcsr is
 * loaded if it has changed. (Asking xgetbv whether x87 is in use takes half of what fxsave takes,
 * and on some processors it is for ever, once it was.)
 * The header behind the first 512 bytes must be zero where xsavec and xsave do not write it.
 * Handlers find the upper halves clear, as the ABI has it.
 */
#define FX	(16 * 32)		/* behind the sixteen ymm */
#define FX_STATUS	(FX + 2)
#define FX_TAGS	(FX + 4)
#define MXCSR	(FX + 512)
#define MXCSR_NOW	(FX + 516)
#define AVX_SIZE	(FX + 576)
	.globl	arch_live_vectors
	.hidden	arch_live_vectors
	.type	arch_live_vectors, @function
arch_live_vectors:
	push	%rbp
	mov	%rsp, %rbp
	mov	%rdi, %r9
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	arch_live_area(%rip), %r8d	/* ARCH_LIVE_* */
	cmp	$3, %r8d
	je	6f
	sub	8 + arch_live_area(%rip), %rsp
	and	$-64, %rsp
	mov	4 + arch_live_area(%rip), %eax
	xor	%edx, %edx
	cmp	$1, %r8d
	jb	3f
	.irp	i, 0, 8, 16, 24, 32, 40, 48, 56
	mov	%rdx, 512 + \i(%rsp)
	.endr
	je	1f
	xsavec64 (%rsp)
	jmp	2f
1:	xsave64	(%rsp)
2:	test	$4, %al
	jz	4f
	vzeroupper
4:	call	*%r9
	mov	4 + arch_live_area(%rip), %eax
	xor	%edx, %edx
	xrstor64 (%rsp)
	leave
	ret
3:	fxsave64 (%rsp)
	call	*%r9
	fxrstor64 (%rsp)
	leave
	ret
6:	sub	$AVX_SIZE, %rsp
	and	$-64, %rsp
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqa	%ymm\i, 32 * \i(%rsp)
	.endr
	stmxcsr	MXCSR(%rsp)
	fxsave64 FX(%rsp)
	vzeroupper
	call	*%r9
	stmxcsr	MXCSR_NOW(%rsp)
	mov	MXCSR(%rsp), %eax
	cmp	MXCSR_NOW(%rsp), %eax
	je	8f
	ldmxcsr	MXCSR(%rsp)
8:	fnstsw	%ax
	cmp	%ax, FX_STATUS(%rsp)
	jne	10f
	cmpb	$0, FX_TAGS(%rsp)
	je	11f
10:	fxrstor64 FX(%rsp)
11:	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqa	32 * \i(%rsp), %ymm\i
	.endr
	leave
	ret
	.size	arch_live_vectors, . - arch_live_vectors

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: MIT */
/*
 * The hit stub: from a site's detour to sonde_hit() and back.
 *
 * The detour (src/arch, arch_emit_detour) has stepped below the red zone, pushed the site's
 * index and called us, so that at entry
 *
 *	0(%rsp)   return address into the detour
 *	8(%rsp)   site index
 *	16(%rsp)  128 bytes of red zone, then the stack as the program left it
 *
 * We lay out a struct wire_ctx (wire/prog.h) below that, call sonde_hit(ctx, site), and
 * restore every general register and the flags; the callee-saved ones by the C ABI, the
 * others from the context. Nothing here or below uses a vector register. lahf/seto instead
 * of pushf/popf: the latter cost ten times as much.
 *
 * Context: hit, signal-safe, any thread, any stack with about 1.5 KiB left.
 */
#define CTX_SIZE	176
#define REG(n)		(32 + 8 * (n))(%rsp)
#define RAW_FLAGS	24(%rsp)	/* wire_ctx.reserved: AH and AL as lahf/seto left them */

	.section .text.sonde_hit, "ax", @progbits
	.globl	sonde_hit_stub
	.hidden	sonde_hit_stub
	.type	sonde_hit_stub, @function
sonde_hit_stub:
	lea	-CTX_SIZE(%rsp), %rsp
	mov	%rax, REG(6)
	lahf
	seto	%al
	mov	%rax, RAW_FLAGS
	mov	%rdi, REG(0)
	mov	%rsi, REG(1)
	mov	%rdx, REG(2)
	mov	%rcx, REG(3)
	mov	%r8, REG(4)
	mov	%r9, REG(5)
	mov	%rbx, REG(7)
	mov	%rbp, REG(8)
	mov	%r10, REG(9)
	mov	%r11, REG(10)
	mov	%r12, REG(11)
	mov	%r13, REG(12)
	mov	%r14, REG(13)
	mov	%r15, REG(14)

	movzbl	%ah, %ecx		/* SF ZF AF PF CF in their rflags places */
	movzbl	%al, %eax
	shl	$11, %eax		/* OF */
	or	%ecx, %eax
	mov	%rax, REG(15)
	lea	CTX_SIZE + 16 + 128(%rsp), %rax
	mov	%rax, REG(16)

	mov	%rsp, %rdi
	mov	CTX_SIZE + 8(%rsp), %esi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	sonde_hit
	mov	%rbp, %rsp

	mov	REG(0), %rdi
	mov	REG(1), %rsi
	mov	REG(2), %rdx
	mov	REG(3), %rcx
	mov	REG(4), %r8
	mov	REG(5), %r9
	mov	REG(8), %rbp
	mov	REG(9), %r10
	mov	REG(10), %r11
	mov	RAW_FLAGS, %rax
	add	$0x7f, %al		/* 1 + 0x7f overflows: OF comes back */
	sahf
	mov	REG(6), %rax
	lea	CTX_SIZE(%rsp), %rsp
	ret
	.size	sonde_hit_stub, . - sonde_hit_stub

	.section .note.GNU-stack, "", @progbits

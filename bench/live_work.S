/* SPDX-License-Identifier: MIT */
/* What bench/live.c probes. */
	.text
	.globl	bench_live_target
	.type	bench_live_target, @function
	.p2align 6
bench_live_target:
	.cfi_startproc
	mov	$5, %eax
	ret
	.cfi_endproc
	.size	bench_live_target, . - bench_live_target
	.section .note.GNU-stack, "", @progbits

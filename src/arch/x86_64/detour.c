/* SPDX-License-Identifier: MIT */
/*
 * The code of a detour.
 *
 *	lea  -128(%rsp), %rsp	the red zone of the probed code stays untouched
 *	push $site
 *	call *stub(%rip)
 *	lea  136(%rsp), %rsp	lea, not add: flags stay
 *	<displaced instruction>
 *	jmp  <behind it>	unless it never goes on there
 *	<literals>
 *
 * Context: tool, any thread.
 */
#include "arch/x86_64/x86.h"

#include <string.h>

#include "base/err.h"

/* From the red zone to the stub and back. */
static void call_stub(struct arch_code *out)
{
	memset(out, 0, sizeof(*out));
	x86_put(out, "\x48\x8d\x64\x24\x80", 5);
	x86_put8(out, 0x68);
	x86_fix(out, out->len, WIRE_FIX_SITE32, 0, 0);
	x86_put(out, "\0\0\0", 4);
	x86_put(out, "\xff\x15", 2);
	x86_fix(out, out->len, WIRE_FIX_STUB32, 0, 0);
	x86_put(out, "\0\0\0", 4);
	x86_put(out, "\x48\x8d\xa4\x24\x88\0\0", 8);
}

static bool stays_in_line(enum arch_kind kind)
{
	return kind == ARCH_ORDINARY || kind == ARCH_NOP || kind == ARCH_ENDBR ||
	       kind == ARCH_JCC || kind == ARCH_LOOP;
}

int arch_emit_window(const uint8_t *code, size_t n, uint64_t vaddr, size_t min,
		     struct arch_code *out, size_t *len)
{
	struct arch_insn in = {0};
	int err;

	call_stub(out);
	for (*len = 0; *len < min; *len += in.len) {
		if (*len && !stays_in_line(in.kind))
			return SONDE_E_TOO_SHORT;
		err = arch_decode(code + *len, n - *len, vaddr + *len, &in);
		if (!err)
			err = arch_relocate(code + *len, n - *len, vaddr + *len, out);
		if (err)
			return err;
	}
	/* a call comes back by the original return address it pushed */
	if (arch_falls_through(in.kind) && in.kind != ARCH_CALL && in.kind != ARCH_CALL_IND) {
		x86_put8(out, 0xe9);
		x86_put_rel32(out, vaddr + *len);
	}
	return arch_code_finish(out);
}

int arch_emit_detour(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out)
{
	size_t len;

	return arch_emit_window(code, n, vaddr, 1, out, &len);
}

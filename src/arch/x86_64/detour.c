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
 * The hit stub is in reach in every case; of a far detour only the site is not, so that the
 * displaced instruction and the jump behind it take their addresses from literals.
 *
 * Context: tool, any thread.
 */
#include "arch/x86_64/x86.h"

#include <string.h>

#include "base/base.h"
#include "base/err.h"

/* From the red zone to the stub and back. */
static void call_stub(struct arch_code *out)
{
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

/* A call comes back by the original return address it pushed. */
static bool goes_on(enum arch_kind kind)
{
	return arch_falls_through(kind) && kind != ARCH_CALL && kind != ARCH_CALL_IND;
}

static void note_start(struct arch_code *out, size_t at)
{
	if (out->nstart == ARRAY_LEN(out->start))
		out->overflow = true;
	else
		out->start[out->nstart++] =
			(struct wire_inner){.at = (uint8_t)at, .code = out->len};
}

int arch_emit_window_hit(const uint8_t *code, size_t n, uint64_t vaddr, size_t min, size_t hit,
			 struct arch_code *out, size_t *len)
{
	struct arch_insn in = {0};
	bool is_hit = false;
	int err;

	memset(out, 0, sizeof(*out));
	for (*len = 0; *len < min || *len <= hit; *len += in.len) {
		if (*len && !stays_in_line(in.kind))
			return SONDE_E_TOO_SHORT;
		err = arch_decode(code + *len, n - *len, vaddr + *len, &in);
		if (err)
			return err;
		note_start(out, *len);
		if (*len == hit) {
			call_stub(out);
			is_hit = true;
		}
		err = arch_relocate(code + *len, n - *len, vaddr + *len, out);
		if (err)
			return err;
	}
	if (!is_hit)
		return SONDE_E_NOT_BOUNDARY;
	if (goes_on(in.kind))
		x86_put_jump(out, vaddr + *len);
	return arch_code_finish(out);
}

int arch_emit_window(const uint8_t *code, size_t n, uint64_t vaddr, size_t min,
		     struct arch_code *out, size_t *len)
{
	return arch_emit_window_hit(code, n, vaddr, min, 0, out, len);
}

int arch_emit_detour_far(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out)
{
	struct arch_insn in;
	int err = arch_decode(code, n, vaddr, &in);

	memset(out, 0, sizeof(*out));
	call_stub(out);
	if (!err)
		err = arch_relocate_far(code, n, vaddr, out);
	if (err)
		return err;
	if (goes_on(in.kind))
		x86_put_jump_far(out, vaddr + in.len);
	return arch_code_finish(out);
}

int arch_emit_detour(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_code *out)
{
	size_t len;

	return arch_emit_window(code, n, vaddr, 1, out, &len);
}

/* SPDX-License-Identifier: MIT */
/*
 * Plans: what is to be done to one module's code, made beside the target (src/plan), carried
 * out inside it (src/text). Position-independent: every address is a module virtual address
 * (as in the ELF file); `bias` = load address minus it.
 */
#ifndef SONDE_WIRE_PLAN_H
#define SONDE_WIRE_PLAN_H

#include <stdint.h>

enum wire_class {
	WIRE_CLASS_NONE, /* refused */
	WIRE_CLASS_S0,	 /* the first instruction (or reserved nop) has room for jmp rel32 */
	WIRE_CLASS_S1,	 /* punned: the tail of the rel32 is the code that stands there */
	WIRE_CLASS_S2,	 /* jmp rel8 to an unreachable pad that holds the jmp rel32 */
	WIRE_CLASS_W,	 /* window: several instructions, only before the code can have run */
	WIRE_CLASS_S3,	 /* window: several instructions, old boundaries inside read as traps */
	WIRE_CLASS_S4,	 /* one instruction across two quadwords, changed behind a spin guard */
	WIRE_CLASS_S5,	 /* a trap in place of the first byte */
	WIRE_CLASS_COUNT,
};

enum wire_fixup_kind {
	WIRE_FIX_REL32,	 /* int32 at: bias + target - (address of at + 4 + tail) */
	WIRE_FIX_ABS64,	 /* uint64 at: bias + target */
	WIRE_FIX_STUB32, /* int32 at: address of the 8-byte pointer to the hit stub - (address of at
			    + 4) */
	WIRE_FIX_SITE32, /* uint32 at: index of the site in the session */
};

struct wire_fixup {
	uint16_t at; /* byte offset in the site's code */
	uint8_t kind;
	uint8_t tail; /* REL32: bytes of the instruction behind the field */
	uint32_t reserved;
	uint64_t target; /* module virtual address */
};

#define WIRE_SITE_CODE_MAX 160
#define WIRE_INNER_MAX 4

/* An instruction boundary inside the bytes that change, and where in the site's code that
 * instruction goes on. */
struct wire_inner {
	uint8_t at; /* bytes behind vaddr */
	uint8_t reserved;
	uint16_t code; /* byte offset in the site's code */
};

/*
 * One patched place. The detour (code) calls the hit stub, executes the displaced
 * instruction and jumps back.
 *
 * S0: bytes vaddr .. vaddr+4 become E9 rel32(detour).
 * S1: `ncut` bytes at vaddr become E9 and the low bytes of a rel32 whose value v satisfies
 *     (v & rel_mask) == rel_value; an island (jmp rel32 to the detour), or the detour itself,
 *     stands at vaddr + 5 + v.
 * S2: 2 bytes at vaddr become EB rel8(pad_vaddr); 5 bytes at pad_vaddr become E9 rel32(detour).
 * W: bytes vaddr .. vaddr+4 become E9 rel32(detour); they are the start of several whole
 *     instructions (insn_len bytes) that the detour executes, and nothing branches between them.
 * S3: as S1, but the `ncut` bytes are (the start of) several instructions, and what stands on every
 *     old boundary among them, inner[], is a trap again: 0xCC, or in the last byte of the jump an
 *     opcode that is invalid (SIGILL instead of SIGTRAP). The value sees to that. Whoever traps
 *     there is sent to the inner boundary's place in the detour. Where the bytes lie in two
 *     quadwords the first byte is 0xCC, too, while they change: first the first quadword with traps
 *     at all of its boundaries, then the second, then the first as it is to stay, each step with
 *     a synchronization of all cores behind it.
 * S4: as S1, but the `ncut` bytes of the one instruction lie in two quadwords, at least two of them
 *     in the first: a jump to itself (EB FE) there, synchronization, the bytes behind these two,
 *     synchronization, the first two.
 * S5: the byte at vaddr becomes 0xCC; whoever traps there is sent to the detour.
 * But for S3 and S4 the bytes that change at vaddr lie in one aligned quadword, whose original
 * content is `old`; that of the quadword behind it is `next_old`. The pad lies in one or two
 * quadwords; its original bytes are pad_old[5].
 * A window may begin before the instruction that is probed: that one stands at vaddr + hit_at, and
 * the detour calls the hit stub when it has executed those before it.
 */
struct wire_site {
	uint64_t vaddr;
	uint64_t old;
	uint64_t pad_vaddr;
	uint8_t pad_old[8];
	uint32_t rel_mask;
	uint32_t rel_value;
	uint32_t code_off; /* byte offset in the session's code table */
	uint32_t fix_off;  /* index in the session's fixup table */
	uint16_t code_len;
	uint16_t nfix;
	uint8_t class;	  /* enum wire_class */
	uint8_t insn_len; /* length of the displaced instruction, W: of all of them */
	uint8_t ncut;	  /* bytes at vaddr that may differ afterwards */
	uint8_t internal; /* enum wire_internal, 0 for the user's sites */
	uint32_t act_off; /* index in the session's action table */
	uint32_t nact;	  /* actions to run at a hit, in order */
	uint32_t alt;	  /* S1: index + 1 of the site's plan W, should no island find a place */
	uint8_t ninner;
	uint8_t hit_at; /* 0 but for windows that begin before the probed instruction */
	uint16_t reserved;
	struct wire_inner inner[WIRE_INNER_MAX];
	uint64_t next_old; /* S3 and S4 across two quadwords: content of the second */
};

/* Sites of our own in the target's libc and loader. */
enum wire_internal {
	WIRE_INTERNAL_NONE,
	WIRE_INTERNAL_EXECVE,
	WIRE_INTERNAL_EXECVEAT,
	WIRE_INTERNAL_FEXECVE,
	WIRE_INTERNAL_PRCTL,
	WIRE_INTERNAL_SYSCALL,
	WIRE_INTERNAL_LOADER,
	WIRE_INTERNAL_COUNT
};

struct wire_action {
	uint32_t prog;	/* index in the program table */
	uint32_t func;	/* string offset: function name */
	uint32_t probe; /* string offset: full probe name */
	uint32_t reserved;
};

#define WIRE_BUILD_ID_MAX 20

/* A file whose code is to be probed; recognized when the loader maps it. */
struct wire_module {
	uint64_t dev, ino;
	uint32_t path; /* string offset */
	uint32_t site_off, nsites;
	uint32_t reserved;
	uint64_t text_start,
		text_end; /* executable segment that holds the sites, page-aligned vaddrs */
	uint64_t span_start, span_end; /* all of the image, page-aligned vaddrs */
};

#endif

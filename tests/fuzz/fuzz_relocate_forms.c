/* SPDX-License-Identifier: MIT */
/*
 * The forms of instructions that fuzz_relocate runs. A form writes the bytes that make it one
 * over random ones.
 */
#include <string.h>

#include "fuzz_relocate.h"

#define COUNT(a) ((uint32_t)(sizeof(a) / sizeof((a)[0])))

static uint8_t any(void)
{
	return (uint8_t)random64();
}

/* Legacy prefixes that may stand before nearly anything; where the opcode goes. */
static uint8_t *prefixes(struct subject *s, bool rex)
{
	static const uint8_t legacy[] = {0x66, 0xf2, 0xf3, 0x2e, 0x3e, 0x65, 0x64};
	uint8_t *p = s->bytes;

	for (unsigned int n = below(4) ? 0 : below(3); n; n--)
		*p++ = legacy[below(COUNT(legacy))];
	if (rex && below(2))
		*p++ = (uint8_t)(0x40 | below(16));
	return p;
}

static void put(uint8_t *p, const char *bytes, size_t n)
{
	memcpy(p, bytes, n);
}

/* An opcode of any map; where the ModRM byte would be. */
static uint8_t *opcode(uint8_t *p)
{
	uint32_t map = below(20);

	if (map >= 10)
		*p++ = 0x0f;
	if (map >= 18)
		*p++ = map == 18 ? 0x38 : 0x3a;
	return p + 1;
}

static uint8_t rip_modrm(void)
{
	return (uint8_t)((any() & 0x38) | 5);
}

static void any_insn(struct subject *s)
{
	if (below(4))
		opcode(prefixes(s, true));
}

static void rip_insn(struct subject *s)
{
	*opcode(prefixes(s, true)) = rip_modrm();
}

/* An address-size prefix cuts addresses to 32 bits. */
static void addr32_insn(struct subject *s)
{
	s->bytes[0] = 0x67;
	if (below(2))
		s->bytes[1] = (uint8_t)(0x40 | below(16));
	if (below(4))
		opcode(s->bytes + 1);
}

static void eip_insn(struct subject *s)
{
	uint8_t *p = s->bytes;

	*p++ = 0x67;
	if (!below(4))
		*p++ = 0x66;
	if (below(2))
		*p++ = (uint8_t)(0x40 | below(16));
	*opcode(p) = rip_modrm();
}

/* The common ones, which random bytes meet rarely. */
static void alu_rip(struct subject *s)
{
	static const uint8_t op[] = {0x00, 0x01, 0x02, 0x03, 0x28, 0x29, 0x2a, 0x2b, 0x38,
				     0x39, 0x3b, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87,
				     0x88, 0x89, 0x8a, 0x8b, 0xc0, 0xc1, 0xc6, 0xc7, 0xd1,
				     0xd3, 0xf6, 0xf7, 0xfe, 0x63, 0x69, 0x6b};
	uint8_t *p = prefixes(s, true);

	*p = op[below(COUNT(op))];
	p[1] = rip_modrm();
	if (*p == 0xc6 || *p == 0xc7)
		p[1] = 5;
}

static void lock_insn(struct subject *s)
{
	static const uint8_t one[] = {0x00, 0x01, 0x08, 0x09, 0x10, 0x11, 0x18, 0x19,
				      0x20, 0x21, 0x28, 0x29, 0x30, 0x31, 0x80, 0x81,
				      0x83, 0x86, 0x87, 0xf6, 0xf7, 0xfe, 0xff};
	static const uint8_t two[] = {0xb0, 0xb1, 0xc0, 0xc1, 0xab, 0xb3, 0xba, 0xbb, 0xc7};
	uint8_t *p = s->bytes;

	*p++ = 0xf0;
	if (!below(4))
		*p++ = 0x66;
	if (below(2))
		*p++ = (uint8_t)(0x40 | below(16));
	if (below(2)) {
		*p++ = one[below(COUNT(one))];
	} else {
		*p++ = 0x0f;
		*p++ = two[below(COUNT(two))];
	}
	if (below(2))
		*p = rip_modrm();
}

static void lea_insn(struct subject *s)
{
	uint8_t *p = s->bytes;

	if (!below(4))
		*p++ = 0x66;
	if (!below(4))
		*p++ = 0x67;
	if (below(4))
		*p++ = (uint8_t)(0x40 | below(16));
	*p++ = 0x8d;
	if (below(2))
		*p = rip_modrm();
}

static void vex_insn(struct subject *s)
{
	uint8_t *p = s->bytes;

	if (below(2)) {
		*p = 0xc5;
		p[1] = any() | (below(2) ? 0x78 : 0);
		p += 3;
	} else {
		*p = 0xc4;
		p[1] = (uint8_t)((any() & 0xe0) | (1 + below(3)));
		p[2] = any() | (below(2) ? 0x78 : 0);
		p += 4;
	}
	if (below(2))
		*p = rip_modrm();
}

static void evex_insn(struct subject *s)
{
	uint8_t *p = s->bytes;

	*p = 0x62;
	p[1] = (uint8_t)((any() & 0xf0) | (1 + below(3)));
	p[2] = any() | 4;
	p[3] = any();
	if (below(2))
		p[3] = 0x08;
	if (below(2))
		p[2] |= 0x78;
	if (below(2))
		p[5] = rip_modrm();
}

static void xop_insn(struct subject *s)
{
	s->bytes[0] = 0x8f;
	s->bytes[1] = (uint8_t)((any() & 0xe0) | (8 + below(3)));
	s->bytes[2] = any() | 0x78;
	if (below(2))
		s->bytes[4] = rip_modrm();
}

static void string_insn(struct subject *s)
{
	static const uint8_t op[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab,
				     0xac, 0xad, 0xae, 0xaf, 0xd7};
	uint8_t *p = s->bytes;

	if (below(3))
		*p++ = below(2) ? 0xf3 : 0xf2;
	if (!below(4))
		*p++ = 0x66;
	if (!below(4))
		*p++ = 0x67;
	if (!below(8))
		*p++ = 0x65;
	if (!below(2))
		*p++ = (uint8_t)(0x40 | below(16));
	*p = op[below(COUNT(op))];
}

static void push_pop_insn(struct subject *s)
{
	static const uint8_t op[] = {0x68, 0x6a, 0x9c, 0xc9, 0xc8, 0x8f, 0xff};
	uint8_t *p = s->bytes;

	if (!below(6))
		*p++ = 0x66;
	if (!below(8))
		*p++ = 0x65;
	if (below(2))
		*p++ = (uint8_t)(0x40 | below(16));
	if (below(3) == 0) {
		*p = (uint8_t)(0x50 | below(16));
		return;
	}
	*p = op[below(COUNT(op))];
	if (*p == 0xc8) {
		p[2] = 0;
		p[3] = (uint8_t)below(5);
	} else if (*p == 0x8f) {
		p[1] &= 0xc7;
	} else if (*p == 0xff) {
		p[1] = (uint8_t)((p[1] & 0xc7) | 0x30);
	}
	if ((*p == 0x8f || *p == 0xff) && below(3))
		p[1] = (uint8_t)((p[1] & 0x38) | 5);
}

static void jmp_insn(struct subject *s)
{
	uint8_t *p = s->bytes;

	if (!below(4))
		*p++ = 0xf2;
	if (!below(6))
		*p++ = (uint8_t)(0x40 | below(16));
	*p = below(2) ? 0xe9 : 0xeb;
}

static void jcc_insn(struct subject *s)
{
	static const uint8_t hint[] = {0x2e, 0x3e, 0xf2};
	uint8_t *p = s->bytes;

	if (!below(4))
		*p++ = hint[below(COUNT(hint))];
	if (!below(6))
		*p++ = (uint8_t)(0x40 | below(16));
	if (below(2)) {
		*p = (uint8_t)(0x70 | below(16));
	} else {
		*p++ = 0x0f;
		*p = (uint8_t)(0x80 | below(16));
	}
}

static void loop_insn(struct subject *s)
{
	uint8_t *p = s->bytes;

	if (below(3) == 0)
		*p++ = 0x67;
	if (!below(6))
		*p++ = (uint8_t)(0x40 | below(16));
	*p = (uint8_t)(0xe0 | below(4));
}

static void call_insn(struct subject *s)
{
	static const char *const prefix[] = {"", "\xf2", "\x67", "\x66\x66\x48", "\x48", "\x3e"};
	const char *p = prefix[below(COUNT(prefix))];

	put(s->bytes, p, strlen(p));
	s->bytes[strlen(p)] = 0xe8;
}

/* jmp and call through registers and memory, a third of them relative to rip, some to rsp. */
static void indirect_insn(struct subject *s)
{
	uint8_t *p = s->bytes;

	if (!below(6))
		*p++ = 0x3e;
	if (!below(6))
		*p++ = 0xf2;
	if (!below(8))
		*p++ = 0x65;
	if (!below(6))
		*p++ = 0x67;
	if (below(3) == 0)
		*p++ = (uint8_t)(0x40 | below(16));
	*p++ = 0xff;
	*p = (uint8_t)((*p & 0xc7) | (below(2) ? 0x10 : 0x20));
	if (below(3) == 0) {
		*p = (uint8_t)((*p & 0x38) | 5);
	} else if (below(4) == 0) {
		*p = (uint8_t)((*p & 0x38) | 4 | below(3) << 6);
		p[1] = below(2) ? 0x24 : (uint8_t)((p[1] & 0xf8) | 4);
	}
}

static void ret_insn(struct subject *s)
{
	uint8_t *p = s->bytes;

	if (below(3) == 0)
		*p++ = below(2) ? 0xf3 : 0xf2;
	if (!below(6))
		*p++ = (uint8_t)(0x40 | below(16));
	*p = below(2) ? 0xc3 : 0xc2;
	if (!below(8)) {
		s->bytes[0] = 0x66;
		s->bytes[1] = 0xc3;
	}
}

/* Frames that the far returns take: return address, selector, flags, rsp, selector. */
static void far_insn(struct subject *s)
{
	static const char *const insn[] = {"\x48\xcf", "\xcf",	   "\x48\xcb",	      "\xcb",
					   "\xff\x2f", "\xff\x2d", "\xff\x6c\x24\x10"};
	const char *p = insn[below(COUNT(insn))];

	put(s->bytes, p, strlen(p));
}

static void far_frame(const struct subject *s, struct start *st)
{
	uint64_t to = (uint64_t)cpu_exit_at(s, EXIT_NEXT + below(4));
	uint64_t frame[5] = {to, 0x33, (random64() & ARITHMETIC) | 0x202, st->cpu[RSP] + 40, 0x2b};
	uint8_t *sp = st->stack + (st->cpu[RSP] - (uint64_t)s->land->stack);

	if (s->in.mnemonic == ZYDIS_MNEMONIC_JMP) {
		uint8_t *p = gen_bytes(s, st, gen_address(s, st, &s->op[0]), 6);

		if (p) {
			memcpy(p, &to, 4);
			memcpy(p + 4, &frame[1], 2);
		}
		return;
	}
	for (unsigned int i = 0; i < 5; i++) {
		if (s->in.raw.rex.W)
			memcpy(sp + 8 * i, &frame[i], 8);
		else
			memcpy(sp + 4 * i, &frame[i], 4);
	}
}

static void flags_insn(struct subject *s)
{
	static const char *const insn[] = {"\x9d",     "\x66\x9d", "\x9c",     "\x66\x9c",
					   "\x9e",     "\x9f",	   "\xfc",     "\xfd",
					   "\xf8",     "\xf9",	   "\xf5",     "\xf3\x0f\x1e\xfa",
					   "\xf3\x90", "\x90",	   "\x66\x90", "\x49\x90"};
	const char *p = insn[below(COUNT(insn))];

	put(s->bytes, p, strlen(p));
}

/* What popf pops must not stop the machine. */
static void flags_frame(const struct subject *s, struct start *st)
{
	uint64_t f = (random64() & ARITHMETIC) | 0x202;

	memcpy(st->stack + (st->cpu[RSP] - (uint64_t)s->land->stack), &f, sizeof(f));
}

static void syscall_insn(struct subject *s)
{
	put(s->bytes, below(8) ? "\x0f\x05" : "\xcd\x80", 2);
}

static void syscall_number(const struct subject *s, struct start *st)
{
	/* getpid, gettid, getuid, none */
	static const uint64_t nr[] = {39, 186, 102, 100000};
	static const uint64_t nr32[] = {20, 224, 199, 100000};
	uint32_t i = below(COUNT(nr));

	st->cpu[RAX] = s->bytes[0] == 0x0f ? nr[i] : nr32[i];
}

/* What functions begin and end with. */
static void entry_insn(struct subject *s)
{
	static const uint8_t op[] = {0x88, 0x89, 0x8a, 0x8b, 0x8d, 0x00, 0x01, 0x02, 0x03, 0x04,
				     0x05, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x38, 0x39, 0x3a,
				     0x3b, 0x3c, 0x3d, 0x20, 0x21, 0x22, 0x23, 0x08, 0x09, 0x0b,
				     0x30, 0x31, 0x33, 0x80, 0x81, 0x83, 0x84, 0x85, 0xa8, 0xa9,
				     0xb0, 0xb9, 0xbf, 0xc6, 0xc7, 0xf6, 0xf7, 0x63, 0xc9, 0x0f,
				     0x50, 0x55, 0x54, 0x5c, 0x5d, 0xff, 0x8f};
	static const uint8_t extend[] = {0xb6, 0xb7, 0xbe, 0xbf, 0x1f};
	uint8_t *p = s->bytes;

	if (!below(4))
		*p++ = 0x66;
	if (below(3))
		*p++ = (uint8_t)(0x40 | below(16));
	*p = op[below(COUNT(op))];
	if (*p == 0x0f)
		*++p = extend[below(COUNT(extend))];
	if (*p == 0xff)
		p[1] = (uint8_t)((p[1] & 0xc7) | 0x30);
	if (!below(4))
		p[1] = (uint8_t)((p[1] & 0x38) | 5);
}

const struct form forms[] = {
	{"any bytes", any_insn, NULL, false, false},
	{"rip-relative, any opcode", rip_insn, NULL, false, false},
	{"rip-relative alu and mov", alu_rip, NULL, false, false},
	{"lock", lock_insn, NULL, false, false},
	{"lea", lea_insn, NULL, false, false},
	{"32-bit addresses", addr32_insn, NULL, false, false},
	{"eip-relative", eip_insn, NULL, false, false},
	{"VEX", vex_insn, NULL, false, false},
	{"EVEX", evex_insn, NULL, false, false},
	{"XOP", xop_insn, NULL, false, false},
	{"string", string_insn, NULL, false, false},
	{"push, pop, enter, leave", push_pop_insn, NULL, false, false},
	{"entry and exit code", entry_insn, NULL, false, false},
	{"jmp", jmp_insn, NULL, false, false},
	{"jcc", jcc_insn, NULL, false, false},
	{"loop, jrcxz", loop_insn, NULL, false, false},
	{"call", call_insn, NULL, false, false},
	{"indirect jmp and call", indirect_insn, NULL, false, false},
	{"ret", ret_insn, NULL, false, false},
	{"far ret, far jmp, iret", far_insn, far_frame, true, true},
	{"flags, nops", flags_insn, flags_frame, false, true},
	{"syscall, int 0x80", syscall_insn, syscall_number, false, true},
};
const unsigned int nforms = COUNT(forms);

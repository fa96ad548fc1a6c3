/* SPDX-License-Identifier: MIT */
/*
 * Random instructions, form by form, and states for them. Bytes are drawn at random within a
 * form and kept when the decoder takes them; operands and branches are then led to where there
 * is something: data, stack, exits.
 */
#include <string.h>

#include "fuzz_relocate.h"

uint64_t seed;

uint64_t random64(void)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t below(uint32_t n)
{
	return (uint32_t)((random64() >> 32) * n >> 32);
}

/* What comes out differently each time, changes what the next case relies on, or asks the kernel.
 */
static bool is_excluded(const ZydisDecodedInstruction *in)
{
	uint8_t op = in->opcode, reg = in->raw.modrm.reg, mod = in->raw.modrm.mod;

	if (in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) {
		switch (op) {
		case 0x8e: /* mov to a segment register */
		case 0x9d: /* popf */
		case 0xcc:
		case 0xcd:
		case 0xf1:
		case 0xca: /* far returns, iret */
		case 0xcb:
		case 0xcf:
		case 0xf4:
		case 0xfa:
		case 0xfb:
			return true;
		case 0xd9: /* fldenv, fldcw */
			return mod != 3 && (reg == 4 || reg == 5);
		case 0xdd: /* frstor */
			return mod != 3 && reg == 4;
		case 0xff: /* far call, far jmp */
			return reg == 3 || reg == 5;
		default:
			return (op >= 0x6c && op <= 0x6f) || (op >= 0xe4 && op <= 0xe7) ||
			       (op >= 0xec && op <= 0xef);
		}
	}
	if (in->opcode_map != ZYDIS_OPCODE_MAP_0F)
		return false;
	switch (op) {
	case 0xae: /* state areas; but not stmxcsr, clflush */
		return mod == 3 || (reg != 3 && reg != 7);
	case 0xc7:
		return in->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && (mod == 3 || reg != 1);
	case 0xa1:
	case 0xa9:
	case 0xb2:
	case 0xb4:
	case 0xb5:
	case 0xa2: /* cpuid */
	case 0x37:
		return in->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
	default:
		return in->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
		       (op < 0x0a || (op >= 0x20 && op < 0x24) || (op >= 0x30 && op < 0x36));
	}
}

static void put32(uint8_t *at, uint64_t v)
{
	uint32_t low = (uint32_t)v;

	memcpy(at, &low, sizeof(low));
}

/* An address for an operand: on a small scale anything, and clear of the window's ends. */
static uint64_t some_place(const struct subject *s)
{
	/* in the stack, red zone included; what walks downwards would leave it */
	if (!below(8) && s->in.meta.category != ZYDIS_CATEGORY_STRINGOP)
		return (uint64_t)s->land->stack + STACK_AT - RED_ZONE + 32 +
		       below(2 * RED_ZONE - 32);
	return (uint64_t)s->land->data + DATA_AT + (below(2) ? below(0x80) : 16 * below(8));
}

static int gpr_of(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	return ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64 ? ZydisRegisterGetId(whole)
								    : -1;
}

static bool in_fs(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->mem.segment == ZYDIS_REGISTER_FS;
}

/* The segment of thread-local storage, which is our own: only where a register leads elsewhere. */
static bool may_reach_own(const struct subject *s)
{
	for (unsigned int i = 0; i < s->in.operand_count; i++) {
		ZydisRegister base = s->op[i].mem.base;

		if (in_fs(&s->op[i]) && (ZydisRegisterGetClass(base) != ZYDIS_REGCLASS_GPR64 ||
					 base == ZYDIS_REGISTER_RSP))
			return true;
	}
	return false;
}

/* A bit offset that is also the address cannot be kept small. */
static bool is_endless(const struct subject *s)
{
	return s->in.meta.category == ZYDIS_CATEGORY_BITBYTE &&
	       s->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       s->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       (gpr_of(s->op[1].reg.value) == gpr_of(s->op[0].mem.base) ||
		gpr_of(s->op[1].reg.value) == gpr_of(s->op[0].mem.index));
}

/* Branches to exits, displacements to data. */
static bool lead(struct subject *s)
{
	ZydisDecodedInstruction *in = &s->in;
	uint64_t next = (uint64_t)s->at + s->len;
	uint8_t *disp = s->bytes + in->raw.disp.offset;

	if (in->raw.imm[0].is_relative) {
		uint8_t *imm = s->bytes + in->raw.imm[0].offset;

		if (in->raw.imm[0].size == 8)
			*imm = (uint8_t)(cpu_exit_at(s, below(2) ? EXIT_AHEAD : EXIT_BEHIND) -
					 (s->at + s->len));
		else if (in->raw.imm[0].size == 32)
			put32(imm, (uint64_t)cpu_exit_at(s, EXIT_NEXT + below(4)) - next);
		else
			return false;
	}
	if (in->raw.disp.size == 64) { /* mov between rax and an absolute address */
		uint64_t at = some_place(s);

		memcpy(disp, &at, sizeof(at));
	} else if (in->raw.disp.size == 32 && in->raw.modrm.mod == 0 && in->raw.modrm.rm == 5) {
		put32(disp, some_place(s) - next);
	} else if (in->raw.disp.size == 32) {
		bool alone = in->raw.modrm.mod == 0 && in->raw.sib.base == 5;

		put32(disp, alone && in->raw.sib.index == 4 && !in->raw.rex.X
				    ? some_place(s)
				    : (uint64_t)((int64_t)below(256) - 128));
	}
	return true;
}

static bool decode(struct subject *s)
{
	ZydisDecoder dec;

	ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return ZYAN_SUCCESS(
		ZydisDecoderDecodeFull(&dec, s->bytes, sizeof(s->bytes), &s->in, s->op));
}

static bool uses_x87(const struct subject *s)
{
	if (s->in.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
		return (s->in.opcode & 0xf8) == 0xd8 || s->in.opcode == 0x9b;
	if (s->in.mnemonic == ZYDIS_MNEMONIC_EMMS || s->in.mnemonic == ZYDIS_MNEMONIC_FEMMS)
		return true;
	for (unsigned int i = 0; i < s->in.operand_count; i++)
		if (s->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(s->op[i].reg.value) == ZYDIS_REGCLASS_MMX)
			return true;
	return false;
}

bool gen_subject(struct subject *s, const struct form *form)
{
	s->form = form;
	for (unsigned int i = 0; i < sizeof(s->bytes); i++)
		s->bytes[i] = (uint8_t)random64();
	form->generate(s);
	if (!decode(s) || (is_excluded(&s->in) && !form->excluded))
		return false;
	s->len = s->in.length;
	s->land = &lands[below(2)];
	/* lea only names an address, which high up is cut to 32 bits */
	if (form->low || (s->in.address_width == 32 && s->in.mnemonic != ZYDIS_MNEMONIC_LEA))
		s->land = &lands[0];
	s->at = s->land->orig + 0x100 + below(64);
	/* decode again with what it was led to */
	if (!lead(s) || !decode(s) || s->in.length != s->len)
		return false;
	s->x87 = uses_x87(s);
	if (may_reach_own(s) || is_endless(s))
		return false;
	return !arch_decode(s->bytes, s->len, (uint64_t)s->at - s->land->bias, &s->insn);
}

static uint64_t some_value(void)
{
	static const uint64_t edge[] = {0,	    1,		 ~0ull,	      1ull << 63, 0x7f,
					0x80,	    0xff,	 0x7fff,      0x8000,	  0xffff,
					0x7fffffff, 0x80000000u, 0xffffffffu, ~0ull >> 1};
	uint64_t r = random64();

	switch (below(4)) {
	case 0:
		return edge[below(sizeof(edge) / sizeof(edge[0]))];
	case 1:
		return r & 0xff;
	case 2:
		return (uint64_t)(int32_t)r;
	default:
		return r;
	}
}

static uint64_t segment_base(const ZydisDecodedOperand *op)
{
	return op->mem.segment == ZYDIS_REGISTER_FS ? cpu_fs_base() : 0;
}

uint64_t gen_address(const struct subject *s, const struct start *st, const ZydisDecodedOperand *op)
{
	int base = gpr_of(op->mem.base), index = gpr_of(op->mem.index);
	uint64_t a = (uint64_t)op->mem.disp.value;

	if (op->mem.base == ZYDIS_REGISTER_RIP || op->mem.base == ZYDIS_REGISTER_EIP)
		a += (uint64_t)s->at + s->len;
	if (base >= 0)
		a += st->cpu[base];
	if (index >= 0)
		a += st->cpu[index] * op->mem.scale;
	if (s->in.address_width == 32)
		a = (uint32_t)a;
	return a + segment_base(op);
}

/* Registers such that the operand is where something is. */
static void aim(const struct subject *s, struct start *st, const ZydisDecodedOperand *op)
{
	int base = gpr_of(op->mem.base), index = gpr_of(op->mem.index);
	uint64_t want = some_place(s) - segment_base(op) - (uint64_t)op->mem.disp.value;
	uint64_t above = s->in.address_width == 32 ? random64() << 32 : 0;

	if (ZydisRegisterGetClass(op->mem.index) == ZYDIS_REGCLASS_XMM ||
	    ZydisRegisterGetClass(op->mem.index) == ZYDIS_REGCLASS_YMM) {
		uint8_t *v = st->vec[ZydisRegisterGetId(op->mem.index) & 15];

		for (unsigned int i = 0; i < 32; i++)
			v[i] = i % 8 ? 0 : v[i] & 0x3f;
	}
	if (base == RSP && index >= 0)
		st->cpu[index] = below(8);
	if (base == RSP)
		return;
	if (base >= 0 && base == index) {
		st->cpu[base] = want / (1u + op->mem.scale);
	} else if (base >= 0) {
		if (index >= 0 && s->in.mnemonic != ZYDIS_MNEMONIC_XLAT)
			st->cpu[index] = below(16);
		st->cpu[base] = want - (index >= 0 ? st->cpu[index] * op->mem.scale : 0);
		if (s->in.mnemonic == ZYDIS_MNEMONIC_XLAT)
			st->cpu[base] = (uint64_t)s->land->data + 0x100 - segment_base(op);
		if (s->in.address_width == 32)
			st->cpu[base] = (uint32_t)st->cpu[base] | above;
	} else if (index >= 0) {
		st->cpu[index] = want / op->mem.scale;
		if (s->in.address_width == 32)
			st->cpu[index] = (uint32_t)st->cpu[index] | above;
	}
}

/* Values without which an instruction would only fault, or run away. */
static void suit(const struct subject *s, struct start *st)
{
	uint64_t o = st->cpu[RSP];

	if (s->in.attributes &
	    (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
		st->cpu[RCX] = below(12);
	switch (s->in.mnemonic) {
	case ZYDIS_MNEMONIC_BT:
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC:
		for (int i = 0; i < FLAGS; i++)
			st->cpu[i] = i == RSP ? o : below(512);
		break;
	case ZYDIS_MNEMONIC_DIV:
	case ZYDIS_MNEMONIC_IDIV:
		st->cpu[RDX] = below(4) ? 0 : st->cpu[RDX];
		break;
	case ZYDIS_MNEMONIC_LEAVE:
	case ZYDIS_MNEMONIC_ENTER:
		/* enter copies so many words from below rbp */
		st->cpu[RBP] = o - 64 + 8 * below(16) + (below(4) ? 0 : below(8)) +
			       (s->in.raw.imm[1].value.u & 31) * 8;
		break;
	case ZYDIS_MNEMONIC_LOOP:
	case ZYDIS_MNEMONIC_LOOPE:
	case ZYDIS_MNEMONIC_LOOPNE:
	case ZYDIS_MNEMONIC_JRCXZ:
	case ZYDIS_MNEMONIC_JECXZ:
		st->cpu[RCX] = below(3) | (below(3) ? 0 : (uint64_t)below(3) << 32);
		break;
	case ZYDIS_MNEMONIC_CMPXCHG:
		memset(st->data, (int)st->cpu[RAX], WINDOW);
		st->cpu[RAX] = 0x0101010101010101u * (uint8_t)st->cpu[RAX];
		break;
	default:
		break;
	}
}

uint8_t *gen_bytes(const struct subject *s, struct start *st, uint64_t addr, size_t n)
{
	uint64_t in_data = addr - (uint64_t)s->land->data;
	uint64_t in_stack = addr - (uint64_t)s->land->stack;

	if (in_data <= WINDOW - n)
		return st->data + in_data;
	return in_stack <= WINDOW - n ? st->stack + in_stack : NULL;
}

/* An address of an exit for an indirect branch to find. */
static void give_target(const struct subject *s, struct start *st)
{
	uint64_t to = (uint64_t)cpu_exit_at(s, EXIT_NEXT + below(4));
	uint8_t *word = NULL;
	const ZydisDecodedOperand *op = &s->op[0];

	switch (s->insn.kind) {
	case ARCH_RET:
		word = gen_bytes(s, st, st->cpu[RSP], 8);
		break;
	case ARCH_JMP_IND:
	case ARCH_CALL_IND:
		if (op->type == ZYDIS_OPERAND_TYPE_MEMORY)
			word = gen_bytes(s, st, gen_address(s, st, op), 8);
		else if (gpr_of(op->reg.value) != RSP)
			st->cpu[gpr_of(op->reg.value)] = to;
		break;
	default:
		return;
	}
	if (word)
		memcpy(word, &to, sizeof(to));
}

/* Near misses would hit what is not compared, or what is below the red zone. */
static bool may_be_wild(const struct subject *s, const ZydisDecodedOperand *op)
{
	return !in_fs(op) && op->mem.base != ZYDIS_REGISTER_RSP &&
	       op->mem.base != ZYDIS_REGISTER_ESP && s->in.meta.category != ZYDIS_CATEGORY_BITBYTE;
}

void gen_start(const struct subject *s, struct start *st)
{
	for (int i = 0; i < FLAGS; i++)
		st->cpu[i] = some_value();
	st->cpu[FLAGS] = (random64() & ARITHMETIC) | 0x202;
	st->cpu[RSP] = (uint64_t)s->land->stack + STACK_AT + (below(8) ? 0 : below(16));
	for (unsigned int i = 0; i < WINDOW; i += 8) {
		uint64_t a = random64(), b = random64();

		memcpy(st->data + i, &a, 8);
		memcpy(st->stack + i, &b, 8);
	}
	for (unsigned int i = 0; i < sizeof(st->vec); i += 8) {
		uint64_t v = some_value();

		memcpy((uint8_t *)st->vec + i, &v, 8);
	}
	suit(s, st);
	for (unsigned int i = 0; i < s->in.operand_count; i++)
		if (s->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (below(64) || !may_be_wild(s, &s->op[i])))
			aim(s, st, &s->op[i]);
	give_target(s, st);
	if (s->form->adjust)
		s->form->adjust(s, st);
}

/* SPDX-License-Identifier: MIT */
/*
 * Instructions by name, for programs in tests.
 */
#ifndef SONDE_TESTS_ACT_INSN_H
#define SONDE_TESTS_ACT_INSN_H

#include "wire/prog.h"

#define INSN(op, dst, src, off, k)                                                                 \
	((struct wire_insn){(op), (uint8_t)((dst) | (src) << 4), (int16_t)(off), (int32_t)(k)})

#define MOV(d, k) INSN(0xb7, d, 0, 0, k)
#define MOVR(d, s) INSN(0xbf, d, s, 0, 0)
#define ADD(d, k) INSN(0x07, d, 0, 0, k)
#define ADDR(d, s) INSN(0x0f, d, s, 0, 0)
#define LD64(d, v) INSN(0x18, d, 0, 0, (uint64_t)(v)), INSN(0, 0, 0, 0, (uint64_t)(v) >> 32)
#define LDMAP(d, m) INSN(0x18, d, WIRE_MAP_BY_IDX, 0, m), INSN(0, 0, 0, 0, 0)
#define LDX8(d, s, o) INSN(0x71, d, s, o, 0)
#define LDX16(d, s, o) INSN(0x69, d, s, o, 0)
#define LDX32(d, s, o) INSN(0x61, d, s, o, 0)
#define LDX64(d, s, o) INSN(0x79, d, s, o, 0)
#define ST8(d, o, k) INSN(0x72, d, 0, o, k)
#define ST16(d, o, k) INSN(0x6a, d, 0, o, k)
#define ST32(d, o, k) INSN(0x62, d, 0, o, k)
#define ST64(d, o, k) INSN(0x7a, d, 0, o, k)
#define STX8(d, s, o) INSN(0x73, d, s, o, 0)
#define STX16(d, s, o) INSN(0x6b, d, s, o, 0)
#define STX32(d, s, o) INSN(0x63, d, s, o, 0)
#define STX64(d, s, o) INSN(0x7b, d, s, o, 0)
#define ATOMIC32(d, s, o, op) INSN(0xc3, d, s, o, op)
#define ATOMIC64(d, s, o, op) INSN(0xdb, d, s, o, op)
#define JA(o) INSN(0x05, 0, 0, o, 0)
#define JEQ(d, k, o) INSN(0x15, d, 0, o, k)
#define CALL(id) INSN(0x85, 0, 0, 0, id)
#define EXIT INSN(0x95, 0, 0, 0, 0)

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The generator: from the checked tree to programs.
 *
 * Conventions: an integer expression leaves its value in r0 and keeps r6 to r9; anything larger
 * is built in memory. Context: tool.
 */
#ifndef SONDE_LANG_GEN_H
#define SONDE_LANG_GEN_H

#include "lang/check.h"
#include "lang/emit.h"

/* gen.c: one program per block into u->script->prog, maps into u->script->map. */
void lang_gen(struct unit *u);

/* gen_expr.c: an integer (or a name's string offset) to r0. */
void lang_gen_int(struct gen *g, struct expr *e);
/* The same to another register; r0 may change all the same. */
void lang_gen_int_to(struct gen *g, struct expr *e, uint8_t dst);
/* Jump to @to if the integer @e is true (@sense) or false; go on otherwise. */
void lang_gen_branch(struct gen *g, struct expr *e, bool sense, struct label *to);
/* r0 = r0 @op r1, where / and % by zero give 1. */
void lang_gen_arith(struct gen *g, enum op op, bool is_signed);

/* gen_data.c: any value, as type @type, to all bytes of @to. */
void lang_gen_store(struct gen *g, struct expr *e, const struct type *type, struct loc to);
/* A string in memory: its place, and how many bytes it has there in *size. A name gets at least
 * @least bytes. */
struct loc lang_gen_string(struct gen *g, struct expr *e, uint32_t least, uint32_t *size);
/* r0 = 0 if the strings are equal, as far as @limit bytes. */
void lang_gen_strcmp(struct gen *g, struct expr *a, struct expr *b, uint32_t limit);
/* The key of @e (X_MAP) in a buffer; loc.reg 0 for a scalar map. */
struct loc lang_gen_key(struct gen *g, struct expr *e);
/* r1 = map, r2 = key. */
void lang_gen_map_args(struct gen *g, const struct map *m, struct loc key);
/* The type's size in memory, of a variable or map value, is kept as bytes and not in a word. */
bool lang_type_is_wide(const struct type *t);

/* gen_call.c: a call as a statement, or with its integer result in r0. */
void lang_gen_call(struct gen *g, struct expr *e);

#endif

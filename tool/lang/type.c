/* SPDX-License-Identifier: MIT */
/*
 * The lattice of types: NONE below everything, integers from literal over unsigned to signed,
 * strings by size, names below strings. Context: tool.
 */
#include "lang/check.h"

struct type lang_type_int(bool is_signed)
{
	return (struct type){SCRIPT_INT, is_signed, false, 8};
}

struct type lang_type_str(struct unit *u, uint32_t bytes, struct span at)
{
	if (bytes > LANG_MAX_STRLEN)
		lang_error(u, at, "this string is too long (limit: %d bytes)", LANG_MAX_STRLEN - 1);
	return (struct type){SCRIPT_STR, false, false, ALIGN_UP(bytes, 8u)};
}

bool lang_type_is_string(const struct type *t)
{
	return t->kind == SCRIPT_STR || t->kind == SCRIPT_NAME;
}

const char *lang_type_name(const struct type *t)
{
	switch (t->kind) {
	case SCRIPT_INT:
		return "an integer";
	case SCRIPT_STR:
	case SCRIPT_NAME:
		return "a string";
	case SCRIPT_USYM:
		return "a symbol";
	case SCRIPT_AGG:
		return "an aggregation";
	default:
		return "nothing";
	}
}

static bool join_int(struct type *to, const struct type *from)
{
	if (from->is_flex)
		return false;
	if (to->is_flex) {
		to->is_flex = false;
		to->is_signed = from->is_signed;
		return true;
	}
	if (from->is_signed && !to->is_signed) {
		to->is_signed = true;
		return true;
	}
	return false;
}

static bool join_size(struct type *to, uint32_t size)
{
	if (size <= to->size)
		return false;
	to->size = size;
	return true;
}

bool lang_type_join(struct type *to, const struct type *from, bool *changed)
{
	if (from->kind == SCRIPT_NONE)
		return true;
	if (to->kind == SCRIPT_NONE) {
		*to = *from;
		*changed = true;
		return true;
	}
	if (to->kind == SCRIPT_STR && from->kind == SCRIPT_NAME) {
		*changed |= join_size(to, CHECK_NAME_SIZE);
		return true;
	}
	if (to->kind == SCRIPT_NAME && from->kind == SCRIPT_STR) {
		*to = *from;
		join_size(to, CHECK_NAME_SIZE);
		*changed = true;
		return true;
	}
	if (to->kind != from->kind)
		return false;
	if (to->kind == SCRIPT_INT)
		*changed |= join_int(to, from);
	if (to->kind == SCRIPT_STR)
		*changed |= join_size(to, from->size);
	return true;
}

struct script_type lang_type_final(const struct type *t)
{
	return (struct script_type){t->kind, t->is_signed, t->size};
}

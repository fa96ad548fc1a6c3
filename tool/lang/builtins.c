/* SPDX-License-Identifier: MIT */
/*
 * Tables of the language's builtin values and functions. Context: tool.
 */
#include "lang/builtins.h"

#include <string.h>

#include "base/base.h"
#include "wire/prog.h"

#define ARG(n)                                                                                     \
	{                                                                                          \
		"arg" #n, FROM_ARG, n, SCRIPT_INT, true                                            \
	}

static const struct builtin builtins[] = {
	{"pid", FROM_HELPER, WIRE_H_PID, SCRIPT_INT, false},
	{"tid", FROM_HELPER, WIRE_H_TID, SCRIPT_INT, false},
	{"uid", FROM_HELPER, WIRE_H_UID, SCRIPT_INT, false},
	{"gid", FROM_HELPER, WIRE_H_GID, SCRIPT_INT, false},
	{"cpu", FROM_HELPER, WIRE_H_CPU, SCRIPT_INT, false},
	{"nsecs", FROM_HELPER, WIRE_H_NSECS, SCRIPT_INT, false},
	{"elapsed", FROM_HELPER, WIRE_H_ELAPSED, SCRIPT_INT, false},
	{"rand", FROM_HELPER, WIRE_H_RAND, SCRIPT_INT, false},
	{"comm", FROM_COMM, 0, SCRIPT_STR, false},
	{"func", FROM_CTX, offsetof(struct wire_ctx, func), SCRIPT_NAME, true},
	{"probe", FROM_CTX, offsetof(struct wire_ctx, probe), SCRIPT_NAME, false},
	ARG(0),
	ARG(1),
	ARG(2),
	ARG(3),
	ARG(4),
	ARG(5),
	ARG(6),
	ARG(7),
	ARG(8),
	ARG(9),
};

#define AGG(name, min, max, kind, usage)                                                           \
	{                                                                                          \
		name, FN_AGG, min, max, false, WIRE_MAP_##kind, usage                              \
	}
#define FN(name, id, min, max, target, usage)                                                      \
	{                                                                                          \
		name, FN_##id, min, max, target, 0, usage                                          \
	}

static const struct function functions[] = {
	AGG("count", 0, 0, COUNT, "count()"),
	AGG("sum", 1, 1, SUM, "sum(n)"),
	AGG("avg", 1, 1, AVG, "avg(n)"),
	AGG("min", 1, 1, MIN, "min(n)"),
	AGG("max", 1, 1, MAX, "max(n)"),
	AGG("stats", 1, 1, STATS, "stats(n)"),
	AGG("hist", 1, 2, HIST, "hist(n [, bits])"),
	AGG("lhist", 4, 4, LHIST, "lhist(n, min, max, step)"),
	FN("printf", PRINTF, 1, UINT32_MAX, false, "printf(\"format\", ...)"),
	FN("print", PRINT, 1, 3, false, "print(value) or print(@map [, top [, div]])"),
	FN("clear", CLEAR, 1, 1, false, "clear(@map)"),
	FN("zero", ZERO, 1, 1, false, "zero(@map)"),
	FN("delete", DELETE, 1, 2, false, "delete(@map, key)"),
	FN("has_key", HAS_KEY, 2, 2, false, "has_key(@map, key)"),
	FN("exit", EXIT, 0, 1, false, "exit([code])"),
	FN("str", STR, 1, 2, false, "str(address [, length])"),
	FN("usym", USYM, 1, 1, true, "usym(address)"),
	FN("reg", REG, 1, 1, true, "reg(\"name\")"),
	FN("strncmp", STRNCMP, 3, 3, false, "strncmp(a, b, length)"),
};

static const char kernel[] = "it belongs to the kernel, and Sonde sees user space only";
static const char yet[] = "it is not supported yet";

static const struct {
	const char *name, *why;
} unsupported[] = {
	{"retval", "it needs a return probe, which is not supported yet"},
	{"kstack", kernel},
	{"kaddr", kernel},
	{"ksym", kernel},
	{"kptr", kernel},
	{"kfunc_exist", kernel},
	{"kfunc_allowed", kernel},
	{"percpu_kaddr", kernel},
	{"skboutput", kernel},
	{"socket_cookie", kernel},
	{"override", kernel},
	{"path", kernel},
	{"curtask", kernel},
	{"ctx", kernel},
	{"cgroup", kernel},
	{"cgroupid", kernel},
	{"cgroup_path", kernel},
	{"jiffies", kernel},
	{"signal", yet},
	{"ustack", yet},
	{"dw_ustack", yet},
	{"uaddr", yet},
	{"uptr", yet},
	{"args", yet},
	{"username", yet},
	{"ncpus", yet},
	{"numaid", yet},
	{"cpid", yet},
	{"has_cpid", yet},
	{"ppid", yet},
	{"pcomm", yet},
	{"leader_comm", yet},
	{"leader_tid", yet},
	{"usermode", yet},
	{"probetype", yet},
	{"getopt", yet},
	{"errorf", yet},
	{"warnf", yet},
	{"fail", yet},
	{"cat", yet},
	{"system", yet},
	{"time", yet},
	{"strftime", yet},
	{"join", yet},
	{"buf", yet},
	{"memcmp", yet},
	{"strcontains", yet},
	{"strstr", yet},
	{"strlen", yet},
	{"strcap", yet},
	{"str_concat", yet},
	{"bswap", yet},
	{"ntop", yet},
	{"pton", yet},
	{"macaddr", yet},
	{"signal_thread", yet},
	{"signal_name", yet},
	{"strerror", yet},
	{"syscall_name", yet},
	{"write_user", yet},
	{"len", yet},
	{"find", yet},
	{"assert", yet},
	{"static_assert", yet},
	{"container_of", yet},
	{"sizeof", yet},
	{"offsetof", yet},
	{"typeof", yet},
	{"tseries", yet},
	{"is_ptr", yet},
	{"is_str", yet},
	{"is_integer", yet},
	{"comptime", yet},
};

static bool same(const char *known, const char *name, uint32_t len)
{
	return strlen(known) == len && !memcmp(known, name, len);
}

const struct builtin *lang_builtin_find(const char *name, uint32_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(builtins); i++) {
		if (same(builtins[i].name, name, len))
			return &builtins[i];
	}
	return NULL;
}

const struct function *lang_function_find(const char *name, uint32_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		if (same(functions[i].name, name, len))
			return &functions[i];
	}
	return NULL;
}

const char *lang_unsupported_why(const char *name, uint32_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(unsupported); i++) {
		if (same(unsupported[i].name, name, len))
			return unsupported[i].why;
	}
	return NULL;
}

/* Edit distance, small strings only. */
static uint32_t distance(const char *a, uint32_t na, const char *b, uint32_t nb)
{
	uint32_t row[32], diag, up;

	for (uint32_t j = 0; j <= nb; j++)
		row[j] = j;
	for (uint32_t i = 1; i <= na; i++) {
		diag = row[0];
		row[0] = i;
		for (uint32_t j = 1; j <= nb; j++) {
			uint32_t best = diag + (a[i - 1] != b[j - 1]);

			up = row[j];
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diag = up;
			row[j] = best;
		}
	}
	return row[nb];
}

static void consider(const char *name, uint32_t len, const char *known, uint32_t *least,
		     const char **near)
{
	uint32_t d = distance(name, len, known, (uint32_t)strlen(known));

	if (d < *least) {
		*least = d;
		*near = known;
	}
}

const char *lang_name_near(const char *name, uint32_t len, bool is_call)
{
	uint32_t least = len > 3 ? 3 : 2;
	const char *near = NULL;

	if (len > 24)
		return NULL;
	for (size_t i = 0; is_call && i < ARRAY_LEN(functions); i++)
		consider(name, len, functions[i].name, &least, &near);
	for (size_t i = 0; !is_call && i < ARRAY_LEN(builtins); i++)
		consider(name, len, builtins[i].name, &least, &near);
	return near;
}

bool lang_int_type(const char *name, uint32_t len, uint32_t *bits, bool *is_signed)
{
	static const struct {
		const char *name;
		uint32_t bits;
		bool is_signed;
	} types[] = {
		{"int8", 8, true},     {"int16", 16, true},   {"int32", 32, true},
		{"int64", 64, true},   {"uint8", 8, false},   {"uint16", 16, false},
		{"uint32", 32, false}, {"uint64", 64, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (same(types[i].name, name, len)) {
			*bits = types[i].bits;
			*is_signed = types[i].is_signed;
			return true;
		}
	}
	return false;
}

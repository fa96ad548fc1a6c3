/* SPDX-License-Identifier: MIT */
/*
 * The helpers of enum wire_helper, one function each.
 *
 * Owns nothing: they act on the thread's block and ring, on the session's tables, and on buffers
 * of the calling program whose bounds the verifier has checked. A helper whose result is not
 * described in wire/prog.h returns 0. What goes wrong is counted in the block, never reported
 * to the program.
 * Context: hit, signal-safe, the thread @t describes.
 */
#include "act/helper.h"
#include "act/key.h"
#include "arch/local.h"
#include "base/base.h"
#include "base/mem.h"
#include "ring/ring.h"

#define PAGE 4096ull

static inline void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static SONDE_HIT void count_error(struct act_thread *t, uint32_t error)
{
	local_add64(&t->block->errors[error], 1);
}

static SONDE_HIT void count_failure(struct act_thread *t, int err)
{
	if (unlikely(err != 0))
		count_error(t, WIRE_RT_MAP_FULL);
}

static SONDE_HIT uint64_t help_load(struct wire_session *s, const uint64_t *arg)
{
	uint64_t value = 0;

	act_table_load(s, (uint32_t)arg[0], pointer(arg[1]), &value);
	return value;
}

static SONDE_HIT uint64_t help_add(struct act_thread *t, const uint64_t *arg)
{
	int64_t before = 0;

	count_failure(t, act_table_add(t->host->session, (uint32_t)arg[0], pointer(arg[1]),
				       (int64_t)arg[2], &before));
	return (uint64_t)before;
}

static SONDE_HIT void help_emit(struct act_thread *t, const uint64_t *arg)
{
	uint32_t length = (uint32_t)arg[2];
	uint32_t id = (uint32_t)arg[0];
	struct wire_event *e = id & WIRE_EVENT_URGENT
				       ? ring_reserve_urgent(t->host->session, t->block, length)
				       : ring_reserve(t->host->session, t->block, length);

	if (!e)
		return;
	e->id = (uint16_t)(id & ~WIRE_EVENT_URGENT);
	e->flags = 0;
	e->time = t->host->nsecs();
	e->tid = (uint32_t)t->tid;
	e->pid = (uint32_t)t->pid;
	e->proc = t->proc;
	e->reserved = 0;
	mem_copy(e + 1, pointer(arg[1]), length);
	ring_commit(e, length);
}

/* Copy up to @n bytes of the string at @address, a page at a time so that no more of memory need
 * be readable than the string takes. The length without NUL, @n if there was none, -1 if a page
 * cannot be read. */
static SONDE_HIT int64_t copy_string(struct act_thread *t, char *dst, uint64_t n, uint64_t address)
{
	uint64_t done = 0;

	while (done < n) {
		uint64_t step = PAGE - ((address + done) & (PAGE - 1)), end;

		if (step > n - done)
			step = n - done;
		if (t->host->read(dst + done, address + done, step) != 0)
			return -1;
		for (end = done + step; done < end; done++) {
			if (dst[done] == '\0')
				return (int64_t)done;
		}
	}
	return (int64_t)n;
}

static SONDE_HIT uint64_t help_str(struct act_thread *t, const uint64_t *arg)
{
	char *dst = pointer(arg[0]);
	uint64_t n = arg[1];
	int64_t length = copy_string(t, dst, n, arg[2]);

	if (length < 0) {
		count_error(t, WIRE_RT_BAD_ADDR);
		length = 0;
	} else if ((uint64_t)length == n) {
		length--;
		if (length >= 2) {
			dst[length - 2] = '.';
			dst[length - 1] = '.';
		}
	}
	mem_zero(dst + length, n - (uint64_t)length);
	return (uint64_t)length;
}

static SONDE_HIT void help_name(const struct wire_session *s, const uint64_t *arg)
{
	char *dst = pointer(arg[0]);
	size_t done = 0;

	if (arg[2] < s->strings.count)
		done = str_copy(dst, wire_string(s, arg[2]), arg[1]);
	mem_zero(dst + done, arg[1] - done);
}

static SONDE_HIT uint64_t help_strncmp(const uint64_t *arg)
{
	const char *a = pointer(arg[0]), *b = pointer(arg[1]);

	for (uint64_t i = 0; i < arg[2]; i++) {
		if (a[i] != b[i])
			return 1;
		if (a[i] == '\0')
			break;
	}
	return 0;
}

/* xorshift; a handler that comes between repeats a number, which is as random as the other. */
static SONDE_HIT uint64_t help_rand(struct act_thread *t)
{
	uint32_t x = t->rand != 0 ? t->rand : 0x9e3779b9u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	t->rand = x;
	return x;
}

static SONDE_HIT void help_comm(const struct act_thread *t, const uint64_t *arg)
{
	char *dst = pointer(arg[0]);

	mem_copy(dst, t->comm, sizeof(t->comm));
	mem_zero(dst + sizeof(t->comm), arg[1] - sizeof(t->comm));
}

/* The seventh argument lies above the return address. The page of the stack pointer itself is
 * certainly there; any other may not be, when the function has fewer arguments. */
static SONDE_HIT uint64_t help_stack_arg(struct act_thread *t, const struct wire_ctx *ctx,
					 uint64_t n)
{
	uint64_t sp = ctx->reg[WIRE_REG_SP], value = 0;
	uint64_t address = sp + 8 + 8 * (n - WIRE_NARGS);

	if (n < WIRE_NARGS)
		return ctx->reg[n];
	if (((address ^ sp) & ~(PAGE - 1)) == 0 && (address & (PAGE - 1)) <= PAGE - 8)
		return *(const act_word *)pointer(address);
	if (t->host->read(&value, address, sizeof(value)) != 0) {
		count_error(t, WIRE_RT_BAD_ADDR);
		return 0;
	}
	return value;
}

static SONDE_HIT uint64_t help_map(struct act_thread *t, uint32_t id, const uint64_t *arg)
{
	struct wire_session *s = t->host->session;
	uint32_t map = (uint32_t)arg[0];
	void *key = pointer(arg[1]);

	switch (id) {
	case WIRE_H_AGG:
		act_aggregate(t, map, key, (int64_t)arg[2]);
		return 0;
	case WIRE_H_LOAD:
		return help_load(s, arg);
	case WIRE_H_STORE:
		count_failure(t, act_table_store(s, map, key, &arg[2]));
		return 0;
	case WIRE_H_ADD:
		return help_add(t, arg);
	case WIRE_H_DELETE:
		return act_table_delete(s, map, key) == 0;
	case WIRE_H_LOAD_BUF:
		act_table_load(s, map, key, pointer(arg[2]));
		return 0;
	case WIRE_H_STORE_BUF:
		count_failure(t, act_table_store(s, map, key, pointer(arg[2])));
		return 0;
	default:
		return act_table_has(s, map, key);
	}
}

SONDE_HIT uint64_t act_helper(struct act_thread *t, const struct wire_ctx *ctx, uint32_t id,
			      const uint64_t *arg)
{
	switch (id) {
	case WIRE_H_EMIT:
		help_emit(t, arg);
		return 0;
	case WIRE_H_STR:
		return help_str(t, arg);
	case WIRE_H_NAME:
		help_name(t->host->session, arg);
		return 0;
	case WIRE_H_STRNCMP:
		return help_strncmp(arg);
	case WIRE_H_PID:
		return (uint32_t)t->pid;
	case WIRE_H_TID:
		return (uint32_t)t->tid;
	case WIRE_H_UID:
		return t->uid;
	case WIRE_H_GID:
		return t->gid;
	case WIRE_H_CPU:
		return t->host->cpu();
	case WIRE_H_NSECS:
		return t->host->nsecs();
	case WIRE_H_ELAPSED:
		return t->host->nsecs() - t->host->session->start_ns;
	case WIRE_H_RAND:
		return help_rand(t);
	case WIRE_H_COMM:
		help_comm(t, arg);
		return 0;
	case WIRE_H_PROC:
		return t->proc;
	case WIRE_H_STACK_ARG:
		return help_stack_arg(t, ctx, arg[0]);
	case WIRE_H_ERROR:
		if (arg[0] < WIRE_RT_COUNT)
			count_error(t, (uint32_t)arg[0]);
		return 0;
	default:
		return help_map(t, id, arg);
	}
}

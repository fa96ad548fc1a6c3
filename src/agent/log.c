/* SPDX-License-Identifier: MIT */
/*
 * The process log: what the loader mapped, what could not be placed. One writer (the loader's
 * lock is held), read by the tool while it grows and after the process is gone.
 */
#include "agent/agent.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/mem.h"

static uint8_t *log_at, *log_end;

static uint8_t *log_chunk(struct wire_session *s)
{
	uint32_t c = agent_chunks(s, 1);

	return c == UINT32_MAX ? NULL : wire_chunk(s, c);
}

/* Room for @size bytes behind log_at, and for the record that leads on. */
static bool log_room(struct wire_session *s, uint32_t size)
{
	struct wire_log_more *more;
	uint8_t *next;

	if (log_at && log_at + size + sizeof(*more) <= log_end)
		return true;
	next = log_chunk(s);
	if (!next)
		return false;
	if (!log_at) {
		store_release(&wire_elem(s, procs, struct wire_proc, agent_self.proc)->log_off,
			      (uint64_t)(next - (uint8_t *)s));
	} else {
		more = (struct wire_log_more *)log_at;
		more->next = (uint64_t)(next - (uint8_t *)s);
		more->h.type = WIRE_LOG_MORE;
		store_release(&more->h.size, (uint32_t)sizeof(*more));
	}
	log_at = next;
	log_end = next + WIRE_CHUNK;
	return true;
}

void agent_log(struct wire_log *rec, uint32_t type, uint32_t size)
{
	struct wire_log *to;

	size = (uint32_t)ALIGN_UP(size, 8);
	if (!log_room(agent_self.session, size))
		return;
	to = (struct wire_log *)log_at;
	mem_copy(to + 1, rec + 1, size - sizeof(*rec));
	to->type = type;
	/* release: the tool reads a record once it sees its size */
	store_release(&to->size, size);
	log_at += size;
}

/* SPDX-License-Identifier: MIT */
/*
 * Chunks of session memory. The tool keeps memory committed ahead of need, so that a hit takes
 * a chunk by one atomic addition; only when a burst outruns it does the agent commit by itself,
 * which needs system calls, once per 64 KiB.
 *
 * Context: hit (rarely), signal-safe, any thread.
 */
#include <fcntl.h>

#include "agent/agent.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/sys.h"

SONDE_HIT static bool commit(struct wire_session *s, uint32_t chunk, uint32_t n)
{
	long fd = sys4(SYS_openat, AT_FDCWD, s->session_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
	long err;

	if (fd < 0)
		return false;
	err = sys4(SYS_fallocate, fd, 0, s->arena_off + (uint64_t)chunk * WIRE_CHUNK,
		   (uint64_t)n * WIRE_CHUNK);
	sys1(SYS_close, fd);
	return err == 0;
}

SONDE_HIT uint32_t agent_chunks(struct wire_session *s, uint32_t n)
{
	uint32_t chunk = fetch_add_relaxed(&s->arena_next, n);

	if (chunk > s->arena_chunks || s->arena_chunks - chunk < n) {
		store_relaxed(&s->arena_next, s->arena_chunks);
		return UINT32_MAX;
	}
	/* acquire: the tool raises the mark after the memory is there */
	if (unlikely(chunk + n > load_acquire(&s->arena_committed)) && !commit(s, chunk, n))
		return UINT32_MAX;
	return chunk;
}

/* SPDX-License-Identifier: MIT */
/*
 * The agent: Sonde inside the target. The dynamic loader maps it as a preloaded library and
 * calls it before any code of the program's images has run (loader.c).
 *
 * It has no libc, no thread, no open descriptor and no signal handler. Errors climb here as
 * codes; the agent then stays silent and the program runs as if it were not there.
 */
#ifndef SONDE_AGENT_AGENT_H
#define SONDE_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "wire/session.h"

struct agent {
	struct wire_session *session;
	uint32_t proc;
	/* what the loader left on the initial stack */
	long argc;
	char **argv, **envp;
	uint64_t *auxv;
};

extern struct agent agent_self SONDE_HIDDEN;

/* start.c: find the session, map it, register this process. 0 or an error: stay silent. */
int agent_start(void);
/* The first process waits here until the tool has read what was refused. */
void agent_announce(void);

/* module.c */
void agent_module_loaded(uint64_t bias, const char *path);
void agent_module_unloaded(uint64_t bias);

/* log.c: append a record to this process's log. @rec->h.size is set here. Loader lock held. */
void agent_log(struct wire_log *rec, uint32_t type, uint32_t size);

/* arena.c: act_host.chunks */
uint32_t agent_chunks(struct wire_session *s, uint32_t n);

/* clock.c: act_host.nsecs */
void agent_clock_init(const uint64_t *auxv);
uint64_t agent_nsecs(void);

/* exec.c: what a hit on our own sites in libc does. Hit. */
void agent_exec_init(const struct wire_session *s);
void agent_exec_execve(struct wire_ctx *ctx);
void agent_exec_execveat(struct wire_ctx *ctx);
void agent_exec_fexecve(struct wire_ctx *ctx);
void agent_exec_prctl(struct wire_ctx *ctx);
void agent_exec_syscall(struct wire_ctx *ctx);

/* read.c: act_host.read */
int agent_read(void *dst, uint64_t addr, uint64_t n);

#endif

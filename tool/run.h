/* SPDX-License-Identifier: MIT */
/*
 * One observation from start to end, and its parts.
 */
#ifndef SONDE_RUN_H
#define SONDE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "act/act.h"
#include "attach/attach.h"
#include "options.h"
#include "read/read.h"
#include "script/script.h"
#include "show/show.h"
#include "sonde/sonde.h"

/* run.c: everything for a script. Returns the status to exit with; a signal that ended the target
 * is re-raised by the caller when *sig is not 0. */
int run_script(const struct options *opt, int *sig);

/* list.c: -l. Returns the status to exit with. */
int list_probes(const struct options *opt);

/* local.c: programs that run in the tool itself (BEGIN, END, interval). */
struct local {
	struct act_host host;
	struct act_thread thread;
	void *scratch;
};
int local_open(struct local *l, struct wire_session *s);
void local_run(struct local *l, uint32_t prog);
void local_close(struct local *l);
uint64_t local_nsecs(void);

/* child.c: the command of -c. */
struct child {
	pid_t pid; /* 0 = none, or reaped */
	int pidfd;
	int status; /* of waitpid, once reaped */
	bool reaped;
};
int child_start(struct child *c, const char *path, char **argv, const struct attach_session *as);
/* Has it ended (and been reaped)? */
bool child_ended(struct child *c);
/* Ask it to end (SIGTERM), wait a little, then insist. */
void child_stop(struct child *c);

#endif

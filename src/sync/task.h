/* SPDX-License-Identifier: MIT */
/*
 * One thread of this process as /proc shows it. Context: any thread; no libc.
 */
#ifndef SONDE_SYNC_TASK_H
#define SONDE_SYNC_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYNC_TASK_TEXT 16384 /* room for any file that is read here */

/* A thread that sleeps. */
struct sync_task {
	int32_t tid;
	int32_t nr;	   /* the system call it is in, or -1 */
	uint64_t sp, pc;   /* both 0: it never comes back to user mode */
	uint64_t arg[6];   /* of the system call, or 0 */
	uint64_t switches; /* how often it has been taken off a processor */
};

/* The state letter, and when it began (ns of CLOCK_BOOTTIME, coarse). 0, or -errno. */
int sync_task_stat(int32_t tid, char *state, uint64_t *start);

/*
 * Look at the thread @t->tid; @text has SYNC_TASK_TEXT bytes. 0; -EAGAIN: it does not sleep; or the
 * error of reading /proc: -ENOENT or -ESRCH when there is no such thread any more.
 */
int sync_task_look(struct sync_task *t, char *text);
/* It has slept from then to now without a break. 0, -EAGAIN: no; errors as above. */
int sync_task_slept(const struct sync_task *t, char *text);

/* The calling thread's number as /proc counts, or -errno. */
int32_t sync_task_self(void);

#endif

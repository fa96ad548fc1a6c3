/* SPDX-License-Identifier: MIT */
/*
 * The state of one observation, shared by the files of tool/ that drive it.
 */
#ifndef SONDE_OBSERVE_H
#define SONDE_OBSERVE_H

#include <stdbool.h>

#include "run.h"

struct observe {
	const struct options *opt;
	struct script *script;
	struct attach_set *set;
	struct attach_session session;
	struct read *read;
	struct show show;
	struct local local;
	struct child child;
	char **argv;	 /* of -c, NULL without */
	char path[4096]; /* what argv[0] leads to */
	bool flush_each;
	bool exit_requested;
	int exit_code;
	int refused_explicit;  /* probes named in the script that found no place in the target */
	int refused_pattern;   /* probes that a pattern matched, likewise */
	uint64_t modules_seen; /* bit i: some process mapped module i */
};

/* events.c */
void observe_events(struct observe *o, bool final);
void observe_maps(struct observe *o);

/* prepare.c: from options to a session that is ready, with nothing started. 0 or a status. */
int observe_prepare(struct observe *o);
void observe_free(struct observe *o);

/* logs.c: news of the target's processes; warnings. */
void observe_logs(struct observe *o);
/* What was lost or went wrong, on standard error, once at the end. */
void observe_report(struct observe *o);

#endif

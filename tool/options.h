/* SPDX-License-Identifier: MIT */
/*
 * The command line, with bpftrace's flags and bpftrace's meaning.
 */
#ifndef SONDE_OPTIONS_H
#define SONDE_OPTIONS_H

#include <stdbool.h>

enum options_mode { OPTIONS_RUN, OPTIONS_LIST, OPTIONS_DONE };
enum options_buffer { OPTIONS_BUF_LINE, OPTIONS_BUF_FULL, OPTIONS_BUF_NONE };

struct options {
	enum options_mode mode;
	const char *program;	  /* -e */
	const char *file;	  /* FILE, "-" = standard input */
	const char *cmd;	  /* -c */
	const char *pattern;	  /* of -l, may be NULL */
	const char *output;	  /* -o */
	const char *format;	  /* "text" or "json" */
	const char *const *param; /* positional parameters */
	int nparams;
	enum options_buffer buffer;
	bool quiet, verbose, dry_run, no_follow, no_warnings;
	bool color; /* of diagnostics on standard error */
};

/* Parse. 0, or the status to exit with (2 for a wrong use, after a message). mode DONE: -h or -V
 * has been answered, exit with 0. */
int options_parse(int argc, char **argv, struct options *out);

#endif

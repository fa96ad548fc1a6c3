/* SPDX-License-Identifier: MIT */
/*
 * Parsing the command line.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "run.h"

enum { OPT_DRY_RUN = 256, OPT_NO_FOLLOW, OPT_NO_WARNINGS };

static const char usage_text[] =
	"USAGE:\n"
	"    sonde [options] -e 'program' [-c CMD] [PARAM...]\n"
	"    sonde [options] FILE [-c CMD] [PARAM...]    (FILE - is standard input)\n"
	"    sonde -l 'uprobe:BINARY:PATTERN'\n"
	"\n"
	"OPTIONS:\n"
	"    -e 'program'     execute this program\n"
	"    -c CMD           run CMD with the probes in it, from before its main on\n"
	"    -l [PATTERN]     list the probe points that match\n"
	"    -o FILE          write the output to FILE instead of standard output\n"
	"    -f FORMAT        output format: text (default) or json\n"
	"    -B MODE          output buffering: line (default), full or none\n"
	"    -q               print only the program's output\n"
	"    -v               tell what is done: refused functions, classes, totals\n"
	"    --dry-run        compile, resolve and plan, but run nothing\n"
	"    --no-follow      do not follow programs that CMD executes\n"
	"    --no-warnings    leave warnings out\n"
	"    -V, --version    print the version\n"
	"    -h, --help       print this help\n"
	"\n"
	"EXAMPLES:\n"
	"    sonde -e 'uprobe:libc:malloc { @ = count(); }' -c 'ls /'\n"
	"        count calls of malloc\n"
	"    sonde -e 'uprobe:libc:malloc { @bytes = hist(arg0); }' -c 'python3 -c 1'\n"
	"        sizes of allocations as a histogram\n"
	"    sonde -l 'uprobe:libsqlite3:sqlite3_*'\n"
	"        functions that can be probed\n"
	"\n"
	"ENVIRONMENT:\n"
	"    BPFTRACE_MAX_STRLEN, BPFTRACE_MAX_MAP_KEYS as in bpftrace; NO_COLOR;\n"
	"    SONDE_AGENT (path of libsonde-agent.so)\n";

static const struct option long_options[] = {
	{"cmd", required_argument, NULL, 'c'},
	{"pid", required_argument, NULL, 'p'},
	{"dry-run", no_argument, NULL, OPT_DRY_RUN},
	{"no-follow", no_argument, NULL, OPT_NO_FOLLOW},
	{"no-warnings", no_argument, NULL, OPT_NO_WARNINGS},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int wrong(const char *what)
{
	fprintf(stderr, "sonde: %s\nTry 'sonde --help'.\n", what);
	return 2;
}

static int parse_format(const char *arg, struct options *o)
{
	if (strcmp(arg, "text") != 0 && strcmp(arg, "json") != 0)
		return wrong("-f takes 'text' or 'json'");
	o->format = arg;
	return 0;
}

static int parse_buffer(const char *arg, struct options *o)
{
	static const char *const name[] = {"line", "full", "none"};

	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		if (strcmp(arg, name[i]) == 0) {
			o->buffer = (enum options_buffer)i;
			return 0;
		}
	}
	return wrong("-B takes 'line', 'full' or 'none'");
}

static int parse_one(int c, struct options *o)
{
	switch (c) {
	case 'e':
		if (o->program)
			return wrong("-e may be given once");
		o->program = optarg;
		return 0;
	case 'c':
		o->cmd = optarg;
		return 0;
	case 'p':
		return wrong("-p: attaching to a running process is not supported yet; "
			     "start the program with -c");
	case 'l':
		o->mode = OPTIONS_LIST;
		return 0;
	case 'o':
		o->output = optarg;
		return 0;
	case 'f':
		return parse_format(optarg, o);
	case 'B':
		return parse_buffer(optarg, o);
	case 'q':
		o->quiet = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case OPT_DRY_RUN:
		o->dry_run = true;
		return 0;
	case OPT_NO_FOLLOW:
		o->no_follow = true;
		return 0;
	case OPT_NO_WARNINGS:
		o->no_warnings = true;
		return 0;
	case 'V':
		printf("sonde v%s\n", SONDE_VERSION);
		o->mode = OPTIONS_DONE;
		return 0;
	case 'h':
		fputs(usage_text, stdout);
		o->mode = OPTIONS_DONE;
		return 0;
	default:
		fputs("Try 'sonde --help'.\n", stderr);
		return 2;
	}
}

static bool want_color(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && *no) && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

int options_parse(int argc, char **argv, struct options *out)
{
	int c, err;

	*out = (struct options){.format = "text", .color = want_color()};
	/* FILE may stand before options, as users of bpftrace write it; parameters behind "--" */
	while ((c = getopt_long(argc, argv, "e:c:p:lo:f:B:qvVh", long_options, NULL)) != -1) {
		err = parse_one(c, out);
		if (err || out->mode == OPTIONS_DONE)
			return err;
	}
	if (out->mode == OPTIONS_LIST) {
		if (optind < argc)
			out->pattern = argv[optind++];
		return optind < argc ? wrong("-l takes one pattern") : 0;
	}
	if (!out->program) {
		if (optind == argc)
			return wrong("nothing to run: give -e 'program' or a FILE");
		out->file = argv[optind++];
	}
	out->param = (const char *const *)(argv + optind);
	out->nparams = argc - optind;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * sonde: see inside running user-space programs.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "options.h"
#include "run.h"

int main(int argc, char **argv)
{
	struct options opt;
	int sig = 0, status = options_parse(argc, argv, &opt);

	if (status || opt.mode == OPTIONS_DONE)
		return status;
	if (opt.mode == OPTIONS_LIST)
		return list_probes(&opt);
	status = run_script(&opt, &sig);
	if (sig) {
		/* as the target ended, so do we; but leave the core file to it */
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(sig, SIG_DFL);
		raise(sig);
		status = 128 + sig;
	}
	return status;
}

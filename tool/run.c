/* SPDX-License-Identifier: MIT */
/*
 * One observation from start to end.
 *
 *   prepare   compile, resolve, plan, session; nothing has started
 *   BEGIN     in the tool
 *   launch    the target maps the session, patches itself, and waits before its main until we
 *             have read what was refused
 *   watch     events, intervals, logs, memory, until the target ends, exit() or a signal
 *   finish    END, what is left in the rings, the maps, the warnings
 */
#include "run.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/err.h"
#include "observe.h"

#define TICK_MS 20	/* rings and arena are looked at this often */
#define RETIRE_TICKS 25 /* blocks of gone processes */
#define NOTIFY "__BPFTRACE_NOTIFY_PROBES_ATTACHED"

static volatile sig_atomic_t caught;
static volatile sig_atomic_t interrupted; /* from the terminal: the target has heard it, too */

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (sig == SIGPIPE)
		return;
	if (sig == SIGINT && info->si_code == SI_KERNEL && !interrupted)
		interrupted = 1;
	else
		caught = sig;
}

/* What the user ignores stays ignored, and nothing is blocked: the target inherits both. */
static void catch_signals(void)
{
	static const int sigs[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO}, old;

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		if (sigaction(sigs[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(sigs[i], &sa, NULL);
	}
}

static void run_kind(struct observe *o, enum script_probe_kind kind)
{
	for (uint32_t i = 0; i < o->script->nprobes; i++) {
		if (o->script->probe[i].kind == kind)
			local_run(&o->local, o->script->probe[i].prog);
	}
}

static uint32_t count_probes(const struct observe *o)
{
	uint32_t n = o->set->nprobes;

	for (uint32_t i = 0; i < o->script->nprobes; i++)
		n += o->script->probe[i].kind != SCRIPT_PROBE_UPROBE;
	return n;
}

/* Probes are live: say so, in bpftrace's words. */
static void announce(struct observe *o)
{
	const char *notify = getenv(NOTIFY);

	if (!o->opt->quiet)
		o->show.ops->attached(&o->show, count_probes(o));
	if (notify)
		fputs(NOTIFY "\n", o->show.out);
	fflush(o->show.out);
}

/* Wait until the first process is ready or gone. */
static void wait_ready(struct observe *o)
{
	struct wire_session *s = o->session.mem;
	struct wire_proc *first = wire_elem(s, procs, struct wire_proc, 0);
	struct timespec step = {.tv_nsec = TICK_MS * 1000000};

	while (!caught && load_acquire(&first->state) != WIRE_PROC_READY &&
	       !load_acquire(&s->agent_err) && !child_ended(&o->child)) {
		uint32_t seen = load_acquire(&s->wake);

		attach_session_commit(&o->session);
		if (load_acquire(&first->state) != WIRE_PROC_READY && !load_acquire(&s->agent_err))
			syscall(SYS_futex, &s->wake, FUTEX_WAIT, seen, &step, NULL, 0);
	}
}

/* 0, or 1 when a probe that the script names has no place: the target never reaches its main. */
static int launch(struct observe *o)
{
	struct wire_session *s = o->session.mem;
	bool enter = o->set->nprobes > 0;
	int err;

	if (!o->argv || o->exit_requested) {
		announce(o);
		return 0;
	}
	if (!enter)
		announce(o);
	err = child_start(&o->child, o->path, o->argv, enter ? &o->session : NULL);
	if (err) {
		fprintf(stderr, "sonde: cannot run '%s': %s\n", o->path, strerror(-err));
		return 1;
	}
	if (!enter)
		return 0;
	wait_ready(o);
	observe_logs(o);
	if (s->agent_err)
		fprintf(stderr, "sonde: cannot look into '%s': %s\n", o->path,
			sonde_err_text(s->agent_err));
	if (o->refused_explicit || s->agent_err) {
		kill(o->child.pid, SIGKILL);
		child_stop(&o->child);
		return 1;
	}
	announce(o);
	store_release(&s->go, 1);
	syscall(SYS_futex, &s->go, FUTEX_WAKE, 1, NULL, NULL, 0);
	return 0;
}

/* Run what is due of the intervals; the time of the next one. */
static uint64_t run_intervals(struct observe *o, uint64_t *due)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < o->script->nprobes; i++) {
		const struct script_probe *p = &o->script->probe[i];
		uint64_t now;

		if (p->kind != SCRIPT_PROBE_INTERVAL)
			continue;
		now = local_nsecs();
		if (now >= due[i]) {
			local_run(&o->local, p->prog);
			/* never a burst for what was missed */
			due[i] = due[i] + p->period > now ? due[i] + p->period : now + p->period;
		}
		next = due[i] < next ? due[i] : next;
	}
	return next;
}

static void wait_tick(const struct observe *o, uint64_t next)
{
	struct pollfd fd = {.fd = o->child.pidfd, .events = POLLIN};
	uint64_t now = local_nsecs(), ns = TICK_MS * 1000000ull;
	struct timespec ts;

	if (next != UINT64_MAX)
		ns = next <= now ? 0 : next - now < ns ? next - now : ns;
	ts = (struct timespec){.tv_nsec = (long)ns};
	ppoll(&fd, o->child.pid ? 1 : 0, &ts, NULL);
}

static bool has_intervals(const struct observe *o)
{
	for (uint32_t i = 0; i < o->script->nprobes; i++) {
		if (o->script->probe[i].kind == SCRIPT_PROBE_INTERVAL)
			return true;
	}
	return false;
}

/* Until the target ends, the script says exit(), or a signal. Without a target only intervals
 * keep an observation going. */
static void watch(struct observe *o)
{
	uint64_t *due = calloc(o->script->nprobes + 1, sizeof(*due)), start = local_nsecs();
	bool endless = has_intervals(o);

	for (uint32_t i = 0; due && i < o->script->nprobes; i++)
		due[i] = start + o->script->probe[i].period;
	for (unsigned int tick = 0; due && !caught; tick++) {
		uint64_t next = run_intervals(o, due);

		attach_session_commit(&o->session);
		observe_logs(o);
		observe_events(o, false);
		if (tick % RETIRE_TICKS == RETIRE_TICKS - 1)
			read_retire(o->read);
		if (o->exit_requested || ferror(o->show.out))
			break;
		/* a target that cleans up after Ctrl-C is waited for; a second one ends it */
		if (o->child.pid ? child_ended(&o->child) : !endless || interrupted)
			break;
		wait_tick(o, next);
	}
	free(due);
}

static int status_of(const struct observe *o, int *sig)
{
	if (o->exit_requested)
		return o->exit_code;
	if (caught && !o->child.pid)
		return 0;
	if (caught && caught != SIGPIPE && WIFSIGNALED(o->child.status)) {
		*sig = caught;
		return 0;
	}
	if (!o->child.pid)
		return 0;
	if (WIFSIGNALED(o->child.status)) {
		*sig = WTERMSIG(o->child.status);
		return 0;
	}
	return WEXITSTATUS(o->child.status);
}

static int finish(struct observe *o)
{
	child_stop(&o->child);
	store_release(&o->session.mem->state, WIRE_ENDED);
	observe_logs(o);
	observe_events(o, true);
	run_kind(o, SCRIPT_PROBE_END);
	observe_events(o, true);
	observe_maps(o);
	observe_report(o);
	if (fflush(o->show.out) || ferror(o->show.out)) {
		fprintf(stderr, "sonde: cannot write the output: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

int run_script(const struct options *opt, int *sig)
{
	struct observe o = {.opt = opt, .session = {.fd = -1}, .child = {.pidfd = -1}};
	int ret = observe_prepare(&o);

	if (ret || opt->dry_run)
		goto out;
	catch_signals();
	o.session.mem->state = WIRE_RUNNING;
	run_kind(&o, SCRIPT_PROBE_BEGIN);
	observe_events(&o, true);
	ret = launch(&o);
	if (ret)
		goto out;
	if (!o.exit_requested)
		watch(&o);
	ret = finish(&o);
	if (!ret)
		ret = status_of(&o, sig);
out:
	observe_free(&o);
	return ret;
}

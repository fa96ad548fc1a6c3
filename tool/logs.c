/* SPDX-License-Identifier: MIT */
/*
 * What the target's processes report, and the tool's closing words.
 */
#include <string.h>

#include "base/err.h"
#include "observe.h"

/* The action of @site that the user named, NULL if patterns matched it. */
static const struct attach_action *explicit_action(const struct observe *o, uint32_t site)
{
	for (uint32_t i = 0; i < o->set->nmodules; i++) {
		const struct attach_module *m = &o->set->module[i];

		if (site >= m->nsites) {
			site -= m->nsites;
			continue;
		}
		for (uint32_t k = 0; k < m->site[site].nactions; k++) {
			if (m->site[site].action[k].is_explicit)
				return &m->site[site].action[k];
		}
		break;
	}
	return NULL;
}

static const char *site_name(const struct observe *o, uint32_t site)
{
	const struct wire_session *s = o->session.mem;
	const struct wire_site *ws;

	if (site >= s->sites.count)
		return "every probe";
	ws = wire_elem(s, sites, const struct wire_site, site);
	if (!ws->nact)
		return "a site of Sonde's own";
	return wire_string(s, wire_elem(s, actions, const struct wire_action, ws->act_off)->probe);
}

static void on_refused(void *arg, uint32_t proc, uint32_t module, uint32_t site, int err)
{
	struct observe *o = arg;
	bool fatal = site == UINT32_MAX || explicit_action(o, site);
	const struct wire_session *s = o->session.mem;

	if (fatal)
		o->refused_explicit++;
	else
		o->refused_pattern++;
	if ((!fatal && !o->opt->verbose) || o->opt->no_warnings)
		return;
	fprintf(stderr, "sonde: process %d: %s%s%s cannot be placed: %s\n",
		proc < s->procs.count ? wire_elem(s, procs, const struct wire_proc, proc)->pid : 0,
		site_name(o, site), site == UINT32_MAX && module < s->modules.count ? " in " : "",
		site == UINT32_MAX && module < s->modules.count
			? wire_string(s,
				      wire_elem(s, modules, const struct wire_module, module)->path)
			: "",
		sonde_err_text(err));
}

static void on_loaded(void *arg, uint32_t proc, const struct read_module *m)
{
	struct observe *o = arg;

	(void)proc;
	if (m->module < 64)
		o->modules_seen |= 1ull << m->module;
}

void observe_logs(struct observe *o)
{
	struct read_log_ops ops = {.arg = o, .loaded = on_loaded, .refused = on_refused};

	read_poll_logs(o->read, &ops);
}

/* A file that was probed but never mapped: the user's question got no answer. */
static void warn_unseen(const struct observe *o)
{
	for (uint32_t i = 0; o->argv && i < o->set->nmodules && i < 64; i++) {
		const struct attach_module *m = &o->set->module[i];
		uint32_t wanted = 0;

		for (uint32_t j = 0; j < m->nsites; j++)
			wanted += m->site[j].nactions;
		if (wanted && !(o->modules_seen >> i & 1))
			fprintf(stderr, "sonde: warning: no process of the target loaded %s\n",
				m->image->path);
	}
}

void observe_report(struct observe *o)
{
	struct read_totals t;

	read_totals(o->read, &t);
	if (t.lost)
		o->show.ops->lost(&o->show, t.lost);
	for (int i = 0; i < WIRE_RT_COUNT; i++) {
		if (t.errors[i] && !o->opt->no_warnings)
			fprintf(stderr, "sonde: warning: %llu times: %s\n",
				(unsigned long long)t.errors[i], show_rt_text(i));
	}
	if (t.missed || t.unrecorded)
		fprintf(stderr,
			"sonde: warning: %llu hits missed (nesting), %llu not recorded (no "
			"memory, or system calls restricted by seccomp)\n",
			(unsigned long long)t.missed, (unsigned long long)t.unrecorded);
	if (t.damaged)
		fprintf(stderr,
			"sonde: warning: %llu records in shared memory were damaged and left out\n",
			(unsigned long long)t.damaged);
	if (o->opt->no_warnings)
		return;
	if (o->session.mem->agent_err)
		fprintf(stderr, "sonde: warning: a process of the target was not looked into: %s\n",
			sonde_err_text(o->session.mem->agent_err));
	else if (o->argv && o->set->nprobes && !t.procs)
		fprintf(stderr,
			"sonde: warning: the target never loaded the agent; nothing was seen\n");
	if (o->refused_pattern)
		fprintf(stderr,
			"sonde: warning: %d probes found no place in a process of the target%s\n",
			o->refused_pattern, o->opt->verbose ? "" : " (-v tells which)");
	warn_unseen(o);
	if (o->opt->verbose)
		fprintf(stderr, "sonde: %llu hits in %u processes\n", (unsigned long long)t.hits,
			t.procs);
}

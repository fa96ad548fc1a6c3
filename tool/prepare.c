/* SPDX-License-Identifier: MIT */
/*
 * Everything before the target starts: output, script, probes, session. All that can be refused
 * is refused here.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "lang/lang.h"
#include "observe.h"

#define TEXT_MAX (16u << 20)
#define RING_SIZE (128u << 10)

SONDE_PRINTF(1, 2) static int fail(const char *fmt, ...)
{
	va_list ap;

	fputs("sonde: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 1;
}

/* All of @f; NULL on error or when it is too long to be a script. */
static char *slurp(FILE *f, size_t *len)
{
	size_t cap = 1 << 14, n;
	char *text = malloc(cap), *more;

	*len = 0;
	while (text && (n = fread(text + *len, 1, cap - *len, f)) > 0) {
		*len += n;
		if (*len < cap)
			continue;
		cap *= 2;
		more = cap <= TEXT_MAX ? realloc(text, cap) : NULL;
		if (!more)
			free(text);
		text = more;
	}
	if (text && ferror(f)) {
		free(text);
		text = NULL;
	}
	return text;
}

static uint32_t env_number(const char *name, uint32_t max)
{
	const char *v = getenv(name);
	unsigned long n = v ? strtoul(v, NULL, 0) : 0;

	return n > max ? max : (uint32_t)n;
}

static int compile(struct observe *o, const char *text, size_t len, const char *name)
{
	struct lang_options lo = {.file = name,
				  .argv = o->opt->param,
				  .argc = o->opt->nparams,
				  .err = stderr,
				  .color = o->opt->color,
				  .max_strlen = env_number("BPFTRACE_MAX_STRLEN", 1024),
				  .max_map_keys = env_number("BPFTRACE_MAX_MAP_KEYS", 1 << 20)};

	if (!lo.max_map_keys)
		lo.max_map_keys = env_number("BPFTRACE_MAP_KEYS_MAX", 1 << 20);
	o->script = lang_compile(text, len, &lo);
	return o->script ? 0 : 1;
}

static int load_script(struct observe *o)
{
	bool is_stdin = o->opt->file && strcmp(o->opt->file, "-") == 0;
	size_t len;
	char *text;
	FILE *f;
	int ret;

	if (o->opt->program)
		return compile(o, o->opt->program, strlen(o->opt->program), "stdin");
	f = is_stdin ? stdin : fopen(o->opt->file, "re");
	if (!f)
		return fail("cannot open %s: %s", o->opt->file, strerror(errno));
	text = slurp(f, &len);
	if (f != stdin)
		fclose(f);
	if (!text)
		return fail("cannot read %s: %s", o->opt->file,
			    errno ? strerror(errno) : "too long for a script");
	ret = compile(o, text, len, is_stdin ? "stdin" : o->opt->file);
	free(text);
	return ret;
}

static bool has_uprobes(const struct script *s)
{
	for (uint32_t i = 0; i < s->nprobes; i++) {
		if (s->probe[i].kind == SCRIPT_PROBE_UPROBE)
			return true;
	}
	return false;
}

/* The command: words, file, and whether the agent can enter it. */
static int check_command(struct observe *o)
{
	bool probes = has_uprobes(o->script);
	int err;

	if (!o->opt->cmd)
		return probes && !o->opt->dry_run
			       ? fail("uprobes need a program to look into: give one with -c CMD")
			       : 0;
	o->argv = attach_argv(o->opt->cmd);
	if (!o->argv)
		return fail("-c: quotes do not match: %s", o->opt->cmd);
	if (!o->argv[0])
		return fail("-c: no command");
	err = attach_which(o->argv[0], o->path, sizeof(o->path));
	if (err)
		return fail("cannot run '%s': %s", o->argv[0], strerror(-err));
	if (!probes)
		return 0;
	err = attach_can_enter(o->path);
	return err ? fail("cannot look into '%s': %s", o->path, sonde_err_text(err)) : 0;
}

static int open_output(struct observe *o)
{
	static const int mode[] = {_IOLBF, _IOFBF, _IONBF};
	FILE *out = stdout;

	if (o->opt->output) {
		out = fopen(o->opt->output, "we");
		if (!out)
			return fail("cannot write %s: %s", o->opt->output, strerror(errno));
	}
	setvbuf(out, NULL, mode[o->opt->buffer], BUFSIZ);
	o->flush_each = o->opt->buffer != OPTIONS_BUF_FULL;
	o->show.ops = show_ops_find(o->opt->format);
	o->show.out = out;
	return 0;
}

/* libsonde-agent.so: named by the environment, beside the tool, or where it is installed. */
static int find_agent(char *out, size_t size)
{
	static const char *const at[] = {"/libsonde-agent.so",
					 "/../" SONDE_LIBDIR "/libsonde-agent.so"};
	const char *env = getenv("SONDE_AGENT");
	char self[PATH_MAX], path[PATH_MAX + 128];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (env && *env) {
		snprintf(path, sizeof(path), "%s", env);
		return realpath(path, self) && strlen(self) < size ? (strcpy(out, self), 0)
								   : -ENOENT;
	}
	if (n <= 0)
		return -ENOENT;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		char real[PATH_MAX];

		snprintf(path, sizeof(path), "%s%s", self, at[i]);
		if (realpath(path, real) && access(real, R_OK) == 0 && strlen(real) < size) {
			strcpy(out, real);
			return 0;
		}
	}
	return -ENOENT;
}

static size_t symbol(void *arg, uint32_t proc, uint64_t addr, char *buf, size_t size)
{
	return read_symbol(arg, proc, addr, buf, size);
}

static int open_session(struct observe *o)
{
	struct attach_session_options so = {.follow = !o->opt->no_follow};
	char agent[PATH_MAX];
	int err;

	for (uint32_t i = 0; i < o->script->nprogs; i++) {
		if (o->script->prog[i].emits)
			so.ring_size = RING_SIZE;
	}
	if (find_agent(agent, sizeof(agent)))
		return fail("cannot find libsonde-agent.so; set SONDE_AGENT to its path");
	so.agent = agent;
	err = attach_session_create(o->script, o->set, &so, &o->session);
	if (err)
		return fail("cannot make shared memory for the session: %s", strerror(-err));
	err = read_open(o->session.mem, o->script, &o->read);
	if (!err)
		err = local_open(&o->local, o->session.mem);
	if (err)
		return fail("cannot open the session: %s", sonde_err_text(err));
	o->show.names =
		(struct show_names){.session = o->session.mem, .symbol = symbol, .arg = o->read};
	return 0;
}

/* The tool trusts its compiler as little as the agent does. */
static int verify(struct observe *o)
{
	void *work = malloc(ACT_VERIFY_WORK);
	int ret = work ? 0 : fail("out of memory");

	for (uint32_t i = 0; !ret && i < o->script->nprogs; i++) {
		const char *why = "";
		uint32_t at = 0;

		if (act_verify(o->session.mem, i, work, &at, &why))
			ret = fail("internal error: program %u is refused at instruction %u: %s", i,
				   at, why);
	}
	free(work);
	return ret;
}

static void describe(const struct observe *o)
{
	uint32_t by_class[WIRE_CLASS_COUNT] = {0};

	for (uint32_t i = 0; i < o->set->nmodules; i++) {
		const struct attach_module *m = &o->set->module[i];

		for (uint32_t j = 0; j < m->nsites; j++)
			by_class[m->site[j].plan.site.class] += m->site[j].nactions > 0;
	}
	fprintf(stderr, "sonde: %u sites in %u files (S0 %u, S1 %u, S2 %u, W %u), %u refused\n",
		by_class[WIRE_CLASS_S0] + by_class[WIRE_CLASS_S1] + by_class[WIRE_CLASS_S2] +
			by_class[WIRE_CLASS_W],
		o->set->nmodules, by_class[WIRE_CLASS_S0], by_class[WIRE_CLASS_S1],
		by_class[WIRE_CLASS_S2], by_class[WIRE_CLASS_W], o->set->nrefused);
	for (uint32_t i = 0; i < o->script->nprogs; i++) {
		fprintf(stderr, "program %u:\n", i);
		lang_dump(o->script, i, stderr);
	}
}

int observe_prepare(struct observe *o)
{
	struct attach_options ao = {.err = stderr, .verbose = o->opt->verbose};
	int ret = load_script(o);

	if (!ret)
		ret = check_command(o);
	if (ret)
		return ret;
	ao.program = o->argv ? o->path : NULL;
	if (attach_resolve(o->script, &ao, &o->set))
		return 1;
	if (o->opt->verbose)
		describe(o);
	if (o->set->nrefused && !o->opt->no_warnings)
		fprintf(stderr, "sonde: %u of %u functions cannot be probed%s\n", o->set->nrefused,
			o->set->nrefused + o->set->nprobes,
			o->opt->verbose ? "" : " (-v tells which and why)");
	ret = open_output(o);
	if (!ret)
		ret = open_session(o);
	return ret ? ret : verify(o);
}

void observe_free(struct observe *o)
{
	if (o->show.out && o->show.out != stdout)
		fclose(o->show.out);
	local_close(&o->local);
	read_close(o->read);
	if (o->session.mem)
		attach_session_destroy(&o->session);
	attach_set_free(o->set);
	lang_free(o->script);
	attach_argv_free(o->argv);
}

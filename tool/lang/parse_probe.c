/* SPDX-License-Identifier: MIT */
/*
 * Attach points: "uprobe:BIN:FUNC+OFF", "interval:s:1", "BEGIN".
 *
 * They are no tokens but text: parts between colons, each plain or quoted, $1 replaced by the
 * positional parameter. A part ends at white space, ',', '{', and at the '/' of a predicate.
 * Context: tool.
 */
#include <string.h>

#include "lang/parse.h"

#define MAX_PARTS 8

struct part {
	char *text;
	uint32_t len;
	uint32_t quoted; /* this much of the text ends in a quoted string */
	struct span at;
};

struct attach {
	struct part part[MAX_PARTS];
	uint32_t nparts;
	struct span at;
};

static void part_add(struct parser *p, struct part *part, const char *s, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		part->text = lang_grow(p->u, part->text, part->len, 1);
		part->text[part->len++] = s[i];
	}
}

static bool part_is(const struct part *part, const char *text)
{
	return part->len == strlen(text) && !memcmp(part->text, text, part->len);
}

/* $N at @off; returns the offset behind it. */
static uint32_t add_param(struct parser *p, struct part *part, uint32_t off)
{
	struct unit *u = p->u;
	uint64_t n = 0;
	uint32_t i = off + 1;
	const char *value;

	while (i < u->len && lang_is_digit(u->text[i]) && n < 100000)
		n = n * 10 + (uint64_t)(u->text[i++] - '0');
	if (!n || n > (uint64_t)u->opt->argc)
		lang_error(u, (struct span){off, i}, "there is no positional parameter $%d",
			   (int)n);
	value = u->opt->argv[n - 1];
	part_add(p, part, value, (uint32_t)strlen(value));
	return i;
}

/* A slash in this part is the beginning of a predicate. */
static bool slash_ends(const struct attach *a)
{
	static const char *const no_path[] = {"interval", "i", "profile",    "p", "software", "s",
					      "hardware", "h", "watchpoint", "w"};

	if (a->nparts != 2)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(no_path); i++) {
		if (part_is(&a->part[0], no_path[i]))
			return true;
	}
	return false;
}

/* One part from @off; returns the offset of the colon or of what ends the attach point. */
static uint32_t read_part(struct parser *p, struct attach *a, uint32_t off)
{
	struct unit *u = p->u;
	struct part *part = &a->part[a->nparts];
	bool in_set = false;

	if (a->nparts == MAX_PARTS)
		lang_error(u, (struct span){off, off + 1}, "too many ':' in this probe");
	memset(part, 0, sizeof(*part));
	part->at.off = off;
	part->text = lang_strdup(u, "", 0);
	a->nparts++;
	while (off < u->len) {
		char c = u->text[off];

		if (!c)
			lang_error(u, (struct span){off, off + 1}, "unexpected byte 0x00");
		if (c == '"') {
			const char *str;
			uint32_t len, start = off;

			off = lang_lex_string(u, off, &str, &len);
			if (memchr(str, '\0', len))
				lang_error(u, (struct span){start, off},
					   "a zero byte in the name of a probe");
			part_add(p, part, str, len);
			part->quoted = part->len;
			continue;
		}
		if (c == '$' && off + 1 < u->len && lang_is_digit(u->text[off + 1])) {
			off = add_param(p, part, off);
			continue;
		}
		if (lang_is_space(c) || c == '{' || c == '}' || c == ';' || (c == ':' && !in_set))
			break;
		if (!in_set && (c == ',' || (c == '/' && slash_ends(a))))
			break;
		if (a->nparts > 2 && (c == '[' || c == ']'))
			in_set = c == '[';
		part_add(p, part, &c, 1);
		off++;
	}
	part_add(p, part, "", 1); /* terminator, not counted */
	part->len--;
	part->at.end = off;
	return off;
}

static struct script_probe *probe_new(struct parser *p, const struct attach *a)
{
	struct script *s = p->u->script;
	struct script_probe *probe;

	s->probe = lang_grow(p->u, s->probe, s->nprobes, sizeof(*s->probe));
	probe = &s->probe[s->nprobes++];
	memset(probe, 0, sizeof(*probe));
	probe->prog = p->u->nblocks - 1;
	lang_position(p->u, a->at.off, &probe->line, &probe->col);
	return probe;
}

/* The number that is all of @part, else an error naming it @what. */
static uint64_t part_number(struct parser *p, const struct part *part, const char *what,
			    bool *is_duration)
{
	const char *wrong = NULL;
	uint64_t value = 0;
	size_t used = 0;

	if (part->len && lang_is_digit(part->text[0]))
		wrong = lang_int_parse(part->text, part->len, &used, &value, is_duration);
	if (wrong)
		lang_error(p->u, part->at, "%s: %s", what, wrong);
	if (!part->len || used != part->len)
		lang_error(p->u, part->at, "%s: expected a number", what);
	return value;
}

static void parse_interval(struct parser *p, const struct attach *a, struct script_probe *probe)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"hz", 0}, {"ns", 1}};
	const struct part *number = &a->part[a->nparts - 1];
	bool is_duration = false;
	uint64_t n, ns = 1;
	char text[64];

	if (a->nparts != 2 && a->nparts != 3)
		lang_error(p->u, a->at,
			   "expected interval:s:N, interval:ms:N, interval:us:N, "
			   "interval:hz:N, or a duration as in interval:100ms");
	n = part_number(p, number, "interval", &is_duration);
	if (a->nparts == 2 && !is_duration)
		lang_error(p->u, number->at, "this interval needs a unit, as in interval:100ms");
	if (a->nparts == 3) {
		size_t i = 0;

		while (i < ARRAY_LEN(units) && !part_is(&a->part[1], units[i].name))
			i++;
		if (i == ARRAY_LEN(units) || is_duration)
			lang_error(p->u, a->part[1].at,
				   "unknown unit of an interval (known: s, "
				   "ms, us, hz)");
		ns = units[i].ns;
	}
	if (!n)
		lang_error(p->u, number->at, "an interval cannot be 0");
	if (!ns && n > 1000000000)
		lang_error(p->u, number->at, "this frequency is too high");
	if (ns && __builtin_mul_overflow(n, ns, &probe->period))
		lang_error(p->u, number->at, "this interval is too long");
	if (!ns)
		probe->period = 1000000000 / n;
	if (a->nparts == 3) {
		snprintf(text, sizeof(text), "interval:%s:%llu", a->part[1].text,
			 (unsigned long long)n);
		probe->text = lang_strdup(p->u, text, strlen(text));
	} else {
		snprintf(text, sizeof(text), "interval:%.40s", number->text);
		probe->text = lang_strdup(p->u, text, strlen(text));
	}
	probe->kind = SCRIPT_PROBE_INTERVAL;
	p->block->in_tool = "interval";
}

/* FUNC, FUNC+OFF or an address. */
static void parse_place(struct parser *p, const struct part *part, struct script_probe *probe)
{
	struct part name = *part, offset = *part;
	bool is_duration = false;
	char *plus;

	if (!part->quoted && part->len && lang_is_digit(part->text[0])) {
		probe->is_address = true;
		probe->offset = part_number(p, part, "the address", &is_duration);
		return;
	}
	plus = strchr(part->text + part->quoted, '+');
	if (plus) {
		name.len = (uint32_t)(plus - part->text);
		offset.text = plus + 1;
		offset.len = part->len - name.len - 1;
		probe->offset = part_number(p, &offset, "the offset", &is_duration);
	}
	if (!name.len)
		lang_error(p->u, part->at, "the name of the function is missing");
	probe->func = lang_strdup(p->u, name.text, name.len);
	probe->is_pattern = strpbrk(probe->func, "*?[") != NULL;
	if (plus && probe->is_pattern)
		lang_error(p->u, part->at, "a pattern cannot have an offset");
}

static void parse_uprobe(struct parser *p, const struct attach *a, struct script_probe *probe)
{
	const struct part *target = &a->part[1], *place = &a->part[2];
	size_t len;

	if (a->nparts == 4)
		lang_error(p->u, a->part[2].at,
			   "uprobe:BINARY:LANGUAGE:FUNCTION is not supported yet");
	if (a->nparts != 3)
		lang_error(p->u, a->at, "expected uprobe:BINARY:FUNCTION");
	if (!target->len)
		lang_error(p->u, a->at, "the binary is missing: expected uprobe:BINARY:FUNCTION");
	if (!target->quoted && strpbrk(target->text, "*?"))
		lang_error(p->u, target->at, "wildcards in the binary are not supported yet");
	if (!target->quoted && strchr(target->text, '@') && lang_is_digit(place->text[0]))
		lang_error(p->u, target->at, "uprobe:BINARY@FILE:LINE is not supported yet");
	probe->kind = SCRIPT_PROBE_UPROBE;
	probe->target = lang_strdup(p->u, target->text, target->len);
	parse_place(p, place, probe);
	len = sizeof("uprobe::") + target->len + place->len;
	probe->text = lang_alloc(p->u, len);
	snprintf(probe->text, len, "uprobe:%s:%s", target->text, place->text);
}

static void parse_plain(struct parser *p, const struct attach *a, struct script_probe *probe)
{
	bool is_begin = part_is(&a->part[0], "BEGIN") || part_is(&a->part[0], "begin");

	if (a->nparts != 1)
		lang_error(p->u, a->part[1].at, "nothing can follow %s", a->part[0].text);
	probe->kind = is_begin ? SCRIPT_PROBE_BEGIN : SCRIPT_PROBE_END;
	probe->text = a->part[0].text;
	p->block->in_tool = probe->text;
}

static const char in_kernel[] = "it belongs to the kernel, and Sonde sees user space only";
static const char not_yet[] = "it is not supported yet";

static const struct {
	const char *name, *alias;
	void (*parse)(struct parser *p, const struct attach *a, struct script_probe *probe);
	const char *refusal;
} types[] = {
	{"BEGIN", "begin", parse_plain, NULL},	  {"END", "end", parse_plain, NULL},
	{"uprobe", "u", parse_uprobe, NULL},	  {"interval", "i", parse_interval, NULL},
	{"uretprobe", "ur", NULL, not_yet},	  {"usdt", "U", NULL, not_yet},
	{"profile", "p", NULL, not_yet},	  {"watchpoint", "w", NULL, not_yet},
	{"asyncwatchpoint", "aw", NULL, not_yet}, {"self", "self", NULL, not_yet},
	{"test", "test", NULL, not_yet},	  {"bench", "bench", NULL, not_yet},
	{"kprobe", "k", NULL, in_kernel},	  {"kretprobe", "kr", NULL, in_kernel},
	{"fentry", "f", NULL, in_kernel},	  {"fexit", "fr", NULL, in_kernel},
	{"kfunc", "kfunc", NULL, in_kernel},	  {"kretfunc", "kretfunc", NULL, in_kernel},
	{"tracepoint", "t", NULL, in_kernel},	  {"rawtracepoint", "rt", NULL, in_kernel},
	{"software", "s", NULL, in_kernel},	  {"hardware", "h", NULL, in_kernel},
	{"iter", "it", NULL, in_kernel},
};

static _Noreturn void unknown_type(struct parser *p, const struct part *type)
{
	if (type->len > 40)
		lang_error(p->u, type->at, "unknown probe type");
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		size_t n = strlen(types[i].name);

		/* the name with its last letters missing, or with letters too many */
		if (types[i].parse && type->len >= 3 &&
		    (!strncasecmp(type->text, types[i].name, n) ||
		     (type->len < n && !strncasecmp(type->text, types[i].name, type->len))))
			lang_error(p->u, type->at, "unknown probe type '%s'; did you mean '%s'?",
				   type->text, types[i].name);
	}
	lang_error(p->u, type->at, "unknown probe type '%s' (known: BEGIN, END, uprobe, interval)",
		   type->text);
}

/* A positional parameter may hold a whole attach point: split it as if it stood here. */
static void split_param(struct attach *a)
{
	struct part whole = a->part[0];
	char *colon;

	while (a->nparts < MAX_PARTS && (colon = strchr(a->part[a->nparts - 1].text, ':'))) {
		struct part *last = &a->part[a->nparts - 1], *next = last + 1;

		*next = whole;
		next->text = colon + 1;
		next->len = (uint32_t)strlen(next->text);
		*colon = '\0';
		last->len = (uint32_t)(colon - last->text);
		a->nparts++;
	}
}

void lang_parse_attach(struct parser *p)
{
	struct unit *u = p->u;
	uint32_t off = p->tok.at.off;
	struct attach a = {.at = {off, off}};

	off = read_part(p, &a, off);
	while (off < u->len && u->text[off] == ':')
		off = read_part(p, &a, off + 1);
	a.at.end = off;
	if (a.nparts == 1)
		split_param(&a);
	if (!a.part[0].len) {
		lang_lex(u, off, &p->tok);
		lang_parse_wanted(p, "a probe");
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (!part_is(&a.part[0], types[i].name) && !part_is(&a.part[0], types[i].alias))
			continue;
		if (types[i].refusal)
			lang_error(u, a.at, "'%s' cannot be probed: %s", types[i].name,
				   types[i].refusal);
		types[i].parse(p, &a, probe_new(p, &a));
		lang_lex(u, off, &p->tok);
		return;
	}
	unknown_type(p, &a.part[0]);
}

/* SPDX-License-Identifier: MIT */
/*
 * printf formats: as many directives as arguments, each of the right kind. Context: tool.
 */
#include "lang/format.h"

#include <string.h>

#define MAX_WIDTH 4096

struct directive {
	const char *text; /* from the % */
	int len;
	char conversion;
};

static const char *number(struct checker *c, const struct expr *e, const char *s)
{
	uint32_t n = 0;

	for (; lang_is_digit(*s); s++) {
		n = n * 10 + (uint32_t)(*s - '0');
		if (n > MAX_WIDTH)
			lang_error(c->u, e->at, "a width in this format is too large (limit: %d)",
				   MAX_WIDTH);
	}
	return s;
}

/* The directive at the % @s; returns what follows it. */
static const char *directive(struct checker *c, const struct expr *format, const char *s,
			     struct directive *d)
{
	static const char *const lengths[] = {"hh", "h", "ll", "l", "j", "z", "t"};

	d->text = s++;
	s += strspn(s, "-+ #0");
	s = number(c, format, s);
	if (*s == '.')
		s = number(c, format, s + 1);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		size_t n = strlen(lengths[i]);

		if (!strncmp(s, lengths[i], n)) {
			s += n;
			break;
		}
	}
	d->conversion = *s;
	d->len = (int)(s - d->text) + (*s != '\0');
	if (!*s)
		lang_error(c->u, format->at, "the format ends in the middle of '%s'", d->text);
	if (*s == '*')
		lang_error(c->u, format->at, "'*' as a width is not supported yet");
	if (*s == 'r')
		lang_error(c->u, format->at, "'%%r' is not supported yet");
	if (!strchr("diuxXopcs", *s))
		lang_error(c->u, format->at, "unknown conversion '%.*s' in the format", d->len,
			   d->text);
	return s + 1;
}

void lang_check_format(struct checker *c, struct expr *e)
{
	const struct expr *format = e->arg[0];
	const char *s = format->str;
	struct directive d;
	uint32_t n = 1;

	while ((s = strchr(s, '%'))) {
		const struct expr *arg;

		if (s[1] == '%') {
			s += 2;
			continue;
		}
		s = directive(c, format, s, &d);
		if (n >= e->narg)
			lang_error(c->u, e->at, "printf() has no argument for '%.*s'", d.len,
				   d.text);
		arg = e->arg[n++];
		if (d.conversion == 's' && arg->type.kind == SCRIPT_INT)
			lang_error(c->u, arg->at,
				   "'%.*s' prints strings and symbols, but this is "
				   "an integer; str() reads a string from an address",
				   d.len, d.text);
		if (d.conversion != 's' && arg->type.kind != SCRIPT_INT)
			lang_error(c->u, arg->at, "'%.*s' prints integers, but this is %s", d.len,
				   d.text, lang_type_name(&arg->type));
	}
	if (n < e->narg)
		lang_error(c->u, e->arg[n]->at, "the format has no directive for this argument");
}

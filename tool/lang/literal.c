/* SPDX-License-Identifier: MIT */
/*
 * Literals: integers with their suffixes, strings with their escapes. Context: tool.
 */
#include <string.h>

#include "lang/lex.h"

static const char too_large[] = "this number is too large: it does not fit 64 bits";

static const struct {
	const char *text;
	uint64_t ns;
} durations[] = {
	{"ns", 1},	    {"us", 1000},	  {"ms", 1000000},	 {"s", 1000000000},
	{"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000},
};

static int digit_value(int c)
{
	if (lang_is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

static const char *scale(uint64_t *value, uint64_t by)
{
	return __builtin_mul_overflow(*value, by, value) ? too_large : NULL;
}

/* Digits of @base with underscores between them, from s[i]; returns the index behind them. */
static size_t digits(const char *s, size_t n, size_t i, unsigned int base, uint64_t *value,
		     const char **wrong)
{
	for (; i < n && (digit_value((unsigned char)s[i]) < (int)base || s[i] == '_'); i++) {
		if (s[i] == '_')
			continue;
		if (__builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, (uint64_t)digit_value((unsigned char)s[i]),
					   value))
			*wrong = too_large;
	}
	return i;
}

/* Exponent of 1e6 at s[i], if there is one. */
static size_t exponent(const char *s, size_t n, size_t i, uint64_t *value, const char **wrong)
{
	uint64_t e = 0;

	if (i + 1 >= n || (s[i] != 'e' && s[i] != 'E') || !lang_is_digit(s[i + 1]))
		return i;
	i = digits(s, n, i + 1, 10, &e, wrong);
	if (e > 19 && *value)
		*wrong = too_large;
	while (!*wrong && *value && e--)
		*wrong = scale(value, 10);
	return i;
}

/* The suffix s[0 .. n-1] of a number. */
static const char *suffix(const char *s, size_t n, uint64_t *value, bool *is_duration)
{
	bool is_c = n <= 3;
	unsigned int nu = 0, nl = 0;

	if (!n)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		if (n == strlen(durations[i].text) && !memcmp(s, durations[i].text, n)) {
			*is_duration = true;
			return scale(value, durations[i].ns);
		}
	}
	for (size_t i = 0; is_c && i < n; i++) {
		if (s[i] == 'u' || s[i] == 'U')
			nu++;
		else if (s[i] == 'l' || s[i] == 'L')
			nl++;
		else
			is_c = false;
	}
	if (is_c && nu <= 1 && nl <= 2)
		return NULL;
	return "this number has an unknown suffix (known: ns us ms s m h d, and C's U L UL LL ULL)";
}

const char *lang_int_parse(const char *s, size_t n, size_t *used, uint64_t *value,
			   bool *is_duration)
{
	const char *wrong = NULL, *bad;
	unsigned int base = 10;
	size_t i = 0, start;

	*value = 0;
	*is_duration = false;
	if (n >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		i = 2;
	} else if (n >= 2 && s[0] == '0' && (lang_is_digit(s[1]) || s[1] == '_')) {
		base = 8;
	}
	start = i;
	i = digits(s, n, i, base, value, &wrong);
	if (i == start || s[i - 1] == '_')
		wrong = "digits are missing in this number";
	if (base == 8 && i < n && lang_is_digit(s[i]))
		wrong = "a number that starts with 0 is octal: its digits are 0 to 7";
	if (base == 10)
		i = exponent(s, n, i, value, &wrong);
	start = i;
	while (i < n && lang_is_ident((unsigned char)s[i]))
		i++;
	*used = i;
	if (wrong)
		return wrong;
	bad = suffix(s + start, i - start, value, is_duration);
	return bad;
}

/* The escape whose backslash is at @off; returns the offset behind it. */
static uint32_t escape(struct unit *u, uint32_t off, char *out)
{
	static const char from[] = "ntr\"\\abfv", to[] = "\n\t\r\"\\\a\b\f\v";
	uint32_t i = off + 1;
	int c = i < u->len ? u->text[i] : 0;
	const char *known = c ? strchr(from, c) : NULL;
	unsigned int base = 8, max = 3, value = 0, n = 0;

	if (known) {
		*out = to[known - from];
		return i + 1;
	}
	if (c == 'x') {
		base = 16;
		max = 2;
		i++;
	}
	while (n < max && i < u->len && digit_value((unsigned char)u->text[i]) < (int)base) {
		value = value * base + (unsigned int)digit_value((unsigned char)u->text[i++]);
		n++;
	}
	if (!n || value > 255)
		lang_error(u, (struct span){off, n ? i : off + 2},
			   "unknown escape in a string (known: \\n \\t \\r \\\" \\\\ \\0nn \\xnn)");
	*out = (char)value;
	return i;
}

uint32_t lang_lex_string(struct unit *u, uint32_t off, const char **str, uint32_t *len)
{
	uint32_t i = off + 1, n = 0;
	char *text;

	while (i < u->len && u->text[i] != '"')
		i += u->text[i] == '\\' ? 2 : 1;
	if (i >= u->len)
		lang_error(u, (struct span){off, off + 1}, "this string does not end");
	text = lang_alloc(u, i - off);
	for (i = off + 1; u->text[i] != '"';) {
		if (u->text[i] == '\\')
			i = escape(u, i, &text[n++]);
		else
			text[n++] = u->text[i++];
	}
	*str = text;
	*len = n;
	return i + 1;
}

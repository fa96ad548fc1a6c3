/* SPDX-License-Identifier: MIT */
/*
 * Shell-style patterns over whole names. Linear in the common case: of several stars only the last
 * is ever taken up again.
 */
#include "image/image.h"

/* Does the set at @p ("[abc]", "[a-z]", "[!x]") hold @c? *next: behind the set. */
static bool in_set(const char *p, char c, const char **next)
{
	bool negate = *++p == '!', hit = false;
	const char *first = p += negate;

	for (; *p && (*p != ']' || p == first); p++) {
		if (p[1] == '-' && p[2] && p[2] != ']') {
			hit |= c >= p[0] && c <= p[2];
			p += 2;
		} else {
			hit |= c == *p;
		}
	}
	*next = *p ? p + 1 : p;
	return hit != negate;
}

bool image_glob(const char *pattern, const char *name)
{
	const char *star = NULL, *retry = NULL, *next;

	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = name;
			continue;
		}
		next = pattern + 1;
		if (*pattern && (*pattern == '?' || (*pattern == '[' ? in_set(pattern, *name, &next)
								     : *pattern == *name))) {
			pattern = next;
			name++;
		} else if (star) {
			pattern = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

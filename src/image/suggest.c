/* SPDX-License-Identifier: MIT */
/*
 * Near names for a mistyped one: edit distance, with a swap of neighbours as one step.
 */
#include <string.h>

#include "base/base.h"
#include "image/image.h"

#define NAME_MAX_LEN 64

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

static unsigned int distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned int row[3][NAME_MAX_LEN + 1];

	for (size_t j = 0; j <= m; j++)
		row[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned int *cur = row[i % 3], *up = row[(i - 1) % 3], *up2 = row[(i + 1) % 3];

		cur[0] = (unsigned int)i;
		for (size_t j = 1; j <= m; j++) {
			cur[j] =
				min3(up[j] + 1, cur[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    up2[j - 2] + 1 < cur[j])
				cur[j] = up2[j - 2] + 1;
		}
	}
	return row[n % 3][m];
}

size_t image_suggest(const struct image *img, const char *name, const char **out, size_t max)
{
	size_t n = strlen(name), count = 0;
	unsigned int best[8], limit = n < 4 ? 1 : n < 8 ? 2 : 3;

	max = max > ARRAY_LEN(best) ? ARRAY_LEN(best) : max;
	if (n > NAME_MAX_LEN || !max)
		return 0;
	for (size_t i = 0; i < img->nfuncs; i++) {
		const char *f = img->func[i].name;
		size_t m = strlen(f), at = 0;
		unsigned int d;

		if (m > NAME_MAX_LEN || m > n + limit || n > m + limit)
			continue;
		d = distance(name, n, f, m);
		if (d > limit)
			continue;
		while (at < count && strcmp(out[at], f) != 0)
			at++;
		if (at < count)
			continue;
		for (at = count; at > 0 && best[at - 1] > d; at--) {
			if (at < max) {
				best[at] = best[at - 1];
				out[at] = out[at - 1];
			}
		}
		if (at < max) {
			best[at] = d;
			out[at] = f;
			count += count < max;
		}
	}
	return count;
}

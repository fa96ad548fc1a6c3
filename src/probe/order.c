/* SPDX-License-Identifier: MIT */
/*
 * Places in the order that src/text wants them: those of an image together, by address; which is
 * that of their numbers. Heap sort: in place, no recursion, no library, which might take locks.
 */
#include "probe/state.h"

static void sift_down(struct probe_place **p, size_t root, size_t n)
{
	for (;;) {
		size_t child = 2 * root + 1;
		struct probe_place *t;

		if (child >= n)
			return;
		if (child + 1 < n && p[child + 1]->number > p[child]->number)
			child++;
		if (p[root]->number >= p[child]->number)
			return;
		t = p[root];
		p[root] = p[child];
		p[child] = t;
		root = child;
	}
}

static void sort(struct probe_place **p, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		sift_down(p, i, n);
	for (size_t end = n; end-- > 1;) {
		struct probe_place *t = p[0];

		p[0] = p[end];
		p[end] = t;
		sift_down(p, 0, end);
	}
}

size_t probe_order(struct probe_place **p, size_t n)
{
	size_t left = 0, i = 1;

	while (i < n && p[i - 1]->number < p[i]->number)
		i++;
	if (i >= n)
		return n;
	sort(p, n);
	for (i = 0; i < n; i++) {
		if (!left || p[left - 1] != p[i])
			p[left++] = p[i];
	}
	return left;
}

/* SPDX-License-Identifier: MIT */
/*
 * Searching a stack, conservatively: any aligned word is taken for an address.
 *
 * A stack reaches from the stack pointer to the end of the memory it lies in. Where a signal came
 * on a stack of its own (sigaltstack), the frame there keeps the stack pointer of what it
 * interrupted, and the search goes on from that. Such a frame is known by what every ucontext in a
 * signal frame holds, the bounds of the alternate stack: the frame itself lies within. Handlers on
 * the stack that they interrupt need no such care: the one search covers both.
 *
 * Stacks are read by process_vm_readv(): when one is unmapped meanwhile, that is an error instead
 * of a fault.
 *
 * Context: any thread; no libc.
 */
#include "sync/stack.h"

#include <errno.h>
#include <signal.h>
#include <sys/uio.h>
#include <ucontext.h>

#include "base/base.h"
#include "base/sys.h"

#define PARTS_MAX 8		/* stacks of one thread */
#define BYTES_MAX (32ull << 20) /* of all of them */
#define ALTSTACK_MAX (1ull << 40)

/* From the alternate stack's bounds to the interrupted stack pointer. The only thing here that
 * depends on the machine. */
#define TO_SP                                                                                      \
	((offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]) - offsetof(ucontext_t, uc_stack)) / 8)

static const char *parse_hex(const char *p, uint64_t *v)
{
	for (*v = 0;; p++) {
		if (*p >= '0' && *p <= '9')
			*v = *v << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			*v = *v << 4 | (uint64_t)(*p - 'a' + 10);
		else
			return p;
	}
}

/* From the fields of a line of maps, "PERMS OFFSET DEVICE INODE PATH": device and inode. */
static uint64_t backing(const char *p)
{
	uint64_t h = 0;

	for (int field = 0; field < 4 && *p && *p != '\n'; p++) {
		if (*p == ' ')
			field++;
		else if (field >= 2)
			h = h * 31 + (uint8_t)*p;
	}
	return h;
}

/*
 * The text makes room for the areas as it is read: a line of it is longer than an area.
 * A mapping may be shown twice when it changed while it was read; it starts in the one before then.
 */
int sync_areas_read(struct sync_areas *as)
{
	size_t len;
	char *text = sys_slurp("/proc/self/maps", &as->size, &len);
	struct sync_area *last = NULL;
	uint64_t start, end, last_backing = 0;

	if (!text)
		return -ENOMEM;
	as->area = (struct sync_area *)(void *)text;
	as->n = 0;
	for (const char *p = text; *p; p += *p == '\n') {
		p = parse_hex(p, &start);
		p = parse_hex(p + (*p == '-'), &end);
		p += *p == ' ';
		if (p[0] == 'r' && p[1] == 'w') {
			uint64_t b = backing(p);

			if (last && start <= last->end &&
			    (b == last_backing || start < last->end)) {
				last->end = end > last->end ? end : last->end;
			} else {
				last = &as->area[as->n];
				*last = (struct sync_area){start, end};
			}
			last_backing = b;
		}
		while (*p && *p != '\n')
			p++;
		as->n = last ? (size_t)(last - as->area) + 1 : 0;
	}
	return 0;
}

void sync_areas_free(struct sync_areas *as)
{
	sys_unmap(as->area, as->size);
	as->area = NULL;
}

/* How far memory goes on from @sp; @sp itself if it is the very end of a stack; 0: not a stack. */
static uint64_t area_end(const struct sync_areas *as, uint64_t sp)
{
	size_t lo = 0, hi = as->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (as->area[mid].start <= sp)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && sp <= as->area[lo - 1].end ? as->area[lo - 1].end : 0;
}

bool sync_code_holds(const struct sync_code *q, uint64_t addr)
{
	size_t lo = 0, hi = q->nrange;

	if (addr < q->range[0].start || addr > q->range[hi - 1].end)
		return false;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (q->range[mid].end < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return q->range[lo].start <= addr;
}

/* Does the ucontext's uc_stack begin at @w, which is @addr in the stack? */
static bool is_altstack(const uint64_t *w, uint64_t addr)
{
	const uint32_t flags = SS_ONSTACK | SS_DISABLE | 1u << 31 /* SS_AUTODISARM */;

	return w[0] && addr - w[0] < ALTSTACK_MAX && w[2] < ALTSTACK_MAX && addr - w[0] < w[2] &&
	       !((uint32_t)w[1] & ~flags);
}

struct search {
	const struct sync_code *q;
	const struct sync_areas *as;
	uint64_t *words;
	uint64_t bytes;
	size_t n;
	struct sync_area part[PARTS_MAX];
};

/* One more stack. 0 or -EBUSY. */
static int search_add(struct search *s, uint64_t sp)
{
	uint64_t end;

	for (size_t i = 0; i < s->n; i++) {
		if (sp >= s->part[i].start && sp < s->part[i].end)
			return 0;
	}
	end = area_end(s->as, sp);
	if (!end || sp % 8 || s->n == PARTS_MAX)
		return -EBUSY;
	s->bytes += end - sp;
	s->part[s->n++] = (struct sync_area){sp, end};
	return s->bytes > BYTES_MAX ? -EBUSY : 0;
}

static int read_self(uint64_t *words, uint64_t addr, size_t n)
{
	struct iovec to = {words, n}, from = {(void *)addr, n};
	long got = sys6(SYS_process_vm_readv, sys0(SYS_getpid), &to, 1, &from, 1, 0);

	if (got == -EPERM || got == -ENOSYS || got == -EACCES)
		return -EOPNOTSUPP;
	return got == (long)n ? 0 : -EBUSY;
}

/* @more: another piece follows, that begins with the last TO_SP words of this one. */
static int search_words(struct search *s, uint64_t addr, size_t n, bool more)
{
	const uint64_t *w = s->words;
	size_t stop = more ? n - TO_SP : n;
	int err = 0;

	for (size_t i = 0; i < stop && !err; i++) {
		if (sync_code_holds(s->q, w[i]))
			return -EBUSY;
		if (i + TO_SP < n && is_altstack(w + i, addr + i * 8))
			err = search_add(s, w[i + TO_SP]);
	}
	return err;
}

static int search_part(struct search *s, struct sync_area part)
{
	int err = 0;

	while (part.start < part.end && !err) {
		size_t n = (size_t)(part.end - part.start) / 8;
		bool more = n > SYNC_STACK_WORDS;

		if (more)
			n = SYNC_STACK_WORDS;
		err = read_self(s->words, part.start, n * 8);
		if (!err)
			err = search_words(s, part.start, n, more);
		part.start += (more ? n - TO_SP : n) * 8;
	}
	return err;
}

int sync_stack_search(const struct sync_code *q, const struct sync_areas *as, uint64_t sp,
		      uint64_t *words)
{
	struct search s = {.q = q, .as = as, .words = words};
	int err = search_add(&s, sp);

	for (size_t i = 0; i < s.n && !err; i++)
		err = search_part(&s, s.part[i]);
	return err;
}

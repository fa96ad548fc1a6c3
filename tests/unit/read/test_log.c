/* SPDX-License-Identifier: MIT */
/* Process logs: module lists, refusals, chains of chunks, damage. */
#include <stdio.h>

#include "fixture.h"

struct news {
	char text[1024];
};

static void say(struct news *n, const char *what, uint32_t a, long b)
{
	size_t len = strlen(n->text);

	snprintf(n->text + len, sizeof(n->text) - len, "%s %u %ld;", what, a, b);
}

static void on_process(void *arg, uint32_t proc, const struct wire_proc *p)
{
	say(arg, "process", proc, p->pid);
}

static void on_loaded(void *arg, uint32_t proc, const struct read_module *m)
{
	say(arg, m->path, proc, (long)m->start);
}

static void on_unloaded(void *arg, uint32_t proc, const struct read_module *m)
{
	assert_true(m->gone);
	say(arg, "unloaded", proc, (long)m->start);
}

static void on_refused(void *arg, uint32_t proc, uint32_t module, uint32_t site, int err)
{
	assert_int_equal(module, 3);
	say(arg, site == UINT32_MAX ? "refused-module" : "refused", proc, err);
}

static struct read_log_ops ops_for(struct news *n)
{
	memset(n, 0, sizeof(*n));
	return (struct read_log_ops){.arg = n,
				     .process = on_process,
				     .loaded = on_loaded,
				     .unloaded = on_unloaded,
				     .refused = on_refused};
}

static void *append(uint8_t **at, uint32_t type, uint32_t size)
{
	struct wire_log *h = (struct wire_log *)*at;

	h->type = type;
	h->size = (uint32_t)ALIGN_UP(size, 8);
	*at += h->size;
	return h;
}

static void append_loaded(uint8_t **at, uint64_t start, const char *path)
{
	struct wire_log_loaded *l =
		append(at, WIRE_LOG_LOADED, (uint32_t)(sizeof(*l) + strlen(path) + 1));

	l->bias = start;
	l->start = start;
	l->end = start + 0x1000;
	strcpy(l->path, path);
}

static uint8_t *log_chunk(struct fix *f, struct wire_proc *p)
{
	uint8_t *at = wire_chunk(f->s, fix_chunks(f, 1));

	if (p)
		p->log_off = (uint64_t)(at - (uint8_t *)f->s);
	return at;
}

static void poll(struct fix *f, const char *expect)
{
	struct news n;
	struct read_log_ops ops = ops_for(&n);

	assert_int_equal(read_poll_logs(f->r, &ops), 0);
	assert_string_equal(n.text, expect);
}

static void news_are_told_once(void **state)
{
	struct wire_log_unloaded *u;
	struct wire_log_refused *rf;
	struct wire_log_more *more;
	struct wire_proc *p;
	struct fix f;
	uint8_t *at, *next;

	(void)state;
	fix_make(&f, 8, 0);
	fix_open(&f);
	poll(&f, "");
	p = fix_proc(&f, 77, UINT32_MAX);
	poll(&f, "process 0 77;");
	at = log_chunk(&f, p);
	append_loaded(&at, 0x10000, "/a");
	rf = append(&at, WIRE_LOG_REFUSED, sizeof(*rf));
	rf->module = 3;
	rf->err = -4001;
	poll(&f, "/a 0 65536;refused 0 -4001;");
	poll(&f, "");
	rf = append(&at, WIRE_LOG_REFUSED, sizeof(*rf));
	rf->module = 3;
	rf->site = UINT32_MAX;
	rf->err = -4009;
	more = append(&at, WIRE_LOG_MORE, sizeof(*more));
	next = log_chunk(&f, NULL);
	more->next = (uint64_t)(next - (uint8_t *)f.s);
	append(&next, 99, 16); /* of a newer agent */
	u = append(&next, WIRE_LOG_UNLOADED, sizeof(*u));
	u->start = 0x10000;
	poll(&f, "refused-module 0 -4009;unloaded 0 65536;");
	fix_free(&f);
}

static void children_inherit(void **state)
{
	struct wire_log_unloaded *u;
	struct wire_proc *p, *c;
	struct fix f;
	uint8_t *at;

	(void)state;
	fix_make(&f, 8, 0);
	fix_open(&f);
	p = fix_proc(&f, 77, UINT32_MAX);
	at = log_chunk(&f, p);
	append_loaded(&at, 0x10000, "/a");
	c = fix_proc(&f, 78, 0);
	poll(&f, "process 0 77;/a 0 65536;process 1 78;");
	/* the list is the child's own: what it unloads, the parent keeps */
	at = log_chunk(&f, c);
	u = append(&at, WIRE_LOG_UNLOADED, sizeof(*u));
	u->start = 0x10000;
	poll(&f, "unloaded 1 65536;");
	fix_proc(&f, 79, 0)->state = WIRE_PROC_FREE; /* lost the race to register */
	fix_proc(&f, 80, 3);			     /* its own parent */
	fix_proc(&f, 81, 100000);
	poll(&f, "process 3 80;process 4 81;");
	fix_free(&f);
}

static void damage(struct fix *f, uint64_t n)
{
	struct read_totals t;

	read_totals(f->r, &t);
	assert_int_equal(t.damaged, n);
}

static void damage_ends_one_log_only(void **state)
{
	struct wire_proc *p, *q;
	struct fix f;
	uint8_t *a, *b, *first;

	(void)state;
	fix_make(&f, 8, 0);
	fix_open(&f);
	p = fix_proc(&f, 77, UINT32_MAX);
	q = fix_proc(&f, 78, UINT32_MAX);
	a = log_chunk(&f, p);
	b = first = log_chunk(&f, q);
	append_loaded(&a, 0x10000, "/a");
	append(&a, WIRE_LOG_LOADED, 16); /* too short for its type */
	append_loaded(&a, 0x20000, "/never");
	append_loaded(&b, 0x30000, "/b");
	poll(&f, "process 0 77;/a 0 65536;process 1 78;/b 1 196608;");
	damage(&f, 1);
	/* a chain that leads back to its start ends, too */
	((struct wire_log_more *)append(&b, WIRE_LOG_MORE, sizeof(struct wire_log_more)))->next =
		(uint64_t)(first - (uint8_t *)f.s);
	((struct wire_log_loaded *)first)->h.type = 99;
	poll(&f, "");
	damage(&f, 2);
	/* sizes that are no sizes, a log outside */
	fix_proc(&f, 79, UINT32_MAX)->log_off = 8;
	((struct wire_log *)log_chunk(&f, fix_proc(&f, 80, UINT32_MAX)))->size = 13;
	((struct wire_log *)log_chunk(&f, fix_proc(&f, 81, UINT32_MAX)))->size = 0xfffffff8;
	poll(&f, "process 2 79;process 3 80;process 4 81;");
	damage(&f, 5);
	fix_free(&f);
}

static void paths_end_inside_their_record(void **state)
{
	struct wire_log_loaded *l;
	struct wire_proc *p;
	struct fix f;
	uint8_t *at;

	(void)state;
	fix_make(&f, 8, 0);
	fix_open(&f);
	p = fix_proc(&f, 77, UINT32_MAX);
	at = log_chunk(&f, p);
	l = append(&at, WIRE_LOG_LOADED, sizeof(*l) + 8);
	memset(l->path, 'x', 8); /* no NUL */
	memset(at, 'y', 100);
	memset(at, 0, 8);
	poll(&f, "process 0 77;xxxxxxxx 0 0;");
	fix_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(news_are_told_once),
		cmocka_unit_test(children_inherit),
		cmocka_unit_test(damage_ends_one_log_only),
		cmocka_unit_test(paths_end_inside_their_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

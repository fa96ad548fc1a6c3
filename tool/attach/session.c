/* SPDX-License-Identifier: MIT */
/*
 * Building the session file (wire/session.h): sizes first, then content.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attach/internal.h"
#include "base/atomic.h"
#include "base/base.h"

#define PAGE 4096ull
#define ARENA_CHUNKS 16384u /* 1 GiB, sparse */
#define COMMIT_AHEAD 64u    /* chunks: 4 MiB */

/* A growing byte buffer. */
struct buf {
	uint8_t *data;
	size_t len, cap;
	bool failed;
};

static size_t buf_add(struct buf *b, const void *data, size_t n)
{
	size_t at = b->len;

	if (b->len + n > b->cap) {
		size_t cap = (b->len + n) * 2 + 256;
		uint8_t *p = realloc(b->data, cap);

		if (!p) {
			b->failed = true;
			return 0;
		}
		b->data = p;
		b->cap = cap;
	}
	if (n)
		memcpy(b->data + at, data, n);
	b->len += n;
	return at;
}

static uint32_t buf_string(struct buf *b, const char *s)
{
	return (uint32_t)buf_add(b, s, strlen(s) + 1);
}

enum {
	T_STRINGS,
	T_PROGS,
	T_INSNS,
	T_MAPS,
	T_MODULES,
	T_SITES,
	T_CODE,
	T_FIXUPS,
	T_ACTIONS,
	T_COUNT
};

struct builder {
	struct buf t[T_COUNT];
	struct buf alt;	 /* sites of class W, behind all others in the table */
	uint32_t nsites; /* without those */
	uint32_t block_size, max_scratch;
	uint64_t tables; /* bytes of the plain maps' tables */
};

static void add_progs(struct builder *b, const struct script *sc)
{
	for (uint32_t i = 0; i < sc->nprogs; i++) {
		const struct script_prog *p = &sc->prog[i];
		struct wire_prog w = {.ninsn = p->ninsn,
				      .scratch_size = p->scratch_size,
				      .fast_map = p->fast_map};

		w.insn_off = (uint32_t)(b->t[T_INSNS].len / sizeof(struct wire_insn));
		buf_add(&b->t[T_INSNS], p->insn, p->ninsn * sizeof(*p->insn));
		buf_add(&b->t[T_PROGS], &w, sizeof(w));
		if (p->scratch_size > b->max_scratch)
			b->max_scratch = p->scratch_size;
	}
}

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

/* Aggregations get a place in every thread's block, plain maps a table in the session. */
static void add_maps(struct builder *b, const struct script *sc)
{
	b->block_size = sizeof(struct wire_block);
	for (uint32_t i = 0; i < sc->nmaps; i++) {
		struct wire_map w = sc->map[i].wire;

		w.name = buf_string(&b->t[T_STRINGS], sc->map[i].name);
		if (w.kind == WIRE_MAP_PLAIN) {
			w.nbuckets = w.key_size ? power_of_two(w.max_keys * 2) : 1;
			w.table_off = b->tables; /* from the first table; fixed up in fill() */
			b->tables += w.nbuckets * wire_slot_bytes(&w);
			b->tables = ALIGN_UP(b->tables, 64);
		} else if (w.key_size) {
			w.nbuckets = power_of_two(w.max_keys / 4 + 1);
			w.nbuckets = w.nbuckets > 1024 ? 1024 : w.nbuckets;
		}
		if (w.kind != WIRE_MAP_PLAIN) {
			w.bucket_off = b->block_size;
			b->block_size += (uint32_t)wire_map_block_bytes(&w);
		}
		b->block_size = ALIGN_UP(b->block_size, 64u);
		buf_add(&b->t[T_MAPS], &w, sizeof(w));
	}
}

static void add_code(struct builder *b, const struct plan_site *plan, struct wire_site *w)
{
	*w = plan->site;
	w->code_off = (uint32_t)buf_add(&b->t[T_CODE], plan->code, w->code_len);
	w->fix_off = (uint32_t)(b->t[T_FIXUPS].len / sizeof(struct wire_fixup));
	buf_add(&b->t[T_FIXUPS], plan->fix, w->nfix * sizeof(struct wire_fixup));
}

static void add_site(struct builder *b, const struct attach_site *s)
{
	struct wire_site w, alt;

	add_code(b, &s->plan, &w);
	if (s->alt) {
		add_code(b, s->alt, &alt);
		buf_add(&b->alt, &alt, sizeof(alt));
		w.alt = b->nsites + (uint32_t)(b->alt.len / sizeof(alt));
	}
	w.act_off = (uint32_t)(b->t[T_ACTIONS].len / sizeof(struct wire_action));
	w.nact = s->nactions;
	for (uint32_t i = 0; i < s->nactions; i++) {
		struct wire_action a = {.prog = s->action[i].prog};

		a.func = buf_string(&b->t[T_STRINGS], s->action[i].func);
		a.probe = buf_string(&b->t[T_STRINGS], s->action[i].probe);
		buf_add(&b->t[T_ACTIONS], &a, sizeof(a));
	}
	buf_add(&b->t[T_SITES], &w, sizeof(w));
}

static void add_module(struct builder *b, const struct attach_module *m)
{
	const struct image *img = m->image;
	struct image_range text = {0, 0};
	struct wire_module w = {.dev = img->dev,
				.ino = img->ino,
				.nsites = m->nsites,
				.span_start = img->span.start,
				.span_end = img->span.end};

	w.path = buf_string(&b->t[T_STRINGS], img->path);
	w.site_off = (uint32_t)(b->t[T_SITES].len / sizeof(struct wire_site));
	if (m->nsites)
		image_text(img, m->site[0].plan.site.vaddr, &text);
	w.text_start = text.start;
	w.text_end = text.end;
	for (uint32_t i = 0; i < m->nsites; i++)
		add_site(b, &m->site[i]);
	buf_add(&b->t[T_MODULES], &w, sizeof(w));
}

/* Lay the tables out behind the header: offsets into @s, the total size returned. */
static uint64_t lay_out(struct builder *b, struct wire_session *s, uint64_t *tables_off)
{
	static const uint32_t elem[T_COUNT] = {1,
					       sizeof(struct wire_prog),
					       sizeof(struct wire_insn),
					       sizeof(struct wire_map),
					       sizeof(struct wire_module),
					       sizeof(struct wire_site),
					       1,
					       sizeof(struct wire_fixup),
					       sizeof(struct wire_action)};
	struct wire_table *t[T_COUNT] = {&s->strings, &s->progs,   &s->insns,
					 &s->maps,    &s->modules, &s->sites,
					 &s->code,    &s->fixups,  &s->actions};
	uint64_t at = ALIGN_UP(sizeof(*s), 64);

	for (int i = 0; i < T_COUNT; i++) {
		*t[i] = (struct wire_table){
			.off = at, .count = (uint32_t)(b->t[i].len / elem[i]), .elem = elem[i]};
		at = ALIGN_UP(at + b->t[i].len, 64);
	}
	*tables_off = at;
	at = ALIGN_UP(at + b->tables, 64);
	s->procs = (struct wire_table){
		.off = at, .count = WIRE_MAX_PROCS, .elem = sizeof(struct wire_proc)};
	at += (uint64_t)WIRE_MAX_PROCS * sizeof(struct wire_proc);
	s->arena_off = ALIGN_UP(at, WIRE_CHUNK);
	s->arena_chunks = ARENA_CHUNKS;
	s->file_size = s->arena_off + (uint64_t)ARENA_CHUNKS * WIRE_CHUNK;
	return s->file_size;
}

/* Content of the tables at their places; offsets of plain maps from the file's start. */
static void fill(const struct builder *b, struct wire_session *s, uint64_t tables_off)
{
	const struct wire_table *t[T_COUNT] = {&s->strings, &s->progs,	 &s->insns,
					       &s->maps,    &s->modules, &s->sites,
					       &s->code,    &s->fixups,	 &s->actions};

	for (int i = 0; i < T_COUNT; i++) {
		if (b->t[i].len)
			memcpy(wire_at(s, t[i]->off, uint8_t), b->t[i].data, b->t[i].len);
	}
	for (uint32_t i = 0; i < s->maps.count; i++) {
		struct wire_map *m = wire_elem(s, maps, struct wire_map, i);

		if (m->kind == WIRE_MAP_PLAIN)
			m->table_off += tables_off;
	}
}

/* Session files live in memory: /dev/shm, or where that is not to be had, a temporary directory. */
static int make_dir(struct attach_session *as)
{
	const char *base[] = {"/dev/shm", getenv("TMPDIR"), "/tmp"};
	int err = -ENOENT;

	for (size_t i = 0; i < ARRAY_LEN(base); i++) {
		if (!base[i] || strlen(base[i]) > 64)
			continue;
		attach_remove_stale(base[i]);
		snprintf(as->dir, sizeof(as->dir), "%s/" SESSION_PREFIX "%d.XXXXXX", base[i],
			 (int)getpid());
		if (mkdtemp(as->dir))
			return 0;
		err = -errno;
	}
	as->dir[0] = '\0';
	return err;
}

static int make_file(struct attach_session *as, const struct wire_session *head)
{
	char path[sizeof(head->session_path)];

	snprintf(path, sizeof(path), "%s/" SESSION_FILE, as->dir);
	as->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (as->fd < 0)
		return -errno;
	as->size = head->file_size;
	if (ftruncate(as->fd, (off_t)as->size) || fallocate(as->fd, 0, 0, (off_t)head->arena_off))
		return -errno;
	as->mem =
		mmap(NULL, as->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, as->fd, 0);
	if (as->mem == MAP_FAILED) {
		as->mem = NULL;
		return -errno;
	}
	return 0;
}

static int create(struct builder *b, const struct attach_session_options *opt,
		  struct attach_session *as)
{
	struct wire_session *head = calloc(1, sizeof(*head));
	char link[sizeof(head->agent_path)];
	struct timespec ts;
	uint64_t tables_off;
	int err;

	if (!head)
		return -ENOMEM;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	head->magic = WIRE_MAGIC;
	head->version = WIRE_VERSION;
	head->header_size = sizeof(*head);
	head->start_ns = (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
	head->tool_pid = (uint32_t)getpid();
	head->block_size = b->block_size;
	head->ring_size = opt->ring_size;
	head->max_scratch = b->max_scratch;
	head->follow = opt->follow;
	lay_out(b, head, &tables_off);
	err = make_dir(as);
	if (err)
		goto out;
	snprintf(link, sizeof(link), "%s/" SESSION_AGENT, as->dir);
	snprintf(head->agent_path, sizeof(head->agent_path), "%s", link);
	snprintf(head->session_path, sizeof(head->session_path), "%s/" SESSION_FILE, as->dir);
	if (symlink(opt->agent, link)) {
		err = -errno;
		goto out;
	}
	err = make_file(as, head);
	if (err)
		goto out;
	memcpy(as->mem, head, sizeof(*head));
	fill(b, as->mem, tables_off);
	err = attach_session_commit(as);
out:
	free(head);
	return err;
}

int attach_session_create(const struct script *script, const struct attach_set *set,
			  const struct attach_session_options *opt, struct attach_session *out)
{
	struct builder b = {0};
	bool failed;
	int err;

	*out = (struct attach_session){.fd = -1};
	buf_string(&b.t[T_STRINGS], "");
	add_progs(&b, script);
	add_maps(&b, script);
	for (uint32_t i = 0; set && i < set->nmodules; i++)
		b.nsites += set->module[i].nsites;
	for (uint32_t i = 0; set && i < set->nmodules; i++)
		add_module(&b, &set->module[i]);
	buf_add(&b.t[T_SITES], b.alt.data, b.alt.len);
	failed = b.alt.failed;
	for (int i = 0; i < T_COUNT; i++)
		failed |= b.t[i].failed;
	err = failed ? -ENOMEM : create(&b, opt, out);
	for (int i = 0; i < T_COUNT; i++)
		free(b.t[i].data);
	free(b.alt.data);
	if (err)
		attach_session_destroy(out);
	return err;
}

void attach_session_destroy(struct attach_session *as)
{
	char path[sizeof(as->dir) + sizeof(SESSION_FILE) + sizeof(SESSION_AGENT)];

	if (as->mem)
		munmap(as->mem, as->size);
	if (as->fd >= 0)
		close(as->fd);
	if (as->dir[0]) {
		snprintf(path, sizeof(path), "%s/" SESSION_FILE, as->dir);
		unlink(path);
		snprintf(path, sizeof(path), "%s/" SESSION_AGENT, as->dir);
		unlink(path);
		rmdir(as->dir);
	}
	*as = (struct attach_session){.fd = -1};
}

int attach_session_commit(struct attach_session *as)
{
	struct wire_session *s = as->mem;
	uint32_t have = s->arena_committed, want = load_relaxed(&s->arena_next) + COMMIT_AHEAD;

	if (want > s->arena_chunks)
		want = s->arena_chunks;
	/* in steps: one call per step, not per chunk */
	if (want <= have || (have && want - have < COMMIT_AHEAD / 4))
		return 0;
	if (fallocate(as->fd, 0, (off_t)(s->arena_off + have * WIRE_CHUNK),
		      (off_t)((want - have) * WIRE_CHUNK)))
		return -errno;
	store_release(&s->arena_committed, want);
	return 0;
}

uint32_t attach_session_chunks(struct wire_session *s, uint32_t n)
{
	uint32_t chunk = fetch_add_relaxed(&s->arena_next, n);

	return chunk + n <= load_acquire(&s->arena_committed) ? chunk : UINT32_MAX;
}

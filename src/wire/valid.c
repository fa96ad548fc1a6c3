/* SPDX-License-Identifier: MIT */
/*
 * Is a session file what this build can walk through without leaving it?
 *
 * Checked once when a process maps the session: after it, every index and offset of the static
 * part leads inside the file, so the code behind it checks none of them again. Programs are
 * judged by act/verify, plans of code by src/text.
 * Freestanding. Context: agent start-up, tool, any thread.
 */
#include "base/base.h"
#include "base/err.h"
#include "wire/session.h"

#define MAX_ELEMENTS (1u << 20)
#define MAX_BYTES (1u << 30) /* of a string, code or instruction table, a block, a ring */

static bool range_is_inside(uint64_t off, uint64_t bytes, uint64_t from, uint64_t to)
{
	return off >= from && off <= to && bytes <= to - off;
}

static uint64_t table_bytes(const struct wire_table *t)
{
	return (uint64_t)t->count * t->elem;
}

static bool table_is_valid(const struct wire_session *s, const struct wire_table *t, uint32_t elem,
			   uint32_t max)
{
	if (t->count == 0)
		return true;
	if (t->elem != elem || t->count > max)
		return false;
	if (elem != 1 && t->off % 8 != 0)
		return false;
	return range_is_inside(t->off, table_bytes(t), sizeof(*s), s->arena_off);
}

static bool tables_are_valid(const struct wire_session *s)
{
	return table_is_valid(s, &s->strings, 1, MAX_BYTES) &&
	       table_is_valid(s, &s->progs, sizeof(struct wire_prog), MAX_ELEMENTS) &&
	       table_is_valid(s, &s->insns, sizeof(struct wire_insn), MAX_BYTES / 8) &&
	       table_is_valid(s, &s->maps, sizeof(struct wire_map), MAX_ELEMENTS) &&
	       table_is_valid(s, &s->modules, sizeof(struct wire_module), MAX_ELEMENTS) &&
	       table_is_valid(s, &s->sites, sizeof(struct wire_site), 8 * MAX_ELEMENTS) &&
	       table_is_valid(s, &s->code, 1, MAX_BYTES) &&
	       table_is_valid(s, &s->fixups, sizeof(struct wire_fixup), 64 * MAX_ELEMENTS) &&
	       table_is_valid(s, &s->actions, sizeof(struct wire_action), 64 * MAX_ELEMENTS) &&
	       table_is_valid(s, &s->procs, sizeof(struct wire_proc), WIRE_MAX_PROCS);
}

static bool overlaps(const struct wire_table *t, uint64_t off, uint64_t bytes)
{
	return table_bytes(t) != 0 && bytes != 0 && off < t->off + table_bytes(t) &&
	       t->off < off + bytes;
}

/* What running code writes must not be what was checked before it ran. */
static bool is_writable_place(const struct wire_session *s, uint64_t off, uint64_t bytes)
{
	return !overlaps(&s->strings, off, bytes) && !overlaps(&s->progs, off, bytes) &&
	       !overlaps(&s->insns, off, bytes) && !overlaps(&s->maps, off, bytes) &&
	       !overlaps(&s->modules, off, bytes) && !overlaps(&s->sites, off, bytes) &&
	       !overlaps(&s->code, off, bytes) && !overlaps(&s->fixups, off, bytes) &&
	       !overlaps(&s->actions, off, bytes);
}

static bool string_is_valid(const struct wire_session *s, uint32_t str)
{
	return str < s->strings.count;
}

static bool is_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static bool header_is_valid(const struct wire_session *s, uint64_t size)
{
	uint64_t arena;

	if (s->magic != WIRE_MAGIC || s->version != WIRE_VERSION)
		return false;
	if (s->header_size != sizeof(*s) || s->file_size > size || s->file_size < sizeof(*s))
		return false;
	if (s->state > WIRE_ENDED || s->follow > 1)
		return false;
	if (s->agent_path[sizeof(s->agent_path) - 1] != '\0' ||
	    s->session_path[sizeof(s->session_path) - 1] != '\0')
		return false;
	/* Entries of the arena are named by offset / 16 in 32 bits. */
	arena = (uint64_t)s->arena_chunks * WIRE_CHUNK;
	if (s->arena_off % 64 != 0 ||
	    !range_is_inside(s->arena_off, arena, sizeof(*s), s->file_size))
		return false;
	if ((s->arena_off + arena) / 16 > UINT32_MAX)
		return false;
	if (s->block_size < sizeof(struct wire_block) || s->block_size % 8 != 0 ||
	    s->block_size > MAX_BYTES)
		return false;
	if (s->ring_size != 0 &&
	    (!is_power_of_two(s->ring_size) || s->ring_size < 64 || s->ring_size > MAX_BYTES))
		return false;
	return s->max_scratch <= WIRE_SCRATCH_MAX;
}

/* The size that a map's kind asks for, 0 if its parameters are wrong. */
static uint64_t aggregation_value_size(const struct wire_map *m)
{
	uint64_t span = (uint64_t)m->lhist_max - (uint64_t)m->lhist_min;

	switch (m->kind) {
	case WIRE_MAP_COUNT:
		return 8;
	case WIRE_MAP_SUM:
	case WIRE_MAP_AVG:
	case WIRE_MAP_STATS:
	case WIRE_MAP_MIN:
	case WIRE_MAP_MAX:
		return 16;
	case WIRE_MAP_HIST:
		return m->hist_bits <= WIRE_HIST_MAX_BITS ? 8 * WIRE_HIST_BUCKETS(m->hist_bits) : 0;
	case WIRE_MAP_LHIST:
		if (m->lhist_step <= 0 || m->lhist_max <= m->lhist_min || span > INT64_MAX ||
		    span / (uint64_t)m->lhist_step > WIRE_LHIST_MAX)
			return 0;
		return 8ull * wire_lhist_buckets(m->lhist_min, m->lhist_max, m->lhist_step);
	default:
		return 0;
	}
}

static bool plain_map_is_valid(const struct wire_session *s, const struct wire_map *m)
{
	uint64_t bytes;

	if (m->value_size == 0 || m->value_size % 8 != 0 || m->value_size > WIRE_VALUE_MAX)
		return false;
	if (m->nbuckets == 0 || m->nbuckets > MAX_BYTES || (m->key_size == 0 && m->nbuckets != 1))
		return false;
	bytes = m->nbuckets * wire_slot_bytes(m);
	return m->table_off % 8 == 0 &&
	       range_is_inside(m->table_off, bytes, sizeof(*s), s->arena_off) &&
	       is_writable_place(s, m->table_off, bytes);
}

static bool aggregation_is_valid(const struct wire_session *s, const struct wire_map *m)
{
	if (m->value_size == 0 || m->value_size != aggregation_value_size(m))
		return false;
	if (m->key_size != 0 && (!is_power_of_two(m->nbuckets) || m->nbuckets > MAX_BYTES / 4))
		return false;
	return m->bucket_off % 8 == 0 && range_is_inside(m->bucket_off, wire_map_block_bytes(m),
							 sizeof(struct wire_block), s->block_size);
}

static bool map_is_valid(const struct wire_session *s, const struct wire_map *m)
{
	if (!string_is_valid(s, m->name) || m->is_signed > 1)
		return false;
	if (m->key_size % 8 != 0 || m->key_size > WIRE_KEY_MAX)
		return false;
	if (m->kind == WIRE_MAP_PLAIN)
		return plain_map_is_valid(s, m);
	return aggregation_is_valid(s, m);
}

static bool prog_is_valid(const struct wire_session *s, const struct wire_prog *p)
{
	const struct wire_map *m;

	if (p->ninsn == 0 || p->ninsn > WIRE_INSN_MAX || p->scratch_size > s->max_scratch ||
	    !range_is_inside(p->insn_off, p->ninsn, 0, s->insns.count))
		return false;
	if (p->fast_map == 0)
		return true;
	if (p->fast_map > s->maps.count)
		return false;
	m = wire_elem(s, maps, const struct wire_map, p->fast_map - 1);
	return m->kind == WIRE_MAP_COUNT && m->key_size == 0;
}

/* Traps and guards are planned, but no agent carries them out in a session. */
static bool way_is_valid(const struct wire_site *site)
{
	if (site->class > WIRE_CLASS_W || site->ninner)
		return false;
	return !site->hit_at || site->hit_at < site->insn_len;
}

static bool site_is_valid(const struct wire_session *s, const struct wire_site *site)
{
	const struct wire_fixup *fix;

	if (!way_is_valid(site) || site->internal >= WIRE_INTERNAL_COUNT)
		return false;
	if (site->code_len > WIRE_SITE_CODE_MAX || site->ncut > 8 || site->insn_len > 19 ||
	    site->alt > s->sites.count)
		return false;
	if (!range_is_inside(site->code_off, site->code_len, 0, s->code.count) ||
	    !range_is_inside(site->fix_off, site->nfix, 0, s->fixups.count) ||
	    !range_is_inside(site->act_off, site->nact, 0, s->actions.count))
		return false;
	fix = wire_elem(s, fixups, const struct wire_fixup, site->fix_off);
	for (uint32_t i = 0; i < site->nfix; i++) {
		uint32_t width = fix[i].kind == WIRE_FIX_ABS64 ? 8 : 4;

		if (fix[i].kind > WIRE_FIX_SITE32 || fix[i].at + width > site->code_len)
			return false;
	}
	return true;
}

static bool module_is_valid(const struct wire_session *s, const struct wire_module *m)
{
	return string_is_valid(s, m->path) &&
	       range_is_inside(m->site_off, m->nsites, 0, s->sites.count) &&
	       m->text_start <= m->text_end && m->span_start <= m->span_end;
}

static bool action_is_valid(const struct wire_session *s, const struct wire_action *a)
{
	return a->prog < s->progs.count && string_is_valid(s, a->func) &&
	       string_is_valid(s, a->probe);
}

static bool elements_are_valid(const struct wire_session *s)
{
	uint32_t i;

	for (i = 0; i < s->maps.count; i++) {
		if (!map_is_valid(s, wire_elem(s, maps, const struct wire_map, i)))
			return false;
	}
	for (i = 0; i < s->progs.count; i++) {
		if (!prog_is_valid(s, wire_elem(s, progs, const struct wire_prog, i)))
			return false;
	}
	for (i = 0; i < s->sites.count; i++) {
		if (!site_is_valid(s, wire_elem(s, sites, const struct wire_site, i)))
			return false;
	}
	for (i = 0; i < s->modules.count; i++) {
		if (!module_is_valid(s, wire_elem(s, modules, const struct wire_module, i)))
			return false;
	}
	for (i = 0; i < s->actions.count; i++) {
		if (!action_is_valid(s, wire_elem(s, actions, const struct wire_action, i)))
			return false;
	}
	return true;
}

int wire_session_check(const struct wire_session *s, uint64_t size)
{
	const char *strings;

	if (size < sizeof(*s) || !header_is_valid(s, size) || !tables_are_valid(s))
		return SONDE_E_BAD_SESSION;
	strings = wire_at(s, s->strings.off, const char);
	if (s->strings.count != 0 && strings[s->strings.count - 1] != '\0')
		return SONDE_E_BAD_SESSION;
	if (!is_writable_place(s, s->procs.off, table_bytes(&s->procs)))
		return SONDE_E_BAD_SESSION;
	return elements_are_valid(s) ? 0 : SONDE_E_BAD_SESSION;
}

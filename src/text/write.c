/* SPDX-License-Identifier: MIT */
/*
 * Writing the code that sites lead to, fixed up for where it lies: detours and islands. Nothing
 * jumps there yet. Context: not on a hit; one thread at a time; no libc.
 */
#include <sys/mman.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "text/module.h"

bool text_put_rel32(uint8_t *at, int64_t distance)
{
	int32_t rel = (int32_t)distance;

	mem_copy(at, &rel, sizeof(rel));
	return rel == distance;
}

/* Copy and fix up one detour; false if something is out of reach. */
static bool write_detour(const struct text_placing *pl, uint32_t i)
{
	const struct text_module *m = pl->m;
	const struct wire_site *ws = m->use[i];
	const struct wire_fixup *fix = &m->plans.fix[ws->fix_off];
	uint8_t *code = (uint8_t *)m->detour[i];

	mem_copy(code, m->plans.code + ws->code_off, ws->code_len);
	for (uint16_t f = 0; f < ws->nfix; f++, fix++) {
		uint8_t *at = code + fix->at;
		uint64_t target = m->image.bias + fix->target;
		uint32_t number = m->plans.first + i;
		bool ok = true;

		switch (fix->kind) {
		case WIRE_FIX_REL32:
			ok = text_put_rel32(at, (int64_t)(target - ((uint64_t)at + 4 + fix->tail)));
			break;
		case WIRE_FIX_ABS64:
			mem_copy(at, &target, sizeof(target));
			break;
		case WIRE_FIX_STUB32:
			ok = text_put_rel32(at, (int64_t)(pl->pool - ((uint64_t)at + 4)));
			break;
		case WIRE_FIX_SITE32:
			mem_copy(at, &number, sizeof(number));
			break;
		}
		if (!ok)
			return false;
	}
	return true;
}

static void write_island(struct islands *is, uint64_t at, uint64_t to)
{
	static const uint8_t jmp_mem[6] = {0xff, 0x25, 0, 0, 0, 0};
	uint8_t code[ISLAND_SIZE] = {0xe9};
	size_t n = TEXT_JMP_SIZE;

	if (!text_put_rel32(code + 1, (int64_t)(to - (at + TEXT_JMP_SIZE)))) {
		mem_copy(code, jmp_mem, sizeof(jmp_mem));
		mem_copy(code + sizeof(jmp_mem), &to, sizeof(to));
		n = ISLAND_SIZE;
	}
	for (size_t i = 0; i < n; i++)
		*islands_at(is, at + i) = code[i];
}

int text_write(struct text_placing *pl)
{
	struct text_module *m = pl->m;

	mem_copy((void *)pl->pool, &pl->job->stub, sizeof(pl->job->stub));
	for (uint32_t i = 0; i < m->plans.nsites; i++) {
		if (!m->detour[i])
			continue;
		if (!write_detour(pl, i))
			text_refuse(pl, i, SONDE_E_NO_SPACE_NEAR);
		else if (m->island[i])
			write_island(&pl->islands, m->island[i], m->detour[i]);
	}
	if (sys3(SYS_mprotect, pl->pool, pl->pool_size, PROT_READ | PROT_EXEC) < 0)
		return SONDE_E_PROTECT;
	return islands_seal(&pl->islands);
}

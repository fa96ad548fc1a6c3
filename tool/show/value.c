/* SPDX-License-Identifier: MIT */
/*
 * Values as text, whatever the format around them; the choice of formats by name.
 *
 * The bytes come from the observed program: strings may lack their end, offsets and process
 * indexes may lead nowhere.
 */
#include <string.h>

#include "show/formats.h"
#include "show/rows.h"

#define SYMBOL_MAX 4096

static uint64_t word(const void *data)
{
	uint64_t v;

	memcpy(&v, data, sizeof(v));
	return v;
}

static void show_name(const struct show_names *n, uint64_t off, struct show_buf *out)
{
	const struct wire_session *s = n->session;
	const char *str;

	if (!s || off >= s->strings.count)
		goto bad;
	str = wire_string(s, off);
	if (!memchr(str, '\0', s->strings.count - off))
		goto bad;
	show_buf_str(out, str);
	return;
bad:
	show_buf_str(out, "<bad string>");
}

static void show_usym(const struct show_names *n, const void *data, struct show_buf *out)
{
	uint64_t addr = word(data), proc = word((const uint8_t *)data + 8);
	char buf[SYMBOL_MAX];

	if (n->symbol && proc <= UINT32_MAX)
		show_buf_add(out, buf, n->symbol(n->arg, (uint32_t)proc, addr, buf, sizeof(buf)));
	else
		show_buf_printf(out, "0x%llx", (unsigned long long)addr);
}

void show_value(const struct show_names *n, const struct script_type *t, const void *data,
		struct show_buf *out)
{
	switch (t->kind) {
	case SCRIPT_INT:
		show_number((struct show_number){t->is_signed, word(data)}, out);
		break;
	case SCRIPT_STR:
		show_buf_add(out, data, strnlen(data, t->size));
		break;
	case SCRIPT_NAME:
		show_name(n, word(data), out);
		break;
	case SCRIPT_USYM:
		show_usym(n, data, out);
		break;
	default:
		break;
	}
}

void show_key(const struct show_names *n, const struct script_map *m, const void *key,
	      const char *sep, struct show_buf *out)
{
	const uint8_t *p = key;

	for (uint32_t i = 0; i < m->nkeys; i++) {
		if (i)
			show_buf_str(out, sep);
		show_value(n, &m->key[i], p, out);
		p += m->key[i].size;
	}
}

const char *show_rt_text(enum wire_rt_error kind)
{
	switch (kind) {
	case WIRE_RT_DIV_ZERO:
		return "division by zero: the result was taken as 1";
	case WIRE_RT_MAP_FULL:
		return "map full: updates of new keys were lost (see max_map_keys)";
	case WIRE_RT_BAD_ADDR:
		return "read at an address that cannot be read";
	default:
		return "unknown error";
	}
}

const struct show_ops *show_ops_find(const char *name)
{
	static const struct show_ops *const all[] = {&show_text, &show_json};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	}
	return NULL;
}

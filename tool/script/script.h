/* SPDX-License-Identifier: MIT */
/*
 * A compiled script: probes by name, programs, maps, and what each event means.
 *
 * Made by tool/lang; read by everything else in the tool. It names probes but resolves none.
 */
#ifndef SONDE_SCRIPT_SCRIPT_H
#define SONDE_SCRIPT_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/map.h"
#include "wire/prog.h"

enum script_type_kind {
	SCRIPT_NONE,
	SCRIPT_INT,  /* 8 bytes */
	SCRIPT_STR,  /* size bytes, zero-filled */
	SCRIPT_NAME, /* 8 bytes: string offset of the session (func, probe) */
	SCRIPT_USYM, /* 16 bytes: address, process index */
	SCRIPT_AGG,  /* a map's aggregation, wire_map.kind tells which */
};

struct script_type {
	enum script_type_kind kind;
	bool is_signed;
	uint32_t size; /* bytes in a key, value or payload; multiple of 8 */
};

/* A map. Keys lie one after the other in wire.key_size bytes, in the order of key[]. */
struct script_map {
	char *name;	      /* "@" or "@name" */
	struct wire_map wire; /* all but name and offsets filled in */
	struct script_type *key;
	uint32_t nkeys;
	struct script_type value; /* of a plain map */
};

enum script_event_kind {
	SCRIPT_EV_PRINTF,      /* format + args in payload */
	SCRIPT_EV_PRINT_MAP,   /* print(@m [, top [, div]]): map, payload: int64 top, int64 div */
	SCRIPT_EV_PRINT_VALUE, /* print(expr): one arg in payload */
	SCRIPT_EV_PRINT_ELEM,  /* print(@m[key]): map, payload: the key */
	SCRIPT_EV_CLEAR,       /* map */
	SCRIPT_EV_ZERO,	       /* map */
	SCRIPT_EV_DELETE,      /* delete of an aggregation's key: map, payload: the key */
	SCRIPT_EV_EXIT,	       /* payload: int64 exit code */
};

struct script_event {
	enum script_event_kind kind;
	uint32_t map;
	char *format; /* printf: text with escapes already translated */
	struct script_type *arg;
	uint32_t nargs; /* payload: args one after the other, arg[i].size bytes each */
};

enum script_probe_kind {
	SCRIPT_PROBE_BEGIN,
	SCRIPT_PROBE_END,
	SCRIPT_PROBE_INTERVAL,
	SCRIPT_PROBE_UPROBE,
};

/* One attach point. */
struct script_probe {
	enum script_probe_kind kind;
	char *text;	 /* as written, normalized: "uprobe:libc:malloc", "interval:s:1" */
	uint32_t prog;	 /* index of its block's program */
	uint64_t period; /* interval: ns */
	char *target;	 /* uprobe: binary as written */
	char *func;	 /* uprobe: function or pattern, NULL with an address */
	uint64_t offset; /* uprobe: func + offset, or the address */
	bool is_address;
	bool is_pattern; /* func holds * ? or [ */
	int line, col;	 /* where it stands, for messages */
};

struct script_prog {
	struct wire_insn *insn;
	uint32_t ninsn;
	uint32_t scratch_size;
	bool emits;	   /* has events: its threads need rings */
	uint32_t fast_map; /* see struct wire_prog */
};

struct script {
	struct script_probe *probe;
	uint32_t nprobes;
	struct script_prog *prog;
	uint32_t nprogs;
	struct script_map *map;
	uint32_t nmaps;
	struct script_event *event;
	uint32_t nevents;
};

#endif

/* SPDX-License-Identifier: MIT */
/*
 * From a script's probes to a running target: resolve names, plan sites, build the session,
 * launch. Everything that can be refused is refused here, before the target exists.
 */
#ifndef SONDE_ATTACH_ATTACH_H
#define SONDE_ATTACH_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "image/image.h"
#include "plan/plan.h"
#include "script/script.h"
#include "wire/session.h"

struct attach_action {
	uint32_t prog;
	bool is_explicit; /* named in the script, not matched by a pattern */
	char *func;	  /* the function's name */
	char *probe;	  /* "uprobe:/path:func" */
};

struct attach_site {
	struct plan_site plan;
	struct plan_site *alt; /* for class S1: the plan W, NULL if there is none */
	struct attach_action *action;
	uint32_t nactions;
};

struct attach_module {
	struct image *image;
	struct plan *plan;
	struct attach_site *site;
	uint32_t nsites;
};

struct attach_set {
	struct attach_module *module;
	uint32_t nmodules;
	uint32_t nprobes;  /* of the user: (site, action) pairs */
	uint32_t nrefused; /* matched by patterns, but no class fits */
};

struct attach_options {
	FILE *err;
	bool verbose;	     /* name every refused match and its reason */
	const char *program; /* path of the command to be run, or NULL */
};

/* Plan a site in the classes that the agent carries out. Errors as plan_site_in(). */
int attach_plan(struct plan *p, uint64_t vaddr, struct plan_site *out);

/* Resolve and plan all uprobes of @script. 0, or -1 after messages that name each problem. */
int attach_resolve(const struct script *script, const struct attach_options *opt,
		   struct attach_set **out);
void attach_set_free(struct attach_set *set);

/*
 * Can the agent enter @path? 0, or the reason: -ENOENT, -EACCES ..., SONDE_E_NOT_ELF,
 * SONDE_E_MACHINE, SONDE_E_STATIC, SONDE_E_SETUID, SONDE_E_LOADER. Scripts are followed to
 * their interpreter.
 */
int attach_can_enter(const char *path);

/* A command line split into words (quotes and backslash as in sh, nothing expanded).
 * NULL-terminated, free with attach_argv_free(); NULL with errno EINVAL: unbalanced quotes. */
char **attach_argv(const char *cmd);
void attach_argv_free(char **argv);
/* The file that execvp() would run for @name: 0, -ENOENT or -EACCES. */
int attach_which(const char *name, char *out, size_t size);

/* The session: a directory of its own with the agent and the shared file. */
struct attach_session {
	struct wire_session *mem;
	size_t size;
	int fd;
	char dir[128];
};

struct attach_session_options {
	const char *agent;  /* path of libsonde-agent.so */
	uint32_t ring_size; /* bytes of a thread's event ring */
	bool follow;
};

/* 0 or a negative errno. */
int attach_session_create(const struct script *script, const struct attach_set *set,
			  const struct attach_session_options *opt, struct attach_session *out);
void attach_session_destroy(struct attach_session *as);
/* Keep committed memory ahead of what has been handed out. 0 or a negative errno. */
int attach_session_commit(struct attach_session *as);
/* act_host.chunks for programs that run in the tool. */
uint32_t attach_session_chunks(struct wire_session *s, uint32_t n);

/* Run @argv (file @path) as a child with the session in its environment (@as may be NULL).
 * The child's pid, or a negative errno of fork or exec. */
pid_t attach_launch(const char *path, char **argv, const struct attach_session *as);

#endif

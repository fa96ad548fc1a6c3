/* SPDX-License-Identifier: MIT */
/*
 * Following programs that the target executes: a hit on libc's execve, execveat or fexecve makes
 * the call itself, with the agent's two variables appended to the environment it was given. If the
 * call fails the original function runs, and fails in the same way with nothing changed.
 *
 * Only programs that the agent can enter get the variables: ELF for x86-64 with glibc's loader,
 * not set-uid or set-gid, or a script whose interpreter is such a program. All others are
 * executed as if Sonde were not there.
 *
 * Context: hit; possibly a vfork child on a small stack, all signals blocked.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/mem.h"
#include "base/sys.h"
#include "hit/hit.h"

#define ENV_ON_STACK 1024 /* pointers: an environment up to this size is copied on the stack */
#define ENV_MAX (1 << 20)
#define INTERP_SIZE 256
#define PATH_LENGTH_MAX 4095
#define PRELOAD_MAX 65536
#define SCRIPT_DEPTH 4 /* interpreters that are scripts themselves; the kernel's limit is 5 */

#define PRELOAD "LD_PRELOAD="
static char var_preload[sizeof(((struct wire_session *)0)->agent_path) + 16];
static char var_session[sizeof(((struct wire_session *)0)->session_path) + 16];
static bool follow;

void agent_exec_init(const struct wire_session *s)
{
	size_t n;

	n = str_copy(var_preload, PRELOAD, sizeof(var_preload));
	str_copy(var_preload + n, s->agent_path, sizeof(var_preload) - n);
	n = str_copy(var_session, WIRE_ENV "=", sizeof(var_session));
	str_copy(var_session + n, s->session_path, sizeof(var_session) - n);
	follow = s->follow;
}

/* Does the program header table ask for glibc's loader? */
SONDE_HIT static bool elf_has_loader(int fd, const Elf64_Ehdr *eh)
{
	static const char loader[] = "ld-linux-x86-64.so.2";

	if (eh->e_phentsize != sizeof(Elf64_Phdr))
		return false;
	for (unsigned int i = 0; i < eh->e_phnum && i < 64; i++) {
		Elf64_Phdr ph;
		char tail[sizeof(loader)];

		if (sys4(SYS_pread64, fd, &ph, sizeof(ph), eh->e_phoff + i * sizeof(ph)) !=
		    (long)sizeof(ph))
			return false;
		if (ph.p_type != PT_INTERP || ph.p_filesz < sizeof(tail))
			continue;
		return sys4(SYS_pread64, fd, tail, sizeof(tail),
			    ph.p_offset + ph.p_filesz - sizeof(tail)) == (long)sizeof(tail) &&
		       mem_equal(tail, loader, sizeof(tail));
	}
	return false;
}

/* "#! /path arg" -> "/path" */
SONDE_HIT static bool script_interpreter(const char *head, size_t len, char *out)
{
	size_t i = 2, n = 0;

	while (i < len && (head[i] == ' ' || head[i] == '\t'))
		i++;
	while (i < len && n < INTERP_SIZE - 1 && head[i] != ' ' && head[i] != '\t' &&
	       head[i] != '\n' && head[i] != '\0')
		out[n++] = head[i++];
	out[n] = '\0';
	return n > 0 && i < len;
}

/* Can the agent enter what @fd holds? A script names the interpreter to look at instead. */
enum verdict { VERDICT_NO, VERDICT_YES, VERDICT_SCRIPT };

SONDE_HIT static enum verdict file_verdict(int fd, char *interp)
{
	union {
		Elf64_Ehdr eh;
		char text[INTERP_SIZE];
	} head;
	struct stat st;
	long n;

	if (sys2(SYS_fstat, fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_mode & (S_ISUID | S_ISGID))
		return VERDICT_NO;
	n = sys4(SYS_pread64, fd, &head, sizeof(head), 0);
	if (n > 2 && head.text[0] == '#' && head.text[1] == '!')
		return script_interpreter(head.text, (size_t)n, interp) ? VERDICT_SCRIPT
									: VERDICT_NO;
	if (n < (long)sizeof(head.eh) || !mem_equal(head.eh.e_ident, ELFMAG, SELFMAG) ||
	    head.eh.e_ident[EI_CLASS] != ELFCLASS64 || head.eh.e_machine != EM_X86_64)
		return VERDICT_NO;
	return elf_has_loader(fd, &head.eh) ? VERDICT_YES : VERDICT_NO;
}

/* Length of the string at @addr, -1 if it cannot be read or is longer than @max. */
SONDE_HIT static long string_length(uint64_t addr, long max)
{
	for (long n = 0; n <= max; n++) {
		char c;

		if (agent_read(&c, addr + (uint64_t)n, 1))
			return -1;
		if (!c)
			return n;
	}
	return -1;
}

SONDE_HIT static bool can_follow(int dirfd, const char *path, int flags)
{
	const struct wire_session *s = agent_self.session;
	char interp[INTERP_SIZE];

	if (!follow || load_relaxed(&s->state) == WIRE_ENDED)
		return false;
	if (string_length((uint64_t)path, PATH_LENGTH_MAX) < 0)
		return false; /* the kernel will say so */
	/* not where a chroot or another mount namespace hides us from the loader */
	if (sys3(SYS_faccessat, AT_FDCWD, s->agent_path, 4 /* R_OK */) < 0 ||
	    sys3(SYS_faccessat, AT_FDCWD, s->session_path, 6 /* R_OK | W_OK */) < 0)
		return false;
	for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
		bool own_fd = flags & AT_EMPTY_PATH && !path[0] && depth == 0;
		/* a fifo must not make us wait */
		long fd = own_fd ? dirfd
				 : sys4(SYS_openat, dirfd, path,
					O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
		enum verdict v;

		if (fd < 0)
			return false;
		v = file_verdict((int)fd, interp);
		if (!own_fd)
			sys1(SYS_close, fd);
		if (v != VERDICT_SCRIPT)
			return v == VERDICT_YES;
		path = interp;
		dirfd = AT_FDCWD;
	}
	return false;
}

struct exec_call {
	long nr; /* SYS_execve or SYS_execveat */
	int dirfd;
	const char *path;
	char *const *argv, *const *envp;
	int flags;
};

/*
 * Count the entries of @envp and find the program's own LD_PRELOAD (NULL if it has none; of several
 * the loader takes the last). The array is the program's and may be anything: false if the kernel
 * would not take it.
 */
SONDE_HIT static bool env_scan(char *const *envp, size_t *n, const char **preload)
{
	char *entry, head[sizeof(PRELOAD) - 1];

	*preload = NULL;
	for (*n = 0; envp && *n < ENV_MAX; (*n)++) {
		if (agent_read(&entry, (uint64_t)(envp + *n), sizeof(entry)))
			return false;
		if (!entry)
			return true;
		if (agent_read(head, (uint64_t)entry, 1))
			return false;
		if (head[0] == PRELOAD[0] && !agent_read(head, (uint64_t)entry, sizeof(head)) &&
		    mem_equal(head, PRELOAD, sizeof(head)))
			*preload = entry + sizeof(head);
	}
	return !envp;
}

/* @env has room for @n + 3 pointers, and behind them for our LD_PRELOAD and what @preload adds. */
SONDE_HIT static void exec_with(const struct exec_call *c, char **env, size_t n,
				const char *preload)
{
	char *var = (char *)(env + n + 3);
	size_t len;

	for (size_t i = 0; i < n; i++)
		env[i] = c->envp[i];
	env[n] = var_preload;
	if (preload && *preload) {
		len = str_copy(var, var_preload, sizeof(var_preload));
		var[len] = ':';
		str_copy(var + len + 1, preload, str_len(preload) + 1);
		env[n] = var;
	}
	env[n + 1] = var_session;
	env[n + 2] = NULL;
	if (c->nr == SYS_execve)
		sys3(SYS_execve, c->path, c->argv, env);
	else
		sys5(SYS_execveat, c->dirfd, c->path, c->argv, env, c->flags);
}

/* A frame of its own, so that only an exec pays for the array. */
SONDE_HIT __attribute__((noinline)) static void exec_on_stack(const struct exec_call *c, size_t n,
							      const char *preload)
{
	char *env[ENV_ON_STACK];

	exec_with(c, env, n, preload);
}

SONDE_HIT static void exec_follow(const struct exec_call *c)
{
	const char *preload;
	size_t n, size;
	char **env;
	long len;

	if (!can_follow(c->dirfd, c->path, c->flags) || !env_scan(c->envp, &n, &preload))
		return;
	len = preload ? string_length((uint64_t)preload, PRELOAD_MAX) : 0;
	if (len < 0)
		return;
	size = (n + 3) * sizeof(*env);
	size += preload ? sizeof(var_preload) + (size_t)len + 1 : 0;
	if (size <= ENV_ON_STACK * sizeof(*env)) {
		exec_on_stack(c, n, preload);
		return;
	}
	env = sys_map(size);
	if (env)
		exec_with(c, env, n, preload);
	sys_unmap(env, size);
}

SONDE_HIT void agent_exec_execve(struct wire_ctx *ctx)
{
	struct exec_call c = {.nr = SYS_execve, .dirfd = AT_FDCWD};

	c.path = (const char *)ctx->reg[0];
	c.argv = (char *const *)ctx->reg[1];
	c.envp = (char *const *)ctx->reg[2];
	exec_follow(&c);
}

SONDE_HIT void agent_exec_execveat(struct wire_ctx *ctx)
{
	struct exec_call c = {.nr = SYS_execveat, .dirfd = (int)ctx->reg[0]};

	c.path = (const char *)ctx->reg[1];
	c.argv = (char *const *)ctx->reg[2];
	c.envp = (char *const *)ctx->reg[3];
	c.flags = (int)ctx->reg[4];
	exec_follow(&c);
}

SONDE_HIT void agent_exec_fexecve(struct wire_ctx *ctx)
{
	struct exec_call c = {.nr = SYS_execveat, .dirfd = (int)ctx->reg[0], .path = ""};

	c.argv = (char *const *)ctx->reg[1];
	c.envp = (char *const *)ctx->reg[2];
	c.flags = AT_EMPTY_PATH;
	exec_follow(&c);
}

/*
 * The program is about to restrict its system calls. What a later claim or read of ours would call
 * may kill it then: this thread claims its record now, and from here on threads that have none
 * go unrecorded, which is counted.
 */
SONDE_HIT static void seal(bool strict)
{
	hit_thread();
	hit_rt.sealed = true;
	if (strict)
		hit_rt.no_calls = true;
}

/* prctl(PR_SET_NAME, name): the builtin comm follows without a system call per hit. */
SONDE_HIT static void set_name(uint64_t addr)
{
	struct hit_thread *t = hit_thread();
	char name[sizeof(t->act.comm)];

	if (!t)
		return;
	mem_zero(name, sizeof(name));
	/* a short string may end at the end of its page */
	for (unsigned int i = 0; i < sizeof(name) - 1; i++) {
		if (agent_read(&name[i], addr + i, 1) || !name[i])
			break;
	}
	mem_copy(t->act.comm, name, sizeof(name));
}

SONDE_HIT void agent_exec_prctl(struct wire_ctx *ctx)
{
	if (ctx->reg[0] == PR_SET_NAME)
		set_name(ctx->reg[1]);
	else if (ctx->reg[0] == PR_SET_SECCOMP)
		seal(ctx->reg[1] == SECCOMP_MODE_STRICT);
}

SONDE_HIT void agent_exec_syscall(struct wire_ctx *ctx)
{
	if (ctx->reg[0] == SYS_seccomp &&
	    (ctx->reg[1] == SECCOMP_SET_MODE_STRICT || ctx->reg[1] == SECCOMP_SET_MODE_FILTER))
		seal(ctx->reg[1] == SECCOMP_SET_MODE_STRICT);
}

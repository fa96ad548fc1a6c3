/* SPDX-License-Identifier: MIT */
/*
 * Start-up: from two environment variables to a mapped session, and no trace of the two.
 *
 * The tool appends LD_PRELOAD=<agent>[:...] and SONDE_SESSION=<file> behind the program's
 * environment. Both are removed before any code of the program looks: the pointer array ends before
 * them, the two slots become an auxiliary-vector entry of type AT_IGNORE (so that a walk from
 * environ to the vector still finds it, and nothing moves), and the strings are cleared.
 *
 * Context: the loader's start-up, one thread, no thread pointer (loader.c).
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/agent.h"
#include "arch/thread.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "hit/hit.h"
#include "text/text.h"

#define GO_WAIT_S 10 /* a tool that does not answer for so long is dead */

struct agent agent_self;

/* The loader's record of the initial stack: argc, argv, NULL, environ, NULL, auxv. */
extern void *__libc_stack_end;

static void stack_read(struct agent *a)
{
	char **p = __libc_stack_end;

	a->argc = (long)p[0];
	a->argv = p + 1;
	a->envp = a->argv + a->argc + 1;
	for (p = a->envp; *p; p++)
		;
	a->auxv = (uint64_t *)(p + 1);
}

static const char *env_value(const char *entry, const char *name)
{
	size_t n = str_len(name);

	return str_len(entry) > n && entry[n] == '=' && mem_equal(entry, name, n) ? entry + n + 1
										  : NULL;
}

/* Take the session's path out of the environment: 0 with the path copied, or -ENOENT. */
static int env_strip(struct agent *a, char *path, size_t size)
{
	char **end = a->envp, **preload, **session;
	const char *value;

	while (*end)
		end++;
	if (end - a->envp < 2)
		return -ENOENT;
	preload = end - 2;
	session = end - 1;
	value = env_value(*session, WIRE_ENV);
	if (!value || !env_value(*preload, "LD_PRELOAD"))
		return -ENOENT;
	str_copy(path, value, size);
	mem_zero(*preload, str_len(*preload));
	mem_zero(*session, str_len(*session));
	preload[0] = NULL;
	/* preload[1], preload[2] (the old end) are an entry before the vector now */
	((uint64_t *)preload)[1] = AT_IGNORE;
	((uint64_t *)preload)[2] = 0;
	return 0;
}

static void tell_tool(struct wire_session *s)
{
	fetch_add_acq_rel(&s->wake, 1);
	sys3(SYS_futex, &s->wake, FUTEX_WAKE, 1);
}

/* The first process waits for the tool's word; a tool that is gone does not hold it for ever. */
static void wait_go(struct wire_session *s)
{
	struct timespec timeout = {.tv_sec = GO_WAIT_S};

	while (!load_acquire(&s->go)) {
		if (sys4(SYS_futex, &s->go, FUTEX_WAIT, 0, &timeout) == -ETIMEDOUT)
			break;
	}
}

/* Say why nothing is probed here. The tool ends the first process before its main then. */
static void give_up(struct wire_session *s, int err)
{
	store_release(&s->agent_err, err);
	tell_tool(s);
	if (load_relaxed(&s->proc_next) <= 1)
		wait_go(s);
}

/* Not even the session can be mapped (an address-space limit): its header may. */
static void give_up_unmapped(int fd, int err)
{
	long p = sys6(SYS_mmap, 0, sizeof(struct wire_session), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);

	if (sys_failed(p))
		return;
	give_up((struct wire_session *)p, err);
	sys2(SYS_munmap, p, sizeof(struct wire_session));
}

static int session_map(struct agent *a, const char *path)
{
	long fd = sys4(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0), p;
	struct stat st;
	int err = SONDE_E_BAD_SESSION;

	if (fd < 0)
		return (int)fd;
	if (sys2(SYS_fstat, fd, &st) < 0 || (size_t)st.st_size < sizeof(struct wire_session))
		goto out;
	p = sys6(SYS_mmap, sys_far(0), st.st_size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (sys_failed(p)) {
		err = (int)p;
		give_up_unmapped((int)fd, err);
		goto out;
	}
	a->session = (struct wire_session *)p;
	err = wire_session_check(a->session, (uint64_t)st.st_size);
	if (err)
		sys2(SYS_munmap, p, st.st_size);
out:
	sys1(SYS_close, fd);
	return err;
}

/* Programs come from another process: none runs that this process has not checked. */
static int programs_verify(struct wire_session *s)
{
	void *work = sys_map(ACT_VERIFY_WORK);
	const char *why;
	uint32_t at;
	int err = work ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < s->progs.count; i++)
		err = act_verify(s, i, work, &at, &why);
	sys_unmap(work, ACT_VERIFY_WORK);
	return err;
}

static uint32_t host_cpu(void)
{
	return arch_cpu();
}

/* From a mapped session to a runtime that hits can use. */
static int runtime_start(struct agent *a)
{
	struct act_host host = {.session = a->session,
				.nsecs = agent_nsecs,
				.cpu = host_cpu,
				.read = agent_read,
				.chunks = agent_chunks};
	int err = programs_verify(a->session);

	if (err)
		return err;
	agent_clock_init(a->auxv);
	text_init();
	err = hit_init(&host);
	if (err)
		return err;
	hit_rt.own_proc = UINT32_MAX;
	a->proc = hit_proc();
	hit_rt.own_proc = a->proc;
	hit_rt.internal[WIRE_INTERNAL_EXECVE] = agent_exec_execve;
	hit_rt.internal[WIRE_INTERNAL_EXECVEAT] = agent_exec_execveat;
	hit_rt.internal[WIRE_INTERNAL_FEXECVE] = agent_exec_fexecve;
	hit_rt.internal[WIRE_INTERNAL_PRCTL] = agent_exec_prctl;
	hit_rt.internal[WIRE_INTERNAL_SYSCALL] = agent_exec_syscall;
	agent_exec_init(a->session);
	/* the main thread's record: claimed now, so that a seccomp filter set later does not matter
	 */
	return hit_boot() ? 0 : -ENOMEM;
}

int agent_start(void)
{
	struct agent *a = &agent_self;
	char path[sizeof(a->session->session_path)];
	int err;

	stack_read(a);
	err = env_strip(a, path, sizeof(path));
	if (!err)
		err = session_map(a, path);
	if (err)
		return err;
	if (load_relaxed(&a->session->state) == WIRE_ENDED)
		return -ESHUTDOWN;
	err = runtime_start(a);
	if (err)
		give_up(a->session, err);
	return err;
}

void agent_announce(void)
{
	struct agent *a = &agent_self;
	struct wire_session *s = a->session;

	store_release(&wire_elem(s, procs, struct wire_proc, a->proc)->state, WIRE_PROC_READY);
	tell_tool(s);
	if (a->proc == 0)
		wait_go(s);
}

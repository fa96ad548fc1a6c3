/* SPDX-License-Identifier: MIT */
/*
 * What is known of a program's branches, against what it does: runs programs instruction by
 * instruction and asks of each step in the image of interest whether planning knew of it.
 *
 *  - an indirect jump, or a return from elsewhere that is none (a landing pad), leads where
 *    something is known to lead;
 *  - what leaves a function is one of its exits.
 *
 * Arguments: programs. STEPS limits the steps of each.
 */
#include <elf.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "arch/arch.h"
#include "base/base.h"
#include "base/err.h"
#include "plan/flow.h"
#include "plan/plan.h"

#define STEPS 150000

static char **programs;
static int nprograms;

struct run {
	pid_t pid;
	struct image *img;
	struct plan *plan;
	struct flow flow;
	uint64_t bias;
	struct plan_exits exits; /* of the function at exits_of */
	uint64_t exits_of;
	int exits_err;
	/* what was seen */
	size_t jumps, landings, exits_seen;
};

static uint64_t auxv(pid_t pid, uint64_t type)
{
	char path[64];
	Elf64_auxv_t v;
	uint64_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (!value && fread(&v, sizeof(v), 1, f) == 1)
		value = v.a_type == type ? v.a_un.a_val : 0;
	fclose(f);
	return value;
}

static void wait_stop(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
}

/* Run to the program's own start: the loader's work takes longer than all the rest. */
static void start(struct run *r, const char *path)
{
	uint64_t entry, phdr;
	struct user_regs_struct regs;
	Elf64_Ehdr eh;
	FILE *f = fopen(path, "r");
	long word;

	assert_non_null(f);
	assert_int_equal(fread(&eh, sizeof(eh), 1, f), 1);
	fclose(f);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (!r->pid) {
		assert_non_null(freopen("/dev/null", "r", stdin));
		assert_non_null(freopen("/dev/null", "w", stdout));
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	wait_stop(r->pid);
	entry = auxv(r->pid, AT_ENTRY);
	phdr = auxv(r->pid, AT_PHDR);
	assert_true(entry && phdr);
	r->bias = entry - eh.e_entry;
	word = ptrace(PTRACE_PEEKTEXT, r->pid, entry, NULL);
	ptrace(PTRACE_POKETEXT, r->pid, entry, (word & ~0xffl) | 0xcc);
	ptrace(PTRACE_CONT, r->pid, NULL, NULL);
	wait_stop(r->pid);
	ptrace(PTRACE_POKETEXT, r->pid, entry, word);
	assert_int_equal(ptrace(PTRACE_GETREGS, r->pid, NULL, &regs), 0);
	assert_int_equal(regs.rip, entry + 1);
	regs.rip = entry;
	ptrace(PTRACE_SETREGS, r->pid, NULL, &regs);
}

static bool is_in(const struct run *r, uint64_t vaddr)
{
	struct image_range text;

	return image_text(r->img, vaddr, &text);
}

/* A name or the start of a function: others may have got it from the loader. */
static bool is_start(const struct run *r, uint64_t vaddr)
{
	struct image_range b;
	const struct image_func *f = image_symbolize(r->img, vaddr);

	return (image_bound(r->img, vaddr, &b) && b.start == vaddr) || (f && f->vaddr == vaddr);
}

static bool is_known(const struct run *r, uint64_t vaddr)
{
	return is_start(r, vaddr) || flow_leads_into(&r->flow, vaddr, vaddr + 1);
}

/* The instruction before @vaddr is a call. */
static bool is_return_address(const struct run *r, uint64_t vaddr)
{
	for (unsigned back = 2; back < 9; back++) {
		uint8_t code[ARCH_INSN_MAX];
		struct arch_insn in;
		size_t n = image_bytes(r->img, vaddr - back, code, sizeof(code));

		if (!arch_decode(code, n, vaddr - back, &in) && in.len == back &&
		    (in.kind == ARCH_CALL || in.kind == ARCH_CALL_IND))
			return true;
	}
	return false;
}

/* The linker's table of stubs: each is a function of its own. */
static bool is_stub(const struct run *r, uint64_t vaddr)
{
	uint8_t code[ARCH_INSN_MAX];
	struct arch_insn in;

	return !arch_decode(code, image_bytes(r->img, vaddr, code, sizeof(code)), vaddr, &in) &&
	       in.kind == ARCH_JMP_IND && in.has_target;
}

/* @from leaves its function for @to. */
static void check_exit(struct run *r, uint64_t from, uint64_t to)
{
	struct image_range b, c;

	if (!image_bound(r->img, from, &b) || plan_is_part(r->plan, b.start) || is_stub(r, from))
		return;
	/* into a part of the same */
	if (is_in(r, to) && image_bound(r->img, to, &c) &&
	    (plan_is_part(r->plan, c.start) || (c.start == b.start && to != c.start)))
		return;
	if (r->exits_of != b.start)
		r->exits_err = plan_exits_find(r->plan, b.start, &r->exits);
	r->exits_of = b.start;
	if (r->exits_err)
		return;
	for (size_t i = 0; i < r->exits.n; i++) {
		if (r->exits.exit[i].vaddr == from) {
			r->exits_seen++;
			return;
		}
	}
	fail_msg("%#lx leaves the function at %#lx for %#lx: an exit not known", from, b.start, to);
}

static void check_step(struct run *r, uint64_t from, uint64_t to)
{
	uint8_t code[ARCH_INSN_MAX];
	struct arch_insn in;
	struct image_range b;

	if (!is_in(r, from)) {
		if (!is_in(r, to) || is_start(r, to) || is_return_address(r, to))
			return;
		if (!is_known(r, to))
			fail_msg("entered at %#lx, where nothing leads", to);
		r->landings++;
		return;
	}
	if (arch_decode(code, image_bytes(r->img, from, code, sizeof(code)), from, &in) ||
	    to == from + in.len)
		return;
	if (in.kind == ARCH_JMP_IND && is_in(r, to)) {
		if (!is_known(r, to))
			fail_msg("%#lx jumps to %#lx, where nothing leads", from, to);
		r->jumps++;
	}
	if (in.kind == ARCH_RET)
		check_exit(r, from, to);
	else if ((in.kind == ARCH_JMP || in.kind == ARCH_JMP_IND) &&
		 image_bound(r->img, from, &b) && !(to >= b.start && to < b.end))
		check_exit(r, from, to);
}

static void step(struct run *r)
{
	const char *limit = getenv("STEPS");
	size_t steps = limit ? strtoul(limit, NULL, 10) : STEPS;
	uint64_t from = 0;

	for (size_t i = 0; i < steps; i++) {
		uint64_t at;
		int status;

		ptrace(PTRACE_SINGLESTEP, r->pid, NULL, NULL);
		assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return;
		}
		assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
		at = (uint64_t)ptrace(PTRACE_PEEKUSER, r->pid, offsetof(struct user, regs.rip),
				      NULL) -
		     r->bias;
		if (from)
			check_step(r, from, at);
		from = at;
	}
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
}

static void one_program(const char *path)
{
	struct run r = {0};

	assert_int_equal(image_open(path, &r.img), 0);
	assert_int_equal(plan_open(r.img, &r.plan), 0);
	assert_int_equal(flow_read(r.img, &r.flow), 0);
	start(&r, path);
	step(&r);
	printf("%s: %zu indirect jumps, %zu landings, %zu exits\n", path, r.jumps, r.landings,
	       r.exits_seen);
	assert_true(r.exits_seen > 20);
	if (strstr(path, "switch"))
		assert_true(r.jumps > 20);
	if (strstr(path, "throw"))
		assert_true(r.landings > 5);
	plan_exits_free(&r.exits);
	flow_free(&r.flow);
	plan_close(r.plan);
	image_close(r.img);
}

static void all_programs(void **state)
{
	(void)state;
	for (int i = 0; i < nprograms; i++) {
		if (access(programs[i], X_OK) == 0)
			one_program(programs[i]);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(all_programs)};

	programs = argv + 1;
	nprograms = argc - 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

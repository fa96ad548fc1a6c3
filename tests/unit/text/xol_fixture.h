/* SPDX-License-Identifier: MIT */
/*
 * A trap path in small: functions whose first instruction is replaced by int3, and a handler that
 * sends each thread that traps there to a slot, as the real one does, with signals blocked.
 */
#ifndef TEST_TEXT_XOL_FIXTURE_H
#define TEST_TEXT_XOL_FIXTURE_H

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "maps.h"
#include "text/text.h"
#include "text/xol_state.h"

#define STRIDE 64 /* bytes of a function */
#define MAX_SITES 64
#define CHILD_SECONDS 60

/* For other threads and children: no longjmp out of there. */
#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct site {
	struct text_xol_insn insn;
	struct arch_slot slot;
	struct text_xol_area *area;
};

static struct {
	uint8_t *code; /* of all functions */
	uint32_t n;
	struct site site[MAX_SITES];
	struct text_xol_area *area; /* for new sites; NULL: one near the code, of the usual size */
	uint32_t limit;		    /* of that one */
	bool far;
	bool step; /* single-step through slots */
	void (*stepped)(ucontext_t *uc);
} fix;

static __thread uint64_t trap_sp; /* of the last trap */

static inline uint64_t *reg(ucontext_t *uc, int which)
{
	return (uint64_t *)&uc->uc_mcontext.gregs[which];
}

static inline bool in_slot(uint64_t ip)
{
	for (struct text_xol_area *a = xol_rt.areas; a; a = a->next) {
		if (ip - a->code < (uint64_t)a->capacity * ARCH_SLOT_SIZE)
			return true;
	}
	return false;
}

static inline uint64_t stack_of(ucontext_t *uc)
{
	uint64_t low = (uint64_t)uc->uc_stack.ss_sp, sp = *reg(uc, REG_RSP);

	return sp - low < uc->uc_stack.ss_size ? low : 0;
}

#define TF 0x100

static inline void on_trap(int sig, siginfo_t *si, void *arg)
{
	ucontext_t *uc = arg;
	uint64_t at = *reg(uc, REG_RIP) - 1 - (uint64_t)fix.code;
	struct site *s = &fix.site[at / STRIDE];

	(void)sig;
	if (si->si_code == TRAP_TRACE) {
		if (!in_slot(*reg(uc, REG_RIP)))
			*reg(uc, REG_EFL) &= ~(uint64_t)TF;
		else if (fix.stepped)
			fix.stepped(uc);
		return;
	}
	CHECK(at % STRIDE == 0 && at / STRIDE < fix.n);
	trap_sp = *reg(uc, REG_RSP);
	*reg(uc, REG_RIP) = text_xol_get(s->area, &s->insn, trap_sp, stack_of(uc));
	CHECK(*reg(uc, REG_RIP));
	if (fix.step) {
		*reg(uc, REG_EFL) |= TF;
		if (fix.stepped)
			fix.stepped(uc);
	}
}

static inline void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	if (sig == SIGTRAP) {
		sigfillset(&sa.sa_mask);
		sigdelset(&sa.sa_mask, SIGTRAP); /* nested traps; blocked, they kill */
	}
	sigaction(sig, &sa, NULL);
}

/* Everything anew; areas that were stay, unused. */
static inline int setup(void **state)
{
	(void)state;
	memset(&fix, 0, sizeof(fix));
	fix.code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	handle(SIGTRAP, on_trap, SA_NODEFER);
	alarm(250);
	return fix.code == MAP_FAILED;
}

/* An area that looks as if nobody had been there. */
static inline void use_limit(uint32_t limit)
{
	assert_int_equal(
		text_xol_open((uint64_t)fix.code, (uint64_t)fix.code + 4096, limit, &fix.area), 0);
	assert_int_equal(fix.area->limit, limit);
	fix.area->capacity = (uint32_t)ALIGN_UP(2 * limit, 32);
	/* what earlier tests did there with instructions that are others now */
	for (uint32_t i = 0; i < fix.area->used; i++) {
		store_relaxed(&fix.area->slot[i].word, (uint64_t)0);
		fix.area->slot[i].insn = NULL;
		fix.area->slot[i].made = false;
	}
	fix.area->used = 0;
}

/* The same without a reserve: patience must not end on a busy machine. */
static inline void use_only(uint32_t limit)
{
	use_limit(limit);
	fix.area->capacity = limit;
}

/* A function: @insn, which is displaced, then @rest, then ret. Its address. */
static inline uint64_t function(const char *insn, size_t n, const char *rest, size_t nrest)
{
	struct site *s = &fix.site[fix.n];
	uint8_t *at = fix.code + STRIDE * fix.n;

	if (!fix.area)
		use_limit(64);
	mprotect(fix.code, 4096, PROT_READ | PROT_WRITE);
	memcpy(at, insn, n);
	memcpy(at + n, rest, nrest);
	at[n + nrest] = 0xc3;
	assert_int_equal(arch_emit_slot(at, n, (uint64_t)at - 0x1000, fix.far, &s->slot), 0);
	at[0] = 0xcc;
	mprotect(fix.code, 4096, PROT_READ | PROT_EXEC);
	s->insn = (struct text_xol_insn){
		.ip = (uint64_t)at,
		.next = (uint64_t)at + n,
		.bias = 0x1000,
		.code = s->slot.code.code,
		.fix = s->slot.code.fix,
		.len = (uint8_t)s->slot.code.len,
		.nfix = (uint8_t)s->slot.code.nfix,
		.done = s->slot.done,
		.moves_stack = s->slot.moves_stack,
	};
	s->area = fix.area;
	assert_int_equal(text_xol_fits(s->area, &s->insn), 0);
	fix.n++;
	return (uint64_t)at;
}

typedef uint64_t fn(void *arg, uint64_t value);

/* lock xadd %rsi, (%rdi); mov %rsi, %rax: adds, returns what was there */
static inline fn *adder(void)
{
	return (fn *)function("\xf0\x48\x0f\xc1\x37", 5, "\x48\x89\xf0", 3);
}

/* lock addq $@k, (%rdi) */
static inline fn *counter(char k)
{
	char insn[] = {(char)0xf0, 0x48, (char)0x83, 0x07, k};

	return (fn *)function(insn, sizeof(insn), "", 0);
}

/* crc32q (%rdi), %rsi; mov %rsi, %rax: faults where there is nothing to read, changes no flags */
static inline fn *reader(void)
{
	return (fn *)function("\xf2\x48\x0f\x38\xf1\x37", 6, "\x48\x89\xf0", 3);
}

static inline uint32_t busy_slots(const struct text_xol_area *area)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < area->used; i++)
		n += xol_state_of(load_acquire(&area->slot[i].word)) != XOL_PARKED &&
		     load_acquire(&area->slot[i].word);
	return n;
}

static inline void sleep_ms(unsigned int ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	while (nanosleep(&ts, &ts))
		;
}

static inline void run(pthread_t *t, void *(*start)(void *), void *arg)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	CHECK(pthread_create(t, &attr, start, arg) == 0);
	pthread_attr_destroy(&attr);
}

static inline void *in_thread(void *(*start)(void *), void *arg)
{
	void *result;
	pthread_t t;

	run(&t, start, arg);
	pthread_join(t, &result);
	return result;
}

/* 0 if the child has ended well. */
static inline int child_end(pid_t pid)
{
	int status = -1;

	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

/*
 * A place to be inside a slot: a page that cannot be read. Who reads it by a reader() faults in its
 * slot, and stays there, in the handler, until gate_open(). What the handler does there:
 * gate.within.
 */
static struct {
	void *page;
	uint32_t inside, open;
	void (*within)(ucontext_t *uc);
} gate;

static inline void on_fault(int sig, siginfo_t *si, void *arg)
{
	/* (what is put there once we are known to be inside is not meant for us) */
	void (*within)(ucontext_t *) = load_acquire(&gate.within);

	(void)sig;
	CHECK(si->si_addr == gate.page);
	__atomic_fetch_add(&gate.inside, 1, __ATOMIC_ACQ_REL);
	if (within)
		within(arg);
	while (!load_acquire(&gate.open))
		usleep(200);
	mprotect(gate.page, 4096, PROT_READ | PROT_WRITE);
}

static inline void gate_close(int flags)
{
	if (gate.page)
		munmap(gate.page, 4096);
	memset(&gate, 0, sizeof(gate));
	gate.page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	handle(SIGSEGV, on_fault, SA_NODEFER | flags);
}

static inline void gate_open(void)
{
	store_release(&gate.open, 1u);
}

static inline void gate_wait(uint32_t n)
{
	while (load_acquire(&gate.inside) < n)
		sched_yield();
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

#endif

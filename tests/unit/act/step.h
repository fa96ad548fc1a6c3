/* SPDX-License-Identifier: MIT */
/*
 * A signal at every instruction: run an operation with the processor's trap flag set, and let the
 * handler do another operation at the n-th instruction, for every n until the operation is over.
 *
 * This is each nesting of the two that a thread and its handler can have. Nothing is random.
 */
#ifndef SONDE_TESTS_ACT_STEP_H
#define SONDE_TESTS_ACT_STEP_H

#include <signal.h>
#include <ucontext.h>

#define STEP_TRAP_FLAG 0x100

struct step {
	void (*prepare)(void); /* before each run, not interrupted */
	void (*outer)(void);
	void (*nested)(void); /* once in the middle of outer, and after it when n is beyond it */
	void (*check)(void);  /* after each run */
};

static const struct step *step_now;
static volatile long step_at, step_count;

static inline void step_on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	if (step_count++ != step_at)
		return;
	uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)STEP_TRAP_FLAG;
	step_now->nested();
}

/* Both in one place, so that few instructions but outer's are stepped through. */
static inline void step_outer(void (*outer)(void))
{
	__asm__ volatile("pushfq; orq %0, (%%rsp); popfq" : : "i"(STEP_TRAP_FLAG) : "cc", "memory");
	outer();
	__asm__ volatile("pushfq; andq %0, (%%rsp); popfq"
			 :
			 : "i"(~STEP_TRAP_FLAG)
			 : "cc", "memory");
}

/* Returns how many instructions were tried. */
static inline long step_through(const struct step *s)
{
	struct sigaction sa = {.sa_sigaction = step_on_trap, .sa_flags = SA_SIGINFO}, old;

	step_now = s;
	sigaction(SIGTRAP, &sa, &old);
	for (step_at = 0;; step_at++) {
		s->prepare();
		step_count = 0;
		step_outer(s->outer);
		if (step_count <= step_at)
			break; /* outer was over before */
		s->check();
	}
	sigaction(SIGTRAP, &old, NULL);
	return step_at;
}

#endif

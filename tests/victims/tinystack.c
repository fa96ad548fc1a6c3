/* SPDX-License-Identifier: MIT */
/*
 * How much stack does a hit need? work() is called on the smallest stacks that programs use: a
 * thread of PTHREAD_STACK_MIN, a coroutine of 4 KiB, a handler on the smallest signal stack.
 */
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <ucontext.h>

#define COROUTINE_STACK 4096

static ucontext_t back, forth;
static _Alignas(64) char stack[COROUTINE_STACK];

__attribute__((noinline)) long work(long i)
{
	__asm__ volatile("" ::: "memory");
	return i * 3 + 1;
}

static void *in_thread(void *arg)
{
	work(1);
	return arg;
}

static void in_coroutine(void)
{
	for (int i = 0; i < 10; i++)
		work(i);
}

static void on_signal(int sig)
{
	work(sig);
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	size_t least = getauxval(AT_MINSIGSTKSZ);
	stack_t alt = {.ss_size = (least ? least : 2048) + 1024};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
	if (pthread_create(&thread, &attr, in_thread, NULL) || pthread_join(thread, NULL))
		return 1;

	getcontext(&forth);
	forth.uc_stack.ss_sp = stack;
	forth.uc_stack.ss_size = sizeof(stack);
	forth.uc_link = &back;
	makecontext(&forth, in_coroutine, 0);
	if (swapcontext(&back, &forth))
		return 1;

	alt.ss_sp = malloc(alt.ss_size);
	if (!alt.ss_sp || sigaltstack(&alt, NULL) || sigaction(SIGUSR1, &sa, NULL) ||
	    raise(SIGUSR1))
		return 1;
	puts("12");
	return 0;
}

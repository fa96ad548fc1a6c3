/* SPDX-License-Identifier: MIT */
/*
 * Grace-period domains: look at shared objects without a lock, free them when nobody looks any
 * more.
 *
 * A reader brackets its look by sonde_domain_enter() and sonde_domain_leave(): a section. A writer
 * unlinks an object, so that no new reader can find it, waits for a grace period of the domain, and
 * frees it. (Readers fetch the pointer by an acquire load, writers publish by a release store.)
 *
 * Guarantees
 *  1. Safety. When a grace period that began after an object was unlinked has ended, every section
 *     that could have found the object has ended, and all it did happens before what the writer
 * does next.
 *  2. Independence. A grace period of one domain never waits for readers of another.
 *  3. Readers pay nothing for writers: no lock, no allocation, no atomic read-modify-write, no
 *     write to a line that another thread writes, no system call after a thread's first section,
 *     and no fence where membarrier(2) works (one full fence at entering where it does not).
 *  4. Any thread, any time. A section may be entered in a thread the library has never seen, in
 *     signal handlers on any stack (also one that interrupts any of these calls), inside malloc,
 * the dynamic loader, pthread functions, with every signal blocked. A thread's first section makes
 *     a few system calls and is as signal-safe as the others.
 *  5. Sections nest (65 535 deep), overlap with those of other domains in any order, and may block.
 *  6. Nobody who is gone is waited for: not a thread that ended inside a section, by any way; not,
 *     in a forked child, the threads of the parent.
 *
 * Contexts                    any thread   signal handler   inside a section of the domain
 *   enter leave depth unwind      yes           yes              yes
 *   cookie poll call              yes           yes              yes (poll: false for a cookie
 *                                                                taken inside, while inside)
 *   readers                       yes           yes              yes
 *   run                           yes        callbacks decide    yes
 *   wait synchronize barrier      yes           no               -EDEADLK
 *   create destroy worker         yes           no               destroy: -EDEADLK
 *
 * Processes. fork(): the child has the domains, cookies stay meaningful, calls that were queued
 * are queued in the child, too (those that were just then being run by another thread never run
 * there: what they would free stays allocated). A section that the forking thread is in goes on
 * in the child. A child made by the bare system call (clone without CLONE_VM) may use all but a
 * section that was open across it: that one is over there. vfork(): the child may enter sections
 * and wait, its polls push nothing on; it is counted as the thread it suspends; if it dies inside a
 * section, sonde_domain_unwind() repairs the parent. A thread that shares another's thread-local
 * storage while both run (clone with CLONE_VM without CLONE_SETTLS) must not enter sections.
 *
 * Unloading. A library that queues callbacks calls sonde_domain_barrier() before it is unloaded,
 * and leaves no thread inside a section. libsonde itself is never unloaded (dlclose does nothing).
 *
 * Limits. SONDE_DOMAINS_MAX domains at a time in a process; 65 536 threads with a record (from the
 * 65 537th on that are alive at once, sections count in a word that such threads share: slower,
 * still right, but one that dies inside keeps the domain's grace periods from ending); 2^48 grace
 * periods. Linux 4.14 or later.
 *
 * Semantics follow SRCU and polled grace periods of the Linux kernel (Documentation/RCU) and
 * liburcu's call_rcu; the text is doc/DECISIONS.md, "Grace periods", with the reasons for one of
 * our own.
 */
#ifndef SONDE_DOMAIN_H
#define SONDE_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sonde/reader.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define SONDE_DOMAIN_NAME_MAX 32
#define SONDE_FOREVER UINT64_MAX

/* A thread that is inside a section. */
struct sonde_reader_info {
	const struct sonde_domain *domain;
	const char *domain_name;
	int32_t tid;	/* 0: one or more threads that have no record (see Limits) */
	uint32_t depth; /* sections it is in, nested */
	uint64_t ns;	/* inside for at least so long: since the first grace period that saw it */
};

struct sonde_domain_options {
	size_t sz;	  /* sizeof(struct sonde_domain_options) */
	const char *name; /* copied, cut to SONDE_DOMAIN_NAME_MAX - 1 bytes; NULL: "domain" */
	/* A wait that takes longer than this many nanoseconds calls stalled() once for each reader
	 * it waits for, in the waiting thread. 0 or NULL: never. */
	uint64_t stall_ns;
	void (*stalled)(const struct sonde_reader_info *reader, void *arg);
	void *arg;
};

/*
 * Make a domain. @options may be NULL. 0; -EINVAL (sz is wrong); -ENOSPC (SONDE_DOMAINS_MAX are in
 * use); -ENOMEM; -ENOSYS (the kernel has no MADV_WIPEONFORK).
 */
int sonde_domain_create(struct sonde_domain **out, const struct sonde_domain_options *options);

/*
 * Wait for a grace period, run what is queued, give the domain back. Nobody may use it afterwards.
 * 0; -EDEADLK (the calling thread is inside a section of it); -EBUSY (its worker is running: stop
 * it first); the errors of sonde_domain_barrier().
 */
int sonde_domain_destroy(struct sonde_domain *d);

/* How many sections of @d the calling thread is in. */
unsigned int sonde_domain_depth(const struct sonde_domain *d);

/*
 * After control has left sections sideways (longjmp, an exception through C code): the calling
 * thread is in @depth sections from now on, a number that sonde_domain_depth() gave before, at the
 * place that control has come to. More than it is in changes nothing.
 */
void sonde_domain_unwind(const struct sonde_domain *d, unsigned int depth);

/*
 * Wait for a grace period that begins after the call. 0; -EDEADLK (the calling thread is inside a
 * section of the domain, it would wait for itself); -EPERM or -ENOSYS (membarrier worked when the
 * first domain was made and has been taken away since, by a seccomp filter: nothing that was
 * unlinked may be freed any more).
 */
int sonde_domain_synchronize(struct sonde_domain *d);

/* The same for @n domains at once, at the cost of one. */
int sonde_domains_synchronize(struct sonde_domain *const *d, size_t n);

/*
 * A grace period that begins after now has this number or a higher one. Good for every domain
 * (numbers are common to all), comparable: of two cookies the lower was taken earlier. Never 0.
 */
uint64_t sonde_domain_cookie(struct sonde_domain *d);

/*
 * Has a grace period of @d that began after @cookie was taken ended? Never waits; pushes the matter
 * on instead: begins a grace period if there is none, looks at the readers once. Ask again later.
 */
bool sonde_domain_poll(struct sonde_domain *d, uint64_t cookie);

/*
 * Wait until it has. At most @timeout_ns nanoseconds: -ETIMEDOUT (a reader is stalled;
 * sonde_domain_readers() names it). Other errors as sonde_domain_synchronize().
 */
int sonde_domain_wait(struct sonde_domain *d, uint64_t cookie, uint64_t timeout_ns);
int sonde_domains_wait(struct sonde_domain *const *d, size_t n, uint64_t cookie,
		       uint64_t timeout_ns);

/*
 * A callback in the making. The caller provides the memory, usually as a member of what is to be
 * freed. It must not be what a reader follows to its next object: a reader may stand on a node that
 * was unlinked and is queued here, and goes on from it.
 */
struct sonde_deferred {
	struct sonde_deferred *next;
	void (*run)(struct sonde_deferred *self);
	uint64_t cookie;
};

/*
 * Call @run(@node) some time after a grace period that begins after now. Never waits, takes no
 * lock, allocates nothing. Callbacks run in the order they were queued, in a thread that calls
 * sonde_domain_run(), _barrier() or _destroy(), or in the domain's worker; never in a reader. They
 * may call everything but what waits.
 */
void sonde_domain_call(struct sonde_domain *d, struct sonde_deferred *node,
		       void (*run)(struct sonde_deferred *self));

/* Run the callbacks whose grace periods have ended; how many. Never waits. 0 as well when another
 * thread is at it. */
size_t sonde_domain_run(struct sonde_domain *d);

/* Wait until all that was queued before the call has run. Errors as sonde_domain_synchronize(); and
 * -EBUSY in a vfork child, which runs no callbacks. */
int sonde_domain_barrier(struct sonde_domain *d);

/*
 * Start or stop a thread that runs the domain's callbacks by itself; all signals are blocked in it.
 * Stopping waits for the callbacks that are queued. It does not exist in a forked child: start it
 * anew there. 0; -EALREADY; -EDEADLK (stopping inside a section of the domain); the errors of
 * pthread_create(3), negative.
 */
int sonde_domain_worker_start(struct sonde_domain *d);
int sonde_domain_worker_stop(struct sonde_domain *d);

/* The first @max threads that are inside sections of @d, in @out; how many there are in all. */
size_t sonde_domain_readers(struct sonde_domain *d, struct sonde_reader_info *out, size_t max);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

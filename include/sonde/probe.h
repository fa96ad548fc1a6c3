/* SPDX-License-Identifier: MIT */
/*
 * Probes in the calling process: a function of yours is called whenever a thread executes a certain
 * instruction. Placed and removed while all threads run on; none is stopped, nothing traps.
 *
 *	static int entry(struct sonde_hit *hit, void *data) { ...; return SONDE_KEEP; }
 *
 *	struct sonde_probe_spec spec = {.sz = sizeof(spec), .path = "libz", .symbol = "inflate",
 *					.entry = entry};
 *	struct sonde_probe *probe;
 *	int err = sonde_probes_register(&spec, 1, &probe, NULL);
 *	...
 *	sonde_probes_unregister(&probe, 1);
 *
 * Guarantees
 *  1. All or nothing. A batch that fails leaves no probe behind and no handler running; the reason
 *     is reported for every element.
 *  2. When a call that registers or enables has returned, every execution of the instruction that
 *     begins afterwards, in any thread, runs the handler or is counted as missed.
 *  3. When sonde_probes_unregister() or sonde_probes_sync() has returned, no handler of a probe
 *     unregistered before runs or will run: its data may be freed.
 *  4. The program does not notice: general registers, flags, vector registers, the red zone, errno
 *     and the code's bytes (after the last probe there is gone) are as they were; but for what
 *     handlers change on purpose.
 *  5. A hit takes no lock, allocates nothing, makes no system call after a thread's first hit
 *     and writes no memory that other threads write; what the handler does is its own.
 *
 * Handlers run in the thread that hit, before the instruction, on its stack, in whatever it was
 * doing: with the locks it holds, maybe inside malloc or a signal handler. Several probes at one
 * instruction run in the order they were registered. A handler must return: it must not be left by
 * longjmp() or an exception.
 *
 * A hit while the same thread is inside a handler (because the handler calls a probed function, or
 * in a signal handler that interrupts one) runs no handler: it is missed, and counted in each probe
 * that is enabled there. So is a hit in the short time in which this library changes probes.
 *
 * Contexts                     any thread   signal handler   inside a probe's handler
 *   register                     yes            no             -EDEADLK
 *   unregister sync              yes            no             -EDEADLK
 *   unregister_nosync disable    yes            no             yes
 *   enable                       yes            no             yes (1)
 *   info list missed             yes            no             yes
 * (1) It takes the dynamic loader's lock: not in a handler that can run under a lock which a thread
 *     takes while it opens or closes a library, such as the allocator's.
 * A handler with SONDE_PROBE_INTEGER_ONLY calls none of these.
 *
 * Stack. A hit needs about 600 bytes of the stack that the probed code runs on, and as much again
 * as the vector registers have (about 1 KiB with AVX, 3 KiB with AVX-512) if a handler there may
 * use them; and what the handlers take.
 *
 * Processes. A child of fork() has all probes, live, and may unregister them; its and its parent's
 * are apart from then on. In a child of vfork() or of a bare clone() hits work; probes must not be
 * registered or unregistered there.
 *
 * Images that are closed (dlclose) take their probes with them: these stay registered and
 * never hit again, also when the image is opened anew. It is noticed at the next call that
 * registers, enables, disables or unregisters. Do not close an image while another thread is in
 * one of these calls for it. Code that a probe has led to is kept for ever, in case a thread is in
 * it; the same probe later uses it again.
 *
 * Not for: this library's own code. It is linked with -z nodelete: it never goes away.
 *
 * Semantics follow uprobe consumers of the Linux kernel where there is no reason against it.
 */
#ifndef SONDE_PROBE_H
#define SONDE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sonde/err.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct sonde_probe; /* opaque: from sonde_probes_register() to unregistering */

/*
 * What a handler sees: the program's registers before the probed instruction, integer arguments
 * first. All may be changed, and the program goes on with what they are then, but for rsp. Of
 * rflags the arithmetic flags, DF and AC count. A changed rip is where execution goes on; the
 * probed instruction is not executed then.
 */
struct sonde_hit {
	uint64_t rdi, rsi, rdx, rcx, r8, r9;
	uint64_t rax, rbx, rbp, r10, r11, r12, r13, r14, r15;
	uint64_t rflags;
	uint64_t rsp; /* read only */
	uint64_t rip;
	struct sonde_probe *probe; /* whose handler this is; read only */
	uint64_t reserved[3];
};

/* What a handler returns. Other values mean SONDE_KEEP. */
#define SONDE_KEEP 0
/* This place is of no more interest to the probe. When all handlers of one hit say so, all probes
 * there are disabled, unless one has been registered or enabled meanwhile. */
#define SONDE_REMOVE 1
#define SONDE_IGNORE 2 /* reserved */

typedef int sonde_entry_cb(struct sonde_hit *hit, void *data);

/* Bits of sonde_probe_spec.flags */
/* The handler, and all it calls, leaves vector and x87 registers alone: compiled with
 * -mgeneral-regs-only. Saves the time to save them. */
#define SONDE_PROBE_INTEGER_ONLY 1u
#define SONDE_PROBE_DISABLED 2u /* begin disabled */

/* Where and what. Unused members are zero. */
struct sonde_probe_spec {
	size_t sz; /* sizeof(struct sonde_probe_spec), the same in all of a batch */
	/*
	 * The image, as it is loaded in this process. With a slash: its file. Without: the name of
	 * its file as "libz.so.1", "libz" or "z", or the program's. NULL: @offset is an address.
	 */
	const char *path;
	const char *symbol; /* function; NULL: @offset is a virtual address of the image */
	uint64_t offset;    /* bytes behind the symbol's address */
	sonde_entry_cb *entry;
	void *data; /* for the handler */
	uint32_t flags;
	uint32_t reserved;
};

#define SONDE_PROBES_MAX (1u << 20) /* in one call */

/*
 * Register @n probes and enable them (but for SONDE_PROBE_DISABLED). out[i] is the handle for
 * specs[i]. On failure nothing has been registered; handlers may have run meanwhile, none does
 * when the call returns. @err, if not NULL, gets the reason of each element, 0 for those that
 * would have been well; the call returns the first of them.
 *
 * 0, or
 *   -EINVAL   @specs or @out NULL, @n 0; of an element: sz is not known, no handler, flags or
 *             reserved members that this version does not know, a symbol without a path
 *   -E2BIG    more than SONDE_PROBES_MAX
 *   -EDEADLK  inside a handler, or in a signal handler that interrupted this call
 *   -ENOENT   no image of this name is loaded
 *   -ENXIO    the image was closed during the call
 *   -ESTALE   the image's file has been replaced or removed since it was loaded
 *   -ENOMEM, -ENOSPC (no grace-period domain left, 2^24 places probed), -ENOSYS, what open(2) says
 *             of the file
 *   SONDE_E_NO_SYMBOL, _STRIPPED
 *   SONDE_E_NOT_CODE (also: an address in no loaded image), _NO_FUNCTION, _NOT_BOUNDARY, _DECODE,
 *             _RELOCATE, _TOO_SHORT, _BRANCH_INTO, _UNSAFE (also: this library itself),
 *   SONDE_E_OVERLAP (a probe, also one that is gone, needs the same bytes)
 *   SONDE_E_NO_SPACE_NEAR (no address in reach is free), _BYTES_DIFFER (the code in memory is not
 *             the file's: others have changed it), _PROTECT (the kernel does not let it be
 *             changed)
 *
 * A symbol may be an IFUNC: what its resolver selects is meant. Of several functions of a name a
 * global one.
 */
int sonde_probes_register(const struct sonde_probe_spec *specs, size_t n, struct sonde_probe **out,
			  int *err);

/*
 * Unregister @n probes, wait until no handler of them runs: one grace period for the batch. NULL
 * elements are skipped. 0; -EDEADLK (inside a handler) or -ENOENT (an element is not registered, or
 * twice in the batch): nothing was done; -EPERM, -ENOSYS (see sonde_domain_synchronize()): they are
 * unregistered, but their data must not be freed.
 *
 * Code that others have changed meanwhile is left as it is; hits there find no handler.
 */
int sonde_probes_unregister(struct sonde_probe *const *probes, size_t n);

/*
 * The same without waiting: handlers may still run, also begin to, until sonde_probes_sync() has
 * returned. The handles are gone at once. 0 or -ENOENT.
 */
int sonde_probes_unregister_nosync(struct sonde_probe *const *probes, size_t n);

/*
 * Wait until no handler of a probe that was unregistered (or disabled) before runs; restore the
 * code where no probe is left. 0, -EDEADLK, -EPERM or -ENOSYS as above.
 */
int sonde_probes_sync(void);

/*
 * Switch probes on or off, all or none. What is so already stays so. Disabling does not wait: that
 * is sonde_probes_sync(). Inside a handler disabling leaves the jump in the code, for the next call
 * outside to take away. 0; -ENOENT as above; enabling: -ENXIO (the image has been closed),
 * SONDE_E_BYTES_DIFFER, SONDE_E_PROTECT; -ENOMEM.
 */
int sonde_probes_enable(struct sonde_probe *const *probes, size_t n);
int sonde_probes_disable(struct sonde_probe *const *probes, size_t n);

/* Hits at which @probe was enabled and its handler did not run. */
uint64_t sonde_probe_missed(const struct sonde_probe *probe);

/* sonde_probe_info.state */
enum sonde_probe_state {
	SONDE_PROBE_STATE_OFF = 1, /* disabled */
	SONDE_PROBE_STATE_ON = 2,
	SONDE_PROBE_STATE_GONE = 3, /* its image has been closed */
};

struct sonde_probe_info {
	size_t sz; /* bytes of this struct that the library filled */
	struct sonde_probe *probe;
	uint64_t id; /* of no other probe of this process, ever; rising */
	uint64_t address;
	uint64_t vaddr;		/* in its image */
	const char *path;	/* of the image; lives for ever */
	const char *symbol;	/* that best names the address, or NULL; lives for ever */
	const char *class_name; /* how the jump fits: "S0", "S1", "S2" (<sonde/image.h>) */
	uint64_t missed;
	uint32_t state;	    /* enum sonde_probe_state */
	uint32_t consumers; /* probes registered at this address, this one too */
};

/* The caller sets info->sz to sizeof(struct sonde_probe_info). 0; -EINVAL (sz); -ENOENT. */
int sonde_probe_info(const struct sonde_probe *probe, struct sonde_probe_info *info);

/*
 * All probes, by rising id, the first @max of them in @out, elements of @sz =
 * sizeof(struct sonde_probe_info) bytes. How many there are in all; 0 if @sz is not known.
 */
size_t sonde_probes_list(struct sonde_probe_info *out, size_t sz, size_t max);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

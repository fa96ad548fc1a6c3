/* SPDX-License-Identifier: MIT */
/*
 * Code that can be retired: a page of small functions, and threads that are in them. System calls
 * go through a function here, so that /proc can be made to fail or to lie.
 */
#ifndef SONDE_TESTS_SYNC_INSIDE_H
#define SONDE_TESTS_SYNC_INSIDE_H

#include "fixture.h"

#include "base/race.h"
#include "sync/sync.h"

/* Each in a slot of its own, which begins with a nop: the way in, and not a part of what is
 * retired, for who has called the function may have its address left over. */
enum function {
	CODE_READ,  /* long (int fd, void *buf, size_t n): read(2), made there */
	CODE_CALL,  /* void (void (*fn)(void *), void *arg): calls it from there */
	CODE_SPIN,  /* void (uint32_t *flag): until the flag is set */
	CODE_CLONE, /* long (flags, stack, int *tid, -, tls, uint32_t *flag): clone(2); the child
		     * spins there until the flag is set, then ends */
	CODE_COVER, /* void (void (*fn)(void *), void *arg, int fd): calls it, writes over the
		     * place where its return address was, reads a byte of the file */
	CODE_FUNCTIONS
};

#define CODE_SLOT 64

/* clang-format off */
static const uint8_t code_bytes[CODE_FUNCTIONS][CODE_SLOT] = {
	[CODE_READ] = {
		0xb8, 0, 0, 0, 0,		/* mov $0, %eax */
		0x0f, 0x05,			/* syscall */
		0xc3				/* ret */
	},
	[CODE_CALL] = {
		0x48, 0x83, 0xec, 0x08,		/* sub $8, %rsp */
		0x48, 0x89, 0xf8,		/* mov %rdi, %rax */
		0x48, 0x89, 0xf7,		/* mov %rsi, %rdi */
		0xff, 0xd0,			/* call *%rax */
		0x48, 0x83, 0xc4, 0x08,		/* add $8, %rsp */
		0xc3
	},
	[CODE_SPIN] = {
		0xf3, 0x90,			/* pause */
		0x83, 0x3f, 0x00,		/* cmpl $0, (%rdi) */
		0x74, 0xf9,			/* je back */
		0xc3
	},
	[CODE_CLONE] = {
		0xb8, SYS_clone, 0, 0, 0,	/* mov $56, %eax */
		0x0f, 0x05,
		0x85, 0xc0,			/* test %eax, %eax */
		0x74, 0x01,			/* je child */
		0xc3,
		0xf3, 0x90,			/* child: pause */
		0x41, 0x83, 0x39, 0x00,		/* cmpl $0, (%r9) */
		0x74, 0xf8,			/* je child */
		0xb8, SYS_exit, 0, 0, 0,	/* mov $60, %eax */
		0x31, 0xff,			/* xor %edi, %edi */
		0x0f, 0x05
	},
	[CODE_COVER] = {
		0x53, 0x55,			/* push %rbx; push %rbp */
		0x48, 0x83, 0xec, 0x08,		/* sub $8, %rsp */
		0x48, 0x89, 0xd3,		/* mov %rdx, %rbx */
		0x48, 0x89, 0xf8,
		0x48, 0x89, 0xf7,
		0xff, 0xd0,			/* call *%rax */
		0x6a, 0x00,			/* push $0 */
		0x89, 0xdf,			/* mov %ebx, %edi */
		0x48, 0x8d, 0x74, 0x24, 0xc0,	/* lea -64(%rsp), %rsi */
		0xba, 1, 0, 0, 0,		/* mov $1, %edx */
		0x31, 0xc0,
		0x0f, 0x05,
		0x48, 0x83, 0xc4, 0x10,		/* add $16, %rsp */
		0x5d, 0x5b, 0xc3
	},
};
/* clang-format on */

static uint8_t *code_page;

static inline void code_map(void)
{
	code_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(code_page, MAP_FAILED);
	for (int f = 0; f < CODE_FUNCTIONS; f++) {
		code_page[f * CODE_SLOT] = 0x90;
		memcpy(code_page + f * CODE_SLOT + 1, code_bytes[f], CODE_SLOT - 1);
	}
}

static inline void *code_at(enum function f)
{
	return code_page + f * CODE_SLOT;
}

static inline struct sync_range code_range(enum function f)
{
	uint64_t start = (uint64_t)code_at(f) + 1;

	return (struct sync_range){start, start + CODE_SLOT - 2};
}

/* A door that is shut until somebody opens it; threads sleep in front of it. */
struct door {
	int fd[2];
};

static inline void door_make(struct door *door)
{
	assert_int_equal(pipe(door->fd), 0);
}

static inline void door_wait(struct door *door)
{
	char byte;

	while (read(door->fd[0], &byte, 1) != 1)
		;
}

static inline void door_open(struct door *door)
{
	if (write(door->fd[1], "", 1) != 1)
		abort();
}

static inline void door_close(struct door *door)
{
	close(door->fd[0]);
	close(door->fd[1]);
}

/* Of a thread: the state letter, and ticks of processor time. */
static inline char state_of(int32_t tid, unsigned long *ticks)
{
	char path[64], text[512], *p, state = 0;
	FILE *f;
	size_t n;

	*ticks = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	p = strrchr(text, ')');
	if (p)
		sscanf(p, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu", &state, ticks);
	return state;
}

static inline void wait_asleep(const int32_t *tid)
{
	unsigned long ticks;

	do
		sleep_ms(5);
	while (!load_acquire(tid) || state_of(*tid, &ticks) == 'R');
}

/* It has been awake for so long that it must be where it spins. */
static inline void wait_spins(const int32_t *tid)
{
	unsigned long ticks = 0;

	while (!load_acquire(tid) || state_of(*tid, &ticks) != 'R' || ticks < 3)
		sleep_ms(5);
}

static struct sonde_domain *d;
static struct sync_range range;
static struct sync_code q;
static void (*hook)(const char *name);

void race_point(const char *name)
{
	if (hook)
		hook(name);
}

/* What goes wrong, in the thread that polls. */
static __thread struct {
	long nr;	  /* this system call fails */
	const char *path; /* if it opens something that ends so; NULL: always */
	int err;
	int32_t unlisted;		  /* left out of lists of threads */
	void (*opened)(const char *path); /* called before a file is */
} fault;

static inline long raw_call(long nr, long a, long b, long c, long d4, long e, long f)
{
	register long r10 __asm__("r10") = d4, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

static inline long unlist(char *buf, long n)
{
	for (long at = 0; at < n;) {
		unsigned short len;

		memcpy(&len, buf + at + 16, sizeof(len));
		if (atoi(buf + at + 19) == fault.unlisted) {
			memmove(buf + at, buf + at + len, (size_t)(n - at - len));
			return n - len;
		}
		at += len;
	}
	return n;
}

long sys_call(long nr, long a, long b, long c, long d4, long e, long f);
long sys_call(long nr, long a, long b, long c, long d4, long e, long f)
{
	const char *path = fault.path;
	long r;

	if (fault.opened && nr == SYS_openat)
		fault.opened((const char *)b);
	if (fault.err && nr == fault.nr) {
		const char *opened = nr == SYS_openat ? (const char *)b : "";
		size_t n = path ? strlen(path) : 0, m = strlen(opened);

		if (!path || (m >= n && strcmp(opened + m - n, path) == 0))
			return fault.err;
	}
	r = raw_call(nr, a, b, c, d4, e, f);
	return nr == SYS_getdents64 && r > 0 && fault.unlisted ? unlist((char *)b, r) : r;
}

static inline int setup(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof(fault));
	hook = NULL;
	code_map();
	d = domain_new();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	hook = NULL;
	sync_code_forget(&q);
	domain_end(d);
	munmap(code_page, 4096);
	return 0;
}

static inline void retire(enum function f)
{
	range = code_range(f);
	q = (struct sync_code){.range = &range, .nrange = 1, .domain = &d, .ndomain = 1};
	assert_int_equal(sync_code_retire(&q), 0);
}

/* However often it is asked: @tid is inside. Others may be in the way until they sleep. */
static inline void assert_inside(int32_t tid)
{
	int n = 0;

	for (int i = 0; i < 5000 && n < 20; i++) {
		assert_int_equal(sync_code_poll(&q), 0);
		n += q.tid == tid;
		sleep_ms(1);
	}
	assert_int_equal(q.tid, tid);
}

/* Soon, when the threads have found their beds. */
static inline void assert_free(void)
{
	int r = 0;

	for (int i = 0; i < 5000 && r == 0; i++) {
		r = sync_code_poll(&q);
		if (!r)
			sleep_ms(1);
	}
	assert_int_equal(r, 1);
}

/* A thread that goes into the code by @enter, and sleeps outside when it has come back. */
struct guest {
	void (*enter)(struct guest *g);
	struct door inside, outside, end;
	uint32_t flag, there; /* leave the spin; it is where it is wanted */
	int32_t tid, child;
	bool altstack;
	char *stack; /* for signals, or for a child */
	pthread_t thread;
};

#define STACK_SIZE (64ul << 10)

static inline void *guest_main(void *arg)
{
	struct guest *g = arg;
	stack_t ss = {.ss_sp = g->stack, .ss_size = STACK_SIZE}, none = {.ss_flags = SS_DISABLE};

	store_release(&g->tid, (int32_t)syscall(SYS_gettid));
	if (g->altstack)
		sigaltstack(&ss, NULL);
	g->enter(g);
	if (g->altstack)
		sigaltstack(&none, NULL);
	door_wait(&g->end);
	return NULL;
}

static inline void guest_start(struct guest *g, void (*enter)(struct guest *g), bool altstack)
{
	*g = (struct guest){.enter = enter, .altstack = altstack};
	door_make(&g->inside);
	door_make(&g->outside);
	door_make(&g->end);
	g->stack =
		mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(pthread_create(&g->thread, NULL, guest_main, g), 0);
}

static inline void guest_end(struct guest *g)
{
	door_open(&g->end);
	pthread_join(g->thread, NULL);
	munmap(g->stack, STACK_SIZE);
	door_close(&g->inside);
	door_close(&g->outside);
	door_close(&g->end);
}

static inline void guest_arrives(struct guest *g)
{
	while (!load_acquire(&g->there))
		sleep_ms(1);
	wait_asleep(&g->tid);
}

/* Asleep in a system call that the code makes. */
static inline void enter_read(struct guest *g)
{
	long (*code_read)(int, void *, size_t) = code_at(CODE_READ);
	char byte;

	store_release(&g->there, 1u);
	code_read(g->inside.fd[0], &byte, 1);
}

/* Spinning in a function that the code has called: the interrupted address is outside. */
static inline void spin_outside(void *arg)
{
	struct guest *g = arg;

	while (!load_acquire(&g->flag))
		;
}

/* Asleep outside, then awake there. */
static inline void enter_sleep_then_spin(struct guest *g)
{
	store_release(&g->there, 1u);
	door_wait(&g->inside);
	spin_outside(g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What survives SIGKILL? Threads call work() for ever and count completed calls beside it, in a
 * file: killed FILE THREADS. FILE: int64 pid, then a counter per thread.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_THREADS 64

struct shared {
	_Atomic int64_t pid;
	_Atomic int64_t done[MAX_THREADS];
};

__attribute__((noinline)) long work(long i)
{
	__asm__ volatile("" ::: "memory");
	return i * 3 + 1;
}

static void *loop(void *arg)
{
	_Atomic int64_t *done = arg;

	for (int64_t n = 1;; n++) {
		work(n);
		atomic_store_explicit(done, n, memory_order_release);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int nthreads = argc > 2 ? atoi(argv[2]) : 1;
	int fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
	pthread_t thread;

	if (fd < 0 || nthreads < 1 || nthreads > MAX_THREADS ||
	    ftruncate(fd, sizeof(struct shared)))
		return 1;
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		return 1;
	atomic_store(&s->pid, getpid());
	for (int i = 1; i < nthreads; i++) {
		if (pthread_create(&thread, NULL, loop, &s->done[i]))
			return 1;
	}
	loop(&s->done[0]);
}

/* SPDX-License-Identifier: MIT */
/* Blocks of processes that are gone: folded, emptied, handed back. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "read/internal.h"
#include "ring/ring.h"

/* A child that sleeps until it is killed. */
static pid_t child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		for (;;)
			pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void processes_end(void **state)
{
	siginfo_t info;
	pid_t pid = child();

	(void)state;
	assert_false(read_process_gone(getpid()));
	assert_false(read_process_gone(pid));
	assert_false(read_process_gone(0));
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_true(read_process_gone(pid)); /* a zombie */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(read_process_gone(pid));
}

static void *outlive(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

/* A process whose first thread has ended still runs. */
static void first_threads_end(void **state)
{
	int fd[2];
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (!pid) {
		pthread_t t;

		pthread_create(&t, NULL, outlive, NULL);
		c = (char)write(fd[1], "x", 1);
		pthread_exit(NULL);
	}
	assert_int_equal(read(fd[0], &c, 1), 1);
	for (int i = 0; i < 50; i++) {
		usleep(1000);
		assert_false(read_process_gone(pid));
	}
	end(pid);
	assert_true(read_process_gone(pid));
	close(fd[0]);
	close(fd[1]);
}

static bool ignore(void *arg, const struct read_event *e)
{
	(void)arg;
	(void)e;
	return true;
}

static void totals_survive(void **state)
{
	struct wire_block *b;
	struct wire_event *e;
	struct read_totals t;
	uint64_t heap;
	struct fix f;
	pid_t pid = child();

	(void)state;
	fix_make(&f, 8, 4096);
	fix_map(&f, WIRE_MAP_COUNT, 0);
	fix_map(&f, WIRE_MAP_COUNT, 8);
	fix_open(&f);
	fix_proc(&f, pid, UINT32_MAX);
	b = fix_block(&f, pid, pid, 0);
	*fix_scalar(&f, b, 0) = 5;
	for (uint64_t k = 0; k < 100; k++)
		*fix_keyed(&f, b, 1, k) = k;
	b->hits = 100;
	b->errors[WIRE_RT_MAP_FULL] = 3;
	b->ring.lost = 7;
	e = ring_reserve(f.s, b, 0);
	e->time = 1;
	ring_commit(e, 0);
	assert_int_equal(read_retire(f.r), 0);
	assert_int_equal(read_retire(f.r), 0); /* it lives */
	end(pid);
	assert_int_equal(read_retire(f.r), 0);
	assert_int_equal(read_retire(f.r), 0); /* an event is still to be read */
	assert_int_equal(read_events(f.r, ignore, NULL, false), 1);
	assert_int_equal(read_retire(f.r), 1);
	assert_int_equal(b->state, WIRE_BLOCK_FREE);
	assert_int_equal(b->hits, 0);
	heap = b->heap;
	assert_int_equal((uint32_t)heap, 0);
	assert_int_not_equal(heap, 0);
	assert_int_equal(fix_value(&f, 0, 0, 0), 5);
	assert_int_equal(fix_value(&f, 1, 99, 0), 99);
	read_totals(f.r, &t);
	assert_int_equal(t.hits, 100);
	assert_int_equal(t.lost, 7);
	assert_int_equal(t.errors[WIRE_RT_MAP_FULL], 3);
	assert_int_equal(t.blocks, 0);
	/* the next owner goes on in the same heap (the fixture checks that it is zeroed) */
	b->state = WIRE_BLOCK_LIVE;
	b->pid = getppid();
	*fix_scalar(&f, b, 0) = 1;
	*fix_keyed(&f, b, 1, 99) = 1;
	assert_int_equal(b->heap >> 32, heap >> 32);
	assert_int_equal(fix_value(&f, 0, 0, 0), 6);
	assert_int_equal(fix_value(&f, 1, 99, 0), 100);
	assert_int_equal(read_clear(f.r, 1), 0);
	assert_int_equal(fix_nrows(&f, 1), 0);
	fix_free(&f);
}

static void retired_keys_can_be_zeroed_and_deleted(void **state)
{
	struct wire_block *b;
	uint64_t key = 2;
	struct fix f;
	pid_t pid = child();

	(void)state;
	end(pid);
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_COUNT, 8);
	fix_open(&f);
	fix_proc(&f, pid, UINT32_MAX);
	b = fix_block(&f, pid, pid, 0);
	for (uint64_t k = 0; k < 4; k++)
		*fix_keyed(&f, b, 0, k) = k + 10;
	read_retire(f.r);
	assert_int_equal(read_retire(f.r), 1);
	assert_int_equal(read_delete(f.r, 0, &key), 0);
	assert_int_equal(fix_nrows(&f, 0), 3);
	assert_int_equal(fix_value(&f, 0, 2, 0), -1);
	assert_int_equal(read_zero(f.r, 0), 0);
	assert_int_equal(fix_nrows(&f, 0), 3);
	assert_int_equal(fix_value(&f, 0, 3, 0), 0);
	fix_free(&f);
}

static void exec_ends_the_old_image(void **state)
{
	pid_t pid = child();
	struct fix f;

	(void)state;
	fix_make(&f, 8, 0);
	fix_map(&f, WIRE_MAP_COUNT, 0);
	fix_open(&f);
	fix_proc(&f, pid, UINT32_MAX);
	*fix_scalar(&f, fix_block(&f, pid, pid, 0), 0) = 4;
	fix_proc(&f, pid, 0)->state = WIRE_PROC_FREE; /* lost a race: says nothing */
	assert_int_equal(read_retire(f.r) + read_retire(f.r), 0);
	fix_proc(&f, pid, UINT32_MAX);
	*fix_scalar(&f, fix_block(&f, pid, pid, 2), 0) = 1;
	assert_int_equal(read_retire(f.r), 0);
	assert_int_equal(read_retire(f.r), 1);
	assert_int_equal(read_retire(f.r), 0); /* the new image lives */
	assert_int_equal(fix_value(&f, 0, 0, 0), 5);
	end(pid);
	fix_free(&f);
}

static void own_and_changing_blocks_are_left_alone(void **state)
{
	struct wire_block *b;
	struct fix f;
	pid_t pid = child();

	(void)state;
	end(pid);
	fix_make(&f, 8, 0);
	fix_open(&f);
	fix_proc(&f, pid, UINT32_MAX);
	fix_block(&f, getpid(), getpid(), 0);
	b = fix_block(&f, pid, pid, 0);
	/* in another pid namespace a process looks gone and is not */
	for (int i = 0; i < 5; i++) {
		b->hits++;
		assert_int_equal(read_retire(f.r), 0);
	}
	assert_int_equal(read_retire(f.r), 1);
	fix_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_end),
		cmocka_unit_test(first_threads_end),
		cmocka_unit_test(totals_survive),
		cmocka_unit_test(retired_keys_can_be_zeroed_and_deleted),
		cmocka_unit_test(exec_ends_the_old_image),
		cmocka_unit_test(own_and_changing_blocks_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

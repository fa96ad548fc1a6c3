/* SPDX-License-Identifier: MIT */
/* Probes that come and go while their functions execute: consumers, REMOVE, misses, forks. */
#include "victim.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONSUMERS 16

static long hits[CONSUMERS];
static char order[64];

static int note(struct sonde_hit *hit, void *data)
{
	(void)hit;
	strcat(order, data);
	return SONDE_KEEP;
}

static void consumers_in_order(void **state)
{
	struct sonde_probe *a = probe_at("victim_long", note, "a"), *b, *c;
	(void)state;

	b = probe_at("victim_long", note, "b");
	c = probe_at("victim_long", note, "c");
	order[0] = '\0';
	victim_long();
	assert_string_equal(order, "abc");
	unregister(b);
	victim_long();
	b = probe_at("victim_long", note, "b");
	victim_long();
	assert_string_equal(order, "abcacacb");
	assert_int_equal(sonde_probes_disable(&a, 1), 0);
	victim_long();
	assert_string_equal(order, "abcacacbcb");
	unregister(a);
	unregister(b);
	unregister(c);
}

/* The set is changed from inside the probed function, by its first handler: the hit that runs goes
 * on with the set it found, the next one finds the new one. */
static struct sonde_probe *consumer[CONSUMERS];
static uint32_t want;

static int switch_all(struct sonde_hit *hit, void *data)
{
	(void)hit;
	(void)data;
	for (int i = 0; i < CONSUMERS; i++) {
		int err = want >> i & 1 ? sonde_probes_enable(&consumer[i], 1)
					: sonde_probes_disable(&consumer[i], 1);

		assert_int_equal(err, 0);
	}
	return SONDE_KEEP;
}

static void consumer_masks(void **state)
{
	struct sonde_probe *first = probe_at("victim_short", switch_all, NULL);
	uint32_t before, random = 1;
	(void)state;

	for (int i = 0; i < CONSUMERS; i++)
		consumer[i] = probe_at("victim_short", count, &hits[i]);
	before = 0xffff;
	for (int round = 0; round < 300; round++) {
		memset(hits, 0, sizeof(hits));
		random = random * 1103515245 + 12345;
		want = random >> 8 & 0xffff;
		assert_int_equal(victim_short(2, 3), 5);
		for (int i = 0; i < CONSUMERS; i++)
			assert_int_equal(hits[i], before >> i & 1);
		before = want;
	}
	assert_int_equal(sonde_probes_unregister(consumer, CONSUMERS), 0);
	unregister(first);
}

static int answer[2];

static int give_answer(struct sonde_hit *hit, void *data)
{
	int i = (int)(intptr_t)data;

	(void)hit;
	hits[i]++;
	return answer[i];
}

static uint32_t state_of(struct sonde_probe *probe)
{
	struct sonde_probe_info info = {.sz = sizeof(info)};

	assert_int_equal(sonde_probe_info(probe, &info), 0);
	return info.state;
}

static void remove_is_unanimous(void **state)
{
	struct sonde_probe *p[2];
	(void)state;

	for (intptr_t i = 0; i < 2; i++)
		p[i] = probe_at("victim_long", give_answer, (void *)i);
	memset(hits, 0, sizeof(hits));
	answer[0] = SONDE_REMOVE;
	answer[1] = SONDE_KEEP;
	victim_long();
	victim_long();
	assert_int_equal(hits[0], 2);
	answer[0] = SONDE_IGNORE;
	answer[1] = SONDE_REMOVE;
	victim_long();
	assert_int_equal(state_of(p[0]), SONDE_PROBE_STATE_ON);
	answer[0] = SONDE_REMOVE;
	victim_long();
	assert_int_equal(hits[0], 4);
	assert_int_equal(state_of(p[0]), SONDE_PROBE_STATE_OFF);
	assert_int_equal(state_of(p[1]), SONDE_PROBE_STATE_OFF);
	assert_int_equal(*(unsigned char *)victim_long, 0xb8);
	victim_long();
	assert_int_equal(hits[1], 4);
	/* it is the probe that was disabled, no more */
	assert_int_equal(sonde_probes_enable(&p[1], 1), 0);
	victim_long();
	assert_int_equal(hits[0], 4);
	assert_int_equal(hits[1], 5);
	assert_int_equal(sonde_probes_unregister(p, 2), 0);
}

static struct sonde_probe *late;

static int remove_but_register(struct sonde_hit *hit, void *data)
{
	(void)hit;
	(void)data;
	assert_int_equal(sonde_probes_enable(&late, 1), 0);
	return SONDE_REMOVE;
}

/* What came meanwhile wants it: the removal has no effect. */
static void remove_is_checked_again(void **state)
{
	struct sonde_probe *p = probe_at("victim_long", remove_but_register, NULL);
	(void)state;

	late = probe_at("victim_long", count, &hits[0]);
	assert_int_equal(sonde_probes_disable(&late, 1), 0);
	hits[0] = 0;
	victim_long();
	assert_int_equal(state_of(p), SONDE_PROBE_STATE_ON);
	victim_long();
	assert_int_equal(hits[0], 1);
	unregister(p);
	unregister(late);
}

static int call_three(struct sonde_hit *hit, void *data)
{
	(void)hit;
	++*(long *)data;
	for (int i = 0; i < 3; i++)
		victim_short(i, i);
	victim_long();
	return SONDE_KEEP;
}

static void nested_hits_are_missed(void **state)
{
	struct sonde_probe *outer = probe_at("victim_long", call_three, &hits[0]);
	struct sonde_probe *a = probe_at("victim_short", count, &hits[1]);
	struct sonde_probe *b = probe_at("victim_short", count, &hits[2]), *c;
	(void)state;

	c = probe_at("victim_short", count, &hits[3]);
	assert_int_equal(sonde_probes_disable(&c, 1), 0);
	memset(hits, 0, sizeof(hits));
	for (int i = 0; i < 10; i++)
		victim_long();
	victim_short(1, 1);
	assert_int_equal(hits[0], 10);
	assert_int_equal(hits[1], 1);
	assert_int_equal(sonde_probe_missed(outer), 10);
	assert_int_equal(sonde_probe_missed(a), 30);
	assert_int_equal(sonde_probe_missed(b), 30);
	assert_int_equal(sonde_probe_missed(c), 0);
	unregister(outer);
	unregister(a);
	unregister(b);
	unregister(c);
}

static int raise_signal(struct sonde_hit *hit, void *data)
{
	(void)hit;
	(void)data;
	raise(SIGUSR1);
	return SONDE_KEEP;
}

static void on_signal(int sig)
{
	(void)sig;
	victim_short(1, 2);
}

static void signals_in_handlers_miss(void **state)
{
	struct sonde_probe *outer = probe_at("victim_long", raise_signal, NULL);
	struct sonde_probe *inner = probe_at("victim_short", count, &hits[0]);
	(void)state;

	signal(SIGUSR1, on_signal);
	hits[0] = 0;
	victim_long();
	assert_int_equal(hits[0], 0);
	assert_int_equal(sonde_probe_missed(inner), 1);
	raise(SIGUSR1);
	assert_int_equal(hits[0], 1);
	unregister(outer);
	unregister(inner);
}

struct self {
	struct sonde_probe *probe;
	int sync, unregister, nosync, reg;
	long runs;
};

static int unregister_itself(struct sonde_hit *hit, void *data)
{
	struct sonde_probe_spec spec = spec_of("victim_one", count, &hits[0]);
	struct self *self = data;
	struct sonde_probe *other;

	self->runs++;
	assert_ptr_equal(hit->probe, self->probe);
	self->sync = sonde_probes_sync();
	self->unregister = sonde_probes_unregister(&self->probe, 1);
	self->reg = sonde_probes_register(&spec, 1, &other, NULL);
	self->nosync = sonde_probes_unregister_nosync(&self->probe, 1);
	return SONDE_KEEP;
}

static void handler_unregisters_itself(void **state)
{
	struct self *self = calloc(1, sizeof(*self));
	(void)state;

	self->probe = probe_at("victim_long", unregister_itself, self);
	victim_long();
	victim_long();
	assert_int_equal(self->runs, 1);
	assert_int_equal(self->sync, -EDEADLK);
	assert_int_equal(self->unregister, -EDEADLK);
	assert_int_equal(self->reg, -EDEADLK);
	assert_int_equal(self->nosync, 0);
	assert_int_equal(sonde_probes_sync(), 0);
	assert_int_equal(*(unsigned char *)victim_long, 0xb8);
	free(self);
}

static int stay(struct sonde_hit *hit, void *data)
{
	int *at = data;

	(void)hit;
	__atomic_store_n(&at[0], 1, __ATOMIC_SEQ_CST);
	usleep(100000);
	at[1]++; /* freed memory, if somebody has not waited */
	return SONDE_KEEP;
}

static void *call_once(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)victim_long();
}

/* Under AddressSanitizer this is a proof that the wait was long enough. */
static void unregister_in_flight(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		int *at = calloc(2, sizeof(*at));
		struct sonde_probe *probe = probe_at("victim_long", stay, at);
		pthread_t thread;
		void *ret;

		assert_int_equal(pthread_create(&thread, NULL, call_once, NULL), 0);
		while (!__atomic_load_n(&at[0], __ATOMIC_SEQ_CST))
			usleep(1000);
		unregister(probe);
		assert_int_equal(at[1], 1);
		free(at);
		pthread_join(thread, &ret);
		assert_int_equal((intptr_t)ret, 42);
	}
}

static int wait_child(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void child_has_all(void **state)
{
	struct sonde_probe *probe = probe_at("victim_long", count, &hits[0]);
	pid_t pid;
	(void)state;

	hits[0] = 0;
	pid = fork();
	if (!pid) {
		bool ok = victim_long() == 42 && hits[0] == 1 &&
			  !sonde_probes_unregister(&probe, 1) && victim_long() == 42 &&
			  hits[0] == 1 && *(unsigned char *)victim_long == 0xb8;

		probe = probe_at("victim_one", count, &hits[1]);
		hits[1] = 0;
		ok &= victim_one() == 1 && hits[1] == 1;
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(wait_child(pid), 0);
	victim_long();
	assert_int_equal(hits[0], 1);
	unregister(probe);
}

static int fork_inside(struct sonde_hit *hit, void *data)
{
	(void)hit;
	*(pid_t *)data = fork();
	return SONDE_KEEP;
}

static void fork_in_handler(void **state)
{
	pid_t pid = -1;
	struct sonde_probe *probe = probe_at("victim_long", fork_inside, &pid);
	(void)state;

	victim_long();
	if (!pid)
		_exit(sonde_probes_unregister(&probe, 1) || victim_long() != 42);
	assert_int_equal(wait_child(pid), 0);
	unregister(probe);
}

/* Closed and opened again at the same address: other probes work there. */
static void image_closed(void **state)
{
	char command[256], path[] = "/tmp/sonde_plugin_XXXXXX";
	struct sonde_probe *old, *probe;
	struct sonde_probe_spec s;
	int fd = mkstemp(path);
	(void)state;

	assert_true(fd >= 0);
	close(fd);
	snprintf(command, sizeof(command), "cp %s %s", VICTIM, path);
	assert_int_equal(system(command), 0);
	for (int i = 0; i < 4; i++) {
		void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		int (*f)(int, int);

		assert_non_null(lib);
		f = (int (*)(int, int))dlsym(lib, "victim_short");
		s = spec_of("victim_short", count, &hits[0]);
		s.path = path;
		assert_int_equal(sonde_probes_register(&s, 1, &probe, NULL), 0);
		hits[0] = 0;
		assert_int_equal(f(20, 22), 42);
		assert_int_equal(hits[0], 1);
		if (i)
			unregister(old);
		old = probe;
		if (i == 1)
			assert_int_equal(sonde_probes_disable(&probe, 1), 0);
		dlclose(lib);
		if (i == 2) {
			assert_int_equal(sonde_probes_disable(&probe, 1), 0);
			assert_int_equal(state_of(probe), SONDE_PROBE_STATE_GONE);
			assert_int_equal(sonde_probes_enable(&probe, 1), -ENXIO);
		}
	}
	unregister(old);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(consumers_in_order),
		cmocka_unit_test(consumer_masks),
		cmocka_unit_test(remove_is_unanimous),
		cmocka_unit_test(remove_is_checked_again),
		cmocka_unit_test(nested_hits_are_missed),
		cmocka_unit_test(signals_in_handlers_miss),
		cmocka_unit_test(handler_unregisters_itself),
		cmocka_unit_test(unregister_in_flight),
		cmocka_unit_test(child_has_all),
		cmocka_unit_test(fork_in_handler),
		cmocka_unit_test(image_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

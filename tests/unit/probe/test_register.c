/* SPDX-License-Identifier: MIT */
/* Registering: every argument error, every kind of place, batches that fail as a whole. */
#include "victim.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static long hits;

static int try_one(struct sonde_probe_spec spec)
{
	struct sonde_probe *probe = (struct sonde_probe *)1;
	int err = 1, ret = sonde_probes_register(&spec, 1, &probe, &err);

	assert_int_equal(ret, err);
	if (ret)
		assert_null(probe);
	else
		unregister(probe);
	return ret;
}

static void argument_errors(void **state)
{
	struct sonde_probe_spec good = spec_of("victim_long", count, &hits), s;
	struct sonde_probe *probe;
	int err;
	(void)state;

	assert_int_equal(sonde_probes_register(NULL, 1, &probe, &err), -EINVAL);
	assert_int_equal(sonde_probes_register(&good, 1, NULL, &err), -EINVAL);
	assert_int_equal(sonde_probes_register(&good, 0, &probe, &err), -EINVAL);
	assert_int_equal(sonde_probes_register(&good, INT_MAX, &probe, &err), -E2BIG);
	s = good;
	s.sz = 8;
	assert_int_equal(try_one(s), -EINVAL);
	s = good;
	s.entry = NULL;
	assert_int_equal(try_one(s), -EINVAL);
	s = good;
	s.flags = 1u << 31;
	assert_int_equal(try_one(s), -EINVAL);
	s = good;
	s.reserved = 1;
	assert_int_equal(try_one(s), -EINVAL);
	s = good;
	s.path = NULL;
	assert_int_equal(try_one(s), -EINVAL);
	s = good;
	s.path = "/no/such/file";
	assert_int_equal(try_one(s), -ENOENT);
	s.path = "/";
	assert_int_equal(try_one(s), -ENOENT);
	s.path = "";
	assert_int_equal(try_one(s), -ENOENT);
	s.path = "libnothing";
	assert_int_equal(try_one(s), -ENOENT);
	s = good;
	s.symbol = "victim_missing";
	assert_int_equal(try_one(s), SONDE_E_NO_SYMBOL);
	assert_int_equal(try_one(good), 0);
}

static void bad_places(void **state)
{
	struct sonde_probe_spec good = spec_of("victim_long", count, &hits), s;
	(void)state;

	s = good;
	s.offset = 1;
	assert_int_equal(try_one(s), SONDE_E_NOT_BOUNDARY);
	s.offset = UINT64_MAX;
	assert_int_equal(try_one(s), SONDE_E_NOT_BOUNDARY);
	s.symbol = NULL;
	assert_int_equal(try_one(s), SONDE_E_NOT_CODE);
	s.path = NULL;
	assert_int_equal(try_one(s), SONDE_E_NOT_CODE);
	s.offset = 0;
	assert_int_equal(try_one(s), SONDE_E_NOT_CODE);
	s.offset = (uint64_t)&hits;
	assert_int_equal(try_one(s), SONDE_E_NOT_CODE);
	s.offset = (uint64_t)victim_long + 1;
	assert_int_equal(try_one(s), SONDE_E_NOT_BOUNDARY);
	s.offset = (uint64_t)victim_long;
	assert_int_equal(try_one(s), 0);
	/* this library */
	s.offset = (uint64_t)sonde_probes_register;
	assert_int_equal(try_one(s), SONDE_E_UNSAFE);
}

static void names(void **state)
{
	static const char *const good[] = {"probe_victim", "libprobe_victim", "libprobe_victim.so",
					   VICTIM};
	struct sonde_probe_spec s = spec_of("victim_long", count, &hits);
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		s.path = good[i];
		assert_int_equal(try_one(s), 0);
	}
	s.path = "probe_vict";
	assert_int_equal(try_one(s), -ENOENT);
}

static void info(void **state)
{
	struct sonde_probe_info in = {.sz = sizeof(in)}, all[4];
	struct sonde_probe *a = probe_at("victim_long", count, &hits), *b;
	(void)state;

	b = probe_at("victim_long", count, &hits);
	assert_int_equal(sonde_probe_info(a, &in), 0);
	assert_ptr_equal(in.probe, a);
	assert_int_equal(in.address, (uint64_t)victim_long);
	assert_string_equal(in.symbol, "victim_long");
	assert_string_equal(in.path, VICTIM);
	assert_string_equal(in.class_name, "S0");
	assert_int_equal(in.consumers, 2);
	assert_int_equal(in.state, SONDE_PROBE_STATE_ON);
	in.sz = 1;
	assert_int_equal(sonde_probe_info(a, &in), -EINVAL);
	assert_int_equal(sonde_probes_list(all, sizeof(all[0]), 1), 2);
	assert_int_equal(sonde_probes_list(all, sizeof(all[0]), 4), 2);
	assert_ptr_equal(all[0].probe, a);
	assert_ptr_equal(all[1].probe, b);
	assert_true(all[0].id < all[1].id);
	assert_int_equal(sonde_probes_list(all, 1, 4), 0);
	unregister(a);
	assert_int_equal(sonde_probes_list(all, sizeof(all[0]), 4), 1);
	unregister(b);
	assert_int_equal(sonde_probes_list(NULL, sizeof(all[0]), 0), 0);
}

/* The bytes of all functions, before and after. */
static void bytes(unsigned char *out)
{
	memcpy(out, (void *)victim_long, 64);
	memcpy(out + 64, (void *)victim_red, 64);
}

static void batch_undone(void **state)
{
	struct sonde_probe_spec spec[4];
	struct sonde_probe *probe[4];
	unsigned char before[128], after[128];
	int err[4];
	(void)state;

	bytes(before);
	for (size_t bad = 0; bad < 4; bad++) {
		for (size_t i = 0; i < 4; i++)
			spec[i] = spec_of(i % 2 ? "victim_long" : "victim_short", count, &hits);
		spec[bad].symbol = "victim_missing";
		spec[(bad + 1) % 4].offset = 1;
		assert_true(sonde_probes_register(spec, 4, probe, err) != 0);
		for (size_t i = 0; i < 4; i++) {
			assert_null(probe[i]);
			assert_int_equal(err[i], i == bad	      ? SONDE_E_NO_SYMBOL
						 : i == (bad + 1) % 4 ? SONDE_E_NOT_BOUNDARY
								      : 0);
		}
		bytes(after);
		assert_memory_equal(before, after, sizeof(before));
		assert_int_equal(sonde_probes_list(NULL, sizeof(struct sonde_probe_info), 0), 0);
	}
	hits = 0;
	victim_long();
	victim_short(1, 2);
	assert_int_equal(hits, 0);
}

static void overwrite(void *at, const char *code, size_t n)
{
	char *page = (char *)((uintptr_t)at & ~4095ul);

	assert_int_equal(mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	memcpy(at, code, n);
	assert_int_equal(mprotect(page, 8192, PROT_READ | PROT_EXEC), 0);
}

/* Others have changed the code at one of three places, before or after us. */
static void foreign_change(void **state)
{
	const char *symbol[3] = {"victim_long", "victim_one", "victim_zero"};
	struct sonde_probe_spec spec[3];
	struct sonde_probe *probe[3];
	int err[3];
	(void)state;

	for (size_t i = 0; i < 3; i++)
		spec[i] = spec_of(symbol[i], count, &hits);
	overwrite((void *)victim_one, "\xb8\x09", 2);
	assert_int_equal(sonde_probes_register(spec, 3, probe, err), SONDE_E_BYTES_DIFFER);
	assert_int_equal(err[0], 0);
	assert_int_equal(err[1], SONDE_E_BYTES_DIFFER);
	assert_int_equal(err[2], 0);
	assert_int_equal(*(unsigned char *)victim_long, 0xb8);
	assert_int_equal(*(unsigned char *)victim_zero, 0xb8);
	assert_int_equal(victim_one(), 9);
	overwrite((void *)victim_one, "\xb8\x01", 2);
	assert_int_equal(sonde_probes_register(spec, 3, probe, err), 0);
	/* somebody writes over our jump: it stays, and is not taken for ours later */
	overwrite((void *)victim_one, "\xb8\x07\0\0\0", 5);
	assert_int_equal(sonde_probes_unregister(probe, 3), 0);
	assert_int_equal(victim_one(), 7);
	assert_int_equal(*(unsigned char *)victim_long, 0xb8);
	assert_int_equal(sonde_probes_register(spec, 3, probe, err), SONDE_E_BYTES_DIFFER);
	assert_int_equal(err[1], SONDE_E_BYTES_DIFFER);
	assert_int_equal(*(unsigned char *)victim_long, 0xb8);
	/* puts the file's code back in our place */
	overwrite((void *)victim_one, "\xb8\x01", 2);
	assert_int_equal(sonde_probes_register(spec, 3, probe, err), 0);
	hits = 0;
	assert_int_equal(victim_one(), 1);
	assert_int_equal(hits, 1);
	overwrite((void *)victim_one, "\xb8\x01\0\0\0", 5);
	assert_int_equal(sonde_probes_unregister(probe, 3), 0);
	assert_int_equal(victim_one(), 1);
}

/* The image's file is not the one that is mapped any more. */
static void stale_file(void **state)
{
	char dir[] = "/tmp/sonde_probe_XXXXXX", path[PATH_MAX], other[PATH_MAX],
	     command[3 * PATH_MAX];
	struct sonde_probe_spec s = {.sz = sizeof(s), .entry = count, .data = &hits};
	void *lib;
	(void)state;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/copy.so", dir);
	snprintf(other, sizeof(other), "%s/other.so", dir);
	snprintf(command, sizeof(command), "cp %s %s && cp %s %s", VICTIM, path, VICTIM, other);
	assert_int_equal(system(command), 0);
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(lib);
	s.offset = (uint64_t)dlsym(lib, "victim_long");
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(try_one(s), -ESTALE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(try_one(s), -ESTALE);
	assert_int_equal(rmdir(dir), 0);
	dlclose(lib);
}

/* What a batch that failed has planned stands in nobody's way. */
static void failed_batch_claims_nothing(void **state)
{
	struct sonde_probe_spec spec[3];
	struct sonde_probe *probe[3];
	(void)state;

	/* not asked for before: victim_byte's jump relies on the bytes behind its one byte */
	spec[0] = spec[1] = spec_of("victim_byte", count, &hits);
	spec[2] = spec_of("victim_missing", count, &hits);
	assert_int_equal(sonde_probes_register(spec, 3, probe, NULL), SONDE_E_NO_SYMBOL);
	spec[0].offset = 1;
	assert_int_equal(try_one(spec[0]), 0);
}

static void disabled_first(void **state)
{
	struct sonde_probe_spec spec = spec_of("victim_long", count, &hits);
	struct sonde_probe *probe;
	(void)state;

	spec.flags = SONDE_PROBE_DISABLED;
	assert_int_equal(sonde_probes_register(&spec, 1, &probe, NULL), 0);
	assert_int_equal(*(unsigned char *)victim_long, 0xb8);
	hits = 0;
	victim_long();
	assert_int_equal(hits, 0);
	assert_int_equal(sonde_probes_enable(&probe, 1), 0);
	assert_int_equal(sonde_probes_enable(&probe, 1), 0);
	victim_long();
	assert_int_equal(hits, 1);
	assert_int_equal(sonde_probes_disable(&probe, 1), 0);
	assert_int_equal(*(unsigned char *)victim_long, 0xb8);
	victim_long();
	assert_int_equal(hits, 1);
	unregister(probe);
}

static void bad_handles(void **state)
{
	struct sonde_probe *a = probe_at("victim_long", count, &hits);
	struct sonde_probe *twice[2] = {a, a}, *hole[3] = {NULL, a, NULL};
	struct sonde_probe_info in = {.sz = sizeof(in)};
	(void)state;

	assert_int_equal(sonde_probes_unregister(twice, 2), -ENOENT);
	assert_int_equal(sonde_probe_info(a, &in), 0);
	hits = 0;
	victim_long();
	assert_int_equal(hits, 1);
	assert_int_equal(sonde_probes_disable(twice, 2), 0);
	assert_int_equal(sonde_probes_enable(twice, 2), 0);
	assert_int_equal(sonde_probes_unregister(hole, 3), 0);
	assert_int_equal(sonde_probes_unregister(&a, 1), -ENOENT);
	assert_int_equal(sonde_probes_enable(&a, 1), -ENOENT);
	assert_int_equal(sonde_probes_disable(&a, 1), -ENOENT);
	assert_int_equal(sonde_probe_info(a, &in), -ENOENT);
	assert_int_equal(sonde_probes_unregister(NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(argument_errors),
		cmocka_unit_test(bad_places),
		cmocka_unit_test(names),
		cmocka_unit_test(info),
		cmocka_unit_test(batch_undone),
		cmocka_unit_test(foreign_change),
		cmocka_unit_test(failed_batch_claims_nothing),
		cmocka_unit_test(stale_file),
		cmocka_unit_test(disabled_first),
		cmocka_unit_test(bad_handles),
	};

	/* linked for its functions, not for calls of them */
	assert_int_equal(victim_long(), 42);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Naming addresses: this very program serves as the module. */
#include <link.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

__attribute__((noinline)) int well_known_function(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x * 3 + 1;
}

static int find_bias(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	*(uint64_t *)arg = info->dlpi_addr; /* the first one is the program */
	return 1;
}

/* A log record that maps @path over the whole address space with this program's bias. */
static void load(struct fix *f, struct wire_proc *p, const char *path, uint64_t ino)
{
	uint8_t *at = wire_chunk(f->s, fix_chunks(f, 1));
	struct wire_log_loaded *l = (struct wire_log_loaded *)at;
	const struct read_log_ops ops = {0};
	struct stat st;

	assert_int_equal(stat("/proc/self/exe", &st), 0);
	dl_iterate_phdr(find_bias, &l->bias);
	l->start = 0x1000;
	l->end = 1ull << 47;
	l->dev = st.st_dev;
	l->ino = ino ? ino : st.st_ino;
	strcpy(l->path, path);
	l->h.type = WIRE_LOG_LOADED;
	l->h.size = (uint32_t)ALIGN_UP(sizeof(*l) + strlen(path) + 1, 8);
	p->log_off = (uint64_t)(at - (uint8_t *)f->s);
	assert_int_equal(read_poll_logs(f->r, &ops), 0);
}

static const char *name(struct fix *f, uint32_t proc, uint64_t addr)
{
	static char buf[256];
	size_t n = read_symbol(f->r, proc, addr, buf, sizeof(buf));

	assert_int_equal(n, strlen(buf));
	return buf;
}

static void own_functions_are_named(void **state)
{
	uint64_t addr = (uint64_t)(uintptr_t)well_known_function;
	char path[4096], small[8];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	struct fix f;

	(void)state;
	assert_true(n > 0);
	path[n] = '\0';
	fix_make(&f, 8, 0);
	fix_open(&f);
	load(&f, fix_proc(&f, 1, UINT32_MAX), path, 0);
	assert_string_equal(name(&f, 0, addr), "well_known_function");
	assert_string_equal(name(&f, 0, addr + 1), "well_known_function+1");
	assert_string_equal(name(&f, 0, 0x10), "0x10");
	assert_int_equal(read_symbol(f.r, 0, addr, small, sizeof(small)), 7);
	assert_string_equal(small, "well_kn");
	/* a child knows what its parent knew */
	fix_proc(&f, 2, 0);
	read_poll_logs(f.r, &(struct read_log_ops){0});
	assert_string_equal(name(&f, 1, addr), "well_known_function");
	fix_free(&f);
}

static void other_files_are_not_taken(void **state)
{
	uint64_t addr = (uint64_t)(uintptr_t)well_known_function;
	char path[4096], hex[32];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	struct fix f;

	(void)state;
	assert_true(n > 0);
	path[n] = '\0';
	snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)addr);
	fix_make(&f, 8, 0);
	fix_open(&f);
	load(&f, fix_proc(&f, 1, UINT32_MAX), "/no/such/file", 0);
	load(&f, fix_proc(&f, 2, UINT32_MAX), path, 1); /* replaced since it was mapped */
	assert_string_equal(name(&f, 0, addr), hex);
	assert_string_equal(name(&f, 1, addr), hex);
	assert_string_equal(name(&f, 50, addr), hex);
	assert_string_equal(name(&f, 1u << 31, addr), hex);
	fix_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_functions_are_named),
		cmocka_unit_test(other_files_are_not_taken),
	};

	if (well_known_function(1) != 4)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

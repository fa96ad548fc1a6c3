/* SPDX-License-Identifier: MIT */
/*
 * Opening by path and by name, each way to fail; walking over functions.
 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sonde/image.h>

static struct sonde_image *const untouched = (struct sonde_image *)0x10;

/* What opening a file of these @n bytes says. */
static int open_bytes(const void *bytes, size_t n)
{
	char path[] = "/tmp/sonde-lib-test-XXXXXX";
	struct sonde_image *img = untouched;
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
	err = sonde_image_open(path, &img);
	unlink(path);
	assert_int_not_equal(err, 0);
	assert_ptr_equal(img, untouched);
	return err;
}

static void path_leads_to_the_file(void **state)
{
	struct sonde_image *img;
	char *real = realpath(VICTIM, NULL);

	(void)state;
	assert_int_equal(sonde_image_open(VICTIM, &img), 0);
	assert_string_equal(sonde_image_path(img), real);
	sonde_image_close(img);
	free(real);
}

static void name_leads_to_program_or_library(void **state)
{
	static const char *const libc[] = {"libc", "c", "libc.so.6"};
	struct sonde_image *img;

	(void)state;
	for (size_t i = 0; i < sizeof(libc) / sizeof(libc[0]); i++) {
		assert_int_equal(sonde_image_open(libc[i], &img), 0);
		assert_non_null(strstr(sonde_image_path(img), "/libc"));
		sonde_image_close(img);
	}
	assert_int_equal(sonde_image_open("sh", &img), 0);
	assert_non_null(strstr(sonde_image_path(img), "/bin/"));
	sonde_image_close(img);
}

static void names_that_lead_nowhere(void **state)
{
	struct sonde_image *img = untouched;

	(void)state;
	assert_int_equal(sonde_image_open("no-such-library", &img), SONDE_E_LIBRARY);
	assert_int_equal(sonde_image_open("", &img), SONDE_E_LIBRARY);
	assert_int_equal(sonde_image_open("/no/such/file", &img), -ENOENT);
	assert_int_equal(sonde_image_open("/tmp/", &img), -EISDIR);
	assert_ptr_equal(img, untouched);
}

static void files_that_are_no_image(void **state)
{
	Elf64_Ehdr eh = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = EM_AARCH64,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(eh),
	};

	(void)state;
	assert_int_equal(open_bytes("", 0), SONDE_E_NOT_ELF);
	assert_int_equal(open_bytes("#!/bin/sh\n", 10), SONDE_E_NOT_ELF);
	assert_int_equal(open_bytes(&eh, sizeof(eh)), SONDE_E_MACHINE);
	eh.e_machine = EM_X86_64;
	assert_int_equal(open_bytes(&eh, sizeof(eh)), SONDE_E_NOT_ELF); /* no segment */
	eh.e_type = ET_REL;
	assert_int_equal(open_bytes(&eh, sizeof(eh)), SONDE_E_NOT_ELF);
}

static void close_takes_null(void **state)
{
	(void)state;
	sonde_image_close(NULL);
}

struct seen {
	unsigned int n, stop_at;
	uint64_t last;
	struct sonde_func room, pick, secret;
};

static int see(const struct sonde_func *func, void *arg)
{
	struct seen *s = arg;

	assert_int_equal(func->sz, sizeof(*func));
	assert_true(func->vaddr >= s->last);
	s->last = func->vaddr;
	if (strcmp(func->name, "lib_room") == 0)
		s->room = *func;
	if (strcmp(func->name, "lib_pick") == 0)
		s->pick = *func;
	if (strcmp(func->name, "lib_secret") == 0)
		s->secret = *func;
	return ++s->n == s->stop_at ? -77 : 0;
}

static void each_tells_what_is_known(void **state)
{
	struct sonde_image *img;
	struct seen s = {0};

	(void)state;
	assert_int_equal(sonde_image_open(VICTIM, &img), 0);
	assert_int_equal(sonde_image_each(img, NULL, see, &s), 0);
	assert_int_equal(s.room.size, 6);
	assert_int_equal(s.room.flags, SONDE_FUNC_GLOBAL | SONDE_FUNC_EXPORTED);
	assert_int_equal(s.pick.flags, SONDE_FUNC_GLOBAL | SONDE_FUNC_EXPORTED | SONDE_FUNC_IFUNC);
	assert_int_equal(s.secret.flags, SONDE_FUNC_IFUNC);
	sonde_image_close(img);
}

static void each_keeps_to_the_pattern(void **state)
{
	struct sonde_image *img;
	struct seen all = {0}, some = {0}, none = {0}, one = {0};

	(void)state;
	assert_int_equal(sonde_image_open(VICTIM, &img), 0);
	assert_int_equal(sonde_image_each(img, "*", see, &all), 0);
	assert_int_equal(sonde_image_each(img, "lib_p*", see, &some), 0);
	assert_int_equal(sonde_image_each(img, "lib_", see, &none), 0);
	assert_int_equal(sonde_image_each(img, "lib_r[n-p]?m", see, &one), 0);
	assert_int_equal(some.n, 4); /* pun, pad, pick, picked */
	assert_int_equal(none.n, 0);
	assert_int_equal(one.n, 1);
	assert_true(all.n >= 12);
	sonde_image_close(img);
}

static void each_ends_early(void **state)
{
	struct sonde_image *img;
	struct seen s = {.stop_at = 2};

	(void)state;
	assert_int_equal(sonde_image_open(VICTIM, &img), 0);
	assert_int_equal(sonde_image_each(img, NULL, see, &s), -77);
	assert_int_equal(s.n, 2);
	sonde_image_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_leads_to_the_file),
		cmocka_unit_test(name_leads_to_program_or_library),
		cmocka_unit_test(names_that_lead_nowhere),
		cmocka_unit_test(files_that_are_no_image),
		cmocka_unit_test(close_takes_null),
		cmocka_unit_test(each_tells_what_is_known),
		cmocka_unit_test(each_keeps_to_the_pattern),
		cmocka_unit_test(each_ends_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

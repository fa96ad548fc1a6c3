/* SPDX-License-Identifier: MIT */
/* Where names lead: paths, programs, libraries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "image/image.h"

static char dir[] = "/tmp/sonde-resolve-XXXXXX";
static char *old_path;

static void put(const char *name, int mode)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, (mode_t)mode), 0);
	close(fd);
}

static void leads_to(const char *name, const char *program, const char *file)
{
	char out[PATH_MAX], want[PATH_MAX];

	snprintf(want, sizeof(want), "%s/%s", dir, file);
	assert_int_equal(image_resolve(name, program, out, sizeof(out)), 0);
	assert_string_equal(out, want);
}

static void paths(void **state)
{
	char name[256], out[PATH_MAX];
	(void)state;

	put("file", 0644);
	snprintf(name, sizeof(name), "%s/./file", dir);
	leads_to(name, NULL, "file");
	snprintf(name, sizeof(name), "%s/none", dir);
	assert_int_equal(image_resolve(name, NULL, out, sizeof(out)), -ENOENT);
	snprintf(name, sizeof(name), "%s/file", dir);
	assert_int_equal(image_resolve(name, NULL, out, 8), -ENAMETOOLONG);
}

static void programs(void **state)
{
	char out[PATH_MAX];
	(void)state;

	put("a_program", 0755);
	put("no_program", 0644);
	setenv("PATH", dir, 1);
	leads_to("a_program", NULL, "a_program");
	assert_int_equal(image_resolve("no_program", NULL, out, sizeof(out)), SONDE_E_LIBRARY);
	setenv("PATH", old_path, 1);
}

static void libraries(void **state)
{
	char a[PATH_MAX], b[PATH_MAX];
	(void)state;

	assert_int_equal(image_resolve("libc", NULL, a, sizeof(a)), 0);
	assert_non_null(strstr(a, "libc"));
	assert_int_equal(image_resolve("c", NULL, b, sizeof(b)), 0);
	assert_string_equal(a, b);
	assert_int_equal(image_resolve("libc.so.6", NULL, b, sizeof(b)), 0);
	assert_string_equal(a, b);
	assert_int_equal(image_resolve("libnosuchthing", NULL, b, sizeof(b)), SONDE_E_LIBRARY);
	assert_int_equal(image_resolve("libnosuchthing.so.1", NULL, b, sizeof(b)), SONDE_E_LIBRARY);
}

static void library_path_first(void **state)
{
	(void)state;
	put("libzzsonde.so.4", 0644);
	put("libc.so.6", 0644);
	setenv("LD_LIBRARY_PATH", dir, 1);
	leads_to("zzsonde", NULL, "libzzsonde.so.4");
	leads_to("libzzsonde", NULL, "libzzsonde.so.4");
	leads_to("libzzsonde.so.4", NULL, "libzzsonde.so.4");
	leads_to("libc", NULL, "libc.so.6");
	unsetenv("LD_LIBRARY_PATH");
}

/* What this program itself is linked with. */
static void needed(void **state)
{
	char out[PATH_MAX];
	(void)state;
	assert_int_equal(image_resolve("cmocka", "/proc/self/exe", out, sizeof(out)), 0);
	assert_non_null(strstr(out, "libcmocka.so"));
	assert_int_equal(image_resolve("libnosuchthing", "/proc/self/exe", out, sizeof(out)),
			 SONDE_E_LIBRARY);
	/* a program that is none does not disturb the search */
	assert_int_equal(image_resolve("libc", "/etc/passwd", out, sizeof(out)), 0);
}

static int setup(void **state)
{
	(void)state;
	old_path = strdup(getenv("PATH") ? getenv("PATH") : "/usr/bin");
	unsetenv("LD_LIBRARY_PATH");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const files[] = {"file", "a_program", "no_program", "libzzsonde.so.4",
					    "libc.so.6"};
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	free(old_path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),     cmocka_unit_test(programs),
		cmocka_unit_test(libraries), cmocka_unit_test(library_path_first),
		cmocka_unit_test(needed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

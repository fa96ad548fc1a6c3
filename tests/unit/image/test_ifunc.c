/* SPDX-License-Identifier: MIT */
/* Where indirect functions lead: the same place the loader took this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <sys/wait.h>

#include "base/err.h"
#include "image/image.h"

static struct image *libc;

static void like_the_loader(void **state)
{
	/* of the C library itself: a sanitizer has a strlen of its own */
	void *handle = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	void *self = handle ? dlsym(handle, "strlen") : NULL;
	uint64_t vaddr = 0;
	Dl_info info;
	(void)state;

	assert_non_null(self);
	assert_true(dladdr(self, &info));
	assert_int_equal(image_ifunc(libc, "strlen", &vaddr), 0);
	assert_int_equal(vaddr, (uint64_t)self - (uint64_t)info.dli_fbase);
	dlclose(handle);
}

static void no_such_name(void **state)
{
	uint64_t vaddr;
	(void)state;
	assert_int_equal(image_ifunc(libc, "no_such_function_here", &vaddr), SONDE_E_NO_SYMBOL);
}

/* A program cannot be loaded as a library. */
static void no_library(void **state)
{
	struct image *img;
	uint64_t vaddr;
	(void)state;
	assert_int_equal(image_open("/proc/self/exe", &img), 0);
	assert_int_equal(image_ifunc(img, "main", &vaddr), SONDE_E_NO_SYMBOL);
	image_close(img);
}

static void no_child_left(void **state)
{
	(void)state;
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static int setup(void **state)
{
	char path[4096];

	(void)state;
	return image_resolve("libc", NULL, path, sizeof(path)) || image_open(path, &libc);
}

static int teardown(void **state)
{
	(void)state;
	image_close(libc);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_the_loader),
		cmocka_unit_test(no_such_name),
		cmocka_unit_test(no_library),
		cmocka_unit_test(no_child_left),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: MIT */
/* Where functions begin and end, by unwind tables and by sized symbols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <link.h>

#include "base/base.h"
#include "image/image.h"
#include "make_elf.h"

static int find_base(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	*(uint64_t *)arg = info->dlpi_addr;
	return 1; /* the first is the program */
}

/* This very program: its unwind tables know its functions. */
static void own_functions(void **state)
{
	uint64_t base = 0, vaddr;
	struct image_range r;
	struct image *img;
	(void)state;

	dl_iterate_phdr(find_base, &base);
	assert_int_equal(image_open("/proc/self/exe", &img), 0);
	vaddr = (uint64_t)own_functions - base;
	assert_true(image_bound(img, vaddr, &r));
	assert_int_equal(r.start, vaddr);
	assert_true(r.end > r.start);
	assert_true(image_bound(img, r.end - 1, &r));
	assert_int_equal(r.start, vaddr);
	image_close(img);
}

static void sorted(void **state)
{
	struct image_range r;
	char path[4096];
	struct image *img;
	(void)state;

	assert_int_equal(image_resolve("libc", NULL, path, sizeof(path)), 0);
	assert_int_equal(image_open(path, &img), 0);
	assert_true(img->nbounds > 1000);
	for (size_t i = 0; i < img->nbounds; i++) {
		assert_true(img->bound[i].start < img->bound[i].end);
		if (i)
			assert_true(img->bound[i - 1].start < img->bound[i].start);
		assert_true(image_bound(img, img->bound[i].start, &r));
		assert_int_equal(r.start, img->bound[i].start);
	}
	assert_false(image_bound(img, 0, &r));
	assert_false(image_bound(img, UINT64_MAX, &r));
	image_close(img);
}

static void by_symbols(void **state)
{
	static struct make_elf m;
	struct image_range r;
	struct image *img;
	(void)state;

	make_begin(&m, false);
	make_func(&m, "f", 0x10, "\x90\x90\xc3", 3);
	make_func(&m, "g", 0x20, "\xc3", 1);
	make_sym(&m, "huge", 0x30, UINT64_MAX - 0x20, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC));
	make_sym(&m, "beyond", 0x40, 0x100000, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC));
	make_end(&m);
	assert_true(make_write(&m, sizeof(m.file)));
	assert_int_equal(image_open(m.path, &img), 0);
	unlink(m.path);
	assert_int_equal(img->nbounds, 2);
	assert_true(image_bound(img, 0x1012, &r));
	assert_int_equal(r.start, 0x1010);
	assert_int_equal(r.end, 0x1013);
	assert_false(image_bound(img, 0x1013, &r));
	assert_false(image_bound(img, 0x100f, &r));
	image_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_functions),
		cmocka_unit_test(sorted),
		cmocka_unit_test(by_symbols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

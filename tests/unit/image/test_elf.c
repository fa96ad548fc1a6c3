/* SPDX-License-Identifier: MIT */
/* Opening good, foreign and damaged files; segments and bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/err.h"
#include "image/image.h"
#include "make_elf.h"

static struct make_elf m;

static void make(bool is_exec)
{
	make_begin(&m, is_exec);
	make_fill(&m, 0x90);
	make_func(&m, "f", 0x10, "\x55\xc3", 2);
	make_end(&m);
}

static int open_made(size_t n, struct image **out)
{
	int err;

	assert_true(make_write(&m, n));
	err = image_open(m.path, out);
	unlink(m.path);
	return err;
}

static void good(void **state)
{
	struct image_range r;
	struct image *img;
	uint8_t buf[4];
	(void)state;

	make(true);
	assert_int_equal(open_made(sizeof(m.file), &img), 0);
	assert_true(img->is_exec);
	assert_int_equal(img->machine, EM_X86_64);
	assert_true(img->has_interp);
	assert_string_equal(img->interp, "/lib/ld.x");
	assert_int_equal(img->build_id_len, 8);
	assert_memory_equal(img->build_id, "\1\2\3\4\5\6\7\x08", 8);
	assert_int_equal(img->span.start, m.base + 0x1000);
	assert_int_equal(img->span.end, m.base + 0x2000);
	assert_int_equal(image_bytes(img, m.base + 0x1010, buf, 2), 2);
	assert_memory_equal(buf, "\x55\xc3", 2);
	assert_int_equal(image_bytes(img, m.base + 0x1ffe, buf, 4), 2);
	assert_int_equal(image_bytes(img, m.base + 0x2000, buf, 4), 0);
	assert_int_equal(image_bytes(img, UINT64_MAX, buf, 4), 0);
	assert_int_equal(image_file_offset(img, m.base + 0x1010), 0x1010);
	assert_int_equal(image_file_offset(img, 0), UINT64_MAX);
	assert_true(image_text(img, m.base + 0x1010, &r));
	assert_int_equal(r.start, m.base + 0x1000);
	assert_int_equal(r.end, m.base + 0x2000);
	assert_false(image_text(img, m.base + 0x2000, &r));
	image_close(img);
}

static void not_elf(void **state)
{
	struct image *img;
	(void)state;

	assert_int_equal(image_open("/nonexistent/file", &img), -ENOENT);
	assert_int_equal(image_open("/tmp", &img), -EISDIR);
	make(false);
	m.file[0] = '#';
	assert_int_equal(open_made(sizeof(m.file), &img), SONDE_E_NOT_ELF);
	make(false);
	assert_int_equal(open_made(0, &img), SONDE_E_NOT_ELF);
	assert_int_equal(open_made(3, &img), SONDE_E_NOT_ELF);
	assert_int_equal(open_made(40, &img), SONDE_E_NOT_ELF);
	make(false);
	make_ehdr(&m)->e_type = ET_REL;
	assert_int_equal(open_made(sizeof(m.file), &img), SONDE_E_NOT_ELF);
}

static void other_machine(void **state)
{
	struct image *img;
	(void)state;

	make(false);
	make_ehdr(&m)->e_machine = EM_AARCH64;
	assert_int_equal(open_made(sizeof(m.file), &img), SONDE_E_MACHINE);
	assert_non_null(img);
	assert_int_equal(img->machine, EM_AARCH64);
	image_close(img);
}

static void data_segment_is_no_code(void **state)
{
	struct image_range r;
	struct image *img;
	(void)state;

	make(false);
	make_phdr(&m, 0)->p_flags = PF_R | PF_W;
	assert_int_equal(open_made(sizeof(m.file), &img), 0);
	assert_false(image_text(img, 0x1010, &r));
	assert_int_equal(img->nfuncs, 0);
	assert_int_equal(img->nbounds, 0);
	image_close(img);
}

/* Cut short anywhere, and each header byte set to each of some values: an error or an image, never
 * a crash, and never bytes from outside the file. */
static void damaged(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	struct image *img;
	uint8_t buf[64];
	(void)state;

	make(false);
	for (size_t n = 0; n < sizeof(m.file); n += n < 0x400 ? 7 : 129)
		if (!open_made(n, &img))
			image_close(img);
	for (size_t at = 4; at < 0xf80; at += at < 0xe8 || at >= 0xe80 ? 1 : 37) {
		for (size_t i = 0; i < sizeof(values); i++) {
			make(false);
			m.file[at] = values[i];
			if (open_made(sizeof(m.file), &img) == 0) {
				image_bytes(img, 0x1000, buf, sizeof(buf));
				image_bytes(img, img->span.end - 8, buf, sizeof(buf));
				image_symbolize(img, 0x1010);
				image_close(img);
			} else if (img) {
				image_close(img);
			}
		}
	}
}

static void numbers_that_wrap(void **state)
{
	struct image *img;
	uint8_t buf[16];
	(void)state;

	make(false);
	make_phdr(&m, 0)->p_offset = UINT64_MAX - 15;
	if (!open_made(sizeof(m.file), &img)) {
		assert_int_equal(image_bytes(img, 0x1000, buf, sizeof(buf)), 0);
		assert_int_equal(image_bytes(img, 0x1020, buf, sizeof(buf)), 0);
		image_close(img);
	}
	make(false);
	make_phdr(&m, 0)->p_filesz = UINT64_MAX;
	if (!open_made(sizeof(m.file), &img)) {
		assert_int_equal(image_bytes(img, 0x1ff8, buf, sizeof(buf)), 8);
		image_close(img);
	}
	make(false);
	make_phdr(&m, 0)->p_memsz = UINT64_MAX;
	if (!open_made(sizeof(m.file), &img))
		image_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),		 cmocka_unit_test(not_elf),
		cmocka_unit_test(other_machine), cmocka_unit_test(data_segment_is_no_code),
		cmocka_unit_test(damaged),	 cmocka_unit_test(numbers_that_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

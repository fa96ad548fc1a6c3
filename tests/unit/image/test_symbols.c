/* SPDX-License-Identifier: MIT */
/* Which symbols become functions, in which order, and which name an address gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"
#include "image/image.h"
#include "make_elf.h"

#define GLOBAL_FUNC ELF64_ST_INFO(STB_GLOBAL, STT_FUNC)
#define LOCAL_FUNC ELF64_ST_INFO(STB_LOCAL, STT_FUNC)

static struct make_elf m;

static struct image *open_made(void)
{
	struct image *img = NULL;

	make_end(&m);
	assert_true(make_write(&m, sizeof(m.file)));
	assert_int_equal(image_open(m.path, &img), 0);
	unlink(m.path);
	return img;
}

static void which(void **state)
{
	static const char *const want[] = {"alpha", "beta", "resolver", "omega"};
	struct image *img;
	(void)state;

	make_begin(&m, false);
	make_sym(&m, "omega", 0x80, 8, GLOBAL_FUNC);
	make_sym(&m, "resolver", 0x40, 8, ELF64_ST_INFO(STB_GLOBAL, STT_GNU_IFUNC));
	make_sym(&m, "beta", 0x20, 8, LOCAL_FUNC);
	make_sym(&m, "alpha", 0x20, 8, GLOBAL_FUNC);
	make_sym(&m, "alpha", 0x20, 8, GLOBAL_FUNC); /* once is enough */
	make_sym(&m, "object", 0x30, 8, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT));
	make_sym(&m, "label", 0x30, 0, ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE));
	make_sym(&m, "outside", 0x10000, 8, GLOBAL_FUNC);
	make_sym(&m, "undefined", 0x50, 8, GLOBAL_FUNC);
	((Elf64_Sym *)(m.file + 0x300))[m.nsyms - 1].st_shndx = SHN_UNDEF;
	img = open_made();
	assert_int_equal(img->nfuncs, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_string_equal(img->func[i].name, want[i]);
	assert_true(img->func[0].is_global);
	assert_false(img->func[1].is_global);
	assert_true(img->func[2].is_ifunc);
	assert_false(img->func[3].is_ifunc);
	assert_false(img->func[0].is_exported); /* no .dynsym here */
	image_close(img);
}

static void stripped(void **state)
{
	struct image *img;
	(void)state;

	make_begin(&m, false);
	img = open_made();
	assert_int_equal(img->nfuncs, 0);
	assert_null(image_symbolize(img, 0x1010));
	image_close(img);
}

static void bad_name_offset(void **state)
{
	struct image *img;
	(void)state;

	make_begin(&m, false);
	make_sym(&m, "good", 0x20, 8, GLOBAL_FUNC);
	make_sym(&m, "bad", 0x40, 8, GLOBAL_FUNC);
	((Elf64_Sym *)(m.file + 0x300))[2].st_name = 0xffffff00;
	img = open_made();
	assert_int_equal(img->nfuncs, 1);
	image_close(img);
}

static const char *name_at(const struct image *img, uint64_t off)
{
	const struct image_func *f = image_symbolize(img, MAKE_CODE + off);

	return f ? f->name : "none";
}

static void symbolize(void **state)
{
	struct image *img;
	(void)state;

	make_begin(&m, false);
	make_sym(&m, "outer", 0x20, 0x40, GLOBAL_FUNC);
	make_sym(&m, "inner", 0x30, 0x10, GLOBAL_FUNC);
	make_sym(&m, "z_global", 0x80, 0x10, GLOBAL_FUNC);
	make_sym(&m, "loc", 0x80, 0x10, LOCAL_FUNC);
	make_sym(&m, "z_global_alias", 0x80, 0x10, GLOBAL_FUNC);
	img = open_made();
	assert_string_equal(name_at(img, 0x1f), "none");
	assert_string_equal(name_at(img, 0x20), "outer");
	assert_string_equal(name_at(img, 0x30), "inner");
	assert_string_equal(name_at(img, 0x3f), "inner");
	assert_string_equal(name_at(img, 0x40), "outer");
	assert_string_equal(name_at(img, 0x5f), "outer");
	assert_string_equal(name_at(img, 0x60), "none");
	assert_string_equal(name_at(img, 0x8f), "z_global");
	assert_string_equal(name_at(img, 0x90), "none");
	image_close(img);
}

/* The C library exports, and its separate debug file, if installed, adds what it does not. */
static void exported_and_debug(void **state)
{
	bool has_malloc = false, has_private = false;
	char path[4096];
	struct image *img;
	(void)state;

	assert_int_equal(image_resolve("libc", NULL, path, sizeof(path)), 0);
	assert_int_equal(image_open(path, &img), 0);
	for (size_t i = 0; i < img->nfuncs; i++) {
		const struct image_func *f = &img->func[i];

		assert_non_null(f->name);
		if (i)
			assert_true(f[-1].vaddr < f->vaddr ||
				    (f[-1].vaddr == f->vaddr && strcmp(f[-1].name, f->name) < 0));
		has_malloc |= f->is_exported && f->is_global && !strcmp(f->name, "malloc");
		has_private |= !f->is_exported;
	}
	assert_true(has_malloc);
	if (!has_private)
		print_message("no debug file of libc here\n");
	image_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which),
		cmocka_unit_test(stripped),
		cmocka_unit_test(bad_name_offset),
		cmocka_unit_test(symbolize),
		cmocka_unit_test(exported_and_debug),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

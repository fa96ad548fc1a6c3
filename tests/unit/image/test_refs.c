/* SPDX-License-Identifier: MIT */
/*
 * Landing pads, pointers and parts: against what the code at these places looks like, in real
 * libraries; and with damaged files.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/base.h"
#include "image/image.h"

#define DAMAGES 60
#define HOLES 200 /* bytes damaged at a time */

struct found {
	const struct image *img;
	size_t n[3], starts, outside;
};

static void note(void *arg, enum image_ref kind, uint64_t vaddr)
{
	struct found *f = arg;
	struct image_range text, bound;

	/* whatever the file says, an address in code */
	assert_true(image_text(f->img, vaddr, &text));
	assert_in_range(kind, IMAGE_REF_LANDING, IMAGE_REF_PART);
	f->n[kind]++;
	if (!image_bound(f->img, vaddr, &bound))
		f->outside++;
	else if (bound.start == vaddr)
		f->starts++;
	if (kind == IMAGE_REF_PART)
		assert_true(vaddr >= text.start && vaddr < text.end);
}

static struct image *open_image(const char *name)
{
	struct image *img;
	char path[4096];

	if (image_resolve(name, NULL, path, sizeof(path)) || image_open(path, &img))
		return NULL;
	return img;
}

static void exceptions(void **state)
{
	struct found f = {.img = open_image("libstdc++.so.6")};

	(void)state;
	if (!f.img)
		skip();
	image_each_ref(f.img, note, &f);
	assert_true(f.n[IMAGE_REF_LANDING] > 500);
	assert_true(f.n[IMAGE_REF_POINTER] > 10);
	assert_true(f.n[IMAGE_REF_PART] > 100);
	assert_true(f.outside < 10);
	image_close((struct image *)f.img);
}

/* The first instruction of a landing pad of libstdc++: endbr64, or what keeps the exception. */
static void note_pad(void *arg, enum image_ref kind, uint64_t vaddr)
{
	size_t *n = arg;
	struct image *img = (struct image *)n[2];
	uint8_t code[4];
	struct image_range b;

	if (kind != IMAGE_REF_LANDING)
		return;
	assert_true(image_bound(img, vaddr, &b) && b.start <= vaddr);
	assert_int_equal(image_bytes(img, vaddr, code, 4), 4);
	n[0]++;
	n[1] += memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0;
}

static void pads_look_like_pads(void **state)
{
	struct image *img = open_image("libstdc++.so.6");
	size_t n[3] = {0, 0, (size_t)img};

	(void)state;
	if (!img)
		skip();
	image_each_ref(img, note_pad, n);
	/* built with -fcf-protection: all of them; without: none */
	assert_true(n[1] == 0 || n[1] * 100 > n[0] * 95);
	image_close(img);
}

static void note_start(void *arg, enum image_ref kind, uint64_t vaddr)
{
	struct found *f = arg;
	struct image_range b;

	f->n[kind]++;
	if (kind == IMAGE_REF_PART)
		assert_true(image_bound(f->img, vaddr, &b) && b.start == vaddr);
}

static void parts_are_bounds(void **state)
{
	static const char *const names[] = {"libc.so.6", "libsqlite3.so.0", "/usr/bin/python3"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct found f = {.img = open_image(names[i])};

		if (!f.img)
			continue;
		image_each_ref(f.img, note_start, &f);
		assert_true(f.n[IMAGE_REF_PART] > 0);
		/* most functions are none */
		assert_true(f.n[IMAGE_REF_PART] < f.img->nbounds / 2);
		image_close((struct image *)f.img);
	}
}

static uint8_t *slurp(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *mem;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*size = (size_t)st.st_size;
	mem = malloc(*size);
	assert_non_null(mem);
	assert_int_equal(read(fd, mem, *size), st.st_size);
	close(fd);
	return mem;
}

static void write_to(const char *path, const uint8_t *mem, size_t size)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, mem, size), size);
	close(fd);
}

/* Bytes behind the headers, which open_image() itself would stumble over. */
static void damaged(void **state)
{
	char path[4096], copy[] = "/tmp/sonde-refs-XXXXXX";
	size_t size;
	uint8_t *whole, *bad;
	int fd = mkstemp(copy);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	if (image_resolve("libgcc_s.so.1", NULL, path, sizeof(path)))
		skip();
	whole = slurp(path, &size);
	bad = malloc(size);
	assert_non_null(bad);
	srandom(4);
	for (int i = 0; i < DAMAGES; i++) {
		struct found f = {0};
		struct image *img;

		memcpy(bad, whole, size);
		for (int k = 0; k < HOLES; k++)
			bad[4096 + (size_t)random() % (size - 4096)] = (uint8_t)random();
		write_to(copy, bad, size);
		if (image_open(copy, &img) == 0) {
			f.img = img;
			image_each_ref(img, note, &f);
		}
		image_close(img);
	}
	unlink(copy);
	free(whole);
	free(bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exceptions),
		cmocka_unit_test(pads_look_like_pads),
		cmocka_unit_test(parts_are_bounds),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The public handle of an image, and its functions. Owns: struct sonde_image. Context: see
 * <sonde/image.h>.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "lib/local.h"
#include "sonde/image.h"

int sonde_image_open(const char *name, struct sonde_image **out)
{
	struct sonde_image *handle;
	char path[PATH_MAX];
	int err;

	err = image_resolve(name, NULL, path, sizeof(path));
	if (err)
		return err;
	handle = calloc(1, sizeof(*handle));
	if (!handle)
		return -ENOMEM;
	err = image_open(path, &handle->img);
	if (err) {
		/* an image of another machine is returned with the error */
		sonde_image_close(handle);
		return err;
	}
	*out = handle;
	return 0;
}

void sonde_image_close(struct sonde_image *handle)
{
	if (!handle)
		return;
	image_close(handle->img);
	free(handle);
}

const char *sonde_image_path(const struct sonde_image *handle)
{
	return handle->img->path;
}

int sonde_image_each(const struct sonde_image *handle, const char *pattern, sonde_func_cb *cb,
		     void *arg)
{
	const struct image *img = handle->img;

	for (size_t i = 0; i < img->nfuncs; i++) {
		const struct image_func *f = &img->func[i];
		struct sonde_func func = {
			.sz = sizeof(func),
			.name = f->name,
			.vaddr = f->vaddr,
			.size = f->size,
			.flags = (f->is_global ? SONDE_FUNC_GLOBAL : 0) |
				 (f->is_exported ? SONDE_FUNC_EXPORTED : 0) |
				 (f->is_ifunc ? SONDE_FUNC_IFUNC : 0),
		};
		int stop;

		if (pattern && !image_glob(pattern, f->name))
			continue;
		stop = cb(&func, arg);
		if (stop)
			return stop;
	}
	return 0;
}

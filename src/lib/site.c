/* SPDX-License-Identifier: MIT */
/*
 * Can a probe be placed here, how, and if not, why?
 *
 * Every question gets planning state of its own: a plan reserves the bytes that its sites need, and
 * an answer must not depend on what was asked before. Context: see <sonde/image.h>.
 */
#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "lib/local.h"
#include "plan/plan.h"
#include "sonde/image.h"

/* The struct as it first was; a caller's can be longer, never shorter. */
#define SITE_SIZE_MIN (offsetof(struct sonde_site, changed) + sizeof(uint32_t))

/* Hand out as much as the caller knows of; what only the caller knows of is zero. */
static void hand_out(struct sonde_site *info, const struct sonde_site *site)
{
	size_t sz = info->sz, n = sz < sizeof(*site) ? sz : sizeof(*site);

	memcpy(info, site, n);
	memset((char *)info + n, 0, sz - n);
	info->sz = sz;
}

static struct sonde_site site_at(const struct image *img, uint64_t vaddr)
{
	struct image_range text;
	const struct image_func *f =
		image_text(img, vaddr, &text) ? image_symbolize(img, vaddr) : NULL;

	return (struct sonde_site){
		.vaddr = vaddr,
		.file_offset = image_file_offset(img, vaddr),
		.func = f ? f->name : NULL,
		.class_name = plan_class_name(WIRE_CLASS_NONE),
	};
}

int sonde_site_plan_addr(const struct sonde_image *handle, uint64_t vaddr, struct sonde_site *info)
{
	struct plan_site planned;
	struct sonde_site site;
	struct plan *plan;
	int err;

	if (info->sz < SITE_SIZE_MIN)
		return -EINVAL;
	site = site_at(handle->img, vaddr);
	err = plan_open(handle->img, &plan);
	if (err)
		goto out;
	err = plan_site_in(plan, vaddr, PLAN_ONE_STORE | PLAN_CLASS(WIRE_CLASS_W) | PLAN_EARLY,
			   &planned);
	plan_close(plan);
	if (err)
		goto out;
	site.class_name = plan_class_name(planned.site.class);
	site.insn_len = planned.site.insn_len;
	site.changed = planned.site.ncut;
	site.jump = planned.site.vaddr;
out:
	hand_out(info, &site);
	return err;
}

/* Of several functions of one name the last global one, else the first: as the tool chooses. */
static const struct image_func *find(const struct image *img, const char *name)
{
	const struct image_func *found = NULL;

	for (size_t i = 0; i < img->nfuncs; i++) {
		const struct image_func *f = &img->func[i];

		if (strcmp(f->name, name) == 0 && (!found || f->is_global))
			found = f;
	}
	return found;
}

/* Bytes of the function at @vaddr, 0 if nobody knows. A resolver's size is not that of what it
 * selects. */
static uint64_t size_of(const struct image *img, const struct image_func *f, uint64_t vaddr)
{
	struct image_range r;

	if (f->size && !f->is_ifunc)
		return f->size;
	return image_bound(img, vaddr, &r) ? r.end - vaddr : 0;
}

/* Where the site lies; what is wrong with the question. */
static int locate(const struct image *img, const char *name, uint64_t offset, uint64_t *vaddr)
{
	const struct image_func *f = find(img, name);
	int err;

	if (!f)
		return img->nfuncs ? SONDE_E_NO_SYMBOL : SONDE_E_STRIPPED;
	*vaddr = f->vaddr;
	err = f->is_ifunc ? image_ifunc(img, name, vaddr) : 0;
	if (err)
		return err;
	if (offset) {
		uint64_t size = size_of(img, f, *vaddr);

		if (!size)
			return SONDE_E_NO_FUNCTION;
		if (offset >= size)
			return SONDE_E_NOT_BOUNDARY;
	}
	*vaddr += offset;
	return 0;
}

int sonde_site_plan(const struct sonde_image *handle, const char *name, uint64_t offset,
		    struct sonde_site *info)
{
	uint64_t vaddr = 0;
	int err;

	if (info->sz < SITE_SIZE_MIN)
		return -EINVAL;
	err = locate(handle->img, name, offset, &vaddr);
	if (err) {
		struct sonde_site site = {
			.vaddr = vaddr,
			.file_offset = SONDE_NO_OFFSET,
			.class_name = plan_class_name(WIRE_CLASS_NONE),
		};

		if (vaddr)
			site = site_at(handle->img, vaddr);
		hand_out(info, &site);
		return err;
	}
	return sonde_site_plan_addr(handle, vaddr, info);
}

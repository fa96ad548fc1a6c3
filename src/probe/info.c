/* SPDX-License-Identifier: MIT */
/*
 * What there is to say about probes. Context: any thread, handlers included.
 */
#include <errno.h>

#include "probe/state.h"

static void describe(const struct sonde_probe *p, struct sonde_probe_info *info)
{
	const struct probe_place *place = p->place;
	const struct image *img = place->module->img;
	const struct image_func *f = image_symbolize(img, place->vaddr);
	const struct wire_site *ws = &place->opening->job.plans.site[place->at];
	uint32_t consumers = 0;

	for (const struct sonde_probe *q = place->first; q; q = q->site_next)
		consumers++;
	*info = (struct sonde_probe_info){
		.sz = sizeof(*info),
		.probe = (struct sonde_probe *)p,
		.id = p->id,
		.address = place->addr,
		.vaddr = place->vaddr,
		.path = img->path,
		.symbol = f ? f->name : NULL,
		.class_name = plan_class_name(ws->class),
		.missed = load_relaxed(&p->missed),
		.state = p->state,
		.consumers = consumers,
	};
}

uint64_t sonde_probe_missed(const struct sonde_probe *probe)
{
	return load_relaxed(&probe->missed);
}

int sonde_probe_info(const struct sonde_probe *probe, struct sonde_probe_info *info)
{
	struct probe_guard guard;
	int err = -ENOENT;

	if (info->sz != sizeof(*info))
		return -EINVAL;
	probe_lock(&guard);
	if (probe && probe->id) {
		describe(probe, info);
		err = 0;
	}
	probe_unlock(&guard);
	return err;
}

size_t sonde_probes_list(struct sonde_probe_info *out, size_t sz, size_t max)
{
	struct probe_guard guard;
	size_t n = 0;

	if (sz != sizeof(*out))
		return 0;
	probe_lock(&guard);
	for (const struct sonde_probe *p = probe_rt.first; p; p = p->next) {
		if (n++ < max)
			describe(p, &out[n - 1]);
	}
	probe_unlock(&guard);
	return n;
}

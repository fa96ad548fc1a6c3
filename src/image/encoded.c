/* SPDX-License-Identifier: MIT */
/*
 * Numbers as unwind tables encode them: pointers with an encoding byte, and LEB128. Every reader
 * stops at the end of its bytes. Context: tool, any thread.
 */
#include <dwarf.h>
#include <string.h>

#include "image/internal.h"

/* Bytes of a pointer by the low four bits of its encoding; LEB128 and unknown ones are 0. */
static const uint8_t width[16] = {8, 0, 2, 4, 8, 0, 0, 0, 0, 0, 2, 4, 8};

bool image_read_leb(struct image_cursor *c, uint64_t *out)
{
	uint64_t v = 0;
	unsigned int shift = 0;

	while (c->at < c->size) {
		uint8_t byte = c->data[c->at++];

		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (!(byte & 0x80)) {
			*out = v;
			return true;
		}
	}
	return false;
}

bool image_read_encoded(struct image_cursor *c, uint8_t enc, uint64_t *out)
{
	uint8_t w = width[enc & 0xf];
	uint64_t v = 0, pc = c->vaddr + c->at;

	if (enc == DW_EH_PE_uleb128)
		return image_read_leb(c, out);
	if (enc == DW_EH_PE_omit || !w || c->at > c->size || c->size - c->at < w)
		return false;
	memcpy(&v, c->data + c->at, w);
	if (enc & 0x8 && w < 8)
		v = (uint64_t)((int64_t)(v << (64 - 8 * w)) >> (64 - 8 * w));
	c->at += w;
	/* an indirect one leads to a pointer, never to code */
	if ((enc & 0xf0) == DW_EH_PE_pcrel)
		v += pc;
	else if (enc & 0xf0)
		return false;
	*out = v;
	return true;
}

/* What the letters of the augmentation of @cie mean for its FDEs. */
struct image_cie image_read_cie(const Dwarf_CIE *cie)
{
	struct image_cie out = {.fde = DW_EH_PE_absptr, .lsda = DW_EH_PE_omit};
	const uint8_t *p = cie->augmentation_data;
	const uint8_t *end = p ? p + cie->augmentation_data_size : NULL;

	if (!cie->augmentation || cie->augmentation[0] != 'z')
		return out;
	out.has_data = true;
	for (const char *a = cie->augmentation + 1; *a && p < end; a++) {
		if (*a == 'R')
			out.fde = *p++;
		else if (*a == 'L')
			out.lsda = *p++;
		else if (*a == 'P')
			p += 1 + width[*p & 0xf];
		else if (*a != 'S' && *a != 'B')
			break;
	}
	return out;
}

/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share.
 */
#ifndef SONDE_LIB_LOCAL_H
#define SONDE_LIB_LOCAL_H

#include "image/image.h"

struct sonde_image {
	struct image *img;
};

#endif

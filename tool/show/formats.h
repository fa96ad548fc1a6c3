/* SPDX-License-Identifier: MIT */
/* The formats there are. Private to the room. */
#ifndef SONDE_SHOW_FORMATS_H
#define SONDE_SHOW_FORMATS_H

#include "show/show.h"

extern const struct show_ops show_text;
extern const struct show_ops show_json;

#endif

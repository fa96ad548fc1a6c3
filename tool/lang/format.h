/* SPDX-License-Identifier: MIT */
/*
 * printf formats. Context: tool.
 */
#ifndef SONDE_LANG_FORMAT_H
#define SONDE_LANG_FORMAT_H

#include "lang/check.h"

/* Hold the format of the printf() call @e against its arguments. */
void lang_check_format(struct checker *c, struct expr *e);

#endif

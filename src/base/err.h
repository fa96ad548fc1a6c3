/* SPDX-License-Identifier: MIT */
/*
 * Error codes in words. The codes are public and stand in <sonde/err.h>, the one list of them:
 * 0 or a negative errno; Sonde's own lie below -4000.
 */
#ifndef SONDE_BASE_ERR_H
#define SONDE_BASE_ERR_H

#include "sonde/err.h"

/*
 * The reason for @err in words, without a final dot: for own codes a sentence that tells the
 * user what is wrong, for errno codes the C library's text. Never NULL. Any thread.
 */
const char *sonde_err_text(int err);
/* The short upper-case name of an own code ("BRANCH_INTO"), "ERRNO" for errno codes, "UNKNOWN". */
const char *sonde_err_name(int err);

#endif
